/* SPDX-License-Identifier: Apache-2.0
 *
 * The counter against a count by hand.
 */
#include "tests/reference/number/numbers_testing.h"

START_TEST(counter_counts) {
    gla_numbers *n = opened("counter");
    struct four f = four(n, 1, 2, 3); /* 4 loads */
    mpfr_t m;
    mpfr_init2(m, 53);
    for (int i = 0; i < 7; i++) n->ops->add(n, f.z, f.x, f.y);
    for (int i = 0; i < 5; i++) n->ops->sub(n, f.z, f.x, f.y);
    for (int i = 0; i < 4; i++) n->ops->mul(n, f.z, f.x, f.y);
    for (int i = 0; i < 3; i++) n->ops->fma(n, f.z, f.x, f.y, f.w);
    for (int i = 0; i < 2; i++) n->ops->exp(n, f.z, f.x);
    for (int i = 0; i < 6; i++) n->ops->div(n, f.z, f.x, f.y);
    for (int i = 0; i < 8; i++) n->ops->log1p(n, f.z, f.x);
    for (int i = 0; i < 9; i++) n->ops->max(n, f.z, f.x, f.y);
    for (int i = 0; i < 2; i++) n->ops->above(n, f.z, f.x, f.y);
    n->ops->neg(n, f.z, f.x);
    n->ops->set(n, f.z, f.x);
    double x[10] = {1, 2, 3}, y[10] = {4, 5, 6};
    n->ops->dot(n, f.z, x, sizeof *x, y, sizeof *y, 10);
    ck_assert(n->ops->get_d(n, f.z) == 1 + 4 + 10 + 18);
    n->ops->axpy(n, y, sizeof *y, f.y, x, sizeof *x, 10);
    ck_assert(y[2] == 2 * 3 + 6);
    n->ops->get_mpfr(n, m, f.z);
    struct gla_count c = gla_counter_read(n);
    ck_assert(c.add == 12 && c.mul == 4 && c.fma == 23 && c.exp == 2 && c.load == 4 && c.store == 2);
    ck_assert(c.div == 6 && c.log == 8 && c.compare == 11);
    gla_counter_reset(n);
    c = gla_counter_read(n);
    ck_assert(c.div == 0 && c.log == 0 && c.compare == 0);
    ck_assert(c.add == 0 && c.mul == 0 && c.fma == 0 && c.exp == 0 && c.load == 0 && c.store == 0);
    mpfr_clear(m);
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("counter");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, counter_counts);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
