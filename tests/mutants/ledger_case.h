/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of the mutation ledger: a kernel with one fault, on one case, in one dtype; what the judge says of it, and
 * what the field's usual tests would have said.
 *
 *     ledger_bench bench;
 *     ledger_open(&ledger_cases[0], &gla_bf16, &bench, &err);
 *     ledger_mark mark;
 *     ledger_judge(&bench, M_SCALE_MISSING, &mark, &err);
 *     ledger_close(&bench);
 */
#ifndef GLASSBOX_LEDGER_CASE_H
#define GLASSBOX_LEDGER_CASE_H

#include "../../compare/cases.h"
#include "../../compare/judge.h"
#include "chunk_kernel.h"

typedef struct ledger_case {
    char letter; /* its column */
    const char *name;
    gla_case_spec spec;
    bool quick;   /* one of the few that make check runs */
    bool not_f16; /* f16 overflows on it, in a right kernel too */
} ledger_case;

extern const ledger_case ledger_cases[];         /* ends with a NULL name */
extern const gla_format *const ledger_dtypes[3]; /* bf16 f16 f32 */

/* A case made ready: truth, and the right kernel's outputs. */
typedef struct ledger_bench {
    const ledger_case *entry;
    const gla_format *dtype;
    gla_generated made;
    gla_truth truth;
    double *right[GLA_OUTPUTS], *wrong[GLA_OUTPUTS];
} ledger_bench;

/* What one test, blind to bounds, says of all outputs: true = rejects. */
typedef struct field_tests {
    bool rms;      /* RMS error / RMS truth < 0.005, or no error above 1e-6 */
    bool ci;       /* the same, or that ratio < 0.01, or no error above 0.3 */
    bool allclose; /* every |error| <= 1e-5 + 1.6e-2 |truth| */
} field_tests;

/* By what the judge rejects, or why it does not. */
#define LEDGER_KILLS "n023"
typedef struct ledger_mark {
    char symbol;  /* n: NaN or infinity; 0: an element whose bound is 0; 2: an element beyond its bound; 3: the errors'
                     distribution; m: MARGINAL; .: PASS; =: not one bit differs from the right kernel's output */
    double worst; /* greatest error / bound */
    gla_output output; /* where */
    field_tests field;
} ledger_mark;

/* The bench is the caller's to close, also on failure. */
gla_status ledger_open(const ledger_case *entry, const gla_format *dtype, ledger_bench *bench, gla_error *err);
gla_status ledger_judge(ledger_bench *bench, mutant fault, ledger_mark *mark, gla_error *err);
void ledger_close(ledger_bench *bench);

/* Of all outputs judged; field is not looked at. */
ledger_mark ledger_mark_of(const gla_judgement *j);

bool ledger_killed(const ledger_mark *mark);

#endif
