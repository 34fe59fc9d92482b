/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox shrink: the smallest slice of a failing case that still fails, as a case file of its own (shrink.h).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_candidate.h"
#include "cli_shrink.h"
#include "io/profile_file.h"
#include "shrink.h"

static const char name[] = "shrink";

typedef struct settings {
    cli_one_case one;
    cli_shrink_settings plugin;
    const char *profile, *to;
    gla_profile declared; /* where a profile was asked for */
    int output;           /* -1: the first that fails */
    int64_t threads;
} settings;

static const struct argp_option table[] = {
    {"output", 'o', "FILE", 0, "Where to write the small case (.safetensors or .npz)", 0},
    {"candidate", 'c', "FILE", 0, "The outputs in FILE instead of the case's own", 0},
    {"profile", 'p', "NAME|FILE", 0, "What the kernel declares about its rounding (default by dtype; see list)", 0},
    {"only", 'O', "NAME", 0, "Follow this output (default: the first that fails)", 0},
    {"threads", 'j', "N", 0, "Threads (default: all processors)", 0},
    {0}};

static error_t parse_output(struct argp_state *state, const char *text, int *output) {
    *output = cli_output_named(text, strlen(text));
    return *output >= 0 ? 0 : cli_bad(state, "--only: no output '%.40s'", text);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->one;
        state->child_inputs[1] = &s->plugin;
        return 0;
    case 'o':
        s->to = argument;
        return 0;
    case 'c':
        s->one.load.candidate = argument;
        return 0;
    case 'p':
        s->profile = argument;
        return 0;
    case 'O':
        return parse_output(state, argument, &s->output);
    case 'j':
        return cli_integer(state, "--threads", argument, 1, 4096, &s->threads);
    case ARGP_KEY_END:
        return s->to ? 0 : cli_bad(state, "no file to write given (-o SMALL)");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_one_case_argp, 0, "", 0}, {&cli_shrink_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "CASE\n--plugin FILE",
    .doc =
        "Find the smallest part of a failing case that still fails, and write it as a case."
        "\vThe outputs in a file are fixed, so these slices are made, of one output: one sequence; one head (or the "
        "block that shares a tensor); a window of tokens, with the exact state before it as initial_state and, for "
        "gradients, the exact gradient of the state behind it as dfinal_state; value channels for o dv dgv, key "
        "channels for dq dk dg, both for states. Tokens come in the order of the recurrence. Magnitudes are not "
        "changed. A slice that fails where the whole was within its bound is not taken. Bits that differ from check's "
        "--replay are not followed. A case that does not fail ends in 2.\n\n"
        "With --plugin nothing is fixed: the kernel is run again with other sizes, switches and magnitudes, and the "
        "case holds all its outputs.\n\n"
        "Example:\n  glassbox shrink case.safetensors -o small.safetensors\n"
        "  glassbox check small.safetensors --profile chunk-bf16\n"
        "A kernel in a shared object:\n  glassbox shrink --plugin ./kernel.so -o small.safetensors",
    .children = children};

/* ---- judging the whole ---- */

typedef struct whole {
    gla_case c;
    gla_candidate candidate;
    gla_truth truth;
    gla_judgement judgement;
} whole;

static gla_status judge(const settings *s, whole *w, gla_error *err) {
    gla_status status = gla_case_load(s->one.path, &s->one.load, &w->c, err);
    if (status != GLA_OK) return status;
    cli_outputs_of(&w->c, &w->candidate);
    const gla_truth_options how = {.backward = gla_judging_needs_gradients(&w->candidate, 0),
                                   .close_enough = GLA_CLOSE_ENOUGH,
                                   .threads = (int)s->threads};
    status = gla_truth_compute(&w->c.problem, &how, &w->truth, err);
    if (status == GLA_OK) status = gla_candidate_make_room(&w->c.problem, &w->candidate, err);
    if (status != GLA_OK) return status;
    const gla_profile *profile = s->profile ? &s->declared : cli_default_profile(&w->candidate);
    return gla_judge(&w->c.problem, &w->candidate, &w->truth, profile, 0, (int)s->threads, &w->judgement, err);
}

static void free_whole(whole *w) {
    gla_candidate_free_room(&w->candidate);
    gla_truth_free(&w->truth);
    gla_case_free(&w->c);
}

/* ---- the small one ---- */

