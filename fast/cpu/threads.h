/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop whose iterations may run at the same time.
 */
#ifndef GLASSBOX_THREADS_H
#define GLASSBOX_THREADS_H

#include <stddef.h>

/* How many processors this process may use; at least 1. */
int gla_processors(void);

/* work(data, i) once for every i < count, on up to `threads` threads (the caller's is one of them), in any order.
 * Never fails: threads that cannot be started are done without. `main_thread_done` (may be NULL) is called on the
 * caller's thread only, with the number of iterations begun so far. */
void gla_parallel(size_t count, int threads, void (*work)(void *data, size_t i), void *data,
                  void (*main_thread_done)(void *data, size_t begun));

#endif
