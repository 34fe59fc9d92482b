/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact specialisations across mechanisms (spec 15), at 256 bits to 1e-60, forward and gradients:
 *     the same gate on every channel (KDA)  =  a gate per head (GDN), whose dg is the sum
 *     a gate of 0 (GDN)                     =  no gate (DeltaNet)
 *     beta = 0                              =  the gated core with v = 0: S_t = e^G_t*S_0
 *     orthogonal keys, S_0 = 0, no gate     =  linear attention with v -> beta v
 *     beta = 1, |k| = 1                     :  S_t^T k_t = v_t, read back by q = k
 *     k = 0 or beta = 0 at one token        :  the token leaves no trace but its decay
 */
#include "deltas.h"

#define TOLERANCE 1e-60

static const struct {
    const char *form;
    gla_solver solver;
} forms[] = {{"recurrent", GLA_SOLVE},  {"parallel", GLA_SOLVE},           {"chunkwise:4:2", GLA_SOLVE},
             {"chunkwise:5:3", GLA_UT}, {"chunkwise:6:4", GLA_UT_BLOCKED}, {"chunkwise:3:1", GLA_UT_PRODUCT}};
enum { FORMS = 6 };

static gla_form form_at(int i) { return delta_form_named(forms[i].form, forms[i].solver); }

/* A copy with another gate: columns and how to fill them from the old. */
static test_delta with_gate(const test_delta *x, size_t gate) {
    test_delta y = delta_sized(x->T, x->dk, x->dv, gate);
    y.scale = x->scale;
    for (int i = 0; i < INS; i++)
        if (i != IN_G) memcpy(y.at[i], x->at[i], delta_count(x, (test_in)i) * sizeof(double));
    for (size_t t = 0; t < x->T; t++)
        for (size_t c = 0; c < gate; c++) y.at[IN_G][t * gate + c] = x->gate ? x->at[IN_G][t * x->gate] : 0;
    return y;
}

/* All but dg. */
static void check_others(const delta_slice *a, const delta_slice *b, const char *what, int form) {
    for (int i = 0; i < OUTS; i++) {
        if (i == OUT_DG) continue;
        double apart = delta_apart(a, b, (test_out)i);
        ck_assert_msg(apart <= TOLERANCE, "%s, %s: %s differs by %g", what, forms[form].form, out_names[i], apart);
    }
}

/* z [T,1] = sum over the channels of x [T,D]. */
static gla_matrix channel_sum(gla_matrix x) {
    gla_matrix z = gla_new(x.in, x.rows, 1);
    for (size_t c = 0; c < x.cols; c++) gla_add(z, z, gla_column(x, c));
    return z;
}

/* A random case of at least two channels with the given gate. */
static test_delta random_with(test_random *r, size_t gate, double resets) {
    test_delta x;
    for (;;) {
        x = delta_random(r, (delta_options){.resets = resets});
        if (x.dk > 1 && x.gate == (gate > 1 ? x.dk : gate)) return x;
        delta_free(&x);
    }
}

START_TEST(gate_per_head) {
    for (int f = 0; f < FORMS; f++) {
        test_random r = random_from((uint32_t)(_i * 100 + f));
        test_delta head = random_with(&r, 1, _i % 2 ? 0.1 : 0), channel = with_gate(&head, head.dk);
        delta_slice a = delta_solved(&head, form_at(f), "mpfr:256"), b = delta_solved(&channel, form_at(f), "mpfr:256");
        check_others(&a, &b, "gate per head", f);
        double apart = matrices_apart(a.dg, channel_sum(b.dg), 1e-9);
        ck_assert_msg(apart <= TOLERANCE, "%s: dg differs by %g", forms[f].form, apart);
        delta_close(&a);
        delta_close(&b);
        delta_free(&head);
        delta_free(&channel);
    }
}
END_TEST

