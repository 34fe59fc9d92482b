/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of mufu_plan.h as this library computes them, against what a device returned.
 */
#ifndef GLASSBOX_TEST_MUFU_REPLAY_H
#define GLASSBOX_TEST_MUFU_REPLAY_H

#include <stdint.h>

#include "mufu_records.h"

/* All but MUFU_TANH. */
uint32_t mufu_replayed(enum mufu_function function, uint32_t word);

/* The low 32 bits of the block's sum, as kept in the records. */
int64_t mufu_block_sum(enum mufu_function function, uint32_t block);

/* Every block under GLASSBOX_LONG; else one in 257, the blocks of [1, 4), and the edges word by word. Prints how many
 * words were compared, and returns how many blocks differ, or -1 where there are no records. */
long mufu_blocks_that_differ(enum mufu_function function);

#endif
