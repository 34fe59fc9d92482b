/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights of a GLA checkpoint into a model (checkpoint.h).
 */
#include "checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "parts.h"

/* ---- reading ---- */

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* "PATH/name" for a folder, else name beside the file PATH; malloc'ed, NULL: no memory. */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    int folder = is_folder(path) ? (int)strlen(path) : slash ? (int)(slash - path) : 0;
    char *text = NULL;
    bool bare = folder == 0 && !is_folder(path) && !slash;
    if (asprintf(&text, "%.*s%s%s", folder, path, bare ? "" : "/", name) < 0) return NULL;
    return text;
}

gla_status gla_checkpoint_read(const char *path, gla_checkpoint *out, gla_error *err) {
    *out = (gla_checkpoint){0};
    gla_shown_room shown;
    char *config = beside(path, "config.json"),
         *weights = is_folder(path) ? beside(path, "model.safetensors") : strdup(path);
    if (weights) out->where = strdup(gla_shown_path(shown, weights));
    gla_status status = config && out->where ? GLA_OK : gla_fail(err, GLA_NO_MEMORY, "no memory for a path");
    if (!status) status = gla_tensors_read(weights, &out->weights, err);
    if (!status) status = gla_model_config_read(config, &out->config, err);
    free(config);
    free(weights);
    return status;
}

void gla_checkpoint_free(gla_checkpoint *file) {
    gla_tensors_free(&file->weights);
    free(file->where);
    *file = (gla_checkpoint){0};
}

/* ---- loading ---- */

/* A config that asks for much more than there is would have memory made for it first. */
static gla_status check_amount(const gla_checkpoint *f, gla_error *err) {
    const gla_model_config *c = &f->config;
    double D = (double)c->hidden, present = 0;
    double block = D * (double)(2 * c->key_width + 2 * c->value_width + 3 * c->intermediate);
    double wanted = D * (double)c->vocabulary + (double)c->layers * block;
    for (size_t i = 0; i < f->weights.count; i++) present += (double)f->weights.tensor[i].count;
    if (wanted <= 4 * present + 1e6) return GLA_OK;
    return gla_fail(err, GLA_BAD_FILE, "%s: config.json asks for about %.3g weights, the file has %.3g", f->where,
                    wanted, present);
}

static bool same_shape(const gla_named_tensor *x, const gla_model_tensor *t) {
    return x->rank == t->rank && memcmp(x->shape, t->shape, (size_t)t->rank * sizeof *t->shape) == 0;
}

static gla_status check_tensor(const gla_checkpoint *f, const gla_named_tensor *x, const gla_model_tensor *t,
                               gla_error *err) {
    char is[64], wanted[64];
    gla_shape_text(t->rank, t->shape, wanted, sizeof wanted);
    if (!x)
        return gla_fail(err, GLA_BAD_SHAPE, "%s: tensor '%s' %s is missing, which config.json asks for", f->where,
                        t->name, wanted);
    if (!same_shape(x, t))
        return gla_fail(err, GLA_BAD_SHAPE, "%s: tensor '%s' is %s, config.json asks for %s", f->where, t->name,
                        gla_shape_text(x->rank, x->shape, is, sizeof is), wanted);
    if (!gla_dtype_format(x->dtype))
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' holds %s, not floating-point numbers", f->where, t->name,
                        gla_dtype_name(x->dtype));
    return GLA_OK;
}

static gla_status fill(const gla_checkpoint *f, const gla_model_tensor *t, gla_error *err) {
    const gla_named_tensor *x = gla_tensors_find(&f->weights, t->name);
    gla_status status = check_tensor(f, x, t, err);
    if (status) return status;
    gla_numbers *n = t->at.in;
    double *value = malloc((size_t)x->count * sizeof *value);
    if (!value) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for tensor '%s'", f->where, t->name);
    status = gla_tensor_to_double(x, value, err);
    for (size_t i = 0; i < t->at.rows && !status; i++)
        for (size_t j = 0; j < t->at.cols; j++) n->ops->set_d(n, gla_at(t->at, i, j), value[i * t->at.cols + j]);
    free(value);
    return status;
}

/* Every tensor of the file is one of the model's. */
static gla_status check_extra(const gla_checkpoint *f, const gla_model *m, gla_error *err) {
    for (size_t i = 0; i < f->weights.count; i++) {
        const gla_named_tensor *x = &f->weights.tensor[i];
        size_t j = 0;
        while (j < m->tensors && strcmp(m->tensor[j].name, x->name) != 0) j++;
        if (j < m->tensors) continue;
        char is[64];
        gla_shown_room shown;
        return gla_fail(err, GLA_BAD_SHAPE, "%s: tensor '%s' %s is not one that config.json asks for", f->where,
                        gla_shown(shown, x->name), gla_shape_text(x->rank, x->shape, is, sizeof is));
    }
    return GLA_OK;
}

gla_status gla_checkpoint_load(const gla_checkpoint *f, gla_numbers *numbers, gla_model *m, gla_error *err) {
    *m = (gla_model){0};
    gla_status status = check_amount(f, err);
    if (!status) status = gla_model_new(&f->config, numbers, m, err);
    for (size_t i = 0; i < m->tensors && !status; i++) status = fill(f, &m->tensor[i], err);
    if (!status) status = check_extra(f, m, err);
    return status;
}
