/* SPDX-License-Identifier: Apache-2.0
 *
 * The flat face of the library: it says what truth.h and judge.h say, refuses what they refuse, and its text fits.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/embed.h"
#include "../../compare/judge.h"
#include "../testing.h"

/* A case and its arguments; outputs filled with the truth in binary32. */
static glassbox_case *made;
static const double *input[GLA_INPUTS];
static int64_t input_shape[GLA_INPUTS][4], output_shape[GLA_OUTPUTS][4];
static double *got[GLA_OUTPUTS];
static const char *format[GLA_OUTPUTS];
static char text[1 << 16];
static double numbers[GLA_OUTPUTS * 64];
static int verdict;
static const char *used, *replay, *form;

static const double *const *inputs(void) { return (const double *const *)input; }
static const int64_t (*shapes(void))[4] { return (const int64_t(*)[4])input_shape; }

static int64_t count_of(int output) {
    const int64_t *s = output_shape[output];
    return s[0] * s[1] * s[2] * s[3];
}

static void setup(void) {
    const int64_t size[7] = {0, 20, 2, 5, 4};
    made = glassbox_generate(NULL, "mild", size, GLASSBOX_BACKWARD | GLASSBOX_STATE, 0, test_seed(), "binary32", text,
                             sizeof text);
    ck_assert_msg(made != NULL, "%s", text);
    for (int i = 0; i < GLA_INPUTS; i++) input[i] = glassbox_case_input(made, i, input_shape[i]);
    ck_assert_msg(
        !glassbox_shapes(NULL, inputs(), shapes(), NULL, 0, 0, GLASSBOX_BACKWARD, output_shape, text, sizeof text),
        "%s", text);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        got[i] = count_of(i) ? calloc((size_t)count_of(i), sizeof(double)) : NULL;
        format[i] = "binary32";
    }
    ck_assert_msg(!glassbox_truth(NULL, inputs(), shapes(), NULL, 0, 0, GLASSBOX_BACKWARD, "binary32", 0, 1, got, NULL,
                                  NULL, NULL, text, sizeof text),
                  "%s", text);
}

static void teardown(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(got[i]);
    glassbox_case_free(made);
}

static int check(const char *profile) {
    return glassbox_check(NULL, inputs(), shapes(), NULL, 0, 0, 0, (const double *const *)got,
                          (const int64_t(*)[4])output_shape, format, 0, profile, replay, form, 1, &verdict, numbers,
                          &used, text, sizeof text);
}

static int field(const char *name) {
    for (int i = 0;; i++) {
        const char *found = glassbox_name(GLASSBOX_LIST_FIELDS, i);
        ck_assert_msg(found != NULL, "no field %s", name);
        if (strcmp(found, name) == 0) return i;
    }
}

static double number(gla_output output, const char *name) {
    int fields = 0;
    while (glassbox_name(GLASSBOX_LIST_FIELDS, fields)) fields++;
    return numbers[(int)output * fields + field(name)];
}

static void check_says(int status, const char *part) {
    ck_assert_int_eq(check(NULL), status);
    ck_assert_msg(strstr(text, part) != NULL, "%s", text);
    ck_assert_msg(strchr(text, '\n') == NULL, "%s", text);
}

START_TEST(test_names_end_and_have_a_line_each) {
    static const int length[] = {GLA_INPUTS, GLA_OUTPUTS};
    for (int list = GLASSBOX_LIST_INPUTS; list <= GLASSBOX_LIST_FIELDS; list++) {
        int n = 0;
        while (glassbox_name(list, n)) ck_assert_ptr_nonnull(glassbox_about(list, n++));
        ck_assert_int_ge(n, 1);
        if (list <= GLASSBOX_LIST_OUTPUTS) ck_assert_int_eq(n, length[list]);
        ck_assert_ptr_null(glassbox_about(list, n));
        ck_assert_ptr_null(glassbox_name(list, -1));
    }
    ck_assert_ptr_null(glassbox_name(99, 0));
    ck_assert_str_eq(glassbox_name(GLASSBOX_LIST_VERDICTS, GLA_BROKEN), "BROKEN");
    ck_assert_str_eq(glassbox_name(GLASSBOX_LIST_PROFILES, 0), gla_profiles[0]->name);
    ck_assert_str_eq(glassbox_about(GLASSBOX_LIST_FAMILIES, 0), gla_families[0].failure);
    ck_assert_int_eq(glassbox_abi(), GLASSBOX_ABI);
}
END_TEST

