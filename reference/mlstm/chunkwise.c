/* SPDX-License-Identifier: Apache-2.0
 *
 * mLSTM, chunkwise with TFLA's second level of tiles (spec 8d): chunks of C tokens, each one triangle of block.h
 * between materialised states; inside a chunk tiles of c queries by c keys, key tiles streamed under a running maximum
 * mu, so that C does not depend on what fast memory holds.
 *
 *     per key tile    mu' = max(mu, rowmax L) ;  acc <- e^(mu-mu') acc + [(sQ K^T)*e^(L-mu')] V~ ;  mu = mu'
 *     then            m_r = max(mu, b_r + m) ;  num = e^(mu-m_r) acc + Qt S
 *
 * (sigmoid gate: mu = m_r = 0, nothing is rescaled). All states come first, then all outputs, as materialised kernels
 * do: T/C states of dk W numbers are kept. The backward knows m_r and weighs each chunk's triangle at once.
 * Precision: every rescaling of acc is one more rounding per key tile; exponents stay <= 0.
 */
#include "../gated/operand.h"
#include "block.h"
#include "gate_gradients.h"

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Rows or columns first .. first+count-1 of the chunk. */
typedef struct span {
    size_t first, count;
} span;

/* mu becomes the maximum of itself and row r of L over the key tile (of that alone if it is the first), and what was
 * summed under the old one is rescaled. */
static void raise_maximum(const mlstm_slice *x, const mlstm_block *u, span J, size_t r, gla_matrix mu, gla_matrix acc) {
    if (x->options.sigmoid) return;
    size_t mark = gla_mark(x->in);
    gla_matrix raised = gla_new(x->in, 1, 1), factor = gla_new(x->in, 1, 1);
    gla_copy(raised, mlstm_at(u->log.L, r, J.first));
    for (size_t j = J.first + 1; j < J.first + J.count && j <= r; j++)
        mlstm_stabilise(x, raised, mlstm_at(u->log.L, r, j));
    if (J.first > 0) {
        mlstm_stabilise(x, raised, mu);
        mlstm_weight(factor, mu, raised);
        gla_scale(acc, acc, factor);
    }
    gla_copy(mu, raised);
    gla_release(x->in, mark);
}

/* One query tile by one key tile. */
static void add_tile(const mlstm_slice *x, const mlstm_block *u, span I, span J, gla_matrix mu, gla_matrix acc) {
    size_t mark = gla_mark(x->in);
    gla_matrix P = gla_new(x->in, I.count, J.count), weight = gla_new(x->in, 1, 1);
    gla_product(P, gla_rows(u->sq, I.first, I.count), gla_transposed(gla_rows(u->k, J.first, J.count)));
    for (size_t r = 0; r < I.count; r++) {
        gla_matrix now = gla_row(mu, r);
        raise_maximum(x, u, J, I.first + r, now, gla_row(acc, r));
        for (size_t j = 0; j < J.count; j++) {
            gla_matrix Prj = mlstm_at(P, r, j);
            if (J.first + j <= I.first + r) {
                mlstm_weight(weight, mlstm_at(u->log.L, I.first + r, J.first + j), now);
                gla_mul(Prj, Prj, weight);
            } else
                gla_zero(Prj);
        }
    }
    gla_round_at(P, GLA_SITE_SCORE);
    gla_product(acc, P, gla_rows(u->V, J.first, J.count));
    gla_release(x->in, mark);
}

/* num of one query tile. */
static void query_tile(const mlstm_slice *x, const mlstm_block *u, span I, size_t c, gla_matrix Sr, gla_matrix num) {
    size_t mark = gla_mark(x->in);
    gla_matrix mu = gla_new(x->in, I.count, 1), acc = gla_new(x->in, I.count, num.cols);
    gla_matrix factor = gla_new(x->in, 1, 1);
    for (size_t first = 0; first <= I.first; first += c)
        add_tile(x, u, I, (span){first, least(c, u->m - first)}, mu, acc);
    for (size_t r = 0; r < I.count && !x->options.sigmoid; r++) {
        mlstm_weight(factor, gla_row(mu, r), gla_row(u->stabiliser, I.first + r));
        gla_scale(gla_row(acc, r), gla_row(acc, r), factor);
    }
    gla_product(num, gla_rows(u->Qt, I.first, I.count), Sr);
    gla_add(num, num, acc);
    gla_release(x->in, mark);
}

