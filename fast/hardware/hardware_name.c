/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of hardware number systems, read against the table of tensor cores (mma_models.c), and the rounding that a
 * name's TYPE stands for; contract in hardware_name.h.
 *
 * An architecture is one that the table knows, also for TYPE f32. A TYPE is one for which it has a fused block with a
 * binary32 result; the first such row holds. (8-bit types on sm_90: wgmma's, since mma.sync has none of its own.)
 */
#include "hardware_name.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gpu_exp.h"

static const struct {
    const char *name;
    float (*exp)(float x);
} exponentials[] = {
    {"ex2", gla_gpu_exp_fast}, {"expf", gla_gpu_expf}, {"triton", gla_gpu_exp_triton}, {"poly", gla_gpu_exp_poly}};
enum { EXPONENTIALS = sizeof exponentials / sizeof *exponentials };

static const gla_format e4m3_saturating = {"e4m3", 4, -6, 8, 448, false, GLA_OVERFLOW_SATURATE, 8};
static const gla_format e5m2_saturating = {"e5m2", 3, -14, 15, 57344, true, GLA_OVERFLOW_SATURATE, 8};

static const struct {
    const char *type;
    const gla_format *format;
} operands[] = {
    {"bf16", &gla_bf16}, {"f16", &gla_f16}, {"tf32", NULL}, {"e4m3", &e4m3_saturating}, {"e5m2", &e5m2_saturating}};
enum { OPERANDS = sizeof operands / sizeof *operands };

/* ---- rounding ---- */

static uint32_t word_of(float x) {
    uint32_t w;
    memcpy(&w, &x, sizeof w);
    return w;
}

static float float_of(uint32_t w) {
    float x;
    memcpy(&x, &w, sizeof x);
    return x;
}

float gla_hardware_nan(void) { return float_of(0x7fffffff); }

/* What stays clear of the format's ends is rounded in its own word, the rest by format.c. */
float gla_hardware_round(const gla_format *f, float x) {
    if (!f || x == 0) return x;
    uint32_t w = word_of(x), last = UINT32_C(1) << (24 - f->p);
    int exponent = (int)(w >> 23 & 0xff) - 127;
    if (exponent >= f->emin && exponent < f->emax && exponent < 127) {
        w += last / 2 - 1 + ((w & last) != 0);
        return float_of(w & -last);
    }
    float y = (float)gla_round(f, GLA_RN, (double)x, 0);
    return isnan(y) ? gla_hardware_nan() : y;
}

uint32_t gla_hardware_word(const gla_hardware_choice *choice, float x) {
    const gla_format *f = choice->operand;
    x = gla_hardware_round(f, x);
    if (!f) return word_of(x);
    return f == &gla_bf16 ? word_of(x) >> 16 : gla_encode(f, (double)x);
}

/* ---- names ---- */

static bool is_arch(const char *text, size_t length) {
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++)
        if (strlen(m->arch) == length && strncmp(m->arch, text, length) == 0) return true;
    return false;
}

static bool usable(const gla_mma_model *m, const char *arch, size_t length) {
    return strlen(m->arch) == length && strncmp(m->arch, arch, length) == 0 && m->kind == GLA_MMA_FUSED &&
           strcmp(m->result, "f32") == 0;
}

static const gla_mma_model *model_of(const char *arch, size_t arch_length, const char *type) {
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++)
        if (usable(m, arch, arch_length) && strcmp(m->type, type) == 0) return m;
    return NULL;
}

static bool same(const char *text, size_t length, const char *name) {
    return strlen(name) == length && strncmp(text, name, length) == 0;
}

static bool read_exp(const char *text, gla_hardware_choice *out) {
    if (*text != '/') return false;
    for (size_t i = 0; i < EXPONENTIALS; i++)
        if (strcmp(text + 1, exponentials[i].name) == 0) return out->exp = exponentials[i].exp, true;
    return false;
}

bool gla_hardware_named(const char *name, gla_hardware_choice *out) {
    size_t arch = strcspn(name, ":");
    if (name[arch] != ':' || !is_arch(name, arch)) return false;
    const char *type = name + arch + 1;
    size_t length = strcspn(type, "/");
    *out = (gla_hardware_choice){.exp = exponentials[0].exp};
    if (type[length] && !read_exp(type + length, out)) return false;
    if (same(type, length, "f32")) return true;
    for (size_t i = 0; i < OPERANDS; i++)
        if (same(type, length, operands[i].type)) {
            out->model = model_of(name, arch, operands[i].type);
            out->operand = operands[i].format;
            return out->model != NULL;
        }
    return false;
}

/* ---- what there is, for errors ---- */

static void append(char *text, size_t size, const char *word) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", word);
}

static void append_archs(char *text, size_t size) {
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++) {
        bool known = false;
        for (const gla_mma_model *before = gla_mma_models; before < m; before++)
            known = known || strcmp(before->arch, m->arch) == 0;
        if (known) continue;
        append(text, size, " ");
        append(text, size, m->arch);
    }
}

void gla_hardware_names(const char *name, char *text, size_t size) {
    size_t arch = strcspn(name, ":");
    snprintf(text, size, "ARCH:");
    append_archs(text, size);
    if (!is_arch(name, arch)) {
        append(text, size, "; glassbox hardware lists their types");
        return;
    }
    append(text, size, "; TYPE: f32");
    for (size_t i = 0; i < OPERANDS; i++)
        if (model_of(name, arch, operands[i].type)) {
            append(text, size, " ");
            append(text, size, operands[i].type);
        }
    append(text, size, "; EXP:");
    for (size_t i = 0; i < EXPONENTIALS; i++) {
        append(text, size, " ");
        append(text, size, exponentials[i].name);
    }
}
