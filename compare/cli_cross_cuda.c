/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox cross: a rung of this machine's GPU beside number systems. It has one row, or two where its gradients follow
 * a formulation of their own.
 */
#include <string.h>

#include "cli_cross.h"

/* Some of a rung's outputs, in the formulation that it follows for them. */
static gla_status print_outputs(const cli_cuda *cuda, const gla_problem *p, const gla_truth *t,
                                const gla_dtype dtype[GLA_INPUTS], unsigned outputs, const char *form, gla_error *err) {
    gla_numbers *binary64;
    gla_result r = {0};
    gla_host_why why;
    gla_status status = gla_numbers_open("binary64", &binary64, err);
    if (status != GLA_OK) return status;
    if (cli_cuda_run(cuda, p, dtype, outputs, binary64, &r, why) == GLA_CUDA_OK)
        cross_print_row(form, &r, t);
    else
        status = gla_fail(err, GLA_UNSUPPORTED, "%s: %s", cuda->numbers, why);
    gla_result_free(&r);
    gla_numbers_close(binary64);
    return status;
}

gla_status cross_rung(const cli_cuda *cuda, const gla_problem *p, const gla_truth *t, gla_dtype dtype, gla_error *err) {
    cli_cuda_text o_text, d_text;
    gla_dtype dtypes[GLA_INPUTS];
    gla_host_run how;
    gla_host_why why;
    for (int i = 0; i < GLA_INPUTS; i++)
        dtypes[i] = gla_is_state_input((gla_input)i) || i == GLA_IN_GK || i == GLA_IN_GV ? GLA_F32 : dtype;
    if (cli_cuda_prepare(cuda, p, dtypes, &how, why) != GLA_CUDA_OK)
        return gla_fail(err, GLA_UNSUPPORTED, "%s: %s", cuda->numbers, why);
    const char *o = cli_cuda_form(cuda, how.dtype, false, o_text), *d = cli_cuda_form(cuda, how.dtype, true, d_text);
    if (!o) return gla_fail(err, GLA_UNSUPPORTED, "%s takes no %s", cuda->numbers, gla_dtype_name(dtype));
    bool one = d && strcmp(o, d) == 0;
    gla_status status =
        print_outputs(cuda, p, t, dtypes, one ? GLA_HOST_FORWARD | GLA_HOST_BACKWARD : GLA_HOST_FORWARD, o, err);
    if (status == GLA_OK && d && !one) status = print_outputs(cuda, p, t, dtypes, GLA_HOST_BACKWARD, d, err);
    return status;
}
