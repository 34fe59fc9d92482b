/* SPDX-License-Identifier: Apache-2.0
 *
 * What every suite shares: a main over one Check suite, and the seed. GLASSBOX_SEED overrides the fixed seed; the seed
 * is printed with every run. GLASSBOX_LONG=1 asks for the exhaustive versions (`make check-long`).
 */
#ifndef GLASSBOX_TESTING_H
#define GLASSBOX_TESTING_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t test_seed(void) {
    const char *text = getenv("GLASSBOX_SEED");
    return text ? strtoull(text, NULL, 0) : 1;
}

static inline int test_long(void) {
    const char *text = getenv("GLASSBOX_LONG");
    return text && text[0] == '1';
}

/* Runs the suite and returns the program's exit status. Check's own time-out is 4 s; each case sets its own. */
static inline int test_main(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    printf("seed %llu\n", (unsigned long long)test_seed());
    fflush(stdout);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
