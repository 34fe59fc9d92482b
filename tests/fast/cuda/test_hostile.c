/* SPDX-License-Identifier: Apache-2.0
 *
 * What no host can see before a launch: wrong offsets of sequences, NaN and infinities, inputs that repeat by strides
 * of 0, a state carried on in its place. Every rung and direction: nothing outside the outputs is touched, and the
 * damage stays in its sequence and head, to the bit.
 *
 * All tensors lie in one arena, with guards between them, that is compared byte by byte afterwards. Exit 77 without a
 * GPU.
 */
#include <cuda_runtime_api.h>
#include <math.h>
#include <string.h>

#include "../../../fast/cuda/host_run.h"
#include "../../testing.h"

enum { B = 2, T = 200, H = 3, DK = 64, DV = 72, N = 4, GUARD = 4096, ROOM = 24 << 20 };

static const gla_cuda_rung rungs[] = {GLA_CUDA_RECURRENT, GLA_CUDA_PARALLEL, GLA_CUDA_CHUNKWISE, GLA_CUDA_FUSED};
enum { LANES = 2 * sizeof rungs / sizeof *rungs }; /* a rung, forward or backward */

/* ---- the arena ---- */

static char *device, *before, *after;
static bool written[ROOM / 256]; /* 256 bytes that belong to an output or the workspace */
static size_t used;

static void *take(size_t bytes, bool output) {
    size_t at = used;
    for (size_t i = 0; i < (bytes + 255) / 256; i++) written[at / 256 + i] = output;
    used = (at + bytes + 255) / 256 * 256 + GUARD;
    ck_assert_uint_lt(used, ROOM);
    return device + at;
}

static void set_up(void) {
    before = malloc(ROOM);
    after = malloc(ROOM);
    ck_assert(before && after && cudaMalloc((void **)&device, ROOM) == cudaSuccess);
    memset(before, 0xa5, ROOM);
    memset(written, 0, sizeof written);
    used = GUARD;
}

static void tear_down(void) {
    free(before);
    free(after);
    cudaFree(device);
}

static uint16_t bf16(float x) {
    uint32_t word;
    memcpy(&word, &x, 4);
    return (uint16_t)(word >> 16);
}

static gla_cuda_tensor tokens(int64_t D, float low, float high, bool output) {
    int64_t count = B * T * H * D;
    gla_cuda_tensor x = {take((size_t)count * 2, output), GLA_CUDA_BF16, H, {T * H * D, H * D, D}};
    uint16_t *to = (uint16_t *)(before + ((char *)x.data - device));
    for (int64_t i = 0; i < count && !output; i++)
        to[i] = bf16(low + (high - low) * (float)((uint64_t)(i + D) * 0x9e3779b97f4a7c15u >> 40) * 0x1p-24f);
    return x;
}

static gla_cuda_tensor wide(gla_cuda_tensor like, bool output) {
    like.dtype = GLA_CUDA_F32;
    like.data = take((size_t)(B * like.stride[0] * 4), output);
    return like;
}

static gla_cuda_tensor states(bool output) {
    gla_cuda_tensor x = {take(N * H * DK * DV * 4, output), GLA_CUDA_F32, H, {H * DK * DV, DK * DV, DV}};
    float *to = (float *)(before + ((char *)x.data - device));
    for (int64_t i = 0; i < N * H * DK * DV && !output; i++) to[i] = (float)(i % 97) / 97 - 0.5f;
    return x;
}

static gla_cuda_problem problem(bool backward) {
    gla_cuda_problem p = {.B = B, .T = T, .H = H, .dk = DK, .dv = DV, .N = B};
    p.q = tokens(DK, -1, 1, false);
    p.k = tokens(DK, -1, 1, false);
    p.v = tokens(DV, -1, 1, false);
    p.g = tokens(DK, -0.2f, 0, false);
    p.initial_state = states(false);
    if (!backward) {
        p.o = tokens(DV, 0, 0, true);
        p.final_state = states(true);
        return p;
    }
    p.d_o = tokens(DV, -1, 1, false);
    p.d_final_state = states(false);
    p.dq = tokens(DK, 0, 0, true);
    p.dk_ = tokens(DK, 0, 0, true);
    p.dv_ = tokens(DV, 0, 0, true);
    p.dg = wide(p.dq, true);
    p.dinitial_state = states(true);
    return p;
}

