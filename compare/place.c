/* SPDX-License-Identifier: Apache-2.0
 *
 * The first bad element in the order in which elements are made; contract in place.h.
 */
#include "place.h"

#include <inttypes.h>
#include <stdio.h>

#include "../reference/slice.h"

void gla_index_of(const int64_t shape[4], int64_t i, int64_t at[4]) {
    for (int d = 3; d >= 0; d--) {
        at[d] = i % shape[d];
        i /= shape[d];
    }
}

/* Gradients of what is written (k, v, gates) carry the adjoint state, which runs backwards. */
bool gla_made_backwards(gla_output name) {
    return gla_is_gradient(name) && name != GLA_DQ && name != GLA_DZ && !gla_is_state_output(name);
}

bool gla_input_has_tokens(const gla_problem *p, gla_input name) {
    gla_axes axes = gla_input_axes(gla_mechanism_of(p), name);
    return !gla_is_state(axes) && !gla_is_weight(axes);
}

bool gla_output_has_tokens(const gla_problem *p, gla_output name) {
    return gla_input_has_tokens(p, gla_output_like(name));
}

typedef bool is_bad_call(const void *data, int64_t i);

static gla_bad_place first_in_states(const int64_t shape[4], gla_output name, is_bad_call *is_bad, const void *data) {
    gla_bad_place x = {.output = name, .token = -1, .chunk = -1, .row = -1};
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2] * shape[3]; i++) {
        if (!is_bad(data, i)) continue;
        x.known = true;
        gla_index_of(shape, i, x.at);
        x.sequence = x.at[0];
        return x;
    }
    return (gla_bad_place){0};
}

static gla_bad_place first_in_tokens(const gla_problem *p, const int64_t shape[4], gla_output name, is_bad_call *is_bad,
                                     const void *data) {
    int64_t width = shape[2] * shape[3];
    for (int64_t n = 0; n < p->N; n++) {
        gla_sequence s = gla_sequence_at(p, n);
        for (int64_t k = 0; k < s.length; k++) {
            const int64_t t = gla_made_backwards(name) ? s.length - 1 - k : k;
            for (int64_t i = 0; i < width; i++) {
                int64_t at = (s.b * shape[1] + gla_token(&s, t)) * width + i;
                if (!is_bad(data, at)) continue;
                gla_bad_place x = {.known = true, .output = name, .sequence = n, .token = t};
                x.chunk = t / GLA_CHUNK;
                x.row = t % GLA_CHUNK;
                gla_index_of(shape, at, x.at);
                return x;
            }
        }
    }
    return (gla_bad_place){0};
}

gla_bad_place gla_first_place(const gla_problem *p, gla_output name, is_bad_call *is_bad, const void *data) {
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    return gla_output_has_tokens(p, name) ? first_in_tokens(p, shape, name, is_bad, data)
                                          : first_in_states(shape, name, is_bad, data);
}

const char *gla_place_print(gla_output output, const int64_t at[4], gla_place_text text) {
    snprintf(text, sizeof(gla_place_text), "%s[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]",
             gla_output_names[output], at[0], at[1], at[2], at[3]);
    return text;
}
