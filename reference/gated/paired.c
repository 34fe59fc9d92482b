/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, chunkwise with one reference in the centre of each chunk for every channel that can bear it, and pair by pair
 * for the others: what the CUDA kernels whose chunks are independent of each other compute, in their order.
 *
 * A chunk is m <= C tokens; its factors into, out, enter, leave, mid, and which channels are strong: paired_side.h.
 * With Qh = sQ*into, Kh = K*out, Vh = V*vout, dOh = dO*vinto as operands and S the state before the chunk, per channel
 *     state    Sh = e^enter * S ;  A = mid*Sh + Kh^T Vh ;  S' = e^leave * A
 *              between chunks one factor, e^(leave + enter') of the next
 *     scores   P = lower(Qh Kh^T) over mild channels + sum over strong ones of pairs ;  dP likewise from dOh, Vh
 *     output   O = vinto*(Qh Sh + P Vh), strong value channels: vinto*(Qh Sh) + pairs
 *     adjoint  G of A: from the next chunk's dSh by the same factors ;  dSh = mid*G + Qh^T dOh
 *     dQ = s into*(dOh Sh^T + dP Kh) ;  dK = out*(Vh G^T + dP^T Qh) ;  dV = vout*(Kh G + P^T dOh) ;  strong: pairs
 *     dg       mild: L4 from the operands themselves, as in centred.c; strong: L5, nothing cancels (gate_gradient.h)
 * Every chunk is made from Sh and G alone. Order of operations: here and in paired_side.c, line by line.
 *
 * form->precise: products of tokens with tokens read Qh and Kh, and a weighed Vh, in two parts (operand.h), in the
 * backward P and dP too; pairs and dg read the wholes. Products with Sh and G, and P V of the forward, read one part as
 * ever.
 *
 * Range. A mild channel's factors are within e^(+-limit/2) of each other and of 1: with limit 76 every product of two
 * is below 2^110, so P stays finite in binary32 while |q||k| does not pass 2^17 per channel, above the diagonal too,
 * and crossings are above 2^-110. f16 operands ask for limit 11. A strong channel has no exponent above 0, for any
 * gate, -inf included, and no difference of sums. The gates decide, channel by channel, nothing else.
 */
#include "paired_side.h"
#include "walk.h"

typedef struct chunk {
    size_t first, m;
    bool precise;
    paired_side key, value;
    gla_matrix sq, k, v;    /* [m,.] */
    gla_matrix Qh, Kh, Vh;  /* as operands of products with states */
    gated_parts Qt, Kt, Vt; /* the same, of products of tokens with tokens */
} chunk;

typedef struct walk {
    gated_walk common;
    const gla_form *form;
    gla_matrix sq; /* [T,dk] */
} walk;

static const walk *own(const gated_walk *w) { return (const walk *)w; }

static gla_matrix some_rows(gla_matrix A, size_t first, size_t m) { return gla_absent(A) ? A : gla_rows(A, first, m); }

static gla_matrix rows_of(gla_matrix A, const chunk *u) { return some_rows(A, u->first, u->m); }

static size_t tokens_in(const walk *w, size_t index) {
    size_t C = (size_t)w->form->C, left = w->common.x->T - index * C;
    return left < C ? left : C;
}

static paired_side side_at(const walk *w, gla_matrix gates, size_t index) {
    return paired_side_of(some_rows(gates, index * (size_t)w->form->C, tokens_in(w, index)), (double)w->form->limit);
}

/* Ah = A*weight once more, in two parts if the form is precise. */
static gated_parts within(const chunk *u, gla_matrix Ah, gla_matrix A, gla_matrix weight, gla_site site) {
    return u->precise ? gated_parts_of(A, weight, site, true) : gated_single(Ah);
}

static chunk chunk_at(const walk *w, size_t index) {
    const gated_slice *x = w->common.x;
    x->in->chunk = (int64_t)index;
    chunk u = {.first = index * (size_t)w->form->C, .m = tokens_in(w, index), .precise = w->form->precise};
    u.key = side_at(w, x->gk, index);
    u.value = side_at(w, x->gv, index);
    u.sq = rows_of(w->sq, &u);
    u.k = rows_of(x->k, &u);
    u.v = rows_of(x->v, &u);
    u.Qh = gated_operand(u.sq, u.key.into, GLA_SITE_Q_DECAYED);
    u.Kh = gated_operand(u.k, u.key.out, GLA_SITE_K_DECAYED);
    u.Vh = gated_operand(u.v, u.value.out, GLA_SITE_V_DECAYED);
    u.Qt = within(&u, u.Qh, u.sq, u.key.into, GLA_SITE_Q_DECAYED);
    u.Kt = within(&u, u.Kh, u.k, u.key.out, GLA_SITE_K_DECAYED);
    u.Vt = gla_absent(u.v) || gla_absent(u.value.g) ? gated_single(u.Vh)
                                                    : within(&u, u.Vh, u.v, u.value.out, GLA_SITE_V_DECAYED);
    return u;
}

/* The factor from A of chunk index - 1 into Sh of chunk index, [1,D]; from the start of the sequence, and at its end,
 * e^enter or e^leave alone. Absent without the gate. */
static gla_matrix crossing(const walk *w, gla_matrix gates, size_t index) {
    if (gla_absent(gates) || w->common.count == 0) return (gla_matrix){0};
    gla_matrix z = gla_new(w->common.x->in, 1, gates.cols);
    if (index > 0) gla_copy(z, side_at(w, gates, index - 1).leave);
    if (index == 0)
        gla_copy(z, side_at(w, gates, index).enter);
    else if (index < w->common.count)
        gla_add(z, z, side_at(w, gates, index).enter);
    gla_exp(z, z);
    return z;
}

static void cross(const gated_walk *w, size_t index, gla_matrix S) {
    gla_decay(S, crossing(own(w), w->x->gk, index), crossing(own(w), w->x->gv, index));
}

/* ---- forward ---- */

static gla_matrix scores_of(const chunk *u) {
    gla_matrix P = gla_new(u->Qh.in, u->m, u->m);
    gated_product(P, paired_mild(&u->key, u->Qt), gated_parts_transposed(u->Kt));
    paired_scores(&u->key, P, u->sq, u->k);
    gla_lower(P, false);
    return P;
}

/* The value side, read with S as operand; d_o and its operand are absent in a forward run. */
static paired_roles value_roles(const chunk *u, gla_matrix Sr, gated_parts P, gla_matrix d_o, gla_matrix dOh) {
    paired_roles r = {.reader = d_o, .writer = u->v, .W = P, .readerh = gated_single(dOh), .writerh = u->Vt};
    r.inter = (gated_roles){.reader = dOh, .writer = gated_whole(u->Vt)};
    r.inter.dreader = gla_new(Sr.in, u->m, Sr.cols);
    gla_product(r.inter.dreader, u->Qh, Sr);
    return r;
}

static gla_matrix output_of(const chunk *u, gla_matrix S) {
    gated_parts P = gated_single(gated_rounded(scores_of(u), GLA_SITE_SCORE));
    paired_roles r = value_roles(u, gated_rounded(S, GLA_SITE_STATE_READ), P, (gla_matrix){0}, (gla_matrix){0});
    r.dreader = gated_weighed(r.inter.dreader, (gla_matrix){0});
    gated_product(r.dreader, r.W, r.writerh);
    return paired_read(&u->value, &r);
}

/* Sh becomes A. */
static void write_chunk(const chunk *u, gla_matrix S) {
    gla_decay(S, u->key.mid, u->value.mid);
    gla_product(S, gla_transposed(u->Kh), u->Vh);
    gla_round_at(S, GLA_SITE_STATE);
}

static void chunk_forward(const gated_walk *w, size_t index, gla_matrix S) {
    chunk u = chunk_at(own(w), index);
    gla_copy(rows_of(w->x->o, &u), output_of(&u, S));
    write_chunk(&u, S);
}

static void chunk_write(const gated_walk *w, size_t index, gla_matrix S) {
    chunk u = chunk_at(own(w), index);
    write_chunk(&u, S);
}

/* ---- backward ---- */

static gated_parts score_gradient(const chunk *u, gla_matrix d_o, gla_matrix dOh) {
    gla_matrix dP = gla_new(dOh.in, u->m, u->m);
    gated_product(dP, paired_mild(&u->value, gated_single(dOh)), gated_parts_transposed(u->Vt));
    paired_scores(&u->value, dP, d_o, u->v);
    gla_lower(dP, false);
    return gated_parts_of(dP, (gla_matrix){0}, GLA_SITE_DSCORE, u->precise);
}

static paired_roles key_roles(const chunk *u, gla_matrix Sr, gla_matrix Gr, gla_matrix d_o, gla_matrix dOh) {
    gla_matrix dQi = gla_new(Sr.in, u->m, Sr.rows), dKi = gla_new(Sr.in, u->m, Sr.rows);
    gla_product(dQi, dOh, gla_transposed(Sr));
    gla_product(dKi, u->Vh, gla_transposed(Gr));
    return (paired_roles){.reader = u->sq,
                          .writer = u->k,
                          .W = score_gradient(u, d_o, dOh),
                          .readerh = u->Qt,
                          .writerh = u->Kt,
                          .inter = {gated_whole(u->Qt), dQi, gated_whole(u->Kt), dKi}};
}

/* S with one side's mid, [1,dk] or [1,dv], as the other side's gate gradient reads it. */
static gla_matrix through(gla_matrix Sr, gla_matrix mid, gla_matrix vmid) {
    gla_matrix z = gated_weighed(Sr, (gla_matrix){0});
    gla_decay(z, mid, vmid);
    return z;
}

static void gate_gradients(const gated_slice *x, const chunk *u, const paired_roles *key, const paired_roles *value,
                           gla_matrix Sr, gla_matrix Gr) {
    const gla_matrix none = {0};
    if (!gla_absent(x->gk)) paired_gate_gradient(&u->key, key, rows_of(x->dgk, u), through(Sr, none, u->value.mid), Gr);
    if (!gla_absent(x->gv))
        paired_gate_gradient(&u->value, value, rows_of(x->dgv, u), gla_transposed(through(Sr, u->key.mid, none)),
                             gla_transposed(Gr));
}

/* The gradients of a chunk; G becomes dSh. */
static void chunk_back(const gated_walk *w, size_t index, gla_matrix S, gla_matrix G) {
    const gated_slice *x = w->x;
    const chunk at = chunk_at(own(w), index), *u = &at;
    gla_matrix Sr = gated_rounded(S, GLA_SITE_STATE_READ), Gr = gated_rounded(G, GLA_SITE_DSTATE_READ);
    gla_matrix d_o = rows_of(x->d_o, u), dOh = gated_weighed(d_o, u->value.into);
    gated_parts P = gated_parts_of(scores_of(u), (gla_matrix){0}, GLA_SITE_SCORE, u->precise);
    paired_roles value = value_roles(u, Sr, P, d_o, dOh), key = key_roles(u, Sr, Gr, d_o, dOh);
    value.inter.dwriter = gla_new(x->in, u->m, x->dv);
    gla_product(value.inter.dwriter, u->Kh, Gr);
    paired_add_products(&value);
    paired_add_products(&key);

    gla_scale(rows_of(x->dq, u), paired_read(&u->key, &key), x->s);
    gla_copy(rows_of(x->dk_, u), paired_written(&u->key, &key));
    gla_copy(rows_of(x->dv_, u), paired_written(&u->value, &value));
    gate_gradients(x, u, &key, &value, Sr, Gr);

    gla_decay(G, u->key.mid, u->value.mid);
    gla_product(G, gla_transposed(u->Qh), dOh);
    gla_round_at(G, GLA_SITE_DSTATE);
}

void gated_chunkwise_paired(const gated_slice *x, const gla_form *form) {
    size_t mark = gla_mark(x->in), C = (size_t)form->C;
    walk w = {.common = {.x = x, .count = (x->T + C - 1) / C, .backward = form->backward, .cross = cross},
              .form = form};
    w.common.forward = chunk_forward;
    w.common.write = chunk_write;
    w.common.back = chunk_back;
    w.sq = gla_new(x->in, x->T, x->dk);
    gla_scale(w.sq, x->q, x->s);
    gated_walk_run(&w.common);
    gla_release(x->in, mark);
}