/* One sequence of B*T tokens behind another, as cu_seqlens wants it. */
static void pack(gla_cuda_problem *p, const int64_t offsets[N + 1]) {
    void *at = take((N + 1) * sizeof *offsets, false);
    memcpy(before + ((char *)at - device), offsets, (N + 1) * sizeof *offsets);
    p->cu_seqlens = at;
    p->B = 1;
    p->T = B * T;
    p->N = N;
}

/* What stands at a place of the device, before or after. */
static void *was(const void *at) { return before + ((const char *)at - device); }
static const void *is(const void *at) { return after + ((const char *)at - device); }

/* Uploads, calls, downloads; nothing but outputs and workspace may have changed. */
static gla_cuda_status run(int lane, const gla_cuda_problem *p) {
    gla_cuda_call call = {.rung = rungs[lane / 2]};
    gla_cuda_status status = gla_cuda_workspace(p, &call, lane % 2, &call.workspace_size);
    if (status != GLA_CUDA_OK) return status;
    if (!call.workspace) call.workspace = take(call.workspace_size, true);
    ck_assert_int_eq(cudaMemcpy(device, before, ROOM, cudaMemcpyHostToDevice), cudaSuccess);
    status = (lane % 2 ? gla_cuda_backward : gla_cuda_forward)(p, &call);
    cudaError_t e = cudaDeviceSynchronize();
    ck_assert_msg(e == cudaSuccess, "%s: %s", gla_cuda_rung_name(call.rung), cudaGetErrorString(e));
    ck_assert_msg(status == GLA_CUDA_OK, "%s: %s", gla_cuda_rung_name(call.rung), call.why);
    ck_assert_int_eq(cudaMemcpy(after, device, ROOM, cudaMemcpyDeviceToHost), cudaSuccess);
    for (size_t i = 0; i < ROOM; i += 256) {
        if (written[i / 256] || memcmp(after + i, before + i, 256) == 0) continue;
        size_t at = i;
        while (after[at] == before[at]) at++;
        ck_abort_msg("%s %s: byte %zu of the arena, 0x%02x, is 0x%02x", gla_cuda_rung_name(call.rung),
                     lane % 2 ? "backward" : "forward", at, (unsigned char)before[at], (unsigned char)after[at]);
    }
    return status;
}

/* ---- tests ---- */

static const int64_t wrong_offsets[][N + 1] = {
    {0, 150, 20, 300, 400},                      /* not ascending */
    {400, 300, 200, 100, 0},                     /* descending */
    {0, 100, 4000, INT64_C(1) << 40, INT64_MAX}, /* beyond T */
    {-500, -1, 30, 31, 400},                     /* before the first token */
    {INT64_MIN, INT64_MAX, INT64_MIN, 7, -7},    /* nonsense */
    {199, 200, 200, 263, 264},                   /* tokens of no sequence */
};

START_TEST(test_wrong_offsets) {
    for (size_t i = 0; i < sizeof wrong_offsets / sizeof *wrong_offsets; i++) {
        set_up();
        gla_cuda_problem p = problem(_i % 2);
        pack(&p, wrong_offsets[i]);
        ck_assert_int_eq(run(_i, &p), GLA_CUDA_OK);
        tear_down();
    }
}
END_TEST

/* Compares the rows of batch 0's heads but head 1, and all of batch 1's, with a run before; returns how many differ. */
static int64_t differing(const gla_cuda_tensor *x, const char *clean, bool state) {
    size_t size = x->dtype == GLA_CUDA_F32 ? 4 : 2;
    int64_t rows = state ? DK : T, D = state ? DV : x->stride[2], count = 0;
    if (!x->data) return 0;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t r = 0; r < rows && (b > 0 || h != 1); r++) {
                int64_t row =
                    b * x->stride[0] + (state ? h * x->stride[1] + r * x->stride[2] : r * x->stride[1] + h * D);
                size_t at = (size_t)((char *)x->data - device) + (size_t)row * size;
                count += memcmp(after + at, clean + at, (size_t)D * size) != 0;
            }
    return count;
}

static const float poisons[] = {NAN, INFINITY, -INFINITY, 3e38f};

