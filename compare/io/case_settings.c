/* SPDX-License-Identifier: Apache-2.0
 *
 * The metadata of a case file: each setting has a default, and a value that is not understood is refused, never passed
 * over.
 */
#include "case_settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

const char *const gla_layout_names[GLA_LAYOUTS] = {"BTHD", "BHTD", "THD"};

gla_status gla_layout_read(const gla_tensor_file *file, const char *where, gla_layout otherwise, gla_layout *out,
                           gla_error *err) {
    const char *text = gla_tensors_meta(file, "layout");
    *out = otherwise;
    if (!text) return GLA_OK;
    for (int i = 0; i < GLA_LAYOUTS; i++) {
        *out = (gla_layout)i;
        if (strcmp(text, gla_layout_names[i]) == 0) return GLA_OK;
    }
    gla_shown_room shown;
    return gla_fail(err, GLA_BAD_FILE, "%s: layout '%s' is not one of BTHD, BHTD, THD", where, gla_shown(shown, text));
}

gla_status gla_state_layout_read(const gla_tensor_file *file, const char *where, bool otherwise, bool *transposed,
                                 gla_error *err) {
    const char *text = gla_tensors_meta(file, "state_layout");
    gla_shown_room shown;
    *transposed = text ? strcmp(text, "VK") == 0 : otherwise;
    if (!text || *transposed || strcmp(text, "KV") == 0) return GLA_OK;
    return gla_fail(err, GLA_BAD_FILE, "%s: state_layout '%s' is neither KV ([N,h,dk,dv]) nor VK ([N,h,dv,dk])", where,
                    gla_shown(shown, text));
}

static gla_status read_mechanism(const gla_tensor_file *file, const char *where, const char *override, gla_problem *out,
                                 gla_error *err) {
    const char *text = override ? override : gla_tensors_meta(file, "mechanism");
    gla_shown_room shown;
    gla_error inner = {0};
    if (!text) return GLA_OK;
    if (gla_mechanism_parse(gla_shown(shown, text), out, &inner) == GLA_OK) return GLA_OK;
    return gla_fail(err, inner.status, "%s: %s", where, inner.what);
}

static gla_status read_scale(const gla_tensor_file *file, const char *where, double *scale, gla_error *err) {
    const char *text = gla_tensors_meta(file, "scale");
    *scale = 0; /* the default */
    if (!text) return GLA_OK;
    char *end;
    *scale = strtod(text, &end);
    if (end != text && *end == 0 && isfinite(*scale) && *scale != 0) return GLA_OK;
    gla_shown_room shown;
    return gla_fail(err, GLA_BAD_VALUE, "%s: scale '%s' is not a finite number other than 0", where,
                    gla_shown(shown, text));
}

static gla_status read_gate_domain(const gla_tensor_file *file, const char *where, gla_error *err) {
    const char *text = gla_tensors_meta(file, "gate_domain");
    if (!text || strcmp(text, "natural log") == 0) return GLA_OK;
    gla_shown_room shown;
    gla_fail(err, GLA_UNSUPPORTED, "%s: gate_domain '%s': gates are natural logs here", where, gla_shown(shown, text));
    if (strcmp(text, "log2") == 0)
        return gla_hint(err, GLA_UNSUPPORTED, "store g * ln 2 (and dg / ln 2) with gate_domain 'natural log'");
    return gla_hint(err, GLA_UNSUPPORTED, "store log(alpha) with gate_domain 'natural log'");
}

static gla_status read_reverse(const gla_tensor_file *file, const char *where, bool *reverse, gla_error *err) {
    const char *text = gla_tensors_meta(file, "reverse");
    *reverse = text && strcmp(text, "true") == 0;
    if (!text || *reverse || strcmp(text, "false") == 0) return GLA_OK;
    gla_shown_room shown;
    return gla_fail(err, GLA_BAD_VALUE, "%s: reverse '%s' is neither 'true' nor 'false'", where,
                    gla_shown(shown, text));
}

gla_status gla_settings_read(const gla_tensor_file *file, const char *where, const char *mechanism, gla_settings *out,
                             gla_error *err) {
    *out = (gla_settings){0};
    gla_status status = gla_layout_read(file, where, GLA_BTHD, &out->layout, err);
    if (!status) status = gla_state_layout_read(file, where, false, &out->transposed, err);
    if (!status) status = read_mechanism(file, where, mechanism, &out->problem, err);
    if (!status) status = read_scale(file, where, &out->problem.scale, err);
    if (!status) status = read_gate_domain(file, where, err);
    if (!status) status = read_reverse(file, where, &out->problem.reverse, err);
    return status;
}

/* "DIR/x.safetensors" and "layers.0." -> "x/layers.0"; metadata "case" goes before the file's name. */
gla_status gla_case_name(const gla_tensor_file *file, const char *path, const char *prefix, char **name,
                         gla_error *err) {
    const char *slash = strrchr(path, '/'), *base = gla_tensors_meta(file, "case");
    bool titled = base && *base;
    if (!titled) base = slash ? slash + 1 : path;
    const char *dot = titled ? NULL : strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base), m = strlen(prefix);
    if (m && prefix[m - 1] == '.') m--;
    char *text;
    if (asprintf(&text, "%.*s%s%.*s", (int)n, base, m ? "/" : "", (int)m, prefix) < 0)
        return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for the name", path);
    gla_shown_room shown;
    *name = strdup(gla_shown(shown, text));
    free(text);
    return *name ? GLA_OK : gla_fail(err, GLA_NO_MEMORY, "no memory for the name of a case");
}
