/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunkwise, the serial pass: the state that enters every chunk, and the adjoint of the one that leaves it.
 *
 *     forth   S = e^(leave before + enter) S;   S kept, rounded;   S = mid S + Kh^T V      ends: e^leave S is
 * final_state back    G = e^(enter behind + leave) G;   G kept, rounded;   G = mid G + Qh^T dO     ends: e^enter G is
 * dS_0
 *
 * One kernel: seen from its own end, a way has a near and a far half of each chunk's decay. A block has 64 x 64 of the
 * state of one head, in the accumulators of the product, from the first chunk to the last; the operands of the next
 * chunks are on their way meanwhile.
 */
#include "chunkwise_parts.cuh"

namespace chunkwise {

namespace {

enum { STAGES = 3 };

struct states_memory {
    struct operands {
        uint8_t X[tiles::BYTES], Y[tiles::BYTES];
        float gates[3][C]; /* near, far, mid */
    } stage[STAGES];
    uint8_t out[tiles::BYTES];
};

/* One way through the chunks. */
struct way {
    bool back;
    const uint16_t *X;
    uint16_t *kept;
    const gla_cuda_tensor *Y, *start, *end;
};

__device__ inline way way_of(const gla_cuda_problem &p, const memory &m, bool back) {
    return back ? way{true, m.Qh, m.G, &p.d_o, &p.d_final_state, &p.dinitial_state}
                : way{false, m.Kh, m.S, &p.v, &p.initial_state, &p.final_state};
}

/* What a block has: one head of one sequence, rows and columns of its state. */
struct piece {
    tokens::place at;
    int64_t slot, chunks, row, column;
};

__device__ inline piece piece_of(const gla_cuda_problem &p) {
    piece x;
    uint32_t across = (uint32_t)((p.dv + C - 1) / C);
    x.at = tokens::place_of(p, blockIdx.x);
    x.slot = stored::first_slot(p, x.at.n);
    x.chunks = (x.at.length + C - 1) / C;
    x.row = (int64_t)(blockIdx.y / across) * C;
    x.column = (int64_t)(blockIdx.y % across) * C;
    return x;
}

__device__ inline void fetch(states_memory::operands &to, const gla_cuda_problem &p, const memory &m, const way &w,
                             const piece &x, int64_t n) {
    int64_t index = (x.slot + n) * p.H + x.at.h, first = n * C;
    tiles::load(to.X, w.X + index * C * m.dk8 + x.row, m.dk8, C, m.dk8 - x.row);
    load_tokens(to.Y, *w.Y, p, x.at, first, (int)min(x.at.length - first, (int64_t)C), x.column, p.dv);
    int which = (int)threadIdx.x / 16, i = (int)threadIdx.x % 16 * 4;
    if (which >= 3) return;
    int gate = which == 2 ? MID : (which == 0) != w.back ? ENTER : LEAVE;
    const float *from = m.gates + (index * GATES + gate) * m.dk8 + x.row;
    bool there = x.row + i < m.dk8;
    tiles::copy_piece(&to.gates[which][i], there ? from + i : from, there ? 16 : 0);
}

/* f(where it lies in the state, n, e) for each of the thread's elements that are there. */
template <typename F>
__device__ inline void each_of(const gla_cuda_problem &p, const piece &x, const gla_cuda_tensor &state, F f) {
    float *S = (float *)state.data + x.at.n * state.stride[0] + tokens::head_of(state, p, x.at) * state.stride[1] +
               x.row * state.stride[2] + x.column;
    int rows = (int)min(p.dk - x.row, (int64_t)C), columns = (int)min(p.dv - x.column, (int64_t)C);
    tiles::each([&](int row, int column, int n, int h) {
        float *at = S + row * state.stride[2] + column;
        if (row < rows && column < columns) f(at, n, h);
        if (row < rows && column + 1 < columns) f(at + 1, n, h + 1);
    });
}

/* Row by row: f[0] in the upper 8 of the warp's 16 rows, f[1] in the lower. */
__device__ inline void scale_rows(tiles::accumulator &S, const float (&f)[2]) {
    tiles::each([&](int, int, int n, int h) {
        S[n][h] = __fmul_rn(f[h / 2], S[n][h]);
        S[n][h + 1] = __fmul_rn(f[h / 2], S[n][h + 1]);
    });
}

template <typename T>
__global__ void __launch_bounds__(tiles::THREADS, 3)
    states(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ memory m, bool back_first) {
    extern __shared__ __align__(16) uint8_t raw[];
    states_memory &s = *(states_memory *)raw;
    const way w = way_of(p, m, back_first != (blockIdx.z == 1));
    const piece x = piece_of(p);
    tiles::accumulator S;
    tiles::zero(S);
    if (w.start->data) each_of(p, x, *w.start, [&](float *at, int n, int e) { S[n][e] = *at; });
    auto number = [&](int64_t n) { return w.back ? x.chunks - 1 - n : n; };
    for (int i = 0; i < STAGES - 1; i++) {
        if (i < x.chunks) fetch(s.stage[i], p, m, w, x, number(i));
        tiles::commit();
    }
    const int row = (int)threadIdx.x / 32 * 16 + (int)threadIdx.x % 32 / 4;
    float left[2] = {0, 0};
    for (int64_t n = 0; n < x.chunks; n++) {
        tiles::wait<STAGES - 2>();
        __syncthreads();
        if (n + STAGES - 1 < x.chunks) fetch(s.stage[(n + STAGES - 1) % STAGES], p, m, w, x, number(n + STAGES - 1));
        tiles::commit();
        const states_memory::operands &now = s.stage[n % STAGES];
        float factor[2], mid[2];
        for (int h = 0; h < 2; h++) {
            float near = now.gates[0][row + 8 * h];
            factor[h] = exponential(n == 0 ? near : __fadd_rn(left[h], near));
            left[h] = now.gates[1][row + 8 * h];
            mid[h] = now.gates[2][row + 8 * h];
        }
        scale_rows(S, factor);
        if (w.kept) {
            int64_t index = (x.slot + number(n)) * p.H + x.at.h;
            __syncwarp();
            tiles::put<T>(s.out, S);
            __syncwarp();
            tiles::store(s.out, w.kept + (index * p.dk + x.row) * m.dv8 + x.column, m.dv8, p.dk - x.row,
                         m.dv8 - x.column);
        }
        scale_rows(S, mid);
        tiles::product<T, tiles::ACROSS, tiles::ALONG>(S, now.X, now.Y);
    }
    if (!w.end->data) return;
    const float f[2] = {exponential(left[0]), exponential(left[1])};
    if (x.chunks > 0) scale_rows(S, f);
    each_of(p, x, *w.end, [&](float *at, int n, int e) { *at = S[n][e]; });
}

template <typename T>
cudaError_t launch(const gla_cuda_problem *p, const memory &m, passes which, cudaStream_t stream) {
    cudaError_t e =
        cudaFuncSetAttribute(states<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)sizeof(states_memory));
    if (e != cudaSuccess) return e;
    dim3 grid((unsigned)(p->N * p->H), (unsigned)(((p->dk + C - 1) / C) * ((p->dv + C - 1) / C)),
              which == BOTH ? 2 : 1);
    states<T><<<grid, tiles::THREADS, sizeof(states_memory), stream>>>(*p, m, which == BACK);
    return cudaGetLastError();
}

} // namespace

cudaError_t make_states(const gla_cuda_problem *p, const memory &m, passes which, cudaStream_t stream) {
    return p->q.dtype == GLA_CUDA_F16 ? launch<__half>(p, m, which, stream)
                                      : launch<__nv_bfloat16>(p, m, which, stream);
}

} // namespace chunkwise
