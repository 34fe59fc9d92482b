/* SPDX-License-Identifier: Apache-2.0
 *
 * Certified truth; contract in truth.h. Three passes: the double-double engine over every sequence and head, the
 * rounding test over every element, and the climb (truth_climb.c) of what is left. Where the mechanism is not the gated
 * core as it stands, there is no first pass, and everything is left to the climb.
 *
 * A unit of work is one sequence and the smallest block of heads that shares no tensor with other heads, so that
 * units write disjoint outputs. Within a unit heads run in order, and gradients of shared tensors add up as pairs,
 * their bounds too: a sum of pairs of companions M and N is off by at most 9 * 2^-106 (M + N) (doubledouble.h, c = 2).
 */
#include "truth.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/doubledouble.h"
#include "../fast/cpu/gated_dd.h"
#include "../fast/cpu/threads.h"
#include "../reference/verbs.h"
#include "certify.h"
#include "truth_climb.h"

/* ---- units ---- */

static size_t unit_count(const gla_problem *p) {
    return (size_t)(p->N / gla_unit_sequences(p) * (p->H / gla_unit_heads(p)));
}

/* ---- first pass: double-double ---- */

/* One slice for the engine; `owned` lists what it allocated. */
struct slice {
    gated_dd x;
    double *owned[20];
    int count;
    bool no_memory;
};

static double *take(struct slice *s, int64_t count) {
    double *at = calloc(count > 0 ? (size_t)count : 1, sizeof *at);
    if (at)
        s->owned[s->count++] = at;
    else
        s->no_memory = true;
    return at;
}

static gated_dd_output take_output(struct slice *s, int64_t count) {
    double *at = take(s, 4 * count);
    return at ? (gated_dd_output){at, at + count, at + 2 * count, at + 3 * count} : (gated_dd_output){0};
}

static const double *load_tokens(struct slice *s, const gla_problem *p, const gla_tensor *x, const gla_sequence *q,
                                 int64_t h, int64_t D) {
    double *at = x->at ? take(s, q->length * D) : NULL;
    for (int64_t t = 0; at && t < q->length; t++)
        for (int64_t i = 0; i < D; i++) at[t * D + i] = gla_tensor_token(p, x, q, h, t, i);
    return at;
}

static const double *load_state(struct slice *s, const gla_problem *p, const gla_tensor *x, const gla_sequence *q,
                                int64_t h) {
    double *at = x->at ? take(s, p->dk * p->dv) : NULL;
    for (int64_t i = 0; at && i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) at[i * p->dv + j] = gla_tensor_state(p, x, q, h, i, j);
    return at;
}

/* e^g of a fixed decay g, to the nearest pair: 160 bits leave nothing of g's own error in it. */
static gla_status find_decay(const gla_problem *p, int64_t h, double pair[2]) {
    gla_numbers *n = gla_mpfr_open(160);
    if (!n) return GLA_NO_MEMORY;
    mpfr_t x;
    mpfr_init2(x, 160);
    gla_matrix g = gla_new(n, 1, 1);
    if (n->status == GLA_OK) gla_mechanism_of(p)->log_decay(p, h, g);
    gla_exp(g, g);
    gla_status status = n->status;
    if (status == GLA_OK) n->ops->get_mpfr(n, x, g.at);
    pair[0] = mpfr_get_d(x, MPFR_RNDN);
    mpfr_sub_d(x, x, pair[0], MPFR_RNDN);
    pair[1] = mpfr_get_d(x, MPFR_RNDN);
    mpfr_clear(x);
    gla_numbers_close(n);
    return status;
}

static void load_slice(struct slice *s, const gla_problem *p, const gla_sequence *q, int64_t h, bool backward) {
    gated_dd *x = &s->x;
    int64_t keys = q->length * p->dk, values = q->length * p->dv, state = p->dk * p->dv;
    *s = (struct slice){.x = {.T = (size_t)q->length, .dk = (size_t)p->dk, .dv = (size_t)p->dv}};
    x->scale = gla_scale_of(p);
    x->q = load_tokens(s, p, &p->q, q, h, p->dk);
    x->k = load_tokens(s, p, &p->k, q, h, p->dk);
    x->v = load_tokens(s, p, &p->v, q, h, p->dv);
    gla_tensor gk = gla_acting_input(p, GLA_IN_GK);
    x->gk = load_tokens(s, p, &gk, q, h, p->dk);
    x->gv = load_tokens(s, p, &p->gv, q, h, p->dv);
    x->fixed = gla_mechanism_of(p)->log_decay != NULL;
    if (x->fixed && find_decay(p, h, x->decay) != GLA_OK) s->no_memory = true;
    x->S0 = load_state(s, p, &p->initial_state, q, h);
    x->o = take_output(s, values);
    x->ST = take_output(s, state);
    if (!backward) return;
    x->d_o = load_tokens(s, p, &p->d_o, q, h, p->dv);
    x->dST = load_state(s, p, &p->d_final_state, q, h);
    x->dq = take_output(s, keys);
    x->dk_ = take_output(s, keys);
    x->dv_ = take_output(s, values);
    if (x->gk) x->dgk = take_output(s, keys);
    if (x->gv) x->dgv = take_output(s, values);
    x->dS0 = take_output(s, state);
}

