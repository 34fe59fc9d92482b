/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays of data/golden (40 digits from an independent implementation), as every core's suite reads them and
 * compares with them. Run from the repository root.
 */
#ifndef GLASSBOX_TEST_GOLDEN_H
#define GLASSBOX_TEST_GOLDEN_H

#include "gated/problems.h"

#define GOLDEN_TOLERANCE 1e-38

/* Array "SET.ARRAY" of data/golden/FILE.txt as fresh numbers; returns their count, 0 if the file has no such array. */
static inline int64_t golden_read(const char *file_name, const char *set, const char *array, mpfr_t **out) {
    char line[256], wanted[64], found[64], path[96];
    long count = 0;
    snprintf(path, sizeof path, "data/golden/%s.txt", file_name);
    snprintf(wanted, sizeof wanted, "%s.%s", set, array);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "cannot open %s: run the tests from the repository root", path);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%63s %ld", found, &count) == 2 && strcmp(found, wanted) == 0) break;
        count = 0;
    }
    *out = calloc((size_t)count + 1, sizeof **out);
    for (long i = 0; i < count; i++) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        line[strcspn(line, "\n")] = 0;
        mpfr_init2((*out)[i], 512);
        ck_assert_msg(mpfr_set_str((*out)[i], line, 10, MPFR_RNDN) == 0, "%s: bad number '%s'", wanted, line);
    }
    fclose(file);
    return count;
}

static inline void golden_free(mpfr_t *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) mpfr_clear(x[i]);
    free(x);
}

/* |got - wanted| / |wanted|, one number. */
static inline double golden_apart(const mpfr_t got, const mpfr_t wanted) {
    distance d;
    distance_begin(&d);
    distance_add(&d, got, wanted);
    return distance_end(&d);
}

/* Number i of an array, to 38 digits. */
static inline void golden_check(const mpfr_t got, const mpfr_t wanted, const char *set, const char *form,
                                const char *array, int64_t i) {
    double apart = golden_apart(got, wanted);
    ck_assert_msg(apart <= GOLDEN_TOLERANCE, "%s %s: %s[%ld] is off by %g", set, form, array, (long)i, apart);
}

/* An output of a run against its golden array, which must be there, number by number. */
static inline void golden_check_output(const test_run *run, gla_output name, const char *file_name, const char *set,
                                       const char *array, const char *form) {
    mpfr_t *golden, x;
    int64_t count = golden_read(file_name, set, array, &golden);
    ck_assert_msg(count == run->result.tensor[name].count && count > 0, "%s.%s: %ld golden numbers, %ld made", set,
                  array, (long)count, (long)run->result.tensor[name].count);
    mpfr_init2(x, 512);
    for (int64_t i = 0; i < count; i++) {
        run_get(x, run, name, i);
        golden_check(x, golden[i], set, form, array, i);
    }
    mpfr_clear(x);
    golden_free(golden, count);
}

/* A matrix against its golden array, number by number; false if the file has none. */
static inline bool golden_check_matrix(const char *file_name, const char *set, const char *array, gla_matrix m,
                                       const char *form) {
    mpfr_t *golden, x;
    int64_t count = golden_read(file_name, set, array, &golden), numbers = (int64_t)(m.rows * m.cols);
    ck_assert_msg(count == 0 || count == numbers, "%s.%s: %ld golden numbers, %ld made", set, array, (long)count,
                  (long)numbers);
    mpfr_init2(x, 512);
    for (int64_t i = 0; i < count; i++) {
        m.in->ops->get_mpfr(m.in, x, gla_at(m, (size_t)i / m.cols, (size_t)i % m.cols));
        golden_check(x, golden[i], set, form, array, i);
    }
    mpfr_clear(x);
    golden_free(golden, count);
    return count > 0;
}

#endif