START_TEST(test_every_format_is_one) {
    for (int i = 0; glassbox_name(GLASSBOX_LIST_FORMATS, i); i++) {
        const char *name = glassbox_name(GLASSBOX_LIST_FORMATS, i);
        double x[2] = {1, M_PI};
        ck_assert_int_eq(glassbox_round(name, x, 2, text, sizeof text), GLA_OK);
        ck_assert(x[0] == 1 && x[1] == gla_round(gla_format_named(name), GLA_RN, M_PI, 0));
    }
    double x = 1;
    ck_assert_int_eq(glassbox_round("f12", &x, 1, text, sizeof text), GLA_UNKNOWN_NAME);
    ck_assert_int_eq(glassbox_round(NULL, &x, 1, text, sizeof text), GLA_UNKNOWN_NAME);
}
END_TEST

/* Against gla_truth_compute on a problem put together here. */
START_TEST(test_truth_is_the_truth) {
    gla_generated same;
    gla_truth truth;
    gla_error err;
    gla_case_spec spec = {.family = "mild",
                          .T = 20,
                          .H = 2,
                          .dk = 5,
                          .dv = 4,
                          .seed = test_seed(),
                          .initial_state = true,
                          .backward = true,
                          .dtype = &gla_binary32_format};
    ck_assert_msg(gla_generate(&spec, &same, &err) == GLA_OK, "%s", err.what);
    gla_truth_options options = {.target = &gla_binary32_format, .backward = true};
    ck_assert_msg(gla_truth_compute(&same.problem, &options, &truth, &err) == GLA_OK, "%s", err.what);
    double *low[GLA_OUTPUTS], *magnitude[GLA_OUTPUTS];
    uint8_t *certified[GLA_OUTPUTS];
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        low[i] = calloc((size_t)count_of(i) + 1, sizeof(double));
        magnitude[i] = calloc((size_t)count_of(i) + 1, sizeof(double));
        certified[i] = calloc((size_t)count_of(i) + 1, 1);
    }
    ck_assert_int_eq(glassbox_truth(NULL, inputs(), shapes(), NULL, 0, 0, GLASSBOX_BACKWARD, "binary32", 0, 1, got, low,
                                    magnitude, certified, text, sizeof text),
                     GLA_OK);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        ck_assert_int_eq(truth.tensor[i].count, count_of(i));
        size_t bytes = (size_t)count_of(i) * sizeof(double);
        if (!bytes) continue;
        ck_assert_mem_eq(got[i], truth.tensor[i].value, bytes);
        ck_assert_mem_eq(low[i], truth.tensor[i].low, bytes);
        ck_assert_mem_eq(magnitude[i], truth.tensor[i].magnitude, bytes);
        ck_assert_mem_eq(certified[i], truth.tensor[i].certified, (size_t)count_of(i));
    }
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(low[i]);
        free(magnitude[i]);
        free(certified[i]);
    }
    gla_truth_free(&truth);
    gla_generated_free(&same);
}
END_TEST

START_TEST(test_right_outputs_pass) {
    ck_assert_msg(check(NULL) == GLA_OK, "%s", text);
    ck_assert_int_eq(verdict, GLA_PASS);
    ck_assert_str_eq(used, "f32");
    ck_assert_int_eq(strncmp(text, "PASS against certified truth, profile f32\n", 42), 0);
    ck_assert_ptr_null(strstr(text, "Mismatched"));
    ck_assert_double_eq(number(GLA_DQ, "elements"), (double)count_of(GLA_DQ));
    ck_assert_double_eq(number(GLA_DGV, "judged"), 0);
    ck_assert(number(GLA_O, "worst") > 0 && number(GLA_O, "worst") < 1);
}
END_TEST

