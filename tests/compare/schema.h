/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a JSON value what a schema asks for? The keywords of JSON Schema (draft 07) that data/schema uses, and no others:
 * a keyword that is not known here fails the test, lest it be ignored. Patterns are POSIX extended.
 */
#ifndef GLASSBOX_TESTS_SCHEMA_H
#define GLASSBOX_TESTS_SCHEMA_H

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Why the last value was refused. */
static char schema_error[300];

static inline bool schema_no(const char *where, const char *what) {
    snprintf(schema_error, sizeof schema_error, "%s: %s", where, what);
    return false;
}

static inline bool schema_type(const json_t *x, const char *type) {
    return strcmp(type, "object") == 0    ? json_is_object(x)
           : strcmp(type, "array") == 0   ? json_is_array(x)
           : strcmp(type, "string") == 0  ? json_is_string(x)
           : strcmp(type, "integer") == 0 ? json_is_integer(x)
           : strcmp(type, "number") == 0  ? json_is_number(x)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(x)
           : strcmp(type, "null") == 0    ? json_is_null(x)
                                          : false;
}

static inline bool schema_match(const char *pattern, const char *text) {
    regex_t compiled;
    if (!text || regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB)) return false;
    bool found = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return found;
}

static inline bool schema_valid(const json_t *root, const json_t *schema, const json_t *x, const char *where);

static inline bool schema_members(const json_t *root, const json_t *schema, const json_t *x, const char *where) {
    const json_t *properties = json_object_get(schema, "properties"), *name, *member,
                 *rest = json_object_get(schema, "additionalProperties");
    const char *key;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, name) {
        if (!json_object_get(x, json_string_value(name))) return schema_no(where, json_string_value(name));
    }
    json_object_foreach((json_t *)x, key, member) {
        char inner[200];
        snprintf(inner, sizeof inner, "%.120s.%.60s", where, key);
        const json_t *wanted = json_object_get(properties, key);
        if (!wanted) wanted = rest;
        if (json_is_false(wanted)) return schema_no(inner, "is not in the schema");
        if (wanted && !schema_valid(root, wanted, member, inner)) return false;
    }
    return true;
}

static inline bool schema_items(const json_t *root, const json_t *schema, const json_t *x, const char *where) {
    const json_t *items = json_object_get(schema, "items"), *least = json_object_get(schema, "minItems"),
                 *most = json_object_get(schema, "maxItems"), *item;
    json_int_t count = (json_int_t)json_array_size(x);
    size_t i;
    if (least && count < json_integer_value(least)) return schema_no(where, "too few items");
    if (most && count > json_integer_value(most)) return schema_no(where, "too many items");
    json_array_foreach((json_t *)x, i, item) {
        char inner[200];
        snprintf(inner, sizeof inner, "%.120s[%zu]", where, i);
        if (items && !schema_valid(root, items, item, inner)) return false;
    }
    return true;
}

static inline bool schema_any(const json_t *root, const json_t *list, const json_t *x, const char *where) {
    size_t i;
    const json_t *one;
    json_array_foreach((json_t *)list, i, one) if (schema_valid(root, one, x, where)) return true;
    return schema_no(where, "none of anyOf");
}

static inline bool schema_among(const json_t *list, const json_t *x, const char *where) {
    size_t i;
    const json_t *one;
    json_array_foreach((json_t *)list, i, one) if (json_equal((json_t *)one, (json_t *)x)) return true;
    return schema_no(where, "is not one of the values allowed");
}

static inline bool schema_known(const json_t *schema, const char *where) {
    static const char known[] = " $schema title description definitions type enum required properties "
                                "additionalProperties items minItems maxItems minimum pattern anyOf $ref ";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value) {
        char padded[64];
        snprintf(padded, sizeof padded, " %s ", key);
        if (!strstr(known, padded)) return schema_no(where, key);
        if (strcmp(key, "type") == 0 && !json_is_string(value)) return schema_no(where, "a type that is no string");
    }
    return true;
}

static inline bool schema_valid(const json_t *root, const json_t *schema, const json_t *x, const char *where) {
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (!schema_known(schema, where)) return false;
    if (ref) {
        const json_t *found = strncmp(ref, "#/definitions/", 14) == 0
                                  ? json_object_get(json_object_get(root, "definitions"), ref + 14)
                                  : NULL;
        return found ? schema_valid(root, found, x, where) : schema_no(where, "a $ref to nowhere");
    }
    const char *type = json_string_value(json_object_get(schema, "type")),
               *pattern = json_string_value(json_object_get(schema, "pattern"));
    const json_t *choice = json_object_get(schema, "enum"), *any = json_object_get(schema, "anyOf"),
                 *minimum = json_object_get(schema, "minimum");
    if (type && !schema_type(x, type)) return schema_no(where, "is of another type");
    if (pattern && !schema_match(pattern, json_string_value(x))) return schema_no(where, "does not match the pattern");
    if (minimum && json_is_number(x) && !(json_number_value(x) >= json_number_value(minimum)))
        return schema_no(where, "is below the minimum");
    if (choice && !schema_among(choice, x, where)) return false;
    if (any && !schema_any(root, any, x, where)) return false;
    if (json_is_object(x)) return schema_members(root, schema, x, where);
    return json_is_array(x) ? schema_items(root, schema, x, where) : true;
}

#endif
