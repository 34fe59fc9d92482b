/* SPDX-License-Identifier: Apache-2.0
 *
 * gradients.c with one fault, named by GLASSBOX_FAULT: what tests/compare/test_plugin.c expects of each is there. A
 * fault that leaves a process writes its id into the file GLASSBOX_FAULT_FILE.
 */
#define glassbox_plugin_info right_info
#define glassbox_plugin_run right_run
#define glassbox_plugin_workspace right_workspace
#include "gradients.c"
#undef glassbox_plugin_info
#undef glassbox_plugin_run
#undef glassbox_plugin_workspace

#include <fenv.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

static bool fault(const char *name) {
    const char *asked = getenv("GLASSBOX_FAULT");
    return asked && strcmp(asked, name) == 0;
}

static void crash(void) {
    int *volatile nowhere = (int *)8;
    *nowhere = 1;
}

static void hang(void) {
    for (;;) pause();
}

__attribute__((constructor)) static void on_load(void) {
    if (fault("load-crash")) crash();
    if (fault("load-hang")) hang();
}

const struct glassbox_info *glassbox_plugin_info(void) {
    static struct glassbox_info info;
    info = *right_info();
    if (fault("info-null")) return NULL;
    if (fault("info-crash")) crash();
    if (fault("abi")) info.abi_version = 99;
    if (fault("info-size")) info.size = 1u << 30;
    if (fault("limits")) info.max_T = -5;
    if (fault("formats")) info.formats = 0;
    if (fault("mechanism")) info.mechanisms = "retention glass";
    if (fault("name")) info.name = (const char *)16;
    if (fault("small")) info.max_T = 10;
    if (fault("unclaimed") || fault("unclaimed-stale")) info.features = GLASSBOX_HAS_BACKWARD;
    return &info;
}

int64_t glassbox_plugin_workspace(problem *p) {
    if (fault("workspace-huge")) return INT64_MAX;
    if (fault("workspace-negative")) return -1;
    return right_workspace(p);
}

/* ---- processes ---- */

static void stay(bool escape) {
    if (fork() != 0) return;
    if (escape) {
        setsid();
        if (fork() != 0) _exit(0);
    }
    const char *path = getenv("GLASSBOX_FAULT_FILE");
    char own[4096];
    snprintf(own, sizeof own, "%s.%d", path ? path : "", (int)getpid());
    FILE *to = path ? fopen(own, "w") : NULL;
    if (to) {
        fprintf(to, "%d\n", (int)getpid());
        fclose(to);
        rename(own, path);
    }
    hang();
}

/* Give a process that was just started the time to be one. */
static void wait_for_file(void) {
    const char *path = getenv("GLASSBOX_FAULT_FILE");
    for (int i = 0; path && access(path, R_OK) != 0 && i < 1000; i++) usleep(1000);
}

static void print_megabytes(void) {
    static char text[1 << 16];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 128; i++) fputs(text, i % 2 ? stdout : stderr);
}

static void *volatile kept; /* so that no compiler leaves an allocation out */

static void eat_memory(void) {
    for (;;)
        if (!(kept = malloc(64u << 20))) {
            fputs("no memory left\n", stderr);
            abort();
        }
}

/* ---- writing where it must not ---- */

static char *end_of(const struct glassbox_output *x) {
    return (char *)x->data + x->shape[0] * x->stride[0] * (int64_t)(x->dtype >> 8) / 8;
}

static void write_input(problem *p, bool by_force) {
    char *q = (char *)(uintptr_t)p->in.q.data;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (by_force) mprotect((void *)((uintptr_t)q / page * page), page, PROT_READ | PROT_WRITE);
    q[0] ^= 1;
}

/* ---- results that are wrong in a way that only other runs show; o is F32 ---- */

static void flip(problem *p, uint32_t bit) {
    uint32_t *o = p->out.o.data;
    if (p->out.o.dtype == GLASSBOX_F32) o[0] ^= bit;
}

/* Of the last element of an F32 tensor of tokens. */
static uint32_t last_bits_of(const struct glassbox_input *x) {
    int64_t at = x->shape[1] * x->stride[1] - 1;
    return x->dtype == GLASSBOX_F32 ? ((const uint32_t *)x->data)[at] >> 8 & 7 : 0;
}

