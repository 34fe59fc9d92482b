/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the device probe's words share: reading the file of an instruction.
 */
#ifndef GLASSBOX_PROBE_TESTING_H
#define GLASSBOX_PROBE_TESTING_H

#include "../../testing.h"

#include "compare/cli_probe_words.h"

static inline cli_probe_words words_of(const gla_probe_instruction *i) {
    char path[128];
    cli_probe_words w;
    gla_error err = {0};
    snprintf(path, sizeof path, "data/hardware/mma/%s.npz", i->name);
    ck_assert_msg(cli_probe_words_read(path, &w, &err) == GLA_OK, "%s", err.what);
    ck_assert_ptr_eq(w.instruction, i);
    ck_assert_uint_eq(w.seed, GLA_PROBE_SEED);
    return w;
}

#endif
