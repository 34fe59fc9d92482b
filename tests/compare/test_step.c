/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step on the command line: a transcript to the letter, the same from -e, a script and stdin; values that run
 * writes; refusals in one line.
 */
#include "../testing.h"
#include "shell.h"

static void make_tiny(void) {
    make_folder();
    expect_good(shell("$GLASSBOX gen --family mild --T 3 --H 1 --dk 2 --dv 1 --forward --seed 1 -o \"$D\""));
    expect_good(shell("mv \"$D\"/mild-*.safetensors \"$D/tiny.safetensors\""));
}

/* Numbers of this transcript that are known by other means: 0x1.2712p-1 is the product k[0,0] v[0,0], exact in
 * binary32; what why tells adds up to o[2,0] (test_trace.c); the exponentials are correctly rounded in every system. */
static const char commands[] = "break flip; c; print S; token 1; n; rn; list 1; rs; end; why o[2,0]; "
                               "diff chunkwise:2:1; diff recurrent bf16; rc; budget";
static const char transcript[] = "(step) break flip\n"
                                 "breakpoint 1: flip\n"
                                 "(step) c\n"
                                 "breakpoint 1: flip\n"
                                 "#36  product  token 0\n"
                                 "  fma     o[0,0] = #25 * S[0,0] + o[0,0]\n"
                                 "          0.0763040036 * 0.576309204 + 0\n"
                                 "  result  0.0439747013         0x1.683da2p-5            24.0 bits\n"
                                 "  truth   0.0439746994         0x1.683da0f5e1907p-5     0.52 ulp\n"
                                 "(step) print S\n"
                                 "S[0,0]         0.576309204          0x1.2712p-1              exact     #33\n"
                                 "S[1,0]         0.0100290775         0x1.48a2p-7              exact     #34\n"
                                 "(step) token 1\n"
                                 "#38  scale  token 1\n"
                                 "  mul     #38 = q[1,0] * scale\n"
                                 "          0.48828125 * 0.707106769\n"
                                 "  result  0.345266968          0x1.618daap-2            24.0 bits\n"
                                 "  truth   0.345266983          0x1.618dab0184066p-2     0.503 ulp\n"
                                 "(step) n\n"
                                 "#38..#39  scale  token 1\n"
                                 "  2 operations; fewest: 24.0 bits, #39\n"
                                 "(step) rn\n"
                                 "#36..#37  product  token 0\n"
                                 "  2 operations; fewest: 24.0 bits, o[0,0]\n"
                                 "(step) list 1\n"
                                 " #36     product        fma      o[0,0]          0.0439747013    24.0 bits *\n"
                                 ">#37     product        fma      o[0,0]          0.0492934212    24.0 bits\n"
                                 " #38     scale          mul      #38             0.345266968     24.0 bits *\n"
                                 "(step) rs\n"
                                 "#36  product  token 0\n"
                                 "  fma     o[0,0] = #25 * S[0,0] + o[0,0]\n"
                                 "          0.0763040036 * 0.576309204 + 0\n"
                                 "  result  0.0439747013         0x1.683da2p-5            24.0 bits\n"
                                 "  truth   0.0439746994         0x1.683da0f5e1907p-5     0.52 ulp\n"
                                 "(step) end\n"
                                 "#73  final_state\n"
                                 "  site    S[1,0] = S[1,0], rounding site output_wide\n"
                                 "          -0.114621274, rounding site output_wide\n"
                                 "  result  -0.114621274         -0x1.d57d1ep-4           24.0 bits\n"
                                 "  truth   -0.114621274         -0x1.d57d1defcb765p-4    0.0317 ulp\n"
                                 "the end of the run\n"
                                 "(step) why o[2,0]\n"
                                 "o[2,0]#71 = -1.15941346  24.0 bits, error  -1.50e-08  #71\n"
                                 "  term                                value  inherited       lost\n"
                                 "  #51 * S[0,0]#59               -1.10559157  -5.09e-08   3.69e-08  #62\n"
                                 "  #52 * S[1,0]#60             -0.0538219205  -9.70e-11  -8.93e-10  #63\n"
                                 "(step) diff chunkwise:2:1\n"
                                 "here recurrent in binary32, there chunkwise:2:1 in binary32\n"
                                 "o               2 of 3 differ, first o[1,0]\n"
                                 "    here   0.823960423          0x1.a5de24p-1            24.0 bits\n"
                                 "    there  0.823960364          0x1.a5de22p-1            23.1 bits\n"
                                 "final_state     the same bits in all 2\n"
                                 "(step) diff recurrent bf16\n"
                                 "here recurrent in binary32, there recurrent in bf16\n"
                                 "o               3 of 3 differ, first o[0,0]\n"
                                 "    here   0.0492934212         0x1.93cfccp-5            24.0 bits\n"
                                 "    there  0.0493164062         0x1.94p-5                8.0 bits\n"
                                 "final_state     2 of 2 differ, first S[0,0]\n"
                                 "    here   2.51740193           0x1.423a3ap+1            24.0 bits\n"
                                 "    there  2.515625             0x1.42p+1                8.0 bits\n"
                                 "first operation that differs: #0 set, scale: 0.707106769 here, 0.70703125 there\n"
                                 "(step) rc\n"
                                 "breakpoint 1: flip\n"
                                 "#55  decay  token 2\n"
                                 "  mul     S[0,0] = #53 * S[0,0]\n"
                                 "          0.975138187 * 2.46582222\n"
                                 "  result  2.40451741           0x1.33c73ap+1            24.0 bits\n"
                                 "  truth   2.40451728           0x1.33c738e137fd4p+1     0.56 ulp\n"
                                 "(step) budget\n"
                                 "magnitudes so far: 2^-6.7 (#43) to 2^1.3 (#44)\n"
                                 "binary32 holds 2^-149 (normal: 2^-126) to 2^128.00; the part of that used:\n"
                                 "  log2 of the greatest    1.302 of 128    [------------------------------] #44\n"
                                 "  log2 of the least      -6.726 of -126   [#-----------------------------] #43\n"
                                 "  e^x, least x         -0.05993 of -87.34 [------------------------------] #41\n";

