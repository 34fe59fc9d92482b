/* SPDX-License-Identifier: Apache-2.0
 *
 * A strong channel of a chunk: the decay between every two tokens, by itself.
 *
 *     D_ji = e^(g_{j+1} + ... + g_i), summed in ascending order; D_jj = 1
 * No exponent is positive where gates are not, none is a difference, -inf needs no care.
 */
#ifndef GLA_CHUNKWISE_PAIRS_CUH
#define GLA_CHUNKWISE_PAIRS_CUH

#include "chunkwise_parts.cuh"

namespace chunkwise {

struct pairs {
    float g[C], sq[C], k[C];
    float D[C][C + 1]; /* [i][j], j <= i < m */
};

/* For the whole block; what lies in x is somebody's until all have come here. */
template <typename T>
__device__ inline void take_channel(pairs &x, const gla_cuda_problem &p, const chunk &c, int64_t channel, float scale) {
    __syncthreads();
    int t = (int)threadIdx.x;
    if (t < c.m) {
        x.g[t] = tokens::load(p.g, tokens::row_of(p.g, p, c.at, c.first + t) + channel);
        x.k[t] = tiles::wide(*(const T *)(rows_of(p.k, p, c.at, c.first + t) + channel));
        x.sq[t] = __fmul_rn(tiles::wide(*(const T *)(rows_of(p.q, p, c.at, c.first + t) + channel)), scale);
    }
    __syncthreads();
    if (t < c.m) {
        float s = 0;
        x.D[t][t] = 1;
#pragma unroll 4
        for (int i = t + 1; i < c.m; i++) {
            s = __fadd_rn(s, x.g[i]);
            x.D[i][t] = exponential(s);
        }
    }
    __syncthreads();
}

} // namespace chunkwise

#endif
