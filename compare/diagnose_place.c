/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bad elements lie: the first one in the order of the recurrence, and their share by head and by token.
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

static void index_of(const int64_t shape[4], int64_t i, int64_t at[4]) {
    for (int d = 3; d >= 0; d--) {
        at[d] = i % shape[d];
        i /= shape[d];
    }
}

static void place_state(const gla_candidate *c, const gla_truth *truth, gla_output name, gla_bad_place *out) {
    for (int64_t i = 0; i < truth->tensor[name].count && !out->known; i++) {
        if (!gla_is_bad(c, truth, name, i)) continue;
        *out = (gla_bad_place){.known = true, .output = name, .token = -1, .chunk = -1, .row = -1};
        index_of(truth->tensor[name].shape, i, out->at);
        out->sequence = out->at[0];
    }
}

static void place_token(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, gla_output name,
                        gla_bad_place *out) {
    const int64_t *shape = truth->tensor[name].shape;
    int64_t width = shape[2] * shape[3];
    for (int64_t n = 0; n < p->N && !out->known; n++) {
        gla_sequence s = gla_sequence_at(p, n);
        for (int64_t t = 0; t < s.length && !out->known; t++)
            for (int64_t i = 0; i < width && !out->known; i++) {
                int64_t at = (s.b * shape[1] + gla_token(&s, t)) * width + i;
                if (!gla_is_bad(c, truth, name, at)) continue;
                *out = (gla_bad_place){.known = true, .output = name, .sequence = n, .token = t};
                out->chunk = t / GLA_CHUNK;
                out->row = t % GLA_CHUNK;
                index_of(shape, at, out->at);
            }
    }
}

void gla_diagnose_places(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, unsigned judged,
                         gla_diagnosis *out) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!(judged >> i & 1)) continue;
        find_shares(c, truth, name, &out->share[i]);
        if (out->share[i].heads == 0 || out->first.known) continue;
        if (gla_is_state_output(name))
            place_state(c, truth, name, &out->first);
        else
            place_token(p, c, truth, name, &out->first);
    }
}
