/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of m tokens of the mLSTM as one triangle between an entering state S, m_in and a leaving one S', m_out (spec
 * 8c, 8d): the whole sequence (parallel.c) or a chunk (chunkwise.c). With L, b of log_gates.h:
 *
 *     m_r = max(b_r + m_in, max_{j<=r} L_rj) ;  m_out = m_m ;  D_rj = e^(L_rj - m_r), 0 above the diagonal
 *     into_r = e^(b_r + m_in - m_r) ;  out_j = e^(L_mj - m_out) ;  Qt = sQ*into ;  Kh = K*out          all weights <= 1
 *     num = A V~ + Qt S ;  A = (sQ K^T)*D                          S' = into_m S + Kh^T V~
 *     dA = (dnum V~^T)*D
 *     dQ = s[ into*(dnum S^T) + dA K ] ;  dK = out*(V~ F^T) + dA^T sQ ;  dV~ = Kh F + A^T dnum
 *     F leaves as into_m F + Qt^T dnum
 */
#ifndef GLASSBOX_MLSTM_BLOCK_H
#define GLASSBOX_MLSTM_BLOCK_H

#include "log_gates.h"
#include "normaliser.h"

typedef struct mlstm_block {
    size_t first, m;        /* m > 0 */
    gla_matrix sq, q, k, V; /* views of the slice's rows */
    mlstm_log_weights log;
    gla_matrix stabiliser; /* [m,1] m_r, a view of reads->m; its last row is m_out */
    gla_matrix into, out;  /* [m,1] */
    gla_matrix through;    /* [1,1] into_m */
    gla_matrix Qt, Kh;     /* [m,dk] */
} mlstm_block;

mlstm_block mlstm_block_at(const mlstm_slice *x, mlstm_reads *r, mlstm_gates gates, size_t first, size_t m,
                           gla_matrix m_in);

/* A [m,m] with all of the triangle weighed by D at once. */
gla_matrix mlstm_block_scores(const mlstm_slice *x, const mlstm_block *u);

/* S becomes S'. */
void mlstm_block_state(const mlstm_block *u, gla_matrix S);

/* dq, dk of the slice, dV and, by the routes straddle and anchor, d log f in the block's rows. */
typedef struct mlstm_gradients {
    gla_matrix dnum, dV, d_log_f; /* [T,W] [T,W] [T,1] */
    gla_gate_route route;
} mlstm_gradients;

/* S entering, S_out leaving; F, the adjoint of S_out, becomes that of S. */
void mlstm_block_back(const mlstm_slice *x, const mlstm_block *u, const mlstm_gradients *g, gla_matrix S,
                      gla_matrix S_out, gla_matrix F);

/* Z times w [rows,1] row by row, as an operand announced at the site. */
gla_matrix mlstm_weighed_rows(gla_matrix Z, gla_matrix w, gla_site site);

#endif
