/* SPDX-License-Identifier: Apache-2.0
 *
 * What the metadata of a case file say, apart from provenance.
 */
#ifndef GLASSBOX_IO_CASE_SETTINGS_H
#define GLASSBOX_IO_CASE_SETTINGS_H

#include "../../reference/glassbox.h"
#include "tensors.h"

typedef enum gla_layout { GLA_BTHD, GLA_BHTD, GLA_THD, GLA_LAYOUTS } gla_layout;
extern const char *const gla_layout_names[GLA_LAYOUTS];

typedef struct gla_settings {
    gla_layout layout;
    bool transposed;     /* "state_layout" VK: states lie as [N,h,dv,dk] */
    gla_problem problem; /* mechanism, decay, scale and reverse; the rest is 0 */
} gla_settings;

/* `where` opens the messages; `mechanism`, if not NULL, stands above the metadata. */
gla_status gla_settings_read(const gla_tensor_file *file, const char *where, const char *mechanism, gla_settings *out,
                             gla_error *err);
gla_status gla_layout_read(const gla_tensor_file *file, const char *where, gla_layout otherwise, gla_layout *out,
                           gla_error *err);
gla_status gla_state_layout_read(const gla_tensor_file *file, const char *where, bool otherwise, bool *transposed,
                                 gla_error *err);

/* The name of a case: metadata "case" or else the file's, then the prefix. malloc'ed, fit for a one-line message. */
gla_status gla_case_name(const gla_tensor_file *file, const char *path, const char *prefix, char **name,
                         gla_error *err);

#endif
