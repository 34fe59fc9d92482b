/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, parallel by products of decays: UNSAFE, kept to be seen failing (spec 1c).
 *
 *     P = lower((sQ*e^G)(K*e^-G)^T) ;  O = e^E*(P (V*e^-E)) + e^E*((sQ*e^G) S_0)
 *
 * It is the one-anchor chunkwise form with a single chunk of T tokens, and that is how it runs. e^-G overflows, and 0
 * meets infinity, once -G passes ln(max): 88.72 in binary32 (after 129 steps of g = ln 0.5), 709.78 in binary64.
 * Before that it is as accurate as any other: it fails abruptly. A gate of -inf is infinity times 0 at once.
 */
#include "gated.h"

void gated_parallel_naive(const gated_slice *x, const gla_form *form) {
    gla_form whole = *form;
    whole.kind = GLA_CHUNKWISE_FACTORED;
    whole.C = whole.c = x->T > 0 ? (int64_t)x->T : 1;
    whole.materialised = false;
    gated_chunkwise(x, &whole);
}
