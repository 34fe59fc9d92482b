/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry of number systems: from a name to an open system (number.h lists the names).
 *
 * A name is parsed to its last character: "mpfr:256 " or "bf16/rzz" is refused, never guessed at.
 * Every system lives in one thread, because MPFR's exponent range, widened by gla_numbers_setup,
 * belongs to the thread.
 */
#include "number.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../verbs.h"
#include "format.h"

enum { LEAST_PRECISION = 2, GREATEST_PRECISION = 1 << 20 };

const char *const gla_site_names[GLA_SITES] = {
    [GLA_SITE_SCALE] = "scale",
    [GLA_SITE_GATE_SUM] = "gate_sum",
    [GLA_SITE_Q_DECAYED] = "q_decayed",
    [GLA_SITE_K_DECAYED] = "k_decayed",
    [GLA_SITE_V_DECAYED] = "v_decayed",
    [GLA_SITE_STATE_READ] = "state_read",
    [GLA_SITE_STATE] = "state",
    [GLA_SITE_SCORE] = "score",
    [GLA_SITE_DSTATE_READ] = "dstate_read",
    [GLA_SITE_DSTATE] = "dstate",
    [GLA_SITE_DSCORE] = "dscore",
    [GLA_SITE_GATE_TERM] = "gate_term",
    [GLA_SITE_OUTPUT] = "output",
    [GLA_SITE_OUTPUT_WIDE] = "output_wide",
    [GLA_SITE_BETA_OPERAND] = "beta_operand",
    [GLA_SITE_INVERSE] = "inverse",
    [GLA_SITE_WY] = "wy",
    [GLA_SITE_PSEUDO] = "pseudo",
    [GLA_SITE_DPSEUDO] = "dpseudo",
    [GLA_SITE_PART] = "part",
    [GLA_SITE_LOGIT] = "logit",
    [GLA_SITE_PROBABILITY] = "probability",
    [GLA_SITE_NORMALISER] = "normaliser",
};

const gla_choice gla_number_systems[] = {
    {"binary64", "IEEE double"},
    {"binary32", "IEEE single"},
    {"mpfr:P", "P bits, unbounded exponent"},
    {"interval:P", "enclosures with P-bit ends"},
    {"bf16", "8 bits of significand; every operation rounds (so in all narrow formats)"},
    {"f16", "11 bits"},
    {"tf32", "11 bits, exponents of binary32"},
    {"e4m3", "4 bits; no infinity: what is too large, and a gate of -inf, becomes NaN"},
    {"e5m2", "3 bits"},
    {"format:p:emin:emax", "any narrow format"},
    {"mixed:FORMAT", "binary32 with the operands of matrix products rounded to a narrow format"},
    {"dual:P", "value and one directional derivative, P bits each"},
    {"counter", "binary64 that counts operations"},
    {"recorder:NAME", "any of the others, remembering every operation"},
    {NULL, NULL}};

static const struct {
    const char *name;
    gla_numbers *(*open)(void);
} plain[] = {{"binary64", gla_binary64_open}, {"binary32", gla_binary32_open}, {"counter", gla_counter_open}};

static const struct {
    const char *prefix;
    gla_numbers *(*open)(mpfr_prec_t precision);
} precise[] = {{"mpfr:", gla_mpfr_open}, {"interval:", gla_interval_open}, {"dual:", gla_dual_open}};

static const char *const rounding_names[GLA_ROUNDINGS] = {
    [GLA_RN] = "rn", [GLA_RZ] = "rz", [GLA_RU] = "ru",  [GLA_RD] = "rd",
    [GLA_RA] = "ra", [GLA_RO] = "ro", [GLA_SR] = "sr:",
};

void gla_numbers_setup(gla_numbers *n, const struct gla_number_ops *ops, size_t size, const char *name) {
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
    *n = (gla_numbers){.ops = ops, .size = size, .status = GLA_OK, .token = -1, .chunk = -1};
    snprintf(n->name, sizeof n->name, "%s", name);
}

/* ---- reading names: each moves *text past what it understood, or leaves it and says no ---- */

static bool skip(const char **text, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0) return false;
    *text += length;
    return true;
}

static bool read_digits(const char **text, uint64_t *value) {
    const char *at = *text;
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*value, 10u, value) || __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value))
            return false;
    if (at == *text) return false;
    *text = at;
    return true;
}

