/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox-probe DIRECTORY [KEPT [INSTRUCTION]]: runs every matrix instruction on every class of inputs on the GPU and
 * writes DIRECTORY/NAME.safetensors for each: per class a check of every block of 4096 results ("CLASS.check"), the
 * first KEPT result words ("CLASS.words", 32768 unless told, a quarter of them for chains; of the points the diagonal
 * results), and as text what the machine is and how many results each variant changed. `glassbox probe` reads them.
 *
 * Exit status: 0, 2 when something failed, 77 when there is no GPU of compute capability 9.0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "dump.h"
#include "points.h"

enum { PROBE_FAILED = 2, PROBE_SKIPPED = 77, KEPT = 1 << 15 };

static gla_probe_gpu gpu;

static int complain(const char *what, const char *why) {
    fprintf(stderr, "glassbox-probe: %s: %s\n", what, why);
    return PROBE_FAILED;
}

/* ---- the machine ---- */

/* The first line that a command prints; "unknown" if there is none. */
static const char *answer(const char *command, char *line, int size) {
    FILE *from = popen(command, "r");
    if (!from || !fgets(line, size, from) || line[0] == '\n') snprintf(line, (size_t)size, "unknown");
    if (from) pclose(from);
    line[strcspn(line, " \n")] = 0;
    return line;
}

static bool describe(dump *d) {
    static char driver[128], sass[128], date[32];
    if (!sass[0]) {
        char command[200];
        time_t now = time(NULL);
        answer("nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null", driver, sizeof driver);
        snprintf(command, sizeof command,
                 "command -v cuobjdump >/dev/null && cuobjdump --dump-sass /proc/%d/exe | sha256sum", (int)getpid());
        answer(command, sass, sizeof sass);
        strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    }
    return dump_text(d, "version", "%d", GLA_PROBE_VERSION) && dump_text(d, "seed", "%d", GLA_PROBE_SEED) &&
           dump_text(d, "gpu", "%s", gpu.name) && dump_text(d, "arch", "sm_%d%d", gpu.major, gpu.minor) &&
           dump_text(d, "driver", "%s", driver) && dump_text(d, "cuda_runtime", "%d", gpu.runtime) &&
           dump_text(d, "cuda_driver", "%d", gpu.driver) && dump_text(d, "nvcc", "%d", gpu.compiler) &&
           dump_text(d, "sass_sha256", "%s", sass) && dump_text(d, "date", "%s", date);
}

/* ---- one class ---- */

static bool keep_checks(dump *d, const batch *b) {
    size_t blocks = (b->results + GLA_PROBE_BLOCK - 1) / GLA_PROBE_BLOCK;
    uint64_t *check = malloc(blocks * sizeof *check);
    char name[64];
    for (size_t k = 0; check && k < blocks; k++) {
        size_t first = k * GLA_PROBE_BLOCK, rest = b->results - first;
        check[k] = gla_probe_hash(b->result, b->word + first, rest < GLA_PROBE_BLOCK ? rest : GLA_PROBE_BLOCK);
    }
    snprintf(name, sizeof name, "%s.check", b->klass->name);
    bool done = check && dump_add(d, name, 8, check, blocks);
    free(check);
    return done;
}

/* Of the points the results (p, p) of each tile: one a point. */
static size_t choose_words(const batch *b, size_t kept, uint64_t *word) {
    if (b->klass->kind != GLA_PROBE_POINTS) {
        size_t most = b->klass->blocks > 1 ? kept / 4 : kept, count = b->results < most ? b->results : most;
        memcpy(word, b->word, count * sizeof *word);
        return count;
    }
    size_t M = (size_t)b->instruction->M, N = (size_t)b->instruction->N, P = M < N ? M : N;
    size_t count = gla_probe_points(b->instruction, NULL, 0);
    for (size_t k = 0; k < count; k++) word[k] = b->word[(k / P * M + k % P) * N + k % P];
    return count;
}

static bool keep_words(dump *d, const batch *b, size_t kept) {
    uint64_t *word = malloc(b->results * sizeof *word);
    char name[64];
    snprintf(name, sizeof name, "%s.words", b->klass->name);
    bool done = word && dump_add(d, name, b->result->bytes, word, choose_words(b, kept, word));
    free(word);
    return done;
}

static const char *compare_variants(dump *d, batch *b) {
    bool group = strcmp(b->instruction->family, "wgmma") == 0;
    for (const batch_way *way = batch_ways; way->name && (group || way == batch_ways); way++) {
        size_t differ = 0, first = 0;
        const char *failed = batch_compare(b, way, &differ, &first);
        if (failed) return failed;
        char key[64];
        snprintf(key, sizeof key, "differ.%s.%s", way->name, b->klass->name);
        bool done = differ ? dump_text(d, key, "%zu of %zu, first %zu: %llx", differ, b->results, first,
                                       (unsigned long long)gla_probe_unpack(b->result, b->other, first))
                           : dump_text(d, key, "0 of %zu", b->results);
        if (!done) return "too many variants";
        if (differ) printf("  %s: %s differs in %zu of %zu\n", b->klass->name, way->name, differ, b->results);
    }
    return NULL;
}

static const char *run_class(dump *d, const gla_probe_instruction *i, const gla_probe_class *c, size_t kept,
                             size_t *results) {
    batch b;
    const char *failed = batch_make(&b, GLA_PROBE_SEED, i, c) ? batch_run(&b) : "out of memory";
    if (!failed && (!keep_checks(d, &b) || !keep_words(d, &b, kept))) failed = "out of memory";
    if (!failed) failed = compare_variants(d, &b);
    *results += b.results;
    batch_free(&b);
    return failed;
}

/* ---- one instruction ---- */

static const char *run_instruction(const gla_probe_instruction *i, const char *directory, size_t kept) {
    char path[4096];
    size_t results = 0;
    dump *d = calloc(1, sizeof *d);
    const char *failed = d && describe(d) && dump_text(d, "instruction", "%s", i->name) ? NULL : "out of memory";
    for (const gla_probe_class *c = gla_probe_classes; !failed && c->name; c++)
        failed = run_class(d, i, c, kept, &results);
    snprintf(path, sizeof path, "%s/%s.safetensors", directory, i->name);
    if (!failed) failed = dump_write(d, path);
    if (d) dump_free(d);
    free(d);
    printf("%-28s %9zu results%s%s\n", i->name, results, failed ? ": " : "", failed ? failed : "");
    fflush(stdout);
    return failed;
}

int main(int argc, char **argv) {
    if (argc < 2 || argv[1][0] == '-') return complain("usage", "glassbox-probe DIRECTORY [KEPT [INSTRUCTION]]");
    const char *failed = gla_probe_gpu_found(&gpu);
    if (failed || gpu.major != 9 || gpu.minor != 0) {
        fprintf(stderr, "glassbox-probe: no GPU of compute capability 9.0 (%s)\n", failed ? failed : gpu.name);
        return PROBE_SKIPPED;
    }
    size_t kept = argc > 2 ? strtoul(argv[2], NULL, 10) : KEPT;
    int status = 0;
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++) {
        if (argc > 3 && strcmp(argv[3], i->name) != 0) continue;
        const char *wrong = run_instruction(i, argv[1], kept);
        if (wrong) status = complain(i->name, wrong);
    }
    return status;
}
