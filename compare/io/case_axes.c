/* SPDX-License-Identifier: Apache-2.0
 *
 * Axes of a file and of a case; contract in case_axes.h.
 */
#include "case_axes.h"

#include <stdio.h>
#include <string.h>

int gla_axes_head(gla_axes axes) { return gla_is_state(axes) ? 1 : 2; }

/* Axes of 1 behind the heads. */
static int may_lack(gla_axes axes) {
    if (axes == GLA_STATE_ONE) return 2;
    return axes == GLA_PER_HEAD || axes == GLA_STATE_KEY || axes == GLA_WEIGHT_ONE;
}

/* `axes` of them from `first` on; what the file has not is 1. */
static bool take(const gla_named_tensor *x, int most, int lacking, const int order[4], int64_t shape[4]) {
    if (x->rank > most || x->rank < most - lacking) return false;
    for (int i = 0; i < 4; i++) shape[i] = order[i] < 0 || order[i] >= x->rank ? 1 : x->shape[order[i]];
    return true;
}

bool gla_axes_shape(gla_layout l, gla_axes axes, const gla_named_tensor *x, int64_t shape[4]) {
    static const int tokens[GLA_LAYOUTS][4] = {{0, 1, 2, 3}, {0, 2, 1, 3}, {-1, 0, 1, 2}};
    static const int heads_first[4] = {-1, -1, 0, 1};
    if (gla_is_state(axes)) return take(x, 4, may_lack(axes), tokens[GLA_BTHD], shape);
    if (!gla_is_weight(axes)) return take(x, l == GLA_THD ? 3 : 4, may_lack(axes), tokens[l], shape);
    return take(x, 2, may_lack(axes), heads_first, shape) || take(x, 4, 0, tokens[GLA_BTHD], shape);
}

const char *gla_axes_text(gla_layout l, gla_axes axes, const int64_t s[4], char text[128]) {
    long long a = s[0], b = s[1], c = s[2], d = s[3];
    if (gla_is_state(axes))
        snprintf(text, 128, "[%lld,h,%lld,%lld]", a, c, d);
    else if (gla_is_weight(axes))
        snprintf(text, 128, axes == GLA_WEIGHT_ONE ? "[h]" : "[h,%lld]", d);
    else if (l == GLA_BTHD)
        snprintf(text, 128, "[%lld,%lld,h,%lld]", a, b, d);
    else if (l == GLA_BHTD)
        snprintf(text, 128, "[%lld,h,%lld,%lld]", a, b, d);
    else
        snprintf(text, 128, "[%lld,h,%lld]", b, d);
    return text;
}

void gla_axes_exchange_heads(const double *x, const int64_t shape[4], double *z) {
    int64_t T = shape[1], H = shape[2], D = shape[3];
    for (int64_t b = 0; b < shape[0]; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t h = 0; h < H; h++, z += D) memcpy(z, x + ((b * H + h) * T + t) * D, (size_t)D * sizeof *z);
}

void gla_axes_transpose(const double *x, const int64_t shape[4], double *z) {
    int64_t rows = shape[2], cols = shape[3];
    for (int64_t n = 0; n < shape[0] * shape[1]; n++, x += rows * cols)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < cols; j++) *z++ = x[j * rows + i];
}
