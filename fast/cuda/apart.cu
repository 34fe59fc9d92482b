/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients that are made apart; contract in apart.cuh.
 */
#include "apart.cuh"

#include "recurrent.cuh"

static gla_cuda_tensor *gradient_of(gla_cuda_problem *p, int gradient) {
    gla_cuda_tensor *all[GLA_CUDA_GRADIENTS] = {&p->dq, &p->dk_, &p->dv_, &p->dg, &p->dinitial_state};
    return all[gradient];
}

static bool is_state(int gradient) { return gradient == GLA_CUDA_DINITIAL_STATE; }

static int64_t rows_of(const gla_cuda_problem *p, int gradient) {
    return is_state(gradient) ? p->N * p->dk : p->B * p->T;
}

static int64_t columns_of(const gla_cuda_problem *p, int gradient) {
    return gradient == GLA_CUDA_DV || is_state(gradient) ? p->dv : p->dk;
}

static bool made_apart(const gla_cuda_problem *p, int gradient, bool wide_dg) {
    gla_cuda_problem copy = *p;
    const gla_cuda_tensor *x = gradient_of(&copy, gradient);
    bool narrow = gradient == GLA_CUDA_DG && x->dtype != GLA_CUDA_F32;
    return x->data && (x->heads < p->H || (narrow && wide_dg));
}

float *gla_cuda_take(size_t *bytes, void *workspace, int64_t numbers) {
    float *at = workspace ? (float *)((char *)workspace + *bytes) : NULL;
    *bytes += ((size_t)numbers * sizeof(float) + 255) / 256 * 256;
    return at;
}

gla_cuda_apart gla_cuda_take_apart(const gla_cuda_problem *p, bool wide_dg, size_t *bytes, void *workspace) {
    gla_cuda_apart apart = {};
    for (int i = 0; i < GLA_CUDA_GRADIENTS; i++)
        if (made_apart(p, i, wide_dg))
            apart.at[i] = gla_cuda_take(bytes, workspace, rows_of(p, i) * p->H * columns_of(p, i));
    return apart;
}

gla_cuda_tensor gla_cuda_tensor_apart(const gla_cuda_problem *p, int gradient, float *at) {
    int64_t D = columns_of(p, gradient);
    gla_cuda_tensor x = {at, GLA_CUDA_F32, (int32_t)p->H, {p->T * p->H * D, p->H * D, D}};
    if (is_state(gradient)) {
        x.stride[0] = p->H * p->dk * D;
        x.stride[1] = p->dk * D;
    }
    return x;
}

gla_cuda_problem gla_cuda_problem_apart(const gla_cuda_problem *p, const gla_cuda_apart *apart) {
    gla_cuda_problem q = *p;
    for (int i = 0; i < GLA_CUDA_GRADIENTS; i++)
        if (apart->at[i]) *gradient_of(&q, i) = gla_cuda_tensor_apart(p, i, apart->at[i]);
    return q;
}

cudaError_t gla_cuda_sum_apart(const gla_cuda_problem *p, const gla_cuda_apart *apart, cudaStream_t stream) {
    cudaError_t e = cudaSuccess;
    gla_cuda_problem q = *p;
    for (int i = 0; i < GLA_CUDA_GRADIENTS && e == cudaSuccess; i++)
        if (apart->at[i])
            e = gla_cuda_group_sum(p, gradient_of(&q, i), apart->at[i], is_state(i), columns_of(p, i), stream);
    return e;
}