/* The strides of dense tensors in place of those that are there. */
static void make_dense(const int64_t shape[4], int64_t stride[4]) {
    int64_t step = 1;
    for (int d = 3; d >= 0; step *= shape[d--]) stride[d] = step;
}

static void go_by_shapes(struct glassbox_problem *p, bool outputs_too) {
    struct glassbox_input *const in[] = {
        &p->in.q, &p->in.k, &p->in.v, &p->in.g, &p->in.gv, &p->in.d_o, &p->in.initial_state, &p->in.d_final_state};
    struct glassbox_output *const out[] = {&p->out.o,  &p->out.dq,  &p->out.dk,          &p->out.dv,
                                           &p->out.dg, &p->out.dgv, &p->out.final_state, &p->out.dinitial_state};
    for (int i = 0; i < 8; i++) {
        make_dense(in[i]->shape, in[i]->stride);
        if (outputs_too) make_dense(out[i]->shape, out[i]->stride);
    }
}

static int before_running(problem *p) {
    if (fault("crash")) crash();
    if (fault("abort")) abort();
    if (fault("hang")) hang();
    if (fault("stop")) raise(SIGSTOP);
    if (fault("exit")) exit(0);
    if (fault("error")) return 7;
    if (fault("decline")) return snprintf(p->reason, p->reason_size, "not on\na %s", "Sunday"), 1;
    if (fault("nothing")) return -1;
    if (fault("hungry")) eat_memory();
    if (fault("kill-parent")) kill(getppid(), SIGKILL);
    if (fault("print")) print_megabytes();
    for (int i = 0; i < 20 && fault("child"); i++) stay(false);
    if (fault("daemon")) stay(true);
    if (fault("child") || fault("daemon")) wait_for_file();
    if (fault("close"))
        for (int fd = 0; fd < 100; fd++) close(fd);
    if (fault("input")) write_input(p, false);
    if (fault("input-by-force")) write_input(p, true);
    return 0;
}

static void after_running(problem *p, void *workspace, size_t workspace_size, uint32_t garbage) {
    static const uint16_t untouched[4] = {0x7fa5, 0x7fa5, 0x7fa5, 0x7fa5};
    static uint32_t runs;
    if (fault("half")) memcpy(end_of(&p->out.o) - 8, untouched, sizeof untouched);
    if (fault("past")) end_of(&p->out.o)[0] = 0;
    if (fault("far-past")) end_of(&p->out.o)[100] = 0;
    if (fault("before")) ((char *)p->out.o.data)[-1] = 0;
    if (fault("workspace-past")) ((char *)workspace)[workspace_size + 100] = 0;
    if (fault("workspace-near")) ((char *)workspace)[workspace_size] = 0;
    if (fault("rounding")) fesetround(FE_UPWARD);
#if defined(__SSE__)
    if (fault("flush")) _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    if (fault("leak")) kept = malloc(100000);
    if (fault("random")) flip(p, runs++ & 1);
    if (fault("stale")) flip(p, garbage >> 9 & 1);
    if (fault("future")) flip(p, last_bits_of(&p->in.v));
    if (fault("late-anchor")) flip(p, last_bits_of(&p->in.g));
    if (fault("unclaimed-stale")) flip(p, garbage & 0x02000000 ? 0 : 0x01000000);
    if (fault("position")) flip(p, 1);
    if (fault("state"))
        for (float *S = p->out.final_state.data; (char *)S < end_of(&p->out.final_state); S++) *S *= 1.05f;
}

int glassbox_plugin_run(problem *p, void *workspace, size_t workspace_size) {
    uint32_t garbage;
    memcpy(&garbage, workspace, sizeof garbage);
    int code = before_running(p);
    if (code != 0) return code < 0 ? 0 : code;
    struct glassbox_problem alone = *p;
    if (fault("packing") && p->N > 1 && p->cu_seqlens) {
        static int64_t one[2];
        one[1] = p->T;
        alone.cu_seqlens = one;
        alone.N = 1;
        right_run(p, workspace, workspace_size); /* all states are written; then one sequence over all of them */
    }
    if (fault("dense-inputs") || fault("dense")) go_by_shapes(&alone, fault("dense"));
    code = right_run(&alone, workspace, workspace_size);
    after_running(p, workspace, workspace_size, garbage);
    return code;
}
