/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames: what is written is read again; every cut, every wrong length and every bad content is refused in one line,
 * and only what is lost is given up.
 */
#include "compare/io/stream.h"

#include <fcntl.h>

#include "plain_case.h"

/* Two frames of a plain case in a file of the scratch folder. */
static unsigned char *two_frames(size_t *size) {
    int fd = open(scratch("frames"), O_RDWR | O_CREAT | O_TRUNC, 0666);
    for (int i = 0; i < 2; i++) {
        gla_tensor_file file = plain_file(i == 1);
        gla_tensors_set_meta(&file, "case", i ? "second" : "first", NULL);
        ck_assert_int_eq(gla_stream_write(fd, &file, NULL), GLA_OK);
        gla_tensors_free(&file);
    }
    close(fd);
    return slurp(scratch("frames"), size);
}

/* A stream of these bytes. */
static gla_stream stream_of(const void *bytes, size_t size) {
    spill(scratch("stream"), bytes, size);
    return (gla_stream){.fd = open(scratch("stream"), O_RDONLY)};
}

START_TEST(there_and_back) {
    size_t size;
    unsigned char *bytes = two_frames(&size);
    gla_stream s = stream_of(bytes, size);
    gla_tensor_file file;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(gla_stream_next(&s, &file, NULL), GLA_OK);
        ck_assert(!s.ended && s.frames == (uint64_t)i + 1);
        ck_assert_str_eq(gla_tensors_meta(&file, "case"), i ? "second" : "first");
        ck_assert_uint_eq(file.count, i ? 16 : 8);
        gla_tensor_file again = plain_file(i == 1);
        for (size_t t = 0; t < again.count; t++)
            ck_assert(gla_tensors_same(&again.tensor[t], gla_tensors_find(&file, again.tensor[t].name)));
        gla_tensors_free(&again);
        gla_tensors_free(&file);
    }
    ck_assert_int_eq(gla_stream_next(&s, &file, NULL), GLA_OK);
    ck_assert(s.ended && !s.lost && s.frames == 2 && file.count == 0);
    close(s.fd);
    free(bytes);
}
END_TEST

/* The length is that of the file which follows. */
START_TEST(frame_is_length_and_file) {
    gla_tensor_file file = plain_file(true);
    size_t framed, whole;
    int fd = open(scratch("one"), O_WRONLY | O_CREAT, 0666);
    ck_assert_int_eq(gla_stream_write(fd, &file, NULL), GLA_OK);
    close(fd);
    ck_assert_int_eq(gla_tensors_write(scratch("x.safetensors"), &file, NULL), GLA_OK);
    unsigned char *a = slurp(scratch("one"), &framed), *b = slurp(scratch("x.safetensors"), &whole);
    uint64_t length;
    memcpy(&length, a, 8);
    ck_assert(length == whole && framed == whole + 8 && memcmp(a + 8, b, whole) == 0);
    free(a);
    free(b);
    gla_tensors_free(&file);
}
END_TEST

/* Cut anywhere: whole frames are read, then the end, or an error that loses the stream. */
START_TEST(cut_anywhere) {
    size_t size;
    unsigned char *bytes = two_frames(&size);
    uint64_t first;
    memcpy(&first, bytes, 8);
    for (size_t cut = 0; cut < size; cut += cut < 40 || cut > size - 40 ? 1 : 97) {
        gla_stream s = stream_of(bytes, cut);
        gla_tensor_file file;
        gla_error err = {0};
        size_t frames = 0;
        gla_status status;
        while ((status = gla_stream_next(&s, &file, &err)) == GLA_OK && !s.ended) {
            frames++;
            gla_tensors_free(&file);
        }
        bool border = cut == 0 || cut == first + 8;
        ck_assert_uint_eq(frames, cut >= first + 8);
        ck_assert_msg(border ? s.ended && !s.lost : s.lost && !s.ended, "cut at %zu", cut);
        if (!border) assert_refused(status, &err, GLA_BAD_FILE, "the stream ends");
        if (!border) ck_assert_int_ne(gla_stream_next(&s, &file, &err), GLA_OK);
        close(s.fd);
    }
    free(bytes);
}
END_TEST

