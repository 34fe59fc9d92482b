/* SPDX-License-Identifier: Apache-2.0
 *
 * Enclosures of the delta rule window by window; contract in truth_delta.h.
 *
 * Radii are binary64, every operation on them inflated by 2^-40: more than its rounding, and more than what binary64
 * makes of e^g and |k|^2.
 */
#include "truth_delta.h"

#include <math.h>
#include <mpfi.h>
#include <stdlib.h>
#include <string.h>

#include "../reference/delta/decay.h"

#define INFLATED(x) ((x) * (1 + 0x1p-40))

bool gla_delta_encloses(const gla_problem *p) { return gla_mechanism_of(p)->inputs & 1u << GLA_IN_BETA; }

/* ---- points and balls ---- */

static mpfi_ptr number(gla_matrix A, size_t i, size_t j) { return gla_at(A, i, j); }

/* to = the midpoints of A; radius_j of its columns becomes growth radius_j + what the midpoints are off by. */
static void settle(gla_matrix to, gla_matrix A, double *radius, double growth) {
    if (A.in->status != GLA_OK) return;
    mpfr_t middle, below, above;
    mpfr_inits2(mpfi_get_prec(number(A, 0, 0)), middle, below, above, (mpfr_ptr)0);
    for (size_t j = 0; j < A.cols; j++) {
        double squares = 0;
        for (size_t i = 0; i < A.rows; i++) {
            mpfi_mid(middle, number(A, i, j));
            mpfr_sub(below, middle, &number(A, i, j)->left, MPFR_RNDU);
            mpfr_sub(above, &number(A, i, j)->right, middle, MPFR_RNDU);
            double off = fmax(mpfr_get_d(below, MPFR_RNDU), mpfr_get_d(above, MPFR_RNDU));
            squares = INFLATED(squares + INFLATED(off * off));
            if (off > 0 && off * off == 0) squares += 0x1p-1000; /* underflow */
            mpfi_set_fr(number(to, i, j), middle);
        }
        radius[j] = INFLATED(INFLATED(growth * radius[j]) + INFLATED(sqrt(squares)));
    }
    mpfr_clears(middle, below, above, (mpfr_ptr)0);
}

/* to = M -+ radius of each column. */
static void spread(gla_matrix to, gla_matrix M, const double *radius) {
    gla_copy(to, M);
    if (M.in->status != GLA_OK) return;
    mpfr_t r;
    mpfr_init2(r, 53);
    for (size_t j = 0; j < M.cols; j++) {
        mpfr_set_d(r, radius[j], MPFR_RNDU);
        for (size_t i = 0; i < M.rows && radius[j] > 0; i++) mpfi_increase(number(to, i, j), r);
    }
    mpfr_clear(r);
}

/* ---- a sequence of one head ---- */

typedef struct sweep {
    const gla_slice_io *io;
    delta_slice all; /* every token */
    size_t length, windows;
    gla_matrix M;            /* [windows dk,dv], points */
    double *radius, *growth; /* [windows,dv]; [windows] */
    double *back;            /* [dv], of the adjoint state */
} sweep;

static delta_slice load(const gla_slice_io *io, bool backward) {
    gla_numbers *n = io->in;
    delta_slice x = {.in = n, .T = io->T, .dk = io->dk, .dv = io->dv, .s = gla_load_scale(io)};
    x.q = gla_load(io, GLA_IN_Q);
    x.k = gla_load(io, GLA_IN_K);
    x.v = gla_load(io, GLA_IN_V);
    x.g = gla_load(io, GLA_IN_GK);
    x.beta = gla_load(io, GLA_IN_BETA);
    x.S0 = gla_load_or_zero(io, GLA_IN_INITIAL_STATE);
    x.o = gla_new(n, io->T, io->dv);
    x.ST = gla_new(n, io->dk, io->dv);
    if (!backward) return x;
    x.d_o = gla_load_or_zero(io, GLA_IN_DO);
    x.dST = gla_load_or_zero(io, GLA_IN_DFINAL_STATE);
    x.dq = gla_new(n, io->T, io->dk);
    x.dk_ = gla_new(n, io->T, io->dk);
    x.dv_ = gla_new(n, io->T, io->dv);
    if (!gla_absent(x.g)) x.dg = gla_new(n, io->T, x.g.cols);
    x.dbeta = gla_new(n, io->T, 1);
    x.dS0 = gla_new(n, io->dk, io->dv);
    return x;
}

static gla_matrix rows_of(gla_matrix A, size_t first, size_t count) {
    return gla_absent(A) ? A : gla_rows(A, first, count);
}

/* The tokens of window w on other states; its results are rows of the whole's. */
static delta_slice window_of(const sweep *s, size_t w, gla_matrix S, gla_matrix F) {
    delta_slice x = s->all;
    size_t first = w * s->length;
    x.T = x.T - first < s->length ? x.T - first : s->length;
    gla_matrix *const tokens[] = {&x.q,   &x.k,  &x.v,   &x.g,   &x.beta, &x.o,
                                  &x.d_o, &x.dq, &x.dk_, &x.dv_, &x.dg,   &x.dbeta};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) *tokens[i] = rows_of(*tokens[i], first, x.T);
    x.S0 = S;
    x.dST = F;
    return x;
}

static void run(const delta_slice *x, bool backward) {
    const gla_form form = {.kind = GLA_RECURRENT, .backward = backward};
    if (x->in->status == GLA_OK) delta_run_form(x, &form);
}

