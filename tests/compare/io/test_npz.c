/* SPDX-License-Identifier: Apache-2.0
 *
 * npy headers and npz members: what is read, and what is refused with a message that names the array.
 */
#include <zip.h>

#include "scratch.h"

/* ---- npy ---- */

/* magic, version, length, dictionary, zeros. */
static unsigned char *make_npy(int version, const char *dictionary, size_t data, size_t *size) {
    size_t begin = version == 1 ? 10 : 12, length = strlen(dictionary);
    *size = begin + length + data;
    unsigned char *bytes = calloc(1, *size);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)length;
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + begin, dictionary, length);
    return bytes;
}

static const struct npy_row {
    const char *name, *dictionary;
    size_t data;
    gla_status status;
    const char *needle; /* the tensor's name if accepted */
    gla_dtype dtype;
} npy_rows[] = {
    {"q.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }          \n", 12, GLA_OK, "q", GLA_F32},
    {"q", "{'descr':'<f8','fortran_order':False,'shape':()}", 8, GLA_OK, "q", GLA_F64},
    {"dir/q.npy", "{\"shape\": (2, 1), \"descr\": \"<f2\", \"fortran_order\": False}", 4, GLA_OK, "q", GLA_F16},
    {"q_bf16.npy", "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }", 4, GLA_OK, "q", GLA_BF16},
    {"q_f8_e4m3.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", 2, GLA_OK, "q", GLA_F8_E4M3},
    {"q_f8_e5m2.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", 2, GLA_OK, "q", GLA_F8_E5M2},
    {"_bf16.npy", "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }", 4, GLA_OK, "_bf16", GLA_U16},
    {"q_bf16.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4, GLA_OK, "q_bf16", GLA_F32},
    {"n.npy", "{'descr': '<i8', 'fortran_order': True, 'shape': (2,), }", 16, GLA_OK, "n", GLA_I64},
    {"n.npy", "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 7), }", 0, GLA_OK, "n", GLA_BOOL},
    {"q", "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 1), }", 12, GLA_UNSUPPORTED, "Fortran", 0},
    {"q", "{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", 12, GLA_UNSUPPORTED, "big endian", 0},
    {"q", "{'descr': '<V2', 'fortran_order': False, 'shape': (3,), }", 6, GLA_UNSUPPORTED, "_bf16", 0},
    {"q", "{'descr': '<c16', 'fortran_order': False, 'shape': (3,), }", 48, GLA_UNSUPPORTED, "'<c16'", 0},
    {"q", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", 12, GLA_BAD_FILE, "character 10", 0},
    {"q", "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'shape': (3,), }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'shape': (3,), }", 12, GLA_BAD_FILE,
     "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4, 'fortran_order': False, 'shape': (3,)}", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4, GLA_BAD_FILE, "not understood",
     0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551619,), }", 12, GLA_BAD_FILE,
     "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536), }", 12, GLA_BAD_FILE, "2^31", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11, GLA_BAD_FILE, "'q' has 11 bytes of elements",
     0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 13, GLA_BAD_FILE, "'q' has 13 bytes of elements",
     0},
};

