/* SPDX-License-Identifier: Apache-2.0
 *
 * The tensor-core model: probes whose outcome tells one arithmetic from its rivals, special values, the table of
 * models, the story of a block, and the model against a second implementation (slow_mma.h) on random words.
 *
 * The probes are those that a device is asked too; their outcomes here are predictions for sm_90.
 */
#include "slow_mma.h"

#include <string.h>

#include "../../testing.h"
#include "random_mma.h"

/* ---- probes ---- */

/* Rivals that a probe tells from the model, as bits. */
enum {
    LESS_F = 1,
    MORE_F = 2,
    NORMALISED = 4,
    NEAREST_CUT = 8,
    OTHER_OUT = 16,
    FLOOR_UP = 32,
    FLOOR_DOWN = 64,
    NO_FLOOR = 128,
    LATE_C = 256,
    RENORMALISED = 512,
    ZEROS_COUNT = 1024,
    RIVALS_END = 2048
};

static slow_mma rival(const gla_mma_model *m, int bit) {
    slow_mma s = {.model = *m};
    s.model.fraction += (bit == MORE_F) - (bit == LESS_F);
    s.model.floor += (bit == FLOOR_UP) - (bit == FLOOR_DOWN) - 1000 * (bit == NO_FLOOR);
    s.normalise = bit == NORMALISED;
    s.nearest_cut = bit == NEAREST_CUT;
    s.nearest_out = s.truncate_out = bit == OTHER_OUT;
    s.late = bit == LATE_C;
    s.renormalise = bit == RENORMALISED;
    s.zeros_count = bit == ZEROS_COUNT;
    return s;
}

typedef struct probe {
    const char *id, *type, *instruction, *result;
    double factors[4][2], c, want;
    int kills;
    int repeated; /* the last product this many times more */
} probe;

