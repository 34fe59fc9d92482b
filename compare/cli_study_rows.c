/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a sweep as CSV, and back (cli_study_rows.h).
 */
#include "cli_study_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { LINE = 256 };

gla_status cli_rows_new(const gla_sweep *s, uint64_t seed, size_t shard, size_t shards, cli_rows *rows,
                        gla_error *err) {
    size_t count = gla_sweep_rows(s);
    *rows = (cli_rows){
        s, seed, shard, shards, calloc(count, sizeof(gla_sweep_row)), calloc(gla_sweep_points(s), sizeof(bool))};
    if (!rows->row || !rows->done) {
        cli_rows_free(rows);
        return gla_fail(err, GLA_NO_MEMORY, "no memory for %zu rows", count);
    }
    for (size_t i = 0; i < count; i++)
        for (int f = 0; f < GLA_SWEEP_FIGURES; f++) rows->row[i].figure[f] = NAN;
    return GLA_OK;
}

void cli_rows_free(cli_rows *rows) {
    free(rows->row);
    free(rows->done);
    *rows = (cli_rows){0};
}

/* ---- writing ---- */

static int print_figure(char text[32], double x) {
    return isnan(x) ? snprintf(text, 32, "nan") : snprintf(text, 32, "%.6g", x);
}

void cli_rows_as_printed(gla_sweep_row *row) {
    char text[32];
    for (int f = 0; f < GLA_SWEEP_FIGURES; f++) {
        print_figure(text, row->figure[f]);
        row->figure[f] = strtod(text, NULL);
    }
}

void cli_rows_head(const cli_rows *rows, FILE *to) {
    const gla_sweep *s = rows->sweep;
    fprintf(to, "# glassbox %s, study %s, seed %" PRIu64 ", shard %zu/%zu\n", GLASSBOX_VERSION, s->name, rows->seed,
            rows->shard, rows->shards);
    for (int i = 0; i < gla_sweep_axes(s); i++) fprintf(to, "%s,", s->axis[i].name);
    for (int i = 0; i < gla_sweep_figures(s); i++) fprintf(to, "%s%s", i ? "," : "", s->figure[i].name);
    fputc('\n', to);
}

/* "factored@binary32,4,0.0625," */
static int print_place(char text[LINE], const gla_sweep *s, size_t row) {
    gla_sweep_place where = gla_sweep_row_at(s, row);
    int length = 0;
    for (int i = 0; i < gla_sweep_axes(s); i++)
        length += snprintf(text + length, LINE - (size_t)length, "%s,", gla_sweep_text(s, where, i));
    return length;
}

void cli_rows_point(const cli_rows *rows, size_t point, FILE *to) {
    const gla_sweep *s = rows->sweep;
    size_t along = gla_sweep_along(s);
    for (size_t row = point * along; row < (point + 1) * along; row++) {
        char place[LINE], figure[32];
        print_place(place, s, row);
        fputs(place, to);
        for (int f = 0; f < gla_sweep_figures(s); f++) {
            print_figure(figure, rows->row[row].figure[f]);
            fprintf(to, "%s%s", f ? "," : "", figure);
        }
        fputc('\n', to);
    }
}

/* ---- reading ---- */

bool cli_rows_read_head(const char *text, cli_rows *what, const char **end) {
    char version[32], study[32], *head = NULL;
    size_t size;
    *what = (cli_rows){0};
    if (sscanf(text, "# glassbox %31[^,], study %31[^,], seed %" SCNu64 ", shard %zu/%zu", version, study, &what->seed,
               &what->shard, &what->shards) != 5)
        return false;
    what->sweep = gla_sweep_named(study);
    FILE *to = what->sweep ? open_memstream(&head, &size) : NULL;
    if (!to) return false;
    cli_rows_head(what, to);
    bool same = fclose(to) == 0 && strncmp(text, head, size) == 0;
    free(head);
    *end = text + size;
    return same && what->shard >= 1 && what->shard <= what->shards;
}

