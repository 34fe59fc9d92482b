/* SPDX-License-Identifier: Apache-2.0
 *
 * Every verb in every number system against the plain formula at 400 bits (bench.h), over operands that are dense,
 * transposed, or strided with NaN in the gaps, which nothing may read or write. Then views, memory and failure.
 */
#include "bench.h"

/* ---- elementwise ---- */

/* z_ij = sum of the terms s1*x (*y) and s2*y, as the verb says. */
static void check_binary(bench *b, const char *what, void (*verb)(gla_matrix, gla_matrix, gla_matrix), bool product,
                         int sign, bool onto, bool in_place) {
    operand x = operand_new(b, 3, 4), y = operand_new(b, 3, 4), z = in_place ? x : operand_new(b, 3, 4);
    plain px = plain_of(x.m), py = plain_of(y.m), wanted = onto ? plain_of(z.m) : plain_zero(3, 4);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++) {
            add_term(wanted, i, j, 1, element(px, i, j), product ? element(py, i, j) : NULL);
            if (!product) add_term(wanted, i, j, sign, element(py, i, j), NULL);
        }
    verb(z.m, x.m, y.m);
    check(b, z, wanted, 1, what);
    plain_free(px);
    plain_free(py);
}

static void elementwise(bench *b) {
    for (int in_place = 0; in_place < 2; in_place++) {
        check_binary(b, "add", gla_add, false, 1, false, in_place);
        check_binary(b, "sub", gla_sub, false, -1, false, in_place);
        check_binary(b, "mul", gla_mul, true, 1, false, in_place);
    }
    check_binary(b, "mul_add", gla_mul_add, true, 1, true, false);
    operand x = operand_new(b, 4, 2), z = operand_new(b, 4, 2), s = operand_new(b, 1, 1);
    gla_copy(z.m, x.m);
    check(b, z, plain_of(x.m), 0, "copy");
    plain wanted = plain_zero(4, 2), px = plain_of(x.m), ps = plain_of(s.m);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 2; j++) add_term(wanted, i, j, -1, element(px, i, j), NULL);
    gla_neg(z.m, x.m);
    check(b, z, wanted, 0, "neg");
    wanted = plain_zero(4, 2);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 2; j++) add_term(wanted, i, j, 1, element(px, i, j), element(ps, 0, 0));
    gla_scale(z.m, x.m, s.m);
    check(b, z, wanted, 1, "scale");
    gla_zero(z.m);
    check(b, z, plain_zero(4, 2), 0, "zero");
    plain_free(px);
    plain_free(ps);
}

/* e^x within one rounding; e^0 = 1 exactly. */
static void exponential(bench *b) {
    operand x = operand_new(b, 3, 3), z = operand_new(b, 3, 3);
    b->n->ops->set_d(b->n, gla_at(x.m, 1, 1), 0);
    plain wanted = plain_of(x.m);
    for (size_t i = 0; i < 9; i++) mpfr_exp(wanted.value[i], wanted.value[i], MPFR_RNDN);
    for (size_t i = 0; i < 9; i++) mpfr_set(wanted.size[i], wanted.value[i], MPFR_RNDN);
    gla_exp(z.m, x.m);
    ck_assert_double_eq(number(z.m, 1, 1), 1);
    bool exact = b->exact;
    b->exact = false; /* e^1 is nobody's number */
    check(b, z, wanted, 1, "exp");
    b->exact = exact;
}

