/* SPDX-License-Identifier: Apache-2.0
 *
 * Text from a model (cli_lm.h): token by token with the recurrent state, so that a token costs the same however long
 * the text is.
 *
 * A draw is a function of (seed, index) and of the logits: softmax in binary64 with e^x correctly rounded, summed
 * ascending, against a Philox uniform. The same machine-independent bits in, the same text out.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_lm.h"
#include "draw.h"

/* ---- identifiers ---- */

static gla_status append(cli_lm_text *text, int64_t id, int64_t vocabulary, gla_error *err) {
    if (id < 0 || id >= vocabulary)
        return gla_fail(err, GLA_BAD_VALUE, "token %lld is not in the model's vocabulary, 0 .. %lld", (long long)id,
                        (long long)vocabulary - 1);
    if (text->count == text->room) {
        size_t room = text->room ? 2 * text->room : 256;
        int64_t *more = realloc(text->id, room * sizeof *more);
        if (!more) return gla_fail(err, GLA_NO_MEMORY, "no memory for the text");
        text->id = more;
        text->room = room;
    }
    text->id[text->count++] = id;
    return GLA_OK;
}

gla_status cli_lm_bytes(const char *text, int64_t vocabulary, cli_lm_text *out, gla_error *err) {
    if (vocabulary != 256) {
        gla_fail(err, GLA_UNSUPPORTED, "--text: the vocabulary has %lld entries, not the 256 bytes",
                 (long long)vocabulary);
        return gla_hint(err, GLA_UNSUPPORTED, "give the tokens of the model's own tokeniser: --ids 1,2,3");
    }
    gla_status status = GLA_OK;
    for (; *text && !status; text++) status = append(out, (unsigned char)*text, vocabulary, err);
    return status;
}

gla_status cli_lm_identifiers(const char *text, int64_t vocabulary, cli_lm_text *out, gla_error *err) {
    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        long long id = strtoll(at, &end, 10);
        if (errno || end == at || (*end && *end != ','))
            return gla_fail(err, GLA_BAD_VALUE, "--ids: '%.40s' is not a list such as 72,101,108", text);
        gla_status status = append(out, id, vocabulary, err);
        if (status || !*end) return status;
        at = end;
    }
}

void cli_lm_text_free(cli_lm_text *text) {
    free(text->id);
    *text = (cli_lm_text){0};
}

/* ---- choice ---- */

static int64_t largest(const double *logit, int64_t count) {
    int64_t best = 0;
    for (int64_t j = 0; j < count; j++) {
        if (isnan(logit[j])) return -1;
        if (logit[j] > logit[best]) best = j;
    }
    return isfinite(logit[best]) ? best : -1;
}

int64_t cli_lm_choose(const double *logit, int64_t count, const cli_lm_choice *how, uint64_t index) {
    int64_t best = largest(logit, count);
    if (best < 0 || how->greedy) return best;
    double *p = malloc((size_t)count * sizeof *p), sum = 0;
    if (!p) return best;
    for (int64_t j = 0; j < count; j++) {
        p[j] = gla_round_exp(&gla_binary64_format, GLA_RN, (logit[j] - logit[best]) / how->temperature, 0);
        sum += p[j];
    }
    double left = gla_draw_uniform((gla_draw){how->seed, 0, index}) * sum;
    int64_t chosen = 0;
    for (; chosen < count - 1 && left >= p[chosen]; chosen++) left -= p[chosen];
    free(p);
    return chosen;
}

/* ---- generation ---- */

/* The logits behind the last of `count` tokens, after which the state has moved on. */
static void read_on(cli_lm_session *lm, const int64_t *id, size_t count, gla_model_state *state, double *logit) {
    gla_numbers *n = lm->numbers;
    size_t mark = gla_mark(n), V = (size_t)lm->model.config.vocabulary;
    gla_matrix x = gla_new(n, count, (size_t)lm->model.config.hidden), logits = gla_new(n, 1, V);
    gla_model_read(&lm->model, &lm->core, id, count, state, x, NULL);
    gla_model_head(&lm->model, logits, gla_row(x, count - 1));
    for (size_t j = 0; j < V && n->status == GLA_OK; j++) logit[j] = n->ops->get_d(n, gla_at(logits, 0, j));
    gla_release(n, mark);
}

static gla_status generate_from(cli_lm_session *lm, const cli_lm_text *prompt, int64_t tokens, const cli_lm_choice *how,
                                void (*say)(int64_t id), gla_model_state *state, double *logit, gla_error *err) {
    int64_t id = 0;
    for (int64_t i = 0; i < tokens; i++) {
        if (i == 0)
            read_on(lm, prompt->id, prompt->count, state, logit);
        else
            read_on(lm, &id, 1, state, logit);
        gla_status status = cli_lm_status(lm, err);
        if (status) return status;
        id = cli_lm_choose(logit, lm->model.config.vocabulary, how, (uint64_t)i);
        if (id < 0)
            return gla_fail(err, GLA_BAD_VALUE, "the logits of token %lld are not finite in %s",
                            (long long)(i + (int64_t)prompt->count), lm->numbers->name);
        say(id);
    }
    return GLA_OK;
}

gla_status cli_lm_generate(cli_lm_session *lm, const cli_lm_text *prompt, int64_t tokens, const cli_lm_choice *how,
                           void (*say)(int64_t id), gla_error *err) {
    size_t mark = gla_mark(lm->numbers);
    gla_model_state state;
    double *logit = calloc((size_t)lm->model.config.vocabulary, sizeof *logit);
    gla_status status = gla_model_start(&lm->model, &state);
    if (!logit || status)
        status = gla_fail(err, GLA_NO_MEMORY, "no memory for the state");
    else
        status = generate_from(lm, prompt, tokens, how, say, &state, logit, err);
    gla_model_state_free(&state);
    free(logit);
    gla_release(lm->numbers, mark);
    return status;
}

gla_status cli_lm_loss(cli_lm_session *lm, const cli_lm_text *text, double *loss, gla_error *err) {
    gla_numbers *n = lm->numbers;
    size_t mark = gla_mark(n), T = text->count;
    if (T < 2) return gla_fail(err, GLA_BAD_VALUE, "--loss needs a text of at least 2 tokens, not %zu", T);
    gla_model_state state;
    if (gla_model_start(&lm->model, &state) != GLA_OK) {
        gla_model_state_free(&state);
        return gla_fail(err, GLA_NO_MEMORY, "no memory for the state");
    }
    gla_matrix x = gla_new(n, T - 1, (size_t)lm->model.config.hidden), z = gla_new(n, 1, 1);
    gla_matrix logits = gla_new(n, T - 1, (size_t)lm->model.config.vocabulary);
    gla_model_read(&lm->model, &lm->core, text->id, T - 1, &state, x, NULL);
    gla_model_head(&lm->model, logits, x);
    if (n->status == GLA_OK) layer_cross_entropy(z, logits, text->id + 1);
    if (n->status == GLA_OK) *loss = n->ops->get_d(n, z.at);
    gla_model_state_free(&state);
    gla_release(n, mark);
    return cli_lm_status(lm, err);
}
