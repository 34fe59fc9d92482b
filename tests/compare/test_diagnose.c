/* SPDX-License-Identifier: Apache-2.0
 *
 * The diagnosis names the fault: wrong kernels of tests/mutants and spoiled outputs, each with the cause that it has to
 * be given. A right kernel under a stricter profile is told the profile that fits; noise is told nothing.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/diagnose.h"
#include "../mutants/chunk_kernel.h"
#include "../testing.h"

static gla_generated made;
static gla_truth truth;
static gla_candidate candidate;
static double *output[GLA_OUTPUTS];
static gla_judgement judgement;
static gla_diagnosis diagnosis;

static int64_t count_of(gla_output name) { return truth.tensor[name].count; }

/* The case, its truth, and the outputs of a kernel. */
static void make(const char *family, gla_case_spec spec, const gla_format *dtype, mutant fault) {
    gla_error err;
    spec.family = family;
    spec.backward = true;
    spec.dtype = dtype;
    spec.seed = test_seed();
    if (spec.dk == 0) spec.dk = 8;
    if (spec.dv == 0) spec.dv = 12;
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_truth_compute(&made.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth.tensor[i].present) continue;
        output[i] = calloc((size_t)count_of((gla_output)i) + 1, sizeof *output[i]);
        candidate.output[i].allowed = calloc((size_t)count_of((gla_output)i) + 1, sizeof(double));
        candidate.output[i].value = output[i];
        candidate.output[i].format = chunk_kernel_stored(dtype, (gla_output)i);
    }
    ck_assert_int_eq(chunk_kernel(&made.problem, dtype, fault, output), GLA_OK);
}

static void drop(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(output[i]);
        free(candidate.output[i].allowed);
    }
    memset(output, 0, sizeof output);
    candidate = (gla_candidate){0};
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

static void diagnose(const char *profile) {
    gla_error err = {0};
    const gla_profile *declared = gla_profile_named(profile);
    ck_assert_msg(gla_judge(&made.problem, &candidate, &truth, declared, 0, 1, &judgement, &err) == GLA_OK, "%s",
                  err.what);
    ck_assert_msg(judgement.verdict == GLA_FAIL, "%s", gla_verdict_names[judgement.verdict]);
    ck_assert_msg(gla_diagnose(&made.problem, &candidate, &truth, &judgement, 0, 1, &diagnosis, &err) == GLA_OK, "%s",
                  err.what);
}

static void expect(const char *what, const char *cause, const char *said) {
    ck_assert_msg(strcmp(diagnosis.cause, cause) == 0, "%s: '%s' (%s) instead of '%s'", what, diagnosis.cause,
                  diagnosis.sentence, cause);
    ck_assert_msg(strstr(diagnosis.sentence, said) != NULL, "%s: '%s' does not say '%s'", what, diagnosis.sentence,
                  said);
    ck_assert(diagnosis.found == (cause[0] != 0));
}

/* ---- wrong kernels ---- */

#define STATE .initial_state = true

