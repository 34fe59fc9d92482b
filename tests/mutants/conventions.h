/* SPDX-License-Identifier: Apache-2.0
 *
 * Conventions as mutants: the right kernel of a profile run with another value of one switch (or another schedule of a
 * fixed decay), judged under the usual one. The list is made from the table of mechanisms, so that a switch that is
 * added is a mutant by itself; what conventions.c says of some of them is which settings must stand beside a switch for
 * it to matter, which number to try, and why two conventions cannot be told apart.
 */
#ifndef GLASSBOX_CONVENTIONS_H
#define GLASSBOX_CONVENTIONS_H

#include <stdio.h>

#include "ledger_case.h"

typedef struct convention {
    char right[96], wrong[96]; /* mechanisms as gla_mechanism_parse takes them */
    const char *same;          /* why no judge can tell them apart; NULL: some case must */
    bool no_state;             /* the case has no initial state */
    bool number;               /* which no diagnosis can guess */
} convention;

enum { CONVENTIONS = 64, CONVENTION_CASES = 3, CONVENTION_DTYPES = 2 }; /* at most that many conventions */

extern const ledger_case convention_cases[CONVENTION_CASES];
extern const gla_format *const convention_dtypes[CONVENTION_DTYPES]; /* bf16 f32 */

/* All of them, mechanism by mechanism, those with one right text side by side; returns how many. Errors: a number that
 * conventions.c knows no value for, too many of them. */
gla_status conventions_list(convention list[CONVENTIONS], int *count, gla_error *err);

/* What is said of one. */
typedef struct convention_mark {
    ledger_mark mark;
    bool named; /* the diagnosis names the very convention (asked for killed ones alone) */
} convention_mark;

/* The marks of `count` conventions with one right text on a case, and that of the right kernel itself. */
gla_status conventions_judge(const convention *list, int count, const ledger_case *entry, const gla_format *dtype,
                             convention_mark *right, convention_mark marks[], gla_error *err);

/* How many from the first on have its right text. */
int conventions_alike(const convention *list, int count);

/* All of them on all cases, as data/conventions.txt. */
gla_status conventions_print(FILE *out, gla_error *err);

#endif
