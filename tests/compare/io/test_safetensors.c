/* SPDX-License-Identifier: Apache-2.0
 *
 * Malformed safetensors: every lie in a header is refused, with a message that names the tensor or the byte.
 */
#include "scratch.h"

/* length | json | data of zeros, in fresh memory so that a read past the end is seen by valgrind and the sanitizers. */
static unsigned char *make_safetensors(const char *json, size_t data, size_t *size) {
    uint64_t length = strlen(json);
    *size = 8 + length + data;
    unsigned char *bytes = calloc(1, *size);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, json, length);
    return bytes;
}

static const struct bad_header {
    const char *json;
    size_t data;
    gla_status status;
    const char *needle;
} bad_headers[] = {
    {"", 0, GLA_BAD_FILE, "byte 8"},
    {"[]", 0, GLA_BAD_FILE, "byte 8"},
    {"{", 0, GLA_BAD_FILE, "header, byte 9"},
    {"{} x", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"q\":", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"q\":1}", 0, GLA_BAD_FILE, "'q' is not a JSON object"},
    {"{\"\\u0000\":1}", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"\xff\":1}", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'a?b'"},
    {"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "empty"},
    {"{\"q\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': dtype"},
    {"{\"q\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': dtype"},
    {"{\"q\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_UNSUPPORTED, "'q': dtype F4"},
    {"{\"q\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': shape"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': shape"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': size 0"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1,-1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': size 1"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': shape"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE,
     "header, byte"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "2^31"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[65536,65536],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "[65536,65536]"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "2^31"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2,4611686018427387904],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "2^31"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,0],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "2^31"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\"0\",\"4\"]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, GLA_BAD_FILE,
     "'q' ends at data byte 8, the file has 4"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775803,9223372036854775807]}}", 4,
     GLA_BAD_FILE, "'q' ends"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE,
     "'q' has 4 bytes, F32 of shape [2] needs 8"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, GLA_BAD_FILE,
     "'q' has 8 bytes, F32 of shape [1] needs 4"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, GLA_BAD_FILE,
     "end at data byte 4, the file has 8"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, GLA_BAD_FILE,
     "'q' begins at data byte 4, the one before ends at 0: a gap"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"k\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
     "offsets\":[4,12]}}",
     12, GLA_BAD_FILE, "'k' begins at data byte 4, the one before ends at 8: they overlap"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[4,8]}}",
     8, GLA_BAD_FILE, "duplicate"},
    {"{\"__metadata__\":[]}", 0, GLA_BAD_FILE, "metadata"},
    {"{\"__metadata__\":{\"scale\":1}}", 0, GLA_BAD_FILE, "'scale' is not a string"},
};

START_TEST(bad_headers_are_refused) {
    const struct bad_header *bad = &bad_headers[_i];
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_safetensors(bad->json, bad->data, &size);
    gla_status status = gla_tensors_parse(bytes, size, "bad.safetensors", &file, &err);
    assert_refused(status, &err, bad->status, bad->needle);
    ck_assert_msg(strncmp(err.what, "bad.safetensors: ", 17) == 0, "no file name in: %s", err.what);
    ck_assert_ptr_null(file.tensor);
    ck_assert_int_eq(gla_tensors_parse(bytes, size, "bad", &file, NULL), bad->status);
    free(bytes);
}
END_TEST

START_TEST(bad_lengths_are_refused) {
    static const struct {
        size_t size;
        uint64_t claim;
        const char *needle;
    } rows[] = {{0, 0, "empty"},
                {1, 0, "1 bytes"},
                {7, 0, "7 bytes"},
                {8, 0, "byte 8"},
                {8, 1, "claims 1 bytes"},
                {20, 13, "more than the file holds"},
                {20, UINT64_MAX, "100000000"},
                {20, UINT64_MAX - 7, "100000000"},
                {20, 100000001, "at most 100000000"},
                {20, 100000000, "more than the file holds"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_tensor_file file;
        gla_error err = {0};
        unsigned char word[8], *bytes = calloc(1, rows[i].size ? rows[i].size : 1);
        memcpy(word, &rows[i].claim, 8);
        memcpy(bytes, word, rows[i].size < 8 ? rows[i].size : 8);
        assert_refused(gla_tensors_parse(bytes, rows[i].size, "x", &file, &err), &err, GLA_BAD_FILE, rows[i].needle);
        free(bytes);
    }
}
END_TEST

START_TEST(deep_json_is_refused) {
    enum { DEPTH = 1000000 };
    char *json = malloc(DEPTH + 8);
    memcpy(json, "{\"q\":", 5);
    memset(json + 5, '[', DEPTH);
    json[DEPTH + 5] = 0;
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_safetensors(json, 0, &size);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "depth");
    free(bytes);
    free(json);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("safetensors");
    TCase *t = scratch_group(s, "malformed");
    tcase_add_loop_test(t, bad_headers_are_refused, 0, (int)(sizeof bad_headers / sizeof *bad_headers));
    tcase_add_test(t, bad_lengths_are_refused);
    tcase_add_test(t, deep_json_is_refused);
    return s;
}

int main(void) { return test_main(suite()); }
