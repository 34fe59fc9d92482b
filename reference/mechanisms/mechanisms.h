/* SPDX-License-Identifier: Apache-2.0
 *
 * What the mechanism files share: the table's rows, and the runs of the cores they map onto.
 */
#ifndef GLASSBOX_MECHANISMS_H
#define GLASSBOX_MECHANISMS_H

#include "../glassbox.h"

extern const gla_mechanism gla_mechanism_gla;

/* run.c: the gated core over every sequence and head of a problem. */
gla_status gla_run_gated(const gla_problem *p, const gla_form *form, gla_numbers *numbers, gla_result *result,
                         gla_error *err);

#endif
