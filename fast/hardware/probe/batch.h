/* SPDX-License-Identifier: Apache-2.0
 *
 * All tiles of a class packed for the device, and the words that came back.
 */
#ifndef GLASSBOX_PROBE_BATCH_H
#define GLASSBOX_PROBE_BATCH_H

#include <stdbool.h>

#include "cases.h"
#include "device.h"

typedef struct batch {
    const gla_probe_instruction *instruction;
    const gla_probe_class *klass;
    const gla_probe_format *result;
    uint64_t seed;
    size_t tiles, results;
    unsigned char *A, *B, *C, *D, *other; /* packed; D from the plain run, `other` from a variant */
    size_t bytes_a, bytes_c;
    uint64_t *word; /* D's, unpacked */
} batch;

/* Draws the inputs, on all processors. False when memory is short. */
bool batch_make(batch *b, uint64_t seed, const gla_probe_instruction *i, const gla_probe_class *c);
void batch_free(batch *b);

/* The plain run: fills D and word. NULL, or what failed. */
const char *batch_run(batch *b);

/* A way of running the same products that must return the same words. */
typedef struct batch_way {
    const char *name;
    gla_probe_variant variant;
    int rows, columns, copy;
    enum { SAME, C_ZERO, A_NEGATED } compared_with; /* plain; plain with C = +0; plain with -A */
} batch_way;

extern const batch_way batch_ways[]; /* ends with name NULL; only the first is for mma.sync */

/* How many results differ, and which first. NULL, or what failed. */
const char *batch_compare(batch *b, const batch_way *way, size_t *differ, size_t *first);

#endif
