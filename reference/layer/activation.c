/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations of a layer by name, and the gated product y = swish(a) * b. The maps themselves: reference/activation.h.
 */
#include <string.h>

#include "maps.h"

void layer_swish_gate(gla_matrix y, gla_matrix a, gla_matrix b) {
    act_swish(y, a);
    gla_mul(y, y, b);
}

void layer_swish_gate_back(gla_matrix da, gla_matrix db, gla_matrix dy, gla_matrix a, gla_matrix b) {
    gla_mul(db, dy, b);
    act_swish_back(da, db, a);
    act_swish(db, a);
    gla_mul(db, db, dy);
}

layer_activation *layer_activation_named(const char *name) {
    static const struct {
        const char *name;
        layer_activation *run;
    } known[] = {{"swish", act_swish}, {"silu", act_swish}, {"relu", act_relu}, {"sigmoid", act_sigmoid}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].run;
    return NULL;
}

layer_activation_gradient *layer_back_of(layer_activation *activation) {
    return activation == act_swish ? act_swish_back : activation == act_relu ? act_relu_back : act_sigmoid_back;
}
