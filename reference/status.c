/* SPDX-License-Identifier: Apache-2.0
 *
 * Status texts and the filling of gla_error (status.h).
 */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

const char *gla_status_text(gla_status status) {
    switch (status) {
    case GLA_OK:
        return "ok";
    case GLA_NO_MEMORY:
        return "out of memory";
    case GLA_BAD_SHAPE:
        return "sizes do not fit together";
    case GLA_BAD_VALUE:
        return "input value outside the contract";
    case GLA_UNKNOWN_NAME:
        return "unknown name";
    case GLA_UNSUPPORTED:
        return "not available for this combination";
    case GLA_BAD_FILE:
        return "file is not what it claims to be";
    case GLA_IO_ERROR:
        return "the operating system refused a read or a write";
    }
    return "unknown status";
}

gla_status gla_fail(gla_error *err, gla_status status, const char *format, ...) {
    if (!err) return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->what, sizeof err->what, format, arguments);
    va_end(arguments);
    err->status = status;
    err->hint[0] = '\0';
    return status;
}

gla_status gla_hint(gla_error *err, gla_status status, const char *format, ...) {
    if (!err) return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->hint, sizeof err->hint, format, arguments);
    va_end(arguments);
    return status;
}