static void chunk_output(const mlstm_slice *x, const mlstm_block *u, size_t c, gla_matrix S, gla_matrix num) {
    gla_matrix Sr = gated_rounded(S, GLA_SITE_STATE_READ);
    for (size_t first = 0; first < u->m; first += c) {
        span I = {first, least(c, u->m - first)};
        query_tile(x, u, I, c, Sr, gla_rows(num, u->first + I.first, I.count));
    }
}

/* Every chunk's entering state, and after the last chunk the final one. */
typedef struct chunks {
    size_t count, C, dk;
    gla_matrix S, m; /* [(count+1) dk, W], [count+1, 1] */
} chunks;

static gla_matrix state(const chunks *a, size_t n) { return gla_rows(a->S, n * a->dk, a->dk); }

static mlstm_block chunk_at(const mlstm_slice *x, mlstm_reads *r, mlstm_gates gates, const chunks *a, size_t n) {
    size_t first = n * a->C;
    x->in->chunk = (int64_t)n;
    return mlstm_block_at(x, r, gates, first, least(a->C, x->T - first), gla_row(a->m, n));
}

static chunks all_states(const mlstm_slice *x, mlstm_reads *r, mlstm_gates gates, size_t C) {
    gla_numbers *n = x->in;
    gla_matrix S = mlstm_first_state(x);
    chunks a = {.count = (x->T + C - 1) / C, .C = C, .dk = x->dk};
    a.S = gla_new(n, (a.count + 1) * x->dk, S.cols);
    a.m = gla_new(n, a.count + 1, 1);
    gla_copy(state(&a, 0), S);
    gla_copy(gla_row(a.m, 0), mlstm_first_stabiliser(x));
    for (size_t i = 0; i < a.count; i++) {
        size_t mark = gla_mark(n);
        mlstm_block u = chunk_at(x, r, gates, &a, i);
        gla_copy(state(&a, i + 1), state(&a, i));
        mlstm_block_state(&u, state(&a, i + 1));
        gla_copy(gla_row(a.m, i + 1), gla_row(u.stabiliser, u.m - 1));
        gla_release(n, mark);
    }
    return a;
}

static void forward(const mlstm_slice *x, mlstm_reads *r, mlstm_gates gates, const chunks *a, size_t c) {
    for (size_t i = 0; i < a->count; i++) {
        size_t mark = gla_mark(x->in);
        mlstm_block u = chunk_at(x, r, gates, a, i);
        chunk_output(x, &u, c, state(a, i), r->num);
        gla_release(x->in, mark);
    }
    mlstm_divide(x, r);
}

/* F leaves as the adjoint of the initial state. */
static void backward(const mlstm_slice *x, mlstm_reads *r, mlstm_gates gates, const chunks *a, const mlstm_gradients *g,
                     gla_matrix F) {
    for (size_t i = a->count; i-- > 0;) {
        size_t mark = gla_mark(x->in);
        mlstm_block u = chunk_at(x, r, gates, a, i);
        mlstm_block_back(x, &u, g, state(a, i), state(a, i + 1), F);
        gla_release(x->in, mark);
    }
}

void mlstm_chunkwise(const mlstm_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    mlstm_gradients g = {.route = mlstm_route(x, form, GLA_ROUTE_STRADDLE)};
    if (n->status != GLA_OK) return;
    size_t mark = gla_mark(n);
    mlstm_gates gates = mlstm_log_gates(x);
    mlstm_reads r = mlstm_new_reads(x);
    chunks a = all_states(x, &r, gates, (size_t)form->C);
    forward(x, &r, gates, &a, (size_t)form->c);
    gla_matrix ST = state(&a, a.count);
    mlstm_store_state(x, ST, gla_row(a.m, a.count));
    if (form->backward) {
        gla_matrix F = mlstm_last_adjoint(x), end = mlstm_end_term(ST, F);
        g.dnum = mlstm_read_gradients(x, &r);
        g.dV = gla_new(n, x->T, ST.cols);
        g.d_log_f = gla_new(n, x->T, 1);
        backward(x, &r, gates, &a, &g, F);
        mlstm_store_values(x, g.dV);
        mlstm_store_adjoint(x, F);
        mlstm_finish_gates(x, g.route, g.d_log_f, end);
    }
    gla_release(n, mark);
    n->chunk = -1;
}
