/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors of states through the tokens of a stretch; equations in delta_carry.h.
 */
#include "delta_carry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the walk keeps of every token, and where it is. */
typedef struct walk {
    const delta_window *w;
    double *Z, *Y, *Phi;       /* [m,dk,dv] [m,dk,dk] [m,dk,dk] */
    double *e, *kappa;         /* [m,dv] [m,dk] */
    double *S, *R, *Psi;       /* [dk,dv] [dk,dv] [dk,dk] as they stand */
    double *du, *dv, *eta, *p; /* [dv] [dv] [dk] [dk] of the token at hand */
    double *turned[2];         /* variances of S and F transposed, [dv,dk] */
    double *room;              /* [max(dk,dv)] */
} walk;

static double square(double x) { return x * x; }

static double norm(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

static double absolute_dot(const double *x, const double *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(x[i]) * y[i];
    return sum;
}

/* z_b = sum_a x_a A_ab */
static void read_rows(double *z, const double *x, const double *A, int64_t rows, int64_t cols) {
    memset(z, 0, (size_t)cols * sizeof *z);
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < cols; b++) z[b] += x[a] * A[a * cols + b];
}

/* A_ab += by x_a y_b */
static void write_rows(double *A, double by, const double *x, const double *y, int64_t rows, int64_t cols) {
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < cols; b++) A[a * cols + b] += by * x[a] * y[b];
}

static void scale_rows(double *to, const double *by, const double *A, int64_t rows, int64_t cols) {
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < cols; b++) to[a * cols + b] = by[a] * A[a * cols + b];
}

static void set_identity(double *A, int64_t n) {
    memset(A, 0, (size_t)(n * n) * sizeof *A);
    for (int64_t i = 0; i < n; i++) A[i * n + i] = 1;
}

/* sum_b x_b^2 var_bj for every j. */
static void column_variances(double *z, const double *x, const double *var, int64_t dk, int64_t dv) {
    memset(z, 0, (size_t)dv * sizeof *z);
    for (int64_t b = 0; b < dk; b++)
        for (int64_t j = 0; j < dv; j++) z[j] += x[b] * x[b] * var[b * dv + j];
}

/* ---- coefficients x_b y_j: one element ---- */

static void add_outer(const walk *k, delta_error *z, const double *x, const double *y, const delta_carried *c) {
    int64_t dk = k->w->dk, dv = k->w->dv;
    column_variances(k->room, x, c->var, dk, dv);
    double size = norm(x, dk);
    for (int64_t j = 0; j < dv; j++) z->var += square(y[j]) * k->room[j];
    z->lin += size * absolute_dot(y, c->lin, dv);
    z->det += size * absolute_dot(y, c->det, dv);
}

/* Coefficients by x_b of column j alone: a row of dv elements. */
static void add_row(const walk *k, delta_error *z, double by, const double *x, const delta_carried *c) {
    int64_t dk = k->w->dk, dv = k->w->dv;
    column_variances(k->room, x, c->var, dk, dv);
    double size = fabs(by) * norm(x, dk);
    for (int64_t j = 0; j < dv; j++) {
        z[j].var += square(by) * k->room[j];
        z[j].lin += size * c->lin[j];
        z[j].det += size * c->det[j];
    }
}

/* Coefficients A_ab of row a, column j alone: a state of dk x dv elements. */
static void add_state(const walk *k, delta_error *z, const double *A, const delta_carried *c) {
    for (int64_t a = 0; a < k->w->dk; a++) add_row(k, z + a * k->w->dv, 1, A + a * k->w->dk, c);
}

/* Coefficients by y_j A_ab: dk elements. */
static void add_reader(const walk *k, delta_error *z, double by, const double *y, const double *A,
                       const delta_carried *c, const double *turned) {
    int64_t dk = k->w->dk, dv = k->w->dv;
    double *sum = k->room, lin = absolute_dot(y, c->lin, dv), det = absolute_dot(y, c->det, dv);
    memset(sum, 0, (size_t)dk * sizeof *sum);
    for (int64_t j = 0; j < dv; j++)
        for (int64_t b = 0; b < dk; b++) sum[b] += square(y[j]) * turned[j * dk + b];
    for (int64_t a = 0; a < dk; a++) {
        const double *row = A + a * dk;
        double var = 0, size = fabs(by) * norm(row, dk);
        for (int64_t b = 0; b < dk; b++) var += square(row[b]) * sum[b];
        z[a].var += square(by) * var;
        z[a].lin += size * lin;
        z[a].det += size * det;
    }
}