#define MAX32 0x1.fffffep127
static const probe probes[] = {
    {"P1", "bf16", "", "f32", {{1, 1}, {-1, 1}, {0x1p-12, 0x1p-13}}, 0, 0x1p-25, LESS_F, 0},
    {"P1", "f16", "", "f32", {{1, 1}, {-1, 1}, {0x1p-12, 0x1p-13}}, 0, 0x1p-25, LESS_F, 0},
    {"P1", "tf32", "", "f32", {{1, 1}, {-1, 1}, {0x1p-12, 0x1p-13}}, 0, 0x1p-25, LESS_F, 0},
    {"P2", "bf16", "", "f32", {{1, 1}, {-1, 1}, {0x1p-13, 0x1p-13}}, 0, 0, MORE_F, 0},
    {"P2", "f16", "", "f32", {{1, 1}, {-1, 1}, {0x1p-13, 0x1p-13}}, 0, 0, MORE_F, 0},
    {"P2", "tf32", "", "f32", {{1, 1}, {-1, 1}, {0x1p-13, 0x1p-13}}, 0, 0, MORE_F, 0},
    {"P3", "bf16", "", "f32", {{1, 1}, {-1, 1}, {0x1.8p-12, 0x1p-13}}, 0, 0x1p-25, LESS_F | MORE_F | NEAREST_CUT, 0},
    {"P3", "f16", "", "f32", {{1, 1}, {-1, 1}, {0x1.8p-12, -0x1p-13}}, 0, -0x1p-25, LESS_F | MORE_F | NEAREST_CUT, 0},
    {"P3", "tf32", "", "f32", {{1, 1}, {-1, 1}, {0x1.8p-12, -0x1p-13}}, 0, -0x1p-25, LESS_F | MORE_F | NEAREST_CUT, 0},
    {"P4", "bf16", "", "f32", {{1.5, 1.5}, {-1.5, 1.5}, {0x1p-12, 0x1p-13}}, 0, 0x1p-25, LESS_F | NORMALISED, 0},
    {"P4", "f16", "", "f32", {{1.5, 1.5}, {-1.5, 1.5}, {0x1p-12, 0x1p-13}}, 0, 0x1p-25, LESS_F | NORMALISED, 0},
    {"P4c", "bf16", "", "f32", {{2.25, 1}, {-2.25, 1}, {0x1p-12, 0x1p-13}}, 0, 0, MORE_F, 0},
    {"P4c", "f16", "", "f32", {{2.25, 1}, {-2.25, 1}, {0x1p-12, 0x1p-13}}, 0, 0, MORE_F, 0},
    {"P5", "bf16", "", "f32", {{1, 1}, {-1, 1}}, 0x1.8p-25, 0x1p-25, MORE_F | LATE_C, 0},
    {"P5", "f16", "", "f32", {{1, 1}, {-1, 1}}, 0x1.8p-25, 0x1p-25, MORE_F | LATE_C, 0},
    {"P5", "tf32", "", "f32", {{1, 1}, {-1, 1}}, 0x1.8p-25, 0x1p-25, MORE_F | LATE_C, 0},
    {"P7", "bf16", "", "f32", {{1, 1}, {0x1p-12, 0x1p-12}, {0x1p-12, 0x1p-13}}, 0, 1, OTHER_OUT, 0},
    {"P7", "f16", "", "f32", {{1, 1}, {0x1p-12, 0x1p-12}, {0x1p-12, 0x1p-13}}, 0, 1, OTHER_OUT, 0},
    {"P8", "bf16", "", "f32", {{1, 1}, {0x1p-12, 0x1p-13}}, 0, 1 + 0x3p-23, LESS_F | OTHER_OUT, 14},
    {"P8", "f16", "", "f32", {{1, 1}, {0x1p-12, 0x1p-13}}, 0, 1 + 0x3p-23, LESS_F | OTHER_OUT, 14},
    {"P9", "bf16", "", "f32", {{0x1p-23, 0x1p-126}, {-0x1p-32, 0x1p-126}}, 0, 0, LESS_F | FLOOR_UP, 0},
    {"P9'",
     "bf16",
     "",
     "f32",
     {{0x1p-23, 0x1p-126}, {-0x1p-33, 0x1p-126}},
     0,
     0x1p-149,
     MORE_F | FLOOR_DOWN | NO_FLOOR,
     0},
    {"P10",
     "bf16",
     "",
     "f32",
     {{0, 0x1p127}, {0x1p-5, 0x1p-5}, {-0x1p-5, 0x1p-5}, {0x1p-17, 0x1p-18}},
     0,
     0x1p-35,
     LESS_F | ZEROS_COUNT,
     0},
    {"P11", "bf16", "", "f32", {{0x1p-133, 0x1p100}, {-0x1p-133, 0x1p100}, {0x1p-27, 0x1p-28}}, 0, 0, RENORMALISED, 0},
    {"P11'", "f16", "", "f32", {{0x1p-24, 1}, {-0x1p-24, 1}, {0x1p-24, 0x1p-24}}, 0, 0, RENORMALISED, 0},
    {"P12", "bf16", "", "f32", {{0x1p127, 0x1p127}, {-0x1p127, 0x1p127}, {1, 1}}, 0, 0, 0, 0},
    {"P13", "bf16", "", "f32", {{0x1p127, 2}, {-0x1p127, 1}}, 0, 0x1p127, 0, 0},
    {"P14", "bf16", "", "f32", {{0x1p52, 0x1p51}}, MAX32, MAX32, OTHER_OUT, 0},
    {"P14", "bf16", "", "f32", {{0x1p52, 0x1p52}}, MAX32, (double)INFINITY, 0, 0},
    {"P14", "tf32", "", "f32", {{0x1p52, 0x1p51}}, MAX32, MAX32, OTHER_OUT, 0},
    {"P14", "tf32", "", "f32", {{0x1p52, 0x1p52}}, MAX32, (double)INFINITY, 0, 0},
    {"P15", "bf16", "", "f32", {{0, 0}}, 0x1p-149, 0x1p-149, 0, 0},
    {"P15", "f16", "", "f32", {{0, 0}}, 0x1p-149, 0x1p-149, 0, 0},
    {"P15", "tf32", "", "f32", {{0, 0}}, 0x1p-149, 0x1p-149, 0, 0},
    {"P15", "f16", "", "f16", {{0, 0}}, 0x1p-24, 0x1p-24, 0, 0},
    {"P16", "f16", "", "f16", {{0x1.8p-6, 0x1p-5}}, 1, 1 + 0x1p-10, OTHER_OUT, 0},
    {"P16'", "f16", "", "f16", {{0x1p-12, 0x1p-13}, {0x1p-23, 0x1p-23}}, 0, 0x1p-24, LESS_F | FLOOR_UP | OTHER_OUT, 0},
    {"P16'", "f16", "", "f16", {{0x1p-12, 0x1p-13}, {0x1p-23, 0x1p-24}}, 0, 0, MORE_F | FLOOR_DOWN | NO_FLOOR, 0},
    {"P17'", "tf32", "", "f32", {{1 + 0x1p-11, 1}}, 0, 1, 0, 0},
    {"P17'", "tf32", "", "f32", {{1 + 0x1p-10 + 0x1p-11, 1}}, 0, 1 + 0x1p-10, 0, 0},
    {"P18", "e4m3", "wgmma", "f32", {{0, 0}}, 1 + 0x1p-13, 1 + 0x1p-13, LESS_F, 0},
    {"P18", "e4m3", "wgmma", "f32", {{0, 0}}, 1 + 0x1p-14, 1, LATE_C, 0},
    {"P18", "e5m2", "wgmma", "f32", {{0, 0}}, 1 + 0x1p-14, 1, LATE_C, 0},
    {"P18", "e4m3", "mma.sync", "f32", {{0, 0}}, 1 + 0x1p-14, 1 + 0x1p-14, 0, 0},
    {"P18", "e4m3", "mma.sync", "f32", {{0, 0}}, 1 + 0x1p-23, 1 + 0x1p-23, 0, 0},
    {"P18'", "e4m3", "wgmma", "f32", {{1, 1}, {-1, 1}, {0x1p-6, 0x1p-7}}, 0, 0x1p-13, LESS_F, 0},
    {"P18'", "e4m3", "wgmma", "f32", {{1, 1}, {-1, 1}, {0x1p-7, 0x1p-7}}, 0, 0, MORE_F, 0},
    {"P18'", "e5m2", "wgmma", "f32", {{1, 1}, {-1, 1}, {0x1p-7, 0x1p-7}}, 0, 0, MORE_F, 0},
};

