/* SPDX-License-Identifier: Apache-2.0
 *
 * The lower bounds of HGRN2's layers from one learned table (spec 7a), for each channel:
 *     p = softmax over l of table_l ;  gam_l = sum_{0 < j <= l} p_j
 *     dp_j = sum_{l >= j} dgam_l, dp_0 = 0 ;  dtable = p * (dp - sum_j p_j dp_j)
 * so gam_0 = 0, and gam rises and stays below 1.
 *
 * Shapes: table gam [L,D], row l of gam is the lower bound of layer l. Precision: one rounding per operation; sums
 * ascend over layers, backward descend.
 */
#ifndef GLASSBOX_LOWER_BOUNDS_H
#define GLASSBOX_LOWER_BOUNDS_H

#include "../verbs.h"

void hgrn2_lower_bounds(gla_matrix gam, gla_matrix table);
/* dtable is set; it may be dgam. */
void hgrn2_lower_bounds_back(gla_matrix dtable, gla_matrix dgam, gla_matrix table);

#endif
