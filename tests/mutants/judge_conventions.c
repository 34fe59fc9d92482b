/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what the judge says of every convention (`make conventions`; seconds).
 */
#include <stdlib.h>

#include "conventions.h"

int main(void) {
    gla_error err;
    if (conventions_print(stdout, &err) == GLA_OK && fflush(stdout) == 0) return EXIT_SUCCESS;
    fprintf(stderr, "judge_conventions: %s\n", err.what);
    return 2;
}
