/* SPDX-License-Identifier: Apache-2.0
 *
 * GPUs as number systems; contract in hardware.h. A number is one float.
 *
 * A product is cut into tiles of C whose operands are rounded and laid out densely once, then handed to the tensor core
 * (tensor_core.h) with the whole of k, so that every element of C sees one chain of blocks from its own value on.
 */
#include "hardware.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../reference/number/cloned.h"
#include "../../reference/number/double.h"
#include "../../reference/number/format.h"
#include "../../reference/verbs.h"
#include "hardware_name.h"

#if FLT_EVAL_METHOD != 0
#error "Glassbox needs float evaluated as such (on 32-bit x86: -mfpmath=sse)"
#endif

enum { TILE_ROWS = 64, TILE_COLUMNS = 128 };

typedef struct hardware {
    gla_numbers common;
    struct gla_number_ops ops; /* with the tensor core's, if there is one */
    gla_hardware_choice choice;
    float *room; /* of a product's tiles */
    size_t floats;
} hardware;

static hardware *self(gla_numbers *n) { return (hardware *)n; }

static float float_at(const void *x) { return *(const float *)x; }

static float canonical(float x) { return isnan(x) ? gla_hardware_nan() : x; }

static void put(void *z, float x) { *(float *)z = canonical(x); }

/* ---- scalar arithmetic ---- */

static void init(gla_numbers *n, void *x) { put(x, 0); }

static void clear(gla_numbers *n, void *x) {}

static void set(gla_numbers *n, void *z, const void *x) { *(float *)z = float_at(x); }

static void set_d(gla_numbers *n, void *z, double x) { put(z, (float)x); }

static double get_d(gla_numbers *n, const void *x) { return (double)float_at(x); }

static void get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_flt(z, float_at(x), MPFR_RNDN); }

static void add(gla_numbers *n, void *z, const void *x, const void *y) { put(z, float_at(x) + float_at(y)); }

static void sub(gla_numbers *n, void *z, const void *x, const void *y) { put(z, float_at(x) - float_at(y)); }

static void mul(gla_numbers *n, void *z, const void *x, const void *y) { put(z, float_at(x) * float_at(y)); }

CLONED_FOR_FMA
static void fused(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    put(z, fmaf(float_at(x), float_at(y), float_at(w)));
}

static void neg(gla_numbers *n, void *z, const void *x) { put(z, -float_at(x)); }

static void exponential(gla_numbers *n, void *z, const void *x) { put(z, self(n)->choice.exp(float_at(x))); }

static void divide(gla_numbers *n, void *z, const void *x, const void *y) { put(z, float_at(x) / float_at(y)); }

static void root(gla_numbers *n, void *z, const void *x) { put(z, sqrtf(float_at(x))); }

static void logarithm(gla_numbers *n, void *z, const void *x) {
    put(z, (float)gla_round_log1p(&gla_binary32_format, GLA_RN, (double)float_at(x), 0));
}

static void sine(gla_numbers *n, void *z, const void *x) {
    put(z, (float)gla_round_sin(&gla_binary32_format, GLA_RN, (double)float_at(x), 0));
}

static void cosine(gla_numbers *n, void *z, const void *x) {
    put(z, (float)gla_round_cos(&gla_binary32_format, GLA_RN, (double)float_at(x), 0));
}

static void exponential_less_one(gla_numbers *n, void *z, const void *x) {
    put(z, (float)gla_round_expm1(&gla_binary32_format, GLA_RN, (double)float_at(x), 0));
}

static void larger(gla_numbers *n, void *z, const void *x, const void *y) {
    put(z, (float)double_larger((double)float_at(x), (double)float_at(y)));
}

static void above(gla_numbers *n, void *z, const void *x, const void *y) { put(z, float_at(x) > float_at(y) ? 1 : 0); }

CLONED_FOR_FMA
static void axpy(gla_numbers *n, void *z, ptrdiff_t zs, const void *a, const void *x, ptrdiff_t xs, size_t count) {
    char *zi = z;
    const char *xi = x;
    float factor = float_at(a);
    for (size_t i = 0; i < count; i++, zi += zs, xi += xs) put(zi, fmaf(factor, float_at(xi), float_at(zi)));
}

/* ---- matrix products ---- */

/* Room for `floats`, or NULL with the status set. */
static float *room_for(hardware *h, size_t floats) {
    if (floats <= h->floats) return h->room;
    float *room = realloc(h->room, floats * sizeof *room);
    if (!room) {
        h->common.status = GLA_NO_MEMORY;
        return NULL;
    }
    h->room = room;
    h->floats = floats;
    return room;
}

static gla_matrix block_of(gla_matrix x, size_t row, size_t rows, size_t column, size_t columns) {
    x.at = gla_at(x, row, column);
    x.rows = rows;
    x.cols = columns;
    return x;
}

/* The numbers of x, rounded to f (NULL: as they are), row by row. */
static void pack(float *to, gla_matrix x, const gla_format *f) {
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < x.cols; j++) *to++ = gla_hardware_round(f, float_at(gla_at(x, i, j)));
}

static void unpack(gla_matrix x, const float *from) {
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < x.cols; j++) *(float *)gla_at(x, i, j) = *from++;
}

