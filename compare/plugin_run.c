/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a plug-in (plugin_run.h): the oracle's side. plugin_spawn.c starts and waits; here a problem becomes shared
 * memory, and what comes back is looked through.
 */
#include "plugin_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../reference/slice.h"
#include "cases.h"
#include "place.h"
#include "plugin_end.h"

/* ---- what may exist ---- */

bool gla_plugin_gives(const gla_problem *p, gla_output name, bool backward) {
    gla_problem copy = *p;
    bool given = !gla_is_gradient(name) || gla_problem_input(&copy, gla_output_like(name))->at;
    return given && gla_has_output(p, backward, name);
}

const gla_format *gla_plugin_output_format(gla_output name, const gla_format *dtype) {
    return gla_is_wide_output(name) ? &gla_binary32_format : dtype;
}

static const gla_format *input_format(gla_input name, const gla_format *dtype) {
    return gla_is_wide_input(name) ? &gla_binary32_format : dtype;
}

/* ---- the request ---- */

enum { MEMORY_FOR_A_PLUGIN = 4 }; /* GiB, beside the tensors */

/* A sanitizer's shadow and a device's address space know no limit. */
static int64_t memory_limit(const gla_plugin *plugin, int64_t tensors) {
#if defined(__SANITIZE_ADDRESS__)
    return 0;
#else
    return plugin->info.device == GLASSBOX_CPU ? ((int64_t)MEMORY_FOR_A_PLUGIN << 30) + 2 * tensors : 0;
#endif
}

/* States and weights have no tokens to lie behind heads. */
static gla_plugin_layout layout_of(const gla_plugin *plugin, bool tokenless) {
    return tokenless && plugin->layout == GLA_PLUGIN_LAYOUT_HEADS_FIRST ? GLA_PLUGIN_LAYOUT_DENSE : plugin->layout;
}

static void place_all(const gla_plugin *plugin, const gla_problem *p, const gla_format *dtype, bool backward,
                      gla_plugin_request *r, int64_t *end) {
    gla_problem copy = *p;
    int64_t shape[4];
    if (p->cu_seqlens) gla_shared_place(&r->cu_seqlens, (p->N + 1) * (int64_t)sizeof(int64_t), end);
    for (int i = 0; i < GLA_INPUTS; i++) {
        bool gradient = i == GLA_IN_DO || i == GLA_IN_DFINAL_STATE || i == GLA_IN_DFINAL_N || i == GLA_IN_DFINAL_KEYS;
        if (!gla_problem_input(&copy, (gla_input)i)->at || (gradient && !backward)) continue;
        gla_input_shape(p, (gla_input)i, shape);
        gla_shared_tensor_place(&r->in[i], shape, input_format((gla_input)i, dtype),
                                layout_of(plugin, !gla_input_has_tokens(p, (gla_input)i)), end);
    }
    for (int pass = 0; pass < r->passes; pass++)
        for (int i = 0; i < GLA_OUTPUTS; i++) {
            if (!gla_plugin_gives(p, (gla_output)i, backward)) continue;
            gla_output_shape(p, (gla_output)i, shape);
            gla_shared_tensor_place(&r->out[pass][i], shape, gla_plugin_output_format((gla_output)i, dtype),
                                    layout_of(plugin, !gla_output_has_tokens(p, (gla_output)i)), end);
        }
}

static void fill_all(const gla_problem *p, gla_plugin_shared *s) {
    gla_plugin_request *r = &s->request;
    gla_problem copy = *p;
    char *base = (char *)s;
    if (r->cu_seqlens.bytes) {
        gla_poison(base + r->cu_seqlens.pages, r->cu_seqlens.pages_size, GLA_POISON_A);
        memcpy(base + r->cu_seqlens.at, p->cu_seqlens, (size_t)r->cu_seqlens.bytes);
    }
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_poison(base + r->in[i].pages, r->in[i].pages_size, GLA_POISON_A);
        gla_tensor x = gla_acting_input(&copy, (gla_input)i);
        if (r->in[i].bytes) gla_shared_store(base, &r->in[i], &x);
    }
    for (int pass = 0; pass < r->passes; pass++)
        for (int i = 0; i < GLA_OUTPUTS; i++) {
            const gla_shared_tensor *t = &r->out[pass][i];
            gla_poison(base + t->pages, t->pages_size, GLA_POISON_A);
            gla_poison_elements(base, t, r->poison[pass]);
        }
}

static void fill_request(const gla_plugin *plugin, gla_plugin_request *r) {
    snprintf(r->mechanism, sizeof r->mechanism, "%s", plugin->mechanism);
    r->timeout_ms = (int64_t)(1000 * (plugin->timeout > 0 ? plugin->timeout : 30));
    for (int pass = 0; pass < GLA_PLUGIN_PASSES; pass++) r->poison[pass] = pass == 2 ? GLA_POISON_B : GLA_POISON_A;
}

