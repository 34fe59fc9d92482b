/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel of chunk_kernel.h around its forward and backward: reading the tensors, walking sequences and heads,
 * writing the results; with the faults that belong here.
 */
#include "chunk_kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chunk_slice.h"

const char *chunk_kernel_profile(const gla_format *dtype) {
    return dtype == &gla_bf16 ? "chunk-bf16" : dtype == &gla_f16 ? "chunk-f16" : "f32-chunk";
}

const gla_format *chunk_kernel_stored(const gla_format *dtype, gla_output name) {
    return name == GLA_O || name == GLA_DQ || name == GLA_DK || name == GLA_DV ? dtype : &gla_binary32_format;
}

/* What stays from one sequence to the next and from one head to the next; a right kernel reads none of it. */
typedef struct kernel {
    slice x;
    chunk u;
    state *last_state, *last_gradient; /* [H] */
    row end;
} kernel;

static void declare_arithmetic(slice *x) {
    bool wide = x->dtype == &gla_binary32_format;
    x->operand = wide ? NULL : x->dtype == &gla_f16 ? &gla_tf32 : x->dtype;
    x->operand_rounding = x->dtype == &gla_f16 ? GLA_RZ : GLA_RN;
    x->site = wide ? NULL : x->dtype;
    x->site_rounding = GLA_RN;
    if (has(x, M_OPERANDS_BF16)) x->operand = x->site = &gla_bf16;
    if (has(x, M_OPERANDS_BF16)) x->operand_rounding = GLA_RN;
    if (has(x, M_OPERANDS_TF32) && wide) x->operand = x->site = &gla_tf32;
    if (has(x, M_OPERANDS_TF32) && wide) x->operand_rounding = x->site_rounding = GLA_RZ;
}

/* ---- reading: an absent tensor is 0 ---- */

static float token_of(const slice *x, const gla_tensor *from, int64_t h, int t, int64_t i) {
    return from->at ? (float)gla_tensor_token(x->p, from, &x->sequence, h, t, i) : 0;
}

/* Any gate as the faults that all gates share leave it. */
static float as_gate(const slice *x, float g) {
    if (has(x, M_GATE_BASE_2)) g *= 0.6931472f;
    if (has(x, M_GATE_BASE_E_AS_2)) g *= 1.442695f;
    if (has(x, M_GATE_NOT_LOG)) g = expf(g);
    if (has(x, M_GATE_CLAMPED)) g = fmaxf(g, -5);
    if (has(x, M_GATE_BF16)) g = chunk_round(&gla_bf16, GLA_RN, g);
    return g;
}

static float gate_of(const slice *x, int t, int d) {
    const gla_problem *p = x->p;
    int64_t h = has(x, M_GATE_HEAD_0) ? 0 : x->h;
    float g = as_gate(x, token_of(x, &p->gk, h, t, d));
    if (has(x, M_GV_EXCHANGED) && x->valued) g = token_of(x, &p->gv, h, t, d % p->dv);
    if (has(x, M_RESET_IGNORED) && isinf(g)) g = 0;
    if (has(x, M_RESET_LEAKS) && isinf(g)) g = -8;
    if (has(x, M_ONE_DECAY_LOST) && t == 5) g = 0;
    return g;
}

static float value_gate_of(const slice *x, int t, int j) {
    const gla_problem *p = x->p;
    float g = as_gate(x, token_of(x, &p->gv, has(x, M_GV_HEAD_0) ? 0 : x->h, t, j));
    if (has(x, M_GV_EXCHANGED)) g = token_of(x, &p->gk, x->h, t, j % p->dk);
    if (has(x, M_GV_IGNORED)) g = 0;
    if (has(x, M_GV_BASE_2)) g *= 0.6931472f;
    if (has(x, M_GV_RESET_IGNORED) && isinf(g)) g = 0;
    return g;
}

static float key_of(const slice *x, int t, int d) {
    const gla_problem *p = x->p;
    int64_t h = x->h;
    if (has(x, M_HEAD_MODULO)) h = h % p->k.heads * (p->H / p->k.heads);
    return token_of(x, &p->k, h, t, d);
}

static float value_of(const slice *x, int t, int j) {
    const gla_problem *p = x->p;
    int64_t at = x->h * p->dv + j;
    if (has(x, M_HEAD_STRIDE)) at = (x->h * p->dk + j) % (p->H * p->dv);
    return token_of(x, &p->v, at / p->dv, t, at % p->dv);
}

