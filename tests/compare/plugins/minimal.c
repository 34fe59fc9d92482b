/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole plug-in: recurrent GLA, forward, in float. cc -O2 -shared -fPIC -I. minimal.c -o minimal.so -lm
 */
#include <math.h>
#include <string.h>

#include "compare/plugin.h"

/* An element, F32 or BF16 (see `formats` below); 0 of a tensor that is absent. */
static float get(const struct glassbox_input *x, int64_t a, int64_t b, int64_t c, int64_t d) {
    if (!x->data) return 0;
    int64_t at = a * x->stride[0] + b * x->stride[1] + c * x->stride[2] + d * x->stride[3];
    if (x->dtype == GLASSBOX_F32) return ((const float *)x->data)[at];
    uint32_t bits = (uint32_t)((const uint16_t *)x->data)[at] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void put(const struct glassbox_output *x, int64_t a, int64_t b, int64_t c, int64_t d, float value) {
    int64_t at = a * x->stride[0] + b * x->stride[1] + c * x->stride[2] + d * x->stride[3];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (x->dtype == GLASSBOX_F32) ((float *)x->data)[at] = value;
    if (x->dtype == GLASSBOX_BF16) ((uint16_t *)x->data)[at] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* Column j of sequence n, head h, which reads head hk of k and g. S is that column of the state, dk long. */
static void run_column(const struct glassbox_problem *p, float *S, int64_t n, int64_t h, int64_t j) {
    int64_t hk = h / (p->H / p->in.k.shape[2]), dk = p->dk;
    for (int64_t i = 0; i < dk; i++) S[i] = get(&p->in.initial_state, n, h, i, j);
    for (int64_t t = 0; t < p->T; t++) {
        float o = 0, v = get(&p->in.v, n, t, h, j), decay = expf(get(&p->in.gv, n, t, h, j));
        for (int64_t i = 0; i < dk; i++) {
            S[i] = decay * expf(get(&p->in.g, n, t, hk, i)) * S[i] + get(&p->in.k, n, t, hk, i) * v;
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
    static struct glassbox_info info = {.size = sizeof info, .abi_version = GLASSBOX_ABI_VERSION, .name = "minimal"};
    info.mechanisms = "gla";
    info.formats = GLASSBOX_TAKES_F32 | GLASSBOX_TAKES_BF16;
    info.features = GLASSBOX_IS_DETERMINISTIC;
    return &info;
}
