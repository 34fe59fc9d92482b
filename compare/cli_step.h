/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of `glassbox step` share: the session (cli_step.c), names of numbers and elements (cli_step_names.c),
 * what is shown of an event (cli_step_show.c), what is told of many (cli_step_tell.c), why
 * (cli_step_why.c), and the commands (cli_step_commands.c).
 *
 * Elements are named as in the file, [b,t,h,i], states [n,h,i,j]; where one sequence of one head is recorded also
 * [t,i] and [i,j], t counting from the sequence's first token, and these are what is printed then. S is final_state.
 */
#ifndef GLASSBOX_CLI_STEP_H
#define GLASSBOX_CLI_STEP_H

#include "../reference/slice.h"
#include "cli.h"
#include "step.h"

typedef struct step_session {
    const char *name; /* of the case */
    gla_part part;    /* what of it is recorded */
    gla_recording r;
    size_t limit; /* of recordings */
    gla_step step;
    int64_t *grows; /* of every slot: output * 2^40 + index of the element that grows there, or -1 */
    size_t slots;
    bool done;           /* quit was said */
    gla_error complaint; /* of the last command that failed */
} step_session;

/* ---- cli_step_names.c ---- */

/* One tensor's elements, as ranges in the recording's own indices. */
typedef struct step_choice {
    bool output; /* else an input */
    gla_output as_output;
    gla_input as_input;
    int64_t shape[4], first[4], end[4];
} step_choice;

gla_status step_names_make(step_session *s, gla_error *err);

/* NAME or NAME[...] with * for all of an axis. False: s->complaint says why. */
bool step_choose(step_session *s, const char *text, step_choice *choice);

typedef char step_text[80];
/* "S[0,1]", "q[3,0]": at[] in the recording's indices. */
const char *step_element(const step_session *s, bool output, int name, const int64_t at[4], step_text text);
/* A number by the event that made it: an input's element, the element of an output that grows there, or "#12". */
const char *step_operand(const step_session *s, int32_t event, step_text text);
/* The same with "#12" behind an element that grows, which was another number before and after. */
const char *step_operand_made(const step_session *s, int32_t event, step_text text);

/* A number to 6, 9 or 13 digits; in hexadecimal; "23.4 bits", "exact"; "0.31 ulp" or "". */
const char *step_number(const step_session *s, gla_wide x, step_text text);
const char *step_hex(gla_wide x, step_text text);
const char *step_bits(const gla_recording *r, const gla_step_event *e, step_text text);
const char *step_ulps(const step_session *s, const gla_step_event *e, step_text text);
cli_tint step_tint(const step_session *s, const gla_step_event *e);

/* ---- cli_step_show.c ---- */

void step_show_event(const step_session *s, size_t event);
void step_show_line(const step_session *s, size_t event); /* the same in one line */
void step_show_here(const step_session *s);               /* the event in hand, or that there is none */
void step_show_group(const step_session *s);              /* the group that has just ended, or how far it has come */
void step_show_budget(const step_session *s);

/* ---- cli_step_tell.c, cli_step_why.c: these fail with s->complaint ---- */

bool step_tell_elements(step_session *s, const char *text);
bool step_tell_why(step_session *s, const char *text);
bool step_tell_difference(step_session *s, const char *text);
void step_tell_everything(const step_session *s); /* info */

/* ---- cli_step_commands.c ---- */

/* One command line. False: it failed, and s->complaint says why. */
bool step_command(step_session *s, const char *line);

#endif
