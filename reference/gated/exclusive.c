/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading before the decay and the write, as a shift of the readers; contract in exclusive.h.
 */
#include "exclusive.h"

#include "operand.h"

/* A's rows from the second on, and zeros in the last. */
static gla_matrix moved_up(gla_matrix A) {
    gla_matrix z = gla_new(A.in, A.rows, A.cols);
    gla_copy(gla_rows(z, 0, A.rows - 1), gla_rows(A, 1, A.rows - 1));
    return z;
}

static void move_down(gla_matrix z, gla_matrix A) { gla_copy(gla_rows(z, 1, z.rows - 1), gla_rows(A, 0, z.rows - 1)); }

/* The first token: all it reads is the initial state. */
static void read_first(const gated_slice *x, bool backward) {
    gla_matrix sq = gla_new(x->in, 1, x->dk);
    gla_scale(sq, gla_row(x->q, 0), x->s);
    gla_round_at(sq, GLA_SITE_Q_DECAYED);
    gla_matrix S0 = gated_rounded(x->S0, GLA_SITE_STATE_READ);
    gla_read(gla_row(x->o, 0), S0, sq);
    if (!backward) return;
    gla_matrix dq = gla_row(x->dq, 0), d_o = gla_row(x->d_o, 0);
    gla_read(dq, gla_transposed(S0), d_o);
    gla_scale(dq, dq, x->s);
    gla_write(x->dS0, sq, d_o);
}

void gated_run_exclusive(const gated_slice *x, const gla_form *form) {
    if (x->in->status != GLA_OK) return;
    size_t mark = gla_mark(x->in);
    gated_slice core = *x;
    if (x->T > 0) {
        core.q = moved_up(x->q);
        core.o = gla_new(x->in, x->T, x->dv);
    }
    if (x->T > 0 && form->backward) {
        core.d_o = moved_up(x->d_o);
        core.dq = gla_new(x->in, x->T, x->dk);
    }
    gated_run_form(&core, form);
    if (x->T > 0) {
        move_down(x->o, core.o);
        if (form->backward) move_down(x->dq, core.dq);
        read_first(x, form->backward);
    }
    gla_release(x->in, mark);
}