/* One line of the given row; returns its end, or NULL if it is not that or not whole. */
static const char *read_row(cli_rows *rows, size_t row, const char *text) {
    char place[LINE];
    int length = print_place(place, rows->sweep, row), figures = gla_sweep_figures(rows->sweep);
    if (!strchr(text, '\n') || strncmp(text, place, (size_t)length) != 0) return NULL;
    text += length;
    for (int f = 0; f < figures; f++) {
        char *end;
        rows->row[row].figure[f] = strtod(text, &end);
        if (end == text || *end != (f < figures - 1 ? ',' : '\n')) return NULL;
        text = end + 1;
    }
    return text;
}

static const char *read_point(cli_rows *rows, size_t point, const char *text) {
    size_t along = gla_sweep_along(rows->sweep);
    for (size_t row = point * along; text && row < (point + 1) * along; row++) text = read_row(rows, row, text);
    return text;
}

size_t cli_rows_next(const cli_rows *rows, size_t from) {
    size_t points = gla_sweep_points(rows->sweep), p = from;
    while (p < points && (rows->done[p] || gla_sweep_shard_of(p, rows->shards) != rows->shard)) p++;
    return p;
}

const char *cli_rows_read(cli_rows *rows, const char *text) {
    for (size_t p = 0; (p = cli_rows_next(rows, p)) < gla_sweep_points(rows->sweep); p++) {
        const char *end = read_point(rows, p, text);
        if (!end) break;
        rows->done[p] = true;
        text = end;
    }
    return text;
}

char *cli_rows_text(const char *path, gla_error *err) {
    char *text = NULL;
    size_t size = 0;
    FILE *from = fopen(path, "r");
    if (!from || getdelim(&text, &size, 0, from) < 0) {
        if (!from || ferror(from))
            gla_fail(err, GLA_IO_ERROR, "%.200s: cannot read: %s", path, strerror(errno));
        else
            gla_fail(err, GLA_BAD_FILE, "%.200s: is empty", path);
        free(text);
        text = NULL;
    }
    if (from) fclose(from);
    return text;
}

/* ---- JSON ---- */

static json_t *number(double x) {
    if (isnan(x)) return json_string("NaN");
    if (isinf(x)) return json_string(x > 0 ? "Infinity" : "-Infinity");
    return json_real(x);
}

static json_t *row_to_json(const cli_rows *rows, size_t row) {
    const gla_sweep *s = rows->sweep;
    gla_sweep_place where = gla_sweep_row_at(s, row);
    json_t *object = json_object();
    for (int i = 0; i < gla_sweep_axes(s); i++)
        json_object_set_new(object, s->axis[i].name, json_string(gla_sweep_text(s, where, i)));
    for (int f = 0; f < gla_sweep_figures(s); f++)
        json_object_set_new(object, s->figure[f].name, number(rows->row[row].figure[f]));
    return object;
}

gla_status cli_rows_json(const cli_rows *rows, FILE *to, gla_error *err) {
    const gla_sweep *s = rows->sweep;
    json_t *list = json_array(), *units = json_object();
    for (int i = 0; i < gla_sweep_axes(s); i++)
        json_object_set_new(units, s->axis[i].name, json_string(s->axis[i].what));
    for (int f = 0; f < gla_sweep_figures(s); f++)
        json_object_set_new(units, s->figure[f].name, json_string(s->figure[f].what));
    for (size_t row = 0; row < gla_sweep_rows(s); row++)
        if (rows->done[row / gla_sweep_along(s)]) json_array_append_new(list, row_to_json(rows, row));
    json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "study", s->name, "version", GLASSBOX_VERSION,
                            "seed", (json_int_t)rows->seed, "shard", (json_int_t)rows->shard, "shards",
                            (json_int_t)rows->shards, "columns", units, "rows", list);
    bool written = all && json_dumpf(all, to, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', to) != EOF;
    json_decref(all);
    return written ? GLA_OK : gla_fail(err, GLA_IO_ERROR, "study %s: cannot write JSON", s->name);
}
