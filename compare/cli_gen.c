/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox gen: case files of a family, inputs only, the same bits for the same seed on every machine.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cases.h"

static const char name[] = "gen";

typedef struct settings {
    const gla_mechanism *mechanism;
    const char *family, *directory;
    gla_case_spec spec;
    gla_dtype dtype;
    int64_t count, chunk;
} settings;

enum {
    KEY_B = 256,
    KEY_T,
    KEY_H,
    KEY_HK,
    KEY_DK,
    KEY_DV,
    KEY_GV,
    KEY_STATE,
    KEY_VARLEN,
    KEY_REVERSE,
    KEY_DTYPE,
    KEY_FORWARD,
    KEY_AWKWARD
};
static const struct argp_option table[] = {
    {"output", 'o', "DIR", 0, "Folder for the files; made if it is not there", 1},
    {"mechanism", 'm', "NAME", 0, "Default gla", 1},
    {"family", 'f', "NAME", 0, "A family of glassbox list, or all (default mild)", 1},
    {"n", 'n', "N", 0, "Cases per family, with seeds S, S+1, ... (default 1)", 1},
    {"seed", 's', "S", 0, "First seed (default 1)", 1},
    {"dtype", KEY_DTYPE, "TYPE", 0, "Element type of q k v do (default BF16); gates and states are F32", 1},
    {"forward", KEY_FORWARD, NULL, 0, "Leave out do and dfinal_state", 1},
    {"B", KEY_B, "N", 0, "Batch (default 1)", 2},
    {"T", KEY_T, "N", 0, "Tokens (default: the family's)", 2},
    {"H", KEY_H, "N", 0, "Heads (default 3)", 2},
    {"Hk", KEY_HK, "N", 0, "Heads of k and g, a divisor of H (default H)", 2},
    {"dk", KEY_DK, "N", 0, "Key channels (default 20)", 2},
    {"dv", KEY_DV, "N", 0, "Value channels (default 24)", 2},
    {"value-gate", KEY_GV, NULL, 0, "gv too", 2},
    {"initial-state", KEY_STATE, NULL, 0, "initial_state too", 2},
    {"varlen", KEY_VARLEN, NULL, 0, "Packed sequences, empty ones among them", 2},
    {"reverse", KEY_REVERSE, NULL, 0, "Sequences run from their last token to their first", 2},
    {"awkward", KEY_AWKWARD, "C", 0, "Instead of all of these: shapes awkward for chunks of C, drawn by the seed", 2},
    {0}};

static error_t parse_mechanism(struct argp_state *state, const char *text, const gla_mechanism **mechanism) {
    *mechanism = gla_mechanism_named(text);
    return *mechanism ? 0 : cli_bad(state, "no mechanism '%.40s' (glassbox list shows them)", text);
}

static error_t parse_size(int key, const char *argument, struct argp_state *state) {
    settings *s = state->input;
    static const char *const label[] = {"--B", "--T", "--H", "--Hk", "--dk", "--dv"};
    int64_t *const size[] = {&s->spec.B, &s->spec.T, &s->spec.H, &s->spec.Hk, &s->spec.dk, &s->spec.dv};
    return cli_integer(state, label[key - KEY_B], argument, 1, INT32_MAX, size[key - KEY_B]);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    if (key >= KEY_B && key <= KEY_DV) return parse_size(key, argument, state);
    switch (key) {
    case 'o':
        s->directory = argument;
        return 0;
    case 'm':
        return parse_mechanism(state, argument, &s->mechanism);
    case 'f':
        s->family = argument;
        return 0;
    case 'n':
        return cli_integer(state, "--n", argument, 1, 1000000, &s->count);
    case 's':
        return cli_seed(state, argument, &s->spec.seed);
    case KEY_DTYPE:
        return cli_dtype(state, argument, &s->dtype);
    case KEY_FORWARD:
        s->spec.backward = false;
        return 0;
    case KEY_GV:
        s->spec.gv = true;
        return 0;
    case KEY_STATE:
        s->spec.initial_state = true;
        return 0;
    case KEY_VARLEN:
        s->spec.varlen = true;
        return 0;
    case KEY_REVERSE:
        s->spec.reverse = true;
        return 0;
    case KEY_AWKWARD:
        return cli_integer(state, "--awkward", argument, 1, 1 << 20, &s->chunk);
    case ARGP_KEY_END:
        return s->directory ? 0 : cli_bad(state, "no folder given (-o DIR)");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc = "Generate case files (inputs only) of a family; prints their names."
           "\vExample: five cases with hard resets, in shapes that chunks of 64 find awkward\n"
           "  glassbox gen --family reset --n 5 --awkward 64 -o cases"};

static gla_status make_folder(const char *path, gla_error *err) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return GLA_OK;
    return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot make the folder: %s", path, strerror(errno));
}

static gla_status save(const settings *s, const gla_generated *made, gla_error *err) {
    gla_dtype dtype[GLA_INPUTS];
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = s->dtype;
    dtype[GLA_IN_GK] = dtype[GLA_IN_GV] = dtype[GLA_IN_INITIAL_STATE] = dtype[GLA_IN_DFINAL_STATE] = GLA_F32;
    char seed[32], path[4096];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)made->spec.seed);
    if (snprintf(path, sizeof path, "%s/%s.safetensors", s->directory, made->name) >= (int)sizeof path)
        return gla_fail(err, GLA_IO_ERROR, "%.200s ...: the path is too long", path);

    gla_tensor_file file = {0};
    gla_status status = gla_case_add_problem(&file, s->mechanism, &made->problem, dtype, err);
    if (status == GLA_OK) status = gla_tensors_set_meta(&file, "case", made->name, err);
    if (status == GLA_OK) status = gla_tensors_set_meta(&file, "family", made->spec.family, err);
    if (status == GLA_OK) status = gla_tensors_set_meta(&file, "seed", seed, err);
    if (status == GLA_OK) status = gla_tensors_write(path, &file, err);
    if (status == GLA_OK) puts(path);
    gla_tensors_free(&file);
    return status;
}

static gla_status generate(const settings *s, const char *family, uint64_t seed, gla_error *err) {
    gla_case_spec spec = s->spec;
    if (s->chunk) {
        spec = gla_random_shape(family, seed, s->chunk);
        spec.backward = s->spec.backward;
    }
    spec.family = family;
    spec.seed = seed;
    spec.dtype = gla_dtype_format(s->dtype);
    gla_generated made;
    gla_status status = gla_generate(&spec, &made, err);
    if (status == GLA_OK) status = save(s, &made, err);
    gla_generated_free(&made);
    return status;
}

static gla_status generate_family(const settings *s, const char *family, gla_error *err) {
    gla_status status = GLA_OK;
    for (int64_t i = 0; i < s->count && status == GLA_OK; i++)
        status = generate(s, family, s->spec.seed + (uint64_t)i, err);
    return status;
}

static gla_status generate_all(const settings *s, gla_error *err) {
    gla_status status = make_folder(s->directory, err);
    if (strcmp(s->family, "all") != 0) return status ? status : generate_family(s, s->family, err);
    for (const gla_family *f = gla_families; f->name && status == GLA_OK; f++)
        status = generate_family(s, f->name, err);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.mechanism = gla_mechanism_named("gla"),
                  .family = "mild",
                  .spec = {.backward = true, .seed = 1},
                  .dtype = GLA_BF16,
                  .count = 1};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    gla_error err = {0};
    return generate_all(&s, &err) ? cli_fail(name, &err) : CLI_PASS;
}

const cli_command cli_gen = {name, "generate case files of a family", run};
