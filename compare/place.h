/* SPDX-License-Identifier: Apache-2.0
 *
 * Where something is wrong: an element of an output, and its place in the recurrence. What is called the first of
 * several, in every verdict, diagnosis and report, is the one that the kernel makes first.
 */
#ifndef GLASSBOX_PLACE_H
#define GLASSBOX_PLACE_H

#include "../reference/glassbox.h"

enum { GLA_CHUNK = 64 };

/* An element; its token counts within its sequence, in chunks of GLA_CHUNK. */
typedef struct gla_bad_place {
    bool known; /* false: there is none */
    gla_output output;
    int64_t at[4];                       /* [b,t,h,i], of states [n,h,i,j] */
    int64_t sequence, token, chunk, row; /* token, chunk, row -1 for states */
} gla_bad_place;

/* Element i of a dense shape as at[4]. */
void gla_index_of(const int64_t shape[4], int64_t i, int64_t at[4]);

/* "o[0,3,1,5]", and room for a few words behind it. */
typedef char gla_place_text[160];
const char *gla_place_print(gla_output output, const int64_t at[4], gla_place_text text);

/* dk dv dg dgv are made from a sequence's last token back, all else from its first on. */
bool gla_made_backwards(gla_output name);

/* The first element of an output, in the order in which it is made, of which is_bad(data, index) says yes. */
gla_bad_place gla_first_place(const gla_problem *p, gla_output name, bool (*is_bad)(const void *data, int64_t i),
                              const void *data);

/* Is it over tokens [B,T,h,D], not over sequences and not a weight? */
bool gla_input_has_tokens(const gla_problem *p, gla_input name);
bool gla_output_has_tokens(const gla_problem *p, gla_output name);

#endif
