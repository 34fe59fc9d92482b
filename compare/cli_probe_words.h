/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of words that the device probe wrote (fast/hardware/probe/main.c, data/hardware/README.md), and what a model
 * of the matrix instruction says of them.
 */
#ifndef GLASSBOX_CLI_PROBE_WORDS_H
#define GLASSBOX_CLI_PROBE_WORDS_H

#include "../fast/hardware/probe/judge.h"
#include "io/tensors.h"

typedef struct cli_probe_words {
    gla_tensor_file file;
    const gla_probe_instruction *instruction;
    const char *arch; /* "sm_90" */
    uint64_t seed;
} cli_probe_words;

/* safetensors or npz. Refused: another version, an unknown instruction, a class whose checks are not as many as its
 * inputs ask for. Free it in any case. */
gla_status cli_probe_words_read(const char *path, cli_probe_words *out, gla_error *err);
void cli_probe_words_free(cli_probe_words *w);

/* Keeps the first `most` words of every class but the points, which are all kept. */
void cli_probe_words_cut(cli_probe_words *w, int64_t most);

/* The words of a class, NULL if there are none. Word k is result k of the class; of the points it is point k. */
const gla_named_tensor *cli_probe_words_of(const cli_probe_words *w, const gla_probe_class *c);

/* How many results the variants were compared over (P19: other places, operands in registers, other widths, scale-d,
 * imm-scale), and how many differed, as the probe says. */
void cli_probe_variants(const cli_probe_words *w, size_t *results, size_t *differ);

typedef struct cli_probe_verdict {
    size_t results;               /* that the compared checks cover, */
    size_t checks, wrong_checks;  /* of blocks of up to 4096 of them */
    size_t words, wrong_words;    /* compared one by one */
    size_t points, unexpected;    /* points with a prediction by hand (points.h), and those that are not as predicted */
    const gla_probe_class *klass; /* of the first word, or else check, that differs; or NULL */
    size_t at;                    /* which word; else the first result of the check */
    uint64_t device, model;       /* both words */
} cli_probe_verdict;

/* All words; and all checks, or with `quick` one of each class that is not a chain. On all processors. `progress` (may
 * be NULL) is called with 0 .. 1. */
gla_status cli_probe_judge(const cli_probe_words *w, const gla_mma_model *m, bool quick,
                           void (*progress)(void *data, double done), void *data, cli_probe_verdict *out,
                           gla_error *err);

#endif