/* A bad frame in the middle costs itself alone. */
START_TEST(bad_content_is_skipped) {
    size_t size;
    unsigned char *bytes = two_frames(&size), *longer = malloc(size + 8 + 20);
    uint64_t twenty = 20;
    memcpy(longer, &twenty, 8);
    memset(longer + 8, 'x', 20);
    memcpy(longer + 28, bytes, size);
    gla_stream s = stream_of(longer, size + 28);
    gla_tensor_file file;
    gla_error err = {0};
    assert_refused(gla_stream_next(&s, &file, &err), &err, GLA_BAD_FILE, "frame 1");
    ck_assert(!s.lost && file.count == 0);
    ck_assert_int_eq(gla_stream_next(&s, &file, &err), GLA_OK);
    ck_assert_str_eq(gla_tensors_meta(&file, "case"), "first");
    gla_tensors_free(&file);
    close(s.fd);
    free(longer);
    free(bytes);
}
END_TEST

START_TEST(lengths) {
    static const uint64_t huge[] = {GLA_FRAME_LIMIT + 1, (uint64_t)1 << 63, UINT64_MAX};
    gla_tensor_file file;
    gla_error err = {0};
    for (size_t i = 0; i < 3; i++) {
        gla_stream s = stream_of(&huge[i], 8);
        assert_refused(gla_stream_next(&s, &file, &err), &err, GLA_BAD_FILE, "at most 1073741824 are read");
        ck_assert(s.lost);
        close(s.fd);
    }
    /* a length that is allowed and a lie: memory follows the bytes that come */
    uint64_t lie[2] = {GLA_FRAME_LIMIT, 1};
    gla_stream s = stream_of(lie, sizeof lie);
    assert_refused(gla_stream_next(&s, &file, &err), &err, GLA_BAD_FILE, "after 8 of its 1073741824 bytes");
    close(s.fd);
    uint64_t zero = 0;
    s = stream_of(&zero, 8);
    assert_refused(gla_stream_next(&s, &file, &err), &err, GLA_BAD_FILE, "frame 1: 0 bytes");
    ck_assert(!s.lost);
    close(s.fd);
}
END_TEST

/* From a pipe, in steps of every size. */
START_TEST(slow_pipe) {
    size_t size;
    unsigned char *bytes = two_frames(&size);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t writer = fork();
    if (writer == 0) {
        for (size_t at = 0, step = 1; at < size; at += step, step = step % 700 + 13) {
            if (step > size - at) step = size - at;
            if (write(ends[1], bytes + at, step) != (ssize_t)step) _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    gla_stream s = {.fd = ends[0], .timeout_ms = 10000};
    gla_tensor_file file;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(gla_stream_next(&s, &file, NULL), GLA_OK);
        gla_tensors_free(&file);
    }
    ck_assert(gla_stream_next(&s, &file, NULL) == GLA_OK && s.ended);
    close(ends[0]);
    free(bytes);
}
END_TEST

START_TEST(silence_times_out) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq((int)write(ends[1], "abc", 3), 3);
    gla_stream s = {.fd = ends[0], .timeout_ms = 50};
    gla_tensor_file file;
    gla_error err = {0};
    assert_refused(gla_stream_next(&s, &file, &err), &err, GLA_IO_ERROR, "nothing arrived for 0.05 seconds");
    ck_assert(s.lost);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(closed_file) {
    gla_stream s = {.fd = -1};
    gla_tensor_file file = {0};
    gla_error err = {0};
    assert_refused(gla_stream_next(&s, &file, &err), &err, GLA_IO_ERROR, "frame 1");
    ck_assert_int_eq(gla_stream_write(-1, &file, &err), GLA_IO_ERROR);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("io/stream");
    TCase *t = scratch_group(s, "stream");
    tcase_add_test(t, there_and_back);
    tcase_add_test(t, frame_is_length_and_file);
    tcase_add_test(t, cut_anywhere);
    tcase_add_test(t, bad_content_is_skipped);
    tcase_add_test(t, lengths);
    tcase_add_test(t, slow_pipe);
    tcase_add_test(t, silence_times_out);
    tcase_add_test(t, closed_file);
    return s;
}

int main(void) { return test_main(suite()); }
