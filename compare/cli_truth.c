/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox truth: the certified outputs of a case, and how they were certified.
 *
 * The written file holds for every output NAME its truth (NAME, rounded into the target), the rest of it (NAME.low:
 * NAME + NAME.low is the truth to about 50 bits more) and its condition's numerator (NAME.magnitude: the same formula
 * on absolute values), all as F64.
 */
#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "run_parts.h"
#include "truth.h"

static const char name[] = "truth";

typedef struct settings {
    cli_one_case one;
    const char *output;
    const gla_format *target;
    bool backward;
    int64_t cap_bits, threads;
} settings;

static const struct argp_option table[] = {
    {"target", 't', "FORMAT", 0, "binary64, binary32, bf16, f16, tf32, e4m3 or e5m2 (default binary64)", 0},
    {"backward", 'b', NULL, 0, "Gradients too (done anyhow when the file holds do or dfinal_state)", 0},
    {"cap", 'c', "BITS", 0, "Highest precision to climb to (default 4096)", 0},
    {"threads", 'j', "N", 0, "Threads (default: all processors)", 0},
    {"output", 'o', "FILE", 0, "Write NAME, NAME.low and NAME.magnitude to FILE.safetensors or FILE.npz", 0},
    {0}};

static error_t parse_target(struct argp_state *state, const char *text, const gla_format **target) {
    *target = gla_format_named(text);
    if (*target) return 0;
    return cli_bad(state, "--target: no format '%.40s' (binary64, binary32, bf16, f16, tf32, e4m3, e5m2)", text);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->one;
        return 0;
    case 't':
        return parse_target(state, argument, &s->target);
    case 'b':
        s->backward = true;
        return 0;
    case 'c':
        return cli_integer(state, "--cap", argument, 2, 1 << 20, &s->cap_bits);
    case 'j':
        return cli_integer(state, "--threads", argument, 1, 4096, &s->threads);
    case 'o':
        s->output = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_one_case_argp, 0, "", 0}, {0}};
static const struct argp options = {.options = table,
                                    .parser = parse,
                                    .args_doc = "CASE",
                                    .doc =
                                        "The certified truth of a case: every output correctly rounded, with a proof."
                                        "\vExits with 4 if an element could not be certified below the cap.\n\n"
                                        "Example: the truth that a bf16 kernel rounds to\n"
                                        "  glassbox truth case.safetensors --target bf16 -o truth.safetensors",
                                    .children = children};

/* ---- the table ---- */

typedef struct summary {
    int64_t certified;
    double condition; /* greatest magnitude / |value| where the value is not 0 */
} summary;

static summary summarise(const gla_truth *t, gla_output output) {
    summary s = {0, 0};
    for (int64_t i = 0; i < t->tensor[output].count; i++) {
        double value = t->tensor[output].value[i] + t->tensor[output].low[i];
        s.certified += t->tensor[output].certified[i];
        if (value != 0) s.condition = fmax(s.condition, t->tensor[output].magnitude[i] / fabs(value));
    }
    return s;
}

static void print_table(const gla_truth *t, const gla_format *target) {
    cli_index_text shape;
    int64_t elements = 0;
    printf("%-15s %-22s %12s %12s  %s\n", "output", "shape", "elements", "certified", "worst condition");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!t->tensor[i].present) continue;
        summary s = summarise(t, (gla_output)i);
        bool all = s.certified == t->tensor[i].count;
        elements += t->tensor[i].count;
        printf("%-15s %-22s %12" PRId64 " %s%12" PRId64 "%s  %.3g\n", gla_output_names[i],
               cli_shape(t->tensor[i].shape, shape), t->tensor[i].count, all ? "" : cli_on(CLI_RED), s.certified,
               all ? "" : cli_off(), s.condition);
    }
    printf("\ntarget %s: %" PRId64 " elements, %" PRId64 " uncertified\n", target->name, elements, t->uncertified);
    printf("%" PRId64 " decided by double-double, %" PRId64 " climbed to MPFR; highest precision %ld bits\n",
           elements - t->undecided, t->undecided, t->bits);
}

/* ---- the file ---- */

static gla_status add_part(gla_tensor_file *file, const gla_truth *t, gla_output output, const char *suffix,
                           const double *value, gla_error *err) {
    char label[64];
    snprintf(label, sizeof label, "%s%s", gla_output_names[output], suffix);
    return gla_tensors_add(file, label, GLA_F64, 4, t->tensor[output].shape, value, err);
}

static gla_status add_output(gla_tensor_file *file, const gla_truth *t, gla_output output, gla_error *err) {
    gla_status status = add_part(file, t, output, "", t->tensor[output].value, err);
    if (status == GLA_OK) status = add_part(file, t, output, ".low", t->tensor[output].low, err);
    if (status == GLA_OK) status = add_part(file, t, output, ".magnitude", t->tensor[output].magnitude, err);
    return status;
}

static gla_status save(const settings *s, const gla_case *c, const gla_truth *t, gla_error *err) {
    char uncertified[32];
    snprintf(uncertified, sizeof uncertified, "%" PRId64, t->uncertified);
    char mechanism[160];
    gla_mechanism_print(&c->problem, mechanism, sizeof mechanism);
    const char *const metadata[][2] = {{"mechanism", mechanism},    {"case", c->name},
                                       {"layout", "BTHD"},          {"gate_domain", "natural log"},
                                       {"target", s->target->name}, {"uncertified", uncertified}};
    gla_tensor_file file = {0};
    gla_status status = GLA_OK;
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0] && status == GLA_OK; i++)
        status = gla_tensors_set_meta(&file, metadata[i][0], metadata[i][1], err);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++)
        if (t->tensor[i].present) status = add_output(&file, t, (gla_output)i, err);
    if (status == GLA_OK) status = gla_tensors_write(s->output, &file, err);
    gla_tensors_free(&file);
    return status;
}

/* ---- the command ---- */

static gla_status compute(const settings *s, const gla_problem *p, gla_truth *t, gla_error *err) {
    cli_progress bar = cli_progress_start(name);
    const gla_truth_options how = {.target = s->target,
                                   .rounding = GLA_RN,
                                   .backward = s->backward || gla_has_incoming(p),
                                   .cap_bits = (long)s->cap_bits,
                                   .threads = (int)s->threads,
                                   .progress = cli_progress_step,
                                   .progress_data = &bar};
    gla_status status = gla_truth_compute(p, &how, t, err);
    cli_progress_end(&bar);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.target = &gla_binary64_format};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;

    gla_error err = {0};
    gla_case c;
    gla_truth truth = {0};
    gla_status status = gla_case_load(s.one.path, &s.one.load, &c, &err);
    if (status == GLA_OK) status = compute(&s, &c.problem, &truth, &err);
    if (status == GLA_OK) print_table(&truth, s.target);
    if (status == GLA_OK && s.output) status = save(&s, &c, &truth, &err);
    int exit_status = status ? cli_fail(name, &err) : truth.uncertified ? CLI_UNCERTAIN : CLI_PASS;
    gla_truth_free(&truth);
    gla_case_free(&c);
    return exit_status;
}

const cli_command cli_truth = {name, "certified outputs of a case, and how they were certified", run};
