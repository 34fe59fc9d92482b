/* SPDX-License-Identifier: Apache-2.0
 *
 * The mutation ledger: every mutant on every case in every dtype, and how it is printed.
 */
#ifndef GLASSBOX_LEDGER_TABLE_H
#define GLASSBOX_LEDGER_TABLE_H

#include <stdio.h>

#include "ledger_case.h"

enum { LEDGER_CASES = 19, LEDGER_DTYPES = 3 };

typedef struct ledger {
    ledger_mark mark[MUTANTS][LEDGER_DTYPES][LEDGER_CASES]; /* symbol '-': not run */
} ledger;

/* Fills all of it, on all processors. */
gla_status ledger_run(ledger *l, gla_error *err);

/* One mutant in one dtype, a character per case, as a row of the table has it. */
void ledger_cells(const ledger *l, mutant m, int dtype, char cells[LEDGER_CASES + 1]);

void ledger_print(const ledger *l, FILE *out);
void ledger_print_csv(const ledger *l, FILE *out);

#endif
