/* SPDX-License-Identifier: Apache-2.0
 *
 * The model against result words that others recorded on an H200 and an A100 ("Accurate Models of NVIDIA Tensor Cores",
 * Khattak and Mikaitis 2025), where those lie beside the project: ../shared/recorded/{H200,A100}.tar.xz. They are not
 * part of it; without them this suite says so and skips.
 *
 * A data set is 5000 rows a, b, c, d: d = c + a . b. a and b are binary32 words in hex that hold numbers of the operand
 * type, c and d binary32 words in binary digits. For f16 results c is rounded to f16 first. The 8-bit words with f32
 * results were made by wgmma with c = 0, those with f16 results by mma.sync.
 */
#include "../../compare/shell.h"

#include "slow_mma.h"

enum { ROWS = 5000, MOST = 32 };

typedef struct data_set {
    const char *gpu, *folder, *arch, *instruction, *type, *result;
    size_t products;
    bool ignores_c;
} data_set;

static const data_set sets[] = {
    {"H200", "bf16", "sm_90", "", "bf16", "f32", 16, false},
    {"H200", "fp16", "sm_90", "", "f16", "f32", 16, false},
    {"H200", "fp16", "sm_90", "", "f16", "f16", 16, false},
    {"H200", "tf32", "sm_90", "", "tf32", "f32", 4, false},
    {"H200", "E4M3", "sm_90", "wgmma", "e4m3", "f32", 32, true},
    {"H200", "E5M2", "sm_90", "wgmma", "e5m2", "f32", 32, true},
    {"H200", "E4M3", "sm_90", "mma.sync", "e4m3", "f16", 32, false},
    {"H200", "E5M2", "sm_90", "mma.sync", "e5m2", "f16", 32, false},
    {"A100", "bf16", "sm_80", "", "bf16", "f32", 8, false},
    {"A100", "fp16", "sm_80", "", "f16", "f32", 8, false},
    {"A100", "fp16", "sm_80", "", "f16", "f16", 8, false},
    {"A100", "tf32", "sm_80", "", "tf32", "f32", 4, false},
};
enum { SETS = sizeof sets / sizeof sets[0] };

typedef struct words {
    uint32_t a[ROWS][MOST], b[ROWS][MOST], c[ROWS], d[ROWS];
} words;

/* ---- reading ---- */

static bool present(void) {
    bool found =
        access("../shared/recorded/H200.tar.xz", R_OK) == 0 && access("../shared/recorded/A100.tar.xz", R_OK) == 0;
    if (!found) puts("skipped: ../shared/recorded is not here");
    return found;
}

static void unpack(void) {
    make_folder();
    for (int i = 0; i < 2; i++) {
        outcome o = shell("tar xJf ../shared/recorded/%s.tar.xz -C \"$D\"", i ? "A100" : "H200");
        ck_assert_msg(o.status == 0, "%s", o.err);
        done(o);
    }
}

/* `count` words of a row, in this base, for every row. */
static void read_words(const data_set *s, char which, const char *kind, int base, uint32_t *to, size_t count,
                       size_t stride) {
    char path[256], text[64];
    snprintf(path, sizeof path, "%s/%s/%s/%c_%s_%s.txt", folder, s->gpu, s->folder, which, s->gpu, kind);
    FILE *from = fopen(path, "r");
    ck_assert_msg(from != NULL, "no %s", path);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t k = 0; k < count; k++) {
            ck_assert_msg(fscanf(from, "%63s", text) == 1, "%s ends in row %zu", path, row);
            to[row * stride + k] = (uint32_t)strtoul(text, NULL, base);
        }
    ck_assert_msg(fscanf(from, "%63s", text) == EOF, "%s has more than %d rows", path, ROWS);
    fclose(from);
}

/* A binary32 word as a word of the format, which must hold it unless it may be rounded. */
static uint32_t as_word(const gla_format *f, uint32_t word, bool may_round) {
    if (f == &gla_tf32 || f == &gla_binary32_format) return word;
    double x = gla_decode(&gla_binary32_format, word), rounded = gla_round(f, GLA_RN, x, 0);
    ck_assert_msg(may_round || rounded == x, "%08x is no number of %s", word, f->name);
    return gla_encode(f, rounded);
}

