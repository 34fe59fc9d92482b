/* SPDX-License-Identifier: Apache-2.0
 *
 * A plug-in that forgot glassbox_plugin_run.
 */
#include "compare/plugin.h"

const struct glassbox_info *glassbox_plugin_info(void) { return NULL; }
