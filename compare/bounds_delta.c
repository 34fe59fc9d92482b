/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors of the delta rule window by window; contract in bounds_delta.h. Forward first, which gives every window its
 * state and that state's errors; then from the last window to the first, with the adjoint state's.
 */
#include "bounds_delta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "delta_carry.h"

typedef struct sweep {
    const gla_problem *p; /* of the part */
    const gla_form *form;
    const gla_error_model *model;
    gla_sequence sequence;
    int64_t window, windows, state;    /* tokens, count, dk dv */
    double *S, *F[2];                  /* values [windows,H,dk,dv], [H,dk,dv] after and before */
    delta_carried *errors_S, errors_F; /* [windows], each of all heads: [H,dk,dv] and [H,dv] */
    double *memory, *suffix;           /* dg of later windows [H dk] */
    gla_error_number **out;
} sweep;

bool gla_delta_cuts(const gla_problem *p, const gla_form *form) {
    bool delta = gla_mechanism_of(p)->inputs & 1u << GLA_IN_BETA;
    bool known = form->kind == GLA_RECURRENT || form->kind == GLA_CHUNKWISE || form->kind == GLA_CHUNKWISE_FACTORED;
    return delta && known && form->route != GLA_ROUTE_PREFIX && p->T > 0;
}

static int64_t window_length(const gla_problem *p, const gla_form *form) {
    if (form->kind != GLA_RECURRENT) return form->C;
    return p->dk < 16 ? 1 : p->dk < 128 ? p->dk / 8 : 16;
}

/* ---- a window as a problem ---- */

static int64_t first_token(const sweep *s, int64_t w) { return w * s->window; }

static int64_t tokens_of(const sweep *s, int64_t w) {
    int64_t left = s->p->T - first_token(s, w);
    return left < s->window ? left : s->window;
}

/* Where the window's tokens begin in the tensors. */
static int64_t position(const sweep *s, int64_t w) {
    return s->p->reverse ? s->p->T - first_token(s, w) - tokens_of(s, w) : first_token(s, w);
}

static void set_state(gla_problem *p, gla_input name, const double *at) {
    gla_tensor_dense(gla_problem_input(p, name), at, 0, p->H, p->dk, p->dv);
}

static gla_problem problem_of(const sweep *s, int64_t w) {
    gla_problem p = *s->p;
    p.T = tokens_of(s, w);
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        if (x->at && !gla_is_state_input((gla_input)i)) x->at += position(s, w) * x->stride[1];
    }
    if (w > 0) set_state(&p, GLA_IN_INITIAL_STATE, s->S + w * p.H * s->state);
    if (w < s->windows - 1 && s->form->backward) set_state(&p, GLA_IN_DFINAL_STATE, s->F[0]);
    return p;
}

/* ---- what came with the states ---- */

static delta_carried of_head(const delta_carried *all, const sweep *s, int64_t h) {
    int64_t dv = s->p->dv;
    return (delta_carried){all->var + h * s->state, all->lin + h * dv, all->det + h * dv};
}

static double *fetch(const gla_problem *p, gla_tensor x, int64_t h, int64_t D, double otherwise, double *to) {
    gla_sequence q = gla_sequence_at(p, 0);
    for (int64_t t = 0; t < p->T; t++)
        for (int64_t i = 0; i < D; i++) to[t * D + i] = x.at ? gla_tensor_token(p, &x, &q, h, t, i) : otherwise;
    return to + p->T * D;
}

static double *fetch_state(const gla_problem *p, const gla_tensor *x, int64_t h, double *to) {
    gla_sequence q = gla_sequence_at(p, 0);
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) to[i * p->dv + j] = x->at ? gla_tensor_state(p, x, &q, h, i, j) : 0;
    return to + p->dk * p->dv;
}

static size_t window_numbers(const gla_problem *p) {
    return (size_t)(p->T * (3 * p->dk + 2 * p->dv + 1) + 2 * p->dk * p->dv);
}

