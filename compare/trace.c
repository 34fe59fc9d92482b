/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a recording, and what can be asked of it; contract in trace.h.
 */
#include "trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "../reference/slice.h"
#include "trace_numbers.h"
#include "truth.h"

/* ---- wide numbers ---- */

gla_wide gla_wide_of(const mpfr_t x) {
    if (!mpfr_regular_p(x)) return (gla_wide){mpfr_get_d(x, MPFR_RNDN), 0};
    long e;
    double m = mpfr_get_d_2exp(&e, x, MPFR_RNDN);
    return (gla_wide){m, e};
}

void gla_wide_mpfr(mpfr_t z, gla_wide x) {
    mpfr_set_d(z, x.m, MPFR_RNDN);
    mpfr_mul_2si(z, z, (long)x.e, MPFR_RNDN);
}

double gla_wide_d(gla_wide x) {
    int64_t e = x.e > 5000 ? 5000 : x.e < -5000 ? -5000 : x.e;
    return ldexp(x.m, (int)e);
}

bool gla_wide_same(gla_wide x, gla_wide y) {
    if (isnan(x.m) || isnan(y.m)) return isnan(x.m) && isnan(y.m);
    return x.m == y.m && x.e == y.e && signbit(x.m) == signbit(y.m);
}

double gla_wide_log2(gla_wide x) { return log2(fabs(x.m)) + (double)x.e; }

/* ---- recording ---- */

/* Bits and format of a system, by its name; a name that is none of reference's is a GPU's, whose numbers are binary32
 * (hardware.h), as mixed's are. */
static void describe(const char *name, gla_recording *r) {
    static const char *const unbounded[] = {"mpfr:", "interval:", "dual:"};
    char plain[64];
    int p, emin, emax;
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(name, "/"), name);
    const gla_format *named = gla_format_named(plain);
    for (size_t i = 0; i < sizeof unbounded / sizeof *unbounded; i++)
        if (strncmp(name, unbounded[i], strlen(unbounded[i])) == 0) {
            r->precision = strtol(name + strlen(unbounded[i]), NULL, 10);
            return;
        }
    if (sscanf(name, "format:%d:%d:%d", &p, &emin, &emax) == 3)
        r->format = gla_format_of(p, emin, emax);
    else if (strcmp(name, "counter") == 0)
        r->format = gla_binary64_format;
    else
        r->format = named ? *named : gla_binary32_format;
    r->precision = r->format.p;
}

/* Which event made every element of the results. */
static gla_status keep_finals(gla_recording *r, gla_numbers *n, const gla_result *result) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!result->tensor[i].at) continue;
        int64_t count = result->tensor[i].count;
        memcpy(r->shape[i], result->tensor[i].shape, sizeof r->shape[i]);
        r->final[i] = malloc((size_t)(count ? count : 1) * sizeof *r->final[i]);
        if (!r->final[i]) return GLA_NO_MEMORY;
        for (int64_t j = 0; j < count; j++) r->final[i][j] = gla_trace_made(n, gla_result_at(result, (gla_output)i, j));
    }
    return GLA_OK;
}

static gla_status too_long(size_t limit, gla_error *err) {
    gla_fail(err, GLA_BAD_SHAPE, "this run has more than %zu operations, too many to keep", limit);
    return gla_hint(err, GLA_BAD_SHAPE,
                    "fewer tokens (--tokens), one head (--head), a failing case made smaller (glassbox shrink), or a "
                    "higher --limit");
}

static gla_status run_recorded(gla_recording *r, gla_numbers *n, size_t limit, gla_error *err) {
    gla_result result;
    gla_status status = gla_run(&r->problem, &r->form, n, &result, err);
    if (status == GLA_BAD_SHAPE && r->count >= limit) status = too_long(limit, err);
    if (status == GLA_OK && keep_finals(r, n, &result) != GLA_OK)
        status = gla_fail(err, GLA_NO_MEMORY, "no memory for the recording");
    gla_result_free(&result);
    return status;
}

