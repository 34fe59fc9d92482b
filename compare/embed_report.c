/* SPDX-License-Identifier: Apache-2.0
 *
 * A judgement as text for a failing assertion: what is wrong with each bad output in the words of torch.testing, the
 * line of our own below it, then all outputs in one table, the likely cause, and what the profile declares.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "diagnose.h"
#include "embed_parts.h"

void embed_add(embed_text *t, const char *format, ...) {
    if (t->used >= t->room) return;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(t->at + t->used, t->room - t->used, format, arguments);
    va_end(arguments);
    if (length > 0) t->used += (size_t)length;
}

typedef char index_text[96];

/* "(b, t, h, i)", as torch.testing writes an index or a shape; an axis of -1 is not there. */
static const char *index_of(const int64_t at[4], index_text text) {
    embed_text t = {text, sizeof(index_text), 0};
    for (int d = 0; d < 4 && at[d] >= 0; d++) embed_add(&t, "%s%lld", d ? ", " : "(", (long long)at[d]);
    embed_add(&t, ")");
    return text;
}

/* ---- one bad output ---- */

/* The greatest absolute and relative differences among finite elements of proven truth. */
struct greatest {
    double absolute, relative;
    int64_t absolute_at, relative_at; /* -1: no such element */
};

static struct greatest greatest_of(const double *got, const double *want, const uint8_t *certified, int64_t count) {
    struct greatest x = {-1, -1, -1, -1};
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(got[i] - want[i]), relative = error > 0 ? error / fabs(want[i]) : 0;
        if (!certified[i] || !isfinite(error)) continue;
        if (error > x.absolute) {
            x.absolute = error;
            x.absolute_at = i;
        }
        if (relative > x.relative) {
            x.relative = relative;
            x.relative_at = i;
        }
    }
    return x;
}

static const char *place_of(const int64_t shape[4], int64_t i, index_text text) {
    int64_t at[4];
    gla_index_of(shape, i, at);
    return index_of(at, text);
}

static void add_differences(embed_text *t, const gla_tensor_verdict *v, const double *got, const double *want,
                            const uint8_t *certified, const double *allowed) {
    index_text at;
    struct greatest x = greatest_of(got, want, certified, v->count);
    if (x.absolute_at >= 0)
        embed_add(t, "Greatest absolute difference: %.6g at index %s (up to %.6g allowed)\n", x.absolute,
                  place_of(v->shape, x.absolute_at, at), allowed[x.absolute_at]);
    if (x.relative_at >= 0)
        embed_add(t, "Greatest relative difference: %.6g at index %s (up to %.6g allowed)\n", x.relative,
                  place_of(v->shape, x.relative_at, at), allowed[x.relative_at] / fabs(want[x.relative_at]));
}

static void add_elements(embed_text *t, const gla_tensor_verdict *v) {
    index_text at;
    int64_t beyond = v->over + v->marginal;
    embed_add(t, "Greatest error/bound: %.4g at index %s: got %.9g, want %.9g, bound %.3g\n", v->worst,
              index_of(v->at, at), v->got, v->want, v->allowed);
    if (v->nan + v->inf) embed_add(t, "Not finite: %lld NaN, %lld Inf\n", (long long)v->nan, (long long)v->inf);
    if (v->uncertified) embed_add(t, "Without proven truth: %lld elements\n", (long long)v->uncertified);
    if (v->marginal && !v->over)
        embed_add(t, "All %lld are within twice the random part: MARGINAL\n", (long long)beyond);
    if (v->exact == v->count) embed_add(t, "Every intermediate is exact here: only equality passes\n");
    if (v->first_bad.known) embed_add(t, "First mismatch at index %s\n", index_of(v->first_bad.at, at));
}

/* What tier 3 found, where it decided. */
static void add_scatter(embed_text *t, const gla_tensor_verdict *v) {
    index_text at;
    const gla_distribution *d = &v->scatter;
    if (v->verdict != GLA_FAIL || v->tier != 3) return;
    if (d->wide)
        embed_add(t, "Errors too large together: rms z %.3g over the %s from index %s (up to %.3g allowed)\n",
                  d->worst.rms_z, gla_group_names[d->worst.kind], index_of(d->worst.at, at), d->worst.limit);
    if (d->biased)
        embed_add(t, "Errors lean to one side: mean of z sign(truth) %.3g (up to %.3g allowed)\n", d->bias,
                  d->bias_limit);
}

