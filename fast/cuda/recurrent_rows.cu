/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, recurrent, by rows of the state: the gradients of q, k and the gate.
 *
 *     forward   Z = alpha_i S;  S = fma(k_i, v_j, Z);           dq_i = s sum_j do_j S_ij
 *     back      R = fma(s q_i, do_j, F);  F = alpha_i R         dk_i = sum_j v_j R_ij    dg_i = sum_j R_ij Z_ij
 *
 * A block has one sequence, one head and LANES rows, a thread one row: its gates, keys and queries of a tile of tokens
 * are in registers, v and do of the tile in shared memory, STRIP columns at a time. States between tiles are in the
 * workspace. The way back needs Z: forward keeps the state before every segment of some tiles; back makes those before
 * the segment's tiles from it, and Z_t of one element of a tile in registers from those. No state is ever divided by a
 * decay.
 */
#include "recurrent.cuh"
#include "tokens.cuh"

namespace recurrent_rows {

using namespace tokens;

enum { TILE = GLA_RECURRENT_TILE, LANES = 32, STRIP = 64, ROWS = 4 };

/* What a thread's row needs of a tile. */
struct row {
    float alpha[TILE], k[TILE], sq[TILE];
};

/* Everything a block has. */
struct block {
    const gla_cuda_problem &p;
    place at;
    float scale;
    int64_t i;              /* the thread's row; from dk on: none */
    float2 (*token)[STRIP]; /* v, do */
};

__device__ inline bool has_row(const block &b) { return b.i < b.p.dk; }

__device__ inline int tokens_of(const block &b, int64_t tile) {
    return (int)min((int64_t)TILE, b.at.length - tile * TILE);
}

__device__ inline row row_of_tile(const block &b, int64_t tile, bool queries) {
    row x;
    int count = tokens_of(b, tile);
#pragma unroll
    for (int n = 0; n < TILE; n++) {
        bool there = has_row(b) && n < count;
        int64_t t = tile * TILE + n;
        x.k[n] = there ? load(b.p.k, row_of(b.p.k, b.p, b.at, t) + b.i) : 0;
        x.sq[n] = there && queries ? __fmul_rn(load(b.p.q, row_of(b.p.q, b.p, b.at, t) + b.i), b.scale) : 0;
        x.alpha[n] = there ? decay_of(b.p.g, b.p.g.data ? row_of(b.p.g, b.p, b.at, t) + b.i : 0) : 1;
    }
    return x;
}

/* Columns first .. first+columns-1 of the tile's v and do. */
__device__ inline void lay_out(const block &b, int64_t tile, int64_t first, int columns) {
    __syncthreads();
    for (int n = (int)threadIdx.x; n < tokens_of(b, tile) * STRIP; n += LANES) {
        int64_t t = tile * TILE + n / STRIP, j = first + n % STRIP;
        if (n % STRIP >= columns) continue;
        float d_o = b.p.d_o.data ? load(b.p.d_o, row_of(b.p.d_o, b.p, b.at, t) + j) : 0;
        b.token[n / STRIP][n % STRIP] = make_float2(load(b.p.v, row_of(b.p.v, b.p, b.at, t) + j), d_o);
    }
    __syncthreads();
}

/* ---- forward: states, and dq ---- */

/* A tile's step for the states: read at `from`, kept as they were at `before`, written as they become at `to`; at NULL:
 * not wanted. */
template <bool FULL>
__device__ inline void states_through(const block &b, const row &x, int count, int64_t first, int columns, state from,
                                      state before, state to, float (&dq)[TILE]) {
    for (int j = 0; j < columns; j += ROWS) {
        float S[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) S[r] = j + r < columns ? from.get(b.i, first + j + r) : 0;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (j + r >= columns) break;
            if (before.at) before.set(b.i, first + j + r, S[r]);
#pragma unroll
            for (int t = 0; t < TILE; t++) {
                if (!FULL && t >= count) break;
                float2 f = b.token[t][j + r];
                S[r] = __fmaf_rn(x.k[t], f.x, __fmul_rn(x.alpha[t], S[r]));
                dq[t] = __fmaf_rn(f.y, S[r], dq[t]);
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (j + r < columns && to.at) to.set(b.i, first + j + r, S[r]);
    }
}

__device__ inline void tile_forward(const block &b, int64_t tile, state from, state before, state to,
                                    float (&dq)[TILE]) {
    row x = row_of_tile(b, tile, false);
    int count = tokens_of(b, tile);
#pragma unroll
    for (int t = 0; t < TILE; t++) dq[t] = 0;
    for (int64_t first = 0; first < b.p.dv; first += STRIP) {
        int columns = (int)min((int64_t)STRIP, b.p.dv - first);
        lay_out(b, tile, first, columns);
        if (!has_row(b)) continue;
        if (count == TILE)
            states_through<true>(b, x, count, first, columns, from, before, to, dq);
        else
            states_through<false>(b, x, count, first, columns, from, before, to, dq);
    }
}

/* State `slot` of a buffer of states [dv,dk]. */
__device__ inline state slot_of(const gla_cuda_problem &p, float *buffer, int64_t slot) {
    return {buffer + slot * p.dk * p.dv, 1, p.dk};
}

__device__ inline int64_t segment_slot(const gla_cuda_problem &p, const gla_recurrent_states &states, const place &at) {
    return at.h * states.slots + (at.b * p.T + at.first) / (states.length * TILE) + at.n;
}

__global__ void __launch_bounds__(LANES, 1) forward(const __grid_constant__ gla_cuda_problem p, float scale,
                                                    const __grid_constant__ gla_recurrent_states states, bool keep) {
    __shared__ float2 token[TILE][STRIP];
    block b = {p, place_of(p, blockIdx.x), scale, (int64_t)blockIdx.y * LANES + threadIdx.x, token};
    state start = state_of(p.initial_state, p, b.at), none = {NULL, 0, 0};
    state current = slot_of(p, states.current, b.at.n * p.H + b.at.h);
    int64_t slot = segment_slot(p, states, b.at);
    for (int64_t n = 0; n * TILE < b.at.length; n++) {
        bool starts = keep && n % states.length == 0;
        float dq[TILE];
        tile_forward(b, n, n == 0 ? start : current,
                     starts ? slot_of(p, states.segments, slot + n / states.length) : none, current, dq);
        int count = tokens_of(b, n);
#pragma unroll
        for (int t = 0; t < TILE; t++)
            if (p.dq.data && has_row(b) && t < count)
                store(p.dq, row_of(p.dq, p, b.at, n * TILE + t) + b.i, __fmul_rn(dq[t], scale));
    }
}

/* ---- back: dk and dg ---- */

struct gradients {
    float dk[TILE], dg[TILE];
};

/* One element F of the adjoint back through the tile, from the state S before it. */
template <bool FULL>
__device__ inline float element_back(const block &b, const row &x, int count, int j, float S, float F, gradients &d) {
    float Z[TILE];
#pragma unroll
    for (int t = 0; t < TILE; t++) {
        if (!FULL && t >= count) break;
        Z[t] = __fmul_rn(x.alpha[t], S);
        S = __fmaf_rn(x.k[t], b.token[t][j].x, Z[t]);
    }
#pragma unroll
    for (int n = 0; n < TILE; n++) {
        const int t = TILE - 1 - n;
        if (!FULL && t >= count) continue;
        float2 f = b.token[t][j];
        F = __fmaf_rn(x.sq[t], f.y, F);
        d.dk[t] = __fmaf_rn(f.x, F, d.dk[t]);
        d.dg[t] = __fmaf_rn(F, Z[t], d.dg[t]);
        F = __fmul_rn(x.alpha[t], F);
    }
    return F;
}

/* S: the states before the tile; F from `from` to `to`. */
__device__ inline void tile_back(const block &b, int64_t tile, state S, state from, state to, gradients &d) {
    row x = row_of_tile(b, tile, true);
    int count = tokens_of(b, tile);
#pragma unroll
    for (int t = 0; t < TILE; t++) d.dk[t] = d.dg[t] = 0;
    for (int64_t first = 0; first < b.p.dv; first += STRIP) {
        int columns = (int)min((int64_t)STRIP, b.p.dv - first);
        lay_out(b, tile, first, columns);
        for (int j = 0; j < columns && has_row(b); j++) {
            float before = S.get(b.i, first + j), F = from.get(b.i, first + j);
            F = count == TILE ? element_back<true>(b, x, count, j, before, F, d)
                              : element_back<false>(b, x, count, j, before, F, d);
            to.set(b.i, first + j, F);
        }
    }
}

__device__ inline void store_tile(const block &b, int64_t tile, const gradients &d) {
    const gla_cuda_problem &p = b.p;
    int count = tokens_of(b, tile);
#pragma unroll
    for (int n = 0; n < TILE; n++) {
        if (!has_row(b) || n >= count) continue;
        if (p.dk_.data) store(p.dk_, row_of(p.dk_, p, b.at, tile * TILE + n) + b.i, d.dk[n]);
        if (p.dg.data) store(p.dg, row_of(p.dg, p, b.at, tile * TILE + n) + b.i, d.dg[n]);
    }
}

__global__ void __launch_bounds__(LANES, 1)
    back(const __grid_constant__ gla_cuda_problem p, float scale, const __grid_constant__ gla_recurrent_states states) {
    __shared__ float2 token[TILE][STRIP];
    block b = {p, place_of(p, blockIdx.x), scale, (int64_t)blockIdx.y * LANES + threadIdx.x, token};
    int64_t head = b.at.n * p.H + b.at.h, slot = segment_slot(p, states, b.at);
    int64_t tiles = (b.at.length + TILE - 1) / TILE;
    state end = state_of(p.d_final_state, p, b.at), current = slot_of(p, states.current, head), none = {NULL, 0, 0};
    for (int64_t segment = (tiles + states.length - 1) / states.length; segment-- > 0;) {
        int64_t first = segment * states.length, last = min(first + states.length, tiles) - 1;
        state before = slot_of(p, states.segments, slot + segment);
        for (int64_t n = first; n < last; n++) {
            float unused[TILE];
            tile_forward(b, n, n == first ? before : slot_of(p, states.tiles, head * states.length + n - first), none,
                         slot_of(p, states.tiles, head * states.length + n + 1 - first), unused);
        }
        for (int64_t n = last; n >= first; n--) {
            gradients d;
            tile_back(b, n, n == first ? before : slot_of(p, states.tiles, head * states.length + n - first),
                      n == tiles - 1 ? end : current, current, d);
            store_tile(b, n, d);
        }
    }
}

} // namespace recurrent_rows

cudaError_t gla_cuda_recurrent_rows(const gla_cuda_problem *p, float scale, const gla_recurrent_states *states,
                                    cudaStream_t stream) {
    using namespace recurrent_rows;
    dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dk + LANES - 1) / LANES));
    bool more = p->dk_.data || p->dg.data;
    if (p->dq.data || more) forward<<<grid, LANES, 0, stream>>>(*p, scale, *states, more);
    if (more) back<<<grid, LANES, 0, stream>>>(*p, scale, *states);
    return cudaGetLastError();
}
