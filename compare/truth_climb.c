/* SPDX-License-Identifier: Apache-2.0
 *
 * The climb: the recurrent formulation of a sub-problem in intervals of 192 bits, then twice as many, up to the cap.
 * Both ends of an interval round to one number: proven. An exact dyadic result ends as a single point once the
 * precision holds it, and a tie is then decided too.
 *
 * The sub-problem is one sequence and a block of heads, in the caller's memory. While no gradient is open, only the
 * value columns between the first and the last open one are run: o and S_T keep columns apart.
 */
#include "truth_climb.h"

#include <math.h>

#include "certify.h"

static bool is_state(int name) { return name == GLA_FINAL_STATE || name == GLA_DINITIAL_STATE; }
static bool has_columns(int name) { return name == GLA_O || name == GLA_FINAL_STATE; }

/* A sub-problem, and where in the whole it lies. */
struct part {
    gla_problem p;
    gla_sequence s;
    int64_t head, column;
};

static void narrow_tensor(const gla_problem *p, struct part *part, gla_input name) {
    gla_tensor *x = gla_problem_input(&part->p, name);
    bool state = name == GLA_IN_INITIAL_STATE || name == GLA_IN_DFINAL_STATE;
    bool by_value = state || name == GLA_IN_V || name == GLA_IN_GV || name == GLA_IN_DO;
    if (!x->at) return;
    int64_t head = gla_head(p, x->heads, part->head);
    if (state)
        x->at += part->s.n * x->stride[0] + head * x->stride[1];
    else
        x->at += part->s.b * x->stride[0] + part->s.start * x->stride[1] + head * x->stride[2];
    if (by_value) x->at += part->column * x->stride[3];
    x->heads = x->heads * part->p.H / p->H;
}

static struct part part_of(const gla_problem *p, int64_t n, int64_t head, int64_t heads, int64_t column,
                           int64_t columns) {
    struct part part = {.p = *p, .s = gla_sequence_at(p, n), .head = head, .column = column};
    part.p.B = part.p.N = 1;
    part.p.T = part.s.length;
    part.p.H = heads;
    part.p.dv = columns;
    part.p.cu_seqlens = NULL;
    part.p.scale = gla_scale_of(p);
    for (int i = 0; i < GLA_INPUTS; i++) narrow_tensor(p, &part, (gla_input)i);
    return part;
}

/* Elements of one output of a part: a counter over its shape, and the place in the whole. */
struct walk {
    int64_t index, count; /* in the part */
    int64_t at;           /* in the whole */
    int64_t shape[4], whole[4], origin[4];
};

static struct walk walk_over(const struct part *part, const gla_problem *p, const gla_truth *t, int name) {
    struct walk w = {0};
    if (!t->tensor[name].present) return w;
    gla_output_shape(&part->p, (gla_output)name, w.shape);
    gla_output_shape(p, (gla_output)name, w.whole);
    int64_t head = gla_head(p, w.whole[is_state(name) ? 1 : 2], part->head);
    w.origin[0] = is_state(name) ? part->s.n : part->s.b;
    w.origin[1] = is_state(name) ? head : part->s.start;
    w.origin[2] = is_state(name) ? 0 : head;
    w.origin[3] = has_columns(name) ? part->column : 0;
    w.count = w.shape[0] * w.shape[1] * w.shape[2] * w.shape[3];
    return w;
}

static bool next(struct walk *w) {
    if (w->index >= w->count) return false;
    int64_t rest = w->index++, at[4];
    for (int d = 3; d >= 0; d--) {
        at[d] = w->origin[d] + rest % w->shape[d];
        rest /= w->shape[d];
    }
    w->at = ((at[0] * w->whole[1] + at[1]) * w->whole[2] + at[2]) * w->whole[3] + at[3];
    return true;
}

/* What is open in a unit. */
struct open {
    bool any, gradient;
    int64_t first, last; /* value columns of o and S_T */
};

static struct open look(const struct part *whole, const gla_problem *p, const gla_truth *t) {
    struct open open = {.first = p->dv, .last = -1};
    for (int name = 0; name < GLA_OUTPUTS; name++)
        for (struct walk w = walk_over(whole, p, t, name); next(&w);) {
            if (t->tensor[name].certified[w.at]) continue;
            open.any = true;
            if (!has_columns(name)) open.gradient = true;
            int64_t column = w.at % w.whole[3];
            if (has_columns(name) && column < open.first) open.first = column;
            if (has_columns(name) && column > open.last) open.last = column;
        }
    return open;
}

/* The ends of one element, and room for their midpoint. */
struct ends {
    mpfr_t lo, hi, middle;
};

/* Test element w of the result; an open one gets the midpoint as its best estimate. */
static void decide(const gla_result *r, int name, const struct walk *w, struct ends *e, const gla_truth_options *o,
                   gla_truth *t) {
    const void *x = gla_result_at(r, (gla_output)name, w->index - 1);
    double *value = &t->tensor[name].value[w->at];
    gla_interval_ends(r->numbers, e->lo, e->hi, x);
    t->tensor[name].certified[w->at] = gla_certify_ends(o->target, o->rounding, e->lo, e->hi, value);
    r->numbers->ops->get_mpfr(r->numbers, e->middle, x);
    if (!mpfr_number_p(e->middle)) return;
    if (!t->tensor[name].certified[w->at]) *value = gla_round_mpfr(o->target, GLA_RN, e->middle, 0);
    if (isfinite(*value)) mpfr_sub_d(e->middle, e->middle, *value, MPFR_RNDN);
    t->tensor[name].low[w->at] = isfinite(*value) ? mpfr_get_d(e->middle, MPFR_RNDN) : 0;
}

static gla_status run_part(const struct part *part, const gla_problem *p, bool backward, long bits,
                           const gla_truth_options *o, gla_truth *t) {
    gla_form form = {.kind = GLA_RECURRENT, .backward = backward};
    gla_numbers *n = gla_interval_open(bits);
    if (!n) return GLA_NO_MEMORY;
    gla_result r;
    gla_status status = gla_run(gla_mechanism_named("gla"), &part->p, &form, n, &r, NULL);
    struct ends e;
    mpfr_inits2(bits, e.lo, e.hi, e.middle, (mpfr_ptr)0);
    for (int name = 0; name < GLA_OUTPUTS && status == GLA_OK; name++) {
        struct walk w = walk_over(part, p, t, name);
        while (r.tensor[name].at && next(&w))
            if (!t->tensor[name].certified[w.at]) decide(&r, name, &w, &e, o, t);
    }
    mpfr_clears(e.lo, e.hi, e.middle, (mpfr_ptr)0);
    gla_result_free(&r);
    gla_numbers_close(n);
    return status;
}

gla_status gla_truth_climb(const gla_problem *p, int64_t n, int64_t first, int64_t heads, const gla_truth_options *o,
                           gla_truth *t, long *bits) {
    struct part whole = part_of(p, n, first, heads, 0, p->dv);
    gla_status status = GLA_OK;
    struct open open = look(&whole, p, t);
    *bits = 0;
    while (open.any && *bits < o->cap_bits && status == GLA_OK) {
        *bits = *bits ? 2 * *bits : 192;
        if (*bits > o->cap_bits) *bits = o->cap_bits;
        struct part part = open.gradient ? whole : part_of(p, n, first, heads, open.first, open.last - open.first + 1);
        status = run_part(&part, p, open.gradient, *bits, o, t);
        open = look(&whole, p, t);
    }
    mpfr_free_cache(); /* of this thread */
    return status;
}
