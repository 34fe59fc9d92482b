/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of the loss with respect to every weight of small language models, against the exact derivative: one
 * tensor after the other moves in a random direction, the loss is run forward in dual:256, and must change by the
 * gradient times the direction, to 1e-60. In three formulations of the core.
 */
#include "tests/reference/layer/tiny_model.h"

static gla_numbers *opened(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s", err.what);
    return n;
}

static double direction(size_t tensor, size_t element) {
    return gla_draw_normal((gla_draw){test_seed(), (uint32_t)(1000 + tensor), element});
}

/* d loss along the direction of one tensor; the tangents are taken away again. */
static void derivative(mpfr_t z, const gla_model *m, size_t tensor, const int64_t *id) {
    static const gla_form form = {.kind = GLA_RECURRENT};
    const gla_layer_core core = {gated_recurrent, &form, NULL};
    gla_numbers *n = m->in;
    size_t mark = gla_mark(n), T = TINY_TOKENS - 1;
    gla_matrix at = m->tensor[tensor].at, loss = gla_new(n, 1, 1);
    for (size_t j = 0; j < at.rows * at.cols; j++)
        gla_dual_set_tangent(n, gla_at(at, j / at.cols, j % at.cols), direction(tensor, j));
    gla_model_state state;
    ck_assert_int_eq(gla_model_start(m, &state), GLA_OK);
    gla_matrix x = gla_new(n, T, m->size.hidden), logits = gla_new(n, T, (size_t)m->config.vocabulary);
    gla_model_read(m, &core, id, T, &state, x, NULL);
    gla_model_head(m, logits, x);
    layer_cross_entropy(loss, logits, id + 1);
    gla_dual_get_tangent(n, z, loss.at);
    for (size_t j = 0; j < at.rows * at.cols; j++) gla_dual_set_tangent(n, gla_at(at, j / at.cols, j % at.cols), 0);
    gla_model_state_free(&state);
    gla_release(n, mark);
}

/* z = sum of gradient times direction over one tensor. */
static void predicted(mpfr_t z, const gla_model *d, size_t tensor) {
    gla_matrix at = d->tensor[tensor].at;
    mpfr_t term;
    mpfr_init2(term, 256);
    mpfr_set_zero(z, 1);
    for (size_t j = 0; j < at.rows * at.cols; j++) {
        d->in->ops->get_mpfr(d->in, term, gla_at(at, j / at.cols, j % at.cols));
        mpfr_mul_d(term, term, direction(tensor, j), MPFR_RNDN);
        mpfr_add(z, z, term, MPFR_RNDN);
    }
    mpfr_clear(term);
}

static void form_gradients(const gla_model *m, const char *form_name, gated_run *run, gla_numbers *core_numbers,
                           const int64_t *id, gla_model *d) {
    gla_numbers *n = m->in;
    gla_form form;
    gla_layer_signals u[2], du[2];
    gla_matrix loss = gla_new(n, 1, 1);
    size_t T = TINY_TOKENS - 1;
    ck_assert_int_eq(gla_form_parse(form_name, &form, NULL), GLA_OK);
    form.backward = true;
    const gla_layer_core core = {run, &form, core_numbers};
    for (int64_t l = 0; l < m->config.layers; l++) {
        u[l] = gla_layer_new_signals(n, m->size, T);
        du[l] = gla_layer_new_signals(n, m->size, T);
    }
    ck_assert_int_eq(gla_model_new(&m->config, n, d, NULL), GLA_OK);
    gla_model_back(m, &core, id, id + 1, T, loss, u, du, d);
    ck_assert_int_eq(n->status, GLA_OK);
}

static void compare(int which, const char *form_name, gated_run *run) {
    gla_numbers *n = opened("mpfr:256"), *dual = opened("dual:256");
    gla_model m = tiny_model(which, n), moving = tiny_model(which, dual), d;
    int64_t id[TINY_TOKENS];
    tiny_text(id);
    form_gradients(&m, form_name, run, NULL, id, &d);
    mpfr_t got, want;
    mpfr_inits2(256, got, want, (mpfr_ptr)NULL);
    for (size_t i = 0; i < m.tensors; i++) {
        predicted(got, &d, i);
        derivative(want, &moving, i, id);
        mpfr_sub(got, got, want, MPFR_RNDN);
        double error = fabs(mpfr_get_d(got, MPFR_RNDA));
        ck_assert_msg(error <= 1e-60, "model %d, %s, %s: off by %g of %g", which, form_name, m.tensor[i].name, error,
                      mpfr_get_d(want, MPFR_RNDN));
        bool may_be_dead = m.config.feature == act_relu; /* q or k all negative */
        ck_assert_msg(may_be_dead || !mpfr_zero_p(want), "model %d: the loss does not depend on %s", which,
                      m.tensor[i].name);
    }
    mpfr_clears(got, want, (mpfr_ptr)NULL);
    gla_model_free(&m);
    gla_model_free(&moving);
    gla_model_free(&d);
    gla_numbers_close(n);
    gla_numbers_close(dual);
}

START_TEST(every_weight_has_its_gradient) {
    compare(_i, "recurrent", gated_recurrent);
    compare(_i, "chunkwise:4:2", gated_chunkwise);
    compare(_i, "parallel", gated_parallel);
}
END_TEST

/* A core in another system of the same arithmetic changes no bit. */
START_TEST(the_core_has_a_system_of_its_own) {
    gla_numbers *n = opened("binary64"), *other = opened("binary64");
    gla_model m = tiny_model(_i, n), own, apart;
    int64_t id[TINY_TOKENS];
    tiny_text(id);
    form_gradients(&m, "recurrent", gated_recurrent, NULL, id, &own);
    form_gradients(&m, "recurrent", gated_recurrent, other, id, &apart);
    for (size_t i = 0; i < m.tensors; i++) {
        gla_matrix x = own.tensor[i].at, y = apart.tensor[i].at;
        ck_assert_msg(memcmp(x.at, y.at, x.rows * x.cols * n->size) == 0, "%s", m.tensor[i].name);
    }
    gla_model_free(&m);
    gla_model_free(&own);
    gla_model_free(&apart);
    gla_numbers_close(n);
    gla_numbers_close(other);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("model_back");
    TCase *c = tcase_create("model_back");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, every_weight_has_its_gradient, 0, TINY_MODELS);
    tcase_add_loop_test(c, the_core_has_a_system_of_its_own, 0, TINY_MODELS);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
