/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: the decay was taken from the gates in another way, or at another time.
 */
#include <math.h>
#include <stdio.h>

#include "diagnose_trial.h"

#define BIT(output) (1u << (output))
#define GATE_GRADIENTS (BIT(GLA_DGK) | BIT(GLA_DGV)) /* of what gate, is not said */

static const gla_input gates[] = {GLA_IN_GK, GLA_IN_GV};

static int64_t count_of(const gla_problem *p, gla_input name) {
    int64_t shape[4];
    gla_input_shape(p, name, shape);
    return shape[0] * shape[1] * shape[2] * shape[3];
}

/* Every gate through f; false if that changes none. */
static bool map_gates(gla_trial *t, double (*f)(double g, double x), double x) {
    bool changed = false;
    for (int a = 0; a < 2; a++) {
        double *g = gla_trial_edit(t, gates[a]);
        for (int64_t i = 0, count = g ? count_of(&t->p, gates[a]) : 0; i < count; i++) {
            double was = g[i];
            g[i] = f(was, x);
            changed = changed || g[i] != was;
        }
    }
    return changed && gla_trial_run(t);
}

static double times(double g, double x) { return g * x; }
static double at_least(double g, double x) { return fmax(g, x); }
static double open_if_shut(double g, double x) { return isinf(g) ? x : g; }

/* e^(e^g) grows: as far as binary64 reaches. */
static double exponential(double g, double x) { return exp(g); }
static bool factor_as_log(gla_trial *t) { return t->p.T < 600 && map_gates(t, exponential, 0); }

static bool base_two(gla_trial *t) { return map_gates(t, times, 0x1.62e42fefa39efp-1); }
static bool base_e(gla_trial *t) { return map_gates(t, times, 0x1.71547652b82fep+0); }
static bool decay_twice(gla_trial *t) { return map_gates(t, times, 2); }
static bool reset_lost(gla_trial *t) { return map_gates(t, open_if_shut, 0); }

static double to_bf16(double g, double x) { return gla_round(&gla_bf16, GLA_RN, g, 0); }
static bool gates_rounded(gla_trial *t) { return map_gates(t, to_bf16, 0); }

/* Running sums kept in bf16 inside chunks of C: the decays are their differences. */
static bool sums_rounded(gla_trial *t) {
    static const int64_t sizes[] = {64, 128, 32, 16};
    int64_t C = sizes[t->variant];
    double *g = gla_trial_edit(t, GLA_IN_GK);
    if (!g) return false;
    int64_t count = count_of(&t->p, GLA_IN_GK), width = count / t->p.T;
    for (int64_t c = 0; c < width; c++) {
        double sum = 0;
        for (int64_t r = 0; r < t->p.T; r++) {
            double before = r % C == 0 ? 0 : sum, own = g[r * width + c];
            if (isinf(own)) return false; /* no sum to round */
            sum = gla_round(&gla_bf16, GLA_RN, before + own, 0);
            g[r * width + c] = sum - before;
        }
    }
    snprintf(t->sentence, sizeof t->sentence, "the running sums of gates inside chunks of %d are kept in bf16", (int)C);
    return gla_trial_run(t);
}

static bool clamped(gla_trial *t) {
    static const double floors[] = {-1, -5, -10, -20, -50, -87, -88, -100};
    snprintf(t->sentence, sizeof t->sentence, "gates below %g are taken as %g", floors[t->variant], floors[t->variant]);
    return map_gates(t, at_least, floors[t->variant]);
}

static bool gates_ignored(gla_trial *t) {
    bool key = gla_trial_drop(t, GLA_IN_GK), value = gla_trial_drop(t, GLA_IN_GV);
    bool fixed = gla_mechanism_of(&t->p)->log_decay != NULL;
    if (fixed) t->p.mechanism = gla_mechanism_named("linear_attention");
    return (key || value || fixed) && gla_trial_run(t);
}

/* A fixed decay of the head behind (variant 0), or of another schedule. */
static bool other_decay(gla_trial *t) {
    const gla_choice *schedules = gla_mechanism_of(&t->p)->schedules;
    int other = t->variant <= t->p.decay.schedule ? t->variant - 1 : t->variant;
    if (!schedules) return false;
    if (t->variant == 0) {
        t->p.decay.head++;
        snprintf(t->sentence, sizeof t->sentence, "every head decays as the head behind it should");
        return gla_trial_run(t);
    }
    for (int i = 0; i <= other; i++)
        if (!schedules[i].name) return false;
    t->p.decay.schedule = other;
    snprintf(t->sentence, sizeof t->sentence, "the decays are those of schedule %s: %s", schedules[other].name,
             schedules[other].what);
    return gla_trial_run(t);
}

static bool one_gate_ignored(gla_trial *t) {
    if (!t->p.gk.at || !t->p.gv.at) return false;
    snprintf(t->sentence, sizeof t->sentence, "the gate %s is ignored", gla_input_names[gates[t->variant]]);
    return gla_trial_drop(t, gates[t->variant]) && gla_trial_run(t);
}

/* alpha = g itself, negative: S'_t = S_t / sigma_t with sigma_t the sign of the product of the gates so far has decay
 * |g|, writes sigma k and is read by sigma q. Key gates alone, one head for q k g. */
