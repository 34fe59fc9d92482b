/* SPDX-License-Identifier: Apache-2.0
 *
 * What `glassbox mma` prints: terms as numbers, terms as bits on one scale with the cut marked, the sum and its
 * rounding, and the exact sum and binary32's beside it. 80 columns.
 */
#include "cli.h"

#include <math.h>
#include <mpfr.h>
#include <string.h>

#include "cli_mma.h"

enum {
    EXACT = 1024, /* bits that hold any sum of products of 8-bit exponents and c */
    LEFT = 13,    /* columns before the bits */
    WHOLE = 7,    /* columns of bits before the point: 64 terms below 4 and c */
    ROOM = 79
};

const gla_format *cli_mma_words(const gla_format *f) { return f == &gla_tf32 ? &gla_binary32_format : f; }

const char *cli_mma_out_text(const gla_mma_model *m) {
    if (m->kind == GLA_MMA_FMA_CHAIN) return "each rounded to nearest";
    static const char *const text[GLA_MMA_OUTS] = {"toward zero to binary32", "to nearest even in f16",
                                                   "toward zero to 14 bits"};
    return text[m->out];
}

/* ---- numbers ---- */

typedef char text32[32];

static const char *word_text(const gla_format *f, uint32_t word, text32 text) {
    f = cli_mma_words(f);
    snprintf(text, 32, "0x%0*x", f->bits / 4, word);
    return text;
}

/* A NaN's sign is not printed: it says nothing. */
static double plain(double x) { return isnan(x) ? fabs(x) : x; }

/* A number to nine digits and in hex. */
static void print_value(double x) {
    x = plain(x);
    if (isfinite(x))
        printf("%.9g = %a", x, x);
    else
        printf("%g", x);
}

/* "0x33800000 = 5.96046448e-08 = 0x1p-24" */
static void print_word(const gla_format *f, uint32_t word) {
    text32 text;
    printf("%s = ", word_text(f, word, text));
    print_value(gla_decode(f, word));
}

/* ---- bits ---- */

/* The fixed-point digits of magnitude 2^-F: whole part right-aligned to WHOLE columns, point, F digits. */
static void print_kept(uint64_t magnitude, int F) {
    for (int i = WHOLE - 1; i >= 0; i--) {
        uint64_t above = magnitude >> F >> i;
        putchar(above || i == 0 ? (above & 1 ? '1' : '0') : ' ');
    }
    putchar('.');
    for (int i = F - 1; i >= 0; i--) putchar(magnitude >> i & 1 ? '1' : '0');
}

/* Digits of a term below 2^unit down to its last 1; where those are too many, what they are worth instead. */
static void print_cut(const gla_mma_term *t, int unit, int room) {
    const int last = t->exponent - t->scale, digits = unit - last - __builtin_ctzll(t->significand);
    if (digits > room) printf("0.. (%.3g)", t->lost);
    for (int i = 1; i <= digits && digits <= room; i++) {
        int bit = unit - i - last; /* of the significand */
        putchar(bit < 64 && t->significand >> bit & 1 ? '1' : '0');
    }
}

static void print_bits(const char *label, const gla_mma_term *t, int E, int F) {
    printf("  %-8s %c ", label, t->negative ? '-' : '+');
    print_kept(t->kept, F);
    printf("%s|", cli_on(CLI_RED));
    if (t->cut) print_cut(t, E - F, ROOM - LEFT - WHOLE - F - 2);
    printf("%s\n", cli_off());
}

/* ---- a block ---- */

/* Which product: its place among all, `first` on, or those listed in `k`. */
static size_t place(size_t first, const size_t *k, size_t i) { return first + (k ? k[i] : i); }

static void print_terms(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t first, const size_t *k,
                        uint32_t c, const gla_mma_story *s) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    const gla_format *of_c = gla_mma_result_format(m);
    text32 x, y;
    printf("  %-5s %-10s %-10s %-16s %-18s %s\n", "", "a", "b", "term", "", "exponent");
    for (size_t i = 0; i < s->terms; i++) {
        const gla_mma_term *t = &s->term[i];
        bool is_c = i + 1 == s->terms;
        char label[16] = "c";
        if (!is_c) snprintf(label, sizeof label, "k=%zu", place(first, k, i));
        printf("  %-5s %-10s %-10s %-16.9g %-18a ", label, is_c ? word_text(of_c, c, x) : word_text(of_a, a[i], x),
               is_c ? "" : word_text(of_b, b[i], y), plain(t->value), plain(t->value));
        if (t->present)
            printf("%d\n", t->exponent);
        else
            puts(t->value == 0 ? "absent" : "special");
    }
}

static void print_aligned(const gla_mma_model *m, size_t first, const size_t *k, const gla_mma_story *s) {
    printf("\n  aligned on E = %d%s: 2^%d before the point, 2^%d last; what follows | is cut\n", s->E,
           s->E == m->floor ? " (the floor)" : "", s->E, s->E - m->fraction);
    for (size_t i = 0; i < s->terms; i++) {
        char label[16] = "c";
        if (i + 1 < s->terms) snprintf(label, sizeof label, "k=%zu", place(first, k, i));
        if (s->term[i].present) print_bits(label, &s->term[i], s->E, m->fraction);
    }
    printf("  %-8s %c ", "sum", s->sum < 0 ? '-' : '+');
    print_kept((uint64_t)(s->sum < 0 ? -s->sum : s->sum), m->fraction);
    printf("\n\n  sum    ");
    print_value(ldexp((double)s->sum, s->E - m->fraction));
    printf("\n  result ");
    print_word(gla_mma_result_format(m), s->word);
    bool finite = isfinite(gla_decode(gla_mma_result_format(m), s->word));
    printf("\n         %s: %s\n", cli_mma_out_text(m),
           !finite      ? "too large"
           : s->out_cut ? "bits are lost"
                        : "nothing is lost");
}

