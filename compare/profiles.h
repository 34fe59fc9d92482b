/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles: what a kernel declares about its own arithmetic, as data. A profile names the formulation it follows, the
 * format of its elementwise arithmetic and of its matrix products, and the format at every rounding site (number.h).
 * The bound of an element is earned from this table alone; nothing is fitted to observed errors.
 */
#ifndef GLASSBOX_PROFILES_H
#define GLASSBOX_PROFILES_H

#include "../reference/glassbox.h"
#include "../reference/number/error.h"
#include "../reference/number/format.h"

typedef struct gla_profile {
    char name[32];
    char what[120]; /* one line for people */
    char form[48];  /* formulation whose rounding is followed, as gla_form_parse takes it */
    char also[48];  /* another that kernels of this profile may follow ("": none): an element is allowed the larger
                       bound. A pair of tokens meets inside a chunk or through the state, by the chunks' size */
    gla_error_model model; /* formats and sites; OUTPUT sites are set per tensor from its dtype */
} gla_profile;

/* NULL-terminated: f32 f32-chunk f32-tf32 chunk-bf16 chunk-f16 bf16-operands bf16-state ideal. */
extern const gla_profile *const gla_profiles[];
const gla_profile *gla_profile_named(const char *name); /* or NULL */

/* A profile's formulation (form or also) as the problem's mechanism has it: the delta rule in chunks with the UT
 * transform, as its kernels have; by the mechanism's usual route where it has not the profile's; and recurrent where it
 * has no chunks. Errors: those of gla_form_parse. */
gla_status gla_profile_form(const gla_problem *p, const char *text, bool backward, gla_form *out, gla_error *err);

/* The default by the dtype of o (or of the first output present): BF16 -> chunk-bf16, F16 -> chunk-f16, else f32. */
const gla_profile *gla_profile_default(const gla_format *output);

#endif
