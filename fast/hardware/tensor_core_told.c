/* SPDX-License-Identifier: Apache-2.0
 *
 * A block's terms as numbers for the eye, and the two blocks of a split operation (tensor_core.h).
 */
#include "tensor_core_block.h"

#include <math.h>

/* ---- a block, told ---- */

static double value_of(gla_mma_factor x) {
    double magnitude = x.class == GLA_MMA_NAN        ? (double)NAN
                       : x.class == GLA_MMA_INFINITE ? (double)INFINITY
                                                     : ldexp(x.significand, x.exponent - x.scale);
    return x.negative ? -magnitude : magnitude;
}

/* What the cut took: both are multiples of the term's last place, so the difference is exact. */
static double lost_by(const gla_mma_term *t, int unit) {
    double kept = ldexp((double)t->kept, unit);
    return t->present ? t->value - (t->negative ? -kept : kept) : 0;
}

void gla_mma_tell(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c,
                  gla_mma_story *out) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    gla_mma_block(m, a, b, count, c, out);
    for (size_t k = 0; k < count; k++)
        out->term[k].value = value_of(gla_mma_take_apart(of_a, a[k])) * value_of(gla_mma_take_apart(of_b, b[k]));
    out->term[count].value = value_of(gla_mma_take_apart(gla_mma_result_format(m), c));
    for (size_t k = 0; k <= count; k++) out->term[k].lost = lost_by(&out->term[k], out->E - m->fraction);
}

/* ---- a split operation ---- */

/* Every number of an 8-bit format is one of f16. */
static uint32_t widened(const gla_format *f, uint32_t word) { return gla_encode(&gla_f16, gla_decode(f, word)); }

void gla_mma_split_of(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, gla_mma_split *out) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    *out = (gla_mma_split){.half = *m};
    out->half.kind = GLA_MMA_FUSED;
    out->half.type = "f16";
    out->half.block = m->block / 2;
    for (size_t k = 0; k < count; k++) {
        int i = k % 4 >= 2;
        size_t n = out->count[i]++;
        out->k[i][n] = k;
        out->a[i][n] = widened(of_a, a[k]);
        out->b[i][n] = widened(of_b, b[k]);
    }
}

uint32_t gla_mma_add(const gla_mma_model *m, uint32_t x, uint32_t c) {
    const gla_format *f = gla_mma_result_format(m);
    double sum = gla_round_add(f, GLA_RN, gla_decode(f, x), gla_decode(f, c), 0);
    return isnan(sum) ? gla_mma_encodings[m->out].nan : gla_encode(f, sum);
}
