/* SPDX-License-Identifier: Apache-2.0
 *
 * What the C interface refuses, and that it says what to try. Nothing here is launched: the pointers are made up, and
 * every call ends before a GPU is looked for; so it runs where there is none.
 */
#include <math.h>
#include <string.h>

#include "../../../fast/cuda/gla_cuda.h"
#include "../../../fast/cuda/host_run.h"
#include "../../testing.h"

enum { B = 2, T = 48, H = 4, DK = 64, DV = 32 };

/* Memory that is never touched. */
static void *place(int n) { return (void *)(uintptr_t)(0x10000000 + (uint64_t)n * 0x1000000); }

static gla_cuda_tensor over_tokens(int n, int64_t D, gla_cuda_dtype dtype) {
    return (gla_cuda_tensor){place(n), dtype, H, {T * H * D, H * D, D}};
}

static gla_cuda_tensor over_states(int n) {
    return (gla_cuda_tensor){place(n), GLA_CUDA_F32, H, {H * DK * DV, DK * DV, DV}};
}

static gla_cuda_problem good(void) {
    gla_cuda_problem p = {.B = B, .T = T, .H = H, .dk = DK, .dv = DV, .N = B};
    p.q = over_tokens(0, DK, GLA_CUDA_BF16);
    p.k = over_tokens(1, DK, GLA_CUDA_BF16);
    p.v = over_tokens(2, DV, GLA_CUDA_BF16);
    p.g = over_tokens(3, DK, GLA_CUDA_F32);
    p.initial_state = over_states(4);
    p.d_o = over_tokens(5, DV, GLA_CUDA_BF16);
    p.d_final_state = over_states(6);
    p.o = over_tokens(7, DV, GLA_CUDA_BF16);
    p.final_state = over_states(8);
    p.dq = over_tokens(9, DK, GLA_CUDA_BF16);
    p.dk_ = over_tokens(10, DK, GLA_CUDA_BF16);
    p.dv_ = over_tokens(11, DV, GLA_CUDA_BF16);
    p.dg = over_tokens(12, DK, GLA_CUDA_F32);
    p.dinitial_state = over_states(13);
    return p;
}

/* ---- what is wrong with it ---- */

static void no_tokens(gla_cuda_problem *p) { p->T = 0; }
static void no_batch(gla_cuda_problem *p) { p->B = p->N = 0; }
static void too_many(gla_cuda_problem *p) { p->B = p->N = INT64_C(1) << 40; }
static void other_N(gla_cuda_problem *p) { p->N = 3; }
static void packed_batch(gla_cuda_problem *p) { p->cu_seqlens = place(14); }
static void odd_offsets(gla_cuda_problem *p) {
    p->B = 1;
    p->cu_seqlens = (const int64_t *)((const char *)place(14) + 4);
}
static void scale_nan(gla_cuda_problem *p) { p->scale = NAN; }
static void scale_infinite(gla_cuda_problem *p) { p->scale = INFINITY; }
static void no_q(gla_cuda_problem *p) { p->q.data = NULL; }
static void no_v(gla_cuda_problem *p) { p->v.data = NULL; }
static void q_odd(gla_cuda_problem *p) { p->q.data = (char *)p->q.data + 8; }
static void o_odd(gla_cuda_problem *p) { p->o.data = (char *)p->o.data + 2; }
static void k_rows_odd(gla_cuda_problem *p) { p->k.stride[1] += 4; }
static void state_rows_odd(gla_cuda_problem *p) { p->initial_state.stride[2] += 2; }
static void v_backwards(gla_cuda_problem *p) { p->v.stride[1] = -p->v.stride[1]; }
static void k_other_dtype(gla_cuda_problem *p) { p->k.dtype = GLA_CUDA_F16; }
static void k_wide(gla_cuda_problem *p) { p->k.dtype = GLA_CUDA_F32; }
static void g_other_dtype(gla_cuda_problem *p) { p->g.dtype = GLA_CUDA_F16; }
static void state_narrow(gla_cuda_problem *p) { p->initial_state.dtype = GLA_CUDA_BF16; }
static void o_wide(gla_cuda_problem *p) { p->o.dtype = GLA_CUDA_F32; }
static void no_dtype(gla_cuda_problem *p) { p->q.dtype = (gla_cuda_dtype)7; }
static void k_three_heads(gla_cuda_problem *p) { p->k.heads = 3; }
static void g_no_heads(gla_cuda_problem *p) { p->g.heads = 0; }
static void o_two_heads(gla_cuda_problem *p) { p->o.heads = 2; }
static void o_overlaps(gla_cuda_problem *p) { p->o.stride[1] = DV / 2; }
static void o_repeats(gla_cuda_problem *p) { p->o.stride[0] = 0; }
static void wants_nothing(gla_cuda_problem *p) { p->o.data = p->final_state.data = NULL; }
static void o_over_v(gla_cuda_problem *p) { p->o.data = p->v.data; }
static void state_over_o(gla_cuda_problem *p) { p->final_state.data = p->o.data; }
static void state_elsewhere(gla_cuda_problem *p) { /* in place, but with other strides */
    p->final_state.data = p->initial_state.data;
    p->final_state.stride[2] += 4;
}
static void long_sequence(gla_cuda_problem *p) { p->T = (INT64_C(1) << 30) + 1; }
static void many_chunks(gla_cuda_problem *p) { p->T = INT64_C(1) << 30, p->H = p->H << 20; }
static void many_heads(gla_cuda_problem *p) { p->H = INT64_C(1) << 31; }
static void endless_dv(gla_cuda_problem *p) { p->dv = INT64_MAX; }
static void wide_heads(gla_cuda_problem *p) { p->dk = 264; }