START_TEST(test_transcript) {
    make_tiny();
    outcome o = shell("$GLASSBOX step \"$D/tiny.safetensors\" -e '%s'", commands);
    ck_assert_str_eq(o.err, "");
    ck_assert_str_eq(o.out, transcript);
    ck_assert_int_eq(o.status, 0);
    done(o);
    o = shell("echo '%s' | tr ';' '\\n' >\"$D/script\"; $GLASSBOX step \"$D/tiny.safetensors\" --script \"$D/script\"",
              commands);
    ck_assert_str_eq(o.out, transcript);
    done(o);
    o = shell("echo '%s' | $GLASSBOX step \"$D/tiny.safetensors\"", commands);
    ck_assert_str_eq(o.out, transcript);
    done(o);
    remove_folder();
}
END_TEST

/* No line of help, info or an event is wider than a terminal, or ends in a space. */
START_TEST(test_lines_fit) {
    static const char *const numbers[] = {"binary32", "binary64", "mpfr:100", "e5m2"};
    make_tiny();
    for (int i = 0; i < 4; i++) {
        outcome o =
            shell("$GLASSBOX step \"$D/tiny.safetensors\" -n %s -e 'help; info; end; where; list; why o[2,0] 4; "
                  "print o; budget; diff parallel; s; prev 3'",
                  numbers[i]);
        ck_assert_int_eq(o.status, 0);
        for (char *line = strtok(o.out, "\n"); line; line = strtok(NULL, "\n")) {
            ck_assert_msg(strlen(line) <= 80, "%s", line);
            ck_assert_msg(line[strlen(line) - 1] != ' ', "'%s'", line);
        }
        done(o);
    }
    remove_folder();
}
END_TEST

