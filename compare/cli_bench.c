/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox bench: time and memory of certified truth, beside other ways to the same numbers, in one run.
 *
 * Each row is a process of its own: it makes its problem, computes it several times and prints the seconds of each;
 * its peak memory is what the kernel says of it afterwards. The yardstick of every ratio is the plain float64 loop of
 * the same size (cli_bench_loop.c). Rows that are not available (numpy, torch, Arb) say so. Behind them a table
 * of all mechanisms (cli_bench_mechanisms.c), one of a tensor core's blocks (cli_bench_blocks.c), and one of verdicts
 * (cli_bench_verdict.c).
 */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fast/cpu/threads.h"
#include "cases.h"
#include "cli_bench_blocks.h"
#include "cli_bench_gpu.h"
#include "cli_bench_loop.h"
#include "cli_bench_mechanisms.h"
#include "cli_bench_time.h"
#include "cli_bench_verdict.h"
#include "replay.h"
#include "truth.h"

static const char name[] = "bench";

typedef struct settings {
    bool full, verdicts, mechanisms;
    int64_t repeats, threads, T, D;
    const char *script, *arb, *plugin;
    bench_gpu gpu;
} settings;

static const struct argp_option table[] = {
    {"full", 'f', NULL, 0, "MPFR and Arb at every size (minutes)", 0},
    {"verdicts", 'v', NULL, 0, "Only the last table: what verdicts cost", 0},
    {"mechanisms", 'm', NULL, 0, "Only the table of what truth costs of each mechanism", 0},
    {"repeats", 'r', "N", 0, "Computations per row, 1 to 99 (default 5; with --gpu 40)", 0},
    {"threads", 'j', "N", 0, "Threads of the truth (default: all processors)", 0},
    {"T", 'T', "N", 0, "Only this many tokens (default 1024 and 4096)", 0},
    {"dk", 'd', "N", 0, "Only this dk = dv (default 64 and 128)", 0},
    {"script", 's', "FILE", 0, "The Python loop (default tests/bench/numpy_loop.py)", 0},
    {"arb", 'a', "FILE", 0, "The Arb program (default build/tests/bench/bench_arb; make bench builds it)", 0},
    {"plugin", 'p', "FILE", 0,
     "The kernel of the last table (default build/tests/compare/plugins/gradients.so; make bench builds it)", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->gpu;
        return 0;
    case 'f':
        s->full = true;
        return 0;
    case 'm':
        s->mechanisms = true;
        return 0;
    case 'v':
        s->verdicts = true;
        return 0;
    case 'r':
        return cli_integer(state, "--repeats", argument, 1, BENCH_MOST_REPEATS, &s->repeats);
    case 'j':
        return cli_integer(state, "--threads", argument, 1, 4096, &s->threads);
    case 'T':
        return cli_integer(state, "--T", argument, 1, 1 << 20, &s->T);
    case 'd':
        return cli_integer(state, "--dk", argument, 1, 1024, &s->D);
    case 's':
        s->script = argument;
        return 0;
    case 'a':
        s->arb = argument;
        return 0;
    case 'p':
        s->plugin = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&bench_gpu_argp, 0, "On a GPU:", 1}, {0}};

static const struct argp options = {
    .options = table,
    .parser = parse,
    .children = children,
    .doc =
        "Time and peak memory of certified truth, one head, beside a float64 loop, numpy, torch, MPFR and Arb, and "
        "of the replay of a GPU kernel; then a tensor core's blocks a second, and the time of whole verdicts."
        "\vPrints the median of the repeats, how far they spread, and the ratio to the plain float64 loop in C of "
        "the same size. With --T or --dk only tables of that size.\n\n"
        "With --gpu: every kernel forward, backward and both, by events over buffers that are not in the cache; the "
        "bytes and operations that the problem asks for, a second, as a fraction of what a copy and a matrix product "
        "reach in the same run; and the roof, the time below which neither allows it. Exit status 77 where there is "
        "no GPU.\n\n"
        "Example: one size only\n"
        "  glassbox bench --T 1024 --dk 64\n"
        "The GPU's kernels on two shapes (B T H dk dv), the second in segments\n"
        "  glassbox bench --gpu --shapes 8x2048x16x128x128,1x16384x16x128x128:2048 --plot gpu.svg"};

