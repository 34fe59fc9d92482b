/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking through the chunks of a sequence; contract in walk.h.
 */
#include "walk.h"

#include <math.h>

/* Every stride-th state that enters a chunk, stacked [.*dk,dv]; stride 0: none. */
typedef struct kept_states {
    size_t stride;
    gla_matrix S;
} kept_states;

static kept_states room_for_states(const gated_walk *w) {
    if (!w->backward && !w->materialised) return (kept_states){0};
    size_t stride = w->materialised || w->count == 0 ? 1 : (size_t)ceil(sqrt((double)w->count));
    return (kept_states){stride, gla_new(w->x->in, (w->count + stride - 1) / stride * w->x->dk, w->x->dv)};
}

/* The place of chunk index among them. */
static gla_matrix kept_at(const gated_walk *w, kept_states kept, size_t index) {
    return gla_rows(kept.S, index / kept.stride * w->x->dk, w->x->dk);
}

static void cross(const gated_walk *w, size_t index, gla_matrix S) {
    size_t mark = gla_mark(S.in);
    if (w->cross) w->cross(w, index, S);
    gla_release(S.in, mark);
}

static void write(const gated_walk *w, size_t index, gla_matrix S) {
    size_t mark = gla_mark(S.in);
    w->write(w, index, S);
    gla_release(S.in, mark);
}

static void run_forward(const gated_walk *w, kept_states kept) {
    gla_matrix S = w->x->ST;
    void (*step)(const gated_walk *, size_t, gla_matrix) = w->materialised ? w->write : w->forward;
    gla_copy(S, w->x->S0);
    for (size_t i = 0; i < w->count; i++) {
        size_t mark = gla_mark(S.in);
        cross(w, i, S);
        if (kept.stride && i % kept.stride == 0) gla_copy(kept_at(w, kept, i), S);
        step(w, i, S);
        gla_release(S.in, mark);
    }
    cross(w, w->count, S);
    for (size_t i = 0; w->materialised && i < w->count; i++) {
        size_t mark = gla_mark(S.in);
        w->read(w, i, kept_at(w, kept, i));
        gla_release(S.in, mark);
    }
}

/* S as it enters chunk index, written again from the last kept one. */
static gla_matrix state_entering(const gated_walk *w, kept_states kept, size_t index) {
    gla_matrix S = gla_new(w->x->in, w->x->dk, w->x->dv);
    gla_copy(S, kept_at(w, kept, index));
    for (size_t i = index / kept.stride * kept.stride; i < index; i++) {
        write(w, i, S);
        cross(w, i + 1, S);
    }
    return S;
}

static void run_backward(const gated_walk *w, kept_states kept) {
    gla_matrix F = w->x->dS0;
    gla_copy(F, w->x->dST);
    cross(w, w->count, F);
    for (size_t i = w->count; i-- > 0;) {
        size_t mark = gla_mark(F.in);
        w->back(w, i, state_entering(w, kept, i), F);
        cross(w, i, F);
        gla_release(F.in, mark);
    }
}

void gated_walk_run(const gated_walk *w) {
    gla_numbers *n = w->x->in;
    size_t mark = gla_mark(n);
    kept_states kept = room_for_states(w);
    if (n->status == GLA_OK) run_forward(w, kept);
    if (n->status == GLA_OK && w->backward) run_backward(w, kept);
    gla_release(n, mark);
    n->chunk = -1;
}
