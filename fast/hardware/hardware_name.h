/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar ARCH:TYPE[/EXP] (hardware.h): what a name chooses. Inside fast/hardware only.
 */
#ifndef GLASSBOX_HARDWARE_NAME_H
#define GLASSBOX_HARDWARE_NAME_H

#include <stddef.h>

#include "../../reference/number/format.h"
#include "tensor_core.h"

typedef struct gla_hardware_choice {
    const gla_mma_model *model; /* NULL: f32, no tensor core */
    const gla_format *operand;  /* what operands are rounded to; NULL: nothing (f32, tf32) */
    float (*exp)(float x);
} gla_hardware_choice;

/* False: no such name. */
bool gla_hardware_named(const char *name, gla_hardware_choice *out);

/* "ARCH: sm_80 sm_90; TYPE of sm_90: bf16 f16 ...; EXP: ex2 ...", for errors about `name`. */
void gla_hardware_names(const char *name, char *text, size_t size);

/* x to nearest even in f; numbers past an 8-bit format's range become its largest (cvt.satfinite). NULL: x. */
float gla_hardware_round(const gla_format *f, float x);

/* The word of an operand: x rounded, in the format's code (tf32: x itself). */
uint32_t gla_hardware_word(const gla_hardware_choice *choice, float x);

/* hardware.c: is this a site where a number becomes the operand of a product, and is rounded to TYPE? */
bool gla_hardware_rounds(gla_site site);

/* NaN as NVIDIA's instructions return it: 0x7fffffff. */
float gla_hardware_nan(void);

#endif
