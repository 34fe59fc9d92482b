/* SPDX-License-Identifier: Apache-2.0
 *
 * The maps of a layer, one by one: against their definitions to 1e-60 in mpfr:256, at the ends of binary32's range, and
 * their derivatives in dual:256 against those of spec 14.3 to 1e-60. (The whole model: test_model.c.)
 */
#include "tests/reference/layer/tiny_model.h"

enum { N = 9 };

static gla_numbers *opened(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s", err.what);
    return n;
}

static gla_matrix random_row(gla_numbers *n, size_t cols, uint32_t stream) {
    gla_matrix x = gla_new(n, 1, cols);
    for (size_t i = 0; i < cols; i++)
        n->ops->set_d(n, gla_at(x, 0, i), gla_draw_normal((gla_draw){test_seed(), stream, i}));
    return x;
}

static mpfr_ptr value(gla_matrix x, size_t i) { return gla_at(x, 0, i); }

static void expect_equal(mpfr_srcptr got, mpfr_srcptr want, const char *what) {
    mpfr_t error;
    mpfr_init2(error, 256);
    mpfr_sub(error, got, want, MPFR_RNDA);
    ck_assert_msg(mpfr_number_p(error) && fabs(mpfr_get_d(error, MPFR_RNDA)) <= 1e-60, "%s: %g, not %g", what,
                  mpfr_get_d(got, MPFR_RNDN), mpfr_get_d(want, MPFR_RNDN));
    mpfr_clear(error);
}

START_TEST(norms_have_their_moments) {
    gla_numbers *n = opened("mpfr:256");
    gla_matrix x = random_row(n, N, 1), y = gla_new(n, 1, N), none = {0}, eps = gla_number(n, 0);
    mpfr_t sum, square, zero, one;
    mpfr_inits2(256, sum, square, zero, one, (mpfr_ptr)NULL);
    mpfr_set_ui(zero, 0, MPFR_RNDN);
    mpfr_set_ui(one, 1, MPFR_RNDN);
    for (int which = 0; which < 3; which++) {
        if (which == 0) layer_l2_norm(y, x, eps);
        if (which == 1) layer_rms_norm(y, x, none, eps);
        if (which == 2) layer_mean_norm(y, x, none, none, eps);
        mpfr_set_zero(sum, 1);
        mpfr_set_zero(square, 1);
        for (size_t i = 0; i < N; i++) {
            mpfr_add(sum, sum, value(y, i), MPFR_RNDN);
            mpfr_fma(square, value(y, i), value(y, i), square, MPFR_RNDN);
        }
        if (which > 0) mpfr_div_ui(square, square, N, MPFR_RNDN);
        expect_equal(square, one, "mean square");
        if (which == 2) expect_equal(sum, zero, "mean");
    }
    /* With weight and bias, and eps that counts: row of zeros becomes the bias. */
    gla_matrix w = random_row(n, N, 2), b = random_row(n, N, 3);
    gla_zero(x);
    layer_mean_norm(y, x, w, b, gla_number(n, 1e-3));
    for (size_t i = 0; i < N; i++) expect_equal(value(y, i), value(b, i), "bias");
    mpfr_clears(sum, square, zero, one, (mpfr_ptr)NULL);
    gla_numbers_close(n);
}
END_TEST

START_TEST(log_sigmoid_and_sigmoid_agree) {
    gla_numbers *n = opened("mpfr:256");
    gla_matrix x = random_row(n, N, 4), s = gla_new(n, 1, N), l = gla_new(n, 1, N), sw = gla_new(n, 1, N);
    mpfr_t want;
    mpfr_init2(want, 256);
    act_sigmoid(s, x);
    act_log_sigmoid(l, x);
    act_swish(sw, x);
    for (size_t i = 0; i < N; i++) {
        mpfr_exp(want, value(l, i), MPFR_RNDN);
        expect_equal(value(s, i), want, "e^(log sigmoid)");
        mpfr_mul(want, want, value(x, i), MPFR_RNDN);
        expect_equal(value(sw, i), want, "swish");
    }
    mpfr_clear(want);
    gla_numbers_close(n);
}
END_TEST

