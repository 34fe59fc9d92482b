/* SPDX-License-Identifier: Apache-2.0
 *
 * The recurrence written out by other means, in 512-bit MPFR without verbs, to 1e-60:
 *     matrix   S_t = (I - beta_t k_t k_t^T) diag(e^g_t) S_{t-1} + beta_t k_t v_t^T ;  o_t = s S_t^T q_t
 *     DPLR     S_t = diag(e^g_t) S_{t-1} + b_t (a_t^T S_{t-1}) + k_t (beta_t v_t)^T,
 *              a_t = e^g_t*k_t (it reads the undecayed state), b_t = -beta_t k_t
 */
#include "deltas.h"

#define TOLERANCE 1e-60
#define WIDEST 5

typedef mpfr_t state[WIDEST][WIDEST];

/* Numbers of one token; a for channel c. */
static double input(const test_delta *x, test_in name, size_t t, size_t c) {
    size_t cols = delta_cols_of(x, name);
    return x->at[name][t * cols + (cols == 1 ? 0 : c)];
}

static void alpha(mpfr_t z, const test_delta *x, size_t t, size_t c) {
    mpfr_set_d(z, x->gate ? input(x, IN_G, t, c) : 0, MPFR_RNDN);
    mpfr_exp(z, z, MPFR_RNDN);
}

/* z += a b c, b in binary64. */
static void add_product(mpfr_t z, const mpfr_t a, double b, double c) {
    mpfr_t p;
    mpfr_init2(p, 512);
    mpfr_mul_d(p, a, b, MPFR_RNDN);
    mpfr_mul_d(p, p, c, MPFR_RNDN);
    mpfr_add(z, z, p, MPFR_RNDN);
    mpfr_clear(p);
}

/* S' = sum over channels of (transition matrix)_cd S_d + k_c beta v_j, the matrix formed entry by entry. */
static void step_matrix(const test_delta *x, size_t t, state S, state next) {
    mpfr_t entry, a;
    mpfr_inits2(512, entry, a, (mpfr_ptr)0);
    double beta = x->at[IN_BETA][t];
    for (size_t c = 0; c < x->dk; c++)
        for (size_t j = 0; j < x->dv; j++) {
            mpfr_set_d(next[c][j], beta, MPFR_RNDN);
            mpfr_mul_d(next[c][j], next[c][j], input(x, IN_K, t, c), MPFR_RNDN);
            mpfr_mul_d(next[c][j], next[c][j], x->at[IN_V][t * x->dv + j], MPFR_RNDN);
            for (size_t d = 0; d < x->dk; d++) { /* entry (c,d) of (I - beta k k^T) diag(alpha) */
                mpfr_set_d(entry, -beta, MPFR_RNDN);
                mpfr_mul_d(entry, entry, input(x, IN_K, t, c), MPFR_RNDN);
                mpfr_mul_d(entry, entry, input(x, IN_K, t, d), MPFR_RNDN);
                if (c == d) mpfr_add_d(entry, entry, 1, MPFR_RNDN);
                alpha(a, x, t, d);
                mpfr_mul(entry, entry, a, MPFR_RNDN);
                mpfr_fma(next[c][j], entry, S[d][j], next[c][j], MPFR_RNDN);
            }
        }
    mpfr_clears(entry, a, (mpfr_ptr)0);
}

static void step_dplr(const test_delta *x, size_t t, state S, state next) {
    mpfr_t read, a;
    mpfr_inits2(512, read, a, (mpfr_ptr)0);
    double beta = x->at[IN_BETA][t];
    for (size_t j = 0; j < x->dv; j++) {
        mpfr_set_zero(read, 1); /* a_t^T S_{t-1}, column j */
        for (size_t d = 0; d < x->dk; d++) {
            alpha(a, x, t, d);
            mpfr_mul_d(a, a, input(x, IN_K, t, d), MPFR_RNDN);
            mpfr_fma(read, a, S[d][j], read, MPFR_RNDN);
        }
        for (size_t c = 0; c < x->dk; c++) {
            alpha(a, x, t, c);
            mpfr_mul(next[c][j], a, S[c][j], MPFR_RNDN);
            add_product(next[c][j], read, -beta, input(x, IN_K, t, c));
            mpfr_set_d(a, input(x, IN_K, t, c), MPFR_RNDN);
            add_product(next[c][j], a, beta, x->at[IN_V][t * x->dv + j]);
        }
    }
    mpfr_clears(read, a, (mpfr_ptr)0);
}

/* |got - wanted| against the largest of both, gathered in d. */
static void compare(distance *d, gla_matrix got, size_t i, size_t j, const mpfr_t wanted) {
    mpfr_t x;
    mpfr_init2(x, 512);
    got.in->ops->get_mpfr(got.in, x, gla_at(got, i, j));
    distance_add(d, x, wanted);
    mpfr_clear(x);
}

static void check_definition(uint32_t stream, void (*step)(const test_delta *, size_t, state, state)) {
    test_random r = random_from(stream);
    test_delta x = delta_random(&r, (delta_options){.resets = stream % 2 ? 0.1 : 0});
    delta_slice s = delta_solved(&x, (gla_form){.kind = GLA_RECURRENT}, "mpfr:256");
    state S, next;
    mpfr_t o;
    mpfr_init2(o, 512);
    for (size_t c = 0; c < WIDEST; c++)
        for (size_t j = 0; j < WIDEST; j++) {
            mpfr_inits2(512, S[c][j], next[c][j], (mpfr_ptr)0);
            mpfr_set_d(S[c][j], c < x.dk && j < x.dv ? x.at[IN_S0][c * x.dv + j] : 0, MPFR_RNDN);
        }
    distance outputs, states;
    distance_begin(&outputs);
    distance_begin(&states);
    for (size_t t = 0; t < x.T; t++) {
        step(&x, t, S, next);
        for (size_t j = 0; j < x.dv; j++) {
            mpfr_set_zero(o, 1);
            for (size_t c = 0; c < x.dk; c++) {
                mpfr_set(S[c][j], next[c][j], MPFR_RNDN);
                add_product(o, S[c][j], input(&x, IN_Q, t, c), x.scale);
            }
            compare(&outputs, s.o, t, j, o);
        }
    }
    for (size_t c = 0; c < x.dk; c++)
        for (size_t j = 0; j < x.dv; j++) compare(&states, s.ST, c, j, S[c][j]);
    double by_o = distance_end(&outputs), by_S = distance_end(&states);
    ck_assert_msg(by_o <= TOLERANCE && by_S <= TOLERANCE, "case %u: o is off by %g, S_T by %g", stream, by_o, by_S);
    for (size_t c = 0; c < WIDEST; c++)
        for (size_t j = 0; j < WIDEST; j++) mpfr_clears(S[c][j], next[c][j], (mpfr_ptr)0);
    mpfr_clear(o);
    delta_close(&s);
    delta_free(&x);
}

START_TEST(matrix) {
    for (uint32_t i = 0; i < 30; i++) check_definition(i, step_matrix);
}
END_TEST

START_TEST(diagonal_plus_low_rank) {
    for (uint32_t i = 0; i < 30; i++) check_definition(100 + i, step_dplr);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta definition");
    TCase *t = tcase_create("definition");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, matrix);
    tcase_add_test(t, diagonal_plus_low_rank);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
