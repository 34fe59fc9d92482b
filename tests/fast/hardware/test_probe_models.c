/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong models, which the words that our own probe recorded on an H200 (data/hardware/mma) must reject: every named
 * probe, and 1024 words of each class of at most four blocks.
 */
#include <fenv.h>
#include <math.h>
#include <string.h>

#include "probe_testing.h"
#include "slow_mma.h"

/* ---- samples ---- */

enum { MOST_WORDS = 16384, SOME = 1024, LONGEST = 4 * GLA_PROBE_K };

typedef struct sample {
    const gla_probe_instruction *instruction;
    size_t count;
    struct {
        size_t terms;
        uint64_t a[LONGEST], b[LONGEST], c, d;
    } word[MOST_WORDS];
} sample;

static void add(sample *s, size_t terms, const uint64_t *a, const uint64_t *b, uint64_t c, uint64_t d) {
    ck_assert_uint_lt(s->count, MOST_WORDS);
    memcpy(s->word[s->count].a, a, terms * sizeof *a);
    memcpy(s->word[s->count].b, b, terms * sizeof *b);
    s->word[s->count].terms = terms;
    s->word[s->count].c = c;
    s->word[s->count++].d = d;
}

static void add_points(sample *s, const gla_named_tensor *word) {
    const gla_probe_instruction *i = s->instruction;
    const gla_probe_format *result = gla_probe_format_named(i->result);
    gla_probe_point *point = calloc((size_t)word->count, sizeof *point);
    ck_assert_ptr_nonnull(point);
    ck_assert_uint_eq(gla_probe_points(i, point, (size_t)word->count), (size_t)word->count);
    for (size_t k = 0; k < (size_t)word->count; k++)
        add(s, (size_t)i->K, point[k].a, point[k].b, point[k].c, gla_probe_unpack(result, word->raw, k));
    free(point);
}

static void add_class(sample *s, const cli_probe_words *w, const gla_probe_class *c) {
    const gla_probe_instruction *i = s->instruction;
    const gla_named_tensor *word = cli_probe_words_of(w, c);
    const gla_probe_format *result = gla_probe_format_named(i->result);
    size_t M = (size_t)i->M, N = (size_t)i->N, length = c->blocks * (size_t)i->K;
    uint64_t *a = malloc(((M + N) * length + M * N) * sizeof *a), *b = a + M * length, *addend = b + N * length;
    ck_assert_ptr_nonnull(a);
    for (size_t k = 0; k < SOME; k++) {
        size_t at = k % (M * N);
        if (at == 0) gla_probe_tile(w->seed, i, c, k / (M * N), a, b, addend);
        add(s, length, a + at / N * length, b + at % N * length, addend[at], gla_probe_unpack(result, word->raw, k));
    }
    free(a);
}

/* All points, and some words of every class of at most four blocks. */
static sample *sample_of(const gla_probe_instruction *i) {
    cli_probe_words w = words_of(i);
    sample *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->instruction = i;
    for (const gla_probe_class *c = gla_probe_classes; c->name; c++) {
        if (c->kind == GLA_PROBE_POINTS)
            add_points(s, cli_probe_words_of(&w, c));
        else if (c->blocks <= 4)
            add_class(s, &w, c);
    }
    cli_probe_words_free(&w);
    return s;
}

/* ---- wrong models ---- */

static int misses(const sample *s, const slow_mma *model) {
    int wrong = 0;
    for (size_t k = 0; k < s->count; k++) {
        uint32_t a[LONGEST], b[LONGEST];
        for (size_t j = 0; j < s->word[k].terms; j++) {
            a[j] = (uint32_t)s->word[k].a[j];
            b[j] = (uint32_t)s->word[k].b[j];
        }
        wrong += slow_dot(model, a, b, s->word[k].terms, (uint32_t)s->word[k].c) != s->word[k].d;
    }
    return wrong;
}

typedef enum wrong_model {
    RIGHT,
    LESS_F,
    MORE_F,
    LOWER,
    HIGHER,
    HALF_L,
    DOUBLE_L,
    NORMALISED,
    RENORMALISED,
    NEAREST_CUT,
    OTHER_OUT,
    ZEROS_COUNT,
    LATE,
    MINUS_ZERO,
    PLAIN,
    EARLY,
    WRONGS
} wrong_model;
static const char *const wrong_names[WRONGS] = {"right", "F-1",   "F+1", "flr-1",  "flr+1",  "L/2", "2L",    "norm",
                                                "subn",  "RNcut", "OUT", "0 in E", "c late", "-0",  "order", "c 1st"};

