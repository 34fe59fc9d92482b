/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties hold for a right kernel, and each is violated by the kernel that is made to violate it: results that every
 * comparison with the truth lets pass, because only other runs show what is wrong.
 */
#include "plugin_testing.h"

#include "../../compare/properties.h"

START_TEST(right_kernel) {
    outcome o =
        shell("$GLASSBOX check --plugin %s --case '*/%s/s1/*' --jobs 2", plugin_path("gradients"), _i ? "f32" : "bf16");
    ck_assert_msg(o.status == 0, "%.2000s", o.out);
    for (int i = 0; i < GLA_PROPERTIES; i++) {
        char text[64];
        snprintf(text, sizeof text, "/s1/%s: ", gla_property_names[i]);
        ck_assert_msg((strstr(o.out, text) != NULL) == (i != GLA_STRIDES), "%s", gla_property_names[i]);
    }
    ck_assert_ptr_null(strstr(o.out, "SKIPPED"));
    done(o);
}
END_TEST

/* At full level, a cut beside every border of chunks of 16. */
START_TEST(right_kernel_cut_everywhere) {
    outcome o = shell("$GLASSBOX check --plugin %s --case '*/f32/s1/split' --level full", plugin_path("gradients"));
    expect_verdict(o, "split", 0, "split: 16 cuts: ");
}
END_TEST

/* Asked at full level alone: a kernel may decline tensors that are not dense. */
START_TEST(right_kernel_goes_by_strides) {
    static const char *const kernels[] = {"gradients", "minimal", "replayable"};
    outcome o = shell("$GLASSBOX check --plugin %s --case '*/strides' --level full", plugin_path(kernels[_i]));
    expect_verdict(o, kernels[_i], 0, "/f32/s1/strides: padded rows, heads before tokens: the same bits, the padding ");
}
END_TEST

static const struct {
    const char *fault, *property, *text;
} violations[] = {
    {"rounding", "environment", "it leaves the rounding mode or flush-to-zero changed"},
    {"flush", "environment", "it leaves the rounding mode or flush-to-zero changed"},
    {"leak", "heap", "every run leaves 1000"},
    {"random", "determinism", "two runs of one problem differ, first in o[0,0,0,0]"},
    {"stale", "stale", "what lay in outputs or workspace before shows in the results, first in o[0,0,0,0]"},
    {"future", "causality", "o[0,0,0,0] changes from "},
    {"position", "permutation", "o[0,0,0,0] differs when its batch and head are moved to another place"},
    {"state", "split", "split at token 1: error/bound "},
    {"packing", "packing", "worst at "},
    {"half", "memory", "not all written: o"},
    {"dense", "strides", "out of bounds: writes between the rows of o: see its strides"},
    {"dense-inputs", "strides", "padded rows: o[0,0,0,0] differs from that of dense tensors"},
};
enum { VIOLATIONS = sizeof violations / sizeof violations[0] };

static bool measurable(const char *fault) {
#if defined(__SANITIZE_ADDRESS__)
    return strcmp(fault, "leak") != 0; /* its allocator does not count for mallinfo2 */
#elif !defined(__SSE__)
    return strcmp(fault, "flush") != 0;
#else
    return true;
#endif
}

START_TEST(violation) {
    const char *fault = violations[_i].fault, *property = violations[_i].property;
    char options[100], name[64];
    if (!measurable(fault)) return;
    snprintf(options, sizeof options, "--jobs 1 --case '*/f32/s1/%s'%s", property,
             strcmp(property, "strides") == 0 ? " --level full" : "");
    snprintf(name, sizeof name, "/s1/%s: ", property);
    outcome o = check_fault(fault, options);
    ck_assert_msg(strstr(o.out, name) != NULL, "%s", o.out);
    bool broken = strcmp(fault, "half") == 0 || strcmp(fault, "dense") == 0;
    expect_verdict(o, fault, broken ? 3 : 1, violations[_i].text);
}
END_TEST

