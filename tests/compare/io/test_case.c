/* SPDX-License-Identifier: Apache-2.0
 *
 * Case files: every layout gives the same problem; a problem saved and loaded is the same; a wrong output is recorded,
 * not refused. If third-party files lie beside the repository, each is loaded. Refusals: test_case_refusals.c.
 */
#include <dirent.h>
#include <math.h>

#include "plain_case.h"

START_TEST(a_plain_case) {
    gla_tensor_file file = plain_file(true);
    gla_tensors_set_meta(&file, "scale", "0.125", NULL);
    gla_tensors_set_meta(&file, "gate_domain", "natural log", NULL);
    gla_tensors_set_meta(&file, "reverse", "true", NULL);
    gla_tensors_set_meta(&file, "gpu", "any", NULL);
    add(&file, "logits", GLA_F32, 1, (int64_t[]){3});
    add(&file, "loss", GLA_F32, 0, NULL);
    gla_case c;
    gla_error err;
    ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what);
    const gla_problem *p = &c.problem;
    ck_assert(p->B == B && p->T == T && p->H == H && p->dk == DK && p->dv == DV && p->N == B);
    ck_assert(p->scale == 0.125 && p->reverse && !p->cu_seqlens);
    ck_assert_str_eq(gla_mechanism_of(&c.problem)->name, "gla");
    ck_assert_str_eq(c.name, "x");
    ck_assert_str_eq(c.ignored, "logits, loss");
    ck_assert_str_eq(gla_tensors_meta(&c.metadata, "gpu"), "any");
    ck_assert_uint_eq(c.metadata.count, 0);
    ck_assert_int_eq(c.input_dtype[GLA_IN_DO], GLA_F16);
    for (int i = 0; i < INPUTS; i++) { /* the parts stand in the order of gla_input, then gla_output */
        gla_tensor *x = gla_problem_input(&c.problem, (gla_input)i);
        const int64_t *s = parts[i].shape;
        bool state = i == GLA_IN_INITIAL_STATE || i == GLA_IN_DFINAL_STATE;
        ck_assert_int_eq(x->heads, s[state ? 1 : 2]);
        ck_assert(at(x, 1, 1, 1, 2) == value_of(parts[i].name, ((s[1] + 1) * s[2] + 1) * s[3] + 2));
    }
    for (int i = 0; i < OUTPUTS; i++) {
        const gla_case_output *out = &c.output[i];
        ck_assert(out->present && !out->wrong_shape && out->rank == 4);
        ck_assert_mem_eq(out->shape, parts[INPUTS + i].shape, sizeof parts[0].shape);
        ck_assert_int_eq(out->count, count_of(4, out->shape));
        ck_assert_int_eq(out->dtype, parts[INPUTS + i].dtype);
        for (int64_t e = 0; e < out->count; e++) ck_assert(out->value[e] == value_of(parts[INPUTS + i].name, e));
    }
    gla_case_free(&c);
}
END_TEST

START_TEST(no_outputs_is_a_case_too) {
    gla_tensor_file file = plain_file(false);
    gla_case c;
    gla_error err;
    ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) ck_assert(!c.output[i].present);
    ck_assert(c.problem.scale == 0);
    gla_case_free(&c);
}
END_TEST

/* H is the largest head count, whichever tensor has it. */
START_TEST(heads_are_those_of_the_largest) {
    for (int largest = 0; largest < 4; largest++) {
        static const char *const names[] = {"q", "k", "v", "g"};
        gla_tensor_file file = {0};
        for (int i = 0; i < 4; i++) add(&file, names[i], GLA_F32, 4, (int64_t[]){1, 2, i == largest ? 6 : 3, 2});
        gla_case c;
        gla_error err;
        ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what);
        ck_assert_int_eq(c.problem.H, 6);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(gla_problem_input(&c.problem, (gla_input)i)->heads, i == largest ? 6 : 3);
        gla_case_free(&c);
    }
}
END_TEST

START_TEST(names_have_an_alias) {
    gla_tensor_file file = plain_file(true);
    drop(&file, "g");
    drop(&file, "dg");
    add(&file, "gk", GLA_F32, 4, parts[3].shape);
    add(&file, "dgk", GLA_F32, 4, parts[3].shape);
    gla_case c;
    gla_error err;
    ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what);
    ck_assert(c.problem.gk.at && c.output[GLA_DGK].present);
    ck_assert_str_eq(c.ignored, "");
    gla_case_free(&c);
}
END_TEST