static gla_status record(gla_recording *r, size_t limit, gla_error *err) {
    gla_numbers *inner = NULL;
    gla_status status = gla_all_numbers_open(r->numbers, &inner, err);
    if (status != GLA_OK) return status;
    gla_numbers *n = gla_trace_numbers_open(inner, r, limit);
    if (!n) return gla_fail(err, GLA_NO_MEMORY, "no memory for the recording");
    status = run_recorded(r, n, limit, err);
    gla_numbers_close(n);
    return status;
}

static void clear(gla_recording *r) {
    free(r->event);
    free(r->arg);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(r->final[i]);
    *r = (gla_recording){.problem = r->problem, .form = r->form, .precision = r->precision, .format = r->format};
}

/* Certified truth is correctly rounded, a truth here kept to 53 bits. An exact 0 may be left as what sums cannot hold.
 */
static bool agrees(double have, double want) {
    if (have == want || (isnan(have) && isnan(want))) return true;
    return fabs(have - want) <= (want == 0 ? 0x1p-200 : 0x1p-51 * fabs(want) + 0x1p-1074);
}

static int64_t count_astray(const gla_recording *r, const gla_truth *truth) {
    int64_t astray = 0;
    for (int k = 0; k < GLA_OUTPUTS; k++)
        for (int64_t i = 0; r->final[k] && truth->tensor[k].present && i < truth->tensor[k].count; i++) {
            double want = truth->tensor[k].value[i];
            double have = r->final[k][i] < 0 ? 0 : gla_wide_d(r->event[r->final[k][i]].truth);
            astray += truth->tensor[k].certified[i] && !agrees(have, want);
        }
    return astray;
}

gla_status gla_recording_make(const gla_problem *p, const gla_form *form, const char *numbers, size_t limit,
                              gla_recording *out, gla_error *err) {
    memset(out, 0, sizeof *out);
    if (strncmp(numbers, "recorder:", 9) == 0)
        return gla_fail(err, GLA_UNSUPPORTED, "'%.40s' is recorded as it is; leave out 'recorder:'", numbers);
    out->problem = *p;
    out->form = *form;
    describe(numbers, out);
    gla_truth truth = {.bits = 0};
    gla_truth_options options = {.backward = form->backward, .cap_bits = 1024};
    gla_status status = GLA_OK;
    for (long bits = GLA_TRACE_BITS; status == GLA_OK && bits <= GLA_TRACE_BITS_MOST; bits *= 4) {
        clear(out);
        snprintf(out->numbers, sizeof out->numbers, "%s", numbers);
        out->truth_bits = out->precision > bits - 64 ? out->precision + bits / 4 : bits;
        status = record(out, limit, err);
        if (status == GLA_OK && bits == GLA_TRACE_BITS) status = gla_truth_compute(p, &options, &truth, err);
        if (status != GLA_OK) break;
        out->astray = count_astray(out, &truth);
        if (out->astray == 0) break;
    }
    gla_truth_free(&truth);
    return status;
}

void gla_recording_free(gla_recording *r) {
    clear(r);
    memset(r, 0, sizeof *r);
}

/* ---- an event ---- */

static bool is_zero(gla_wide x) { return x.m == 0; }

double gla_event_bits(const gla_recording *r, const gla_step_event *e) {
    if (isnan(e->truth.m)) return NAN;
    if (is_zero(e->error) || (isinf(e->truth.m) && gla_wide_same(e->result, e->truth))) return INFINITY;
    if (!isfinite(e->error.m) || is_zero(e->truth)) return 0;
    double bits = gla_wide_log2(e->truth) - gla_wide_log2(e->error);
    return bits < 0 ? 0 : fmin(bits, (double)r->precision);
}

double gla_event_ulps(const gla_recording *r, const gla_step_event *e) {
    if (isnan(e->truth.m)) return NAN;
    if (is_zero(e->error) || (isinf(e->truth.m) && gla_wide_same(e->result, e->truth))) return 0;
    if (!isfinite(e->error.m)) return INFINITY;
    bool bounded = r->format.p != 0;
    if (is_zero(e->truth) && !bounded) return INFINITY;
    int64_t leading = e->truth.e - 1;
    if (bounded && (is_zero(e->truth) || leading < r->format.emin)) leading = r->format.emin;
    return exp2(gla_wide_log2(e->error) - (double)(leading - r->precision + 1));
}

