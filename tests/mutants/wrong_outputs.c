/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong kernels that compute the right outputs, and lose them on the way out; see wrong_bench.h. What is said to be
 * right comes from a kernel of the profile, not from the truth.
 */
#include <math.h>
#include <string.h>

#include "../../reference/slice.h"
#include "wrong_bench.h"

static int64_t count_of(const wrong_bench *b, gla_output name) { return b->truth.tensor[name].count; }
static int64_t tokens_of(const wrong_bench *b) { return b->made.problem.T; }
/* Elements of one token. */
static int64_t width_of(const wrong_bench *b, gla_output name) {
    return b->truth.tensor[name].shape[2] * b->truth.tensor[name].shape[3];
}
static double stored(const wrong_bench *b, gla_output name, double x) {
    return gla_round(chunk_kernel_stored(b->dtype, name), GLA_RN, x, 0);
}

/* A copy of an output, to read from while it is changed. */
static const double *before(wrong_bench *b, gla_output name) {
    double *copy = wrong_room(b, count_of(b, name));
    if (copy) memcpy(copy, b->output[name], (size_t)count_of(b, name) * sizeof *copy);
    return copy;
}

/* Output `variant % 8`: zeros (0 .. 7), one value (8 .. ). */
bool wrong_fill(wrong_bench *b, int variant) {
    gla_output name = (gla_output)(variant % 8);
    for (int64_t i = 0; i < count_of(b, name); i++) b->output[name][i] = variant < 8 ? 0 : 0.375;
    return true;
}

/* 0: o is v; 1: dq holds dk; 2: dk holds dq; 3: o holds dv; 4: final_state holds the initial one; 5: dinitial_state
 * holds dfinal_state */
bool wrong_copy(wrong_bench *b, int variant) {
    static const gla_output to[] = {GLA_O, GLA_DQ, GLA_DK, GLA_O, GLA_FINAL_STATE, GLA_DINITIAL_STATE};
    const double *const from[] = {b->made.tensor[GLA_IN_V],
                                  b->output[GLA_DK],
                                  b->output[GLA_DQ],
                                  b->output[GLA_DV],
                                  b->made.tensor[GLA_IN_INITIAL_STATE],
                                  b->made.tensor[GLA_IN_DFINAL_STATE]};
    memcpy(b->output[to[variant]], from[variant], (size_t)count_of(b, to[variant]) * sizeof(double));
    return true;
}

/* o (0, 1) or dk (2, 3) one token late or early. */
bool wrong_shift(wrong_bench *b, int variant) {
    gla_output name = variant < 2 ? GLA_O : GLA_DK;
    size_t width = (size_t)width_of(b, name), most = ((size_t)tokens_of(b) - 1) * width;
    double *x = b->output[name];
    memmove(variant % 2 ? x : x + width, variant % 2 ? x + width : x, most * sizeof *x);
    return true;
}

/* o (0 ..) or dv (8 ..) times -1, 2, sqrt(dk), ln 2, 3, the scale. */
bool wrong_factor(wrong_bench *b, int variant) {
    const double factors[] = {
        -1, 2, sqrt((double)b->made.problem.dk), 0.6931471805599453, 3, gla_scale_of(&b->made.problem)};
    gla_output name = variant < 8 ? GLA_O : GLA_DV;
    for (int64_t i = 0; i < count_of(b, name); i++)
        b->output[name][i] = stored(b, name, b->output[name][i] * factors[variant % 8]);
    return true;
}

/* 0: o in the memory of [B,H,T,D]; 1: o of the next head; 2: o of the next batch; 3: final_state as [dv,dk]; 4: dv of
 * the next head; 5: final_state of the next sequence */
bool wrong_place(wrong_bench *b, int variant) {
    static const gla_output names[] = {GLA_O, GLA_O, GLA_O, GLA_FINAL_STATE, GLA_DV, GLA_FINAL_STATE};
    gla_output name = names[variant];
    const gla_problem *p = &b->made.problem;
    const double *from = before(b, name);
    int64_t D = b->truth.tensor[name].shape[3], T = p->T, H = p->H, rows = count_of(b, name) / D;
    for (int64_t row = 0; from && row < rows; row++) {
        int64_t other = row;
        if (variant == 0) other = row / (T * H) * T * H + row % T * H + row / T % H;
        if (variant == 1 || variant == 4) other = row - row % H + (row % H + 1) % H;
        if (variant == 2) other = (row + T * H) % rows;
        if (variant == 5) other = (row + H * p->dk) % rows;
        memcpy(b->output[name] + row * D, from + other * D, (size_t)D * sizeof *from);
    }
    int64_t size = p->dk * p->dv;
    for (int64_t i = 0; from && variant == 3 && i < count_of(b, name); i++)
        b->output[name][i / size * size + i % p->dv * p->dk + i % size / p->dv] = from[i];
    return from != NULL;
}

/* The end term of the gate gradient of head h, channel i, for batch 0. */
static double end_of(const wrong_bench *b, int64_t h, int64_t i) {
    const gla_problem *p = &b->made.problem;
    double sum = 0;
    for (int64_t j = 0; j < p->dv; j++) {
        int64_t at = (h * p->dk + i) * p->dv + j;
        sum += b->output[GLA_FINAL_STATE][at] * b->made.tensor[GLA_IN_DFINAL_STATE][at];
    }
    return sum;
}

