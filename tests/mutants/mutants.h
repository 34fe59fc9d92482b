/* SPDX-License-Identifier: Apache-2.0
 *
 * The faults that the kernel of chunk_kernel.h can be given, one at a time. Each is one line of its source, found by
 * the fault's name. A fault is something that kernels have shipped with, or that the next one could.
 */
#ifndef GLASSBOX_MUTANTS_H
#define GLASSBOX_MUTANTS_H

typedef enum mutant {
    M_NONE,
    /* the formula */
    M_SCALE_MISSING,
    M_SCALE_TWICE,
    M_EXCLUSIVE_READ,
    M_DECAY_AFTER_WRITE,
    M_INTER_EXCLUSIVE,
    M_DIAGONAL_LOST,
    M_DIAGONAL_LAST_ROW,
    M_MASK_OFF_BY_ONE,
    M_MASK_MISSING,
    M_SUBCHUNK_LOST,
    M_KEYS_CUT_OFF,
    M_ONE_DECAY_LOST,
    M_ONE_WRITE_LOST,
    /* the gates */
    M_GATE_BASE_2,
    M_GATE_BASE_E_AS_2,
    M_GATE_NOT_LOG,
    M_GATE_CLAMPED,
    M_SAFE_EXP,
    M_ONE_ANCHOR,
    M_RESET_NAN,
    M_RESET_IGNORED,
    M_RESET_LEAKS,
    /* chunks, tails, sequences, heads, layout */
    M_CARRY_LOST,
    M_CARRY_UNDECAYED,
    M_TAIL_FULL_DECAY,
    M_TAIL_UNDECAYED,
    M_TAIL_NOT_IN_STATE,
    M_TAIL_NOT_WRITTEN,
    M_BOUNDARY_IGNORED,
    M_EMPTY_LOST,
    M_INITIAL_IGNORED,
    M_INITIAL_TRANSPOSED,
    M_INITIAL_OF_FIRST,
    M_FINAL_TRANSPOSED,
    M_GATE_HEAD_0,
    M_HEAD_STRIDE,
    M_HEAD_MODULO,
    M_SLICES_SWAPPED,
    M_COLUMNS_STALE,
    M_REVERSE_IGNORED,
    /* roundings that the profile does not declare */
    M_SCORE_TRUNCATED,
    M_STATE_TRUNCATED,
    M_OUTPUT_TRUNCATED,
    M_GATE_BF16,
    M_GATE_SUM_BF16,
    M_STATE_BF16,
    M_FINAL_BF16,
    M_INTER_BF16,
    M_OPERANDS_BF16,
    M_OPERANDS_TF32,
    M_SCALE_BF16,
    M_EXP_OFF,
    /* gradients */
    M_DQ_NO_INTER,
    M_DQ_SCALED_TWICE,
    M_DQ_NEXT_STATE,
    M_DQ_ONE_TILE,
    M_DK_NO_DSTATE,
    M_DK_UNSCALED,
    M_DK_WRONG_DECAY,
    M_DK_TAIL_ZERO,
    M_DK_LAST_OF_GROUP,
    M_DV_NO_DSTATE,
    M_DV_UNTRANSPOSED,
    M_DV_KEYS_UNDECAYED,
    M_DSCORE_UNMASKED,
    M_DSCORE_DIAGONAL_LOST,
    M_DSCORE_TRUNCATED,
    M_DFINAL_IGNORED,
    M_DFINAL_TRANSPOSED,
    M_DSTATE_UNDECAYED,
    M_DSTATE_BF16,
    M_DSTATE_ACROSS,
    M_DINITIAL_UNDECAYED,
    M_DINITIAL_TRANSPOSED,
    M_DG_NO_END,
    M_DG_END_OVER_HEADS,
    M_DG_FROM_ROUNDED,
    M_DG_EXCLUSIVE,
    M_DG_EARLY,
    M_DG_BY_PREFIX,
    M_DG_NO_KEYS,
    /* value gates */
    M_GV_IGNORED,
    M_GV_EXCHANGED,
    M_GV_AFTER_WRITE,
    M_GV_EXCLUSIVE,
    M_GV_STATE_ONLY,
    M_GV_WRITE_UNDECAYED,
    M_GV_CARRY_UNDECAYED,
    M_GV_TAIL_UNDECAYED,
    M_GV_HEAD_0,
    M_GV_BASE_2,
    M_GV_RESET_IGNORED,
    M_GV_RESET_NAN,
    M_DSCORE_NO_GV,
    M_DO_NO_GV,
    M_DV_NO_GV,
    M_DSTATE_NO_GV,
    M_DGV_NO_END,
    M_DGV_NO_BOUNDARY,
    M_DGV_EXCLUSIVE,
    M_DGV_NO_VALUES,
    M_DGV_FROM_ROUNDED,
    MUTANTS
} mutant;

/* What the oracle owes: a wrong term is killed in every dtype in which it changes anything. A rounding too many, or one
 * of the wrong kind, is killed where the profile declares finer ones, and may hide where it declares as coarse. Of a
 * hidden fault nothing is owed: every profile's bound is about as wide as what it does. */
typedef enum mutant_kind { WRONG_TERM, ROUNDING, HIDDEN } mutant_kind;

typedef struct mutant_entry {
    const char *name;  /* in the ledger */
    const char *fault; /* one line */
    mutant_kind kind;
    const char *why; /* why a profile may hide it; NULL for a wrong term */
} mutant_entry;

extern const mutant_entry mutants[MUTANTS];

#endif
