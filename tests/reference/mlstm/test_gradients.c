/* SPDX-License-Identifier: Apache-2.0
 *
 * Every analytic gradient against the exact derivative in dual numbers of 256 bits, to 1e-60. The convention is written
 * out here: a recurrence of our own whose m_t lose their tangents, and whose denominators do in a truncated gradient.
 * And the claim behind the convention: with eps = 0 the library's own forward, tangents of m and all, has the same
 * derivative once the final state is taken in fixed units.
 */
#include "slices.h"

#define TOLERANCE 1e-60

/* ---- the recurrence by definition, on duals ---- */

static void still(gla_matrix x) { gla_dual_set_tangent(x.in, x.at, 0); }

/* z = logsigmoid(x), 1 x 1: -ln(1 + e^-x). */
static void log_sigmoid_of(gla_matrix z, gla_matrix x) {
    gla_numbers *n = z.in;
    double value = n->ops->get_d(n, x.at);
    if (isinf(value)) {
        n->ops->set_d(n, z.at, value < 0 ? value : 0);
        return;
    }
    gla_neg(z, x);
    gla_exp(z, z);
    gla_log1p(z, z);
    gla_neg(z, z);
}

/* z = e^(x - m), 0 for x = -inf. */
static void weight_of(gla_matrix z, gla_matrix x, gla_matrix m) {
    if (is_minus_infinity(x)) {
        z.in->ops->set_d(z.in, z.at, 0);
        return;
    }
    gla_sub(z, x, m);
    gla_exp(z, z);
}

typedef struct walker {
    gla_matrix m, log_f, log_i, fa, ia, key, nrm, den, least; /* 1 x 1 each, key [1,dk] */
} walker;

static walker new_walker(const mlstm_slice *s) {
    walker w;
    gla_matrix *const all[] = {&w.m, &w.log_f, &w.log_i, &w.fa, &w.ia, &w.nrm, &w.den, &w.least};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) *all[i] = gla_new(s->in, 1, 1);
    w.key = gla_new(s->in, 1, s->dk);
    if (!s->options.sigmoid) s->in->ops->set_d(s->in, w.m.at, -INFINITY);
    if (!s->options.sigmoid && !gla_absent(s->m0)) gla_copy(w.m, s->m0);
    return w;
}

static void divide(const mlstm_slice *s, walker *w, gla_matrix h, gla_matrix sq, gla_matrix n) {
    gla_numbers *in = s->in;
    gla_zero(w->nrm);
    gla_row_dot(w->nrm, sq, gla_transposed(n));
    gla_neg(w->den, w->nrm);
    gla_max(w->den, w->den, w->nrm);
    if (is_minus_infinity(w->m))
        in->ops->set_d(in, w->least.at, INFINITY);
    else {
        gla_neg(w->least, w->m);
        gla_exp(w->least, w->least);
    }
    gla_max(w->den, w->den, w->least);
    if (!gla_absent(s->eps)) gla_add(w->den, w->den, s->eps);
    if (s->options.truncated) still(w->den);
    gla_divide(h, h, w->den);
}

/* h, C_T, n_T of the slice, m detached. */
static void detached_forward(mlstm_slice *s) {
    gla_numbers *n = s->in;
    walker w = new_walker(s);
    gla_matrix C = s->CT, N = s->nT, sq = gla_new(n, 1, s->dk), kept = gla_new(n, 1, 1);
    bool empty = is_minus_infinity(w.m);
    gla_zero(C);
    gla_zero(N);
    if (!gla_absent(s->C0) && !empty) gla_copy(C, s->C0);
    if (!gla_absent(s->n0) && !empty) gla_copy(N, s->n0);
    for (size_t t = 0; t < s->T; t++) {
        log_sigmoid_of(w.log_f, gla_row(s->f, t));
        gla_copy(w.log_i, gla_row(s->i, t));
        if (s->options.sigmoid) log_sigmoid_of(w.log_i, gla_row(s->i, t));
        gla_add(kept, w.log_f, w.m);
        if (!s->options.sigmoid) {
            gla_max(w.m, kept, w.log_i);
            still(w.m);
        }
        weight_of(w.fa, kept, w.m);
        weight_of(w.ia, w.log_i, w.m);
        gla_scale(w.key, gla_row(s->k, t), w.ia);
        gla_scale(C, C, w.fa);
        gla_write(C, w.key, gla_row(s->v, t));
        gla_scale(N, N, w.fa);
        gla_add(N, N, gla_transposed(w.key));
        gla_scale(sq, gla_row(s->q, t), s->s);
        gla_read(gla_row(s->h, t), C, sq);
        if (!s->options.unnormalised) divide(s, &w, gla_row(s->h, t), sq, N);
    }
}

