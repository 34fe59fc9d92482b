/* SPDX-License-Identifier: Apache-2.0
 *
 * Status codes and one-line error reports.
 *
 * Nothing in the library exits, prints or leaks. A function that can fail returns a gla_status; one that knows more
 * (which tensor, which index) also fills a gla_error, whose text says what and where, and whose hint says what to try.
 * The gla_error argument is always last and may be NULL.
 */
#ifndef GLASSBOX_STATUS_H
#define GLASSBOX_STATUS_H

#ifdef __FAST_MATH__
#error "Glassbox needs strict floating point: build without -ffast-math"
#endif

typedef enum gla_status {
    GLA_OK = 0,
    GLA_NO_MEMORY,    /* an allocation failed */
    GLA_BAD_SHAPE,    /* sizes that do not fit together */
    GLA_BAD_VALUE,    /* an input value outside the contract (NaN, g > 0) */
    GLA_UNKNOWN_NAME, /* no such mechanism, formulation, number system, tensor */
    GLA_UNSUPPORTED,  /* named, but not available for this combination */
    GLA_BAD_FILE,     /* a file that is not what it claims to be */
    GLA_IO_ERROR,     /* the operating system refused a read or a write */
} gla_status;

typedef struct gla_error {
    gla_status status;
    char what[320]; /* one line: what is wrong, and where */
    char hint[200]; /* one line: what to try; may be empty */
} gla_error;

/* The plain meaning of a status, never NULL. */
const char *gla_status_text(gla_status status);

/* Fill `err` (if not NULL) and return `status`: `return gla_fail(err, GLA_BAD_SHAPE, "q has %ld rows", n);` */
gla_status gla_fail(gla_error *err, gla_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Add or replace the hint of an error already filled; returns its status. */
gla_status gla_hint(gla_error *err, gla_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