/* ---- what came back ---- */

void gla_plugin_values(const void *raw, int64_t bytes, const gla_format *format, double *value) {
    const unsigned char *from = raw;
    int64_t size = format->bits / 8;
    for (int64_t i = 0; i < bytes / size; i++) {
        uint32_t word = 0;
        memcpy(&word, from + i * size, (size_t)size);
        value[i] = gla_decode(format, word);
    }
}

/* The elements of a tensor, dense; NULL without memory. */
static void *gathered(const gla_plugin_shared *s, const gla_shared_tensor *t, int64_t bytes) {
    int64_t count = gla_shared_count(t), size = bytes / count;
    char *to = malloc((size_t)bytes);
    for (int64_t i = 0; to && i < count; i++)
        memcpy(to + i * size, (const char *)s + gla_shared_element(t, i), (size_t)size);
    return to;
}

static bool keep_outputs(const gla_plugin_shared *s, gla_plugin_result *out) {
    const gla_plugin_request *r = &s->request;
    for (int pass = 0; pass < r->passes; pass++)
        for (int i = 0; i < GLA_OUTPUTS; i++) {
            const gla_shared_tensor *t = &r->out[pass][i];
            if (t->bytes == 0) continue;
            const gla_format *format = gla_plugin_format(t->dtype);
            int64_t count = gla_shared_count(t), bytes = count * (format->bits / 8);
            out->output[pass][i].bytes = bytes;
            out->output[pass][i].raw = gathered(s, t, bytes);
            if (!out->output[pass][i].raw) return false;
            if (pass > 0) continue;
            out->first[i].format = format;
            out->first[i].value = malloc((size_t)count * sizeof(double));
            if (!out->first[i].value) return false;
            gla_plugin_values(out->output[pass][i].raw, bytes, format, out->first[i].value);
        }
    return true;
}

static int64_t heap_growth(const gla_plugin_answer *a, int passes) {
    if (passes < 3) return 0;
    int64_t first = a->heap[1] - a->heap[0], second = a->heap[2] - a->heap[1];
    return first > 0 && second > 0 ? (first < second ? first : second) : 0;
}

/* ---- the two calls ---- */

static gla_status look_through(const gla_plugin_shared *s, const char *before, const gla_plugin_words *words,
                               gla_plugin_result *out, gla_error *err) {
    out->end = gla_plugin_ending(s, out);
    if (out->end == GLA_PLUGIN_DONE || out->end == GLA_PLUGIN_DECLINED) {
        gla_plugin_end damage = gla_plugin_damage(s, before, out);
        if (damage != GLA_PLUGIN_DONE) out->end = damage;
    }
    if (out->end == GLA_PLUGIN_DONE) out->end = gla_plugin_unwritten(s, out);
    if (out->end != GLA_PLUGIN_DONE) {
        gla_plugin_add_words(out, words);
        return GLA_OK;
    }
    out->environment_changed = s->answer.environment_changed;
    out->heap_growth = heap_growth(&s->answer, s->request.passes);
    return keep_outputs(s, out) ? GLA_OK : gla_fail(err, GLA_NO_MEMORY, "no memory for the outputs of a plug-in");
}

/* A problem that it said it would not take. */
static bool declined_before(const gla_plugin *plugin, const gla_problem *p, const gla_format *dtype,
                            gla_plugin_result *out) {
    const struct glassbox_info *info = &plugin->info;
    const struct {
        const char *name;
        int64_t asked, most;
    } sizes[] = {{"B", p->B, info->max_B},
                 {"T", p->T, info->max_T},
                 {"H", p->H, info->max_H},
                 {"dk", p->dk, info->max_dk},
                 {"dv", p->dv, info->max_dv}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].most > 0 && sizes[i].asked > sizes[i].most) {
            out->end = gla_plugin_say(out, GLA_PLUGIN_DECLINED, "%s = %" PRId64 " is above its limit of %" PRId64,
                                      sizes[i].name, sizes[i].asked, sizes[i].most);
            return true;
        }
    if (info->formats & gla_plugin_takes(dtype)) return false;
    out->end = gla_plugin_say(out, GLA_PLUGIN_DECLINED, "%s is not among its formats", dtype->name);
    return true;
}

