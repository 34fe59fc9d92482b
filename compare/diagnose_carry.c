/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: what passes from chunk to chunk is wrong. The subject is cut into sequences of C tokens, each with the
 * state that enters it from the left and the gradient of the state that enters it from the right:
 *     S_in(c+1) = through(c) S_in(c) + what chunk c adds           right; first the initial state
 *     F_in(c-1) = through(c) F_in(c) + what chunk c sends back     right; last dfinal_state
 * A fault alters one of the two lines: the carry is lost, none enters at all (not even at the end), only the
 * neighbour's is seen, or it is not decayed. The other line stays right. Or only the last, partial chunk is at fault:
 * its decay is that of a whole chunk, or none, or its last tokens never enter the state.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diagnose_trial.h"

#define BIT(output) (1u << (output))

typedef enum fault { RIGHT, LOST, NONE, REPLACED, UNDECAYED, FAULTS } fault;

enum { CHUNK_SIZES = 5 };
static const int64_t chunk_sizes[CHUNK_SIZES] = {64, 128, 32, 16, 256};

/* The chunks as sequences of a problem of their own; states [N,H,dk,dv], all dense. */
typedef struct carry {
    int64_t N, state;                 /* chunks; elements of a chunk's states */
    double *initial, *final_gradient; /* what enters */
    const double *added, *sent_back;  /* by each chunk alone */
    double *through;                  /* its decay, elementwise */
} carry;

/* The state input x of the subject, spread over all heads, to `to`; zeros if absent. */
static void spread(const gla_problem *p, const gla_tensor *x, double *to) {
    int64_t size = p->dk * p->dv;
    for (int64_t h = 0; x->at && h < p->H; h++)
        memcpy(to + h * size, x->at + gla_head(p, x->heads, h) * size, (size_t)size * sizeof *to);
}

static double gate_sum(const gla_problem *p, const gla_tensor *g, int64_t D, int64_t h, int64_t i, int64_t first,
                       int64_t end) {
    double sum = 0;
    for (int64_t t = first; g->at && t < end; t++) sum += g->at[(t * g->heads + gla_head(p, g->heads, h)) * D + i];
    return sum;
}

/* gk dense [T,H,dk], or NULL. */
static double key_sum(const gla_problem *p, const double *gk, int64_t h, int64_t i, int64_t first, int64_t end) {
    double sum = 0;
    for (int64_t t = first; gk && t < end; t++) sum += gk[(t * p->H + h) * p->dk + i];
    return sum;
}

static void find_through(const gla_problem *p, const double *gk, const int64_t *cu, carry *c) {
    for (int64_t n = 0, at = 0; n < c->N; n++)
        for (int64_t h = 0; h < p->H; h++)
            for (int64_t i = 0; i < p->dk; i++) {
                double key = key_sum(p, gk, h, i, cu[n], cu[n + 1]);
                for (int64_t j = 0; j < p->dv; j++)
                    c->through[at++] = exp(key + gate_sum(p, &p->gv, p->dv, h, j, cu[n], cu[n + 1]));
            }
}

/* Cuts trial->p, and runs the chunks alone. */
static bool cut(gla_trial *t, int64_t C, carry *c) {
    gla_problem *p = &t->p;
    double *local[GLA_OUTPUTS] = {0};
    *c = (carry){.N = (p->T + C - 1) / C, .state = p->H * p->dk * p->dv};
    if (c->N < 2) return false;
    int64_t *cu = (int64_t *)gla_memory_take(&t->memory, c->N + 1); /* 8 bytes as well */
    c->initial = gla_memory_take(&t->memory, c->N * c->state);
    c->final_gradient = gla_memory_take(&t->memory, c->N * c->state);
    c->through = gla_memory_take(&t->memory, c->N * c->state);
    const double *gk = gla_trial_key_gates(t);
    if (t->memory.full) return false;
    for (int64_t n = 0; n <= c->N; n++) cu[n] = n * C < p->T ? n * C : p->T;
    find_through(p, gk, cu, c);
    p->N = c->N;
    p->cu_seqlens = cu;
    gla_tensor_dense(&p->initial_state, c->initial, 0, p->H, p->dk, p->dv);
    gla_tensor_dense(&p->d_final_state, c->final_gradient, 0, p->H, p->dk, p->dv);
    if (!gla_trial_outputs(t, p, local)) return false;
    c->added = local[GLA_FINAL_STATE];
    c->sent_back = local[GLA_DINITIAL_STATE];
    return true;
}

