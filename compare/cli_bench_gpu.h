/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox bench --gpu: how long the rungs of fast/cuda take on this machine's GPU, beside what it can do at most.
 *
 * The roof of a problem is the longer of two times. Bytes: every input read once and every output written once, at the
 * speed of a copy of the same run. Products: those of chunks of 64 tokens with the upper triangle left out, at the
 * speed of a large bf16 matrix product of the same run; a token and head needs
 *     forward 4 dk dv + 64 (dk + dv)        backward, states made again, 10 dk dv + 64 (3 dk + 2 dv)
 * operations. Without cuBLAS there is no such product, and the roof is that of the bytes.
 */
#ifndef GLASSBOX_CLI_BENCH_GPU_H
#define GLASSBOX_CLI_BENCH_GPU_H

#include <argp.h>

#include "../fast/cuda/bench.h"
#include "cli_cuda.h"

typedef struct bench_gpu {
    bool wanted;
    int64_t segment; /* of every shape, if not 0 */
    const char *shapes, *rungs, *csv, *plot, *cublas;
} bench_gpu;

extern const struct argp bench_gpu_argp; /* its input is a bench_gpu */

/* Does something here ask for a GPU that is not wanted? NULL, or the option. */
const char *bench_gpu_stray(const bench_gpu *s);

/* Prints the tables; returns the exit status. calls: timed, per row. */
int bench_gpu_run(const char *command, const bench_gpu *s, int calls);

/* ---- between its files ---- */

enum { BENCH_GPU_ERRORS = 6 };

typedef struct bench_gpu_row {
    gla_bench_job job;
    cli_cuda_name rung;
    gla_cuda_status status;
    char why[256]; /* when the status is not OK */
    gla_bench_times times;
    double median, least, most; /* ms */
    double bytes, operations;   /* that the problem asks for */
    double roof;                /* ms */
    /* Of rungs that ran forward or backward, else NaN and NULL: relative to the truth's root mean square. */
    double error[BENCH_GPU_ERRORS];
    const char *verdict; /* at the profile that the rung declares */
} bench_gpu_row;

typedef struct bench_gpu_table {
    char device[256];
    double copy, product; /* TB/s; TFLOP/s, 0: not known */
    bench_gpu_row *row;
    int64_t count;
} bench_gpu_table;

extern const char *const bench_gpu_ways[GLA_BENCH_WAYS];          /* "forward" .. */
extern const char *const bench_gpu_error_names[BENCH_GPU_ERRORS]; /* "o" .. */

/* cli_bench_gpu_lists.c. The next shape of the list, *rest being NULL at first: CLI_GO_ON; CLI_PASS, there is none;
 * or, having said why, an exit status. */
int bench_gpu_next_shape(const char *command, const bench_gpu *s, const char **rest, gla_bench_job *job);
/* Is the name in the list? And is every name of a list (or NULL) a rung's? CLI_GO_ON, or an exit status. */
bool bench_gpu_listed(const char *list, const char *name);
int bench_gpu_check_rungs(const char *command, const char *list, const char *(*rung_name)(gla_cuda_rung rung));

/* cli_bench_gpu_roof.c: bytes, operations and roof of row->job. */
void bench_gpu_roof(const bench_gpu_table *table, bench_gpu_row *row);

/* cli_bench_gpu_errors.c. Judges every rung that was timed, for every dk, and prints it: CLI_PASS or, having
 * said why, an exit status. A wrong output is no failure here: the verdict is in the table. */
int bench_gpu_errors(const char *command, bench_gpu_table *table, gla_rung_run *run, cli_cuda_form_of *form);

/* cli_bench_gpu_files.c. A plot is a .svg, or else a PNG file, by gnuplot: CLI_PASS or, having said why, an exit
 * status. */
void bench_gpu_csv(const bench_gpu_table *table, FILE *to);
int bench_gpu_plot(const char *command, const bench_gpu_table *table, const char *path);

#endif
