/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers two channels at a time, as the fused kernels' prep warpgroups take them from tiles of 64 columns.
 */
#ifndef GLA_FUSED_NUMBERS_CUH
#define GLA_FUSED_NUMBERS_CUH

#include "fused_parts.cuh"

namespace fused {

struct pair {
    float x, y;
};
__device__ inline pair pair_of(const float *at) { return {at[0], at[1]}; }
__device__ inline pair pair_of(const __nv_bfloat16 *at) {
    uint32_t both = *(const uint32_t *)at;
    return {__uint_as_float(both << 16), __uint_as_float(both & 0xffff0000)};
}
__device__ inline void put(__nv_bfloat16 *at, float x, float y) { *(__nv_bfloat162 *)at = __floats2bfloat162_rn(x, y); }

/* Two numbers as operands, rounded; and what that has lost, rounded. */
__device__ inline uint32_t rounded(float x, float y) {
    __nv_bfloat162 two = __floats2bfloat162_rn(x, y);
    return *(uint32_t *)&two;
}
__device__ inline uint32_t rest_of(float x, float y, uint32_t two) {
    return rounded(__fsub_rn(x, __uint_as_float(two << 16)), __fsub_rn(y, __uint_as_float(two & 0xffff0000)));
}

__device__ inline pair half_of(pair x) { return {__fmul_rn(0.5f, x.x), __fmul_rn(0.5f, x.y)}; }

/* Row and channel of a swizzled tile, in panels of 64 channels. */
template <int DK> __device__ inline __nv_bfloat16 *element(uint8_t *tile, int row, int channel) {
    return (__nv_bfloat16 *)(tile + channel / 64 * PANEL + ptx::swizzled(row, channel % 64));
}

} // namespace fused

#endif
