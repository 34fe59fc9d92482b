/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays (data/golden/mlstm.txt, 40 digits from an independent implementation) in every formulation and
 * route, to 38 digits element by element, at 256 bits. Run from the repository root.
 */
#include "../golden.h"
#include "slices.h"

/* All arrays of "variant.output"; returns how many there are. */
static int check_variant(const mlstm_slice *s, const char *variant, const char *form) {
    int found = 0;
    for (int i = 0; i < OUTPUTS; i++)
        found += golden_check_matrix("mlstm", variant, out_names[i], output_of(s, i), form);
    return found;
}

static const char *const forms[] = {"recurrent",     "parallel",       "chunkwise:1:1", "chunkwise:2:1",
                                    "chunkwise:3:2", "chunkwise:3:3",  "chunkwise:7:3", "chunkwise:7:7",
                                    "chunkwise:5:2", "chunkwise:64:1", "chunkwise"};
enum { FORMS = sizeof forms / sizeof *forms };

START_TEST(every_array) {
    static const int arrays[VARIANTS] = {11, 7, 8, 10};
    problem p = problem_of_golden(variants[_i].options);
    int ran = 0;
    for (int f = 0; f < FORMS; f++)
        for (int route = 0; route < GLA_ROUTES; route++) {
            gla_form form = form_named(forms[f], true);
            form.route = (gla_gate_route)route;
            if (!mlstm_route_available(form.kind, form.route)) continue;
            char text[80];
            gla_form_print(&form, text, sizeof text);
            mlstm_slice s = solved(&p, form, "mpfr:256");
            ck_assert_int_eq(check_variant(&s, variants[_i].name, text), arrays[_i]);
            gla_numbers_close(s.in);
            ran++;
        }
    ck_assert_int_eq(ran, 3 + 3 + 4 * (FORMS - 2));
    forget_problem(&p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm golden values");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_array, 0, VARIANTS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
