/* SPDX-License-Identifier: Apache-2.0
 *
 * Which shapes and which rungs; contract in cli_bench_gpu.h.
 */
#include <string.h>

#include "cli_bench_gpu.h"

/* Few heads and long sequences in segments; the last one is a step of decoding. */
static const char shapes_by_default[] = "8x2048x16x128x128,1x16384x16x128x128:2048,1x131072x16x128x128:4096,"
                                        "8x2048x4x128x256,8x2048x4x256x512,64x1x16x128x128";

/* The next item of a list "a,b,c": its length; *rest moves on, and behind the last one is "". */
static int next_item(const char **rest, const char **item) {
    const char *comma = strchr(*rest, ',');
    int length = (int)(comma ? (size_t)(comma - *rest) : strlen(*rest));
    *item = *rest;
    *rest += length + (comma != NULL);
    return length;
}

int bench_gpu_next_shape(const char *command, const bench_gpu *s, const char **rest, gla_bench_job *job) {
    const char *item;
    if (!*rest)
        *rest = s->shapes ? s->shapes : shapes_by_default;
    else if (!**rest)
        return CLI_PASS;
    int length = next_item(rest, &item), used = 0, whole = 0;
    long long n[6] = {0};
    char text[128];
    snprintf(text, sizeof text, "%.*s", length, item);
    sscanf(text, "%9lldx%9lldx%9lldx%9lldx%9lld%n:%9lld%n", &n[0], &n[1], &n[2], &n[3], &n[4], &used, &n[5], &whole);
    bool good = used > 0 && text[whole ? whole : used] == 0 && n[5] >= 0 && n[5] % 64 == 0;
    for (int i = 0; i < 5; i++) good = good && n[i] > 0;
    if (!good)
        return cli_complain(command,
                            "'%.60s' is no shape (8x2048x16x128x128, B T H dk dv, or with :SEGMENT, a multiple "
                            "of 64)",
                            text);
    *job = (gla_bench_job){.B = n[0], .T = n[1], .H = n[2], .dk = n[3], .dv = n[4]};
    job->segment = s->segment ? s->segment : n[5];
    return CLI_GO_ON;
}

static bool is_name(const char *item, int length, const char *name) {
    return (size_t)length == strlen(name) && strncmp(item, name, (size_t)length) == 0;
}

bool bench_gpu_listed(const char *list, const char *name) {
    const char *item;
    while (*list) {
        int length = next_item(&list, &item);
        if (is_name(item, length, name)) return true;
    }
    return false;
}

int bench_gpu_check_rungs(const char *command, const char *list, const char *(*rung_name)(gla_cuda_rung rung)) {
    const char *item;
    while (list && *list) {
        bool known = false;
        int length = next_item(&list, &item);
        for (int i = 0; i < CLI_CUDA_ROWS; i++) {
            cli_cuda_name name;
            gla_cuda_rung rung = (gla_cuda_rung)(i / GLA_CUDA_GRADES);
            known = known ||
                    is_name(item, length, cli_cuda_grade(rung_name(rung), (gla_cuda_grade)(i % GLA_CUDA_GRADES), name));
        }
        if (!known)
            return cli_complain(command, "no rung '%.*s' (recurrent, parallel, chunkwise[:precise], fused[:precise])",
                                length, item);
    }
    return CLI_GO_ON;
}
