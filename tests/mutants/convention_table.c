/* SPDX-License-Identifier: Apache-2.0
 *
 * Every convention on every case, printed as data/conventions.txt; see conventions.h.
 */
#include "conventions.h"

static const char preamble[] =
    "Conventions as mutants. Each line is a right kernel run in another convention, judged under the one before it, "
    "whose\n"
    "own kernel the line with '=' is; each column of cells a case, in bf16 and in f32. Made by `make ledger`; do not "
    "edit.\n\n"
    "  0  killed: an element that must be exact is not     n  killed: NaN or infinity\n"
    "  2  killed: an element is beyond its bound           3  killed: the distribution of the errors\n"
    "  m  MARGINAL        .  passes        -  cannot be told apart, with the reason\n\n"
    "Then in how many of the cells that are killed the diagnosis names the very convention.\n\n";

typedef struct cells {
    char symbol[CONVENTION_DTYPES][CONVENTION_CASES + 1];
    int killed, named;
} cells;

static void print_row(const char *prefix, const char *text, const cells *c, const char *note, FILE *out) {
    fprintf(out, "%s%-*s %s %s", prefix, 60, text, c->symbol[0], c->symbol[1]);
    if (c->killed) fprintf(out, "  %d of %d", c->named, c->killed);
    fprintf(out, "%s%s\n", note ? "  " : "", note ? note : "");
}

/* Those with one right text. */
static gla_status print_alike(const convention *list, int count, FILE *out, gla_error *err) {
    cells right = {0}, wrong[CONVENTIONS] = {0};
    gla_status status = GLA_OK;
    for (int d = 0; d < CONVENTION_DTYPES; d++)
        for (int c = 0; c < CONVENTION_CASES && status == GLA_OK; c++) {
            convention_mark of_right, marks[CONVENTIONS];
            status = conventions_judge(list, count, &convention_cases[c], convention_dtypes[d], &of_right, marks, err);
            right.symbol[d][c] = of_right.mark.symbol;
            for (int i = 0; i < count && status == GLA_OK; i++) {
                wrong[i].symbol[d][c] = marks[i].mark.symbol;
                wrong[i].killed += !list[i].number && ledger_killed(&marks[i].mark);
                wrong[i].named += marks[i].named;
            }
        }
    if (status != GLA_OK) return status;
    print_row("= ", list->right, &right, list->no_state ? "without a state" : NULL, out);
    for (int i = 0; i < count; i++) print_row("  ", list[i].wrong, &wrong[i], list[i].same, out);
    return GLA_OK;
}

gla_status conventions_print(FILE *out, gla_error *err) {
    convention list[CONVENTIONS];
    int count = 0;
    gla_status status = conventions_list(list, &count, err);
    fputs(preamble, out);
    for (int c = 0; c < CONVENTION_CASES; c++)
        fprintf(out, "  %c  %s\n", convention_cases[c].letter, convention_cases[c].name);
    fputc('\n', out);
    for (int i = 0, n; i < count && status == GLA_OK; i += n) {
        n = conventions_alike(&list[i], count - i);
        status = print_alike(&list[i], n, out, err);
    }
    return status;
}
