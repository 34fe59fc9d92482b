/* SPDX-License-Identifier: Apache-2.0
 *
 * What the mechanisms take and give, in one table (inputs.c): every input and output with its name in a case file, its
 * axes and the kind of its values. A mechanism may change the axes and the names of some (mechanism.h).
 *
 * An output is like one input: a gradient like what it is the gradient of, o and the final states like the gradients
 * that come back for them. So its shape, its number of heads and its kind need no table of their own.
 */
#ifndef GLASSBOX_INPUTS_H
#define GLASSBOX_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

/* In this order for ever: the bits of generated cases depend on it. */
typedef enum gla_input {
    GLA_IN_Q,
    GLA_IN_K,
    GLA_IN_V,
    GLA_IN_GK,
    GLA_IN_GV,
    GLA_IN_INITIAL_STATE,
    GLA_IN_DO,
    GLA_IN_DFINAL_STATE,
    GLA_IN_BETA,      /* write strength of the delta rule */
    GLA_IN_I,         /* mlstm: input gate before its activation */
    GLA_IN_F,         /* forget gate before its activation */
    GLA_IN_INITIAL_N, /* normaliser */
    GLA_IN_INITIAL_M, /* mlstm: stabiliser, the log of the unit that the state is given in */
    GLA_IN_DFINAL_N,
    GLA_IN_U,           /* rwkv6: bonus of the token itself */
    GLA_IN_LOWER_BOUND, /* hgrn2: of the forget gate */
    GLA_IN_DT,          /* Mamba: step before its activation */
    GLA_IN_A_LOG,
    GLA_IN_D, /* skip */
    GLA_IN_DT_BIAS,
    GLA_IN_Z,            /* output gate before its activation */
    GLA_IN_S,            /* gsa: write weights of the slots */
    GLA_IN_INITIAL_KEYS, /* gsa: the state of its first pass */
    GLA_IN_DFINAL_KEYS,
    GLA_INPUTS
} gla_input;

typedef enum gla_output {
    GLA_O,
    GLA_FINAL_STATE,
    GLA_DQ,
    GLA_DK,
    GLA_DV,
    GLA_DGK,
    GLA_DGV,
    GLA_DINITIAL_STATE,
    GLA_FINAL_N,
    GLA_FINAL_M,
    GLA_FINAL_KEYS,
    GLA_DBETA,
    GLA_DI,
    GLA_DF,
    GLA_DINITIAL_N,
    GLA_DINITIAL_M,
    GLA_DU,
    GLA_DLOWER_BOUND,
    GLA_DDT,
    GLA_DA_LOG,
    GLA_DD,
    GLA_DDT_BIAS,
    GLA_DZ,
    GLA_DS,
    GLA_DINITIAL_KEYS,
    GLA_OUTPUTS
} gla_output;

extern const char *const gla_input_names[GLA_INPUTS]; /* the usual ones: q k v g gv initial_state do dfinal_state ... */
extern const char *const gla_output_names[GLA_OUTPUTS]; /* o final_state dq dk dv dg dgv dinitial_state ... */

typedef enum gla_axes {
    GLA_USUAL_AXES,       /* in a mechanism: those of the table */
    GLA_PER_KEY,          /* tokens: [B,T,h,dk] */
    GLA_PER_VALUE,        /* [B,T,h,dv] */
    GLA_PER_HEAD,         /* [B,T,h,1]; in files also [B,T,h] */
    GLA_PER_SLOT,         /* [B,T,h,M] */
    GLA_STATE,            /* states, one for each sequence: [N,h,dk,dv] */
    GLA_STATE_KEY,        /* [N,h,dk,1] */
    GLA_STATE_ONE,        /* [N,h,1,1] */
    GLA_STATE_KEY_SLOT,   /* [N,h,dk,M] */
    GLA_STATE_SLOT_VALUE, /* [N,h,M,dv] */
    GLA_WEIGHT_KEY, /* learned, the same for every token and sequence: [1,1,h,dk]. Its gradient is the sum over them */
    GLA_WEIGHT_ONE  /* [1,1,h,1] */
} gla_axes;

bool gla_is_state(gla_axes axes);
bool gla_is_weight(gla_axes axes);

typedef enum gla_kind {
    GLA_KIND_VALUE,    /* finite, any sign */
    GLA_KIND_LOG_GATE, /* <= 0; -inf is an exact reset */
    GLA_KIND_LOGIT,    /* before its activation: any sign, +-inf unless the mechanism objects */
    GLA_KIND_RATE,     /* finite, in [0,1] as a rule */
    GLA_KIND_WEIGHT    /* finite, learned */
} gla_kind;

gla_axes gla_usual_axes(gla_input name);
gla_kind gla_input_kind(gla_input name);

/* The input that an output is like (see above). */
gla_input gla_output_like(gla_output name);
bool gla_is_gradient(gla_output name); /* else it comes with a forward run: o, final_* */

/* Is it over sequences, not tokens? The same in every mechanism. */
bool gla_is_state_input(gla_input name);
bool gla_is_state_output(gla_output name);
/* Do kernels usually keep it in binary32 whatever the type of q: states, and gradients of anything but plain values? */
bool gla_is_wide_output(gla_output name);

#endif
