/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker: loads the plug-in and runs it on the shared memory (plugin_memory.h). Everything here may die at any
 * line; `answer.stage` tells the oracle where it was.
 */
#include "cli_plugin.h"

#include <dlfcn.h>
#include <fenv.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "plugin_memory.h"

static gla_plugin_shared *shared;

static void refuse(const char *text) {
    snprintf(shared->answer.text, sizeof shared->answer.text, "%s", text);
    shared->answer.stage = GLA_STAGE_REFUSED;
    _exit(0);
}

/* ---- faults: the address of the fatal access, then the default action ---- */

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    shared->answer.fault = (uint64_t)(uintptr_t)info->si_addr;
    signal(signal_number, SIG_DFL);
    if (info->si_code <= 0) raise(signal_number); /* sent, not met: it would not come again by itself */
}

static void catch_faults(void) {
    static char stack[1 << 16];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = on_fault;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* ---- surroundings ---- */

static void limit_resources(int64_t memory) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){1u << 30, 1u << 30});
    if (memory > 0) setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)memory, (rlim_t)memory});
}

static unsigned vector_state(void) {
#if defined(__SSE__)
    return _mm_getcsr() & ~(unsigned)_MM_EXCEPT_MASK;
#else
    return 0;
#endif
}

static void open_pages(const gla_shared_tensor *t, int protection) {
    char *base = (char *)shared;
    if (t->bytes && mprotect(base + t->pages, (size_t)t->pages_size, protection) != 0) refuse("mprotect failed");
}

/* Inputs for reading, outputs for writing; gaps stay closed. */
static void open_tensors(const gla_plugin_request *r) {
    open_pages(&r->cu_seqlens, PROT_READ);
    for (int i = 0; i < GLA_INPUTS; i++) open_pages(&r->in[i], PROT_READ);
    for (int pass = 0; pass < r->passes; pass++)
        for (int i = 0; i < GLA_OUTPUTS; i++) open_pages(&r->out[pass][i], PROT_READ | PROT_WRITE);
}

/* ---- the plug-in ---- */

typedef struct plugin_calls {
    const struct glassbox_info *(*info)(void);
    int (*run)(const struct glassbox_problem *, void *, size_t);
    int64_t (*workspace)(const struct glassbox_problem *);
} plugin_calls;

static void load(const char *path, plugin_calls *calls) {
    shared->answer.stage = GLA_STAGE_LOAD;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) refuse(dlerror());
    shared->answer.stage = GLA_STAGE_SYMBOLS;
    *(void **)&calls->info = dlsym(library, "glassbox_plugin_info");
    *(void **)&calls->run = dlsym(library, "glassbox_plugin_run");
    *(void **)&calls->workspace = dlsym(library, "glassbox_plugin_workspace");
    if (!calls->info) refuse("no symbol glassbox_plugin_info");
    if (!calls->run) refuse("no symbol glassbox_plugin_run");
}

static void ask_info(const plugin_calls *calls) {
    gla_plugin_answer *a = &shared->answer;
    char text[160];
    a->stage = GLA_STAGE_INFO;
    const struct glassbox_info *info = calls->info();
    if (!info) refuse("glassbox_plugin_info returned NULL");
    if (info->abi_version < 1 || info->abi_version > GLASSBOX_ABI_VERSION) {
        snprintf(text, sizeof text, "it speaks version %u of the interface, this program version %u", info->abi_version,
                 (unsigned)GLASSBOX_ABI_VERSION);
        refuse(text);
    }
    if (info->size != sizeof *info) {
        snprintf(text, sizeof text, "glassbox_info.size is %u, not %zu", info->size, sizeof *info);
        refuse(text);
    }
    a->info = *info;
    if (info->name) snprintf(a->name, sizeof a->name, "%s", info->name);
    if (info->mechanisms) snprintf(a->mechanisms, sizeof a->mechanisms, "%s", info->mechanisms);
}

/* ---- one pass ---- */

static struct glassbox_input input_of(const gla_shared_tensor *t) {
    struct glassbox_input x = {.dtype = t->dtype};
    if (t->bytes) x.data = (char *)shared + t->at;
    memcpy(x.shape, t->shape, sizeof x.shape);
    memcpy(x.stride, t->stride, sizeof x.stride);
    return x;
}

