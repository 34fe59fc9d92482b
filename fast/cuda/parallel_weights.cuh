/* SPDX-License-Identifier: Apache-2.0
 *
 * The weights of TILE x TILE pairs of a reader t and a writer i, four to a thread, for the kernels that use them:
 *     P_ti = sum_c s q_tc k_ic e^(G_tc-G_ic)      dP_ti = sum_x do_tx v_ix
 * KEYS: dP, else P. One that reads ahead (i > t) is made like any other, from exponents of any sign: nobody uses it.
 */
#ifndef GLA_PARALLEL_WEIGHTS_CUH
#define GLA_PARALLEL_WEIGHTS_CUH

#include "parallel_tiles.cuh"

namespace parallel {

enum { STRIP = 32, PAIRS_PITCH = TILE + 2 };

/* A strip of both sides of the weights; [0] readers, [1] writers. P alone has gates. */
template <bool KEYS> struct strips {
    float value[2][STRIP][PAIRS_PITCH];
    float sum[KEYS ? 1 : 2][KEYS ? 1 : STRIP][PAIRS_PITCH];
    int epoch[KEYS ? 1 : 2][KEYS ? 1 : STRIP][PAIRS_PITCH];
};

/* One side's strip: channels (P) or columns (dP) from n0 on, of the tokens from `first` on. */
template <bool READER, bool KEYS>
__device__ inline void lay_out_side(strips<KEYS> &to, const inputs &x, const place &at, int64_t first, int64_t n0) {
    const int side = READER ? 0 : 1;
    int64_t n = n0 + lane(), D = KEYS ? x.p.dv : x.p.dk;
    for (int m = warp(); m < TILE; m += WARPS) {
        bool there = first + m >= 0 && first + m < at.length && n < D;
        to.value[side][lane()][m] = there ? operand<READER, !KEYS>(x, at, first + m, n) : 0;
        if (KEYS) continue;
        gate g = {0, 0};
        if (there) g = gate_at(x, at, first + m, n);
        to.sum[KEYS ? 0 : side][KEYS ? 0 : lane()][m] = g.sum;
        to.epoch[KEYS ? 0 : side][KEYS ? 0 : lane()][m] = g.epoch;
    }
}

/* The thread's 2 x 2 pairs, through one strip. */
template <bool KEYS> __device__ inline void add_strip(float (&w)[2][2], const strips<KEYS> &s, int count) {
    const int t = 2 * ((int)threadIdx.x / 16), i = 2 * ((int)threadIdx.x % 16);
#pragma unroll 2
    for (int n = 0; n < count; n++)
#pragma unroll
        for (int a = 0; a < 2; a++)
#pragma unroll
            for (int b = 0; b < 2; b++) {
                float y = s.value[1][n][i + b];
                if (!KEYS) {
                    const int from = KEYS ? 0 : n; /* of arrays that are not there */
                    gate reader = {s.sum[0][from][t + a], s.epoch[0][from][t + a]};
                    gate writer = {s.sum[!KEYS][from][i + b], s.epoch[!KEYS][from][i + b]};
                    y = __fmul_rn(decay_between(reader, writer), y);
                }
                w[a][b] = __fmaf_rn(s.value[0][n][t + a], y, w[a][b]);
            }
}

/* From readers and writers on, the first of which may be before the sequence, as [partner][owner]: owners are readers
 * if READS. Begins with a barrier; the caller's follows. */
template <bool READS, bool KEYS>
__device__ inline void make_weights(float (*weight)[PITCH], strips<KEYS> &strip, const inputs &x, const place &at,
                                    int64_t readers, int64_t writers) {
    int64_t D = KEYS ? x.p.dv : x.p.dk;
    float w[2][2] = {};
    for (int64_t n0 = 0; n0 < D; n0 += STRIP) {
        __syncthreads();
        lay_out_side<true, KEYS>(strip, x, at, readers, n0);
        lay_out_side<false, KEYS>(strip, x, at, writers, n0);
        __syncthreads();
        add_strip<KEYS>(w, strip, (int)min((int64_t)STRIP, D - n0));
    }
    const int t = 2 * ((int)threadIdx.x / 16), i = 2 * ((int)threadIdx.x % 16);
#pragma unroll
    for (int a = 0; a < 2; a++)
#pragma unroll
        for (int c = 0; c < 2; c++) weight[READS ? i + c : t + a][READS ? t + a : i + c] = w[a][c];
}

} // namespace parallel

#endif
