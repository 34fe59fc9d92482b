/* SPDX-License-Identifier: Apache-2.0
 *
 * What a GPU returned (data/hardware/cuda, recorded by tests/fast/cuda/record) against the replay of each rung on this
 * machine: every word of every output. No GPU is needed.
 */
#include <dirent.h>
#include <string.h>

#include "compare/io/case.h"
#include "compare/replay.h"
#include "tests/testing.h"

#define RECORDS "data/hardware/cuda"

/* What must be there: cases of a rung, and words in all of them. */
static const struct {
    const char *rung;
    int cases;
    int64_t words;
} rungs[] = {{"recurrent", 17, 170000}, {"parallel", 17, 170000}, {"chunkwise", 16, 160000}, {"fused", 14, 150000}};
enum { RUNGS = sizeof rungs / sizeof *rungs };

typedef struct tally {
    int cases;
    int64_t words, differing;
} tally;

static int is_record(const struct dirent *entry) { return strstr(entry->d_name, ".safetensors") != NULL; }

/* "FORM", or "FORM; gradients FORM": that of an output. */
static void form_of(const char *metadata, gla_output output, char form[64]) {
    const char *gradients = strstr(metadata, "; gradients ");
    if (gradients && output != GLA_O && output != GLA_FINAL_STATE)
        snprintf(form, 64, "%s", gradients + strlen("; gradients "));
    else
        snprintf(form, 64, "%.*s", (int)strcspn(metadata, ";"), metadata);
}

/* One output; with `spoilt` a word of what was recorded is changed first. */
static void compare_output(const gla_case *c, const gla_tensor_file *record, gla_output name, const char *what,
                           bool spoilt, tally *t) {
    const gla_case_output *out = &c->output[name];
    const gla_format *format[GLA_OUTPUTS] = {NULL};
    const char *forms = gla_tensors_meta(record, "form"), *numbers = gla_tensors_meta(record, "replay");
    double *value[GLA_OUTPUTS];
    char form[64];
    gla_error err;
    ck_assert_msg(forms && numbers && !out->wrong_shape, "%s: %s", what, gla_output_names[name]);
    form_of(forms, name, form);
    format[name] = gla_dtype_format(out->dtype);
    ck_assert_msg(gla_replay_compute(&c->problem, form, numbers, format, 1u << name, 1, value, &err) == GLA_OK,
                  "%s: %s", what, err.what);
    if (spoilt) out->value[out->count / 2] = -out->value[out->count / 2];
    gla_replay_verdict v = gla_replay_compare(&c->problem, name, format[name], out->value, value[name]);
    if (v.differing && !spoilt)
        printf("%s: %s: %ld of %ld words differ, first [%ld,%ld,%ld,%ld] got %s, replayed %s by %s in %s\n", what,
               gla_output_names[name], (long)v.differing, (long)out->count, (long)v.first.at[0], (long)v.first.at[1],
               (long)v.first.at[2], (long)v.first.at[3], v.got, v.want, form, numbers);
    t->words += out->count;
    t->differing += v.differing;
    free(value[name]);
}

static void compare_case(const char *rung, const char *name, bool spoilt, tally *t) {
    char inputs[600], outputs[600];
    gla_case c;
    gla_tensor_file record;
    gla_error err;
    snprintf(inputs, sizeof inputs, RECORDS "/inputs/%s", name);
    snprintf(outputs, sizeof outputs, RECORDS "/%s/%s", rung, name);
    const gla_case_options with = {.candidate = outputs};
    ck_assert_msg(gla_case_load(inputs, &with, &c, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_tensors_read(outputs, &record, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (c.output[i].present) compare_output(&c, &record, (gla_output)i, outputs, spoilt, t);
    t->cases++;
    gla_tensors_free(&record);
    gla_case_free(&c);
}

START_TEST(every_word) {
    char path[200];
    tally t = {0};
    struct dirent **entries;
    snprintf(path, sizeof path, RECORDS "/%s", rungs[_i].rung);
    int count = scandir(path, &entries, is_record, alphasort);
    ck_assert_msg(count > 0, "no records in %s: run the tests from the repository root", path);
    for (int i = 0; i < count; i++) {
        compare_case(rungs[_i].rung, entries[i]->d_name, false, &t);
        free(entries[i]);
    }
    free(entries);
    fflush(stdout);
    ck_assert_msg(t.differing == 0, "%s: %ld of %ld words differ", path, (long)t.differing, (long)t.words);
    ck_assert_msg(t.cases >= rungs[_i].cases && t.words >= rungs[_i].words, "%s: %d cases, %ld words", path, t.cases,
                  (long)t.words);
}
END_TEST

/* A word that is another one is found, in every output. */
START_TEST(one_word_is_found) {
    tally t = {0};
    compare_case(rungs[_i].rung, "mild-B1-T70-H2-dk24-dv16-bf16-state-backward-seed1.safetensors", true, &t);
    ck_assert_int_ge(t.differing, 2);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("recorded rungs");
    TCase *t = tcase_create("recorded");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_word, 0, RUNGS);
    tcase_add_loop_test(t, one_word_is_found, 0, RUNGS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
