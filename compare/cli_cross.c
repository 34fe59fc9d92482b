/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox cross: every formulation and route of the gate gradient against the certified truth, on one generated
 * problem. An entry is
 *     max |x - truth| / rms(truth)      over the elements of one output
 * formed in MPFR, truth in binary64 plus its second word, so that errors down to 1e-30 show. A non-finite element
 * makes the entry say so. A GPU's rung in place of a number system has the rows of its own formulations.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "cases.h"
#include "cli_cross.h"

static const char name[] = "cross";

typedef struct settings {
    gla_case_spec spec;
    const char *forms, *numbers; /* comma separated; forms NULL: all */
    int64_t segment;
    gla_dtype dtype;
} settings;

enum { KEY_T = 256, KEY_H, KEY_DK, KEY_DV, KEY_GV, KEY_DTYPE, KEY_SEGMENT };
static const struct argp_option table[] = {
    {"mechanism", 'm', "NAME", 0, "Default gla (see list)", 0},
    {"form", 'f', "FORM,...", 0, "Only these (default: every formulation with every route it has)", 0},
    {"numbers", 'n', "SYSTEM,...", 0,
     "Number systems (default binary32), and rungs of this machine's GPU, cuda:recurrent (see list)", 0},
    {"segment", KEY_SEGMENT, "L", 0, "cuda:fused: cut longer sequences into segments of L tokens, a multiple of 64", 0},
    {"dtype", KEY_DTYPE, "TYPE", 0, "Element type of q k v do (default BF16); gates and states are F32", 0},
    {"family", 'F', "NAME", 0, "Family of the problem (default mild)", 0},
    {"seed", 's', "S", 0, "Default 1", 0},
    {"T", KEY_T, "N", 0, "Tokens (default: the family's)", 0},
    {"H", KEY_H, "N", 0, "Heads (default 1)", 0},
    {"dk", KEY_DK, "N", 0, "Key channels (default 20)", 0},
    {"dv", KEY_DV, "N", 0, "Value channels (default 24)", 0},
    {"value-gate", KEY_GV, NULL, 0, "gv too", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 'm':
        s->spec.mechanism = argument;
        return cli_mechanism(state, argument);
    case 'f':
        s->forms = argument;
        return 0;
    case 'n':
        s->numbers = argument;
        return 0;
    case 'F':
        s->spec.family = argument;
        return 0;
    case 's':
        return cli_seed(state, argument, &s->spec.seed);
    case KEY_T:
        return cli_integer(state, "--T", argument, 1, 1 << 24, &s->spec.T);
    case KEY_H:
        return cli_integer(state, "--H", argument, 1, 1 << 16, &s->spec.H);
    case KEY_DK:
        return cli_integer(state, "--dk", argument, 1, 1 << 16, &s->spec.dk);
    case KEY_DV:
        return cli_integer(state, "--dv", argument, 1, 1 << 16, &s->spec.dv);
    case KEY_GV:
        s->spec.gv = true;
        return 0;
    case KEY_DTYPE:
        return cli_dtype(state, argument, &s->dtype);
    case KEY_SEGMENT:
        return cli_integer(state, "--segment", argument, 64, 1 << 30, &s->segment);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc =
        "Every formulation and every route of the gate gradient against certified truth: greatest error of each "
        "output, "
        "relative to the output's rms."
        "\vExample: what do hard gates do to each formulation in binary32, and in bf16?\n"
        "  glassbox cross --family spike --T 200 --numbers binary32,bf16\n"
        "A kernel on this machine's GPU beside its replay and binary32:\n"
        "  glassbox cross --T 300 --form chunkwise:64:16,chunkwise-centred --numbers cuda:fused,sm_90:bf16,binary32"};

/* ---- one entry ---- */

typedef struct entry {
    bool present;
    double error; /* relative to rms(truth) */
    int64_t nan, inf;
} entry;

static double truth_rms(const gla_truth *t, int output) {
    double sum = 0;
    for (int64_t i = 0; i < t->tensor[output].count; i++)
        sum += t->tensor[output].value[i] * t->tensor[output].value[i];
    return sqrt(sum / (double)t->tensor[output].count);
}

static entry compare(const gla_result *r, const gla_truth *t, int output) {
    entry e = {.present = r->tensor[output].at != NULL};
    double largest = 0, rms = truth_rms(t, output);
    mpfr_t x;
    mpfr_init2(x, 512);
    for (int64_t i = 0; e.present && i < r->tensor[output].count; i++) {
        r->numbers->ops->get_mpfr(r->numbers, x, gla_result_at(r, (gla_output)output, i));
        e.nan += mpfr_nan_p(x) != 0;
        e.inf += mpfr_inf_p(x) != 0;
        mpfr_sub_d(x, x, t->tensor[output].value[i], MPFR_RNDN);
        mpfr_sub_d(x, x, t->tensor[output].low[i], MPFR_RNDN);
        double error = fabs(mpfr_get_d(x, MPFR_RNDA));
        if (!(error <= largest)) largest = error;
    }
    mpfr_clear(x);
    e.error = largest == 0 ? 0 : largest / rms; /* an error where all truth is 0 shows as inf */
    return e;
}

static void print_entry(entry e) {
    if (!e.present)
        printf(" %9s", "-");
    else if (e.nan + e.inf)
        printf(" %s%9s%s", cli_on(CLI_RED), e.nan ? "NaN" : "Inf", cli_off());
    else
        printf(" %9.1e", e.error);
}

/* ---- rows ---- */

static void print_header(const gla_truth *t, const char *numbers) {
    printf("\n%s%-33s%s", cli_on(CLI_BOLD), numbers, cli_off());
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (t->tensor[i].present)
            printf(" %9s", i == GLA_FINAL_STATE ? "state" : i == GLA_DINITIAL_STATE ? "dstate" : gla_output_names[i]);
    putchar('\n');
}

void cross_print_row(const char *label, const gla_result *r, const gla_truth *t) {
    printf("%-33s", label);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (t->tensor[i].present) print_entry(compare(r, t, i));
    putchar('\n');
    fflush(stdout);
}

/* A form that the mechanism does not have with this route has no row. */
static gla_status print_row(const settings *s, const gla_problem *p, const gla_truth *t, const gla_form *form,
                            const char *numbers, gla_error *err) {
    gla_numbers *n;
    gla_result r = {0};
    gla_status status = gla_all_numbers_open(numbers, &n, err);
    if (status) return status;
    status = gla_run(p, form, n, &r, err);
    if (status == GLA_OK) {
        char label[80];
        gla_form_print(form, label, sizeof label);
        cross_print_row(label, &r, t);
    }
    gla_result_free(&r);
    gla_numbers_close(n);
    return status == GLA_UNSUPPORTED && !s->forms ? GLA_OK : status;
}

/* A row if the mechanism has this form; *rows counts them. */
static gla_status print_if_available(const settings *s, const gla_problem *p, const gla_truth *t, const gla_form *form,
                                     const char *numbers, int *rows, gla_error *err) {
    if (!gla_form_available(p, form)) return GLA_OK;
    (*rows)++;
    return print_row(s, p, t, form, numbers, err);
}

/* By every route of the gate gradient that the mechanism has, or by its own if it has but one; then with every way to
 * the inverse, and with bounded gates. */
static gla_status print_formulation(const settings *s, const gla_problem *p, const gla_truth *t, gla_form form,
                                    const char *numbers, gla_error *err) {
    gla_status status = GLA_OK;
    int rows = 0;
    gla_form other = form;
    for (int route = GLA_ROUTE_DEFAULT + 1; route < GLA_ROUTES && status == GLA_OK; route++) {
        other.route = (gla_gate_route)route;
        status = print_if_available(s, p, t, &other, numbers, &rows, err);
    }
    if (status == GLA_OK && rows == 0) status = print_if_available(s, p, t, &form, numbers, &rows, err);
    other = form;
    for (int solver = GLA_SOLVE + 1; solver < GLA_SOLVERS && form.kind != GLA_RECURRENT && status == GLA_OK; solver++) {
        other.solver = (gla_solver)solver;
        status = print_if_available(s, p, t, &other, numbers, &rows, err);
    }
    form.bounded = true;
    return status == GLA_OK ? print_if_available(s, p, t, &form, numbers, &rows, err) : status;
}

static gla_status print_every_form(const settings *s, const gla_problem *p, const gla_truth *t, const char *numbers,
                                   gla_error *err) {
    gla_status status = GLA_OK;
    for (int kind = 0; kind < GLA_FORMULATIONS && status == GLA_OK; kind++) {
        gla_form form;
        status = gla_form_parse(gla_formulation_names[kind], &form, err);
        form.backward = true;
        if (status == GLA_OK) status = print_formulation(s, p, t, form, numbers, err);
    }
    return status;
}

static gla_status print_forms(const settings *s, const gla_problem *p, const gla_truth *t, const char *numbers,
                              gla_error *err) {
    char *list = strdup(s->forms), *rest = list;
    if (!list) return gla_fail(err, GLA_NO_MEMORY, "no memory");
    gla_status status = GLA_OK;
    for (char *text; status == GLA_OK && (text = strsep(&rest, ","));) {
        gla_form form;
        status = gla_form_parse(text, &form, err);
        form.backward = true;
        if (status == GLA_OK) status = print_row(s, p, t, &form, numbers, err);
    }
    free(list);
    return status;
}

static gla_status print_rung(const settings *s, const char *numbers, const gla_problem *p, const gla_truth *t,
                             gla_error *err) {
    cli_cuda cuda = {.numbers = numbers, .segment = s->segment};
    if (cli_cuda_open(name, &cuda) != CLI_GO_ON) return gla_fail(err, GLA_UNSUPPORTED, "%s has gone", numbers);
    return cross_rung(&cuda, p, t, s->dtype, err);
}

static gla_status print_systems(const settings *s, const gla_problem *p, const gla_truth *t, gla_error *err) {
    char *list = strdup(s->numbers), *rest = list;
    if (!list) return gla_fail(err, GLA_NO_MEMORY, "no memory");
    gla_status status = GLA_OK;
    for (char *numbers; status == GLA_OK && (numbers = strsep(&rest, ","));) {
        print_header(t, numbers);
        status = cli_cuda_named(numbers) ? print_rung(s, numbers, p, t, err)
                 : s->forms              ? print_forms(s, p, t, numbers, err)
                                         : print_every_form(s, p, t, numbers, err);
    }
    free(list);
    return status;
}

/* A bad name, or a GPU that is not there, ends the command before anything is printed. */
static int check_systems(const settings *s) {
    char *list = strdup(s->numbers), *rest = list;
    int ended = list ? CLI_GO_ON : cli_complain(name, "no memory");
    bool rungs = false;
    for (char *numbers; ended == CLI_GO_ON && (numbers = strsep(&rest, ","));) {
        cli_cuda cuda = {.numbers = numbers, .segment = s->segment};
        gla_numbers *system = NULL;
        gla_error err;
        if (cli_cuda_named(numbers))
            ended = cli_cuda_open(name, &cuda);
        else if (gla_all_numbers_open(numbers, &system, &err) != GLA_OK)
            ended = cli_fail(name, &err);
        gla_numbers_close(system);
        rungs = rungs || cli_cuda_named(numbers);
    }
    free(list);
    if (ended == CLI_GO_ON && rungs && s->spec.mechanism && strcmp(s->spec.mechanism, "gla") != 0)
        return cli_complain(name, "a GPU's rung runs mechanism gla, not %.60s", s->spec.mechanism);
    if (ended == CLI_GO_ON && s->segment && !rungs)
        return cli_complain(name, "--segment goes with --numbers cuda:fused; elsewhere --form FORM+split:L");
    return ended;
}

/* ---- the command ---- */

static gla_status cross(const settings *s, const gla_problem *p, gla_truth *truth, gla_error *err) {
    cli_progress bar = cli_progress_start("truth");
    const gla_truth_options how = {
        .backward = true, .rounding = GLA_RN, .progress = cli_progress_step, .progress_data = &bar};
    gla_status status = gla_truth_compute(p, &how, truth, err);
    cli_progress_end(&bar);
    return status ? status : print_systems(s, p, truth, err);
}

static int run(int argc, char **argv) {
    settings s = {.numbers = "binary32",
                  .dtype = GLA_BF16,
                  .spec = {.family = "mild", .H = 1, .initial_state = true, .backward = true, .seed = 1}};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended == CLI_GO_ON) ended = check_systems(&s);
    if (ended != CLI_GO_ON) return ended;
    s.spec.dtype = gla_dtype_format(s.dtype);

    gla_error err = {0};
    gla_generated made;
    gla_truth truth = {0};
    gla_status status = gla_generate(&s.spec, &made, &err);
    if (status == GLA_OK) printf("%s: max |error| / rms of the truth\n", made.name);
    if (status == GLA_OK) status = cross(&s, &made.problem, &truth, &err);
    int exit_status = status ? cli_fail(name, &err) : truth.uncertified ? CLI_UNCERTAIN : CLI_PASS;
    if (status == GLA_OK && truth.uncertified)
        cli_warn(name, "%" PRId64 " elements of the truth are uncertified", truth.uncertified);
    gla_truth_free(&truth);
    gla_generated_free(&made);
    return exit_status;
}

const cli_command cli_cross = {name, "every formulation against certified truth, one table", run};
