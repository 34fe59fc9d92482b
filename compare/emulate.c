/* SPDX-License-Identifier: Apache-2.0
 *
 * Emulated kernels, part by part; contract in emulate.h. A dithered part draws from a seed of its own, so that the
 * result does not depend on the number of threads.
 */
#include "emulate.h"

#include <string.h>

#include "../reference/number/error.h"
#include "run_parts.h"

struct emulation {
    const gla_error_model *model;
    uint64_t seed;
};

static gla_status open_emulator(const void *data, size_t index, gla_numbers **out, gla_error *err) {
    const struct emulation *e = data;
    *out = gla_emulator_open(e->model, e->seed ? (e->seed << 32) + index + 1 : 0);
    return *out ? GLA_OK : gla_fail(err, GLA_NO_MEMORY, "no memory for an emulated kernel");
}

gla_status gla_emulate(const gla_problem *p, const gla_profile *profile, const gla_emulation *how,
                       double *value[GLA_OUTPUTS], gla_error *err) {
    struct emulation e = {&profile->model, how->seed};
    gla_form form;
    gla_status status = how->form ? gla_form_parse(how->form, &form, err)
                                  : gla_profile_form(p, profile->form, gla_any_gradient(how->outputs), &form, err);
    if (status != GLA_OK) {
        memset(value, 0, GLA_OUTPUTS * sizeof *value);
        return status;
    }
    gla_parts_run run = {.form = &form,
                         .open = open_emulator,
                         .data = &e,
                         .outputs = how->outputs,
                         .format = how->format,
                         .threads = how->threads};
    return gla_run_parts(p, &run, value, err);
}