static void read_set(const data_set *s, const gla_mma_model *m, words *w) {
    const gla_format *operand = gla_mma_operand_format(m, false), *result = gla_mma_result_format(m);
    read_words(s, 'a', s->folder, 16, w->a[0], s->products, MOST);
    read_words(s, 'b', s->folder, 16, w->b[0], s->products, MOST);
    read_words(s, 'c', "fp32", 2, w->c, 1, 1);
    read_words(s, 'd', result == &gla_f16 ? "fp16" : "fp32", 2, w->d, 1, 1);
    for (int row = 0; row < ROWS; row++) {
        for (size_t k = 0; k < s->products; k++) {
            w->a[row][k] = as_word(operand, w->a[row][k], false);
            w->b[row][k] = as_word(operand, w->b[row][k], false);
        }
        w->c[row] = s->ignores_c ? 0 : as_word(result, w->c[row], true);
        w->d[row] = as_word(result, w->d[row], false);
    }
}

/* ---- right and wrong models ---- */

typedef enum wrong { RIGHT, LESS_F, MORE_F, HALF_L, DOUBLE_L, NORMALISED, NEAREST_CUT, OTHER_OUT, PLAIN, EARLY } wrong;
enum { WRONGS = EARLY + 1 };
static const char *const wrong_names[WRONGS] = {"right", "F - 1",   "F + 1",     "L / 2",   "2 L",
                                                "norm.", "nearest", "other OUT", "k order", "c first"};

static slow_mma made_wrong(const gla_mma_model *m, wrong how) {
    slow_mma s = {.model = *m};
    s.model.fraction += (how == MORE_F) - (how == LESS_F);
    if (how == HALF_L) s.model.block /= 2;
    if (how == DOUBLE_L) s.model.block *= 2;
    s.normalise = how == NORMALISED;
    s.nearest_cut = how == NEAREST_CUT;
    s.nearest_out = s.truncate_out = how == OTHER_OUT;
    s.plain_order = how == PLAIN;
    s.early = how == EARLY;
    return s;
}

/* What these words can tell. They are single blocks, so a longer one is the same; order and c matter to the split
 * alone; 11 bits of a sum of f16 hardly ever show the 25th. */
static bool can_tell(const data_set *s, const gla_mma_model *m, wrong how) {
    bool split = m->kind == GLA_MMA_SPLIT, short_result = m->out == GLA_MMA_RN_F16;
    if (how == PLAIN || how == EARLY) return split;
    if (how == DOUBLE_L) return false;
    if (how == HALF_L) return !split && s->products > (size_t)m->block / 2;
    return how == OTHER_OUT || !short_result;
}

/* The model itself, then a row of the table: mismatches of the second implementation, right and wrong. */
static void judge_set(const data_set *s, const gla_mma_model *m, const words *w) {
    int mismatches = 0;
    for (int row = 0; row < ROWS; row++)
        mismatches += gla_mma_dot(m, w->a[row], w->b[row], s->products, w->c[row]) != w->d[row];
    printf("%s %-4s -> %s %9d", s->gpu, s->type, s->result, mismatches);
    ck_assert_msg(mismatches == 0, "%s %s: %d of %d words differ", s->gpu, s->type, mismatches, ROWS);
    for (int how = 0; how < WRONGS; how++) {
        const slow_mma model = made_wrong(m, (wrong)how);
        if (how != RIGHT && !can_tell(s, m, (wrong)how)) {
            printf(" %9s", "-");
            continue;
        }
        mismatches = 0;
        for (int row = 0; row < ROWS; row++)
            mismatches += slow_dot(&model, w->a[row], w->b[row], s->products, w->c[row]) != w->d[row];
        printf(" %9d", mismatches);
        ck_assert_msg(how == RIGHT ? mismatches == 0 : mismatches > 0, "%s %s -> %s, %s: %d of %d words differ", s->gpu,
                      s->type, s->result, wrong_names[how], mismatches, ROWS);
    }
    putchar('\n');
}

START_TEST(recorded_words) {
    if (!present()) return;
    unpack();
    words *w = malloc(sizeof *w);
    ck_assert_ptr_nonnull(w);
    printf("mismatches of %d words each; - where the words cannot tell\n%-17s %9s", ROWS, "", "model");
    for (int how = 0; how < WRONGS; how++) printf(" %9s", wrong_names[how]);
    putchar('\n');
    for (int i = 0; i < SETS; i++) {
        const gla_mma_model *m = gla_mma_model_of(sets[i].arch, sets[i].instruction, sets[i].type, sets[i].result);
        ck_assert_msg(m != NULL, "no model for set %d", i);
        read_set(&sets[i], m, w);
        judge_set(&sets[i], m, w);
    }
    printf("%d words\n", SETS * ROWS);
    free(w);
    remove_folder();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mma_recorded");
    TCase *c = tcase_create("recorded");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, recorded_words);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
