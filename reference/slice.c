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

double gla_scale_of(const gla_problem *p) {
    if (p->scale != 0) return p->scale;
    mpfr_t x;
    mpfr_init2(x, 53);
    mpfr_set_si(x, (long)p->dk, MPFR_RNDN);
    mpfr_rec_sqrt(x, x, MPFR_RNDN);
    double scale = mpfr_get_d(x, MPFR_RNDN);
    mpfr_clear(x);
    return scale;
}