static double spoilt_gate_gradient(const wrong_bench *b, const double *g, int64_t at, int variant) {
    const gla_problem *p = &b->made.problem;
    int64_t T = p->T, H = p->H, dk = p->dk, width = H * dk, t = at / width, h = at / dk % H, i = at % dk;
    int64_t chunk = t / 64 * 64, next = chunk + 64;
    double all = 0, own = t + 1 < T ? g[at] - g[at + width] : 0;
    switch (variant) {
    case 0:
        for (int64_t other = 0; other < H; other++) all += g[t * width + other * dk + i];
        return all;
    case 1:
        return g[at] + 5 + (double)i;
    case 2:
        return next < T ? g[at] - g[next * width + at % width] : g[at];
    case 3:
        return g[at] - own;
    case 4:
        return g[at] + own;
    case 5:
        return g[at] - end_of(b, h, i);
    case 6:
        for (int64_t other = 0; other < H; other++) all += end_of(b, other, i);
        return g[at] - end_of(b, h, i) + all;
    case 7:
        return g[at] + end_of(b, h, i);
    case 8:
        return next < T ? g[at] : g[at] - end_of(b, h, i);
    default:
        return -g[at];
    }
}

/* 0 summed over heads, 1 off by a constant, 2 inside chunks of 64, 3 exclusive, 4 own token twice, 5 without the end
 * term, 6 with that of all heads, 7 with it twice, 8 without it in the last chunk, 9 of the other sign. Batch 1. */
bool wrong_gate_gradient(wrong_bench *b, int variant) {
    const double *from = before(b, GLA_DGK);
    for (int64_t at = 0; from && at < count_of(b, GLA_DGK); at++)
        b->output[GLA_DGK][at] = stored(b, GLA_DGK, spoilt_gate_gradient(b, from, at, variant));
    return from != NULL;
}

/* 0 columns 4 to 7 of o unwritten, 1 o of the last partial chunk NaN, 2 of it unwritten, 3 o without what comes from
 * chunk 0 after it, 4 o infinite from token 70 on, 5 o at the even tokens unwritten, 6 final_state of an empty tail */
bool wrong_part(wrong_bench *b, int variant) {
    int64_t T = tokens_of(b), width = width_of(b, GLA_O), tail = T - T % 64;
    for (int64_t i = 0; i < count_of(b, GLA_O); i++) {
        int64_t t = i / width % T, column = i % b->made.problem.dv;
        double *o = &b->output[GLA_O][i];
        if (variant == 0 && column >= 4 && column < 8) *o = 0;
        if (variant == 1 && t >= tail) *o = NAN;
        if (variant == 2 && t >= tail) *o = 0;
        if (variant == 3 && t >= 64) *o = stored(b, GLA_O, *o * (1 + 0.3 * sin((double)(i * i % 1009))));
        if (variant == 4 && t >= 70) *o = INFINITY;
        if (variant == 5 && t % 2 == 0) *o = 0;
    }
    return true;
}

/* Outputs narrower than declared (bf16, f16, tf32: 0 .. 2), or cut in their own dtype (3). */
bool wrong_store(wrong_bench *b, int variant) {
    static const gla_format *const formats[] = {&gla_bf16, &gla_f16, &gla_tf32};
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, &b->made.problem, b->profile, value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; b->output[i] && j < count_of(b, (gla_output)i); j++) {
            const gla_format *own = chunk_kernel_stored(b->dtype, (gla_output)i);
            double x = variant == 3 ? b->truth.tensor[i].value[j] : value[i][j];
            b->output[i][j] = variant == 3 ? gla_round(own, GLA_RZ, x, 0) : gla_round(formats[variant], GLA_RN, x, 0);
        }
    return true;
}

/* 0 normal noise in place of o, 1 ten per cent of it on o, 2 on everything, 3 one element, 4 all of one token, 5 one
 * per cent on the final state, 6 five per cent on dg */
bool wrong_noise(wrong_bench *b, int variant) {
    for (int name = 0; name < GLA_OUTPUTS; name++)
        for (int64_t i = 0; b->output[name] && i < count_of(b, (gla_output)name); i++) {
            double n = gla_draw_normal((gla_draw){b->seed, (uint32_t)(90 + name), (uint64_t)i}),
                   *x = &b->output[name][i];
            if (variant == 0 && name == GLA_O) *x = n;
            if (variant == 1 && name == GLA_O) *x *= 1 + 0.1 * n;
            if (variant == 2) *x += n;
            if (variant == 3 && name == GLA_O && i == count_of(b, GLA_O) / 2) *x += 100;
            if (variant == 4 && name == GLA_O && i / width_of(b, GLA_O) == 33) *x += n;
            if (variant == 5 && name == GLA_FINAL_STATE) *x *= 1 + 0.01 * n;
            if (variant == 6 && name == GLA_DGK) *x *= 1 + 0.05 * n;
            *x = stored(b, (gla_output)name, *x);
        }
    return true;
}
