/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeds for fuzz_tensors: small valid cases in every framing. Usage: fuzz_seeds FOLDER
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/io/case.h"

static const char *folder;

static void fail(const char *what) {
    fprintf(stderr, "fuzz_seeds: %s\n", what);
    exit(1);
}

static void save(const char *name, char mode, const void *head, size_t head_size, const void *bytes, size_t size) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fputc(mode, f) == EOF || fwrite(head, 1, head_size, f) != head_size ||
        fwrite(bytes, 1, size, f) != size || fclose(f))
        fail(path);
}

static unsigned char *load(const char *path, size_t *size) {
    static unsigned char bytes[1 << 16];
    FILE *f = fopen(path, "rb");
    if (!f) fail(path);
    *size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return bytes;
}

/* One case of the given layout: every input and output, all sizes 1 or 2. */
static void make_case(gla_tensor_file *file, const char *layout, const char *prefix, gla_dtype dtype) {
    static const char *const names[] = {"q", "k",           "g",  "v",  "gv", "do", "initial_state", "dfinal_state",
                                        "o", "final_state", "dq", "dk", "dv", "dg", "dgv",           "dinitial_state"};
    static const double value[16] = {-1, -0.5, 0, -2};
    bool packed = strcmp(layout, "THD") == 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool state = strstr(names[i], "state");
        int64_t shape[] = {1, 2, 1, 1};
        if (state) {
            shape[0] = packed ? 2 : 1;
            shape[1] = 1;
        } else if (strcmp(layout, "BHTD") == 0) {
            shape[1] = 1;
            shape[2] = 2;
        }
        char name[40];
        snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        int skip = packed && !state;
        if (gla_tensors_add(file, name, dtype, 4 - skip, shape + skip, value, NULL)) fail("add");
    }
    if (packed) gla_tensors_add_integers(file, "cu_seqlens", 1, (int64_t[]){3}, (int64_t[]){0, 1, 2}, NULL);
    gla_tensors_set_meta(file, "layout", layout, NULL);
    gla_tensors_set_meta(file, "mechanism", "gla", NULL);
    gla_tensors_set_meta(file, "scale", "0.5", NULL);
    gla_tensors_set_meta(file, "gate_domain", "natural log", NULL);
    gla_tensors_set_meta(file, "reverse", "false", NULL);
}

/* As a whole file in both formats, and framed as S. */
static void save_case(int index, const char *layout, const char *prefix, gla_dtype dtype) {
    gla_tensor_file file = {0};
    make_case(&file, layout, prefix, dtype);
    char name[40], path[300];
    size_t size;
    for (int npz = 0; npz < 2; npz++) {
        snprintf(path, sizeof path, "%s/seed.%s", folder, npz ? "npz" : "safetensors");
        if (gla_tensors_write(path, &file, NULL)) fail(path);
        const unsigned char *bytes = load(path, &size);
        snprintf(name, sizeof name, "file-%d-%d", index, npz);
        save(name, 'F', "", 0, bytes, size);
        snprintf(name, sizeof name, "framed-%d", index);
        if (!npz) save(name, 'S', bytes, 2, bytes + 8, size - 8);
        remove(path);
    }
    gla_tensors_free(&file);
}

int main(int argc, char **argv) {
    if (argc != 2) fail("usage: fuzz_seeds FOLDER");
    folder = argv[1];
    save_case(0, "BTHD", "", GLA_F32);
    save_case(1, "BHTD", "a.", GLA_BF16);
    save_case(2, "THD", "", GLA_F8_E5M2);
    save_case(3, "BTHD", "", GLA_F16);
    save_case(4, "BTHD", "", GLA_F8_E4M3);
    save_case(5, "BTHD", "", GLA_F64);
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", zeros[8] = {0};
    char npy[128];
    unsigned char length[2] = {(unsigned char)strlen(text), 0};
    memcpy(npy, text, strlen(text));
    memcpy(npy + strlen(text), zeros, 8);
    save("npy", 'N', length, 2, npy, strlen(text) + 8);
    return 0;
}
