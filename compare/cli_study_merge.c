/* SPDX-License-Identifier: Apache-2.0
 *
 * Shards of a sweep put together (cli_study_sweep.h). Every one must be whole, and each there once.
 */
#include <stdlib.h>

#include "cli_study_sweep.h"

/* One more file into rows; the first one says what the others must be of. */
static gla_status add(cli_rows *rows, const char *path, const char *text, gla_error *err) {
    cli_rows of;
    const char *end;
    if (!cli_rows_read_head(text, &of, &end))
        return gla_fail(err, GLA_BAD_FILE, "%.200s: no rows of a study of this version", path);
    if (!rows->sweep) {
        gla_status status = cli_rows_new(of.sweep, of.seed, of.shard, of.shards, rows, err);
        if (status) return status;
    }
    if (of.sweep != rows->sweep || of.seed != rows->seed || of.shards != rows->shards)
        return gla_fail(err, GLA_BAD_FILE, "%.200s: of study %s, seed %llu, %zu shards, the first file is not", path,
                        of.sweep->name, (unsigned long long)of.seed, of.shards);
    rows->shard = of.shard;
    if (cli_rows_next(rows, 0) == gla_sweep_points(rows->sweep))
        return gla_fail(err, GLA_BAD_FILE, "%.200s: shard %zu/%zu is there already", path, of.shard, of.shards);
    if (*cli_rows_read(rows, end) || cli_rows_next(rows, 0) < gla_sweep_points(rows->sweep))
        return gla_fail(err, GLA_BAD_FILE, "%.200s: shard %zu/%zu is not whole", path, of.shard, of.shards);
    return GLA_OK;
}

gla_status cli_study_merge(char *const *paths, size_t count, cli_rows *rows, gla_error *err) {
    gla_status status = GLA_OK;
    *rows = (cli_rows){0};
    for (size_t i = 0; i < count && status == GLA_OK; i++) {
        char *text = cli_rows_text(paths[i], err);
        status = text ? add(rows, paths[i], text, err) : err->status;
        free(text);
    }
    for (size_t i = 1; status == GLA_OK && i <= rows->shards; i++) {
        rows->shard = i;
        if (cli_rows_next(rows, 0) < gla_sweep_points(rows->sweep))
            status =
                gla_fail(err, GLA_BAD_FILE, "study %s: shard %zu/%zu is missing", rows->sweep->name, i, rows->shards);
    }
    rows->shard = rows->shards = 1;
    return status;
}
