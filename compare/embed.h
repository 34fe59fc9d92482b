/* SPDX-License-Identifier: Apache-2.0
 *
 * The face of libglassbox.so: truth and verdicts for other languages, over flat arguments that any foreign function
 * interface can pass. The package compare/python is built on this header alone; C programs rather use truth.h and
 * judge.h.
 *
 * Arrays run over the inputs (or outputs) in the order of glassbox_name(GLASSBOX_LIST_INPUTS, i). A problem is
 *     mechanism      as gla_mechanism_parse takes it; NULL: gla
 *     input[i]       dense row-major binary64, or NULL; tokens [B,T,heads,D], one number per head [B,T,heads,1],
 *                    states [N,heads,rows,columns], weights [1,1,heads,D]
 *     input_shape[i] its shape [4]; read where input[i] is not NULL
 *     cu_seqlens     N+1 offsets 0 .. T, cu_count of them; or NULL
 *     scale          multiplies q; 0 asks for dk^(-1/2)
 *     flags          GLASSBOX_REVERSE | GLASSBOX_BACKWARD | GLASSBOX_GROWTH
 * B, T, dk are q's, dv is v's, H is the largest head count. The lists have the usual names of inputs and outputs; what
 * a mechanism has of them, and by which names, say glassbox_input and glassbox_output.
 *
 * Every call that can fail returns a gla_status, 0 = well; `text` then holds one line: what is wrong, and what to try.
 * Nothing is kept between calls and nothing is printed; calls may run at the same time.
 */
#ifndef GLASSBOX_EMBED_H
#define GLASSBOX_EMBED_H

#include <stddef.h>
#include <stdint.h>

enum { GLASSBOX_ABI = 4 }; /* grows when a call below changes its meaning */
int glassbox_abi(void);

typedef enum glassbox_list {
    GLASSBOX_LIST_INPUTS,
    GLASSBOX_LIST_OUTPUTS,
    GLASSBOX_LIST_MECHANISMS,
    GLASSBOX_LIST_PROFILES,
    GLASSBOX_LIST_FAMILIES,
    GLASSBOX_LIST_FORMATS,  /* of elements: binary64 binary32 bf16 f16 ... */
    GLASSBOX_LIST_VERDICTS, /* by severity */
    GLASSBOX_LIST_FIELDS    /* of a verdict, see glassbox_check */
} glassbox_list;

/* The i-th name of a list, and one line about it ("" if there is none); NULL past the end. */
const char *glassbox_name(int list, int i);
const char *glassbox_about(int list, int i);

/* Input (output) i as the mechanism's files name it, and how many axes of 1 may be left out of its shape: axis[0]
 * before the others, axis[1] behind them. NULL: the mechanism in these conventions has none such, or there is no such
 * mechanism. */
const char *glassbox_input(const char *mechanism, int i, int axis[2]);
const char *glassbox_output(const char *mechanism, int i, int axis[2]);

enum { GLASSBOX_REVERSE = 1, GLASSBOX_BACKWARD = 2, GLASSBOX_GROWTH = 4 }; /* GROWTH: gates above 0 are accepted */

/* The shapes of all outputs; an output that this problem has not gets zeros. */
int glassbox_shapes(const char *mechanism, const double *const *input, const int64_t (*input_shape)[4],
                    const int64_t *cu_seqlens, int64_t cu_count, double scale, unsigned flags,
                    int64_t (*output_shape)[4], char *text, size_t room);

/* Truth, rounded once into the format `target`, and what value leaves of it (low), the same formula on absolute values
 * (magnitude), and 1 where the rounding is proven (truth.h). Each array may be NULL, and each of its pointers.
 * close_enough as in truth.h; threads 0 = all processors. */
int glassbox_truth(const char *mechanism, const double *const *input, const int64_t (*input_shape)[4],
                   const int64_t *cu_seqlens, int64_t cu_count, double scale, unsigned flags, const char *target,
                   double close_enough, int threads, double *const *value, double *const *low, double *const *magnitude,
                   uint8_t *const *certified, char *text, size_t room);

/* Judge outputs: got[i] dense values of got_shape[i] that were stored in format[i], or NULL = not under test;
 * missing: bits 1u << i of outputs that are expected and not there. profile NULL = the default of the first format; a
 * name of the list; or, where it holds a line end, a profile of your own as profile_text.h has it.
 * replay NULL, or a number system in which `form` (NULL = the profile's) is to give the very same bits (replay.h).
 * Results: *verdict of the whole; numbers[i * fields + f], the fields of output i (judge.h; all 0 if not judged);
 * *used, the profile's name, NULL for one of your own; text, the report: torch.testing's vocabulary first where
 * something is wrong. */
int glassbox_check(const char *mechanism, const double *const *input, const int64_t (*input_shape)[4],
                   const int64_t *cu_seqlens, int64_t cu_count, double scale, unsigned flags, const double *const *got,
                   const int64_t (*got_shape)[4], const char *const *format, unsigned missing, const char *profile,
                   const char *replay, const char *form, int threads, int *verdict, double *numbers, const char **used,
                   char *text, size_t room);

/* Round x[count] into a format of the list, to nearest even, in place. */
int glassbox_round(const char *format, double *x, int64_t count, char *text, size_t room);

/* ---- generated cases (cases.h) ---- */

/* Has the family something to show of the mechanism? 0 also where one of them is unknown. */
int glassbox_fits(const char *mechanism, const char *family);

typedef struct glassbox_case glassbox_case;

enum { GLASSBOX_VALUE_GATE = 8, GLASSBOX_STATE = 16, GLASSBOX_VARLEN = 32 }; /* besides REVERSE and BACKWARD */

/* size: B T H dk dv Hk M, 0 = the default. awkward > 0: instead of sizes and flags, a shape that chunks of `awkward`
 * find awkward, drawn by the seed. NULL on failure, with the reason in text. */
glassbox_case *glassbox_generate(const char *mechanism, const char *family, const int64_t size[7], unsigned flags,
                                 int64_t awkward, uint64_t seed, const char *dtype, char *text, size_t room);
/* What came out: size and flags with the defaults filled in, the scale, the offsets (or NULL), and input i (or NULL).
 */
void glassbox_case_sizes(const glassbox_case *c, int64_t size[7], unsigned *flags, double *scale);
const int64_t *glassbox_case_offsets(const glassbox_case *c, int64_t *count);
const double *glassbox_case_input(const glassbox_case *c, int i, int64_t shape[4]);
void glassbox_case_free(glassbox_case *c);

#endif
