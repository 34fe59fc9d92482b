/* SPDX-License-Identifier: Apache-2.0
 *
 * The full verdict on the device: every rung, forward and backward, is judged at the profile that it declares, in all
 * tiers: element by element against certified truth, the scatter of a tensor's errors, and the very bits of its
 * formulation in the GPU's arithmetic. Over every family of generated cases; sizes, fewer tokens than a tile, a
 * thousand sequences and heads; gates on both sides of the threshold by which a chunk or channel is run.
 *
 * Exit 77 without a GPU. GLASSBOX_LONG=1: every family in every dtype.
 */
#include <math.h>
#include <string.h>

#include "../../../compare/cases.h"
#include "../../../compare/judge_rung.h"
#include "../../testing.h"

/* A rung of the ladder, one way, and its form if not the rung's own. */
static const struct lane {
    gla_cuda_rung rung;
    bool backward;
    int64_t segment;
    const char *form;
    gla_cuda_grade grade;
} lanes[] = {{GLA_CUDA_RECURRENT, false, 0, NULL, 0},
             {GLA_CUDA_RECURRENT, true, 0, NULL, 0},
             {GLA_CUDA_PARALLEL, false, 0, NULL, 0},
             {GLA_CUDA_PARALLEL, true, 0, NULL, 0},
             {GLA_CUDA_CHUNKWISE, false, 0, NULL, 0},
             {GLA_CUDA_CHUNKWISE, true, 0, NULL, 0},
             {GLA_CUDA_FUSED, false, 0, NULL, 0},
             {GLA_CUDA_FUSED, true, 0, NULL, 0},
             {GLA_CUDA_FUSED, false, 128, "chunkwise-centred:64:16+split:128", 0},
             {GLA_CUDA_CHUNKWISE, false, 0, NULL, GLA_CUDA_PRECISE},
             {GLA_CUDA_CHUNKWISE, true, 0, NULL, GLA_CUDA_PRECISE},
             {GLA_CUDA_FUSED, false, 0, NULL, GLA_CUDA_PRECISE},
             {GLA_CUDA_FUSED, true, 0, NULL, GLA_CUDA_PRECISE}};
enum { LANES = sizeof lanes / sizeof *lanes };

static const struct types {
    gla_cuda_dtype data, gates;
} types[] = {{GLA_CUDA_BF16, GLA_CUDA_F32},
             {GLA_CUDA_BF16, GLA_CUDA_BF16},
             {GLA_CUDA_F32, GLA_CUDA_F32},
             {GLA_CUDA_F16, GLA_CUDA_F16}};
enum { TYPES = sizeof types / sizeof *types };

/* ---- one verdict ---- */

static int taken, verdicts[GLA_BROKEN + 1], marginal, little;
static int64_t elements;

static void start(void) {
    memset(verdicts, 0, sizeof verdicts);
    taken = marginal = little = 0;
    elements = 0;
}

static void finish(const struct lane *x) {
    printf(
        "%s %s%s%s: %d cases, %d PASS, %d MARGINAL, %d UNCERTIFIED, %d FAIL; %lld elements, %d tensors whose pass says "
        "little\n",
        gla_cuda_rung_name(x->rung), x->grade ? "precise " : "", x->backward ? "backward" : "forward",
        x->segment ? " in segments" : "", taken, verdicts[GLA_PASS], verdicts[GLA_MARGINAL], verdicts[GLA_UNCERTIFIED],
        verdicts[GLA_FAIL] + verdicts[GLA_BROKEN], (long long)elements, little);
    ck_assert_int_eq(verdicts[GLA_PASS] + verdicts[GLA_MARGINAL], taken);
    ck_assert_int_gt(taken, 0);
}

static int64_t size_of(const gla_problem *p, gla_output name) {
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    return shape[0] * shape[1] * shape[2] * shape[3];
}

static void count(const gla_generated *g, const struct types *type, const gla_rung_answer *answer, gla_cuda_rung rung) {
    const gla_judgement *j = &answer->judgement;
    verdicts[j->verdict]++;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &j->tensor[i];
        if (!v->judged) continue;
        elements += size_of(&g->problem, (gla_output)i);
        little += v->says_little;
        if (v->verdict > GLA_PASS)
            printf("%s %s, gates %s: %s %s, tier %d, %lld over, %lld marginal, %lld other bits, worst %.3g at "
                   "[%lld,%lld,%lld,%lld]: got %.9g want %.9g allowed %.3g\n",
                   gla_cuda_rung_name(rung), g->name, type->gates == GLA_CUDA_F32 ? "f32" : "narrow",
                   gla_output_names[i], gla_verdict_names[v->verdict], v->tier, (long long)v->over,
                   (long long)v->marginal, (long long)v->replay.differing, v->worst, (long long)v->at[0],
                   (long long)v->at[1], (long long)v->at[2], (long long)v->at[3], v->got, v->want, v->allowed);
    }
}

