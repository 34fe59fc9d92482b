/* SPDX-License-Identifier: Apache-2.0
 *
 * One chunk of m tokens of the delta core: its operands, its pseudo-values, what it reads and writes, and its
 * gradients. Local Gamma; S enters, F is the adjoint of the state that leaves. sQ holds the scale.
 *
 *     forward    KK = slower(SC(K,K)) ;  L = beta*KK (rows) ;  P = SC(sQ,K)
 *                Qt = sQ*e^Gamma ;  Kg = K*e^Gamma ;  Kh = K*e^(Gamma_m-Gamma)                 all exponents <= 0
 *                U  = (I+L)^-1 diag(beta) (V - Kg S)                                           pseudo.h
 *                O  = Qt S + P U ;  S leaves as diag(e^Gamma_m) S + Kh^T U
 *     backward   dU = Kh F + P^T dO ;  dP = lower(dO U^T) ;  dV, dbeta, dKg, dL from dU        pseudo.h
 *                dKK = beta*dL (rows) ;  dbeta += rowsum(dL*KK)
 *                dQ   = s [ e^Gamma*(dO S^T) + LO(dP,K) ]
 *                dK^r = e^Gamma*dKg + LO(dKK,K)                                                 K as reader
 *                dK^w = e^(Gamma_m-Gamma)*(U F^T) + UP(dP,sQ) + UP(dKK,K)                      K as writer
 *                F leaves as diag(e^Gamma_m) F + Qt^T dO - (the part through V - Kg S)
 */
#ifndef GLASSBOX_DELTA_CHUNK_H
#define GLASSBOX_DELTA_CHUNK_H

#include "decay.h"

typedef struct delta_chunk {
    size_t first, m;
    gla_matrix sq, k, v, d_o, beta; /* [m,.]; d_o absent in a forward run */
    delta_decay decay;
    gla_matrix Qt, Kg, Kh; /* [m,dk] */
    gla_matrix KK, L;      /* [m,m] strictly lower */
} delta_chunk;

/* Chunk `index` of form->form.C tokens; sq [T,dk] is s q. */
delta_chunk delta_chunk_at(const delta_slice *x, const delta_form *form, gla_matrix sq, size_t index);

/* O of the chunk into x->o, S becomes the leaving state; U as pseudo.h gave it. */
void delta_chunk_output(const delta_slice *x, const delta_chunk *u, gla_matrix S, gla_matrix U);
void delta_chunk_state(const delta_chunk *u, gla_matrix S, gla_matrix U);

/* The gradients of a chunk's queries and keys in their parts: through the states (inter), through the pairs (intra).
 * dQ holds s. */
typedef struct delta_gradients {
    gla_matrix dQ_inter, dKr_inter, dKw_inter; /* [m,dk] */
    gla_matrix dP, dKK;                        /* [m,m] */
} delta_gradients;

/* Everything of the chunk but the sums over pairs: x->dv_ and x->dbeta are done, F leaves. */
delta_gradients delta_chunk_back(const delta_slice *x, const delta_chunk *u, const delta_form *form, gla_matrix S,
                                 gla_matrix F);
/* dQ, dKr, dKw [m,dk] of the chunk: inter + intra. strict leaves the i = r pairs of dP out: they cancel in the gate's
 * gradient. */
void delta_chunk_pairs(const delta_slice *x, const delta_chunk *u, const delta_gradients *g, gla_matrix dQ,
                       gla_matrix dKr, gla_matrix dKw, bool strict);

#endif
