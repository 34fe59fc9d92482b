/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of tensor files: frames, one after the other, on a pipe or in a file.
 *
 *     frame = u64 little-endian length, then that many bytes: one whole safetensors file
 *
 * The end of the input between two frames ends the stream.
 *
 *     gla_stream in = {.fd = 0};
 *     while (gla_stream_next(&in, &file, &err) == GLA_OK && !in.ended) { ... gla_tensors_free(&file); }
 *
 * Nothing in a stream is believed. A frame whose bytes are no safetensors file is an error, and the next call goes on
 * behind it. A length above the limit, or an end inside a frame, loses the stream: where the next frame begins is not
 * known. Memory follows the bytes that arrive, not the length that is claimed.
 */
#ifndef GLASSBOX_IO_STREAM_H
#define GLASSBOX_IO_STREAM_H

#include "tensors.h"

#define GLA_FRAME_LIMIT ((uint64_t)1 << 30)

typedef struct gla_stream {
    int fd;
    uint64_t limit;  /* bytes of one frame, at most; 0: GLA_FRAME_LIMIT */
    int timeout_ms;  /* the stream is lost when nothing arrives for so long; 0 or less: never */
    uint64_t frames; /* frames begun so far, bad ones too: the last is number `frames`, from 1 */
    bool ended;      /* the input ended where it may */
    bool lost;       /* no further frame can be found */
} gla_stream;

/* The next frame. GLA_OK with `ended` at the end; else `out` is the caller's to free (gla_tensors_free). After an error
 * `out` is empty; if `lost` is set, every further call fails too. Errors: GLA_BAD_FILE, GLA_IO_ERROR, GLA_NO_MEMORY,
 * and those of gla_tensors_parse; the text says which frame. */
gla_status gla_stream_next(gla_stream *s, gla_tensor_file *out, gla_error *err);

/* Write one frame. */
gla_status gla_stream_write(int fd, const gla_tensor_file *file, gla_error *err);

#endif