static double token(const gla_slice_io *io, gla_input name, size_t t, size_t i) {
    gla_tensor x = gla_acting_input(io->p, name);
    return x.at ? gla_tensor_token(io->p, &x, &io->sequence, io->head, (int64_t)t, (int64_t)i) : 0;
}

/* No column's norm grows by more over the window. */
static double growth_of(const sweep *s, size_t w) {
    const gla_slice_io *io = s->io;
    double all = 1;
    for (size_t t = w * s->length; t < io->T && t < (w + 1) * s->length; t++) {
        double squares = 0, most = 0, beta = token(io, GLA_IN_BETA, t, 0);
        for (size_t i = 0; i < io->dk; i++) {
            double k = token(io, GLA_IN_K, t, i);
            squares += k * k;
            most = fmax(most, exp(token(io, GLA_IN_GK, t, i)));
        }
        double turn = fmax(1, fabs(1 - beta * squares) + 0x1p-40 * fabs(beta * squares));
        all = INFLATED(all * INFLATED(turn * most));
    }
    return all;
}

static gla_matrix points(const sweep *s, size_t w) { return gla_rows(s->M, w * s->io->dk, s->io->dk); }

/* Points and radii of the state at every window's begin. */
static void walk(sweep *s) {
    gla_copy(points(s, 0), s->all.S0);
    for (size_t w = 0; w < s->windows; w++) {
        s->growth[w] = growth_of(s, w);
        if (w + 1 == s->windows) return;
        double *radius = s->radius + (w + 1) * s->io->dv;
        delta_slice x = window_of(s, w, points(s, w), (gla_matrix){0});
        memcpy(radius, radius - s->io->dv, s->io->dv * sizeof *radius);
        run(&x, false);
        settle(points(s, w + 1), x.ST, radius, s->growth[w]);
    }
}

/* F after the window's tokens becomes F before them (delta/recurrent.c, the adjoint alone):
 * R = F + (s q) do^T ;  F leaves as diag(e^g) (R - k (beta R^T k)^T). */
static void walk_back(const delta_slice *x, gla_matrix F) {
    gla_numbers *n = x->in;
    gla_matrix sq = gla_new(n, 1, x->dk), du = gla_new(n, 1, x->dv), alpha = {0};
    if (!gla_absent(x->g)) alpha = gla_new(n, 1, x->g.cols);
    for (size_t t = x->T; t-- > 0;) {
        gla_matrix k = gla_row(x->k, t);
        gla_scale(sq, gla_row(x->q, t), x->s);
        gla_write(F, sq, gla_row(x->d_o, t));
        gla_read(du, F, k);
        gla_scale(du, du, gla_row(x->beta, t));
        gla_neg(du, du);
        gla_write(F, k, du);
        if (!gla_absent(alpha)) gla_exp(alpha, gla_row(x->g, t));
        gla_decay(F, alpha.cols == 1 ? delta_across(alpha, x->dk) : alpha, (gla_matrix){0});
    }
}

/* What is right of window w enters it as F -+ s->back; leaves F and s->back as they are left of it. */
static void whole_window(sweep *s, size_t w, gla_matrix F, bool backward) {
    gla_numbers *n = s->io->in;
    size_t mark = gla_mark(n);
    gla_matrix S = gla_new(n, s->io->dk, s->io->dv), Fs = gla_new(n, s->io->dk, s->io->dv);
    spread(S, points(s, w), s->radius + w * s->io->dv);
    if (backward) spread(Fs, F, s->back);
    delta_slice x = window_of(s, w, S, Fs);
    if (w + 1 < s->windows) x.ST = gla_new(n, s->io->dk, s->io->dv);
    if (backward && w > 0) x.dS0 = gla_new(n, s->io->dk, s->io->dv);
    run(&x, backward);
    if (backward && w > 0) {
        gla_matrix before = gla_new(n, s->io->dk, s->io->dv);
        gla_copy(before, F);
        walk_back(&x, before);
        settle(F, before, s->back, s->growth[w]);
    }
    gla_release(n, mark);
}

static bool make_room(sweep *s) {
    size_t dv = s->io->dv;
    s->radius = calloc(s->windows * (dv + 1) + dv, sizeof *s->radius);
    if (!s->radius) return false;
    s->growth = s->radius + s->windows * dv;
    s->back = s->growth + s->windows;
    return true;
}

void gla_delta_enclose(const gla_slice_io *io, const gla_form *form) {
    gla_numbers *n = io->in;
    sweep s = {.io = io, .all = load(io, form->backward), .length = (size_t)ceil(sqrt((double)io->T))};
    if (s.length < 16) s.length = 16;
    s.windows = (io->T + s.length - 1) / s.length;
    if (s.windows == 0) {
        run(&s.all, form->backward);
    } else if (make_room(&s)) {
        s.M = gla_new(n, s.windows * io->dk, io->dv);
        gla_matrix F = gla_new(n, io->dk, io->dv);
        if (form->backward) gla_copy(F, s.all.dST);
        walk(&s);
        for (size_t w = s.windows; w-- > 0 && n->status == GLA_OK;) whole_window(&s, w, F, form->backward);
    } else
        n->status = GLA_NO_MEMORY;
    free(s.radius);
    const struct {
        gla_output name;
        gla_matrix value;
    } results[] = {
        {GLA_O, s.all.o},    {GLA_FINAL_STATE, s.all.ST}, {GLA_DQ, s.all.dq},       {GLA_DK, s.all.dk_},
        {GLA_DV, s.all.dv_}, {GLA_DGK, s.all.dg},         {GLA_DBETA, s.all.dbeta}, {GLA_DINITIAL_STATE, s.all.dS0}};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) gla_store(io, results[i].name, results[i].value);
}
