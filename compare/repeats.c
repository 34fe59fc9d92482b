/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting equal rows and columns by 64-bit hashes; what counts as equal is in repeats.h. Two that differ are taken for
 * equal once in 2^64: a bound a little too wide.
 */
#include "repeats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../reference/slice.h"
#include "run_parts.h"

/* The hash of one row or column: of its numbers in order, their common sign aside. 0: nothing but zeros so far. */
typedef struct sketch {
    uint64_t hash;
    double sign; /* of the first number that is not 0 */
} sketch;

/* One side of a recurrence: x [T,D] is k, q, v or do; the gates and the state that go with it. */
typedef struct side {
    gla_tensor x, gates, state;
    int64_t D, across; /* across: the other axis of the state */
    bool rows;         /* D is the state's rows: the key side */
} side;

/* A recurrence: its key side by k and q, its value side by v and do. What is absent counts nothing. */
typedef struct pass {
    side key[2], value[2];
} pass;

static uint64_t mix(uint64_t hash, double x) {
    uint64_t bits;
    x += 0.0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof bits);
    hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static void add_signed(sketch *s, double x, uint64_t place) {
    if (x == 0) return;
    if (s->sign == 0) s->sign = x < 0 ? -1 : 1;
    s->hash = mix(mix(s->hash, (double)place), s->sign * x);
}

/* Gates matter only beside numbers that are not 0. */
static void add_gate(sketch *s, double g) { s->hash = mix(s->hash, g); }

static double larger(double a, double b) { return a > b ? a : b; }

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The longest run of equal hashes, at least 1; reorders them. */
static double most_equal(uint64_t *hash, int64_t count) {
    int64_t most = 1, run = 0;
    qsort(hash, (size_t)count, sizeof *hash, by_value);
    for (int64_t i = 0; i < count; i++) {
        run = i > 0 && hash[i] == hash[i - 1] ? run + 1 : 1;
        if (hash[i] != 0 && run > most) most = run;
    }
    return (double)most;
}

static double most_alike(const sketch *s, int64_t count, uint64_t *room) {
    for (int64_t i = 0; i < count; i++) room[i] = s[i].sign == 0 ? 0 : s[i].hash;
    return most_equal(room, count);
}

/* The same inside every `window` of them, one after the other. */
static double most_alike_within(const sketch *s, int64_t count, int64_t window, uint64_t *room) {
    double most = 1;
    for (int64_t i = 0; i < count; i += window)
        most = larger(most, most_alike(s + i, count - i < window ? count - i : window, room));
    return most;
}

static double longest_run(const sketch *s, int64_t count) {
    int64_t most = 1, run = 0;
    for (int64_t i = 0; i < count; i++) {
        run = i > 0 && s[i].hash == s[i - 1].hash ? run + 1 : 1;
        if (s[i].sign != 0 && run > most) most = run;
    }
    return (double)most;
}

/* Equal rows: as operands of the recurrence, and inside a chunk; equal columns. */
typedef struct counts {
    double rows, near, columns;
} counts;

/* What one head is counted with. */
typedef struct counting {
    const gla_problem *p;
    int64_t h, chunk;
    sketch *room;     /* columns, then rows */
    uint64_t *hashes; /* to sort */
    uint64_t head;    /* the hash of all of it */
} counting;

/* The gates of a sequence: none but zeros, those of the first token always (or fixed), or neither. */
typedef enum decays { OPEN, CONSTANT, VARIED } decays;

static decays decays_of(const counting *c, const gla_sequence *s, const side *a) {
    decays found = a->rows && gla_mechanism_of(c->p)->log_decay ? CONSTANT : OPEN;
    for (int64_t t = 0; a->gates.at && t < s->length; t++)
        for (int64_t i = 0; i < a->D; i++) {
            double g = gla_tensor_token(c->p, &a->gates, s, c->h, t, i);
            if (g != gla_tensor_token(c->p, &a->gates, s, c->h, 0, i)) return VARIED;
            if (g != 0) found = CONSTANT;
        }
    return found;
}

/* How often equal tokens meet in a state. */
static double equal_rows(const counting *c, const gla_sequence *s, const side *a, const sketch *row) {
    decays gates = decays_of(c, s, a);
    double equal = gates == VARIED ? longest_run(row, s->length) : most_alike(row, s->length, c->hashes);
    return gates == OPEN ? equal : larger(1, equal / log(256));
}

static void sketch_state(const counting *c, const gla_sequence *s, const side *a, sketch *column) {
    for (int64_t i = 0; a->state.at && i < a->D; i++)
        for (int64_t j = 0; j < a->across; j++) {
            double x = gla_tensor_state(c->p, &a->state, s, c->h, a->rows ? i : j, a->rows ? j : i);
            add_signed(&column[i], x, (uint64_t)(s->length + j));
        }
}

static void sketch_tokens(const counting *c, const gla_sequence *s, const side *a, sketch *column, sketch *row) {
    for (int64_t t = 0; t < s->length; t++)
        for (int64_t i = 0; i < a->D; i++) {
            double x = gla_tensor_token(c->p, &a->x, s, c->h, t, i);
            add_signed(&row[t], x, (uint64_t)i);
            add_signed(&column[i], x, (uint64_t)t);
            if (!a->gates.at) continue;
            double g = gla_tensor_token(c->p, &a->gates, s, c->h, t, i);
            add_gate(&row[t], g);
            add_gate(&column[i], g);
        }
}

