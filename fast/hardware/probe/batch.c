/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing tiles, running them, comparing variants (batch.h).
 */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "../../cpu/threads.h"

/* [rows, blocks, K] as the tile has it to [blocks, rows, K] as the device reads it. */
static void pack_blocks(const gla_probe_format *f, const uint64_t *word, size_t rows, size_t blocks, size_t K,
                        unsigned char *to) {
    size_t bytes = K * (size_t)f->bytes;
    for (size_t row = 0; row < rows; row++)
        for (size_t block = 0; block < blocks; block++)
            gla_probe_pack(f, word + (row * blocks + block) * K, K, to + (block * rows + row) * bytes);
}

static void make_tile(void *data, size_t tile) {
    batch *b = data;
    const gla_probe_instruction *i = b->instruction;
    const gla_probe_format *fa = gla_probe_format_named(i->a), *fb = gla_probe_format_named(i->b);
    size_t M = (size_t)i->M, N = (size_t)i->N, K = (size_t)i->K, blocks = b->klass->blocks;
    uint64_t *a = malloc((M + N) * K * blocks * sizeof *a + M * N * sizeof *a);
    if (!a) abort(); /* a probe program, not the library */
    uint64_t *other = a + M * K * blocks, *c = other + N * K * blocks;
    gla_probe_tile(b->seed, i, b->klass, tile, a, other, c);
    pack_blocks(fa, a, M, blocks, K, b->A + tile * M * K * blocks * (size_t)fa->bytes);
    pack_blocks(fb, other, N, blocks, K, b->B + tile * N * K * blocks * (size_t)fb->bytes);
    gla_probe_pack(b->result, c, M * N, b->C + tile * M * N * (size_t)b->result->bytes);
    free(a);
}

bool batch_make(batch *b, uint64_t seed, const gla_probe_instruction *i, const gla_probe_class *c) {
    *b = (batch){.instruction = i, .klass = c, .seed = seed, .result = gla_probe_format_named(i->result)};
    b->tiles = gla_probe_tiles(i, c);
    b->results = b->tiles * (size_t)(i->M * i->N);
    size_t k_bytes = b->tiles * c->blocks * (size_t)(i->K * gla_probe_format_named(i->a)->bytes);
    b->bytes_a = k_bytes * (size_t)i->M;
    b->bytes_c = b->results * (size_t)b->result->bytes;
    b->A = malloc(b->bytes_a);
    b->B = malloc(k_bytes * (size_t)i->N);
    b->C = malloc(b->bytes_c);
    b->D = malloc(b->bytes_c);
    b->other = malloc(b->bytes_c);
    b->word = malloc(b->results * sizeof *b->word);
    if (!b->A || !b->B || !b->C || !b->D || !b->other || !b->word) return false;
    gla_parallel(b->tiles, gla_processors(), make_tile, b, NULL);
    return true;
}

void batch_free(batch *b) {
    free(b->A);
    free(b->B);
    free(b->C);
    free(b->D);
    free(b->other);
    free(b->word);
}

static gla_probe_job job_of(const batch *b, const void *A, const void *C, void *D) {
    return (gla_probe_job){.instruction = b->instruction,
                           .tiles = b->tiles,
                           .blocks = b->klass->blocks,
                           .A = A,
                           .B = b->B,
                           .C = C,
                           .D = D};
}

const char *batch_run(batch *b) {
    gla_probe_job job = job_of(b, b->A, b->C, b->D);
    const char *failed = gla_probe_run(&job);
    for (size_t k = 0; !failed && k < b->results; k++) b->word[k] = gla_probe_unpack(b->result, b->D, k);
    return failed;
}

/* ---- variants ---- */

const batch_way batch_ways[] = {
    {"rotated", GLA_PROBE_PLAIN, 11, 5, 0, SAME},
    {"registers", GLA_PROBE_REGISTERS, 0, 0, 0, SAME},
    {"n8", GLA_PROBE_N8, 0, 0, 0, SAME},
    {"n256.0", GLA_PROBE_N256, 0, 0, 0, SAME},
    {"n256.1", GLA_PROBE_N256, 0, 0, 1, SAME},
    {"n256.2", GLA_PROBE_N256, 0, 0, 2, SAME},
    {"n256.3", GLA_PROBE_N256, 0, 0, 3, SAME},
    {"scale-d.0", GLA_PROBE_PLAIN, 0, 0, 0, C_ZERO},
    {"negated", GLA_PROBE_NEGATED, 0, 0, 0, A_NEGATED},
    {NULL, GLA_PROBE_PLAIN, 0, 0, 0, SAME},
};

/* The plain run on other inputs than the batch's: C = +0, or A with every sign turned. */
static const char *run_changed(batch *b, const batch_way *way, unsigned char *out) {
    const gla_probe_format *f = gla_probe_format_named(b->instruction->a);
    unsigned char *A = malloc(b->bytes_a), *C = calloc(1, b->bytes_c);
    const char *failed = A && C ? NULL : "out of memory";
    if (!failed) {
        memcpy(A, b->A, b->bytes_a);
        for (size_t k = (size_t)f->bytes - 1; k < b->bytes_a; k += (size_t)f->bytes) A[k] ^= 0x80;
        bool zero = way->compared_with == C_ZERO;
        gla_probe_job job = job_of(b, zero ? b->A : A, zero ? C : b->C, out);
        failed = gla_probe_run(&job);
    }
    free(A);
    free(C);
    return failed;
}

const char *batch_compare(batch *b, const batch_way *way, size_t *differ, size_t *first) {
    unsigned char *changed = way->compared_with == SAME ? NULL : malloc(b->bytes_c);
    const char *failed = NULL;
    if (way->compared_with != SAME) failed = changed ? run_changed(b, way, changed) : "out of memory";
    gla_probe_job job = job_of(b, b->A, b->C, b->other);
    job.variant = way->variant;
    job.rows = way->rows;
    job.columns = way->columns;
    job.copy = way->copy;
    job.fresh = way->compared_with == C_ZERO;
    if (!failed) failed = gla_probe_run(&job);
    const unsigned char *expected = changed ? changed : b->D;
    size_t bytes = (size_t)b->result->bytes;
    *differ = 0;
    for (size_t k = b->results; !failed && k-- > 0;)
        if (memcmp(expected + k * bytes, b->other + k * bytes, bytes) != 0) {
            (*differ)++;
            *first = k;
        }
    free(changed);
    return failed;
}
