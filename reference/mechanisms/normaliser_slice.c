/* SPDX-License-Identifier: Apache-2.0
 *
 * The normaliser of a mechanism's slice: from initial_n and dfinal_n to gated_normaliser and back; contract in
 * mechanisms.h.
 */
#include "mechanisms.h"

gated_normaliser gla_gated_normaliser(const gla_slice_io *io, const gla_form *form) {
    gated_normaliser z = {.n0 = gla_load(io, GLA_IN_INITIAL_N), .nT = gla_new(io->in, io->dk, 1)};
    if (!form->backward) return z;
    z.dnT = gla_load(io, GLA_IN_DFINAL_N);
    z.dn0 = gla_new(io->in, io->dk, 1);
    return z;
}

void gla_store_normaliser(const gla_slice_io *io, const gated_normaliser *z) {
    gla_store(io, GLA_FINAL_N, z->nT);
    gla_store(io, GLA_DINITIAL_N, z->dn0);
}
