/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox explain: why an element is allowed the error it is allowed, term by term, with this case's numbers.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli.h"
#include "cli_candidate.h"
#include "explain.h"
#include "io/profile_file.h"

static const char name[] = "explain";

typedef struct settings {
    cli_one_case one;
    const char *profile;
    gla_profile declared; /* where a profile was asked for */
    bool chosen;          /* --at given */
    gla_output output;
    int64_t at[4];
} settings;

static const struct argp_option table[] = {
    {"at", 'a', "o[B,T,H,I]", 0, "The element (states: [N,H,I,J]); default: the one nearest to its bound", 0},
    {"candidate", 'c', "FILE", 0, "The outputs in FILE instead of the case's own", 0},
    {"profile", 'p', "NAME|FILE", 0,
     "What the kernel declares about its rounding: see list, or a JSON file (default by dtype)", 0},
    {0}};

static error_t parse_at(struct argp_state *state, const char *text, settings *s) {
    size_t length = strcspn(text, "[");
    int found = cli_output_named(text, length), read = 0;
    if (found < 0) return cli_bad(state, "--at: no output '%.*s'", (int)length, text);
    int fields = sscanf(text + length, "[%" SCNd64 ",%" SCNd64 ",%" SCNd64 ",%" SCNd64 "]%n", &s->at[0], &s->at[1],
                        &s->at[2], &s->at[3], &read);
    if (fields != 4 || read == 0 || text[length + (size_t)read])
        return cli_bad(state, "--at: '%.60s' is not like o[0,12,1,5]", text);
    s->output = (gla_output)found;
    s->chosen = true;
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->one;
        return 0;
    case 'a':
        return parse_at(state, argument, s);
    case 'c':
        s->one.load.candidate = argument;
        return 0;
    case 'p':
        s->profile = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_one_case_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "CASE",
    .doc = "The bound of one element, term by term."
           "\vThe profile's formulation is run with one kind of rounding, then with another added, until all that the "
           "profile declares are there; a term is what its kind adds to those below it. Independent roundings add in "
           "quadrature, up to what they could do if all conspired; systematic errors add up. A bit that differs from "
           "check's --replay has no bound to explain.\n\n"
           "Example:\n  glassbox explain data/real/gla_chunk_bf16_mild.safetensors --at 'o[0,26,0,109]'",
    .children = children};

/* ---- the element ---- */

/* Everything that is said about it. */
typedef struct subject {
    gla_case c;
    gla_candidate candidate;
    gla_truth truth;
    const gla_profile *profile;
    gla_output output;
    int64_t at[4], index;
} subject;

static const gla_format *format_of(const gla_case *c, gla_output output) {
    return c->output[output].present ? gla_dtype_format(c->output[output].dtype) : &gla_binary64_format;
}

/* The element nearest to (or furthest beyond) its bound, over all outputs of the file. */
static gla_status find_worst(subject *x, gla_error *err) {
    gla_judgement j;
    gla_status status = gla_judge(&x->c.problem, &x->candidate, &x->truth, x->profile, 0, 0, &j, err);
    if (status != GLA_OK) return status;
    double worst = -1;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &j.tensor[i];
        if (!v->judged || v->verdict == GLA_BROKEN || !(v->worst > worst)) continue;
        worst = v->worst;
        x->output = (gla_output)i;
        memcpy(x->at, v->at, sizeof x->at);
    }
    if (worst >= 0) return GLA_OK;
    gla_fail(err, GLA_BAD_VALUE, "the file holds no outputs to compare");
    return gla_hint(err, GLA_BAD_VALUE, "name the element: --at 'o[0,0,0,0]'");
}

