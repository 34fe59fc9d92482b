/* SPDX-License-Identifier: Apache-2.0
 *
 * A judgement as text: a line per tensor, then what is wrong with the bad ones, then how to see it again.
 */
#include "cli_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *cli_first_bad(const gla_bad_place *x, gla_place_text text) {
    gla_place_print(x->output, x->at, text);
    if (gla_made_backwards(x->output)) strcat(text, ", made last token first");
    return text;
}

bool cli_has_verdict(const cli_judged *j) {
    return !j->error && !j->finding && (j->judgement.judged > 0 || j->judgement.changed != 0);
}

static const char *finding_verdict(cli_exit exit) {
    switch (exit) {
    case CLI_PASS:
        return "PASS";
    case CLI_MISMATCH:
        return "FAIL";
    case CLI_BROKEN:
        return "BROKEN";
    case CLI_SKIPPED:
        return "SKIPPED";
    default:
        return "NOT JUDGED";
    }
}

const char *cli_verdict(const cli_judged *j) {
    if (j->finding) return finding_verdict(j->finding_exit);
    return cli_has_verdict(j) ? gla_verdict_names[j->judgement.verdict] : "NOT JUDGED";
}

const char *cli_why_not_judged(const cli_judged *j) {
    if (j->finding) return j->finding;
    return j->error ? j->error->what : "no output under test";
}

bool cli_says_little(const gla_tensor_verdict *v) { return v->verdict <= GLA_MARGINAL && v->says_little; }

cli_exit cli_judged_exit(const cli_judged *j, bool strict) {
    if (j->error) return j->error->status == GLA_NO_MEMORY ? CLI_UNCERTAIN : CLI_USAGE;
    if (j->finding) return j->finding_exit;
    if (!cli_has_verdict(j)) return CLI_UNCERTAIN;
    switch (j->judgement.verdict) {
    case GLA_PASS:
        return CLI_PASS;
    case GLA_MARGINAL:
        return strict ? CLI_MISMATCH : CLI_PASS;
    case GLA_UNCERTIFIED:
        return CLI_UNCERTAIN;
    case GLA_FAIL:
        return CLI_MISMATCH;
    case GLA_BROKEN:
        break;
    }
    return CLI_BROKEN;
}

static cli_tint tint_of(gla_verdict verdict) {
    static const cli_tint tint[] = {[GLA_PASS] = CLI_GREEN,
                                    [GLA_MARGINAL] = CLI_YELLOW,
                                    [GLA_UNCERTIFIED] = CLI_YELLOW,
                                    [GLA_FAIL] = CLI_RED,
                                    [GLA_BROKEN] = CLI_RED};
    return tint[verdict];
}

static cli_tint tint_of_finding(cli_exit exit) {
    return exit == CLI_PASS ? CLI_GREEN : exit == CLI_SKIPPED ? CLI_YELLOW : CLI_RED;
}

static void print_verdict(gla_verdict verdict, int width) {
    printf("%s%-*s%s", cli_on(tint_of(verdict)), width, gla_verdict_names[verdict], cli_off());
}

/* ---- one line per tensor ---- */

static void print_row(gla_output output, const gla_tensor_verdict *v) {
    cli_index_text at;
    printf("  %-14s ", gla_output_names[output]);
    print_verdict(v->verdict, 11);
    if (v->verdict == GLA_BROKEN) {
        printf("  %s: %s\n", v->why, cli_shape(v->shape, at));
        return;
    }
    printf(" %8" PRId64 " %11.3g  %-16s %13.6g %13.6g %8.2g %9.2g", v->count, v->worst, cli_shape(v->at, at), v->got,
           v->want, v->allowed, v->rms_truth > 0 ? v->rms_error / v->rms_truth : v->rms_error);
    if (v->scatter.count > 0)
        printf(" %5.2f\n", v->scatter.rms_z);
    else
        printf(" %5s\n", "-");
}

/* ---- what is wrong, a line per tensor that is not a plain pass ---- */

static void print_trouble(gla_output output, const gla_tensor_verdict *v) {
    char title[32], text[512], *end = text + sizeof text, *at = text;
    gla_place_text place;
    if (v->over + v->marginal + v->nan + v->inf + v->uncertified == 0) return;
    snprintf(title, sizeof title, "  %s: ", gla_output_names[output]);
    text[0] = 0;
    if (v->over)
        at += snprintf(at, (size_t)(end - at), "%" PRId64 " of %" PRId64 " elements (%.3g %%) over the bound; ",
                       v->over, v->count, 100 * (double)v->over / (double)v->count);
    if (v->marginal) at += snprintf(at, (size_t)(end - at), "%" PRId64 " marginal; ", v->marginal);
    if (v->nan + v->inf) at += snprintf(at, (size_t)(end - at), "%" PRId64 " NaN, %" PRId64 " Inf; ", v->nan, v->inf);
    if (v->uncertified) at += snprintf(at, (size_t)(end - at), "%" PRId64 " without certified truth; ", v->uncertified);
    if (v->first_bad.known) snprintf(at, (size_t)(end - at), "first bad %s", cli_first_bad(&v->first_bad, place));
    cli_print_wrapped(title, text);
}

