/* SPDX-License-Identifier: Apache-2.0
 *
 * A public fla GLA checkpoint: a folder with model.safetensors and config.json.
 *
 *     gla_checkpoint file;
 *     gla_checkpoint_read("folder", &file, &err);          or the path of its .safetensors
 *     gla_model model;
 *     gla_checkpoint_load(&file, numbers, &model, &err);   once for every number system
 *
 * Every weight that the config asks for must be there under its name with its shape, and none beside them. A setting
 * that is not computed here (attention layers amid, a value gate ...) is refused, never passed over.
 */
#ifndef GLASSBOX_IO_CHECKPOINT_H
#define GLASSBOX_IO_CHECKPOINT_H

#include "../../reference/layer/model.h"
#include "tensors.h"

typedef struct gla_checkpoint {
    gla_model_config config;
    gla_tensor_file weights;
    char *where; /* the path of the weights, fit for a message */
} gla_checkpoint;

/* `out` is set in any case, for gla_checkpoint_free. */
gla_status gla_checkpoint_read(const char *path, gla_checkpoint *out, gla_error *err);
void gla_checkpoint_free(gla_checkpoint *file);

/* model: to be freed by gla_model_free, also after a failure. */
gla_status gla_checkpoint_load(const gla_checkpoint *file, gla_numbers *numbers, gla_model *model, gla_error *err);

/* config.json alone. */
gla_status gla_model_config_read(const char *path, gla_model_config *out, gla_error *err);

#endif
