/* SPDX-License-Identifier: Apache-2.0
 *
 * The mechanisms by name, the text "NAME[:SCHEDULE[:l/L]][@h/H]" of a problem's mechanism, and what the fixed decays
 * share.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mechanisms.h"

const gla_mechanism *const gla_mechanisms[] = {
    &gla_mechanism_gla,       &gla_mechanism_simple_gla, &gla_mechanism_linear_attention,
    &gla_mechanism_retention, &gla_mechanism_lightning,  NULL};

static const gla_mechanism *named(const char *name, size_t length) {
    for (const gla_mechanism *const *m = gla_mechanisms; *m; m++)
        if (strlen((*m)->name) == length && strncmp((*m)->name, name, length) == 0) return *m;
    return NULL;
}

const gla_mechanism *gla_mechanism_named(const char *name) { return named(name, strlen(name)); }

const gla_mechanism *gla_mechanism_of(const gla_problem *p) { return p->mechanism ? p->mechanism : &gla_mechanism_gla; }

/* ---- the text ---- */

static gla_status unknown(const char *text, gla_error *err) {
    char known[200] = "";
    for (int i = 0; gla_mechanisms[i]; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, " %s", gla_mechanisms[i]->name);
    }
    return gla_fail(err, GLA_UNKNOWN_NAME, "unknown mechanism '%.60s', known:%s", text, known);
}

static gla_status bad_schedule(const gla_mechanism *m, const char *text, gla_error *err) {
    char known[200] = "";
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
    size_t length = strcspn(*at, ":@");
    for (int i = 0; m->schedules && m->schedules[i].name; i++)
        if (strlen(m->schedules[i].name) == length && strncmp(m->schedules[i].name, *at, length) == 0) {
            decay->schedule = i;
            *at += length;
            return true;
        }
    return false;
}

static bool takes_layer(const gla_mechanism *m, const gla_fixed_decay *d) {
    return strcmp(m->schedules[d->schedule].name, "linear") == 0;
}

gla_status gla_mechanism_parse(const char *text, gla_problem *p, gla_error *err) {
    const char *at = text + strcspn(text, ":@");
    const gla_mechanism *m = named(text, (size_t)(at - text));
    gla_fixed_decay decay = {0};
    bool good = true;
    if (!m) return unknown(text, err);
    if (*at == ':') at++, good = parse_schedule(m, &at, &decay);
    if (good && *at == ':') at++, good = takes_layer(m, &decay) && parse_part(&at, &decay.layer, &decay.layers);
    if (good && *at == '@') at++, good = m->schedules && parse_part(&at, &decay.head, &decay.heads);
    if (!good || *at) return bad_schedule(m, text, err);
    p->mechanism = m;
    p->decay = decay;
    return GLA_OK;
}

void gla_mechanism_print(const gla_problem *p, char *text, size_t size) {
    const gla_mechanism *m = gla_mechanism_of(p);
    const gla_fixed_decay *d = &p->decay;
    char schedule[64] = "", layer[64] = "", heads[64] = "";
    bool usual = d->schedule == 0 && d->layers == 0;
    if (m->schedules && !usual) snprintf(schedule, sizeof schedule, ":%s", m->schedules[d->schedule].name);
    if (m->schedules && d->layers) snprintf(layer, sizeof layer, ":%" PRId64 "/%" PRId64, d->layer, d->layers);
    if (m->schedules && d->heads && (d->head || d->heads != p->H))
        snprintf(heads, sizeof heads, "@%" PRId64 "/%" PRId64, d->head, d->heads);
    snprintf(text, size, "%s%s%s%s", m->name, schedule, layer, heads);
}

/* ---- fixed decays ---- */

int64_t gla_decay_head(const gla_problem *p, int64_t h) { return p->decay.head + h; }
int64_t gla_decay_heads(const gla_problem *p) { return p->decay.heads ? p->decay.heads : p->H; }

void gla_decay_set(gla_matrix g, double x) {
    if (g.in->status == GLA_OK) g.in->ops->set_d(g.in, g.at, x);
}

void gla_decay_power(gla_matrix z, int64_t a, int64_t b) {
    if (a % b == 0) {
        gla_decay_set(z, -ldexp(1, (int)(-a / b)));
        return;
    }
    gla_matrix ln2 = gla_new(z.in, 1, 1);
    gla_decay_set(ln2, 1);
    gla_log1p(ln2, ln2);
    gla_decay_ratio(z, (double)-a, (double)b);
    gla_mul(z, z, ln2);
    gla_exp(z, z);
    gla_neg(z, z);
}

void gla_decay_ratio(gla_matrix z, double a, double b) {
    gla_matrix divisor = gla_new(z.in, 1, 1);
    gla_decay_set(z, a);
    gla_decay_set(divisor, b);
    gla_divide(z, z, divisor);
}
