/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a formulation over a whole problem: every sequence, every head, one slice at a time as the mechanism says;
 * what slices load and store (run.h), and the output sites. While a tensor is loaded, stored or announced, its name is
 * the verb. The gradient of a tensor shared by a group of heads is the sum over the group, in head order.
 */
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* ---- a result ---- */

static gla_status new_result(const gla_problem *p, const gla_form *form, gla_numbers *n, gla_result *r) {
    memset(r, 0, sizeof *r);
    r->numbers = n;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!gla_has_output(p, form->backward, name)) continue;
        int64_t *shape = r->tensor[i].shape;
        gla_output_shape(p, name, shape);
        int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
        char *at = calloc(count ? (size_t)count : 1, n->size);
        if (!at) return GLA_NO_MEMORY;
        for (int64_t j = 0; j < count; j++) n->ops->init(n, at + (size_t)j * n->size);
        r->tensor[i].at = at;
        r->tensor[i].count = count;
    }
    return GLA_OK;
}

void gla_result_free(gla_result *r) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        for (int64_t j = 0; r->tensor[i].at && j < r->tensor[i].count; j++)
            r->numbers->ops->clear(r->numbers, (char *)r->tensor[i].at + (size_t)j * r->numbers->size);
        free(r->tensor[i].at);
    }
    memset(r, 0, sizeof *r);
}

const void *gla_result_at(const gla_result *r, gla_output name, int64_t index) {
    return (const char *)r->tensor[name].at + (size_t)index * r->numbers->size;
}

double gla_result_d(const gla_result *r, gla_output name, int64_t index) {
    return r->numbers->ops->get_d(r->numbers, gla_result_at(r, name, index));
}

/* ---- one slice in, one slice out ---- */

/* Rows and columns of a slice's matrix. */
static void size_of(const gla_slice_io *io, gla_axes axes, const int64_t shape[4], size_t *rows, size_t *cols) {
    *rows = gla_is_state(axes) ? (size_t)shape[2] : gla_is_weight(axes) ? 1 : io->T;
    *cols = (size_t)shape[3];
}

gla_matrix gla_load_or_zero(const gla_slice_io *io, gla_input name) {
    gla_numbers *n = io->in;
    gla_axes axes = gla_input_axes(gla_mechanism_of(io->p), name);
    gla_tensor x = gla_acting_input(io->p, name);
    int64_t shape[4];
    size_t rows, cols;
    gla_input_shape(io->p, name, shape);
    size_of(io, axes, shape, &rows, &cols);
    gla_matrix m = gla_new(n, rows, cols);
    if (n->status != GLA_OK || !x.at) return m;
    n->verb = gla_input_names[name];
    double (*element)(const gla_problem *, const gla_tensor *, const gla_sequence *, int64_t, int64_t, int64_t) =
        gla_is_state(axes) ? gla_tensor_state : gla_tensor_token;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            n->ops->set_d(n, gla_at(m, i, j), element(io->p, &x, &io->sequence, io->head, (int64_t)i, (int64_t)j));
    n->verb = NULL;
    return m;
}

gla_matrix gla_load(const gla_slice_io *io, gla_input name) {
    return gla_acting_input(io->p, name).at ? gla_load_or_zero(io, name) : (gla_matrix){0};
}

gla_matrix gla_load_scale(const gla_slice_io *io) {
    gla_matrix s = gla_new(io->in, 1, 1);
    io->in->verb = "load_scale";
    if (io->in->status == GLA_OK) io->in->ops->set_d(io->in, s.at, gla_scale_of(io->p));
    gla_round_at(s, GLA_SITE_SCALE);
    io->in->verb = NULL;
    return s;
}

/* Where element (i,j) of a slice's matrix lies in a dense output. */
static int64_t index_of(const gla_slice_io *io, gla_axes axes, const int64_t shape[4], int64_t i, int64_t j) {
    if (gla_is_state(axes)) return gla_index_state(io->p, shape, &io->sequence, io->head, i, j);
    if (gla_is_weight(axes)) return gla_head(io->p, shape[2], io->head) * shape[3] + j;
    return gla_index_token(io->p, shape, &io->sequence, io->head, i, j);
}

