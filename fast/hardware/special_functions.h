/* SPDX-License-Identifier: Apache-2.0
 *
 * The special functions and exponentials that are modelled (mufu.h, gpu_exp.h), one row per function: how far it is
 * from the real one, and on how many words it was compared with a device.
 *
 * The largest error is in units in the last place, over normal x with a normal result, of exponentials over
 * 2^-26 <= |x| (tests/fast/hardware/test_mufu_error.c). log2 x comes near 0 around x = 1: there its error is absolute.
 */
#ifndef GLASSBOX_SPECIAL_FUNCTIONS_H
#define GLASSBOX_SPECIAL_FUNCTIONS_H

#include <stdint.h>

typedef struct gla_special_function {
    const char *name, *value; /* the instruction, C's function or ours: "ex2.approx.ftz.f32"; "2^x" */
    const char *call;         /* in mufu.h or gpu_exp.h */
    double ulp;               /* the largest error */
    double absolute;          /* log2 of it for 1/2 <= x < 2, where ulp does not hold; 0: it holds everywhere */
    const char *device;       /* whose words these are */
    int64_t compared;         /* words, of which none differs, by checksums of blocks of 2^16; 0: not probed */
    const char *record;       /* their file */
} gla_special_function;

/* Ends with a row of NULLs. */
extern const gla_special_function gla_special_functions[];

#endif