static uint32_t word_of(const gla_format *f, double x) {
    return gla_encode(f == &gla_tf32 ? &gla_binary32_format : f, x);
}

/* The probe's products from position `first` on, cyclically, the rest zero; `sign` mirrors it. */
static void lay_out(const probe *p, const gla_mma_model *m, size_t first, double sign, uint32_t *a, uint32_t *b,
                    uint32_t *c) {
    const gla_format *f = gla_mma_operand_format(m, false);
    const size_t L = (size_t)m->block;
    size_t last = 0;
    memset(a, 0, L * sizeof *a);
    memset(b, 0, L * sizeof *b);
    for (size_t i = 0; i < 4; i++)
        if (p->factors[i][0] != 0 || p->factors[i][1] != 0) last = i;
    for (size_t i = 0; i <= last + (size_t)p->repeated; i++) {
        const double *factors = p->factors[i < last ? i : last];
        a[(first + i) % L] = word_of(f, sign * factors[0]);
        b[(first + i) % L] = word_of(f, factors[1]);
    }
    *c = p->c == 0 ? 0 : word_of(gla_mma_result_format(m), sign * p->c);
}

static void run_probe(const probe *p, const gla_mma_model *m, size_t first, double sign) {
    uint32_t a[GLA_MMA_TERMS], b[GLA_MMA_TERMS], c;
    const size_t L = (size_t)m->block;
    lay_out(p, m, first, sign, a, b, &c);
    uint32_t want = word_of(gla_mma_result_format(m), p->want == 0 ? 0 : sign * p->want);
    uint32_t got = gla_mma_dot(m, a, b, L, c);
    ck_assert_msg(got == want, "%s %s -> %s at %zu: %08x, not %08x", p->id, p->type, p->result, first, got, want);
    for (int bit = 1; bit < RIVALS_END; bit *= 2) {
        const slow_mma wrong = rival(m, bit);
        if ((p->kills & bit) && m->kind == GLA_MMA_FUSED)
            ck_assert_msg(slow_dot(&wrong, a, b, L, c) != want, "%s %s does not tell rival %d", p->id, p->type, bit);
    }
}

