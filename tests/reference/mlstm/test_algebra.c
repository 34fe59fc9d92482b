/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold whatever the numbers are, at 256 bits to 1e-60: the formulations are one function; segments chain,
 * padding is nothing; a truncated gradient is exact where it should be; Euler's identities.
 */
#include "slices.h"

#define TOLERANCE 1e-60

/* ---- all formulations and routes are the same function ---- */

static gla_form random_form(test_random *r, gla_formulation kind, size_t T) {
    gla_form form = form_named(gla_formulation_names[kind], true);
    if (kind == GLA_CHUNKWISE) {
        form.C = random_chance(r, 0.2) ? 1 : random_chance(r, 0.2) ? (int64_t)T + 2 : random_between(r, 1, 9);
        form.c = random_between(r, 1, form.C);
    }
    do form.route = (gla_gate_route)random_between(r, 0, GLA_ROUTES - 1);
    while (!mlstm_route_available(kind, form.route));
    return form;
}

static mlstm_options random_options_of(test_random *r) {
    mlstm_options o = variants[random_between(r, 0, VARIANTS - 1)].options;
    o.no_end = random_chance(r, 0.2);
    return o;
}

static void check_forms(uint32_t stream, random_gates gates) {
    test_random r = random_from(stream);
    problem p = problem_at_random(&r, random_options_of(&r), gates);
    mlstm_slice truth = solved(&p, form_named("recurrent", true), "mpfr:256");
    static const gla_formulation kinds[] = {GLA_RECURRENT, GLA_PARALLEL, GLA_CHUNKWISE, GLA_CHUNKWISE};
    for (int i = 0; i < 4; i++) {
        gla_form form = random_form(&r, kinds[i], p.T);
        char text[80], what[160];
        gla_form_print(&form, text, sizeof text);
        snprintf(what, sizeof what, "problem %u (T=%zu dk=%zu dv=%zu, gates %g) %s", stream, p.T, p.dk, p.dv,
                 gates.strength, text);
        mlstm_slice s = solved(&p, form, "mpfr:256");
        check_slices_agree(&truth, &s, TOLERANCE, what);
        gla_numbers_close(s.in);
    }
    gla_numbers_close(truth.in);
    forget_problem(&p);
}

START_TEST(formulations_agree) {
    static const random_gates gates[] = {{1, 0, 17},   {10, 0, 17},  {100, 0, 12},
                                         {700, 0, 12}, {3, 0.2, 17}, {40, 0.5, 9}};
    for (uint32_t i = 0; i < (test_long() ? 2000 : 60); i++) check_forms(400 + (uint32_t)_i * 1000 + i, gates[_i]);
}
END_TEST

/* No token: the state passes, in both directions. */
START_TEST(empty_sequence) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:4:2"};
    problem p = problem_of_golden(variants[0].options);
    p.T = 0;
    mlstm_slice s = solved(&p, form_named(forms[_i], true), "mpfr:256");
    ck_assert_double_eq(matrices_apart(s.CT, s.C0, 0), 0);
    ck_assert_double_eq(matrices_apart(s.nT, s.n0, 0), 0);
    ck_assert_double_eq(matrices_apart(s.mT, s.m0, 0), 0);
    ck_assert_double_eq(matrices_apart(s.dC0, s.dCT, 0), 0);
    ck_assert_double_eq(matrices_apart(s.dn0, s.dnT, 0), 0);
    gla_numbers_close(s.in);
    forget_problem(&p);
}
END_TEST

