/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: what was written is what is loaded, setting by setting and weight by weight; a weight that is missing,
 * extra or misshapen, and a setting that is not computed, is refused in one line that names it.
 */
#include <unistd.h>

#include "tests/compare/io/tiny_checkpoint.h"

static char folder[64];

static void make_folder(void) {
    strcpy(folder, "/tmp/glassbox-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    rmdir(folder);
}

START_TEST(every_setting_and_weight_arrives) {
    write_config(folder, _i, 5, "");
    write_weights(folder, _i, 5, NULL, NULL);
    gla_checkpoint file;
    gla_error err;
    gla_numbers *n;
    gla_model m;
    char path[128];
    snprintf(path, sizeof path, "%s%s", folder, _i % 2 ? "/model.safetensors" : "");
    ck_assert_msg(gla_checkpoint_read(path, &file, &err) == GLA_OK, "%s", err.what);
    gla_model_config c = tiny_config(_i), *got = &file.config;
    ck_assert(got->vocabulary == c.vocabulary && got->hidden == c.hidden && got->layers == c.layers);
    ck_assert(got->heads == c.heads && got->key_heads == c.key_heads && got->intermediate == c.intermediate);
    ck_assert(got->key_width == c.key_width && got->value_width == c.value_width && got->rank == c.rank);
    ck_assert(got->window == c.window && got->window_bias == c.window_bias && got->output_gate == c.output_gate);
    ck_assert(got->affine == c.affine && got->tied == c.tied && got->fused_norm == c.fused_norm);
    ck_assert(got->eps == c.eps && got->tau == c.tau && got->feature == c.feature);
    ck_assert(got->has_least == c.has_least && got->least == c.least);
    ck_assert_int_eq(gla_numbers_open("binary32", &n, &err), GLA_OK);
    ck_assert_msg(gla_checkpoint_load(&file, n, &m, &err) == GLA_OK, "%s", err.what);
    for (size_t i = 0; i < m.tensors; i++) {
        gla_matrix at = m.tensor[i].at;
        for (size_t j = 0; j < at.rows * at.cols; j++)
            ck_assert_msg(n->ops->get_d(n, gla_at(at, j / at.cols, j % at.cols)) ==
                              tiny_weight(&m.tensor[i], i, j, test_seed()),
                          "%s, element %zu", m.tensor[i].name, j);
    }
    gla_model_free(&m);
    gla_numbers_close(n);
    gla_checkpoint_free(&file);
}
END_TEST

/* The checkpoint in the folder fails with `status`, in words that hold `part`. */
static void expect_refused(gla_status status, const char *part) {
    gla_checkpoint file;
    gla_error err = {0};
    gla_numbers *n;
    gla_model m = {0};
    ck_assert_int_eq(gla_numbers_open("binary32", &n, NULL), GLA_OK);
    gla_status got = gla_checkpoint_read(folder, &file, &err);
    if (got == GLA_OK) got = gla_checkpoint_load(&file, n, &m, &err);
    ck_assert_msg(got == status && strstr(err.what, part), "status %d (%s), wanted %d with '%s'", got, err.what, status,
                  part);
    ck_assert_ptr_null(strchr(err.what, '\n'));
    gla_model_free(&m);
    gla_numbers_close(n);
    gla_checkpoint_free(&file);
}

START_TEST(weights_that_do_not_fit_are_named) {
    write_config(folder, 0, 5, "");
    write_weights(folder, 0, 5, "model.layers.1.attn.gk_proj.1.bias", NULL);
    expect_refused(GLA_BAD_SHAPE, "'model.layers.1.attn.gk_proj.1.bias' [6] is missing");
    write_weights(folder, 0, 5, NULL, "model.layers.2.attn_norm.weight");
    expect_refused(GLA_BAD_SHAPE, "'model.layers.2.attn_norm.weight' [3] is not one");
    write_weights(folder, 0, 5, "model.norm.weight", "model.norm.weight");
    expect_refused(GLA_BAD_SHAPE, "'model.norm.weight' is [3], config.json asks for [6]");
    write_weights(folder, 0, 4, NULL, NULL);
    expect_refused(GLA_BAD_SHAPE, "'model.embeddings.weight' is [4,6], config.json asks for [5,6]");
    write_weights(folder, 3, 5, NULL, NULL);
    expect_refused(GLA_BAD_SHAPE, "'model.layers.1.attn.q_proj.weight' [6,6] is missing");
}
END_TEST

START_TEST(settings_that_are_not_computed_are_named) {
    static const struct {
        const char *more, *part;
        gla_status status;
    } wrong[] = {{", \"use_gv\": true", "use_gv", GLA_BAD_FILE},
                 {", \"use_gk\": false", "use_gk", GLA_BAD_FILE},
                 {", \"hidden_act\": \"gelu\"", "hidden_act", GLA_BAD_FILE},
                 {", \"feature_map\": \"elu\"", "feature_map", GLA_BAD_FILE},
                 {", \"norm_eps\": \"small\"", "norm_eps", GLA_BAD_FILE},
                 {", \"attnres_block_size\": 4", "attnres_block_size", GLA_BAD_FILE},
                 {", \"hidden_ratio\": 0", "hidden_ratio", GLA_BAD_FILE},
                 {", \"vocab_size\": 5", "duplicate", GLA_BAD_FILE},
                 {", ", "not JSON at line", GLA_BAD_FILE}};
    write_weights(folder, 0, 5, NULL, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_config(folder, 0, 5, wrong[i].more);
        expect_refused(wrong[i].status, wrong[i].part);
    }
    /* Sizes that would take a machine's memory before a weight is looked at. */
    write_config(folder, 0, 1000000, "");
    expect_refused(GLA_BAD_FILE, "config.json asks for about 6e+06 weights");
}
END_TEST

START_TEST(files_that_are_not_there) {
    expect_refused(GLA_IO_ERROR, "model.safetensors");
    write_weights(folder, 0, 5, NULL, NULL);
    expect_refused(GLA_IO_ERROR, "config.json");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("checkpoint");
    TCase *c = tcase_create("checkpoint");
    tcase_set_timeout(c, 20);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_loop_test(c, every_setting_and_weight_arrives, 0, TINY_MODELS);
    tcase_add_test(c, weights_that_do_not_fit_are_named);
    tcase_add_test(c, settings_that_are_not_computed_are_named);
    tcase_add_test(c, files_that_are_not_there);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
