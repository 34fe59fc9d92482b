/* SPDX-License-Identifier: Apache-2.0
 *
 * How a run of a plug-in ended: from the answer, the canaries and the outputs to a gla_plugin_end and one line.
 */
#ifndef GLASSBOX_PLUGIN_END_H
#define GLASSBOX_PLUGIN_END_H

#include "plugin_run.h"
#include "plugin_spawn.h"

/* Sets out->what to "NAME OF THE END: text", printable, and returns the end. */
gla_plugin_end gla_plugin_say(gla_plugin_result *out, gla_plugin_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How the process ended and what glassbox_plugin_run returned, before anything is said of memory. */
gla_plugin_end gla_plugin_ending(const gla_plugin_shared *s, gla_plugin_result *out);

/* Inputs that differ from `before` (a copy of the shared memory up to the outputs), canaries that are gone. */
gla_plugin_end gla_plugin_damage(const gla_plugin_shared *s, const char *before, gla_plugin_result *out);

/* Elements of pass 0 that still are poison. */
gla_plugin_end gla_plugin_unwritten(const gla_plugin_shared *s, gla_plugin_result *out);

/* What it printed last, where it may explain a bad end. */
void gla_plugin_add_words(gla_plugin_result *out, const gla_plugin_words *words);

#endif
