/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: no bytes, however malformed, may crash, leak or be read past their end. `make fuzz [RUNS=n]`.
 *
 * The first byte says what the rest is, so that mutation need not guess lengths and checksums:
 *     F  a whole file as it is (safetensors, npz or npy)
 *     S  u16 n | JSON | data: safetensors whose header length is made right
 *     N  u16 n | dictionary | elements: npy whose length is made right
 * What can be read is converted, and built into a case (its own candidate when the size is odd).
 */
#include <stdlib.h>
#include <string.h>

#include "compare/io/case.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void demand(bool truth) {
    if (!truth) abort();
}

/* Fresh bytes of the exact size, so that the address sanitizer sees the end. */
static uint8_t *make_file(const uint8_t *input, size_t size, size_t *length) {
    const char *npy = "\x93NUMPY\2";
    size_t text = size >= 3 ? input[1] | (size_t)input[2] << 8 : 0, frame = input[0] == 'S' ? 8 : 12;
    bool whole = size < 3 || (input[0] != 'S' && input[0] != 'N');
    size_t skip = whole ? 1 : 3;
    if (whole) frame = 0;
    *length = frame + size - skip;
    uint8_t *bytes = malloc(*length ? *length : 1);
    demand(bytes != NULL);
    memcpy(bytes + frame, input + skip, size - skip);
    if (text > size - skip) text = size - skip;
    uint64_t claim = text;
    if (frame == 8) memcpy(bytes, &claim, 8);
    if (frame == 12) {
        memcpy(bytes, npy, 8);
        memcpy(bytes + 8, &claim, 4);
    }
    return bytes;
}

/* A refusal has one printable line, and leaves nothing. */
static void check_refusal(const gla_error *err, const gla_tensor_file *file) {
    demand(err->what[0] != 0);
    for (const char *c = err->what; *c; c++) demand((unsigned char)*c >= 0x20);
    if (file) demand(!file->tensor && !file->count && !file->metas && !file->bytes);
}

static void convert_all(const gla_tensor_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        const gla_named_tensor *x = &file->tensor[i];
        double *value = malloc(((size_t)x->count + 1) * sizeof *value);
        demand(value != NULL);
        gla_tensor_to_double(x, value, NULL);
        free(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    if (size == 0) return 0;
    size_t length;
    uint8_t *bytes = make_file(input, size, &length);
    gla_tensor_file file, candidate;
    gla_error err = {0};
    if (gla_tensors_parse(bytes, length, "fuzz", &file, &err) != GLA_OK) {
        check_refusal(&err, &file);
    } else {
        convert_all(&file);
        bool second = length & 1 && gla_tensors_parse(bytes, length, "fuzz", &candidate, NULL) == GLA_OK;
        gla_case c;
        gla_case_options options = {.prefix = length % 5 == 0 ? "a." : NULL, .allow_growth = length & 2};
        if (gla_case_build(&file, second ? &candidate : NULL, "fuzz", &options, &c, &err) != GLA_OK)
            check_refusal(&err, &c.metadata);
        gla_case_free(&c);
    }
    free(bytes);
    return 0;
}
