/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, parallel: the gradient of the gates, what pairs of tokens carry from r-1 to r.
 *
 *     crossing_jr = sum_{i<r} dP_ji s q_j*k_i*e^(G_j-G_i)           from the past of r to one reader j >= r
 *     dg_r        = sum_{j>=r} crossing_jr
 *
 * Only terms that cross are summed: nothing is added that has to cancel again. Both sums ascend, the first in i,
 * the second in j, so a tile of readers J and gates R waits for (J,R-1), which leaves it crossing, and for (J-1,R),
 * which leaves it dg: tiles with the same J+R run side by side, one launch after the other. Inside a tile the same: a
 * warp has ROWS readers and is one gate behind the warp before it.
 */
#include "parallel_weights.cuh"

namespace parallel_crossing {

using namespace parallel;

/* Tiles of gates on a diagonal: first .. J+R = diagonal, R <= J < tiles. */
struct diagonal {
    int64_t sum, first, count;
};

static diagonal diagonal_of(int64_t sum, int64_t tiles) {
    int64_t first = sum < tiles ? 0 : sum - tiles + 1;
    return {sum, first, sum / 2 - first + 1};
}

struct reader {
    gate g;
    float sq, crossing;
};

/* The tile's readers, gates and writers, one channel a lane. */
struct tile {
    float weight[TILE][PITCH]; /* [writer][reader] */
    float key[TILE][32], dg[TILE][32];
    gate writer[TILE][32]; /* writer m is the token before gate m */
    strips<true> strip;
};

/* Through the tile, a gate at a time; on the diagonal a reader has the gates up to its own. */
__device__ inline void cross(tile &s, reader (&own)[ROWS], int readers, bool diagonal, bool starts) {
    for (int step = 0; step < TILE + WARPS - 1; step++) {
        int m = step - warp();
        if (m >= starts && m < TILE) {
            float z = s.dg[m][lane()], term[ROWS];
#pragma unroll
            for (int n = 0; n < ROWS; n++) { /* also those that are not used: they run side by side */
                term[n] = __fmul_rn(decay_between(own[n].g, s.writer[m][lane()]), s.key[m][lane()]);
                term[n] = __fmul_rn(__fmul_rn(term[n], own[n].sq), s.weight[m][ROWS * warp() + n]);
            }
#pragma unroll
            for (int n = 0; n < ROWS; n++) {
                int j = ROWS * warp() + n;
                if ((diagonal && j < m) || j >= readers) continue;
                own[n].crossing = __fadd_rn(own[n].crossing, term[n]);
                z = __fadd_rn(z, own[n].crossing);
            }
            s.dg[m][lane()] = z;
        }
        __syncthreads();
    }
}

/* A block has one tile, and goes through its channels 32 at a time. */
__global__ void __launch_bounds__(THREADS, 2)
    crossing_pairs(const __grid_constant__ inputs x, float *carried, int64_t sum, int64_t first_gates) {
    __shared__ __align__(16) tile s;
    place at = place_of(x.p, blockIdx.x);
    int64_t gates = first_gates + blockIdx.y, r0 = gates * TILE, j0 = (sum - gates) * TILE, i0 = r0 - 1;
    if (j0 >= at.length) return;
    make_weights<true, true>(s.weight, s.strip, x, at, j0, i0);
    for (int64_t c = lane(); c - lane() < x.p.dk; c += 32) {
        bool there = c < x.p.dk;
        __syncthreads();
        for (int m = warp(); m < TILE; m += WARPS) {
            bool writes = there && i0 + m >= 0 && i0 + m < at.length, begun = there && j0 > r0;
            s.key[m][lane()] = writes ? operand<false, true>(x, at, i0 + m, c) : 0;
            s.writer[m][lane()] = writes ? gate_at(x, at, i0 + m, c) : gate{0, 0};
            s.dg[m][lane()] = begun ? load(x.p.dg, row_of(x.p.dg, x.p, at, r0 + m) + c) : 0;
        }
        reader own[ROWS];
#pragma unroll
        for (int n = 0; n < ROWS; n++) {
            int64_t j = j0 + ROWS * warp() + n;
            bool reads = there && j < at.length;
            own[n].g = reads ? gate_at(x, at, j, c) : gate{0, 0};
            own[n].sq = reads ? operand<true, true>(x, at, j, c) : 0;
            own[n].crossing = reads && r0 > 0 ? carried[index_of(x, at, j, c)] : 0;
        }
        __syncthreads();
        cross(s, own, (int)min((int64_t)TILE, at.length - j0), j0 == r0, r0 == 0);
#pragma unroll
        for (int n = 0; n < ROWS; n++) {
            int64_t j = j0 + ROWS * warp() + n;
            if (there && j < at.length) carried[index_of(x, at, j, c)] = own[n].crossing;
        }
        for (int m = warp(); m < TILE; m += WARPS)
            if (there && r0 + m < at.length) store(x.p.dg, row_of(x.p.dg, x.p, at, r0 + m) + c, s.dg[m][lane()]);
    }
}

} // namespace parallel_crossing

cudaError_t gla_cuda_parallel_crossing_pairs(const gla_parallel_inputs *x, float *room, cudaStream_t stream) {
    using namespace parallel_crossing;
    int64_t tiles = (x->p.T + TILE - 1) / TILE;
    cudaError_t e = cudaSuccess;
    for (int64_t sum = 0; sum < 2 * tiles - 1 && e == cudaSuccess; sum++) {
        diagonal d = diagonal_of(sum, tiles);
        dim3 grid((unsigned)(x->p.N * x->p.H), (unsigned)d.count);
        crossing_pairs<<<grid, THREADS, 0, stream>>>(*x, room, d.sum, d.first);
        e = cudaGetLastError();
    }
    return e;
}
