/* SPDX-License-Identifier: Apache-2.0
 *
 * From a case to what is judged of it; contract in cli_candidate.h.
 */
#include "cli_candidate.h"

#include <stdio.h>

void cli_outputs_of(const gla_case *c, gla_candidate *out) {
    *out = (gla_candidate){0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!c->output[i].present) continue;
        out->output[i].value = c->output[i].value;
        out->output[i].format = gla_dtype_format(c->output[i].dtype);
        out->output[i].wrong_shape = c->output[i].wrong_shape;
        for (int d = 0; d < 4 && d < c->output[i].rank; d++) out->output[i].shape[d] = c->output[i].shape[d];
    }
}

const gla_profile *cli_default_profile(const gla_candidate *c) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (c->output[i].format) return gla_profile_default(c->output[i].format);
    return gla_profile_default(NULL);
}

void cli_expect_outputs(unsigned expected, gla_candidate *out) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (expected & (1u << i)) out->output[i].missing = !out->output[i].value && !out->output[i].wrong_shape;
}

/* Outputs that should be there: those named by --only, else with a candidate file those of the case file. */
static gla_status find_missing(const char *path, const gla_case_options *load, unsigned only, gla_candidate *out,
                               gla_error *err) {
    unsigned expected = only;
    if (load->candidate && !only) {
        gla_case_options own = *load;
        own.candidate = NULL;
        gla_case whole;
        gla_status status = gla_case_load(path, &own, &whole, err);
        for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++)
            if (whole.output[i].present) expected |= 1u << i;
        gla_case_free(&whole);
        if (status != GLA_OK) return status;
    }
    cli_expect_outputs(expected, out);
    return GLA_OK;
}

/* An input that the candidate file repeats must be the case's, bit for bit. */
static gla_status find_changed(const char *path, const gla_case_options *load, gla_candidate *out, gla_error *err) {
    if (!load->candidate) return GLA_OK;
    gla_tensor_file own, other = {0};
    gla_status status = gla_tensors_read(path, &own, err);
    if (status == GLA_OK) status = gla_tensors_read(load->candidate, &other, err);
    for (int i = 0; status == GLA_OK && i < GLA_INPUTS; i++) {
        char full[400];
        snprintf(full, sizeof full, "%s%s", load->prefix ? load->prefix : "", gla_input_names[i]);
        const gla_named_tensor *a = gla_tensors_find(&own, full), *b = gla_tensors_find(&other, full);
        if (a && b && !gla_tensors_same(a, b)) out->changed |= 1u << i;
    }
    gla_tensors_free(&other);
    gla_tensors_free(&own);
    return status;
}

gla_status cli_candidate_of(const gla_case *c, const char *path, const gla_case_options *load, unsigned only,
                            gla_candidate *out, gla_error *err) {
    cli_outputs_of(c, out);
    gla_status status = find_missing(path, load, only, out, err);
    return status == GLA_OK ? find_changed(path, load, out, err) : status;
}
