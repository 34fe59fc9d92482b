/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox bench --gpu: what is timed, and the tables; contract in cli_bench_gpu.h.
 */
#include "cli_bench_gpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_bench_time.h"
#include "cli_cuda_library.h"

const char *const bench_gpu_ways[GLA_BENCH_WAYS] = {"forward", "backward", "both", "step"};

/* Up to STEP tokens are steps of decoding. The parallel rung's work grows with T^2: PAIRS tokens at most. */
enum { STEP = 4, PAIRS = 8192 };

enum { GPU = 1000, SHAPES, RUNGS, SEGMENT, CSV, PLOT, CUBLAS };
static const struct argp_option table[] = {
    {"gpu", GPU, NULL, 0, "How long the kernels of fast/cuda take on this GPU, instead (make cuda)", 0},
    {"shapes", SHAPES, "LIST", 0, "BxTxHxdkxdv[:SEGMENT],... (T to 4: steps of decoding; default: six known ones)", 0},
    {"rungs", RUNGS, "LIST", 0, "recurrent,fused,fused:precise,... (default: all that are built)", 0},
    {"segment", SEGMENT, "L", 0, "Cut every sequence into segments of L tokens, a multiple of 64", 0},
    {"csv", CSV, "FILE", 0, "The table, to a file", 0},
    {"plot", PLOT, "FILE", 0, "Times beside the roof, to a .svg or .png (gnuplot)", 0},
    {"cublas", CUBLAS, "FILE", 0, "cuBLAS for the matrix product's speed (default: where the system finds it)", 0},
    {0}};

static error_t parse_segment(const struct argp_state *state, const char *text, int64_t *segment) {
    error_t bad = cli_integer(state, "--segment", text, 64, 1 << 30, segment);
    return bad || *segment % 64 == 0 ? bad : cli_bad(state, "--segment %s is not a multiple of 64", text);
}