/* Prints a block and returns its word. */
static uint32_t tell_block(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, size_t first,
                           const size_t *k, uint32_t c) {
    static gla_mma_story s;
    gla_mma_tell(m, a, b, count, c, &s);
    print_terms(m, a, b, first, k, c, &s);
    if (s.special) {
        printf("\n  an infinity or NaN decides\n  result ");
        print_word(gla_mma_result_format(m), s.word);
        putchar('\n');
    } else {
        print_aligned(m, first, k, &s);
    }
    return s.word;
}

static uint32_t tell_split(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, size_t first,
                           uint32_t c) {
    static gla_mma_split split;
    uint32_t x = 0;
    gla_mma_split_of(m, a, b, count, &split);
    for (int i = 0; i < 2; i++) {
        printf("\n%sk mod 4 in %s, widened to f16, started from %s%s\n", cli_on(CLI_BOLD), i ? "{2, 3}" : "{0, 1}",
               i ? "that" : "zero", cli_off());
        x = tell_block(&split.half, split.a[i], split.b[i], split.count[i], first, split.k[i], x);
    }
    printf("\n%sc is added last, to nearest%s\n  c      ", cli_on(CLI_BOLD), cli_off());
    print_word(gla_mma_result_format(m), c);
    x = gla_mma_add(m, x, c);
    printf("\n  result ");
    print_word(gla_mma_result_format(m), x);
    putchar('\n');
    return x;
}

/* ---- other arithmetics ---- */

/* The operand as the tensor core reads it. */
static double operand(const gla_format *f, cli_mma_number x) {
    return f == &gla_tf32 ? gla_decode(&gla_binary32_format, x.word & 0xffffe000u) : x.value;
}

static void print_others(const gla_mma_model *m, const cli_mma_products *p) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    mpfr_t sum, term;
    float chain = (float)p->c.value;
    mpfr_inits2(EXACT, sum, term, (mpfr_ptr)NULL);
    mpfr_set_d(sum, p->c.value, MPFR_RNDN);
    for (size_t k = 0; k < p->count; k++) {
        double a = operand(of_a, p->a[k]), b = operand(of_b, p->b[k]);
        mpfr_set_d(term, a, MPFR_RNDN);
        mpfr_mul_d(term, term, b, MPFR_RNDN);
        mpfr_add(sum, sum, term, MPFR_RNDN);
        chain = fmaf((float)a, (float)b, chain);
    }
    double nearest = gla_round_mpfr(&gla_binary32_format, GLA_RN, sum, 0);
    double shown = mpfr_get_d(sum, MPFR_RNDN);
    printf("\n  the exact sum                 %s", mpfr_number_p(sum) && mpfr_cmp_d(sum, shown) != 0 ? "about " : "");
    print_value(shown);
    printf("\n  binary32, rounded once        ");
    print_word(&gla_binary32_format, gla_encode(&gla_binary32_format, nearest));
    printf("\n  binary32, one fma at a time   ");
    print_word(&gla_binary32_format, gla_encode(&gla_binary32_format, (double)chain));
    putchar('\n');
    mpfr_clears(sum, term, (mpfr_ptr)NULL);
}

/* ---- everything ---- */

static void print_model(const gla_mma_model *m) {
    printf("%s%s %s: %s -> %s%s\n  ", cli_on(CLI_BOLD), m->arch, m->instruction, m->type, m->result, cli_off());
    if (m->kind == GLA_MMA_SPLIT) printf("two f16 blocks of L = %d, F = %d, ", m->block / 2, m->fraction);
    if (m->kind == GLA_MMA_FUSED) printf("L = %d, F = %d, ", m->block, m->fraction);
    if (m->kind == GLA_MMA_FMA_CHAIN)
        printf("one fma after another, c first, ");
    else if (m->floor != GLA_MMA_NO_FLOOR)
        printf("E >= %d, ", m->floor);
    printf("%s\n  probed: %s; %s\n", cli_mma_out_text(m), m->probed ? "yes" : "no", m->evidence);
}

static void tell_chain_f64(const cli_mma_products *p) {
    double a[CLI_MMA_MOST], b[CLI_MMA_MOST];
    for (size_t k = 0; k < p->count; k++) {
        a[k] = p->a[k].value;
        b[k] = p->b[k].value;
        printf("\n  c + .. + a_%zu b_%zu  ", k, k);
        print_value(gla_mma_dot_f64(a, b, k + 1, p->c.value));
    }
    putchar('\n');
}

void cli_mma_tell(const gla_mma_model *m, const cli_mma_products *p) {
    uint32_t a[CLI_MMA_MOST], b[CLI_MMA_MOST], c = p->c.word;
    const size_t L = (size_t)m->block;
    print_model(m);
    if (m->kind == GLA_MMA_FMA_CHAIN) {
        tell_chain_f64(p);
        return;
    }
    for (size_t k = 0; k < p->count; k++) {
        a[k] = p->a[k].word;
        b[k] = p->b[k].word;
    }
    for (size_t k = 0; k < p->count; k += L) {
        const size_t n = p->count - k < L ? p->count - k : L;
        if (p->count > L || m->kind == GLA_MMA_FUSED) putchar('\n');
        if (p->count > L) printf("%sblock %zu%s\n", cli_on(CLI_BOLD), k / L + 1, cli_off());
        c = m->kind == GLA_MMA_SPLIT ? tell_split(m, a + k, b + k, n, k, c)
                                     : tell_block(m, a + k, b + k, n, k, NULL, c);
    }
    print_others(m, p);
}