static void free_slice(struct slice *s) {
    while (s->count > 0) free(s->owned[--s->count]);
}

struct pass {
    const gla_problem *p;
    const gla_truth_options *options;
    gla_truth *out;
    double *bound[GLA_OUTPUTS]; /* beside value, which holds hi until the rounding test, and low, which holds lo */
    int inner_threads;
    atomic_int status;
    atomic_long bits;
};

/* Add element `from` of an engine output to element `at` of the result, where heads that share a tensor meet, and
 * channels that share a gate. */
static void add_element(struct pass *pass, gla_output name, int64_t at, const gated_dd_output *x, int64_t from) {
    double *hi = &pass->out->tensor[name].value[at], *lo = &pass->out->tensor[name].low[at];
    double *magnitude = &pass->out->tensor[name].magnitude[at], *bound = &pass->bound[name][at];
    bool first = *magnitude == 0;
    dd sum = first ? (dd){x->hi[from], x->lo[from]} : dd_sum((dd){*hi, *lo}, (dd){x->hi[from], x->lo[from]});
    sum = dd_two_sum(sum.hi, sum.lo);
    *magnitude += x->magnitude[from];
    *bound += x->bound[from];
    if (!first) {
        *magnitude *= 1 + 0x1p-50;
        *bound = (*bound + 9 * 0x1p-106 * *magnitude) * (1 + 0x1p-50) + 0x1p-1074;
    }
    *hi = sum.hi;
    *lo = sum.lo;
}

static void store(struct pass *pass, gla_output name, const gla_sequence *s, int64_t h, const gated_dd_output *x) {
    const int64_t *shape = pass->out->tensor[name].shape;
    bool state = gla_is_state_output(name), narrow = name == GLA_DGK && shape[3] < pass->p->dk;
    int64_t rows = state ? pass->p->dk : s->length, cols = narrow ? pass->p->dk : shape[3];
    if (!x || !x->hi || !pass->out->tensor[name].present) return;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            int64_t at = state ? gla_index_state(pass->p, shape, s, h, i, j)
                               : gla_index_token(pass->p, shape, s, h, i, narrow ? 0 : j);
            add_element(pass, name, at, x, i * cols + j);
        }
}

static void run_unit(void *data, size_t index) {
    struct pass *pass = data;
    const gla_problem *p = pass->p;
    int64_t heads = gla_unit_heads(p), blocks = p->H / heads;
    gla_sequence q = gla_sequence_at(p, (int64_t)index / blocks);
    int64_t first = (int64_t)index % blocks * heads;
    for (int64_t h = first; h < first + heads && pass->status == GLA_OK; h++) {
        struct slice s;
        load_slice(&s, p, &q, h, pass->options->backward);
        gla_status status =
            s.no_memory ? GLA_NO_MEMORY : gated_dd_run(&s.x, pass->options->backward, pass->inner_threads);
        const gated_dd_output *x[GLA_OUTPUTS] = {
            [GLA_O] = &s.x.o,    [GLA_FINAL_STATE] = &s.x.ST, [GLA_DQ] = &s.x.dq,   [GLA_DK] = &s.x.dk_,
            [GLA_DV] = &s.x.dv_, [GLA_DGK] = &s.x.dgk,        [GLA_DGV] = &s.x.dgv, [GLA_DINITIAL_STATE] = &s.x.dS0};
        for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) store(pass, (gla_output)i, &q, h, x[i]);
        if (status != GLA_OK) pass->status = (int)status;
        free_slice(&s);
    }
}

static void report(void *data, size_t begun) {
    struct pass *pass = data;
    const gla_truth_options *o = pass->options;
    if (o->progress) o->progress(o->progress_data, 0.5 * (double)begun / (double)unit_count(pass->p));
}

/* Many units: one thread each. Few: all threads on one after the other. */
static void first_pass(struct pass *pass) {
    size_t units = unit_count(pass->p);
    int threads = pass->options->threads;
    bool across = units >= 2 * (size_t)threads;
    pass->inner_threads = across ? 1 : threads;
    gla_parallel(units, across ? threads : 1, run_unit, pass, report);
}

/* ---- second pass: the rounding test ---- */

enum { STRETCH = 8192 }; /* elements tested at a time */

