/* SPDX-License-Identifier: Apache-2.0
 *
 * The models against the words that our own probe recorded on an H200 (data/hardware/mma): every word that is kept, and
 * a check of 4096 results of every class; all checks, 77 million results, when tests are long.
 */
#include <string.h>
#include <unistd.h>

#include "probe_testing.h"

static cli_probe_verdict judged(const cli_probe_words *w, const gla_mma_model *m, bool quick) {
    cli_probe_verdict v;
    ck_assert_int_eq(cli_probe_judge(w, m, quick, NULL, NULL, &v, NULL), GLA_OK);
    return v;
}

START_TEST(models_are_right) {
    size_t results = 0, words = 0, points = 0, variants = 0;
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++) {
        cli_probe_words w = words_of(i);
        const gla_mma_model *m = gla_probe_model(w.arch, i);
        ck_assert_msg(m && m->probed, "%s", i->name);
        size_t compared, differ;
        cli_probe_variants(&w, &compared, &differ);
        cli_probe_verdict v = judged(&w, m, !test_long());
        ck_assert_msg(v.wrong_words == 0, "%s: %zu of %zu words, first %s[%zu]: device %llx, model %llx", i->name,
                      v.wrong_words, v.words, v.klass->name, v.at, (unsigned long long)v.device,
                      (unsigned long long)v.model);
        ck_assert_msg(v.wrong_checks == 0, "%s: %zu of %zu checks", i->name, v.wrong_checks, v.checks);
        ck_assert_msg(v.unexpected == 0 && v.points > 0, "%s: %zu of %zu points", i->name, v.unexpected, v.points);
        ck_assert_msg(differ == 0 && compared > 2000000, "%s: %zu of %zu in variants", i->name, differ, compared);
        results += v.results;
        words += v.words;
        points += v.points;
        variants += compared;
        cli_probe_words_free(&w);
    }
    printf("0 mismatches: %zu results by their checks, %zu words, %zu predictions; variants of %zu\n", results, words,
           points, variants);
    ck_assert_uint_ge(words, 400000);
    if (test_long()) ck_assert_uint_eq(results, 76601600);
}
END_TEST

/* ---- the comparison itself ---- */

/* A word or check that is not what was recorded is found, and said where. */
START_TEST(a_wrong_word_is_found) {
    const gla_probe_instruction *i = gla_probe_instruction_named("mma.m16n8k16.f32.bf16");
    const gla_mma_model *m = gla_probe_model("sm_90", i);
    const struct {
        const char *tensor;
        size_t element, at;
    } turned[] = {{"window.words", 77, 77}, {"points.words", 3, 3}, {"bits.check", 64, 64 * GLA_PROBE_BLOCK}};
    for (int k = 0; k < 3; k++) {
        cli_probe_words w = words_of(i);
        const gla_named_tensor *x = gla_tensors_find(&w.file, turned[k].tensor);
        ck_assert_ptr_nonnull(x);
        ((unsigned char *)(uintptr_t)x->raw)[turned[k].element * gla_dtype_size(x->dtype)] ^= 1;
        cli_probe_verdict v = judged(&w, m, true);
        ck_assert_uint_eq(v.wrong_words, k < 2);
        ck_assert_uint_eq(v.wrong_checks, k == 2);
        ck_assert_uint_eq(v.at, turned[k].at);
        ck_assert_int_eq(strncmp(turned[k].tensor, v.klass->name, strlen(v.klass->name)), 0);
        if (k < 2) ck_assert_uint_eq(v.device ^ v.model, 1);
        cli_probe_words_free(&w);
    }
}
END_TEST

/* The sum does not depend on what is added first, but on every bit and on where it stands. */
START_TEST(checks_see_every_word) {
    static const char *const formats[] = {"f16", "f32", "f64"};
    uint64_t word[100];
    for (int f = 0; f < 3; f++) {
        const gla_probe_format *format = gla_probe_format_named(formats[f]);
        for (size_t k = 0; k < 100; k++) word[k] = k * 0x9e3779b97f4a7c15u >> (64 - 8 * format->bytes);
        const uint64_t right = gla_probe_hash(format, word, 100);
        for (size_t k = 0; k < 100; k++)
            for (int bit = 0; bit < 8 * format->bytes; bit++) {
                word[k] ^= (uint64_t)1 << bit;
                ck_assert_uint_ne(gla_probe_hash(format, word, 100), right);
                word[k] ^= (uint64_t)1 << bit;
            }
        uint64_t first = word[1];
        word[1] = word[2];
        word[2] = first;
        ck_assert_uint_ne(gla_probe_hash(format, word, 100), right);
        ck_assert_uint_ne(gla_probe_hash(format, word, 99), gla_probe_hash(format, word, 100));
    }
}
END_TEST

/* A file of another version, of an unknown instruction, or with too few checks is none of ours. */
START_TEST(foreign_files_are_refused) {
    static const char *const changed[][2] = {{"version", "2"}, {"instruction", "mma.m16n8k16.f32.f4"}, {"", ""}};
    for (int k = 0; k < 3; k++) {
        char path[] = "/tmp/glassbox-test-XXXXXX.npz";
        cli_probe_words w = words_of(gla_probe_instruction_named("mma.m8n8k4.f64.rn")), other;
        gla_error err = {0};
        if (changed[k][0][0])
            ck_assert_int_eq(gla_tensors_set_meta(&w.file, changed[k][0], changed[k][1], &err), GLA_OK);
        else
            w.file.tensor[0].shape[0] = --w.file.tensor[0].count;
        ck_assert_int_ge(mkstemps(path, 4), 0);
        ck_assert_int_eq(gla_tensors_write(path, &w.file, &err), GLA_OK);
        ck_assert_int_eq(cli_probe_words_read(path, &other, &err), GLA_BAD_FILE);
        ck_assert_ptr_nonnull(strstr(err.what, path));
        cli_probe_words_free(&other);
        cli_probe_words_free(&w);
        unlink(path);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("probe_words");
    TCase *c = tcase_create("words");
    tcase_set_timeout(c, test_long() ? 7200 : 120);
    tcase_add_test(c, models_are_right);
    tcase_add_test(c, a_wrong_word_is_found);
    tcase_add_test(c, checks_see_every_word);
    tcase_add_test(c, foreign_files_are_refused);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