/* ---- derivatives ---- */

/* z += <tangent of A, B>. */
static void add_tangent_product(mpfr_t z, gla_matrix A, gla_matrix B) {
    mpfr_t a, b;
    mpfr_inits2(512, a, b, (mpfr_ptr)0);
    for (size_t i = 0; i < A.rows && !gla_absent(B); i++)
        for (size_t j = 0; j < A.cols; j++) {
            gla_dual_get_tangent(A.in, a, gla_at(A, i, j));
            B.in->ops->get_mpfr(B.in, b, gla_at(B, i, j));
            mpfr_fma(z, a, b, z, MPFR_RNDN);
        }
    mpfr_clears(a, b, (mpfr_ptr)0);
}

static void add_loss(mpfr_t z, const mlstm_slice *s) {
    add_tangent_product(z, s->h, s->d_h);
    add_tangent_product(z, s->CT, s->dCT);
    if (!s->options.unnormalised && !s->options.truncated) add_tangent_product(z, s->nT, s->dnT);
}

/* dL along element j of an input, m detached. */
static void derivative(mpfr_t z, const problem *p, gla_numbers *dual, int input, size_t j) {
    size_t mark = gla_mark(dual);
    mlstm_slice s = slice_made(p, dual);
    gla_matrix x = *input_of(&s, input);
    gla_dual_set_tangent(dual, gla_at(x, j / x.cols, j % x.cols), 1);
    detached_forward(&s);
    mpfr_set_zero(z, 1);
    add_loss(z, &s);
    gla_release(dual, mark);
}

static const struct {
    int in, out;
} gradients[] = {{IN_Q, OUT_DQ}, {IN_K, OUT_DK},   {IN_V, OUT_DV},   {IN_I, OUT_DI},
                 {IN_F, OUT_DF}, {IN_C0, OUT_DC0}, {IN_N0, OUT_DN0}, {IN_M0, OUT_DM0}};
enum { GRADIENTS = 8 };

/* One gradient of every solved slice against the derivatives. */
static void check_gradient(const problem *p, int g, const mlstm_slice *solutions, int count, gla_numbers *dual) {
    mpfr_t exact, got;
    distance apart[8];
    mpfr_inits2(512, exact, got, (mpfr_ptr)0);
    for (int i = 0; i < count; i++) {
        distance_begin(&apart[i]);
        mpfr_set_d(apart[i].scale, size_of(&solutions[i]), MPFR_RNDN);
    }
    for (size_t j = 0; j < input_count(p, gradients[g].in); j++) {
        if (isinf(p->at[gradients[g].in][j])) continue;
        derivative(exact, p, dual, gradients[g].in, j);
        for (int i = 0; i < count; i++) {
            gla_matrix m = output_of(&solutions[i], gradients[g].out);
            m.in->ops->get_mpfr(m.in, got, gla_at(m, j / m.cols, j % m.cols));
            distance_add(&apart[i], got, exact);
        }
    }
    for (int i = 0; i < count; i++) {
        double d = distance_end(&apart[i]);
        ck_assert_msg(d <= TOLERANCE, "solution %d: %s differs from the derivative by %g", i,
                      out_names[gradients[g].out], d);
    }
    mpfr_clears(exact, got, (mpfr_ptr)0);
}

