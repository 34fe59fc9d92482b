/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: no stream of bytes, however malformed, may crash the frame reader, leak, be read past its end, or
 * keep it going. `make fuzz-stream [RUNS=n]`.
 *
 * The first byte chooses: odd, the bytes are the stream as it is; even, they are cut into frames whose lengths are made
 * right (n | 8 n bytes, n the next byte), so that mutation reaches behind the first frame. An input is a stream of
 * several frames: how many were read in all is printed at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compare/io/case.h"
#include "compare/io/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static struct {
    uint64_t streams, frames; /* frames of at least one byte */
    uint64_t files, cases;    /* of these: a safetensors file; a case */
} read_so_far;

static void print_totals(void) {
    fprintf(stderr,
            "checked %" PRIu64 " streams, %" PRIu64 " frames: %" PRIu64 " of them were files, %" PRIu64 " cases\n",
            read_so_far.streams, read_so_far.frames, read_so_far.files, read_so_far.cases);
}

static void demand(bool truth) {
    if (!truth) abort();
}

static void put(int fd, const void *bytes, size_t size) { demand(write(fd, bytes, size) == (ssize_t)size); }

/* Frames of the lengths that the input says; returns how many. */
static uint64_t put_frames(int fd, const uint8_t *input, size_t size) {
    uint64_t frames = 0;
    while (size > 1) {
        uint64_t length = (uint64_t)input[0] * 8;
        if (length > size - 1) length = size - 1;
        put(fd, &length, 8);
        put(fd, input + 1, length);
        input += 1 + length;
        size -= 1 + length;
        frames++;
    }
    return frames;
}

static void use(gla_tensor_file *frame) {
    gla_case c;
    gla_error err = {0};
    read_so_far.files++;
    if (gla_case_build(frame, NULL, "fuzz", NULL, &c, &err) == GLA_OK)
        read_so_far.cases++;
    else
        demand(err.what[0] != 0);
    gla_case_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static int fd = -1;
    if (size == 0) return 0;
    if (fd < 0) {
        fd = memfd_create("stream", 0);
        atexit(print_totals);
    }
    demand(fd >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    bool raw = input[0] & 1;
    uint64_t frames = 0;
    if (raw)
        put(fd, input + 1, size - 1);
    else
        frames = put_frames(fd, input + 1, size - 1);
    demand(lseek(fd, 0, SEEK_SET) == 0);

    gla_stream s = {.fd = fd, .limit = 1 << 20};
    read_so_far.streams++;
    for (uint64_t n = 0; !s.ended && !s.lost; n++) {
        gla_tensor_file frame;
        gla_error err = {0};
        demand(n <= (raw ? size / 8 + 1 : frames)); /* no frame without the 8 bytes of its length */
        off_t before = lseek(fd, 0, SEEK_CUR);
        if (gla_stream_next(&s, &frame, &err) == GLA_OK) {
            if (!s.ended) use(&frame);
        } else {
            demand(err.what[0] && !frame.count && !frame.bytes && !frame.metas);
            for (const char *c = err.what; *c; c++) demand((unsigned char)*c >= 0x20);
        }
        if (lseek(fd, 0, SEEK_CUR) > before + 8) read_so_far.frames++;
    }
    demand(raw || (s.ended && s.frames == frames));
    return 0;
}
