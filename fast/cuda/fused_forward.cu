/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA forward, fused: one pass over the tokens, the state in registers from the first to the last (sm_90a).
 *
 * The formulation is reference/gated/centred.c: per chunk of 64 tokens one reference r = Gamma_m / 2 in the centre,
 *     Qh = sq e^(Gamma-r)   Kh = k e^(r-Gamma)   P = lower(Qh Kh^T)   O = Qh Sh + P V   A = Sh + Kh^T V
 * and one factor per channel between steps, Sh_next = e^((Gamma_m-r) + r_next) A. Gates too strong for that (a channel
 * of |Gamma| > 76, -inf) make the chunk run as steps of 16 tokens, then of one.
 *
 * A block owns one head of one sequence and 64 columns of v per state group. Its warpgroups:
 *     producer   one thread: q k v g of the next chunks into shared memory, by the copy engine
 *     prep       two channels a thread: sums of gates, both exponentials, Qh and Kh over q and k in place; then P
 *     state x G  S^T [64 dv, dk] in the accumulators of matrix products: S = f S; O^T = S^T Qh^T + V^T P^T; S += V^T Kh
 * Per step: prep waits `landed`, makes the step, arrives `ready`; the state groups use it and arrive `used` (the chunk
 * needs another step) or `freed` (the producer may overwrite the stage).
 * Bits: every product is a chain of 16-token (or 16-channel) blocks in ascending order; every conversion rounds to
 * nearest. Rows of a tile outside the step are zeros, which leave an accumulator as it is.
 */
#include "fused.cuh"
#include "fused_prep.cuh"
#include "fused_state.cuh"

namespace fused {

/* ---- producer: one thread ---- */

template <bool OUTPUT, int DK, int GROUPS, typename Gate>
__device__ void produce(const gla_cuda_problem &p, const maps &maps, const place &at,
                        shared_memory<DK, GROUPS, Gate> &m) {
    const int stages = shared_memory<DK, GROUPS, Gate>::STAGES;
    const uint32_t bytes = ((OUTPUT ? 2 : 1) * DK / 64 + GROUPS) * PANEL + (p.g.data ? sizeof(Gate) * C * DK : 0);
    int q = head_of(p.q, p, at), k = head_of(p.k, p, at), v = head_of(p.v, p, at);
    int column = (int)blockIdx.y * GROUPS * 64;
    for (int n = 0; n * C < at.length; n++) {
        int s = n % stages, token = at.first + n * C;
        auto &stage = m.stage[s];
        uint32_t landed = ptx::shared_address(&m.landed[s]);
        if (n >= stages) ptx::barrier_wait(ptx::shared_address(&m.freed[s]), (n / stages - 1) & 1);
        ptx::barrier_expect(landed, bytes);
        if (p.g.data) ptx::load_box(ptx::shared_address(stage.g), maps.g, 0, head_of(p.g, p, at), token, at.b, landed);
        for (int i = 0; i < DK / 64; i++) {
            if (OUTPUT) ptx::load_box(ptx::shared_address(stage.q + i * PANEL), maps.q, i * 64, q, token, at.b, landed);
            ptx::load_box(ptx::shared_address(stage.k + i * PANEL), maps.k, i * 64, k, token, at.b, landed);
        }
        for (int i = 0; i < GROUPS; i++)
            ptx::load_box(ptx::shared_address(stage.v + i * PANEL), maps.v, column + i * 64, v, token, at.b, landed);
    }
}

/* ---- the kernel ---- */

/* Nothing to do: a segment past the end; in the state pass, the last one. */
template <bool OUTPUT> __device__ inline bool idle(const place &at) {
    return (at.segment > 0 && at.length <= 0) || (!OUTPUT && at.last);
}

/* OUTPUT: o and the final state. Else what every segment but the last adds to a zero state. */
template <bool OUTPUT, int DK, int GROUPS, typename Gate>
__global__ void __launch_bounds__(256 + GROUPS * 128, 1)
    forward(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ maps maps,
            const __grid_constant__ segments cut, float scale) {
    extern __shared__ uint8_t raw[];
    auto &m = *(shared_memory<DK, GROUPS, Gate> *)(raw + (1024 - ptx::shared_address(raw) % 1024) % 1024);
    const int stages = shared_memory<DK, GROUPS, Gate>::STAGES;
    for (int s = 0; !p.g.data && s < stages; s++)
        for (int i = threadIdx.x; i < C * DK; i += blockDim.x) m.stage[s].g[i] = Gate(0.0f);
    if (threadIdx.x == 0) {
        for (int s = 0; s < stages; s++) {
            ptx::barrier_init(ptx::shared_address(&m.landed[s]), 1);
            ptx::barrier_init(ptx::shared_address(&m.ready[s]), 128);
            ptx::barrier_init(ptx::shared_address(&m.used[s]), GROUPS * 128);
            ptx::barrier_init(ptx::shared_address(&m.freed[s]), GROUPS * 128);
        }
        ptx::fence_for_matrix_units();
    }
    __syncthreads();
    if (idle<OUTPUT>(place_of(p, cut))) return;
    int role = threadIdx.x / 128;
    if (role == 0) {
        ptx::registers_down<24>();
        if (threadIdx.x == 0) produce<OUTPUT>(p, maps, place_of(p, cut), m);
    } else if (role == 1) {
        ptx::registers_up<GROUPS == 1 ? 216 : 152>();
        prepare<OUTPUT>(p, cut, place_of(p, cut), scale, m);
    } else {
        ptx::registers_up<GROUPS == 1 ? 240 : 168>();
        carry<OUTPUT>(p, maps, cut, place_of(p, cut), (uint32_t)role - 2, m);
    }
}

/* S_{p+1} = D_p * S_p + U_p: a thread per element of the state, segment after segment. */
__global__ void join(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ segments cut) {
    int64_t i = (int64_t)blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= p.dk * p.dv) return;
    place at = place_of(p, segments{cut.L, 1, 0, 0});
    float S = p.initial_state.data ? *state_at(p.initial_state, p, at, i / p.dv, i % p.dv) : 0;
    for (int s = 0; s + 1 < cut.count && (s + 1) * cut.L < at.length; s++) {
        float *U = slot_of(p, cut, at, s) + i;
        float D = decay(cut.decays[((at.n * p.H + at.h) * (cut.count - 1) + s) * p.dk + i / p.dv]);
        *U = S = __fadd_rn(__fmul_rn(D, S), *U);
    }
}