/* ln(1+x), e^x - 1, x / d, the larger and the comparison; results over operands too. */
static void quotients_and_comparisons(bench *b) {
    operand x = operand_new(b, 3, 4), y = operand_new(b, 3, 4), z = operand_new(b, 3, 4), d = operand_new(b, 1, 1);
    for (size_t i = 0; i < 12; i++) {
        gla_matrix one = gla_row(gla_column(x.m, i % 4), i / 4);
        if (number(one, 0, 0) < 0) gla_neg(one, one);
    }
    b->n->ops->set_d(b->n, d.m.at, b->exact ? -1 : -0.75); /* every system has these */
    operand e = operand_new(b, 3, 4);
    for (size_t i = 0; i < 12; i++) /* nothing divides by 0 */
        b->n->ops->set_d(b->n, gla_at(e.m, i / 4, i % 4),
                         b->exact ? 1 - 2 * (double)(i % 2) : 0.5 + (double)(i % 3) / 4);
    plain px = plain_of(x.m), py = plain_of(y.m), pd = plain_of(d.m), pe = plain_of(e.m), each = plain_zero(3, 4);
    plain quotient = plain_zero(3, 4), log = plain_zero(3, 4), larger = plain_zero(3, 4), above = plain_zero(3, 4),
          power = plain_zero(3, 4);
    for (size_t i = 0; i < 12; i++) {
        mpfr_div(quotient.value[i], px.value[i], pd.value[0], MPFR_RNDN);
        mpfr_abs(quotient.size[i], quotient.value[i], MPFR_RNDN);
        mpfr_div(each.value[i], px.value[i], pe.value[i], MPFR_RNDN);
        mpfr_abs(each.size[i], each.value[i], MPFR_RNDN);
        mpfr_log1p(log.value[i], px.value[i], MPFR_RNDN);
        mpfr_set(log.size[i], log.value[i], MPFR_RNDN);
        mpfr_expm1(power.value[i], px.value[i], MPFR_RNDN);
        mpfr_set(power.size[i], power.value[i], MPFR_RNDN);
        mpfr_max(larger.value[i], px.value[i], py.value[i], MPFR_RNDN);
        mpfr_set_ui(above.value[i], mpfr_greater_p(px.value[i], py.value[i]) != 0, MPFR_RNDN);
    }
    gla_divide(z.m, x.m, d.m);
    check(b, z, quotient, 1, "divide");
    gla_quotient(z.m, x.m, e.m);
    check(b, z, each, 1, "quotient");
    gla_max(z.m, x.m, y.m);
    check(b, z, larger, 0, "max");
    gla_above(z.m, x.m, y.m);
    check(b, z, above, 0, "above");
    gla_max(z.m, x.m, y.m);
    gla_max(y.m, x.m, y.m);
    check(b, y, plain_of(z.m), 0, "max in place");
    bool exact = b->exact;
    b->exact = false; /* e - 1 and ln 2 are nobody's numbers */
    gla_expm1(z.m, x.m);
    check(b, z, power, 1, "expm1");
    gla_log1p(x.m, x.m);
    check(b, x, log, 1, "log1p");
    b->exact = exact;
    plain_free(px);
    plain_free(py);
    plain_free(pd);
    plain_free(pe);
}

/* ---- the recurrence and the products ---- */

static void decay(bench *b, bool rows, bool cols) {
    operand S = operand_new(b, 3, 5), a = operand_new(b, 1, 3), c = operand_new(b, 1, 5);
    plain pS = plain_of(S.m), pa = plain_of(a.m), pc = plain_of(c.m), wanted = plain_zero(3, 5);
    mpfr_t factor;
    mpfr_init2(factor, 400);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 5; j++) {
            mpfr_set_ui(factor, 1, MPFR_RNDN);
            if (rows) mpfr_mul(factor, factor, element(pa, 0, i), MPFR_RNDN);
            if (cols) mpfr_mul(factor, factor, element(pc, 0, j), MPFR_RNDN);
            add_term(wanted, i, j, 1, element(pS, i, j), factor);
        }
    gla_decay(S.m, rows ? a.m : (gla_matrix){0}, cols ? c.m : (gla_matrix){0});
    check(b, S, wanted, (unsigned long)(rows + cols), "decay");
    mpfr_clear(factor);
    plain_free(pS);
    plain_free(pa);
    plain_free(pc);
}

