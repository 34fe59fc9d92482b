/* SPDX-License-Identifier: Apache-2.0
 *
 * Placing, filling and checking the memory shared with a plug-in (plugin_memory.h).
 */
#include "plugin_memory.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 64, PADDING = 16 };

const char *const gla_plugin_layout_names[GLA_PLUGIN_LAYOUTS] = {"dense", "padded rows", "heads before tokens"};

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

void gla_shared_place(gla_shared_tensor *t, int64_t bytes, int64_t *end) {
    int64_t page = sysconf(_SC_PAGESIZE);
    t->bytes = bytes;
    t->pages = round_up(*end + GLA_PLUGIN_GAP, page);
    t->pages_size = round_up(round_up(bytes, ALIGNMENT), page);
    t->at = t->pages + t->pages_size - round_up(bytes, ALIGNMENT);
    *end = t->pages + t->pages_size;
}

/* The axes from the innermost to the outermost. */
static const int *axes_of(gla_plugin_layout layout) {
    static const int as_written[] = {3, 2, 1, 0}, heads_first[] = {3, 1, 2, 0};
    return layout == GLA_PLUGIN_LAYOUT_HEADS_FIRST ? heads_first : as_written;
}

void gla_shared_tensor_place(gla_shared_tensor *t, const int64_t shape[4], const gla_format *format,
                             gla_plugin_layout layout, int64_t *end) {
    int64_t step = 1, last = 0;
    const int *axes = axes_of(layout);
    memcpy(t->shape, shape, sizeof t->shape);
    for (int n = 0; n < 4; n++) {
        int64_t *stride = &t->stride[axes[n]], size = shape[axes[n]];
        *stride = step;
        last += *stride * (size - 1);
        step = *stride * size + (layout == GLA_PLUGIN_LAYOUT_PADDED ? PADDING : 0);
    }
    t->dtype = gla_plugin_dtype(format);
    gla_shared_place(t, (last + 1) * (format->bits / 8), end);
}

int64_t gla_shared_count(const gla_shared_tensor *t) { return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]; }

static int64_t size_of(const gla_shared_tensor *t) {
    const gla_format *format = gla_plugin_format(t->dtype);
    return format ? format->bits / 8 : 1;
}

int64_t gla_shared_element(const gla_shared_tensor *t, int64_t i) {
    int64_t offset = 0;
    for (int d = 3; d >= 0; i /= t->shape[d--]) offset += i % t->shape[d] * t->stride[d];
    return t->at + offset * size_of(t);
}

static const struct {
    const gla_format *format;
    uint32_t dtype, takes;
} dtypes[] = {{&gla_binary32_format, GLASSBOX_F32, GLASSBOX_TAKES_F32},
              {&gla_bf16, GLASSBOX_BF16, GLASSBOX_TAKES_BF16},
              {&gla_f16, GLASSBOX_F16, GLASSBOX_TAKES_F16}};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

uint32_t gla_plugin_dtype(const gla_format *format) {
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i].format == format) return dtypes[i].dtype;
    return 0;
}

const gla_format *gla_plugin_format(uint32_t dtype) {
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i].dtype == dtype) return dtypes[i].format;
    return NULL;
}

uint32_t gla_plugin_takes(const gla_format *format) {
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i].format == format) return dtypes[i].takes;
    return 0;
}

/* ---- poison and canaries ---- */

static unsigned char poison_byte(uint16_t word, int64_t i) { return (unsigned char)(i % 2 ? word >> 8 : word & 0xff); }

void gla_poison(void *at, int64_t bytes, uint16_t word) {
    unsigned char *x = at;
    for (int64_t i = 0; i < bytes; i++) x[i] = poison_byte(word, i);
}

int64_t gla_canary_broken(const void *base, const gla_shared_tensor *t) {
    const unsigned char *x = (const unsigned char *)base + t->pages;
    int64_t first = t->at - t->pages, last = first + t->bytes;
    for (int64_t i = last; i < t->pages_size; i++)
        if (x[i] != poison_byte(GLA_POISON_A, i)) return i - last + 1;
    for (int64_t i = first - 1; i >= 0; i--)
        if (x[i] != poison_byte(GLA_POISON_A, i)) return i - first;
    return 0;
}

void gla_poison_elements(void *base, const gla_shared_tensor *t, uint16_t word) {
    for (int64_t i = 0; t->bytes && i < gla_shared_count(t); i++)
        gla_poison((char *)base + gla_shared_element(t, i), size_of(t), word);
}

