/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox lm: a GLA language model from a public checkpoint, in any number system: text from it, the loss of a text,
 * or the comparison of everything inside it with what another program recorded.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../fast/hardware/hardware.h"
#include "cli.h"
#include "cli_lm.h"

static const char name[] = "lm";

typedef struct settings {
    const char *path, *text, *ids, *numbers, *core, *form, *check;
    int64_t tokens, following; /* -1: not given */
    bool loss, greedy, sampled, timed, backward;
    cli_lm_choice choice;
} settings;

enum { KEY_IDS = 256, KEY_CORE, KEY_LOSS, KEY_TIME, KEY_NEXT, KEY_TOKENS };
static const struct argp_option table[] = {
    {"text", 't', "TEXT", 0, "The text to go on from, for a vocabulary of bytes", 0},
    {"ids", KEY_IDS, "I,J,K", 0, "The same as token numbers, for any vocabulary; prints token numbers", 0},
    {"tokens", KEY_TOKENS, "N", 0, "Tokens to generate (default 200); with --check: tokens to compare (default all)",
     0},
    {"greedy", 'g', NULL, 0, "Always the most likely token (the default)", 0},
    {"temperature", 'T', "X", 0, "Draw from softmax(logits / X)", 0},
    {"seed", 's', "SEED", 0, "Of the draws (default 0); alone it means --temperature 1", 0},
    {"loss", KEY_LOSS, NULL, 0, "Instead of generating: the loss of the text, in nats and bits a token", 0},
    {"check", 'c', "FILE", 0,
     "Instead: compare with the recorded input_ids, logits, loss and layers.N.{q,k,v,g,o} of FILE, beside what the "
     "model "
     "returns with narrower arithmetic",
     0},
    {"next", KEY_NEXT, "ID", 0,
     "With --check: the token after input_ids, if the recorded loss counts its prediction too", 0},
    {"backward", 'b', NULL, 0, "With --check and --next: also the gradients of that loss, layers.N.{dq,dk,dv,dg,do}",
     0},
    {"numbers", 'n', "SYSTEM", 0,
     "Number system: binary32, binary64, mpfr:P, ... (see list; default binary32, with --check binary64)", 1},
    {"core", KEY_CORE, "SYSTEM", 0, "Another number system for the gated core alone, such as sm_90:bf16", 1},
    {"form", 'f', "FORM", 0, "Formulation of the gated core: recurrent (default), chunkwise:64:16 ...", 1},
    {"time", KEY_TIME, NULL, 0, "Say on stderr how long it took", 1},
    {0}};

static error_t parse_temperature(struct argp_state *state, const char *text, double *x) {
    char *end;
    *x = strtod(text, &end);
    if (end != text && !*end && *x > 0 && isfinite(*x)) return 0;
    return cli_bad(state, "--temperature: '%.40s' is not a number above 0 (--greedy is its limit at 0)", text);
}

static error_t parse_end(struct argp_state *state, const settings *s) {
    if (!s->path) return cli_bad(state, "no model given: a folder with model.safetensors and config.json");
    if (s->greedy && s->sampled) return cli_bad(state, "--greedy leaves nothing for --seed and --temperature to do");
    if (s->text && s->ids) return cli_bad(state, "--text and --ids say the same thing twice: give one");
    if (s->check && (s->text || s->ids || s->loss || s->core))
        return cli_bad(state, "--check takes its tokens from the file: no --text, --ids, --loss or --core beside it");
    if (s->following >= 0 && !s->check) return cli_bad(state, "--next belongs to --check");
    if (s->backward && (s->following < 0 || s->tokens >= 0))
        return cli_bad(state, "--backward needs the whole recorded text and the token after it: --next, no --tokens");
    if (!s->check && !s->text && !s->ids) return cli_bad(state, "nothing to go on from: give --text or --ids");
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 't':
        s->text = argument;
        return 0;
    case KEY_IDS:
        s->ids = argument;
        return 0;
    case KEY_TOKENS:
        return cli_integer(state, "--tokens", argument, 0, 1 << 30, &s->tokens);
    case 'g':
        s->greedy = true;
        return 0;
    case 'T':
        s->sampled = true;
        return parse_temperature(state, argument, &s->choice.temperature);
    case 's':
        s->sampled = true;
        return cli_seed(state, argument, &s->choice.seed);
    case KEY_LOSS:
        s->loss = true;
        return 0;
    case 'c':
        s->check = argument;
        return 0;
    case 'b':
        s->backward = true;
        return 0;
    case KEY_NEXT:
        return cli_integer(state, "--next", argument, 0, 1 << 30, &s->following);
    case 'n':
        s->numbers = argument;
        return 0;
    case KEY_CORE:
        s->core = argument;
        return 0;
    case 'f':
        s->form = argument;
        return 0;
    case KEY_TIME:
        s->timed = true;
        return 0;
    case ARGP_KEY_ARG:
        if (s->path) return ARGP_ERR_UNKNOWN;
        s->path = argument;
        return 0;
    case ARGP_KEY_END:
        return parse_end(state, s);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "MODEL",
    .doc = "A GLA language model from a public checkpoint (a folder with model.safetensors and config.json, or the "
           "path of "
           "its .safetensors), computed in any number system."
           "\vText goes to stdout as it comes. With a seed the same text comes on every machine.\n\n"
           "Example: go on from a line, by a draw\n"
           "  glassbox lm model --text 'O Romeo' --tokens 200 --temperature 0.8 --seed 1\n"
           "Example: is what another program recorded inside this model what its arithmetic gives?\n"
           "  glassbox lm model --check activations.safetensors"};

