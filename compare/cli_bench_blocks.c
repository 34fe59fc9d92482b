/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks per second of gla_mma_product; contract in cli_bench_blocks.h.
 */
#include "cli_bench_blocks.h"

#include "../fast/hardware/tensor_core.h"
#include "cli.h"
#include "cli_bench_time.h"
#include "draw.h"

enum { SIZE = 128, ROUNDS = 20 };

typedef struct matrices {
    float A[SIZE * SIZE], B[SIZE * SIZE], C[SIZE * SIZE];
} matrices;

/* Normal draws, A and B rounded to the operands' type. */
static void fill(const gla_mma_model *m, matrices *x) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    for (uint64_t i = 0; i < SIZE * SIZE; i++) {
        x->A[i] = (float)gla_round(of_a, GLA_RN, gla_draw_normal((gla_draw){1, 0, i}), 0);
        x->B[i] = (float)gla_round(of_b, GLA_RN, gla_draw_normal((gla_draw){1, 1, i}), 0);
        x->C[i] = (float)gla_draw_normal((gla_draw){1, 2, i});
    }
}

/* Millions of blocks per second of processor time, ROUNDS products. */
static double rate(const gla_mma_model *m, matrices *x) {
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < ROUNDS; i++) gla_mma_product(m, SIZE, SIZE, SIZE, x->A, SIZE, x->B, SIZE, x->C, SIZE);
    double blocks = (double)SIZE * SIZE * (SIZE / m->block) * ROUNDS;
    return 1e-6 * blocks / (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start);
}

static void print_model(const gla_mma_model *m, int64_t repeats, matrices *x) {
    double rates[BENCH_MOST_REPEATS];
    fill(m, x);
    for (int64_t i = 0; i < repeats; i++) rates[i] = rate(m, x);
    bench_sort(rates, repeats);
    printf("%-6s %-5s %2d products a block %8.1f %8.1f .. %-8.1f\n", m->arch, m->type, m->block, rates[repeats / 2],
           rates[0], rates[repeats - 1]);
    fflush(stdout);
}

void bench_blocks(int64_t repeats) {
    static const char *const models[][2] = {
        {"sm_90", "bf16"}, {"sm_90", "f16"}, {"sm_90", "tf32"}, {"sm_90", "e4m3"}, {"sm_80", "bf16"}};
    static matrices x;
    printf("\n%sa tensor core's blocks, one thread: %d x %d x %d%s\n%-31s %8s %8s .. %-8s\n", cli_on(CLI_BOLD), SIZE,
           SIZE, SIZE, cli_off(), "millions a second of processor", "median", "least", "most");
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        print_model(gla_mma_model_of(models[i][0], "", models[i][1], "f32"), repeats, &x);
}
