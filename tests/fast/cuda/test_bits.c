/* SPDX-License-Identifier: Apache-2.0
 *
 * Every rung on every family returns, bit for bit, what its formulation returns in the GPU's number system on the CPU:
 * over sequence lengths around tiles and chunks, packed sequences, one head and a thousand, shared heads, rows with
 * gaps (NaN, and untouched afterwards), every dtype of data, gates and dg, whole and in parts. Then again through a
 * graph launched twice: the same bits. Since each output is held to the same words whatever stands beside it in the
 * batch, none depends on it.
 *
 * Exit 77 without a GPU. GLASSBOX_LONG=1: every family in every shape and dtype.
 */
#include <math.h>
#include <string.h>

#include "../../../compare/cases.h"
#include "../../../compare/replay.h"
#include "../../../fast/cuda/host_run.h"
#include "../../testing.h"

/* What is run: a rung of the ladder, which ways, and whether it cuts sequences into segments. */
enum { FORWARD = 1, BACKWARD = 2, BOTH = FORWARD | BACKWARD };
static const char *const way_names[] = {[FORWARD] = "forward", [BACKWARD] = "backward", [BOTH] = "both ways"};
static const struct {
    gla_cuda_rung rung;
    int ways; /* BOTH: its form is the same both ways */
    int64_t segment;
    const char *form; /* NULL: the rung's own */
    gla_cuda_grade grade;
} lanes[] = {{GLA_CUDA_RECURRENT, BOTH, 0, NULL, 0},
             {GLA_CUDA_PARALLEL, BOTH, 0, NULL, 0},
             {GLA_CUDA_CHUNKWISE, BOTH, 0, NULL, 0},
             {GLA_CUDA_FUSED, FORWARD, 0, NULL, 0},
             {GLA_CUDA_FUSED, BACKWARD, 0, NULL, 0},
             {GLA_CUDA_FUSED, FORWARD, 128, "chunkwise-centred:64:16+split:128", 0},
             {GLA_CUDA_CHUNKWISE, BOTH, 0, NULL, GLA_CUDA_PRECISE},
             {GLA_CUDA_FUSED, FORWARD, 0, NULL, GLA_CUDA_PRECISE},
             {GLA_CUDA_FUSED, FORWARD, 128, "chunkwise-centred:64:16+precise+split:128", GLA_CUDA_PRECISE},
             {GLA_CUDA_FUSED, BACKWARD, 0, NULL, GLA_CUDA_PRECISE}};
enum { LANES = sizeof lanes / sizeof *lanes };

static const struct shape {
    int64_t B, T, H, Hk, dk, dv;
    bool state, varlen, share_all; /* share_all: q v and the state have Hk heads too */
    int64_t gap;
} shapes[] = {
    {1, 150, 2, 2, 128, 128, true, false, false, 0},   {2, 64, 2, 2, 128, 64, false, false, false, 8},
    {1, 333, 3, 3, 128, 128, true, true, false, 0},    {1, 17, 4, 2, 64, 256, true, false, false, 16},
    {3, 33, 1, 1, 20, 24, true, false, false, 8},      {1, 1, 6, 3, 16, 16, true, false, true, 0},
    {1, 260, 6, 2, 48, 80, true, true, true, 24},      {1, 16, 1, 1, 128, 512, true, false, false, 0},
    {1, 40, 2, 1, 256, 40, true, false, true, 0},      {63, 5, 16, 16, 8, 8, true, false, false, 0},
    {1, 700, 1, 1, 32, 70, false, false, false, 0},    {1, 3, 2, 2, 100, 130, false, false, false, 8},
    {3, 4, 4, 2, 200, 72, true, false, true, 8},       {1, 200, 2, 1, 256, 136, true, false, false, 0},
    {25, 66, 4, 4, 72, 64, true, false, false, 0},     {10, 66, 10, 5, 136, 72, true, false, false, 0},
    {1, 150, 17, 17, 128, 256, true, false, false, 0}, {1, 130, 2, 1, 48, 40, true, false, true, 8},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static const struct types {
    gla_cuda_dtype data, gates;
} types[] = {{GLA_CUDA_BF16, GLA_CUDA_F32},
             {GLA_CUDA_BF16, GLA_CUDA_BF16},
             {GLA_CUDA_F16, GLA_CUDA_F32},
             {GLA_CUDA_F32, GLA_CUDA_F32},
             {GLA_CUDA_F16, GLA_CUDA_F16}};
enum { TYPES = sizeof types / sizeof *types };

/* ---- one case ---- */

static bool make_case(gla_generated *g, const char *family, const struct shape *x, const struct types *type,
                      bool backward, uint64_t seed) {
    gla_case_spec spec = {.family = family,
                          .B = x->B,
                          .T = x->T,
                          .H = x->H,
                          .Hk = x->Hk,
                          .dk = x->dk,
                          .dv = x->dv,
                          .initial_state = x->state,
                          .varlen = x->varlen,
                          .backward = backward,
                          .seed = seed,
                          .dtype = gla_cuda_format(type->data)};
    const gla_family *f = gla_family_named(family);
    gla_error err;
    if (f->varlen) spec.B = 1;
    ck_assert_msg(gla_generate(&spec, g, &err) == GLA_OK, "%s", err.what);
    gla_problem *p = &g->problem;
    if (p->reverse || p->gv.at) {
        gla_generated_free(g);
        return false;
    }
    for (int64_t i = 0; i < g->count[GLA_IN_GK]; i++)
        g->tensor[GLA_IN_GK][i] = gla_round(gla_cuda_format(type->gates), GLA_RN, g->tensor[GLA_IN_GK][i], 0);
    if (x->share_all) p->q.heads = p->v.heads = p->d_o.heads = p->initial_state.heads = p->k.heads;
    return true;
}

/* ---- comparing ---- */

static int64_t compared, differing;

static int64_t size_of(const gla_problem *p, gla_output name) {
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    return shape[0] * shape[1] * shape[2] * shape[3];
}

static void compare(const gla_generated *g, const char *rung, gla_output name, const gla_format *format,
                    const double *got, const double *want) {
    gla_replay_verdict v = gla_replay_compare(&g->problem, name, format, got, want);
    compared += size_of(&g->problem, name);
    differing += v.differing;
    if (v.differing == 0) return;
    const int64_t *at = v.first.at;
    printf("%s %s: %s: %lld of %lld differ (%lld zeros, %g ulp), first [%lld,%lld,%lld,%lld] got %s want %s\n", rung,
           g->name, gla_output_names[name], (long long)v.differing, (long long)size_of(&g->problem, name),
           (long long)v.zeros, v.ulps, (long long)at[0], (long long)at[1], (long long)at[2], (long long)at[3], v.got,
           v.want);
}

static void free_all(double *value[GLA_OUTPUTS]) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
}

