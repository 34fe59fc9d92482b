/* SPDX-License-Identifier: Apache-2.0
 *
 * The mLSTM as other mechanisms, exactly (spec section 15), at 256 bits to 1e-60: the sigmoid gate without normaliser
 * is simple GLA, the exponential gate is simple GLA on [v, 1] divided by its last channel. Both run through the gated
 * core. Then the scale on either side, and segments combined.
 */
#include "reference/mlstm/gauge.h"
#include "slices.h"

#define TOLERANCE 1e-60

/* z = -ln(1 + e^-x), which a system of unbounded range can say so. */
static void log_sigmoid_of(gla_matrix z, gla_matrix x) {
    gla_neg(z, x);
    gla_exp(z, z);
    gla_log1p(z, z);
    gla_neg(z, z);
}

/* The gated core with a scalar gate, log f on all channels, keys k times `weight`, and values of W channels. */
static gated_slice gated_of(const mlstm_slice *s, gla_matrix weight, size_t W) {
    gla_numbers *n = s->in;
    gated_slice g = {.in = n, .T = s->T, .dk = s->dk, .dv = W, .s = s->s, .q = s->q};
    g.k = gla_new(n, s->T, s->dk);
    g.v = gla_new(n, s->T, W);
    g.gk = gla_new(n, s->T, s->dk);
    gla_copy(g.k, s->k);
    gla_decay(g.k, gla_transposed(weight), (gla_matrix){0});
    gla_copy(gla_transposed(gla_rows(gla_transposed(g.v), 0, s->dv)), s->v);
    for (size_t t = 0; t < s->T && W > s->dv; t++) n->ops->set_d(n, gla_at(g.v, t, s->dv), 1);
    for (size_t c = 0; c < s->dk; c++) log_sigmoid_of(gla_column(g.gk, c), s->f);
    g.S0 = gla_new(n, s->dk, W);
    g.o = gla_new(n, s->T, W);
    g.ST = gla_new(n, s->dk, W);
    g.d_o = gla_new(n, s->T, W);
    g.dST = gla_new(n, s->dk, W);
    g.dq = gla_new(n, s->T, s->dk);
    g.dk_ = gla_new(n, s->T, s->dk);
    g.dv_ = gla_new(n, s->T, W);
    g.dgk = gla_new(n, s->T, s->dk);
    g.dS0 = gla_new(n, s->dk, W);
    return g;
}

/* Sigmoid gate, no normaliser = simple GLA with k*sigmoid(i) and g = logsigmoid(f), forward and backward. */
START_TEST(sigmoid_is_simple_gla) {
    test_random r = random_from(900 + (uint32_t)_i);
    problem p = problem_at_random(&r, variants[2].options, (random_gates){5, 0, 12});
    mlstm_slice s = solved(&p, form_named("chunkwise:4:2", true), "mpfr:256");
    gla_numbers *n = s.in;
    gla_matrix weight = gla_new(n, s.T, 1), df = gla_new(n, s.T, 1), dk = gla_new(n, s.T, s.dk);
    log_sigmoid_of(weight, s.i);
    gla_exp(weight, weight);
    gated_slice g = gated_of(&s, weight, s.dv);
    if (p.at[IN_C0]) gla_copy(g.S0, s.C0);
    if (p.at[IN_DCT]) gla_copy(g.dST, s.dCT);
    gla_copy(g.d_o, s.d_h);
    gla_form form = form_named("recurrent", true);
    gated_recurrent(&g, &form);
    ck_assert_double_le(matrices_apart(s.h, g.o, 0), TOLERANCE);
    ck_assert_double_le(matrices_apart(s.CT, g.ST, 0), TOLERANCE);
    ck_assert_double_le(matrices_apart(s.dq, g.dq, 0), TOLERANCE);
    ck_assert_double_le(matrices_apart(s.dv_, g.dv_, 0), TOLERANCE);
    ck_assert_double_le(matrices_apart(s.dC0, g.dS0, 0), TOLERANCE);
    gla_copy(dk, g.dk_);
    gla_decay(dk, gla_transposed(weight), (gla_matrix){0});
    ck_assert_double_le(matrices_apart(s.dk_, dk, 0), TOLERANCE);
    for (size_t c = 0; c < s.dk; c++) gla_add(df, df, gla_column(g.dgk, c)); /* d log f */
    gla_neg(weight, s.f);
    log_sigmoid_of(weight, weight);
    gla_exp(weight, weight);
    gla_mul(df, df, weight);
    ck_assert_double_le(matrices_apart(s.df, df, size_of(&s)), TOLERANCE);
    gla_numbers_close(n);
    forget_problem(&p);
}
END_TEST

/* The definition without a stabiliser: simple GLA with k e^i on [v, 1], then h = num / max(|nrm|, 1); the state is that
 * of the mLSTM in units of 1. */
