/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of glassbox bench that says how fast a tensor core's arithmetic is replayed.
 */
#ifndef GLASSBOX_CLI_BENCH_BLOCKS_H
#define GLASSBOX_CLI_BENCH_BLOCKS_H

#include <stdint.h>

/* Prints it, of 1 to 99 repeats: blocks per second on one thread, a few models, products of 128 x 128 x 128. */
void bench_blocks(int64_t repeats);

#endif