static const struct {
    mutant fault;
    const char *family;
    gla_case_spec spec;
    const char *cause, *said;
} kernels[] = {
    {M_SCALE_MISSING, "mild", {STATE}, "scale-missing", "scale 1"},
    {M_SCALE_TWICE, "mild", {STATE}, "scale-twice", "twice"},
    {M_DQ_SCALED_TWICE, "mild", {STATE}, "factor", "once too often"},
    {M_EXCLUSIVE_READ, "mild", {STATE}, "read-exclusive", "S_{t-1}"},
    {M_DECAY_AFTER_WRITE, "mild", {STATE}, "decay-after-write", "swapped"},
    {M_DIAGONAL_LOST, "mild", {STATE}, "diagonal-lost", "diagonal"},
    {M_DSCORE_DIAGONAL_LOST, "mild", {STATE}, "diagonal-lost", "diagonal"},
    {M_MASK_OFF_BY_ONE, "mild", {STATE}, "future-seen", "off by one inside chunks of 16"},
    {M_MASK_OFF_BY_ONE, "spike", {STATE}, "future-seen", "off by one"}, /* infinite before any anchor breaks */
    {M_INTER_EXCLUSIVE, "mild", {STATE}, "", "no known cause fits"},
    {M_MASK_MISSING, "mild", {STATE}, "future-seen", "no causal mask"},
    {M_ONE_DECAY_LOST, "strong", {STATE}, "one-token", "decay of token 5"},
    {M_GATE_BASE_2, "mild", {STATE}, "gate-base-2", "2^g"},
    {M_GATE_BASE_E_AS_2, "mild", {STATE}, "gate-base-e", "e^(g / ln 2)"},
    {M_GATE_NOT_LOG, "mild", {STATE}, "gate-as-log-gate", "e^(e^g)"},
    {M_GATE_CLAMPED, "spike", {STATE}, "gate-clamped", "-5"},
    {M_GATE_SUM_BF16, "spike", {STATE}, "gate-sum-rounded", "bf16"},
    {M_ONE_ANCHOR, "spike", {STATE}, "one-anchor-overflow", "-88.7"},
    {M_RESET_NAN, "reset", {STATE}, "reset-nan", "-inf"},
    {M_RESET_IGNORED, "reset", {STATE}, "reset-lost", "-inf"},
    {M_CARRY_LOST, "mild", {STATE, .T = 200}, "carry", "chunks of 64"},
    {M_CARRY_UNDECAYED, "mild", {STATE, .T = 200}, "carry", "not decayed"},
    {M_DSTATE_UNDECAYED, "mild", {STATE, .T = 200}, "carry-back", "not decayed"},
    {M_DQ_NO_INTER, "mild", {STATE}, "carry", "enters it is missing"},
    {M_DK_NO_DSTATE, "mild", {STATE}, "carry-back", "leaves a chunk is missing"},
    {M_TAIL_NOT_WRITTEN, "mild", {STATE}, "tail", "3 tokens after 64"},
    {M_DK_TAIL_ZERO, "mild", {STATE, .T = 200}, "tail", "8 tokens after 192"},
    {M_BOUNDARY_IGNORED, "varlen", {STATE}, "boundaries-ignored", "cu_seqlens"},
    {M_INITIAL_IGNORED, "mild", {STATE}, "no-initial-state", "ignored"},
    {M_INITIAL_TRANSPOSED, "mild", {STATE}, "state-transposed", "initial_state was read as [dv,dk]"},
    {M_INITIAL_OF_FIRST, "varlen", {STATE}, "other-sequence", "initial_state of sequence 0"},
    {M_FINAL_TRANSPOSED, "mild", {STATE}, "state-written-transposed", "[dv,dk]"},
    {M_GATE_HEAD_0, "mild", {STATE}, "other-head", "g of head 0"},
    {M_HEAD_MODULO, "mild", {STATE, .H = 4, .Hk = 2}, "heads-modulo", "mod"},
    {M_SLICES_SWAPPED, "mild", {STATE}, "values-of-other-head", "values of head"},
    {M_COLUMNS_STALE, "mild", {STATE}, "columns", "columns 8 to 11"},
    {M_FINAL_BF16, "varlen", {STATE}, "narrow", "bf16 number"},
    {M_REVERSE_IGNORED, "mild", {STATE, .reverse = true}, "direction", "ignored"},
    {M_SCORE_TRUNCATED, "mild", {STATE, .T = 150}, "truncation", "towards zero"},
    {M_DFINAL_IGNORED, "mild", {STATE}, "no-final-gradient", "dfinal_state"},
    {M_DFINAL_TRANSPOSED, "mild", {STATE}, "state-transposed", "dfinal_state was read as"},
    {M_DINITIAL_TRANSPOSED, "mild", {STATE}, "state-written-transposed", "[dv,dk]"},
    {M_DG_NO_END, "mild", {STATE}, "dg-final-state-term", "missing"},
    {M_DG_END_OVER_HEADS, "mild", {STATE}, "dg-final-state-term", "summed over"},
    {M_DG_EXCLUSIVE, "mild", {STATE}, "dg-own-token", "exclusive"},
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

START_TEST(wrong_kernels) {
    make(kernels[_i].family, kernels[_i].spec, &gla_bf16, kernels[_i].fault);
    diagnose("chunk-bf16");
    expect(mutants[kernels[_i].fault].name, kernels[_i].cause, kernels[_i].said);
}
END_TEST

/* ---- a right kernel, declared stricter than it is ---- */

static const struct {
    mutant fault;
    const char *said;
} stricter[] = {{M_OPERANDS_TF32, "tf32 operands"}, {M_OPERANDS_BF16, "bf16 operands"}};

START_TEST(stricter_profiles) {
    make("mild", (gla_case_spec){STATE}, &gla_binary32_format, stricter[_i].fault);
    diagnose("f32-chunk");
    expect("declared f32-chunk", "profile", stricter[_i].said);
}
END_TEST

/* ---- spoiled outputs of the right kernel ---- */

enum { T = 67, H = 3, DK = 8, DV = 12 };

static void keep_only(gla_output name) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (i != (int)name) candidate.output[i].value = NULL;
}

