/* SPDX-License-Identifier: Apache-2.0
 *
 * A problem through libglassbox_cuda.so; contract in cli_cuda.h.
 */
#include "cli_cuda.h"

#include <stdlib.h>
#include <string.h>

#include "cli_cuda_library.h"

typedef struct library {
    gla_rung_run *run;
    bool (*device)(gla_host_why why);
    const char *(*rung_name)(gla_cuda_rung rung);
    cli_cuda_form_of *form_of;
    const char *(*numbers_of)(gla_cuda_rung rung, gla_cuda_dtype dtype);
} library;

bool cli_cuda_named(const char *numbers) { return strncmp(numbers, "cuda:", 5) == 0; }

/* ---- the library ---- */

static bool find_all(void *handle, library *x) {
    return cli_cuda_function(handle, "gla_cuda_host_run", &x->run) &&
           cli_cuda_function(handle, "gla_cuda_host_device", &x->device) &&
           cli_cuda_function(handle, "gla_cuda_rung_name", &x->rung_name) &&
           cli_cuda_function(handle, "gla_cuda_rung_form", &x->form_of) &&
           cli_cuda_function(handle, "gla_cuda_rung_numbers", &x->numbers_of);
}

static int open_library(const char *command, library *x) {
    void *handle;
    int ended = cli_cuda_library(command, &handle);
    if (ended != CLI_GO_ON) return ended;
    return find_all(handle, x) ? CLI_GO_ON : cli_cuda_stale(command);
}

const char *cli_cuda_grade(const char *rung, gla_cuda_grade grade, cli_cuda_name text) {
    snprintf(text, sizeof(cli_cuda_name), "%.15s%s", rung, grade == GLA_CUDA_PRECISE ? ":precise" : "");
    return text;
}

/* Its form in some dtype: what is not built has none. */
static const char *some_form(const library *x, gla_cuda_rung rung, gla_cuda_grade grade, bool backward) {
    const char *form = NULL;
    for (int dtype = GLA_CUDA_BF16; dtype >= GLA_CUDA_F32 && !form; dtype--)
        form = x->form_of(rung, grade, (gla_cuda_dtype)dtype, backward);
    return form;
}

/* Is there a grade of this name, of a rung that is built? Binary32 has one grade, fast. */
static bool has_grade(const library *x, gla_cuda_rung rung, gla_cuda_grade grade) {
    const char *fast = some_form(x, rung, GLA_CUDA_FAST, false), *form = some_form(x, rung, grade, false);
    return form && (grade == GLA_CUDA_FAST || strcmp(form, fast) != 0);
}

/* "fused:precise" and so on by number, rung after rung: false, there is none. */
static bool named(const library *x, int i, gla_cuda_rung *rung, gla_cuda_grade *grade, cli_cuda_name name) {
    *rung = (gla_cuda_rung)(i / GLA_CUDA_GRADES);
    *grade = (gla_cuda_grade)(i % GLA_CUDA_GRADES);
    if (!has_grade(x, *rung, *grade)) return false;
    cli_cuda_grade(x->rung_name(*rung), *grade, name);
    return true;
}

static int no_such_rung(const char *command, const library *x, const char *numbers) {
    char known[200] = "";
    cli_cuda each;
    cli_cuda_name name;
    for (int i = 0; i < CLI_CUDA_ROWS; i++) {
        size_t used = strlen(known);
        if (named(x, i, &each.rung, &each.grade, name))
            snprintf(known + used, sizeof known - used, "%scuda:%s", used ? ", " : "", name);
    }
    return cli_complain(command, "no rung '%.40s' (%s)", numbers, known);
}

static bool find_rung(const library *lib, cli_cuda *x) {
    cli_cuda_name name;
    for (int i = 0; i < CLI_CUDA_ROWS; i++)
        if (named(lib, i, &x->rung, &x->grade, name) && strcmp(name, x->numbers + strlen("cuda:")) == 0) return true;
    return false;
}

int cli_cuda_open(const char *command, cli_cuda *x) {
    library cuda;
    gla_host_why why;
    int ended = open_library(command, &cuda);
    if (ended != CLI_GO_ON) return ended;
    if (!find_rung(&cuda, x)) return no_such_rung(command, &cuda, x->numbers);
    if (x->segment && x->rung != GLA_CUDA_FUSED)
        return cli_complain(command, "--segment goes with cuda:fused, not with %.40s", x->numbers);
    x->run = cuda.run;
    x->form_of = cuda.form_of;
    x->numbers_of = cuda.numbers_of;
    if (cuda.device(why)) return CLI_GO_ON;
    cli_complain(command, "%s", why);
    return CLI_SKIPPED;
}

