/* SPDX-License-Identifier: Apache-2.0
 *
 * Named tensors and metadata strings, from and to files: safetensors, npz and single npy arrays.
 *
 *     gla_tensor_file file;
 *     gla_tensors_read("case.safetensors", &file, &err);        format by content
 *     const gla_named_tensor *q = gla_tensors_find(&file, "q");
 *     gla_tensor_to_double(q, value, &err);                     exact for every floating-point
 * dtype gla_tensors_free(&file);
 *
 * safetensors: u64 little-endian header length, JSON header, raw bytes without gaps or overlaps.
 * npz: a zip (stored or deflated) of NAME.npy members, C order, little endian; metadata strings in
 * a member "metadata.json" (one JSON object, string -> string). numpy has no type for three of
 * ours, which travel as unsigned integers with the type in the name: q_bf16.npy ('<u2'),
 * q_f8_e4m3.npy and q_f8_e5m2.npy ('|u1').
 *
 * Nothing in a file is believed: every length, offset and product of sizes is checked before it is
 * used, and what is refused is named (file, tensor, byte). Limits: rank 8, 2^31 elements a tensor,
 * a header of 100 MB, a file of 32 GiB.
 */
#ifndef GLASSBOX_IO_TENSORS_H
#define GLASSBOX_IO_TENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../reference/number/format.h"
#include "../../reference/status.h"

/* ---- element types (dtype.c) ---- */

typedef enum gla_dtype {
    GLA_F64,
    GLA_F32,
    GLA_BF16,
    GLA_F16,
    GLA_F8_E4M3,
    GLA_F8_E5M2,
    GLA_I64,
    GLA_I32,
    GLA_I16,
    GLA_I8,
    GLA_U64,
    GLA_U32,
    GLA_U16,
    GLA_U8,
    GLA_BOOL,
    GLA_DTYPES
} gla_dtype;

const char *gla_dtype_name(gla_dtype dtype); /* as in safetensors: "F64" ... "BOOL" */
size_t gla_dtype_size(gla_dtype dtype);      /* bytes of one element */
bool gla_dtype_named(const char *name, gla_dtype *dtype);
const gla_format *gla_dtype_format(gla_dtype dtype); /* NULL for integers */

/* ---- a file in memory (tensors.c) ---- */

enum { GLA_RANK_LIMIT = 8 };

typedef struct gla_named_tensor {
    char *name;
    gla_dtype dtype;
    int rank;
    int64_t shape[GLA_RANK_LIMIT];
    int64_t count;   /* product of shape, 1 for rank 0 */
    const void *raw; /* count little-endian elements, row-major, of any alignment */
    void *owned;     /* what to free, or NULL: raw lies in the file's bytes */
} gla_named_tensor;

typedef struct gla_tensor_file {
    gla_named_tensor *tensor;
    size_t count;
    char **meta_key, **meta_value;
    size_t metas;
    void *bytes; /* the whole file, when the tensors point into it */
} gla_tensor_file;

/* Read a whole file. `out` is set in any case, and empty after a failure. */
gla_status gla_tensors_read(const char *path, gla_tensor_file *out, gla_error *err);

/* The same from memory. The tensors may point into `bytes`, which must outlive them. `name` is for
 * messages, and names the tensor of a single npy array. */
gla_status gla_tensors_parse(const void *bytes, size_t size, const char *name, gla_tensor_file *out, gla_error *err);

/* Write .safetensors or .npz, by suffix. The bytes go to a new file in the same folder, which takes
 * the name only when all of it is on the disk: a failure leaves nothing behind and an old file as
 * it was. A path that exists and is no regular file (/dev/stdout) is written directly, as
 * safetensors. */
gla_status gla_tensors_write(const char *path, const gla_tensor_file *file, gla_error *err);

/* Start with `gla_tensor_file file = {0}` and add. Values are copied, and rounded to nearest into
 * the dtype. */
gla_status gla_tensors_add(gla_tensor_file *file, const char *name, gla_dtype dtype, int rank, const int64_t *shape,
                           const double *value, gla_error *err);
/* As I64. */
gla_status gla_tensors_add_integers(gla_tensor_file *file, const char *name, int rank, const int64_t *shape,
                                    const int64_t *value, gla_error *err);
gla_status gla_tensors_set_meta(gla_tensor_file *file, const char *key, const char *value, gla_error *err);

const gla_named_tensor *gla_tensors_find(const gla_tensor_file *file, const char *name); /* or NULL */
const char *gla_tensors_meta(const gla_tensor_file *file, const char *key);              /* or NULL */

/* The same type, shape and bits? */
bool gla_tensors_same(const gla_named_tensor *a, const gla_named_tensor *b);

void gla_tensors_drop(gla_tensor_file *file); /* the tensors and bytes; the metadata stays */
void gla_tensors_free(gla_tensor_file *file);

/* ---- values (dtype.c) ---- */

/* count values. Exact, NaN and infinities included; integers beyond 2^53 in size are refused
 * (GLA_BAD_VALUE). */
gla_status gla_tensor_to_double(const gla_named_tensor *x, double *value, gla_error *err);
/* Integer dtypes only; U64 beyond int64 is refused. */
gla_status gla_tensor_to_integers(const gla_named_tensor *x, int64_t *value, gla_error *err);

/* "[1,320,2,64]" into text, cut to fit; returns text. */
const char *gla_shape_text(int rank, const int64_t *shape, char *text, size_t size);

#endif
