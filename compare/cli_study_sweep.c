/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep's run: points on all processors, their rows into a file in order, from where an earlier run stopped.
 */
#include "cli_study_sweep.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fast/cpu/threads.h"
#include "cli.h"

typedef struct sweep_run {
    cli_rows *rows;
    const size_t *todo; /* points, ascending */
    size_t count;
    size_t written; /* of them */
    FILE *to;       /* may be NULL */
    pthread_mutex_t lock;
    gla_status status;
    gla_error err;
    cli_progress bar;
    size_t before, all; /* points done before this run; of the shard */
} sweep_run;

/* Under the lock: the rows of all points up to the first that is not done. */
static void write_finished(sweep_run *r) {
    for (; r->written < r->count && r->rows->done[r->todo[r->written]]; r->written++) {
        if (!r->to) continue;
        cli_rows_point(r->rows, r->todo[r->written], r->to);
        if (fflush(r->to) != 0 && r->status == GLA_OK)
            r->status = gla_fail(&r->err, GLA_IO_ERROR, "cannot write the rows: %s", strerror(errno));
    }
}

static gla_status failed_already(sweep_run *r) {
    pthread_mutex_lock(&r->lock);
    gla_status status = r->status;
    pthread_mutex_unlock(&r->lock);
    return status;
}

static void measure_point(void *data, size_t i) {
    sweep_run *r = data;
    const gla_sweep *s = r->rows->sweep;
    size_t point = r->todo[i], along = gla_sweep_along(s);
    gla_sweep_row *rows = r->rows->row + point * along;
    if (failed_already(r)) return;
    gla_error err = {0};
    gla_status status = s->measure(s, gla_sweep_point_at(s, point), r->rows->seed, rows, &err);
    for (size_t j = 0; j < along; j++) cli_rows_as_printed(&rows[j]);
    pthread_mutex_lock(&r->lock);
    if (status == GLA_OK) {
        r->rows->done[point] = true;
        write_finished(r);
    } else if (r->status == GLA_OK) {
        r->status = status;
        r->err = err;
    }
    pthread_mutex_unlock(&r->lock);
}

static void report(void *data, size_t begun) {
    sweep_run *r = data;
    cli_progress_step(&r->bar, (double)(r->before + begun) / (double)r->all);
}

/* All points that are left, their rows to `to`. */
static gla_status measure_rest(cli_rows *rows, FILE *to, gla_error *err) {
    const gla_sweep *s = rows->sweep;
    size_t points = gla_sweep_points(s), count = 0, all = 0, *todo = calloc(points, sizeof *todo);
    if (!todo) return gla_fail(err, GLA_NO_MEMORY, "no memory for %zu points", points);
    for (size_t p = 0; p < points; p++) {
        if (gla_sweep_shard_of(p, rows->shards) != rows->shard) continue;
        all++;
        if (!rows->done[p]) todo[count++] = p;
    }
    sweep_run r = {.rows = rows, .todo = todo, .count = count, .to = to, .lock = PTHREAD_MUTEX_INITIALIZER};
    r.bar = cli_progress_start(s->name);
    r.before = all - count;
    r.all = all;
    gla_parallel(count, gla_processors(), measure_point, &r, report);
    cli_progress_end(&r.bar);
    free(todo);
    if (r.status && err) *err = r.err;
    return r.status;
}

/* ---- the half-written file ---- */

static gla_status cannot_write(const char *path, gla_error *err) {
    return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot write: %s", path, strerror(errno));
}

/* What an earlier run left in `part`, into rows; *whole is its length up to the last whole point, 0: begin anew. */
static gla_status read_part(cli_rows *rows, const char *part, size_t *whole, gla_error *err) {
    *whole = 0;
    if (access(part, F_OK) != 0) return GLA_OK;
    char *text = cli_rows_text(part, err);
    if (!text) return err->status == GLA_BAD_FILE ? GLA_OK : err->status; /* empty: no head yet */
    cli_rows of;
    const char *end;
    bool ours = cli_rows_read_head(text, &of, &end) && of.sweep == rows->sweep && of.seed == rows->seed &&
                of.shard == rows->shard && of.shards == rows->shards;
    if (ours) *whole = (size_t)(cli_rows_read(rows, end) - text);
    bool headless = !strchr(text, '\n');
    free(text);
    if (ours || headless) return GLA_OK;
    gla_fail(err, GLA_BAD_FILE, "%.200s: half-written rows of another study, seed, shard or version", part);
    return gla_hint(err, GLA_BAD_FILE, "remove it, or name another file");
}