START_TEST(npy_headers) {
    const struct npy_row *row = &npy_rows[_i];
    for (int version = 1; version <= 3; version++) {
        size_t size;
        gla_tensor_file file;
        gla_error err = {0};
        unsigned char *bytes = make_npy(version, row->dictionary, row->data, &size);
        gla_status status = gla_tensors_parse(bytes, size, row->name, &file, &err);
        if (row->status) {
            assert_refused(status, &err, row->status, row->needle);
        } else {
            ck_assert_msg(status == GLA_OK, "%s", err.what);
            ck_assert_uint_eq(file.count, 1);
            ck_assert_str_eq(file.tensor[0].name, row->needle);
            ck_assert_int_eq(file.tensor[0].dtype, row->dtype);
            gla_tensors_free(&file);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(npy_frames) {
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_npy(4, "{}", 0, &size);
    assert_refused(gla_tensors_parse(bytes, size, "q", &file, &err), &err, GLA_UNSUPPORTED, "version 4");
    for (int version = 1; version <= 3; version++) {
        bytes[6] = (unsigned char)version;
        for (size_t cut = 10; cut < (version == 1 ? 12 : size); cut++) {
            unsigned char *part = malloc(cut);
            memcpy(part, bytes, cut);
            assert_refused(gla_tensors_parse(part, cut, "q", &file, &err), &err, GLA_BAD_FILE, "does not fit");
            free(part);
        }
    }
    bytes[11] = 0xff; /* the length of version 3 has four bytes */
    assert_refused(gla_tensors_parse(bytes, size, "q", &file, &err), &err, GLA_BAD_FILE, "does not fit");
    assert_refused(gla_tensors_parse(bytes, 9, "q", &file, &err), &err, GLA_BAD_FILE, "does not begin");
    free(bytes);
}
END_TEST

/* ---- npz ---- */

/* An archive of one member, packed by `method`. */
static unsigned char *make_zip(const char *member, const void *content, size_t length, zip_int32_t method,
                               size_t *size) {
    const char *path = scratch("made.zip");
    zip_t *archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    zip_int64_t index = zip_file_add(archive, member, zip_source_buffer(archive, content, length, 0), 0);
    ck_assert_int_eq(zip_set_file_compression(archive, (zip_uint64_t)index, method, 0), 0);
    ck_assert_int_eq(zip_close(archive), 0);
    return slurp(path, size);
}

START_TEST(deflated_members_are_read) {
    size_t npy_size, size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *npy =
        make_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 100), }", 40000, &npy_size);
    float one = 1;
    memcpy(npy + npy_size - 4, &one, 4);
    unsigned char *bytes = make_zip("q.npy", npy, npy_size, ZIP_CM_DEFLATE, &size);
    ck_assert_uint_lt(size, 1000);
    ck_assert_msg(gla_tensors_parse(bytes, size, "x.npz", &file, &err) == GLA_OK, "%s", err.what);
    static double value[10000];
    ck_assert_int_eq(gla_tensor_to_double(gla_tensors_find(&file, "q"), value, &err), GLA_OK);
    ck_assert(value[9998] == 0 && value[9999] == 1);
    gla_tensors_free(&file);
    free(npy);
    free(bytes);
}
END_TEST

static const struct zip_row {
    const char *member, *content, *needle;
    gla_status status;
} zip_rows[] = {
    {"readme.txt", "hello", "'readme.txt' is neither", GLA_BAD_FILE},
    {".npy", "hello", "'.npy' is neither", GLA_BAD_FILE},
    {"folder/", "", "'folder/' is neither", GLA_BAD_FILE},
    {"q.npy", "hello", "'q' does not begin", GLA_BAD_FILE},
    {"q.npy", "", "'q' does not begin", GLA_BAD_FILE},
    {"metadata.json", "{", "metadata.json, byte", GLA_BAD_FILE},
    {"metadata.json", "[]", "not a JSON object", GLA_BAD_FILE},
    {"metadata.json", "{\"a\": 1}", "'a' is not a string", GLA_BAD_FILE},
    {"metadata.json", "{\"a\": \"1\", \"a\": \"2\"}", "duplicate", GLA_BAD_FILE},
};

START_TEST(bad_members_are_refused) {
    const struct zip_row *row = &zip_rows[_i];
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_zip(row->member, row->content, strlen(row->content), ZIP_CM_STORE, &size);
    assert_refused(gla_tensors_parse(bytes, size, "x.npz", &file, &err), &err, row->status, row->needle);
    free(bytes);
}
END_TEST

START_TEST(two_arrays_of_one_name) {
    gla_tensor_file file = {0}, back;
    gla_error err = {0};
    double one = 1;
    ck_assert_int_eq(gla_tensors_add(&file, "q", GLA_BF16, 0, NULL, &one, &err), GLA_OK);
    ck_assert_int_eq(gla_tensors_add(&file, "x", GLA_F32, 0, NULL, &one, &err), GLA_OK);
    free(file.tensor[1].name);
    file.tensor[1].name = strdup("q"); /* q_bf16.npy and q.npy */
    ck_assert_int_eq(gla_tensors_write(scratch("two.npz"), &file, &err), GLA_OK);
    assert_refused(gla_tensors_read(scratch("two.npz"), &back, &err), &err, GLA_BAD_FILE, "'q' is there twice");
    gla_tensors_free(&file);
}
END_TEST

/* Patch a u32 of the central directory (offset from its "PK\1\2") and, if both, of the local header. */
static void patch_size(unsigned char *bytes, size_t size, size_t central, size_t local, uint32_t value) {
    for (size_t i = 0; i + 46 < size; i++) {
        if (memcmp(bytes + i, "PK\1\2", 4) == 0) memcpy(bytes + i + central, &value, 4);
        if (local && memcmp(bytes + i, "PK\3\4", 4) == 0) memcpy(bytes + i + local, &value, 4);
    }
}

START_TEST(lying_members_are_refused) {
    size_t npy_size, size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *npy =
        make_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 100), }", 40000, &npy_size);
    unsigned char *bytes = make_zip("q.npy", npy, npy_size, ZIP_CM_DEFLATE, &size);
    patch_size(bytes, size, 24, 22, 0xfffffff0); /* uncompressed size: 4 GiB out of nothing */
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "cannot be");
    unsigned char *both = malloc(size);
    memcpy(both, bytes, size);
    patch_size(both, size, 20, 18, 0xfffffff0); /* and the packed size too: more than the archive holds */
    assert_refused(gla_tensors_parse(both, size, "x", &file, &err), &err, GLA_BAD_FILE, "cannot be");
    free(both);
    patch_size(bytes, size, 24, 22, (uint32_t)npy_size + 1);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "'q.npy'");
    patch_size(bytes, size, 24, 22, (uint32_t)npy_size - 1);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "'q.npy'");
    patch_size(bytes, size, 24, 22, (uint32_t)npy_size);
    patch_size(bytes, size, 16, 14, 12345); /* CRC */
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "CRC");
    free(bytes);
    bytes = make_zip("q.npy", npy, npy_size, ZIP_CM_BZIP2, &size);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_UNSUPPORTED, "method 12");
    free(bytes);
    free(npy);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("npz");
    TCase *t = scratch_group(s, "npy");
    tcase_add_loop_test(t, npy_headers, 0, (int)(sizeof npy_rows / sizeof *npy_rows));
    tcase_add_test(t, npy_frames);
    t = scratch_group(s, "npz");
    tcase_add_test(t, deflated_members_are_read);
    tcase_add_loop_test(t, bad_members_are_refused, 0, (int)(sizeof zip_rows / sizeof *zip_rows));
    tcase_add_test(t, two_arrays_of_one_name);
    tcase_add_test(t, lying_members_are_refused);
    return s;
}

int main(void) { return test_main(suite()); }
