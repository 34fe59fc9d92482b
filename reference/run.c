/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a formulation over a whole problem: every sequence, every head, one slice at a time. Loads a slice into the
 * number system, runs the core, announces the output sites, stores the results. The gradient of a tensor shared by a
 * group of heads is the sum over the group, in head order.
 */
#include <stdlib.h>
#include <string.h>

#include "gated/gated.h"
#include "mechanisms/mechanisms.h"
#include "slice.h"

/* ---- a result ---- */

static gla_status new_result(const gla_problem *p, const gla_form *form, gla_numbers *n, gla_result *r) {
    memset(r, 0, sizeof *r);
    r->numbers = n;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!gla_has_output(p, form->backward, name)) continue;
        int64_t *shape = r->tensor[i].shape;
        gla_output_shape(p, name, shape);
        int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
        char *at = calloc(count ? (size_t)count : 1, n->size);
        if (!at) return GLA_NO_MEMORY;
        for (int64_t j = 0; j < count; j++) n->ops->init(n, at + (size_t)j * n->size);
        r->tensor[i].at = at;
        r->tensor[i].count = count;
    }
    return GLA_OK;
}

void gla_result_free(gla_result *r) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        for (int64_t j = 0; r->tensor[i].at && j < r->tensor[i].count; j++)
            r->numbers->ops->clear(r->numbers, (char *)r->tensor[i].at + (size_t)j * r->numbers->size);
        free(r->tensor[i].at);
    }
    memset(r, 0, sizeof *r);
}

const void *gla_result_at(const gla_result *r, gla_output name, int64_t index) {
    return (const char *)r->tensor[name].at + (size_t)index * r->numbers->size;
}

double gla_result_d(const gla_result *r, gla_output name, int64_t index) {
    return r->numbers->ops->get_d(r->numbers, gla_result_at(r, name, index));
}

/* ---- one slice in, one slice out ---- */

static gla_matrix load_tokens(gla_numbers *n, const gla_problem *p, const gla_tensor *x, const gla_sequence *s,
                              int64_t h, int64_t D) {
    gla_matrix m = gla_new(n, (size_t)s->length, (size_t)D);
    if (n->status != GLA_OK || !x->at) return m;
    for (int64_t t = 0; t < s->length; t++)
        for (int64_t i = 0; i < D; i++)
            n->ops->set_d(n, gla_at(m, (size_t)t, (size_t)i), gla_tensor_token(p, x, s, h, t, i));
    return m;
}

static gla_matrix load_state(gla_numbers *n, const gla_problem *p, const gla_tensor *x, const gla_sequence *s,
                             int64_t h) {
    gla_matrix m = gla_new(n, (size_t)p->dk, (size_t)p->dv);
    if (n->status != GLA_OK || !x->at) return m;
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++)
            n->ops->set_d(n, gla_at(m, (size_t)i, (size_t)j), gla_tensor_state(p, x, s, h, i, j));
    return m;
}

/* The key gates [T,dk]: the input's, one per head over all channels, or the mechanism's own. */
static gla_matrix load_key_gates(gla_numbers *n, const gla_problem *p, const gla_sequence *s, int64_t h) {
    const gla_mechanism *m = gla_mechanism_of(p);
    if (!m->log_decay) {
        gla_tensor g = gla_key_gates(p);
        return load_tokens(n, p, &g, s, h, p->dk);
    }
    gla_matrix gk = gla_new(n, (size_t)s->length, (size_t)p->dk), g = gla_new(n, 1, 1);
    if (n->status == GLA_OK) m->log_decay(p, h, g);
    for (size_t t = 0; n->status == GLA_OK && t < gk.rows; t++)
        for (size_t i = 0; i < gk.cols; i++) n->ops->set(n, gla_at(gk, t, i), g.at);
    return gk;
}

/* [1,dk], the fixed decay itself. */
static gla_matrix load_factor(gla_numbers *n, const gla_problem *p, int64_t h) {
    gla_matrix alpha = gla_new(n, 1, (size_t)p->dk), one = gla_new(n, 1, 1);
    if (n->status == GLA_OK) gla_mechanism_of(p)->decay(p, h, one);
    for (size_t i = 0; n->status == GLA_OK && i < alpha.cols; i++) n->ops->set(n, gla_at(alpha, 0, i), one.at);
    return alpha;
}

static gated_slice load_slice(gla_numbers *n, const gla_problem *p, const gla_sequence *s, int64_t h,
                              const gla_form *form) {
    size_t T = (size_t)s->length, dk = (size_t)p->dk, dv = (size_t)p->dv;
    gated_slice x = {.in = n, .T = T, .dk = dk, .dv = dv, .s = gla_new(n, 1, 1)};
    if (n->status == GLA_OK) n->ops->set_d(n, x.s.at, gla_scale_of(p));
    gla_round_at(x.s, GLA_SITE_SCALE);
    x.q = load_tokens(n, p, &p->q, s, h, p->dk);
    x.k = load_tokens(n, p, &p->k, s, h, p->dk);
    x.v = load_tokens(n, p, &p->v, s, h, p->dv);
    if (p->gk.at || gla_mechanism_of(p)->log_decay) x.gk = load_key_gates(n, p, s, h);
    if (form->factors && gla_mechanism_of(p)->decay) x.alpha = load_factor(n, p, h);
    if (p->gv.at) x.gv = load_tokens(n, p, &p->gv, s, h, p->dv);
    x.S0 = load_state(n, p, &p->initial_state, s, h);
    x.o = gla_new(n, T, dv);
    x.ST = gla_new(n, dk, dv);
    if (!form->backward) return x;
    x.d_o = load_tokens(n, p, &p->d_o, s, h, p->dv);
    x.dST = load_state(n, p, &p->d_final_state, s, h);
    x.dq = gla_new(n, T, dk);
    x.dk_ = gla_new(n, T, dk);
    x.dv_ = gla_new(n, T, dv);
    if (!gla_absent(x.gk)) x.dgk = gla_new(n, T, gla_mechanism_of(p)->gate_per_head ? 1 : dk);
    if (p->gv.at) x.dgv = gla_new(n, T, dv);
    x.dS0 = gla_new(n, dk, dv);
    return x;
}