size_t cli_cuda_rows(cli_cuda_row rows[CLI_CUDA_ROWS], gla_host_why here) {
    library x;
    void *handle;
    size_t count = 0;
    snprintf(here, sizeof(gla_host_why), "no libglassbox_cuda.so of this version beside this program (make cuda)");
    if (!cli_cuda_library_there(&handle) || !find_all(handle, &x)) return 0;
    for (int i = 0; i < CLI_CUDA_ROWS; i++) {
        gla_cuda_rung rung;
        gla_cuda_grade grade;
        cli_cuda_name name;
        if (!named(&x, i, &rung, &grade, name)) continue;
        const char *back = some_form(&x, rung, grade, true);
        cli_cuda_row *row = &rows[count++];
        snprintf(row->name, sizeof row->name, "cuda:%s", name);
        snprintf(row->forward, sizeof row->forward, "%s", some_form(&x, rung, grade, false));
        snprintf(row->backward, sizeof row->backward, "%s", back ? back : "");
    }
    if (x.device(here)) here[0] = 0;
    return count;
}

const char *cli_cuda_form(const cli_cuda *x, gla_cuda_dtype dtype, bool backward, cli_cuda_text text) {
    const char *form = x->form_of(x->rung, x->grade, dtype, backward);
    if (!form) return NULL;
    snprintf(text, sizeof(cli_cuda_text), "%s", form);
    if (x->segment && !backward) snprintf(text, sizeof(cli_cuda_text), "%s+split:%lld", form, (long long)x->segment);
    return text;
}

/* ---- running ---- */

static bool cuda_dtype(gla_dtype dtype, gla_cuda_dtype *out) {
    *out = dtype == GLA_F32 ? GLA_CUDA_F32 : dtype == GLA_F16 ? GLA_CUDA_F16 : GLA_CUDA_BF16;
    return dtype == GLA_F32 || dtype == GLA_F16 || dtype == GLA_BF16;
}

static gla_cuda_status refuse(gla_host_why why, gla_input name, gla_dtype have, const char *want) {
    snprintf(why, sizeof(gla_host_why), "%s is %s; a GPU's rung takes %s", gla_input_names[name], gla_dtype_name(have),
             want);
    return GLA_CUDA_UNSUPPORTED;
}

gla_cuda_status cli_cuda_prepare(const cli_cuda *x, const gla_problem *p, const gla_dtype dtype[GLA_INPUTS],
                                 gla_host_run *how, gla_host_why why) {
    gla_problem copy = *p;
    gla_dtype data = dtype[GLA_IN_Q];
    *how = (gla_host_run){.rung = x->rung, .grade = x->grade, .segment = x->segment};
    if (p->mechanism && strcmp(p->mechanism->name, "gla") != 0) {
        snprintf(why, sizeof(gla_host_why), "a GPU's rung runs mechanism gla, not %s", p->mechanism->name);
        return GLA_CUDA_UNSUPPORTED;
    }
    if (!cuda_dtype(data, &how->dtype)) return refuse(why, GLA_IN_Q, data, "BF16, F16 or F32");
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input name = (gla_input)i;
        gla_cuda_dtype own;
        bool wide = gla_is_state_input(name) || i == GLA_IN_GK || i == GLA_IN_GV;
        if (!gla_problem_input(&copy, name)->at) continue;
        if (!(wide ? cuda_dtype(dtype[i], &own) : dtype[i] == data))
            return refuse(why, name, dtype[i], wide ? "BF16, F16 or F32" : "q's dtype");
    }
    how->gates = p->gk.at && dtype[GLA_IN_GK] == data ? how->dtype : GLA_CUDA_F32;
    return GLA_CUDA_OK;
}

static void keep(const gla_problem *p, double *value[GLA_OUTPUTS], gla_numbers *binary64, gla_result *result) {
    *result = (gla_result){.numbers = binary64};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t *shape = result->tensor[i].shape;
        if (!value[i]) continue;
        gla_output_shape(p, (gla_output)i, shape);
        result->tensor[i].at = value[i];
        result->tensor[i].count = shape[0] * shape[1] * shape[2] * shape[3];
    }
}

gla_cuda_status cli_cuda_run(const cli_cuda *x, const gla_problem *p, const gla_dtype dtype[GLA_INPUTS],
                             unsigned outputs, gla_numbers *binary64, gla_result *result, gla_host_why why) {
    double *value[GLA_OUTPUTS];
    gla_host_run how;
    gla_cuda_status status = cli_cuda_prepare(x, p, dtype, &how, why);
    how.outputs = outputs;
    if (status == GLA_CUDA_OK) status = x->run(p, &how, value, why);
    if (status == GLA_CUDA_OK) keep(p, value, binary64, result);
    return status;
}

int cli_cuda_exit(gla_cuda_status status) {
    return status == GLA_CUDA_NO_DEVICE || status == GLA_CUDA_WRONG_DEVICE ? CLI_SKIPPED : CLI_USAGE;
}
