/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors that are not dense (properties.h): a kernel that goes by shapes where it should go by strides reads the NaN
 * between the rows, or another head's, or writes where nothing of its own lies.
 */
#include "properties_parts.h"

static gla_status compare_layout(gla_probe *t, const gla_plugin_result *dense, const gla_plugin_result *other,
                                 gla_plugin_layout layout) {
    gla_output output;
    gla_place_text place;
    int64_t at[4];
    if (!t->deterministic) return gla_probe_judge_pass(t, other, 0, gla_plugin_layout_names[layout]);
    if (!gla_probe_differ(t, dense, other, 0, &output, at))
        return gla_probe_found(t, GLA_HOLDS, "padded rows, heads before tokens: the same bits, the padding untouched");
    return gla_probe_found(t, GLA_VIOLATED, "%s: %s differs from that of dense tensors",
                           gla_plugin_layout_names[layout], gla_place_print(output, at, place));
}

gla_status gla_check_strides(gla_probe *t) {
    gla_plugin strided = *t->plugin;
    gla_probe with_strides = *t;
    gla_plugin_result dense;
    bool going;
    gla_status status = gla_probe_run(t, &t->made.problem, t->backward, 1, &dense, &going);
    for (int i = GLA_PLUGIN_LAYOUT_DENSE + 1; going && i < GLA_PLUGIN_LAYOUTS; i++) {
        gla_plugin_result other;
        strided.layout = (gla_plugin_layout)i;
        with_strides.plugin = &strided;
        status = gla_probe_run(&with_strides, &t->made.problem, t->backward, 1, &other, &going);
        if (going) status = compare_layout(t, &dense, &other, strided.layout);
        going = going && status == GLA_OK && t->out->kind == GLA_HOLDS;
        gla_plugin_result_free(&other);
    }
    gla_plugin_result_free(&dense);
    return status;
}
