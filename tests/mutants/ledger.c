/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the mutation ledger (`make ledger`; minutes):
 *
 *     ledger [CSV]      the table to stdout; every cell with its figures to the file CSV
 */
#include <stdlib.h>
#include <string.h>

#include "ledger_table.h"

static int complain(const char *what, const char *which) {
    fprintf(stderr, "ledger: %s%s\n", what, which);
    return 2;
}

int main(int argc, char **argv) {
    static ledger l;
    gla_error err;
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) return complain("usage: ledger [CSV]", "");
    if (ledger_run(&l, &err) != GLA_OK) return complain(err.what, "");
    ledger_print(&l, stdout);
    if (argc == 2) {
        FILE *csv = fopen(argv[1], "w");
        if (!csv) return complain("cannot write ", argv[1]);
        ledger_print_csv(&l, csv);
        if (fclose(csv) != 0) return complain("cannot write ", argv[1]);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : complain("cannot write the table", "");
}