static bool read_integer(const char **text, int low, int high, int *value) {
    const char *at = *text;
    uint64_t digits;
    bool negative = skip(&at, "-");
    if (!read_digits(&at, &digits) || digits > INT32_MAX) return false;
    *value = negative ? -(int)digits : (int)digits;
    if (*value < low || *value > high) return false;
    *text = at;
    return true;
}

/* "bf16" or "format:p:emin:emax". binary32 and binary64 are the hardware's (binary.c). */
static bool read_format(const char **text, gla_format *format) {
    static const gla_format *const named[] = {&gla_bf16, &gla_f16, &gla_tf32, &gla_e4m3, &gla_e5m2};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (skip(text, named[i]->name)) return *format = *named[i], true;
    int p, emin, emax;
    if (!skip(text, "format:") || !read_integer(text, 1, 53, &p) || !skip(text, ":") ||
        !read_integer(text, -1022, 1023, &emin) || !skip(text, ":") || !read_integer(text, emin, 1023, &emax))
        return false;
    *format = gla_format_of(p, emin, emax);
    return true;
}

/* Nothing (to nearest even), or "/rz", "/sr:SEED" and the like. */
static bool read_rounding(const char **text, gla_rounding *rounding, uint64_t *seed) {
    *rounding = GLA_RN;
    *seed = 0;
    if (!skip(text, "/")) return true;
    for (int i = 0; i < GLA_ROUNDINGS; i++)
        if (skip(text, rounding_names[i])) {
            *rounding = (gla_rounding)i;
            return *rounding != GLA_SR || read_digits(text, seed);
        }
    return false;
}

/* ---- opening ---- */

/* Tries each kind of name. Returns false when `text` is none of them; else *out is the system, NULL
 * without memory. */
static bool open_named(const char *text, const gla_number_family *family, gla_numbers **out) {
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(text, plain[i].name) == 0) return *out = plain[i].open(), true;

    for (size_t i = 0; i < sizeof precise / sizeof *precise; i++) {
        int bits;
        if (!skip(&text, precise[i].prefix)) continue;
        if (!read_integer(&text, LEAST_PRECISION, GREATEST_PRECISION, &bits) || *text) return false;
        return *out = precise[i].open(bits), true;
    }

    if (skip(&text, "recorder:")) {
        gla_numbers *inner = NULL;
        if (strncmp(text, "recorder:", 9) == 0 || !open_named(text, family, &inner)) return false;
        return *out = inner ? gla_recorder_open(inner) : NULL, true;
    }

    if (family && family->open(text, out)) return true;

    gla_format format;
    if (skip(&text, "mixed:")) {
        if (!read_format(&text, &format) || *text) return false;
        return *out = gla_mixed_open(&format), true;
    }

    gla_rounding rounding;
    uint64_t seed;
    if (!read_format(&text, &format) || !read_rounding(&text, &rounding, &seed) || *text) return false;
    return *out = gla_narrow_open(&format, rounding, seed), true;
}

gla_status gla_numbers_open(const char *name, gla_numbers **out, gla_error *err) {
    return gla_numbers_open_with(name, NULL, out, err);
}

gla_status gla_numbers_open_with(const char *name, const gla_number_family *family, gla_numbers **out, gla_error *err) {
    *out = NULL;
    if (!name || strlen(name) >= sizeof(*out)->name || !open_named(name, family, out)) {
        gla_fail(err, GLA_UNKNOWN_NAME,
                 "no number system '%.40s'; there are %s%sbinary64 binary32 mpfr:P interval:P dual:P "
                 "counter "
                 "recorder:NAME mixed:FORMAT bf16 f16 tf32 e4m3 e5m2 format:p:emin:emax, the narrow ones also with "
                 "/rn /rz /ru /rd /ra /ro /sr:SEED",
                 name ? name : "(null)", family ? family->systems->name : "", family ? " " : "");
        return gla_hint(err, GLA_UNKNOWN_NAME, "P is %d..%d bits; p 1..53, -1022 <= emin <= emax <= 1023",
                        LEAST_PRECISION, GREATEST_PRECISION);
    }
    if (!*out) return gla_fail(err, GLA_NO_MEMORY, "no memory for the number system '%s'", name);
    snprintf((*out)->name, sizeof(*out)->name, "%s", name);
    return GLA_OK;
}

void gla_numbers_close(gla_numbers *n) {
    if (!n) return;
    gla_arena_free(n);
    if (n->ops->close) n->ops->close(n);
    free(n);
    mpfr_free_cache(); /* constants kept by mpfr_exp; other open systems make theirs again */
}