static gla_status save(const settings *s, const whole *w, const gla_small *small, gla_error *err) {
    gla_dtype dtype[GLA_INPUTS];
    char label[400];
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = w->c.input_dtype[i];
    dtype[GLA_IN_INITIAL_STATE] = dtype[GLA_IN_DFINAL_STATE] = GLA_F64; /* computed, not read */
    snprintf(label, sizeof label, "%.300s, shrunk", w->c.name);
    gla_tensor_file file = {0};
    gla_status status = gla_case_add_problem(&file, &small->problem, dtype, err);
    if (status == GLA_OK)
        status = gla_case_add_output(&file, &small->problem, small->output, w->c.output[small->output].dtype,
                                     small->value, err);
    if (status == GLA_OK) status = gla_tensors_set_meta(&file, "case", label, err);
    if (status == GLA_OK) status = gla_tensors_write(s->to, &file, err);
    gla_tensors_free(&file);
    return status;
}

static void print_extent(const char *what, int64_t of, gla_extent x) {
    if (x.count == of) return;
    printf("  %-9s %" PRId64 " -> %" PRId64, what, of, x.count);
    if (x.count == 1)
        printf(" (%" PRId64 ")\n", x.first);
    else
        printf(" (%" PRId64 " to %" PRId64 ")\n", x.first, x.first + x.count - 1);
}

static void print_small(const settings *s, const whole *w, const gla_small *x) {
    const gla_problem *p = &w->c.problem;
    int64_t tokens = p->cu_seqlens ? p->cu_seqlens[x->sequence + 1] - p->cu_seqlens[x->sequence] : p->T;
    printf("%s of %s, smallest slice that still fails (%" PRId64 " tried):\n", gla_output_names[x->output], w->c.name,
           x->tried);
    print_extent("sequences", p->N, (gla_extent){x->sequence, 1});
    print_extent("heads", p->H, x->heads);
    print_extent("tokens", tokens, x->tokens);
    print_extent("dk", p->dk, x->keys);
    print_extent("dv", p->dv, x->values);
    printf("  %" PRId64 " of %" PRId64 " elements over the bound, error/bound %.3g: got %.9g, want %.9g\n",
           x->verdict.over, x->verdict.count, x->verdict.worst, x->verdict.got, x->verdict.want);
    printf("wrote %s\n  reproduce: glassbox check %s --profile %s\n", s->to, s->to,
           s->profile ? s->profile : w->judgement.profile->name);
}

static gla_status shrink(const settings *s, whole *w, gla_error *err) {
    gla_small small = {0};
    gla_status status = judge(s, w, err);
    if (status != GLA_OK) return status;
    if (w->judgement.judged == 0) {
        gla_fail(err, GLA_BAD_VALUE, "%.200s: no output under test", s->one.path);
        return gla_hint(err, GLA_BAD_VALUE, "give the kernel's outputs: --candidate FILE");
    }
    if (w->judgement.verdict < GLA_FAIL)
        return gla_fail(err, GLA_BAD_VALUE, "%.200s: %s under profile %s: nothing to shrink", s->one.path,
                        gla_verdict_names[w->judgement.verdict], w->judgement.profile->name);
    cli_progress bar = cli_progress_start("shrink");
    const gla_shrink_options how = {
        .output = s->output, .threads = (int)s->threads, .progress = cli_progress_step, .progress_data = &bar};
    status = gla_shrink(&w->c.problem, &w->candidate, &w->truth, &w->judgement, &how, &small, err);
    cli_progress_end(&bar);
    if (status == GLA_OK) status = save(s, w, &small, err);
    if (status == GLA_OK) print_small(s, w, &small);
    gla_small_free(&small);
    return status;
}

static int shrink_plugin(settings *s) {
    cli_shrink_settings *p = &s->plugin;
    const gla_case_options *load = &s->one.load;
    if (s->one.path || load->candidate || load->prefix)
        return cli_complain(name, "--plugin goes without a case file, --candidate and --prefix");
    p->mechanism = load->mechanism ? load->mechanism : "gla";
    p->to = s->to;
    p->profile = s->profile ? &s->declared : NULL;
    p->profile_text = s->profile;
    p->output = s->output;
    p->threads = s->threads;
    return cli_shrink_plugin(p);
}

static int run(int argc, char **argv) {
    settings s = {.output = -1, .one = {.optional = true}, .plugin = {.seed = 1, .timeout = 30}};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    gla_error err = {0};
    if (s.profile && gla_profile_find(s.profile, &s.declared, &err) != GLA_OK) return cli_fail(name, &err);
    if (s.plugin.path) return shrink_plugin(&s);
    if (!s.one.path) return cli_complain(name, "no case file given");
    whole w = {0};
    gla_status status = shrink(&s, &w, &err);
    free_whole(&w);
    return status ? cli_fail(name, &err) : CLI_PASS;
}

const cli_command cli_shrink = {name, "the smallest slice of a failing case that still fails", run};
