/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of more than 2^31 elements: the outputs of single heads, the last one among them, are bit for bit those of
 * the same head run alone; an index that was cut to 32 bits reads or writes somewhere else.
 *
 * Needs up to 100 GB of GPU memory; what does not fit is left out, and said. Exit 77 without a GPU.
 */
#include <cuda_runtime_api.h>
#include <string.h>

#include "../../../fast/cuda/host_run.h"
#include "../../testing.h"

enum { H = 128, D = 128, BLOCK = 16777213 }; /* random numbers, repeated: a prime, so that no two heads are alike */

static const gla_cuda_rung rungs[] = {GLA_CUDA_RECURRENT, GLA_CUDA_PARALLEL, GLA_CUDA_CHUNKWISE, GLA_CUDA_FUSED};
enum { LANES = 2 * sizeof rungs / sizeof *rungs }; /* a rung, forward or backward */

static void *taken[32];
static int count;

static void *take(size_t bytes) {
    void *at = NULL;
    if (cudaMalloc(&at, bytes) != cudaSuccess) {
        cudaGetLastError();
        return NULL;
    }
    return taken[count++] = at;
}

static void give_back(void) {
    while (count > 0) cudaFree(taken[--count]);
}

/* A tensor of `numbers` random numbers of 2 or 4 bytes, none if there is no memory for it. */
static void *random_numbers(size_t numbers, size_t size, float low, float high) {
    size_t block = numbers < BLOCK ? numbers : BLOCK;
    char *at = take(numbers * size), *staged = malloc(block * size);
    ck_assert_ptr_nonnull(staged);
    for (size_t i = 0; i < block; i++) {
        float x = low + (high - low) * (float)(i * 0x9e3779b97f4a7c15u >> 40) * 0x1p-24f;
        uint32_t word;
        memcpy(&word, &x, 4);
        uint16_t half = (uint16_t)(word >> 16);
        memcpy(staged + i * size, size == 4 ? (void *)&word : (void *)&half, size);
    }
    if (at) cudaMemcpy(at, staged, block * size, cudaMemcpyHostToDevice);
    for (size_t done = block; at && done < numbers; done += block) {
        size_t more = numbers - done < block ? numbers - done : block;
        cudaMemcpyAsync(at + done * size, at, more * size, cudaMemcpyDeviceToDevice, NULL);
    }
    free(staged);
    return at;
}

static gla_cuda_tensor tokens(const gla_cuda_problem *p, gla_cuda_dtype dtype, float low, float high) {
    size_t numbers = (size_t)(p->B * p->T) * H * D, size = dtype == GLA_CUDA_F32 ? 4 : 2;
    return (gla_cuda_tensor){random_numbers(numbers, size, low, high), dtype, H, {p->T * H * D, H * D, D}};
}

static gla_cuda_tensor states(const gla_cuda_problem *p) {
    return (gla_cuda_tensor){
        random_numbers((size_t)p->N * H * D * D, 4, -1, 1), GLA_CUDA_F32, H, {H * D * D, D * D, D}};
}

/* False: there is not enough memory. */
static bool make_problem(gla_cuda_problem *p, bool backward) {
    *p = (gla_cuda_problem){.B = backward ? 550 : 1100, .T = backward ? 256 : 128, .H = H, .dk = D, .dv = D};
    p->N = p->B;
    p->q = tokens(p, GLA_CUDA_BF16, -1, 1);
    p->k = tokens(p, GLA_CUDA_BF16, -0.5f, 1);
    p->v = tokens(p, GLA_CUDA_BF16, -1, 0.5f);
    p->g = tokens(p, GLA_CUDA_BF16, -0.2f, 0);
    bool good = p->q.data && p->k.data && p->v.data && p->g.data;
    if (!backward) {
        p->initial_state = states(p);
        p->o = tokens(p, GLA_CUDA_BF16, 2, 2);
        p->final_state = states(p);
        return good && p->initial_state.data && p->o.data && p->final_state.data;
    }
    p->d_o = tokens(p, GLA_CUDA_BF16, -1, 0.75f);
    p->dq = tokens(p, GLA_CUDA_BF16, 2, 2);
    p->dk_ = tokens(p, GLA_CUDA_BF16, 2, 2);
    p->dv_ = tokens(p, GLA_CUDA_BF16, 2, 2);
    p->dg = tokens(p, GLA_CUDA_F32, 2, 2);
    return good && p->d_o.data && p->dq.data && p->dk_.data && p->dv_.data && p->dg.data;
}

/* ---- one head by itself ---- */

static size_t size_of(const gla_cuda_tensor *x) { return x->dtype == GLA_CUDA_F32 ? 4 : 2; }

