/* SPDX-License-Identifier: Apache-2.0
 *
 * Truth by mechanism; contract in cli_bench_mechanisms.h. The gated core as it stands has the double-double engine, the
 * others climb in intervals from the start: that is the step between the first rows and the rest.
 */
#include "cli_bench_mechanisms.h"

#include "cases.h"
#include "cli.h"
#include "cli_bench_time.h"
#include "truth.h"

enum { TOKENS = 128, CHANNELS = 32 };

typedef struct costs {
    double loop, truth; /* seconds of processor time, medians */
    long bits;
    int64_t uncertified;
} costs;

static gla_status loop_once(const gla_problem *p, double *seconds) {
    const gla_form form = {.kind = GLA_RECURRENT, .backward = true};
    gla_numbers *n = gla_binary64_open();
    gla_result r = {0};
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    gla_status status = n ? gla_run(p, &form, n, &r, NULL) : GLA_NO_MEMORY;
    *seconds = bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    gla_result_free(&r);
    gla_numbers_close(n);
    return status;
}

static gla_status truth_once(const gla_problem *p, double *seconds, costs *c) {
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    gla_truth truth;
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    gla_status status = gla_truth_compute(p, &how, &truth, NULL);
    *seconds = bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    c->bits = truth.bits;
    c->uncertified = truth.uncertified;
    gla_truth_free(&truth);
    return status;
}

static gla_status measure(const gla_problem *p, int64_t repeats, costs *c) {
    double loop[BENCH_MOST_REPEATS], truth[BENCH_MOST_REPEATS];
    gla_status status = GLA_OK;
    for (int64_t i = 0; i < repeats && status == GLA_OK; i++) {
        status = loop_once(p, &loop[i]);
        if (status == GLA_OK) status = truth_once(p, &truth[i], c);
    }
    if (status != GLA_OK) return status;
    bench_sort(loop, repeats);
    bench_sort(truth, repeats);
    c->loop = loop[repeats / 2];
    c->truth = truth[repeats / 2];
    return GLA_OK;
}

static bool print_mechanism(const gla_mechanism *m, int64_t repeats) {
    gla_case_spec spec = {.family = "mild",
                          .mechanism = m->name,
                          .T = TOKENS,
                          .H = 1,
                          .dk = CHANNELS,
                          .dv = CHANNELS,
                          .M = CHANNELS,
                          .initial_state = true,
                          .backward = true,
                          .seed = 1};
    gla_generated made;
    costs c = {.bits = 0};
    gla_error err = {0};
    gla_status status = gla_generate(&spec, &made, &err);
    if (status == GLA_OK) status = measure(&made.problem, repeats, &c);
    gla_generated_free(&made);
    if (status != GLA_OK) return printf("%-18s %s\n", m->name, gla_status_text(status)), false;
    printf("%-18s %12.4f %12.4f %8.3g %6ld bits%s\n", m->name, c.loop, c.truth, c.truth / c.loop, c.bits,
           c.uncertified ? ", not all certified" : "");
    return true;
}

bool bench_mechanisms(int64_t repeats) {
    bool good = true;
    printf("\ntruth by mechanism: T = %d, dk = dv = %d, forward and backward, seconds on one thread\n", TOKENS,
           CHANNELS);
    printf("%-18s %12s %12s %8s %11s\n", "", "binary64", "truth", "ratio", "precision");
    for (int i = 0; gla_mechanisms[i]; i++) good = print_mechanism(gla_mechanisms[i], repeats) && good;
    return good;
}
