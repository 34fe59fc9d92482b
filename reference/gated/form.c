/* SPDX-License-Identifier: Apache-2.0
 *
 * The gated core's formulations by name.
 */
#include "gated.h"

static gated_run *const runs[GLA_FORMULATIONS] = {[GLA_RECURRENT] = gated_recurrent,
                                                  [GLA_PARALLEL] = gated_parallel,
                                                  [GLA_PARALLEL_NAIVE] = gated_parallel_naive,
                                                  [GLA_CHUNKWISE] = gated_chunkwise,
                                                  [GLA_CHUNKWISE_CENTRED] = gated_chunkwise_centred,
                                                  [GLA_CHUNKWISE_PAIRED] = gated_chunkwise_paired,
                                                  [GLA_CHUNKWISE_FACTORED] = gated_chunkwise};

bool gated_available(const gla_form *form) {
    return gla_route_available(form->kind, form->route) && form->solver == GLA_SOLVE && !form->bounded;
}

void gated_run_form(const gated_slice *x, const gla_form *form) {
    if (x->in->status != GLA_OK) return;
    if (form->split > 0 && x->T > (size_t)form->split)
        gated_split(x, form, runs[form->kind]);
    else
        runs[form->kind](x, form);
}
