/* SPDX-License-Identifier: Apache-2.0
 *
 * The face of libglassbox.so (embed.h): generated cases.
 */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "embed_parts.h"

struct glassbox_case {
    gla_generated made;
};

int glassbox_fits(const char *mechanism, const char *family) {
    gla_problem p = {.mechanism = NULL};
    const gla_family *f = gla_family_named(family);
    if (mechanism && gla_mechanism_parse(mechanism, &p, NULL) != GLA_OK) return 0;
    return f && gla_family_fits(f, gla_mechanism_of(&p));
}

static gla_status generate(const char *mechanism, const char *family, const int64_t size[7], unsigned flags,
                           int64_t awkward, uint64_t seed, const char *dtype, gla_generated *out, gla_error *err) {
    gla_case_spec spec = {
        .B = size[0], .T = size[1], .H = size[2], .dk = size[3], .dv = size[4], .Hk = size[5], .M = size[6]};
    if (awkward > 0)
        spec = gla_random_shape(family, seed, awkward);
    else {
        spec.gv = flags & GLASSBOX_VALUE_GATE;
        spec.initial_state = flags & GLASSBOX_STATE;
        spec.varlen = flags & GLASSBOX_VARLEN;
        spec.reverse = flags & GLASSBOX_REVERSE;
    }
    spec.backward = flags & GLASSBOX_BACKWARD;
    spec.family = family;
    spec.mechanism = mechanism;
    spec.seed = seed;
    gla_status status = embed_format(dtype, &spec.dtype, err);
    return status ? status : gla_generate(&spec, out, err);
}

glassbox_case *glassbox_generate(const char *mechanism, const char *family, const int64_t size[7], unsigned flags,
                                 int64_t awkward, uint64_t seed, const char *dtype, char *text, size_t room) {
    gla_error err;
    glassbox_case *c = calloc(1, sizeof *c);
    gla_status status = c ? generate(mechanism, family, size, flags, awkward, seed, dtype, &c->made, &err)
                          : gla_fail(&err, GLA_NO_MEMORY, "no memory for a case");
    if (!status) return c;
    embed_fail(&err, text, room);
    free(c);
    return NULL;
}

void glassbox_case_sizes(const glassbox_case *c, int64_t size[7], unsigned *flags, double *scale) {
    const gla_case_spec *s = &c->made.spec;
    const int64_t sizes[7] = {s->B, s->T, s->H, s->dk, s->dv, s->Hk, s->M};
    memcpy(size, sizes, sizeof sizes);
    *flags = (s->gv ? GLASSBOX_VALUE_GATE : 0u) | (s->initial_state ? GLASSBOX_STATE : 0u) |
             (s->varlen ? GLASSBOX_VARLEN : 0u) | (s->reverse ? GLASSBOX_REVERSE : 0u) |
             (s->backward ? GLASSBOX_BACKWARD : 0u);
    *scale = c->made.problem.scale;
}

const int64_t *glassbox_case_offsets(const glassbox_case *c, int64_t *count) {
    *count = c->made.cu_seqlens ? c->made.problem.N + 1 : 0;
    return c->made.cu_seqlens;
}

const double *glassbox_case_input(const glassbox_case *c, int i, int64_t shape[4]) {
    if (i < 0 || i >= GLA_INPUTS || !c->made.tensor[i]) return NULL;
    gla_input_shape(&c->made.problem, (gla_input)i, shape);
    return c->made.tensor[i];
}

void glassbox_case_free(glassbox_case *c) {
    if (!c) return;
    gla_generated_free(&c->made);
    free(c);
}
