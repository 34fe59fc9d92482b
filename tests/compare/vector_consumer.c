/* SPDX-License-Identifier: Apache-2.0
 *
 * How to judge with the vector set and nothing else: no MPFR, no JSON library, nothing of this repository.
 *
 *     vector_consumer VECTOR.safetensors OUTPUTS.safetensors PROFILE NAME...
 *
 * NAME is o, dq ...; OUTPUTS holds it as BF16, F32 or F64 in the same layout. Exit status 0: every element passes.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tensor {
    const unsigned char *at;
    size_t bytes, width; /* of an element: 2 BF16, 4 F32, 8 F64 */
} tensor;

static unsigned char vector[1 << 24], outputs[1 << 24];

/* A whole file; behind it there is a 0, so that the JSON header is a string. */
static void load(const char *path, unsigned char bytes[1 << 24]) {
    FILE *f = fopen(path, "rb");
    if (!f || fread(bytes, 1, (1 << 24) - 1, f) < 8) exit(2);
    fclose(f);
}

/* "NAME":{"dtype":"F32","shape":[...],"data_offsets":[begin,end]} */
static tensor find(const unsigned char *file, const char *name) {
    uint64_t header;
    char key[100], dtype[8] = "";
    unsigned long long begin = 0, end = 0;
    memcpy(&header, file, 8);
    snprintf(key, sizeof key, "\"%s\":{\"dtype\":\"", name);
    const char *text = memmem(file + 8, header, key, strlen(key)), *place = text ? strstr(text, "data_offsets") : NULL;
    if (!place || sscanf(text + strlen(key), "%7[A-Z0-9]", dtype) != 1 ||
        sscanf(place, "data_offsets\":[%llu,%llu]", &begin, &end) != 2)
        exit((fprintf(stderr, "no tensor %s\n", name), 2));
    size_t width = strcmp(dtype, "F64") == 0 ? 8 : strcmp(dtype, "F32") == 0 ? 4 : 2;
    return (tensor){file + 8 + header + begin, end - begin, width};
}

static double element(tensor t, size_t i) {
    uint32_t word = 0;
    float narrow;
    double wide;
    memcpy(t.width == 2 ? (unsigned char *)&word + 2 : (unsigned char *)&word, t.at + i * t.width, t.width & 6);
    memcpy(&narrow, &word, 4);
    memcpy(&wide, t.at + (t.width == 8 ? i * 8 : 0), t.width == 8 ? 8 : 2);
    return t.width == 8 ? wide : narrow;
}

static tensor part(const unsigned char *file, const char *name, const char *suffix, const char *profile) {
    char label[100];
    snprintf(label, sizeof label, "%s%s%s", name, suffix, profile);
    return find(file, label);
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    load(argv[1], vector);
    load(argv[2], outputs);
    size_t bad = 0, judged = 0;
    for (int n = 4; n < argc; n++) {
        tensor high = find(vector, argv[n]), low = part(vector, argv[n], ".low", ""),
               budget = part(vector, argv[n], ".budget.", argv[3]), x = find(outputs, argv[n]);
        if (x.bytes / x.width != high.bytes / 8) return 2;
        for (size_t i = 0; i < high.bytes / 8; i++, judged++)
            bad += !(fabs(element(x, i) - element(high, i) - element(low, i)) <= element(budget, i)); /* NaN is bad */
    }
    printf("%zu of %zu elements beyond their budget\n", bad, judged);
    return bad || !judged;
}
