/* SPDX-License-Identifier: Apache-2.0
 *
 * What a device returned, from data/hardware/mufu_FUNCTION.npz (data/hardware/README.md says what is there).
 */
#ifndef GLASSBOX_TEST_MUFU_RECORDS_H
#define GLASSBOX_TEST_MUFU_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "fast/hardware/probe/mufu_plan.h"
#include "reference/status.h"

typedef struct mufu_records {
    int64_t *check;   /* MUFU_BLOCKS sums, of which the low 32 bits are kept */
    uint32_t *edge;   /* 2 MUFU_EDGES blocks of words, in the order of mufu_edges, then those with the sign */
    uint32_t *binade; /* the words of 1.0, ... (MUFU_BINADE_FIRST), or NULL */
    size_t binade_count;
} mufu_records;

enum { MUFU_BINADE_FIRST = 0x3f800000 };

/* The first word of edge block k, 0 <= k < 2 MUFU_EDGES. */
uint32_t mufu_edge_word(int k);

/* exp2f is kept as ex2, exp_fast as exp_triton: they were the same on every word. tanh is not kept. */
gla_status mufu_records_read(enum mufu_function function, mufu_records *out, gla_error *err);
void mufu_records_free(mufu_records *r);

#endif
