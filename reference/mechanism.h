/* SPDX-License-Identifier: Apache-2.0
 *
 * A mechanism: a recurrence with names for its inputs, in one file of reference/mechanisms. Its table says what it
 * takes and gives, and in which conventions; its `slice` runs one sequence of one head in any number system.
 */
#ifndef GLASSBOX_MECHANISM_H
#define GLASSBOX_MECHANISM_H

#include "inputs.h"
#include "number/number.h"

struct gla_form;
struct gla_matrix;
struct gla_problem;
struct gla_slice_io; /* run.h */

/* Another name or other axes than the table's for an input; an entry without either ends the list. Over tokens stays
 * over tokens or becomes a weight, a state stays a state. */
typedef struct gla_change {
    gla_input input;
    const char *name;   /* in files; NULL: the usual one, which is always accepted when reading */
    const char *output; /* the output that bears it: the gradient ("dB" of "B"); for do, dfinal_* what comes forward */
    gla_axes axes;      /* GLA_USUAL_AXES: the table's */
} gla_change;

/* A convention in which papers and codes differ, as a switch of the mechanism: one of some values, the usual one
 * first, or a number (values NULL). An entry without a name ends the list. */
typedef struct gla_switch {
    const char *name, *what;
    const gla_choice *values;  /* what of a value: which paper or code has it */
    double usual, least, most; /* of a number */
} gla_switch;
enum { GLA_SWITCHES = 8 }; /* of one mechanism, at most */

typedef struct gla_mechanism {
    const char *name;     /* "gla" */
    const char *equation; /* one line */
    unsigned inputs;      /* bit (1u << gla_input) for those it takes */
    unsigned optional;    /* those of them over tokens, and weights, that may be absent; do and states always may */
    unsigned outputs;     /* bit (1u << gla_output) */
    bool unit_scale;      /* s is 1 where the problem names none, not dk^(-1/2) */
    const gla_change *changes;  /* or NULL */
    const gla_switch *switches; /* or NULL */
    /* Takes away the inputs and outputs that these settings have no use for. NULL: nothing. */
    void (*narrow)(const struct gla_problem *p, unsigned *inputs, unsigned *outputs);
    /* What the table's kinds do not say of a problem: sizes and settings that do not go together, the error as of
     * gla_problem_check; and why this value may not stand in this input, NULL if it may. Both NULL: nothing. */
    gla_status (*check)(const struct gla_problem *p, gla_error *err);
    const char *(*objection)(const struct gla_problem *p, gla_input name, double x);
    /* Fixed decays, else NULL: the schedules by name, the usual one first, and the log decay of the problem's head h,
     * made in the number system of g [1,1]. */
    const gla_choice *schedules;
    void (*log_decay)(const struct gla_problem *p, int64_t h, struct gla_matrix g);
    void (*decay)(const struct gla_problem *p, int64_t h,
                  struct gla_matrix alpha); /* e^g itself; NULL: no better way */
    bool plain;                             /* as it usually is (gla_is_plain, gla_columns_apart) */
    bool columns_apart;
    /* Has it this formulation, with this route, solver and so on? */
    bool (*available)(const struct gla_problem *p, const struct gla_form *form);
    void (*slice)(const struct gla_slice_io *io, const struct gla_form *form); /* failures: io->in->status */
} gla_mechanism;

extern const gla_mechanism *const gla_mechanisms[];         /* NULL-terminated */
const gla_mechanism *gla_mechanism_named(const char *name); /* or NULL */
const gla_mechanism *gla_mechanism_of(const struct gla_problem *p);

/* Names in this mechanism's files, and which one a name is (also a usual one); GLA_INPUTS, GLA_OUTPUTS: none. */
const char *gla_input_name(const gla_mechanism *m, gla_input name);
const char *gla_output_name(const gla_mechanism *m, gla_output name);
gla_input gla_input_named(const gla_mechanism *m, const char *name);
gla_output gla_output_named(const gla_mechanism *m, const char *name);

gla_axes gla_input_axes(const gla_mechanism *m, gla_input name);
bool gla_gate_per_head(const gla_mechanism *m); /* one g for all key channels of a head */

/* The inputs this problem takes and the outputs it has beside those that its pass leaves out, as masks: what the
 * mechanism lists, less what its settings narrow away. */
unsigned gla_inputs_taken(const struct gla_problem *p);
unsigned gla_outputs_given(const struct gla_problem *p);

/* Is it nothing but the gated core on q k v g gv and the states, so that the double-double engine (fast/cpu) runs it
 * too? Does column j of o and final_state need nothing of tensors with value columns (GLA_PER_VALUE, GLA_STATE,
 * GLA_STATE_SLOT_VALUE) but their column j? Neither is said of a mechanism whose switches are not all as usual. */
bool gla_is_plain(const struct gla_problem *p);
bool gla_columns_apart(const struct gla_problem *p);

/* How switch `index` of the problem's mechanism stands: the index of its value, or its number. */
double gla_setting(const struct gla_problem *p, int index);

/* "NAME[:SCHEDULE[:l/L]][@h/H][,SWITCH=VALUE]..." into the problem's mechanism, decay and settings, and back (at most
 * size bytes; what is usual is not written): "retention", "lightning:linear:3/24", "retention@2/4" (a problem that
 * begins with the third of four heads), "mlstm,gate=sigmoid,eps=1e-6". Errors: GLA_UNKNOWN_NAME, with the names there
 * are. */
gla_status gla_mechanism_parse(const char *text, struct gla_problem *p, gla_error *err);
void gla_mechanism_print(const struct gla_problem *p, char *text, size_t size);

#endif
