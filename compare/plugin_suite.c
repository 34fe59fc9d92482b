/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cases a plug-in is given, and what they are called (plugin_suite.h).
 */
#include "plugin_suite.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static void set_id(gla_suite_case *c, const char *mechanism) {
    const gla_case_spec *s = &c->spec;
    char batch[24] = "", groups[24] = "";
    if (s->B != 1) snprintf(batch, sizeof batch, "B%lld_", (long long)s->B);
    if (s->Hk != s->H) snprintf(groups, sizeof groups, "G%lld_", (long long)s->Hk);
    snprintf(c->id, sizeof c->id, "%.31s/%s/%sT%lld_H%lld_%sK%lld_V%lld%s%s%s%s%s%s/%s/s%llu%s%s", mechanism, s->family,
             batch, (long long)s->T, (long long)s->H, groups, (long long)s->dk, (long long)s->dv, s->gv ? "_gv" : "",
             s->initial_state ? "_state" : "", s->varlen ? "_varlen" : "", s->reverse ? "_reverse" : "",
             s->no_do ? "_nodo" : "", s->backward ? "" : "_forward",
             s->dtype == &gla_binary32_format ? "f32" : s->dtype->name, (unsigned long long)s->seed,
             c->property == GLA_PROPERTIES ? "" : "/",
             c->property == GLA_PROPERTIES ? "" : gla_property_names[c->property]);
}

/* ---- the list ---- */

typedef struct making {
    gla_suite *suite;
    const char *mechanism;
    bool backward;
    gla_status status;
    gla_error *err;
} making;

static void add(making *m, gla_case_spec spec, gla_property property) {
    gla_case_label label;
    if (m->status != GLA_OK) return;
    spec.backward = m->backward;
    spec.mechanism = m->mechanism;
    m->status = gla_case_complete(&spec, label, m->err);
    if (m->status != GLA_OK) return;
    gla_suite_case c = {.spec = spec, .property = property};
    set_id(&c, m->mechanism);
    for (size_t i = 0; i < m->suite->count; i++)
        if (strcmp(m->suite->at[i].id, c.id) == 0) return;
    gla_suite_case *at = realloc(m->suite->at, (m->suite->count + 1) * sizeof *at);
    if (!at) {
        m->status = gla_fail(m->err, GLA_NO_MEMORY, "no memory for the suite");
        return;
    }
    m->suite->at = at;
    at[m->suite->count++] = c;
}

static void add_families(making *m, const gla_format *dtype, uint64_t seed, bool full) {
    int index = 0;
    gla_problem p = {.mechanism = NULL};
    if (gla_mechanism_parse(m->mechanism, &p, m->err) != GLA_OK) m->status = GLA_UNKNOWN_NAME;
    for (const gla_family *f = gla_families; f->name && m->status == GLA_OK; f++, index++) {
        if (!gla_family_fits(f, gla_mechanism_of(&p))) continue;
        gla_case_spec own = {.family = f->name, .seed = seed, .dtype = dtype, .initial_state = index % 2};
        add(m, own, GLA_PROPERTIES);
        for (int64_t C = 64; C >= (full ? 16 : 64); C /= 4) {
            gla_case_spec awkward = gla_random_shape(f->name, seed + (uint64_t)index, C);
            awkward.dtype = dtype;
            add(m, awkward, GLA_PROPERTIES);
        }
    }
}

static void add_large(making *m, const gla_format *dtype, uint64_t seed) {
    static const char *const families[] = {"mild", "strong", "reset", "cancel"};
    static const int64_t sizes[][4] = {{513, 2, 64, 64}, {257, 2, 128, 128}, {320, 2, 128, 64}, {192, 1, 256, 32}};
    gla_problem p = {.mechanism = NULL};
    if (gla_mechanism_parse(m->mechanism, &p, m->err) != GLA_OK) m->status = GLA_UNKNOWN_NAME;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (!gla_family_fits(gla_family_named(families[i]), gla_mechanism_of(&p))) continue;
        gla_case_spec s = {.family = families[i], .seed = seed, .dtype = dtype, .initial_state = true};
        s.T = sizes[i][0];
        s.H = sizes[i][1];
        s.dk = sizes[i][2];
        s.dv = sizes[i][3];
        add(m, s, GLA_PROPERTIES);
    }
}

static void add_dtype(making *m, const gla_format *dtype, uint64_t seed, bool full) {
    for (uint64_t i = 0; i < (full ? 3 : 1); i++) add_families(m, dtype, seed + i, full);
    if (full) add_large(m, dtype, seed);
    for (int i = 0; i < (full ? GLA_PROPERTIES : GLA_STRIDES); i++)
        add(m, gla_property_case((gla_property)i, dtype, m->backward, seed), (gla_property)i);
}

gla_status gla_suite_make(const gla_plugin *plugin, bool full, uint64_t seed, gla_suite *out, gla_error *err) {
    static const gla_format *const dtypes[] = {&gla_bf16, &gla_f16, &gla_binary32_format};
    *out = (gla_suite){0};
    making m = {.suite = out, .mechanism = plugin->mechanism, .err = err};
    m.backward = plugin->info.features & GLASSBOX_HAS_BACKWARD;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (plugin->info.formats & gla_plugin_takes(dtypes[i])) add_dtype(&m, dtypes[i], seed, full);
    if (m.status != GLA_OK) gla_suite_free(out);
    return m.status;
}

void gla_suite_free(gla_suite *s) {
    free(s->at);
    *s = (gla_suite){0};
}

void gla_suite_keep(gla_suite *s, const char *pattern) {
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (fnmatch(pattern, s->at[i].id, 0) == 0) s->at[kept++] = s->at[i];
    s->count = kept;
}