static counts count_side(counting *c, const side *a) {
    gla_sequence s = gla_sequence_at(c->p, 0);
    if (!a->x.at) return (counts){1, 1, 1};
    sketch *column = c->room, *row = c->room + a->D;
    memset(c->room, 0, (size_t)(a->D + s.length) * sizeof *c->room);
    sketch_tokens(c, &s, a, column, row);
    sketch_state(c, &s, a, column);
    for (int64_t i = 0; i < a->D; i++) c->head = mix(c->head, (double)(column[i].hash >> 11));
    return (counts){.rows = equal_rows(c, &s, a, row),
                    .near = most_alike_within(row, s.length, c->chunk, c->hashes),
                    .columns = most_alike(column, a->D, c->hashes)};
}

static counts count_sides(counting *c, const side sides[2]) {
    counts z = {1, 1, 1};
    for (int i = 0; i < 2; i++) {
        counts found = count_side(c, &sides[i]);
        z.rows = larger(z.rows, found.rows);
        z.near = larger(z.near, found.near);
        z.columns = larger(z.columns, found.columns);
    }
    return z;
}

/* Into *model the largest counts of a head's recurrence. */
static void count_pass(counting *c, const pass *a, bool backward, gla_error_model *model) {
    counts key = count_sides(c, a->key), value = count_sides(c, a->value);
    double tokens = a->value[0].gates.at ? larger(key.rows, value.rows) : key.rows;
    double channels = key.columns * (backward ? value.columns : 1);
    model->repeats = larger(model->repeats, tokens * channels);
    model->dscore_repeats = larger(model->dscore_repeats, value.near / tokens);
}

/* The recurrences of a problem: how many, at most two. */
static int passes_of(const gla_problem *p, pass passes[2]) {
    const gla_tensor g = gla_acting_input(p, GLA_IN_GK), none = {0};
    if (gla_input_axes(gla_mechanism_of(p), GLA_IN_GK) != GLA_PER_SLOT) {
        passes[0] =
            (pass){{{p->k, g, p->initial_state, p->dk, p->dv, true}, {p->q, g, p->d_final_state, p->dk, p->dv, true}},
                   {{p->v, p->gv, p->initial_state, p->dv, p->dk, false},
                    {p->d_o, p->gv, p->d_final_state, p->dv, p->dk, false}}};
        return 1;
    }
    /* Slots: the keys' pass writes s as its values, the values' pass s as its keys. Tied write weights are alike where
     * their gates are. */
    const gla_tensor s = p->s.at ? p->s : g;
    passes[0] =
        (pass){{{p->k, none, p->initial_keys, p->dk, p->M, true}, {p->q, none, p->d_final_keys, p->dk, p->M, true}},
               {{s, g, p->initial_keys, p->M, p->dk, false}, {none, none, none, p->M, p->dk, false}}};
    passes[1] = (pass){
        {{s, g, p->initial_state, p->M, p->dv, true}, {none, none, none, p->M, p->dv, true}},
        {{p->v, none, p->initial_state, p->dv, p->M, false}, {p->d_o, none, p->d_final_state, p->dv, p->M, false}}};
    return 2;
}

static void count_head(counting *c, bool backward, gla_error_model *model) {
    pass passes[2];
    int count = passes_of(c->p, passes);
    for (int i = 0; i < count; i++) count_pass(c, &passes[i], backward, model);
}

/* How far apart two tokens of a score may be. */
static int64_t chunk_of(const gla_profile *profile, int64_t T) {
    gla_form form;
    gla_error err;
    if (gla_form_parse(profile->form, &form, &err) != GLA_OK) return T;
    if (form.kind == GLA_PARALLEL || form.kind == GLA_PARALLEL_NAIVE) return T;
    return form.C > 64 ? form.C : 64;
}

gla_status gla_count_repeats(const gla_problem *p, const gla_profile *profile, gla_error_model *model) {
    bool backward = gla_has_incoming(p);
    size_t D = (size_t)larger(larger((double)p->dk, (double)p->dv), (double)p->M),
           most = (size_t)(p->T > p->H ? p->T : p->H) + D;
    counting c = {.p = p, .chunk = chunk_of(profile, p->T)};
    c.room = malloc((D + (size_t)p->T + 1) * sizeof *c.room);
    c.hashes = malloc((most + 1) * sizeof *c.hashes);
    uint64_t *heads = malloc(((size_t)p->H + 1) * sizeof *heads);
    *model = profile->model;
    model->repeats = model->dscore_repeats = 1;
    bool enough = c.room && c.hashes && heads;
    for (c.h = 0; enough && c.h < p->H; c.h++) {
        c.head = 0;
        count_head(&c, backward, model);
        heads[c.h] = c.head;
    }
    if (enough && backward) model->repeats *= most_equal(heads, p->H);
    free(c.room);
    free(c.hashes);
    free(heads);
    return enough ? GLA_OK : GLA_NO_MEMORY;
}
