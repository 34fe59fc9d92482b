/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a problem's mechanism, "NAME[:SCHEDULE[:l/L]][@h/H][,SWITCH=VALUE]...", read and written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mechanisms.h"

/* Is it the word of this length at text? */
static bool same(const char *name, const char *text, size_t length) {
    return strlen(name) == length && strncmp(name, text, length) == 0;
}

static gla_status unknown(const char *text, gla_error *err) {
    char known[300] = "";
    for (int i = 0; gla_mechanisms[i]; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, " %s", gla_mechanisms[i]->name);
    }
    return gla_fail(err, GLA_UNKNOWN_NAME, "unknown mechanism '%.60s', known:%s", text, known);
}

static const gla_mechanism *named(const char *name, size_t length) {
    for (const gla_mechanism *const *m = gla_mechanisms; *m; m++)
        if (same((*m)->name, name, length)) return *m;
    return NULL;
}

static gla_status bad_schedule(const gla_mechanism *m, const char *text, gla_error *err) {
    char known[300] = "";
    if (!m->schedules)
        return gla_fail(err, GLA_UNKNOWN_NAME, "mechanism '%.60s': %s has no fixed decay, write '%s'", text, m->name,
                        m->name);
    for (const gla_choice *s = m->schedules; s->name; s++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, " %s:%s", m->name, s->name);
    }
    return gla_fail(err, GLA_UNKNOWN_NAME,
                    "mechanism '%.60s' is not one of%s, then :l/L (linear only: layer l of L) and @h/H (the first head "
                    "is head h of H)",
                    text, known);
}

/* "a/b" with 0 <= a < b < 2^31; advances *at. */
static bool parse_part(const char **at, int64_t *a, int64_t *b) {
    char *slash, *end;
    if (**at < '0' || **at > '9') return false;
    long long x = strtoll(*at, &slash, 10);
    if (*slash != '/' || slash[1] < '0' || slash[1] > '9') return false;
    long long y = strtoll(slash + 1, &end, 10);
    if (x >= y || y > INT32_MAX) return false;
    *at = end;
    *a = x;
    *b = y;
    return true;
}

static bool parse_schedule(const gla_mechanism *m, const char **at, gla_fixed_decay *decay) {
    size_t length = strcspn(*at, ":@,");
    for (int i = 0; m->schedules && m->schedules[i].name; i++)
        if (same(m->schedules[i].name, *at, length)) {
            decay->schedule = i;
            *at += length;
            return true;
        }
    return false;
}

static bool takes_layer(const gla_mechanism *m, const gla_fixed_decay *d) {
    return strcmp(m->schedules[d->schedule].name, "linear") == 0;
}

/* ---- switches ---- */

double gla_setting(const gla_problem *p, int index) {
    const gla_mechanism *m = gla_mechanism_of(p);
    if (p->setting[index].given) return p->setting[index].value;
    return m->switches[index].values ? 0 : m->switches[index].usual;
}

static gla_status bad_switch(const gla_mechanism *m, const char *text, gla_error *err) {
    char known[240] = "";
    if (!m->switches)
        return gla_fail(err, GLA_UNKNOWN_NAME, "mechanism '%.60s': %s has no switches, write '%s'", text, m->name,
                        m->name);
    for (const gla_switch *s = m->switches; s->name; s++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, " %s=", s->name);
        for (const gla_choice *v = s->values; v && v->name; v++) {
            used = strlen(known);
            snprintf(known + used, sizeof known - used, "%s%s", v == s->values ? "" : "|", v->name);
        }
        used = strlen(known);
        if (!s->values) snprintf(known + used, sizeof known - used, "NUMBER from %g to %g", s->least, s->most);
    }
    return gla_fail(err, GLA_UNKNOWN_NAME, "mechanism '%.60s': after commas %s takes%s", text, m->name, known);
}