/* The rung, twice, against its replay. False: the rung does not take this problem. */
static bool check_case(gla_generated *g, gla_host_run how, const char *form, bool backward) {
    double *got[GLA_OUTPUTS], *again[GLA_OUTPUTS], *want[GLA_OUTPUTS];
    const gla_format *format[GLA_OUTPUTS];
    gla_host_why why;
    gla_error err;
    const gla_problem *p = &g->problem;
    const char *rung = gla_cuda_rung_name(how.rung), *numbers = gla_cuda_rung_numbers(how.rung, how.dtype);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        format[i] = i == GLA_DGK && how.narrow_dg                        ? gla_cuda_format(how.gates)
                    : gla_is_state_output((gla_output)i) || i == GLA_DGK ? &gla_binary32_format
                                                                         : gla_cuda_format(how.dtype);
    gla_cuda_status status = gla_cuda_host_run(p, &how, got, why);
    if (status == GLA_CUDA_UNSUPPORTED) return false;
    ck_assert_msg(status == GLA_CUDA_OK, "%s %s: %s", rung, g->name, why);
    how.graph = true;
    ck_assert_msg(gla_cuda_host_run(p, &how, again, why) == GLA_CUDA_OK, "%s %s: graph: %s", rung, g->name, why);
    ck_assert_ptr_nonnull(numbers);
    ck_assert_msg(gla_replay_compute(p, form ? form : gla_cuda_rung_form(how.rung, how.grade, how.dtype, backward),
                                     numbers, format, how.outputs, 0, want, &err) == GLA_OK,
                  "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        ck_assert_msg(!got[i] == !want[i], "%s %s: %s", rung, g->name, gla_output_names[i]);
        if (!got[i]) continue;
        compare(g, rung, (gla_output)i, format[i], got[i], want[i]);
        ck_assert_msg(memcmp(got[i], again[i], (size_t)size_of(p, (gla_output)i) * sizeof(double)) == 0,
                      "%s %s: %s: another run, other bits", rung, g->name, gla_output_names[i]);
    }
    free_all(got);
    free_all(again);
    free_all(want);
    return true;
}

/* ---- all of them ---- */

static unsigned outputs_of(int ways) {
    return (ways & FORWARD ? GLA_HOST_FORWARD : 0u) | (ways & BACKWARD ? GLA_HOST_BACKWARD : 0u);
}

/* One family in one shape and dtype; returns whether the lane took it. */
static bool try(int lane, const char *family, int shape, int type, bool no_gates) {
    gla_generated g;
    if (!make_case(&g, family, &shapes[shape], &types[type], lanes[lane].ways & BACKWARD,
                   test_seed() + (uint64_t)shape))
        return false;
    if (no_gates) g.problem.gk.at = NULL;
    gla_host_run how = {.rung = lanes[lane].rung,
                        .grade = lanes[lane].grade,
                        .segment = lanes[lane].segment,
                        .parts = (shape + type) % 4,
                        .narrow_dg = shape % 2 == 0,
                        .dtype = types[type].data,
                        .gates = types[type].gates,
                        .gap = shapes[shape].gap,
                        .outputs = outputs_of(lanes[lane].ways)};
    bool taken = check_case(&g, how, lanes[lane].form, lanes[lane].ways & BACKWARD);
    gla_generated_free(&g);
    return taken;
}