/* What tier 1 found, whatever the others say. */
static void add_replay(embed_text *t, const gla_tensor_verdict *v) {
    index_text at;
    const gla_replay_verdict *r = &v->replay;
    if (r->differing == 0) return;
    embed_add(
        t, "Other bits than the replay: %lld / %lld, at most %.6g ulp apart; first at index %s: got %s, replayed %s\n",
        (long long)r->differing, (long long)v->count, r->ulps, index_of(r->first.at, at), r->got, r->want);
    if (r->zeros == r->differing) embed_add(t, "Only signs of zeros differ\n");
    if (v->tier == 1 && v->marginal + v->uncertified == 0)
        embed_add(t, "Right within its bound, but not the declared arithmetic\n");
}

static void add_broken(embed_text *t, const gla_problem *p, gla_output name, const gla_tensor_verdict *v) {
    index_text got, wanted;
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    if (strcmp(v->why, "wrong shape") == 0)
        embed_add(t, "The values for attribute 'shape' do not match: %s != %s.\n", index_of(v->shape, got),
                  index_of(shape, wanted));
    else
        embed_add(t, "The output is %s.\n", v->why);
}

static void add_output(embed_text *t, const gla_problem *p, const gla_candidate *c, const gla_truth *truth,
                       gla_output name, const gla_tensor_verdict *v) {
    embed_add(t, "\n");
    if (v->verdict == GLA_BROKEN)
        add_broken(t, p, name, v);
    else {
        embed_add(t, "Mismatched elements: %lld / %lld (%.1f%%)\n", (long long)(v->over + v->marginal),
                  (long long)v->count, 100 * (double)(v->over + v->marginal) / (double)v->count);
        add_differences(t, v, c->output[name].value, truth->tensor[name].value, truth->tensor[name].certified,
                        c->output[name].allowed);
        add_elements(t, v);
        add_scatter(t, v);
        add_replay(t, v);
    }
    embed_add(t, "The failure occurred for item [%s]\n", gla_output_names[name]);
}

/* ---- the whole ---- */

static void add_first_bad(embed_text *t, const gla_bad_place *x) {
    index_text at;
    if (!x->known) return;
    embed_add(t, "first bad element: %s%s", gla_output_names[x->output], index_of(x->at, at));
    if (x->token >= 0)
        embed_add(t, ", token %lld of sequence %lld: chunk %lld, row %lld of %d", (long long)x->token,
                  (long long)x->sequence, (long long)x->chunk, (long long)x->row, GLA_CHUNK);
    embed_add(t, "\n");
}

static gla_status add_diagnosis(embed_text *t, const gla_problem *p, const gla_candidate *c, const gla_truth *truth,
                                const gla_judgement *g, int threads, gla_error *err) {
    gla_diagnosis found;
    gla_status status = gla_diagnose(p, c, truth, g, 0, threads, &found, err);
    if (status) return status;
    add_first_bad(t, &found.first);
    embed_add(t, "likely cause: %s\n", found.sentence);
    return GLA_OK;
}

static void add_table(embed_text *t, const gla_candidate *c, const gla_judgement *g) {
    index_text at;
    embed_add(t, "%s against certified truth, profile %s", gla_verdict_names[g->verdict], g->profile->name);
    if (g->replay.numbers) embed_add(t, ", replay %s in %s", g->replay.form, g->replay.numbers);
    embed_add(t, "\n");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &g->tensor[i];
        if (!v->judged) continue;
        embed_add(t, "  %-14s %-11s", gla_output_names[i], gla_verdict_names[v->verdict]);
        if (v->verdict == GLA_BROKEN)
            embed_add(t, " %s\n", v->why);
        else
            embed_add(t, " %s, error/bound %.4g at %s, rms ratio %.2g\n", c->output[i].format->name, v->worst,
                      index_of(v->at, at), v->rms_truth > 0 ? v->rms_error / v->rms_truth : v->rms_error);
        if (v->verdict <= GLA_MARGINAL && v->says_little)
            embed_add(t, "    the bound is %.2g times the output's rms: this pass says little\n", v->loosest);
    }
}

gla_status embed_report(const gla_problem *p, const gla_candidate *c, const gla_truth *truth, const gla_judgement *g,
                        int threads, embed_text *out, gla_error *err) {
    if (g->verdict != GLA_PASS) embed_add(out, "Tensor-likes are not close!\n");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g->tensor[i].judged && g->tensor[i].verdict != GLA_PASS)
            add_output(out, p, c, truth, (gla_output)i, &g->tensor[i]);
    if (g->verdict != GLA_PASS) embed_add(out, "\n");
    add_table(out, c, g);
    if (g->verdict != GLA_PASS) embed_add(out, "profile %s: %s\n", g->profile->name, g->profile->what);
    return g->verdict == GLA_FAIL ? add_diagnosis(out, p, c, truth, g, threads, err) : GLA_OK;
}