/* One bit in one element: the comparison with the truth has nothing to say. */
START_TEST(violation_that_truth_does_not_see) {
    static const char *const faults[] = {"random",   "stale", "future", "position",
                                         "rounding", "leak",  "dense",  "dense-inputs"};
    expect_verdict(check_fault(faults[_i], "--jobs 1 --case 'gla/mild/T67*/f32/s1'"), faults[_i], 0, "PASS gla/mild");
}
END_TEST

/* Without a claim of determinism bits are not compared, and garbage beneath it is judged by the truth. */
START_TEST(nothing_claimed) {
    outcome o = check_fault("unclaimed", "--jobs 2 --case '*/f32/s1/*'");
    ck_assert_msg(o.status == 0, "%.2000s", o.out);
    ck_assert_ptr_nonnull(strstr(o.out, "/determinism: it does not claim determinism"));
    ck_assert_ptr_nonnull(strstr(o.out, "/causality: without determinism no two runs can be compared"));
    ck_assert_ptr_nonnull(strstr(o.out, "/stale: right with garbage in outputs and workspace: error/bound 0."));
    done(o);
    expect_verdict(check_fault("unclaimed", "--jobs 1 --case '*/f32/s1/strides' --level full"), "strides", 0,
                   "/strides: right with heads before tokens: error/bound 0.");
    expect_verdict(check_fault("unclaimed-stale", "--jobs 1 --case '*/f32/s1/stale'"), "stale", 1,
                   "wrong with garbage");
}
END_TEST

/* Gates that a kernel takes relative to a later token change its rounding, not its truth; operands may not. */
START_TEST(later_gates_are_excused) {
    expect_verdict(check_fault("late-anchor", "--jobs 1 --case '*/f32/s1/causality'"), "late-anchor", 0,
                   "keep their bits but for later gates");
}
END_TEST

/* The library as others would use it. */
START_TEST(from_the_library) {
    gla_plugin plugin = {.path = plugin_path("minimal"), .runner = program(), .mechanism = "gla", .timeout = 20};
    gla_plugin_result result;
    gla_finding finding;
    gla_error err;
    ck_assert_msg(gla_plugin_open(&plugin, &result, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(result.end == GLA_PLUGIN_DONE, "%s", result.what);
    ck_assert_str_eq(plugin.name, "minimal");
    gla_case_spec spec = gla_property_case(GLA_SPLIT, &gla_bf16, false, test_seed());
    gla_property_options options = {.threads = 1};
    ck_assert(gla_property_check(GLA_SPLIT, &plugin, &spec, &options, &finding, &err) == GLA_OK);
    ck_assert_msg(finding.kind == GLA_HOLDS, "%s", finding.text);
    spec = gla_property_case(GLA_SPLIT, &gla_f16, false, test_seed());
    ck_assert(gla_property_check(GLA_SPLIT, &plugin, &spec, &options, &finding, &err) == GLA_OK);
    ck_assert_msg(finding.kind == GLA_NOT_APPLICABLE && strstr(finding.text, "f16 is not among its formats"), "%s",
                  finding.text);
    plugin.runner = "/nowhere/glassbox";
    ck_assert(gla_plugin_open(&plugin, &result, &err) == GLA_IO_ERROR);
    ck_assert_ptr_nonnull(strstr(err.what, "cannot start the process of a plug-in"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("properties");
    TCase *c = tcase_create("properties");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_loop_test(c, right_kernel, 0, 2);
    tcase_add_test(c, right_kernel_cut_everywhere);
    tcase_add_loop_test(c, right_kernel_goes_by_strides, 0, 3);
    tcase_add_loop_test(c, violation, 0, VIOLATIONS);
    tcase_add_loop_test(c, violation_that_truth_does_not_see, 0, 8);
    tcase_add_test(c, nothing_claimed);
    tcase_add_test(c, later_gates_are_excused);
    tcase_add_test(c, from_the_library);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