/* Adds the slice's matrix to the result: heads that share a tensor add up, others land on zeros. */
static void store(gla_result *r, gla_output name, const gla_problem *p, const gla_sequence *s, int64_t h,
                  gla_matrix m) {
    gla_numbers *n = r->numbers;
    if (n->status != GLA_OK || gla_absent(m) || !r->tensor[name].at) return;
    const int64_t *shape = r->tensor[name].shape;
    bool shared = (gla_is_state_output(name) ? shape[1] : shape[2]) < p->H;
    for (size_t i = 0; i < m.rows; i++)
        for (size_t j = 0; j < m.cols; j++) {
            int64_t at = gla_is_state_output(name) ? gla_index_state(p, shape, s, h, (int64_t)i, (int64_t)j)
                                                   : gla_index_token(p, shape, s, h, (int64_t)i, (int64_t)j);
            void *z = (char *)r->tensor[name].at + (size_t)at * n->size;
            if (shared)
                n->ops->add(n, z, z, gla_at(m, i, j));
            else
                n->ops->set(n, z, gla_at(m, i, j));
        }
}

static void store_slice(gla_result *r, const gla_problem *p, const gla_sequence *s, int64_t h, const gated_slice *x) {
    store(r, GLA_O, p, s, h, x->o);
    store(r, GLA_FINAL_STATE, p, s, h, x->ST);
    store(r, GLA_DQ, p, s, h, x->dq);
    store(r, GLA_DK, p, s, h, x->dk_);
    store(r, GLA_DV, p, s, h, x->dv_);
    store(r, GLA_DGK, p, s, h, x->dgk);
    store(r, GLA_DGV, p, s, h, x->dgv);
    store(r, GLA_DINITIAL_STATE, p, s, h, x->dS0);
}

/* The last rounding of every result, after the sums over groups. */
static void announce_outputs(gla_result *r) {
    gla_numbers *n = r->numbers;
    if (!n->ops->site || n->status != GLA_OK) return;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool wide = gla_is_state_output((gla_output)i) || i == GLA_DGK || i == GLA_DGV;
        for (int64_t j = 0; r->tensor[i].at && j < r->tensor[i].count; j++)
            n->ops->site(n, wide ? GLA_SITE_OUTPUT_WIDE : GLA_SITE_OUTPUT,
                         (char *)r->tensor[i].at + (size_t)j * n->size);
    }
}

static gated_run *const runs[GLA_FORMULATIONS] = {[GLA_RECURRENT] = gated_recurrent,
                                                  [GLA_PARALLEL] = gated_parallel,
                                                  [GLA_PARALLEL_NAIVE] = gated_parallel_naive,
                                                  [GLA_CHUNKWISE] = gated_chunkwise,
                                                  [GLA_CHUNKWISE_CENTRED] = gated_chunkwise_centred,
                                                  [GLA_CHUNKWISE_PAIRED] = gated_chunkwise_paired,
                                                  [GLA_CHUNKWISE_FACTORED] = gated_chunkwise};

void gated_run_form(const gated_slice *x, const gla_form *form) {
    if (form->split > 0 && x->T > (size_t)form->split)
        gated_split(x, form, runs[form->kind]);
    else
        runs[form->kind](x, form);
}

gla_status gla_run_gated(const gla_problem *p, const gla_form *form, gla_numbers *n, gla_result *r, gla_error *err) {
    n->status = new_result(p, form, n, r);
    for (int64_t i = 0; i < p->N; i++) {
        gla_sequence s = gla_sequence_at(p, i);
        for (int64_t h = 0; h < p->H; h++) {
            size_t mark = gla_mark(n);
            gated_slice x = load_slice(n, p, &s, h, form);
            if (n->status == GLA_OK) gated_run_form(&x, form);
            store_slice(r, p, &s, h, &x);
            gla_release(n, mark);
        }
    }
    announce_outputs(r);
    if (n->status == GLA_OK) return GLA_OK;
    return gla_fail(err, n->status, "%s while running '%s' in %s", gla_status_text(n->status),
                    gla_formulation_names[form->kind], n->name);
}

gla_status gla_run(const gla_problem *p, const gla_form *form, gla_numbers *numbers, gla_result *result,
                   gla_error *err) {
    memset(result, 0, sizeof *result);
    result->numbers = numbers;
    if (form->backward && !gla_route_available(form->kind, form->route))
        return gla_fail(err, GLA_UNSUPPORTED, "gate gradient '%s' is not available for formulation '%s'",
                        gla_route_names[form->route], gla_formulation_names[form->kind]);
    return gla_mechanism_of(p)->run(p, form, numbers, result, err);
}