START_TEST(test_a_wrong_element_is_found_and_described) {
    got[GLA_DK][7] += 1; /* [0,0,1,2] of (1, 20, 2, 5) */
    got[GLA_DV][3] = NAN;
    ck_assert_int_eq(check(NULL), GLA_OK);
    ck_assert_int_eq(verdict, GLA_FAIL);
    ck_assert_double_eq(number(GLA_DK, "over"), 1);
    ck_assert_double_eq(number(GLA_DK, "first_bad_2"), 1);
    ck_assert_double_eq(number(GLA_DK, "worst_at_3"), 2);
    ck_assert_double_eq(number(GLA_DV, "nan"), 1);
    ck_assert_int_eq(strncmp(text, "Tensor-likes are not close!\n\nMismatched elements: 1 / 200 (0.5%)\n", 65), 0);
    ck_assert_msg(strstr(text, "difference: 1 at index (0, 0, 1, 2) (up to ") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "Not finite: 1 NaN, 0 Inf") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "item [dk]") && strstr(text, "item [dv]") && !strstr(text, "item [o]"), "%s", text);
}
END_TEST

START_TEST(test_a_profile_can_be_named) {
    ck_assert_int_eq(check("chunk-bf16"), GLA_OK);
    ck_assert_str_eq(used, "chunk-bf16");
    ck_assert_int_eq(check("chunk-bf17"), GLA_UNKNOWN_NAME);
    ck_assert_msg(strstr(text, "no profile 'chunk-bf17' (profiles: f32 ") != NULL, "%s", text);
}
END_TEST

/* Correctly rounded outputs are those of 200 bits, and not those of binary32. */
START_TEST(test_a_replay_can_be_asked_for) {
    replay = "mpfr:200";
    form = "recurrent";
    ck_assert_msg(check(NULL) == GLA_OK, "%s", text);
    ck_assert_int_eq(verdict, GLA_PASS);
    ck_assert_msg(strncmp(text, "PASS against certified truth, profile f32, replay recurrent in mpfr:200\n", 72) == 0,
                  "%s", text);
    ck_assert(number(GLA_DK, "replayed") == 1 && number(GLA_DK, "differing") == 0 && number(GLA_DK, "tier") == 1);
    ck_assert_double_eq(number(GLA_DK, "first_differing_0"), -1);
    replay = "binary32";
    ck_assert_int_eq(check(NULL), GLA_OK);
    ck_assert_int_eq(verdict, GLA_FAIL);
    ck_assert(number(GLA_DK, "differing") > 0 && number(GLA_DK, "ulps") >= 1 && number(GLA_DK, "tier") == 1);
    ck_assert_double_eq(number(GLA_DK, "first_differing_0"), 0);
    ck_assert_msg(strstr(text, "Other bits than the replay: ") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "Right within its bound, but not the declared arithmetic\n") != NULL, "%s", text);
    replay = "binary23";
    check_says(GLA_UNKNOWN_NAME, "no number system 'binary23'");
    replay = NULL;
    check_says(GLA_UNSUPPORTED, "form 'recurrent' is given, but no replay");
    form = NULL;
}
END_TEST

START_TEST(test_missing_and_misshapen_are_broken) {
    free(got[GLA_DQ]);
    got[GLA_DQ] = NULL;
    output_shape[GLA_DK][1]--;
    ck_assert_int_eq(glassbox_check(NULL, inputs(), shapes(), NULL, 0, 0, 0, (const double *const *)got,
                                    (const int64_t(*)[4])output_shape, format, 1u << GLA_DQ, NULL, NULL, NULL, 1,
                                    &verdict, numbers, &used, text, sizeof text),
                     GLA_OK);
    ck_assert_int_eq(verdict, GLA_BROKEN);
    ck_assert_double_eq(number(GLA_DQ, "verdict"), GLA_BROKEN);
    ck_assert_double_eq(number(GLA_O, "verdict"), GLA_PASS);
    ck_assert_ptr_nonnull(strstr(text, "The output is missing.\nThe failure occurred for item [dq]\n"));
    ck_assert_ptr_nonnull(strstr(text, "do not match: (1, 19, 2, 5) != (1, 20, 2, 5)."));
}
END_TEST

START_TEST(test_what_cannot_be_judged_is_refused) {
    input_shape[GLA_IN_K][3] = 4;
    check_says(GLA_BAD_SHAPE, "k has shape (1, 20, 2, 4), wanted (1, 20, 2, 5)");
    input_shape[GLA_IN_K][3] = 5;
    input_shape[GLA_IN_V][2] = 0;
    check_says(GLA_BAD_SHAPE, "v has shape (1, 20, 0, 4), wanted (1, 20, 1, 4)");
    input_shape[GLA_IN_V][2] = 2;
    format[GLA_O] = "f12";
    check_says(GLA_UNKNOWN_NAME, "no format 'f12'");
    format[GLA_O] = "binary32";
    input[GLA_IN_DO] = input[GLA_IN_DFINAL_STATE] = NULL;
    check_says(GLA_UNSUPPORTED, "dq is under test, but neither do nor dfinal_state is given");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(got[i]);
        got[i] = NULL;
    }
    check_says(GLA_UNSUPPORTED, "no output under test");
    input[GLA_IN_Q] = NULL;
    check_says(GLA_BAD_SHAPE, "q is missing");
}
END_TEST