/* The words of a row of x, as gla_mma_dot takes them. */
static void pack_words(uint32_t *to, gla_matrix x, const gla_hardware_choice *choice) {
    for (size_t j = 0; j < x.cols; j++) *to++ = gla_hardware_word(choice, float_at(gla_at(x, 0, j)));
}

/* A single element, such as a score between two tokens: gla_mma_product is made for many columns. */
static void single(hardware *h, void *c, gla_matrix row, gla_matrix column) {
    uint32_t word, *words = (uint32_t *)(void *)room_for(h, 2 * row.cols);
    if (!words) return;
    pack_words(words, row, &h->choice);
    pack_words(words + row.cols, gla_transposed(column), &h->choice);
    memcpy(&word, c, sizeof word);
    word = gla_mma_dot(h->choice.model, words, words + row.cols, row.cols, word);
    memcpy(c, &word, sizeof word);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void product(gla_numbers *n, const gla_matrix *C, const gla_matrix *A, const gla_matrix *B) {
    const gla_hardware_choice *choice = &self(n)->choice;
    size_t M = C->rows, N = C->cols, K = A->cols;
    size_t tile_rows = least(M, TILE_ROWS), tile_columns = least(N, TILE_COLUMNS);
    if (M == 0 || N == 0 || K == 0) return;
    if (M * N == 1) {
        single(self(n), C->at, *A, *B);
        return;
    }
    float *a = room_for(self(n), tile_rows * K + K * tile_columns + tile_rows * tile_columns);
    if (!a) return;
    float *b = a + tile_rows * K, *c = b + K * tile_columns;
    for (size_t j = 0; j < N; j += tile_columns) {
        size_t columns = least(tile_columns, N - j);
        pack(b, block_of(*B, 0, K, j, columns), choice->operand);
        for (size_t i = 0; i < M; i += tile_rows) {
            size_t rows = least(tile_rows, M - i);
            gla_matrix tile = block_of(*C, i, rows, j, columns);
            pack(a, block_of(*A, i, rows, 0, K), choice->operand);
            pack(c, tile, NULL);
            gla_mma_product(choice->model, rows, columns, K, a, K, b, columns, c, columns);
            unpack(tile, c);
        }
    }
}

/* ---- rounding sites ---- */

bool gla_hardware_rounds(gla_site site) {
    switch (site) {
    case GLA_SITE_Q_DECAYED:
    case GLA_SITE_K_DECAYED:
    case GLA_SITE_V_DECAYED:
    case GLA_SITE_STATE_READ:
    case GLA_SITE_SCORE:
    case GLA_SITE_DSTATE_READ:
    case GLA_SITE_DSCORE:
        return true;
    default:
        return false;
    }
}

static void site(gla_numbers *n, gla_site where, void *x) {
    if (gla_hardware_rounds(where)) *(float *)x = gla_hardware_round(self(n)->choice.operand, float_at(x));
}

static void split(gla_numbers *n, gla_site where, void *hi, void *lo, const void *x) {
    put(hi, float_at(x));
    site(n, where, hi);
    put(lo, float_at(x) - float_at(hi));
    site(n, where, lo);
}

static void close(gla_numbers *n) { free(self(n)->room); }

/* ---- opening ---- */

static const struct gla_number_ops scalar_ops = {.init = init,
                                                 .clear = clear,
                                                 .set = set,
                                                 .set_d = set_d,
                                                 .get_d = get_d,
                                                 .get_mpfr = get_mpfr,
                                                 .add = add,
                                                 .sub = sub,
                                                 .mul = mul,
                                                 .fma = fused,
                                                 .neg = neg,
                                                 .exp = exponential,
                                                 .div = divide,
                                                 .sqrt = root,
                                                 .log1p = logarithm,
                                                 .expm1 = exponential_less_one,
                                                 .sin = sine,
                                                 .cos = cosine,
                                                 .max = larger,
                                                 .above = above,
                                                 .axpy = axpy,
                                                 .close = close};

static bool open(const char *name, gla_numbers **out) {
    gla_hardware_choice choice;
    if (!gla_hardware_named(name, &choice)) return false;
    hardware *h = calloc(1, sizeof *h);
    *out = h ? &h->common : NULL;
    if (!h) return true;
    h->choice = choice;
    h->ops = scalar_ops;
    if (choice.model) {
        h->ops.product = product;
        h->ops.site = site;
        h->ops.split = split;
    }
    gla_numbers_setup(&h->common, &h->ops, sizeof(float), name);
    return true;
}

static const gla_choice systems[] = {
    {"ARCH:TYPE[/EXP]", "a GPU: sm_90:bf16, sm_80:tf32/expf ...; glassbox hardware says for which it is bit for bit"},
    {NULL, NULL}};

const gla_number_family gla_hardware_family = {open, systems};

gla_status gla_all_numbers_open(const char *name, gla_numbers **out, gla_error *err) {
    gla_status status = gla_numbers_open_with(name, &gla_hardware_family, out, err);
    if (status != GLA_UNKNOWN_NAME || !name) return status;
    if (strncmp(name, "recorder:", 9) == 0) name += 9;
    if (strncmp(name, "sm_", 3) != 0) return status;
    char text[240];
    gla_hardware_names(name, text, sizeof text);
    return gla_fail(err, status, "no number system '%.40s'; ARCH:TYPE[/EXP] has %s", name, text);
}