/* The driver's function that makes tensor maps, or NULL; this library does not link the driver. */
static void *tensor_map_maker(void) {
    void *found = NULL;
    cudaDriverEntryPointQueryResult result;
    cudaError_t e =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
    return e == cudaSuccess ? found : NULL;
}

static CUresult tensor_map(CUtensorMap *map, const gla_cuda_tensor &x, const gla_cuda_problem &p, int64_t D,
                           int columns, bool swizzled) {
    static void *const found = tensor_map_maker();
    if (!found) return CUDA_ERROR_NOT_FOUND;
    int64_t size = x.dtype == GLA_CUDA_F32 ? 4 : 2;
    cuuint64_t shape[4] = {(cuuint64_t)D, (cuuint64_t)x.heads, (cuuint64_t)p.T, (cuuint64_t)p.B};
    cuuint64_t stride[3];
    for (int i = 0; i < 3; i++) stride[i] = (cuuint64_t)(shape[i + 1] > 1 ? x.stride[2 - i] * size : 16);
    cuuint32_t box[4] = {(cuuint32_t)columns, 1, C, 1}, step[4] = {1, 1, 1, 1};
    return ((decltype(&cuTensorMapEncodeTiled))found)(
        map, size == 4 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, x.data, shape, stride,
        box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzled ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

template <bool OUTPUT, int DK, int GROUPS, typename Gate>
cudaError_t launch(const gla_cuda_problem *p, const maps &maps, const segments &cut, float scale, cudaStream_t stream) {
    int bytes = (int)sizeof(shared_memory<DK, GROUPS, Gate>) + 1024;
    auto kernel = forward<OUTPUT, DK, GROUPS, Gate>;
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (e != cudaSuccess) return e;
    dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dv + GROUPS * 64 - 1) / (GROUPS * 64)),
              (unsigned)(cut.count - !OUTPUT));
    kernel<<<grid, 256 + GROUPS * 128, bytes, stream>>>(*p, maps, cut, scale);
    return cudaGetLastError();
}

/* Fewer columns a block where whole blocks would leave most of the GPU idle: the same bits. */
static bool narrow_blocks(const gla_cuda_problem *p, const segments &cut) {
    return p->N * p->H * cut.count * ((p->dv + 127) / 128) < 100;
}

template <int DK, typename Gate>
cudaError_t run(const gla_cuda_problem *p, const segments &cut, float scale, cudaStream_t stream) {
    maps maps;
    CUresult made = tensor_map(&maps.q, p->q, *p, p->dk, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps.k, p->k, *p, p->dk, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps.v, p->v, *p, p->dv, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps.o, p->o, *p, p->dv, 64, true);
    if (made == CUDA_SUCCESS && p->g.data) made = tensor_map(&maps.g, p->g, *p, p->dk, DK, false);
    if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
    if (cut.count > 1) {
        cudaError_t e = launch<false, DK, 2, Gate>(p, maps, cut, scale, stream);
        if (e != cudaSuccess) return e;
        dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dk * p->dv + 255) / 256));
        join<<<grid, 256, 0, stream>>>(*p, cut);
        e = cudaGetLastError();
        if (e != cudaSuccess) return e;
    }
    return narrow_blocks(p, cut) ? launch<true, DK, 1, Gate>(p, maps, cut, scale, stream)
                                 : launch<true, DK, 2, Gate>(p, maps, cut, scale, stream);
}

static int64_t segments_of(const gla_cuda_problem *p, int64_t L) { return L > 0 && p->T > L ? (p->T + L - 1) / L : 1; }

static size_t rounded_up(int64_t bytes) { return (size_t)((bytes + 255) / 256 * 256); }

} // namespace fused

size_t gla_cuda_fused_workspace(const gla_cuda_problem *p, int64_t segment) {
    int64_t slots = p->N * p->H * (fused::segments_of(p, segment) - 1);
    return fused::rounded_up(slots * p->dk * p->dv * 4) + fused::rounded_up(slots * p->dk * 4);
}

cudaError_t gla_cuda_fused_forward(const gla_cuda_problem *p, float scale, int64_t segment, void *workspace,
                                   cudaStream_t stream) {
    int64_t count = fused::segments_of(p, segment), slots = p->N * p->H * (count - 1);
    float *states = (float *)workspace, *decays = states + fused::rounded_up(slots * p->dk * p->dv * 4) / 4;
    fused::segments cut = {(int)segment, (int)count, states, decays};
    bool narrow = p->g.data && p->g.dtype == GLA_CUDA_BF16;
    if (p->dk <= 64)
        return narrow ? fused::run<64, __nv_bfloat16>(p, cut, scale, stream)
                      : fused::run<64, float>(p, cut, scale, stream);
    return narrow ? fused::run<128, __nv_bfloat16>(p, cut, scale, stream)
                  : fused::run<128, float>(p, cut, scale, stream);
}
