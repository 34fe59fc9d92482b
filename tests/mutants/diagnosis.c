/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the confusion table of the diagnosis (`make diagnosis`; minutes):
 *
 *     diagnosis [PART]      only faults whose name contains PART
 */
#include <stdlib.h>

#include "confusion.h"

int main(int argc, char **argv) {
    static confusion c;
    gla_error err = {0};
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(stderr, "usage: diagnosis [PART]\n");
        return 2;
    }
    if (confusion_run(&c, argc > 1 ? argv[1] : NULL, &err) != GLA_OK) {
        fprintf(stderr, "diagnosis: %s\n", err.what);
        return 2;
    }
    confusion_print(&c, stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
