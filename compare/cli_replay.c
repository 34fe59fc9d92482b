/* SPDX-License-Identifier: Apache-2.0
 *
 * --replay and --form; contract in cli_replay.h.
 */
#include "cli_replay.h"

enum { REPLAY = 768, FORM };

static const struct argp_option table[] = {
    {"replay", REPLAY, "NUMBERS", 0,
     "Demand the very bits that FORM gives in this number system (see list), beside the other tiers", 4},
    {"form", FORM, "FORM", 0, "The formulation whose order of operations --replay follows (default: the profile's)", 4},
    {0}};

/* Nobody is to wait for a verdict on what cannot be run. */
static error_t check(const struct argp_state *state, const gla_replay *r) {
    gla_error err;
    if (!r->numbers) return r->form ? cli_bad(state, "--form goes with --replay") : 0;
    if (gla_replay_check(r, &err) == GLA_OK) return 0;
    return cli_bad(state, "%s%s%s%s", err.what, err.hint[0] ? " (" : "", err.hint, err.hint[0] ? ")" : "");
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    gla_replay *r = state->input;
    switch (key) {
    case REPLAY:
        r->numbers = argument;
        return 0;
    case FORM:
        r->form = argument;
        return 0;
    case ARGP_KEY_END:
        return check(state, r);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_replay_argp = {.options = table, .parser = parse};

const char *cli_replay_options(const gla_replay *r, cli_replay_text text) {
    text[0] = 0;
    if (r->numbers)
        snprintf(text, sizeof(cli_replay_text), " --replay %s%s%s", r->numbers, r->form ? " --form " : "",
                 r->form ? r->form : "");
    return text;
}
