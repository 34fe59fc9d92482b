/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA forward, fused: one pass over the tokens, the state in registers from the first to the last (sm_90a).
 *
 * The formulation is reference/gated/centred.c: per chunk of 64 tokens one reference r = Gamma_m / 2 in the centre,
 *     Qh = sq e^(Gamma-r)   Kh = k e^(r-Gamma)   P = lower(Qh Kh^T)   O = Qh Sh + P V   A = Sh + Kh^T V
 * and one factor per channel between steps, Sh_next = e^((Gamma_m-r) + r_next) A. Gates too strong for that (a channel
 * of |Gamma| > 76, -inf) make the chunk run as steps of 16 tokens, then of one.
 *
 * A block owns one head of one sequence and 64 columns of v per state group. Its warpgroups (who hands what to whom:
 * fused_plan.cuh):
 *     service    a warp each to load and to store: boxes of q k v g and of o, by the copy engine; two warps for gates:
 *                their running sums, ahead of everybody
 *     prep x T   chunks in turn: Qh and Kh over q and k in place; then P
 *     state x G  S^T [64 dv, dk] in the accumulators of matrix products: S = f S; O^T = S^T Qh^T + V^T P^T; S += V^T Kh
 * Of the precise grade prep makes Qh and Kh in two parts (gated/operand.h), and P of both; states read the first.
 * Bits: every product is a chain of 16-token (or 16-channel) blocks in ascending order; every conversion rounds to
 * nearest. Rows of a tile outside the step are zeros, which leave an accumulator as it is.
 */
#include "fused.cuh"
#include "fused_gates.cuh"
#include "fused_maps.cuh"
#include "fused_prep.cuh"
#include "fused_state.cuh"