/* Chunk `to` receives from its neighbour `from`. */
static void pass_on(const carry *c, double *entering, const double *own, int64_t from, int64_t to, fault f) {
    for (int64_t i = 0; i < c->state; i++) {
        double before = entering[from * c->state + i], add = own[from * c->state + i];
        double decayed = before * c->through[from * c->state + i];
        entering[to * c->state + i] = f == UNDECAYED  ? before + add
                                      : f == REPLACED ? add
                                      : f == RIGHT    ? decayed + add
                                                      : 0;
    }
}

static void fill_forward(const gla_subject *s, carry *c, fault f) {
    spread(&s->p, &s->p.initial_state, c->initial);
    for (int64_t n = 1; n < c->N; n++) pass_on(c, c->initial, c->added, n - 1, n, f);
    if (f == NONE) memset(c->initial, 0, (size_t)c->state * sizeof *c->initial);
}

static void fill_backward(const gla_subject *s, carry *c, fault f) {
    double *last = c->final_gradient + (c->N - 1) * c->state;
    spread(&s->p, &s->p.d_final_state, last);
    for (int64_t n = c->N - 1; n > 0 && s->backward; n--) pass_on(c, c->final_gradient, c->sent_back, n, n - 1, f);
    if (f == NONE) memset(last, 0, (size_t)c->state * sizeof *last);
}

/* The state after the last chunk and the gradient before the first, by the same rule. */
static void set_ends(gla_trial *t, const carry *c, fault forward, fault backward) {
    int64_t last = (c->N - 1) * c->state;
    double *S = t->value[GLA_FINAL_STATE], *F = t->value[GLA_DINITIAL_STATE];
    S += last;
    for (int64_t i = 0; i < c->state; i++) {
        double whole = c->initial[last + i] + c->added[last + i];
        S[i] = forward == UNDECAYED ? whole : forward == REPLACED ? c->added[last + i] : S[i];
    }
    t->value[GLA_FINAL_STATE] = forward == NONE ? t->s->out[GLA_FINAL_STATE].want : S; /* not read is still written */
    if (backward == NONE) t->value[GLA_DINITIAL_STATE] = t->s->out[GLA_DINITIAL_STATE].want;
    for (int64_t i = 0; F && backward != NONE && i < c->state; i++)
        F[i] = backward == UNDECAYED  ? c->final_gradient[i] + c->sent_back[i]
               : backward == REPLACED ? c->sent_back[i]
                                      : F[i];
    const gla_problem *was = &t->s->p;
    if (backward != NONE && was->initial_state.at && was->initial_state.heads != was->H)
        t->value[GLA_DINITIAL_STATE] = NULL;
}

/* Has output `name` a bad element among its tokens first .. end - 1? */
static bool bad_among(const gla_subject *s, gla_output name, int64_t first, int64_t end) {
    int64_t width = s->out[name].shape[2] * s->out[name].shape[3];
    for (int64_t i = first * width; s->out[name].got && i < end * width; i++)
        if (!(s->out[name].weight[i] * fabs(s->out[name].got[i] - s->out[name].want[i]) <= 1)) return true;
    return false;
}

/* What comes from chunk to chunk leaves the first chunk's o alone, and the last chunk's dk and dv: that costs no run.
 */
static bool possible(const gla_subject *s, int64_t C, fault forward, fault backward) {
    int64_t last = (s->p.T - 1) / C * C;
    if (s->p.T <= C) return false;
    if (forward != RIGHT && forward != NONE && bad_among(s, GLA_O, 0, C)) return false;
    if (forward != RIGHT || backward == RIGHT || backward == NONE) return true;
    return !bad_among(s, GLA_DK, last, s->p.T) && !bad_among(s, GLA_DV, last, s->p.T);
}

static bool is_gated(const gla_problem *p) { return p->gk.at || p->gv.at || gla_mechanism_of(p)->log_decay; }

static bool carried(gla_trial *t, fault forward, fault backward) {
    int64_t C = chunk_sizes[t->variant % CHUNK_SIZES];
    carry c;
    if (!gla_is_plain(&t->p) || !possible(t->s, C, forward, backward)) return false;
    if ((forward == UNDECAYED || backward == UNDECAYED) && !is_gated(&t->p)) return false;
    if (backward != RIGHT && !t->s->backward) return false;
    if (!cut(t, C, &c)) return false;
    fill_forward(t->s, &c, forward);
    fill_backward(t->s, &c, backward);
    if (!gla_trial_run(t)) return false;
    set_ends(t, &c, forward, backward);
    return true;
}

/* ---- the last, partial chunk ---- */

enum { TAIL_FAULTS = 4, SUBCHUNK = 16 };

