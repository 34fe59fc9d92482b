/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong kernels that compute another problem, and compute it right; see wrong_bench.h.
 */
#include <math.h>
#include <string.h>

#include "../../reference/slice.h"
#include "wrong_bench.h"

/* 0 the default, 1 dv^(-1/2), 2 times sqrt(dk), 3 over sqrt(dk), 4 none, 5 twice */
bool wrong_scale(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    double s = gla_scale_of(&p), root = sqrt((double)p.dk);
    const double scales[] = {1 / root, 1 / sqrt((double)p.dv), s * root, s / root, 1, s * s};
    p.scale = scales[variant];
    return wrong_outputs(b, &p);
}

bool wrong_drop(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    if (variant >= 0) gla_problem_input(&p, (gla_input)variant)->at = NULL;
    if (variant < 0) p.gk.at = p.gv.at = NULL; /* all gates */
    return wrong_outputs(b, &p);
}

/* A fixed decay of the next head (0), or of schedule number `variant`. */
bool wrong_decay(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    if (variant == 0) p.decay.head++;
    p.decay.schedule = variant;
    return wrong_outputs(b, &p);
}

/* Below 0: a floor. */
static double altered_gate(double g, int variant) {
    switch (variant) {
    case 0:
        return g * 0.6931471805599453;
    case 1:
        return g / 0.6931471805599453;
    case 2:
        return 2 * g;
    case 3:
        return gla_round(&gla_bf16, GLA_RN, g, 0);
    case 4:
        return exp(g);
    case 5:
        return isinf(g) ? 0 : g;
    default:
        return fmax(g, variant);
    }
}

bool wrong_gates(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    for (int name = GLA_IN_GK; name <= GLA_IN_GV; name++) {
        double *g = wrong_edit(b, &p, (gla_input)name);
        for (int64_t i = 0; g && i < wrong_count(&p, (gla_input)name); i++) g[i] = altered_gate(g[i], variant);
    }
    return wrong_outputs(b, &p);
}

/* The gates of another token; at the ends none. One batch, no packing. */
bool wrong_gate_shift(wrong_bench *b, int by) {
    gla_problem p = b->made.problem;
    for (int name = GLA_IN_GK; name <= GLA_IN_GV; name++) {
        const double *from = gla_problem_input(&p, (gla_input)name)->at;
        double *g = wrong_edit(b, &p, (gla_input)name);
        int64_t width = g ? wrong_count(&p, (gla_input)name) / p.T : 0;
        for (int64_t i = 0; i < p.T * width; i++) {
            int64_t t = i / width - by;
            g[i] = t < 0 || t >= p.T ? 0 : from[t * width + i % width];
        }
    }
    return wrong_outputs(b, &p);
}

/* S_t = alpha_t (S_{t-1} + k_t v_t) */
bool wrong_write_first(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    for (int name = GLA_IN_GK; name <= GLA_IN_GV; name++) {
        gla_input written = name == GLA_IN_GK ? GLA_IN_K : GLA_IN_V;
        const double *g = gla_problem_input(&p, (gla_input)name)->at;
        double *x = g ? wrong_edit(b, &p, written) : NULL;
        for (int64_t i = 0; x && i < wrong_count(&p, written); i++) x[i] *= exp(g[i]);
    }
    return variant == 0 && wrong_outputs(b, &p);
}

/* The write of one token is lost. */
bool wrong_token(wrong_bench *b, int token) {
    gla_problem p = b->made.problem;
    double *k = wrong_edit(b, &p, GLA_IN_K);
    int64_t width = p.k.heads * p.dk;
    if (k) memset(k + token * width, 0, (size_t)width * sizeof *k);
    return k && wrong_outputs(b, &p);
}

bool wrong_swap(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    gla_tensor q = p.q;
    p.q = p.k;
    p.k = q;
    return variant == 0 && wrong_outputs(b, &p);
}

/* Input `variant % 8` of the head before (0 .. 7), after (8 .. 15), of head 0 (16 ..). */
bool wrong_head(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    gla_input name = (gla_input)(variant % 8);
    const double *from = gla_problem_input(&p, name)->at;
    double *to = wrong_edit(b, &p, name);
    int64_t shape[4], which = variant / 8;
    gla_input_shape(&p, name, shape);
    bool state = gla_is_state_input(name);
    int64_t H = state ? shape[1] : shape[2], size = state ? shape[2] * shape[3] : shape[3];
    for (int64_t row = 0; to && row < wrong_count(&p, name) / size; row++) {
        int64_t h = row % H, other = which == 0 ? (h + H - 1) % H : which == 1 ? (h + 1) % H : 0;
        memcpy(to + row * size, from + (row - h + other) * size, (size_t)size * sizeof *to);
    }
    return to && wrong_outputs(b, &p);
}