namespace fused {

/* ---- one thread each: what the copy engine moves ---- */

template <typename Plan>
__device__ void load(const gla_cuda_problem &p, const maps &maps, const place &at, shared_memory<Plan> &m) {
    int q = head_of(p.q, p, at), k = head_of(p.k, p, at), v = head_of(p.v, p, at), chunks = (at.length + C - 1) / C;
    int g = p.g.data ? head_of(p.g, p, at) : 0, column = (int)blockIdx.y * Plan::GROUPS * 64;
    int gates = p.g.data ? 0 : chunks, tiles = 0, values = 0; /* that have been started */
    while (gates < chunks || tiles < chunks || values < chunks) {
        int started = gates + tiles + values;
        if (gates < chunks && has_passed(m.freed_g, gates - Plan::G)) {
            auto &to = m.g[gates % Plan::G];
            uint32_t landed = ptx::shared_address(&m.landed_g[gates % Plan::G]);
            ptx::barrier_expect(landed, sizeof to);
            ptx::load_box(ptx::shared_address(to), maps.g, 0, g, at.first + gates * C, at.b, landed);
            gates++;
        }
        if (tiles < chunks &&
            (Plan::PRECISE ? has_passed(m.spent, tiles - Plan::RAW) : has_passed(m.freed, tiles - Plan::QK))) {
            auto &to = landing_of(m, tiles);
            uint32_t landed = ptx::shared_address(&m.landed[tiles % Plan::LANDING]);
            int token = at.first + tiles * C;
            ptx::barrier_expect(landed, (Plan::OUTPUT ? 2 : 1) * sizeof to.k);
            for (int i = 0; i < Plan::PANELS; i++) {
                if (Plan::OUTPUT)
                    ptx::load_box(ptx::shared_address(to.q + i * PANEL), maps.q, i * 64, q, token, at.b, landed);
                ptx::load_box(ptx::shared_address(to.k + i * PANEL), maps.k, i * 64, k, token, at.b, landed);
            }
            tiles++;
        }
        if (values < chunks && has_passed(m.freed_v, values - Plan::V)) {
            auto &to = m.v[values % Plan::V];
            uint32_t landed = ptx::shared_address(&m.landed_v[values % Plan::V]);
            ptx::barrier_expect(landed, sizeof to);
            for (int i = 0; i < Plan::GROUPS; i++)
                ptx::load_box(ptx::shared_address(to + i * PANEL), maps.v, column + i * 64, v, at.first + values * C,
                              at.b, landed);
            values++;
        }
        if (gates + tiles + values == started) __nanosleep(64); /* others need the issue slots */
    }
}

template <typename Plan> __device__ void store(const maps &maps, const place &at, shared_memory<Plan> &m) {
    int column = (int)blockIdx.y * Plan::GROUPS * 64;
    for (int n = 0; n * C < at.length; n++) {
        int s = n % Plan::V;
        wait_for(m.written, n);
        for (int i = 0; i < Plan::GROUPS; i++)
            if (m.whole[s][i])
                ptx::store_box(maps.o, ptx::shared_address(m.v[s] + i * PANEL), column + i * 64, at.h, at.first + n * C,
                               at.b);
        ptx::stores_read();
        arrive(m.freed_v, n);
    }
}

/* ---- the kernel ---- */

/* Nothing to do: a segment past the end; in the state pass, the last one. */
template <typename Plan> __device__ inline bool idle(const place &at) {
    return (at.segment > 0 && at.length <= 0) || (!Plan::OUTPUT && at.last);
}

template <typename Plan>
__global__ void __launch_bounds__(Plan::THREADS, 1)
    forward(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ maps maps,
            const __grid_constant__ segments cut, float scale) {
    extern __shared__ __align__(1024) uint8_t raw[];
    auto &m = *(shared_memory<Plan> *)raw;
    if (ptx::shared_address(raw) % 1024) __trap();
    for (int s = 0; !p.g.data && s < Plan::G; s++)
        for (int i = threadIdx.x; i < C * Plan::DK; i += blockDim.x) m.g[s][i] = typename Plan::Gate(0.0f);
    if (threadIdx.x == 0) {
        start_barriers(m);
        ptx::fence_for_matrix_units();
    }
    __syncthreads();
    if (idle<Plan>(place_of(p, cut))) return;
    int role = threadIdx.x / 128, warp = threadIdx.x / 32;
    if (role == 0) {
        ptx::registers_down<Plan::SERVICE>();
        if (warp >= 2)
            sum_chunks(p, cut, place_of(p, cut), m);
        else if (threadIdx.x == 0)
            load(p, maps, place_of(p, cut), m);
        else if (threadIdx.x == 32)
            store(maps, place_of(p, cut), m);
    } else if (role <= Plan::TEAMS) {
        ptx::registers_down<Plan::PREP>();
        prepare(p, cut, place_of(p, cut).length, scale, role - 1, m);
    } else {
        ptx::registers_up<Plan::STATE>();
        carry(p, cut, place_of(p, cut), (uint32_t)(role - 1 - Plan::TEAMS), m);
    }
}

/* S_{p+1} = D_p * S_p + U_p: a thread per element of the state, segment after segment. */
__global__ void join(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ segments cut) {
    int64_t i = (int64_t)blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= p.dk * p.dv) return;
    place at = place_of(p, segments{cut.L, 1, 0, 0});
    float S =
        p.initial_state.data ? state_at(p.initial_state, p, at)[i / p.dv * p.initial_state.stride[2] + i % p.dv] : 0;
    for (int s = 0; s + 1 < cut.count && (s + 1) * cut.L < at.length; s++) {
        float *U = slot_of(p, cut, at, s) + i;
        float D = exponential(cut.decays[((at.n * p.H + at.h) * (cut.count - 1) + s) * p.dk + i / p.dv]);
        *U = S = __fadd_rn(__fmul_rn(D, S), *U);
    }
}

