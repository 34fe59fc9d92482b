/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bad elements lie: the first one, and their share by head and by token.
 */
#include <math.h>

#include "diagnose_trial.h"

bool gla_is_bad(const gla_candidate *c, const gla_truth *truth, gla_output name, int64_t i) {
    double got = c->output[name].value[i], error = fabs(got - truth->tensor[name].value[i]);
    if (!truth->tensor[name].certified[i] && isfinite(got)) return false;
    return !(error <= c->output[name].allowed[i]);
}

typedef struct tally {
    int64_t bad, all;
} tally;

static int stretches(int64_t count) { return count < GLA_STRETCHES ? (int)count : GLA_STRETCHES; }

static void to_shares(const tally *from, int count, double *to) {
    for (int i = 0; i < count; i++) to[i] = from[i].all ? (double)from[i].bad / (double)from[i].all : 0;
}

/* Shape [B,T,heads,D] or [N,heads,dk,dv]. */
static void find_shares(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, gla_output name,
                        gla_shares *out) {
    const int64_t *shape = truth->tensor[name].shape;
    bool state = !gla_output_has_tokens(p, name), any = false;
    bool weight = gla_is_weight(gla_input_axes(gla_mechanism_of(p), gla_output_like(name)));
    if (weight) return; /* one number per head, or a row */
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

void gla_diagnose_places(const gla_problem *p, const gla_judgement *judgement, const gla_candidate *c,
                         const gla_truth *truth, unsigned judged, gla_diagnosis *out) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!(judged >> i & 1)) continue;
        find_shares(p, c, truth, (gla_output)i, &out->share[i]);
        if (!out->first.known) out->first = judgement->tensor[i].first_bad;
    }
}
