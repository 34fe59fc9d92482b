/* SPDX-License-Identifier: Apache-2.0
 *
 * A plug-in of every mechanism, forward and backward: the reference's own recurrent form in binary32. It shows that the
 * interface carries every input and output there is. The fault "o" makes every output twice what it should be; "abi-1"
 * says that it was built for version 1 of the interface.
 */
#include <stdlib.h>
#include <string.h>

#include "compare/plugin.h"
#include "reference/glassbox.h"

/* The inputs and outputs in the order of gla_input and gla_output. */
static const struct glassbox_input *inputs_of(const struct glassbox_problem *p, int i) {
    return i < GLA_IN_BETA ? &p->in.q + i : &p->more.beta + (i - GLA_IN_BETA);
}

static const struct glassbox_output *outputs_of(const struct glassbox_problem *p, int i) {
    return i < GLA_FINAL_N ? &p->out.o + i : &p->more_out.final_n + (i - GLA_FINAL_N);
}

static int64_t count_of(const int64_t shape[4]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

/* A dense copy in binary64. */
static double *copy_of(const struct glassbox_input *x) {
    double *to = malloc((size_t)count_of(x->shape) * sizeof *to), *next = to;
    const int64_t *s = x->shape, *step = x->stride;
    for (int64_t a = 0; to && a < s[0]; a++)
        for (int64_t b = 0; b < s[1]; b++)
            for (int64_t c = 0; c < s[2]; c++)
                for (int64_t d = 0; d < s[3]; d++)
                    *next++ = ((const float *)x->data)[a * step[0] + b * step[1] + c * step[2] + d * step[3]];
    return to;
}

static void write_out(const struct glassbox_output *x, const gla_result *r, gla_output name) {
    const char *fault = getenv("GLASSBOX_FAULT");
    float by = fault && strcmp(fault, "o") == 0 ? 2 : 1;
    const int64_t *s = x->shape, *step = x->stride;
    int64_t i = 0;
    for (int64_t a = 0; a < s[0]; a++)
        for (int64_t b = 0; b < s[1]; b++)
            for (int64_t c = 0; c < s[2]; c++)
                for (int64_t d = 0; d < s[3]; d++)
                    ((float *)x->data)[a * step[0] + b * step[1] + c * step[2] + d * step[3]] =
                        by * (float)gla_result_d(r, name, i++);
}

static gla_status take(const struct glassbox_problem *x, gla_problem *p, double *owned[GLA_INPUTS]) {
    gla_status status = gla_mechanism_parse(x->mechanism, p, NULL);
    p->B = x->B;
    p->T = x->T;
    p->H = x->H;
    p->dk = x->dk;
    p->dv = x->dv;
    p->N = x->N;
    p->M = x->M;
    p->cu_seqlens = x->cu_seqlens;
    p->scale = x->scale;
    p->reverse = x->reverse;
    for (int i = 0; i < GLA_INPUTS && status == GLA_OK; i++) {
        const struct glassbox_input *in = inputs_of(x, i);
        if (!in->data) continue;
        owned[i] = copy_of(in);
        if (!owned[i]) return GLA_NO_MEMORY;
        gla_tensor *to = gla_problem_input(p, (gla_input)i);
        *to = (gla_tensor){.at = owned[i], .heads = in->shape[gla_is_state_input((gla_input)i) ? 1 : 2]};
        for (int64_t d = 3, step = 1; d >= 0; step *= in->shape[d--]) to->stride[d] = step;
    }
    return status;
}

int glassbox_plugin_run(const struct glassbox_problem *x, void *workspace, size_t workspace_size) {
    gla_problem p = {.mechanism = NULL};
    double *owned[GLA_INPUTS] = {NULL};
    gla_result r = {0};
    const gla_form form = {.kind = GLA_RECURRENT, .backward = x->backward};
    gla_numbers *n = gla_binary32_open();
    gla_status status = n ? take(x, &p, owned) : GLA_NO_MEMORY;
    if (status == GLA_OK) status = gla_run(&p, &form, n, &r, NULL);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++)
        if (outputs_of(x, i)->data) write_out(outputs_of(x, i), &r, (gla_output)i);
    gla_result_free(&r);
    gla_numbers_close(n);
    for (int i = 0; i < GLA_INPUTS; i++) free(owned[i]);
    return (int)status;
}

const struct glassbox_info *glassbox_plugin_info(void) {
    static char all[256];
    static struct glassbox_info info = {.size = sizeof info, .abi_version = GLASSBOX_ABI_VERSION, .name = "reference"};
    all[0] = 0;
    for (int i = 0; gla_mechanisms[i]; i++) {
        strcat(all, gla_mechanisms[i]->name);
        strcat(all, " ");
    }
    const char *fault = getenv("GLASSBOX_FAULT");
    info.abi_version = fault && strcmp(fault, "abi-1") == 0 ? 1 : GLASSBOX_ABI_VERSION;
    info.mechanisms = all;
    info.formats = GLASSBOX_TAKES_F32;
    info.features = GLASSBOX_HAS_BACKWARD | GLASSBOX_IS_DETERMINISTIC;
    return &info;
}