template <typename Plan>
cudaError_t launch(const gla_cuda_problem *p, const maps &maps, const segments &cut, float scale, cudaStream_t stream) {
    int bytes = (int)sizeof(shared_memory<Plan>), columns = Plan::GROUPS * 64;
    static_assert(sizeof(shared_memory<Plan>) <= 232448, "the slots do not fit into shared memory");
    cudaError_t e = cudaFuncSetAttribute(forward<Plan>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (e != cudaSuccess) return e;
    dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dv + columns - 1) / columns),
              (unsigned)(cut.count - !Plan::OUTPUT));
    forward<Plan><<<grid, Plan::THREADS, bytes, stream>>>(*p, maps, cut, scale);
    return cudaGetLastError();
}

/* Fewer columns a block where whole blocks would leave most of the GPU idle: the same bits. */
static bool narrow_blocks(const gla_cuda_problem *p, const segments &cut) {
    return p->N * p->H * cut.count * ((p->dv + 127) / 128) < 100;
}

template <int DK, typename Gate, bool PRECISE>
cudaError_t run(const gla_cuda_problem *p, const segments &cut, float scale, cudaStream_t stream) {
    maps maps;
    CUresult made = tensor_map(&maps.q, p->q, *p, p->dk, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps.k, p->k, *p, p->dk, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps.v, p->v, *p, p->dv, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps.o, p->o, *p, p->dv, 64, true);
    if (made == CUDA_SUCCESS && p->g.data) made = tensor_map(&maps.g, p->g, *p, p->dk, DK, false);
    if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
    if (cut.count > 1) {
        cudaError_t e = launch<plan<false, DK, 2, Gate>>(p, maps, cut, scale, stream);
        if (e != cudaSuccess) return e;
        dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dk * p->dv + 255) / 256));
        join<<<grid, 256, 0, stream>>>(*p, cut);
        e = cudaGetLastError();
        if (e != cudaSuccess) return e;
    }
    return narrow_blocks(p, cut) ? launch<plan<true, DK, 1, Gate, PRECISE>>(p, maps, cut, scale, stream)
                                 : launch<plan<true, DK, 2, Gate, PRECISE>>(p, maps, cut, scale, stream);
}

template <typename Gate, bool PRECISE>
cudaError_t run_gates(const gla_cuda_problem *p, const segments &cut, float scale, cudaStream_t stream) {
    return p->dk <= 64    ? run<64, Gate, PRECISE>(p, cut, scale, stream)
           : p->dk <= 128 ? run<128, Gate, PRECISE>(p, cut, scale, stream)
                          : run<256, Gate, PRECISE>(p, cut, scale, stream);
}

template <bool PRECISE>
cudaError_t run_grade(const gla_cuda_problem *p, const segments &cut, float scale, cudaStream_t stream) {
    bool narrow = p->g.data && p->g.dtype == GLA_CUDA_BF16;
    return narrow ? run_gates<__nv_bfloat16, PRECISE>(p, cut, scale, stream)
                  : run_gates<float, PRECISE>(p, cut, scale, stream);
}

static int64_t segments_of(const gla_cuda_problem *p, int64_t L) { return L > 0 && p->T > L ? (p->T + L - 1) / L : 1; }

static size_t rounded_up(int64_t bytes) { return (size_t)((bytes + 255) / 256 * 256); }

} // namespace fused

size_t gla_cuda_fused_workspace(const gla_cuda_problem *p, int64_t segment) {
    int64_t slots = p->N * p->H * (fused::segments_of(p, segment) - 1);
    return fused::rounded_up(slots * p->dk * p->dv * 4) + fused::rounded_up(slots * p->dk * 4);
}

cudaError_t gla_cuda_fused_forward(const gla_cuda_problem *p, bool precise, float scale, int64_t segment,
                                   void *workspace, cudaStream_t stream) {
    int64_t count = fused::segments_of(p, segment), slots = p->N * p->H * (count - 1);
    float *states = (float *)workspace, *decays = states + fused::rounded_up(slots * p->dk * p->dv * 4) / 4;
    fused::segments cut = {(int)segment, (int)count, states, decays};
    return precise ? fused::run_grade<true>(p, cut, scale, stream) : fused::run_grade<false>(p, cut, scale, stream);
}