START_TEST(gate_of_zero) {
    for (int f = 0; f < FORMS; f++) {
        test_random r = random_from((uint32_t)(1000 + _i * 100 + f));
        test_delta none = random_with(&r, 0, 0), zero = with_gate(&none, _i % 2 ? 1 : none.dk);
        delta_slice a = delta_solved(&none, form_at(f), "mpfr:256"), b = delta_solved(&zero, form_at(f), "mpfr:256");
        check_others(&a, &b, "gate of 0", f);
        delta_close(&a);
        delta_close(&b);
        delta_free(&none);
        delta_free(&zero);
    }
}
END_TEST

/* The gated core on the same data with other values; a gate per channel or none. */
static gated_slice gated_run_of(const delta_slice *s, gla_matrix values) {
    gla_numbers *n = s->in;
    gated_slice g = {.in = n, .T = s->T, .dk = s->dk, .dv = s->dv, .s = s->s, .q = s->q, .k = s->k, .v = values};
    g.gk = s->g;
    g.S0 = s->S0;
    g.d_o = s->d_o;
    g.dST = s->dST;
    g.o = gla_new(n, s->T, s->dv);
    g.ST = gla_new(n, s->dk, s->dv);
    g.dq = gla_new(n, s->T, s->dk);
    g.dk_ = gla_new(n, s->T, s->dk);
    g.dv_ = gla_new(n, s->T, s->dv);
    if (!gla_absent(s->g)) g.dgk = gla_new(n, s->T, s->dk);
    g.dS0 = gla_new(n, s->dk, s->dv);
    gla_form form = form_named("recurrent", true);
    gated_recurrent(&g, &form);
    return g;
}

static void check_same(gla_matrix a, gla_matrix b, const char *name, int form) {
    double apart = matrices_apart(a, b, 1e-9);
    ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", forms[form].form, name, apart);
}

/* dv and dk vanish: the token writes nothing; dbeta does not: writing would have changed the loss. */
START_TEST(no_strength) {
    for (int f = 0; f < FORMS; f++) {
        test_random r = random_from((uint32_t)(2000 + _i * 100 + f));
        test_delta x = random_with(&r, _i % 2 ? 2 : 0, _i % 4 == 1 ? 0.05 : 0);
        memset(x.at[IN_BETA], 0, x.T * sizeof(double));
        for (size_t c = 0; c < x.dk; c++) x.at[IN_Q][c] = x.at[IN_K][c] = 0.5;
        for (size_t j = 0; j < x.T * x.dv; j++) x.at[IN_DO][j] = 0.5 + random_unit(&r);
        delta_slice s = delta_solved(&x, form_at(f), "mpfr:256");
        gated_slice g = gated_run_of(&s, gla_new(s.in, s.T, s.dv));
        check_same(s.o, g.o, "o", f);
        check_same(s.ST, g.ST, "S_T", f);
        check_same(s.dq, g.dq, "dq", f);
        check_same(s.dS0, g.dS0, "dS0", f);
        if (x.gate) check_same(s.dg, g.dgk, "dg", f);
        check_same(s.dk_, g.dk_, "dk", f); /* 0: v = 0 */
        check_same(s.dv_, gla_new(s.in, s.T, s.dv), "dv", f);
        ck_assert_double_gt(matrices_apart(s.dbeta, gla_new(s.in, s.T, 1), 1e-9), 0.5);
        delta_close(&s);
        delta_free(&x);
    }
}
END_TEST

/* Keys along different axes: L = 0. */
START_TEST(orthogonal_keys) {
    for (int f = 0; f < FORMS; f++) {
        test_random r = random_from((uint32_t)(3000 + _i * 100 + f));
        test_delta x = delta_sized(5, 5, 3, 0);
        for (int i = 0; i < INS; i++)
            for (size_t j = 0; j < delta_count(&x, (test_in)i); j++)
                x.at[i][j] = i == IN_K || i == IN_S0 ? 0 : random_signed(&r);
        for (size_t t = 0; t < 5; t++) x.at[IN_K][t * 5 + (3 * t + 1) % 5] = random_signed(&r);
        delta_slice s = delta_solved(&x, form_at(f), "mpfr:256");
        gla_matrix values = gla_new(s.in, 5, 3);
        for (size_t t = 0; t < 5; t++) gla_scale(gla_row(values, t), gla_row(s.v, t), gla_row(s.beta, t));
        gated_slice g = gated_run_of(&s, values);
        check_same(s.o, g.o, "o", f);
        check_same(s.ST, g.ST, "S_T", f);
        check_same(s.dq, g.dq, "dq", f);
        delta_close(&s);
        delta_free(&x);
    }
}
END_TEST

