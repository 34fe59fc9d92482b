/* SPDX-License-Identifier: Apache-2.0
 *
 * The plumbing around a slice, at 256 bits to 1e-60: padding, context splits,
 * packed segments, reversal, shared heads, permutations, strides; and g = -inf as an exact restart
 * of the sequence.
 */
#include "slices.h"

#define TOLERANCE 1e-60

static const char *const forms[] = {"recurrent", "parallel", "chunkwise:4:2", "chunkwise:3:3+materialised"};
enum { FORMS = 4 };

/* ---- comparing parts of two runs ---- */

/* The numbers of one output in run a at [x0..], in run b at [y0..], `shape` of them. */
typedef struct block {
    int64_t a[4], b[4], shape[4];
} block;

static double blocks_apart(const test_run *a, const test_run *b, gla_output name, block w) {
    distance d;
    mpfr_t x, y;
    int64_t i[4];
    distance_begin(&d);
    mpfr_inits2(512, x, y, (mpfr_ptr)0);
    if (name == GLA_DGK || name == GLA_DGV) distance_floor(&d, a);
    for (i[0] = 0; i[0] < w.shape[0]; i[0]++)
        for (i[1] = 0; i[1] < w.shape[1]; i[1]++)
            for (i[2] = 0; i[2] < w.shape[2]; i[2]++)
                for (i[3] = 0; i[3] < w.shape[3]; i[3]++) {
                    run_get(x, a, name, run_index(a, name, w.a[0] + i[0], w.a[1] + i[1], w.a[2] + i[2], w.a[3] + i[3]));
                    run_get(y, b, name, run_index(b, name, w.b[0] + i[0], w.b[1] + i[1], w.b[2] + i[2], w.b[3] + i[3]));
                    distance_add(&d, x, y);
                }
    mpfr_clears(x, y, (mpfr_ptr)0);
    return distance_end(&d);
}

/* Tokens a0.. of a against b0.. of b, `count` of them, and state slot na against nb; all heads. */
static void check_tokens(const test_run *a, const test_run *b, int64_t a0, int64_t b0, int64_t count, int64_t na,
                         int64_t nb, const char *what) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!run_has(a, name) && !run_has(b, name)) continue;
        const int64_t *s = a->result.tensor[name].shape;
        block w = gla_is_state_output(name) ? (block){{na}, {nb}, {1, s[1], s[2], s[3]}}
                                            : (block){{0, a0}, {0, b0}, {1, count, s[2], s[3]}};
        double apart = blocks_apart(a, b, name, w);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", what, gla_output_names[name], apart);
    }
}

/* Copies `count` tokens (or whole states) of every input of `from` to `to`; both have B = 1 and the
 * same heads. */
static void copy_tokens(test_problem *to, int64_t to0, const test_problem *from, int64_t from0, int64_t count) {
    for (int i = 0; i < GATED_INPUTS; i++) {
        if (!from->at[i] || gla_is_state_input((gla_input)i)) continue;
        int64_t s[4], heads = gla_problem_input(&to->p, (gla_input)i)->heads;
        shape_of(&to->p, (gla_input)i, heads, s);
        int64_t token = s[2] * s[3];
        memcpy(to->at[i] + to0 * token, from->at[i] + from0 * token, (size_t)(count * token) * sizeof(double));
    }
}

static void copy_state(test_problem *to, int64_t to_n, const test_problem *from, int64_t from_n, gla_input name) {
    int64_t s[4];
    shape_of(&to->p, name, gla_problem_input(&to->p, name)->heads, s);
    int64_t state = s[1] * s[2] * s[3];
    memcpy(to->at[name] + to_n * state, from->at[name] + from_n * state, (size_t)state * sizeof(double));
}

/* One batch row of T tokens, two heads, everything present. */
static void problem_full(test_problem *x, test_random *r, int64_t T, int64_t N, double strength) {
    *x = problem_sized(1, T, 2, 3, 4);
    x->p.N = N;
    for (int i = 0; i < GATED_INPUTS; i++) {
        problem_give(x, (gla_input)i, 2);
        problem_fill(x, (gla_input)i, r, strength, 0);
    }
}

/* ---- section 14 ---- */

