/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes fast/hardware/mufu_tables.c to standard output (make mufu-tables), and how unique the fit is to standard
 * error.
 */
#include <inttypes.h>

#include "mufu_fit.h"

static bool fit_one(enum mufu_function function) {
    mufu_records records;
    mufu_fit fit;
    gla_error err = {0};
    if (mufu_records_read(function, &records, &err) != GLA_OK) return fprintf(stderr, "%s\n", err.what), false;
    const bool found = mufu_fit_words(function, records.binade, records.binade_count, &fit);
    int most = 0;
    for (int i = 0; i < fit.segments; i++)
        if (fit.segment[i].pairs > most) most = fit.segment[i].pairs;
    fprintf(stderr, "%-8s %3d segments, at most %d pair (b, c); a 2^%d + %" PRId32 ", %d such constant\n",
            mufu_names[function], fit.segments, most, fit.shift, fit.bias, fit.biases);
    if (found) mufu_fit_write(function, &fit, stdout);
    mufu_records_free(&records);
    return found && most == 1;
}

int main(void) {
    static const enum mufu_function functions[] = {MUFU_EX2_FTZ, MUFU_RCP_FTZ, MUFU_RSQ_FTZ, MUFU_LG2_FTZ};
    mufu_fit_write_head(stdout);
    for (int i = 0; i < 4; i++)
        if (!fit_one(functions[i])) return 1;
    return 0;
}
