/* SPDX-License-Identifier: Apache-2.0
 *
 * The rungs timed; contract in bench.h.
 */
#include "bench.h"
#include "bench_session.cuh"

namespace {

using namespace bench;

enum { SETS = 8 };

/* Sets of buffers together: several times the L2 cache. */
const size_t COLD = (size_t)512 << 20;

gla_cuda_tensor over_tokens(session &s, const gla_bench_job &j, int64_t D, float low, float high, uint32_t seed) {
    void *at = random_numbers<__nv_bfloat16>(s, j.B * j.T * j.H * D, low, high, seed);
    return {at, GLA_CUDA_BF16, (int32_t)j.H, {j.T * j.H * D, j.H * D, D}};
}

gla_cuda_tensor over_states(session &s, const gla_bench_job &j, uint32_t seed) {
    void *at = random_numbers<float>(s, j.B * j.H * j.dk * j.dv, -1, 1, seed);
    return {at, GLA_CUDA_F32, (int32_t)j.H, {j.H * j.dk * j.dv, j.dk * j.dv, j.dv}};
}

gla_cuda_problem problem_of(session &s, const gla_bench_job &j, uint32_t seed) {
    gla_cuda_problem p = {};
    p.B = p.N = j.B;
    p.T = j.T;
    p.H = j.H;
    p.dk = j.dk;
    p.dv = j.dv;
    p.q = over_tokens(s, j, j.dk, -1, 1, seed);
    p.k = over_tokens(s, j, j.dk, -1, 1, seed + 1);
    p.v = over_tokens(s, j, j.dv, -1, 1, seed + 2);
    p.g = over_tokens(s, j, j.dk, -0.2f, 0, seed + 3);
    if (j.way != GLA_BENCH_BACKWARD) p.o = over_tokens(s, j, j.dv, 0, 0, 0);
    if (j.way == GLA_BENCH_STEP) {
        p.initial_state = over_states(s, j, seed + 4);
        p.final_state = over_states(s, j, seed + 5);
    }
    if (j.way != GLA_BENCH_BACKWARD && j.way != GLA_BENCH_BOTH) return p;
    p.d_o = over_tokens(s, j, j.dv, -1, 1, seed + 6);
    p.dq = over_tokens(s, j, j.dk, 0, 0, 0);
    p.dk_ = over_tokens(s, j, j.dk, 0, 0, 0);
    p.dv_ = over_tokens(s, j, j.dv, 0, 0, 0);
    p.dg = over_tokens(s, j, j.dk, 0, 0, 0);
    return p;
}

gla_cuda_status one_way(session &s, const gla_cuda_problem &p, gla_cuda_call &call, bool backward) {
    gla_cuda_status status = (backward ? gla_cuda_backward : gla_cuda_forward)(&p, &call);
    if (status != GLA_CUDA_OK) s.fail(status, gla_cuda_rung_name(call.rung), call.why);
    return status;
}

void take_workspace(session &s, const gla_cuda_problem &p, gla_cuda_call &call, gla_bench_way way) {
    size_t most = 0;
    for (int backward = 0; backward < 2 && s.good(); backward++) {
        size_t bytes;
        if (backward ? way != GLA_BENCH_BACKWARD && way != GLA_BENCH_BOTH : way == GLA_BENCH_BACKWARD) continue;
        gla_cuda_status status = gla_cuda_workspace(&p, &call, backward, &bytes);
        if (status != GLA_CUDA_OK) s.fail(status, gla_cuda_rung_name(call.rung), call.why);
        most = std::max(most, bytes);
    }
    call.workspace = s.take(most);
    call.workspace_size = most;
}

/* Bytes of one set of buffers. */
size_t size_of(const gla_bench_job &j) {
    bool back = j.way == GLA_BENCH_BACKWARD || j.way == GLA_BENCH_BOTH;
    int64_t token = 2 * (3 * j.dk + 2 * j.dv) + (back ? 2 * (3 * j.dk + 2 * j.dv) : 0);
    int64_t state = j.way == GLA_BENCH_STEP ? 8 * j.dk * j.dv : 0;
    return (size_t)(j.B * j.H * (j.T * token + state));
}

} // namespace

gla_cuda_status gla_cuda_bench(const gla_bench_job *job, gla_bench_times *times, char why[256]) {
    session s(why);
    gla_cuda_problem set[SETS];
    gla_cuda_call call = {};
    int sets = (int)std::clamp(COLD / size_of(*job) + 1, (size_t)2, (size_t)SETS);
    call.rung = job->rung;
    call.grade = job->grade;
    call.segment = job->segment;
    set[0] = problem_of(s, *job, 0);
    take_workspace(s, set[0], call, job->way);
    for (int i = 1; i < sets && s.good(); i++) set[i] = problem_of(s, *job, (uint32_t)(7 * i));
    times->workspace = call.workspace_size;
    time_calls(s, std::clamp(job->calls, 1, (int)GLA_BENCH_MOST), sets, times, [&](int i) {
        if (job->way != GLA_BENCH_BACKWARD) one_way(s, set[i], call, false);
        if (job->way == GLA_BENCH_BACKWARD || job->way == GLA_BENCH_BOTH) one_way(s, set[i], call, true);
    });
    return s.status;
}
