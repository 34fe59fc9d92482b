/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox probe: what a GPU's tensor cores return, beside what the models say (fast/hardware/tensor_core.h). The words
 * come from the device probe (cli_probe_device.c) or from files that it wrote.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_probe_device.h"
#include "cli_probe_words.h"

static const char name[] = "probe";

typedef struct settings {
    const char *from, *output;
    int64_t keep;
    bool full;
} settings;

enum { KEEP = 1024 };

static const struct argp_option table[] = {
    {"from", 'f', "DIR", 0, "Words that were recorded before, instead of running the device probe", 0},
    {"output", 'o', "DIR", 0, "Write the words to DIR/INSTRUCTION.npz", 0},
    {"keep", 'k', "N", 0, "Of each class keep N words beside the checks (1024)", 0},
    {"full", 'F', NULL, 0, "Compare every result (minutes), not one block of 4096 a class and all words", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 'f':
        s->from = argument;
        return 0;
    case 'o':
        s->output = argument;
        return 0;
    case 'k':
        return cli_integer(state, "--keep", argument, 0, 1 << 20, &s->keep);
    case 'F':
        s->full = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc =
        "Run every matrix instruction of the GPU on millions of inputs and compare each result with its model."
        "\vNeeds a GPU of compute capability 9.0 and glassbox-probe beside this program, which make builds where nvcc "
        "is; without them the exit status is 77. --from needs neither. A result that no model predicts is printed "
        "and the exit status is 1. data/hardware/README.md describes inputs and files.\n\n"
        "Example: the words that come with glassbox, against the models\n"
        "  glassbox probe --from data/hardware/mma"};

/* ---- one instruction ---- */

typedef struct summary {
    settings set;
    const char *folder;
    cli_progress bar;
    size_t file, files; /* how far the bar is */
    size_t instructions, unmodelled, unprobed, results, words, points, variants;
    size_t wrong; /* checks, words, predictions and variants together */
} summary;

static void step(void *data, double done) {
    summary *all = data;
    cli_progress_step(&all->bar, ((double)all->file + done) / (double)all->files);
}

/* The file of an instruction in the folder, safetensors or npz. */
static bool find(const char *folder, const gla_probe_instruction *i, char *path, size_t size) {
    snprintf(path, size, "%s/%s.safetensors", folder, i->name);
    if (access(path, F_OK) == 0) return true;
    snprintf(path, size, "%s/%s.npz", folder, i->name);
    return access(path, F_OK) == 0;
}

static void print_heading(const cli_probe_words *w) {
    const char *gpu = gla_tensors_meta(&w->file, "gpu"), *driver = gla_tensors_meta(&w->file, "driver");
    const char *date = gla_tensors_meta(&w->file, "date");
    printf("%s (%s), driver %s, %s\n%s%-28s %10s %8s %9s %10s %9s%s\n", gpu ? gpu : "GPU unknown", w->arch,
           driver ? driver : "unknown", date ? date : "date unknown", cli_on(CLI_BOLD), "instruction", "results",
           "words", "predicted", "variants", "wrong", cli_off());
}

static void print_first(const cli_probe_words *w, const cli_probe_verdict *v) {
    int digits = 2 * gla_probe_format_named(w->instruction->result)->bytes;
    if (v->wrong_words > 0)
        printf("  class %s, %s %zu: device %0*" PRIx64 ", model %0*" PRIx64 "\n", v->klass->name,
               v->klass->kind == GLA_PROBE_POINTS ? "point" : "result", v->at, digits, v->device, digits, v->model);
    else if (v->wrong_checks > 0)
        printf("  class %s: some of the results from %zu on\n", v->klass->name, v->at);
}

static gla_status judge(summary *all, const cli_probe_words *w, gla_error *err) {
    const gla_mma_model *m = gla_probe_model(w->arch, w->instruction);
    cli_probe_verdict v;
    size_t variants, differ;
    if (!m) {
        printf("%-28s no model of it on %s\n", w->instruction->name, w->arch);
        all->unmodelled++;
        return GLA_OK;
    }
    gla_status status = cli_probe_judge(w, m, !all->set.full, step, all, &v, err);
    if (status != GLA_OK) return status;
    cli_probe_variants(w, &variants, &differ);
    size_t wrong = v.wrong_checks + v.wrong_words + v.unexpected + differ;
    cli_progress_end(&all->bar);
    printf("%-28s %10zu %8zu %9zu %10zu %s%9zu%s\n", w->instruction->name, v.results, v.words, v.points, variants,
           cli_on(wrong ? CLI_RED : CLI_PLAIN), wrong, cli_off());
    print_first(w, &v);
    if (v.unexpected) printf("  %zu named probes are not as predicted\n", v.unexpected);
    if (differ) printf("  %zu results differ in a variant\n", differ);
    fflush(stdout);
    all->unprobed += !m->probed;
    all->results += v.results;
    all->words += v.words;
    all->points += v.points;
    all->variants += variants;
    all->wrong += wrong;
    return GLA_OK;
}

static gla_status write_words(const settings *s, cli_probe_words *w, gla_error *err) {
    char path[4096];
    if (mkdir(s->output, 0777) != 0 && errno != EEXIST)
        return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", s->output, strerror(errno));
    cli_probe_words_cut(w, s->keep);
    snprintf(path, sizeof path, "%s/%s.npz", s->output, w->instruction->name);
    return gla_tensors_write(path, &w->file, err);
}

static gla_status do_file(summary *all, const char *path, gla_error *err) {
    cli_probe_words w;
    gla_status status = cli_probe_words_read(path, &w, err);
    if (status == GLA_OK && all->instructions++ == 0) print_heading(&w);
    if (status == GLA_OK) status = judge(all, &w, err);
    if (status == GLA_OK && all->set.output) status = write_words(&all->set, &w, err);
    cli_probe_words_free(&w);
    return status;
}

/* ---- all of them ---- */

static gla_status do_folder(summary *all, gla_error *err) {
    char path[4096];
    gla_status status = GLA_OK;
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++)
        all->files += find(all->folder, i, path, sizeof path);
    if (all->files == 0) return gla_fail(err, GLA_BAD_FILE, "%.200s: no words of the device probe", all->folder);
    all->bar = cli_progress_start("comparing");
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name && status == GLA_OK; i++) {
        if (!find(all->folder, i, path, sizeof path)) continue;
        status = do_file(all, path, err);
        all->file++;
    }
    cli_progress_end(&all->bar);
    return status;
}