/* One input of head 1 of the first sequence at token 70 is poison: the others' outputs keep their bits. */
START_TEST(test_poison_stays_at_home) {
    set_up();
    char *clean = malloc(ROOM);
    gla_cuda_problem p = problem(_i % 2);
    ck_assert_int_eq(run(_i, &p), GLA_CUDA_OK);
    memcpy(clean, after, ROOM);
    const gla_cuda_tensor *const inputs[] = {&p.q, &p.k, &p.v, &p.g, &p.d_o};
    const size_t last = used;
    for (size_t i = 0; i < (_i % 2 ? 5 : 4); i++)
        for (size_t n = 0; n < sizeof poisons / sizeof *poisons; n++) {
            int64_t at = 70 * inputs[i]->stride[1] + inputs[i]->stride[2] + 5;
            uint16_t *word = (uint16_t *)was(inputs[i]->data) + at, kept = *word;
            *word = bf16(poisons[n]);
            ck_assert_int_eq(run(_i, &p), GLA_CUDA_OK);
            used = last;
            *word = kept;
            int64_t wrong = differing(&p.o, clean, false) + differing(&p.dq, clean, false) +
                            differing(&p.dk_, clean, false) + differing(&p.dv_, clean, false) +
                            differing(&p.dg, clean, false) + differing(&p.final_state, clean, true) +
                            differing(&p.dinitial_state, clean, true);
            ck_assert_msg(wrong == 0, "%s: input %zu, %g: %lld rows of others changed",
                          gla_cuda_rung_name(rungs[_i / 2]), i, (double)poisons[n], (long long)wrong);
        }
    free(clean);
    tear_down();
}
END_TEST

/* q and v the same in every sequence, by strides of 0: the outputs of the second sequence are as if they were copied.
 */
START_TEST(test_repeated_inputs) {
    set_up();
    gla_cuda_problem p = problem(_i % 2);
    memcpy((char *)was(p.q.data) + p.q.stride[0] * 2, was(p.q.data), (size_t)p.q.stride[0] * 2);
    memcpy((char *)was(p.v.data) + p.v.stride[0] * 2, was(p.v.data), (size_t)p.v.stride[0] * 2);
    ck_assert_int_eq(run(_i, &p), GLA_CUDA_OK);
    const gla_cuda_tensor *out = _i % 2 ? &p.dk_ : &p.o;
    size_t bytes = (size_t)(B * out->stride[0]) * 2;
    char *copied = malloc(bytes);
    memcpy(copied, is(out->data), bytes);
    p.q.stride[0] = p.v.stride[0] = 0;
    gla_cuda_status status = run(_i, &p);
    ck_assert_msg(status == GLA_CUDA_OK || status == GLA_CUDA_UNSUPPORTED, "%s", gla_cuda_status_text(status));
    printf("%s %s: strides of 0: %s\n", gla_cuda_rung_name(rungs[_i / 2]), _i % 2 ? "backward" : "forward",
           gla_cuda_status_text(status));
    if (status == GLA_CUDA_OK) ck_assert_mem_eq(copied, is(out->data), bytes);
    free(copied);
    tear_down();
}
END_TEST

/* The forward lanes; tokens enough for chunks, and few enough for the decode step. */
START_TEST(test_state_in_place) {
    for (int64_t length = 3; length <= T; length += T - 3) {
        set_up();
        gla_cuda_problem p = problem(false);
        size_t bytes = (size_t)(B * p.final_state.stride[0]) * 4;
        char *apart = malloc(bytes);
        p.T = length;
        ck_assert_int_eq(run(_i * 2, &p), GLA_CUDA_OK);
        memcpy(apart, is(p.final_state.data), bytes);
        p.initial_state.data = p.final_state.data;
        for (size_t i = 0; i < bytes / 4; i++) ((float *)was(p.final_state.data))[i] = (float)(i % 97) / 97 - 0.5f;
        ck_assert_int_eq(run(_i * 2, &p), GLA_CUDA_OK);
        ck_assert_mem_eq(apart, is(p.final_state.data), bytes);
        free(apart);
        tear_down();
    }
}
END_TEST

static TCase *case_of(Suite *s, const char *name) {
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, 600);
    suite_add_tcase(s, c);
    return c;
}

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/hostile");
    tcase_add_loop_test(case_of(s, "offsets"), test_wrong_offsets, 0, LANES);
    tcase_add_loop_test(case_of(s, "poison"), test_poison_stays_at_home, 0, LANES);
    tcase_add_loop_test(case_of(s, "strides"), test_repeated_inputs, 0, LANES);
    tcase_add_loop_test(case_of(s, "place"), test_state_in_place, 0, LANES / 2);
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
