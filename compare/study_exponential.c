/* SPDX-License-Identifier: Apache-2.0
 *
 * Study exponential: e^x as GPUs make it (gpu_exp.h), x = -X u with u even in 1/2 .. 1, X a power of two; x in
 * binary32.
 *
 *     worst, rms    of |error| / e^x in units of 2^-24, over DRAWS draws, against the correctly rounded binary64
 *     predicted     of e^x as 2^(x log2 e), at most: X for the rounded product, CONSTANT X for the rounded log2 e,
 * 2^1.5 for the instruction's documented 2^-22.5
 */
#include <math.h>

#include "../fast/hardware/hardware.h"
#include "../reference/verbs.h"
#include "study.h"
#include "study_sweep.h"

enum { HOW, RANGE }; /* axes */
enum { WORST, RMS, PREDICTED };
enum { DRAWS = 2048 };

#define CONSTANT 0.224 /* relative error of log2 e in binary32, in 2^-24 */

/* |e^x of the system - e^x| / e^x in units of 2^-24; both in m [1,1]. */
static double error_of(gla_matrix m, double x) {
    m.in->ops->set_d(m.in, m.at, x);
    gla_exp(m, m);
    double truth = gla_round_exp(&gla_binary64_format, GLA_RN, x, 0);
    return ldexp(fabs(m.in->ops->get_d(m.in, m.at) - truth) / truth, 24);
}

static gla_sweep_row errors_up_to(gla_matrix m, double X, uint64_t seed) {
    double worst = 0, sum = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u = (1 + gla_draw_uniform((gla_draw){seed, 0, i})) / 2;
        double e = error_of(m, gla_round(&gla_binary32_format, GLA_RN, -X * u, 0));
        worst = fmax(worst, e);
        sum += e * e;
    }
    return (gla_sweep_row){{worst, sqrt(sum / DRAWS), NAN, NAN}};
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    gla_numbers *n;
    gla_status status = gla_all_numbers_open(gla_sweep_text(s, where, HOW), &n, err);
    if (status) return status;
    gla_matrix m = gla_new(n, 1, 1);
    for (size_t i = 0; i < gla_sweep_along(s) && n->status == GLA_OK; i++) {
        double X = gla_sweep_number(s->axis[RANGE].value[i]);
        rows[i] = errors_up_to(m, X, seed);
        rows[i].figure[PREDICTED] = where.at[HOW] == 0 ? (1 + CONSTANT) * X + sqrt(8) : NAN;
    }
    status = n->status ? gla_fail(err, n->status, "exponential: %s", gla_status_text(n->status)) : GLA_OK;
    gla_numbers_close(n);
    return status;
}

const gla_sweep gla_study_exponential = {
    .name = "exponential",
    .what = "e^x on a GPU: error of four ways to make it against the size of x",
    .axis = {{"how",
              "arithmetic/way",
              {"sm_90:f32/ex2", "sm_90:f32/triton", "sm_90:f32/expf", "sm_90:f32/poly", "binary32"}},
             {"x",
              "-x is X/2 .. X, X in nats",
              {"2^-6", "2^-5", "2^-4", "2^-3", "2^-2", "2^-1", "2^0", "2^1", "2^2", "2^3", "2^4", "2^5", "2^6"}}},
    .figure = {{"worst", "greatest relative error in 2^-24"},
               {"rms", "rms relative error in 2^-24"},
               {"predicted", "greatest relative error in 2^-24, as predicted"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = -1,
             .line = HOW,
             .x = RANGE,
             .measured = WORST,
             .predicted = PREDICTED,
             .points = -1},
    .question = "Decays are e^x of sums of gates. Which way to make e^x on a GPU loses digits, and for which x?",
    .method = "x in binary32 between -X and -X/2, 2048 draws for each X, through the GPU's special function unit as "
              "`glassbox` models it (bit for bit on the probed device). `ex2`: x times log2 e, then the instruction "
              "ex2.approx.ftz; `triton`: the same as Triton compiles it; `expf`: CUDA's; `poly`: a polynomial "
              "without the unit. binary32: correctly rounded. Judged by the correctly rounded binary64. Predicted "
              "for ex2, at most: X for the rounding of the product, 0.224 X for that of the constant log2 e, 2^1.5 "
              "for the instruction's documented 2^-22.5.",
    .finding = "Up to X = 1 all ways are within [max worst how=sm_90:f32/ex2 x=2^0] units of 2^-24. Beyond, the "
               "rounded product x log2 e costs ex2 and Triton an error that grows with x: [worst how=sm_90:f32/ex2 "
               "x=2^4] at 16 and [worst how=sm_90:f32/ex2 x=2^6] at 64 ([predicted how=sm_90:f32/ex2 x=2^6] "
               "predicted at most), which is [rms how=sm_90:f32/ex2 x=2^6] root mean square. expf splits the "
               "argument and stays at [max worst how=sm_90:f32/expf] at most, the polynomial at [max worst "
               "how=sm_90:f32/poly]; correct rounding would be 1 by definition ([max worst how=binary32]).\n\n"
               "For a kernel it hardly matters: a decay of e^-64 is 1.6e-28 times its neighbours. It matters where "
               "an anchor lies far from both tokens: q e^a times k e^-b keeps the errors of both, however near a and "
               "b are. One more reason for sub-chunks.",
    .limits = "Random x: the greatest error of all 2^32 is a little more. sm_90; other GPUs' units are taken to be "
              "the same. Gates kept in units of log2 (exp2 directly) have no product to round."};
