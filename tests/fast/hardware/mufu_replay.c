/* SPDX-License-Identifier: Apache-2.0 */
#include "mufu_replay.h"

#include <stdio.h>
#include <string.h>

#include "../../testing.h"
#include "fast/hardware/gpu_exp.h"
#include "fast/hardware/mufu.h"

typedef struct replay {
    uint32_t (*words)(uint32_t); /* or */
    float (*floats)(float);
} replay;

static const replay replays[MUFU_FUNCTIONS] = {
    [MUFU_EX2_FTZ] = {gla_mufu_ex2, NULL},
    [MUFU_EX2] = {NULL, gla_gpu_ex2},
    [MUFU_RCP_FTZ] = {gla_mufu_rcp, NULL},
    [MUFU_RCP] = {NULL, gla_gpu_rcp},
    [MUFU_RSQ_FTZ] = {gla_mufu_rsq, NULL},
    [MUFU_RSQ] = {NULL, gla_gpu_rsq},
    [MUFU_LG2_FTZ] = {gla_mufu_lg2, NULL},
    [MUFU_LG2] = {NULL, gla_gpu_lg2},
    [MUFU_EXPF] = {NULL, gla_gpu_expf},
    [MUFU_EXP2F] = {NULL, gla_gpu_ex2},
    [MUFU_EXP_FAST] = {NULL, gla_gpu_exp_triton},
    [MUFU_EXP_FAST_FTZ] = {NULL, gla_gpu_exp_fast},
    [MUFU_EXP_TRITON] = {NULL, gla_gpu_exp_triton},
    [MUFU_EXP2_POLY] = {NULL, gla_gpu_exp2_poly},
    [MUFU_EXP_POLY] = {NULL, gla_gpu_exp_poly},
};

uint32_t mufu_replayed(enum mufu_function function, uint32_t word) {
    if (replays[function].words) return replays[function].words(word);
    const float y = replays[function].floats(gla_poly_float(word));
    memcpy(&word, &y, sizeof word);
    return word;
}

int64_t mufu_block_sum(enum mufu_function function, uint32_t block) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < MUFU_BLOCK; i++) sum += mufu_mix(mufu_replayed(function, block << 16 | i), i);
    return (int64_t)(sum & 0xffffffff);
}

static int is_chosen(uint32_t block) {
    return test_long() || block % 257 == 0 || (block >= 0x3f80 && block < 0x4080); /* [1, 4) */
}

static void report(enum mufu_function function, uint32_t word, uint32_t device, long *reported) {
    if ((*reported)++ < 4)
        printf("%s(%08x): device %08x, here %08x\n", mufu_names[function], word, device, mufu_replayed(function, word));
}

static long edges_that_differ(enum mufu_function function, const mufu_records *records) {
    long differ = 0, reported = 0;
    for (int k = 0; k < 2 * MUFU_EDGES; k++) {
        const long before = reported;
        for (uint32_t i = 0; i < MUFU_BLOCK; i++) {
            const uint32_t word = mufu_edge_word(k) + i, device = records->edge[(size_t)k * MUFU_BLOCK + i];
            if (mufu_replayed(function, word) != device) report(function, word, device, &reported);
        }
        differ += reported > before;
    }
    return differ;
}

long mufu_blocks_that_differ(enum mufu_function function) {
    mufu_records records;
    gla_error err = {0};
    if (mufu_records_read(function, &records, &err) != GLA_OK) return printf("%s\n", err.what), -1;
    long differ = edges_that_differ(function, &records);
    long long words = 2 * MUFU_EDGES * (long long)MUFU_BLOCK;
    for (uint32_t block = 0; block < MUFU_BLOCKS; block++) {
        if (!is_chosen(block)) continue;
        words += MUFU_BLOCK;
        if (mufu_block_sum(function, block) == records.check[block]) continue;
        if (differ++ < 4) printf("%s: block %04x differs\n", mufu_names[function], block);
    }
    printf("%-12s %lld words compared, %ld blocks differ\n", mufu_names[function], words, differ);
    fflush(stdout);
    mufu_records_free(&records);
    return differ;
}
