/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of glassbox bench --gpu as CSV and as a plot; contract in cli_bench_gpu.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_bench_gpu.h"

/* Quoted, quotes doubled. */
static void write_text(FILE *to, const char *text) {
    putc('"', to);
    for (; *text; text++) {
        if (*text == '"') putc('"', to);
        putc(*text, to);
    }
    putc('"', to);
}

void bench_gpu_csv(const bench_gpu_table *table, FILE *to) {
    fprintf(to, "device,copy_tb_s,product_tflop_s,B,T,H,dk,dv,segment,rung,way,calls,median_ms,least_ms,most_ms,"
                "bytes,operations,roof_ms,of_roof,workspace_bytes");
    for (int i = 0; i < BENCH_GPU_ERRORS; i++) fprintf(to, ",error_%s", bench_gpu_error_names[i]);
    fprintf(to, ",verdict,why_not\n");
    for (int64_t i = 0; i < table->count; i++) {
        const bench_gpu_row *r = &table->row[i];
        const gla_bench_job *j = &r->job;
        write_text(to, table->device);
        fprintf(to, ",%.4g,%.4g,%lld,%lld,%lld,%lld,%lld,%lld,%s,%s,", table->copy, table->product, (long long)j->B,
                (long long)j->T, (long long)j->H, (long long)j->dk, (long long)j->dv, (long long)j->segment, r->rung,
                bench_gpu_ways[j->way]);
        if (r->status == GLA_CUDA_OK)
            fprintf(to, "%d,%.6g,%.6g,%.6g,%.0f,%.0f,%.6g,%.4g,%zu", r->times.count, r->median, r->least, r->most,
                    r->bytes, r->operations, r->roof, r->roof / r->median, r->times.workspace);
        else
            fprintf(to, "0,,,,%.0f,%.0f,%.6g,,", r->bytes, r->operations, r->roof);
        for (int n = 0; n < BENCH_GPU_ERRORS; n++)
            if (isnan(r->error[n]))
                putc(',', to);
            else
                fprintf(to, ",%.3g", r->error[n]);
        fprintf(to, ",%s,", r->verdict ? r->verdict : "");
        if (r->status != GLA_CUDA_OK) write_text(to, r->why);
        putc('\n', to);
    }
}

/* ---- plot ---- */

static bool same_shape(const gla_bench_job *a, const gla_bench_job *b) {
    return a->B == b->B && a->T == b->T && a->H == b->H && a->dk == b->dk && a->dv == b->dv && a->segment == b->segment;
}

/* The rows of one rung and way, or of the roof (rung NULL), a line each: shape, its number, ns a token and head.
 * Returns how many shapes there are. */
static int write_data(FILE *to, const bench_gpu_table *table, const char *rung, gla_bench_way way) {
    int shapes = 0;
    const gla_bench_job *last = NULL;
    for (int64_t i = 0; i < table->count; i++) {
        const bench_gpu_row *r = &table->row[i];
        const gla_bench_job *j = &r->job;
        if (j->way != way) continue;
        bool first = !last || !same_shape(last, j);
        last = j;
        shapes += first;
        if (rung ? strcmp(rung, r->rung) != 0 || r->status != GLA_CUDA_OK : !first) continue;
        double ms = rung ? r->median : r->roof;
        fprintf(to, "\"%lldx%lldx%lld\\n%lldx%lld\" %d %.6g\n", (long long)j->B, (long long)j->T, (long long)j->H,
                (long long)j->dk, (long long)j->dv, shapes - 1, 1e6 * ms / (double)(j->B * j->T * j->H));
    }
    return shapes;
}

/* Was this rung timed that way? */
static bool has_times(const bench_gpu_table *table, const char *rung, gla_bench_way way) {
    for (int64_t i = 0; i < table->count; i++)
        if (table->row[i].job.way == way && table->row[i].status == GLA_CUDA_OK &&
            strcmp(rung, table->row[i].rung) == 0)
            return true;
    return false;
}

/* The rungs of the table in its order; returns how many. */
static int rungs_of(const bench_gpu_table *table, const char *rung[CLI_CUDA_ROWS]) {
    int rungs = 0;
    for (int64_t i = 0; i < table->count; i++) {
        bool seen = false;
        for (int n = 0; n < rungs; n++) seen = seen || strcmp(rung[n], table->row[i].rung) == 0;
        if (!seen && rungs < CLI_CUDA_ROWS) rung[rungs++] = table->row[i].rung;
    }
    return rungs;
}

/* One panel: the points of every rung, of the same colour in every panel, and the roof. */
static void write_panel(FILE *to, const bench_gpu_table *table, gla_bench_way way) {
    const char *rung[CLI_CUDA_ROWS];
    int rungs = rungs_of(table, rung);
    fprintf(to, "$roof << EOD\n");
    int shapes = write_data(to, table, NULL, way);
    fprintf(to, "EOD\n");
    for (int n = 0; n < rungs; n++) {
        fprintf(to, "$rung%d << EOD\n", n);
        write_data(to, table, rung[n], way);
        fprintf(to, "EOD\n");
    }
    fprintf(to, "set title '%s'\nset xrange [-0.5:%g]\n", bench_gpu_ways[way], shapes - 0.5);
    fprintf(to, "plot $roof using 2:3:xtic(1) with points lc rgb 'black' pt 2 ps 1.5 title 'roof'");
    for (int n = 0; n < rungs; n++)
        if (has_times(table, rung[n], way))
            fprintf(to, ", $rung%d using 2:3 with points lt %d pt 7 ps 1.3 title '%s'", n, n + 1, rung[n]);
    fprintf(to, "\n");
}

int bench_gpu_plot(const char *command, const bench_gpu_table *table, const char *path) {
    const char *dot = strrchr(path, '.');
    bool svg = dot && strcmp(dot, ".svg") == 0;
    int panels = 0, points[GLA_BENCH_WAYS] = {0};
    FILE *to = popen("gnuplot", "w");
    if (!to) return cli_complain(command, "cannot start gnuplot");
    for (int64_t i = 0; i < table->count; i++) panels += points[table->row[i].job.way]++ == 0;
    fprintf(to, "set terminal %s size 900,%d\nset output '%s'\n", svg ? "svg background 'white'" : "pngcairo",
            320 * panels, path);
    fprintf(to, "set multiplot layout %d,1\nset logscale y\nset grid y\nset key outside right\nset bmargin 3\n",
            panels);
    fprintf(to, "set ylabel 'ns a token and head'\n");
    for (int way = 0; way < GLA_BENCH_WAYS; way++)
        if (points[way]) write_panel(to, table, (gla_bench_way)way);
    fprintf(to, "unset multiplot\n");
    return pclose(to) == 0 ? CLI_PASS : cli_complain(command, "gnuplot did not draw %.200s (is it installed?)", path);
}
