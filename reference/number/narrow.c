/* SPDX-License-Identifier: Apache-2.0
 *
 * The narrow number systems (bf16, f16, tf32, e4m3, e5m2, format:p:emin:emax): a number is a double
 * that holds a value of the format, and every operation is the exact one rounded once into the
 * format (format.h), fma, exp, log1p, expm1, sin and cos included. neg, max and above are exact; set_d rounds.
 *
 * Stochastic rounding draws 32 bits for every operation that rounds, exact results included, so the
 * i-th operation always sees the i-th draw: word i mod 4 of Philox4x32-10 at counter i / 4, keyed
 * by the seed. A run is thus repeated by its seed alone.
 */
#include <Random123/philox.h>
#include <stdlib.h>

#include "double.h"
#include "format.h"

struct narrow {
    gla_numbers base;
    gla_format format;
    gla_rounding rounding;
    philox4x32_key_t key;
    philox4x32_ctr_t block; /* the four words that draw number `draws` stands in */
    uint64_t draws;
};

static struct narrow *self(gla_numbers *n) { return (struct narrow *)n; }

static uint32_t draw(struct narrow *n) {
    if (n->rounding != GLA_SR) return 0;
    uint64_t i = n->draws++;
    if (i % 4 == 0) {
        philox4x32_ctr_t counter = {{(uint32_t)(i / 4), (uint32_t)(i / 4 >> 32), 0, 0}};
        n->block = philox4x32(counter, n->key);
    }
    return n->block.v[i % 4];
}

static void narrow_set_d(gla_numbers *n, void *z, double x) {
    double_put(z, gla_round(&self(n)->format, self(n)->rounding, x, draw(self(n))));
}

static void narrow_add(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, gla_round_add(&self(n)->format, self(n)->rounding, double_at(x), double_at(y), draw(self(n))));
}

static void narrow_sub(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, gla_round_add(&self(n)->format, self(n)->rounding, double_at(x), -double_at(y), draw(self(n))));
}

static void narrow_mul(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, gla_round_mul(&self(n)->format, self(n)->rounding, double_at(x), double_at(y), draw(self(n))));
}

static void narrow_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    double_put(
        z, gla_round_fma(&self(n)->format, self(n)->rounding, double_at(x), double_at(y), double_at(w), draw(self(n))));
}

static void narrow_exp(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_exp(&self(n)->format, self(n)->rounding, double_at(x), draw(self(n))));
}

static void narrow_div(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, gla_round_div(&self(n)->format, self(n)->rounding, double_at(x), double_at(y), draw(self(n))));
}

static void narrow_sqrt(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_sqrt(&self(n)->format, self(n)->rounding, double_at(x), draw(self(n))));
}

static void narrow_log1p(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_log1p(&self(n)->format, self(n)->rounding, double_at(x), draw(self(n))));
}

static void narrow_expm1(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_expm1(&self(n)->format, self(n)->rounding, double_at(x), draw(self(n))));
}

static void narrow_sin(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_sin(&self(n)->format, self(n)->rounding, double_at(x), draw(self(n))));
}

static void narrow_cos(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_cos(&self(n)->format, self(n)->rounding, double_at(x), draw(self(n))));
}

static const struct gla_number_ops narrow_ops = {
    .init = double_init,
    .clear = double_clear,
    .set = double_set,
    .set_d = narrow_set_d,
    .get_d = double_get_d,
    .get_mpfr = double_get_mpfr,
    .add = narrow_add,
    .sub = narrow_sub,
    .mul = narrow_mul,
    .fma = narrow_fma,
    .neg = double_neg,
    .exp = narrow_exp,
    .div = narrow_div,
    .sqrt = narrow_sqrt,
    .log1p = narrow_log1p,
    .expm1 = narrow_expm1,
    .sin = narrow_sin,
    .cos = narrow_cos,
    .max = double_max,
    .above = double_above,
};

gla_numbers *gla_narrow_open(const gla_format *f, gla_rounding r, uint64_t seed) {
    struct narrow *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    gla_numbers_setup(&n->base, &narrow_ops, sizeof(double), f->name);
    n->format = *f;
    n->rounding = r;
    n->key = (philox4x32_key_t){{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    return &n->base;
}
