/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox run: one formulation of a case's mechanism in one number system; its outputs to a file, or in a table.
 */
#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "cli_cuda.h"

static const char name[] = "run";

typedef struct settings {
    cli_one_case one;
    const char *form, *numbers, *route, *output;
    bool backward, as_it_is; /* as_it_is: no dtype was asked for */
    gla_dtype dtype;
    int64_t segment;
} settings;

enum { KEY_DTYPE = 256, KEY_SEGMENT };
static const struct argp_option table[] = {
    {"form", 'f', "FORM", 0,
     "recurrent, parallel, parallel-naive, chunkwise[:C[:c]], chunkwise-centred[:C[:c]], "
     "chunkwise-paired[:C[:LIMIT]], chunkwise-factored[:C], then +materialised, +precise, +split:L, "
     "+ut +ut-blocked +ut-product +bounded (delta rule), +ROUTE (default recurrent)",
     0},
    {"numbers", 'n', "SYSTEM", 0,
     "binary64, binary32, mpfr:P, interval:P, bf16, f16, tf32, e4m3, e5m2, format:p:emin:emax, with /rz ... /sr:SEED, "
     "sm_90:bf16 ... (default binary64); cuda:recurrent ... (see list): on this machine's GPU, in the file's "
     "dtypes",
     0},
    {"backward", 'b', NULL, 0, "Gradients too; do and dfinal_state that the file lacks are 0", 0},
    {"gate-gradient", 'r', "ROUTE", 0, "How dg is formed: direct, suffix, prefix, anchor, straddle, strict", 0},
    {"output", 'o', "FILE", 0, "Write the outputs to FILE.safetensors or FILE.npz instead of a table", 0},
    {"dtype", KEY_DTYPE, "TYPE", 0,
     "Element type of the written outputs (default F64; a rung's: as the GPU gave them); check chooses its profile by "
     "it",
     0},
    {"segment", KEY_SEGMENT, "L", 0, "cuda:fused: cut longer sequences into segments of L tokens, a multiple of 64", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->one;
        return 0;
    case 'f':
        s->form = argument;
        return 0;
    case 'n':
        s->numbers = argument;
        return 0;
    case 'b':
        s->backward = true;
        return 0;
    case 'r':
        s->route = argument;
        return 0;
    case 'o':
        s->output = argument;
        return 0;
    case KEY_DTYPE:
        s->as_it_is = false;
        return cli_dtype(state, argument, &s->dtype);
    case KEY_SEGMENT:
        return cli_integer(state, "--segment", argument, 64, 1 << 30, &s->segment);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_one_case_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "CASE",
    .doc = "Run one formulation in one number system."
           "\vWithout -o, prints a line per output: shape, rms, least and greatest value, non-finite elements.\n\n"
           "Example: what a bf16 kernel on sm_90 returns, judged as a candidate\n"
           "  glassbox run case.safetensors --form chunkwise:64 --numbers sm_90:bf16 --dtype BF16 -o out.safetensors\n"
           "  glassbox check case.safetensors --candidate out.safetensors",
    .children = children};

/* ---- the table ---- */

typedef struct summary {
    double rms, least, greatest; /* over finite elements; NaN if there is none */
    int64_t nan, inf;
} summary;

static summary summarise(const gla_result *r, gla_output output) {
    summary s = {0, NAN, NAN, 0, 0};
    int64_t finite = 0;
    for (int64_t i = 0; i < r->tensor[output].count; i++) {
        double x = gla_result_d(r, output, i);
        s.nan += isnan(x) != 0;
        s.inf += isinf(x) != 0;
        if (!isfinite(x)) continue;
        finite++;
        s.rms += x * x;
        s.least = fmin(s.least, x); /* fmin and fmax pass over a NaN */
        s.greatest = fmax(s.greatest, x);
    }
    s.rms = sqrt(s.rms / (double)finite);
    return s;
}

static void print_table(const gla_result *r) {
    cli_index_text shape;
    printf("%-15s %-22s %12s %13s %13s  %s\n", "output", "shape", "rms", "min", "max", "non-finite");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!r->tensor[i].at) continue;
        summary s = summarise(r, (gla_output)i);
        printf("%-15s %-22s %12.5g %13.5g %13.5g  ", gla_output_names[i], cli_shape(r->tensor[i].shape, shape), s.rms,
               s.least, s.greatest);
        if (s.nan + s.inf == 0)
            puts("0");
        else
            printf("%s%" PRId64 " NaN, %" PRId64 " Inf%s\n", cli_on(CLI_RED), s.nan, s.inf, cli_off());
    }
}

/* ---- the file ---- */

static gla_status add_output(gla_tensor_file *file, const gla_problem *p, const gla_result *r, gla_output output,
                             gla_dtype dtype, gla_error *err) {
    int64_t count = r->tensor[output].count;
    double *value = malloc((size_t)count * sizeof *value);
    if (!value) return gla_fail(err, GLA_NO_MEMORY, "no memory for %s", gla_output_names[output]);
    for (int64_t i = 0; i < count; i++) value[i] = gla_result_d(r, output, i);
    gla_status status = gla_case_add_output(file, p, output, dtype, value, err);
    free(value);
    return status;
}

/* numbers as asked for, replay those that give the same bits; dtype[] of the outputs. */
typedef struct origin {
    const char *form, *numbers, *replay;
    gla_dtype dtype[GLA_OUTPUTS];
} origin;

