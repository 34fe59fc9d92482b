/* SPDX-License-Identifier: Apache-2.0
 *
 * A formulation, part by part; contract in run_parts.h.
 */
#include "run_parts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/threads.h"
#include "../reference/slice.h"

struct pass {
    const gla_problem *p;
    const gla_parts_run *how;
    gla_form form;
    int64_t heads; /* of a part */
    double **value;
    atomic_int status; /* of the first part to fail, whose error is kept */
    gla_error *err;
};

static void store(const struct pass *pass, const gla_part *part, const gla_result *r, gla_output name) {
    const gla_format *format = pass->how->format[name];
    if (!r->tensor[name].at || !pass->value[name]) return;
    for (int64_t i = 0; i < r->tensor[name].count; i++) {
        double x = gla_result_d(r, name, i);
        pass->value[name][gla_part_to_whole(part, pass->p, name, i)] = format ? gla_round(format, GLA_RN, x, 0) : x;
    }
}

static void keep_first(struct pass *pass, gla_status status, const gla_error *err) {
    int none = GLA_OK;
    if (atomic_compare_exchange_strong(&pass->status, &none, (int)status) && pass->err) *pass->err = *err;
}

/* One sequence and one block of heads. */
static void run_part(void *data, size_t index) {
    struct pass *pass = data;
    if (atomic_load(&pass->status) != GLA_OK) return;
    int64_t blocks = pass->p->H / pass->heads, n = (int64_t)index / blocks, block = (int64_t)index % blocks;
    gla_part part = gla_part_of(pass->p, n, block * pass->heads, pass->heads);
    gla_numbers *numbers = NULL;
    gla_result r = {0};
    gla_error err = {0};
    gla_status status = pass->how->open(pass->how->data, index, &numbers, &err);
    if (status == GLA_OK) status = gla_run(&part.problem, &pass->form, numbers, &r, &err);
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++) store(pass, &part, &r, (gla_output)i);
    if (status != GLA_OK) keep_first(pass, status, &err);
    gla_result_free(&r);
    gla_numbers_close(numbers);
}

static gla_status make_room(const struct pass *pass) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        if (!(pass->how->outputs & (1u << i)) || !gla_has_output(pass->p, true, (gla_output)i)) continue;
        gla_output_shape(pass->p, (gla_output)i, shape);
        pass->value[i] = calloc((size_t)(shape[0] * shape[1] * shape[2] * shape[3]) + 1, sizeof(double));
        if (!pass->value[i]) return gla_fail(pass->err, GLA_NO_MEMORY, "no memory for %s", gla_output_names[i]);
    }
    return GLA_OK;
}

bool gla_any_gradient(unsigned outputs) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (outputs & 1u << i && gla_is_gradient((gla_output)i)) return true;
    return false;
}

bool gla_has_incoming(const gla_problem *p) {
    return p->d_o.at || p->d_final_state.at || p->d_final_n.at || p->d_final_keys.at;
}

gla_status gla_run_parts(const gla_problem *p, const gla_parts_run *how, double *value[GLA_OUTPUTS], gla_error *err) {
    struct pass pass = {.p = p, .how = how, .heads = gla_unit_heads(p), .value = value, .err = err};
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    pass.form = *how->form;
    pass.form.backward = gla_any_gradient(how->outputs);
    gla_status status = make_room(&pass);
    size_t parts = (size_t)(p->N / gla_unit_sequences(p) * (p->H / pass.heads));
    if (status == GLA_OK) {
        gla_parallel(parts, how->threads > 0 ? how->threads : gla_processors(), run_part, &pass, NULL);
        status = (gla_status)atomic_load(&pass.status);
    }
    if (status == GLA_OK) return GLA_OK;
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    return status;
}
