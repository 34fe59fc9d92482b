/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a kernel that lives in a shared object (plugin.h), so that nothing it does can harm the oracle.
 *
 *     gla_plugin plugin = {.path = "./k.so", .mechanism = "gla", .timeout = 30};
 *     gla_plugin_open(&plugin, &result, &err);                    what it says of itself, in plugin.info
 *     gla_plugin_run(&plugin, &problem, &gla_bf16, true, 1, &result, &err);
 *     if (result.end == GLA_PLUGIN_DONE) ... result.output[0][GLA_O].value ...
 *     gla_plugin_result_free(&result);
 *
 * Every call starts a process of its own (fork and exec of `runner`, a glassbox program): the plug-in is loaded and its
 * device initialised there and nowhere else. Memory is shared as plugin_memory.h says. Of what the
 * plug-in prints, the last line is kept. When the call returns, no process of the plug-in is left.
 *
 * A status other than GLA_OK is the oracle's own trouble (no memory, no process); whatever the plug-in did is in `end`,
 * and `what` says it in one line. Calls on one plug-in may run at the same time.
 */
#ifndef GLASSBOX_PLUGIN_RUN_H
#define GLASSBOX_PLUGIN_RUN_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"
#include "judge.h"
#include "plugin_memory.h"

typedef struct gla_plugin {
    const char *path;
    const char *runner; /* the glassbox program; NULL: the running one */
    const char *mechanism;
    double timeout;           /* seconds for one call; 0: 30 */
    gla_plugin_layout layout; /* of the tensors that it is given */
    struct glassbox_info info;
    char name[64], mechanisms[256];
} gla_plugin;

typedef enum gla_plugin_end {
    GLA_PLUGIN_DONE,       /* returned 0, and everything below is well */
    GLA_PLUGIN_DECLINED,   /* returned 1, or said beforehand that it does not take such a problem */
    GLA_PLUGIN_UNLOADABLE, /* not a shared object, missing symbol, wrong version, bad info */
    GLA_PLUGIN_FAILED,     /* returned something else */
    GLA_PLUGIN_EXITED,     /* left by exit() instead of returning */
    GLA_PLUGIN_CRASHED,    /* died by a signal */
    GLA_PLUGIN_HUNG,       /* was killed when the time was up */
    GLA_PLUGIN_OUTSIDE,    /* touched memory outside its tensors or workspace */
    GLA_PLUGIN_INPUT,      /* changed an input */
    GLA_PLUGIN_UNWRITTEN,  /* left elements of an output as they were */
    GLA_PLUGIN_LEFT,       /* left processes running */
    GLA_PLUGIN_REFUSED,    /* asked for what cannot be given */
    GLA_PLUGIN_ENDS
} gla_plugin_end;
extern const char *const gla_plugin_end_names[GLA_PLUGIN_ENDS]; /* "done", "declined", ... */

typedef struct gla_plugin_result {
    gla_plugin_end end;
    char what[400]; /* one line, unless DONE */
    struct {
        void *raw; /* elements as it wrote them, dense whatever the layout; NULL: not asked for */
        int64_t bytes;
    } output[GLA_PLUGIN_PASSES][GLA_OUTPUTS];
    struct {
        double *value; /* of pass 0 */
        const gla_format *format;
    } first[GLA_OUTPUTS];
    bool environment_changed; /* rounding mode or flush to zero */
    int64_t heap_growth; /* bytes more in use after every pass than after the one before; 0: none. Needs 3 passes */
} gla_plugin_result;

/* Ask it about itself; fills plugin->info, name, mechanisms. */
gla_status gla_plugin_open(gla_plugin *plugin, gla_plugin_result *out, gla_error *err);

/* Run it on a problem with q k v do in `dtype`, `passes` (1 .. 3) times in one process: pass 0 and 1 with poison A,
 * pass 2 with poison B. The result is the caller's in any case (gla_plugin_result_free). */
gla_status gla_plugin_run(const gla_plugin *plugin, const gla_problem *p, const gla_format *dtype, bool backward,
                          int passes, gla_plugin_result *out, gla_error *err);
void gla_plugin_result_free(gla_plugin_result *r);

/* What pass 0 wrote, as outputs under test: pointers into the result. */
gla_candidate gla_plugin_candidate(const gla_plugin_result *r);

/* Elements as a plug-in wrote them, as binary64. */
void gla_plugin_values(const void *raw, int64_t bytes, const gla_format *format, double *value);

/* May the outputs of this problem exist, in forward or backward? In which format are they stored? */
bool gla_plugin_gives(const gla_problem *p, gla_output name, bool backward);
const gla_format *gla_plugin_output_format(gla_output name, const gla_format *dtype);

#endif
