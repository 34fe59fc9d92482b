/* SPDX-License-Identifier: Apache-2.0
 *
 * gradients.c with one fault, named by GLASSBOX_FAULT, that shows in a corner alone: what tests/compare/test_shrink.c
 * expects glassbox shrink --plugin to find.
 */
#define glassbox_plugin_run right_run
#include "gradients.c"
#undef glassbox_plugin_run

#include <stdbool.h>
#include <stdlib.h>

static bool fault(const char *name) {
    const char *asked = getenv("GLASSBOX_FAULT");
    return asked && strcmp(asked, name) == 0;
}

static float greatest(problem *p, const struct glassbox_input *x) {
    float most = 0;
    for (int64_t b = 0; b < p->B; b++)
        for (int64_t t = 0; t < p->T; t++)
            for (int64_t h = 0; h < x->shape[2]; h++)
                for (int64_t i = 0; i < p->dk; i++) most = fmaxf(most, fabsf(get(x, b, t, h, i)));
    return most;
}

/* Multiply the elements of one tensor, heads first_head .. and tokens first_token .., which are F32 or BF16. */
static void spoil(const struct glassbox_output *x, int64_t first_token, int64_t first_head, float by) {
    struct glassbox_input same = {.data = x->data, .dtype = x->dtype};
    memcpy(same.stride, x->stride, sizeof same.stride);
    if (!x->data) return;
    for (int64_t b = 0; b < x->shape[0]; b++)
        for (int64_t t = first_token; t < x->shape[1]; t++)
            for (int64_t h = first_head; h < x->shape[2]; h++)
                for (int64_t i = 0; i < x->shape[3]; i++) put(x, b, t, h, i, by * get(&same, b, t, h, i));
}

int glassbox_plugin_run(problem *p, void *workspace, size_t workspace_size) {
    if (fault("crash") && p->T > 20 && p->T < 60) abort();
    int code = right_run(p, workspace, workspace_size);
    bool shared = p->in.k.shape[2] < p->H;
    if ((fault("corner") || fault("crash")) && p->dk >= 5) spoil(&p->out.o, 16, 1, 1.25f);
    if (fault("shared") && shared && p->in.initial_state.data) spoil(&p->out.dk, 0, 0, 0.5f);
    if (fault("large") && greatest(p, &p->in.q) >= 2) spoil(&p->out.o, 0, 0, INFINITY);
    if (fault("strong") && greatest(p, &p->in.g) >= 3) spoil(&p->out.o, 0, 0, 1.25f);
    return code;
}
