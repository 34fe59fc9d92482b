/* SPDX-License-Identifier: Apache-2.0
 *
 * The families of generated problems (cases.h), one row each. A family that is here keeps its name and its bits.
 */
#include <string.h>

#include "cases_values.h"

/* ---- shapes of their own ---- */

static void unless_given(int64_t *size, int64_t otherwise) {
    if (*size == 0) *size = otherwise;
}

/* Seeds 0 .. 6 go through all of them: one token, and one less and one more than a chunk, than two. */
static void shape_edge(gla_case_spec *s) {
    static const int64_t T[] = {1, 63, 64, 65, 127, 128, 129};
    unless_given(&s->T, T[s->seed % 7]);
}

static void shape_odd(gla_case_spec *s) {
    static const int64_t widths[] = {1, 3, 17, 31, 33, 65, 67};
    unless_given(&s->dk, widths[s->seed % 7]);
    unless_given(&s->dv, widths[(s->seed + 3) % 7]);
}

static void shape_heads(gla_case_spec *s) {
    if (!s->varlen) unless_given(&s->B, 2);
    unless_given(&s->H, 5);
}

static void with_state(gla_case_spec *s) { s->initial_state = true; }

static void without_do(gla_case_spec *s) { s->no_do = s->backward; }

/* ---- packed sequences, most of them empty ---- */

static int64_t segment_empties(uint64_t seed, int64_t n) {
    static const int64_t lengths[] = {0, 0, 0, 1, 0, 0, 2, 0, 16, 0, 0, 5, 0};
    return lengths[(uint64_t)n % (sizeof lengths / sizeof lengths[0])];
}

