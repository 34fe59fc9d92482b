/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bad elements lie: the first one in the order in which it is made, and their share by head and by token.
 */
#include <math.h>

#include "diagnose_trial.h"

bool gla_is_bad(const gla_candidate *c, const gla_truth *truth, gla_output name, int64_t i) {
    double got = c->output[name].value[i], error = fabs(got - truth->tensor[name].value[i]);
    if (!truth->tensor[name].certified[i] && isfinite(got)) return false;
    return !(error <= c->output[name].allowed[i]);
}

/* ---- shares ---- */

typedef struct tally {
    int64_t bad, all;
} tally;

static int stretches(int64_t count) { return count < GLA_STRETCHES ? (int)count : GLA_STRETCHES; }

static void to_shares(const tally *from, int count, double *to) {
    for (int i = 0; i < count; i++) to[i] = from[i].all ? (double)from[i].bad / (double)from[i].all : 0;
}

/* Shape [B,T,heads,D] or [N,heads,dk,dv]. */
static void find_shares(const gla_candidate *c, const gla_truth *truth, gla_output name, gla_shares *out) {
    const int64_t *shape = truth->tensor[name].shape;
    bool state = gla_is_state_output(name), any = false;
    int64_t heads = shape[state ? 1 : 2], tokens = state ? 0 : shape[1];
    tally head[GLA_STRETCHES] = {{0}}, token[GLA_STRETCHES] = {{0}};
    out->heads = stretches(heads);
    out->tokens = stretches(tokens);
    for (int64_t i = 0; i < truth->tensor[name].count; i++) {
        int64_t h = state ? i / (shape[2] * shape[3]) % heads : i / shape[3] % heads;
        int64_t t = state ? 0 : i / (shape[2] * shape[3]) % tokens;
        bool bad = gla_is_bad(c, truth, name, i);
        any = any || bad;
        tally *of_head = &head[h * out->heads / heads], *of_token = &token[state ? 0 : t * out->tokens / tokens];
        of_head->all++;
        of_head->bad += bad;
        of_token->all++;
        of_token->bad += bad;
    }
    to_shares(head, out->heads, out->head);
    to_shares(token, out->tokens, out->token);
    if (!any) out->heads = out->tokens = 0;
}

/* ---- the first bad element ---- */

struct looked_at {
    const gla_candidate *c;
    const gla_truth *truth;
    gla_output name;
};

static bool is_bad(const void *data, int64_t i) {
    const struct looked_at *x = data;
    return gla_is_bad(x->c, x->truth, x->name, i);
}

/* Gradients of what is written (k, v, gates) are made from the last token back: there the last bad token comes first.
 */
bool gla_made_backwards(gla_output name) {
    return name == GLA_DK || name == GLA_DV || name == GLA_DGK || name == GLA_DGV;
}

static gla_bad_place first_made(const gla_problem *p, const struct looked_at *x) {
    if (!gla_made_backwards(x->name)) return gla_first_place(p, x->name, is_bad, x);
    gla_problem turned = *p;
    turned.reverse = !p->reverse;
    gla_bad_place place = gla_first_place(&turned, x->name, is_bad, x);
    if (!place.known) return place;
    place.token = gla_sequence_at(p, place.sequence).length - 1 - place.token;
    place.chunk = place.token / GLA_CHUNK;
    place.row = place.token % GLA_CHUNK;
    return place;
}

void gla_diagnose_places(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, unsigned judged,
                         gla_diagnosis *out) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!(judged >> i & 1)) continue;
        find_shares(c, truth, name, &out->share[i]);
        if (out->share[i].heads == 0 || out->first.known) continue;
        out->first = first_made(p, &(struct looked_at){c, truth, name});
    }
}
