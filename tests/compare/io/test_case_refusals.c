/* SPDX-License-Identifier: Apache-2.0
 *
 * Case files that do not fit together are refused, naming the file, the tensor, what it has and what was wanted.
 */
#include <math.h>

#include "plain_case.h"

static const struct setting_row {
    const char *key, *value;
    gla_status status;
    const char *needle;
} setting_rows[] = {
    {"mechanism", "glb", GLA_UNKNOWN_NAME, "unknown mechanism 'glb', known: gla"},
    {"mechanism", "a\nb", GLA_UNKNOWN_NAME, "'a?b'"},
    {"scale", "", GLA_BAD_VALUE, "scale ''"},
    {"scale", "0.125x", GLA_BAD_VALUE, "scale '0.125x'"},
    {"scale", "0", GLA_BAD_VALUE, "scale '0'"},
    {"scale", "nan", GLA_BAD_VALUE, "scale 'nan'"},
    {"scale", "1e999", GLA_BAD_VALUE, "scale '1e999'"},
    {"layout", "bthd", GLA_BAD_FILE, "layout 'bthd'"},
    {"layout", "THD", GLA_BAD_SHAPE, "q has shape [2,3,2,5], layout THD wants 3 axes"},
    {"layout", "BHTD", GLA_BAD_SHAPE, "v has shape [2,3,4,6], wanted [2,h,2,6]"},
    {"gate_domain", "log2", GLA_UNSUPPORTED, "g * ln 2"},
    {"gate_domain", "sigmoid", GLA_UNSUPPORTED, "gate_domain 'sigmoid'"},
    {"reverse", "yes", GLA_BAD_VALUE, "reverse 'yes'"},
};

START_TEST(bad_settings_are_refused) {
    const struct setting_row *row = &setting_rows[_i];
    gla_tensor_file file = plain_file(true);
    gla_tensors_set_meta(&file, row->key, row->value, NULL);
    gla_case c;
    gla_error err;
    assert_refused(build(&file, &c, &err), &err, row->status, row->needle);
    ck_assert_msg(strncmp(err.what, "dir/x.npz: ", 11) == 0, "no file name in: %s", err.what);
    ck_assert(!c.name && !c.input[0] && !c.metadata.metas && !file.metas);
}
END_TEST

static const struct shape_row {
    const char *name;
    int rank; /* -1: left out */
    int64_t shape[5];
    gla_status status;
    const char *needle;
} shape_rows[] = {
    {"q", -1, {0}, GLA_BAD_FILE, "no tensor 'q'"},
    {"k", -1, {0}, GLA_BAD_FILE, "no tensor 'k'"},
    {"v", -1, {0}, GLA_BAD_FILE, "no tensor 'v'"},
    {"q", 3, {B, T, DK}, GLA_BAD_SHAPE, "q has shape [2,3,5], layout BTHD wants 4 axes"},
    {"q", 0, {0}, GLA_BAD_SHAPE, "q has shape [], layout"},
    {"k", 4, {B, T, HK, DK + 1}, GLA_BAD_SHAPE, "k has shape [2,3,2,6], wanted [2,3,h,5]"},
    {"k", 4, {B, T + 1, HK, DK}, GLA_BAD_SHAPE, "k has shape [2,4,2,5], wanted [2,3,h,5]"},
    {"k", 4, {B + 1, T, HK, DK}, GLA_BAD_SHAPE, "k has shape [3,3,2,5], wanted [2,3,h,5]"},
    {"k", 4, {B, T, 3, DK}, GLA_BAD_SHAPE, "k has 3 heads, which do not divide H = 4"},
    {"k", 4, {B, T, 0, DK}, GLA_BAD_SHAPE, "k has shape [2,3,0,5], wanted [2,3,h,5]"},
    {"g", 3, {B, T, H}, GLA_BAD_SHAPE, "a gate per head"},
    {"g", 4, {B, T, HK, DV}, GLA_BAD_SHAPE, "g has shape [2,3,2,6], wanted [2,3,h,5]"},
    {"gv", 4, {B, T, H, DK}, GLA_BAD_SHAPE, "gv has shape [2,3,4,5], wanted [2,3,h,6]"},
    {"initial_state", 4, {B, H, DV, DK}, GLA_BAD_SHAPE, "initial_state has shape [2,4,6,5], wanted [2,h,5,6]"},
    {"initial_state", 4, {B + 1, H, DK, DV}, GLA_BAD_SHAPE, "initial_state has shape [3,4,5,6], wanted [2,h,5,6]"},
    {"initial_state", 5, {B, H, DK, DV, 1}, GLA_BAD_SHAPE, "initial_state has shape [2,4,5,6,1]"},
    {"do", 4, {B, T, H, DK}, GLA_BAD_SHAPE, "do has shape [2,3,4,5], wanted [2,3,h,6]"},
    {"dfinal_state", 3, {H, DK, DV}, GLA_BAD_SHAPE, "dfinal_state has shape [4,5,6]"},
    {"cu_seqlens", 1, {3}, GLA_BAD_VALUE, "cu_seqlens: F32"},
    {"gk", 4, {B, T, HK, DK}, GLA_BAD_FILE, "both g and gk"},
    {"dgk", 4, {B, T, HK, DK}, GLA_BAD_FILE, "both dg and dgk"},
    {"gv", -1, {0}, GLA_BAD_FILE, "dgv is there, but not gv"},
    {"g", -1, {0}, GLA_BAD_FILE, "dg is there, but not g"},
};

