/* SPDX-License-Identifier: Apache-2.0
 *
 * GPUs as number systems: any formulation runs in them, and returns what a kernel with that operation order returns.
 *
 *     ARCH:TYPE[/EXP]     sm_90:bf16   sm_90:tf32/expf   sm_80:f16   sm_90:f32
 *
 * A number is a binary32 word. Matrix products go through ARCH's tensor core for TYPE (tensor_core.h): operands are
 * rounded to TYPE (to nearest even; tf32: the tensor core itself drops the low bits), k ascends in the instruction's
 * blocks, the accumulator is chained from the value already in C. TYPE f32: no tensor core, chains of fma. Everything
 * else is one binary32 operation or fma, to nearest even, subnormals kept, NaN canonical (0x7fffffff). At the operand
 * sites (q, k, v decayed, states and scores as operands) numbers are rounded to TYPE.
 * 8-bit types saturate, as the conversion instructions do. Their sums are kept to 14 bits (tensor_core.h).
 * Quotients are div.rn. ln(1+x) is the correctly rounded one, which no device's library promises; max is max.NaN.
 * EXP, how e^x is made: ex2 (x log2 e, then ex2.approx.ftz; the default), expf, triton, poly (gpu_exp.h).
 *
 * Bit for bit holds for architectures whose rows say `probed`; others follow published evidence (tensor_core.h), and
 * their e^x is sm_90's.
 */
#ifndef GLASSBOX_HARDWARE_H
#define GLASSBOX_HARDWARE_H

#include "../../reference/number/number.h"

extern const gla_number_family gla_hardware_family;

/* gla_numbers_open for every name there is: reference's and the hardware's. What commands open by a user's name. */
gla_status gla_all_numbers_open(const char *name, gla_numbers **out, gla_error *err);

/* ---- the same arithmetic taken apart (hardware_parts.c), to see what each part costs ----
 * A part that is left out is exact to binary64: a site or an operand is not rounded, a sum is neither cut nor blocked,
 * e^x and everything else is binary64's. */
enum {
    /* bits 0 .. GLA_SITES-1: rounding to TYPE at the operand sites, and OUTPUT: o dq dk dv stored in TYPE */
    GLA_HARDWARE_OPERANDS = GLA_SITES, /* operands of products that no site has rounded are rounded to TYPE */
    GLA_HARDWARE_SUMS,                 /* the tensor core's alignment, cuts and chain of blocks */
    GLA_HARDWARE_EXP,                  /* EXP */
    GLA_HARDWARE_BINARY32,             /* everything else */
    GLA_HARDWARE_PARTS
};
#define GLA_HARDWARE_WHOLE ((UINT32_C(1) << GLA_HARDWARE_PARTS) - 1)

/* With all parts but OUTPUT it returns the numbers of gla_all_numbers_open, as long as they are normal numbers. Not for
 * f32, nor tf32, whose operands the tensor core cuts itself. Errors: GLA_UNKNOWN_NAME, GLA_UNSUPPORTED, GLA_NO_MEMORY.
 */
gla_status gla_hardware_parts_open(const char *name, uint32_t parts, gla_numbers **out, gla_error *err);

#endif
