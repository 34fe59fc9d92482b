/* SPDX-License-Identifier: Apache-2.0
 *
 * A case: the inputs of a problem and the outputs under test, from one tensor file (or the outputs from a second).
 *
 * Tensors by name: the inputs and outputs of the mechanism as its table has them (reference/inputs.h; usual names are
 * understood too, and gk, dgk), cu_seqlens [N+1]. What is absent is not judged. Metadata: mechanism (as
 * gla_mechanism_parse takes it; absent: gla), scale (decimal; absent: the mechanism's), layout "BTHD" | "BHTD" (tokens
 * and heads exchanged) | "THD" (packed, no batch axis, needs cu_seqlens), state_layout "KV" | "VK" (states
 * [N,h,dv,dk]), gate_domain "natural log", reverse "true" | "false", case (its name). Axes of 1 may be left out: a gate
 * per head [B,T,h], a weight [h] or [h,dk]. H is the largest head count among the inputs; every other must divide it.
 *
 * A wrong shape of an input is an error of the file. A wrong shape of an output is the candidate's fault, and is
 * recorded, so that the verdict can say so.
 */
#ifndef GLASSBOX_IO_CASE_H
#define GLASSBOX_IO_CASE_H

#include "../../reference/glassbox.h"
#include "tensors.h"

typedef struct gla_case_options {
    const char *prefix;    /* before every tensor name, e.g. "layers.0."; NULL = none */
    const char *candidate; /* a second file: only its outputs are under test; NULL = none */
    const char *mechanism; /* instead of the metadata's; NULL = the metadata's */
    bool allow_growth;     /* g > 0 is not refused */
} gla_case_options;

typedef struct gla_case_output {
    bool present;
    bool wrong_shape; /* then value is NULL, and rank and shape are the file's */
    gla_dtype dtype;
    int rank;
    int64_t shape[GLA_RANK_LIMIT]; /* in a good output gla_output_shape, whatever the file's layout */
    int64_t count;
    double *value; /* row-major in shape; may hold NaN and infinities */
} gla_case_output;

typedef struct gla_case {
    gla_problem problem;      /* points into `input` and `cu_seqlens` */
    char *name;               /* metadata "case", or the file's name, and the prefix */
    char ignored[160];        /* tensors of the file that a case has no use for: "input_ids, logits" */
    gla_tensor_file metadata; /* of the main file; no tensors */
    gla_dtype input_dtype[GLA_INPUTS];
    gla_case_output output[GLA_OUTPUTS];
    double *input[GLA_INPUTS];
    int64_t *cu_seqlens;
} gla_case;

/* Read a case. `options` may be NULL. `out` is set in any case, and empty after a failure. */
gla_status gla_case_load(const char *path, const gla_case_options *options, gla_case *out, gla_error *err);

/* The same from files in memory, whose tensors are dropped and whose metadata move into the case, also on failure.
 * `candidate` may be NULL; options->candidate is not looked at. `name` is for messages. */
gla_status gla_case_build(gla_tensor_file *file, gla_tensor_file *candidate, const char *name,
                          const gla_case_options *options, gla_case *out, gla_error *err);
void gla_case_free(gla_case *c);

/* The other way: append a problem's inputs to a file (dtype[] per input, values rounded to nearest), with the metadata
 * mechanism, scale, layout, gate_domain and reverse. */
gla_status gla_case_add_problem(gla_tensor_file *file, const gla_problem *problem, const gla_dtype dtype[GLA_INPUTS],
                                gla_error *err);
/* Append one output, dense in gla_output_shape. */
gla_status gla_case_add_output(gla_tensor_file *file, const gla_problem *problem, gla_output name, gla_dtype dtype,
                               const double *value, gla_error *err);

#endif
