/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a file of words and comparing it with a model (cli_probe_words.h). The comparison is a list of jobs, a check
 * or a run of words each, that any processor may take.
 */
#include "cli_probe_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/threads.h"

/* ---- files ---- */

static const gla_named_tensor *tensor_of(const cli_probe_words *w, const gla_probe_class *c, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", c->name, what);
    return gla_tensors_find(&w->file, name);
}

const gla_named_tensor *cli_probe_words_of(const cli_probe_words *w, const gla_probe_class *c) {
    return tensor_of(w, c, "words");
}

static size_t results_of(const gla_probe_instruction *i, const gla_probe_class *c) {
    return gla_probe_tiles(i, c) * (size_t)(i->M * i->N);
}

static size_t blocks_of(const gla_probe_instruction *i, const gla_probe_class *c) {
    return (results_of(i, c) + GLA_PROBE_BLOCK - 1) / GLA_PROBE_BLOCK;
}

static gla_status check_class(const cli_probe_words *w, const gla_probe_class *c, const char *path, gla_error *err) {
    const gla_probe_instruction *i = w->instruction;
    const gla_named_tensor *check = tensor_of(w, c, "check"), *word = tensor_of(w, c, "words");
    size_t most = c->kind == GLA_PROBE_POINTS ? gla_probe_points(i, NULL, 0) : results_of(i, c);
    if (!check || check->dtype != GLA_U64 || (size_t)check->count != blocks_of(i, c))
        return gla_fail(err, GLA_BAD_FILE, "%.200s: %s.check is not %zu words of 64 bits", path, c->name,
                        blocks_of(i, c));
    if (word &&
        (gla_dtype_size(word->dtype) != (size_t)gla_probe_format_named(i->result)->bytes || (size_t)word->count > most))
        return gla_fail(err, GLA_BAD_FILE, "%.200s: %s.words is not at most %zu words of %s", path, c->name, most,
                        i->result);
    return GLA_OK;
}

static gla_status bad(gla_error *err, const char *path, const char *what) {
    gla_status status = gla_fail(err, GLA_BAD_FILE, "%.200s: %s", path, what);
    return gla_hint(err, status, "glassbox probe -o DIR writes such files where there is a GPU");
}

static gla_status check_file(cli_probe_words *w, const char *path, gla_error *err) {
    const char *version = gla_tensors_meta(&w->file, "version"), *seed = gla_tensors_meta(&w->file, "seed");
    const char *instruction = gla_tensors_meta(&w->file, "instruction");
    w->arch = gla_tensors_meta(&w->file, "arch");
    if (!version || !seed || !instruction || !w->arch) return bad(err, path, "no words of the device probe");
    if (strtoul(version, NULL, 10) != GLA_PROBE_VERSION) return bad(err, path, "words of another version of the probe");
    w->seed = strtoull(seed, NULL, 10);
    w->instruction = gla_probe_instruction_named(instruction);
    if (!w->instruction) return bad(err, path, "words of an instruction that is not known");
    gla_status status = GLA_OK;
    for (const gla_probe_class *c = gla_probe_classes; status == GLA_OK && c->name; c++)
        status = check_class(w, c, path, err);
    return status;
}

gla_status cli_probe_words_read(const char *path, cli_probe_words *out, gla_error *err) {
    *out = (cli_probe_words){0};
    gla_status status = gla_tensors_read(path, &out->file, err);
    return status == GLA_OK ? check_file(out, path, err) : status;
}

void cli_probe_words_free(cli_probe_words *w) { gla_tensors_free(&w->file); }

void cli_probe_words_cut(cli_probe_words *w, int64_t most) {
    for (size_t k = 0; k < w->file.count; k++) {
        gla_named_tensor *x = &w->file.tensor[k];
        const char *dot = strrchr(x->name, '.');
        bool words = dot && strcmp(dot, ".words") == 0 && strcmp(x->name, "points.words") != 0;
        if (words && x->count > most) x->shape[0] = x->count = most;
    }
}

void cli_probe_variants(const cli_probe_words *w, size_t *results, size_t *differ) {
    *results = *differ = 0;
    for (size_t k = 0; k < w->file.metas; k++) {
        size_t some, of;
        if (strncmp(w->file.meta_key[k], "differ.", 7) != 0) continue;
        if (sscanf(w->file.meta_value[k], "%zu of %zu", &some, &of) != 2) continue;
        *differ += some;
        *results += of;
    }
}

/* ---- jobs ---- */

enum { RUN = 256 }; /* words of a job */

typedef struct job {
    const gla_probe_class *klass;
    const gla_named_tensor *word; /* NULL: a check */
    size_t first, count;          /* results (points: points) */
    bool failed;                  /* no memory */
    size_t wrong, unexpected, predicted;
    size_t at; /* the first wrong one */
    uint64_t device, model;
} job;

typedef struct judging {
    const cli_probe_words *words;
    const gla_mma_model *model;
    job *job;
    size_t jobs;
    void (*progress)(void *data, double done);
    void *data;
} judging;

