/* SPDX-License-Identifier: Apache-2.0
 *
 * Profile files: from JSON to the lines of profile_text.h, which is where they are understood.
 */
#include "profile_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../profile_text.h"

enum { DEPTH = 3 }; /* sites.NAME.key: what is deeper is refused where it stands */

static void put_object(FILE *to, const char *prefix, const json_t *x, int depth);

/* A string on one line, so that nothing in it can pass for another entry. */
static void put_string(FILE *to, const char *text) {
    for (; *text; text++) fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
}

static void put_value(FILE *to, const char *key, const json_t *x, int depth) {
    put_string(to, key);
    if (json_is_string(x)) {
        fputs(" s ", to);
        put_string(to, json_string_value(x));
        fputc('\n', to);
    } else if (json_is_number(x))
        fprintf(to, " n %.17g\n", json_number_value(x));
    else if (json_is_object(x) && depth < DEPTH) {
        fputs(" {\n", to);
        put_object(to, key, x, depth + 1);
    } else
        fprintf(to, " %c\n", json_is_null(x) ? '0' : '?');
}

/* Keys hold no dot and no blank, else they are not one of ours: such a key becomes "?". */
static void put_object(FILE *to, const char *prefix, const json_t *x, int depth) {
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)x, key, value) {
        char path[200];
        bool plain = key[0] && !strpbrk(key, ". \n");
        snprintf(path, sizeof path, "%s%s%.60s", prefix, prefix[0] ? "." : "", plain ? key : "?");
        put_value(to, path, value, depth);
    }
}

/* malloc'ed; NULL: no memory. */
static char *lines_of(const char *path, const json_t *x) {
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to) return NULL;
    fputs("# ", to);
    put_string(to, path);
    fputc('\n', to);
    put_object(to, "", x, 1);
    bool good = !ferror(to);
    if (fclose(to) == 0 && good) return text;
    free(text);
    return NULL;
}

gla_status gla_profile_read(const char *path, gla_profile *out, gla_error *err) {
    json_error_t where;
    *out = (gla_profile){.name = ""};
    FILE *file = fopen(path, "rb");
    if (!file) return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", path, strerror(errno));
    json_t *x = json_loadf(file, JSON_REJECT_DUPLICATES, &where);
    fclose(file);
    if (!x) return gla_fail(err, GLA_BAD_FILE, "%.200s: not JSON at line %d: %.80s", path, where.line, where.text);
    gla_status status = GLA_OK;
    char *text = json_is_object(x) ? lines_of(path, x) : NULL;
    if (!json_is_object(x))
        status = gla_fail(err, GLA_BAD_FILE, "%.200s: not a JSON object", path);
    else if (!text)
        status = gla_fail(err, GLA_NO_MEMORY, "%.200s: no memory", path);
    else
        status = gla_profile_parse(text, out, err);
    free(text);
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
