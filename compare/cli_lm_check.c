/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox lm --check: what another program recorded inside a model, beside the same model here.
 *
 * The model runs the recorded tokens once in the number system asked for, which counts as right, and once in each of a
 * few arithmetics that kernels have. For each recorded tensor X the table shows
 *     max error   the largest |X - right|
 *     rms error   rms(X - right) / rms(right)
 * and the rms error of each of those arithmetics, its results rounded into the dtype of the file: errors travel from
 * layer to layer, so a tensor's own rounding is not the question, but how far arithmetic of that kind has led away by
 * then. The explanation is the arithmetic whose error is nearest in ratio, if that ratio is below 4; else there is
 * none. The loss, one number, has no rms to go by.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cli_lm.h"

/* Arithmetics of kernels: the maps in `numbers`, the gated core in `core` and `form` (NULL: as asked for). */
static const struct {
    const char *label, *numbers, *core, *form;
} arithmetics[] = {{"binary32", "binary32", NULL, NULL},
                   {"tf32 core", "binary32", "sm_90:tf32", "chunkwise:64:16"},
                   {"tf32", "sm_90:tf32", NULL, "chunkwise:64:16"},
                   {"bf16", "sm_90:bf16", NULL, "chunkwise:64:16"}};
enum { ARITHMETICS = 4, SIGNALS = 5 }; /* a layer has SIGNALS tensors, and as many gradients */

static const char *const signal_names[2 * SIGNALS] = {"q", "k", "v", "g", "o", "dq", "dk", "dv", "dg", "do"};

/* One run: the layers' tensors one after the other, then logits and loss, in binary64. */
typedef struct values {
    double **at;
    size_t *count, tensors;
} values;

/* The recorded tokens: `count` of them, of which the first `read` enter the model and `labels` are predicted by the
 * loss (0: the recorded loss has no counterpart). */
typedef struct recorded_text {
    int64_t *id;
    size_t count, read, labels;
    bool backward;
} recorded_text;

static void free_values(values *v) {
    for (size_t i = 0; v->at && i < v->tensors; i++) free(v->at[i]);
    free(v->at);
    free(v->count);
}

static gla_status take(values *v, size_t i, gla_matrix x) {
    gla_numbers *n = x.in;
    v->count[i] = x.rows * x.cols;
    v->at[i] = malloc((v->count[i] + 1) * sizeof *v->at[i]);
    if (!v->at[i]) return GLA_NO_MEMORY;
    for (size_t t = 0; t < x.rows && n->status == GLA_OK; t++)
        for (size_t j = 0; j < x.cols; j++) v->at[i][t * x.cols + j] = n->ops->get_d(n, gla_at(x, t, j));
    return n->status;
}

static size_t per_layer(const recorded_text *text) { return text->backward ? 2 * SIGNALS : SIGNALS; }

/* Number i of a layer: its signals, then their gradients. */
static gla_matrix signal_of(const gla_layer_signals *u, const gla_layer_signals *du, size_t i) {
    const gla_matrix all[2 * SIGNALS] = {u->q, u->k, u->v, u->g, u->o, du->q, du->k, du->v, du->g, du->o};
    return all[i];
}

/* Sets loss, u and du by running forward once more, and back. */
static gla_status run_back(cli_lm_session *lm, const recorded_text *text, const gla_layer_signals *u,
                           const gla_layer_signals *du, gla_matrix loss) {
    gla_model gradient;
    gla_status status = gla_model_new(&lm->model.config, lm->numbers, &gradient, NULL);
    lm->form.backward = true;
    if (!status) gla_model_back(&lm->model, &lm->core, text->id, text->id + 1, text->read, loss, u, du, &gradient);
    gla_model_free(&gradient);
    return status ? status : lm->numbers->status;
}

static gla_status run_session(cli_lm_session *lm, const recorded_text *text, gla_layer_signals *u,
                              gla_layer_signals *du, gla_model_state *state, values *v) {
    gla_numbers *n = lm->numbers;
    size_t T = text->read, layers = (size_t)lm->model.config.layers, each = per_layer(text), all = layers * each;
    gla_matrix x = gla_new(n, T, lm->model.size.hidden), loss = gla_new(n, 1, 1);
    gla_matrix logits = gla_new(n, T, (size_t)lm->model.config.vocabulary);
    for (size_t l = 0; l < layers; l++) {
        u[l] = gla_layer_new_signals(n, lm->model.size, T);
        du[l] = gla_layer_new_signals(n, lm->model.size, T);
    }
    if (n->status != GLA_OK) return n->status;
    gla_model_read(&lm->model, &lm->core, text->id, T, state, x, u);
    gla_model_head(&lm->model, logits, x);
    if (n->status == GLA_OK && text->labels) layer_cross_entropy(loss, gla_rows(logits, 0, text->labels), text->id + 1);
    gla_status status = n->status;
    if (!status && text->backward) status = run_back(lm, text, u, du, loss);
    for (size_t i = 0; i < all && !status; i++) status = take(v, i, signal_of(&u[i / each], &du[i / each], i % each));
    if (!status) status = take(v, all, logits);
    if (!status) status = take(v, all + 1, loss);
    return status;
}

