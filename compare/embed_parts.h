/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files behind embed.h share; private to them.
 */
#ifndef GLASSBOX_EMBED_PARTS_H
#define GLASSBOX_EMBED_PARTS_H

#include "embed.h"
#include "judge.h"

/* A problem as it is handed over: the first seven arguments of every call. */
typedef struct embed_arguments {
    const char *mechanism;
    const double *const *input;
    const int64_t (*shape)[4];
    const int64_t *cu_seqlens;
    int64_t cu_count;
    double scale;
    unsigned flags;
} embed_arguments;

/* The problem, checked as gla_problem_check does. It points into the arguments. */
gla_status embed_problem(const embed_arguments *a, gla_problem *p, gla_error *err);

/* "what (hint)" into text; returns the status. */
int embed_fail(const gla_error *err, char *text, size_t room);

/* The format of that name, or an error that lists the names. */
gla_status embed_format(const char *name, const gla_format **out, gla_error *err);

/* Names and values of the fields of a verdict. */
const char *embed_field_name(int i);
const char *embed_field_about(int i);
void embed_numbers(const gla_tensor_verdict *v, double *numbers);

/* Text that grows as far as there is room. */
typedef struct embed_text {
    char *at;
    size_t room, used;
} embed_text;
void embed_add(embed_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The report of a judgement. */
gla_status embed_report(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, const gla_judgement *g,
                        int threads, embed_text *out, gla_error *err);

#endif