static slow_mma made_wrong(const gla_mma_model *m, wrong_model how) {
    slow_mma s = {.model = *m};
    s.model.fraction += (how == MORE_F) - (how == LESS_F);
    s.model.floor += (how == HIGHER) - (how == LOWER);
    if (how == HALF_L) s.model.block /= 2;
    if (how == DOUBLE_L) s.model.block *= 2;
    s.normalise = how == NORMALISED;
    s.renormalise = how == RENORMALISED;
    s.nearest_cut = how == NEAREST_CUT;
    s.nearest_out = s.truncate_out = how == OTHER_OUT;
    s.zeros_count = how == ZEROS_COUNT;
    s.late = how == LATE;
    s.minus_zero = how == MINUS_ZERO;
    s.plain_order = how == PLAIN;
    s.early = how == EARLY;
    return s;
}

/* The check of a block of results by a wrong model. */
static uint64_t wrong_check(const gla_probe_instruction *i, const slow_mma *model, const gla_probe_class *c,
                            size_t block) {
    static uint64_t a[(GLA_PROBE_M + GLA_PROBE_N) * GLA_PROBE_K], addend[GLA_PROBE_M * GLA_PROBE_N],
        word[GLA_PROBE_BLOCK];
    uint64_t *b = a + GLA_PROBE_M * GLA_PROBE_K;
    const size_t M = (size_t)i->M, N = (size_t)i->N, K = (size_t)i->K;
    for (size_t k = 0; k < GLA_PROBE_BLOCK; k++) {
        uint32_t x[GLA_PROBE_K], y[GLA_PROBE_K];
        const size_t result = block * GLA_PROBE_BLOCK + k, at = result % (M * N);
        if (at == 0) gla_probe_tile(GLA_PROBE_SEED, i, c, result / (M * N), a, b, addend);
        for (size_t j = 0; j < K; j++) {
            x[j] = (uint32_t)a[at / N * K + j];
            y[j] = (uint32_t)b[at % N * K + j];
        }
        word[k] = slow_dot(model, x, y, K, (uint32_t)addend[at]);
    }
    return gla_probe_hash(gla_probe_format_named(i->result), word, GLA_PROBE_BLOCK);
}

/* Do the first checks of three classes, 98304 results, tell? */
static bool checks_reject(const gla_probe_instruction *i, const slow_mma *model) {
    static const char *const names[] = {"cancel", "zeros", "window"};
    const gla_probe_format u64 = {.bytes = 8};
    cli_probe_words w = words_of(i);
    bool rejected = false;
    for (int n = 0; n < 3 && !rejected; n++) {
        char tensor[32];
        const gla_probe_class *c = gla_probe_classes;
        while (strcmp(c->name, names[n]) != 0) c++;
        snprintf(tensor, sizeof tensor, "%s.check", names[n]);
        const void *check = gla_tensors_find(&w.file, tensor)->raw;
        for (size_t k = 0; k < 8 && !rejected; k++)
            rejected = wrong_check(i, model, c, k) != gla_probe_unpack(&u64, check, k);
    }
    cli_probe_words_free(&w);
    return rejected;
}

/* What must reject a wrong model: words, or at least a check, where it comes up seldom. NOTHING has to where the rule
 * makes no difference or all but none: the floor and -0 where no block's unit lies below the result's range (f16 or
 * 8-bit operands, c in binary32); a subnormal's or a zero's exponent, and with the emulation's f16 results all of F,
 * where 11 bits would have to show the 25th, in a tie (its halves are HMMA.16816.F16, which has a row); order and the
 * place of c outside the emulation. */
typedef enum rejection { NOTHING, CHECK, WORDS } rejection;

static rejection demanded(const gla_mma_model *m, wrong_model how) {
    const bool split = m->kind == GLA_MMA_SPLIT, short_result = m->out == GLA_MMA_RN_F16, bytes = m->type[0] == 'e';
    const bool f16 = strcmp(m->type, "f16") == 0;
    switch (how) {
    case RIGHT:
    case WRONGS:
        return NOTHING;
    case PLAIN:
    case EARLY:
        return split ? WORDS : NOTHING;
    case LESS_F:
    case MORE_F:
        return split && short_result ? NOTHING : WORDS;
    case NORMALISED:
    case NEAREST_CUT:
        return !short_result || (bytes && !split) ? WORDS : split ? NOTHING : CHECK;
    case LOWER:
    case HIGHER:
        return !bytes && f16 == short_result ? WORDS : NOTHING;
    case MINUS_ZERO:
        if (!bytes) return f16 == short_result ? WORDS : NOTHING;
        return short_result && !split && strcmp(m->type, "e4m3") != 0 ? CHECK : NOTHING;
    case RENORMALISED:
    case ZEROS_COUNT:
        if (!bytes) return short_result ? NOTHING : WORDS;
        return split ? NOTHING : CHECK;
    case HALF_L:
    case DOUBLE_L:
    case OTHER_OUT:
    case LATE:
        return WORDS;
    }
    return NOTHING;
}