/* Is element `offset` of the memory one of the tensor? Strides nest: an outer one is at least an inner one's extent. */
static bool is_element(const gla_shared_tensor *t, int64_t offset) {
    bool used[4] = {false};
    for (int n = 0; n < 4; n++) {
        int widest = -1;
        for (int d = 0; d < 4; d++)
            if (!used[d] && (widest < 0 || t->stride[d] > t->stride[widest])) widest = d;
        used[widest] = true;
        if (offset / t->stride[widest] >= t->shape[widest]) return false;
        offset %= t->stride[widest];
    }
    return true;
}

bool gla_gaps_whole(const void *base, const gla_shared_tensor *t) {
    const char *x = (const char *)base + t->at;
    int64_t size = size_of(t);
    char untouched[8];
    gla_poison(untouched, sizeof untouched, GLA_POISON_A);
    if (t->bytes == 0 || gla_shared_count(t) * size == t->bytes) return true;
    for (int64_t i = 0; i < t->bytes / size; i++)
        if (memcmp(x + i * size, untouched, (size_t)size) != 0 && !is_element(t, i)) return false;
    return true;
}

int64_t gla_unwritten(const void *base, const gla_shared_tensor *t, uint16_t poison, int64_t *count) {
    int64_t size = size_of(t), first = -1;
    unsigned char untouched[8];
    gla_poison(untouched, sizeof untouched, poison);
    *count = 0;
    for (int64_t i = 0; t->bytes && i < gla_shared_count(t); i++)
        if (memcmp((const char *)base + gla_shared_element(t, i), untouched, (size_t)size) == 0 && (*count)++ == 0)
            first = i;
    return first;
}

/* ---- values ---- */

static void store(const gla_format *format, double x, unsigned char *at) {
    uint32_t word = gla_encode(format, gla_round(format, GLA_RN, x, 0));
    memcpy(at, &word, (size_t)format->bits / 8);
}

void gla_shared_store(void *base, const gla_shared_tensor *t, const gla_tensor *from) {
    const gla_format *format = gla_plugin_format(t->dtype);
    const int64_t *stride = from->stride;
    int64_t i = 0;
    for (int64_t a = 0; a < t->shape[0]; a++)
        for (int64_t b = 0; b < t->shape[1]; b++)
            for (int64_t c = 0; c < t->shape[2]; c++)
                for (int64_t d = 0; d < t->shape[3]; d++)
                    store(format, from->at[a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3]],
                          (unsigned char *)base + gla_shared_element(t, i++));
}

/* ---- addresses ---- */

/* Distance of `offset` from [at, at + bytes), if it is no further than a gap. */
static bool near(int64_t offset, int64_t at, int64_t bytes, int64_t *outside) {
    *outside = offset < at ? offset - at : offset >= at + bytes ? offset - (at + bytes) + 1 : 0;
    return *outside > -GLA_PLUGIN_GAP && *outside <= GLA_PLUGIN_GAP;
}

static void consider(const gla_shared_tensor *t, int64_t offset, bool input, const char *name, bool *found,
                     gla_fault *out) {
    int64_t outside;
    if (t->bytes == 0 || !near(offset, t->at, t->bytes, &outside)) return;
    if (*found && llabs(outside) >= llabs(out->outside)) return;
    *found = true;
    out->outside = outside;
    out->input = input;
    snprintf(out->what, sizeof out->what, "%s%s", input ? "its input " : "", name);
}

bool gla_fault_locate(const gla_plugin_shared *s, uint64_t address, gla_fault *out) {
    const gla_plugin_request *r = &s->request;
    int64_t offset = (int64_t)(address - s->answer.base), outside;
    bool found = false;
    *out = (gla_fault){0};
    consider(&r->cu_seqlens, offset, true, "cu_seqlens", &found, out);
    for (int i = 0; i < GLA_INPUTS; i++) consider(&r->in[i], offset, true, gla_input_names[i], &found, out);
    for (int pass = 0; pass < r->passes; pass++)
        for (int i = 0; i < GLA_OUTPUTS; i++)
            consider(&r->out[pass][i], offset, false, gla_output_names[i], &found, out);
    int64_t in_workspace = (int64_t)(address - s->answer.workspace_base);
    if (!found && s->answer.workspace_base && near(in_workspace, 0, s->answer.workspace, &outside)) {
        found = true;
        out->outside = outside;
        snprintf(out->what, sizeof out->what, "its workspace");
    }
    return found;
}
