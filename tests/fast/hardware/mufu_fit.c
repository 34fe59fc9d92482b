/* SPDX-License-Identifier: Apache-2.0 */
#include "mufu_fit.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "fast/hardware/mufu_unit.h"

typedef struct bounds {
    int64_t least, most;
} bounds;

/* What a sum can be that gives this word, for an argument in the binades that are recorded. False if none does. */
static bool of_word(enum mufu_function function, uint32_t word, bounds *out) {
    if (function == MUFU_LG2_FTZ) { /* a float's value cut, in units of 2^-36, of which the sum has four */
        const int up = (int)(word >> 23) - 150 + 36;
        if (up < -23 || up > 12) return false; /* less than a unit, or 1 and more, or negative */
        const int64_t significand = (word & 0x7fffff) | 0x800000;
        const int64_t value = up < 0 ? significand >> -up : significand << up;
        *out = (bounds){4 * value, 4 * (value + (up > 0 ? (int64_t)1 << up : 1)) - 1};
        return true;
    }
    const uint32_t first = function == MUFU_EX2_FTZ ? 0x40000000 : 0x3f000000;
    const int cut = function == MUFU_EX2_FTZ ? 15 : 16;
    const int64_t significand = (int64_t)(word - first) + 0x800000;
    *out = (bounds){significand << cut, ((significand + 1) << cut) - 1};
    return true;
}

/* ---- one segment ---- */

typedef struct segment_data {
    int n, first, step; /* r = first step, ..., (n - 1) step */
    const bounds *bound;
    const uint32_t *square;
} segment_data;

/* Cramer's rule for the normal equations of 1, r / 2^17, square / 2^15, weighted by the width of the bounds. */
static void least_squares(const segment_data *d, double *b, double *c) {
    double m[3][3] = {{0}}, y[3] = {0};
    for (int k = d->first; k < d->n; k++) {
        const double width = (double)(d->bound[k].most - d->bound[k].least + 1), w = 1 / (width * width);
        const double basis[3] = {1, k * d->step * 0x1p-17, d->square[k] * 0x1p-15};
        const double value = (double)(d->bound[k].least - d->bound[d->first].least) + width / 2;
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) m[i][j] += w * basis[i] * basis[j];
            y[i] += w * basis[i] * value;
        }
    }
    for (int i = 0; i < 3; i++) /* Gauss and Jordan; positive definite */
        for (int row = 0; row < 3; row++) {
            const double f = row == i ? 0 : m[row][i] / m[i][i];
            for (int j = 0; j < 3; j++) m[row][j] -= f * m[i][j];
            y[row] -= f * y[i];
        }
    *b = y[1] / m[1][1] * 0x1p-17;
    *c = y[2] / m[2][2] * 0x1p-15;
}

static bool constants(const segment_data *d, int64_t b, int64_t c, bounds *out) {
    *out = (bounds){INT64_MIN, INT64_MAX};
    for (int k = d->first; k < d->n && out->least <= out->most; k++) {
        const int64_t product = b * k * d->step + c * d->square[k];
        const int64_t least = d->bound[k].least - product, most = d->bound[k].most - product;
        if (least > out->least) out->least = least;
        if (most < out->most) out->most = most;
    }
    return out->least <= out->most;
}

static void fit_segment(const segment_data *d, mufu_fit_segment *out) {
    double b, c;
    bounds found;
    least_squares(d, &b, &c);
    *out = (mufu_fit_segment){0};
    for (int64_t i = llround(b) - MUFU_FIT_BOX; i <= llround(b) + MUFU_FIT_BOX; i++)
        for (int64_t j = llround(c) - MUFU_FIT_BOX; j <= llround(c) + MUFU_FIT_BOX; j++)
            if (constants(d, i, j, &found)) {
                const int pairs = out->pairs + 1;
                *out = (mufu_fit_segment){0, (int32_t)i, (int32_t)j, found.least, found.most, pairs};
            }
}