/* Keys with entries +-1/2 in four channels have length 1 exactly; a gate changes nothing of it. */
START_TEST(interpolation) {
    for (int f = 0; f < FORMS; f++) {
        test_random r = random_from((uint32_t)(4000 + _i * 100 + f));
        size_t gates[] = {0, 1, 4};
        test_delta x = delta_sized(11, 4, 3, gates[_i % 3]);
        x.scale = 1;
        for (int i = 0; i < INS; i++)
            for (size_t j = 0; j < delta_count(&x, (test_in)i); j++)
                x.at[i][j] = i == IN_G ? -random_unit(&r) : random_signed(&r);
        for (size_t j = 0; j < 44; j++) x.at[IN_Q][j] = x.at[IN_K][j] = random_chance(&r, 0.5) ? 0.5 : -0.5;
        for (size_t t = 0; t < 11; t++) x.at[IN_BETA][t] = 1;
        delta_slice s = delta_solved(&x, form_at(f), "mpfr:256");
        check_same(s.o, s.v, "S^T k", f);
        delta_close(&s);
        delta_free(&x);
    }
}
END_TEST

/* Without the token, its gate added to the next one's, everything later is the same. */
START_TEST(token_without_trace) {
    for (int f = 0; f < FORMS; f++) {
        test_random r = random_from((uint32_t)(5000 + _i * 100 + f));
        test_delta x = random_with(&r, 1, 0);
        if (x.T < 3) {
            delta_free(&x);
            continue;
        }
        if (_i % 2)
            memset(x.at[IN_K] + x.dk, 0, x.dk * sizeof(double));
        else
            x.at[IN_BETA][1] = 0;
        for (size_t t = 0; t < x.T; t++) x.at[IN_G][t] = -(double)random_between(&r, 0, 64) / 16; /* sums exact */
        test_delta y = delta_sized(x.T - 1, x.dk, x.dv, 1);
        y.scale = x.scale;
        for (int i = 0; i < INS; i++) {
            size_t cols = delta_cols_of(&x, (test_in)i), rows = delta_rows_of(&x, (test_in)i);
            for (size_t t = 0, to = 0; t < rows; t++)
                if (rows == x.dk && (i == IN_S0 || i == IN_DST))
                    memcpy(y.at[i] + t * cols, x.at[i] + t * cols, cols * sizeof(double));
                else if (t != 1)
                    memcpy(y.at[i] + to++ * cols, x.at[i] + t * cols, cols * sizeof(double));
        }
        y.at[IN_G][1] += x.at[IN_G][1];
        delta_slice a = delta_solved(&x, form_at(f), "mpfr:256"), b = delta_solved(&y, form_at(f), "mpfr:256");
        check_same(gla_rows(a.o, 2, x.T - 2), gla_rows(b.o, 1, x.T - 2), "o", f);
        check_same(a.ST, b.ST, "S_T", f);
        delta_close(&a);
        delta_close(&b);
        delta_free(&x);
        delta_free(&y);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta special cases");
    TCase *t = tcase_create("special");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gate_per_head, 0, 8);
    tcase_add_loop_test(t, gate_of_zero, 0, 8);
    tcase_add_loop_test(t, no_strength, 0, 8);
    tcase_add_loop_test(t, orthogonal_keys, 0, 4);
    tcase_add_loop_test(t, interpolation, 0, 6);
    tcase_add_loop_test(t, token_without_trace, 0, 8);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
