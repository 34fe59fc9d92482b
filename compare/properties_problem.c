/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties that compare a problem with an altered one, bit by bit: causality and permutation (properties.h).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "properties_parts.h"

/* A problem whose dense tensors are copies of another's, to be altered. */
typedef struct altered {
    gla_problem problem;
    double *tensor[GLA_INPUTS];
} altered;

static void altered_free(altered *a) {
    for (int i = 0; i < GLA_INPUTS; i++) free(a->tensor[i]);
}

static gla_status altered_new(const gla_generated *made, altered *a, gla_error *err) {
    *a = (altered){.problem = made->problem};
    for (int i = 0; i < GLA_INPUTS; i++) {
        size_t bytes = (size_t)made->count[i] * sizeof(double);
        if (!made->tensor[i]) continue;
        a->tensor[i] = malloc(bytes);
        if (!a->tensor[i]) {
            altered_free(a);
            return gla_fail(err, GLA_NO_MEMORY, "no memory for an altered problem");
        }
        memcpy(a->tensor[i], made->tensor[i], bytes);
        gla_problem_input(&a->problem, (gla_input)i)->at = a->tensor[i];
    }
    return GLA_OK;
}

/* Gates, rates: what may be summed or compared ahead. */
static bool is_gate(gla_input i) { return gla_input_kind(i) != GLA_KIND_VALUE; }

/* ---- causality ---- */

/* Tokens from `cut` on become another case's. */
static void replace_future(altered *a, const gla_generated *made, const gla_generated *other, int64_t cut, bool gates) {
    for (int i = 0; i < GLA_INPUTS; i++) {
        if (!a->tensor[i] || !gla_input_has_tokens(&made->problem, (gla_input)i)) continue;
        if (is_gate((gla_input)i) && !gates) continue;
        int64_t token = made->count[i] / (made->spec.B * made->spec.T), batch = token * made->spec.T;
        for (int64_t b = 0; b < made->spec.B; b++)
            memcpy(a->tensor[i] + b * batch + cut * token, other->tensor[i] + b * batch + cut * token,
                   (size_t)(batch - cut * token) * sizeof(double));
    }
}

/* The first byte before token `cut` in which o differs, as an element; -1: none. */
static int64_t first_seen(const gla_probe *t, const gla_plugin_result *before, const gla_plugin_result *after,
                          int64_t cut) {
    const unsigned char *a = before->output[0][GLA_O].raw, *b = after->output[0][GLA_O].raw;
    int64_t size = t->dtype->bits / 8, batch = before->output[0][GLA_O].bytes / t->made.spec.B;
    for (int64_t n = 0; n < before->output[0][GLA_O].bytes; n++)
        if (n % batch < batch / t->made.spec.T * cut && a[n] != b[n]) return n / size;
    return -1;
}

/* o before `cut` out of the altered run, after it out of the first one: is all of it within the bound? */
static gla_status judge_past(gla_probe *t, const gla_plugin_result *before, const gla_plugin_result *after, int64_t cut,
                             gla_worst *worst) {
    int64_t batch = t->made.problem.T * t->made.problem.H * t->made.problem.dv, past = batch / t->made.problem.T * cut;
    gla_assembled a;
    gla_status status = gla_assembled_new(t, &a);
    if (status != GLA_OK) return status;
    for (int i = GLA_O + 1; i < GLA_OUTPUTS; i++) {
        free(a.value[i]);
        a.value[i] = NULL;
    }
    for (int64_t n = 0; n < batch * t->made.problem.B; n++)
        a.value[GLA_O][n] = (n % batch < past ? after : before)->first[GLA_O].value[n];
    status = gla_probe_judge(t, &a, worst);
    gla_assembled_free(&a);
    return status;
}

static gla_status run_with_future(gla_probe *t, const gla_generated *other, int64_t cut, bool gates,
                                  gla_plugin_result *r, bool *going) {
    altered a;
    *r = (gla_plugin_result){0};
    *going = false;
    gla_status status = altered_new(&t->made, &a, t->err);
    if (status != GLA_OK) return status;
    replace_future(&a, &t->made, other, cut, gates);
    status = gla_probe_run(t, &a.problem, false, 1, r, going);
    altered_free(&a);
    return status;
}

static gla_status seen(gla_probe *t, int64_t element, int64_t cut, const gla_plugin_result *before,
                       const gla_plugin_result *after) {
    int64_t shape[4], at[4];
    gla_place_text place;
    gla_output_shape(&t->made.problem, GLA_O, shape);
    gla_index_of(shape, element, at);
    return gla_probe_found(t, GLA_VIOLATED,
                           "%s changes from %.9g to %.9g when tokens %" PRId64 " and later are replaced",
                           gla_place_print(GLA_O, at, place), before->first[GLA_O].value[element],
                           after->first[GLA_O].value[element], cut);
}