bool gla_event_nonfinite(const gla_step_event *e) { return !isfinite(e->result.m) && isfinite(e->truth.m); }

bool gla_group_begins(const gla_recording *r, size_t i) {
    if (i == 0) return true;
    const gla_step_event *e = &r->event[i], *before = e - 1;
    return e->verb != before->verb || e->token != before->token || e->chunk != before->chunk || e->site != before->site;
}

/* ---- elements of outputs and inputs ---- */

/* Is this event the storing (where nothing is added up) or the announcing of an output? */
static bool only_moves(const gla_recording *r, gla_output name, int32_t event) {
    const gla_step_event *e = &r->event[event];
    return e->verb == gla_output_names[name] && e->args == 1;
}

bool gla_recording_slot(const gla_recording *r, gla_output name, int64_t index, uint32_t *slot) {
    int32_t last = r->final[name][index];
    while (last >= 0 && only_moves(r, name, last)) last = r->arg[r->event[last].arg];
    if (last >= 0) *slot = r->event[last].slot;
    return last >= 0;
}

int32_t gla_recording_now(const gla_recording *r, gla_output name, int64_t index, size_t at) {
    int32_t last = r->final[name][index];
    while (last >= (int32_t)at && only_moves(r, name, last)) last = r->arg[r->event[last].arg];
    if (last < 0) return -1;
    if ((size_t)last < at) return last;
    for (size_t i = at; i-- > 0;)
        if (r->event[i].slot == r->event[last].slot) return (int32_t)i;
    return -1;
}

/* Rows and columns of what one slice loads. */
static void loaded_size(const gla_recording *r, gla_input name, int64_t tokens, int64_t *rows, int64_t *cols) {
    int64_t shape[4];
    gla_axes axes = gla_input_axes(gla_mechanism_of(&r->problem), name);
    gla_input_shape(&r->problem, name, shape);
    *rows = gla_is_state(axes) ? shape[2] : gla_is_weight(axes) ? 1 : tokens;
    *cols = shape[3];
}

bool gla_recording_loaded(const gla_recording *r, const gla_step_event *e, int64_t at[4]) {
    const gla_problem *p = &r->problem;
    gla_input name = (gla_input)e->input;
    gla_axes axes = gla_input_axes(gla_mechanism_of(p), name);
    int64_t shape[4], left = e->element, total = 0, rows, cols;
    bool found = false;
    gla_input_shape(p, name, shape);
    for (int64_t n = 0; n < p->N; n++) {
        gla_sequence s = gla_sequence_at(p, n);
        loaded_size(r, name, s.length, &rows, &cols);
        for (int64_t h = 0; h < p->H; h++, total += rows * cols, left -= rows * cols) {
            if (left < 0 || left >= rows * cols) continue;
            int64_t i = left / cols, head = gla_head(p, gla_is_state(axes) ? shape[1] : shape[2], h);
            found = true;
            if (gla_is_state(axes)) {
                memcpy(at, (int64_t[4]){s.n, head, i, left % cols}, 4 * sizeof *at);
            } else {
                bool weight = gla_is_weight(axes);
                int64_t t = weight ? 0 : gla_token(&s, i);
                memcpy(at, (int64_t[4]){weight ? 0 : s.b, t, head, left % cols}, 4 * sizeof *at);
            }
        }
    }
    return found && total == r->loaded[name];
}

int32_t gla_recording_load(const gla_recording *r, gla_input name, const int64_t at[4]) {
    int64_t found[4];
    for (size_t i = 0; i < r->count; i++)
        if (r->event[i].input == (int)name && gla_recording_loaded(r, &r->event[i], found) &&
            memcmp(at, found, sizeof found) == 0)
            return (int32_t)i;
    return -1;
}