static void write_and_read(bench *b) {
    operand S = operand_new(b, 4, 3), k = operand_new(b, 1, 4), v = operand_new(b, 1, 3), o = operand_new(b, 1, 3);
    operand back = operand_new(b, 1, 4);
    plain wanted = plain_of(S.m), pk = plain_of(k.m), pv = plain_of(v.m);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 3; j++) add_term(wanted, i, j, 1, element(pk, 0, i), element(pv, 0, j));
    gla_write(S.m, k.m, v.m);
    check(b, S, wanted, 1, "write");
    plain pS = plain_of(S.m);
    wanted = plain_zero(1, 3);
    for (size_t j = 0; j < 3; j++)
        for (size_t i = 0; i < 4; i++) add_term(wanted, 0, j, 1, element(pk, 0, i), element(pS, i, j));
    gla_read(o.m, S.m, k.m);
    check(b, o, wanted, 5, "read");
    wanted = plain_zero(1, 4);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 3; j++) add_term(wanted, 0, i, 1, element(pv, 0, j), element(pS, i, j));
    gla_read(back.m, gla_transposed(S.m), v.m);
    check(b, back, wanted, 4, "read of a transpose");
    plain_free(pk);
    plain_free(pv);
    plain_free(pS);
}

static void products(bench *b) {
    operand A = operand_new(b, 3, 4), B = operand_new(b, 4, 2), C = operand_new(b, 3, 2);
    plain pA = plain_of(A.m), pB = plain_of(B.m), wanted = plain_of(C.m);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 2; j++)
            for (size_t c = 0; c < 4; c++) add_term(wanted, i, j, 1, element(pA, i, c), element(pB, c, j));
    gla_product(C.m, A.m, B.m);
    check(b, C, wanted, 5, "product");
    operand D = operand_new(b, 3, 4), z = operand_new(b, 1, 3);
    plain pD = plain_of(D.m);
    wanted = plain_of(z.m);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++) add_term(wanted, 0, i, 1, element(pA, i, j), element(pD, i, j));
    gla_row_dot(z.m, A.m, D.m);
    check(b, z, wanted, 5, "row_dot");
    plain_free(pA);
    plain_free(pB);
    plain_free(pD);
}

static void lower(bench *b, bool strict) {
    operand P = operand_new(b, 4, 4);
    plain wanted = plain_of(P.m);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            if (j > i || (strict && j == i)) mpfr_set_zero(element(wanted, i, j), 1);
    gla_lower(P.m, strict);
    check(b, P, wanted, 0, "lower");
}

/* ---- sums over time ---- */

static void sums(bench *b) {
    operand x = operand_new(b, 6, 2), z = operand_new(b, 6, 2);
    plain px = plain_of(x.m), suffix = plain_zero(6, 2), prefix = plain_zero(6, 2), again = plain_zero(6, 2);
    for (size_t t = 0; t < 6; t++)
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 2; j++) {
                if (i >= t) add_term(suffix, t, j, 1, element(px, i, j), NULL);
                if (i >= t) add_term(again, t, j, 1, element(px, i, j), NULL);
                if (i < t) add_term(prefix, t, j, 1, element(px, i, j), NULL);
            }
    gla_prefix_sum(z.m, x.m);
    check(b, z, prefix, 6, "prefix_sum");
    gla_suffix_sum(z.m, x.m);
    check(b, z, suffix, 6, "suffix_sum");
    gla_suffix_sum(x.m, x.m);
    check(b, x, again, 6, "suffix_sum in place");
    plain_free(px);
}

/* ---- the tests ---- */

START_TEST(verbs) {
    for (uint32_t round = 0; round < 24; round++) {
        bench b = bench_open(_i, 900 + round, round % 2);
        elementwise(&b);
        exponential(&b);
        quotients_and_comparisons(&b);
        for (int i = 0; i < 4; i++) decay(&b, i & 1, i & 2);
        write_and_read(&b);
        products(&b);
        lower(&b, false);
        lower(&b, true);
        sums(&b);
        bench_close(&b);
    }
}
END_TEST

