/* SPDX-License-Identifier: Apache-2.0
 *
 * A case with the outputs of a wrong kernel, judged and diagnosed; see wrong_bench.h.
 */
#include "wrong_bench.h"

#include <stdlib.h>
#include <string.h>

#include "../../compare/emulate.h"

static int64_t count_of(const int64_t shape[4]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

/* ---- for the faults ---- */

double *wrong_room(wrong_bench *b, int64_t count) {
    double *room = b->held < WRONG_KEPT ? calloc((size_t)count + 1, sizeof *room) : NULL;
    if (room) b->kept[b->held++] = room;
    return room;
}

int64_t wrong_count(const gla_problem *p, gla_input name) {
    int64_t shape[4];
    gla_input_shape(p, name, shape);
    return count_of(shape);
}

double *wrong_edit(wrong_bench *b, gla_problem *p, gla_input name) {
    gla_tensor *x = gla_problem_input(p, name);
    int64_t count = wrong_count(p, name);
    double *to = x->at ? wrong_room(b, count) : NULL;
    if (!to) return NULL;
    memcpy(to, x->at, (size_t)count * sizeof *to);
    x->at = to;
    return to;
}

bool wrong_run(wrong_bench *b, const gla_problem *p, const gla_profile *profile, double *value[GLA_OUTPUTS]) {
    gla_emulation how = {.outputs = (1u << GLA_OUTPUTS) - 1, .threads = 1};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = chunk_kernel_stored(b->dtype, (gla_output)i);
    if (gla_emulate(p, profile, &how, value, NULL) != GLA_OK) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (value[i] && b->held < WRONG_KEPT)
            b->kept[b->held++] = value[i];
        else if (value[i])
            return false;
    }
    return true;
}

bool wrong_outputs(wrong_bench *b, const gla_problem *p) {
    double *value[GLA_OUTPUTS];
    if (!wrong_run(b, p, gla_profile_named(chunk_kernel_profile(b->dtype)), value)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (value[i] && b->output[i]) memcpy(b->output[i], value[i], (size_t)b->truth.tensor[i].count * sizeof(double));
    return true;
}

/* ---- the bench ---- */

static gla_status make_room(wrong_bench *b, unsigned only, gla_error *err) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!b->truth.tensor[i].present) continue;
        b->output[i] = wrong_room(b, b->truth.tensor[i].count);
        double *allowed = wrong_room(b, b->truth.tensor[i].count);
        if (!b->output[i] || !allowed) return gla_fail(err, GLA_NO_MEMORY, "no memory for %s", gla_output_names[i]);
        if (only && !(only >> i & 1)) continue;
        b->candidate.output[i].value = b->output[i];
        b->candidate.output[i].allowed = allowed;
        b->candidate.output[i].format = chunk_kernel_stored(b->dtype, (gla_output)i);
    }
    return GLA_OK;
}

static gla_status run_kernel(const wrong_kernel *w, wrong_bench *b, gla_error *err) {
    bool good = true;
    if (w->fault != M_NONE)
        good = chunk_kernel(&b->made.problem, b->dtype, w->fault, b->output) == GLA_OK;
    else
        good = wrong_outputs(b, &b->made.problem) && (!w->way || w->way(b, w->variant));
    return good ? GLA_OK : gla_fail(err, GLA_NO_MEMORY, "kernel %s does not run", w->name);
}

/* Gates and magnitudes that no family has. */
static void prepare(const wrong_kernel *w, wrong_bench *b) {
    if (w->scale != 0) b->made.problem.scale = w->scale;
    if (w->way == wrong_growth || w->way == wrong_too_large) w->way(b, -1);
}

gla_status wrong_open(const wrong_kernel *w, const char *family, const gla_format *dtype, uint64_t seed,
                      wrong_bench *bench, gla_error *err) {
    *bench = (wrong_bench){.dtype = dtype, .seed = seed};
    bench->profile = gla_profile_named(w->profile ? w->profile : chunk_kernel_profile(dtype));
    gla_case_spec spec = w->spec;
    spec.family = family;
    spec.dtype = dtype;
    spec.seed = seed;
    spec.backward = spec.initial_state = true;
    if (spec.dk == 0) spec.dk = 8;
    if (spec.dv == 0) spec.dv = 12;
    gla_status status = gla_generate(&spec, &bench->made, err);
    if (status != GLA_OK) return status;
    prepare(w, bench);
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    status = gla_truth_compute(&bench->made.problem, &how, &bench->truth, err);
    if (status == GLA_OK) status = make_room(bench, w->only, err);
    if (status == GLA_OK) status = run_kernel(w, bench, err);
    return status;
}

gla_status wrong_diagnose(wrong_bench *b, gla_diagnosis *out, gla_error *err) {
    gla_status status = gla_judge(&b->made.problem, &b->candidate, &b->truth, b->profile, 0, 1, &b->judgement, err);
    memset(out, 0, sizeof *out);
    if (status != GLA_OK) return status;
    return gla_diagnose(&b->made.problem, &b->candidate, &b->truth, &b->judgement, 0, 1, out, err);
}

void wrong_close(wrong_bench *b) {
    while (b->held > 0) free(b->kept[--b->held]);
    gla_truth_free(&b->truth);
    gla_generated_free(&b->made);
}
