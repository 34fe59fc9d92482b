/* SPDX-License-Identifier: Apache-2.0
 *
 * The yardstick of glassbox bench: what one writes first, a plain float64 loop over tokens, one head, [T,D] dense.
 */
#ifndef GLASSBOX_CLI_BENCH_LOOP_H
#define GLASSBOX_CLI_BENCH_LOOP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_loop {
    size_t T, dk, dv;
    double scale;
    const double *q, *k, *v, *g, *d_o; /* d_o NULL: forward only */
    double *o, *dq, *dk_, *dv_, *dg;
    double *states; /* [T+1,dk,dv] when there is a backward, else [dk,dv] */
    double *F;      /* [dk,dv], backward only */
} bench_loop;

/* Every result is the caller's memory. S and F start from 0. */
void bench_loop_run(const bench_loop *x);

#endif