/* Does the rung take the problem? Then it is judged. */
static bool judged(const struct lane *x, const struct types *type, gla_generated *g) {
    const gla_host_run how = {.rung = x->rung,
                              .grade = x->grade,
                              .segment = x->segment,
                              .dtype = type->data,
                              .gates = type->gates,
                              .gap = 8,
                              .outputs = x->backward ? GLA_HOST_BACKWARD : GLA_HOST_FORWARD};
    const gla_replay replay = {gla_cuda_rung_numbers(x->rung, type->data),
                               x->form ? x->form : gla_cuda_rung_form(x->rung, x->grade, type->data, x->backward)};
    gla_rung_answer answer;
    gla_error err;
    if (!replay.numbers || !replay.form) return false;
    for (int64_t i = 0; i < g->count[GLA_IN_GK]; i++)
        g->tensor[GLA_IN_GK][i] = gla_round(gla_cuda_format(type->gates), GLA_RN, g->tensor[GLA_IN_GK][i], 0);
    ck_assert_msg(gla_rung_judge(gla_cuda_host_run, &g->problem, &how, &replay, true, 0, &answer, &err) == GLA_OK,
                  "%s: %s", g->name, err.what);
    if (answer.ran == GLA_CUDA_UNSUPPORTED) return false;
    ck_assert_msg(answer.ran == GLA_CUDA_OK, "%s: %s", g->name, answer.why);
    count(g, type, &answer, x->rung);
    taken++;
    return true;
}

/* ---- all of them ---- */

static gla_generated made(gla_case_spec spec) {
    gla_generated g;
    gla_error err;
    ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
    return g;
}

/* Results of these are beyond f16's range. */
static bool beyond_f16(const char *family) {
    static const char *const large[] = {"mixed", "large-small", "large-state", "large-scale"};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        if (strcmp(family, large[i]) == 0) return true;
    return false;
}

/* Each family in the dtypes by turns. */
START_TEST(test_families) {
    const struct lane *x = &lanes[_i];
    int families = 0, number = 0;
    start();
    for (const gla_family *f = gla_families; f->name; f++, number++) {
        if (!gla_family_fits(f, gla_mechanism_named("gla"))) continue;
        bool any = false;
        for (int type = 0; type < TYPES; type++) {
            if (type > 0 && type != 1 + number % (TYPES - 1) && !test_long()) continue;
            if (types[type].data == GLA_CUDA_F16 && beyond_f16(f->name)) continue;
            gla_generated g = made((gla_case_spec){.family = f->name,
                                                   .dk = strcmp(f->name, "odd") ? 32 : 0,
                                                   .initial_state = number % 2,
                                                   .backward = x->backward,
                                                   .seed = test_seed() + (uint64_t)number,
                                                   .dtype = gla_cuda_format(types[type].data)});
            any = judged(x, &types[type], &g) || any;
            gla_generated_free(&g);
        }
        families += any;
    }
    finish(x);
    ck_assert_int_ge(families, 28);
}
END_TEST

