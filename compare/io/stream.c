/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames (stream.h): the length, then the bytes in steps that double, then the safetensors reader.
 */
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parts.h"

typedef char frame_name[32];

static const char *name_frame(const gla_stream *s, frame_name text) {
    snprintf(text, sizeof(frame_name), "frame %" PRIu64, s->frames);
    return text;
}

/* Wait for bytes, or for the end. */
static gla_status wait_for(const gla_stream *s, const char *where, gla_error *err) {
    struct pollfd ready = {.fd = s->fd, .events = POLLIN};
    int n = 1;
    if (s->timeout_ms > 0)
        while ((n = poll(&ready, 1, s->timeout_ms)) < 0 && errno == EINTR) continue;
    if (n < 0) return gla_fail(err, GLA_IO_ERROR, "%s: %s", where, strerror(errno));
    if (n > 0) return GLA_OK;
    return gla_fail(err, GLA_IO_ERROR, "%s: nothing arrived for %.3g seconds", where, s->timeout_ms / 1e3);
}

/* Up to `size` bytes; *got is less only at the end of the input. */
static gla_status read_up_to(const gla_stream *s, unsigned char *bytes, size_t size, size_t *got, const char *where,
                             gla_error *err) {
    for (*got = 0; *got < size;) {
        gla_status status = wait_for(s, where, err);
        if (status) return status;
        ssize_t n = read(s->fd, bytes + *got, size - *got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return gla_fail(err, GLA_IO_ERROR, "%s: %s", where, strerror(errno));
        if (n == 0) break;
        *got += (size_t)n;
    }
    return GLA_OK;
}

/* `size` bytes into memory that grows as they arrive. */
static gla_status read_body(const gla_stream *s, uint64_t size, unsigned char **bytes, const char *where,
                            gla_error *err) {
    enum { FIRST_STEP = 1 << 16 };
    uint64_t have = 0;
    *bytes = malloc(1);
    while (*bytes && have < size) {
        uint64_t room = have ? 2 * have : FIRST_STEP;
        if (room > size) room = size;
        unsigned char *larger = realloc(*bytes, room);
        if (!larger) break;
        *bytes = larger;
        size_t got;
        gla_status status = read_up_to(s, *bytes + have, room - have, &got, where, err);
        if (status) return status;
        have += got;
        if (have < room)
            return gla_fail(err, GLA_BAD_FILE, "%s: the stream ends after %" PRIu64 " of its %" PRIu64 " bytes", where,
                            have, size);
    }
    return *bytes && have == size ? GLA_OK : gla_fail(err, GLA_NO_MEMORY, "%s: no memory", where);
}

/* The length of the next frame, or the end. */
static gla_status read_length(gla_stream *s, uint64_t *length, gla_error *err) {
    frame_name where;
    size_t got;
    unsigned char bytes[8];
    gla_status status = read_up_to(s, bytes, sizeof bytes, &got, name_frame(s, where), err);
    if (status) return status;
    s->ended = got == 0;
    if (s->ended) return GLA_OK;
    if (got < sizeof bytes) return gla_fail(err, GLA_BAD_FILE, "%s: the stream ends inside the frame's length", where);
    memcpy(length, bytes, sizeof bytes); /* parts.h: little endian */
    if (*length <= s->limit) return GLA_OK;
    gla_fail(err, GLA_BAD_FILE, "%s claims %" PRIu64 " bytes, at most %" PRIu64 " are read", where, *length, s->limit);
    return gla_hint(err, GLA_BAD_FILE, "a frame is a u64 little-endian length and then a safetensors file");
}

gla_status gla_stream_next(gla_stream *s, gla_tensor_file *out, gla_error *err) {
    *out = (gla_tensor_file){0};
    if (s->lost) return gla_fail(err, GLA_BAD_FILE, "the stream is lost after frame %" PRIu64, s->frames);
    if (!s->limit) s->limit = GLA_FRAME_LIMIT;
    s->frames++;
    frame_name where;
    name_frame(s, where);
    uint64_t length = 0;
    unsigned char *bytes = NULL;
    gla_status status = read_length(s, &length, err);
    if (s->ended) s->frames--;
    if (!status && !s->ended) status = read_body(s, length, &bytes, where, err);
    s->lost = status != GLA_OK;
    if (!status && !s->ended) status = gla_safetensors_parse(bytes, length, where, out, err);
    if (!status && !s->ended) {
        out->bytes = bytes;
        return GLA_OK;
    }
    free(bytes);
    gla_tensors_free(out);
    return status;
}

gla_status gla_stream_write(int fd, const gla_tensor_file *file, gla_error *err) {
    return gla_safetensors_write(fd, "the stream", true, file, err);
}