/* The window's tokens of head h, in `at`, which has room for window_numbers. */
static delta_window load_window(const gla_problem *p, int64_t h, double *at) {
    int64_t dk = p->dk, dv = p->dv;
    delta_window w = {.m = p->T, .dk = dk, .dv = dv, .scale = gla_scale_of(p)};
    w.gate_per_head = gla_gate_per_head(gla_mechanism_of(p));
    w.q = at;
    w.k = fetch(p, p->q, h, dk, 0, w.q);
    w.v = fetch(p, p->k, h, dk, 0, w.k);
    w.d_o = fetch(p, p->v, h, dv, 0, w.v);
    w.alpha = fetch(p, p->d_o, h, dv, 0, w.d_o);
    w.beta = fetch(p, gla_acting_input(p, GLA_IN_GK), h, dk, 0, w.alpha);
    for (int64_t i = 0; i < p->T * dk; i++) w.alpha[i] = exp(w.alpha[i]);
    double *S = fetch(p, gla_acting_input(p, GLA_IN_BETA), h, 1, 1, w.beta),
           *F = fetch_state(p, &p->initial_state, h, S);
    fetch_state(p, &p->d_final_state, h, F);
    w.S = S;
    w.F = F;
    return w;
}

static void add_error(gla_error_number *z, const delta_error *x) {
    z->var += x->var;
    z->lin += x->lin;
    z->det += x->det;
}

/* Errors of the window's tokens [m,D] into the result. */
static void add_tokens(const sweep *s, gla_output name, int64_t w, int64_t h, const delta_error *x, int64_t D) {
    int64_t shape[4];
    if (!x || !s->out[name]) return;
    gla_output_shape(s->p, name, shape);
    for (int64_t t = 0; t < tokens_of(s, w); t++)
        for (int64_t i = 0; i < D; i++)
            add_error(&s->out[name][gla_index_token(s->p, shape, &s->sequence, h, first_token(s, w) + t, i)],
                      &x[t * D + i]);
}

static void add_states(const sweep *s, gla_output name, int64_t h, const delta_error *x) {
    int64_t shape[4], dv = s->p->dv;
    if (!x || !s->out[name]) return;
    gla_output_shape(s->p, name, shape);
    for (int64_t i = 0; i < s->state; i++)
        add_error(&s->out[name][gla_index_state(s->p, shape, &s->sequence, h, i / dv, i % dv)], &x[i]);
}

/* The carried errors of a state become those at the other end of the window: what is carried, then what the window
 * itself adds, `own` [H,dk,dv]. */
static void move_on(delta_carried *to, const delta_carried *from, const delta_error *carried, double growth,
                    const gla_error_number *own, int64_t dk, int64_t dv) {
    for (int64_t j = 0; j < dv; j++) {
        double lin = 0, det = 0;
        for (int64_t i = 0; i < dk; i++) {
            const gla_error_number *e = &own[i * dv + j];
            to->var[i * dv + j] = carried[i * dv + j].var + e->var;
            lin += e->lin * e->lin;
            det += e->det * e->det;
        }
        to->lin[j] = growth * from->lin[j] + sqrt(lin);
        to->det[j] = growth * from->det[j] + sqrt(det);
    }
}

/* ---- one window ---- */

static gla_status run_window(const sweep *s, const gla_problem *p, bool backward, gla_numbers *n, gla_result *r) {
    gla_form form = *s->form;
    form.backward = backward;
    return gla_run(p, &form, n, r, NULL);
}

/* Results of the window's own into the part's. */
static void keep_own(const sweep *s, int64_t w, const gla_result *r) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool mine = !gla_is_state_output((gla_output)i) || (i == GLA_FINAL_STATE ? w == s->windows - 1 : w == 0);
        if (!mine || !r->tensor[i].at || !s->out[i]) continue;
        int64_t row = gla_is_state_output((gla_output)i) ? 0 : r->tensor[i].shape[2] * r->tensor[i].shape[3];
        memcpy(s->out[i] + position(s, w) * row, r->tensor[i].at, (size_t)r->tensor[i].count * sizeof **s->out);
    }
}

