/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model says the probe's words are (cases.h), to be compared with what a device returned.
 */
#ifndef GLASSBOX_PROBE_JUDGE_H
#define GLASSBOX_PROBE_JUDGE_H

#include "../tensor_core.h"
#include "cases.h"
#include "points.h"

/* The model's row for an instruction of the probe on an architecture, or NULL. */
const gla_mma_model *gla_probe_model(const char *arch, const gla_probe_instruction *i);

/* One dot product of `count` terms by the model; f64 by fma in the instruction's rounding. */
uint64_t gla_probe_model_dot(const gla_probe_instruction *i, const gla_mma_model *m, const uint64_t *a,
                             const uint64_t *b, size_t count, uint64_t c);

/* Results first .. first + count - 1 of a class. False when memory is short. */
bool gla_probe_model_words(const gla_probe_instruction *i, const gla_mma_model *m, const gla_probe_class *c,
                           uint64_t seed, size_t first, size_t count, uint64_t *word);

#endif
