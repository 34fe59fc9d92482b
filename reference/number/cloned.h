/* SPDX-License-Identifier: Apache-2.0
 *
 * A function marked CLONED_FOR_FMA is compiled twice where the compiler can, and the clone that uses the processor's
 * fma instruction is chosen at run time. fma and fmaf then cost an instruction instead of a call; the numbers are the
 * same.
 */
#ifndef GLASSBOX_CLONED_H
#define GLASSBOX_CLONED_H

#if defined(__x86_64__) && defined(__GLIBC__)
#define CLONED_FOR_FMA __attribute__((target_clones("fma", "default")))
#else
#define CLONED_FOR_FMA
#endif

#endif
