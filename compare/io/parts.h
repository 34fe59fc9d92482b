/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share and nobody else needs: the formats' readers and writers, and
 * the one place where a tensor with an untrusted name and shape enters a gla_tensor_file.
 */
#ifndef GLASSBOX_IO_PARTS_H
#define GLASSBOX_IO_PARTS_H

#include <jansson.h>

#include "tensors.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the tensor files are little endian and are read in place: a big-endian machine is not supported"
#endif

/* Readers: `where` opens every message. They add to `out`; the caller frees it on failure. */
gla_status gla_safetensors_parse(const unsigned char *bytes, size_t size, const char *where, gla_tensor_file *out,
                                 gla_error *err);
gla_status gla_npz_parse(const unsigned char *bytes, size_t size, const char *where, gla_tensor_file *out,
                         gla_error *err);
/* One npy array, as tensor `name` (a type suffix such as "_bf16" is taken off). `owned` is given to
 * the tensor, on success only. */
gla_status gla_npy_parse(const unsigned char *bytes, size_t size, const char *name, void *owned, const char *where,
                         gla_tensor_file *out, gla_error *err);

/* Writers. `framed`: the length of the whole comes first, as stream.h has it. */
gla_status gla_safetensors_write(int fd, const char *where, bool framed, const gla_tensor_file *file, gla_error *err);
gla_status gla_npz_write(const char *path, const char *where, const gla_tensor_file *file, gla_error *err);
/* The npy header (magic, version, dictionary, padding) of a tensor; malloc'ed, NULL = no memory. */
char *gla_npy_header(const gla_named_tensor *x, size_t *size);
/* The member name of a tensor, "q_bf16.npy"; malloc'ed, NULL = no memory. */
char *gla_npy_member(const gla_named_tensor *x);
gla_status gla_write_all(int fd, const void *bytes, size_t size, const char *where, gla_error *err);

/* Append a tensor after checking name (printable, not empty), rank, sizes and their product; sets
 * *x to it, with raw and owned NULL. x stays valid until the next append. */
gla_status gla_tensors_append(gla_tensor_file *file, const char *name, gla_dtype dtype, int rank, const int64_t *shape,
                              const char *where, gla_named_tensor **x, gla_error *err);

/* Round count values into raw elements of a floating-point dtype. */
void gla_dtype_store(gla_dtype dtype, const double *value, int64_t count, void *raw);

/* Metadata: a JSON object of strings. gla_meta_append is for keys known to be new. */
gla_status gla_meta_append(gla_tensor_file *file, const char *key, const char *value, gla_error *err);
gla_status gla_meta_from_json(gla_tensor_file *file, const json_t *object, const char *where, gla_error *err);
json_t *gla_meta_to_json(const gla_tensor_file *file); /* NULL: no memory, or a string that is not UTF-8 */

/* Text of unknown origin made fit for a one-line message: control bytes become '?', the end is cut.
 * Returns room. */
typedef char gla_shown_room[96];
const char *gla_shown(gla_shown_room room, const char *text);
const char *gla_shown_path(gla_shown_room room, const char *path); /* the same, cut at the front */

#endif
