/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward recurrence in Arb's ball arithmetic at 128 bits, for `glassbox bench` (built by `make bench`):
 *
 *     bench_arb T dk dv REPEATS
 *
 * One head, S_0 = 0; prints one line of seconds per repeat. The values matter little: they come from sines.
 */
#include <arb.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BITS = 128 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Binary32 numbers between -1 and 1, as a case file would hold. */
static void fill(arb_ptr x, slong count, double phase) {
    for (slong i = 0; i < count; i++) arb_set_d(x + i, (float)sin(phase + 1.7 * (double)i));
}

static void forward(arb_ptr S, arb_ptr o, arb_srcptr q, arb_srcptr k, arb_srcptr v, slong T, slong dk, slong dv) {
    arb_t alpha, g;
    arb_init(alpha);
    arb_init(g);
    _arb_vec_zero(S, dk * dv);
    for (slong t = 0; t < T; t++) {
        _arb_vec_zero(o, dv);
        for (slong i = 0; i < dk; i++) {
            arb_set_d(g, -0.04 - 0.001 * (double)(i % 7));
            arb_exp(alpha, g, BITS);
            for (slong j = 0; j < dv; j++) {
                arb_ptr s = S + i * dv + j;
                arb_mul(s, s, alpha, BITS);
                arb_addmul(s, k + t * dk + i, v + t * dv + j, BITS);
                arb_addmul(o + j, q + t * dk + i, s, BITS);
            }
        }
    }
    arb_clear(alpha);
    arb_clear(g);
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "bench_arb: usage: bench_arb T dk dv REPEATS\n"), 2;
    slong T = atol(argv[1]), dk = atol(argv[2]), dv = atol(argv[3]), repeats = atol(argv[4]);
    arb_ptr q = _arb_vec_init(T * dk), k = _arb_vec_init(T * dk), v = _arb_vec_init(T * dv);
    arb_ptr S = _arb_vec_init(dk * dv), o = _arb_vec_init(dv);
    fill(q, T * dk, 0.1);
    fill(k, T * dk, 0.2);
    fill(v, T * dv, 0.3);
    for (slong i = 0; i < repeats; i++) {
        double start = now();
        forward(S, o, q, k, v, T, dk, dv);
        printf("%.9f\n", now() - start);
        fflush(stdout);
    }
    _arb_vec_clear(q, T * dk);
    _arb_vec_clear(k, T * dk);
    _arb_vec_clear(v, T * dv);
    _arb_vec_clear(S, dk * dv);
    _arb_vec_clear(o, dv);
    return 0;
}