static void test_stretch(void *data, size_t index) {
    struct pass *pass = data;
    gla_truth *out = pass->out;
    for (int name = 0; name < GLA_OUTPUTS; name++) {
        int64_t first = (int64_t)index * STRETCH, end = first + STRETCH;
        if (end > out->tensor[name].count) end = out->tensor[name].count;
        for (int64_t i = first; i < end; i++) {
            double hi = out->tensor[name].value[i], lo = out->tensor[name].low[i], value;
            double bound = pass->bound[name][i];
            bool rounded = gla_certify_pair(pass->options->target, pass->options->rounding, hi, lo, bound, &value);
            bool close = isfinite(bound) && bound <= pass->options->close_enough * fmax(fabs(hi), 0x1p-149);
            out->tensor[name].certified[i] = rounded ? 1 : close && bound > 0 ? 2 : 0;
            out->tensor[name].value[i] = value;
            out->tensor[name].low[i] = isfinite(value) ? (hi - value) + lo : 0;
        }
    }
}

static int64_t open_elements(const gla_truth *t) {
    int64_t open = 0;
    for (int name = 0; name < GLA_OUTPUTS; name++)
        for (int64_t i = 0; i < t->tensor[name].count; i++) open += !t->tensor[name].certified[i];
    return open;
}

static void second_pass(struct pass *pass) {
    int64_t most = 0;
    for (int name = 0; name < GLA_OUTPUTS; name++)
        if (pass->out->tensor[name].count > most) most = pass->out->tensor[name].count;
    gla_parallel((size_t)((most + STRETCH - 1) / STRETCH), pass->options->threads, test_stretch, pass, NULL);
}

/* ---- third pass: the climb ---- */

static void climb_unit(void *data, size_t index) {
    struct pass *pass = data;
    int64_t heads = gla_unit_heads(pass->p), blocks = pass->p->H / heads;
    long bits, highest = pass->bits;
    gla_status status = gla_truth_climb(pass->p, (int64_t)index / blocks, (int64_t)index % blocks * heads, heads,
                                        pass->options, pass->out, &bits);
    if (status != GLA_OK) pass->status = (int)status;
    while (bits > highest && !atomic_compare_exchange_weak(&pass->bits, &highest, bits)) {
    }
}

/* ---- together ---- */

static bool allocate(struct pass *pass, int name) {
    gla_truth *out = pass->out;
    int64_t *shape = out->tensor[name].shape;
    gla_output_shape(pass->p, (gla_output)name, shape);
    size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]), room = count ? count : 1;
    out->tensor[name].present = true;
    out->tensor[name].count = (int64_t)count;
    out->tensor[name].value = calloc(room, sizeof(double));
    out->tensor[name].low = calloc(room, sizeof(double));
    out->tensor[name].magnitude = calloc(room, sizeof(double));
    out->tensor[name].certified = calloc(room, 1);
    pass->bound[name] = calloc(room, sizeof(double));
    return out->tensor[name].value && out->tensor[name].low && out->tensor[name].magnitude &&
           out->tensor[name].certified && pass->bound[name];
}

gla_status gla_truth_compute(const gla_problem *p, const gla_truth_options *options, gla_truth *out, gla_error *err) {
    gla_truth_options o = *options;
    struct pass pass = {.p = p, .options = &o, .out = out, .bits = 106};
    memset(out, 0, sizeof *out);
    if (o.rounding == GLA_SR) return gla_fail(err, GLA_UNSUPPORTED, "stochastic rounding has no single correct result");
    if (!o.target) o.target = &gla_binary64_format;
    if (o.cap_bits <= 0) o.cap_bits = 4096;
    if (o.threads <= 0) o.threads = gla_processors();
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (gla_has_output(p, o.backward, (gla_output)i) && !allocate(&pass, i)) pass.status = GLA_NO_MEMORY;
    bool engine = gla_is_plain(p);
    if (pass.status == GLA_OK && engine) first_pass(&pass);
    if (pass.status == GLA_OK && engine) second_pass(&pass);
    out->undecided = open_elements(out);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(pass.bound[i]);
    if (pass.status == GLA_OK && out->undecided > 0) gla_parallel(unit_count(p), o.threads, climb_unit, &pass, NULL);
    if (pass.status == GLA_OK) out->uncertified = open_elements(out);
    out->bits = pass.bits;
    if (pass.status == GLA_OK && o.progress) o.progress(o.progress_data, 1);
    gla_status status = (gla_status)pass.status;
    return status == GLA_OK ? GLA_OK : gla_fail(err, status, "%s while certifying", gla_status_text(status));
}

void gla_truth_free(gla_truth *t) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(t->tensor[i].value);
        free(t->tensor[i].low);
        free(t->tensor[i].magnitude);
        free(t->tensor[i].certified);
    }
    memset(t, 0, sizeof *t);
}