START_TEST(activations_at_the_ends_of_binary32) {
    gla_numbers *n = opened("binary32");
    gla_matrix x = gla_number(n, -200), y = gla_new(n, 1, 1);
    act_log_sigmoid(y, x);
    ck_assert(n->ops->get_d(n, y.at) == -200);
    act_swish(y, x);
    ck_assert(n->ops->get_d(n, y.at) == 0);
    act_sigmoid(y, x);
    ck_assert(n->ops->get_d(n, y.at) == 0);
    x = gla_number(n, 200);
    act_log_sigmoid(y, x);
    ck_assert(n->ops->get_d(n, y.at) == 0);
    act_swish(y, x);
    ck_assert(n->ops->get_d(n, y.at) == 200);
    x = gla_number(n, -20); /* e^-20 is far below half an ulp of 1: log1p keeps it */
    gla_neg(x, x);
    act_log_sigmoid(y, x);
    ck_assert(fabs(n->ops->get_d(n, y.at) + exp(-20)) < 1e-15);
    gla_numbers_close(n);
}
END_TEST

/* A model that is sure: the loss keeps what a sum with a 1 in it would lose. */
START_TEST(cross_entropy_of_the_sure) {
    gla_numbers *n = opened("binary32");
    gla_matrix z = gla_new(n, 1, 1), logits = gla_new(n, 1, 2);
    n->ops->set_d(n, gla_at(logits, 0, 0), 30);
    layer_cross_entropy(z, logits, (const int64_t[]){0});
    ck_assert_msg(fabs(n->ops->get_d(n, z.at) / exp(-30) - 1) < 1e-6, "%g", n->ops->get_d(n, z.at));
    layer_cross_entropy(z, logits, (const int64_t[]){1});
    ck_assert(n->ops->get_d(n, z.at) == 30);
    gla_numbers_close(n);
}
END_TEST

/* ---- derivatives ---- */

/* z = sum_i u_i dy_i along dx, from the tangents of y. */
static void along(mpfr_t z, gla_matrix y, const double *u) {
    mpfr_t t;
    mpfr_init2(t, 256);
    mpfr_set_zero(z, 1);
    for (size_t i = 0; i < y.cols; i++) {
        gla_dual_get_tangent(y.in, t, gla_at(y, 0, i));
        mpfr_mul_d(t, t, u[i], MPFR_RNDN);
        mpfr_add(z, z, t, MPFR_RNDN);
    }
    mpfr_clear(t);
}

/* The output of a gated norm, x r w swish(g), r = (mean x^2 + eps)^(-1/2): spec 14.3 with u = du w swish(g) and
 *     dx = r (u - x^ mean(x^ u)),  dg = du x^ w sigmoid(g) (1 + g (1 - sigmoid(g))). */
START_TEST(gated_norm_derivative_is_the_spec) {
    gla_numbers *d = opened("dual:256"), *n = opened("mpfr:256");
    const double eps = 1e-3;
    double du[N];
    for (size_t i = 0; i < N; i++) du[i] = gla_draw_normal((gla_draw){test_seed(), 20, i});
    gla_matrix w = random_row(n, N, 12), g = random_row(n, N, 11);
    gla_matrix hat = random_row(n, N, 10), s = gla_new(n, 1, N), r = gla_new(n, 1, 1);
    /* x^ and r */
    gla_row_dot(r, hat, hat);
    gla_divide(r, r, gla_number(n, N));
    gla_add(r, r, gla_number(n, eps));
    gla_sqrt(r, r);
    gla_divide(hat, hat, r);
    act_sigmoid(s, g);
    mpfr_t got, want, part;
    mpfr_inits2(256, got, want, part, (mpfr_ptr)NULL);
    for (size_t i = 0; i < N; i++) { /* one channel of x, then of g, moves */
        for (int of_gate = 0; of_gate < 2; of_gate++) {
            gla_matrix dx = random_row(d, N, 10), dg = random_row(d, N, 11), dw = random_row(d, N, 12),
                       y = gla_new(d, 1, N);
            gla_dual_set_tangent(d, gla_at(of_gate ? dg : dx, 0, i), 1);
            layer_rms_norm(dx, dx, dw, gla_number(d, eps));
            layer_swish_gate(y, dg, dx);
            along(got, y, du);
            if (of_gate) {
                mpfr_ui_sub(want, 1, value(s, i), MPFR_RNDN);
                mpfr_mul(want, want, value(g, i), MPFR_RNDN);
                mpfr_add_ui(want, want, 1, MPFR_RNDN);
                mpfr_mul(want, want, value(s, i), MPFR_RNDN);
                mpfr_mul(want, want, value(w, i), MPFR_RNDN);
                mpfr_mul(want, want, value(hat, i), MPFR_RNDN);
                mpfr_mul_d(want, want, du[i], MPFR_RNDN);
            } else {
                mpfr_set_zero(want, 1);
                for (size_t j = 0; j <= N; j++) { /* -x^_i mean(x^ u), and u_i itself at the end */
                    size_t at = j < N ? j : i;
                    mpfr_mul(part, value(g, at), value(s, at), MPFR_RNDN);
                    mpfr_mul(part, part, value(w, at), MPFR_RNDN);
                    mpfr_mul_d(part, part, du[at], MPFR_RNDN);
                    if (j < N) {
                        mpfr_mul(part, part, value(hat, j), MPFR_RNDN);
                        mpfr_mul(part, part, value(hat, i), MPFR_RNDN);
                        mpfr_div_si(part, part, -N, MPFR_RNDN);
                    }
                    mpfr_add(want, want, part, MPFR_RNDN);
                }
                mpfr_div(want, want, value(r, 0), MPFR_RNDN);
            }
            expect_equal(got, want, of_gate ? "dg" : "dx");
        }
    }
    mpfr_clears(got, want, part, (mpfr_ptr)NULL);
    gla_numbers_close(d);
    gla_numbers_close(n);
}
END_TEST

