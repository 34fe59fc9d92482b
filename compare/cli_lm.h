/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of glassbox lm: a checkpoint running in a number system, text from it, and its comparison with what another
 * program recorded. Failures of the parts come back as gla_error.
 */
#ifndef GLASSBOX_CLI_LM_H
#define GLASSBOX_CLI_LM_H

#include "io/checkpoint.h"

/* A checkpoint in a number system, its gated core in a second one if `core` names it. */
typedef struct cli_lm_session {
    gla_numbers *numbers, *core_numbers; /* core_numbers NULL: the same */
    gla_model model;
    gla_form form;
    gla_layer_core core;
} cli_lm_session;

gla_status cli_lm_open(const gla_checkpoint *file, const char *numbers, const char *core, const char *form,
                       cli_lm_session *out, gla_error *err);
void cli_lm_close(cli_lm_session *lm);
gla_status cli_lm_status(const cli_lm_session *lm, gla_error *err); /* of the number systems */

/* ---- generation (cli_lm_text.c) ---- */

typedef struct cli_lm_text {
    int64_t *id;
    size_t count, room;
} cli_lm_text;

/* Identifiers of a text's bytes, or of "72,101,108"; each must be below the vocabulary. */
gla_status cli_lm_bytes(const char *text, int64_t vocabulary, cli_lm_text *out, gla_error *err);
gla_status cli_lm_identifiers(const char *text, int64_t vocabulary, cli_lm_text *out, gla_error *err);
void cli_lm_text_free(cli_lm_text *text);

/* How the next token is chosen: the most likely one, or a draw from softmax(logits / temperature). */
typedef struct cli_lm_choice {
    bool greedy;
    double temperature;
    uint64_t seed;
} cli_lm_choice;

/* The place of the largest logit (the first of equals), or the draw number `index`; -1: a logit is NaN or all -inf. */
int64_t cli_lm_choose(const double *logit, int64_t count, const cli_lm_choice *how, uint64_t index);

/* Reads the prompt, then tells `say` one token after the other. */
gla_status cli_lm_generate(cli_lm_session *lm, const cli_lm_text *prompt, int64_t tokens, const cli_lm_choice *how,
                           void (*say)(int64_t id), gla_error *err);

/* Mean over the text of -ln p(token | those before), in nats; needs two tokens. */
gla_status cli_lm_loss(cli_lm_session *lm, const cli_lm_text *text, double *loss, gla_error *err);

/* ---- comparison (cli_lm_check.c) ---- */

/* Runs the recorded input_ids (the first `tokens` of them; 0: all) and prints the table. following: the token after
 * them, which the recorded loss predicts too, or -1. backward: also layers.N.{dq,dk,dv,dg,do}; needs `following` and
 * all tokens. */
gla_status cli_lm_check(const gla_checkpoint *file, const char *numbers, const char *form, const char *path,
                        int64_t tokens, int64_t following, bool backward, gla_error *err);

#endif
