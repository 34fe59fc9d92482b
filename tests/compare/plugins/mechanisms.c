/* SPDX-License-Identifier: Apache-2.0
 *
 * A plug-in of the mechanisms with one decay per head: recurrent, forward, in float. The fault "schedule" lets every
 * head decay as the one behind it should.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare/plugin.h"

static float get(const struct glassbox_input *x, int64_t a, int64_t b, int64_t c, int64_t d) {
    return x->data ? ((const float *)x->data)[a * x->stride[0] + b * x->stride[1] + c * x->stride[2] + d * x->stride[3]]
                   : 0;
}

static void put(const struct glassbox_output *x, int64_t a, int64_t b, int64_t c, int64_t d, float value) {
    ((float *)x->data)[a * x->stride[0] + b * x->stride[1] + c * x->stride[2] + d * x->stride[3]] = value;
}

/* The decay of head h in token t. */
static float decay(const struct glassbox_problem *p, int64_t n, int64_t t, int64_t h) {
    const char *fault = getenv("GLASSBOX_FAULT");
    int64_t head = fault && strcmp(fault, "schedule") == 0 ? h + 1 : h;
    if (strcmp(p->mechanism, "retention") == 0) return expf(log1pf(-ldexpf(1, (int)(-5 - head))));
    if (strcmp(p->mechanism, "simple_gla") != 0) return 1;
    if (!p->in.g.data) return 1;
    return expf(get(&p->in.g, n, t, h / (p->H / p->in.g.shape[2]), 0));
}

/* Column j of sequence n, head h. */
static void run_column(const struct glassbox_problem *p, float *S, int64_t n, int64_t h, int64_t j) {
    int64_t hk = h / (p->H / p->in.k.shape[2]), dk = p->dk;
    for (int64_t i = 0; i < dk; i++) S[i] = get(&p->in.initial_state, n, h, i, j);
    for (int64_t t = 0; t < p->T; t++) {
        float o = 0, v = get(&p->in.v, n, t, h, j), alpha = decay(p, n, t, h);
        for (int64_t i = 0; i < dk; i++) {
            S[i] = alpha * S[i] + get(&p->in.k, n, t, hk, i) * v;
            o += S[i] * get(&p->in.q, n, t, h, i);
        }
        put(&p->out.o, n, t, h, j, (float)p->scale * o);
    }
    for (int64_t i = 0; i < dk; i++) put(&p->out.final_state, n, h, i, j, S[i]);
}

int64_t glassbox_plugin_workspace(const struct glassbox_problem *p) { return p->dk * (int64_t)sizeof(float); }

int glassbox_plugin_run(const struct glassbox_problem *p, void *workspace, size_t workspace_size) {
    if (p->reverse || p->cu_seqlens) return 1; /* declined */
    for (int64_t n = 0; n < p->N; n++)
        for (int64_t h = 0; h < p->H; h++)
            for (int64_t j = 0; j < p->dv; j++) run_column(p, workspace, n, h, j);
    return 0;
}

const struct glassbox_info *glassbox_plugin_info(void) {
    static struct glassbox_info info = {.size = sizeof info, .abi_version = GLASSBOX_ABI_VERSION, .name = "mechanisms"};
    info.mechanisms = "simple_gla linear_attention retention";
    info.formats = GLASSBOX_TAKES_F32;
    info.features = GLASSBOX_IS_DETERMINISTIC;
    return &info;
}
