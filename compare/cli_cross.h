/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox cross, between its files.
 */
#ifndef GLASSBOX_CLI_CROSS_H
#define GLASSBOX_CLI_CROSS_H

#include "cli_cuda.h"
#include "truth.h"

/* A row of the table: the greatest error of each output that the truth has, "-" for those that the result has not. */
void cross_print_row(const char *label, const gla_result *r, const gla_truth *t);

/* cli_cross_cuda.c: the rows of a rung that cli_cuda_open has found, in its own formulations. */
gla_status cross_rung(const cli_cuda *cuda, const gla_problem *p, const gla_truth *t, gla_dtype dtype, gla_error *err);

#endif