START_TEST(probe_outcomes) {
    int killed = 0;
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        const probe *p = &probes[i];
        const gla_mma_model *m = gla_mma_model_of("sm_90", p->instruction, p->type, p->result);
        ck_assert_msg(m != NULL, "%s", p->id);
        for (size_t first = 0; first < (size_t)m->block; first += 3)
            for (double sign = 1; sign >= -1; sign -= 2) run_probe(p, m, first, sign);
        killed |= p->kills;
    }
    ck_assert_int_eq(killed, RIVALS_END - 1); /* no rival is left without a probe */
}
END_TEST

/* P6, P17: 1 at i, 2^-24 at j, -1 at l. A block of half the length loses the 2^-24 iff l alone is in its second half.
 */
START_TEST(every_triple_of_positions) {
    static const char *const types[] = {"bf16", "f16", "tf32"};
    for (size_t t = 0; t < 3; t++) {
        const gla_mma_model *m = gla_mma_model_of("sm_90", "wgmma", types[t], "f32");
        slow_mma half = {.model = *m};
        half.model.block /= 2;
        const gla_format *f = gla_mma_operand_format(m, false);
        const size_t L = (size_t)m->block;
        for (size_t l = 2; l < L; l++)
            for (size_t j = 1; j < l; j++)
                for (size_t i = 0; i < j; i++) {
                    uint32_t a[16] = {0}, b[16] = {0};
                    a[i] = b[i] = b[l] = word_of(f, 1);
                    a[l] = word_of(f, -1);
                    a[j] = b[j] = word_of(f, 0x1p-12);
                    ck_assert_uint_eq(gla_mma_dot(m, a, b, L, 0), word_of(&gla_binary32_format, 0x1p-24));
                    bool lost = j < L / 2 && l >= L / 2;
                    ck_assert(lost == (slow_dot(&half, a, b, L, 0) == 0));
                }
    }
}
END_TEST

/* Blocks are chained: what a block of twice the length would keep is lost between two. */
START_TEST(chains_round_between_blocks) {
    const gla_mma_model *m = gla_mma_model_of("sm_90", "", "bf16", "f32");
    slow_mma twice = {.model = *m};
    twice.model.block *= 2;
    uint32_t a[32] = {[0] = 0x3f80, [3] = 0x3980, [31] = 0xbf80}, b[32] = {[0] = 0x3f80, [3] = 0x3980, [31] = 0x3f80};
    ck_assert_uint_eq(gla_mma_dot(m, a, b, 32, 0), 0);
    ck_assert_uint_eq(slow_dot(&twice, a, b, 32, 0), 0x33800000); /* 2^-24 */
    const gla_mma_model *k8 = gla_mma_model_of("sm_90", "m16n8k8", "bf16", "f32");
    a[15] = 0xbf80, b[15] = 0x3f80;
    ck_assert_uint_eq(gla_mma_dot(m, a, b, 16, 0), 0x33800000);
    ck_assert_uint_eq(gla_mma_dot(k8, a, b, 16, 0), 0); /* another shape, other bits */
}
END_TEST