START_TEST(bad_shapes_are_refused) {
    const struct shape_row *row = &shape_rows[_i];
    gla_tensor_file file = plain_file(true);
    if (gla_tensors_find(&file, row->name)) drop(&file, row->name);
    if (row->rank >= 0) add(&file, row->name, GLA_F32, row->rank, row->shape);
    gla_case c;
    gla_error err;
    assert_refused(build(&file, &c, &err), &err, row->status, row->needle);
}
END_TEST

START_TEST(empty_sizes_are_refused) {
    for (int axis = 0; axis < 4; axis++) {
        gla_tensor_file file = {0};
        int64_t shape[] = {1, 1, 1, 1};
        shape[axis] = 0;
        add(&file, "q", GLA_F32, 4, shape);
        add(&file, "k", GLA_F32, 4, shape);
        add(&file, "v", GLA_F32, 4, shape);
        gla_case c;
        gla_error err;
        assert_refused(build(&file, &c, &err), &err, GLA_BAD_SHAPE, "");
    }
}
END_TEST

START_TEST(gradients_need_a_source) {
    gla_tensor_file file = plain_file(true);
    drop(&file, "do");
    gla_case c;
    gla_error err;
    ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what); /* dfinal_state is enough */
    gla_case_free(&c);
    file = plain_file(true);
    drop(&file, "do");
    drop(&file, "dfinal_state");
    assert_refused(build(&file, &c, &err), &err, GLA_BAD_FILE, "dq is there, but neither do nor dfinal_state");
}
END_TEST

START_TEST(values_outside_the_contract_are_refused) {
    static const struct {
        const char *name;
        double value;
        bool growth;
        const char *needle;
    } rows[] = {{"q", NAN, false, "q[1,2,1,4]"},       {"v", INFINITY, false, "v[1,2,1,4]"},
                {"g", 0.5, false, "g[1,2,1,4] = 0.5"}, {"g", 0.5, true, NULL},
                {"g", -INFINITY, false, NULL},         {"g", NAN, true, "g[1,2,1,4]"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_tensor_file file = {0};
        static const char *const names[] = {"q", "k", "v", "g"};
        int64_t shape[] = {B, T, 2, 5};
        double value[B * T * 2 * 5] = {0};
        for (int n = 0; n < 4; n++) {
            value[B * T * 2 * 5 - 1] = strcmp(names[n], rows[i].name) == 0 ? rows[i].value : 0;
            gla_tensors_add(&file, names[n], GLA_BF16, 4, shape, value, NULL);
        }
        gla_case c;
        gla_error err = {0};
        gla_case_options options = {.allow_growth = rows[i].growth};
        gla_status status = gla_case_build(&file, NULL, "x.npz", &options, &c, &err);
        if (rows[i].needle)
            assert_refused(status, &err, GLA_BAD_VALUE, rows[i].needle);
        else
            ck_assert_msg(status == GLA_OK, "%s", err.what);
        gla_case_free(&c);
    }
}
END_TEST

START_TEST(packed_sequences_must_fit) {
    gla_tensor_file with, without;
    gla_case a;
    gla_error err;
    without = packed_file(false);
    drop(&without, "cu_seqlens");
    assert_refused(build(&without, &a, &err), &err, GLA_BAD_FILE, "cu_seqlens");
    with = packed_file(true);
    drop(&with, "cu_seqlens");
    add(&with, "cu_seqlens", GLA_F32, 1, (int64_t[]){4});
    assert_refused(build(&with, &a, &err), &err, GLA_BAD_VALUE, "cu_seqlens: F32");
    with = packed_file(true);
    drop(&with, "cu_seqlens");
    gla_tensors_add_integers(&with, "cu_seqlens", 1, (int64_t[]){4}, (int64_t[]){0, 5, 3, 7}, NULL);
    assert_refused(build(&with, &a, &err), &err, GLA_BAD_SHAPE, "cu_seqlens[2]");
    with = packed_file(true);
    drop(&with, "cu_seqlens");
    gla_tensors_add_integers(&with, "cu_seqlens", 1, (int64_t[]){1}, (int64_t[]){0}, NULL);
    assert_refused(build(&with, &a, &err), &err, GLA_BAD_SHAPE, "cu_seqlens has shape [1]");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("case_refusals");
    TCase *t = scratch_group(s, "refusals");
    tcase_add_loop_test(t, bad_settings_are_refused, 0, (int)(sizeof setting_rows / sizeof *setting_rows));
    tcase_add_loop_test(t, bad_shapes_are_refused, 0, (int)(sizeof shape_rows / sizeof *shape_rows));
    tcase_add_test(t, empty_sizes_are_refused);
    tcase_add_test(t, gradients_need_a_source);
    tcase_add_test(t, values_outside_the_contract_are_refused);
    tcase_add_test(t, packed_sequences_must_fit);
    return s;
}

int main(void) { return test_main(suite()); }
