/* SPDX-License-Identifier: Apache-2.0
 *
 * The mLSTM's formulations by name.
 */
#include "mlstm.h"

static mlstm_run *const runs[GLA_FORMULATIONS] = {
    [GLA_RECURRENT] = mlstm_recurrent, [GLA_PARALLEL] = mlstm_parallel, [GLA_CHUNKWISE] = mlstm_chunkwise};

bool mlstm_available(const gla_form *form) {
    bool plain = form->split == 0 && form->solver == GLA_SOLVE && !form->bounded && !form->precise;
    return plain && runs[form->kind] && mlstm_route_available(form->kind, form->route);
}

void mlstm_run_form(const mlstm_slice *x, const gla_form *form) {
    if (x->in->status == GLA_OK) runs[form->kind](x, form);
}
