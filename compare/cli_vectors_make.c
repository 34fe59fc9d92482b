/* SPDX-License-Identifier: Apache-2.0
 *
 * Making the vector set (cli_vectors.h). The bytes depend on the table below, on the truth, which is unique, and on the
 * bounds. These go through the square roots and products of binary64 and then up to 12 significant bits, so that a last
 * bit of libm does not show.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bounds.h"
#include "cli_generation.h"
#include "cli_vectors.h"
#include "truth.h"

const char *const cli_vector_profiles[] = {"chunk-bf16", "f32", NULL};

/* As kernels store: with bf16 operands all but states and gate gradients in bf16. */
gla_dtype cli_vector_stored(const char *profile, gla_output output) {
    bool wide = gla_is_wide_output(output);
    return strcmp(profile, "chunk-bf16") == 0 && !wide ? GLA_BF16 : GLA_F32;
}

/* The set. Small on purpose: three heads, few channels, a tail beyond a chunk of 64 where that matters. */
static const gla_case_spec vectors[] = {
    {.family = "mild", .gv = true, .initial_state = true},
    {.family = "mild", .H = 4, .Hk = 2, .seed = 1},
    {.family = "mild", .reverse = true, .seed = 2},
    {.family = "strong", .T = 37},
    {.family = "spike"},
    {.family = "reset", .initial_state = true},
    {.family = "keep", .T = 131},
    {.family = "mixed", .T = 37},
    {.family = "cancel", .T = 37},
    {.family = "integers", .initial_state = true},
    {.family = "half", .T = 37},
    {.family = "tail", .initial_state = true},
    {.family = "varlen", .T = 83, .initial_state = true},
    {.family = "impulse"},
    {.family = "ungated", .T = 37},
    {.family = "pinned", .T = 37},
    {.family = "staircase"},
    {.family = "alternate", .T = 37},
    {.family = "channels", .T = 37},
    {.family = "mask"},
    {.family = "wall", .T = 67, .initial_state = true},
    {.family = "large-small", .T = 37},
    {.family = "subnormal", .T = 37},
    {.family = "large-state", .T = 37},
    {.family = "zero-state", .T = 17},
    {.family = "final-only", .T = 37},
    {.family = "large-scale", .T = 33},
    {.family = "edge", .seed = 0}, /* T = 1 */
    {.family = "edge", .seed = 2}, /* T = 64 */
    {.family = "empties"},
    {.family = "heads", .T = 35},
};
enum { VECTORS = sizeof vectors / sizeof vectors[0] };

static gla_case_spec spec_of(int i) {
    gla_case_spec s = vectors[i];
    s.dk = 4; /* the default scale is 1/2 */
    s.dv = 3;
    s.backward = true;
    s.dtype = &gla_bf16;
    return s;
}

/* ---- one file ---- */

static gla_status add_budget(gla_tensor_file *file, const char *profile, gla_output output, const int64_t shape[4],
                             const double *allowed, gla_error *err) {
    const gla_format coarse = gla_format_of(12, gla_binary32_format.emin, gla_binary32_format.emax);
    int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
    char label[80];
    double *budget = malloc((size_t)(count + 1) * sizeof *budget);
    if (!budget) return gla_fail(err, GLA_NO_MEMORY, "no memory for budgets");
    for (int64_t i = 0; i < count; i++) budget[i] = gla_round(&coarse, GLA_RU, allowed[i], 0);
    snprintf(label, sizeof label, "%s.budget.%s", gla_output_names[output], profile);
    gla_status status = gla_tensors_add(file, label, GLA_F32, 4, shape, budget, err);
    free(budget);
    return status;
}

static gla_status add_budgets(gla_tensor_file *file, const gla_problem *p, const gla_truth *truth, const char *profile,
                              gla_error *err) {
    const gla_format *stored[GLA_OUTPUTS] = {NULL};
    gla_bounds bounds[GLA_OUTPUTS] = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (truth->tensor[i].present) stored[i] = gla_dtype_format(cli_vector_stored(profile, (gla_output)i));
    gla_status status = gla_bounds_compute(p, gla_profile_named(profile), true, stored, 1, bounds, err);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) {
        if (!truth->tensor[i].present) continue;
        for (int64_t n = 0; n < truth->tensor[i].count; n++) /* as the judge: the last bit of what is compared with */
            if (bounds[i].allowed[n] > 0) bounds[i].allowed[n] += 0x1p-52 * fabs(truth->tensor[i].value[n]);
        status = add_budget(file, profile, (gla_output)i, truth->tensor[i].shape, bounds[i].allowed, err);
    }
    gla_bounds_free(bounds);
    return status;
}

static gla_status add_truth(gla_tensor_file *file, const gla_problem *p, const char *label, gla_error *err) {
    const gla_truth_options how = {.backward = true, .threads = 1};
    gla_truth truth;
    gla_status status = gla_truth_compute(p, &how, &truth, err);
    if (status == GLA_OK && truth.uncertified)
        status = gla_fail(err, GLA_BAD_VALUE, "%s: the truth of an element is not certified", label);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) {
        char low[32];
        snprintf(low, sizeof low, "%s.low", gla_output_names[i]);
        if (!truth.tensor[i].present) continue;
        const int64_t *shape = truth.tensor[i].shape;
        status = gla_tensors_add(file, gla_output_names[i], GLA_F64, 4, shape, truth.tensor[i].value, err);
        if (status == GLA_OK) status = gla_tensors_add(file, low, GLA_F64, 4, shape, truth.tensor[i].low, err);
    }
    for (int i = 0; cli_vector_profiles[i] && status == GLA_OK; i++)
        status = add_budgets(file, p, &truth, cli_vector_profiles[i], err);
    gla_truth_free(&truth);
    return status;
}

