/* SPDX-License-Identifier: Apache-2.0
 *
 * Seconds and their order; contract in cli_bench_time.h.
 */
#include "cli_bench_time.h"

#include <stdlib.h>

double bench_seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

void bench_sort(double *x, int64_t count) { qsort(x, (size_t)count, sizeof *x, by_size); }
