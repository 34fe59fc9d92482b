/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a safetensors file without any library: integer tensors and text.
 */
#ifndef GLASSBOX_PROBE_DUMP_H
#define GLASSBOX_PROBE_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DUMP_TENSORS = 64, DUMP_TEXTS = 256 };

typedef struct dump {
    struct {
        char name[64];
        int bytes; /* of an element: 2, 4 or 8 */
        size_t count;
        void *data;
    } tensor[DUMP_TENSORS];
    struct {
        char key[64], value[128];
    } text[DUMP_TEXTS];
    size_t tensors, texts;
} dump;

/* The low `bytes` of each word, copied. False when memory or room is short. */
bool dump_add(dump *d, const char *name, int bytes, const uint64_t *word, size_t count);
bool dump_text(dump *d, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* NULL, or what failed. */
const char *dump_write(const dump *d, const char *path);
void dump_free(dump *d);

#endif
