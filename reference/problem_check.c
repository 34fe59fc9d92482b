/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract that a problem must meet (gla_problem_check); every refusal names the tensor and the first bad index.
 */
#include <math.h>

#include "glassbox.h"

static bool absent(const gla_problem *p, gla_input name) { return gla_acting_input(p, name).at == NULL; }

enum { LARGEST = 0x7fffffff }; /* elements of one tensor */

static gla_status check_count(const char *name, const int64_t shape[4], gla_error *err) {
    int64_t count = 1;
    for (int d = 0; d < 4; d++) {
        count *= shape[d]; /* each factor < 2^31 and count < 2^31: no overflow */
        if (count > LARGEST)
            return gla_fail(err, GLA_BAD_SHAPE, "%s [%lld,%lld,%lld,%lld] has 2^31 elements or more", name,
                            (long long)shape[0], (long long)shape[1], (long long)shape[2], (long long)shape[3]);
    }
    return GLA_OK;
}

static const char *name_of(const gla_problem *p, gla_input name) { return gla_input_name(gla_mechanism_of(p), name); }

/* Has any input it takes an axis of slots? */
static bool takes_slots(const gla_mechanism *m) {
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_axes axes = gla_input_axes(m, (gla_input)i);
        bool slots = axes == GLA_PER_SLOT || axes == GLA_STATE_KEY_SLOT || axes == GLA_STATE_SLOT_VALUE;
        if (slots && m->inputs & 1u << i) return true;
    }
    return false;
}

static gla_status check_size(const gla_problem *p, gla_error *err) {
    const int64_t sizes[] = {p->B, p->T, p->H, p->dk, p->dv, p->N, p->M};
    static const char *const names[] = {"B", "T", "H", "dk", "dv", "N", "M"};
    for (int i = 0; i < (takes_slots(gla_mechanism_of(p)) ? 7 : 6); i++) {
        if (sizes[i] < 1)
            return gla_fail(err, GLA_BAD_SHAPE, "%s = %lld: every size must be at least 1", names[i],
                            (long long)sizes[i]);
        if (sizes[i] > LARGEST)
            return gla_fail(err, GLA_BAD_SHAPE, "%s = %lld: sizes must stay below 2^31", names[i], (long long)sizes[i]);
    }
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor x = gla_acting_input(p, (gla_input)i);
        if (x.at && (x.heads < 1 || p->H % x.heads != 0))
            return gla_fail(err, GLA_BAD_SHAPE, "%s has %lld heads, which do not divide H = %lld",
                            name_of(p, (gla_input)i), (long long)x.heads, (long long)p->H);
    }
    int64_t shape[4];
    gla_status status = GLA_OK;
    for (int i = 0; i < GLA_INPUTS && status == GLA_OK; i++) {
        gla_input_shape(p, (gla_input)i, shape);
        status = check_count(name_of(p, (gla_input)i), shape, err);
    }
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) {
        gla_output_shape(p, (gla_output)i, shape);
        status = check_count(gla_output_name(gla_mechanism_of(p), (gla_output)i), shape, err);
    }
    return status;
}

static gla_status check_sequences(const gla_problem *p, gla_error *err) {
    if (!p->cu_seqlens) {
        if (p->N == p->B) return GLA_OK;
        return gla_fail(err, GLA_BAD_SHAPE, "N = %lld sequences but B = %lld and no cu_seqlens", (long long)p->N,
                        (long long)p->B);
    }
    if (p->B != 1) return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens needs B = 1, not %lld", (long long)p->B);
    if (p->cu_seqlens[0] != 0)
        return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens[0] = %lld: it must start at 0", (long long)p->cu_seqlens[0]);
    for (int64_t n = 0; n < p->N; n++)
        if (p->cu_seqlens[n + 1] < p->cu_seqlens[n])
            return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens[%lld] = %lld is below the offset before it",
                            (long long)(n + 1), (long long)p->cu_seqlens[n + 1]);
    if (p->cu_seqlens[p->N] != p->T)
        return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens ends at %lld but T = %lld", (long long)p->cu_seqlens[p->N],
                        (long long)p->T);
    return GLA_OK;
}

/* Why this value may not stand in this tensor, or NULL. */
static const char *objection(const gla_problem *p, gla_input name, double x, bool allow_growth) {
    const gla_mechanism *m = gla_mechanism_of(p);
    gla_kind kind = gla_input_kind(name);
    if (isnan(x)) return "is NaN";
    if (kind == GLA_KIND_LOG_GATE && x == INFINITY) return "is +inf";
    if (kind == GLA_KIND_LOG_GATE && x > 0 && !allow_growth) return "is above 0: log gates must be <= 0";
    if (isinf(x) && kind != GLA_KIND_LOG_GATE && kind != GLA_KIND_LOGIT) return "is infinite";
    return m->objection ? m->objection(p, name, x) : NULL;
}

