/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix instructions that the device probe runs, and their number formats as bit fields.
 *
 * An instruction multiplies A [M,K] by B [K,N] and adds C [M,N]; a chain repeats it over blocks of K, the result of one
 * being the C of the next. The rows of the table keep their order for ever: a row's number enters the draws of its
 * inputs (cases.h).
 */
#ifndef GLASSBOX_PROBE_INSTRUCTIONS_H
#define GLASSBOX_PROBE_INSTRUCTIONS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An encoding: sign, `exponent` bits, `fraction` bits, from the top. */
typedef struct gla_probe_format {
    const char *name;
    int exponent, fraction;
    int bytes;    /* in memory */
    int low;      /* fraction bits at the bottom that belong to the word but not to the number (tf32: 13) */
    int reserved; /* 1: all exponent bits set means infinity or NaN; 0: it is an exponent like others (e4m3) */
} gla_probe_format;

extern const gla_probe_format gla_probe_formats[]; /* ends with name NULL */
const gla_probe_format *gla_probe_format_named(const char *name);

enum { GLA_PROBE_M = 64, GLA_PROBE_N = 64, GLA_PROBE_K = 32 }; /* the most there is */

typedef struct gla_probe_instruction {
    const char *name;     /* "mma.m16n8k16.f32.bf16": also the file that holds its words */
    const char *family;   /* "mma" (mma.sync) or "wgmma" */
    const char *a, *b;    /* operand formats */
    const char *result;   /* format of C and D */
    int M, N, K;          /* wgmma: N = 64, other widths are variants (device.h) */
    const char *rounding; /* f64: "rn" "rz" "rm" "rp", else "" */
    const char *sass;     /* what the disassembly must show */
} gla_probe_instruction;

extern const gla_probe_instruction gla_probe_instructions[]; /* ends with name NULL */
const gla_probe_instruction *gla_probe_instruction_named(const char *name);

#ifdef __cplusplus
}
#endif

#endif
