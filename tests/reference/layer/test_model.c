/* SPDX-License-Identifier: Apache-2.0
 *
 * Small language models against plain code (plain_model.h): logits and loss to 1e-60 in mpfr:256, in every formulation
 * of the core; binary64 to what its rounding allows; reading in pieces gives the bits of reading at once.
 */
#include "tests/reference/layer/plain_model.h"

static gla_numbers *opened(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s", err.what);
    return n;
}

/* Logits of the text, read in pieces of `step` tokens, in model m; the core as `core` has it. */
static gla_matrix logits_of(const gla_model *m, const gla_layer_core *core, const int64_t *id, size_t step) {
    gla_numbers *n = m->in;
    gla_model_state state;
    gla_matrix logits = gla_new(n, TINY_TOKENS, (size_t)m->config.vocabulary);
    gla_matrix x = gla_new(n, TINY_TOKENS, (size_t)m->config.hidden);
    ck_assert_int_eq(gla_model_start(m, &state), GLA_OK);
    for (size_t t = 0; t < TINY_TOKENS; t += step) {
        size_t T = t + step < TINY_TOKENS ? step : TINY_TOKENS - t;
        gla_model_read(m, core, id + t, T, &state, gla_rows(x, t, T), NULL);
    }
    gla_model_head(m, logits, x);
    gla_model_state_free(&state);
    ck_assert_int_eq(n->status, GLA_OK);
    return logits;
}

/* |x - y| <= tolerance (1 + |y|) */
static void expect_near(gla_numbers *n, const void *x, const mpfr_t y, double tolerance, int which, size_t place) {
    mpfr_t got, error, size;
    mpfr_inits2(PLAIN_BITS, got, error, size, (mpfr_ptr)NULL);
    n->ops->get_mpfr(n, got, x);
    mpfr_sub(error, got, y, MPFR_RNDA);
    mpfr_abs(error, error, MPFR_RNDN);
    mpfr_abs(size, y, MPFR_RNDN);
    mpfr_add_ui(size, size, 1, MPFR_RNDN);
    mpfr_div(error, error, size, MPFR_RNDA);
    ck_assert_msg(mpfr_number_p(error) && mpfr_cmp_d(error, tolerance) <= 0, "model %d in %s, place %zu: %g, not %g",
                  which, n->name, place, mpfr_get_d(got, MPFR_RNDN), mpfr_get_d(y, MPFR_RNDN));
    mpfr_clears(got, error, size, (mpfr_ptr)NULL);
}

static void compare_with_plain(int which, const char *numbers, gated_run *run, const char *form_name,
                               double tolerance) {
    gla_numbers *n = opened(numbers);
    gla_model m = tiny_model(which, n);
    gla_form form;
    ck_assert_int_eq(gla_form_parse(form_name, &form, NULL), GLA_OK);
    int64_t id[TINY_TOKENS];
    tiny_text(id);
    mpfr_t *want = plain_logits(&m, id, TINY_TOKENS), *loss = plain_new(1);
    gla_matrix got = logits_of(&m, &(gla_layer_core){run, &form, NULL}, id, TINY_TOKENS), z = gla_new(n, 1, 1);
    size_t V = (size_t)m.config.vocabulary;
    for (size_t i = 0; i < TINY_TOKENS * V; i++)
        expect_near(n, gla_at(got, i / V, i % V), want[i], tolerance, which, i);
    plain_loss(*loss, want, id + 1, TINY_TOKENS - 1, V);
    layer_cross_entropy(z, gla_rows(got, 0, TINY_TOKENS - 1), id + 1);
    expect_near(n, z.at, *loss, tolerance, which, 9999);
    gla_model_free(&m);
    gla_numbers_close(n);
    plain_free();
}

