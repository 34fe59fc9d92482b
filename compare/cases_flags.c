/* SPDX-License-Identifier: Apache-2.0
 *
 * Flags (cases.h): stable names for what a case exercises. A family declares its own; the shape and the inputs of a
 * case add theirs. data/bugs.md maps the faults of real kernels to them.
 */
#include <stdio.h>
#include <string.h>

#include "cases_values.h"

const gla_flag gla_flags[] = {
    {"formula", "ordinary numbers: what fails here has a wrong term, sign, order or scale"},
    {"strong-decay", "decays far below 1: quotients of decays and far anchors overflow"},
    {"exponent-range", "the decay across a chunk is below the smallest number of the format"},
    {"spike", "single gates so negative that a running sum loses its small ones"},
    {"reset", "gates of -inf: an exact reset, no NaN and no trace of the past"},
    {"mask-value", "gates of -0.1 FLT_MAX, the usual stand-in for -inf"},
    {"keep", "decays within 2^-24 of 1, over a long sequence"},
    {"ungated", "g = 0 everywhere: plain linear attention"},
    {"gate-sum", "sums of gates that a narrow format cannot hold"},
    {"gate-index", "neighbouring tokens decay so differently that a shifted gate shows"},
    {"gate-gradient", "dg where the difference of two sums has no digits left, or a term can be missing"},
    {"channel-spread", "neighbouring channels decay so differently that a shared anchor shows"},
    {"decay-count", "a closed form: one decay too many or too few shows"},
    {"causality", "outputs before the one token that writes must be zero"},
    {"exact", "every intermediate is exact: any difference is a wrong term"},
    {"magnitudes", "magnitudes across the range of the dtype"},
    {"cancellation", "results far smaller than their terms"},
    {"large-small", "large keys before small ones: a total less a part loses the small"},
    {"subnormal", "subnormal operands and states: flushing to zero shows, where the profile does not allow it"},
    {"scale", "a scale that is neither the default nor near 1"},
    {"partial-chunk", "the last chunk of 64 is not full"},
    {"chunk-border", "something happens at, or one beside, a border of chunks of 64"},
    {"odd-size", "dk or dv is no multiple of 8"},
    {"single-token", "T = 1"},
    {"heads", "at least three heads whose data differ"},
    {"batch", "at least two batches whose data differ"},
    {"shared-heads", "k and g are shared by groups of heads: their gradients are sums"},
    {"value-gate", "gates on the value axis too"},
    {"packed", "several sequences in one tensor, by cu_seqlens"},
    {"empty-sequence", "sequences without tokens, whose final state is their initial state"},
    {"initial-state", "an initial state comes in"},
    {"state-gradient", "a gradient of the final state comes in"},
    {"gradients", "do or dfinal_state come in: dq dk dv dg and their kin are to be returned"},
    {"reverse", "sequences run from their last token to their first"},
    {"rates", "write strengths at the ends of their range: 0, 1 and nearly 2"},
    {"equal-keys", "keys that are all the same: what a chunk's tokens write is not independent at all"},
    {NULL, NULL},
};

static const gla_flag *flag_of(const char *name, size_t length) {
    for (const gla_flag *f = gla_flags; f->name; f++)
        if (strlen(f->name) == length && strncmp(f->name, name, length) == 0) return f;
    return NULL;
}

static bool is_about(const gla_family *family, const char *const flags[]) {
    size_t length = strcspn(family->flags, " "); /* its first flag says what it is about */
    for (; *flags; flags++)
        if (strlen(*flags) == length && strncmp(family->flags, *flags, length) == 0) return true;
    return false;
}

static bool takes(const gla_mechanism *m, gla_input name) { return m->inputs & 1u << name; }

/* Gates that a family can set: log gates, or logits of them. */
static bool has_gates(const gla_mechanism *m) { return takes(m, GLA_IN_GK) || takes(m, GLA_IN_F); }

