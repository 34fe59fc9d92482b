/* SPDX-License-Identifier: Apache-2.0
 *
 * Emulated kernels, part by part; contract in emulate.h. A dithered part draws from a seed of its own, so that the
 * result does not depend on the number of threads.
 */
#include "emulate.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/threads.h"
#include "../reference/number/error.h"
#include "../reference/slice.h"

struct pass {
    const gla_problem *p;
    const gla_profile *profile;
    const gla_emulation *how;
    gla_form form;
    int64_t heads; /* of a part */
    double **value;
    atomic_int status;
};

static void store(const struct pass *pass, const gla_part *part, const gla_result *r, gla_output name) {
    const gla_format *format = pass->how->format[name];
    if (!r->tensor[name].at || !pass->value[name]) return;
    for (int64_t i = 0; i < r->tensor[name].count; i++) {
        double x = gla_result_d(r, name, i);
        pass->value[name][gla_part_to_whole(part, pass->p, name, i)] = format ? gla_round(format, GLA_RN, x, 0) : x;
    }
}

/* One sequence and one block of heads. */
static void emulate_part(void *data, size_t index) {
    struct pass *pass = data;
    int64_t blocks = pass->p->H / pass->heads, n = (int64_t)index / blocks, block = (int64_t)index % blocks;
    gla_part part = gla_part_of(pass->p, n, block * pass->heads, pass->heads);
    uint64_t seed = pass->how->seed ? (pass->how->seed << 32) + index + 1 : 0;
    gla_numbers *numbers = gla_emulator_open(&pass->profile->model, seed);
    gla_result r = {0};
    gla_status status = GLA_NO_MEMORY;
    if (numbers) status = gla_run(gla_mechanism_named("gla"), &part.problem, &pass->form, numbers, &r, NULL);
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++) store(pass, &part, &r, (gla_output)i);
    if (status != GLA_OK) atomic_store(&pass->status, (int)status);
    gla_result_free(&r);
    gla_numbers_close(numbers);
}

static bool exists(const gla_problem *p, gla_output name) {
    return (name != GLA_DGK || p->gk.at) && (name != GLA_DGV || p->gv.at);
}

static gla_status make_room(const struct pass *pass) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        if (!(pass->how->outputs & (1u << i)) || !exists(pass->p, (gla_output)i)) continue;
        gla_output_shape(pass->p, (gla_output)i, shape);
        pass->value[i] = calloc((size_t)(shape[0] * shape[1] * shape[2] * shape[3]) + 1, sizeof(double));
        if (!pass->value[i]) return GLA_NO_MEMORY;
    }
    return GLA_OK;
}

gla_status gla_emulate(const gla_problem *p, const gla_profile *profile, const gla_emulation *how,
                       double *value[GLA_OUTPUTS], gla_error *err) {
    struct pass pass = {.p = p, .profile = profile, .how = how, .heads = gla_unit_heads(p), .value = value};
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    gla_status status = gla_form_parse(how->form ? how->form : profile->form, &pass.form, err);
    if (status != GLA_OK) return status;
    pass.form.backward = how->outputs >> GLA_DQ != 0;
    status = make_room(&pass);
    size_t parts = (size_t)(p->N * (p->H / pass.heads));
    if (status == GLA_OK)
        gla_parallel(parts, how->threads > 0 ? how->threads : gla_processors(), emulate_part, &pass, NULL);
    if (status == GLA_OK) status = (gla_status)atomic_load(&pass.status);
    if (status == GLA_OK) return GLA_OK;
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    return gla_fail(err, status, "no emulation: %s", gla_status_text(status));
}
