/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of glassbox bench that says what certified truth costs of each mechanism.
 */
#ifndef GLASSBOX_CLI_BENCH_MECHANISMS_H
#define GLASSBOX_CLI_BENCH_MECHANISMS_H

#include <stdbool.h>
#include <stdint.h>

/* Prints it, of 1 to 99 repeats on one thread: a head of 128 tokens, dk = dv = 32, forward and backward, every
 * mechanism of the table in its usual conventions. The yardstick of a row is the mechanism's own recurrent form in
 * binary64. False: a row failed. */
bool bench_mechanisms(int64_t repeats);

#endif
