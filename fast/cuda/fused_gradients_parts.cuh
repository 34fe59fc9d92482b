/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the gradient kernel (fused_gradients.cu) share: its chunk, shared memory, tiles, sums of gates.
 */
#ifndef GLA_FUSED_GRADIENTS_PARTS_CUH
#define GLA_FUSED_GRADIENTS_PARTS_CUH

#include "backward.cuh"
#include "fused_numbers.cuh"

namespace fused {

enum { CHUNK_THREADS = 256, BAR_CHUNK = 1, BAR_READER = 2 };

struct gradient_maps {
    CUtensorMap q, k, v, d_o, g, states, adjoints;
};

/* What Qm, Kh, P and dP lose by rounding: of the precise grade, in the order of the tiles that they belong to. */
template <int DK, bool PRECISE> struct lost_parts {};
template <int DK> struct lost_parts<DK, true> {
    uint8_t q_lost[DK / 64 * PANEL], k_lost[DK / 64 * PANEL], P_lost[PANEL], dP_lost[PANEL];
};

/* Two blocks of 128 channels with 16-bit gates fit a multiprocessor; one of 256, or of the precise grade, with room for
 * more of the next columns of v. ROWS: channels of the states that arrive together. */
template <int DK, typename Gate, bool PRECISE> struct chunk_memory : lost_parts<DK, PRECISE> {
    enum { ROWS = DK < 128 ? DK : 128, HALVES = DK / ROWS };
    enum { COPIES = DK == 128 && PRECISE ? 2 : 1, SLOTS = DK == 256 && sizeof(Gate) == 2 ? 2 : COPIES };
    /* Where half h of panel n lies in S and G, in units of ROWS; which barrier says so. */
    __device__ static int place_of(int n, int h) { return n % COPIES * HALVES + h; }

    uint8_t q[DK / 64 * PANEL], k[DK / 64 * PANEL];     /* as they come, then Qm and Kh */
    uint8_t S[COPIES * DK * 128], G[COPIES * DK * 128]; /* 64 columns of Sr and Gr; then both are one f32 [C,DK] */
    uint8_t d_o[SLOTS * PANEL], v[SLOTS * PANEL], P[PANEL], dP[PANEL]; /* at the end an f32 [C,128] */
    Gate g[C * DK];
    float last[DK];                     /* Gamma of the last token */
    uint32_t strong[DK == 256 ? 8 : 4]; /* bits of even, odd channels of each 64 */
    uint8_t strong_list[DK];            /* the same, ascending */
    int strong_count;
    __nv_bfloat16 column_k[2][C];         /* of the strong channels at work */
    struct place at;                      /* the chunk, here to save registers */
    float column_dot[2];                  /* their row(Sr*Gr) */
    uint64_t landed[1 + COPIES * HALVES]; /* q k g; halves of panels */
};

/* The tile of what a tile of operands has lost, at its q, k, P or dP; NULL: not kept. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline uint8_t *lost_of(const chunk_memory<DK, Gate, PRECISE> &m, const uint8_t *tile) {
    if constexpr (PRECISE) {
        auto &all = const_cast<chunk_memory<DK, Gate, PRECISE> &>(m);
        return tile == m.q ? all.q_lost : tile == m.k ? all.k_lost : tile == m.P ? all.P_lost : all.dP_lost;
    }
    return NULL;
}

template <int DK, typename Gate, bool PRECISE>
__device__ inline bool is_strong(const chunk_memory<DK, Gate, PRECISE> &m, int channel) {
    return m.strong[channel / 64 * 2 + channel % 2] >> (channel % 64 / 2) & 1;
}
template <int DK, typename Gate, bool PRECISE>
__device__ inline bool any_strong(const chunk_memory<DK, Gate, PRECISE> &m) {
    uint32_t any = 0;
    for (int i = 0; i < DK / 32; i++) any |= m.strong[i];
    return any != 0;
}

/* The chunk of a block: its first token, how many (none: nobody uses the slot), whose. */
__device__ inline place chunk_of(const gla_cuda_problem &p, uint32_t block) {
    place at = {};
    int64_t slot = block / (uint32_t)p.H, s = 0;
    if (p.cu_seqlens) {
        for (int64_t beyond = p.N; beyond - s > 1;) {
            int64_t middle = (s + beyond) / 2;
            (stored::first_slot(p, middle) <= slot ? s : beyond) = middle;
        }
    } else {
        s = (uint32_t)slot / (uint32_t)((p.T + C - 1) / C);
    }
    int64_t n = slot - stored::first_slot(p, s), from = offsets::first_of(p, s);
    int64_t left = n < 0 ? 0 : offsets::length_of(p, s) - n * C; /* n < 0: offsets out of order */
    at.n = (int)s;
    at.b = p.cu_seqlens ? 0 : at.n;
    at.h = (int)(block % (uint32_t)p.H);
    at.first = (int)(from + n * C);
    at.length = (int)(left < C ? left : C);
    return at;
}

/* Element of an f32 tile [C,DK]: neighbouring rows, four each, in different banks. */
template <int DK> __device__ inline int wide_at(int row, int channel) {
    return row * DK + (channel ^ ((row & 3) << 3));
}

/* Row and column of element i of a warpgroup's accumulator. */
struct spot {
    int row, column;
};
__device__ inline spot spot_of(int i) {
    int lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;
    return {warp * 16 + lane / 4 + i / 2 % 2 * 8, i / 4 * 8 + lane % 4 * 2 + i % 2};
}

/* An accumulator [64,N] into such a tile, from a column on. Of columns 8 (4 a + b) + ..., b alone is exchanged. */
template <int DK, int HALF_N> __device__ inline void put_wide(float *tile, int column, const float (&d)[HALF_N]) {
    spot me = spot_of(0);
#pragma unroll
    for (int b = 0; b < 4; b++) {
        float *to = tile + column + wide_at<DK>(me.row, b * 8 + me.column);
#pragma unroll
        for (int a = 0; a < HALF_N / 16; a++) {
            const int i = (a * 4 + b) * 4;
            *(float2 *)(to + a * 32) = make_float2(d[i], d[i + 1]);
            *(float2 *)(to + a * 32 + 8 * DK) = make_float2(d[i + 2], d[i + 3]);
        }
    }
}

/* Two neighbours of an operand, and what they lose if `lost` is not NULL. */
__device__ inline void put_parts(void *at, void *lost, float x, float y) {
    uint32_t two = rounded(x, y);
    *(uint32_t *)at = two;
    if (lost) *(uint32_t *)lost = rest_of(x, y, two);
}

/* Scores or their gradient: zero above the diagonal and past the last row, rounded; `lost` may be NULL. */
__device__ inline void put_lower(uint8_t *tile, uint8_t *lost, const float (&d)[32], int rows) {
#pragma unroll
    for (int i = 0; i < 32; i += 2) {
        spot at = spot_of(i);
        float x = at.column <= at.row && at.row < rows ? d[i] : 0;
        float y = at.column + 1 <= at.row && at.row < rows ? d[i + 1] : 0;
        uint32_t place = ptx::swizzled(at.row, at.column);
        put_parts(tile + place, lost ? lost + place : NULL, x, y);
    }
}

/* threadIdx.x, read anew each time, so that nothing made of it stays in registers from one part of the kernel to the
 * next: accumulators fill them. */
__device__ inline int thread_number(void) {
    int thread;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
    return thread;
}

/* A thread's share of N channels of a chunk: two of them, `tokens` from `first` on. */
struct share {
    int channel, first, tokens;
};
template <int N> __device__ inline share share_of(void) {
    const int pairs = N / 2, tokens = C * pairs / CHUNK_THREADS;
    int thread = thread_number();
    return {thread % pairs * 2, thread / pairs * tokens, tokens};
}

/* The running sum of gates, two channels: Gamma of the last token added, and the greatest |Gamma| so far. */
struct running {
    pair sum, greatest;
};
__device__ inline void add_gate(running &z, pair x) {
    z.sum = {__fadd_rn(z.sum.x, x.x), __fadd_rn(z.sum.y, x.y)};
    z.greatest = {fmaxf(z.greatest.x, fabsf(z.sum.x)), fmaxf(z.greatest.y, fabsf(z.sum.y))};
}
/* Up to the share's first token, a multiple of 8. */
template <int DK, typename Gate> __device__ inline running sum_before(const Gate *g, int channel, int first) {
    running z = {{0, 0}, {0, 0}};
    for (int t = 0; t < first; t += 8) {
#pragma unroll
        for (int i = 0; i < 8; i++) add_gate(z, pair_of(g + (t + i) * DK + channel));
    }
    return z;
}

/* Two neighbours of a gradient's rows, from one row on, in its dtype; x, y: which of them are written. */
struct gradient_rows {
    char *next;
    int64_t step;
    bool wide, x, y;
    __device__ gradient_rows(const gla_cuda_tensor &to, const gla_cuda_problem &p, const place &at, int row, int column,
                             bool x_wanted, bool y_wanted) {
        wide = to.dtype == GLA_CUDA_F32;
        step = to.stride[1] * (wide ? 4 : 2);
        next = (char *)(wide ? (void *)(row_of<float>(to, p, at, row) + column)
                             : (void *)(row_of<__nv_bfloat16>(to, p, at, row) + column));
        x = to.data && x_wanted;
        y = to.data && y_wanted;
    }
    /* Into the next row. SIMPLE: both or none, 16 bits. */
    template <bool SIMPLE> __device__ void put(pair value) {
        if (SIMPLE) {
            if (x) fused::put((__nv_bfloat16 *)next, value.x, value.y);
        } else if (wide) {
            if (x) ((float *)next)[0] = value.x;
            if (y) ((float *)next)[1] = value.y;
        } else {
            if (x) ((__nv_bfloat16 *)next)[0] = __float2bfloat16_rn(value.x);
            if (y) ((__nv_bfloat16 *)next)[1] = __float2bfloat16_rn(value.y);
        }
        next += step;
    }
};

} // namespace fused

#endif