static gla_status save(const settings *s, const gla_case *c, const origin *from, const gla_result *r, gla_error *err) {
    char mechanism[160];
    gla_mechanism_print(&c->problem, mechanism, sizeof mechanism);
    const char *const metadata[][2] = {{"mechanism", mechanism},       {"case", c->name},    {"layout", "BTHD"},
                                       {"gate_domain", "natural log"}, {"form", from->form}, {"numbers", from->numbers},
                                       {"replay", from->replay}};
    gla_tensor_file file = {0};
    gla_status status = GLA_OK;
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0] && status == GLA_OK; i++)
        status = gla_tensors_set_meta(&file, metadata[i][0], metadata[i][1], err);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++)
        if (r->tensor[i].at) status = add_output(&file, &c->problem, r, (gla_output)i, from->dtype[i], err);
    if (status == GLA_OK) status = gla_tensors_write(s->output, &file, err);
    gla_tensors_free(&file);
    return status;
}

/* ---- the command ---- */

static gla_status parse_form(const settings *s, gla_form *form, gla_error *err) {
    char text[160];
    int length = snprintf(text, sizeof text, "%s%s%s", s->form, s->route ? "+" : "", s->route ? s->route : "");
    if (length >= (int)sizeof text) return gla_fail(err, GLA_UNKNOWN_NAME, "formulation '%.80s ...' is too long", text);
    gla_status status = gla_form_parse(text, form, err);
    form->backward = s->backward;
    return status;
}

static gla_status run_case(const settings *s, const gla_form *form, gla_numbers *numbers, gla_error *err) {
    gla_case c;
    gla_result result = {0};
    char text[80];
    gla_form_print(form, text, sizeof text);
    origin from = {.form = text, .numbers = s->numbers, .replay = s->numbers};
    for (int i = 0; i < GLA_OUTPUTS; i++) from.dtype[i] = s->as_it_is ? GLA_F64 : s->dtype;
    gla_status status = gla_case_load(s->one.path, &s->one.load, &c, err);
    if (status == GLA_OK) status = gla_run(&c.problem, form, numbers, &result, err);
    if (status == GLA_OK && s->output) status = save(s, &c, &from, &result, err);
    if (status == GLA_OK && !s->output) print_table(&result);
    gla_result_free(&result);
    gla_case_free(&c);
    return status;
}

/* ---- on the GPU ---- */

/* The rung's own: "FORM", or where the gradients have another "FORM; gradients FORM". */
typedef char forms_text[160];
static const char *forms_of(const settings *s, const cli_cuda *cuda, gla_cuda_dtype dtype, forms_text text) {
    cli_cuda_text forward, backward;
    const char *o = cli_cuda_form(cuda, dtype, false, forward), *d = cli_cuda_form(cuda, dtype, true, backward);
    bool two = s->backward && o && d && strcmp(o, d) != 0;
    snprintf(text, sizeof(forms_text), "%s%s%s", o ? o : "", two ? "; gradients " : "", two ? d : "");
    return text;
}

static int run_on(const settings *s, const cli_cuda *cuda, const gla_case *c, gla_numbers *numbers) {
    const unsigned all = (1u << GLA_OUTPUTS) - 1, forward = 1u << GLA_O | 1u << GLA_FINAL_STATE;
    gla_result result = {0};
    gla_host_why why;
    gla_host_run how;
    gla_error err = {0};
    forms_text forms;
    gla_cuda_status ran =
        cli_cuda_run(cuda, &c->problem, c->input_dtype, s->backward ? all : forward, numbers, &result, why);
    if (ran != GLA_CUDA_OK) {
        cli_complain(name, "%s", why);
        return cli_cuda_exit(ran);
    }
    cli_cuda_prepare(cuda, &c->problem, c->input_dtype, &how, why);
    origin from = {.form = forms_of(s, cuda, how.dtype, forms),
                   .numbers = s->numbers,
                   .replay = cuda->numbers_of(cuda->rung, how.dtype)};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool wide = gla_is_wide_output((gla_output)i);
        from.dtype[i] = !s->as_it_is ? s->dtype : wide ? GLA_F32 : c->input_dtype[GLA_IN_Q];
    }
    gla_status status = s->output ? save(s, c, &from, &result, &err) : GLA_OK;
    if (!s->output) print_table(&result);
    gla_result_free(&result);
    return status == GLA_OK ? CLI_PASS : cli_fail(name, &err);
}

static int run_cuda(const settings *s) {
    gla_case c;
    gla_numbers *numbers = NULL;
    gla_error err = {0};
    cli_cuda cuda = {.numbers = s->numbers, .segment = s->segment};
    if (s->form || s->route)
        return cli_complain(name, "%s has its own formulation; leave out --form and --gate-gradient", s->numbers);
    gla_status status = gla_case_load(s->one.path, &s->one.load, &c, &err);
    if (status == GLA_OK) status = gla_numbers_open("binary64", &numbers, &err);
    int ended = status == GLA_OK ? cli_cuda_open(name, &cuda) : cli_fail(name, &err);
    if (ended == CLI_GO_ON) ended = run_on(s, &cuda, &c, numbers);
    gla_numbers_close(numbers);
    gla_case_free(&c);
    return ended;
}

static int run(int argc, char **argv) {
    settings s = {.numbers = "binary64", .as_it_is = true};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    if (cli_cuda_named(s.numbers)) return run_cuda(&s);
    if (s.segment) return cli_complain(name, "--segment goes with --numbers cuda:fused; elsewhere --form FORM+split:L");
    if (!s.form) s.form = "recurrent";

    gla_error err = {0};
    gla_form form;
    gla_numbers *numbers = NULL;
    gla_status status = parse_form(&s, &form, &err);
    if (status == GLA_OK) status = gla_all_numbers_open(s.numbers, &numbers, &err);
    if (status == GLA_OK) status = run_case(&s, &form, numbers, &err);
    gla_numbers_close(numbers);
    return status ? cli_fail(name, &err) : CLI_PASS;
}

const cli_command cli_run = {name, "run one formulation of a case in one number system", run};
