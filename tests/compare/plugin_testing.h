/* SPDX-License-Identifier: Apache-2.0
 *
 * Plug-ins in tests: where make puts them, and what `glassbox check --plugin` says of one.
 */
#ifndef GLASSBOX_TESTS_PLUGIN_H
#define GLASSBOX_TESTS_PLUGIN_H

#include "shell.h"

/* build/tests/compare/plugins/NAME.so beside build/glassbox; in static memory. */
static inline const char *plugin_path(const char *name) {
    static char path[300];
    const char *slash = strrchr(program(), '/');
    snprintf(path, sizeof path, "%.*s/tests/compare/plugins/%s.so", slash ? (int)(slash - program()) : 1,
             slash ? program() : ".", name);
    return path;
}

/* The verdict on gradients.c with one fault. */
static inline outcome check_fault(const char *fault, const char *options) {
    return shell("GLASSBOX_FAULT=%s GLASSBOX_FAULT_FILE=\"$D/pid\" $GLASSBOX check --plugin %s %s", fault,
                 plugin_path("hostile"), options);
}

static inline void expect_verdict(outcome o, const char *what, int status, const char *text) {
    ck_assert_msg(o.status == status, "%s: exit status %d, not %d: %s%s", what, o.status, status, o.out, o.err);
    ck_assert_msg(strstr(o.out, text) != NULL, "%s: no '%s' in %s", what, text, o.out);
    ck_assert_msg(o.err[0] == 0, "%s: %s", what, o.err);
    done(o);
}

#endif