START_TEST(exponential_is_divided_gla) {
    test_random r = random_from(950 + (uint32_t)_i);
    problem p = problem_at_random(&r, variants[0].options, (random_gates){20, 0, 12});
    p.eps = 0;
    if (p.at[IN_M0] && p.at[IN_M0][0] == -INFINITY) p.at[IN_M0][0] = -2;
    if (!p.at[IN_M0]) give(&p, IN_M0);
    mlstm_slice s = solved(&p, form_named("parallel", true), "mpfr:256");
    gla_numbers *n = s.in;
    gla_matrix weight = gla_new(n, s.T, 1), one = scalar(n, 1), den = gla_new(n, 1, 1), unit = gla_new(n, 1, 1);
    gla_exp(weight, s.i);
    gated_slice g = gated_of(&s, weight, s.dv + 1);
    gla_exp(unit, s.m0);
    gla_matrix C = gla_transposed(gla_rows(gla_transposed(g.S0), 0, s.dv));
    if (p.at[IN_C0]) gla_scale(C, s.C0, unit);
    if (p.at[IN_N0]) gla_scale(gla_column(g.S0, s.dv), s.n0, unit);
    gla_form form = form_named("recurrent", false);
    gated_recurrent(&g, &form);
    gla_matrix h = gla_new(n, s.T, s.dv);
    for (size_t t = 0; t < s.T; t++) {
        gla_matrix o = gla_row(g.o, t), nrm = gla_column(o, s.dv);
        gla_neg(den, nrm);
        gla_max(den, den, nrm);
        gla_max(den, den, one);
        gla_divide(gla_row(h, t), gla_transposed(gla_rows(gla_transposed(o), 0, s.dv)), den);
    }
    ck_assert_double_le(matrices_apart(s.h, h, 0), TOLERANCE);
    mlstm_state a = {s.CT, s.nT, s.mT};
    mlstm_state b = {gla_transposed(gla_rows(gla_transposed(g.ST), 0, s.dv)), gla_column(g.ST, s.dv), {0}};
    ck_assert_double_le(mlstm_states_apart(a, b), TOLERANCE);
    gla_numbers_close(n);
    forget_problem(&p);
}
END_TEST

/* The scale on k instead of q, as in the first xLSTM code: h is the same, the state is s times as large. */
START_TEST(scale_on_keys) {
    problem p = problem_of_golden(variants[_i].options);
    memset(p.at[IN_C0], 0, input_count(&p, IN_C0) * sizeof(double));
    memset(p.at[IN_N0], 0, input_count(&p, IN_N0) * sizeof(double));
    mlstm_slice on_q = solved(&p, form_named("parallel", true), "mpfr:256");
    for (size_t j = 0; j < input_count(&p, IN_K); j++) p.at[IN_K][j] *= p.scale;
    p.scale = 1;
    mlstm_slice on_k = solved(&p, form_named("recurrent", true), "mpfr:256");
    gla_scale(on_q.CT, on_q.CT, on_q.s);
    gla_scale(on_q.nT, on_q.nT, on_q.s);
    ck_assert_double_le(matrices_apart(on_q.h, on_k.h, 0), TOLERANCE);
    ck_assert_double_le(matrices_apart(on_q.CT, on_k.CT, 0), TOLERANCE);
    ck_assert_double_le(matrices_apart(on_q.nT, on_k.nT, 0), TOLERANCE);
    gla_numbers_close(on_q.in);
    gla_numbers_close(on_k.in);
    forget_problem(&p);
}
END_TEST

/* Two segments from empty states, with F = sum log f of the second, combine to the whole (spec L8):
 * m = max(m_1 + F, m_2), C = e^(m_1+F-m) C_1 + e^(m_2-m) C_2, n likewise. */
START_TEST(segments_combine) {
    test_random r = random_from(1300 + (uint32_t)_i);
    problem whole = problem_at_random(&r, variants[0].options, (random_gates){20, 0, 12});
    for (int i = IN_C0; i <= IN_M0; i++) free(whole.at[i]), whole.at[i] = NULL;
    size_t cut = whole.T / 2;
    problem parts[2] = {whole, whole};
    parts[0].T = cut, parts[1].T = whole.T - cut;
    for (int i = 0; i < INPUTS; i++) {
        size_t width = i <= IN_V || i == IN_DH ? input_count(&whole, i) / whole.T : 1;
        if (whole.at[i] && (i <= IN_F || i == IN_DH)) parts[1].at[i] = whole.at[i] + cut * width;
    }
    mlstm_slice all = solved(&whole, form_named("chunkwise:3:2", false), "mpfr:256");
    mlstm_slice one = solved(&parts[0], form_named("recurrent", false), "mpfr:256");
    mlstm_slice two = solved(&parts[1], form_named("parallel", false), "mpfr:256");
    gla_matrix log_f = gla_new(two.in, two.T, 1), F = gla_new(two.in, 1, 1), m = gla_new(two.in, 1, 1);
    log_sigmoid_of(log_f, two.f);
    for (size_t t = 0; t < two.T; t++) gla_add(F, F, gla_row(log_f, t));
    gla_add(F, one.mT, F);
    gla_max(m, F, two.mT);
    gla_copy(one.mT, F); /* the first part in its units after the second */
    mlstm_regauge((mlstm_state){one.CT, one.nT, one.mT}, m);
    mlstm_regauge((mlstm_state){two.CT, two.nT, two.mT}, m);
    gla_add(two.CT, two.CT, one.CT);
    gla_add(two.nT, two.nT, one.nT);
    mlstm_state combined = {two.CT, two.nT, two.mT}, wanted = {all.CT, all.nT, all.mT};
    ck_assert_double_le(mlstm_states_apart(combined, wanted), TOLERANCE);
    ck_assert_double_le(matrices_apart(two.mT, all.mT, 1), TOLERANCE);
    gla_numbers_close(all.in);
    gla_numbers_close(one.in);
    gla_numbers_close(two.in);
    forget_problem(&whole);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm special cases");
    TCase *t = tcase_create("special cases");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, sigmoid_is_simple_gla, 0, 6);
    tcase_add_loop_test(t, exponential_is_divided_gla, 0, 6);
    tcase_add_loop_test(t, scale_on_keys, 0, VARIANTS);
    tcase_add_loop_test(t, segments_combine, 0, 8);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