/* "fused precise forward in segments", until the next. */
static const char *lane_name(int lane) {
    static char name[64];
    snprintf(name, sizeof name, "%s %s%s%s", gla_cuda_rung_name(lanes[lane].rung), lanes[lane].grade ? "precise " : "",
             way_names[lanes[lane].ways], lanes[lane].segment ? " in segments" : "");
    return name;
}

/* Two shapes and dtypes for each family, all of them when time is no matter. */
START_TEST(test_bits_of_families) {
    int family = 0, taken = 0, families = 0;
    compared = differing = 0;
    for (const gla_family *f = gla_families; f->name; f++, family++) {
        if (!gla_family_fits(f, gla_mechanism_named("gla"))) continue;
        int before = taken;
        for (int n = 0; n < SHAPES * TYPES; n++) {
            int shape = n % SHAPES, type = n / SHAPES;
            bool own = (shape + family) % (SHAPES / 2) == 0 && (type == (family + shape) % TYPES || type == family % 2);
            if (own || test_long()) taken += try(_i, f->name, shape, type, false);
        }
        families += taken > before;
    }
    printf("%s: %lld outputs of %d cases of %d families, %lld differ\n", lane_name(_i), (long long)compared, taken,
           families, (long long)differing);
    ck_assert_int_eq(differing, 0);
    ck_assert_int_ge(families, 20);
    ck_assert_int_gt(compared, 100000);
}
END_TEST

START_TEST(test_bits_of_shapes) {
    int taken = 0;
    compared = differing = 0;
    for (int n = 0; n < SHAPES * TYPES; n++) taken += try(_i, "mild", n % SHAPES, n / SHAPES, false);
    for (int n = 0; n < SHAPES; n++) taken += try(_i, "mild", n, 0, true);
    printf("%s: %lld outputs of %d shapes, %lld differ\n", lane_name(_i), (long long)compared, taken,
           (long long)differing);
    ck_assert_int_eq(differing, 0);
    ck_assert_int_gt(taken, SHAPES);
}
END_TEST

/* A gradient asked for alone is the one asked for with the others. */
START_TEST(test_single_outputs) {
    int taken = 0;
    compared = differing = 0;
    for (int name = GLA_O; name < GLA_OUTPUTS; name++) {
        gla_generated g;
        if (!(outputs_of(lanes[_i].ways) >> name & 1)) continue;
        ck_assert(make_case(&g, "mild", &shapes[6], &types[0], true, test_seed()));
        gla_host_run how = {.rung = lanes[_i].rung,
                            .grade = lanes[_i].grade,
                            .segment = lanes[_i].segment,
                            .dtype = GLA_CUDA_BF16,
                            .gates = GLA_CUDA_F32,
                            .outputs = 1u << name};
        taken += check_case(&g, how, lanes[_i].form, name > GLA_FINAL_STATE);
        gla_generated_free(&g);
    }
    ck_assert_int_eq(differing, 0);
    ck_assert_int_gt(taken, 0);
}
END_TEST

/* Gates too strong for one reference in a chunk, in some channels and in all. */
START_TEST(test_strong_gates) {
    int taken = 0;
    compared = differing = 0;
    for (int i = 0; i < 2; i++) taken += try(_i, i ? "reset" : "strong", SHAPES - 1, 0, false);
    ck_assert_int_eq(differing, 0);
    ck_assert_int_gt(taken, 0);
}
END_TEST

/* "families fused backward": a case for every lane, which CK_RUN_CASE can run side by side. */
static const char *name_of(const char *what, int lane) {
    static char names[2 * LANES][80];
    static int count;
    char *name = names[count++];
    snprintf(name, sizeof *names, "%s %s", what, lane_name(lane));
    return name;
}

static TCase *case_of(Suite *s, const char *name) {
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, 36000);
    suite_add_tcase(s, c);
    return c;
}

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/bits");
    for (int lane = 0; lane < LANES; lane++) {
        tcase_add_loop_test(case_of(s, name_of("families", lane)), test_bits_of_families, lane, lane + 1);
        tcase_add_loop_test(case_of(s, name_of("shapes", lane)), test_bits_of_shapes, lane, lane + 1);
    }
    tcase_add_loop_test(case_of(s, "single"), test_single_outputs, 0, LANES); /* short: for ./sanitize */
    tcase_add_loop_test(case_of(s, "strong"), test_strong_gates, 0, LANES);   /* likewise */
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