static struct glassbox_output output_of(const gla_shared_tensor *t) {
    struct glassbox_output x = {.dtype = t->dtype};
    if (t->bytes) x.data = (char *)shared + t->at;
    memcpy(x.shape, t->shape, sizeof x.shape);
    memcpy(x.stride, t->stride, sizeof x.stride);
    return x;
}

static struct glassbox_problem problem_of(const gla_plugin_request *r, int pass, uint32_t version, char *reason,
                                          size_t size) {
    const gla_shared_tensor *in = r->in, *out = r->out[pass];
    reason[0] = 0;
    return (struct glassbox_problem){
        .size = sizeof(struct glassbox_problem),
        .version = version,
        .mechanism = r->mechanism,
        .B = r->B,
        .T = r->T,
        .H = r->H,
        .dk = r->dk,
        .dv = r->dv,
        .N = r->N,
        .cu_seqlens = r->packed ? (const int64_t *)input_of(&r->cu_seqlens).data : NULL,
        .scale = r->scale,
        .reverse = r->reverse,
        .backward = r->backward,
        .in = {input_of(&in[GLA_IN_Q]), input_of(&in[GLA_IN_K]), input_of(&in[GLA_IN_V]), input_of(&in[GLA_IN_GK]),
               input_of(&in[GLA_IN_GV]), input_of(&in[GLA_IN_INITIAL_STATE]), input_of(&in[GLA_IN_DO]),
               input_of(&in[GLA_IN_DFINAL_STATE])},
        .out = {output_of(&out[GLA_O]), output_of(&out[GLA_FINAL_STATE]), output_of(&out[GLA_DQ]),
                output_of(&out[GLA_DK]), output_of(&out[GLA_DV]), output_of(&out[GLA_DGK]), output_of(&out[GLA_DGV]),
                output_of(&out[GLA_DINITIAL_STATE])},
        .reason = reason,
        .reason_size = size,
        .M = r->M,
        .more = {input_of(&in[GLA_IN_BETA]), input_of(&in[GLA_IN_I]), input_of(&in[GLA_IN_F]),
                 input_of(&in[GLA_IN_INITIAL_N]), input_of(&in[GLA_IN_INITIAL_M]), input_of(&in[GLA_IN_DFINAL_N]),
                 input_of(&in[GLA_IN_U]), input_of(&in[GLA_IN_LOWER_BOUND]), input_of(&in[GLA_IN_DT]),
                 input_of(&in[GLA_IN_A_LOG]), input_of(&in[GLA_IN_D]), input_of(&in[GLA_IN_DT_BIAS]),
                 input_of(&in[GLA_IN_Z]), input_of(&in[GLA_IN_S]), input_of(&in[GLA_IN_INITIAL_KEYS]),
                 input_of(&in[GLA_IN_DFINAL_KEYS])},
        .more_out = {output_of(&out[GLA_FINAL_N]), output_of(&out[GLA_FINAL_M]), output_of(&out[GLA_FINAL_KEYS]),
                     output_of(&out[GLA_DBETA]), output_of(&out[GLA_DI]), output_of(&out[GLA_DF]),
                     output_of(&out[GLA_DINITIAL_N]), output_of(&out[GLA_DINITIAL_M]), output_of(&out[GLA_DU]),
                     output_of(&out[GLA_DLOWER_BOUND]), output_of(&out[GLA_DDT]), output_of(&out[GLA_DA_LOG]),
                     output_of(&out[GLA_DD]), output_of(&out[GLA_DDT_BIAS]), output_of(&out[GLA_DZ]),
                     output_of(&out[GLA_DS]), output_of(&out[GLA_DINITIAL_KEYS])}};
}

/* A workspace between closed pages, full of poison; its canary is checked after the pass. */
typedef struct workspace {
    char *map;
    size_t map_size;
    gla_shared_tensor place; /* relative to map */
} workspace;