/* The whole of one run; `v` is to be freed in any case. */
static gla_status run_in(const gla_checkpoint *file, const char *numbers, const char *core, const char *form,
                         const recorded_text *text, values *v, gla_error *err) {
    cli_lm_session lm;
    gla_model_state state = {0};
    size_t layers = (size_t)file->config.layers;
    *v = (values){.tensors = layers * per_layer(text) + 2};
    gla_status status = cli_lm_open(file, numbers, core, form, &lm, err);
    if (!status) {
        v->at = calloc(v->tensors, sizeof *v->at);
        v->count = calloc(v->tensors, sizeof *v->count);
        gla_layer_signals *u = calloc(2 * layers, sizeof *u);
        status = v->at && v->count && u ? gla_model_start(&lm.model, &state) : GLA_NO_MEMORY;
        if (!status) status = run_session(&lm, text, u, u + layers, &state, v);
        if (status) gla_fail(err, status, "%s while running the model in %s", gla_status_text(status), numbers);
        free(u);
    }
    gla_model_state_free(&state);
    cli_lm_close(&lm);
    return status;
}

/* ---- the recorded side ---- */

typedef struct recording {
    double *value;
    const gla_format *stored; /* of the file's dtype */
} recording;

/* A recorded tensor, which must have `count` elements. */
static gla_status read_recording(const gla_tensor_file *file, const char *path, const char *tensor, size_t count,
                                 recording *out, gla_error *err) {
    const gla_named_tensor *x = gla_tensors_find(file, tensor);
    if (!x) return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' is missing", path, tensor);
    if ((size_t)x->count != count)
        return gla_fail(err, GLA_BAD_SHAPE, "%s: tensor '%s' has %lld elements, the model gives %zu", path, tensor,
                        (long long)x->count, count);
    out->stored = gla_dtype_format(x->dtype);
    out->value = malloc(count * sizeof *out->value);
    if (!out->value) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for tensor '%s'", path, tensor);
    return gla_tensor_to_double(x, out->value, err);
}

/* following: the token after the recorded ones, or -1. */
static gla_status read_identifiers(const gla_tensor_file *file, const char *path, int64_t vocabulary, int64_t tokens,
                                   int64_t following, recorded_text *text, gla_error *err) {
    const gla_named_tensor *x = gla_tensors_find(file, "input_ids");
    if (!x || x->count < 1) return gla_fail(err, GLA_BAD_FILE, "%s: there is no input_ids, or nothing in it", path);
    if (x->rank == 2 && x->shape[0] != 1)
        return gla_fail(err, GLA_UNSUPPORTED, "%s: input_ids holds %lld texts, one is read", path,
                        (long long)x->shape[0]);
    text->count = (size_t)x->count;
    text->id = malloc((text->count + 1) * sizeof *text->id);
    if (!text->id) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for input_ids", path);
    gla_status status = gla_tensor_to_integers(x, text->id, err);
    text->id[text->count] = following < 0 ? 0 : following;
    for (size_t i = 0; i <= text->count && !status; i++)
        if (text->id[i] < 0 || text->id[i] >= vocabulary)
            status = gla_fail(err, GLA_BAD_VALUE, "%s: token %zu is %lld, not in the vocabulary, 0 .. %lld", path, i,
                              (long long)text->id[i], (long long)vocabulary - 1);
    text->read = tokens && (size_t)tokens < text->count ? (size_t)tokens : text->count;
    if (text->read == text->count) text->labels = following < 0 ? text->count - 1 : text->count;
    return status;
}

/* ---- the table ---- */

typedef struct error_of {
    double greatest, rms; /* rms relative to the right values' */
} error_of;

