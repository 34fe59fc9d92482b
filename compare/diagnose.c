/* SPDX-License-Identifier: Apache-2.0
 *
 * The search for a cause: the block with most bad elements, every hypothesis tried on it, the best one named.
 */
#include "diagnose.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/threads.h"
#include "diagnose_trial.h"
#include "gauge.h"

enum { FEWEST = 8 }; /* elements compared: fewer may be near by chance */
enum { CLOSER = 8 }; /* a prediction this many times nearer than the truth is accepted (rms, in units of the bound) */

enum { FORWARD = 1 << GLA_O | 1 << GLA_FINAL_STATE };

static const gla_hypothesis *const tables[] = {gla_altered_conventions, gla_altered_problems, gla_altered_carries,
                                               gla_altered_gates,       gla_altered_layouts,  gla_altered_order,
                                               gla_altered_gradients,   gla_altered_outputs,  gla_altered_delta};
enum { TABLES = sizeof tables / sizeof *tables };

/* ---- one hypothesis ---- */

typedef struct attempt {
    const gla_hypothesis *what;
    int variant;
    unsigned explains, misses,
        contradicts; /* outputs: wrong and predicted; wrong otherwise; right, and not as predicted */
    double closer;   /* geometric mean over the outputs explained */
    char sentence[240];
} attempt;

/* Distances of the candidate from truth and from prediction, in units of the bound. */
typedef struct distances {
    double truth, prediction;             /* rms */
    double worst_truth, worst_prediction; /* greatest */
    bool few;                             /* too few elements to say anything */
} distances;

static distances measure(const gla_subject *s, gla_output name, const double *value) {
    distances d = {0};
    double max = s->candidate->output[name].format->max;
    int64_t compared = 0;
    for (int64_t i = 0; i < s->out[name].count; i++) {
        double got = s->out[name].got[i], w = s->out[name].weight[i];
        if (!isfinite(got) && !(fabs(value[i]) <= max)) continue; /* both broke down here */
        double far = fmin(w * fabs(got - s->out[name].want[i]), 1e100), near = w * fabs(got - value[i]);
        if (!isfinite(got) || !isfinite(value[i])) far = 0, near = INFINITY;
        d.truth += far * far;
        d.prediction += near * near;
        d.worst_truth = fmax(d.worst_truth, far);
        d.worst_prediction = fmax(d.worst_prediction, near);
        compared++;
    }
    if (compared < FEWEST) return (distances){0, INFINITY, 0, INFINITY, true};
    d.truth = sqrt(d.truth / (double)compared);
    d.prediction = sqrt(d.prediction / (double)compared);
    return d;
}

static void weigh_prediction(const gla_trial *t, unsigned silent, attempt *a) {
    double logs = 0;
    int explained = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!t->s->out[i].got || !t->value[i] || (silent >> i & 1)) continue;
        distances d = measure(t->s, (gla_output)i, t->value[i]);
        double closer = fmin(d.truth / d.prediction, 1e12);
        if (!t->s->out[i].fails) {
            if (!d.few && !(d.worst_prediction <= 2)) a->contradicts |= 1u << i; /* from 1, where it may be */
        } else if (closer >= CLOSER || (closer > 1 && d.worst_prediction <= 1 && d.worst_truth > 2)) {
            a->explains |= 1u << i;
            logs += log(closer);
            explained++;
        } else if (!(closer >= 2))
            a->misses |= 1u << i;
    }
    a->closer = explained ? exp(logs / explained) : 0;
}

static int bits_of(unsigned mask) {
    int count = 0;
    for (; mask; mask &= mask - 1) count++;
    return count;
}

/* Forward and backward are kernels of their own, and the backward is several, some of which may be right: each must be
 * explained in more outputs than it speaks against. Altered outputs are predicted one by one. */
static void drop_coincidences(attempt *a) {
    const unsigned forward = FORWARD;
    int front = bits_of(a->misses & forward) + bits_of(a->contradicts & forward);
    int back = bits_of(a->misses & ~forward) + bits_of(a->contradicts & ~forward) / 2;
    if (a->what->reach != GLA_TOGETHER) return;
    if (bits_of(a->explains & forward) <= front) a->explains &= ~forward;
    if (bits_of(a->explains & ~forward) <= back) a->explains &= forward;
}