START_TEST(logits_and_loss_are_the_plain_ones) {
    compare_with_plain(_i, "mpfr:256", gated_recurrent, "recurrent", 1e-60);
    compare_with_plain(_i, "mpfr:256", gated_parallel, "parallel", 1e-60);
    compare_with_plain(_i, "mpfr:256", gated_chunkwise, "chunkwise:4:2", 1e-60);
    compare_with_plain(_i, "binary64", gated_recurrent, "recurrent", 1e-12); /* some 10^3 roundings of 10^-16 each */
    compare_with_plain(_i, "binary32", gated_recurrent, "recurrent", 1e-3);
}
END_TEST

/* The recurrent form does the same operations however the text is cut. */
START_TEST(pieces_give_the_same_bits) {
    static const gla_form form = {.kind = GLA_RECURRENT};
    gla_numbers *n = opened("binary32");
    gla_model m = tiny_model(_i, n);
    const gla_layer_core core = {gated_recurrent, &form, NULL};
    int64_t id[TINY_TOKENS];
    tiny_text(id);
    gla_matrix whole = logits_of(&m, &core, id, TINY_TOKENS);
    for (size_t step = 1; step < 4; step++) {
        gla_matrix cut = logits_of(&m, &core, id, step);
        for (size_t t = 0; t < whole.rows; t++)
            ck_assert_msg(memcmp(gla_at(whole, t, 0), gla_at(cut, t, 0), whole.cols * n->size) == 0,
                          "step %zu, token %zu", step, t);
    }
    gla_model_free(&m);
    gla_numbers_close(n);
}
END_TEST

/* A core of its own: in binary64 inside binary64 nothing changes; in bf16 something does, and not much. */
START_TEST(the_core_has_a_system_of_its_own) {
    static const gla_form form = {.kind = GLA_RECURRENT};
    gla_numbers *n = opened("binary64"), *same = opened("binary64"), *narrow = opened("mixed:bf16");
    gla_model m = tiny_model(0, n);
    int64_t id[TINY_TOKENS];
    tiny_text(id);
    gla_matrix own = logits_of(&m, &(gla_layer_core){gated_recurrent, &form, NULL}, id, TINY_TOKENS);
    gla_matrix alike = logits_of(&m, &(gla_layer_core){gated_recurrent, &form, same}, id, TINY_TOKENS);
    gla_matrix rounded = logits_of(&m, &(gla_layer_core){gated_recurrent, &form, narrow}, id, TINY_TOKENS);
    double most = 0;
    for (size_t t = 0; t < own.rows; t++)
        for (size_t j = 0; j < own.cols; j++) {
            double x = n->ops->get_d(n, gla_at(own, t, j));
            ck_assert(x == n->ops->get_d(n, gla_at(alike, t, j)));
            most = fmax(most, fabs(x - n->ops->get_d(n, gla_at(rounded, t, j))));
        }
    ck_assert_msg(most > 1e-5 && most < 0.1, "%g", most);
    gla_model_free(&m);
    gla_numbers_close(n);
    gla_numbers_close(same);
    gla_numbers_close(narrow);
}
END_TEST

START_TEST(sizes_that_do_not_divide_are_refused) {
    gla_numbers *n = opened("binary64");
    gla_model m;
    gla_error err;
    gla_model_config c = tiny_config(0);
    c.key_heads = 3;
    ck_assert_int_eq(gla_model_new(&c, n, &m, &err), GLA_BAD_SHAPE);
    gla_model_free(&m);
    c = tiny_config(0);
    c.value_width = 7;
    ck_assert_int_eq(gla_model_new(&c, n, &m, &err), GLA_BAD_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.what, "value width of 7"));
    gla_model_free(&m);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("model");
    TCase *c = tcase_create("model");
    tcase_set_timeout(c, 30);
    tcase_add_loop_test(c, logits_and_loss_are_the_plain_ones, 0, TINY_MODELS);
    tcase_add_loop_test(c, pieces_give_the_same_bits, 0, TINY_MODELS);
    tcase_add_test(c, the_core_has_a_system_of_its_own);
    tcase_add_test(c, sizes_that_do_not_divide_are_refused);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