static float state_of(const slice *x, const gla_tensor *S, int i, int j, mutant transposed) {
    gla_sequence from = x->sequence;
    int64_t at = (int64_t)i * x->dv + j;
    if (has(x, transposed)) at = (int64_t)j * x->dk + i;
    if (has(x, M_INITIAL_OF_FIRST) && S == &x->p->initial_state) from.n = 0;
    return S->at ? (float)gla_tensor_state(x->p, S, &from, x->h, at / x->dv, at % x->dv) : 0;
}

static void read_tokens(slice *x) {
    const gla_problem *p = x->p;
    for (int t = 0; t < x->T; t++) {
        for (int d = 0; d < x->dk; d++) {
            x->q[t][d] = token_of(x, &p->q, x->h, t, d);
            x->k[t][d] = key_of(x, t, d);
            x->g[t][d] = gate_of(x, t, d);
        }
        for (int j = 0; j < x->dv; j++) {
            x->v[t][j] = chunk_operand(x, value_of(x, t, j));
            x->d_o[t][j] = chunk_operand(x, token_of(x, &p->d_o, x->h, t, j));
            x->gv[t][j] = x->valued ? value_gate_of(x, t, j) : 0;
        }
    }
}

static void read_states(kernel *k) {
    slice *x = &k->x;
    for (int i = 0; i < x->dk; i++)
        for (int j = 0; j < x->dv; j++) {
            float S = state_of(x, &x->p->initial_state, i, j, M_INITIAL_TRANSPOSED);
            float F = state_of(x, &x->p->d_final_state, i, j, M_DFINAL_TRANSPOSED);
            if (has(x, M_BOUNDARY_IGNORED) && x->p->cu_seqlens && x->sequence.n > 0) S = k->last_state[x->h][i][j];
            if (has(x, M_DSTATE_ACROSS) && x->p->cu_seqlens) F += k->last_gradient[x->h][i][j];
            x->S[0][i][j] = has(x, M_INITIAL_IGNORED) ? 0 : S;
            x->F[i][j] = has(x, M_DFINAL_IGNORED) ? 0 : F;
        }
}

/* ---- writing ---- */

static void write_tokens(const slice *x, gla_output name, const row *from, int width, double *to) {
    int64_t shape[4], h = x->h;
    if (!to) return;
    gla_output_shape(x->p, name, shape);
    if (has(x, M_SLICES_SWAPPED) && name == GLA_O && x->p->H > 1 && h < 2) h = 1 - h;
    for (int t = 0; t < x->T; t++)
        for (int i = 0; i < width; i++) {
            double *z = to + gla_index_token(x->p, shape, &x->sequence, h, t, i);
            bool alone = has(x, M_DK_LAST_OF_GROUP) && name == GLA_DK;
            *z = alone ? from[t][i] : (float)(*z + from[t][i]);
        }
}

static void write_state(const slice *x, gla_output name, const state S, mutant transposed, double *to) {
    int64_t shape[4];
    if (!to) return;
    gla_output_shape(x->p, name, shape);
    for (int i = 0; i < x->dk; i++)
        for (int j = 0; j < x->dv; j++) {
            int64_t at = (int64_t)i * x->dv + j;
            if (has(x, transposed)) at = (int64_t)j * x->dk + i;
            to[gla_index_state(x->p, shape, &x->sequence, x->h, at / x->dv, at % x->dv)] = S[i][j];
        }
}

static void write_slice(const slice *x, bool backward, double *output[GLA_OUTPUTS]) {
    write_tokens(x, GLA_O, x->o, x->dv, output[GLA_O]);
    bool lost = has(x, M_EMPTY_LOST) && x->T == 0;
    if (!lost) write_state(x, GLA_FINAL_STATE, x->S[x->chunks], M_FINAL_TRANSPOSED, output[GLA_FINAL_STATE]);
    if (!backward) return;
    write_tokens(x, GLA_DQ, x->dq, x->dk, output[GLA_DQ]);
    write_tokens(x, GLA_DK, x->dk_, x->dk, output[GLA_DK]);
    write_tokens(x, GLA_DV, x->dv_, x->dv, output[GLA_DV]);
    write_tokens(x, GLA_DGK, x->dg, x->dk, output[GLA_DGK]);
    write_tokens(x, GLA_DGV, x->dgv, x->dv, output[GLA_DGV]);
    write_state(x, GLA_DINITIAL_STATE, x->F, M_DINITIAL_TRANSPOSED, output[GLA_DINITIAL_STATE]);
}

