/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a tensor that a group of heads shares: 0 + head 0 + head 1 + ..., in binary32, rounded once to the
 * tensor's dtype. Blocks share the rows of the result, D elements each; nothing is divided element by element.
 */
#include "recurrent.cuh"
#include "tokens.cuh"

namespace group_sum {

struct shape {
    int64_t outer, rows, group, D; /* [outer, heads, rows, D], with the heads before or behind the rows */
    bool state;
};

/* One row of each head from blockIdx.y on. */
__device__ inline void sum_row(const gla_cuda_tensor &to, const float *from, const shape &x, int64_t a, int64_t row) {
    int64_t H = to.heads * x.group, step = x.state ? x.rows * x.D : x.D; /* from one head to the next */
    for (int64_t head = blockIdx.y; head < to.heads; head += gridDim.y) {
        int64_t first = (x.state ? a * H * x.rows + row : (a * x.rows + row) * H) * x.D + head * x.group * step;
        int64_t at = a * to.stride[0] +
                     (x.state ? head * to.stride[1] + row * to.stride[2] : row * to.stride[1] + head * to.stride[2]);
        for (int64_t d = threadIdx.x; d < x.D; d += blockDim.x) {
            float z = x.group == 1 ? -0.0f : 0; /* -0 + x is x, for -0 too */
            for (int64_t g = 0; g < x.group; g++) z = __fadd_rn(z, from[first + g * step + d]);
            tokens::store(to, at + d, z);
        }
    }
}

__global__ void sum(const __grid_constant__ gla_cuda_tensor to, const float *from, const __grid_constant__ shape x) {
    for (int64_t n = blockIdx.x; n < x.outer * x.rows; n += gridDim.x) sum_row(to, from, x, n / x.rows, n % x.rows);
}

} // namespace group_sum

cudaError_t gla_cuda_group_sum(const gla_cuda_problem *p, const gla_cuda_tensor *to, const float *from, bool state,
                               int64_t D, cudaStream_t stream) {
    group_sum::shape x = {state ? p->N : p->B, state ? p->dk : p->T, p->H / to->heads, D, state};
    const int64_t rows = x.outer * x.rows, most = 65536, threads = (D + 31) / 32 * 32;
    dim3 grid((unsigned)(rows < most ? rows : most), (unsigned)(to->heads < most ? to->heads : most - 1));
    group_sum::sum<<<grid, (unsigned)(threads < 256 ? threads : 256), 0, stream>>>(*to, from, x);
    return cudaGetLastError();
}