/* ---- a model in a number system ---- */

gla_status cli_lm_open(const gla_checkpoint *file, const char *numbers, const char *core, const char *form,
                       cli_lm_session *lm, gla_error *err) {
    *lm = (cli_lm_session){0};
    gla_status status = gla_form_parse(form, &lm->form, err);
    if (!status && lm->form.split)
        status = gla_fail(err, GLA_UNSUPPORTED, "--form %.60s: a model is not run over segments", form);
    if (!status) status = gla_numbers_open_with(numbers, &gla_hardware_family, &lm->numbers, err);
    if (!status && core) status = gla_numbers_open_with(core, &gla_hardware_family, &lm->core_numbers, err);
    if (!status) status = gla_checkpoint_load(file, lm->numbers, &lm->model, err);
    lm->core = (gla_layer_core){gated_run_form, &lm->form, lm->core_numbers};
    return status;
}

void cli_lm_close(cli_lm_session *lm) {
    gla_model_free(&lm->model);
    gla_numbers_close(lm->numbers);
    gla_numbers_close(lm->core_numbers);
    *lm = (cli_lm_session){0};
}

gla_status cli_lm_status(const cli_lm_session *lm, gla_error *err) {
    gla_status status = lm->numbers->status;
    return status
               ? gla_fail(err, status, "%s while running the model in %s", gla_status_text(status), lm->numbers->name)
               : GLA_OK;
}

/* ---- the command ---- */

static void say_byte(int64_t id) {
    putchar((int)id);
    fflush(stdout);
}

static void say_number(int64_t id) {
    printf("%lld\n", (long long)id);
    fflush(stdout);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static gla_status speak(const settings *s, cli_lm_session *lm, const cli_lm_text *text, gla_error *err) {
    double start = seconds(), loss;
    int64_t tokens = s->loss ? (int64_t)text->count - 1 : s->tokens < 0 ? 200 : s->tokens;
    gla_status status;
    if (s->loss) {
        status = cli_lm_loss(lm, text, &loss, err);
        if (!status)
            printf("loss %.10g nats a token (%.6g bits), over %lld tokens\n", loss, loss / log(2), (long long)tokens);
    } else {
        if (s->text) fputs(s->text, stdout);
        status = cli_lm_generate(lm, text, tokens, &s->choice, s->text ? say_byte : say_number, err);
        if (s->text) putchar('\n');
    }
    double took = seconds() - start;
    if (s->timed && !status)
        fprintf(stderr, "%lld tokens in %.3f s: %.1f tokens/s in %s\n", (long long)tokens, took, (double)tokens / took,
                lm->numbers->name);
    return status;
}

static gla_status run_model(const settings *s, const gla_checkpoint *file, gla_error *err) {
    if (s->check)
        return cli_lm_check(file, s->numbers ? s->numbers : "binary64", s->form, s->check,
                            s->tokens < 0 ? 0 : s->tokens, s->following, s->backward, err);
    cli_lm_text text = {0};
    cli_lm_session lm = {0};
    int64_t vocabulary = file->config.vocabulary;
    gla_status status =
        s->text ? cli_lm_bytes(s->text, vocabulary, &text, err) : cli_lm_identifiers(s->ids, vocabulary, &text, err);
    if (!status && text.count == 0)
        status = gla_fail(err, GLA_BAD_VALUE, "--text is empty: the model needs a token to go on from");
    if (!status) status = cli_lm_open(file, s->numbers ? s->numbers : "binary32", s->core, s->form, &lm, err);
    if (!status) status = speak(s, &lm, &text, err);
    cli_lm_close(&lm);
    cli_lm_text_free(&text);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.form = "recurrent", .tokens = -1, .following = -1, .choice = {.temperature = 1}};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    s.choice.greedy = !s.sampled;
    gla_error err = {0};
    gla_checkpoint file;
    gla_status status = gla_checkpoint_read(s.path, &file, &err);
    if (!status) status = run_model(&s, &file, &err);
    gla_checkpoint_free(&file);
    return status ? cli_fail(name, &err) : CLI_PASS;
}

const cli_command cli_lm = {"lm", "a GLA language model from a checkpoint: text, loss, comparison", run};