/* The chunk of `rest` tokens decays the state as one of C tokens would, or not at all. */
static bool tail_decay(gla_trial *t, int64_t C, int64_t rest, bool full) {
    carry c;
    double *S = gla_is_plain(&t->p) ? gla_trial_want(t, GLA_FINAL_STATE) : NULL;
    if (!S || !is_gated(&t->p) || !cut(t, C, &c)) return false;
    fill_forward(t->s, &c, RIGHT);
    for (int64_t i = 0; i < c.state; i++) {
        int64_t at = (c.N - 1) * c.state + i;
        S[i] = c.added[at] + c.initial[at] * (full ? pow(c.through[at], (double)C / (double)rest) : 1);
    }
    return true;
}

/* The last `lost` tokens are not written. */
static bool tail_lost(gla_trial *t, int64_t lost) {
    double *all[GLA_OUTPUTS] = {0}, *k = gla_trial_edit(t, GLA_IN_K);
    int64_t width = t->p.k.heads * t->p.dk;
    if (!k) return false;
    memset(k + (t->p.T - lost) * width, 0, (size_t)(lost * width) * sizeof *k);
    if (!gla_trial_outputs(t, &t->p, all)) return false;
    t->value[GLA_FINAL_STATE] = all[GLA_FINAL_STATE];
    return true;
}

/* Of the final state alone. */
static bool tail(gla_trial *t) {
    static const char *const faults[TAIL_FAULTS] = {"decays it as a whole chunk would", "does not decay it",
                                                    "is not in it past the last multiple of 16", "is not in it"};
    int64_t C = chunk_sizes[t->variant % CHUNK_SIZES], rest = t->p.T % C, what = t->variant / CHUNK_SIZES;
    if (!t->s->out[GLA_FINAL_STATE].fails || t->s->out[GLA_O].fails || rest == 0 || rest == t->p.T) return false;
    if (what == 2 && (rest % SUBCHUNK == 0 || rest < SUBCHUNK)) return false;
    snprintf(t->sentence, sizeof t->sentence,
             "final_state is wrong by the last, partial chunk (%d of %d tokens), which %s", (int)rest, (int)C,
             faults[what]);
    return what < 2 ? tail_decay(t, C, rest, what == 0) : tail_lost(t, what == 2 ? rest % SUBCHUNK : rest);
}

static void say(gla_trial *t, const char *what) {
    snprintf(t->sentence, sizeof t->sentence, "%s (chunks of %d tokens)", what,
             (int)chunk_sizes[t->variant % CHUNK_SIZES]);
}

static bool carry_lost(gla_trial *t) {
    say(t, "the state and its gradient are not carried from chunk to chunk");
    return carried(t, LOST, LOST);
}

static bool forward_carry(gla_trial *t) {
    static const char *const sentences[FAULTS] = {
        [LOST] = "the state is not carried from chunk to chunk: each starts from nothing",
        [NONE] = "what a chunk reads from the state that enters it is missing",
        [REPLACED] = "a chunk replaces the state instead of adding to it: the next sees only that chunk",
        [UNDECAYED] = "the state carried from chunk to chunk is not decayed over the chunk"};
    fault f = (fault)(1 + t->variant / CHUNK_SIZES);
    say(t, sentences[f]);
    return carried(t, f, RIGHT);
}

static bool backward_carry(gla_trial *t) {
    static const char *const sentences[FAULTS] = {
        [LOST] = "the gradient of the state is not carried back from chunk to chunk",
        [NONE] = "what comes back through the state that leaves a chunk is missing",
        [REPLACED] = "a chunk replaces the gradient of the state instead of adding to it",
        [UNDECAYED] = "the gradient of the state carried back from chunk to chunk is not decayed over the chunk"};
    fault f = (fault)(1 + t->variant / CHUNK_SIZES);
    say(t, sentences[f]);
    return carried(t, RIGHT, f);
}

/* A kernel with one line wrong makes dg by an identity that then does not hold: nothing is said of gate gradients. */
#define GATE_GRADIENTS (BIT(GLA_DGK) | BIT(GLA_DGV))

const gla_hypothesis gla_altered_carries[] = {
    {"tail-state", NULL, TAIL_FAULTS *CHUNK_SIZES, tail, 0, GLA_APART},
    {"carry-lost", NULL, CHUNK_SIZES, carry_lost, 0, GLA_TOGETHER},
    {"carry", NULL, (FAULTS - 1) * CHUNK_SIZES, forward_carry, GATE_GRADIENTS, GLA_TOGETHER},
    {"carry-back", NULL, (FAULTS - 1) * CHUNK_SIZES, backward_carry, GATE_GRADIENTS, GLA_TOGETHER},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
