/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox lm: text, loss and comparison on a tiny model of bytes; wrong lines are one-line errors. Where the
 * repository's neighbour ../shared/real/lm exists, the trained model there: its text, its loss, and what its recorded
 * activations are explained by.
 */
#include "shell.h"
#include "tests/compare/io/tiny_checkpoint.h"

static void make_model(void) {
    make_folder();
    write_config(folder, 1, 256, "");
    write_weights(folder, 1, 256, NULL, NULL);
}

START_TEST(text_is_decided_by_its_seed) {
    outcome a = shell("$GLASSBOX lm \"$D\" --ids 72,101 --tokens 9 --seed 3 --temperature 1.5");
    outcome b = shell("$GLASSBOX lm \"$D/model.safetensors\" --ids 72,101 --tokens 9 --seed 3 --temperature 1.5");
    outcome c = shell("$GLASSBOX lm \"$D\" --ids 72,101 --tokens 9 --seed 4 --temperature 1.5");
    ck_assert_msg(a.status == 0, "%s", a.err);
    ck_assert_str_eq(a.out, b.out);
    ck_assert_str_ne(a.out, c.out);
    ck_assert_int_eq(lines_in(a.out), 9);
    done(a);
    done(b);
    done(c);
    a = shell("$GLASSBOX lm \"$D\" --ids 72,101 --tokens 9");
    b = shell("$GLASSBOX lm \"$D\" --ids 72,101 --tokens 9 --greedy --numbers mpfr:80 --form chunkwise:4:2");
    ck_assert_str_eq(a.out, b.out); /* binary32 is near enough for the most likely token */
    done(a);
    done(b);
    a = shell(
        "$GLASSBOX lm \"$D\" --ids 72 --tokens 30 --temperature 1e6 | sort -u"); /* draws of almost equal chances */
    ck_assert_msg(lines_in(a.out) > 20, "%d different tokens of 30", lines_in(a.out));
    done(a);
    a = shell("$GLASSBOX lm \"$D\" --text He --tokens 0");
    ck_assert_str_eq(a.out, "He\n");
    done(a);
}
END_TEST

/* exp of the loss is a probability: that of one token after another, shown by three losses of one text. */
START_TEST(losses_add_up) {
    double of[3];
    static const char *const ids[] = {"7,8", "7,8,9", "7,8,9,250"};
    for (int i = 0; i < 3; i++) {
        outcome o = shell("$GLASSBOX lm \"$D\" --ids %s --loss --numbers binary64", ids[i]);
        ck_assert_msg(o.status == 0 && sscanf(o.out, "loss %lf nats", &of[i]) == 1, "%s%s", o.out, o.err);
        done(o);
    }
    double second = 2 * of[1] - of[0], third = 3 * of[2] - 2 * of[1];
    ck_assert_msg(of[0] > 0 && second > 0 && third > 0 && third < 30, "%g %g %g", of[0], of[1], of[2]);
    outcome o = shell("$GLASSBOX lm \"$D\" --ids 7,8,9,250 --loss --numbers mpfr:200 --form parallel");
    double precise;
    ck_assert(sscanf(o.out, "loss %lf nats", &precise) == 1 && fabs(precise - of[2]) < 1e-9);
    done(o);
}
END_TEST

