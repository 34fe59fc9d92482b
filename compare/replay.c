/* SPDX-License-Identifier: Apache-2.0
 *
 * The replay lane; contract in replay.h.
 */
#include "replay.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "run_parts.h"

/* ---- running ---- */

static gla_status open_numbers(const void *name, size_t index, gla_numbers **out, gla_error *err) {
    return gla_all_numbers_open(name, out, err);
}

gla_status gla_replay_check(const gla_replay *declared, gla_error *err) {
    gla_numbers *numbers = NULL;
    gla_form form;
    gla_status status = open_numbers(declared->numbers, 0, &numbers, err);
    gla_numbers_close(numbers);
    if (status == GLA_OK && strstr(declared->numbers, "/sr:")) {
        gla_fail(err, GLA_UNSUPPORTED, "random roundings cannot be replayed: '%.40s'", declared->numbers);
        return gla_hint(err, GLA_UNSUPPORTED, "/rn /rz /ru /rd /ra /ro can");
    }
    if (status == GLA_OK && declared->form) status = gla_form_parse(declared->form, &form, err);
    return status;
}

gla_status gla_replay_compute(const gla_problem *p, const char *form, const char *numbers,
                              const gla_format *const format[GLA_OUTPUTS], unsigned outputs, int threads,
                              double *value[GLA_OUTPUTS], gla_error *err) {
    gla_form parsed;
    gla_parts_run run = {.form = &parsed,
                         .open = open_numbers,
                         .data = numbers,
                         .outputs = outputs,
                         .format = format,
                         .threads = threads};
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    gla_status status = gla_replay_check(&(gla_replay){numbers, form}, err);
    if (status == GLA_OK) status = gla_form_parse(form, &parsed, err);
    return status == GLA_OK ? gla_run_parts(p, &run, value, err) : status;
}

/* ---- words ---- */

/* The words of a dtype: the format's own, or those of the IEEE format that holds its values (tf32: binary32's). */
typedef struct words {
    const gla_format *format; /* NULL: binary64's words */
    int bits, p;              /* of a word, and of its significand */
} words;

static words words_of(const gla_format *format) {
    if (format == &gla_tf32) format = &gla_binary32_format;
    return format && format->bits ? (words){format, format->bits, format->p} : (words){NULL, 64, 53};
}

static uint64_t encode(const words *w, double x) {
    uint64_t word;
    if (w->format) return gla_encode(w->format, x);
    memcpy(&word, &x, sizeof word);
    return word;
}

static void print_word(const words *w, double x, gla_word_text text) {
    char all[17];
    snprintf(all, sizeof all, "%016" PRIx64, encode(w, x));
    snprintf(text, sizeof(gla_word_text), "%s", all + 16 - w->bits / 4);
}

/* How many values of the format lie between, and one; the zeros are one value. */
static uint64_t steps(const words *w, double x, double y) {
    uint64_t sign = (uint64_t)1 << (w->bits - 1), a = encode(w, x), b = encode(w, y);
    uint64_t size_a = a & (sign - 1), size_b = b & (sign - 1);
    if ((a ^ b) & sign) return size_a + size_b;
    return size_a > size_b ? size_a - size_b : size_b - size_a;
}

/* ---- comparing ---- */

static bool same(double x, double y) { return (isnan(x) && isnan(y)) || (x == y && !signbit(x) == !signbit(y)); }

static double distance(const words *w, const gla_format *format, double x, double y) {
    if (isnan(x) || isnan(y)) return INFINITY;
    return ldexp((double)steps(w, x, y), format ? format->p - w->p : 0);
}

struct pair {
    const double *got, *want;
};

static bool differs(const void *data, int64_t i) {
    const struct pair *x = data;
    return !same(x->got[i], x->want[i]);
}

gla_replay_verdict gla_replay_compare(const gla_problem *p, gla_output name, const gla_format *format,
                                      const double *got, const double *want) {
    struct pair x = {got, want};
    words w = words_of(format);
    gla_replay_verdict v = {.asked = true};
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2] * shape[3]; i++) {
        if (same(got[i], want[i])) continue;
        v.differing++;
        v.zeros += got[i] == 0 && want[i] == 0;
        v.ulps = fmax(v.ulps, distance(&w, format, got[i], want[i]));
    }
    if (v.differing == 0) return v;
    v.first = gla_first_place(p, name, differs, &x);
    const int64_t *at = v.first.at;
    int64_t first = ((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3];
    print_word(&w, got[first], v.got);
    print_word(&w, want[first], v.want);
    return v;
}