struct search {
    const gla_subject *s;
    attempt *list;
};

/* Gate gradients are made of dq and dk: where these are wrong, they only follow. */
static void drop_consequences(const gla_subject *s, attempt *a) {
    const unsigned gates = 1u << GLA_DGK | 1u << GLA_DGV;
    if ((s->out[GLA_DQ].fails || s->out[GLA_DK].fails) && (a->explains & ~gates) == 0) a->explains = 0;
}

/* False: it does not apply here. */
static bool attempt_on(const gla_subject *s, attempt *a) {
    gla_trial t = {.s = s, .variant = a->variant, .p = s->p};
    bool applies = a->what->predict(&t);
    if (applies) {
        weigh_prediction(&t, a->what->silent, a);
        drop_coincidences(a);
        drop_consequences(s, a);
    }
    snprintf(a->sentence, sizeof a->sentence, "%s", a->what->sentence ? a->what->sentence : t.sentence);
    gla_memory_free(&t.memory);
    return applies;
}

/* Where o or final_state is wrong, gradients only follow: what does not explain the forward needs no backward. */
static bool forward_fails(const gla_subject *s) { return s->out[GLA_O].fails || s->out[GLA_FINAL_STATE].fails; }

static void try_one(void *data, size_t index) {
    struct search *search = data;
    attempt *a = &search->list[index];
    if (search->s->backward && forward_fails(search->s)) {
        gla_subject forward = *search->s;
        attempt first = *a;
        forward.backward = false;
        if (attempt_on(&forward, &first) && !(first.explains & FORWARD)) return;
    }
    attempt_on(search->s, a);
}

/* ---- the best of them ---- */

enum { FREE = 16 }; /* a fit has a free number, and comes this many times nearer than it deserves */

static int against(const attempt *a) { return a->what->reach == GLA_TOGETHER ? bits_of(a->contradicts) : 0; }

static bool better(const attempt *a, const attempt *than) {
    if (!a->explains) return false;
    if (!than) return true;
    int own = bits_of(a->explains) - against(a);
    int other = bits_of(than->explains) - against(than);
    bool fitted = a->what->reach == GLA_FITTED, other_fitted = than->what->reach == GLA_FITTED;
    double handicap = fitted == other_fitted ? 2 : fitted ? FREE : 1.0 / FREE;
    return own > other || (own == other && a->closer > handicap * than->closer);
}

bool gla_name_cause(gla_diagnosis *out, const char *cause, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->sentence, sizeof out->sentence, format, arguments);
    va_end(arguments);
    snprintf(out->cause, sizeof out->cause, "%s", cause);
    return out->found = true;
}

static gla_status try_hypotheses(const gla_subject *s, int threads, gla_diagnosis *out) {
    size_t count = 0;
    for (int t = 0; t < TABLES; t++)
        for (const gla_hypothesis *h = tables[t]; h->cause; h++) count += (size_t)h->variants;
    struct search search = {s, calloc(count, sizeof *search.list)};
    if (!search.list) return GLA_NO_MEMORY;
    size_t at = 0;
    for (int t = 0; t < TABLES; t++)
        for (const gla_hypothesis *h = tables[t]; h->cause; h++)
            for (int v = 0; v < h->variants; v++) search.list[at++] = (attempt){.what = h, .variant = v};
    gla_parallel(count, threads > 0 ? threads : gla_processors(), try_one, &search, NULL);

    bool forward = forward_fails(s);
    const attempt *best = NULL;
    for (size_t i = 0; i < count; i++)
        if ((!forward || (search.list[i].explains & FORWARD)) && better(&search.list[i], best)) best = &search.list[i];
    if (best) {
        gla_name_cause(out, best->what->cause, "%s", best->sentence);
        out->explains = best->explains;
        out->closer = best->closer;
    }
    free(search.list);
    return GLA_OK;
}

/* ---- together ---- */

/* Not the first head or sequence if others do as well: it is right in kernels that use it for all. Nor the last head:
 * its sums over all heads and over those so far are the same. */