static void compare(job *j, size_t at, uint64_t device, uint64_t model) {
    if (device == model) return;
    if (j->wrong++ == 0) {
        j->at = at;
        j->device = device;
        j->model = model;
    }
}

static void judge_points(const judging *all, job *j) {
    const gla_probe_instruction *i = all->words->instruction;
    const gla_probe_format *result = gla_probe_format_named(i->result);
    gla_probe_point *point = calloc(j->count, sizeof *point);
    j->failed = !point;
    if (point) gla_probe_points(i, point, j->count);
    for (size_t k = 0; point && k < j->count; k++) {
        uint64_t device = gla_probe_unpack(result, j->word->raw, k);
        const gla_probe_point *p = &point[k];
        compare(j, k, device, gla_probe_model_dot(i, all->model, p->a, p->b, (size_t)i->K, p->c));
        j->predicted += p->expectation != GLA_PROBE_RECORD;
        j->unexpected += !gla_probe_as_expected(i, p, device);
    }
    free(point);
}

static void judge_results(const judging *all, job *j) {
    const gla_probe_instruction *i = all->words->instruction;
    const gla_probe_format *result = gla_probe_format_named(i->result);
    uint64_t word[GLA_PROBE_BLOCK];
    j->failed = !gla_probe_model_words(i, all->model, j->klass, all->words->seed, j->first, j->count, word);
    if (j->failed) return;
    for (size_t k = 0; j->word && k < j->count; k++)
        compare(j, j->first + k, gla_probe_unpack(result, j->word->raw, j->first + k), word[k]);
    if (j->word) return;
    const gla_probe_format u64 = {.bytes = 8};
    uint64_t check = gla_probe_unpack(&u64, tensor_of(all->words, j->klass, "check")->raw, j->first / GLA_PROBE_BLOCK);
    compare(j, j->first, check, gla_probe_hash(result, word, j->count));
}

static void do_job(void *data, size_t k) {
    const judging *all = data;
    job *j = &all->job[k];
    (j->word && j->klass->kind == GLA_PROBE_POINTS ? judge_points : judge_results)(all, j);
}

static void tell(void *data, size_t begun) {
    const judging *all = data;
    if (all->progress) all->progress(all->data, (double)begun / (double)all->jobs);
}

/* The jobs of a class, longest first; counted only where there is no list yet. */
static void list_class(judging *all, const gla_probe_class *c, bool quick) {
    const gla_probe_instruction *i = all->words->instruction;
    const gla_named_tensor *word = cli_probe_words_of(all->words, c);
    size_t results = results_of(i, c), checks = blocks_of(i, c), words = word ? (size_t)word->count : 0;
    size_t run = c->kind == GLA_PROBE_POINTS ? words : RUN;
    for (size_t k = quick ? checks / 2 : 0; k < (quick ? checks / 2 + (c->blocks == 1) : checks); k++) {
        size_t first = k * GLA_PROBE_BLOCK, rest = results - first;
        job one = {.klass = c, .first = first, .count = rest < GLA_PROBE_BLOCK ? rest : GLA_PROBE_BLOCK};
        if (all->job) all->job[all->jobs] = one;
        all->jobs++;
    }
    for (size_t first = 0; first < words; first += run) {
        size_t rest = words - first;
        job one = {.klass = c, .word = word, .first = first, .count = rest < run ? rest : run};
        if (all->job) all->job[all->jobs] = one;
        all->jobs++;
    }
}

static void list_jobs(judging *all, bool quick) {
    all->jobs = 0;
    for (const gla_probe_class *c = gla_probe_classes; c->name; c++) list_class(all, c, quick);
}

static void add_up(cli_probe_verdict *v, const job *j) {
    *(j->word ? &v->words : &v->results) += j->count;
    *(j->word ? &v->wrong_words : &v->wrong_checks) += j->wrong;
    v->checks += !j->word;
    v->points += j->predicted;
    v->unexpected += j->unexpected;
    if (j->wrong == 0 || (v->klass && (!j->word || v->wrong_words > j->wrong))) return;
    v->klass = j->klass;
    v->at = j->at;
    v->device = j->device;
    v->model = j->model;
}

gla_status cli_probe_judge(const cli_probe_words *w, const gla_mma_model *m, bool quick,
                           void (*progress)(void *data, double done), void *data, cli_probe_verdict *out,
                           gla_error *err) {
    judging all = {.words = w, .model = m, .progress = progress, .data = data};
    *out = (cli_probe_verdict){0};
    list_jobs(&all, quick);
    all.job = malloc((all.jobs + 1) * sizeof *all.job);
    if (!all.job) return gla_fail(err, GLA_NO_MEMORY, "no memory for the comparison of words");
    list_jobs(&all, quick);
    gla_parallel(all.jobs, gla_processors(), do_job, &all, tell);
    bool failed = false;
    for (size_t k = 0; k < all.jobs; k++) {
        failed |= all.job[k].failed;
        add_up(out, &all.job[k]);
    }
    free(all.job);
    return failed ? gla_fail(err, GLA_NO_MEMORY, "no memory for the inputs of the probe") : GLA_OK;
}
