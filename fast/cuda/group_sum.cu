/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a tensor that a group of heads shares: 0 + head 0 + head 1 + ..., in binary32, rounded once to the
 * tensor's dtype. A thread per element of the result.
 */
#include "recurrent.cuh"
#include "tokens.cuh"

namespace group_sum {

struct shape {
    int64_t outer, rows, group; /* [outer, heads, rows, D], with the heads before or behind the rows */
    bool state;
};

__global__ void sum(const __grid_constant__ gla_cuda_tensor to, const float *from, const __grid_constant__ shape x,
                    int64_t D) {
    int64_t count = x.outer * to.heads * x.rows * D, H = to.heads * x.group;
    for (int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; n < count; n += (int64_t)gridDim.x * blockDim.x) {
        int64_t d = n % D, head = n / D % to.heads, row = n / D / to.heads % x.rows, a = n / D / to.heads / x.rows;
        float z = x.group == 1 ? -0.0f : 0; /* -0 + x is x, for -0 too */
        for (int64_t g = 0; g < x.group; g++) {
            int64_t h = head * x.group + g;
            z = __fadd_rn(z, from[(x.state ? (a * H + h) * x.rows + row : (a * x.rows + row) * H + h) * D + d]);
        }
        int64_t at = a * to.stride[0] +
                     (x.state ? head * to.stride[1] + row * to.stride[2] : row * to.stride[1] + head * to.stride[2]);
        tokens::store(to, at + d, z);
    }
}

} // namespace group_sum

cudaError_t gla_cuda_group_sum(const gla_cuda_problem *p, const gla_cuda_tensor *to, const float *from, bool state,
                               int64_t D, cudaStream_t stream) {
    group_sum::shape x = {state ? p->N : p->B, state ? p->dk : p->T, p->H / to->heads, state};
    int64_t count = x.outer * to->heads * x.rows * D, blocks = (count + 255) / 256;
    group_sum::sum<<<(unsigned)(blocks < 65536 ? blocks : 65536), 256, 0, stream>>>(*to, from, x, D);
    return cudaGetLastError();
}
