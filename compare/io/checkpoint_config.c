/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json of a GLA checkpoint (checkpoint.h). Keys and defaults are those of the public GLAConfig and of its layer;
 * keys that only choose among kernels for the same mathematics (fuse_..., attn_mode, dtype ...) are passed over.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "parts.h"

typedef struct reading {
    const json_t *object;
    const char *where;
    gla_status status; /* the first failure */
    gla_error *err;
} reading;

static const json_t *find(const reading *r, const char *key) {
    const json_t *x = json_object_get(r->object, key);
    return json_is_null(x) ? NULL : x;
}

static void refuse(reading *r, const char *key, const char *wanted) {
    if (r->status == GLA_OK) r->status = gla_fail(r->err, GLA_BAD_FILE, "%s: %s is not %s", r->where, key, wanted);
}

enum { SIZE_LIMIT = 1 << 20 };

/* A size of 1 .. SIZE_LIMIT; `otherwise` where the key is missing or null. */
static int64_t size_of(reading *r, const char *key, int64_t otherwise) {
    const json_t *x = find(r, key);
    json_int_t n = json_is_integer(x) ? json_integer_value(x) : x ? 0 : otherwise;
    if (n < 1 || n > SIZE_LIMIT) {
        refuse(r, key, "a whole number in 1 .. 2^20");
        return 1;
    }
    return n;
}

/* A finite number, not below 0 unless `any`. */
static double number_of(reading *r, const char *key, double otherwise, bool any) {
    const json_t *x = find(r, key);
    double value = x ? json_number_value(x) : otherwise;
    if ((x && !json_is_number(x)) || !isfinite(value) || (!any && value < 0))
        refuse(r, key, any ? "a number" : "a number >= 0");
    return value;
}

static bool flag_of(reading *r, const char *key, bool otherwise) {
    const json_t *x = find(r, key);
    if (x && !json_is_boolean(x)) refuse(r, key, "true or false");
    return x ? json_is_true(x) : otherwise;
}

static const char *text_of(reading *r, const char *key, const char *otherwise) {
    const json_t *x = find(r, key);
    if (x && !json_is_string(x)) refuse(r, key, "a string");
    return json_is_string(x) ? json_string_value(x) : otherwise;
}

/* What a model may have and we do not compute. */
static void check_supported(reading *r) {
    static const char *const absent[] = {"attn", "attnres_block_size"};
    if (strcmp(text_of(r, "model_type", "gla"), "gla") != 0) refuse(r, "model_type", "'gla', the one that is read");
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        if (find(r, absent[i])) refuse(r, absent[i], "null, the only value that is computed here");
    if (!flag_of(r, "use_gk", true)) refuse(r, "use_gk", "true, the only value that is computed here");
    if (flag_of(r, "use_gv", false)) refuse(r, "use_gv", "false, the only value that is computed here");
    if (layer_activation_named(text_of(r, "hidden_act", "swish")) != act_swish)
        refuse(r, "hidden_act", "'swish', the only one that is computed here");
}

/* The public default: two thirds of ratio * hidden, in steps of 256. */
static int64_t intermediate_of(reading *r, int64_t hidden) {
    int64_t ratio = size_of(r, "hidden_ratio", 4), plain = hidden * ratio * 2 / 3;
    return size_of(r, "intermediate_size", 256 * ((plain + 255) / 256));
}

static int64_t width_of(reading *r, const char *key, int64_t hidden, double otherwise) {
    double width = floor((double)hidden * number_of(r, key, otherwise, false));
    if (!(width >= 1 && width <= SIZE_LIMIT)) refuse(r, key, "a factor that gives a width in 1 .. 2^20");
    return width >= 1 && width <= SIZE_LIMIT ? (int64_t)width : 1;
}

static void read_settings(reading *r, gla_model_config *c) {
    c->vocabulary = size_of(r, "vocab_size", 32000);
    c->hidden = size_of(r, "hidden_size", 2048);
    c->layers = size_of(r, "num_hidden_layers", 24);
    c->heads = size_of(r, "num_heads", 4);
    c->key_heads = size_of(r, "num_kv_heads", c->heads);
    c->intermediate = intermediate_of(r, c->hidden);
    c->key_width = width_of(r, "expand_k", c->hidden, 0.5);
    c->value_width = width_of(r, "expand_v", c->hidden, 1);
    c->rank = size_of(r, "gate_low_rank_dim", 16);
    c->window = flag_of(r, "use_short_conv", false) ? size_of(r, "conv_size", 4) : 0;
    c->window_bias = flag_of(r, "conv_bias", false);
    c->output_gate = flag_of(r, "use_output_gate", true);
    c->affine = flag_of(r, "elementwise_affine", true);
    c->tied = flag_of(r, "tie_word_embeddings", false);
    c->fused_norm = flag_of(r, "fuse_norm", true);
    c->eps = number_of(r, "norm_eps", 1e-6, false);
    c->tau = number_of(r, "gate_logit_normalizer", 16, false);
    if (!(c->tau > 0)) refuse(r, "gate_logit_normalizer", "above 0");
    c->has_least = find(r, "clamp_min") != NULL;
    c->least = number_of(r, "clamp_min", 0, true);
    const char *map = text_of(r, "feature_map", NULL);
    c->feature = map ? layer_activation_named(map) : NULL;
    if (map && !c->feature) refuse(r, "feature_map", "one of swish, silu, relu, sigmoid, which are computed here");
}

gla_status gla_model_config_read(const char *path, gla_model_config *out, gla_error *err) {
    gla_shown_room shown;
    json_error_t why;
    *out = (gla_model_config){0};
    reading r = {.where = gla_shown_path(shown, path), .err = err};
    FILE *file = fopen(path, "rb");
    if (!file) return gla_fail(err, GLA_IO_ERROR, "%s: %s", r.where, strerror(errno));
    json_t *object = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
    fclose(file);
    if (!object) return gla_fail(err, GLA_BAD_FILE, "%s: not JSON at line %d: %.80s", r.where, why.line, why.text);
    r.object = object;
    if (json_is_object(object)) {
        check_supported(&r);
        read_settings(&r, out);
    } else
        r.status = gla_fail(err, GLA_BAD_FILE, "%s: not a JSON object", r.where);
    json_decref(object);
    return r.status;
}
