/* SPDX-License-Identifier: Apache-2.0
 *
 * One chunk of m tokens of the delta core: its operands, its pseudo-values, what it reads and writes, and its
 * gradients. Local Gamma; S enters, F is the adjoint of the state that leaves. sQ holds the scale.
 *
 *     forward    L = slower(SC(beta*K,K)) ;  P = SC(sQ,K)
 *                Qt = sQ*e^Gamma ;  Kg = K*e^Gamma ;  Kh = K*e^(Gamma_m-Gamma)                 all exponents <= 0
 *                U  = (I+L)^-1 diag(beta) (V - Kg S)                                           pseudo.h
 *                O  = Qt S + P U ;  S leaves as diag(e^Gamma_m) S + Kh^T U
 *     backward   dU = Kh F + P^T dO ;  dP = lower(dO U^T) ;  dV, dbeta, dKg, dL from dU        pseudo.h
 *                KK = slower(SC(K,K)) ;  dKK = beta*dL (rows) ;  dbeta += rowsum(dL*KK)
 *                dQ   = s [ e^Gamma*(dO S^T) + LO(dP,K) ]
 *                dK^r = e^Gamma*dKg + LO(dKK,K)                                                 K as reader
 *                dK^w = e^(Gamma_m-Gamma)*(U F^T) + UP(dP,sQ) + UP(dKK,K)                      K as writer
 *                F leaves as diag(e^Gamma_m) F + Qt^T dO - (the part through V - Kg S)
 *
 * Rounding sites are those of chunk kernels that keep X, W, U0, U and dU in memory, and write dK in two parts: the
 * first two terms of dK^w, and dK^r with the last.
 */
#ifndef GLASSBOX_DELTA_CHUNK_H
#define GLASSBOX_DELTA_CHUNK_H

#include "decay.h"

typedef struct delta_chunk {
    size_t first, m;
    gla_matrix sq, k, v, d_o, beta; /* [m,.]; d_o absent in a forward run */
    delta_decay decay;
    gla_matrix Qt, Kg, Kh; /* [m,dk]; Kg is not rounded yet */
    gla_matrix L;          /* [m,m] strictly lower */
} delta_chunk;

/* Chunk `index` of form->C tokens; sq [T,dk] is s q. */
delta_chunk delta_chunk_at(const delta_slice *x, const gla_form *form, gla_matrix sq, size_t index);

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
delta_gradients delta_chunk_back(const delta_slice *x, const delta_chunk *u, const gla_form *form, gla_matrix S,
                                 gla_matrix F);
/* dQ, dKr, dKw [m,dk] of the chunk: inter + intra; and dK, where it is not absent, the sum of its two parts. strict
 * leaves the i = r pairs of dP out: they cancel in the gate's gradient. */
typedef struct delta_key_gradients {
    gla_matrix dQ, dKr, dKw, dK;
} delta_key_gradients;
void delta_chunk_pairs(const delta_slice *x, const delta_chunk *u, const delta_gradients *g, delta_key_gradients out,
                       bool strict);

#endif
