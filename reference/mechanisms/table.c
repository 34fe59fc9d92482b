/* SPDX-License-Identifier: Apache-2.0
 *
 * The mechanisms by name, and what a table says of their inputs and outputs.
 */
#include <string.h>

#include "mechanisms.h"

const gla_mechanism *const gla_mechanisms[] = {
    &gla_mechanism_gla,
    &gla_mechanism_simple_gla,
    &gla_mechanism_linear_attention,
    &gla_mechanism_retention,
    &gla_mechanism_lightning,
    &gla_mechanism_delta_rule,
    &gla_mechanism_gated_delta_rule,
    &gla_mechanism_kda,
    &gla_mechanism_rwkv6,
    &gla_mechanism_gsa,
    &gla_mechanism_mamba2,
    &gla_mechanism_mamba1,
    &gla_mechanism_hgrn2,
    &gla_mechanism_mlstm,
    NULL,
};

const gla_mechanism *gla_mechanism_named(const char *name) {
    for (const gla_mechanism *const *m = gla_mechanisms; *m; m++)
        if (strcmp((*m)->name, name) == 0) return *m;
    return NULL;
}

const gla_mechanism *gla_mechanism_of(const gla_problem *p) { return p->mechanism ? p->mechanism : &gla_mechanism_gla; }

/* ---- inputs and outputs ---- */

static bool last(const gla_change *c) { return !c->name && c->axes == GLA_USUAL_AXES; }

/* What the mechanism changes of an input; one without changes if it does not. */
static gla_change change_of(const gla_mechanism *m, gla_input name) {
    for (const gla_change *c = m->changes; c && !last(c); c++)
        if (c->input == name) return *c;
    return (gla_change){.input = name};
}

const char *gla_input_name(const gla_mechanism *m, gla_input name) {
    gla_change c = change_of(m, name);
    return c.name ? c.name : gla_input_names[name];
}

const char *gla_output_name(const gla_mechanism *m, gla_output name) {
    gla_change c = change_of(m, gla_output_like(name));
    return c.output ? c.output : gla_output_names[name];
}

gla_input gla_input_named(const gla_mechanism *m, const char *name) {
    for (int i = 0; i < GLA_INPUTS; i++)
        if (m->inputs & 1u << i && strcmp(gla_input_name(m, (gla_input)i), name) == 0) return (gla_input)i;
    for (int i = 0; i < GLA_INPUTS; i++)
        if (strcmp(gla_input_names[i], name) == 0) return (gla_input)i;
    return GLA_INPUTS;
}

gla_output gla_output_named(const gla_mechanism *m, const char *name) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (m->outputs & 1u << i && strcmp(gla_output_name(m, (gla_output)i), name) == 0) return (gla_output)i;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (strcmp(gla_output_names[i], name) == 0) return (gla_output)i;
    return GLA_OUTPUTS;
}

gla_axes gla_input_axes(const gla_mechanism *m, gla_input name) {
    gla_change c = change_of(m, name);
    return c.axes ? c.axes : gla_usual_axes(name);
}

bool gla_gate_per_head(const gla_mechanism *m) { return gla_input_axes(m, GLA_IN_GK) == GLA_PER_HEAD; }

static void narrowed(const gla_problem *p, unsigned *inputs, unsigned *outputs) {
    const gla_mechanism *m = gla_mechanism_of(p);
    *inputs = m->inputs;
    *outputs = m->outputs;
    if (m->narrow) m->narrow(p, inputs, outputs);
}

unsigned gla_inputs_taken(const gla_problem *p) {
    unsigned inputs, outputs;
    narrowed(p, &inputs, &outputs);
    return inputs;
}

unsigned gla_outputs_given(const gla_problem *p) {
    unsigned inputs, outputs;
    narrowed(p, &inputs, &outputs);
    return outputs;
}

static bool as_usual(const gla_problem *p) {
    for (int i = 0; i < GLA_SWITCHES; i++)
        if (p->setting[i].given) return false;
    return true;
}

bool gla_is_plain(const gla_problem *p) {
    for (int i = GLA_IN_DFINAL_STATE + 1; i < GLA_INPUTS; i++)
        if (gla_acting_input(p, (gla_input)i).at) return false;
    return gla_mechanism_of(p)->plain && as_usual(p);
}

bool gla_columns_apart(const gla_problem *p) { return gla_mechanism_of(p)->columns_apart && as_usual(p); }
