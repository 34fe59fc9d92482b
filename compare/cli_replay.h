/* SPDX-License-Identifier: Apache-2.0
 *
 * --replay and --form: the arithmetic that a candidate declares to the last bit (replay.h).
 */
#ifndef GLASSBOX_CLI_REPLAY_H
#define GLASSBOX_CLI_REPLAY_H

#include "cli.h"
#include "replay.h"

/* The two options, as argp child whose input is a gla_replay. What cannot be replayed is an error of the command line.
 */
extern const struct argp cli_replay_argp;

/* " --replay NUMBERS --form FORM" as they were given, "" if they were not; returns text. */
typedef char cli_replay_text[240];
const char *cli_replay_options(const gla_replay *r, cli_replay_text text);

#endif