static void dk_two_heads(gla_cuda_problem *p) { p->dk_.heads = 2; }
static void dg_narrow(gla_cuda_problem *p) { p->dg.dtype = GLA_CUDA_F16; }
static void dg_without_g(gla_cuda_problem *p) { p->g.data = NULL; }
static void d_o_odd(gla_cuda_problem *p) { p->d_o.data = (char *)p->d_o.data + 4; }
static void dstate_two_heads(gla_cuda_problem *p) { p->dinitial_state.heads = 2; }
static void dq_over_dk(gla_cuda_problem *p) { p->dq.data = p->dk_.data; }
static void dv_over_d_o(gla_cuda_problem *p) { p->dv_.data = p->d_o.data; }
static void adjoint_in_place(gla_cuda_problem *p) { p->dinitial_state.data = p->d_final_state.data; }
static void wants_no_gradient(gla_cuda_problem *p) {
    p->dq.data = p->dk_.data = p->dv_.data = p->dg.data = p->dinitial_state.data = NULL;
}

static const struct {
    void (*spoil)(gla_cuda_problem *p);
    gla_cuda_status status;
    const char *says;
    bool backward;
} wrong[] = {
    {no_tokens, GLA_CUDA_BAD_ARGUMENT, "at least 1", false},
    {no_batch, GLA_CUDA_BAD_ARGUMENT, "at least 1", false},
    {too_many, GLA_CUDA_UNSUPPORTED, "split the batch", false},
    {other_N, GLA_CUDA_BAD_ARGUMENT, "N must be B", false},
    {packed_batch, GLA_CUDA_BAD_ARGUMENT, "B = 1", false},
    {odd_offsets, GLA_CUDA_BAD_ARGUMENT, "8 bytes", false},
    {scale_nan, GLA_CUDA_BAD_ARGUMENT, "scale", false},
    {scale_infinite, GLA_CUDA_BAD_ARGUMENT, "scale", false},
    {no_q, GLA_CUDA_BAD_ARGUMENT, "q is missing", false},
    {no_v, GLA_CUDA_BAD_ARGUMENT, "v is missing", false},
    {q_odd, GLA_CUDA_BAD_ARGUMENT, "q is not aligned", false},
    {o_odd, GLA_CUDA_BAD_ARGUMENT, "o is not aligned", false},
    {k_rows_odd, GLA_CUDA_UNSUPPORTED, "k: stride[1] = 260", false},
    {state_rows_odd, GLA_CUDA_UNSUPPORTED, "initial_state: stride[2]", false},
    {v_backwards, GLA_CUDA_UNSUPPORTED, "v: stride[1]", false},
    {k_other_dtype, GLA_CUDA_UNSUPPORTED, "k has a dtype", false},
    {k_wide, GLA_CUDA_UNSUPPORTED, "k has a dtype", false},
    {g_other_dtype, GLA_CUDA_UNSUPPORTED, "F32 or q's", false},
    {state_narrow, GLA_CUDA_UNSUPPORTED, "must be F32", false},
    {o_wide, GLA_CUDA_UNSUPPORTED, "o has a dtype", false},
    {no_dtype, GLA_CUDA_UNSUPPORTED, "no dtype 7", false},
    {k_three_heads, GLA_CUDA_BAD_ARGUMENT, "k: 3 heads do not divide H = 4", false},
    {g_no_heads, GLA_CUDA_BAD_ARGUMENT, "g: 0 heads", false},
    {o_two_heads, GLA_CUDA_BAD_ARGUMENT, "o has 2 heads; it must have 4", false},
    {o_overlaps, GLA_CUDA_BAD_ARGUMENT, "overlap", false},
    {o_repeats, GLA_CUDA_BAD_ARGUMENT, "overlap", false},
    {wants_nothing, GLA_CUDA_BAD_ARGUMENT, "no output is wanted", false},
    {wide_heads, GLA_CUDA_UNSUPPORTED, "dk up to 256", false},
    {o_over_v, GLA_CUDA_BAD_ARGUMENT, "o and v lie at one place", false},
    {state_over_o, GLA_CUDA_BAD_ARGUMENT, "one place", false},
    {state_elsewhere, GLA_CUDA_BAD_ARGUMENT, "final_state and initial_state lie at one place", false},
    {long_sequence, GLA_CUDA_UNSUPPORTED, "at most 2^30", false},
    {many_chunks, GLA_CUDA_UNSUPPORTED, "split the batch", false},
    {many_heads, GLA_CUDA_UNSUPPORTED, "split the batch", false},
    {endless_dv, GLA_CUDA_UNSUPPORTED, "at most 2^30", false},
    {no_tokens, GLA_CUDA_BAD_ARGUMENT, "at least 1", true},
    {k_rows_odd, GLA_CUDA_UNSUPPORTED, "k: stride[1]", true},
    {dk_two_heads, GLA_CUDA_BAD_ARGUMENT, "dk has 2 heads; it must have 4", true},
    {dg_narrow, GLA_CUDA_UNSUPPORTED, "dg has a dtype", true},
    {dg_without_g, GLA_CUDA_BAD_ARGUMENT, "without g", true},
    {d_o_odd, GLA_CUDA_BAD_ARGUMENT, "d_o is not aligned", true},
    {dstate_two_heads, GLA_CUDA_BAD_ARGUMENT, "dinitial_state has 2 heads", true},
    {dq_over_dk, GLA_CUDA_BAD_ARGUMENT, "dq and dk lie at one place", true},
    {dv_over_d_o, GLA_CUDA_BAD_ARGUMENT, "dv and d_o lie at one place", true},
    {adjoint_in_place, GLA_CUDA_BAD_ARGUMENT, "one place", true},
    {wants_no_gradient, GLA_CUDA_BAD_ARGUMENT, "no output is wanted", true},
};