static gla_status check_values(const gla_problem *p, gla_input name, bool allow_growth, gla_error *err) {
    gla_tensor x = gla_acting_input(p, name);
    int64_t shape[4], i[4];
    if (!x.at) return GLA_OK;
    gla_input_shape(p, name, shape);
    for (i[0] = 0; i[0] < shape[0]; i[0]++)
        for (i[1] = 0; i[1] < shape[1]; i[1]++)
            for (i[2] = 0; i[2] < shape[2]; i[2]++)
                for (i[3] = 0; i[3] < shape[3]; i[3]++) {
                    double value =
                        x.at[i[0] * x.stride[0] + i[1] * x.stride[1] + i[2] * x.stride[2] + i[3] * x.stride[3]];
                    const char *why = objection(p, name, value, allow_growth);
                    if (!why) continue;
                    gla_fail(err, GLA_BAD_VALUE, "%s[%lld,%lld,%lld,%lld] = %g %s", name_of(p, name), (long long)i[0],
                             (long long)i[1], (long long)i[2], (long long)i[3], value, why);
                    return value > 0 && gla_input_kind(name) == GLA_KIND_LOG_GATE && value < INFINITY
                               ? gla_hint(err, GLA_BAD_VALUE,
                                          "gates are natural logs of decays; --allow-growth accepts g > 0")
                               : GLA_BAD_VALUE;
                }
    return GLA_OK;
}

/* No input that the mechanism knows nothing of or that these settings leave without use. */
static gla_status check_taken(const gla_problem *p, gla_error *err) {
    const gla_mechanism *m = gla_mechanism_of(p);
    unsigned taken = gla_inputs_taken(p);
    for (int i = 0; i < GLA_INPUTS; i++) {
        if (absent(p, (gla_input)i) || taken & 1u << i) continue;
        if (!(m->inputs & 1u << i))
            return gla_fail(err, GLA_BAD_VALUE, "mechanism %s takes no %s", m->name, name_of(p, (gla_input)i));
        char text[160];
        gla_mechanism_print(p, text, sizeof text);
        return gla_fail(err, GLA_BAD_VALUE, "mechanism %s takes no %s", text, name_of(p, (gla_input)i));
    }
    return GLA_OK;
}

static gla_status check_missing(const gla_problem *p, gla_error *err) {
    unsigned wanted = gla_inputs_taken(p) & ~(gla_mechanism_of(p)->optional | 1u << GLA_IN_DO);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (wanted & 1u << i && absent(p, (gla_input)i) && !gla_is_state_input((gla_input)i))
            return gla_fail(err, GLA_BAD_SHAPE, "input %s is missing", name_of(p, (gla_input)i));
    return GLA_OK;
}

static bool sound(const gla_switch *s, gla_setting_of x) {
    int values = 0;
    if (!s->values) return x.value >= s->least && x.value <= s->most;
    while (s->values[values].name) values++;
    return x.value >= 0 && x.value < values && x.value == floor(x.value);
}

static gla_status check_settings(const gla_problem *p, gla_error *err) {
    const gla_mechanism *m = gla_mechanism_of(p);
    int switches = 0;
    while (m->switches && m->switches[switches].name) switches++;
    for (int i = 0; i < GLA_SWITCHES; i++) {
        if (!p->setting[i].given) continue;
        if (i >= switches)
            return gla_fail(err, GLA_BAD_VALUE, "mechanism %s has no switch number %d, but it is set", m->name, i);
        if (!sound(&m->switches[i], p->setting[i]))
            return gla_fail(err, GLA_BAD_VALUE, "switch %s of mechanism %s cannot be %g", m->switches[i].name, m->name,
                            p->setting[i].value);
    }
    return m->check ? m->check(p, err) : GLA_OK;
}

/* Heads of a fixed decay that exist. */
static gla_status check_decay(const gla_problem *p, gla_error *err) {
    const gla_mechanism *m = gla_mechanism_of(p);
    const gla_fixed_decay *d = &p->decay;
    int schedules = 1;
    while (m->schedules && m->schedules[schedules].name) schedules++;
    if (d->schedule < 0 || d->schedule >= schedules)
        return gla_fail(err, GLA_BAD_VALUE, "mechanism %s has no schedule number %d of its decay", m->name,
                        d->schedule);
    if (d->layers < 0 || d->layer < 0 || (d->layers > 0 && d->layer >= d->layers))
        return gla_fail(err, GLA_BAD_VALUE, "layer %lld of %lld: layers count from 0", (long long)d->layer,
                        (long long)d->layers);
    int64_t heads = d->heads ? d->heads : p->H;
    if (d->head < 0 || d->head > heads - p->H)
        return gla_fail(err, GLA_BAD_SHAPE, "H = %lld heads from head %lld on, but the layer has %lld", (long long)p->H,
                        (long long)d->head, (long long)heads);
    return GLA_OK;
}

gla_status gla_problem_check(const gla_problem *p, bool allow_growth, gla_error *err) {
    gla_status status = check_size(p, err);
    if (status == GLA_OK) status = check_taken(p, err);
    if (status == GLA_OK) status = check_decay(p, err);
    if (status == GLA_OK) status = check_sequences(p, err);
    if (status != GLA_OK) return status;
    if (!isfinite(p->scale)) return gla_fail(err, GLA_BAD_VALUE, "scale = %g is not finite", p->scale);
    status = check_missing(p, err);
    if (status == GLA_OK) status = check_settings(p, err);
    for (int i = 0; i < GLA_INPUTS && status == GLA_OK; i++) status = check_values(p, (gla_input)i, allow_growth, err);
    return status;
}