/* ---- what a row computes, in its own process ---- */

typedef struct job {
    const settings *settings;
    int64_t T, D;
    int heads; /* seconds and ratios are per head */
    bool backward;
    const gla_format *target; /* truth only */
    const char *module;       /* Python only */
} job;

static gla_status make_problem(const job *j, gla_generated *made, gla_error *err) {
    const gla_case_spec spec = {.family = "mild",
                                .T = j->T,
                                .H = j->heads,
                                .dk = j->D,
                                .dv = j->D,
                                .backward = j->backward,
                                .seed = 1,
                                .dtype = &gla_binary32_format};
    return gla_generate(&spec, made, err);
}

static gla_status run_truth(const job *j, const gla_problem *p, gla_error *err) {
    const gla_truth_options how = {
        .target = j->target, .rounding = GLA_RN, .backward = j->backward, .threads = (int)j->settings->threads};
    gla_truth truth;
    gla_status status = gla_truth_compute(p, &how, &truth, err);
    gla_truth_free(&truth);
    return status;
}

static gla_status run_mpfr(const job *j, const gla_problem *p, gla_error *err) {
    const gla_form form = {.kind = GLA_RECURRENT, .route = GLA_ROUTE_DIRECT, .backward = j->backward};
    gla_numbers *numbers;
    gla_result result = {0};
    gla_status status = gla_numbers_open("mpfr:128", &numbers, err);
    if (status) return status;
    status = gla_run(p, &form, numbers, &result, err);
    gla_result_free(&result);
    gla_numbers_close(numbers);
    return status;
}

/* A bf16 kernel of the H200, replayed; every head has a thread. */
static gla_status run_replay(const job *j, const gla_problem *p, gla_error *err) {
    const gla_format *const as_it_is[GLA_OUTPUTS] = {NULL};
    unsigned outputs = j->backward ? (1u << GLA_OUTPUTS) - 1 : 1u << GLA_O | 1u << GLA_FINAL_STATE;
    double *value[GLA_OUTPUTS];
    gla_status status = gla_replay_compute(p, "chunkwise:64:16", "sm_90:bf16", as_it_is, outputs, j->heads, value, err);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    return status;
}

static gla_status run_loop(const job *j, const gla_problem *p, gla_error *err) {
    size_t T = (size_t)j->T, D = (size_t)j->D, n = T * D, states = (j->backward ? T + 1 : 1) * D * D;
    double *memory = malloc((5 * n + states + D * D) * sizeof *memory);
    if (!memory) return gla_fail(err, GLA_NO_MEMORY, "no memory");
    double *o = memory, *dq = o + n, *dk = dq + n, *dv = dk + n, *dg = dv + n, *F = dg + n;
    const bench_loop loop = {T,  D,  D,  1 / sqrt((double)D), p->q.at, p->k.at, p->v.at, p->gk.at, p->d_o.at, o, dq,
                             dk, dv, dg, F + D * D,           F};
    bench_loop_run(&loop);
    free(memory);
    return GLA_OK;
}

typedef gla_status computation(const job *j, const gla_problem *p, gla_error *err);

static int repeat(const job *j, computation *compute) {
    gla_error err = {0};
    gla_generated made;
    gla_status status = make_problem(j, &made, &err);
    for (int64_t i = 0; i < j->settings->repeats && status == GLA_OK; i++) {
        double start = bench_seconds(CLOCK_MONOTONIC);
        status = compute(j, &made.problem, &err);
        if (status == GLA_OK) printf("%.9f\n", (bench_seconds(CLOCK_MONOTONIC) - start) / j->heads);
    }
    gla_generated_free(&made);
    fflush(stdout);
    return status ? cli_fail(name, &err) : CLI_PASS;
}

