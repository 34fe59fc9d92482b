/* SPDX-License-Identifier: Apache-2.0
 *
 * How tensors of a case lie in a file. Whatever the layout, a case has tokens as [B,T,h,D], states as [N,h,rows,cols],
 * weights as [1,1,h,D]; a file may leave out axes of 1 behind the heads, and of weights those before them.
 */
#ifndef GLASSBOX_IO_CASE_AXES_H
#define GLASSBOX_IO_CASE_AXES_H

#include "case_settings.h"

/* The four axes as a case has them; false: not of a rank that such a tensor has in this layout. */
bool gla_axes_shape(gla_layout l, gla_axes axes, const gla_named_tensor *x, int64_t shape[4]);

/* The shape that was wanted as a file should have it, the head count free: "[1,320,h,64]". */
const char *gla_axes_text(gla_layout l, gla_axes axes, const int64_t wanted[4], char text[128]);

/* The axis of the heads among the four. */
int gla_axes_head(gla_axes axes);

/* Values in the file's order into the case's: [B,h,T,D] into [B,T,h,D], states [N,h,cols,rows] into [N,h,rows,cols].
 * shape is that of the result. */
void gla_axes_exchange_heads(const double *x, const int64_t shape[4], double *z);
void gla_axes_transpose(const double *x, const int64_t shape[4], double *z);

#endif