/* Numbers that nothing is added to are set: an addition to zero would round, and be seen by a recorder. */
void gla_store(const gla_slice_io *io, gla_output name, gla_matrix x) {
    gla_numbers *n = io->in;
    if (n->status != GLA_OK || gla_absent(x) || !io->result->tensor[name].at) return;
    const int64_t *shape = io->result->tensor[name].shape;
    gla_axes axes = gla_input_axes(gla_mechanism_of(io->p), gla_output_like(name));
    int64_t heads = gla_is_state(axes) ? shape[1] : shape[2];
    bool shared = heads < io->p->H || (gla_is_weight(axes) && io->p->N > 1);
    n->verb = gla_output_names[name];
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < x.cols; j++) {
            int64_t at = index_of(io, axes, shape, (int64_t)i, (int64_t)j);
            void *z = (char *)io->result->tensor[name].at + (size_t)at * n->size;
            if (shared)
                n->ops->add(n, z, z, gla_at(x, i, j));
            else
                n->ops->set(n, z, gla_at(x, i, j));
        }
    n->verb = NULL;
}

/* The last rounding of every result, after the sums over groups. */
static void announce_outputs(gla_result *r) {
    gla_numbers *n = r->numbers;
    if (!n->ops->site || n->status != GLA_OK) return;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_site site = gla_is_wide_output((gla_output)i) ? GLA_SITE_OUTPUT_WIDE : GLA_SITE_OUTPUT;
        n->verb = gla_output_names[i];
        for (int64_t j = 0; r->tensor[i].at && j < r->tensor[i].count; j++)
            n->ops->site(n, site, (char *)r->tensor[i].at + (size_t)j * n->size);
    }
}

/* ---- a whole problem ---- */

static void run_slices(const gla_problem *p, const gla_form *form, gla_result *r) {
    gla_slice_io io = {.in = r->numbers, .p = p, .result = r, .dk = (size_t)p->dk, .dv = (size_t)p->dv};
    io.M = (size_t)p->M;
    for (int64_t i = 0; i < p->N; i++) {
        io.sequence = gla_sequence_at(p, i);
        io.T = (size_t)io.sequence.length;
        for (io.head = 0; io.head < p->H; io.head++) {
            size_t mark = gla_mark(io.in);
            gla_mechanism_of(p)->slice(&io, form);
            gla_release(io.in, mark);
        }
    }
}

bool gla_form_available(const gla_problem *p, const gla_form *form) {
    gla_form asked = *form;
    if (!asked.backward) asked.route = GLA_ROUTE_DEFAULT;
    return gla_mechanism_of(p)->available(p, &asked);
}

static gla_status unavailable(const gla_problem *p, const gla_form *form, gla_error *err) {
    const char *name = gla_mechanism_of(p)->name, *kind = gla_formulation_names[form->kind];
    gla_form plain = *form;
    plain.route = GLA_ROUTE_DEFAULT;
    if (gla_form_available(p, &plain))
        return gla_fail(err, GLA_UNSUPPORTED, "gate gradient '%s' is not available for formulation '%s'",
                        gla_route_names[form->route], kind);
    plain.solver = GLA_SOLVE;
    plain.bounded = false;
    if (gla_form_available(p, &plain))
        return gla_fail(err, GLA_UNSUPPORTED, "'+%s' is not available for formulation '%s' of mechanism %s",
                        form->solver ? gla_solver_names[form->solver] : "bounded", kind, name);
    return gla_fail(err, GLA_UNSUPPORTED, "mechanism %s has no formulation '%s'", name, kind);
}

gla_status gla_run(const gla_problem *p, const gla_form *form, gla_numbers *n, gla_result *r, gla_error *err) {
    memset(r, 0, sizeof *r);
    r->numbers = n;
    if (!gla_form_available(p, form)) return unavailable(p, form, err);
    n->status = new_result(p, form, n, r);
    run_slices(p, form, r);
    announce_outputs(r);
    if (n->status == GLA_OK) return GLA_OK;
    return gla_fail(err, n->status, "%s while running '%s' in %s", gla_status_text(n->status),
                    gla_formulation_names[form->kind], n->name);
}