static int truth_row(const job *j) { return repeat(j, run_truth); }
static int mpfr_row(const job *j) { return repeat(j, run_mpfr); }
static int loop_row(const job *j) { return repeat(j, run_loop); }
static int replay_row(const job *j) { return repeat(j, run_replay); }

static int python_row(const job *j) {
    char T[24], D[24], repeats[24];
    snprintf(T, sizeof T, "%d", (int)j->T);
    snprintf(D, sizeof D, "%d", (int)j->D);
    snprintf(repeats, sizeof repeats, "%d", (int)j->settings->repeats);
    if (access(j->settings->script, R_OK) != 0) return CLI_SKIPPED;
    execlp("python3", "python3", j->settings->script, j->module, T, D, D, j->backward ? "bwd" : "fwd", repeats,
           (char *)NULL);
    return CLI_SKIPPED;
}

static int arb_row(const job *j) {
    char T[24], D[24], repeats[24];
    snprintf(T, sizeof T, "%d", (int)j->T);
    snprintf(D, sizeof D, "%d", (int)j->D);
    snprintf(repeats, sizeof repeats, "%d", (int)j->settings->repeats);
    if (j->backward) return CLI_SKIPPED;
    execl(j->settings->arb, j->settings->arb, T, D, D, repeats, (char *)NULL);
    return CLI_SKIPPED;
}

/* ---- measuring a row from outside ---- */

typedef struct measured {
    int exit_status, repeats;
    double least, median, most; /* seconds */
    double megabytes;
} measured;

static int read_seconds(FILE *from, double *seconds, int room) {
    int count = 0;
    while (count < room && fscanf(from, "%lf", &seconds[count]) == 1) count++;
    return count;
}

/* In the child: stdout is the pipe, and the exit status is the row's. */
static _Noreturn void become(int (*row)(const job *), const job *j, int to) {
    dup2(to, STDOUT_FILENO);
    close(to);
    _exit(row(j));
}

static bool measure(int (*row)(const job *), const job *j, measured *m) {
    double seconds[BENCH_MOST_REPEATS];
    struct rusage usage;
    int ends[2], state;
    fflush(stdout);
    if (pipe(ends) != 0) return false;
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        become(row, j, ends[1]);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    m->repeats = child > 0 && from ? read_seconds(from, seconds, BENCH_MOST_REPEATS) : 0;
    if (from) fclose(from);
    if (child < 0 || wait4(child, &state, 0, &usage) != child) return false;
    m->exit_status = WIFEXITED(state) ? WEXITSTATUS(state) : CLI_BROKEN;
    m->megabytes = (double)usage.ru_maxrss / 1024;
    if (m->repeats == 0) return true;
    bench_sort(seconds, m->repeats);
    m->least = seconds[0];
    m->median = seconds[m->repeats / 2];
    m->most = seconds[m->repeats - 1];
    return true;
}

/* ---- the table ---- */

typedef struct row {
    const char *label;
    int (*run)(const job *);
    const gla_format *target;
    const char *module;
    bool all;  /* as many heads as processors */
    bool slow; /* beyond T = 1024, D = 64 only with --full */
} row;

static const row rows[] = {{"plain float64 loop in C", loop_row, NULL, NULL, false, false},
                           {"truth for binary32", truth_row, &gla_binary32_format, NULL, false, false},
                           {"truth for binary64", truth_row, &gla_binary64_format, NULL, false, false},
                           {"replay in sm_90:bf16", replay_row, NULL, NULL, false, false},
                           {"the same, all processors", replay_row, NULL, NULL, true, false},
                           {"numpy float64 loop", python_row, NULL, "numpy", false, false},
                           {"torch float64 loop", python_row, NULL, "torch", false, false},
                           {"MPFR, 128 bits", mpfr_row, NULL, NULL, false, true},
                           {"Arb, 128 bits (sequential)", arb_row, NULL, NULL, false, true}};