START_TEST(views) {
    bench b = bench_open(_i, 980, true);
    gla_matrix m = gla_new(b.n, 3, 4);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++) {
            ck_assert_double_eq(number(m, i, j), 0); /* new matrices are zero */
            b.n->ops->set_d(b.n, gla_at(m, i, j), (double)(i + j));
        }
    gla_matrix t = gla_transposed(m), row = gla_row(m, 2), rows = gla_rows(m, 1, 2);
    ck_assert(t.rows == 4 && t.cols == 3 && row.rows == 1 && row.cols == 4 && rows.rows == 2 && rows.cols == 4);
    ck_assert_ptr_eq(gla_at(t, 3, 1), gla_at(m, 1, 3));
    ck_assert_ptr_eq(gla_at(row, 0, 3), gla_at(m, 2, 3));
    ck_assert_ptr_eq(gla_at(rows, 1, 2), gla_at(m, 2, 2));
    ck_assert_ptr_eq(gla_at(gla_row(t, 3), 0, 2), gla_at(m, 2, 3));
    gla_matrix over = gla_over(b.n, gla_at(m, 1, 0), 2, 4);
    ck_assert_ptr_eq(gla_at(over, 1, 3), gla_at(m, 2, 3));
    gla_round_at(m, GLA_SITE_OUTPUT); /* an ordinary system does nothing at a site */
    ck_assert_double_eq(number(m, 2, 3), 5);
    ck_assert(gla_absent(gla_transposed((gla_matrix){0})));
    bench_close(&b);
}
END_TEST

/* Marks nest; what was made before one survives its release. */
START_TEST(memory) {
    bench b = bench_open(_i, 990, true);
    gla_matrix kept = gla_new(b.n, 2, 2);
    b.n->ops->set_d(b.n, gla_at(kept, 1, 1), 3);
    for (int round = 0; round < 50; round++) {
        size_t outer = gla_mark(b.n);
        for (int i = 0; i < 10; i++) gla_new(b.n, 3, 3);
        size_t inner = gla_mark(b.n);
        ck_assert_uint_gt(inner, outer);
        gla_new(b.n, 5, 5);
        gla_release(b.n, inner);
        ck_assert_uint_eq(gla_mark(b.n), inner);
        gla_release(b.n, outer);
        ck_assert_uint_eq(gla_mark(b.n), outer);
    }
    ck_assert_double_eq(number(kept, 1, 1), 3);
    gla_matrix empty = gla_new(b.n, 0, 4);
    gla_matrix zero = gla_new(b.n, 2, 4), thin = gla_new(b.n, 2, 0);
    gla_product(zero, thin, gla_new(b.n, 0, 4)); /* a sum of nothing */
    gla_copy(empty, empty);
    ck_assert_double_eq(number(zero, 1, 3), 0);
    bench_close(&b);
}
END_TEST

/* After the first failure verbs do nothing, and the failure stays. */
START_TEST(failure_sticks) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open(systems[_i].name, &n, NULL), GLA_OK);
    gla_matrix x = gla_new(n, 1, 1), y = gla_new(n, 1, 1);
    n->ops->set_d(n, gla_at(x, 0, 0), 1);
    n->status = GLA_NO_MEMORY;
    gla_add(y, x, x);
    gla_copy(y, x);
    gla_product(y, x, x);
    gla_exp(y, x);
    ck_assert_double_eq(number(y, 0, 0), 0);
    gla_matrix none = gla_new(n, 2, 2);
    ck_assert(gla_absent(none));
    gla_copy(none, none);
    gla_gates gate = gla_gate_sum(n, x);
    gla_decay_in(y, gate, 0);
    ck_assert_int_eq(n->status, GLA_NO_MEMORY);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("verbs");
    TCase *t = tcase_create("verbs");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, verbs, 0, SYSTEMS);
    tcase_add_loop_test(t, views, 0, SYSTEMS);
    tcase_add_loop_test(t, memory, 0, SYSTEMS);
    tcase_add_loop_test(t, failure_sticks, 0, SYSTEMS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