/* Tokens of zeros with gate 0 after the end change nothing. */
START_TEST(padding) {
    test_random r = random_from(10);
    test_problem x, padded;
    problem_full(&x, &r, 6, 1, 1);
    problem_full(&padded, &r, 9, 1, 1);
    for (int i = 0; i < GATED_INPUTS; i++)
        if (!gla_is_state_input((gla_input)i))
            memset(padded.at[i], 0, (size_t)problem_count(&padded, (gla_input)i) * sizeof(double));
    copy_tokens(&padded, 0, &x, 0, 6);
    copy_state(&padded, 0, &x, 0, GLA_IN_INITIAL_STATE);
    copy_state(&padded, 0, &x, 0, GLA_IN_DFINAL_STATE);
    test_run a = run_problem(&x.p, forms[_i], "mpfr:256"), b = run_problem(&padded.p, forms[_i], "mpfr:256");
    check_tokens(&a, &b, 0, 0, 6, 0, 0, forms[_i]);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&padded);
}
END_TEST

static gla_matrix first_rows(gla_matrix m, size_t first, size_t count) {
    return gla_absent(m) ? m : gla_rows(m, first, count);
}

/* Rows first.. of a slice: inputs and outputs are views of the whole. */
static gated_slice slice_rows(gated_slice s, size_t first, size_t count) {
    gla_matrix *rows[] = {&s.q, &s.k, &s.v, &s.gk, &s.gv, &s.o, &s.d_o, &s.dq, &s.dk_, &s.dv_, &s.dgk, &s.dgv};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) *rows[i] = first_rows(*rows[i], first, count);
    s.T = count;
    return s;
}

static void (*const run_slice[FORMS])(const gated_slice *, const gla_form *) = {gated_recurrent, gated_parallel,
                                                                                gated_chunkwise, gated_chunkwise};

/* S after the first part is S_0 of the second; dS_0 of the second is dS_T of the first; the rest is
 * the same. */
START_TEST(context_split) {
    test_random r = random_from(20);
    test_problem x;
    gla_numbers *n;
    problem_full(&x, &r, 9, 1, 1);
    ck_assert_int_eq(gla_numbers_open("mpfr:256", &n, NULL), GLA_OK);
    gla_form form = form_named(forms[_i], true);
    gated_slice whole = slice_of(&x, n, 0, 1);
    run_slice[_i](&whole, &form);
    for (size_t cut = 1; cut < 9; cut++) {
        gated_slice forward = slice_rows(slice_of(&x, n, 0, 1), 0, cut), parts = slice_of(&x, n, 0, 1);
        gated_slice early = slice_rows(parts, 0, cut), late = slice_rows(parts, cut, 9 - cut);
        form.backward = false;
        run_slice[_i](&forward, &form);
        form.backward = true;
        late.S0 = forward.ST;
        late.dS0 = early.dST = gla_new(n, 3, 4);
        early.ST = gla_new(n, 3, 4);
        run_slice[_i](&late, &form);
        run_slice[_i](&early, &form);
        gla_matrix pairs[][2] = {{whole.o, parts.o},     {whole.ST, parts.ST},   {whole.dq, parts.dq},
                                 {whole.dk_, parts.dk_}, {whole.dv_, parts.dv_}, {whole.dgk, parts.dgk},
                                 {whole.dgv, parts.dgv}, {whole.dS0, parts.dS0}};
        for (int i = 0; i < GATED_OUTPUTS; i++) {
            double apart = matrices_apart(pairs[i][0], pairs[i][1], 0);
            ck_assert_msg(apart <= TOLERANCE, "%s cut at %zu: %s differs by %g", forms[_i], cut, gla_output_names[i],
                          apart);
        }
    }
    ck_assert_int_eq(n->status, GLA_OK);
    gla_numbers_close(n);
    problem_free(&x);
}
END_TEST

/* Packed segments equal separate runs; an empty one hands its state through. */
START_TEST(packed_segments) {
    static const int64_t cu[] = {0, 0, 1, 1, 6, 13};
    test_random r = random_from(30);
    test_problem x;
    problem_full(&x, &r, 13, 5, 1);
    problem_segments(&x, 5, cu);
    x.p.reverse = _i >= FORMS;
    const char *form = forms[_i % FORMS];
    test_run packed = run_problem(&x.p, form, "mpfr:256");
    for (int64_t n = 0; n < 5; n++) {
        int64_t count = cu[n + 1] - cu[n];
        if (count == 0) continue;
        test_problem one;
        problem_full(&one, &r, count, 1, 1);
        one.p.reverse = x.p.reverse;
        copy_tokens(&one, 0, &x, cu[n], count);
        copy_state(&one, 0, &x, n, GLA_IN_INITIAL_STATE);
        copy_state(&one, 0, &x, n, GLA_IN_DFINAL_STATE);
        test_run alone = run_problem(&one.p, form, "mpfr:256");
        check_tokens(&packed, &alone, cu[n], 0, count, n, 0, form);
        run_free(&alone);
        problem_free(&one);
    }
    static const int64_t empty[] = {0, 2};
    for (int e = 0; e < 2; e++)
        for (int64_t i = 0; i < 24; i++) {
            int64_t at = empty[e] * 24 + i;
            ck_assert_double_eq(gla_result_d(&packed.result, GLA_FINAL_STATE, at), x.at[GLA_IN_INITIAL_STATE][at]);
            ck_assert_double_eq(gla_result_d(&packed.result, GLA_DINITIAL_STATE, at), x.at[GLA_IN_DFINAL_STATE][at]);
        }
    run_free(&packed);
    problem_free(&x);
}
END_TEST

