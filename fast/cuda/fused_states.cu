/* SPDX-License-Identifier: Apache-2.0
 *
 * The states and their adjoints at every chunk, for the fused backward (reference/gated/paired.c): one kernel in two
 * directions, which run side by side (sm_90a).
 *
 *     states     chunks ascending     S = crossing*S ; keep round(S) ; S = mid*S ; S += Kh^T V      from initial_state
 *     adjoints   chunks descending    G = crossing*G ; keep round(G) ; G = mid*G ; G += Qh^T dO     from d_final_state
 * and after the first chunk dinitial_state = e^(enter)*G. A chunk of C tokens; crossing and mid are factors per row.
 *
 * A block has one head of one sequence, 64 rows (channels) of its state and COLUMNS columns. Its warps:
 *     4 state      the piece as the accumulator of matrix products; kept states leave by way of shared memory
 *     4 prep       sums of gates, exponentials, operands weighed in place, factors (fused_states.cuh); few blocks: 12
 *     1 producer   one thread: operand, gates and value of the next chunks into shared memory, by the copy engine
 * Per chunk: the producer's copies complete `landed`, prep arrives `ready`, the state warps arrive `freed`.
 * Bits: a state is a chain of 16-token blocks in ascending order; rows past the end of the sequence are zeros.
 */
#include "fused_backward.cuh"
#include "fused_maps.cuh"
#include "fused_states_carry.cuh"