/* dg of later windows was not in this window's suffix sums. */
static void add_suffix(const sweep *s, int64_t w, const gla_result *r) {
    int64_t shape[4], m = tokens_of(s, w);
    bool sums = s->form->route == GLA_ROUTE_SUFFIX || s->form->route == GLA_ROUTE_STRICT;
    if (!sums || !r->tensor[GLA_DGK].at) return;
    gla_output_shape(s->p, GLA_DGK, shape);
    int64_t row = shape[2] * shape[3], first = s->p->reverse ? position(s, w) + m - 1 : position(s, w);
    gla_error_number *dg = s->out[GLA_DGK] + position(s, w) * row;
    for (int64_t i = 0; i < m * row; i++) dg[i].det += s->suffix[i % row];
    for (int64_t i = 0; i < row; i++) s->suffix[i] = s->out[GLA_DGK][first * row + i].det;
}

/* Room for the errors of a window's results, cleared; what is not asked for is NULL. */
static delta_error *room_for(const sweep *s, int64_t m, bool tokens, bool backward, delta_errors *e) {
    int64_t dk = s->p->dk, dv = s->p->dv, all = m * (3 * dk + 2 * dv + 1) + 2 * s->state;
    delta_error *at = calloc((size_t)all, sizeof *at), *next = at;
    if (!at) return NULL;
    *e = (delta_errors){.ST = next};
    next += s->state;
    if (tokens) e->o = next;
    next += m * dv;
    if (!backward) return at;
    e->dq = next;
    e->dk = next + m * dk;
    e->dg = s->out[GLA_DGK] ? next + 2 * m * dk : NULL;
    e->dv = next + 3 * m * dk;
    e->dbeta = e->dv + m * dv;
    e->dS0 = e->dbeta + m;
    return at;
}

/* Carries the errors of head h through the window; `e` in the room that is returned, NULL: no memory. */
static delta_error *carry(const sweep *s, const gla_problem *p, int64_t w, int64_t h, bool tokens, bool backward,
                          delta_errors *e) {
    double *numbers = malloc(window_numbers(p) * sizeof *numbers);
    delta_error *room = numbers ? room_for(s, p->T, tokens, backward, e) : NULL;
    delta_carried S = of_head(&s->errors_S[w], s, h), F = of_head(&s->errors_F, s, h);
    delta_window x = {.m = 0};
    if (room) x = load_window(p, h, numbers);
    if (room && !delta_carry(&x, &S, &F, e)) {
        free(room);
        room = NULL;
    }
    free(numbers);
    return room;
}

/* The next window's state, its value and its errors. */
static gla_status forward_window(sweep *s, int64_t w) {
    gla_problem p = problem_of(s, w);
    gla_numbers *n = gla_error_open(s->model);
    gla_result r = {0};
    gla_status status = n ? run_window(s, &p, false, n, &r) : GLA_NO_MEMORY;
    for (int64_t h = 0; h < p.H && status == GLA_OK; h++) {
        delta_errors e;
        delta_error *room = carry(s, &p, w, h, false, false, &e);
        if (!room) status = GLA_NO_MEMORY;
        if (!room) break;
        const gla_error_number *own = (const gla_error_number *)r.tensor[GLA_FINAL_STATE].at + h * s->state;
        delta_carried from = of_head(&s->errors_S[w], s, h), to = of_head(&s->errors_S[w + 1], s, h);
        move_on(&to, &from, e.ST, e.growth, own, p.dk, p.dv);
        double *S = s->S + ((w + 1) * p.H + h) * s->state;
        for (int64_t i = 0; i < s->state; i++) S[i] = own[i].x;
        free(room);
    }
    gla_result_free(&r);
    gla_numbers_close(n);
    return status;
}