/* ---- its entry in the manifest ---- */

static json_t *words(const char *text) {
    json_t *list = json_array();
    for (size_t length; (length = strcspn(text, " ")) > 0; text += length + (text[length] == ' '))
        json_array_append_new(list, json_stringn(text, length));
    return list;
}

/* The names of the tensors of a case that are of one kind. */
static json_t *names_in(const gla_tensor_file *file, const char *const *names, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        if (gla_tensors_find(file, names[i])) json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *sizes_of(const gla_generated *made) {
    const gla_case_spec *s = &made->spec;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "B", (json_int_t)s->B, "T", (json_int_t)s->T, "H",
                     (json_int_t)s->H, "Hk", (json_int_t)s->Hk, "dk", (json_int_t)s->dk, "dv", (json_int_t)s->dv, "N",
                     (json_int_t)made->problem.N);
}

static json_t *entry_of(const gla_generated *made, const gla_tensor_file *file, const char *leaf, const char *digest,
                        int64_t bytes) {
    gla_flag_text flags;
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:o, s:o}", "file", leaf, "sha256", digest,
                     "bytes", (json_int_t)bytes, "id", made->name, "mechanism", "gla", "family", made->spec.family,
                     "failure", gla_family_named(made->spec.family)->failure, "flags",
                     words(gla_case_flags(&made->spec, flags)), "sizes", sizes_of(made), "reverse", made->spec.reverse,
                     "inputs", names_in(file, gla_input_names, GLA_INPUTS), "outputs",
                     names_in(file, gla_output_names, GLA_OUTPUTS));
}

static gla_status make_one(const char *folder, int index, json_t *list, gla_error *err) {
    cli_generation g = cli_generation_default();
    gla_case_spec spec = spec_of(index);
    gla_generated made;
    gla_tensor_file file = {0};
    char leaf[200], path[4096];
    cli_sha256_text digest;
    int64_t bytes = 0;
    gla_status status = gla_generate(&spec, &made, err);
    snprintf(leaf, sizeof leaf, "%s.safetensors", made.name);
    snprintf(path, sizeof path, "%s/%s", folder, leaf);
    if (status == GLA_OK) status = cli_generation_file(&g, &made, &file, err);
    if (status == GLA_OK) status = add_truth(&file, &made.problem, made.name, err);
    if (status == GLA_OK) status = gla_tensors_write(path, &file, err);
    if (status == GLA_OK) status = cli_sha256_of_file(path, digest, &bytes, err);
    if (status == GLA_OK) json_array_append_new(list, entry_of(&made, &file, leaf, digest, bytes));
    gla_tensors_free(&file);
    gla_generated_free(&made);
    return status;
}

/* ---- the manifest ---- */

static json_t *profiles_of(void) {
    json_t *all = json_object();
    for (int i = 0; cli_vector_profiles[i]; i++) {
        json_t *stored = json_object();
        for (int o = 0; o < GLA_OUTPUTS; o++)
            if (gla_mechanism_named("gla")->outputs & 1u << o) /* all vectors are of gla */
                json_object_set_new(
                    stored, gla_output_names[o],
                    json_string(gla_dtype_name(cli_vector_stored(cli_vector_profiles[i], (gla_output)o))));
        json_object_set_new(
            all, cli_vector_profiles[i],
            json_pack("{s:s, s:o}", "what", gla_profile_named(cli_vector_profiles[i])->what, "stored", stored));
    }
    return all;
}

/* The meaning of every flag that a vector has. */
static json_t *notes_of(const json_t *list) {
    json_t *notes = json_object();
    for (const gla_flag *f = gla_flags; f->name; f++) {
        bool used = false;
        for (size_t i = 0; i < json_array_size(list); i++) {
            size_t n;
            json_t *flag;
            json_array_foreach(json_object_get(json_array_get(list, i), "flags"), n, flag) used =
                used || strcmp(json_string_value(flag), f->name) == 0;
        }
        if (used) json_object_set_new(notes, f->name, json_string(f->meaning));
    }
    return notes;
}

static gla_status write_manifest(const char *folder, json_t *list, gla_error *err) {
    char path[4096];
    cli_file file;
    snprintf(path, sizeof path, "%s/" CLI_VECTORS_MANIFEST, folder);
    json_t *all = json_pack("{s:s, s:i, s:s, s:o, s:o, s:O}", "schema", "data/schema/vectors.schema.json", "version",
                            CLI_VECTORS_VERSION, "rule",
                            "x passes if |x - X - X.low| <= X.budget.PROFILE, computed in binary64; NaN does not",
                            "profiles", profiles_of(), "notes", notes_of(list), "vectors", list);
    if (!all || json_array_size(list) != VECTORS) return gla_fail(err, GLA_NO_MEMORY, "no memory for the manifest");
    gla_status status = cli_file_open(path, &file, err);
    if (status == GLA_OK) {
        json_dumpf(all, file.to, JSON_INDENT(1));
        fputc('\n', file.to);
        status = cli_file_close(&file, err);
    }
    json_decref(all);
    return status;
}

gla_status cli_vectors_make(const char *folder, gla_error *err) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot make the folder: %s", folder, strerror(errno));
    json_t *list = json_array();
    cli_progress bar = cli_progress_start("vectors");
    gla_status status = GLA_OK;
    for (int i = 0; i < VECTORS && status == GLA_OK; i++) {
        status = make_one(folder, i, list, err);
        cli_progress_step(&bar, (i + 1.0) / VECTORS);
    }
    cli_progress_end(&bar);
    if (status == GLA_OK) status = write_manifest(folder, list, err);
    json_decref(list);
    return status;
}
