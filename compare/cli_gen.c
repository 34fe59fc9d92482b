/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox gen: cases of a family, inputs only, the same bits for the same seed on every machine: as files, or as a
 * stream of frames (io/stream.h) for a program that returns its outputs to glassbox verify.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_generation.h"
#include "io/stream.h"

static const char name[] = "gen";

typedef struct settings {
    cli_generation generation;
    const char *directory;
    bool stream;
} settings;

enum { KEY_STREAM = 512 };
static const struct argp_option table[] = {
    {"output", 'o', "DIR", 0, "Folder for the files; made if it is not there", 1},
    {"stream", KEY_STREAM, NULL, 0, "Frames to stdout instead: u64 little-endian length, then a safetensors file", 1},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->generation;
        return 0;
    case 'o':
        s->directory = argument;
        return 0;
    case KEY_STREAM:
        s->stream = true;
        return 0;
    case ARGP_KEY_END:
        if (!s->directory == s->stream) return 0;
        return cli_bad(state, s->stream ? "-o and --stream exclude each other" : "no folder given (-o DIR)");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_generation_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc = "Generate cases (inputs only) of a family, as files, whose names are printed, or as a stream."
           "\vExample: five cases with hard resets, in shapes that chunks of 64 find awkward\n"
           "  glassbox gen --family reset --n 5 --awkward 64 -o cases\n\n"
           "A program between two pipes, judged on every family:\n"
           "  glassbox gen --stream --level quick | ./program | glassbox verify --stream --level quick",
    .children = children};

static gla_status make_folder(const char *path, gla_error *err) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return GLA_OK;
    return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot make the folder: %s", path, strerror(errno));
}

static gla_status save(const settings *s, const gla_generated *made, const gla_tensor_file *file, gla_error *err) {
    if (s->stream) return gla_stream_write(STDOUT_FILENO, file, err);
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.safetensors", s->directory, made->name) >= (int)sizeof path)
        return gla_fail(err, GLA_IO_ERROR, "%.200s ...: the path is too long", path);
    gla_status status = gla_tensors_write(path, file, err);
    if (status == GLA_OK) puts(path);
    return status;
}

static gla_status generate(const settings *s, int64_t index, gla_error *err) {
    gla_case_spec spec = cli_generation_spec(&s->generation, index);
    gla_generated made;
    gla_tensor_file file = {0};
    gla_status status = gla_generate(&spec, &made, err);
    if (status == GLA_OK) status = cli_generation_file(&s->generation, &made, &file, err);
    if (status == GLA_OK) status = save(s, &made, &file, err);
    gla_tensors_free(&file);
    gla_generated_free(&made);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.generation = cli_generation_default()};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    int64_t cases = cli_generation_cases(&s.generation);
    if (cases < 0) return cli_complain(name, "no family '%.40s' (glassbox list shows them)", s.generation.family);
    gla_error err = {0};
    gla_status status = s.stream ? GLA_OK : make_folder(s.directory, &err);
    for (int64_t i = 0; i < cases && status == GLA_OK; i++) status = generate(&s, i, &err);
    return status ? cli_fail(name, &err) : CLI_PASS;
}

const cli_command cli_gen = {name, "generate cases of a family, as files or a stream", run};
