/* SPDX-License-Identifier: Apache-2.0
 *
 * The face of libglassbox.so (embed.h): verdicts, as numbers and as a report.
 */
#include <stdio.h>
#include <string.h>

#include "embed_parts.h"
#include "profile_text.h"
#include "run_parts.h"

/* ---- the fields of a verdict ---- */

static const struct {
    const char *name, *about;
} fields[] = {{"judged", "1 if this output was under test"},
              {"verdict", "index into the verdicts"},
              {"elements", "how many elements"},
              {"nan", "how many are NaN"},
              {"inf", "how many are infinite"},
              {"over", "elements past the bound at lambda 7"},
              {"marginal", "elements between lambda 3.5 and 7"},
              {"uncertified", "elements without proven truth"},
              {"exact", "elements whose bound is 0"},
              {"worst", "greatest error / bound"},
              {"worst_at_0", "where, axis by axis"},
              {"worst_at_1", ""},
              {"worst_at_2", ""},
              {"worst_at_3", ""},
              {"got", "there"},
              {"want", "there"},
              {"allowed", "there"},
              {"first_bad_0", "first element past the bound, as it is made, axis by axis; -1 if none is"},
              {"first_bad_1", ""},
              {"first_bad_2", ""},
              {"first_bad_3", ""},
              {"rms_error", "over finite elements"},
              {"rms_truth", ""},
              {"loosest", "median of bound / rms_truth: how much the bound can see"},
              {"says_little", "1 if that is more than 0.5: a pass says little"},
              {"tier", "the tier that decided"},
              {"scattered", "elements that tier 3 looked at; 0: it does not apply"},
              {"rms_z", "of the errors over what the declared roundings scatter"},
              {"rms_z_limit", ""},
              {"bias", "mean of z sign(truth)"},
              {"bias_limit", "of its magnitude"},
              {"replayed", "1 if a replay was asked for"},
              {"differing", "elements whose bits are not those of the replay"},
              {"differing_zeros", "of them, those that differ by the sign of a zero alone"},
              {"first_differing_0", "first of them, as they are made, axis by axis; -1 if there is none"},
              {"first_differing_1", ""},
              {"first_differing_2", ""},
              {"first_differing_3", ""},
              {"ulps", "greatest distance from the replay, in units of the last place"}};
enum { FIELDS = sizeof fields / sizeof *fields };

const char *embed_field_name(int i) { return i < FIELDS ? fields[i].name : NULL; }
const char *embed_field_about(int i) { return fields[i].about; }

static double axis_of(const gla_bad_place *x, int axis) { return x->known ? (double)x->at[axis] : -1; }

void embed_numbers(const gla_tensor_verdict *v, double *numbers) {
    const double all[FIELDS] = {
        v->judged,
        (double)v->verdict,
        (double)v->count,
        (double)v->nan,
        (double)v->inf,
        (double)v->over,
        (double)v->marginal,
        (double)v->uncertified,
        (double)v->exact,
        v->worst,
        (double)v->at[0],
        (double)v->at[1],
        (double)v->at[2],
        (double)v->at[3],
        v->got,
        v->want,
        v->allowed,
        axis_of(&v->first_bad, 0),
        axis_of(&v->first_bad, 1),
        axis_of(&v->first_bad, 2),
        axis_of(&v->first_bad, 3),
        v->rms_error,
        v->rms_truth,
        v->loosest,
        v->says_little,
        (double)v->tier,
        (double)v->scatter.count,
        v->scatter.rms_z,
        v->scatter.limit,
        v->scatter.bias,
        v->scatter.bias_limit,
        v->replay.asked,
        (double)v->replay.differing,
        (double)v->replay.zeros,
        axis_of(&v->replay.first, 0),
        axis_of(&v->replay.first, 1),
        axis_of(&v->replay.first, 2),
        axis_of(&v->replay.first, 3),
        v->replay.ulps,
    };
    memcpy(numbers, all, sizeof all);
}

/* ---- judging ---- */

static gla_status take_output(const gla_problem *p, gla_output name, const double *got, const int64_t got_shape[4],
                              const char *format, gla_candidate *c, gla_error *err) {
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    gla_status status = embed_format(format, &c->output[name].format, err);
    if (status) return status;
    c->output[name].wrong_shape = memcmp(shape, got_shape, sizeof shape) != 0;
    memcpy(c->output[name].shape, got_shape, sizeof shape);
    if (!c->output[name].wrong_shape) c->output[name].value = got;
    return GLA_OK;
}