START_TEST(test_wrong_argument_is_refused) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_RECURRENT};
    size_t bytes = 1;
    wrong[_i].spoil(&p);
    gla_cuda_status status = (wrong[_i].backward ? gla_cuda_backward : gla_cuda_forward)(&p, &call);
    ck_assert_msg(status == wrong[_i].status, "%s: %s", gla_cuda_status_text(status), call.why);
    ck_assert_msg(strstr(call.why, wrong[_i].says), "'%s' says nothing of '%s'", call.why, wrong[_i].says);
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, wrong[_i].backward, &bytes), wrong[_i].status);
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

/* A dimension of size 1 has a stride that nobody uses; outputs that are not wanted are not looked at. */
START_TEST(test_what_does_not_matter) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_RECURRENT};
    size_t bytes;
    p.B = p.N = 1;
    p.q.stride[0] = p.o.stride[0] = 1;
    p.dg = (gla_cuda_tensor){NULL, (gla_cuda_dtype)9, 0, {1, 1, 1}};
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_OK);
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
}
END_TEST

/* A decode step may carry its state on in place, but not segments that run side by side. */
START_TEST(test_state_in_place) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_RECURRENT};
    size_t bytes;
    p.final_state = p.initial_state;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_OK);
    p.initial_state.heads = 2;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_BAD_ARGUMENT);
    p.initial_state.heads = H;
    call.segment = 64;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(call.why, "one place"));
}
END_TEST

