/* SPDX-License-Identifier: Apache-2.0
 *
 * The number system behind trace.h: a number is one of the inner system's, followed by its truth (MPFR), the event that
 * made it and its place among all numbers made. Every operation is the inner system's, done on both, and one event.
 */
#ifndef GLASSBOX_TRACE_NUMBERS_H
#define GLASSBOX_TRACE_NUMBERS_H

#include "trace.h"

/* Owns inner from here on, also when it fails (NULL: no memory). Events go to *r, whose precision, format and
 * truth_bits are set; once there are `limit`, the status becomes GLA_BAD_SHAPE. */
gla_numbers *gla_trace_numbers_open(gla_numbers *inner, gla_recording *r, size_t limit);

/* The event that made a number, -1 if none has. */
int32_t gla_trace_made(gla_numbers *n, const void *x);

#endif