static int finish(const summary *all) {
    if (all->instructions > all->unmodelled)
        printf("%s%-28s %10zu %8zu %9zu %10zu %9zu%s\n", cli_on(CLI_BOLD), "all", all->results, all->words, all->points,
               all->variants, all->wrong, cli_off());
    if (!all->set.full && all->instructions > all->unmodelled)
        puts("results: a block of 4096 of each class; --full compares all of them");
    if (all->wrong)
        puts("The models are wrong for this device: bit-exactness is not claimed.");
    else if (all->unprobed + all->unmodelled)
        printf("%zu of %zu instructions have no probed model: bit-exactness is not claimed for them.\n",
               all->unprobed + all->unmodelled, all->instructions);
    return all->wrong ? CLI_MISMATCH : all->instructions > all->unmodelled ? CLI_PASS : CLI_UNCERTAIN;
}

static int run(int argc, char **argv) {
    summary all = {.set = {.keep = KEEP}};
    gla_error err = {0};
    cli_device_words device = {0};
    int ended = cli_parse(&options, argc, argv, &all.set);
    if (ended != CLI_GO_ON) return ended;
    all.folder = all.set.from;
    if (!all.folder) {
        ended = cli_device_run(name, &device);
        if (ended != CLI_GO_ON) return ended;
        all.folder = device.folder;
    }
    gla_status status = do_folder(&all, &err);
    cli_device_clear(&device);
    return status == GLA_OK ? finish(&all) : cli_fail(name, &err);
}

const cli_command cli_probe = {name, "what this GPU's tensor cores return, against the models", run};
