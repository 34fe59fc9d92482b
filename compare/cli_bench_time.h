/* SPDX-License-Identifier: Apache-2.0
 *
 * Seconds and their order, for every table of glassbox bench.
 */
#ifndef GLASSBOX_CLI_BENCH_TIME_H
#define GLASSBOX_CLI_BENCH_TIME_H

#include <stdint.h>
#include <time.h>

enum { BENCH_MOST_REPEATS = 99 };

/* What a clock shows, in seconds: CLOCK_MONOTONIC, or CLOCK_THREAD_CPUTIME_ID. */
double bench_seconds(clockid_t clock);

/* Least first: x[count / 2] is the median. */
void bench_sort(double *x, int64_t count);

#endif
