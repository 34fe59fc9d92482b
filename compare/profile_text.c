/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading profiles: from entries to a table of roundings. The keys are described in io/profile_file.h, the lines in
 * profile_text.h.
 */
#include "profile_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *key, *value;
    char kind; /* s n 0 { ? */
} entry;

typedef struct reading {
    const char *where;
    entry *at;
    size_t count;
    gla_error *err;
} reading;

static gla_status bad(const reading *r, const char *key, const char *what) {
    const char *last = strrchr(key, '.');
    gla_fail(r->err, GLA_BAD_FILE, "%.200s: \"%.40s\" %s", r->where, last ? last + 1 : key, what);
    return gla_hint(r->err, GLA_BAD_FILE, "compare/io/profile_file.h describes the format");
}

/* ---- lines ---- */

/* The line's entry; false: it is none. The line is cut up in place. */
static bool split(char *line, entry *out) {
    char *kind = strchr(line, ' ');
    if (!kind || kind == line || !kind[1] || !strchr("sn0{?", kind[1])) return false;
    bool valued = kind[1] == 's' || kind[1] == 'n';
    if (kind[2] != (valued ? ' ' : 0)) return false;
    *kind = 0;
    *out = (entry){.key = line, .value = valued ? kind + 3 : "", .kind = kind[1]};
    return true;
}

/* Into r->at, which has room for as many lines as there are. */
static gla_status split_all(char *text, reading *r) {
    for (char *line = text, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] != 0);
        line[length] = 0;
        if (line == text && strncmp(line, "# ", 2) == 0)
            r->where = line + 2;
        else if (!split(line, &r->at[r->count++]))
            return gla_fail(r->err, GLA_BAD_FILE, "%.200s: line '%.60s' is no entry of a profile", r->where, line);
    }
    return GLA_OK;
}

static const entry *find(const reading *r, const char *object, const char *key) {
    size_t length = strlen(object);
    for (size_t i = 0; i < r->count; i++) {
        const char *at = r->at[i].key;
        if (length && (strncmp(at, object, length) != 0 || at[length] != '.')) continue;
        if (strcmp(length ? at + length + 1 : at, key) == 0) return &r->at[i];
    }
    return NULL;
}

/* The next entry from *i on that is a key of the object itself ("" is the whole); *key: its last part. */
static const entry *next_of(const reading *r, const char *object, size_t *i, const char **key) {
    size_t length = strlen(object);
    while (*i < r->count) {
        const entry *x = &r->at[(*i)++];
        if (length && (strncmp(x->key, object, length) != 0 || x->key[length] != '.')) continue;
        *key = length ? x->key + length + 1 : x->key;
        if (!strchr(*key, '.')) return x;
    }
    return NULL;
}

/* ---- one rounding ---- */

