/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading profiles; the format is in profile_file.h.
 */
#include "profile_file.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where we are, for errors. */
typedef struct reading {
    const char *path;
    gla_error *err;
} reading;

static gla_status bad(const reading *r, const char *key, const char *what) {
    gla_fail(r->err, GLA_BAD_FILE, "%.200s: \"%.40s\" %s", r->path, key, what);
    return gla_hint(r->err, GLA_BAD_FILE, "compare/io/profile_file.h describes the format");
}

/* ---- one rounding ---- */

static bool known_rounding_key(const char *key) {
    static const char *const keys[] = {"format", "rounding", "u", "p", "tiny"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static gla_status read_kind(const reading *r, const char *name, const json_t *x, gla_rounding_rule *rule) {
    const char *rounding = json_string_value(json_object_get(x, "rounding"));
    const char *format = json_string_value(json_object_get(x, "format"));
    if (json_object_get(x, "rounding") && !rounding) return bad(r, name, "has a rounding that is no string");
    if (json_object_get(x, "format") && !format) return bad(r, name, "has a format that is no string");
    bool cut = rounding && strcmp(rounding, "truncate") == 0;
    if (rounding && !cut && strcmp(rounding, "nearest") != 0)
        return bad(r, name, "rounds neither to \"nearest\" nor by \"truncate\"");
    *rule = (gla_rounding_rule){.one_sided = cut};
    if (!format) return GLA_OK;
    const gla_format *f = gla_format_named(format);
    if (!f) return bad(r, name, "has an unknown format (bf16 f16 tf32 e4m3 e5m2 binary32 binary64)");
    *rule = gla_rounding_into(f, cut);
    return GLA_OK;
}

/* A number in [least, most], if the key is there. */
static gla_status read_number(const reading *r, const char *name, const json_t *x, const char *key, double least,
                              double most, double *out) {
    const json_t *value = json_object_get(x, key);
    if (!value) return GLA_OK;
    double number = json_is_number(value) ? json_number_value(value) : NAN;
    if (!(number >= least && number <= most)) {
        bool own = strcmp(name, key) == 0; /* a key of the profile itself */
        gla_fail(r->err, GLA_BAD_FILE, "%.200s: \"%.40s\"%s%s%s is no number from %g to %g", r->path, name,
                 own ? "" : ": \"", own ? "" : key, own ? "" : "\"", least, most);
        return GLA_BAD_FILE;
    }
    *out = number;
    return GLA_OK;
}

static gla_status read_rule(const reading *r, const char *name, const json_t *x, gla_rounding_rule *rule) {
    const char *key;
    const json_t *value;
    if (json_is_null(x)) {
        *rule = (gla_rounding_rule){.u = 0};
        return GLA_OK;
    }
    if (!json_is_object(x)) return bad(r, name, "is no rounding: null, or {\"format\": ..., \"rounding\": ...}");
    json_object_foreach((json_t *)x, key, value) {
        if (!known_rounding_key(key)) return bad(r, name, "knows only format, rounding, u, p, tiny");
    }
    gla_status status = read_kind(r, name, x, rule);
    double p = rule->p;
    if (status == GLA_OK) status = read_number(r, name, x, "u", 0, 0.5, &rule->u);
    if (status == GLA_OK) status = read_number(r, name, x, "p", 0, 53, &p);
    if (status == GLA_OK) status = read_number(r, name, x, "tiny", 0, 1, &rule->tiny);
    rule->p = (int)p;
    if (status == GLA_OK && rule->u == 0) return bad(r, name, "has neither a format nor a unit roundoff u above 0");
    return status;
}

/* ---- the whole ---- */

static gla_status read_text(const reading *r, const char *key, const json_t *x, char *out, size_t room) {
    const char *text = json_string_value(x);
    if (!text) return bad(r, key, "is no string");
    if (strlen(text) >= room) return bad(r, key, "is too long");
    snprintf(out, room, "%s", text);
    return GLA_OK;
}

static gla_status read_form(const reading *r, const char *key, const json_t *x, char *out, size_t room) {
    gla_form form;
    gla_status status = read_text(r, key, x, out, room);
    if (status != GLA_OK || (out[0] == 0 && strcmp(key, "also") == 0)) return status;
    return gla_form_parse(out, &form, NULL) == GLA_OK ? GLA_OK : bad(r, key, "is no formulation (see glassbox list)");
}

static gla_status read_sites(const reading *r, const json_t *x, gla_error_model *m) {
    const char *key;
    const json_t *value;
    if (!json_is_object(x)) return bad(r, "sites", "is no object");
    json_object_foreach((json_t *)x, key, value) {
        int site = 0;
        while (site < GLA_SITES && strcmp(key, gla_site_names[site]) != 0) site++;
        if (site == GLA_SITES)
            return bad(r, key, "is no rounding site (gate_sum q_decayed k_decayed ... as in number.h)");
        gla_status status = read_rule(r, key, value, &m->site[site]);
        if (status != GLA_OK) return status;
    }
    return GLA_OK;
}

static gla_status read_key(const reading *r, const char *key, const json_t *x, gla_profile *p) {
    gla_error_model *m = &p->model;
    if (strcmp(key, "like") == 0) return GLA_OK; /* read first */
    if (strcmp(key, "name") == 0) return read_text(r, key, x, p->name, sizeof p->name);
    if (strcmp(key, "what") == 0) return read_text(r, key, x, p->what, sizeof p->what);
    if (strcmp(key, "form") == 0) return read_form(r, key, x, p->form, sizeof p->form);
    if (strcmp(key, "also") == 0) return read_form(r, key, x, p->also, sizeof p->also);
    if (strcmp(key, "op") == 0) return read_rule(r, key, x, &m->op);
    if (strcmp(key, "exp") == 0) return read_rule(r, key, x, &m->exp);
    if (strcmp(key, "operand") == 0) return read_rule(r, key, x, &m->operand);
    if (strcmp(key, "sum") == 0) return read_rule(r, key, x, &m->sum);
    if (strcmp(key, "sites") == 0) return read_sites(r, x, m);
    if (strcmp(key, "exp_argument") != 0) return bad(r, key, "is no key of a profile");
    json_t *holder = json_pack("{s:O}", "exp_argument", x);
    gla_status status = read_number(r, key, holder, "exp_argument", 0, 0.5, &m->exp_argument);
    json_decref(holder);
    return status;
}

static gla_status read_like(const reading *r, const json_t *x, gla_profile *p) {
    if (!x) return GLA_OK;
    const gla_profile *base = json_is_string(x) ? gla_profile_named(json_string_value(x)) : NULL;
    if (!base) return bad(r, "like", "names no built-in profile (see glassbox list)");
    *p = *base;
    p->name[0] = 0;
    return GLA_OK;
}

static gla_status read_profile(const reading *r, const json_t *x, gla_profile *p) {
    const char *key;
    const json_t *value;
    if (!json_is_object(x)) return gla_fail(r->err, GLA_BAD_FILE, "%.200s: not a JSON object", r->path);
    gla_status status = read_like(r, json_object_get(x, "like"), p);
    json_object_foreach((json_t *)x, key, value) {
        if (status == GLA_OK) status = read_key(r, key, value, p);
    }
    if (status == GLA_OK && !p->name[0]) return bad(r, "name", "is missing");
    if (status == GLA_OK && !p->form[0]) return bad(r, "form", "is missing, and no \"like\"");
    return status;
}

gla_status gla_profile_read(const char *path, gla_profile *out, gla_error *err) {
    json_error_t where;
    reading r = {path, err};
    *out = (gla_profile){.name = ""};
    FILE *file = fopen(path, "rb");
    if (!file) return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", path, strerror(errno));
    json_t *x = json_loadf(file, JSON_REJECT_DUPLICATES, &where);
    fclose(file);
    if (!x) return gla_fail(err, GLA_BAD_FILE, "%.200s: not JSON at line %d: %.80s", path, where.line, where.text);
    gla_status status = read_profile(&r, x, out);
    json_decref(x);
    return status;
}

gla_status gla_profile_find(const char *text, gla_profile *out, gla_error *err) {
    const gla_profile *built_in = gla_profile_named(text);
    size_t length = strlen(text);
    if (built_in) {
        *out = *built_in;
        return GLA_OK;
    }
    if (strchr(text, '/') || (length > 5 && strcmp(text + length - 5, ".json") == 0))
        return gla_profile_read(text, out, err);
    gla_fail(err, GLA_UNKNOWN_NAME, "no profile '%.40s'", text);
    return gla_hint(err, GLA_UNKNOWN_NAME, "see glassbox list; a profile of your own is FILE.json");
}