/* Coefficients y_j A_ab + by B_aj x_b: dk elements. The second part by itself, then what the two have in common. */
static void add_both(const walk *k, delta_error *z, const double *y, const double *A, double by, const double *B,
                     const double *x, const delta_carried *c, const double *turned) {
    int64_t dk = k->w->dk, dv = k->w->dv;
    double size = fabs(by) * norm(x, dk), *column = k->room;
    add_reader(k, z, 1, y, A, c, turned);
    column_variances(column, x, c->var, dk, dv);
    for (int64_t a = 0; a < dk; a++) {
        const double *row = B + a * dv;
        for (int64_t j = 0; j < dv; j++) z[a].var += square(by * row[j]) * column[j];
        z[a].lin += size * absolute_dot(row, c->lin, dv);
        z[a].det += size * absolute_dot(row, c->det, dv);
    }
    for (int64_t a = 0; a < dk; a++) {
        memset(column, 0, (size_t)dv * sizeof *column);
        for (int64_t b = 0; b < dk; b++)
            for (int64_t j = 0; j < dv; j++) column[j] += A[a * dk + b] * x[b] * c->var[b * dv + j];
        for (int64_t j = 0; j < dv; j++) z[a].var += 2 * by * y[j] * B[a * dv + j] * column[j];
        if (!(z[a].var > 0)) z[a].var = 0; /* rounding of a difference */
    }
}

/* Coefficients B_aj A_ab: dk elements. */
static void add_gates(const walk *k, delta_error *z, const double *B, const double *A, const delta_carried *c,
                      const double *turned) {
    int64_t dk = k->w->dk, dv = k->w->dv;
    for (int64_t a = 0; a < dk; a++) {
        const double *row = B + a * dv, *coefficient = A + a * dk;
        double *sum = k->room, var = 0, size = norm(coefficient, dk);
        memset(sum, 0, (size_t)dk * sizeof *sum);
        for (int64_t j = 0; j < dv; j++)
            for (int64_t b = 0; b < dk; b++) sum[b] += square(row[j]) * turned[j * dk + b];
        for (int64_t b = 0; b < dk; b++) var += square(coefficient[b]) * sum[b];
        z[a].var += var;
        z[a].lin += size * absolute_dot(row, c->lin, dv);
        z[a].det += size * absolute_dot(row, c->det, dv);
    }
}

/* Coefficients sum_a B_aj A_ab: one element. */
static void add_gate(const walk *k, delta_error *z, const double *B, const double *A, const delta_carried *c,
                     const double *turned) {
    int64_t dk = k->w->dk, dv = k->w->dv;
    for (int64_t j = 0; j < dv; j++) {
        double *sum = k->room;
        memset(sum, 0, (size_t)dk * sizeof *sum);
        for (int64_t a = 0; a < dk; a++)
            for (int64_t b = 0; b < dk; b++) sum[b] += B[a * dv + j] * A[a * dk + b];
        double size = norm(sum, dk);
        for (int64_t b = 0; b < dk; b++) z->var += square(sum[b]) * turned[j * dk + b];
        z->lin += size * c->lin[j];
        z->det += size * c->det[j];
    }
}

/* ---- the walk ---- */

static void turn(double *to, const double *A, int64_t dk, int64_t dv) {
    for (int64_t b = 0; b < dk; b++)
        for (int64_t j = 0; j < dv; j++) to[j * dk + b] = A[b * dv + j];
}

static double largest(const double *x, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most;
}

static void forward(const walk *x, const delta_carried *S, delta_errors *out) {
    const delta_window *w = x->w;
    int64_t dk = w->dk, dv = w->dv;
    memcpy(x->S, w->S, (size_t)(dk * dv) * sizeof *x->S);
    out->growth = 1;
    for (int64_t t = 0; t < w->m; t++) {
        const double *alpha = w->alpha + t * dk, *k = w->k + t * dk;
        double *Y = x->Y + t * dk * dk, *Phi = x->Phi + t * dk * dk, *Z = x->Z + t * dk * dv;
        double *e = x->e + t * dv, *kappa = x->kappa + t * dk, beta = w->beta[t];
        if (t == 0) set_identity(Phi, dk);
        scale_rows(Y, alpha, t ? Phi - dk * dk : Phi, dk, dk);
        scale_rows(Z, alpha, x->S, dk, dv);
        read_rows(kappa, k, Y, dk, dk);
        read_rows(e, k, Z, dk, dv);
        for (int64_t j = 0; j < dv; j++) e[j] = w->v[t * dv + j] - e[j];
        memcpy(Phi, Y, (size_t)(dk * dk) * sizeof *Phi);
        write_rows(Phi, -beta, k, kappa, dk, dk);
        memcpy(x->S, Z, (size_t)(dk * dv) * sizeof *x->S);
        write_rows(x->S, beta, k, e, dk, dv);
        read_rows(x->p, w->q + t * dk, Phi, dk, dk);
        if (out->o) add_row(x, out->o + t * dv, w->scale, x->p, S);
        out->growth *= largest(alpha, dk) * fmax(1, fabs(1 - beta * square(norm(k, dk))));
    }
    add_state(x, out->ST, x->Phi + (w->m - 1) * dk * dk, S);
}