enum { MEAN_NORM, L2_NORM, SIGMOID, BACKS };

/* d <u, f(x, w, b)> along one element of x (of 0), w (1) or b (2), by dual numbers. */
static void dual_slope(mpfr_t z, gla_numbers *d, int f, int of, size_t i, const double *u) {
    gla_matrix x = random_row(d, N, 30), w = random_row(d, N, 31), b = random_row(d, N, 32), y = gla_new(d, 1, N);
    gla_dual_set_tangent(d, gla_at(of == 0 ? x : of == 1 ? w : b, 0, i), 1);
    if (f == MEAN_NORM) layer_mean_norm(y, x, w, b, gla_number(d, 1e-3));
    if (f == L2_NORM) layer_l2_norm(y, x, gla_number(d, 1e-3));
    if (f == SIGMOID) act_sigmoid(y, x);
    along(z, y, u);
}

/* Those that no model above has: LayerNorm, l2, sigmoid. */
START_TEST(other_maps_have_their_gradients) {
    gla_numbers *n = opened("mpfr:256"), *d = opened("dual:256");
    gla_matrix x = random_row(n, N, 30), w = random_row(n, N, 31), dy = random_row(n, N, 33);
    double u[N];
    mpfr_t want;
    mpfr_init2(want, 256);
    for (size_t i = 0; i < N; i++) u[i] = n->ops->get_d(n, gla_at(dy, 0, i));
    for (int f = 0; f < BACKS; f++) {
        gla_matrix g[3] = {gla_new(n, 1, N), gla_new(n, 1, N), gla_new(n, 1, N)};
        if (f == MEAN_NORM) layer_mean_norm_back(g[0], g[1], g[2], dy, x, w, gla_number(n, 1e-3));
        if (f == L2_NORM) layer_l2_norm_back(g[0], dy, x, gla_number(n, 1e-3));
        if (f == SIGMOID) act_sigmoid_back(g[0], dy, x);
        for (int of = 0; of < 3; of++)
            for (size_t i = 0; i < N; i++) {
                dual_slope(want, d, f, of, i, u);
                expect_equal(value(g[of], i), want, "slope");
            }
    }
    mpfr_clear(want);
    gla_numbers_close(n);
    gla_numbers_close(d);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("maps");
    TCase *c = tcase_create("maps");
    tcase_set_timeout(c, 20);
    tcase_add_test(c, norms_have_their_moments);
    tcase_add_test(c, log_sigmoid_and_sigmoid_agree);
    tcase_add_test(c, activations_at_the_ends_of_binary32);
    tcase_add_test(c, cross_entropy_of_the_sure);
    tcase_add_test(c, gated_norm_derivative_is_the_spec);
    tcase_add_test(c, other_maps_have_their_gradients);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
