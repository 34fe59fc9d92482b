/* SPDX-License-Identifier: Apache-2.0
 *
 * The second table of glassbox bench: what a verdict costs, truth, bounds and judging together.
 */
#ifndef GLASSBOX_CLI_BENCH_VERDICT_H
#define GLASSBOX_CLI_BENCH_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* Prints it, of 1 to 99 repeats: one check of the size that glassbox.assert_accurate is meant for, its parts, and the
 * whole quick level on a plug-in (the shared object at `plugin`; not available if it cannot be read). False: a row
 * failed. */
bool bench_verdicts(int64_t repeats, int threads, const char *plugin);

#endif