static void store(const slice *x, gla_output name, double *z) {
    int64_t shape[4];
    if (!z) return;
    gla_output_shape(x->p, name, shape);
    const gla_format *f = chunk_kernel_stored(x->dtype, name);
    gla_rounding rounding = has(x, M_OUTPUT_TRUNCATED) && name == GLA_O ? GLA_RZ : GLA_RN;
    if (has(x, M_FINAL_BF16) && name == GLA_FINAL_STATE) f = &gla_bf16;
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2] * shape[3]; i++) z[i] = gla_round(f, rounding, z[i], 0);
}

/* ---- sequences and heads ---- */

/* One block for all token rows and states of a slice. */
static bool slice_open(slice *x, int64_t T) {
    x->T = (int)T;
    x->chunks = (x->T + CHUNK - 1) / CHUNK;
    size_t tokens = (size_t)x->T;
    row *rows = calloc(12 * tokens + 1, sizeof *rows);
    row **const views[] = {&x->q, &x->k,  &x->v,   &x->g,   &x->gv, &x->d_o,
                           &x->o, &x->dq, &x->dk_, &x->dv_, &x->dg, &x->dgv};
    for (size_t i = 0; i < 12 && rows; i++) *views[i] = rows + i * tokens;
    x->S = calloc((size_t)x->chunks + 1, sizeof *x->S);
    if (rows && x->S) return true;
    free(rows);
    free(x->S);
    return false;
}

static void slice_close(slice *x) {
    free(x->q);
    free(x->S);
}

static gla_status run_slice(kernel *k, bool backward, double *output[GLA_OUTPUTS]) {
    slice *x = &k->x;
    if (!slice_open(x, x->sequence.length)) return GLA_NO_MEMORY;
    x->end = k->end;
    read_tokens(x);
    read_states(k);
    chunk_forward(x, &k->u);
    if (backward) chunk_backward(x, &k->u);
    memcpy(k->last_state[x->h], x->S[x->chunks], sizeof(state));
    memcpy(k->last_gradient[x->h], x->F, sizeof(state));
    write_slice(x, backward, output);
    slice_close(x);
    return GLA_OK;
}

static float scale_of(const slice *x) {
    float s = (float)gla_scale_of(x->p);
    if (has(x, M_SCALE_MISSING)) s = 1;
    if (has(x, M_SCALE_TWICE)) s *= s;
    if (has(x, M_SCALE_BF16)) s = chunk_round(&gla_bf16, GLA_RN, s);
    return s;
}

static void clear_outputs(const gla_problem *p, double *output[GLA_OUTPUTS]) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        gla_output_shape(p, (gla_output)i, shape);
        if (output[i]) memset(output[i], 0, (size_t)(shape[0] * shape[1] * shape[2] * shape[3]) * sizeof(double));
    }
}

gla_status chunk_kernel(const gla_problem *p, const gla_format *dtype, mutant fault, double *output[GLA_OUTPUTS]) {
    if (p->dk > WIDTH || p->dv > WIDTH) return GLA_UNSUPPORTED;
    kernel *k = calloc(1, sizeof *k);
    state *kept = calloc((size_t)(2 * p->H), sizeof *kept);
    gla_status status = k && kept ? GLA_OK : GLA_NO_MEMORY;
    bool backward = p->d_o.at || p->d_final_state.at;
    if (status == GLA_OK) {
        k->x = (slice){
            .p = p, .fault = fault, .dtype = dtype, .dk = (int)p->dk, .dv = (int)p->dv, .valued = p->gv.at != NULL};
        k->x.s = scale_of(&k->x);
        k->last_state = kept;
        k->last_gradient = kept + p->H;
        declare_arithmetic(&k->x);
        clear_outputs(p, output);
    }
    for (int64_t n = 0; n < p->N && status == GLA_OK; n++) {
        memset(k->end, 0, sizeof k->end);
        for (k->x.h = 0; k->x.h < p->H && status == GLA_OK; k->x.h++) {
            k->x.sequence = gla_sequence_at(p, n);
            if (has(&k->x, M_REVERSE_IGNORED)) k->x.sequence.reverse = false;
            status = run_slice(k, backward, output);
        }
    }
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) store(&k->x, (gla_output)i, output[i]);
    free(kept);
    free(k);
    return status;
}