static bool known_rounding_key(const char *key) {
    static const char *const keys[] = {"format", "rounding", "u", "p", "tiny"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static gla_status read_kind(const reading *r, const char *name, gla_rounding_rule *rule) {
    const entry *rounding = find(r, name, "rounding"), *format = find(r, name, "format");
    if (rounding && rounding->kind != 's') return bad(r, name, "has a rounding that is no string");
    if (format && format->kind != 's') return bad(r, name, "has a format that is no string");
    bool cut = rounding && strcmp(rounding->value, "truncate") == 0;
    if (rounding && !cut && strcmp(rounding->value, "nearest") != 0)
        return bad(r, name, "rounds neither to \"nearest\" nor by \"truncate\"");
    *rule = (gla_rounding_rule){.one_sided = cut};
    if (!format) return GLA_OK;
    const gla_format *f = gla_format_named(format->value);
    if (!f) return bad(r, name, "has an unknown format (bf16 f16 tf32 e4m3 e5m2 binary32 binary64)");
    *rule = gla_rounding_into(f, cut);
    return GLA_OK;
}

/* A number in [least, most], if the key is there. */
static gla_status read_number(const reading *r, const char *object, const char *key, double least, double most,
                              double *out) {
    const entry *x = find(r, object, key);
    if (!x) return GLA_OK;
    char *end = NULL;
    double number = x->kind == 'n' ? strtod(x->value, &end) : NAN;
    if (!(number >= least && number <= most) || end == x->value || *end) {
        const char *last = strrchr(object, '.');
        bool own = !object[0]; /* a key of the profile itself */
        return gla_fail(r->err, GLA_BAD_FILE, "%.200s: \"%.40s%s%.40s\" is no number from %g to %g", r->where,
                        own    ? ""
                        : last ? last + 1
                               : object,
                        own ? "" : "\": \"", key, least, most);
    }
    *out = number;
    return GLA_OK;
}

static gla_status read_rule(const reading *r, const entry *x, gla_rounding_rule *rule) {
    const char *name = x->key, *key;
    if (x->kind == '0') {
        *rule = (gla_rounding_rule){.u = 0};
        return GLA_OK;
    }
    if (x->kind != '{') return bad(r, name, "is no rounding: null, or {\"format\": ..., \"rounding\": ...}");
    for (size_t i = 0; next_of(r, name, &i, &key);)
        if (!known_rounding_key(key)) return bad(r, name, "knows only format, rounding, u, p, tiny");
    gla_status status = read_kind(r, name, rule);
    double p = rule->p;
    if (status == GLA_OK) status = read_number(r, name, "u", 0, 0.5, &rule->u);
    if (status == GLA_OK) status = read_number(r, name, "p", 0, 53, &p);
    if (status == GLA_OK) status = read_number(r, name, "tiny", 0, 1, &rule->tiny);
    rule->p = (int)p;
    if (status == GLA_OK && rule->u == 0) return bad(r, name, "has neither a format nor a unit roundoff u above 0");
    return status;
}

/* ---- the whole ---- */

static gla_status read_text(const reading *r, const entry *x, char *out, size_t room) {
    if (x->kind != 's') return bad(r, x->key, "is no string");
    if (strlen(x->value) >= room) return bad(r, x->key, "is too long");
    snprintf(out, room, "%s", x->value);
    return GLA_OK;
}

static gla_status read_form(const reading *r, const entry *x, char *out, size_t room) {
    gla_form form;
    gla_status status = read_text(r, x, out, room);
    if (status != GLA_OK || (out[0] == 0 && strcmp(x->key, "also") == 0)) return status;
    return gla_form_parse(out, &form, NULL) == GLA_OK ? GLA_OK
                                                      : bad(r, x->key, "is no formulation (see glassbox list)");
}

static gla_status read_sites(const reading *r, const entry *x, gla_error_model *m) {
    const char *key;
    const entry *rule;
    if (x->kind != '{') return bad(r, x->key, "is no object");
    for (size_t i = 0; (rule = next_of(r, x->key, &i, &key));) {
        int site = 0;
        while (site < GLA_SITES && strcmp(key, gla_site_names[site]) != 0) site++;
        if (site == GLA_SITES)
            return bad(r, key, "is no rounding site (gate_sum q_decayed k_decayed ... as in number.h)");
        gla_status status = read_rule(r, rule, &m->site[site]);
        if (status != GLA_OK) return status;
    }
    return GLA_OK;
}

static gla_status read_key(const reading *r, const entry *x, gla_profile *p) {
    gla_error_model *m = &p->model;
    if (strcmp(x->key, "like") == 0) return GLA_OK; /* read first */
    if (strcmp(x->key, "name") == 0) return read_text(r, x, p->name, sizeof p->name);
    if (strcmp(x->key, "what") == 0) return read_text(r, x, p->what, sizeof p->what);
    if (strcmp(x->key, "form") == 0) return read_form(r, x, p->form, sizeof p->form);
    if (strcmp(x->key, "also") == 0) return read_form(r, x, p->also, sizeof p->also);
    if (strcmp(x->key, "op") == 0) return read_rule(r, x, &m->op);
    if (strcmp(x->key, "exp") == 0) return read_rule(r, x, &m->exp);
    if (strcmp(x->key, "operand") == 0) return read_rule(r, x, &m->operand);
    if (strcmp(x->key, "sum") == 0) return read_rule(r, x, &m->sum);
    if (strcmp(x->key, "sites") == 0) return read_sites(r, x, m);
    if (strcmp(x->key, "exp_argument") == 0) return read_number(r, "", x->key, 0, 0.5, &m->exp_argument);
    return bad(r, x->key, "is no key of a profile");
}

static gla_status read_profile(const reading *r, gla_profile *p) {
    const entry *like = find(r, "", "like"), *x;
    const char *key;
    const gla_profile *base = like && like->kind == 's' ? gla_profile_named(like->value) : NULL;
    if (like && !base) return bad(r, "like", "names no built-in profile (see glassbox list)");
    *p = base ? *base : (gla_profile){.name = ""};
    p->name[0] = 0;
    gla_status status = GLA_OK;
    for (size_t i = 0; status == GLA_OK && (x = next_of(r, "", &i, &key));) status = read_key(r, x, p);
    if (status == GLA_OK && !p->name[0]) return bad(r, "name", "is missing");
    if (status == GLA_OK && !p->form[0]) return bad(r, "form", "is missing, and no \"like\"");
    return status;
}

gla_status gla_profile_parse(const char *text, gla_profile *out, gla_error *err) {
    size_t lines = 1;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    reading r = {.where = "profile", .at = calloc(lines, sizeof(entry)), .err = err};
    char *copy = strdup(text);
    *out = (gla_profile){.name = ""};
    gla_status status = GLA_OK;
    if (!copy || !r.at) status = gla_fail(err, GLA_NO_MEMORY, "no memory for a profile");
    if (status == GLA_OK) status = split_all(copy, &r);
    if (status == GLA_OK) status = read_profile(&r, out);
    free(copy);
    free(r.at);
    return status;
}
