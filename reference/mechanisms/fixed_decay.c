/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fixed decays share: numbers made exactly, or with one rounding each, in the number system at hand.
 */
#include <math.h>

#include "mechanisms.h"

int64_t gla_decay_head(const gla_problem *p, int64_t h) { return p->decay.head + h; }
int64_t gla_decay_heads(const gla_problem *p) { return p->decay.heads ? p->decay.heads : p->H; }

void gla_decay_power(gla_matrix z, int64_t a, int64_t b) {
    if (a % b == 0) {
        gla_fill(z, -ldexp(1, (int)(-a / b)));
        return;
    }
    gla_matrix ln2 = gla_new(z.in, 1, 1);
    gla_fill(ln2, 1);
    gla_log1p(ln2, ln2);
    gla_decay_ratio(z, (double)-a, (double)b);
    gla_mul(z, z, ln2);
    gla_exp(z, z);
    gla_neg(z, z);
}

void gla_decay_ratio(gla_matrix z, double a, double b) {
    gla_matrix divisor = gla_new(z.in, 1, 1);
    gla_fill(z, a);
    gla_fill(divisor, b);
    gla_divide(z, z, divisor);
}
