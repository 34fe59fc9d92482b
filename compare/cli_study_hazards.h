/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of study hazards (study_hazards.h), for cli_study.c.
 */
#ifndef GLASSBOX_CLI_STUDY_HAZARDS_H
#define GLASSBOX_CLI_STUDY_HAZARDS_H

#include <stdio.h>

#include "study.h"

/* Prints it, and to csv unless that is NULL; rows of more than `longest` tokens are left out (0: none). */
gla_status cli_study_hazards(int64_t longest, uint64_t seed, FILE *csv, gla_error *err);

#endif