/* A route that the formulation does not have, or an exponential gate without its normaliser, is refused. */
START_TEST(refusals) {
    static const struct {
        gla_formulation kind;
        gla_gate_route route;
        bool unnormalised;
    } rows[] = {{GLA_RECURRENT, GLA_ROUTE_STRADDLE, false}, {GLA_RECURRENT, GLA_ROUTE_PREFIX, false},
                {GLA_PARALLEL, GLA_ROUTE_DIRECT, false},    {GLA_PARALLEL, GLA_ROUTE_ANCHOR, false},
                {GLA_CHUNKWISE, GLA_ROUTE_DIRECT, false},   {GLA_CHUNKWISE, GLA_ROUTE_STRICT, false},
                {GLA_RECURRENT, GLA_ROUTE_DEFAULT, true},   {GLA_CHUNKWISE, GLA_ROUTE_DEFAULT, true}};
    static mlstm_run *const runs[GLA_FORMULATIONS] = {
        [GLA_RECURRENT] = mlstm_recurrent, [GLA_PARALLEL] = mlstm_parallel, [GLA_CHUNKWISE] = mlstm_chunkwise};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        problem p = problem_of_golden((mlstm_options){.unnormalised = rows[i].unnormalised});
        mlstm_slice s = slice_made(&p, numbers_named("binary64"));
        gla_form form = form_named("chunkwise:4:2", true);
        form.kind = rows[i].kind;
        form.route = rows[i].route;
        ck_assert(rows[i].unnormalised || !mlstm_route_available(form.kind, form.route));
        runs[form.kind](&s, &form);
        ck_assert_int_eq(s.in->status, GLA_UNSUPPORTED);
        gla_numbers_close(s.in);
        forget_problem(&p);
    }
    ck_assert(!mlstm_route_available(GLA_CHUNKWISE_CENTRED, GLA_ROUTE_SUFFIX));
}
END_TEST

/* ---- segments and padding ---- */

/* Rows first.. of the tokens' inputs as a problem of its own, without a state. */
static problem segment(const problem *p, size_t first, size_t count) {
    problem part = *p;
    part.T = count;
    for (int i = 0; i < INPUTS; i++) {
        part.at[i] = NULL;
        bool tokens = i <= IN_F || i == IN_DH;
        if (!tokens) continue;
        give(&part, i);
        size_t width = input_count(&part, i) / count;
        memcpy(part.at[i], p->at[i] + first * width, input_count(&part, i) * sizeof(double));
    }
    return part;
}

static void copy_if(gla_matrix to, gla_matrix from) {
    if (!gla_absent(from)) gla_copy(to, from);
}

/* Two segments with the state carried and its gradient carried back are the whole, to the last gradient. */
START_TEST(segments_chain) {
    test_random r = random_from(1000 + (uint32_t)_i);
    problem p = problem_at_random(&r, variants[_i % VARIANTS].options, (random_gates){10, 0.1, 12});
    while (p.T < 2) forget_problem(&p), p = problem_at_random(&r, p.options, (random_gates){10, 0.1, 12});
    size_t cut = (size_t)random_between(&r, 1, (int64_t)p.T - 1);
    mlstm_slice whole = solved(&p, form_named("chunkwise:3:2", true), "mpfr:256");
    gla_numbers *n = whole.in;
    problem early = segment(&p, 0, cut), late = segment(&p, cut, p.T - cut);
    mlstm_slice a = slice_made(&early, n), b = slice_made(&late, n);
    a.C0 = whole.C0, a.n0 = whole.n0, a.m0 = whole.m0;
    b.dCT = whole.dCT, b.dnT = whole.dnT;
    run_slice(&a, form_named("recurrent", false));
    b.C0 = a.CT, b.n0 = a.nT, b.m0 = a.mT;
    run_slice(&b, form_named("parallel", true));
    a.dCT = b.dC0, a.dnT = b.dn0;
    run_slice(&a, form_named("recurrent", true));
    mlstm_slice joined = whole;
    joined.h = gla_new(n, p.T, p.dv), joined.dv_ = gla_new(n, p.T, p.dv);
    joined.dq = gla_new(n, p.T, p.dk), joined.dk_ = gla_new(n, p.T, p.dk);
    joined.di = gla_new(n, p.T, 1), joined.df = gla_new(n, p.T, 1);
    for (int i = 0; i < OUTPUTS; i++) {
        bool tokens = i == OUT_H || (i >= OUT_DQ && i <= OUT_DF);
        if (!tokens) continue;
        copy_if(gla_rows(output_of(&joined, i), 0, cut), output_of(&a, i));
        copy_if(gla_rows(output_of(&joined, i), cut, p.T - cut), output_of(&b, i));
    }
    joined.CT = b.CT, joined.nT = b.nT, joined.mT = b.mT;
    joined.dC0 = a.dC0, joined.dn0 = a.dn0, joined.dm0 = a.dm0;
    check_slices_agree(&whole, &joined, TOLERANCE, variants[_i % VARIANTS].name);
    gla_numbers_close(n);
    forget_problem(&p);
    forget_problem(&early);
    forget_problem(&late);
}
END_TEST

