/* SPDX-License-Identifier: Apache-2.0
 *
 * From a problem to named tensors: the inputs, gathered over their strides into dense BTHD, and the settings as
 * metadata, so that gla_case_build gives the same problem back (values rounded once into the asked dtypes).
 */
#include <stdio.h>
#include <stdlib.h>

#include "case.h"

static int64_t count_of(const int64_t shape[4]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

static void gather(const gla_tensor *x, const int64_t shape[4], double *value) {
    const int64_t *step = x->stride;
    for (int64_t a = 0; a < shape[0]; a++)
        for (int64_t b = 0; b < shape[1]; b++)
            for (int64_t c = 0; c < shape[2]; c++)
                for (int64_t d = 0; d < shape[3]; d++)
                    *value++ = x->at[a * step[0] + b * step[1] + c * step[2] + d * step[3]];
}

static gla_status add_input(gla_tensor_file *file, const gla_problem *p, const gla_tensor *x, gla_input name,
                            gla_dtype dtype, gla_error *err) {
    int64_t shape[4];
    gla_input_shape(p, name, shape);
    double *value = malloc((size_t)count_of(shape) * sizeof *value);
    if (!value) return gla_fail(err, GLA_NO_MEMORY, "no memory for %s", gla_input_names[name]);
    gather(x, shape, value);
    gla_status status = gla_tensors_add(file, gla_input_name(gla_mechanism_of(p), name), dtype, 4, shape, value, err);
    free(value);
    return status;
}

static gla_status add_settings(gla_tensor_file *file, const gla_problem *p, gla_error *err) {
    char scale[40], mechanism[160];
    gla_mechanism_print(p, mechanism, sizeof mechanism);
    snprintf(scale, sizeof scale, "%.17g", p->scale);
    gla_status status = gla_tensors_set_meta(file, "mechanism", mechanism, err);
    if (!status) status = gla_tensors_set_meta(file, "layout", "BTHD", err);
    if (!status) status = gla_tensors_set_meta(file, "gate_domain", "natural log", err);
    if (!status && p->scale != 0) status = gla_tensors_set_meta(file, "scale", scale, err);
    if (!status && p->reverse) status = gla_tensors_set_meta(file, "reverse", "true", err);
    return status;
}

gla_status gla_case_add_problem(gla_tensor_file *file, const gla_problem *problem, const gla_dtype dtype[GLA_INPUTS],
                                gla_error *err) {
    gla_problem p = *problem; /* gla_problem_input asks for one that may be written */
    gla_status status = add_settings(file, &p, err);
    for (int i = 0; i < GLA_INPUTS && !status; i++) {
        gla_tensor x = gla_acting_input(&p, (gla_input)i);
        if (x.at) status = add_input(file, &p, &x, (gla_input)i, dtype[i], err);
    }
    if (status || !p.cu_seqlens) return status;
    return gla_tensors_add_integers(file, "cu_seqlens", 1, (int64_t[]){p.N + 1}, p.cu_seqlens, err);
}

gla_status gla_case_add_output(gla_tensor_file *file, const gla_problem *problem, gla_output name, gla_dtype dtype,
                               const double *value, gla_error *err) {
    int64_t shape[4];
    gla_output_shape(problem, name, shape);
    return gla_tensors_add(file, gla_output_name(gla_mechanism_of(problem), name), dtype, 4, shape, value, err);
}