const gla_family gla_families[] = {
    {.name = "mild",
     .flags = "formula",
     .failure = "the formula itself is wrong: ordinary operands, gates as a trained layer makes them",
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "strong",
     .flags = "strong-decay",
     .failure = "decays are divided by, or anchored too far away: a chunk's total decay is far below 1",
     .value = gla_value_normal,
     .gate = gla_gate_strong},
    {.name = "spike",
     .flags = "spike",
     .failure = "a gate of -1e4 swallows the digits of its neighbours in a running sum, or overflows",
     .value = gla_value_normal,
     .gate = gla_gate_spike},
    {.name = "reset",
     .flags = "reset",
     .failure = "a gate of -inf, an exact reset, became NaN (-inf minus -inf, or 0 times inf) or leaked the past",
     .value = gla_value_normal,
     .gate = gla_gate_reset},
    {.name = "keep",
     .flags = "keep",
     .failure = "gates were stored as alpha or in a narrow format: decays this close to 1 have rounded to 1",
     .T = 509,
     .value = gla_value_normal,
     .gate = gla_gate_keep},
    {.name = "mixed",
     .flags = "magnitudes",
     .failure = "a scale or a range was assumed: magnitudes run from 1e-9 to 1e9",
     .value = gla_value_mixed,
     .gate = gla_gate_mild},
    {.name = "cancel",
     .flags = "cancellation",
     .failure = "the state or a partial sum is kept too narrow: o is a small difference of large terms",
     .value = gla_value_cancel,
     .gate = gla_gate_faint},
    /* Between resets (one gate in eight) sums stay small: with T = 67 and the default sizes nothing reaches 2^24, so
     * that in binary32 no operation of any formulation rounds. */
    {.name = "integers",
     .flags = "exact",
     .failure = "any difference at all is a wrong term, not rounding: every intermediate is a small integer",
     .scale = gla_scale_dyadic,
     .value = gla_value_integer,
     .gate = gla_gate_open_or_shut},
    /* Decay a = e^ln(1/2) (a^2 with value gates): S_t = (1 - a^t) / (1 - a). */
    {.name = "half",
     .flags = "decay-count",
     .failure = "a decay is applied once too often or too rarely: o = s dk (1 - a^t) / (1 - a) with a = 1/2",
     .value = gla_value_one,
     .gate = gla_gate_half},
    {.name = "tail",
     .flags = "partial-chunk",
     .failure = "the last chunk is not masked: T = 64 + 1 leaves one token in it",
     .T = 65,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "varlen",
     .flags = "packed empty-sequence",
     .failure = "state, sums or tokens cross a sequence boundary, or an empty or length-1 sequence is lost",
     .T = 131,
     .varlen = true,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "impulse",
     .flags = "causality decay-count",
     .failure = "a token reaches outputs that it must not, or decays a step early or late: only one token writes",
     .value = gla_value_impulse,
     .gate = gla_gate_mild},
    {.name = "ungated",
     .flags = "ungated",
     .failure = "with g = 0 the gated path must be plain linear attention: a guard for strong gates touches open ones",
     .value = gla_value_normal,
     .gate = gla_gate_open},
    {.name = "pinned",
     .flags = "strong-decay gate-gradient",
     .failure =
         "g = -5 everywhere: an anchor half a chunk away overflows, and dg as a difference of sums loses its digits",
     .value = gla_value_normal,
     .gate = gla_gate_pinned},
    {.name = "staircase",
     .flags = "exponent-range strong-decay",
     .failure = "the decay across a chunk, e^-640, is below every format, yet its last eight tokens hardly decay",
     .value = gla_value_normal,
     .gate = gla_gate_staircase},
    {.name = "alternate",
     .flags = "exponent-range gate-index",
     .failure = "a gate is read one token early or late: decays of 1 and e^-30 alternate",
     .value = gla_value_normal,
     .gate = gla_gate_alternate},
    {.name = "channels",
     .flags = "channel-spread",
     .failure = "one gate or anchor stands for several channels: -50 beside -1e-3",
     .value = gla_value_normal,
     .gate = gla_gate_channels},
    {.name = "mask",
     .flags = "mask-value spike",
     .failure = "a gate of -0.1 FLT_MAX, used to separate documents, overflowed in a sum or in a change of base",
     .value = gla_value_normal,
     .gate = gla_gate_mask},
    {.name = "wall",
     .flags = "reset chunk-border",
     .failure = "a token of -inf gates in all channels, first, last or at a chunk border, became NaN or leaked",
     .T = 130,
     .value = gla_value_normal,
     .gate = gla_gate_wall},
    {.name = "bf16-gates",
     .flags = "gate-sum",
     .failure = "gates that bf16 holds were also summed in bf16: four chunks of them",
     .T = 259,
     .value = gla_value_normal,
     .gate = gla_gate_bf16},
    {.name = "large-small",
     .flags = "large-small",
     .failure = "a sum was formed as a total less a part: keys of 2^26 fill half of every chunk, keys of 1 the rest",
     .value = gla_value_large_small,
     .gate = gla_gate_mild},
    {.name = "subnormal",
     .flags = "subnormal",
     .failure = "subnormal keys and states became NaN or garbage, or were flushed under a profile that keeps them",
     .value = gla_value_subnormal,
     .gate = gla_gate_mild},
    {.name = "large-state",
     .flags = "initial-state",
     .failure = "the initial state is lost, transposed or kept narrow: it is 2^30 times what the tokens write",
     .shape = with_state,
     .value = gla_value_large_state,
     .gate = gla_gate_mild},
    {.name = "zero-state",
     .flags = "initial-state",
     .failure = "an initial state of zeros must give what no initial state gives",
     .shape = with_state,
     .value = gla_value_zero_state,
     .gate = gla_gate_mild},
    {.name = "final-only",
     .flags = "state-gradient gate-gradient",
     .failure = "the gradient of the final state misses a term: only dfinal_state comes in, do is absent",
     .shape = without_do,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "large-scale",
     .flags = "scale",
     .failure = "the scale is ignored, applied twice, to the state, or in a narrow format: it is 1.25 2^40",
     .scale = gla_scale_large,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "small-scale",
     .flags = "scale",
     .failure = "the scale is ignored, applied twice, to the state, or in a narrow format: it is 1.25 2^-40",
     .scale = gla_scale_small,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "edge",
     .flags = "partial-chunk chunk-border",
     .failure = "a length around the chunk size is handled wrongly: T = 1, 63, 64, 65, 127, 128, 129 by the seed",
     .shape = shape_edge,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "odd",
     .flags = "odd-size",
     .failure = "channels beyond a multiple of the tile are lost, doubled or garbage: dk and dv are odd",
     .shape = shape_odd,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "empties",
     .flags = "packed empty-sequence",
     .failure = "empty sequences, most of them here, first, last and in runs, shift the others or are not written",
     .T = 71,
     .varlen = true,
     .shape = with_state,
     .segment = segment_empties,
     .value = gla_value_normal,
     .gate = gla_gate_mild},
    {.name = "heads",
     .flags = "heads",
     .failure = "one head's or batch's data is used for another: two batches, five heads of different size and decay",
     .shape = shape_heads,
     .value = gla_value_heads,
     .gate = gla_gate_heads},
    {.name = "rates",
     .flags = "rates",
     .failure = "a write strength of 0, of 1 or of nearly 2 is clamped, squared or taken for another gate",
     .value = gla_value_normal,
     .gate = gla_gate_mild,
     .rate = gla_rate_edges},
    {.name = "same-key",
     .flags = "equal-keys",
     .failure = "the inverse of a chunk overflows or cancels: all keys of a head are one, L is full below its diagonal",
     .T = 130,
     .value = gla_value_same_key,
     .gate = gla_gate_faint},
    {.name = NULL},
};

const gla_family *gla_family_named(const char *name) {
    for (const gla_family *f = gla_families; f->name; f++)
        if (name && strcmp(f->name, name) == 0) return f;
    return NULL;
}