/* Bits differ with the gates replaced too: with q k v alone they must not, and the values must be right. */
static gla_status excuse_gates(gla_probe *t, const gla_generated *other, int64_t cut, const gla_plugin_result *before,
                               const gla_plugin_result *with_gates, int64_t element, bool *going) {
    gla_plugin_result without;
    gla_worst worst = {0};
    gla_status status = run_with_future(t, other, cut, false, &without, going);
    int64_t other_element = *going ? first_seen(t, before, &without, cut) : -1;
    if (*going && other_element >= 0) {
        *going = false;
        status = seen(t, other_element, cut, before, &without);
    } else if (*going) {
        status = judge_past(t, before, with_gates, cut, &worst);
        *going = status == GLA_OK && worst.ratio <= GLA_PROPERTY_LIMIT;
        if (status == GLA_OK && !*going) seen(t, element, cut, before, with_gates);
    }
    gla_plugin_result_free(&without);
    return status;
}

/* One cut; *going stays true if it holds, *excused becomes true if gates had to be excused. */
static gla_status check_cut(gla_probe *t, const gla_generated *other, const gla_plugin_result *before, int64_t cut,
                            bool *going, bool *excused) {
    gla_plugin_result after;
    gla_status status = run_with_future(t, other, cut, true, &after, going);
    int64_t element = *going ? first_seen(t, before, &after, cut) : -1;
    if (element >= 0) {
        *excused = true;
        status = excuse_gates(t, other, cut, before, &after, element, going);
    }
    gla_plugin_result_free(&after);
    return status;
}

gla_status gla_check_causality(gla_probe *t) {
    gla_case_spec spec = t->made.spec;
    gla_generated other;
    gla_plugin_result before;
    bool going, excused = false;
    spec.seed += 1000003;
    gla_status status = gla_generate(&spec, &other, t->err);
    if (status != GLA_OK) return status;
    status = gla_probe_run(t, &t->made.problem, false, 1, &before, &going);
    int64_t step = t->options->thorough ? 7 : spec.T / 4, cuts = 0;
    if (!t->deterministic && going) {
        going = false;
        gla_probe_found(t, GLA_NOT_APPLICABLE, "without determinism no two runs can be compared");
    }
    for (int64_t cut = 1; status == GLA_OK && going && cut < spec.T; cut += step, cuts++)
        status = check_cut(t, &other, &before, cut, &going, &excused);
    if (status == GLA_OK && going)
        gla_probe_found(t, GLA_HOLDS, "%" PRId64 " cuts: earlier outputs %s", cuts,
                        excused ? "keep their bits but for later gates, and stay within the bound" : "keep their bits");
    gla_plugin_result_free(&before);
    gla_generated_free(&other);
    return status;
}

/* ---- permutation ---- */

/* Element `n` of a dense tensor, with batch (or sequence) moved on by one, and the head, unless heads decay each in its
 * own way. */
static int64_t moved(const gla_problem *p, const int64_t shape[4], bool state, int64_t n) {
    int64_t at[4], head = state ? 1 : 2;
    gla_index_of(shape, n, at);
    at[0] = (at[0] + 1) % shape[0];
    if (!gla_mechanism_of(p)->log_decay) at[head] = (at[head] + 1) % shape[head];
    return ((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3];
}

static void permute(altered *a, const gla_generated *made) {
    for (int i = 0; i < GLA_INPUTS; i++) {
        int64_t shape[4];
        if (!a->tensor[i]) continue;
        gla_input_shape(&made->problem, (gla_input)i, shape);
        for (int64_t n = 0; n < made->count[i]; n++)
            a->tensor[i][moved(&made->problem, shape, gla_is_state_input((gla_input)i), n)] = made->tensor[i][n];
    }
}

static gla_status compare_permuted(gla_probe *t, const gla_plugin_result *before, const gla_plugin_result *after) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const char *a = before->output[0][i].raw, *b = after->output[0][i].raw;
        if (!a) continue;
        int64_t shape[4], at[4], size = gla_plugin_output_format((gla_output)i, t->dtype)->bits / 8;
        bool state = gla_is_state_output((gla_output)i);
        if (!state && !gla_output_has_tokens(&t->made.problem, (gla_output)i)) continue; /* a sum in another order */
        gla_output_shape(&t->made.problem, (gla_output)i, shape);
        for (int64_t n = 0; n < before->output[0][i].bytes / size; n++) {
            gla_place_text place;
            if (memcmp(a + n * size, b + moved(&t->made.problem, shape, state, n) * size, (size_t)size) == 0) continue;
            gla_index_of(shape, n, at);
            return gla_probe_found(t, GLA_VIOLATED, "%s differs when its batch and head are moved to another place",
                                   gla_place_print((gla_output)i, at, place));
        }
    }
    return gla_probe_found(t, GLA_HOLDS, "batches and heads in another order: the same bits in that order");
}

gla_status gla_check_permutation(gla_probe *t) {
    if (!t->deterministic) return gla_probe_found(t, GLA_NOT_APPLICABLE, "it does not claim determinism");
    gla_plugin_result before = {0}, after = {0};
    altered a;
    bool going;
    gla_status status = altered_new(&t->made, &a, t->err);
    if (status != GLA_OK) return status;
    permute(&a, &t->made);
    status = gla_probe_run(t, &t->made.problem, t->backward, 1, &before, &going);
    if (going) status = gla_probe_run(t, &a.problem, t->backward, 1, &after, &going);
    if (going) status = compare_permuted(t, &before, &after);
    gla_plugin_result_free(&before);
    gla_plugin_result_free(&after);
    altered_free(&a);
    return status;
}