/* Tokens with f = +inf and i = -inf, wherever they stand, are not there. */
START_TEST(padding_is_nothing) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:3:2"};
    test_random r = random_from(1100 + (uint32_t)_i);
    problem p = problem_at_random(&r, variants[_i % VARIANTS].options, (random_gates){5, 0, 9}), padded = p;
    mlstm_slice plain = solved(&p, form_named("recurrent", true), "mpfr:256");
    padded.T = p.T + 3;
    size_t places[3] = {0, p.T / 2 + 1, p.T + 2}; /* rows of the padded problem */
    for (int i = 0; i < INPUTS; i++) {
        if (!p.at[i]) continue;
        give(&padded, i);
        bool tokens = i <= IN_F || i == IN_DH;
        size_t width = tokens ? input_count(&p, i) / p.T : input_count(&p, i), from = 0;
        for (size_t t = 0; t < (tokens ? padded.T : 1); t++) {
            bool pad = tokens && (t == places[0] || t == places[1] || t == places[2]);
            for (size_t j = 0; j < width; j++)
                padded.at[i][t * width + j] = !pad        ? p.at[i][from * width + j]
                                              : i == IN_F ? (double)INFINITY
                                              : i == IN_I ? -INFINITY
                                                          : 0;
            from += !pad;
        }
    }
    mlstm_slice s = solved(&padded, form_named(forms[_i % 3], true), "mpfr:256"), kept = s;
    for (int i = 0; i < OUTPUTS; i++) {
        bool tokens = i == OUT_H || (i >= OUT_DQ && i <= OUT_DF);
        gla_matrix m = output_of(&s, i);
        for (size_t t = 0, to = 0; tokens && t < padded.T; t++) {
            if (t == places[0] || t == places[1] || t == places[2]) continue;
            if (to != t) gla_copy(gla_row(m, to), gla_row(m, t));
            to++;
        }
    }
    gla_matrix *const rows[] = {&kept.h, &kept.dq, &kept.dk_, &kept.dv_, &kept.di, &kept.df};
    for (int i = 0; i < 6; i++) *rows[i] = gla_rows(*rows[i], 0, p.T);
    check_slices_agree(&plain, &kept, TOLERANCE, forms[_i % 3]);
    gla_numbers_close(plain.in);
    gla_numbers_close(s.in);
    forget_problem(&p);
    forget_problem(&padded);
}
END_TEST

/* ---- identities ---- */

static double inner_product_of(gla_matrix A, gla_matrix B) {
    mpfr_t z;
    mpfr_init2(z, 512);
    mpfr_set_zero(z, 1);
    if (!gla_absent(A) && !gla_absent(B)) add_inner_product(z, A, B);
    double d = mpfr_get_d(z, MPFR_RNDN);
    mpfr_clear(z);
    return d;
}

/* dh_t orthogonal to h_t and dn_T = 0: truncated = full. In a truncated gradient v_t.dv_t = k_t.dk_t for every t. */
START_TEST(truncated_gradient) {
    test_random r = random_from(1200 + (uint32_t)_i);
    problem p = problem_at_random(&r, variants[0].options, (random_gates){5, 0, 9});
    free(p.at[IN_DNT]), free(p.at[IN_V]), free(p.at[IN_C0]), free(p.at[IN_DCT]), free(p.at[IN_DH]);
    p.at[IN_DNT] = p.at[IN_C0] = p.at[IN_DCT] = NULL;
    p.dv = 2;
    p.eps = 0;
    give(&p, IN_V), give(&p, IN_DH);
    for (size_t i = 0; i < 2 * p.T; i++) p.at[IN_V][i] = random_signed(&r);
    mlstm_slice s = solved(&p, form_named("recurrent", false), "mpfr:256"), t;
    gla_copy(gla_column(s.d_h, 0), gla_column(s.h, 1));
    gla_neg(gla_column(s.d_h, 1), gla_column(s.h, 0));
    t = slice_made(&p, s.in);
    t.d_h = s.d_h;
    t.options.truncated = true;
    run_slice(&s, form_named("chunkwise:4:2", true));
    run_slice(&t, form_named("chunkwise:4:2", true));
    check_slices_agree(&s, &t, TOLERANCE, "orthogonal dh");
    for (size_t i = 0; i < p.T; i++) /* any dh */
        for (size_t j = 0; j < 2; j++) s.in->ops->set_d(s.in, gla_at(t.d_h, i, j), random_signed(&r));
    run_slice(&t, form_named("recurrent", true));
    for (size_t i = 0; i < p.T; i++) {
        double kdk = inner_product_of(gla_row(t.k, i), gla_row(t.dk_, i));
        double vdv = inner_product_of(gla_row(t.v, i), gla_row(t.dv_, i));
        ck_assert_double_eq_tol(kdk, vdv, 1e-14 * (fabs(kdk) + size_of(&t)));
    }
    gla_numbers_close(s.in);
    forget_problem(&p);
}
END_TEST

