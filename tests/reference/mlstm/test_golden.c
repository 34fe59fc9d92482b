/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays (data/golden/mlstm.txt, 40 digits from an independent implementation) in every formulation and
 * route, to 38 digits element by element, at 256 bits. Run from the repository root.
 */
#include "slices.h"

#define GOLDEN_FILE "data/golden/mlstm.txt"
#define TOLERANCE 1e-38

typedef struct golden_array {
    char name[64];
    long count;
    mpfr_t at[64];
} golden_array;

/* The next array of the file, or false. */
static bool read_array(FILE *file, golden_array *a) {
    char line[256];
    do
        if (!fgets(line, sizeof line, file)) return false;
    while (sscanf(line, "%63s %ld", a->name, &a->count) != 2 || line[0] == '#');
    ck_assert_int_le(a->count, 64);
    for (long i = 0; i < a->count; i++) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        line[strcspn(line, "\n")] = 0;
        mpfr_init2(a->at[i], 512);
        ck_assert_msg(mpfr_set_str(a->at[i], line, 10, MPFR_RNDN) == 0, "%s: bad number '%s'", a->name, line);
    }
    return true;
}

static void check_array(const mlstm_slice *s, int output, const golden_array *a, const char *form) {
    gla_matrix m = output_of(s, output);
    ck_assert_int_eq(a->count, (long)(m.rows * m.cols));
    mpfr_t x;
    mpfr_init2(x, 512);
    for (long i = 0; i < a->count; i++) {
        distance d;
        distance_begin(&d);
        s->in->ops->get_mpfr(s->in, x, gla_at(m, (size_t)i / m.cols, (size_t)i % m.cols));
        distance_add(&d, x, a->at[i]);
        double apart = distance_end(&d);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s[%ld] is off by %g", form, a->name, i, apart);
    }
    mpfr_clear(x);
}

/* All arrays of "variant.output"; returns how many there are. */
static int check_variant(const mlstm_slice *s, const char *variant, const char *form) {
    FILE *file = fopen(GOLDEN_FILE, "r");
    ck_assert_msg(file != NULL, "cannot open %s: run the tests from the repository root", GOLDEN_FILE);
    golden_array a;
    int found = 0;
    while (read_array(file, &a)) {
        for (int i = 0; i < OUTPUTS; i++) {
            char wanted[64];
            snprintf(wanted, sizeof wanted, "%s.%s", variant, out_names[i]);
            if (strcmp(wanted, a.name) != 0) continue;
            check_array(s, i, &a, form);
            found++;
        }
        for (long i = 0; i < a.count; i++) mpfr_clear(a.at[i]);
    }
    fclose(file);
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