START_TEST(test_offsets_make_sequences) {
    const int64_t cu[] = {0, 0, 7, 20}, one[] = {0};
    int64_t shape[GLA_OUTPUTS][4];
    input[GLA_IN_INITIAL_STATE] = input[GLA_IN_DFINAL_STATE] = NULL;
    ck_assert_int_eq(glassbox_shapes(NULL, inputs(), shapes(), cu, 4, 0, 0, shape, text, sizeof text), GLA_OK);
    ck_assert_int_eq(shape[GLA_FINAL_STATE][0], 3);
    ck_assert_int_eq(shape[GLA_DQ][0], 0);
    ck_assert_int_eq(glassbox_shapes(NULL, inputs(), shapes(), one, 1, 0, 0, shape, text, sizeof text), GLA_BAD_SHAPE);
}
END_TEST

/* A short text is cut, never overrun. */
START_TEST(test_text_stays_in_its_room) {
    got[GLA_O][0] = NAN;
    for (size_t room = 1; room < 200; room += 9) {
        char small[256];
        memset(small, '#', sizeof small);
        ck_assert_int_eq(glassbox_check(NULL, inputs(), shapes(), NULL, 0, 0, 0, (const double *const *)got,
                                        (const int64_t(*)[4])output_shape, format, 0, NULL, NULL, NULL, 1, &verdict,
                                        numbers, &used, small, room),
                         GLA_OK);
        ck_assert_uint_eq(strlen(small), room - 1);
        ck_assert_int_eq(small[room], '#');
    }
}
END_TEST

START_TEST(test_cases_come_out_as_asked) {
    const int64_t size[7] = {2, 9, 4, 3, 2, 2};
    int64_t filled[7], shape[4], count;
    unsigned flags;
    double scale;
    glassbox_case *c = glassbox_generate(NULL, "integers", size, GLASSBOX_VALUE_GATE | GLASSBOX_REVERSE, 0, 3, "bf16",
                                         text, sizeof text);
    ck_assert_msg(c != NULL, "%s", text);
    glassbox_case_sizes(c, filled, &flags, &scale);
    ck_assert_mem_eq(filled, size, sizeof size);
    ck_assert_uint_eq(flags, GLASSBOX_VALUE_GATE | GLASSBOX_REVERSE);
    ck_assert(scale == 0.5); /* the largest power of 2 at or below 3^(-1/2) */
    ck_assert_ptr_nonnull(glassbox_case_input(c, GLA_IN_GV, shape));
    ck_assert_int_eq(shape[2], 4);
    ck_assert_ptr_null(glassbox_case_input(c, GLA_IN_DO, shape));
    ck_assert_ptr_null(glassbox_case_input(c, GLA_INPUTS, shape));
    ck_assert_ptr_null(glassbox_case_offsets(c, &count));
    glassbox_case_free(c);
    glassbox_case_free(NULL);
    ck_assert_ptr_null(glassbox_generate(NULL, "wild", size, 0, 0, 1, "bf16", text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "no family \"wild\""));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("embed");
    TCase *c = tcase_create("embed");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, test_names_end_and_have_a_line_each);
    tcase_add_test(c, test_every_format_is_one);
    tcase_add_test(c, test_truth_is_the_truth);
    tcase_add_test(c, test_right_outputs_pass);
    tcase_add_test(c, test_a_wrong_element_is_found_and_described);
    tcase_add_test(c, test_a_profile_can_be_named);
    tcase_add_test(c, test_a_replay_can_be_asked_for);
    tcase_add_test(c, test_missing_and_misshapen_are_broken);
    tcase_add_test(c, test_what_cannot_be_judged_is_refused);
    tcase_add_test(c, test_offsets_make_sequences);
    tcase_add_test(c, test_text_stays_in_its_room);
    tcase_add_test(c, test_cases_come_out_as_asked);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