/* A reversed run is a run on reversed inputs, read backwards. */
START_TEST(reversal) {
    test_random r = random_from(40);
    test_problem x, turned;
    problem_full(&x, &r, 8, 1, 1);
    problem_full(&turned, &r, 8, 1, 1);
    for (int64_t t = 0; t < 8; t++) copy_tokens(&turned, t, &x, 7 - t, 1);
    copy_state(&turned, 0, &x, 0, GLA_IN_INITIAL_STATE);
    copy_state(&turned, 0, &x, 0, GLA_IN_DFINAL_STATE);
    x.p.reverse = true;
    test_run a = run_problem(&x.p, forms[_i], "mpfr:256"), b = run_problem(&turned.p, forms[_i], "mpfr:256");
    for (int64_t t = 0; t < 8; t++) check_tokens(&a, &b, t, 7 - t, 1, 0, 0, forms[_i]);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&turned);
}
END_TEST

/* ---- g = -inf ---- */

/* All channels of one side reset at tokens 3 and 4 (and 0 in the second half of the cases): the
 * same as three packed segments whose later ones start from 0 and whose earlier ones end unused. */
START_TEST(reset_is_a_restart) {
    bool at_start = _i >= 2 * FORMS;
    gla_input gate = _i / FORMS % 2 ? GLA_IN_GV : GLA_IN_GK;
    const char *form = forms[_i % FORMS];
    static const int64_t cu[] = {0, 3, 4, 9};
    test_random r = random_from(80);
    test_problem x, split;
    problem_full(&x, &r, 9, 1, 1);
    int64_t width = 2 * (gate == GLA_IN_GV ? 4 : 3);
    for (int64_t i = 0; i < width; i++) {
        x.at[gate][3 * width + i] = x.at[gate][4 * width + i] = -INFINITY;
        if (at_start) x.at[gate][i] = -INFINITY;
    }
    problem_full(&split, &r, 9, 3, 1);
    problem_segments(&split, 3, cu);
    copy_tokens(&split, 0, &x, 0, 9);
    memset(split.at[GLA_IN_INITIAL_STATE], 0, 72 * sizeof(double));
    memset(split.at[GLA_IN_DFINAL_STATE], 0, 72 * sizeof(double));
    if (!at_start) copy_state(&split, 0, &x, 0, GLA_IN_INITIAL_STATE);
    copy_state(&split, 2, &x, 0, GLA_IN_DFINAL_STATE);
    /* The segments begin fresh, so their first gates only scale a zero state: finite ones serve as
     * well. */
    for (int64_t i = 0; i < width; i++) split.at[gate][3 * width + i] = split.at[gate][4 * width + i] = -1;
    test_run a = run_problem(&x.p, form, "mpfr:256"), b = run_problem(&split.p, form, "mpfr:256");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        const int64_t *s = a.result.tensor[name].shape;
        block w = {{0}, {0}, {s[0], s[1], s[2], s[3]}};
        if (name == GLA_FINAL_STATE) w.b[0] = 2;
        double apart = blocks_apart(&a, &b, name, w);
        ck_assert_msg(apart <= TOLERANCE, "%s reset by %s: %s differs by %g", form, gla_input_names[gate],
                      gla_output_names[name], apart);
    }
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&split);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated layout");
    TCase *t = tcase_create("layout");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, padding, 0, FORMS);
    tcase_add_loop_test(t, context_split, 0, FORMS);
    tcase_add_loop_test(t, packed_segments, 0, 2 * FORMS);
    tcase_add_loop_test(t, reversal, 0, FORMS);
    tcase_add_loop_test(t, reset_is_a_restart, 0, 4 * FORMS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
