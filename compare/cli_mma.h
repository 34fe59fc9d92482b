/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor-core block as lines of text: the half of `glassbox mma` that prints.
 */
#ifndef GLASSBOX_CLI_MMA_H
#define GLASSBOX_CLI_MMA_H

#include "../fast/hardware/tensor_core.h"

/* A number as a word (tf32 in binary32's) and as a value; f64 has no word. */
typedef struct cli_mma_number {
    uint32_t word;
    double value;
} cli_mma_number;

enum { CLI_MMA_MOST = 256 };

typedef struct cli_mma_products {
    size_t count;
    cli_mma_number a[CLI_MMA_MOST], b[CLI_MMA_MOST], c;
} cli_mma_products;

/* Everything: the model, each block's terms and sum, the result, and what other arithmetics give. */
void cli_mma_tell(const gla_mma_model *m, const cli_mma_products *p);

/* The format whose words are typed and shown: tf32 lives in binary32's. */
const gla_format *cli_mma_words(const gla_format *f);

/* "toward zero to binary32" */
const char *cli_mma_out_text(const gla_mma_model *m);

#endif