/* Token t of the results that both states have a part in. */
static void both_ways(const walk *x, int64_t t, const delta_carried *S, const delta_carried *F, delta_errors *out) {
    const delta_window *w = x->w;
    int64_t dk = w->dk, dv = w->dv;
    const double *Z = x->Z + t * dk * dv, *Y = x->Y + t * dk * dk, *kappa = x->kappa + t * dk, *e = x->e + t * dv;
    double beta = w->beta[t], *u = x->p;
    add_reader(x, out->dq + t * dk, w->scale, w->d_o + t * dv, x->Phi + t * dk * dk, S, x->turned[0]);
    add_row(x, out->dv + t * dv, beta, x->eta, F);
    add_outer(x, &out->dbeta[t], x->eta, e, F);
    add_outer(x, &out->dbeta[t], kappa, x->du, S);
    add_both(x, out->dk + t * dk, x->dv, Y, beta, x->R, kappa, S, x->turned[0]);
    for (int64_t j = 0; j < dv; j++) u[j] = beta * e[j];
    add_both(x, out->dk + t * dk, u, x->Psi, -beta, Z, x->eta, F, x->turned[1]);
}

static void backward(const walk *x, const delta_carried *S, const delta_carried *F, delta_errors *out) {
    const delta_window *w = x->w;
    int64_t dk = w->dk, dv = w->dv;
    memcpy(x->R, w->F, (size_t)(dk * dv) * sizeof *x->R);
    set_identity(x->Psi, dk);
    for (int64_t t = w->m; t-- > 0;) {
        const double *alpha = w->alpha + t * dk, *k = w->k + t * dk, *Y = x->Y + t * dk * dk, *Z = x->Z + t * dk * dv;
        double beta = w->beta[t];
        write_rows(x->R, w->scale, w->q + t * dk, w->d_o + t * dv, dk, dv);
        read_rows(x->eta, k, x->Psi, dk, dk);
        read_rows(x->du, k, x->R, dk, dv);
        for (int64_t j = 0; j < dv; j++) x->dv[j] = beta * x->du[j];
        both_ways(x, t, S, F, out);
        write_rows(x->R, -1, k, x->dv, dk, dv);       /* dZ */
        write_rows(x->Psi, -beta, k, x->eta, dk, dk); /* Omega */
        if (out->dg && !w->gate_per_head) {
            add_gates(x, out->dg + t * dk, x->R, Y, S, x->turned[0]);
            add_gates(x, out->dg + t * dk, Z, x->Psi, F, x->turned[1]);
        } else if (out->dg) {
            add_gate(x, out->dg + t, x->R, Y, S, x->turned[0]);
            add_gate(x, out->dg + t, Z, x->Psi, F, x->turned[1]);
        }
        scale_rows(x->R, alpha, x->R, dk, dv);
        scale_rows(x->Psi, alpha, x->Psi, dk, dk);
    }
    add_state(x, out->dS0, x->Psi, F);
}

/* Everything the walk needs, in one piece. */
static double *lay_out(walk *x) {
    int64_t m = x->w->m, dk = x->w->dk, dv = x->w->dv, most = dk > dv ? dk : dv;
    const struct {
        double **at;
        int64_t count;
    } parts[] = {{&x->Z, m * dk * dv},
                 {&x->Y, m * dk * dk},
                 {&x->Phi, m * dk * dk},
                 {&x->e, m * dv},
                 {&x->kappa, m * dk},
                 {&x->S, dk * dv},
                 {&x->R, dk * dv},
                 {&x->Psi, dk * dk},
                 {&x->du, dv},
                 {&x->dv, dv},
                 {&x->eta, dk},
                 {&x->p, most},
                 {&x->room, most},
                 {&x->turned[0], dk * dv},
                 {&x->turned[1], dk * dv}};
    int64_t all = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) all += parts[i].count;
    double *memory = malloc((size_t)all * sizeof *memory), *next = memory;
    for (size_t i = 0; memory && i < sizeof parts / sizeof *parts; i++) {
        *parts[i].at = next;
        next += parts[i].count;
    }
    return memory;
}

bool delta_carry(const delta_window *w, const delta_carried *S, const delta_carried *F, delta_errors *out) {
    walk x = {.w = w};
    double *memory = lay_out(&x);
    if (!memory) return false;
    forward(&x, S, out);
    if (out->dq) {
        turn(x.turned[0], S->var, w->dk, w->dv);
        turn(x.turned[1], F->var, w->dk, w->dv);
        backward(&x, S, F, out);
    }
    free(memory);
    return true;
}