/* x, stored in a file's format if one is given, against what is right. */
static error_of compare(const double *x, const gla_format *stored, const double *right, size_t count) {
    error_of e = {0, 0};
    double size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((stored ? gla_round(stored, GLA_RN, x[i], 0) : x[i]) - right[i]);
        if (!(d <= e.greatest)) e.greatest = d; /* NaN stays */
        e.rms += d * d;
        size += right[i] * right[i];
    }
    e.rms = sqrt(e.rms / size);
    return e;
}

static const char *explanation(double rms, const double of[ARITHMETICS]) {
    const char *best = "none of these";
    double nearest = log(4);
    for (int a = 0; a < ARITHMETICS; a++) {
        double away = fabs(log(rms / of[a]));
        if (!(away < nearest)) continue;
        nearest = away;
        best = arithmetics[a].label;
    }
    return rms == 0 ? "equal" : best;
}

static void print_row(const char *tensor, const recording *x, const values *right, const values run[ARITHMETICS],
                      size_t i) {
    size_t count = right->count[i];
    error_of e = compare(x->value, NULL, right->at[i], count);
    double of[ARITHMETICS];
    printf("%-12s %10.3g %10.3g ", tensor, e.greatest, e.rms);
    for (int a = 0; a < ARITHMETICS; a++) {
        of[a] = compare(run[a].at[i], x->stored, right->at[i], count).rms;
        printf(" %10.3g", of[a]);
    }
    printf("  %s\n", count > 1 ? explanation(e.rms, of) : "(one number)");
}

static void tensor_name(size_t i, size_t tensors, size_t each, char name[32]) {
    if (i + 2 < tensors)
        snprintf(name, 32, "layers.%zu.%s", i / each, signal_names[i % each]);
    else
        snprintf(name, 32, "%s", i + 2 == tensors ? "logits" : "loss");
}

static gla_status print_table(const gla_tensor_file *file, const char *path, const values *right,
                              const values run[ARITHMETICS], const recorded_text *text, gla_error *err) {
    printf("%-12s %10s %10s  rms error of the model in\n%-35s", "tensor", "max error", "rms error", "");
    for (int a = 0; a < ARITHMETICS; a++) printf(" %10s", arithmetics[a].label);
    printf("  explained by\n");
    size_t all = right->tensors - (text->labels == 0);
    for (size_t i = 0; i < all; i++) {
        char tensor[32];
        recording x = {0};
        size_t whole = i + 1 == right->tensors ? 1 : right->count[i] / text->read * text->count;
        tensor_name(i, right->tensors, per_layer(text), tensor);
        gla_status status = read_recording(file, path, tensor, whole, &x, err);
        if (!status) print_row(tensor, &x, right, run, i);
        free(x.value);
        if (status) return status;
    }
    return GLA_OK;
}

/* ---- all of it ---- */

static gla_status run_all(const gla_checkpoint *file, const char *numbers, const char *form, const recorded_text *text,
                          values *right, values run[ARITHMETICS], gla_error *err) {
    cli_progress bar = cli_progress_start("model");
    gla_status status = run_in(file, numbers, NULL, form, text, right, err);
    for (int a = 0; a < ARITHMETICS && !status; a++) {
        cli_progress_step(&bar, (a + 1.0) / (ARITHMETICS + 1));
        status = run_in(file, arithmetics[a].numbers, arithmetics[a].core,
                        arithmetics[a].form ? arithmetics[a].form : form, text, &run[a], err);
    }
    cli_progress_end(&bar);
    return status;
}

gla_status cli_lm_check(const gla_checkpoint *file, const char *numbers, const char *form, const char *path,
                        int64_t tokens, int64_t following, bool backward, gla_error *err) {
    gla_tensor_file activations;
    recorded_text text = {.backward = backward};
    values right = {0}, run[ARITHMETICS] = {{0}};
    gla_status status = gla_tensors_read(path, &activations, err);
    if (!status) status = read_identifiers(&activations, path, file->config.vocabulary, tokens, following, &text, err);
    if (!status) status = run_all(file, numbers, form, &text, &right, run, err);
    if (!status) {
        printf("%zu of %zu tokens; the model in %s counts as right\n\n", text.read, text.count, numbers);
        status = print_table(&activations, path, &right, run, &text, err);
    }
    if (!status && text.labels)
        printf("\nloss %.10g here, the mean over %zu predicted tokens\n", right.at[right.tensors - 1][0], text.labels);
    else if (!status)
        printf("\nthe recorded loss is of the whole text and left out\n");
    free_values(&right);
    for (int a = 0; a < ARITHMETICS; a++) free_values(&run[a]);
    free(text.id);
    gla_tensors_free(&activations);
    return status;
}