/* P18'': 32 products of 2^-8 at a time stick at 64, where half a quantum of 2^-7 is nothing. */
START_TEST(wgmma_of_eight_bits_sticks) {
    const gla_mma_model *m = gla_mma_model_of("sm_90", "wgmma", "e4m3", "f32");
    uint32_t sixteenth[32], c = 0;
    for (int k = 0; k < 32; k++) sixteenth[k] = word_of(&gla_e4m3, 0x1p-4);
    for (int i = 0; i < 600; i++) {
        uint32_t next = gla_mma_dot(m, sixteenth, sixteenth, 32, c);
        ck_assert_uint_eq(next, word_of(&gla_binary32_format, fmin(64, 0.125 * (i + 1))));
        c = next;
    }
}
END_TEST

/* P18d: mma.sync of 8-bit types sums k mod 4 in {0, 1} first, so two 2^-24 reach 1 together only from one half. */
START_TEST(halves_of_a_split) {
    const gla_mma_model *m = gla_mma_model_of("sm_90", "mma.sync", "e5m2", "f32");
    const uint32_t one = word_of(&gla_e5m2, 1), tiny = word_of(&gla_e5m2, 0x1p-12);
    for (uint32_t j = 2; j < 32; j++) {
        uint32_t a[32] = {[0] = one, [1] = tiny}, want = j % 4 < 2 ? 0x3f800001 : 0x3f800000;
        a[j] = tiny;
        ck_assert_msg(gla_mma_dot(m, a, a, 32, 0) == want, "j = %u", j);
    }
}
END_TEST

/* P20: f64 is a chain, c first. */
START_TEST(f64_is_a_chain) {
    const double x[3][2] = {{1, 0x1p-53}, {0x1p-53, 1}, {0x1p-53, 0x1p-53}}, c[3] = {0x1p-53, 0x1p-53, 1};
    const double one[2] = {1, 1}, want[3] = {1, 1 + 0x1p-52, 1};
    for (int i = 0; i < 3; i++) ck_assert_double_eq(gla_mma_dot_f64(x[i], one, 2, c[i]), want[i]);
}
END_TEST

/* ---- special values ---- */