static void judge_cell(const sample *s, const gla_mma_model *m, wrong_model how) {
    const slow_mma model = made_wrong(m, how);
    const int wrong = misses(s, &model);
    const rejection demand = demanded(m, how);
    bool by_check = wrong == 0 && demand == CHECK && checks_reject(s->instruction, &model);
    if (wrong > 0 || how == RIGHT)
        printf(" %6d", wrong);
    else
        printf(" %6s", by_check ? "check" : demand == NOTHING ? "-" : "0");
    ck_assert_msg(how != RIGHT || wrong == 0, "%s: %d of %zu words", s->instruction->name, wrong, s->count);
    ck_assert_msg(wrong > 0 || by_check || demand == NOTHING, "%s does not reject %s", s->instruction->name,
                  wrong_names[how]);
}

START_TEST(wrong_models_are_rejected) {
    printf("mismatches of wrong models; check: seen by checks only; - where nothing can tell\n%-27s %5s", "", "words");
    for (int how = 0; how < WRONGS; how++) printf(" %6s", wrong_names[how]);
    putchar('\n');
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++) {
        const gla_mma_model *m = gla_probe_model("sm_90", i);
        if (m->kind == GLA_MMA_FMA_CHAIN) continue;
        sample *s = sample_of(i);
        printf("%-27s %5zu", i->name, s->count);
        for (int how = 0; how < WRONGS; how++) judge_cell(s, m, (wrong_model)how);
        putchar('\n');
        free(s);
    }
}
END_TEST

/* ---- f64 ---- */

typedef enum wrong_chain { CHAIN, DESCENDING, C_LAST, OTHER_ROUNDING, ONE_NAN, WRONG_CHAINS } wrong_chain;
static const char *const chain_names[WRONG_CHAINS] = {"right", "descending", "c last", "rounding", "one NaN"};

static double number(uint64_t word) {
    double x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static uint64_t chain(const gla_probe_instruction *i, const sample *s, size_t k, wrong_chain how) {
    static const char *const roundings = "rn rz rm rp";
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    const size_t terms = s->word[k].terms, mode = (size_t)(strstr(roundings, i->rounding) - roundings) / 3;
    double a[LONGEST], b[LONGEST], c = number(s->word[k].c);
    for (size_t j = 0; j < terms; j++) {
        a[how == DESCENDING ? terms - 1 - j : j] = number(s->word[k].a[j]);
        b[how == DESCENDING ? terms - 1 - j : j] = number(s->word[k].b[j]);
    }
    fesetround(modes[how == OTHER_ROUNDING ? (mode + 1) % 4 : mode]);
    double d = how == C_LAST ? gla_mma_dot_f64(a, b, terms, 0) + c : gla_mma_dot_f64(a, b, terms, c);
    fesetround(FE_TONEAREST);
    if (how == ONE_NAN && isnan(d)) return UINT64_C(0x7fffffffffffffff);
    uint64_t word;
    memcpy(&word, &d, sizeof word);
    return word;
}

START_TEST(wrong_chains_are_rejected) {
    printf("f64%23s %6s", "", "words");
    for (int how = 0; how < WRONG_CHAINS; how++) printf(" %10s", chain_names[how]);
    putchar('\n');
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++) {
        if (strcmp(i->result, "f64") != 0) continue;
        sample *s = sample_of(i);
        printf("%-27s %5zu", i->name, s->count);
        for (int how = 0; how < WRONG_CHAINS; how++) {
            int wrong = 0;
            for (size_t k = 0; k < s->count; k++) wrong += chain(i, s, k, (wrong_chain)how) != s->word[k].d;
            printf(" %10d", wrong);
            ck_assert_msg((how == CHAIN) == (wrong == 0), "%s, %s: %d", i->name, chain_names[how], wrong);
        }
        putchar('\n');
        free(s);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("probe_models");
    TCase *c = tcase_create("wrong");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, wrong_models_are_rejected);
    tcase_add_test(c, wrong_chains_are_rejected);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
