/* SPDX-License-Identifier: Apache-2.0
 *
 * The climb: the recurrent formulation of a sub-problem in intervals of 192 bits, then twice as many, up to the cap.
 * Both ends of an interval round to one number: proven. An exact dyadic result ends as a single point once the
 * precision holds it, and a tie is then decided too.
 *
 * The sub-problem is one sequence and a block of heads, in the caller's memory. While no gradient is open, only the
 * value columns between the first and the last open one are run, where o and S_T keep columns apart.
 */
#include "truth_climb.h"

#include <math.h>

#include "certify.h"
#include "truth_delta.h"

static bool has_columns(int name) { return name == GLA_O || name == GLA_FINAL_STATE; }

/* A part of the problem, cut down to the value columns from `column` on. */
struct piece {
    gla_part part;
    int64_t column;
};

static struct piece piece_of(const gla_problem *p, int64_t n, int64_t head, int64_t heads, int64_t column,
                             int64_t columns) {
    struct piece piece = {gla_part_of(p, n, head, heads), column};
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&piece.part.problem, (gla_input)i);
        gla_axes axes = gla_input_axes(gla_mechanism_of(p), (gla_input)i);
        bool columned = axes == GLA_PER_VALUE || axes == GLA_STATE || axes == GLA_STATE_SLOT_VALUE;
        if (x->at && columned) x->at += column * x->stride[3];
    }
    piece.part.problem.dv = columns;
    return piece;
}

/* Elements of an output of the piece; 0 if the truth does not have it. */
static int64_t element_count(const struct piece *piece, const gla_truth *t, int name) {
    int64_t shape[4];
    if (!t->tensor[name].present) return 0;
    gla_output_shape(&piece->part.problem, (gla_output)name, shape);
    return shape[0] * shape[1] * shape[2] * shape[3];
}

/* Where element `index` of the piece lies in the whole. */
static int64_t place(const struct piece *piece, const gla_problem *p, int name, int64_t index) {
    return gla_part_to_whole(&piece->part, p, (gla_output)name, index) + (has_columns(name) ? piece->column : 0);
}

/* What is open in a unit. */
struct open {
    bool any, gradient, all; /* all: something that needs every column */
    int64_t first, last;     /* value columns of o and S_T */
};

static struct open look(const struct piece *whole, const gla_problem *p, const gla_truth *t) {
    struct open open = {.all = !gla_columns_apart(p), .first = p->dv, .last = -1};
    for (int name = 0; name < GLA_OUTPUTS; name++)
        for (int64_t i = 0, count = element_count(whole, t, name); i < count; i++) {
            if (t->tensor[name].certified[place(whole, p, name, i)]) continue;
            int64_t column = i % p->dv;
            open.any = true;
            if (!has_columns(name)) open.all = true;
            if (gla_is_gradient((gla_output)name)) open.gradient = true;
            if (has_columns(name) && column < open.first) open.first = column;
            if (has_columns(name) && column > open.last) open.last = column;
        }
    return open;
}

/* The ends of one element, and room for their midpoint. */
struct ends {
    mpfr_t lo, hi, middle;
};

/* Known well enough, if not rounded? */
static bool close(const struct ends *e, double close_enough) {
    if (!(close_enough > 0) || !mpfr_number_p(e->lo) || !mpfr_number_p(e->hi)) return false;
    mpfr_t width;
    mpfr_init2(width, 53);
    mpfr_sub(width, e->hi, e->lo, MPFR_RNDU);
    double least = fmin(fabs(mpfr_get_d(e->lo, MPFR_RNDZ)), fabs(mpfr_get_d(e->hi, MPFR_RNDZ)));
    bool near = mpfr_get_d(width, MPFR_RNDU) <= close_enough * fmax(least, 0x1p-149);
    mpfr_clear(width);
    return near;
}

/* Test element `index` of the result, `at` of the whole; if it stays open it gets the midpoint as its best estimate. */
static void decide(const gla_result *r, gla_output name, int64_t index, int64_t at, struct ends *e,
                   const gla_truth_options *o, gla_truth *t) {
    const void *x = gla_result_at(r, name, index);
    double *value = &t->tensor[name].value[at];
    gla_interval_ends(r->numbers, e->lo, e->hi, x);
    t->tensor[name].certified[at] = gla_certify_ends(o->target, o->rounding, e->lo, e->hi, value);
    r->numbers->ops->get_mpfr(r->numbers, e->middle, x);
    if (!mpfr_number_p(e->middle)) return;
    if (!t->tensor[name].certified[at]) {
        *value = gla_round_mpfr(o->target, GLA_RN, e->middle, 0);
        if (close(e, o->close_enough)) t->tensor[name].certified[at] = 2;
    }
    if (isfinite(*value)) mpfr_sub_d(e->middle, e->middle, *value, MPFR_RNDN);
    t->tensor[name].low[at] = isfinite(*value) ? mpfr_get_d(e->middle, MPFR_RNDN) : 0;
}

static gla_status run_piece(const struct piece *piece, const gla_problem *p, bool backward, long bits,
                            const gla_truth_options *o, gla_truth *t) {
    gla_form form = {.kind = GLA_RECURRENT, .backward = backward, .factors = true};
    gla_numbers *n = gla_interval_open(bits);
    if (!n) return GLA_NO_MEMORY;
    gla_result r;
    gla_problem part = piece->part.problem;
    gla_mechanism enclosed = *gla_mechanism_of(p);
    if (gla_delta_encloses(p)) {
        enclosed.slice = gla_delta_enclose;
        part.mechanism = &enclosed;
    }
    gla_status status = gla_run(&part, &form, n, &r, NULL);
    struct ends e;
    mpfr_inits2(bits, e.lo, e.hi, e.middle, (mpfr_ptr)0);
    for (int name = 0; name < GLA_OUTPUTS && status == GLA_OK; name++)
        for (int64_t i = 0, count = r.tensor[name].at ? element_count(piece, t, name) : 0; i < count; i++) {
            int64_t at = place(piece, p, name, i);
            if (!t->tensor[name].certified[at]) decide(&r, (gla_output)name, i, at, &e, o, t);
        }
    mpfr_clears(e.lo, e.hi, e.middle, (mpfr_ptr)0);
    gla_result_free(&r);
    gla_numbers_close(n);
    return status;
}

gla_status gla_truth_climb(const gla_problem *p, int64_t n, int64_t first, int64_t heads, const gla_truth_options *o,
                           gla_truth *t, long *bits) {
    struct piece whole = piece_of(p, n, first, heads, 0, p->dv);
    gla_status status = GLA_OK;
    struct open open = look(&whole, p, t);
    *bits = 0;
    while (open.any && *bits < o->cap_bits && status == GLA_OK) {
        *bits = *bits ? 2 * *bits : 192;
        if (*bits > o->cap_bits) *bits = o->cap_bits;
        struct piece piece = open.all ? whole : piece_of(p, n, first, heads, open.first, open.last - open.first + 1);
        status = run_piece(&piece, p, open.gradient, *bits, o, t);
        open = look(&whole, p, t);
    }
    mpfr_free_cache(); /* of this thread */
    return status;
}