/* `part`, cut behind its last whole point, or a new one with its head. */
static gla_status open_part(const cli_rows *rows, const char *part, size_t whole, FILE **to, gla_error *err) {
    *to = fopen(part, whole ? "r+" : "w");
    if (!*to) return cannot_write(part, err);
    if (whole && (ftruncate(fileno(*to), (off_t)whole) != 0 || fseek(*to, 0, SEEK_END) != 0)) {
        fclose(*to);
        return cannot_write(part, err);
    }
    if (!whole) cli_rows_head(rows, *to);
    return GLA_OK;
}

static gla_status run_into(cli_rows *rows, const char *csv, const char *part, gla_error *err) {
    size_t whole;
    FILE *to;
    gla_status status = read_part(rows, part, &whole, err);
    if (status == GLA_OK) status = open_part(rows, part, whole, &to, err);
    if (status) return status;
    status = measure_rest(rows, to, err);
    if (fclose(to) != 0 && status == GLA_OK) status = cannot_write(part, err);
    if (status == GLA_OK && rename(part, csv) != 0) status = cannot_write(csv, err);
    return status;
}

gla_status cli_study_sweep_run(cli_rows *rows, const char *csv, gla_error *err) {
    struct stat there;
    char *part;
    if (!csv) return measure_rest(rows, NULL, err);
    if (stat(csv, &there) == 0 && !S_ISREG(there.st_mode)) { /* /dev/stdout: nothing to go on with */
        gla_status status = measure_rest(rows, NULL, err);
        return status ? status : cli_study_csv(rows, csv, err);
    }
    if (asprintf(&part, "%s.part", csv) < 0) return gla_fail(err, GLA_NO_MEMORY, "no memory");
    gla_status status = run_into(rows, csv, part, err);
    free(part);
    return status;
}

/* ---- what is made of the rows ---- */

void cli_study_print(const cli_rows *rows) {
    const gla_sweep *s = rows->sweep;
    int axes = gla_sweep_axes(s), figures = gla_sweep_figures(s);
    printf("%s; seed %llu\n", s->what, (unsigned long long)rows->seed);
    for (int i = 0; i < axes; i++) printf("%-20s ", s->axis[i].name);
    for (int f = 0; f < figures; f++) printf("%12s", s->figure[f].name);
    putchar('\n');
    for (size_t row = 0; row < gla_sweep_rows(s); row++) {
        gla_sweep_place where = gla_sweep_row_at(s, row);
        if (!rows->done[row / gla_sweep_along(s)]) continue;
        for (int i = 0; i < axes; i++) printf("%-20s ", gla_sweep_text(s, where, i));
        for (int f = 0; f < figures; f++) printf("%12.3g", rows->row[row].figure[f]);
        putchar('\n');
    }
}

gla_status cli_study_csv(const cli_rows *rows, const char *path, gla_error *err) {
    const gla_sweep *s = rows->sweep;
    cli_file file;
    gla_status status = cli_file_open(path, &file, err);
    if (status) return status;
    cli_rows_head(rows, file.to);
    for (size_t p = 0; p < gla_sweep_points(s); p++)
        if (rows->done[p]) cli_rows_point(rows, p, file.to);
    return cli_file_close(&file, err);
}

static gla_status write_json(const cli_rows *rows, const char *path, gla_error *err) {
    cli_file file;
    gla_status status = cli_file_open(path, &file, err);
    if (status) return status;
    status = cli_rows_json(rows, file.to, err);
    if (status == GLA_OK) return cli_file_close(&file, err);
    cli_file_abandon(&file);
    return status;
}

gla_status cli_study_write(const cli_rows *rows, const cli_study_files *files, gla_error *err) {
    gla_status status = files->json ? write_json(rows, files->json, err) : GLA_OK;
    if (status == GLA_OK && files->plot) status = cli_study_plot(rows, files->plot, err);
    if (status == GLA_OK && files->page) status = cli_study_page(rows, files, err);
    return status;
}
