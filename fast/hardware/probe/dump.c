/* SPDX-License-Identifier: Apache-2.0
 *
 * u64 length of the header, the header as JSON, the tensors' bytes without gaps (dump.h).
 */
#include "dump.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool dump_add(dump *d, const char *name, int bytes, const uint64_t *word, size_t count) {
    unsigned char *data = malloc(count * (size_t)bytes + 1);
    if (!data || d->tensors == DUMP_TENSORS) {
        free(data);
        return false;
    }
    for (size_t k = 0; k < count; k++)
        for (int j = 0; j < bytes; j++) data[k * (size_t)bytes + (size_t)j] = (unsigned char)(word[k] >> 8 * j);
    snprintf(d->tensor[d->tensors].name, sizeof d->tensor->name, "%s", name);
    d->tensor[d->tensors].bytes = bytes;
    d->tensor[d->tensors].count = count;
    d->tensor[d->tensors++].data = data;
    return true;
}

/* Quotes, backslashes and control characters become spaces: nothing here needs them. */
bool dump_text(dump *d, const char *key, const char *format, ...) {
    if (d->texts == DUMP_TEXTS) return false;
    char *value = d->text[d->texts].value;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof d->text->value, format, arguments);
    va_end(arguments);
    for (char *c = value; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') *c = ' ';
    snprintf(d->text[d->texts++].key, sizeof d->text->key, "%s", key);
    return true;
}

static const char *header(const dump *d, char **text, size_t *size) {
    FILE *to = open_memstream(text, size);
    if (!to) return "out of memory";
    fputs("{\"__metadata__\":{", to);
    for (size_t k = 0; k < d->texts; k++)
        fprintf(to, "%s\"%s\":\"%s\"", k ? "," : "", d->text[k].key, d->text[k].value);
    fputs("}", to);
    size_t offset = 0;
    for (size_t k = 0; k < d->tensors; k++) {
        size_t end = offset + d->tensor[k].count * (size_t)d->tensor[k].bytes;
        fprintf(to, ",\"%s\":{\"dtype\":\"U%d\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", d->tensor[k].name,
                8 * d->tensor[k].bytes, d->tensor[k].count, offset, end);
        offset = end;
    }
    fputs("}", to);
    return fclose(to) == 0 ? NULL : "out of memory";
}

const char *dump_write(const dump *d, const char *path) {
    char *text = NULL;
    size_t size = 0;
    const char *failed = header(d, &text, &size);
    FILE *to = failed ? NULL : fopen(path, "wb");
    if (!failed && !to) failed = strerror(errno);
    if (to) {
        for (int j = 0; j < 8; j++) fputc((int)(size >> 8 * j & 255), to);
        fwrite(text, 1, size, to);
        for (size_t k = 0; k < d->tensors; k++)
            fwrite(d->tensor[k].data, (size_t)d->tensor[k].bytes, d->tensor[k].count, to);
        bool bad = ferror(to) != 0;
        if (fclose(to) != 0 || bad) failed = "cannot write all of it";
    }
    free(text);
    return failed;
}

void dump_free(dump *d) {
    for (size_t k = 0; k < d->tensors; k++) free(d->tensor[k].data);
}