gla_status gla_plugin_run(const gla_plugin *plugin, const gla_problem *p, const gla_format *dtype, bool backward,
                          int passes, gla_plugin_result *out, gla_error *err) {
    *out = (gla_plugin_result){0};
    if (declined_before(plugin, p, dtype, out)) return GLA_OK;
    gla_plugin_request r = {.B = p->B, .T = p->T, .H = p->H, .dk = p->dk, .dv = p->dv, .N = p->N, .M = p->M};
    r.scale = gla_scale_of(p);
    r.packed = p->cu_seqlens != NULL;
    r.reverse = p->reverse;
    r.backward = backward;
    r.passes = passes;
    fill_request(plugin, &r);
    int64_t end = sizeof(gla_plugin_shared);
    place_all(plugin, p, dtype, backward, &r, &end);
    r.memory_limit = memory_limit(plugin, end);

    gla_plugin_shared *s;
    int fd;
    gla_status status = gla_shared_new(plugin->path, &r, end + GLA_PLUGIN_GAP, &s, &fd, err);
    if (status != GLA_OK) return status;
    fill_all(p, s);
    size_t inputs_end = (size_t)r.out[0][GLA_O].pages;
    char *before = malloc(inputs_end);
    if (before) {
        gla_plugin_words words;
        memcpy(before, s, inputs_end);
        status = gla_plugin_spawn(plugin->runner, s, fd, &words, err);
        s->request = r; /* what the plug-in may have written there is nothing to go by */
        if (status == GLA_OK) status = look_through(s, before, &words, out, err);
    } else
        status = gla_fail(err, GLA_NO_MEMORY, "no memory for the inputs of a plug-in");
    free(before);
    gla_shared_free(s, end + GLA_PLUGIN_GAP, fd);
    return status;
}

/* Info that is no use. */
static gla_plugin_end find_lies(const gla_plugin *plugin, gla_plugin_result *out) {
    const struct glassbox_info *i = &plugin->info;
    if (i->max_B < 0 || i->max_T < 0 || i->max_H < 0 || i->max_dk < 0 || i->max_dv < 0)
        return gla_plugin_say(out, GLA_PLUGIN_UNLOADABLE, "its info has a negative size limit");
    if (!(i->formats & (GLASSBOX_TAKES_F32 | GLASSBOX_TAKES_F16 | GLASSBOX_TAKES_BF16)))
        return gla_plugin_say(out, GLA_PLUGIN_UNLOADABLE, "its info names no format");
    gla_problem asked = {.mechanism = NULL};
    if (i->abi_version < 2 && gla_mechanism_parse(plugin->mechanism, &asked, NULL) == GLA_OK &&
        gla_inputs_taken(&asked) >> GLA_IN_BETA)
        return gla_plugin_say(out, GLA_PLUGIN_DECLINED, "it speaks version 1 of the interface, mechanism %s needs 2",
                              plugin->mechanism);
    size_t length = strlen(plugin->mechanism);
    for (const char *at = plugin->mechanisms; *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, plugin->mechanism, length) == 0) return GLA_PLUGIN_DONE;
        at += word;
    }
    return gla_plugin_say(out, GLA_PLUGIN_DECLINED, "mechanism %s is not among its own (%s)", plugin->mechanism,
                          plugin->mechanisms[0] ? plugin->mechanisms : "none");
}

gla_status gla_plugin_open(gla_plugin *plugin, gla_plugin_result *out, gla_error *err) {
    *out = (gla_plugin_result){0};
    gla_plugin_request r = {.info_only = true};
    fill_request(plugin, &r);
    gla_plugin_shared *s;
    int fd;
    gla_status status = gla_shared_new(plugin->path, &r, sizeof *s + GLA_PLUGIN_GAP, &s, &fd, err);
    if (status != GLA_OK) return status;
    gla_plugin_words words;
    status = gla_plugin_spawn(plugin->runner, s, fd, &words, err);
    if (status == GLA_OK) {
        out->end = gla_plugin_ending(s, out);
        if (out->end != GLA_PLUGIN_DONE) gla_plugin_add_words(out, &words);
        plugin->info = s->answer.info;
        snprintf(plugin->name, sizeof plugin->name, "%.63s", s->answer.name);
        snprintf(plugin->mechanisms, sizeof plugin->mechanisms, "%.255s", s->answer.mechanisms);
        if (out->end == GLA_PLUGIN_DONE) out->end = find_lies(plugin, out);
    }
    gla_shared_free(s, sizeof *s + GLA_PLUGIN_GAP, fd);
    return status;
}

void gla_plugin_result_free(gla_plugin_result *r) {
    for (int pass = 0; pass < GLA_PLUGIN_PASSES; pass++)
        for (int i = 0; i < GLA_OUTPUTS; i++) free(r->output[pass][i].raw);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(r->first[i].value);
    *r = (gla_plugin_result){0};
}

gla_candidate gla_plugin_candidate(const gla_plugin_result *r) {
    gla_candidate c = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c.output[i].value = r->first[i].value;
        c.output[i].format = r->first[i].format;
    }
    return c;
}