/* Head h of batch b where it lies; or, an output, in memory of its own with the rows as far apart. */
static void alone(gla_cuda_tensor *x, int64_t b, int64_t h, bool state, bool output, int64_t rows) {
    if (!x->data) return;
    x->data = output ? take((size_t)(rows * x->stride[state ? 2 : 1]) * size_of(x))
                     : (char *)x->data + (size_t)(b * x->stride[0] + h * x->stride[state ? 1 : 2]) * size_of(x);
    x->heads = 1;
    ck_assert_ptr_nonnull(x->data);
}

static void check_rows(const char *name, const gla_cuda_tensor *all, const gla_cuda_tensor *one, int64_t b, int64_t h,
                       bool state, int64_t rows) {
    static char got[D * 4], want[D * 4];
    size_t bytes = D * size_of(all);
    for (int64_t r = 0; all->data && r < rows; r++) {
        int64_t at = b * all->stride[0] + h * all->stride[state ? 1 : 2] + r * all->stride[state ? 2 : 1];
        int64_t row = r * one->stride[state ? 2 : 1];
        ck_assert_int_eq(cudaMemcpy(got, (char *)all->data + (size_t)at * size_of(all), bytes, cudaMemcpyDeviceToHost),
                         cudaSuccess);
        cudaMemcpy(want, (char *)one->data + (size_t)row * size_of(one), bytes, cudaMemcpyDeviceToHost);
        ck_assert_msg(memcmp(got, want, bytes) == 0, "%s: batch %lld, head %lld, row %lld", name, (long long)b,
                      (long long)h, (long long)r);
    }
}

static void call_it(int lane, const gla_cuda_problem *p, bool *fits) {
    gla_cuda_call call = {.rung = rungs[lane / 2]};
    bool backward = lane % 2;
    ck_assert_msg(gla_cuda_workspace(p, &call, backward, &call.workspace_size) == GLA_CUDA_OK, "%s", call.why);
    call.workspace = call.workspace_size ? take(call.workspace_size) : NULL;
    *fits = call.workspace || !call.workspace_size;
    if (!*fits) return;
    gla_cuda_status status = (backward ? gla_cuda_backward : gla_cuda_forward)(p, &call);
    ck_assert_msg(status == GLA_CUDA_OK, "%s: %s", gla_cuda_rung_name(call.rung), call.why);
    cudaError_t e = cudaDeviceSynchronize();
    ck_assert_msg(e == cudaSuccess, "%s: %s", gla_cuda_rung_name(call.rung), cudaGetErrorString(e));
    if (call.workspace) cudaFree(taken[--count]);
}

static void check_head(int lane, const gla_cuda_problem *p, int64_t b, int64_t h) {
    gla_cuda_problem one = *p;
    bool fits;
    one.B = one.N = one.H = 1;
    alone(&one.q, b, h, false, false, 0);
    alone(&one.k, b, h, false, false, 0);
    alone(&one.v, b, h, false, false, 0);
    alone(&one.g, b, h, false, false, 0);
    alone(&one.d_o, b, h, false, false, 0);
    alone(&one.initial_state, b, h, true, false, 0);
    alone(&one.final_state, b, h, true, true, D);
    alone(&one.o, b, h, false, true, p->T);
    alone(&one.dq, b, h, false, true, p->T);
    alone(&one.dk_, b, h, false, true, p->T);
    alone(&one.dv_, b, h, false, true, p->T);
    alone(&one.dg, b, h, false, true, p->T);
    call_it(lane, &one, &fits);
    ck_assert(fits);
    check_rows("o", &p->o, &one.o, b, h, false, p->T);
    check_rows("final_state", &p->final_state, &one.final_state, b, h, true, D);
    check_rows("dq", &p->dq, &one.dq, b, h, false, p->T);
    check_rows("dk", &p->dk_, &one.dk_, b, h, false, p->T);
    check_rows("dv", &p->dv_, &one.dv_, b, h, false, p->T);
    check_rows("dg", &p->dg, &one.dg, b, h, false, p->T);
}

START_TEST(test_large) {
    gla_cuda_problem p;
    const char *name = gla_cuda_rung_name(rungs[_i / 2]), *way = _i % 2 ? "backward" : "forward";
    bool fits = make_problem(&p, _i % 2);
    if (fits) call_it(_i, &p, &fits);
    if (fits) {
        check_head(_i, &p, p.B - 1, H - 1);
        check_head(_i, &p, p.B / 2, 1);
        check_head(_i, &p, 0, H - 1);
    }
    printf("%s %s: %s\n", name, way, fits ? "2.3e9 elements a tensor" : "left out: not enough memory");
    give_back();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/large");
    TCase *c = tcase_create("large");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, test_large, 0, LANES);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    gla_host_why why;
    if (!gla_cuda_host_device(why)) {
        printf("skipped: %s\n", why);
        return 77;
    }
    setenv("CK_FORK", "no", 1); /* a GPU's context does not survive fork */
    return test_main(suite());
}