START_TEST(special_values) {
    const gla_mma_model *m = gla_mma_model_of("sm_90", "", "f16", "f32"),
                        *to_f16 = gla_mma_model_of("sm_90", "", "f16", "f16");
    enum { ZERO = 0, ONE = 0x3c00, PLUS = 0x7c00, MINUS = 0xfc00, NOT = 0x7e01, MINUS_NOT = 0xfd00 };
    static const struct {
        uint32_t a[2], b[2], c, want;
    } cases[] = {{{NOT, 0}, {ZERO, 0}, 0, 0x7fffffff},
                 {{MINUS_NOT, ONE}, {ONE, ONE}, 0, 0x7fffffff},
                 {{PLUS, ONE}, {ZERO, ONE}, 0, 0x7fffffff},
                 {{ZERO, ONE}, {MINUS, ONE}, 0, 0x7fffffff},
                 {{PLUS, MINUS}, {ONE, ONE}, 0, 0x7fffffff},
                 {{PLUS, MINUS}, {ONE, MINUS}, 0, 0x7f800000},
                 {{PLUS, ONE}, {MINUS, ONE}, 0, 0xff800000},
                 {{ONE, PLUS}, {ONE, ONE}, 0xff800000, 0x7fffffff},
                 {{ONE, PLUS}, {ONE, ONE}, 0x7f800000, 0x7f800000},
                 {{ONE, ONE}, {ONE, ONE}, 0xff800000, 0xff800000},
                 {{ONE, ONE}, {ONE, ONE}, 0xffc12345, 0x7fffffff},
                 {{0x8000, ZERO}, {ONE, ONE}, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t got = gla_mma_dot(m, cases[i].a, cases[i].b, 2, cases[i].c);
        ck_assert_msg(got == cases[i].want, "case %zu: %08x, not %08x", i, got, cases[i].want);
        if (cases[i].c) continue;
        uint32_t narrow = cases[i].want == 0x7fffffff ? 0x7fff : cases[i].want >> 16 & 0x8000;
        if (cases[i].want << 1 == 0xff000000) narrow |= 0x7c00;
        ck_assert_uint_eq(gla_mma_dot(to_f16, cases[i].a, cases[i].b, 2, 0), narrow);
    }
    ck_assert_uint_eq(gla_mma_dot(m, NULL, NULL, 0, 0x3f800000), 0x3f800000); /* no products: a block of zeros */
}
END_TEST

/* tf32: only what is left of a word counts, so a NaN whose payload lies in the low 13 bits is an infinity. */
START_TEST(tf32_drops_low_bits) {
    const gla_mma_model *m = gla_mma_model_of("sm_90", "", "tf32", "f32");
    const uint32_t one = 0x3f800000, low = 0x3f801fff, payload = 0x7f800001, tiny = 0x00001fff;
    ck_assert_uint_eq(gla_mma_dot(m, &low, &one, 1, 0), one);
    ck_assert_uint_eq(gla_mma_dot(m, &payload, &one, 1, 0), 0x7f800000);
    ck_assert_uint_eq(gla_mma_dot(m, &tiny, &payload, 1, 0), 0x7fffffff); /* 0 * infinity */
}
END_TEST

/* ---- random words ---- */

/* Blocks and chains of every row of a type, `blocks` in all. */
static void against_slow(const char *type, int blocks) {
    uint64_t state = test_seed();
    int done = 0, finite = 0;
    for (const gla_mma_model *m = gla_mma_models; done < blocks; m = m[1].arch ? m + 1 : gla_mma_models) {
        if (strcmp(m->type, type) != 0) continue;
        const slow_mma slow = {.model = *m};
        for (int i = 0; i < 24 * MMA_CLASSES; i++, done++) {
            uint32_t a[3 * 32], b[3 * 32], c;
            /* mostly one block, sometimes a part of one, sometimes a chain */
            size_t count = i % 4 ? (size_t)m->block : 1 + mma_below(&state, 3 * (uint32_t)m->block);
            mma_fill(m, (mma_class)(i % MMA_CLASSES), &state, count, a, b, &c);
            uint32_t got = gla_mma_dot(m, a, b, count, c), want = slow_dot(&slow, a, b, count, c);
            ck_assert_msg(got == want, "%s %s %s -> %s, class %d, %zu products: %08x, not %08x", m->arch,
                          m->instruction, m->type, m->result, i % MMA_CLASSES, count, got, want);
            finite += isfinite(gla_decode(gla_mma_result_format(m), got)) && got << 1;
        }
    }
    printf("%-10s %d random dots, %d finite and not 0\n", type, done, finite);
    fflush(stdout);
    ck_assert_int_gt(finite, done / 3);
}

static const char *const random_types[] = {"bf16", "f16", "tf32", "e4m3", "e5m2", "e4m3.e5m2", "e5m2.e4m3"};
START_TEST(random_words) { against_slow(random_types[_i], test_long() ? 20000000 : 100000); }
END_TEST

/* ---- the story ---- */

START_TEST(story_adds_up) {
    uint64_t state = test_seed();
    for (int i = 0; i < 3000; i++) {
        const gla_mma_model *m = &gla_mma_models[i % 3];
        uint32_t a[16], b[16], c;
        gla_mma_story s;
        mma_fill(m, MMA_NEAR, &state, 16, a, b, &c);
        gla_mma_tell(m, a, b, 16, c, &s);
        ck_assert_uint_eq(s.terms, 17);
        ck_assert_uint_eq(s.word, gla_mma_dot(m, a, b, 16, c));
        double sum = 0; /* of what was kept: exact */
        for (size_t k = 0; k < s.terms; k++) {
            const gla_mma_term *t = &s.term[k];
            double significand = ldexp((double)t->significand, t->exponent - t->scale);
            ck_assert_double_eq(t->negative ? -significand : significand, t->value);
            ck_assert(t->cut == (t->lost != 0));
            ck_assert(t->lost == 0 || signbit(t->lost) == signbit(t->value));
            sum += t->value - t->lost;
        }
        ck_assert_double_eq(sum, ldexp((double)s.sum, s.E - m->fraction));
        double result = gla_decode(gla_mma_result_format(m), s.word);
        ck_assert(isinf(result) || s.out_cut == (result != sum));
    }
}
END_TEST

/* ---- the table ---- */

START_TEST(table_and_lookups) {
    int rows = 0;
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++, rows++) {
        ck_assert_ptr_nonnull(gla_mma_operand_format(m, false));
        ck_assert_ptr_nonnull(gla_mma_operand_format(m, true));
        ck_assert(m->block >= 1 && m->block < GLA_MMA_TERMS && m->fraction <= 25 && m->evidence[0]);
        ck_assert((strcmp(m->result, "f16") == 0) == (m->out == GLA_MMA_RN_F16));
        ck_assert((strcmp(m->type, "f64") == 0) == (m->kind == GLA_MMA_FMA_CHAIN));
        /* every row can be asked for, by its whole instruction */
        char first[64];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(m->instruction, ","), m->instruction);
        ck_assert_ptr_eq(gla_mma_model_of(m->arch, first, m->type, m->result), m);
    }
    ck_assert_int_ge(rows, 50);
    static const struct {
        const char *arch, *instruction, *type, *result;
        int block; /* 0: no such model */
    } lookups[] = {{"sm_90", "", "bf16", "", 16},         {"sm_90", "wgmma", "tf32", "f32", 8},
                   {"sm_90", "mma.sync", "bf16", "", 16}, {"sm_90", "m16n8k8", "bf16", "", 8},
                   {"sm_90", "m16n8k4", "tf32", "", 4},   {"sm_80", "", "bf16", "f32", 8},
                   {"sm_80", "wgmma", "bf16", "f32", 0},  {"sm_90", "", "bf16", "f16", 0},
                   {"sm_99", "", "bf16", "f32", 0},       {"sm_90", "mma", "bf16", "f32", 0},
                   {"sm_90", "sync", "bf16", "f32", 0},   {"sm_75", "", "bf16", "f32", 0}};
    for (size_t i = 0; i < sizeof lookups / sizeof lookups[0]; i++) {
        const gla_mma_model *m =
            gla_mma_model_of(lookups[i].arch, lookups[i].instruction, lookups[i].type, lookups[i].result);
        ck_assert_msg((m ? m->block : 0) == lookups[i].block, "lookup %zu", i);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tensor_core");
    TCase *c = tcase_create("tensor_core");
    tcase_set_timeout(c, test_long() ? 3600 : 60);
    tcase_add_test(c, probe_outcomes);
    tcase_add_test(c, every_triple_of_positions);
    tcase_add_test(c, chains_round_between_blocks);
    tcase_add_test(c, wgmma_of_eight_bits_sticks);
    tcase_add_test(c, halves_of_a_split);
    tcase_add_test(c, f64_is_a_chain);
    tcase_add_test(c, special_values);
    tcase_add_test(c, tf32_drops_low_bits);
    tcase_add_loop_test(c, random_words, 0, sizeof random_types / sizeof random_types[0]);
    tcase_add_test(c, story_adds_up);
    tcase_add_test(c, table_and_lookups);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