/* The least and greatest of o that run prints are among the numbers that step prints, with the same digits. */
START_TEST(test_values_are_runs) {
    make_tiny();
    outcome o = shell("$GLASSBOX run \"$D/tiny.safetensors\" --numbers bf16");
    double rms, least, greatest;
    const char *line = strstr(o.out, "\no ");
    ck_assert(line && sscanf(strchr(line, ']') + 1, "%lf %lf %lf", &rms, &least, &greatest) == 3);
    done(o);
    o = shell("$GLASSBOX step \"$D/tiny.safetensors\" -n bf16 -e 'end; print o'");
    char text[2][40];
    snprintf(text[0], 40, "%.5g", least);
    snprintf(text[1], 40, "%.5g", greatest);
    double low = 1e300, high = -1e300, value;
    for (char *at = o.out; (at = strstr(at, "\no[")); at++)
        if (sscanf(strchr(at, ']') + 1, "%lf", &value) == 1) {
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
    char got[2][40];
    snprintf(got[0], 40, "%.5g", low);
    snprintf(got[1], 40, "%.5g", high);
    ck_assert_str_eq(got[0], text[0]);
    ck_assert_str_eq(got[1], text[1]);
    done(o);
    remove_folder();
}
END_TEST

/* One head of several is that head: the case's indices name the same numbers. */
START_TEST(test_parts) {
    make_folder();
    make_case();
    outcome whole = shell("$GLASSBOX step \"$D/case.safetensors\" -e 'end; print o[0,4,1,*]' | grep '^o'");
    outcome part = shell("$GLASSBOX step \"$D/case.safetensors\" --head 1 --tokens 5 -e 'end; print o[4,*]' | "
                         "grep '^o'");
    outcome same =
        shell("$GLASSBOX step \"$D/case.safetensors\" --head 1 -e 'end; print o[0,4,1,*]' | grep -c '^o\\[4,'");
    ck_assert_str_eq(same.out, "4\n");
    double x[4], y[4];
    char *a = whole.out, *b = part.out;
    for (int i = 0; i < 4; i++) {
        a = strchr(a, ']') + 1;
        b = strchr(b, ']') + 1;
        ck_assert(sscanf(a, "%lf", &x[i]) == 1 && sscanf(b, "%lf", &y[i]) == 1);
        ck_assert(x[i] == y[i]);
    }
    done(whole);
    done(part);
    done(same);
    remove_folder();
}
END_TEST

START_TEST(test_refusals) {
    static const char *const bad[] = {"bogus",         "print nothing", "print o[99,0]", "print o[1", "break bits",
                                      "break ulps -1", "goto #999999",  "diff nonsense", "why #5 99", "delete 3",
                                      "step 0",        "token 99",      "why o[1,0]",    "print o[0,"};
    make_tiny();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_one_line_error(shell("$GLASSBOX step \"$D/tiny.safetensors\" -e '%s; info'", bad[i]), bad[i]);
    static const char *const options[] = {"-n cuda:recurrent", "-n recorder:bf16", "--head 7",   "--sequence 3",
                                          "--limit 50",        "--script nofile",  "--form foo", "-e step --script x"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        expect_one_line_error(shell("$GLASSBOX step \"$D/tiny.safetensors\" %s", options[i]), options[i]);
    outcome o = shell("$GLASSBOX step \"$D/tiny.safetensors\" --limit 50");
    ck_assert(strstr(o.err, "--tokens") && strstr(o.err, "glassbox shrink"));
    done(o);
    remove_folder();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("step");
    TCase *c = tcase_create("step");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, test_transcript);
    tcase_add_test(c, test_lines_fit);
    tcase_add_test(c, test_values_are_runs);
    tcase_add_test(c, test_parts);
    tcase_add_test(c, test_refusals);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
