/* SPDX-License-Identifier: Apache-2.0
 *
 * The options, the list of cases that they name, and a case as a file (cli_generation.h).
 */
#include "cli_generation.h"

#include <inttypes.h>
#include <string.h>

enum {
    KEY_B = 256,
    KEY_T,
    KEY_H,
    KEY_HK,
    KEY_DK,
    KEY_DV,
    KEY_M,
    KEY_GV,
    KEY_STATE,
    KEY_VARLEN,
    KEY_REVERSE,
    KEY_DTYPE,
    KEY_FORWARD,
    KEY_NO_DO,
    KEY_AWKWARD
};
static const struct argp_option table[] = {
    {"mechanism", 'm', "NAME", 0, "Default gla (see list), its conventions behind it: mlstm,gate=sigmoid", 3},
    {"family", 'f', "NAME", 0, "A family of glassbox list, or all (default mild)", 3},
    {"level", 'l', "LEVEL", 0, "quick: every family once; full: every family ten times, --awkward 64", 3},
    {"n", 'n', "N", 0, "Cases per family, with seeds S, S+1, ... (default 1)", 3},
    {"seed", 's', "S", 0, "First seed (default 1)", 3},
    {"dtype", KEY_DTYPE, "TYPE", 0, "Element type of q k v do (default BF16); gates, weights and states are F32", 3},
    {"forward", KEY_FORWARD, NULL, 0, "Leave out do and dfinal_state", 3},
    {"no-do", KEY_NO_DO, NULL, 0, "Leave out do alone", 3},
    {"B", KEY_B, "N", 0, "Batch (default 1)", 4},
    {"T", KEY_T, "N", 0, "Tokens (default: the family's)", 4},
    {"H", KEY_H, "N", 0, "Heads (default 3)", 4},
    {"Hk", KEY_HK, "N", 0, "Heads of k and g, a divisor of H (default H)", 4},
    {"dk", KEY_DK, "N", 0, "Key channels (default 20)", 4},
    {"dv", KEY_DV, "N", 0, "Value channels (default 24)", 4},
    {"M", KEY_M, "N", 0, "Slots, where the mechanism has them (default 7)", 4},
    {"value-gate", KEY_GV, NULL, 0, "gv too", 4},
    {"initial-state", KEY_STATE, NULL, 0, "initial_state too", 4},
    {"varlen", KEY_VARLEN, NULL, 0, "Packed sequences, empty ones among them", 4},
    {"reverse", KEY_REVERSE, NULL, 0, "Sequences run from their last token to their first", 4},
    {"awkward", KEY_AWKWARD, "C", 0, "Instead of all of these: shapes awkward for chunks of C, drawn by the seed", 4},
    {0}};

static error_t parse_level(struct argp_state *state, const char *text, cli_generation *g) {
    bool full = strcmp(text, "full") == 0;
    if (!full && strcmp(text, "quick") != 0) return cli_bad(state, "--level: '%.40s' is not quick or full", text);
    g->level = full ? "full" : "quick";
    g->family = "all";
    g->count = full ? 10 : 1;
    g->chunk = full ? 64 : 0;
    return 0;
}

static error_t parse_size(int key, const char *argument, struct argp_state *state) {
    cli_generation *g = state->input;
    static const char *const label[] = {"--B", "--T", "--H", "--Hk", "--dk", "--dv", "--M"};
    int64_t *const size[] = {&g->spec.B, &g->spec.T, &g->spec.H, &g->spec.Hk, &g->spec.dk, &g->spec.dv, &g->spec.M};
    return cli_integer(state, label[key - KEY_B], argument, 1, INT32_MAX, size[key - KEY_B]);
}

