/* SPDX-License-Identifier: Apache-2.0
 *
 * Where something is wrong: an element of an output, and its place in the recurrence.
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

/* The first element of an output, in the order of the recurrence, of which is_bad(data, index) says yes. */
gla_bad_place gla_first_place(const gla_problem *p, gla_output name, bool (*is_bad)(const void *data, int64_t i),
                              const void *data);

#endif
