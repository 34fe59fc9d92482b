/* SPDX-License-Identifier: Apache-2.0
 *
 * The special function unit (MUFU) of NVIDIA GPUs, bit for bit: 2^x, 1/x, 1/sqrt(x), log2 x in binary32, as PTX's
 * .approx.ftz instructions return them. Quadratic interpolation from a table of coefficients; the tables
 * (mufu_tables.c) were fitted to words dumped from a device (data/hardware).
 *
 * Signs and specials: NaN gives the canonical 0x7fffffff; subnormal inputs are zeros of their sign, subnormal results
 * are flushed.
 *
 * On one NVIDIA H200 all 2^32 words of each function are these (compared by checksums of 2^16-word blocks, no block
 * differs). Largest error in units in the last place, and how often the result is not the nearest number:
 *
 *     ex2   1.39839 ulp, 24.4 % for x > 0;  2.05498 ulp, 44.0 % for x < 0;  2^-26 <= |x| <= 128
 *     rcp   0.97487 ulp, 13.2 %
 *     rsq   1.51449 ulp, 21.7 %
 *     lg2   within 2^-22.1476 for 1/2 <= x < 2; beyond 1.38201 ulp above, 2.30044 ulp below
 *
 * (tests/fast/hardware/test_mufu.c, test_mufu_error.c.)
 */
#ifndef GLASSBOX_MUFU_H
#define GLASSBOX_MUFU_H

#include <stdint.h>

/* binary32 words in, binary32 words out. */
uint32_t gla_mufu_ex2(uint32_t x); /* ex2.approx.ftz.f32: 2^x */
uint32_t gla_mufu_rcp(uint32_t x); /* rcp.approx.ftz.f32: 1/x */
uint32_t gla_mufu_rsq(uint32_t x); /* rsqrt.approx.ftz.f32: 1/sqrt(x) */
uint32_t gla_mufu_lg2(uint32_t x); /* lg2.approx.ftz.f32: log2 x */

#endif
