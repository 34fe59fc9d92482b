/* SPDX-License-Identifier: Apache-2.0
 *
 * The GLA layer (the paper's section 4.4; the public fla layer's conventions), for rows x_t of a text:
 *     q = f(c(x Wq^T))   k = f(c(x Wk^T))   v = c(x Wv^T)         c a short convolution and swish, f a feature map;
 *                                                                 both optional
 *     g = log sigmoid((x A^T) B^T + b) / tau                      A [r,D], B [Hk dk,r]: the low-rank gate; tau its
 *                                                                 temperature; optionally max(g, least)
 *     o_h = the gated core of (q_h, k_j, v_j, g_j), j = floor(h / (H / Hk)), scale dk^(-1/2)
 *     y = (swish(x Wg^T) * rmsnorm_h(o)) Wo^T                     the output gate is optional, the norm is per head
 *
 * Shapes: x, y [T,D]; Wq [H dk,D], Wk [Hk dk,D], Wv [Hk dv,D], Wg [H dv,D], Wo [D,H dv]; norm [1,dv]; head h of a
 * tensor over heads is columns h dk .. (h+1) dk - 1.
 * Order of operations: as the maps have it (maps.h), the gated product last before Wo. The core runs in any of its
 * formulations, and if asked to in a number system of its own, so that a kernel's arithmetic stands in the middle of a
 * model's.
 */
#ifndef GLASSBOX_GLA_LAYER_H
#define GLASSBOX_GLA_LAYER_H

#include "../gated/gated.h"
#include "maps.h"

typedef struct gla_layer_sizes {
    size_t hidden, heads, key_heads, dk, dv; /* D, H, Hk; dk and dv of one head */
    size_t rank, window;                     /* r; taps of the short convolutions, 0: none */
} gla_layer_sizes;

typedef struct gla_layer_convolution {
    gla_matrix w, b; /* [channels,window], [1,channels]; absent: none */
} gla_layer_convolution;

/* All matrices in one number system; (a) may be absent. */
typedef struct gla_layer {
    gla_numbers *in;
    gla_layer_sizes size;
    gla_matrix Wq, Wk, Wv, Wo, Wg;     /* Wg (a) */
    gla_matrix A, B, b;                /* the gate's */
    gla_matrix norm;                   /* [1,dv] (a) */
    gla_layer_convolution cq, ck, cv;  /* (a) */
    gla_matrix scale, tau, least, eps; /* [1,1]; least (a) */
    layer_activation *feature;         /* NULL: none */
} gla_layer;

/* How the core is run. */
typedef struct gla_layer_core {
    gated_run *run;
    const gla_form *form;
    gla_numbers *in; /* NULL: the layer's own system */
} gla_layer_core;

/* What a text leaves behind for the tokens that follow: zeros at its start. */
typedef struct gla_layer_state {
    gla_matrix S;          /* [H dk,dv] */
    gla_matrix cq, ck, cv; /* [window-1,channels] (a) */
} gla_layer_state;

/* What enters and leaves the core: q [T,H dk], k and g [T,Hk dk], v [T,Hk dv], o [T,H dv]. */
typedef struct gla_layer_signals {
    gla_matrix q, k, v, g, o;
} gla_layer_signals;

gla_layer_state gla_layer_new_state(gla_numbers *n, gla_layer_sizes size);
gla_layer_signals gla_layer_new_signals(gla_numbers *n, gla_layer_sizes size, size_t T);

/* Sets y and the signals, and moves the state on by the T rows of x. y is not x. */
void gla_layer_forward(gla_matrix y, gla_matrix x, const gla_layer *layer, const gla_layer_core *core,
                       const gla_layer_state *state, const gla_layer_signals *signals);

/* gla_layer_back.c: from the start of a text (the state was 0), core->form->backward set. u: the forward's signals. dx
 * is added to, du is set, the gradients of the weights are added to those of `d`: a layer whose weights are the
 * gradients. */
void gla_layer_back(gla_matrix dx, gla_matrix dy, gla_matrix x, const gla_layer *layer, const gla_layer_core *core,
                    const gla_layer_signals *u, const gla_layer_signals *du, const gla_layer *d);

/* For both directions: z = rmsnorm(o) head by head; a slice through the core, gradients too if the form asks. */
void gla_layer_norm_heads(gla_matrix z, const gla_layer *layer, gla_matrix o);
void gla_layer_run_core(const gated_slice *x, const gla_layer_core *core);

#endif
