/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of the tensors that a plug-in is given, as float: F32 and BF16, written to nearest even.
 */
#ifndef GLASSBOX_PLUGINS_ACCESS_H
#define GLASSBOX_PLUGINS_ACCESS_H

#include <string.h>

#include "compare/plugin.h"

static inline int64_t offset(const int64_t stride[4], int64_t a, int64_t b, int64_t c, int64_t d) {
    return a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3];
}

static inline float get(const struct glassbox_input *x, int64_t a, int64_t b, int64_t c, int64_t d) {
    if (!x->data) return 0;
    int64_t at = offset(x->stride, a, b, c, d);
    if (x->dtype == GLASSBOX_F32) return ((const float *)x->data)[at];
    uint32_t bits = (uint32_t)((const uint16_t *)x->data)[at] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void put(const struct glassbox_output *x, int64_t a, int64_t b, int64_t c, int64_t d, float value) {
    if (!x->data) return;
    int64_t at = offset(x->stride, a, b, c, d);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (x->dtype == GLASSBOX_F32) ((float *)x->data)[at] = value;
    if (x->dtype == GLASSBOX_BF16) ((uint16_t *)x->data)[at] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

#endif
