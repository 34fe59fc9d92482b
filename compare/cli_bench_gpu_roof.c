/* SPDX-License-Identifier: Apache-2.0
 *
 * What a problem asks for, and the time that it must take; contract in cli_bench_gpu.h.
 */
#include "cli_bench_gpu.h"

enum { DATA = 2, GATE = 2, WIDE = 4, CHUNK = 64 }; /* bytes of a number; tokens */

/* Bytes and operations of a token and head. */
typedef struct needs {
    double bytes, operations;
} needs;

static needs forward(double dk, double dv) {
    return (needs){DATA * (2 * dk + 2 * dv) + GATE * dk, 4 * dk * dv + CHUNK * (dk + dv)};
}

/* q k v g do in, dq dk dv dg out, dg as wide as g. */
static needs backward(double dk, double dv) {
    return (needs){DATA * (4 * dk + 3 * dv) + 2 * GATE * dk, 10 * dk * dv + CHUNK * (3 * dk + 2 * dv)};
}

/* A step has no chunks: the state decays, is written and read. */
static needs step(double dk, double dv) { return (needs){forward(dk, dv).bytes, 5 * dk * dv}; }

void bench_gpu_roof(const bench_gpu_table *table, bench_gpu_row *row) {
    const gla_bench_job *j = &row->job;
    double dk = (double)j->dk, dv = (double)j->dv, heads = (double)(j->B * j->H), tokens = heads * (double)j->T;
    needs there = forward(dk, dv), back = backward(dk, dv), token = there;
    if (j->way == GLA_BENCH_STEP) token = step(dk, dv);
    if (j->way == GLA_BENCH_BACKWARD) token = back;
    if (j->way == GLA_BENCH_BOTH) token = (needs){there.bytes + back.bytes, there.operations + back.operations};
    row->bytes = tokens * token.bytes;
    row->operations = tokens * token.operations;
    if (j->way == GLA_BENCH_STEP) row->bytes += heads * 2 * WIDE * dk * dv;
    double moving = row->bytes / table->copy / 1e9;
    double computing = table->product > 0 ? row->operations / table->product / 1e9 : 0;
    row->roof = moving > computing ? moving : computing;
}