static error_t parse_plot(const struct argp_state *state, const char *path, const char **plot) {
    const char *dot = strrchr(path, '.');
    if (!dot || (strcmp(dot, ".svg") != 0 && strcmp(dot, ".png") != 0) || strchr(path, '\''))
        return cli_bad(state, "--plot takes a file named .svg or .png, without ' (got %.200s)", path);
    *plot = path;
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    bench_gpu *s = state->input;
    switch (key) {
    case GPU:
        s->wanted = true;
        return 0;
    case SHAPES:
        s->shapes = argument;
        return 0;
    case RUNGS:
        s->rungs = argument;
        return 0;
    case SEGMENT:
        return parse_segment(state, argument, &s->segment);
    case CSV:
        s->csv = argument;
        return 0;
    case PLOT:
        return parse_plot(state, argument, &s->plot);
    case CUBLAS:
        s->cublas = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp bench_gpu_argp = {.options = table, .parser = parse};

const char *bench_gpu_stray(const bench_gpu *s) {
    return s->wanted    ? NULL
           : s->shapes  ? "--shapes"
           : s->rungs   ? "--rungs"
           : s->segment ? "--segment"
           : s->csv     ? "--csv"
           : s->plot    ? "--plot"
           : s->cublas  ? "--cublas"
                        : NULL;
}

/* ---- the library ---- */

typedef struct library {
    const char *(*rung_name)(gla_cuda_rung rung);
    cli_cuda_form_of *rung_form;
    gla_rung_run *run;
    gla_cuda_status (*bench)(const gla_bench_job *job, gla_bench_times *times, char why[256]);
    gla_cuda_status (*copy)(gla_bench_times *times, char why[256]);
    gla_cuda_status (*product)(const char *library, gla_bench_times *times, char why[256]);
    gla_cuda_status (*device)(char name[256], char why[256]);
} library;

static int open_library(const char *command, library *cuda) {
    void *handle;
    int ended = cli_cuda_library(command, &handle);
    if (ended != CLI_GO_ON) return ended;
    return cli_cuda_function(handle, "gla_cuda_rung_name", &cuda->rung_name) &&
                   cli_cuda_function(handle, "gla_cuda_rung_form", &cuda->rung_form) &&
                   cli_cuda_function(handle, "gla_cuda_host_run", &cuda->run) &&
                   cli_cuda_function(handle, "gla_cuda_bench", &cuda->bench) &&
                   cli_cuda_function(handle, "gla_cuda_bench_copy", &cuda->copy) &&
                   cli_cuda_function(handle, "gla_cuda_bench_product", &cuda->product) &&
                   cli_cuda_function(handle, "gla_cuda_bench_device", &cuda->device)
               ? CLI_GO_ON
               : cli_cuda_stale(command);
}

/* Is a rung wanted, in this grade? Without a list: every one that is built, in every grade of its own. */
static bool wanted(const library *cuda, const char *list, gla_cuda_rung rung, gla_cuda_grade grade) {
    cli_cuda_name name;
    if (list) return bench_gpu_listed(list, cli_cuda_grade(cuda->rung_name(rung), grade, name));
    const char *form = cuda->rung_form(rung, grade, GLA_CUDA_BF16, false);
    return form && (grade == GLA_CUDA_FAST || strcmp(form, cuda->rung_form(rung, GLA_CUDA_FAST, GLA_CUDA_BF16, false)));
}

/* ---- rows ---- */

static void summarize(bench_gpu_row *row) {
    gla_bench_times *t = &row->times;
    bench_sort(t->ms, t->count);
    row->least = t->ms[0];
    row->median = t->ms[t->count / 2];
    row->most = t->ms[t->count - 1];
}

static void print_row(const bench_gpu_table *t, const bench_gpu_row *r) {
    printf("%-9s %-17s ", bench_gpu_ways[r->job.way], r->rung);
    if (r->status != GLA_CUDA_OK) {
        printf("%s\n", r->why);
        return;
    }
    double moved = r->bytes / r->median / 1e9, done = r->operations / r->median / 1e9;
    printf("%9.4f %9.4f .. %-9.4f %6.2f %5.0f %% %7.1f ", r->median, r->least, r->most, moved, 100 * moved / t->copy,
           done);
    if (t->product > 0)
        printf("%5.0f %%", 100 * done / t->product);
    else
        printf("%7s", "-");
    printf(" %9.4f %5.0f %% %8.1f\n", r->roof, 100 * r->roof / r->median, (double)r->times.workspace / 1e6);
    fflush(stdout);
}

/* Times it, prints it and keeps it. */
static void add_row(const library *cuda, bench_gpu_table *t, const gla_bench_job *job) {
    bench_gpu_row *all = realloc(t->row, (size_t)(t->count + 1) * sizeof *all);
    if (!all) return;
    bench_gpu_row *r = &all[t->count++];
    t->row = all;
    *r = (bench_gpu_row){.job = *job};
    cli_cuda_grade(cuda->rung_name(job->rung), job->grade, r->rung);
    for (int i = 0; i < BENCH_GPU_ERRORS; i++) r->error[i] = NAN;
    bench_gpu_roof(t, r);
    if (job->rung == GLA_CUDA_PARALLEL && job->T > PAIRS) {
        r->status = GLA_CUDA_UNSUPPORTED;
        snprintf(r->why, sizeof r->why, "not timed: work that grows with T^2, and T > %d", PAIRS);
    } else
        r->status = cuda->bench(job, &r->times, r->why);
    if (r->status == GLA_CUDA_OK) summarize(r);
    print_row(t, r);
}

static void add_shape(const library *cuda, const bench_gpu *s, bench_gpu_table *t, gla_bench_job job) {
    printf("\n%sB %lld, T %lld, H %lld, dk %lld, dv %lld", cli_on(CLI_BOLD), (long long)job.B, (long long)job.T,
           (long long)job.H, (long long)job.dk, (long long)job.dv);
    if (job.segment) printf(", segments of %lld", (long long)job.segment);
    printf("%s\n%-27s %9s %9s .. %-9s %6s %7s %7s %7s %9s %7s %8s\n", cli_off(), "", "median ms", "least", "most",
           "TB/s", "of copy", "TFLOP/s", "of prod", "roof ms", "of roof", "extra MB");
    for (int way = 0; way < GLA_BENCH_WAYS; way++) {
        if ((way == GLA_BENCH_STEP) != (job.T <= STEP)) continue;
        for (int i = 0; i < CLI_CUDA_ROWS; i++) {
            job.rung = (gla_cuda_rung)(i / GLA_CUDA_GRADES);
            job.grade = (gla_cuda_grade)(i % GLA_CUDA_GRADES);
            if (!wanted(cuda, s->rungs, job.rung, job.grade)) continue;
            job.way = (gla_bench_way)way;
            add_row(cuda, t, &job);
        }
    }
}

/* ---- all of it ---- */

static double median_of(gla_bench_times *t) {
    bench_sort(t->ms, t->count);
    return t->ms[t->count / 2];
}

static int find_ceilings(const char *command, const library *cuda, const bench_gpu *s, bench_gpu_table *t) {
    gla_bench_times times;
    char why[256];
    gla_cuda_status status = cuda->device(t->device, why);
    if (status == GLA_CUDA_OK) status = cuda->copy(&times, why);
    if (status != GLA_CUDA_OK) {
        cli_complain(command, "%s", why);
        return status == GLA_CUDA_NO_DEVICE ? CLI_SKIPPED : CLI_BROKEN;
    }
    t->copy = 2 * (double)GLA_BENCH_COPY / median_of(&times) / 1e9;
    printf("%s: copy %.2f TB/s, ", t->device, t->copy);
    status = cuda->product(s->cublas, &times, why);
    if (status == GLA_CUDA_OK) {
        t->product = 2.0 * GLA_BENCH_SIDE * GLA_BENCH_SIDE * GLA_BENCH_SIDE / median_of(&times) / 1e9;
        printf("matrix product %.0f TFLOP/s (cuBLAS, bf16, %d cubed)\n", t->product, GLA_BENCH_SIDE);
    } else
        printf("no matrix product to compare with (%s)\n", why);
    printf("bf16 data and gates, cold L2 cache; extra: bytes of workspace\n");
    return CLI_GO_ON;
}

static int write_files(const char *command, const bench_gpu *s, const bench_gpu_table *t, cli_file *csv) {
    gla_error err;
    if (s->csv) {
        bench_gpu_csv(t, csv->to);
        if (cli_file_close(csv, &err)) return cli_fail(command, &err);
    }
    return s->plot ? bench_gpu_plot(command, t, s->plot) : CLI_PASS;
}

static int time_all(const char *command, const library *cuda, const bench_gpu *s, int calls, bench_gpu_table *t) {
    gla_bench_job job;
    int ended = bench_gpu_check_rungs(command, s->rungs, cuda->rung_name);
    if (ended == CLI_GO_ON) ended = find_ceilings(command, cuda, s, t);
    for (const char *rest = NULL; ended == CLI_GO_ON;) {
        ended = bench_gpu_next_shape(command, s, &rest, &job);
        job.calls = calls;
        if (ended == CLI_GO_ON) add_shape(cuda, s, t, job);
    }
    return ended == CLI_PASS ? bench_gpu_errors(command, t, cuda->run, cuda->rung_form) : ended;
}

int bench_gpu_run(const char *command, const bench_gpu *s, int calls) {
    gla_bench_job job;
    library cuda;
    bench_gpu_table t = {.row = NULL};
    cli_file csv;
    gla_error err;
    int ended = CLI_GO_ON;
    for (const char *rest = NULL; ended == CLI_GO_ON;) ended = bench_gpu_next_shape(command, s, &rest, &job);
    if (ended == CLI_PASS) ended = open_library(command, &cuda);
    if (ended != CLI_GO_ON) return ended;
    if (s->csv && cli_file_open(s->csv, &csv, &err)) return cli_fail(command, &err);
    ended = time_all(command, &cuda, s, calls, &t);
    if (ended == CLI_PASS)
        ended = write_files(command, s, &t, &csv);
    else if (s->csv)
        cli_file_abandon(&csv);
    for (int64_t i = 0; i < t.count; i++)
        if (t.row[i].status == GLA_CUDA_LAUNCH) ended = CLI_BROKEN;
    free(t.row);
    return ended;
}
