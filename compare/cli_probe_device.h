/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the device probe, glassbox-probe (fast/hardware/probe/main.c).
 */
#ifndef GLASSBOX_CLI_PROBE_DEVICE_H
#define GLASSBOX_CLI_PROBE_DEVICE_H

#include "cli.h"

typedef struct cli_device_words {
    char folder[4096]; /* where it wrote NAME.safetensors; "" before it ran */
} cli_device_words;

/* Runs it on a new folder. CLI_GO_ON, or the exit status after one line on stderr: CLI_SKIPPED where there is no such
 * program or no GPU for it. Clear in either case. */
int cli_device_run(const char *command, cli_device_words *out);
void cli_device_clear(cli_device_words *words);

#endif
