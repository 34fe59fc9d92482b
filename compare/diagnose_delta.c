/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: the delta rule with one of its parts another. beta first: altered inputs, run again. Then the step
 * itself, Z_t = D_t S_{t-1} ;  u_t = beta_t (v_t - Z_t^T k_t) ;  S_t = Z_t + k_t u_t^T ;  o_t = s S_t^T q_t token by
 * token in binary64 with one fault, of which o and the final state are said and no gradient.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diagnose_trial.h"

#define BIT(output) (1u << (output))

/* ---- beta ---- */

static bool beta_altered(gla_trial *t) {
    static const char *const sentences[] = {"beta is applied twice", "beta is ignored: it is 1",
                                            "beta goes through a sigmoid, though it has",
                                            "beta is twice what it should be", "beta is half of what it should be"};
    double *beta = gla_trial_edit(t, GLA_IN_BETA);
    int64_t shape[4];
    gla_input_shape(&t->p, GLA_IN_BETA, shape);
    for (int64_t i = 0; beta && i < shape[0] * shape[1] * shape[2] * shape[3]; i++) {
        const double x = beta[i], altered[] = {x * x, 1, 1 / (1 + exp(-x)), 2 * x, x / 2};
        beta[i] = altered[t->variant];
    }
    snprintf(t->sentence, sizeof t->sentence, "%s", sentences[t->variant]);
    return beta && gla_trial_run(t);
}

/* ---- the step ---- */

typedef enum fault { NO_CORRECTION, UNDECAYED, DECAYED_WRITE, UNSCALED_WRITE, UNSCALED_ERASURE, FAULTS } fault;

typedef struct head {
    const gla_problem *p;
    gla_sequence s;
    int64_t h;
    double *S, *o; /* [dk,dv], of all tokens [T,H,dv] */
    double *u;     /* [dv] */
} head;

static double token(const head *x, gla_input name, int64_t t, int64_t i) {
    gla_tensor tensor = gla_acting_input(x->p, name);
    return gla_tensor_token(x->p, &tensor, &x->s, x->h, t, i);
}

/* e^g, 1 without a gate. */
static double decay(const head *x, int64_t t, int64_t i) { return x->p->gk.at ? exp(token(x, GLA_IN_GK, t, i)) : 1; }

static void decay_state(head *x, int64_t t) {
    for (int64_t i = 0; i < x->p->dk; i++) {
        double alpha = decay(x, t, i);
        for (int64_t j = 0; j < x->p->dv; j++) x->S[i * x->p->dv + j] *= alpha;
    }
}

/* u_t from the state as it stands. */
static void correct(head *x, int64_t t, fault f) {
    double beta = token(x, GLA_IN_BETA, t, 0);
    for (int64_t j = 0; j < x->p->dv; j++) {
        double known = 0, v = token(x, GLA_IN_V, t, j);
        for (int64_t i = 0; i < x->p->dk && f != NO_CORRECTION; i++)
            known += token(x, GLA_IN_K, t, i) * x->S[i * x->p->dv + j];
        x->u[j] = f == UNSCALED_WRITE     ? v - beta * known
                  : f == UNSCALED_ERASURE ? beta * v - known
                                          : beta * (v - known);
    }
}

static void write_and_read(head *x, int64_t t, bool then_decay) {
    int64_t dv = x->p->dv;
    double *o = x->o + (t * x->p->H + x->h) * dv;
    for (int64_t i = 0; i < x->p->dk; i++)
        for (int64_t j = 0; j < dv; j++) x->S[i * dv + j] += token(x, GLA_IN_K, t, i) * x->u[j];
    if (then_decay) decay_state(x, t);
    for (int64_t i = 0; i < x->p->dk; i++)
        for (int64_t j = 0; j < dv; j++) o[j] += x->p->scale * token(x, GLA_IN_Q, t, i) * x->S[i * dv + j];
}

static void run_head(head *x, fault f) {
    for (int64_t t = 0; t < x->p->T; t++) {
        bool late = f == UNDECAYED || f == DECAYED_WRITE;
        if (!late) decay_state(x, t);
        correct(x, t, f);
        if (f == UNDECAYED) decay_state(x, t);
        write_and_read(x, t, f == DECAYED_WRITE);
    }
}

static bool step_altered(gla_trial *t) {
    static const char *const sentences[FAULTS] = {
        "the state's prediction is not subtracted: u = beta v",
        "the prediction's error is taken against the state before its decay",
        "the decay comes after the write: the token's own write is decayed too",
        "beta scales the prediction alone, not the value: u = v - beta S^T k",
        "beta scales the value alone, not the prediction: u = beta v - S^T k"};
    const gla_problem *p = &t->p;
    fault f = (fault)t->variant;
    if (!(gla_mechanism_of(p)->inputs & 1u << GLA_IN_BETA)) return false;
    if ((f == UNDECAYED || f == DECAYED_WRITE) && !p->gk.at) return false;
    int64_t state = p->dk * p->dv;
    double *S = t->value[GLA_FINAL_STATE] = gla_memory_take(&t->memory, p->H * state);
    double *o = t->value[GLA_O] = gla_memory_take(&t->memory, p->T * p->H * p->dv);
    double *u = gla_memory_take(&t->memory, p->dv);
    for (int64_t h = 0; h < p->H && !t->memory.full; h++) {
        head x = {.p = p, .s = gla_sequence_at(p, 0), .h = h, .S = S + h * state, .o = o, .u = u};
        for (int64_t i = 0; p->initial_state.at && i < state; i++)
            x.S[i] = gla_tensor_state(p, &p->initial_state, &x.s, h, i / p->dv, i % p->dv);
        run_head(&x, f);
    }
    snprintf(t->sentence, sizeof t->sentence, "%s", sentences[f]);
    return !t->memory.full;
}

const gla_hypothesis gla_altered_delta[] = {
    {"beta", NULL, 5, beta_altered, 0, GLA_TOGETHER},
    {"delta-step", NULL, FAULTS, step_altered, ~(BIT(GLA_O) | BIT(GLA_FINAL_STATE)), GLA_TOGETHER},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