/* Input `variant % 8` of the sequence before (0 .. 7) or of sequence 0 (8 ..): batches. */
bool wrong_sequence(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    gla_input name = (gla_input)(variant % 8);
    const double *from = gla_problem_input(&p, name)->at;
    double *to = wrong_edit(b, &p, name);
    int64_t size = wrong_count(&p, name) / p.N;
    for (int64_t n = 0; to && n < p.N; n++) {
        int64_t other = variant / 8 == 0 ? (n + p.N - 1) % p.N : 0;
        memcpy(to + n * size, from + other * size, (size_t)size * sizeof *to);
    }
    return to && wrong_outputs(b, &p);
}

/* Heads of k and g shared by h mod Hk: the heads of q v do and of o and dq in another order. */
bool wrong_modulo(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    static const gla_input shared[] = {GLA_IN_K, GLA_IN_GK};
    for (int a = 0; a < 2; a++) {
        gla_tensor *x = gla_problem_input(&p, shared[a]);
        int64_t heads = x->heads, D = p.dk, H = p.H;
        const double *from = x->at;
        double *to = wrong_room(b, p.B * p.T * H * D);
        if (!to) return false;
        for (int64_t row = 0; row < p.B * p.T * H; row++)
            memcpy(to + row * D, from + (row / H * heads + row % H % heads) * D, (size_t)D * sizeof *to);
        gla_tensor_dense(x, to, p.T, H, 1, D);
        x->stride[0] = p.T * H * D;
        x->stride[1] = H * D;
        x->stride[2] = D;
    }
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, &p, gla_profile_named(chunk_kernel_profile(b->dtype)), value)) return false;
    for (int i = 0; i <= GLA_FINAL_STATE; i++) /* what has all heads; the others keep the right values */
        memcpy(b->output[i], value[i], (size_t)b->truth.tensor[i].count * sizeof(double));
    return variant == 0;
}

/* Tensors meant as [B,T,H,D] are taken as [B,H,T,D] by their strides, and so are the outputs. */
bool wrong_axes(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    int64_t T = p.T, H = p.H;
    p.T = H;
    p.H = T;
    p.scale = gla_scale_of(&p);
    p.initial_state.at = p.d_final_state.at = NULL;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        int64_t step = x->stride[1];
        if (!x->at) continue;
        x->stride[1] = x->stride[2];
        x->stride[2] = step;
        x->heads = T;
    }
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, &p, gla_profile_named(chunk_kernel_profile(b->dtype)), value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!value[i] || !b->output[i] || gla_is_state_output((gla_output)i)) continue;
        int64_t D = b->truth.tensor[i].shape[3];
        for (int64_t row = 0; row < p.B * T * H; row++) {
            int64_t n = row / (T * H), t = row / H % T, h = row % H;
            memcpy(b->output[i] + row * D, value[i] + ((n * H + h) * T + t) * D, (size_t)D * sizeof(double));
        }
    }
    return variant == 0;
}

/* The memory of [B,T,H,D] read as that of [B,H,T,D]; variant 0: and written so, 1: written as it should be. */
bool wrong_memory(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    p.scale = gla_scale_of(&p);
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        int64_t shape[4];
        gla_input_shape(&p, (gla_input)i, shape);
        if (!x->at || gla_is_state_input((gla_input)i)) continue;
        x->stride[1] = shape[3];
        x->stride[2] = p.T * shape[3];
    }
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, &p, gla_profile_named(chunk_kernel_profile(b->dtype)), value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!value[i] || !b->output[i]) continue;
        bool state = gla_is_state_output((gla_output)i) || variant == 1;
        int64_t D = b->truth.tensor[i].shape[3], rows = b->truth.tensor[i].count / D, T = p.T, H = p.H;
        for (int64_t row = 0; row < rows; row++) { /* memory row (n,h,t) holds what belongs to (n,t,h) */
            int64_t from = state ? row : row / (T * H) * T * H + row % T * H + row / T % H;
            memcpy(b->output[i] + row * D, value[i] + from * D, (size_t)D * sizeof(double));
        }
    }
    return true;
}

bool wrong_direction(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    p.reverse = !p.reverse;
    return variant == 0 && wrong_outputs(b, &p);
}

/* Packed sequences as one. Its states are the first's and the last's; the others keep the right values. */
bool wrong_boundaries(wrong_bench *b, int variant) {
    gla_problem p = b->made.problem;
    p.d_final_state.at += (p.N - 1) * p.d_final_state.stride[0];
    p.cu_seqlens = NULL;
    p.N = 1;
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, &p, gla_profile_named(chunk_kernel_profile(b->dtype)), value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (value[i] && !gla_is_state_output((gla_output)i))
            memcpy(b->output[i], value[i], (size_t)b->truth.tensor[i].count * sizeof(double));
    return variant == 0;
}

bool wrong_profile(wrong_bench *b, int variant) {
    static const char *const names[] = {"f32-tf32", "chunk-f16", "chunk-bf16", "bf16-state"};
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, &b->made.problem, gla_profile_named(names[variant]), value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (value[i]) memcpy(b->output[i], value[i], (size_t)b->truth.tensor[i].count * sizeof(double));
    return true;
}
