/* SPDX-License-Identifier: Apache-2.0 */
#include "mufu_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/io/tensors.h"
#include "fast/hardware/probe/mufu_guess.h"

uint32_t mufu_edge_word(int k) {
    return (k < MUFU_EDGES ? 0 : 0x80000000u) | (uint32_t)mufu_edges[k % MUFU_EDGES] << 16;
}

static uint32_t edge_input(size_t k) { return mufu_edge_word((int)(k / MUFU_BLOCK)) | (uint32_t)(k % MUFU_BLOCK); }
static uint32_t binade_input(size_t k) { return MUFU_BINADE_FIRST + (uint32_t)k; }

static int64_t *integers(const gla_tensor_file *file, const char *name, size_t *count, gla_error *err) {
    const gla_named_tensor *t = gla_tensors_find(file, name);
    if (!t) gla_fail(err, GLA_BAD_FILE, "no array %s", name);
    int64_t *value = t ? malloc(((size_t)t->count + 1) * sizeof *value) : NULL;
    if (value && gla_tensor_to_integers(t, value, err) == GLA_OK) {
        *count = (size_t)t->count;
        return value;
    }
    free(value);
    return NULL;
}

/* Differences to the guess become words. */
static uint32_t *words(const gla_tensor_file *file, const char *region, enum mufu_function function,
                       uint32_t (*input)(size_t), size_t *count, gla_error *err) {
    char name[32];
    size_t far_count = 0, used = 0;
    int64_t *near, *far = NULL;
    snprintf(name, sizeof name, "%s_near", region);
    near = integers(file, name, count, err);
    snprintf(name, sizeof name, "%s_far", region);
    if (near) far = integers(file, name, &far_count, err);
    uint32_t *word = near && far ? malloc(*count * sizeof *word) : NULL;
    for (size_t k = 0; word && k < *count; k++) {
        const int escaped = near[k] == MUFU_ESCAPE && used < far_count;
        word[k] = mufu_guess(function, input(k)) + (uint32_t)(escaped ? far[used++] : near[k]);
    }
    if (word && used != far_count) gla_fail(err, GLA_BAD_FILE, "%s: %zu of %zu values used", name, used, far_count);
    free(near);
    free(far);
    return word;
}

static enum mufu_function kept(enum mufu_function function) {
    return function == MUFU_EXP2F ? MUFU_EX2 : function == MUFU_EXP_FAST ? MUFU_EXP_TRITON : function;
}

gla_status mufu_records_read(enum mufu_function function, mufu_records *out, gla_error *err) {
    char path[96];
    size_t checks = 0, edges = 0;
    gla_tensor_file file;
    const enum mufu_function f = kept(function);
    *out = (mufu_records){0};
    snprintf(path, sizeof path, "data/hardware/mufu_%s.npz", mufu_names[f]);
    gla_status status = gla_tensors_read(path, &file, err);
    if (status != GLA_OK) return status;
    out->check = integers(&file, "checks", &checks, err);
    out->edge = words(&file, "edges", f, edge_input, &edges, err);
    if (gla_tensors_find(&file, "binade_near"))
        out->binade = words(&file, "binade", f, binade_input, &out->binade_count, err);
    gla_tensors_free(&file);
    if (out->check && out->edge && checks == MUFU_BLOCKS && edges == 2 * MUFU_EDGES * MUFU_BLOCK) return GLA_OK;
    mufu_records_free(out);
    return gla_fail(err, GLA_BAD_FILE, "%s: not the arrays that mufu_records.h describes", path);
}

void mufu_records_free(mufu_records *r) {
    free(r->check);
    free(r->edge);
    free(r->binade);
    *r = (mufu_records){0};
}