static gla_status choose(const settings *s, subject *x, gla_error *err) {
    cli_outputs_of(&x->c, &x->candidate);
    bool backward = (s->chosen && s->output >= GLA_DQ) || gla_judging_needs_gradients(&x->candidate, 0);
    x->profile = s->profile ? &s->declared : cli_default_profile(&x->candidate);
    gla_truth_options o = {.backward = backward, .close_enough = GLA_CLOSE_ENOUGH};
    gla_status status = gla_truth_compute(&x->c.problem, &o, &x->truth, err);
    if (status != GLA_OK) return status;
    if (!s->chosen)
        status = find_worst(x, err);
    else {
        x->output = s->output;
        memcpy(x->at, s->at, sizeof x->at);
    }
    return status;
}

/* ---- the text ---- */

static void print_rule(const gla_rounding_rule *rule) {
    char text[32];
    int e;
    double m = frexp(rule->u, &e);
    if (m == 0.5)
        snprintf(text, sizeof text, "2^%d%s", e - 1, rule->one_sided ? ", one-sided" : "");
    else
        snprintf(text, sizeof text, "%.2g%s", rule->u, rule->one_sided ? ", one-sided" : "");
    printf(" %-17s", text);
}

static void print_terms(const gla_explanation *e) {
    printf("  %-13s %-17s %11s %11s %11s  %s\n", "source", "relative error", "random", "conspiring", "systematic",
           "what");
    for (int i = 0; i < e->terms; i++) {
        printf("  %-13s", e->term[i].source);
        print_rule(&e->term[i].rule);
        printf(" %11.3g %11.3g %11.3g  %s\n", e->term[i].random, e->term[i].worst, e->term[i].systematic,
               e->term[i].what);
    }
    printf("  %-13s %-17s %11.3g %11.3g %11.3g\n", "together", "", e->random, e->worst, e->systematic);
    printf("  allowed = min(random, conspiring) + systematic = %.6g\n", e->allowed);
}

static void print_element(const subject *x, const gla_explanation *e) {
    double want = x->truth.tensor[x->output].value[x->index];
    double magnitude = x->truth.tensor[x->output].magnitude[x->index];
    cli_index_text at;
    printf("%s%s of %s, profile %s: %s\n", gla_output_names[x->output], cli_shape(x->at, at), x->c.name,
           x->profile->name, x->profile->what);
    printf("  formulation %s; random = 3.5 times the root of the sum of squares\n", e->form);
    printf("  truth %.17g (%a), condition number %.3g\n", want, want, want != 0 ? magnitude / fabs(want) : INFINITY);
    if (x->c.output[x->output].value) {
        double got = x->c.output[x->output].value[x->index];
        printf("  got   %.9g, error %.3g, error/bound %.3g\n", got, fabs(got - want), fabs(got - want) / e->allowed);
    }
    print_terms(e);
    if (e->allowed == 0) printf("  every intermediate is exact in the declared formats: only the exact value passes\n");
}

static gla_status explain(const settings *s, subject *x, gla_error *err) {
    gla_explanation e;
    gla_status status = gla_case_load(s->one.path, &s->one.load, &x->c, err);
    if (status == GLA_OK) status = choose(s, x, err);
    if (status == GLA_OK)
        status = gla_explain(&x->c.problem, x->profile, x->output, x->at, format_of(&x->c, x->output), &e, err);
    if (status != GLA_OK) return status;
    if (!x->truth.tensor[x->output].present)
        return gla_fail(err, GLA_UNSUPPORTED, "this problem has no %s", gla_output_names[x->output]);
    const int64_t *shape = x->truth.tensor[x->output].shape;
    x->index = ((x->at[0] * shape[1] + x->at[1]) * shape[2] + x->at[2]) * shape[3] + x->at[3];
    print_element(x, &e);
    return GLA_OK;
}

static int run(int argc, char **argv) {
    settings s = {0};
    subject x = {0};
    gla_error err = {0};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    if (s.profile && gla_profile_find(s.profile, &s.declared, &err) != GLA_OK) return cli_fail(name, &err);
    gla_status status = explain(&s, &x, &err);
    gla_truth_free(&x.truth);
    gla_case_free(&x.c);
    return status == GLA_OK ? CLI_PASS : cli_fail(name, &err);
}

const cli_command cli_explain = {"explain", "the bound of one element, term by term", run};
