/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors beside speed: how wrong the rungs that were timed are, one by one; contract in cli_bench_gpu.h.
 */
#include <math.h>
#include <string.h>

#include "cli_bench_gpu.h"

/* The case: some chunks, and few columns of v, so that its truth takes no time. An output's columns are independent of
 * each other, and what is summed over them changes its relative error little. */
enum { TOKENS = 150, COLUMNS = 64 };

static const gla_output shown[BENCH_GPU_ERRORS] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DGK};

const char *const bench_gpu_error_names[BENCH_GPU_ERRORS] = {"o", "final_state", "dq", "dk", "dv", "dg"};

static bool backward(const bench_gpu_row *r) { return r->job.way == GLA_BENCH_BACKWARD; }

static int64_t columns(const bench_gpu_row *r) { return r->job.dv < COLUMNS ? r->job.dv : COLUMNS; }

static bool same_errors(const bench_gpu_row *a, const bench_gpu_row *b) {
    return a->job.rung == b->job.rung && a->job.grade == b->job.grade && a->job.way == b->job.way &&
           a->job.dk == b->job.dk && columns(a) == columns(b);
}

static int judge_row(const char *command, gla_rung_run *run, const char *form, bench_gpu_row *r) {
    const gla_host_run how = {.rung = r->job.rung,
                              .grade = r->job.grade,
                              .dtype = GLA_CUDA_BF16,
                              .gates = GLA_CUDA_BF16,
                              .outputs = backward(r) ? GLA_HOST_BACKWARD : GLA_HOST_FORWARD};
    gla_rung_answer answer;
    gla_error err;
    if (gla_rung_errors(run, &how, form, TOKENS, r->job.dk, columns(r), 0, &answer, &err))
        return cli_fail(command, &err);
    if (answer.ran != GLA_CUDA_OK) return CLI_PASS;
    for (int i = 0; i < BENCH_GPU_ERRORS; i++) r->error[i] = gla_rung_error(&answer, shown[i]);
    r->verdict = gla_verdict_names[answer.judgement.verdict];
    return CLI_PASS;
}

static void print_row(const bench_gpu_row *r) {
    printf("%-9s %-17s %4lld %4lld ", bench_gpu_ways[r->job.way], r->rung, (long long)r->job.dk, (long long)columns(r));
    for (int i = 0; i < BENCH_GPU_ERRORS; i++)
        if (isnan(r->error[i]))
            printf(" %11s", "-");
        else
            printf(" %11.2g", r->error[i]);
    printf("  %s\n", r->verdict ? r->verdict : "did not run");
    fflush(stdout);
}

int bench_gpu_errors(const char *command, bench_gpu_table *t, gla_rung_run *run, cli_cuda_form_of *form) {
    printf(
        "\n%serrors%s: root mean square of the error over that of the truth, %d tokens of two heads, ordinary gates\n",
        cli_on(CLI_BOLD), cli_off(), TOKENS);
    printf("%-27s %4s %4s ", "", "dk", "dv");
    for (int i = 0; i < BENCH_GPU_ERRORS; i++) printf(" %11s", bench_gpu_error_names[i]);
    printf("  verdict\n");
    for (int64_t n = 0; n < t->count; n++) {
        bench_gpu_row *r = &t->row[n];
        const bench_gpu_row *known = NULL;
        if (r->status != GLA_CUDA_OK || (r->job.way != GLA_BENCH_FORWARD && !backward(r))) continue;
        const char *replay = form(r->job.rung, r->job.grade, GLA_CUDA_BF16, backward(r));
        for (int64_t i = 0; i < n && !known; i++)
            if (t->row[i].status == GLA_CUDA_OK && same_errors(&t->row[i], r)) known = &t->row[i];
        if (known) {
            memcpy(r->error, known->error, sizeof r->error);
            r->verdict = known->verdict;
        } else if (replay) {
            int ended = judge_row(command, run, replay, r);
            if (ended != CLI_PASS) return ended;
            print_row(r);
        }
    }
    return CLI_PASS;
}