/* Everything of head h that came with the window's states. */
static bool add_carried(sweep *s, const gla_problem *p, int64_t w, int64_t h, const gla_result *r) {
    bool backward = s->form->backward;
    delta_errors e;
    delta_error *room = carry(s, p, w, h, true, backward, &e);
    if (!room) return false;
    add_tokens(s, GLA_O, w, h, e.o, p->dv);
    add_tokens(s, GLA_DQ, w, h, e.dq, p->dk);
    add_tokens(s, GLA_DK, w, h, e.dk, p->dk);
    add_tokens(s, GLA_DV, w, h, e.dv, p->dv);
    add_tokens(s, GLA_DGK, w, h, e.dg, gla_gate_per_head(gla_mechanism_of(p)) ? 1 : p->dk);
    add_tokens(s, GLA_DBETA, w, h, e.dbeta, 1);
    if (w == s->windows - 1) add_states(s, GLA_FINAL_STATE, h, e.ST);
    if (w == 0) add_states(s, GLA_DINITIAL_STATE, h, e.dS0);
    if (backward && w > 0) {
        const gla_error_number *own = (const gla_error_number *)r->tensor[GLA_DINITIAL_STATE].at + h * s->state;
        delta_carried F = of_head(&s->errors_F, s, h);
        move_on(&F, &F, e.dS0, e.growth, own, p->dk, p->dv);
        for (int64_t i = 0; i < s->state; i++) s->F[1][h * s->state + i] = own[i].x;
    }
    free(room);
    return true;
}

/* All results of the window; the adjoint state that enters it becomes the one that leaves the window before. */
static gla_status whole_window(sweep *s, int64_t w) {
    gla_problem p = problem_of(s, w);
    gla_numbers *n = gla_error_open(s->model);
    gla_result r = {0};
    gla_status status = n ? run_window(s, &p, s->form->backward, n, &r) : GLA_NO_MEMORY;
    if (status == GLA_OK) keep_own(s, w, &r);
    if (status == GLA_OK) add_suffix(s, w, &r);
    for (int64_t h = 0; h < p.H && status == GLA_OK; h++)
        if (!add_carried(s, &p, w, h, &r)) status = GLA_NO_MEMORY;
    double *after = s->F[0];
    s->F[0] = s->F[1];
    s->F[1] = after;
    gla_result_free(&r);
    gla_numbers_close(n);
    return status;
}

/* ---- the sequence ---- */

static bool make_room(sweep *s) {
    int64_t H = s->p->H, columns = H * s->p->dv, all = H * s->state, one = all + 2 * columns;
    size_t count = (size_t)(s->windows * (all + one) + 2 * all + one + H * s->p->dk);
    s->memory = calloc(count, sizeof *s->memory);
    s->errors_S = calloc((size_t)s->windows, sizeof *s->errors_S);
    if (!s->memory || !s->errors_S) return false;
    double *at = s->memory;
    s->S = at;
    s->F[0] = at += s->windows * all;
    s->F[1] = at += all;
    s->suffix = at += all;
    at += H * s->p->dk;
    for (int64_t w = 0; w <= s->windows; w++, at += one)
        *(w < s->windows ? &s->errors_S[w] : &s->errors_F) = (delta_carried){at, at + all, at + all + columns};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        if (!gla_has_output(s->p, s->form->backward, (gla_output)i)) continue;
        gla_output_shape(s->p, (gla_output)i, shape);
        s->out[i] = calloc((size_t)(shape[0] * shape[1] * shape[2] * shape[3]), sizeof **s->out);
        if (!s->out[i]) return false;
    }
    return true;
}

gla_status gla_delta_errors(const gla_part *part, const gla_form *form, const gla_error_model *model,
                            gla_error_number *out[GLA_OUTPUTS], gla_error *err) {
    const gla_problem *p = &part->problem;
    sweep s = {.p = p, .form = form, .model = model, .sequence = gla_sequence_at(p, 0), .out = out};
    s.window = window_length(p, form);
    s.windows = (p->T + s.window - 1) / s.window;
    s.state = p->dk * p->dv;
    memset(out, 0, GLA_OUTPUTS * sizeof *out);
    gla_status status = make_room(&s) ? GLA_OK : GLA_NO_MEMORY;
    for (int64_t w = 0; w < s.windows - 1 && status == GLA_OK; w++) status = forward_window(&s, w);
    for (int64_t w = s.windows; w-- > 0 && status == GLA_OK;) status = whole_window(&s, w);
    free(s.memory);
    free(s.errors_S);
    return status == GLA_OK ? GLA_OK : gla_fail(err, status, "no bounds: %s", gla_status_text(status));
}