static void zeros(void) { memset(output[GLA_O], 0, (size_t)count_of(GLA_O) * sizeof(double)); }
static void constant(void) {
    for (int64_t i = 0; i < count_of(GLA_O); i++) output[GLA_O][i] = 0.375;
}
static void copy_of_v(void) { memcpy(output[GLA_O], made.tensor[GLA_IN_V], (size_t)count_of(GLA_O) * sizeof(double)); }
static void dq_is_dk(void) { memcpy(output[GLA_DQ], output[GLA_DK], (size_t)count_of(GLA_DQ) * sizeof(double)); }
static void shifted(void) {
    memmove(output[GLA_O] + H * DV, output[GLA_O], (size_t)((T - 1) * H * DV) * sizeof(double));
}
static void negated(void) {
    for (int64_t i = 0; i < count_of(GLA_O); i++) output[GLA_O][i] *= -1;
}
static void heads_first(void) {
    double *to = output[GLA_O];
    for (int64_t h = 0; h < H; h++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t j = 0; j < DV; j++)
                *to++ = gla_round(&gla_bf16, GLA_RN, truth.tensor[GLA_O].value[(t * H + h) * DV + j], 0);
}
static void summed_over_heads(void) {
    for (int64_t t = 0; t < T; t++)
        for (int64_t i = 0; i < DK; i++) {
            double sum = 0;
            for (int64_t h = 0; h < H; h++) sum += truth.tensor[GLA_DGK].value[(t * H + h) * DK + i];
            for (int64_t h = 0; h < H; h++) output[GLA_DGK][(t * H + h) * DK + i] = sum;
        }
}
static void offset(void) {
    for (int64_t i = 0; i < count_of(GLA_DGK); i++) output[GLA_DGK][i] += 5 + (double)(i % DK);
}
static void noise(void) {
    for (int64_t i = 0; i < count_of(GLA_O); i++)
        output[GLA_O][i] = gla_draw_normal((gla_draw){test_seed(), 99, (uint64_t)i});
}
static void small_noise(void) {
    for (int64_t i = 0; i < count_of(GLA_O); i++)
        output[GLA_O][i] *= 1 + 0.1 * gla_draw_normal((gla_draw){test_seed(), 99, (uint64_t)i});
}
static void noise_everywhere(void) {
    for (int o = 0; o < GLA_OUTPUTS; o++)
        for (int64_t i = 0; i < count_of((gla_output)o) && output[o]; i++)
            output[o][i] += gla_draw_normal((gla_draw){test_seed(), (uint32_t)(99 + o), (uint64_t)i});
}

static const struct {
    const char *what;
    void (*spoil)(void);
    const char *cause, *said;
    gla_output output;
} spoils[] = {
    {"zeros", zeros, "zeros", "never written", GLA_O},
    {"constant", constant, "constant", "the same", GLA_O},
    {"copy of v", copy_of_v, "equals-input", "input v", GLA_O},
    {"dk for dq", dq_is_dk, "equals-output", "values of dk", GLA_DQ},
    {"shifted", shifted, "shifted", "t + 1", GLA_O},
    {"negated", negated, "factor", "sign", GLA_O},
    {"[B,H,T,D]", heads_first, "written-heads-first", "[B,H,T,D]", GLA_O},
    {"dg summed", summed_over_heads, "dg-summed-over-heads", "summed over the heads", GLA_DGK},
    {"dg offset", offset, "dg-offset", "constant", GLA_DGK},
    {"noise", noise, "", "no known cause fits", GLA_O},
    {"small noise", small_noise, "", "no known cause fits", GLA_O},
    {"noise everywhere", noise_everywhere, "", "no known cause fits", GLA_OUTPUTS},
};

START_TEST(spoiled_outputs) {
    make("mild", (gla_case_spec){.H = H, .T = T, STATE}, &gla_bf16, M_NONE);
    spoils[_i].spoil();
    if (spoils[_i].output < GLA_OUTPUTS) keep_only(spoils[_i].output);
    diagnose("chunk-bf16");
    expect(spoils[_i].what, spoils[_i].cause, spoils[_i].said);
}
END_TEST

/* The same noise on other seeds and families: never a cause. */
START_TEST(noise_has_no_cause) {
    static const char *const families[] = {"mild", "strong", "spike", "reset", "integers", "varlen"};
    make(families[_i], (gla_case_spec){STATE}, &gla_bf16, M_NONE);
    noise_everywhere();
    diagnose("chunk-bf16");
    expect(families[_i], "", "no known cause fits");
}
END_TEST

/* One element may be near to anything: of a single one nothing is said. */
START_TEST(one_value_has_no_cause) {
    make("mild", (gla_case_spec){.T = 1, .H = 1, .dv = 1}, &gla_bf16, M_SCALE_TWICE);
    keep_only(GLA_O);
    diagnose("chunk-bf16");
    expect("one value", "", "no known cause fits");
}
END_TEST