/* Prints a row; *yardstick is the median of the first. False: the row failed. */
static bool print_row(const row *r, const job *j, double *yardstick) {
    measured m = {0};
    printf("%-26s ", r->label);
    if (!measure(r->run, j, &m)) {
        puts("cannot start");
        return false;
    }
    if (m.exit_status == CLI_SKIPPED) {
        puts("not available here");
        return true;
    }
    if (m.exit_status != CLI_PASS || m.repeats == 0) {
        puts("failed");
        return false;
    }
    if (r->run == loop_row) *yardstick = m.median;
    printf("%10.4f %9.4f .. %-9.4f %8.1f %10.1f\n", m.median, m.least, m.most, m.median / *yardstick, m.megabytes);
    fflush(stdout);
    return true;
}

static bool print_size(const settings *s, int64_t T, int64_t D, bool backward) {
    double yardstick = NAN;
    bool good = true;
    printf("\n%sT = %d, dk = dv = %d, forward%s%s\n", cli_on(CLI_BOLD), (int)T, (int)D, backward ? " and backward" : "",
           cli_off());
    printf("%-26s %10s %9s .. %-9s %8s %10s\n", "", "median s", "least", "most", "ratio", "peak MB");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const job j = {s, T, D, rows[i].all ? gla_processors() : 1, backward, rows[i].target, rows[i].module};
        if (rows[i].slow && !s->full && (T > 1024 || D > 64)) continue;
        good = print_row(&rows[i], &j, &yardstick) && good;
    }
    return good;
}

static int run(int argc, char **argv) {
    settings s = {.script = "tests/bench/numpy_loop.py",
                  .arb = "build/tests/bench/bench_arb",
                  .plugin = "build/tests/compare/plugins/gradients.so"};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    const char *stray = bench_gpu_stray(&s.gpu);
    if (stray) return cli_complain(name, "%s goes with --gpu", stray);
    if (s.gpu.wanted && (s.full || s.verdicts || s.T || s.D || s.threads))
        return cli_complain(name, "--gpu goes without --full, --verdicts, --threads, --T and --dk (--shapes)");
    if (!s.repeats) s.repeats = s.gpu.wanted ? 40 : 5;
    if (s.mechanisms) return bench_mechanisms(s.repeats) ? CLI_PASS : CLI_BROKEN;
    if (s.gpu.wanted) return bench_gpu_run(name, &s.gpu, (int)s.repeats);
    if (s.verdicts && (s.T || s.D)) return cli_complain(name, "--verdicts goes without --T and --dk");
    static const int64_t tokens[] = {1024, 4096}, sizes[] = {64, 128};
    bool good = true;
    if (!s.verdicts)
        printf("seconds per head; truth on %s, the rest on one thread (numpy and torch: as they come)\n",
               s.threads ? "as many threads as asked" : "all processors");
    for (int t = 0; t < (s.T ? 1 : 2) && !s.verdicts; t++)
        for (int d = 0; d < (s.D ? 1 : 2); d++)
            for (int backward = 0; backward < 2; backward++)
                good = print_size(&s, s.T ? s.T : tokens[t], s.D ? s.D : sizes[d], backward) && good;
    if (!s.T && !s.D && !s.verdicts) good = bench_mechanisms(s.repeats) && good;
    if (!s.T && !s.D && !s.verdicts) bench_blocks(s.repeats);
    if (!s.T && !s.D) good = bench_verdicts(s.repeats, (int)s.threads, s.plugin) && good;
    return good ? CLI_PASS : CLI_BROKEN;
}

const cli_command cli_bench = {name, "time and memory of certified truth beside other ways", run};