/* Store a plain token tensor with tokens and heads exchanged. */
static void add_exchanged(gla_tensor_file *file, const struct part *x) {
    int64_t b = x->shape[0], t = x->shape[1], h = x->shape[2], d = x->shape[3], shape[] = {b, h, t, d};
    double *value = malloc((size_t)(b * t * h * d) * sizeof *value);
    for (int64_t i = 0; i < b * t * h * d; i++) {
        int64_t id = i % d, it = i / d % t, ih = i / d / t % h, ib = i / d / t / h;
        value[i] = value_of(x->name, ((ib * t + it) * h + ih) * d + id);
    }
    ck_assert_int_eq(gla_tensors_add(file, x->name, x->dtype, 4, shape, value, NULL), GLA_OK);
    free(value);
}

static bool is_state(const char *name) { return strstr(name, "state") != NULL; }

/* The same numbers in BTHD and BHTD give the same case. */
START_TEST(exchanged_axes_give_the_same_case) {
    gla_tensor_file straight = plain_file(true), exchanged = {0};
    for (int i = 0; i < PARTS; i++) {
        if (is_state(parts[i].name))
            add(&exchanged, parts[i].name, parts[i].dtype, 4, parts[i].shape);
        else
            add_exchanged(&exchanged, &parts[i]);
    }
    gla_tensors_set_meta(&exchanged, "layout", "BHTD", NULL);
    gla_case a, b;
    gla_error err;
    ck_assert_msg(build(&straight, &a, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(build(&exchanged, &b, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < INPUTS; i++)
        ck_assert_mem_eq(a.input[i], b.input[i], (size_t)count_of(4, parts[i].shape) * sizeof(double));
    for (int i = 0; i < OUTPUTS; i++) {
        ck_assert(b.output[i].present && !b.output[i].wrong_shape);
        ck_assert_mem_eq(a.output[i].shape, b.output[i].shape, 4 * sizeof(int64_t));
        ck_assert_mem_eq(a.output[i].value, b.output[i].value, (size_t)a.output[i].count * sizeof(double));
    }
    gla_case_free(&a);
    gla_case_free(&b);
}
END_TEST

START_TEST(packed_sequences) {
    gla_tensor_file with = packed_file(true), without = packed_file(false);
    gla_case a, b;
    gla_error err;
    ck_assert_msg(build(&with, &a, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(build(&without, &b, &err) == GLA_OK, "%s", err.what);
    ck_assert(b.problem.B == 1 && b.problem.T == 7 && b.problem.N == 3 && b.problem.cu_seqlens[2] == 3);
    ck_assert_mem_eq(a.input[GLA_IN_Q], b.input[GLA_IN_Q], 7 * 2 * DK * sizeof(double));
    ck_assert_mem_eq(a.output[GLA_O].shape, b.output[GLA_O].shape, 4 * sizeof(int64_t));
    ck_assert(!b.output[GLA_O].wrong_shape && !b.output[GLA_FINAL_STATE].wrong_shape);
    gla_case_free(&a);
    gla_case_free(&b);
}
END_TEST

START_TEST(a_layer_by_its_prefix) {
    gla_tensor_file file = {0};
    for (int i = 0; i < PARTS; i++) {
        char name[40];
        snprintf(name, sizeof name, "layers.1.%s", parts[i].name);
        add(&file, name, parts[i].dtype, 4, parts[i].shape);
    }
    add(&file, "logits", GLA_F32, 1, (int64_t[]){3});
    add(&file, "layers.1.extra", GLA_F32, 1, (int64_t[]){3});
    const char *path = scratch("model.safetensors");
    ck_assert_int_eq(gla_tensors_write(path, &file, NULL), GLA_OK);
    gla_tensors_free(&file);
    gla_case c;
    gla_error err = {0};
    assert_refused(gla_case_load(path, NULL, &c, &err), &err, GLA_BAD_FILE, "there is 'layers.1.q'");
    ck_assert_msg(strstr(err.what, "no tensor 'q'"), "%s", err.what);
    gla_case_options options = {.prefix = "layers.1."};
    ck_assert_msg(gla_case_load(path, &options, &c, &err) == GLA_OK, "%s", err.what);
    ck_assert_str_eq(c.name, "model/layers.1");
    ck_assert_str_eq(c.ignored, "extra");
    for (int i = 0; i < OUTPUTS; i++) ck_assert(c.output[i].present);
    gla_case_free(&c);
}
END_TEST

START_TEST(only_the_candidate_is_judged) {
    gla_tensor_file file = plain_file(true), candidate = {0};
    double nan = NAN;
    add(&candidate, "dq", GLA_BF16, 4, parts[10].shape);
    gla_tensors_add(&candidate, "o", GLA_F32, 0, NULL, &nan, NULL);
    ck_assert_int_eq(gla_tensors_write(scratch("main.npz"), &file, NULL), GLA_OK);
    ck_assert_int_eq(gla_tensors_write(scratch("other.safetensors"), &candidate, NULL), GLA_OK);
    gla_case_options options = {.candidate = scratch("other.safetensors")};
    gla_case c;
    gla_error err = {0};
    ck_assert_msg(gla_case_load(scratch("main.npz"), &options, &c, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) ck_assert(c.output[i].present == (i == GLA_DQ || i == GLA_O));
    ck_assert(c.output[GLA_O].wrong_shape && c.output[GLA_O].rank == 0 && c.output[GLA_O].count == 1);
    ck_assert(!c.output[GLA_DQ].wrong_shape);
    gla_case_free(&c);

    drop(&candidate, "o");
    drop(&candidate, "dq");
    add(&candidate, "out", GLA_F32, 0, NULL);
    ck_assert_int_eq(gla_tensors_write(scratch("other.safetensors"), &candidate, NULL), GLA_OK);
    options.candidate = scratch("other.safetensors");
    assert_refused(gla_case_load(scratch("main.npz"), &options, &c, &err), &err, GLA_BAD_FILE, "other.safetensors");
    options.candidate = scratch("absent.npz");
    assert_refused(gla_case_load(scratch("main.npz"), &options, &c, &err), &err, GLA_IO_ERROR, "absent.npz");
    gla_tensors_free(&file);
    gla_tensors_free(&candidate);
}
END_TEST

START_TEST(non_finite_outputs_are_kept) {
    gla_tensor_file file = plain_file(false);
    static double value[B * T * H * DV];
    value[3] = NAN;
    value[4] = -INFINITY;
    gla_tensors_add(&file, "o", GLA_BF16, 4, parts[8].shape, value, NULL);
    gla_case c;
    gla_error err;
    ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what);
    ck_assert(isnan(c.output[GLA_O].value[3]) && c.output[GLA_O].value[4] == -INFINITY);
    gla_case_free(&c);
}
END_TEST

/* Outputs of a wrong shape are the candidate's fault: recorded as they are. */
START_TEST(wrong_outputs_are_recorded) {
    static const struct {
        const char *name;
        gla_output output;
        int rank;
        int64_t shape[4];
    } rows[] = {{"o", GLA_O, 4, {B, H, T, DV}},
                {"o", GLA_O, 4, {B, T, HK, DV}},
                {"o", GLA_O, 3, {T, H, DV}},
                {"o", GLA_O, 1, {0}},
                {"final_state", GLA_FINAL_STATE, 4, {B, H, DV, DK}},
                {"dk", GLA_DK, 4, {B, T, H, DK}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_tensor_file file = plain_file(true);
        drop(&file, rows[i].name);
        add(&file, rows[i].name, GLA_F32, rows[i].rank, rows[i].shape);
        gla_case c;
        gla_error err;
        ck_assert_msg(build(&file, &c, &err) == GLA_OK, "%s", err.what);
        const gla_case_output *out = &c.output[rows[i].output];
        ck_assert(out->present && out->wrong_shape && !out->value && out->rank == rows[i].rank);
        ck_assert_mem_eq(out->shape, rows[i].shape, (size_t)out->rank * sizeof *out->shape);
        gla_case_free(&c);
    }
}
END_TEST

/* ---- there and back ---- */

START_TEST(a_problem_saved_is_the_same_problem) {
    static const char *const names[] = {"back.safetensors", "back.npz"};
    gla_tensor_file file = _i < 2 ? plain_file(true) : packed_file(true), again = {0};
    gla_tensors_set_meta(&file, "scale", "0.08838834764831845", NULL);
    gla_tensors_set_meta(&file, "reverse", "true", NULL);
    gla_case a, b;
    gla_error err;
    ck_assert_msg(build(&file, &a, &err) == GLA_OK, "%s", err.what);
    gla_tensors_set_meta(&again, "note", "kept", NULL);
    ck_assert_msg(gla_case_add_problem(&again, &a.problem, a.input_dtype, &err) == GLA_OK, "%s", err.what);
    const gla_case_output *o = &a.output[GLA_O];
    ck_assert_int_eq(gla_case_add_output(&again, &a.problem, GLA_O, o->dtype, o->value, &err), GLA_OK);
    ck_assert_int_eq(gla_tensors_write(scratch(names[_i % 2]), &again, &err), GLA_OK);
    gla_tensors_free(&again);
    ck_assert_msg(gla_case_load(scratch(names[_i % 2]), NULL, &b, &err) == GLA_OK, "%s", err.what);
    ck_assert(a.problem.scale == b.problem.scale && b.problem.reverse && a.problem.N == b.problem.N);
    ck_assert(!a.cu_seqlens == !b.cu_seqlens);
    if (a.cu_seqlens) ck_assert_mem_eq(a.cu_seqlens, b.cu_seqlens, 4 * sizeof(int64_t));
    ck_assert_str_eq(b.name, "back");
    ck_assert_str_eq(gla_tensors_meta(&b.metadata, "note"), "kept");
    for (int i = 0; i < INPUTS; i++) {
        int64_t shape[4], other[4];
        ck_assert(!a.input[i] == !b.input[i]);
        if (!a.input[i]) continue;
        gla_input_shape(&a.problem, (gla_input)i, shape);
        gla_input_shape(&b.problem, (gla_input)i, other);
        ck_assert_mem_eq(shape, other, sizeof shape);
        ck_assert_int_eq(a.input_dtype[i], b.input_dtype[i]);
        ck_assert_mem_eq(a.input[i], b.input[i], (size_t)count_of(4, shape) * sizeof(double));
    }
    ck_assert_mem_eq(o->value, b.output[GLA_O].value, (size_t)o->count * sizeof(double));
    gla_case_free(&a);
    gla_case_free(&b);
}
END_TEST

/* ---- files of real kernels, when they lie beside the repository ---- */

static void load_real(const char *path, const char *prefix, int64_t tokens) {
    gla_case c;
    gla_error err = {0};
    gla_case_options options = {.prefix = prefix};
    ck_assert_msg(gla_case_load(path, &options, &c, &err) == GLA_OK, "%s (%s)", err.what, err.hint);
    const gla_problem *p = &c.problem;
    ck_assert_msg(p->B == 1 && p->T == tokens && p->H == 2 && p->dk == 64 && p->dv == 128, "%s: sizes", path);
    bool varlen = strstr(path, "varlen");
    ck_assert_int_eq(p->N, varlen ? 5 : 1);
    if (!prefix) ck_assert(p->scale == 0.125);
    int outputs = 0;
    for (int i = 0; i < OUTPUTS; i++) {
        if (!c.output[i].present) continue;
        outputs++;
        ck_assert_msg(!c.output[i].wrong_shape, "%s: %s", path, gla_output_names[i]);
        for (int64_t e = 0; e < c.output[i].count; e++) ck_assert(isfinite(c.output[i].value[e]));
    }
    ck_assert_int_eq(outputs, prefix ? 5 : 7); /* a model's layer has no states; none has dgv */
    gla_case_free(&c);
}

START_TEST(real_files) {
    DIR *folder = opendir("../shared/real");
    if (!folder) return;
    int loaded = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "gla_", 4) != 0) continue;
        char path[300];
        snprintf(path, sizeof path, "../shared/real/%s", entry->d_name);
        load_real(path, NULL, 320);
        loaded++;
    }
    closedir(folder);
    ck_assert_int_eq(loaded, 5);
    for (int layer = 0; layer < 8; layer++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "layers.%d.", layer % 4);
        load_real(layer < 4 ? "../shared/real/lm/activations_fp32.safetensors"
                            : "../shared/real/lm/activations_bf16.safetensors",
                  prefix, 320);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("case");
    TCase *t = scratch_group(s, "good files");
    tcase_add_test(t, a_plain_case);
    tcase_add_test(t, no_outputs_is_a_case_too);
    tcase_add_test(t, heads_are_those_of_the_largest);
    tcase_add_test(t, names_have_an_alias);
    tcase_add_test(t, exchanged_axes_give_the_same_case);
    tcase_add_test(t, packed_sequences);
    tcase_add_test(t, a_layer_by_its_prefix);
    tcase_add_test(t, only_the_candidate_is_judged);
    tcase_add_test(t, non_finite_outputs_are_kept);
    tcase_add_test(t, wrong_outputs_are_recorded);
    t = scratch_group(s, "there and back");
    tcase_add_loop_test(t, a_problem_saved_is_the_same_problem, 0, 4);
    t = scratch_group(s, "real files");
    tcase_add_test(t, real_files);
    return s;
}

int main(void) { return test_main(suite()); }
