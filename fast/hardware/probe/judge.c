/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe's inputs through a model (judge.h).
 */
#include "judge.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TERMS = GLA_PROBE_K * 64 }; /* of the longest chain */

const gla_mma_model *gla_probe_model(const char *arch, const gla_probe_instruction *i) {
    char instruction[32], type[16];
    bool chain = strcmp(i->result, "f64") == 0, mixed = strcmp(i->a, i->b) != 0;
    if (strcmp(i->family, "wgmma") == 0 || chain) {
        snprintf(instruction, sizeof instruction, "%s", chain ? "mma.sync" : "wgmma");
    } else {
        snprintf(instruction, sizeof instruction, "mma.sync m%dn%dk%d", i->M, i->N, i->K);
    }
    snprintf(type, sizeof type, "%s%s%s", i->a, mixed ? "." : "", mixed ? i->b : "");
    return gla_mma_model_of(arch, instruction, type, i->result);
}

static uint64_t dot_f64(const char *rounding, const uint64_t *a, const uint64_t *b, size_t count, uint64_t c) {
    static const struct {
        const char *name;
        int mode;
    } modes[] = {{"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};
    double x[MOST_TERMS], y[MOST_TERMS], z;
    int before = fegetround();
    memcpy(x, a, count * sizeof *x);
    memcpy(y, b, count * sizeof *y);
    memcpy(&z, &c, sizeof z);
    for (int j = 0; j < 4; j++)
        if (strcmp(rounding, modes[j].name) == 0) fesetround(modes[j].mode);
    z = gla_mma_dot_f64(x, y, count, z);
    fesetround(before);
    memcpy(&c, &z, sizeof c);
    return c;
}

uint64_t gla_probe_model_dot(const gla_probe_instruction *i, const gla_mma_model *m, const uint64_t *a,
                             const uint64_t *b, size_t count, uint64_t c) {
    uint32_t x[MOST_TERMS], y[MOST_TERMS];
    if (m->kind == GLA_MMA_FMA_CHAIN) return dot_f64(i->rounding, a, b, count, c);
    for (size_t k = 0; k < count; k++) {
        x[k] = (uint32_t)a[k];
        y[k] = (uint32_t)b[k];
    }
    return gla_mma_dot(m, x, y, count, (uint32_t)c);
}

bool gla_probe_model_words(const gla_probe_instruction *i, const gla_mma_model *m, const gla_probe_class *c,
                           uint64_t seed, size_t first, size_t count, uint64_t *word) {
    size_t M = (size_t)i->M, N = (size_t)i->N, length = c->blocks * (size_t)i->K, tile = SIZE_MAX;
    uint64_t *a = malloc(((M + N) * length + M * N) * sizeof *a);
    if (!a) return false;
    uint64_t *b = a + M * length, *addend = b + N * length;
    for (size_t k = first; k < first + count; k++) {
        if (k / (M * N) != tile) gla_probe_tile(seed, i, c, tile = k / (M * N), a, b, addend);
        size_t at = k % (M * N);
        word[k - first] = gla_probe_model_dot(i, m, a + at / N * length, b + at % N * length, length, addend[at]);
    }
    free(a);
    return true;
}
