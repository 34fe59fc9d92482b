/* SPDX-License-Identifier: Apache-2.0
 *
 * The confusion table of the diagnosis: every fault of wrong_table.c, in its dtypes, on several seeds, and what it was
 * taken for.
 */
#ifndef GLASSBOX_CONFUSION_H
#define GLASSBOX_CONFUSION_H

#include <stdio.h>

#include "wrong_bench.h"

enum { CONFUSION_DTYPES = 3, CONFUSION_SEEDS = 5, CONFUSION_NAMES = 8, CONFUSION_FAULTS = 256 };

/* One fault in one dtype: a mark per seed 1 .. 5, and what it was taken for where that was not right. */
typedef struct confusion_cell {
    char mark[CONFUSION_SEEDS + 1]; /* + named rightly, or rightly "no known cause fits"; ? a known cause not named;
                                       x named wrongly; = the judge does not fail it */
    char named[CONFUSION_NAMES][80];
    int times[CONFUSION_NAMES];
} confusion_cell;

typedef struct confusion {
    confusion_cell cell[CONFUSION_FAULTS][CONFUSION_DTYPES];
} confusion;

extern const char *const confusion_dtypes[CONFUSION_DTYPES]; /* bf16 f32 f16 */

/* Is this fault run in that dtype? */
bool confusion_has(const wrong_kernel *w, int dtype);
/* The family of a seed. */
void confusion_family(const wrong_kernel *w, uint64_t seed, char family[32]);
/* Is that cause ("" for none) with that sentence right? */
bool confusion_right(const wrong_kernel *w, const char *cause, const char *sentence);

/* One fault with one seed: its mark, and into the cell (may be NULL) what it was taken for. */
gla_status confusion_run_one(const wrong_kernel *w, int dtype, uint64_t seed, char *mark, confusion_cell *cell,
                             gla_error *err);
/* All of them; only names that contain `part`, if not NULL. */
gla_status confusion_run(confusion *c, const char *part, gla_error *err);
void confusion_print(const confusion *c, FILE *out);

#endif
