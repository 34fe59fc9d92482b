/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of study sites (study.h), for cli_study.c.
 */
#ifndef GLASSBOX_CLI_STUDY_SITES_H
#define GLASSBOX_CLI_STUDY_SITES_H

#include <stdio.h>

#include "study.h"

/* Prints them, and to csv unless that is NULL. */
gla_status cli_study_sites(int64_t T, uint64_t seed, FILE *csv, gla_error *err);

#endif