static const gla_case_spec shapes[] = {
    {.T = 1, .H = 2, .dk = 128, .dv = 128, .initial_state = true},
    {.T = 2, .H = 3, .dk = 16, .dv = 512},
    {.B = 2, .T = 3, .H = 2, .dk = 256, .dv = 16, .initial_state = true},
    {.T = 5, .H = 4, .Hk = 2, .dk = 64, .dv = 64},
    {.T = 8, .H = 1, .dk = 128, .dv = 256, .initial_state = true},
    {.B = 3, .T = 15, .H = 2, .dk = 48, .dv = 80},
    {.T = 16, .H = 2, .dk = 64, .dv = 128},
    {.T = 17, .H = 2, .dk = 256, .dv = 64, .initial_state = true},
    {.T = 200, .H = 4, .Hk = 1, .dk = 128, .dv = 128, .initial_state = true, .varlen = true},
    {.T = 300, .H = 1, .dk = 128, .dv = 256},
    {.B = 1, .T = 6, .H = 1000, .dk = 16, .dv = 16, .initial_state = true},
    {.B = 125, .T = 9, .H = 8, .Hk = 2, .dk = 16, .dv = 8},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(test_shapes) {
    const struct lane *x = &lanes[_i];
    start();
    for (int n = 0; n < SHAPES; n++)
        for (int type = 0; type < TYPES; type++) {
            gla_case_spec spec = shapes[n];
            if (type != n % TYPES && type > 0) continue;
            spec.family = "mild";
            spec.backward = x->backward;
            spec.seed = test_seed() + (uint64_t)n;
            spec.dtype = gla_cuda_format(types[type].data);
            gla_generated g = made(spec);
            judged(x, &types[type], &g);
            gla_generated_free(&g);
        }
    finish(x);
}
END_TEST

/* ---- thresholds ---- */

/* The sum of a chunk's, of a step's or of one token's gates, on both sides of what the forms ask of it. */
static double gate_near(double limit, int64_t t, int64_t c) {
    static const double share[] = {1, 0.9921875, 1.0078125}; /* at it, a bf16 gate below, one above */
    static const int64_t over[] = {64, 16, 32, 63, 1, 4, 48};
    int64_t tokens = over[c / 3 % 7];
    return t % 64 < tokens ? -limit / (double)tokens * share[c % 3] : c % 2 ? 0 : -0x1p-6;
}

START_TEST(test_thresholds) {
    static const double limits[] = {76, 38, 11, 5.5};
    const struct lane *x = &lanes[_i];
    start();
    for (int type = 0; type < TYPES; type++)
        for (size_t n = 0; n < sizeof limits / sizeof *limits; n++) {
            gla_generated g = made((gla_case_spec){.family = "mild",
                                                   .T = 150,
                                                   .H = 2,
                                                   .dk = 42,
                                                   .dv = 40,
                                                   .initial_state = true,
                                                   .backward = x->backward,
                                                   .seed = test_seed(),
                                                   .dtype = gla_cuda_format(types[type].data)});
            for (int64_t i = 0; i < g.count[GLA_IN_GK]; i++) {
                int64_t c = i % 42, h = i / 42 % 2, t = i / 84;
                g.tensor[GLA_IN_GK][i] = gate_near(limits[n], t, h ? c : c / 3 * 3); /* head 0: exactly at it */
            }
            judged(x, &types[type], &g);
            gla_generated_free(&g);
        }
    finish(x);
}
END_TEST

/* ---- a wrong one is seen ---- */

/* What the recurrent rung returns, with one gradient of one token doubled. */
static gla_cuda_status one_wrong(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                 gla_host_why why) {
    gla_cuda_status status = gla_cuda_host_run(p, how, value, why);
    if (status == GLA_CUDA_OK && value[GLA_DQ]) value[GLA_DQ][7] *= 2;
    return status;
}

/* Both directions of the recurrent rung, by a function that runs it. */
static gla_judgement errors_of(gla_rung_run *run, double error[GLA_OUTPUTS]) {
    gla_host_run how = {.rung = GLA_CUDA_RECURRENT, .dtype = GLA_CUDA_F32, .gates = GLA_CUDA_F32};
    gla_rung_answer answer;
    gla_error err;
    for (int backward = 0; backward < 2; backward++) {
        how.outputs = backward ? GLA_HOST_BACKWARD : GLA_HOST_FORWARD;
        ck_assert(gla_rung_errors(run, &how, "recurrent", 64, 32, 32, 0, &answer, &err) == GLA_OK);
        for (int i = 0; i < GLA_OUTPUTS; i++)
            if (how.outputs >> i & 1) error[i] = gla_rung_error(&answer, (gla_output)i);
    }
    return answer.judgement;
}

START_TEST(test_errors) {
    double right[GLA_OUTPUTS], wrong[GLA_OUTPUTS];
    ck_assert_int_le(errors_of(gla_cuda_host_run, right).verdict, GLA_MARGINAL);
    ck_assert_int_eq(errors_of(one_wrong, wrong).verdict, GLA_FAIL);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (i == GLA_DGV) continue;
        ck_assert_msg(right[i] > 0 && right[i] < 1e-5, "%s: %g", gla_output_names[i], right[i]); /* binary32 */
        ck_assert(i == GLA_DQ ? wrong[i] > 10 * right[i] : wrong[i] == right[i]);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/verdict");
    TCase *t = tcase_create("verdicts");
    tcase_set_timeout(t, 36000);
    tcase_add_loop_test(t, test_families, 0, LANES);
    tcase_add_loop_test(t, test_shapes, 0, LANES);
    tcase_add_loop_test(t, test_thresholds, 0, LANES);
    tcase_add_test(t, test_errors);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    gla_host_why why;
    if (!gla_cuda_host_device(why)) {
        printf("skipped: %s\n", why);
        return 77;
    }
    setenv("CK_FORK", "no", 1); /* a GPU's context does not survive fork */
    return test_main(suite());
}