static bool has_channel_gates(const gla_mechanism *m) {
    return (takes(m, GLA_IN_GK) && gla_input_axes(m, GLA_IN_GK) != GLA_PER_HEAD) ||
           (takes(m, GLA_IN_F) && gla_input_axes(m, GLA_IN_F) != GLA_PER_HEAD);
}

/* Can a case be made in which no operation rounds? */
static bool can_be_exact(const gla_mechanism *m) {
    const unsigned exact = (1u << (GLA_IN_DFINAL_STATE + 1)) - 1;
    const unsigned too = 1u << GLA_IN_BETA | 1u << GLA_IN_U | 1u << GLA_IN_INITIAL_N | 1u << GLA_IN_DFINAL_N;
    return !m->log_decay && !(m->inputs & ~(exact | too)) && !gla_has_slots(m);
}

/* Sums over tokens and channels of products of five operands: with magnitudes of 2^30 they overflow binary32. */
static bool overflows(const gla_mechanism *m) { return takes(m, GLA_IN_DT); }

bool gla_family_fits(const gla_family *family, const gla_mechanism *m) {
    static const char *const of_gates[] = {"strong-decay", "exponent-range", "spike",   "reset",
                                           "mask-value",   "keep",           "ungated", "channel-spread",
                                           "decay-count",  "gate-sum",       NULL};
    static const char *const of_channels[] = {"channel-spread", NULL}, *const exact[] = {"exact", NULL};
    static const char *const of_rates[] = {"rates", "equal-keys", NULL}, *const of_range[] = {"magnitudes", NULL};
    static const char *const of_keys[] = {"large-small", "subnormal", "decay-count", NULL}; /* of any length */
    if (is_about(family, of_range) && overflows(m)) return false;
    if (is_about(family, of_channels) && !has_channel_gates(m)) return false;
    if (is_about(family, exact) && !can_be_exact(m)) return false;
    if (is_about(family, takes(m, GLA_IN_BETA) ? of_keys : of_rates)) return false;
    return has_gates(m) || !is_about(family, of_gates);
}

const gla_flag *gla_flag_named(const char *name) { return name ? flag_of(name, strlen(name)) : NULL; }

/* Append a name that is not there yet. */
static void add(char *text, const char *name, size_t length) {
    size_t used = strlen(text);
    for (const char *at = text; (at = strstr(at, name)); at++) {
        bool opens = at == text || at[-1] == ' ', closes = at[length] == ' ' || at[length] == 0;
        if (opens && closes) return;
    }
    snprintf(text + used, sizeof(gla_flag_text) - used, "%s%.*s", used ? " " : "", (int)length, name);
}

const char *gla_case_flags(const gla_case_spec *s, gla_flag_text text) {
    const struct {
        bool set;
        const char *flag;
    } of_shape[] = {
        {s->T % 64 != 0, "partial-chunk"},
        {s->T == 1, "single-token"},
        {s->dk % 8 || s->dv % 8, "odd-size"},
        {s->H >= 3, "heads"},
        {s->B >= 2, "batch"},
        {s->Hk != s->H, "shared-heads"},
        {s->gv, "value-gate"},
        {s->varlen, "packed"},
        {s->varlen, "empty-sequence"},
        {s->initial_state, "initial-state"},
        {s->backward, "gradients"},
        {s->backward, "state-gradient"},
        {s->reverse, "reverse"},
    };
    const gla_family *family = gla_family_named(s->family);
    text[0] = 0;
    for (const char *at = family ? family->flags : ""; *at;) {
        size_t length = strcspn(at, " ");
        if (flag_of(at, length)) add(text, flag_of(at, length)->name, length);
        at += length + strspn(at + length, " ");
    }
    for (size_t i = 0; i < sizeof of_shape / sizeof of_shape[0]; i++)
        if (of_shape[i].set) add(text, of_shape[i].flag, strlen(of_shape[i].flag));
    return text;
}