static int distinct(const gla_part *part, const gla_problem *p, int64_t heads) {
    return 4 * (part->head > 0) + 2 * (part->sequence.n > 0) + (part->head + heads < p->H);
}

/* Sequence and block of heads with most bad elements, or nearly so: long sequences say more than short ones. */
static void worst_block(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, unsigned failing,
                        int64_t *n, int64_t *head) {
    int64_t heads = gla_unit_heads(p);
    int64_t most = 0;
    int best = -1;
    for (int64_t block = 0; block < p->N / gla_unit_sequences(p) * (p->H / heads); block++) {
        gla_part part = gla_part_of(p, block / (p->H / heads), block % (p->H / heads) * heads, heads);
        int64_t bad = 0;
        for (int i = 0; i < GLA_OUTPUTS && part.problem.T > 0; i++) {
            int64_t shape[4];
            if (!(failing >> i & 1)) continue;
            gla_output_shape(&part.problem, (gla_output)i, shape);
            int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
            for (int64_t j = 0; j < count; j++)
                bad += gla_is_bad(c, truth, (gla_output)i, gla_part_to_whole(&part, p, (gla_output)i, j));
        }
        bool more = 3 * bad > 4 * most, as_many = 4 * bad >= 3 * most;
        if (part.problem.T == 0 || !(more || (as_many && distinct(&part, p, heads) > best))) continue;
        most = bad > most ? bad : most;
        best = distinct(&part, p, heads);
        *n = part.sequence.n;
        *head = part.head;
    }
}

static gla_status find_cause(const gla_subject *s, const gla_profile *declared, unsigned only, int threads,
                             gla_diagnosis *out) {
    if (gla_pattern_of_nan(s, out)) return GLA_OK;
    gla_status status = try_hypotheses(s, threads, out);
    if (status != GLA_OK || out->found || gla_pattern_of_formats(s, out)) return status;
    status = gla_diagnose_profile(s, declared, only, threads, out);
    if (status != GLA_OK || out->found) return status;
    gla_pattern_of_errors(s, out);
    return GLA_OK;
}

static gla_status diagnose(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                           const gla_judgement *judgement, unsigned only, int threads, gla_diagnosis *out,
                           gla_error *err) {
    unsigned judged = 0, failing = 0, replayed = 0;
    int64_t n = 0, head = 0;
    memset(out, 0, sizeof *out);
    snprintf(out->sentence, sizeof out->sentence, "no known cause fits");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &judgement->tensor[i];
        if (!v->judged || v->verdict == GLA_BROKEN || !candidate->output[i].allowed) continue;
        judged |= 1u << i;
        if (v->verdict == GLA_FAIL) *(v->tier == 1 ? &replayed : &failing) |= 1u << i;
    }
    if (!failing && replayed) {
        gla_name_cause(out, "replay", "no value is wrong, but the bits are not those of the declared arithmetic");
        out->explains = replayed;
    }
    if (!failing) return GLA_OK;
    gla_diagnose_places(p, judgement, candidate, truth, judged, out);
    worst_block(p, candidate, truth, failing, &n, &head);
    gla_subject subject;
    gla_status status = gla_subject_open(p, candidate, truth, judged, n, head, &subject);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) { /* tier 3: no element alone, all together */
        const gla_tensor_verdict *v = &judgement->tensor[i];
        if ((failing >> i & 1) && v->over + v->marginal == 0) subject.out[i].fails = true;
    }
    if (status == GLA_OK) status = find_cause(&subject, judgement->profile, only, threads, out);
    gla_subject_close(&subject);
    return status == GLA_OK ? GLA_OK : gla_fail(err, status, "no diagnosis: %s", gla_status_text(status));
}

/* Of the states as they were judged. */
gla_status gla_diagnose(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                        const gla_judgement *judgement, unsigned only, int threads, gla_diagnosis *out,
                        gla_error *err) {
    gla_candidate own = *candidate;
    gla_bounds none[GLA_OUTPUTS] = {{0}};
    double *regauged[GLA_OUTPUTS] = {NULL};
    gla_status status = gla_gauge_apply(p, truth, &own, none, regauged, err);
    if (status == GLA_OK) status = diagnose(p, &own, truth, judgement, only, threads, out, err);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(regauged[i]);
    return status;
}