namespace fused_states {

/* ---- producer: one thread ---- */

template <int COLUMNS, typename Gate> __device__ void produce(const block<COLUMNS, Gate> &b) {
    const gla_cuda_tensor &operand = b.reverse ? b.p.q : b.p.k, &value = b.reverse ? b.p.d_o : b.p.v;
    const CUtensorMap &operands = b.map.operand[b.reverse], &values = b.map.value[b.reverse];
    int batch = b.batch(), from = b.head_in(operand);
    int value_from = value.data ? b.head_in(value) : 0, gate_from = b.p.g.data ? b.head_in(b.p.g) : 0;
    uint32_t bytes = PANEL + (value.data ? COLUMNS / 64 * PANEL : 0) + (b.p.g.data ? sizeof(Gate) * C * CHANNELS : 0);
    turn now;
    for (int i = 0; i < b.chunks; i++, now.next(b.how)) {
        auto &s = b.stages[now.stage];
        int token = b.first + b.chunk(i) * C;
        uint32_t landed = ptx::shared_address(&b.barrier->landed[now.stage]);
        ptx::barrier_wait(ptx::shared_address(&b.barrier->freed[now.stage]), now.parity ^ 1);
        ptx::barrier_expect(landed, bytes);
        if (b.p.g.data) ptx::load_box(ptx::shared_address(s.g), b.map.g, b.channel, gate_from, token, batch, landed);
        ptx::load_box(ptx::shared_address(s.operand), operands, b.channel, from, token, batch, landed);
        for (int panel = 0; value.data && panel < COLUMNS / 64; panel++)
            ptx::load_box(ptx::shared_address(s.value + panel * PANEL), values, b.column + panel * 64, value_from,
                          token, batch, landed);
    }
}

/* ---- the kernel ---- */

template <int TEAMS> constexpr int threads_of() { return STATE_THREADS + TEAMS * TEAM_THREADS + LOAD_THREADS; }

/* Grid: pieces of 64 rows, fastest, of the N*H states; pieces of columns; directions, the adjoints alone if 1. */
template <int TEAMS, int COLUMNS, typename Gate>
__global__ void __launch_bounds__(threads_of<TEAMS>(), TEAMS == 1 ? 2 : 1)
    states(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ state_maps map, float scale,
           const __grid_constant__ plan how) {
    extern __shared__ __align__(1024) uint8_t room[];
    uint32_t pieces = (uint32_t)(p.dk + CHANNELS - 1) / CHANNELS;
    auto *stages = (stage<COLUMNS, Gate> *)room;
    uint8_t *outs = (uint8_t *)(stages + how.stages);
    tokens::place at = tokens::place_of(p, blockIdx.x / pieces);
    block<COLUMNS, Gate> b = {p,
                              map,
                              how,
                              gridDim.z == 1 || blockIdx.z == 1,
                              (uint32_t)at.n,
                              (uint32_t)at.h,
                              (int)at.first,
                              (int)at.length,
                              (int)(blockIdx.x % pieces) * CHANNELS,
                              (int)blockIdx.y * COLUMNS,
                              (int)((at.length + C - 1) / C),
                              stages,
                              outs,
                              (barriers *)(outs + OUTS * (COLUMNS / 64 * PANEL))};
    if (b.reverse && !p.d_o.data)
        for (int s = 0; s < how.stages; s++)
            for (int i = (int)threadIdx.x; i < COLUMNS / 64 * PANEL / 4; i += blockDim.x)
                ((int *)stages[s].value)[i] = 0;
    if (threadIdx.x == 0) {
        for (int s = 0; s < how.stages; s++) {
            ptx::barrier_init(ptx::shared_address(&b.barrier->landed[s]), 1);
            ptx::barrier_init(ptx::shared_address(&b.barrier->ready[s]), TEAM_THREADS);
            ptx::barrier_init(ptx::shared_address(&b.barrier->freed[s]), STATE_THREADS);
        }
    }
    ptx::fence_for_matrix_units();
    ptx::let_next_begin(); /* fused_gradients.cu */
    __syncthreads();
    int role = threadIdx.x / TEAM_THREADS;
    if (role == 0)
        carry(b);
    else if (role <= TEAMS)
        prepare<TEAMS>(b, scale, role - 1);
    else if (threadIdx.x % LOAD_THREADS == 0)
        produce(b);
}

/* What a block may have of a multiprocessor. Where two share one, as few stages as do: measured, they get in each
 * other's way less. */
enum { MOST_BYTES = 227 << 10 };

template <int TEAMS, int COLUMNS, typename Gate>
cudaError_t launch(const gla_cuda_problem *p, const state_maps &map, float scale, bool keep, dim3 grid,
                   cudaStream_t stream) {
    const int size = sizeof(stage<COLUMNS, Gate>), out = OUTS * (COLUMNS / 64 * PANEL) + (int)sizeof(barriers);
    const int fit = (MOST_BYTES - out) / size, most = fit < MOST_STAGES ? fit : (int)MOST_STAGES;
    static_assert(fit > TEAMS, "a team's next stage must not be one that another team still waits for");
    plan how = {TEAMS > 1 ? most : COLUMNS == 64 ? 3 : 2, keep};
    int bytes = how.stages * size + out;
    auto kernel = states<TEAMS, COLUMNS, Gate>;
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (e != cudaSuccess) return e;
    kernel<<<grid, threads_of<TEAMS>(), (size_t)bytes, stream>>>(*p, map, scale, how);
    return cudaGetLastError();
}

template <int COLUMNS, typename Gate>
cudaError_t run_columns(const gla_cuda_problem *p, const state_maps &map, float scale, bool keep, dim3 grid,
                        cudaStream_t stream) {
    grid.y = (unsigned)((p->dv + COLUMNS - 1) / COLUMNS);
    return grid.x * grid.y * grid.z <= 132 ? launch<3, COLUMNS, Gate>(p, map, scale, keep, grid, stream)
                                           : launch<1, COLUMNS, Gate>(p, map, scale, keep, grid, stream);
}

/* Few blocks (an H200 has 132 multiprocessors): narrow ones, with more warps each. The same bits. */
template <typename Gate>
cudaError_t run(const gla_cuda_problem *p, const state_maps &map, float scale, bool keep, cudaStream_t stream) {
    int64_t pieces = p->N * p->H * ((p->dk + CHANNELS - 1) / CHANNELS);
    dim3 grid((unsigned)pieces, 1, keep ? 2 : 1);
    bool narrow = p->dv <= 64 || pieces * ((p->dv + 127) / 128) * grid.z <= 66;
    return narrow ? run_columns<64, Gate>(p, map, scale, keep, grid, stream)
                  : run_columns<128, Gate>(p, map, scale, keep, grid, stream);
}

} // namespace fused_states

cudaError_t gla_cuda_fused_states(const gla_cuda_problem *p, float scale, __nv_bfloat16 *states,
                                  __nv_bfloat16 *adjoints, int64_t slots, cudaStream_t stream) {
    using namespace fused_states;
    state_maps map = {};
    CUresult made = tensor_map(&map.operand[0], p->k, *p, p->dk, CHANNELS, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&map.operand[1], p->q, *p, p->dk, CHANNELS, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&map.value[0], p->v, *p, p->dv, 64, true);
    if (made == CUDA_SUCCESS && p->d_o.data) made = tensor_map(&map.value[1], p->d_o, *p, p->dv, 64, true);
    if (made == CUDA_SUCCESS && p->g.data) made = tensor_map(&map.g, p->g, *p, p->dk, CHANNELS, false);
    if (made == CUDA_SUCCESS && states) made = state_map(&map.kept[0], states, *p, slots, CHANNELS);
    if (made == CUDA_SUCCESS && states) made = state_map(&map.kept[1], adjoints, *p, slots, CHANNELS);
    if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
    return p->g.data && p->g.dtype == GLA_CUDA_BF16 ? run<__nv_bfloat16>(p, map, scale, states != NULL, stream)
                                                    : run<float>(p, map, scale, states != NULL, stream);
}