static bool log_as_factor(gla_trial *t) {
    gla_problem *p = &t->p;
    double *S, *last;
    if (gla_input_axes(gla_mechanism_of(p), GLA_IN_GK) != GLA_PER_KEY) return false;
    if (!p->gk.at || p->gv.at || p->gk.heads != p->q.heads || p->gk.heads != p->k.heads) return false;
    double *g = gla_trial_edit(t, GLA_IN_GK), *q = gla_trial_edit(t, GLA_IN_Q), *k = gla_trial_edit(t, GLA_IN_K);
    int64_t width = p->gk.heads * p->dk;
    last = gla_memory_take(&t->memory, width); /* sigma_T */
    if (t->memory.full) return false;
    for (int64_t c = 0; c < width; c++) {
        double sign = 1, grown = 0;
        for (int64_t i = c; i < p->T * width; i += width) {
            sign = g[i] < 0 ? -sign : sign;
            g[i] = log(fabs(g[i]));
            grown = fmax(0, grown + g[i]);
            q[i] *= sign;
            k[i] *= sign;
            if (!(grown < 600)) return false; /* no finite outputs to compare with */
        }
        last[c] = sign;
    }
    if (!gla_trial_run(t)) return false;
    S = t->value[GLA_FINAL_STATE];
    for (int64_t i = 0; p->H == p->gk.heads && i < width * p->dv; i++) S[i] *= last[i / p->dv];
    return true;
}

/* g_{t-1} or g_{t+1} in the place of g_t. */
static bool gate_shifted(gla_trial *t) {
    bool late = t->variant == 0, any = false;
    gla_problem right = t->s->p;
    for (int a = 0; a < 2; a++) {
        double *g = gla_trial_edit(t, gates[a]);
        if (!g) continue;
        int64_t count = count_of(&t->p, gates[a]), width = count / t->p.T;
        const double *from = gla_problem_input(&right, gates[a])->at;
        for (int64_t i = 0; i < count; i++) {
            int64_t other = late ? i - width : i + width;
            g[i] = other < 0 || other >= count ? 0 : from[other];
        }
        any = true;
    }
    snprintf(t->sentence, sizeof t->sentence, "the gates are taken one token %s", late ? "late" : "early");
    return any && t->p.T > 1 && gla_trial_run(t);
}

/* Write, then decay: S_t = alpha_t (S_{t-1} + k_t v_t), so k and v come decayed by their own gates. */
static bool write_then_decay(gla_trial *t) {
    static const gla_input written[] = {GLA_IN_K, GLA_IN_V};
    bool any = false;
    for (int a = 0; a < 2; a++) {
        const gla_tensor *gate = gla_problem_input(&t->p, gates[a]), *x = gla_problem_input(&t->p, written[a]);
        if (!gate->at) continue;
        if (gate->heads != x->heads) return false;
        double *to = gla_trial_edit(t, written[a]);
        int64_t count = to ? count_of(&t->p, written[a]) : 0, gated = count_of(&t->p, gates[a]);
        if (count % gated != 0) return false; /* a gate of slots */
        for (int64_t i = 0; i < count; i++) to[i] *= exp(gate->at[i / (count / gated)]);
        any = true;
    }
    return any && gla_trial_run(t);
}

const gla_hypothesis gla_altered_gates[] = {
    {"gates-ignored", "the gates are ignored: nothing decays", 1, gates_ignored, GATE_GRADIENTS, GLA_TOGETHER},
    {"other-decay", NULL, 3, other_decay, 0, GLA_TOGETHER},
    {"one-gate-ignored", NULL, 2, one_gate_ignored, GATE_GRADIENTS, GLA_TOGETHER},
    {"gate-base-2", "the natural-log gates were taken to base 2: decays are 2^g instead of e^g", 1, base_two,
     GATE_GRADIENTS, GLA_TOGETHER},
    {"gate-base-e", "gates were converted to base 2 but raised in base e: decays are e^(g / ln 2)", 1, base_e,
     GATE_GRADIENTS, GLA_TOGETHER},
    {"decay-twice", "the decay is applied twice: e^(2 g)", 1, decay_twice, GATE_GRADIENTS, GLA_TOGETHER},
    {"log-gate-as-gate", "the log gate was taken as the decay itself: S is multiplied by g instead of e^g", 1,
     log_as_factor, GATE_GRADIENTS | BIT(GLA_DQ) | BIT(GLA_DK), GLA_TOGETHER},
    {"gate-as-log-gate", "the decay e^g was taken for the log gate: S is multiplied by e^(e^g)", 1, factor_as_log,
     GATE_GRADIENTS, GLA_TOGETHER},
    {"decay-after-write", "decay and write are swapped: the write of a token is decayed by its own gate", 1,
     write_then_decay, GATE_GRADIENTS | BIT(GLA_DK) | BIT(GLA_DV), GLA_TOGETHER},
    {"gate-rounded", "the gates were rounded to bf16", 1, gates_rounded, GATE_GRADIENTS, GLA_TOGETHER},
    {"gate-sum-rounded", NULL, 4, sums_rounded, GATE_GRADIENTS, GLA_TOGETHER},
    {"gate-shifted", NULL, 2, gate_shifted, GATE_GRADIENTS, GLA_TOGETHER},
    {"reset-lost", "a gate of -inf does not reset: it was taken as no decay", 1, reset_lost, GATE_GRADIENTS,
     GLA_TOGETHER},
    {"gate-clamped", NULL, 8, clamped, GATE_GRADIENTS, GLA_TOGETHER},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