/* A gradient can only be judged where there is something to differentiate. */
static gla_status check_judgeable(const gla_problem *p, gla_output name, gla_error *err) {
    const char *text = gla_output_name(gla_mechanism_of(p), name);
    if (!(gla_outputs_given(p) & 1u << name))
        return gla_fail(err, GLA_UNSUPPORTED, "%s is under test, but mechanism %s has no such output", text,
                        gla_mechanism_of(p)->name);
    if (!gla_has_output(p, true, name))
        return gla_fail(err, GLA_UNSUPPORTED, "%s is under test, but its input is not given", text);
    if (gla_is_gradient(name) && !gla_has_incoming(p)) {
        gla_fail(err, GLA_UNSUPPORTED, "%s is under test, but neither do nor dfinal_state is given", text);
        return gla_hint(err, GLA_UNSUPPORTED, "without them every gradient is 0");
    }
    return GLA_OK;
}

static gla_status take_outputs(const gla_problem *p, const double *const *got, const int64_t (*got_shape)[4],
                               const char *const *format, unsigned missing, gla_candidate *c, gla_error *err) {
    int under_test = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c->output[i].missing = !got[i] && (missing & 1u << i);
        if (!got[i] && !c->output[i].missing) continue;
        under_test++;
        gla_status status = check_judgeable(p, (gla_output)i, err);
        if (!status && got[i]) status = take_output(p, (gla_output)i, got[i], got_shape[i], format[i], c, err);
        if (status) return status;
    }
    return under_test ? GLA_OK : gla_fail(err, GLA_UNSUPPORTED, "no output under test: nothing was judged");
}

/* A name, or lines of profile_text.h, which are read into *own. */
static gla_status find_profile(const char *name, const gla_candidate *c, gla_profile *own, const gla_profile **profile,
                               gla_error *err) {
    *profile = own;
    if (name && strchr(name, '\n')) return gla_profile_parse(name, own, err);
    const gla_format *first = NULL;
    for (int i = GLA_OUTPUTS - 1; i >= 0; i--)
        if (c->output[i].format) first = c->output[i].format;
    *profile = name ? gla_profile_named(name) : gla_profile_default(first);
    if (*profile) return GLA_OK;
    char known[160] = "";
    for (int i = 0; gla_profiles[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", gla_profiles[i]->name);
    gla_fail(err, GLA_UNKNOWN_NAME, "no profile '%.40s'", name);
    return gla_hint(err, GLA_UNKNOWN_NAME, "profiles:%s", known);
}

static gla_status check_replay(const gla_replay *r, gla_error *err) {
    if (r->numbers) return gla_replay_check(r, err);
    if (!r->form) return GLA_OK;
    gla_fail(err, GLA_UNSUPPORTED, "form '%.40s' is given, but no replay", r->form);
    return gla_hint(err, GLA_UNSUPPORTED, "name the number system too: replay=\"binary32\"");
}

/* Truth, judgement, report. */
static gla_status judge(const gla_problem *p, gla_candidate *c, const gla_profile *profile, int threads,
                        gla_judgement *g, embed_text *text, gla_error *err) {
    gla_truth truth = {0};
    gla_truth_options options = {
        .backward = gla_judging_needs_gradients(c, 0), .close_enough = GLA_CLOSE_ENOUGH, .threads = threads};
    gla_status status = gla_candidate_make_room(p, c, err);
    if (!status) status = gla_truth_compute(p, &options, &truth, err);
    if (!status) status = gla_judge(p, c, &truth, profile, 0, threads, g, err);
    if (!status) status = embed_report(p, c, &truth, g, threads, text, err);
    gla_truth_free(&truth);
    gla_candidate_free_room(c);
    return status;
}

int glassbox_check(const char *mechanism, const double *const *input, const int64_t (*input_shape)[4],
                   const int64_t *cu_seqlens, int64_t cu_count, double scale, unsigned flags, const double *const *got,
                   const int64_t (*got_shape)[4], const char *const *format, unsigned missing, const char *profile,
                   const char *replay, const char *form, int threads, int *verdict, double *numbers, const char **used,
                   char *text, size_t room) {
    embed_arguments a = {mechanism, input, input_shape, cu_seqlens, cu_count, scale, flags};
    embed_text report = {text, room, 0};
    gla_error err;
    gla_problem p;
    gla_replay declared_bits = {replay, form};
    gla_candidate c = {.replay = &declared_bits};
    gla_judgement g;
    gla_profile own;
    const gla_profile *declared = NULL;
    gla_status status = embed_problem(&a, &p, &err);
    if (!status) status = take_outputs(&p, got, got_shape, format, missing, &c, &err);
    if (!status) status = find_profile(profile, &c, &own, &declared, &err);
    if (!status) status = check_replay(&declared_bits, &err);
    if (!status) status = judge(&p, &c, declared, threads, &g, &report, &err);
    if (status) return embed_fail(&err, text, room);
    *verdict = (int)g.verdict;
    *used = declared == &own ? NULL : declared->name;
    for (int i = 0; i < GLA_OUTPUTS; i++) embed_numbers(&g.tensor[i], numbers + i * FIELDS);
    return GLA_OK;
}
