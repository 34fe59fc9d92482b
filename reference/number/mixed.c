/* SPDX-License-Identifier: Apache-2.0
 *
 * mixed:FORMAT, the arithmetic of a tensor-core kernel in outline: binary32 everywhere, and every operand of a matrix
 * product between chunks and of P V, dP K, dP^T Q rounded to FORMAT (to nearest) at its site. Accumulation is a chain
 * of binary32 fma; it is not a tensor core bit for bit.
 */
#include <stdlib.h>

#include "format.h"

typedef struct mixed_numbers {
    gla_numbers common;
    struct gla_number_ops ops; /* binary32's, and the sites */
    gla_format narrow;
} mixed_numbers;

static bool rounds_at(gla_site where) {
    switch (where) {
    case GLA_SITE_Q_DECAYED:
    case GLA_SITE_K_DECAYED:
    case GLA_SITE_V_DECAYED:
    case GLA_SITE_STATE_READ:
    case GLA_SITE_SCORE:
    case GLA_SITE_DSTATE_READ:
    case GLA_SITE_DSCORE:
        return true;
    default:
        return false;
    }
}

static void site(gla_numbers *n, gla_site where, void *x) {
    const gla_format *narrow = &((mixed_numbers *)n)->narrow;
    if (rounds_at(where)) n->ops->set_d(n, x, gla_round(narrow, GLA_RN, n->ops->get_d(n, x), 0));
}

gla_numbers *gla_mixed_open(const gla_format *narrow) {
    mixed_numbers *n = calloc(1, sizeof *n);
    gla_numbers *plain = gla_binary32_open();
    if (n && plain) {
        n->ops = *plain->ops; /* binary32's operations keep no state */
        n->ops.site = site;
        n->narrow = *narrow;
        gla_numbers_setup(&n->common, &n->ops, plain->size, "mixed");
    }
    bool made = n && plain;
    gla_numbers_close(plain);
    if (made) return &n->common;
    free(n);
    return NULL;
}
