/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong kernels in which states and their gradients do not come right from chunk to chunk: the chunks run as sequences
 * of their own, with what enters them made to order; see wrong_bench.h. One batch.
 */
#include <string.h>

#include "wrong_bench.h"

enum { C = 64, MOST_CHUNKS = 16 };

static bool run_chunks(wrong_bench *b, const double *S, const double *F, double *value[GLA_OUTPUTS]) {
    gla_problem p = b->made.problem;
    int64_t *cu = (int64_t *)wrong_room(b, MOST_CHUNKS + 1); /* 8 bytes as well */
    p.N = (p.T + C - 1) / C;
    if (!cu || p.N > MOST_CHUNKS || p.B > 1) return false;
    for (int64_t n = 0; n <= p.N; n++) cu[n] = n * C < p.T ? n * C : p.T;
    p.cu_seqlens = cu;
    gla_tensor_dense(&p.initial_state, S, 0, p.H, p.dk, p.dv);
    gla_tensor_dense(&p.d_final_state, F, 0, p.H, p.dk, p.dv);
    return wrong_run(b, &p, gla_profile_named(chunk_kernel_profile(b->dtype)), value);
}

/* The right states that enter the chunks, but for the first: exact, of the tokens before. */
static bool right_states(wrong_bench *b, int64_t N, int64_t size, double *S) {
    gla_problem until = b->made.problem;
    double *of[GLA_OUTPUTS];
    for (int64_t n = 1; n < N; n++) {
        until.T = n * C;
        if (!wrong_run(b, &until, gla_profile_named("ideal"), of)) return false;
        memcpy(S + n * size, of[GLA_FINAL_STATE], (size_t)size * sizeof *S);
    }
    return true;
}

/* The right gradients of the states that leave the chunks, but for the last: exact, of the tokens behind. */
static bool right_gradients(wrong_bench *b, int64_t N, int64_t size, double *F) {
    double *of[GLA_OUTPUTS];
    for (int64_t n = 0; n < N - 1; n++) {
        gla_problem after = b->made.problem;
        after.T -= (n + 1) * C;
        for (int i = 0; i < GLA_INPUTS; i++) {
            gla_tensor *x = gla_problem_input(&after, (gla_input)i);
            if (x->at && !gla_is_state_input((gla_input)i)) x->at += (n + 1) * C * x->stride[1];
        }
        if (!wrong_run(b, &after, gla_profile_named("ideal"), of)) return false;
        memcpy(F + n * size, of[GLA_DINITIAL_STATE], (size_t)size * sizeof *F);
    }
    return true;
}

/* What enters chunks: 0 nothing from other chunks, either way; 1 no state at all (the final state is right); 2 only
 * what the chunk before wrote; 3 backward: nothing from later chunks; 4 backward: no gradient at all (dinitial_state is
 * right); 5 backward: only what the chunk after sent back; 6 forward: nothing from chunks before. */
bool wrong_chunks(wrong_bench *b, int variant) {
    const gla_problem *p = &b->made.problem;
    bool forward = variant < 3 || variant == 6, backward = variant == 0 || (variant >= 3 && variant < 6);
    int64_t N = (p->T + C - 1) / C, size = p->H * p->dk * p->dv, last = (N - 1) * size;
    size_t bytes = (size_t)size * sizeof(double);
    double *S = wrong_room(b, N * size), *F = wrong_room(b, N * size), *alone[GLA_OUTPUTS], *value[GLA_OUTPUTS];
    if (!S || !F || !run_chunks(b, S, F, alone)) return false;
    if ((!forward && !right_states(b, N, size, S)) || (!backward && !right_gradients(b, N, size, F))) return false;
    if (variant != 1) memcpy(S, p->initial_state.at, bytes);
    if (variant != 4) memcpy(F + last, p->d_final_state.at, bytes);
    if (variant == 2) memcpy(S + size, alone[GLA_FINAL_STATE], bytes * (size_t)(N - 1));
    if (variant == 5) memcpy(F, alone[GLA_DINITIAL_STATE] + size, bytes * (size_t)(N - 1));
    if (!run_chunks(b, S, F, value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) { /* dg may come by sums of its own */
        bool mine = i > GLA_FINAL_STATE || forward, kept = i == GLA_DGK && variant != 0;
        if (value[i] && mine && !kept && !gla_is_state_output((gla_output)i))
            memcpy(b->output[i], value[i], (size_t)b->truth.tensor[i].count * sizeof(double));
    }
    if (variant == 0 || variant == 6) memcpy(b->output[GLA_FINAL_STATE], value[GLA_FINAL_STATE] + last, bytes);
    if (variant == 2) memcpy(b->output[GLA_FINAL_STATE], alone[GLA_FINAL_STATE] + last, bytes);
    if (variant == 0 || variant == 3) memcpy(b->output[GLA_DINITIAL_STATE], value[GLA_DINITIAL_STATE], bytes);
    if (variant == 5) memcpy(b->output[GLA_DINITIAL_STATE], alone[GLA_DINITIAL_STATE], bytes);
    return true;
}
