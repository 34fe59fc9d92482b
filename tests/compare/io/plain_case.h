/* SPDX-License-Identifier: Apache-2.0
 *
 * What the case suites share: one small case with every input and output, the same packed, and ways to spoil them.
 */
#ifndef GLASSBOX_TEST_PLAIN_CASE_H
#define GLASSBOX_TEST_PLAIN_CASE_H

#include "compare/io/case.h"
#include "scratch.h"

/* B T H dk dv of the plain case; q k share 2 of the 4 heads. */
enum { B = 2, T = 3, H = 4, HK = 2, DK = 5, DV = 6 };

static const struct part {
    const char *name;
    int64_t shape[4];
    gla_dtype dtype;
    bool output;
} parts[] = {
    {"q", {B, T, HK, DK}, GLA_BF16, false}, {"k", {B, T, HK, DK}, GLA_BF16, false},
    {"v", {B, T, H, DV}, GLA_BF16, false},  {"g", {B, T, HK, DK}, GLA_F32, false},
    {"gv", {B, T, H, DV}, GLA_F64, false},  {"initial_state", {B, H, DK, DV}, GLA_F32, false},
    {"do", {B, T, H, DV}, GLA_F16, false},  {"dfinal_state", {B, H, DK, DV}, GLA_F32, false},
    {"o", {B, T, H, DV}, GLA_BF16, true},   {"final_state", {B, H, DK, DV}, GLA_F32, true},
    {"dq", {B, T, HK, DK}, GLA_BF16, true}, {"dk", {B, T, HK, DK}, GLA_BF16, true},
    {"dv", {B, T, H, DV}, GLA_BF16, true},  {"dg", {B, T, HK, DK}, GLA_F32, true},
    {"dgv", {B, T, H, DV}, GLA_F32, true},  {"dinitial_state", {B, H, DK, DV}, GLA_F32, true},
};
enum { PARTS = sizeof parts / sizeof *parts, INPUTS = GLA_IN_DFINAL_STATE + 1, OUTPUTS = GLA_DINITIAL_STATE + 1 };

static inline int64_t count_of(int rank, const int64_t *shape) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    return count;
}

/* A value of every dtype above, <= 0, different for every tensor and place. */
static inline double value_of(const char *name, int64_t i) {
    return -(double)((i * 7 + name[0] + 3 * name[1]) % 97) / 16;
}

static inline void add(gla_tensor_file *file, const char *name, gla_dtype dtype, int rank, const int64_t *shape) {
    int64_t count = count_of(rank, shape);
    double *value = malloc((size_t)(count + 1) * sizeof *value);
    for (int64_t i = 0; i < count; i++) value[i] = value_of(name, i);
    gla_error err;
    ck_assert_msg(gla_tensors_add(file, name, dtype, rank, shape, value, &err) == GLA_OK, "%s", err.what);
    free(value);
}

static inline void drop(gla_tensor_file *file, const char *name) {
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->tensor[i].name, name) != 0) continue;
        free(file->tensor[i].name);
        free(file->tensor[i].owned);
        file->tensor[i] = file->tensor[--file->count];
        return;
    }
    ck_abort_msg("no tensor %s to drop", name);
}

static inline gla_tensor_file plain_file(bool outputs) {
    gla_tensor_file file = {0};
    for (int i = 0; i < PARTS; i++)
        if (outputs || !parts[i].output) add(&file, parts[i].name, parts[i].dtype, 4, parts[i].shape);
    return file;
}

/* Build, naming the file x.npz. */
static inline gla_status build(gla_tensor_file *file, gla_case *c, gla_error *err) {
    *err = (gla_error){0};
    return gla_case_build(file, NULL, "dir/x.npz", NULL, c, err);
}

static inline double at(const gla_tensor *x, int64_t a, int64_t b, int64_t c, int64_t d) {
    return x->at[a * x->stride[0] + b * x->stride[1] + c * x->stride[2] + d * x->stride[3]];
}

/* Packed: 7 tokens in 3 sequences, the second empty. */
static inline gla_tensor_file packed_file(bool batch_axis) {
    gla_tensor_file file = {0};
    const int64_t cu[] = {0, 3, 3, 7}, *token, *state = (int64_t[]){3, 2, DK, DV};
    int skip = batch_axis ? 0 : 1, rank = 4 - skip;
    static const char *const keys[] = {"q", "k", "g", "dq"}, *const values[] = {"v", "do", "o"};
    token = (int64_t[]){1, 7, 2, DK};
    for (int i = 0; i < 4; i++) add(&file, keys[i], GLA_F32, rank, token + skip);
    token = (int64_t[]){1, 7, 2, DV};
    for (int i = 0; i < 3; i++) add(&file, values[i], GLA_F32, rank, token + skip);
    add(&file, "initial_state", GLA_F32, 4, state);
    add(&file, "final_state", GLA_F32, 4, state);
    ck_assert_int_eq(gla_tensors_add_integers(&file, "cu_seqlens", 1, (int64_t[]){4}, cu, NULL), GLA_OK);
    if (!batch_axis) gla_tensors_set_meta(&file, "layout", "THD", NULL);
    return file;
}

#endif