/* ---- inputs and outputs in the wrong axes, from a run of the other reading ---- */

START_TEST(axes_exchanged) {
    make("mild", (gla_case_spec){.H = H, .T = T}, &gla_bf16, M_NONE);
    gla_problem p = made.problem;
    p.T = H;
    p.H = T;
    p.scale = 1 / sqrt(DK);
    p.d_final_state.at = NULL;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        int64_t step = x->stride[1];
        if (!x->at) continue;
        x->stride[1] = x->stride[2];
        x->stride[2] = step;
        x->heads = T;
    }
    gla_truth other;
    const gla_truth_options how = {.close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert(gla_truth_compute(&p, &how, &other, NULL) == GLA_OK);
    for (int64_t h = 0; h < H; h++) /* its o is [1,H,T,dv] */
        for (int64_t t = 0; t < T; t++)
            for (int64_t j = 0; j < DV; j++)
                output[GLA_O][(t * H + h) * DV + j] =
                    gla_round(&gla_bf16, GLA_RN, other.tensor[GLA_O].value[(h * T + t) * DV + j], 0);
    gla_truth_free(&other);
    keep_only(GLA_O);
    diagnose("chunk-bf16");
    expect("tokens as heads", "axes-exchanged", "along the heads");
}
END_TEST

/* ---- faults of the recurrence itself, in a plain loop ---- */

typedef enum slip { LOG_AS_FACTOR, GATES_IGNORED, GATE_LATE, GATE_EARLY, READ_LATE, SLIPS } slip;

static double decay_of(slip x, int64_t t, int64_t h, int64_t i) {
    const double *g = made.tensor[GLA_IN_GK];
    int64_t at = x == GATE_LATE ? t - 1 : x == GATE_EARLY ? t + 1 : t;
    if (x == GATES_IGNORED || at < 0 || at >= T) return 1;
    double own = g[(at * H + h) * DK + i];
    return x == LOG_AS_FACTOR ? own : exp(own);
}

static void read_state(const double S[DK][DV], const double *q, double *o) {
    for (int64_t j = 0; j < DV; j++) {
        double sum = 0;
        for (int64_t i = 0; i < DK; i++) sum += q[i] * S[i][j];
        o[j] = gla_round(&gla_bf16, GLA_RN, sum / sqrt(DK), 0);
    }
}

static void run_slip(slip x) {
    const double *q = made.tensor[GLA_IN_Q], *k = made.tensor[GLA_IN_K], *v = made.tensor[GLA_IN_V];
    for (int64_t h = 0; h < H; h++) {
        double S[DK][DV] = {{0}};
        for (int64_t t = 0; t < T; t++) {
            int64_t r = t * H + h;
            for (int64_t i = 0; i < DK; i++)
                for (int64_t j = 0; j < DV; j++)
                    S[i][j] = decay_of(x, t, h, i) * S[i][j] + k[r * DK + i] * v[r * DV + j];
            if (x == READ_LATE && t > 0) read_state(S, q + (r - H) * DK, output[GLA_O] + (r - H) * DV);
            if (x != READ_LATE || t == T - 1) read_state(S, q + r * DK, output[GLA_O] + r * DV);
        }
    }
}

START_TEST(slips_of_the_recurrence) {
    static const char *const cause[SLIPS][2] = {[LOG_AS_FACTOR] = {"log-gate-as-gate", "by g instead of e^g"},
                                                [GATES_IGNORED] = {"gates-ignored", "nothing decays"},
                                                [GATE_LATE] = {"gate-shifted", "late"},
                                                [GATE_EARLY] = {"gate-shifted", "early"},
                                                [READ_LATE] = {"read-late", "one token late"}};
    make("mild", (gla_case_spec){.H = H, .T = T}, &gla_bf16, M_NONE);
    run_slip((slip)_i);
    keep_only(GLA_O);
    diagnose("chunk-bf16");
    expect(cause[_i][0], cause[_i][0], cause[_i][1]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("diagnose");
    TCase *t = tcase_create("causes");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, drop);
    tcase_add_loop_test(t, wrong_kernels, 0, KERNELS);
    tcase_add_loop_test(t, stricter_profiles, 0, 2);
    tcase_add_loop_test(t, spoiled_outputs, 0, sizeof spoils / sizeof *spoils);
    tcase_add_loop_test(t, noise_has_no_cause, 0, 6);
    tcase_add_test(t, one_value_has_no_cause);
    tcase_add_test(t, axes_exchanged);
    tcase_add_loop_test(t, slips_of_the_recurrence, 0, SLIPS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
