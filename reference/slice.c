/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences, heads and indices of a problem; contract in slice.h. The only place that knows cu_seqlens and reverse.
 */
#include "slice.h"

gla_sequence gla_sequence_at(const gla_problem *p, int64_t n) {
    gla_sequence s = {.n = n, .reverse = p->reverse};
    if (p->cu_seqlens) {
        s.start = p->cu_seqlens[n];
        s.length = p->cu_seqlens[n + 1] - p->cu_seqlens[n];
    } else {
        s.b = n;
        s.length = p->T;
    }
    return s;
}

int64_t gla_token(const gla_sequence *s, int64_t t) { return s->start + (s->reverse ? s->length - 1 - t : t); }

int64_t gla_head(const gla_problem *p, int64_t heads, int64_t h) { return h / (p->H / heads); }

double gla_tensor_token(const gla_problem *p, const gla_tensor *x, const gla_sequence *s, int64_t h, int64_t t,
                        int64_t i) {
    int64_t head = gla_head(p, x->heads, h);
    return x->at[s->b * x->stride[0] + gla_token(s, t) * x->stride[1] + head * x->stride[2] + i * x->stride[3]];
}

double gla_tensor_state(const gla_problem *p, const gla_tensor *x, const gla_sequence *s, int64_t h, int64_t i,
                        int64_t j) {
    int64_t head = gla_head(p, x->heads, h);
    return x->at[s->n * x->stride[0] + head * x->stride[1] + i * x->stride[2] + j * x->stride[3]];
}

int64_t gla_index_token(const gla_problem *p, const int64_t shape[4], const gla_sequence *s, int64_t h, int64_t t,
                        int64_t i) {
    return ((s->b * shape[1] + gla_token(s, t)) * shape[2] + gla_head(p, shape[2], h)) * shape[3] + i;
}

int64_t gla_index_state(const gla_problem *p, const int64_t shape[4], const gla_sequence *s, int64_t h, int64_t i,
                        int64_t j) {
    return ((s->n * shape[1] + gla_head(p, shape[1], h)) * shape[2] + i) * shape[3] + j;
}

/* Where the part's data of an input begins. */
static int64_t offset_of(const gla_part *part, const gla_problem *p, gla_input name) {
    gla_tensor x = gla_acting_input(p, name);
    const gla_sequence *s = &part->sequence;
    int64_t first = gla_head(p, x.heads, part->head);
    if (gla_is_state_input(name)) return s->n * x.stride[0] + first * x.stride[1];
    return s->b * x.stride[0] + s->start * x.stride[1] + first * x.stride[2];
}

gla_part gla_part_of(const gla_problem *p, int64_t n, int64_t head, int64_t heads) {
    gla_part part = {.problem = *p, .sequence = gla_sequence_at(p, n), .head = head};
    gla_problem *own = &part.problem;
    if (gla_unit_sequences(p) == 1) {
        own->B = own->N = 1;
        own->T = part.sequence.length;
        own->cu_seqlens = NULL;
    }
    own->H = heads;
    own->scale = gla_scale_of(p);
    own->decay.heads = p->decay.heads ? p->decay.heads : p->H;
    own->decay.head += head;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(own, (gla_input)i);
        if (!x->at) continue;
        x->at += offset_of(&part, p, (gla_input)i);
        x->heads = x->heads * heads / p->H;
    }
    return part;
}

int64_t gla_unit_sequences(const gla_problem *p) {
    for (int i = 0; i < GLA_INPUTS; i++)
        if (gla_is_weight(gla_input_axes(gla_mechanism_of(p), (gla_input)i)) && gla_acting_input(p, (gla_input)i).at)
            return p->N;
    return 1;
}

static int64_t gcd(int64_t a, int64_t b) { return b == 0 ? a : gcd(b, a % b); }

int64_t gla_unit_heads(const gla_problem *p) {
    gla_problem copy = *p;
    int64_t heads = 1; /* least common multiple of the group sizes */
    for (int i = 0; i < GLA_INPUTS; i++) {
        const gla_tensor *x = gla_problem_input(&copy, (gla_input)i);
        if (!x->at) continue;
        int64_t group = p->H / x->heads;
        heads = heads / gcd(heads, group) * group;
    }
    return heads;
}

int64_t gla_part_to_whole(const gla_part *part, const gla_problem *p, gla_output name, int64_t index) {
    int64_t own[4], whole[4], at[4];
    gla_output_shape(&part->problem, name, own);
    gla_output_shape(p, name, whole);
    for (int d = 3; d >= 0; d--) {
        at[d] = own[d] ? index % own[d] : 0;
        index = own[d] ? index / own[d] : 0;
    }
    gla_axes axes = gla_input_axes(gla_mechanism_of(p), gla_output_like(name));
    int64_t first = gla_head(p, whole[gla_is_state(axes) ? 1 : 2], part->head);
    at[gla_is_state(axes) ? 1 : 2] += first;
    if (gla_is_state(axes))
        at[0] += part->sequence.n;
    else { /* of a weight's part both are 0 */
        at[0] += part->sequence.b;
        at[1] += part->sequence.start;
    }
    return ((at[0] * whole[1] + at[1]) * whole[2] + at[2]) * whole[3] + at[3];
}

double gla_scale_of(const gla_problem *p) {
    if (p->scale != 0) return p->scale;
    if (gla_mechanism_of(p)->unit_scale) return 1;
    mpfr_t x;
    mpfr_init2(x, 53);
    mpfr_set_si(x, (long)p->dk, MPFR_RNDN);
    mpfr_rec_sqrt(x, x, MPFR_RNDN);
    double scale = mpfr_get_d(x, MPFR_RNDN);
    mpfr_clear(x);
    return scale;
}