static const struct {
    int64_t segment;
    gla_cuda_status status;
} segments[] = {{64, GLA_CUDA_OK},
                {-64, GLA_CUDA_BAD_ARGUMENT},
                {100, GLA_CUDA_BAD_ARGUMENT},
                {1 << 20, GLA_CUDA_OK},
                {INT64_C(1) << 40, GLA_CUDA_BAD_ARGUMENT}};

START_TEST(test_segments) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_FUSED, .segment = segments[_i].segment};
    size_t bytes;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), segments[_i].status);
    if (segments[_i].status != GLA_CUDA_OK) ck_assert_ptr_nonnull(strstr(call.why, "multiple of 64"));
    p.T = (int64_t)65536 * 64;
    call.segment = 64;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(call.why, "take a longer one"));
}
END_TEST

START_TEST(test_grades) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_FUSED, .grade = GLA_CUDA_PRECISE};
    size_t bytes;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    ck_assert_str_eq(gla_cuda_grade_name(GLA_CUDA_FAST), "fast");
    ck_assert_ptr_null(gla_cuda_grade_name(GLA_CUDA_GRADES));
    ck_assert_str_eq(gla_cuda_rung_form(call.rung, call.grade, GLA_CUDA_BF16, false),
                     "chunkwise-centred:64:16+precise");
    ck_assert_str_eq(gla_cuda_rung_form(GLA_CUDA_CHUNKWISE, call.grade, GLA_CUDA_F16, true),
                     "chunkwise-paired:64:11+precise");
    ck_assert_str_eq(gla_cuda_rung_form(GLA_CUDA_RECURRENT, call.grade, GLA_CUDA_BF16, true), "recurrent");
    ck_assert_ptr_null(gla_cuda_rung_form(call.rung, GLA_CUDA_GRADES, GLA_CUDA_BF16, false));
    p.dk = 136;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_OK);
    p.dq.data = p.dk_.data = p.dg.data = p.dinitial_state.data = NULL; /* their rows are too short now */
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(call.why, "dk up to 128; use chunkwise"));
    call.rung = GLA_CUDA_BEST;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    call.grade = GLA_CUDA_GRADES;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(call.why, "1 precise"));
}
END_TEST

START_TEST(test_rungs) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_RUNGS};
    ck_assert_int_eq(gla_cuda_forward(&p, &call), GLA_CUDA_BAD_ARGUMENT);
    call.rung = (gla_cuda_rung)-1;
    ck_assert_int_eq(gla_cuda_forward(&p, &call), GLA_CUDA_BAD_ARGUMENT);
    call.rung = GLA_CUDA_FUSED;
    p.q.dtype = p.k.dtype = p.v.dtype = p.o.dtype = GLA_CUDA_F16;
    ck_assert_int_eq(gla_cuda_forward(&p, &call), GLA_CUDA_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(call.why, "use chunkwise"));
    ck_assert_str_eq(gla_cuda_rung_name(GLA_CUDA_FUSED), "fused");
    ck_assert_str_eq(gla_cuda_rung_numbers(GLA_CUDA_RECURRENT, GLA_CUDA_F16), "sm_90:f32");
    ck_assert_ptr_null(gla_cuda_rung_numbers(GLA_CUDA_FUSED, GLA_CUDA_F16));
    ck_assert_ptr_null(gla_cuda_rung_name(GLA_CUDA_RUNGS));
    ck_assert_str_eq(gla_cuda_rung_form(GLA_CUDA_CHUNKWISE, GLA_CUDA_FAST, GLA_CUDA_BF16, true), "chunkwise-paired:64");
    ck_assert_str_eq(gla_cuda_rung_form(GLA_CUDA_CHUNKWISE, GLA_CUDA_FAST, GLA_CUDA_F16, true),
                     "chunkwise-paired:64:11");
    ck_assert_ptr_null(gla_cuda_rung_numbers(GLA_CUDA_CHUNKWISE, GLA_CUDA_F32));
    call.rung = GLA_CUDA_CHUNKWISE;
    p.q.dtype = p.k.dtype = p.v.dtype = p.o.dtype = GLA_CUDA_F32;
    ck_assert_int_eq(gla_cuda_forward(&p, &call), GLA_CUDA_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(call.why, "bf16 and f16"));
}
END_TEST