/* What tier 3 found, where it decided. */
static void print_scatter(gla_output output, const gla_tensor_verdict *v) {
    gla_place_text place;
    const gla_distribution *d = &v->scatter;
    if (v->verdict != GLA_FAIL || v->tier != 3) return;
    if (d->wide)
        printf("  %s: no element is far over its bound, but all together err too much: rms z %.3g (at most %.3g) over "
               "the %s from %s\n",
               gla_output_names[output], d->worst.rms_z, d->worst.limit, gla_group_names[d->worst.kind],
               gla_place_print(output, d->worst.at, place));
    if (d->biased)
        printf("  %s: errors lean to one side: mean of z sign(truth) %.3g (at most %.3g), as truncation does\n",
               gla_output_names[output], d->bias, d->bias_limit);
}

/* A pass under a bound that sees little. */
static void print_scope(gla_output output, const gla_tensor_verdict *v) {
    if (cli_says_little(v))
        printf("  %s: the bound is %.2g times the output's rms: this pass says little\n", gla_output_names[output],
               v->loosest);
}

/* What tier 1 found, whatever the others say. */
static void print_replay(gla_output output, const gla_tensor_verdict *v) {
    gla_place_text place;
    const gla_replay_verdict *r = &v->replay;
    if (r->differing == 0) return;
    printf("  %s: %" PRId64 " of %" PRId64 " elements differ from the replay, at most %.6g ulp apart",
           gla_output_names[output], r->differing, v->count, r->ulps);
    printf("; first %s", gla_place_print(output, r->first.at, place));
    if (r->first.token >= 0) printf(" (chunk %" PRId64 ", row %" PRId64 ")", r->first.chunk, r->first.row);
    printf(": got %s, replayed %s\n", r->got, r->want);
    if (r->zeros == r->differing) printf("  %s: only signs of zeros differ\n", gla_output_names[output]);
    if (v->tier == 1 && v->marginal + v->uncertified == 0)
        printf("  %s: right within its bound, but not the declared arithmetic\n", gla_output_names[output]);
}

static void print_tensors(const gla_judgement *g) {
    printf("  %-14s %-11s %8s %11s  %-16s %13s %13s %8s %9s %5s\n", "output", "verdict", "elements", "error/bound",
           "worst at", "got", "want", "bound", "rms ratio", "rms z");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g->tensor[i].judged) print_row((gla_output)i, &g->tensor[i]);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g->tensor[i].judged) print_trouble((gla_output)i, &g->tensor[i]);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g->tensor[i].judged) print_scatter((gla_output)i, &g->tensor[i]);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g->tensor[i].judged) print_replay((gla_output)i, &g->tensor[i]);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g->tensor[i].judged) print_scope((gla_output)i, &g->tensor[i]);
}

void cli_report_text(const cli_judged *j) {
    if (!cli_has_verdict(j)) {
        cli_tint tint = !j->finding ? CLI_RED : tint_of_finding(j->finding_exit);
        printf("%s%s%s %s: %s\n", cli_on(tint), cli_verdict(j), cli_off(), j->name, cli_why_not_judged(j));
        return;
    }
    print_verdict(j->judgement.verdict, 0);
    printf(" %s  (profile %s", j->name, j->judgement.profile->name);
    if (j->judgement.replay.numbers) printf(", replay %s in %s", j->judgement.replay.form, j->judgement.replay.numbers);
    puts(")");
    print_tensors(&j->judgement);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (j->judgement.changed & (1u << i)) printf("  input %s was changed by the candidate\n", gla_input_names[i]);
    if (j->judgement.verdict != GLA_PASS)
        printf("  profile %s: %s\n", j->judgement.profile->name, j->judgement.profile->what);
    if (j->judgement.verdict != GLA_PASS && j->diagnosis) cli_report_diagnosis(j->diagnosis);
    if (j->judgement.verdict != GLA_PASS && j->reproduce) printf("  reproduce: %s\n", j->reproduce);
    if (j->judgement.verdict != GLA_PASS && j->explain) printf("  explain: %s\n", j->explain);
}