START_TEST(wrong_lines_are_one_line_errors) {
    static const char *const wrong[] = {
        "",
        "--text a",
        "\"$D\"",
        "\"$D\" --text a --ids 1",
        "\"$D\" --text ''",
        "\"$D\" --text a --temperature 0",
        "\"$D\" --text a --greedy --seed 1",
        "\"$D\" --ids 256",
        "\"$D\" --ids 1,,2",
        "\"$D\" --ids 1 --loss",
        "\"$D\" --text a --numbers bf17",
        "\"$D\" --text a --form chunkwise:4+split:8",
        "\"$D\" --text a --next 3",
        "\"$D\" --check x --backward",
        "\"$D\" --check x --backward --next 1 --tokens 3",
        "\"$D\" --check \"$D/none.safetensors\"",
        "\"$D\" --check \"$D/model.safetensors\"",
        "\"$D\" --check x --text a",
        "\"$D/none\" --text a",
        "\"$D\" more --text a",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_one_line_error(shell("$GLASSBOX lm %s", wrong[i]), wrong[i]);
    write_weights(folder, 1, 256, "lm_head.weight", NULL);
    outcome o = shell("$GLASSBOX lm \"$D\" --text a");
    ck_assert_msg(strstr(o.err, "'lm_head.weight' [256,6] is missing"), "%s", o.err);
    expect_one_line_error(o, "a weight is missing");
}
END_TEST

/* ---- the trained model ---- */

#define TRAINED "../shared/real/lm"

static bool there(void) { return access(TRAINED "/model.safetensors", R_OK) == 0; }

START_TEST(the_trained_model_speaks) {
    if (!there()) return;
    outcome o = shell("$GLASSBOX lm " TRAINED " --text 'ROMEO:\n' --tokens 40");
    ck_assert_msg(strcmp(o.out, "ROMEO:\nWhy, then, the season will be so so far\n\n") == 0, "%s%s", o.out, o.err);
    done(o);
}
END_TEST

/* The row of a tensor: its rms error, and what explains it. */
static double row(const char *table, const char *tensor, const char *explanation) {
    char start[40];
    double greatest, rms;
    snprintf(start, sizeof start, "\n%s ", tensor);
    const char *at = strstr(table, start);
    ck_assert_msg(at != NULL, "no row %s in %s", tensor, table);
    ck_assert(sscanf(at + strlen(start), "%lf %lf", &greatest, &rms) == 2);
    const char *end = strchr(at + 1, '\n');
    size_t length = strlen(explanation);
    ck_assert_msg(strncmp(end - length, explanation, length) == 0, "%.*s: not '%s'", (int)(end - at), at, explanation);
    return rms;
}

/* fla 0.5.2 in "binary32": projections are, the core is a tf32 kernel, and everything behind it shows that. */
START_TEST(recorded_activations_are_explained) {
    if (!there()) return;
    outcome o = shell("$GLASSBOX lm " TRAINED " --check " TRAINED "/activations_fp32.safetensors --tokens 64");
    ck_assert_msg(o.status == 0, "%s", o.err);
    static const char *const before[] = {"layers.0.q", "layers.0.k", "layers.0.v", "layers.0.g"};
    for (size_t i = 0; i < 4; i++) ck_assert(row(o.out, before[i], "  binary32") < 5e-7);
    static const char *const behind[] = {"layers.0.o", "layers.1.q", "layers.2.v", "layers.3.k", "logits"};
    for (size_t i = 0; i < 5; i++) {
        double rms = row(o.out, behind[i], "  tf32 core");
        ck_assert_msg(rms > 1e-5 && rms < 2e-3, "%s: %g", behind[i], rms);
    }
    done(o);
    o = shell("$GLASSBOX lm " TRAINED " --check " TRAINED "/activations_bf16.safetensors --tokens 64");
    row(o.out, "layers.0.q", "  bf16");
    row(o.out, "logits", "  bf16");
    done(o);
}
END_TEST

/* The recorded loss is the mean over 320 predictions: that of the blank behind the 320 tokens is among them. */
START_TEST(the_recorded_loss_and_gradients_are_ours) {
    if (!there() || !test_long()) return;
    outcome o = shell("$GLASSBOX lm " TRAINED " --check " TRAINED "/activations_fp32.safetensors --next 32 --backward");
    static const char *const gradients[] = {"layers.3.do", "layers.2.dq", "layers.1.dk", "layers.0.dv", "layers.0.dg"};
    for (size_t i = 0; i < 5; i++) ck_assert(row(o.out, gradients[i], "  tf32 core") < 3e-3);
    ck_assert(row(o.out, "loss", "(one number)") < 1e-4);
    ck_assert_ptr_nonnull(strstr(o.out, "over 320 predicted"));
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli_lm");
    TCase *c = tcase_create("tiny");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, make_model, remove_folder);
    tcase_add_test(c, text_is_decided_by_its_seed);
    tcase_add_test(c, losses_add_up);
    tcase_add_test(c, wrong_lines_are_one_line_errors);
    suite_add_tcase(s, c);
    c = tcase_create("trained");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, the_trained_model_speaks);
    tcase_add_test(c, recorded_activations_are_explained);
    tcase_add_test(c, the_recorded_loss_and_gradients_are_ours);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
