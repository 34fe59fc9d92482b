/* SPDX-License-Identifier: Apache-2.0
 *
 * A looser profile under which the candidate passes: the subject's block first, and only then the whole.
 */
#include <math.h>
#include <string.h>

#include "bounds.h"
#include "diagnose_trial.h"

static bool within(const gla_subject *s, gla_output name, const gla_bounds *b, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        double want = s->out[name].want[i], error = fabs(s->out[name].got[i] - want);
        if (isfinite(b->marginal[i]) && !(error <= b->marginal[i] + 0x1p-52 * fabs(want))) return false;
    }
    return true;
}

/* Is every element of the block's gradients, or of its other outputs, within that profile's bound, at lambda 7? */
static gla_status outputs_fit(const gla_subject *s, const gla_profile *profile, bool gradients, int threads,
                              bool *fits) {
    const gla_format *format[GLA_OUTPUTS] = {0};
    gla_bounds bounds[GLA_OUTPUTS];
    bool any = false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        format[i] =
            s->out[i].got && gla_is_gradient((gla_output)i) == gradients ? s->candidate->output[i].format : NULL;
        any = any || format[i];
    }
    *fits = true;
    if (!any) return GLA_OK;
    gla_status status = gla_bounds_compute(&s->p, profile, gradients, format, threads, bounds, NULL);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++)
        if (format[i] && *fits) *fits = within(s, (gla_output)i, &bounds[i], s->out[i].count);
    gla_bounds_free(bounds);
    return status;
}

/* o of the first tokens: they know nothing of those that follow. */
static gla_status beginning_fits(const gla_subject *s, const gla_profile *profile, int threads, bool *fits) {
    const gla_format *format[GLA_OUTPUTS] = {s->out[GLA_O].got ? s->candidate->output[GLA_O].format : NULL};
    gla_bounds bounds[GLA_OUTPUTS];
    gla_problem first = s->p;
    if (first.T > GLA_CHUNK) first.T = GLA_CHUNK;
    *fits = true;
    if (!format[GLA_O]) return GLA_OK;
    gla_status status = gla_bounds_compute(&first, profile, false, format, threads, bounds, NULL);
    int64_t count = first.T * s->out[GLA_O].shape[2] * s->out[GLA_O].shape[3];
    if (status == GLA_OK) *fits = within(s, GLA_O, &bounds[GLA_O], count);
    gla_bounds_free(bounds);
    return status;
}

/* What costs least first: mostly that says it. */
static gla_status fits_here(const gla_subject *s, const gla_profile *profile, int threads, bool *fits) {
    gla_status status = beginning_fits(s, profile, threads, fits);
    if (status == GLA_OK && *fits) status = outputs_fit(s, profile, false, threads, fits);
    if (status == GLA_OK && *fits) status = outputs_fit(s, profile, true, threads, fits);
    return status;
}

gla_status gla_diagnose_profile(const gla_subject *s, const gla_profile *declared, unsigned only, int threads,
                                gla_diagnosis *out) {
    static const struct {
        const char *profile, *means;
    } looser[] = {{"f32-chunk", "binary32 arithmetic in chunks"},
                  {"f32-tf32", "tf32 operands"},
                  {"chunk-f16", "f16 operands"},
                  {"chunk-bf16", "bf16 operands"},
                  {"bf16-state", "a state kept in bf16"}};
    gla_candidate c = *s->candidate;
    c.replay = NULL;                                                  /* this is about bounds */
    for (int i = 0; i < GLA_OUTPUTS; i++) c.output[i].allowed = NULL; /* stays as the declared profile has it */
    for (size_t i = 0; i < sizeof looser / sizeof *looser; i++) {
        gla_judgement other;
        const gla_profile *profile = gla_profile_named(looser[i].profile);
        if (strcmp(profile->name, declared->name) == 0) continue;
        bool fits;
        gla_status status = fits_here(s, profile, threads, &fits);
        if (status == GLA_OK && fits) status = gla_judge(s->whole, &c, s->truth, profile, only, threads, &other, NULL);
        if (status != GLA_OK) return status;
        if (!fits || other.verdict > GLA_MARGINAL) continue;
        gla_name_cause(out, "profile", "consistent with %s: it passes under --profile %s", looser[i].means,
                       looser[i].profile);
        return GLA_OK;
    }
    return GLA_OK;
}