START_TEST(test_workspace) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_RECURRENT};
    size_t bytes, shared;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 0, &bytes), GLA_CUDA_OK);
    ck_assert_uint_eq(bytes, 0);
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    ck_assert_uint_gt(bytes, 0);
    p.k.heads = p.dk_.heads = 2; /* a gradient per head, then their sum */
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &shared), GLA_CUDA_OK);
    ck_assert_uint_eq(shared, bytes + B * T * H * DK * 4);
    ck_assert_int_eq(gla_cuda_backward(&p, &call), GLA_CUDA_SMALL_WORKSPACE);
    call.workspace = place(20);
    call.workspace_size = shared - 1;
    ck_assert_int_eq(gla_cuda_backward(&p, &call), GLA_CUDA_SMALL_WORKSPACE);
    ck_assert_ptr_nonnull(strstr(call.why, "gla_cuda_workspace"));
    call.workspace = (char *)place(20) + 128;
    call.workspace_size = shared;
    ck_assert_int_eq(gla_cuda_backward(&p, &call), GLA_CUDA_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(call.why, "256"));
}
END_TEST

/* The fused backward keeps a state and an adjoint of 16 bits for every chunk of 64 tokens. */
START_TEST(test_stored_states) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = GLA_CUDA_FUSED};
    const size_t slot = (size_t)H * DK * DV * 2;
    size_t bytes;
    p.T = 65;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    ck_assert_uint_eq(bytes, 2 * (B * 2) * slot);
    p.B = 1, p.N = 5, p.cu_seqlens = place(14); /* wherever the offsets lie */
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    ck_assert_uint_eq(bytes, 2 * (1 + 5) * slot);
    p.dq.data = p.dk_.data = p.dv_.data = p.dg.data = NULL; /* dinitial_state alone needs none */
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    ck_assert_uint_eq(bytes, 0);
    p.dinitial_state.heads = p.initial_state.heads = 2;
    ck_assert_int_eq(gla_cuda_workspace(&p, &call, 1, &bytes), GLA_CUDA_OK);
    ck_assert_uint_eq(bytes, 5 * 2 * slot); /* binary32, a sequence and head each */
}
END_TEST

/* The last thing that is looked at. */
START_TEST(test_no_device) {
    gla_cuda_problem p = good();
    gla_cuda_call call = {.rung = (gla_cuda_rung)_i};
    ck_assert_int_eq(gla_cuda_forward(&p, &call), GLA_CUDA_NO_DEVICE);
    ck_assert_ptr_nonnull(strstr(call.why, "no GPU"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/arguments");
    TCase *c = tcase_create("arguments");
    gla_host_why why;
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, test_wrong_argument_is_refused, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(c, test_what_does_not_matter);
    tcase_add_test(c, test_state_in_place);
    tcase_add_loop_test(c, test_segments, 0, sizeof segments / sizeof *segments);
    tcase_add_test(c, test_grades);
    tcase_add_test(c, test_rungs);
    tcase_add_test(c, test_workspace);
    tcase_add_test(c, test_stored_states);
    if (!gla_cuda_host_device(why)) {
        tcase_add_loop_test(c, test_no_device, GLA_CUDA_BEST, GLA_CUDA_RECURRENT + 1);
        tcase_add_loop_test(c, test_no_device, GLA_CUDA_FUSED, GLA_CUDA_FUSED + 1);
    }
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
