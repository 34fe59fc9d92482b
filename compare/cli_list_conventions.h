/* SPDX-License-Identifier: Apache-2.0
 *
 * The conventions that a mechanism can be told (glassbox list --conventions).
 */
#ifndef GLASSBOX_CLI_LIST_CONVENTIONS_H
#define GLASSBOX_CLI_LIST_CONVENTIONS_H

#include <jansson.h>

#include "../reference/glassbox.h"

void cli_list_conventions(void);

/* The switches as a list of objects: name, what, values (empty for a number, which has "usual"; null: infinite). */
json_t *cli_switches_json(const gla_mechanism *m);

#endif