/* Options without an argument. */
static bool parse_switch(int key, gla_case_spec *spec) {
    if (key == KEY_FORWARD) spec->backward = false;
    bool *const on = key == KEY_NO_DO     ? &spec->no_do
                     : key == KEY_GV      ? &spec->gv
                     : key == KEY_STATE   ? &spec->initial_state
                     : key == KEY_VARLEN  ? &spec->varlen
                     : key == KEY_REVERSE ? &spec->reverse
                                          : NULL;
    if (on) *on = true;
    return on || key == KEY_FORWARD;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    cli_generation *g = state->input;
    if (key >= KEY_B && key <= KEY_M) return parse_size(key, argument, state);
    if (parse_switch(key, &g->spec)) return 0;
    switch (key) {
    case 'm':
        g->spec.mechanism = argument;
        return cli_mechanism(state, argument);
    case 'f':
        g->family = argument;
        return 0;
    case 'l':
        return parse_level(state, argument, g);
    case 'n':
        return cli_integer(state, "--n", argument, 1, 1000000, &g->count);
    case 's':
        return cli_seed(state, argument, &g->spec.seed);
    case KEY_DTYPE:
        return cli_dtype(state, argument, &g->dtype);
    case KEY_AWKWARD:
        return cli_integer(state, "--awkward", argument, 1, 1 << 20, &g->chunk);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_generation_argp = {.options = table, .parser = parse};

cli_generation cli_generation_default(void) {
    return (cli_generation){.family = "mild", .spec = {.backward = true, .seed = 1}, .dtype = GLA_BF16, .count = 1};
}

/* ---- the cases ---- */

static bool every_family(const cli_generation *g) { return strcmp(g->family, "all") == 0; }

/* Family `index` of those that fit the mechanism; NULL past the last. */
static const gla_family *fitting(const cli_generation *g, int64_t index) {
    gla_problem p = {.mechanism = NULL};
    gla_error err;
    if (g->spec.mechanism && gla_mechanism_parse(g->spec.mechanism, &p, &err) != GLA_OK) return NULL;
    for (const gla_family *f = gla_families; f->name; f++)
        if (gla_family_fits(f, gla_mechanism_of(&p)) && index-- == 0) return f;
    return NULL;
}

int64_t cli_generation_cases(const cli_generation *g) {
    int64_t families = 0;
    if (!every_family(g)) return gla_family_named(g->family) ? g->count : -1;
    while (fitting(g, families)) families++;
    return families * g->count;
}

gla_case_spec cli_generation_spec(const cli_generation *g, int64_t index) {
    const char *family = every_family(g) ? fitting(g, index / g->count)->name : g->family;
    uint64_t seed = g->spec.seed + (uint64_t)(index % g->count);
    gla_case_spec spec = g->spec;
    if (g->chunk) {
        spec = gla_random_shape(family, seed, g->chunk);
        spec.mechanism = g->spec.mechanism;
        spec.backward = g->spec.backward;
        spec.no_do = g->spec.no_do;
    }
    spec.family = family;
    spec.seed = seed;
    spec.dtype = gla_dtype_format(g->dtype);
    return spec;
}

gla_status cli_generation_file(const cli_generation *g, const gla_generated *made, gla_tensor_file *file,
                               gla_error *err) {
    gla_dtype dtype[GLA_INPUTS];
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = gla_is_wide_input((gla_input)i) ? GLA_F32 : g->dtype;
    char seed[32];
    gla_flag_text flags;
    snprintf(seed, sizeof seed, "%" PRIu64, made->spec.seed);
    const char *const metadata[][2] = {{"case", made->name},
                                       {"family", made->spec.family},
                                       {"seed", seed},
                                       {"flags", gla_case_flags(&made->spec, flags)}};
    gla_status status = gla_case_add_problem(file, &made->problem, dtype, err);
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0] && status == GLA_OK; i++)
        status = gla_tensors_set_meta(file, metadata[i][0], metadata[i][1], err);
    return status;
}

void cli_generation_command(const gla_case_spec *s, char *text, size_t size) {
    char slots[32] = "";
    if (s->M) snprintf(slots, sizeof slots, " --M %" PRId64, s->M);
    snprintf(text, size,
             "glassbox gen%s%s --family %s --seed %" PRIu64 " --B %" PRId64 " --T %" PRId64 " --H %" PRId64
             " --Hk %" PRId64 " --dk %" PRId64 " --dv %" PRId64 "%s --dtype %s%s%s%s%s%s -o cases",
             s->mechanism ? " --mechanism " : "", s->mechanism ? s->mechanism : "", s->family, s->seed, s->B, s->T,
             s->H, s->Hk, s->dk, s->dv, slots, s->dtype->name, s->gv ? " --value-gate" : "",
             s->initial_state ? " --initial-state" : "", s->varlen ? " --varlen" : "", s->reverse ? " --reverse" : "",
             !s->backward ? " --forward"
             : s->no_do   ? " --no-do"
                          : "");
}
