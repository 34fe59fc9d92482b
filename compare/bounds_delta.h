/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors of the delta rule's mechanisms, where the state that a token reads is also the state that it corrects: run
 * operation by operation, an error of the state would be counted as two (delta_carry.h). So the sequence is cut into
 * windows. Within one, the formulation runs in error numbers on states without error: what is rounded in the window.
 * The errors that came with its states are carried through it apart, with every sign kept, and added.
 *
 * A window is the formulation's chunk; of the recurrent form dk/8 tokens, 1 to 16: an error within the window is still
 * counted twice, its variance too large by the factor (1 + 1/dk)^(dk/8) < 1.14 at most.
 *
 * Between windows the errors of a state's elements count as independent: what correlation a window leaves is dropped,
 * not its size. Where the keys span but a part of the channels, what lies outside keeps its errors while the next
 * window here wipes out a share of them: a variance too small by (1 - rank/dk)^n after n windows. But errors enter the
 * state as k_t u_t^T, within what the keys span; and where keys repeat, model.repeats weighs every rounding that often.
 *
 * Calibration, as for the gated core: errors in units of the standard deviation claimed for them have an rms of 0.75 to
 * 1.1 in emulated kernels (tests/compare/test_delta.c) and of 0.82 to 1.00 in those that ran on a GPU (data/real). What
 * is wide is the systematic part, truncation inside tensor cores through the products of a chunk: it may conspire, and
 * does not.
 *
 * dg by a suffix sum over the whole sequence: what the later windows' sums are off by comes on top, to det.
 */
#ifndef GLASSBOX_BOUNDS_DELTA_H
#define GLASSBOX_BOUNDS_DELTA_H

#include "../reference/number/error.h"
#include "../reference/slice.h"

/* Is the problem one of the delta rule's, in a form that can be cut? */
bool gla_delta_cuts(const gla_problem *p, const gla_form *form);

/* Error numbers of every output of the part, in its order; NULL where it has none. The caller frees out[i].
 * Errors: GLA_NO_MEMORY, and what gla_run says. */
gla_status gla_delta_errors(const gla_part *part, const gla_form *form, const gla_error_model *model,
                            gla_error_number *out[GLA_OUTPUTS], gla_error *err);

#endif