/* The value of a switch up to the next comma; advances *at. */
static bool parse_value(const gla_switch *s, const char **at, gla_setting_of *x) {
    size_t length = strcspn(*at, ",");
    char *end = NULL;
    double usual = s->values ? 0 : s->usual;
    x->value = -1;
    for (int i = 0; s->values && s->values[i].name; i++)
        if (same(s->values[i].name, *at, length)) x->value = i;
    if (s->values && x->value < 0) return false;
    if (!s->values) x->value = strtod(*at, &end);
    if (!s->values && (length == 0 || end != *at + length || !(x->value >= s->least && x->value <= s->most)))
        return false;
    x->given = x->value != usual;
    if (!x->given) x->value = 0; /* one way to say that it is as usual */
    *at += length;
    return true;
}

/* "NAME=VALUE"; advances *at. */
static bool parse_switch(const gla_mechanism *m, const char **at, gla_setting_of setting[GLA_SWITCHES]) {
    size_t length = strcspn(*at, "=,");
    if ((*at)[length] != '=') return false;
    for (int i = 0; m->switches && m->switches[i].name; i++)
        if (same(m->switches[i].name, *at, length)) {
            *at += length + 1;
            return parse_value(&m->switches[i], at, &setting[i]);
        }
    return false;
}

/* The shortest text that reads back as x. */
static void print_number(double x, char *text, size_t size) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, x);
        if (strtod(text, NULL) == x) return;
    }
}

static void print_switches(const gla_problem *p, char *text, size_t size) {
    const gla_mechanism *m = gla_mechanism_of(p);
    text[0] = 0;
    for (int i = 0; m->switches && m->switches[i].name; i++) {
        const gla_switch *s = &m->switches[i];
        size_t used = strlen(text);
        char number[32];
        if (!p->setting[i].given) continue;
        if (!s->values) print_number(p->setting[i].value, number, sizeof number);
        snprintf(text + used, size - used, ",%s=%s", s->name,
                 s->values ? s->values[(int)p->setting[i].value].name : number);
    }
}

/* ---- together ---- */

gla_status gla_mechanism_parse(const char *text, gla_problem *p, gla_error *err) {
    const char *at = text + strcspn(text, ":@,");
    const gla_mechanism *m = named(text, (size_t)(at - text));
    gla_fixed_decay decay = {0};
    gla_setting_of setting[GLA_SWITCHES] = {{0}};
    bool good = true;
    if (!m) return unknown(text, err);
    if (*at == ':') at++, good = parse_schedule(m, &at, &decay);
    if (good && *at == ':') at++, good = takes_layer(m, &decay) && parse_part(&at, &decay.layer, &decay.layers);
    if (good && *at == '@') at++, good = m->schedules && parse_part(&at, &decay.head, &decay.heads);
    if (!good || (*at && *at != ',')) return bad_schedule(m, text, err);
    while (good && *at == ',') at++, good = parse_switch(m, &at, setting);
    if (!good || *at) return bad_switch(m, text, err);
    p->mechanism = m;
    p->decay = decay;
    memcpy(p->setting, setting, sizeof setting);
    return GLA_OK;
}

void gla_mechanism_print(const gla_problem *p, char *text, size_t size) {
    const gla_mechanism *m = gla_mechanism_of(p);
    const gla_fixed_decay *d = &p->decay;
    char schedule[64] = "", layer[64] = "", heads[64] = "", switches[160];
    bool usual = d->schedule == 0 && d->layers == 0;
    if (m->schedules && !usual) snprintf(schedule, sizeof schedule, ":%s", m->schedules[d->schedule].name);
    if (m->schedules && d->layers) snprintf(layer, sizeof layer, ":%" PRId64 "/%" PRId64, d->layer, d->layers);
    if (m->schedules && d->heads && (d->head || d->heads != p->H))
        snprintf(heads, sizeof heads, "@%" PRId64 "/%" PRId64, d->head, d->heads);
    print_switches(p, switches, sizeof switches);
    snprintf(text, size, "%s%s%s%s%s", m->name, schedule, layer, heads, switches);
}