static void check_problem(const problem *p) {
    static const char *const forms[] = {"recurrent",
                                        "recurrent+suffix",
                                        "parallel",
                                        "parallel+straddle",
                                        "chunkwise:3:2",
                                        "chunkwise:1:1",
                                        "chunkwise:4:4+anchor",
                                        "chunkwise:16:3+suffix"};
    mlstm_slice solutions[8];
    gla_numbers *dual = numbers_named("dual:256");
    for (int i = 0; i < 8; i++) solutions[i] = solved(p, form_named(forms[i], true), "mpfr:256");
    for (int g = 0; g < GRADIENTS; g++)
        if (p->at[gradients[g].in]) check_gradient(p, g, solutions, 8, dual);
    for (int i = 0; i < 8; i++) gla_numbers_close(solutions[i].in);
    gla_numbers_close(dual);
}

START_TEST(golden_problem) {
    problem p = problem_of_golden(variants[_i].options);
    check_problem(&p);
    forget_problem(&p);
}
END_TEST

/* All variants, small and huge gates, resets, eps. */
START_TEST(every_element) {
    static const random_gates gates[] = {{3, 0, 6}, {3, 0.2, 6}, {100, 0, 6}, {700, 0.1, 5}};
    for (uint32_t i = 0; i < (test_long() ? 100 : 8); i++) {
        test_random r = random_from(1500 + (uint32_t)_i * 100 + i);
        problem p = problem_at_random(&r, variants[_i % VARIANTS].options, gates[_i / VARIANTS]);
        check_problem(&p);
        forget_problem(&p);
    }
}
END_TEST

/* ---- why m may be a constant ---- */

/* dL of the library's forward, nothing detached, the final state in units of e^(m_T as a constant): each number of C_T
 * moves by its tangent and by m_T's times itself. */
static void add_in_fixed_units(mpfr_t z, gla_matrix A, gla_matrix B, gla_matrix m) {
    if (gla_absent(B)) return;
    mpfr_t moved, product;
    mpfr_inits2(512, moved, product, (mpfr_ptr)0);
    mpfr_set_zero(product, 1);
    add_tangent_product(z, A, B);
    add_inner_product(product, A, B);
    gla_dual_get_tangent(m.in, moved, m.at);
    mpfr_fma(z, moved, product, z, MPFR_RNDN);
    mpfr_clears(moved, product, (mpfr_ptr)0);
}

START_TEST(m_may_be_constant) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:3:2"};
    problem p = problem_of_golden(variants[0].options);
    gla_numbers *dual = numbers_named("dual:256");
    mlstm_slice solution = solved(&p, form_named("recurrent", true), "mpfr:256");
    mpfr_t z, got;
    mpfr_inits2(512, z, got, (mpfr_ptr)0);
    for (int g = 0; g < GRADIENTS; g++)
        for (size_t j = 0; j < input_count(&p, gradients[g].in); j++) {
            size_t mark = gla_mark(dual);
            mlstm_slice s = slice_made(&p, dual);
            gla_matrix x = *input_of(&s, gradients[g].in), m = output_of(&solution, gradients[g].out);
            gla_dual_set_tangent(dual, gla_at(x, j / x.cols, j % x.cols), 1);
            run_slice(&s, form_named(forms[_i], false));
            mpfr_set_zero(z, 1);
            add_tangent_product(z, s.h, s.d_h);
            add_in_fixed_units(z, s.CT, s.dCT, s.mT);
            add_in_fixed_units(z, s.nT, s.dnT, s.mT);
            m.in->ops->get_mpfr(m.in, got, gla_at(m, j / m.cols, j % m.cols));
            distance d;
            distance_begin(&d);
            mpfr_set_d(d.scale, size_of(&solution), MPFR_RNDN);
            distance_add(&d, got, z);
            double apart = distance_end(&d);
            ck_assert_msg(apart <= TOLERANCE, "%s: %s[%zu] is off by %g", forms[_i], out_names[gradients[g].out], j,
                          apart);
            gla_release(dual, mark);
        }
    mpfr_clears(z, got, (mpfr_ptr)0);
    gla_numbers_close(solution.in);
    gla_numbers_close(dual);
    forget_problem(&p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm gradients");
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, golden_problem, 0, VARIANTS);
    tcase_add_loop_test(t, every_element, 0, 4 * VARIANTS);
    tcase_add_loop_test(t, m_may_be_constant, 0, 3);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