/* For a generic dh they are different things. */
START_TEST(truncated_is_not_full) {
    problem p = problem_of_golden((mlstm_options){0});
    mlstm_slice full = solved(&p, form_named("recurrent", true), "binary64");
    p.options.truncated = true;
    mlstm_slice truncated = solved(&p, form_named("recurrent", true), "binary64");
    static const int outputs[] = {OUT_DQ, OUT_DK, OUT_DI, OUT_DF};
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_gt(matrices_apart(output_of(&full, outputs[i]), output_of(&truncated, outputs[i]), 0), 0.1);
    ck_assert_double_eq(matrices_apart(full.dv_, truncated.dv_, 0), 0);
    gla_numbers_close(full.in);
    gla_numbers_close(truncated.in);
    forget_problem(&p);
}
END_TEST

/* h is linear in (v, C_0) and, unnormalised, in (k, C_0): Euler's identities. To binary64, in which they are read. */
START_TEST(euler) {
    problem p = problem_of_golden(variants[_i].options);
    mlstm_slice s = solved(&p, form_named("parallel", true), "mpfr:256");
    bool unnormalised = p.options.unnormalised;
    double out = inner_product_of(s.h, s.d_h) + inner_product_of(s.CT, s.dCT);
    double values = inner_product_of(s.v, s.dv_) + inner_product_of(s.C0, s.dC0);
    ck_assert_double_eq_tol(out, values, 1e-14 * fabs(out));
    double keys = inner_product_of(s.k, s.dk_) + inner_product_of(s.C0, s.dC0);
    if (unnormalised) ck_assert_double_eq_tol(out, keys, 1e-14 * fabs(out));
    gla_numbers_close(s.in);
    forget_problem(&p);
}
END_TEST

/* no_end leaves out the constant <C_T,dC_T> + <n_T,dn_T> of d log f, as public chunkwise kernels do. */
START_TEST(without_end) {
    problem p = problem_of_golden(variants[_i].options);
    mlstm_slice with = solved(&p, form_named("parallel", true), "mpfr:256");
    p.options.no_end = true;
    mlstm_slice without = solved(&p, form_named("chunkwise:3:2", true), "mpfr:256");
    double end = inner_product_of(with.CT, with.dCT);
    if (!p.options.unnormalised && !p.options.truncated) end += inner_product_of(with.nT, with.dnT);
    for (size_t t = 0; t < p.T; t++) {
        double a = with.in->ops->get_d(with.in, gla_at(with.df, t, 0));
        double b = without.in->ops->get_d(without.in, gla_at(without.df, t, 0));
        ck_assert_double_eq_tol(a - b, end / (1 + exp(p.at[IN_F][t])), 1e-14 * (fabs(a) + fabs(end)));
    }
    gla_numbers_close(with.in);
    gla_numbers_close(without.in);
    forget_problem(&p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm algebra");
    TCase *t = tcase_create("algebra");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, formulations_agree, 0, 6);
    tcase_add_loop_test(t, empty_sequence, 0, 3);
    tcase_add_test(t, refusals);
    tcase_add_loop_test(t, segments_chain, 0, 12);
    tcase_add_loop_test(t, padding_is_nothing, 0, 12);
    tcase_add_loop_test(t, truncated_gradient, 0, 4);
    tcase_add_test(t, truncated_is_not_full);
    tcase_add_loop_test(t, euler, 0, VARIANTS);
    tcase_add_loop_test(t, without_end, 0, VARIANTS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
