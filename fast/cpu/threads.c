/* SPDX-License-Identifier: Apache-2.0
 *
 * Iterations are handed out one by one from a shared counter; which thread runs one has no effect on its result.
 */
#include "threads.h"

#include <mpfr.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { MOST_THREADS = 64 };

struct loop {
    atomic_size_t next;
    size_t count;
    void (*work)(void *, size_t);
    void *data;
};

int gla_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

static bool one(struct loop *loop) {
    size_t i = atomic_fetch_add(&loop->next, 1);
    if (i >= loop->count) return false;
    loop->work(loop->data, i);
    return true;
}

static void *worker(void *loop) {
    while (one(loop)) {
    }
    mpfr_free_cache(); /* of this thread: what the work has left there */
    return NULL;
}

void gla_parallel(size_t count, int threads, void (*work)(void *data, size_t i), void *data,
                  void (*main_thread_done)(void *data, size_t begun)) {
    struct loop loop = {.count = count, .work = work, .data = data};
    pthread_t others[MOST_THREADS];
    int started = 0, wanted = threads - 1 < MOST_THREADS ? threads - 1 : MOST_THREADS;
    atomic_init(&loop.next, 0);
    while (started < wanted && (size_t)started + 1 < count &&
           pthread_create(&others[started], NULL, worker, &loop) == 0)
        started++;
    while (one(&loop)) {
        size_t begun = atomic_load(&loop.next);
        if (main_thread_done) main_thread_done(data, begun < count ? begun : count);
    }
    while (started > 0) pthread_join(others[--started], NULL);
}
