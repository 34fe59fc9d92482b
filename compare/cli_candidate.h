/* SPDX-License-Identifier: Apache-2.0
 *
 * From a case to what is judged of it: its outputs, those that should be there and are not, and inputs that the
 * candidate file repeats but not bit for bit.
 */
#ifndef GLASSBOX_CLI_CANDIDATE_H
#define GLASSBOX_CLI_CANDIDATE_H

#include "io/case.h"
#include "judge.h"

/* The outputs of a loaded case, pointing into it. */
void cli_outputs_of(const gla_case *c, gla_candidate *out);

/* Those of these outputs (bit mask) that it has not are missing. */
void cli_expect_outputs(unsigned expected, gla_candidate *out);

/* By the dtype of the first output of the file. */
const gla_profile *cli_default_profile(const gla_candidate *c);

/* The same as cli_outputs_of, and: outputs named in `only` (bit mask, 0 = none) that are absent are missing; with a
 * candidate file and no `only`, so are those of the case file that it lacks; inputs it changed are marked. `path` is
 * the case file's. */
gla_status cli_candidate_of(const gla_case *c, const char *path, const gla_case_options *load, unsigned only,
                            gla_candidate *out, gla_error *err);

#endif
