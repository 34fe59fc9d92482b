/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep's page, one of Markdown: question, method, figure, finding, limits. The text is the sweep's; its numbers are
 * these rows'.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_study_sweep.h"

enum { WIDTH = 118 };

/* Paragraphs, broken into lines between words. */
static void print_text(FILE *to, const char *text) {
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (column > 0 && column + 1 + word > WIDTH) {
            fputc('\n', to);
            column = 0;
        }
        if (column > 0) fputc(' ', to);
        fwrite(text, 1, word, to);
        column += word + (column > 0);
        text += word;
        while (*text == ' ') text++;
        for (; *text == '\n'; text++, column = 0) fputc('\n', to);
    }
    fputc('\n', to);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void print_axes(const gla_sweep *s, FILE *to) {
    fputs("| column | what | values |\n|---|---|---|\n", to);
    for (int i = 0; i < gla_sweep_axes(s); i++) {
        fprintf(to, "| %s | %s | ", s->axis[i].name, s->axis[i].what);
        for (size_t v = 0; s->axis[i].value[v]; v++) fprintf(to, "%s`%s`", v ? " " : "", s->axis[i].value[v]);
        fputs(" |\n", to);
    }
    for (int f = 0; f < gla_sweep_figures(s); f++) fprintf(to, "| %s | %s | |\n", s->figure[f].name, s->figure[f].what);
}

static void print_section(FILE *to, const char *title, const char *text) {
    fprintf(to, "\n## %s\n\n", title);
    print_text(to, text);
}

static void print_page(const cli_rows *rows, const cli_study_files *files, const char *finding, FILE *to) {
    const gla_sweep *s = rows->sweep;
    const char *plot = file_name(files->plot), *csv = files->csv ? file_name(files->csv) : "rows.csv";
    fprintf(to, "# Study %s\n\n", s->name);
    print_text(to, s->what);
    print_section(to, "Question", s->question);
    print_section(to, "Method", s->method);
    fputc('\n', to);
    print_axes(s, to);
    fprintf(to, "\n## Figure\n\n![%s](%s)\n", s->what, plot);
    print_section(to, "Finding", finding);
    print_section(to, "Limits", s->limits);
    fprintf(to, "\n## Again\n\nglassbox %s, seed %" PRIu64 "; %zu rows%s%s%s.\n\n", GLASSBOX_VERSION, rows->seed,
            gla_sweep_rows(s), files->csv ? " in [" : "", files->csv ? csv : "", files->csv ? "]" : "");
    if (files->csv) fprintf(to, "[%s]: %s\n\n", csv, csv);
    fprintf(to, "    glassbox study %s --seed %" PRIu64 " --csv %s --plot %s --page %s\n", s->name, rows->seed, csv,
            plot, file_name(files->page));
}

gla_status cli_study_page(const cli_rows *rows, const cli_study_files *files, gla_error *err) {
    cli_file file;
    char *finding = gla_sweep_fill(rows->sweep, rows->sweep->finding, rows->row, err);
    if (!finding) return err->status ? err->status : gla_fail(err, GLA_NO_MEMORY, "no memory for a page");
    gla_status status = cli_file_open(files->page, &file, err);
    if (status == GLA_OK) {
        print_page(rows, files, finding, file.to);
        status = cli_file_close(&file, err);
    }
    free(finding);
    return status;
}
