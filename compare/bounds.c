/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of whole outputs, part by part; contract in bounds.h. Room starts at 0 and every formulation raises it.
 */
#include "bounds.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/threads.h"
#include "../reference/number/error.h"
#include "../reference/slice.h"
#include "bounds_delta.h"
#include "repeats.h"

enum { MARGINAL_FACTOR = 2 }; /* MARGINAL reaches to lambda = 7 */

gla_rounding_rule gla_stored_in(const gla_format *f) {
    gla_rounding_rule rule = gla_rounding_into(f, false);
    rule.one_sided = true;
    return rule;
}

struct pass {
    const gla_problem *p;
    const gla_profile *profile;
    const gla_format *const *format;
    gla_form form;
    int64_t heads; /* of a part */
    gla_bounds *bounds;
    atomic_int status;
};

/* The larger, infinity if x is no number (an unbounded error times 0, say): that bounds nothing either. */
static double raised(double bound, double x) { return x <= bound ? bound : isnan(x) ? INFINITY : x; }

/* The dtype's rounding adds (u_o o)^2 to the variance of the error as it is, and u_o |o| to what is allowed. */
static void keep_element(const gla_bounds *b, int64_t at, gla_error_number e, const gla_rounding_rule *stored) {
    double before = e.det, variance = e.var;
    gla_error_round(&e, stored);
    variance += (e.det - before) * (e.det - before);
    b->allowed[at] = raised(b->allowed[at], gla_error_bound(&e, GLA_ERROR_LAMBDA));
    b->marginal[at] = raised(b->marginal[at], gla_error_bound(&e, MARGINAL_FACTOR * GLA_ERROR_LAMBDA));
    b->sigma[at] = fmax(b->sigma[at], sqrt(GLA_ERROR_VARIANCE * variance));
    b->drift[at] = fmax(b->drift[at], before);
}

/* Equal roundings are no sample of independent ones: tier 3 has nothing to say where they meet. */
static bool is_random(const gla_error_model *model, gla_output name) {
    bool from_dscores = gla_is_gradient(name) && name != GLA_DV && !gla_is_state_output(name);
    return model->repeats <= 1 && (model->dscore_repeats <= 1 || !from_dscores);
}

/* The errors of a part's output, in its order. */
static void keep_bounds(struct pass *pass, const gla_part *part, const gla_error_model *model,
                        const gla_error_number *errors, gla_output name) {
    int64_t shape[4];
    if (!errors || !pass->bounds[name].allowed) return;
    gla_output_shape(&part->problem, name, shape);
    gla_rounding_rule stored = gla_stored_in(pass->format[name]);
    bool random = is_random(model, name);
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2] * shape[3]; i++) {
        gla_error_number e = errors[i];
        int64_t at = gla_part_to_whole(part, pass->p, name, i);
        keep_element(&pass->bounds[name], at, e, &stored);
        if (!random) pass->bounds[name].sigma[at] = 0;
    }
}

/* The formulation run as it is. Numbers of errors own nothing, so the arrays may change hands. */
static gla_status run_errors(const gla_part *part, const gla_form *form, const gla_error_model *model,
                             gla_error_number *out[GLA_OUTPUTS], gla_error *err) {
    gla_numbers *numbers = gla_error_open(model);
    if (!numbers) return gla_fail(err, GLA_NO_MEMORY, "no memory for the bounds");
    gla_result r = {0};
    gla_status status = gla_run(&part->problem, form, numbers, &r, err);
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++) {
        out[i] = r.tensor[i].at;
        r.tensor[i].at = NULL;
    }
    gla_result_free(&r);
    gla_numbers_close(numbers);
    return status;
}

gla_status gla_part_errors(const gla_part *part, const gla_form *form, const gla_error_model *model,
                           gla_error_number *out[GLA_OUTPUTS], gla_error *err) {
    memset(out, 0, GLA_OUTPUTS * sizeof *out);
    return gla_delta_cuts(&part->problem, form) ? gla_delta_errors(part, form, model, out, err)
                                                : run_errors(part, form, model, out, err);
}

/* One sequence and one block of heads. */
static void bound_part(void *data, size_t index) {
    struct pass *pass = data;
    int64_t blocks = pass->p->H / pass->heads, n = (int64_t)index / blocks, block = (int64_t)index % blocks;
    gla_part part = gla_part_of(pass->p, n, block * pass->heads, pass->heads);
    gla_error_model model;
    gla_status status = gla_count_repeats(&part.problem, pass->profile, &model);
    gla_error_number *errors[GLA_OUTPUTS] = {0};
    if (status == GLA_OK) status = gla_part_errors(&part, &pass->form, &model, errors, NULL);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (status == GLA_OK) keep_bounds(pass, &part, &model, errors[i], (gla_output)i);
        free(errors[i]);
    }
    if (status != GLA_OK) atomic_store(&pass->status, (int)status);
}

static gla_status make_room(const gla_problem *p, const gla_format *format, gla_output name, gla_bounds *b) {
    int64_t shape[4];
    if (!format) return GLA_OK;
    gla_output_shape(p, name, shape);
    size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
    b->allowed = calloc(4 * count + 1, sizeof(double));
    if (!b->allowed) return GLA_NO_MEMORY;
    b->marginal = b->allowed + count;
    b->sigma = b->marginal + count;
    b->drift = b->sigma + count;
    return GLA_OK;
}

void gla_bounds_free(gla_bounds bounds[GLA_OUTPUTS]) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(bounds[i].allowed);
    memset(bounds, 0, GLA_OUTPUTS * sizeof *bounds);
}

/* One formulation's bounds, where they are larger than what is there. */
static gla_status widen(struct pass *pass, const char *form, bool backward, int threads, gla_error *err) {
    gla_status status = gla_profile_form(pass->p, form, backward, &pass->form, err);
    if (status != GLA_OK) return status;
    size_t parts = (size_t)(pass->p->N / gla_unit_sequences(pass->p) * (pass->p->H / pass->heads));
    gla_parallel(parts, threads > 0 ? threads : gla_processors(), bound_part, pass, NULL);
    status = (gla_status)atomic_load(&pass->status);
    return status == GLA_OK ? GLA_OK : gla_fail(err, status, "no bounds: %s", gla_status_text(status));
}

gla_status gla_bounds_compute(const gla_problem *p, const gla_profile *profile, bool backward,
                              const gla_format *const format[GLA_OUTPUTS], int threads, gla_bounds out[GLA_OUTPUTS],
                              gla_error *err) {
    memset(out, 0, GLA_OUTPUTS * sizeof *out);
    struct pass pass = {.p = p, .profile = profile, .format = format, .heads = gla_unit_heads(p), .bounds = out};
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (make_room(p, format[i], (gla_output)i, &out[i]) != GLA_OK)
            return gla_fail(err, GLA_NO_MEMORY, "no memory for the bounds of %s", gla_output_names[i]);
    gla_status status = widen(&pass, profile->form, backward, threads, err);
    if (status == GLA_OK && profile->also[0]) status = widen(&pass, profile->also, backward, threads, err);
    return status;
}