/* ---- what the segments share ---- */

static int64_t floor_shift(int64_t x, int shift) { return (x - (x & (((int64_t)1 << shift) - 1))) >> shift; }

static bool bias_fits(const mufu_fit *fit, int shift, int64_t bias) {
    for (int i = 0; i < fit->segments; i++) {
        const mufu_fit_segment *s = &fit->segment[i];
        if (floor_shift(s->most - bias, shift) == floor_shift(s->least - bias - 1, shift)) return false;
    }
    return true;
}

/* The largest shift that some bias allows, and the least such bias, 0 <= bias < 2^shift. */
static void fit_bias(mufu_fit *fit) {
    for (int shift = 24; shift >= 0 && !fit->biases; shift--) {
        const mufu_fit_segment *s = &fit->segment[0];
        for (int64_t constant = s->least; constant <= s->most; constant++) {
            const int64_t bias = constant & (((int64_t)1 << shift) - 1);
            if (!bias_fits(fit, shift, bias)) continue;
            if (!fit->biases++) fit->bias = (int32_t)bias;
        }
        fit->shift = shift;
    }
    for (int i = 0; i < fit->segments; i++)
        fit->segment[i].a = (int32_t)floor_shift(fit->segment[i].most - fit->bias, fit->shift);
}

bool mufu_fit_words(enum mufu_function function, const uint32_t *word, size_t count, mufu_fit *out) {
    const int step = function == MUFU_RCP_FTZ ? 2 : 1, n = (1 << GLA_MUFU_REST) / step;
    bounds *bound = malloc((size_t)n * sizeof *bound);
    uint32_t *square = malloc((size_t)n * sizeof *square);
    bool all = bound && square && count <= (size_t)n * MUFU_FIT_SEGMENTS;
    *out = (mufu_fit){.segments = (int)(count / (size_t)n)};
    for (int k = 0; all && k < n; k++) square[k] = gla_mufu_square((uint32_t)(k * step));
    for (int i = 0; all && i < out->segments; i++) {
        /* log2 1 and 1/sqrt(1) do not come from the datapath. */
        const int first = i == 0 && (function == MUFU_LG2_FTZ || function == MUFU_RSQ_FTZ);
        for (int k = first; all && k < n; k++)
            all = of_word(function, word[(size_t)i * (size_t)n + (size_t)k], &bound[k]);
        if (all) fit_segment(&(segment_data){n, first, step, bound, square}, &out->segment[i]);
        all = all && out->segment[i].pairs > 0;
    }
    if (all) fit_bias(out);
    free(bound);
    free(square);
    return all;
}

/* ---- mufu_tables.c ---- */

void mufu_fit_write_head(FILE *out) {
    fprintf(out, "/* SPDX-License-Identifier: Apache-2.0\n"
                 " *\n"
                 " * Written by tests/fast/hardware/fit_mufu.c (make mufu-tables) from data/hardware/mufu_*_ftz.npz, "
                 "the words of\n"
                 " * a device. Do not edit.\n"
                 " */\n"
                 "/* clang-format off */\n"
                 "#include \"mufu_unit.h\"\n");
}

void mufu_fit_write(enum mufu_function function, const mufu_fit *fit, FILE *out) {
    const int name = 3; /* "ex2" of "ex2_ftz" */
    fprintf(out, "\nstatic const gla_mufu_segment %.*s[%d] = {", name, mufu_names[function], fit->segments);
    for (int i = 0; i < fit->segments; i++) {
        const mufu_fit_segment *s = &fit->segment[i];
        fprintf(out, "%s{%" PRId32 ", %" PRId32 ", %" PRId32 "},", i % 4 ? " " : "\n    ", s->a, s->b, s->c);
    }
    fprintf(out, "\n};\nconst gla_mufu_unit gla_mufu_%.*s_unit = {%.*s, %d, %" PRId32 "};\n", name,
            mufu_names[function], name, mufu_names[function], fit->shift, fit->bias);
}
