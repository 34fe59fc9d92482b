/* SPDX-License-Identifier: Apache-2.0
 *
 * A tiny model (tests/reference/layer/tiny_model.h) as a checkpoint on disk, as it is or spoilt.
 */
#ifndef GLASSBOX_TESTS_TINY_CHECKPOINT_H
#define GLASSBOX_TESTS_TINY_CHECKPOINT_H

#include "compare/io/checkpoint.h"
#include "tests/reference/layer/tiny_model.h"

/* config.json for tiny_config(which) with `vocabulary`; `more` is appended: ", \"key\": value". */
static inline void write_config(const char *folder, int which, int vocabulary, const char *more) {
    char path[256];
    gla_model_config c = tiny_config(which);
    snprintf(path, sizeof path, "%s/config.json", folder);
    FILE *to = fopen(path, "w");
    ck_assert_ptr_nonnull(to);
    fprintf(
        to,
        "{\"model_type\": \"gla\", \"vocab_size\": %d, \"hidden_size\": %d, \"num_hidden_layers\": %d, \"num_heads\": "
        "%d, "
        "\"num_kv_heads\": %d, \"intermediate_size\": %d, \"expand_k\": %.17g, \"expand_v\": %.17g, "
        "\"gate_low_rank_dim\": %d, \"use_short_conv\": %s, \"conv_size\": %d, \"conv_bias\": %s, \"use_output_gate\": "
        "%s, "
        "\"elementwise_affine\": %s, \"tie_word_embeddings\": %s, \"fuse_norm\": %s, \"gate_logit_normalizer\": %.17g, "
        "\"attn\": null",
        vocabulary, (int)c.hidden, (int)c.layers, (int)c.heads, (int)c.key_heads, (int)c.intermediate,
        ((double)c.key_width + 0.5) / (double)c.hidden, ((double)c.value_width + 0.5) / (double)c.hidden, (int)c.rank,
        c.window ? "true" : "false", c.window ? (int)c.window : 4, c.window_bias ? "true" : "false",
        c.output_gate ? "true" : "false", c.affine ? "true" : "false", c.tied ? "true" : "false",
        c.fused_norm ? "true" : "false", c.tau);
    if (c.has_least) fprintf(to, ", \"clamp_min\": %.17g", c.least);
    if (c.feature) fprintf(to, ", \"feature_map\": \"%s\"", c.feature == act_relu ? "relu" : "silu");
    fprintf(to, "%s}\n", more);
    fclose(to);
}

/* model.safetensors of the tiny model with `vocabulary`: all weights but `without`, and `extra` of shape [3]; NULL:
 * none. */
static inline void write_weights(const char *folder, int which, int vocabulary, const char *without,
                                 const char *extra) {
    gla_numbers *n;
    gla_model m;
    gla_error err;
    gla_tensor_file file = {0};
    char path[256];
    gla_model_config c = tiny_config(which);
    c.vocabulary = vocabulary;
    ck_assert_int_eq(gla_numbers_open("binary64", &n, &err), GLA_OK);
    ck_assert_int_eq(gla_model_new(&c, n, &m, &err), GLA_OK);
    for (size_t i = 0; i < m.tensors; i++) {
        const gla_model_tensor *t = &m.tensor[i];
        size_t count = t->at.rows * t->at.cols;
        double *value = calloc(count, sizeof *value);
        for (size_t j = 0; j < count; j++) value[j] = tiny_weight(t, i, j, test_seed());
        bool left_out = without && strcmp(t->name, without) == 0;
        if (!left_out)
            ck_assert_int_eq(gla_tensors_add(&file, t->name, GLA_F32, t->rank, t->shape, value, &err), GLA_OK);
        free(value);
    }
    if (extra)
        ck_assert_int_eq(gla_tensors_add(&file, extra, GLA_F32, 1, (int64_t[]){3}, (double[]){1, 2, 3}, &err), GLA_OK);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ck_assert_msg(gla_tensors_write(path, &file, &err) == GLA_OK, "%s", err.what);
    gla_tensors_free(&file);
    gla_model_free(&m);
    gla_numbers_close(n);
}

#endif
