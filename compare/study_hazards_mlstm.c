/* SPDX-License-Identifier: Apache-2.0
 *
 * Hazard H7: the eps of the mLSTM's normaliser is added in units of e^m, so in true units it is eps e^m. One token
 * whose input gate is x has m = x; a query that its key hardly meets leaves |n.q| below e^-m, and then
 *
 *     h with eps / h without = e^-m / (e^-m + eps)
 *
 * with eps = 1e-6, as public code has it: run in binary32 with eps against MPFR without.
 */
#include "../reference/mlstm/mlstm.h"
#include "study_hazards.h"

static gla_matrix number(gla_numbers *n, double x) {
    gla_matrix z = gla_new(n, 1, 1);
    if (n->status == GLA_OK) n->ops->set_d(n, z.at, x);
    return z;
}

/* h of that token. */
static gla_status output_of(const char *numbers, double gate, double eps, double *h, gla_error *err) {
    gla_numbers *n;
    gla_form form = {.kind = GLA_RECURRENT};
    gla_status status = gla_numbers_open(numbers, &n, err);
    if (status) return status;
    mlstm_slice x = {.in = n, .T = 1, .dk = 1, .dv = 1, .s = number(n, 1), .h = number(n, 0), .CT = number(n, 0)};
    x.eps = number(n, eps);
    x.q = number(n, 0x1p-40); /* n.q = 2^-40 is below e^-m up to m = 27 */
    x.k = x.v = number(n, 1);
    x.i = number(n, gate);
    x.f = number(n, 0);
    mlstm_run_form(&x, &form);
    if (n->status == GLA_OK) *h = n->ops->get_d(n, x.h.at);
    status = n->status ? gla_fail(err, n->status, "mLSTM of one token: %s", gla_status_text(n->status)) : GLA_OK;
    gla_numbers_close(n);
    return status;
}

gla_status gla_hazard_eps(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    (void)seed;
    double with = 0, without = 0;
    gla_status status = output_of("binary32", h->x, 1e-6, &with, err);
    if (status == GLA_OK) status = output_of("mpfr:128", h->x, 0, &without, err);
    *measured = with / without;
    return status;
}
