/* SPDX-License-Identifier: Apache-2.0
 *
 * What gla_cuda.cu asks before anything is launched.
 */
#ifndef GLA_ARGUMENTS_CUH
#define GLA_ARGUMENTS_CUH

#include "gla_cuda.h"

/* Writes call->why and returns the status. */
gla_cuda_status gla_cuda_refuse(gla_cuda_call *call, gla_cuda_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sizes and the scale: what any call needs to make sense. */
gla_cuda_status gla_cuda_check_shape(const gla_cuda_problem *p, gla_cuda_call *call);

/* All of it, for the forward or the backward: every tensor that this direction reads or writes. */
gla_cuda_status gla_cuda_check(const gla_cuda_problem *p, gla_cuda_call *call, bool backward);

#endif