static workspace open_workspace(int64_t bytes, uint16_t poison) {
    workspace w = {0};
    if (bytes == 0) return w;
    int64_t end = 0;
    gla_shared_place(&w.place, bytes, &end);
    w.map_size = (size_t)end + GLA_PLUGIN_GAP;
    w.map = mmap(NULL, w.map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w.map == MAP_FAILED || mprotect(w.map + w.place.pages, (size_t)w.place.pages_size, PROT_READ | PROT_WRITE) != 0)
        refuse("no memory for the workspace it asks for");
    gla_poison(w.map + w.place.pages, w.place.pages_size, GLA_POISON_A);
    gla_poison(w.map + w.place.at, bytes, poison);
    shared->answer.workspace_base = (uint64_t)(uintptr_t)(w.map + w.place.at);
    return w;
}

static void close_workspace(workspace *w) {
    if (!w->map) return;
    int64_t broken = gla_canary_broken(w->map, &w->place);
    if (broken) shared->answer.workspace_broken = broken;
    munmap(w->map, w->map_size);
    shared->answer.workspace_base = 0;
}

static int64_t heap_in_use(void) {
    struct mallinfo2 m = mallinfo2();
    return (int64_t)(m.uordblks + m.hblkhd);
}

/* What glassbox_plugin_run returned. */
static int run_pass(const plugin_calls *calls, const gla_plugin_request *r, int pass) {
    gla_plugin_answer *a = &shared->answer;
    char reason[sizeof a->text];
    struct glassbox_problem p = problem_of(r, pass, shared->answer.info.abi_version, reason, sizeof reason);
    a->stage = GLA_STAGE_WORKSPACE;
    a->workspace = calls->workspace ? calls->workspace(&p) : 0;
    if (a->workspace < 0 || a->workspace > (int64_t)1 << 40) {
        snprintf(reason, sizeof reason, "it asks for a workspace of %lld bytes", (long long)a->workspace);
        refuse(reason);
    }
    workspace w = open_workspace(a->workspace, r->poison[pass]);
    p = problem_of(r, pass, shared->answer.info.abi_version, reason, sizeof reason);
    a->stage = GLA_STAGE_RUN;
    a->code = calls->run(&p, w.map ? w.map + w.place.at : NULL, (size_t)a->workspace);
    reason[sizeof reason - 1] = 0;
    snprintf(a->text, sizeof a->text, "%s", reason);
    close_workspace(&w);
    return a->code;
}

static void run_passes(const plugin_calls *calls, const gla_plugin_request *r) {
    gla_plugin_answer *a = &shared->answer;
    fenv_t environment;
    fegetenv(&environment);
    int rounding = fegetround();
    unsigned state = vector_state();
    for (int pass = 0; pass < r->passes; pass++) {
        int code = run_pass(calls, r, pass);
        if (fegetround() != rounding || vector_state() != state) a->environment_changed = true;
        fesetenv(&environment);
        a->heap[pass] = heap_in_use();
        if (code != 0) break;
    }
    a->stage = GLA_STAGE_RETURNED;
}

/* The oracle's mapping of the shared memory is given up for one of this process, with its gaps closed. */
static void map_again(gla_plugin_shared *whole) {
    int64_t size = whole->size, front = sysconf(_SC_PAGESIZE);
    while (front < (int64_t)sizeof *whole) front += sysconf(_SC_PAGESIZE);
    munmap(whole, (size_t)size);
    shared = mmap(NULL, (size_t)size, PROT_NONE, MAP_SHARED, GLA_PLUGIN_FD, 0);
    if (shared == MAP_FAILED || mprotect(shared, (size_t)front, PROT_READ | PROT_WRITE) != 0) _exit(1);
    close(GLA_PLUGIN_FD);
    shared->answer.base = (uint64_t)(uintptr_t)shared;
}

void cli_plugin_work(gla_plugin_shared *whole) {
    static gla_plugin_request request; /* a copy out of the plug-in's reach by accident */
    plugin_calls calls = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    map_again(whole);
    request = shared->request;
    open_tensors(&request);
    limit_resources(request.memory_limit);
    catch_faults();
    load(request.path, &calls);
    ask_info(&calls);
    if (!request.info_only) run_passes(&calls, &request);
    _exit(0);
}
