/* SPDX-License-Identifier: Apache-2.0
 *
 * What a verdict costs; contract in cli_bench_verdict.h.
 */
#include "cli_bench_verdict.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "cli.h"
#include "cli_bench_time.h"
#include "emulate.h"
#include "judge.h"
#include "truth.h"

static double now(void) { return bench_seconds(CLOCK_MONOTONIC); }

static void print_row(const char *label, double *seconds, int64_t count) {
    bench_sort(seconds, count);
    printf("%-58s %10.4f %9.4f .. %-9.4f\n", label, seconds[count / 2], seconds[0], seconds[count - 1]);
    fflush(stdout);
}

/* ---- one check ---- */

/* Seconds of each repeat. */
typedef struct timings {
    double truth[BENCH_MOST_REPEATS], judging[BENCH_MOST_REPEATS], all[BENCH_MOST_REPEATS];
} timings;

/* The outputs of a right kernel of the profile, in their dtypes. */
static gla_status make_candidate(const gla_problem *p, const gla_profile *profile, gla_candidate *c,
                                 double *value[GLA_OUTPUTS], gla_error *err) {
    gla_emulation how = {.outputs = (1u << GLA_OUTPUTS) - 1};
    for (int i = 0; i < GLA_OUTPUTS; i++)
        how.format[i] = i == GLA_O || (i >= GLA_DQ && i <= GLA_DV) ? &gla_bf16 : &gla_binary32_format;
    gla_status status = gla_emulate(p, profile, &how, value, err);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c->output[i].value = value[i];
        c->output[i].format = how.format[i];
    }
    return status;
}

static gla_status check_once(const gla_problem *p, const gla_profile *profile, const gla_candidate *c, int threads,
                             timings *t, int64_t i, gla_error *err) {
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = threads};
    gla_truth truth;
    gla_judgement judgement;
    double start = now();
    gla_status status = gla_truth_compute(p, &how, &truth, err);
    double middle = now();
    if (status == GLA_OK) status = gla_judge(p, c, &truth, profile, 0, threads, &judgement, err);
    t->truth[i] = middle - start;
    t->judging[i] = now() - middle;
    t->all[i] = now() - start;
    gla_truth_free(&truth);
    if (status == GLA_OK && judgement.verdict > GLA_MARGINAL)
        status = gla_fail(err, GLA_BAD_VALUE, "a right kernel: %s", gla_verdict_names[judgement.verdict]);
    return status;
}

static gla_status check_row(int64_t repeats, int threads, gla_error *err) {
    const gla_case_spec spec = {
        .family = "mild", .T = 512, .H = 4, .dk = 64, .dv = 64, .backward = true, .seed = 1, .dtype = &gla_bf16};
    const gla_profile *profile = gla_profile_named("chunk-bf16");
    double *value[GLA_OUTPUTS] = {NULL};
    gla_candidate candidate = {0};
    gla_generated made;
    timings t;
    gla_status status = gla_generate(&spec, &made, err);
    if (status == GLA_OK) status = make_candidate(&made.problem, profile, &candidate, value, err);
    for (int64_t i = 0; i < repeats && status == GLA_OK; i++)
        status = check_once(&made.problem, profile, &candidate, threads, &t, i, err);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    gla_generated_free(&made);
    if (status != GLA_OK) return status;
    print_row("check of B1 T512 H4 dk = dv = 64, bf16, with gradients", t.all, repeats);
    print_row("    of it certified truth", t.truth, repeats);
    print_row("    of it bounds and judging", t.judging, repeats);
    return GLA_OK;
}

/* ---- the quick level on a plug-in ---- */

/* In the child: this program again, its output thrown away. */
static _Noreturn void become_check(const char *plugin) {
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execl("/proc/self/exe", "glassbox", "check", "--plugin", plugin, "--level", "quick", (char *)NULL);
    _exit(CLI_BROKEN);
}

/* Once: its exit status. */
static int plugin_row(const char *plugin) {
    if (access(plugin, R_OK) != 0) return CLI_SKIPPED;
    int state = 0;
    double start = now();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) become_check(plugin);
    if (child < 0 || waitpid(child, &state, 0) != child || !WIFEXITED(state)) return CLI_BROKEN;
    double seconds = now() - start;
    if (WEXITSTATUS(state) == CLI_PASS)
        print_row("check --plugin, quick level: every family and property", &seconds, 1);
    return WEXITSTATUS(state);
}

bool bench_verdicts(int64_t repeats, int threads, const char *plugin) {
    gla_error err = {0};
    printf("\n%sverdicts, all processors%s\n%-58s %10s %9s .. %-9s\n", cli_on(CLI_BOLD), cli_off(), "", "median s",
           "least", "most");
    gla_status status = check_row(repeats, threads, &err);
    if (status != GLA_OK) printf("%-58s failed: %s\n", "check", err.what);
    int ended = plugin_row(plugin);
    if (ended == CLI_SKIPPED) printf("%-58s not available here\n", "check --plugin, quick level");
    if (ended != CLI_SKIPPED && ended != CLI_PASS) printf("%-58s failed: exit status %d\n", "check --plugin", ended);
    return status == GLA_OK && (ended == CLI_PASS || ended == CLI_SKIPPED);
}
