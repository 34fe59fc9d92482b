/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep's picture, by gnuplot: SVG or PNG, by the file's ending (study_sweep.h says what is drawn). The script holds
 * the data; the picture holds nothing of the day or the machine, so the same rows make the same bytes.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "cli_study_sweep.h"

enum { PANEL_WIDTH = 400, PANEL_HEIGHT = 350, HEAD = 60, KEY_LINE = 20, KEY_LINES = 4 };

/* Lines that differ in grey, too, each with a mark of its own. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9"};
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct picture {
    const cli_rows *rows;
    const gla_sweep *s;
    const gla_sweep_plot *plot;
    FILE *to;
} picture;

static size_t panels_of(const picture *p) {
    return p->plot->panel < 0 ? 1 : gla_sweep_values(&p->s->axis[p->plot->panel]);
}

static double value_of(const picture *p, size_t row, int axis) {
    return gla_sweep_number(gla_sweep_text(p->s, gla_sweep_row_at(p->s, row), axis));
}

/* Does the row belong to this panel, and to this line (-1: any)? */
static bool belongs(const picture *p, size_t row, size_t panel, int line) {
    gla_sweep_place where = gla_sweep_row_at(p->s, row);
    if (p->plot->panel >= 0 && where.at[p->plot->panel] != panel) return false;
    return line < 0 || where.at[p->plot->line] == (size_t)line;
}

/* ---- ends ---- */

typedef struct ends {
    double low, high;
} ends;

static void widen(ends *e, double x) {
    if (!isfinite(x) || x <= 0) return;
    e->low = fmin(e->low, x);
    e->high = fmax(e->high, x);
}

/* Of a figure over all rows, where positive. */
static ends ends_of(const picture *p, int figure) {
    ends e = {INFINITY, -INFINITY};
    for (size_t row = 0; row < gla_sweep_rows(p->s); row++) widen(&e, p->rows->row[row].figure[figure]);
    return e;
}

/* Whole decades around a figure. */
static void print_decades(const picture *p, const char *what, int figure) {
    ends e = ends_of(p, figure);
    if (e.low <= e.high)
        fprintf(p->to, "set %s [1e%d:1e%d]\n", what, (int)floor(log10(e.low)), (int)ceil(log10(e.high)));
}

/* ---- lines ---- */

static void print_line_data(const picture *p, size_t panel, int line) {
    fprintf(p->to, "$d%zu_%d << EOD\n", panel, line);
    for (size_t row = 0; row < gla_sweep_rows(p->s); row++) {
        if (!belongs(p, row, panel, line)) continue;
        const double *f = p->rows->row[row].figure;
        fprintf(p->to, "%.10g %.6g %.6g\n", value_of(p, row, p->plot->x), f[p->plot->measured],
                p->plot->predicted < 0 ? NAN : f[p->plot->predicted]);
    }
    fputs("EOD\n", p->to);
}

static int lines_of(const picture *p) { return (int)gla_sweep_values(&p->s->axis[p->plot->line]); }

static void print_line_plots(const picture *p, size_t panel) {
    const gla_sweep_axis *line = &p->s->axis[p->plot->line];
    fputs("plot ", p->to);
    for (int i = 0; i < lines_of(p); i++) {
        const char *colour = colours[i % COLOURS];
        fprintf(p->to, "%s$d%zu_%d using 1:2 with linespoints lc '%s' lw 1.5 pt %d ps 0.7 title '%s'", i ? ", " : "",
                panel, i, colour, 4 + 2 * i % 11, line->value[i]);
        if (p->plot->predicted >= 0)
            fprintf(p->to, ", $d%zu_%d using 1:3 with lines lc '%s' dt 2 notitle", panel, i, colour);
    }
    fputc('\n', p->to);
}

static void print_lines_panel(const picture *p, size_t panel) {
    for (int line = 0; line < lines_of(p); line++) print_line_data(p, panel, line);
    print_line_plots(p, panel);
}

/* x as its values are written, every other one where there are many. */
static void print_tics(const picture *p) {
    const gla_sweep_axis *x = &p->s->axis[p->plot->x];
    size_t values = gla_sweep_values(x), step = 1 + values / 8;
    fputs("set logscale x 2\nset xtics (", p->to);
    for (size_t i = 0; i < values && isfinite(gla_sweep_number(x->value[i])); i += step)
        fprintf(p->to, "%s'%s' %.10g", i ? ", " : "", x->value[i], gla_sweep_number(x->value[i]));
    ends e = {INFINITY, -INFINITY};
    for (size_t i = 0; i < values; i++) widen(&e, gla_sweep_number(x->value[i]));
    fprintf(p->to, ")\nset xrange [%.6g:%.6g]\n", e.low / 1.1, e.high * 1.1);
}

static void print_lines_setup(const picture *p) {
    fprintf(p->to, "set xlabel '%s: %s'\nset ylabel '%s'\n", p->s->axis[p->plot->x].name, p->s->axis[p->plot->x].what,
            p->s->figure[p->plot->measured].what);
    print_tics(p);
    fputs("set logscale y\nset format y '%.0e'\n", p->to);
    print_decades(p, "yrange", p->plot->measured);
}

/* ---- map ---- */

/* The border between value i and the next on a logarithmic axis; i = -1 and the last: as far out as the next is in. */
static double border(const gla_sweep_axis *a, int i) {
    int last = (int)gla_sweep_values(a) - 1;
    int from = i < 0 ? 0 : i < last ? i : last - 1;
    double x = gla_sweep_number(a->value[from]), y = gla_sweep_number(a->value[from + 1]), half = sqrt(y / x);
    return i < 0 ? x / half : i < last ? x * half : y * half;
}

static void print_cells(const picture *p, size_t panel) {
    const gla_sweep_axis *x = &p->s->axis[p->plot->x], *y = &p->s->axis[p->plot->line];
    fprintf(p->to, "$cells%zu << EOD\n", panel);
    for (size_t row = 0; row < gla_sweep_rows(p->s); row++) {
        gla_sweep_place where = gla_sweep_row_at(p->s, row);
        if (!belongs(p, row, panel, -1)) continue;
        int i = (int)where.at[p->plot->x], j = (int)where.at[p->plot->line];
        const double *f = p->rows->row[row].figure, error = f[p->plot->measured];
        fprintf(p->to, "%s %s %.6g %.6g %.6g %.6g %.6g %.6g %.6g\n", x->value[i], y->value[j], border(x, i - 1),
                border(x, i), border(y, j - 1), border(y, j), isfinite(error) ? log10(error) : NAN,
                j == 0 ? f[p->plot->predicted] : NAN, j == 0 ? f[p->plot->points] : NAN);
    }
    fputs("EOD\n", p->to);
}

static void print_map_panel(const picture *p, size_t panel) {
    print_cells(p, panel);
    fprintf(p->to,
            "plot $cells%zu using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid 1 noborder lc palette notitle, "
            "$cells%zu using 1:(valid(7) ? NaN : $2) with points pt 2 ps 0.6 lc '#a00000' title 'not finite', "
            "$cells%zu using 1:8 with lines lc 'black' dt 2 lw 1.5 title 'predicted', "
            "$cells%zu using 1:9 with points pt 6 ps 1 lw 1.5 lc 'black' title 'measured'\n",
            panel, panel, panel, panel);
}

static void print_map_setup(const picture *p) {
    const gla_sweep_axis *x = &p->s->axis[p->plot->x], *y = &p->s->axis[p->plot->line];
    fprintf(p->to, "set xlabel '%s: %s'\nset ylabel '%s: %s'\nset logscale x 2\nset logscale y 2\n", x->name, x->what,
            y->name, y->what);
    fprintf(p->to, "set xrange [%.6g:%.6g]\nset yrange [%.6g:%.6g]\n", border(x, -1),
            border(x, (int)gla_sweep_values(x) - 1), border(y, -1), border(y, (int)gla_sweep_values(y) - 1));
    fprintf(p->to, "set cblabel 'log10 of %s'\n", p->s->figure[p->plot->measured].what);
    fputs("set palette defined (0 '#f7fbff', 1 '#9ecae1', 2 '#4292c6', 3 '#fdae6b', 4 '#e6550d')\n", p->to);
    ends e = ends_of(p, p->plot->measured);
    fprintf(p->to, "set cbrange [%d:%d]\n", (int)floor(log10(e.low)), (int)ceil(log10(e.high)));
}

/* ---- the script ---- */

static bool is_png(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".png") == 0;
}

static bool is_svg(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".svg") == 0;
}

/* A text in gnuplot's single quotes. */
static void print_quoted(FILE *to, const char *text) {
    fputc('\'', to);
    for (; *text; text++) fprintf(to, *text == '\'' ? "''" : "%c", *text);
    fputc('\'', to);
}

static void print_head(const picture *p, const char *output, bool png) {
    size_t panels = panels_of(p), columns = panels == 4 ? 2 : panels < 3 ? panels : 3;
    size_t keys = p->plot->kind == GLA_PLOT_MAP ? 0 : gla_sweep_values(&p->s->axis[p->plot->line]);
    size_t height = PANEL_HEIGHT + KEY_LINE * (keys > KEY_LINES ? keys - KEY_LINES : 0);
    size_t lines = (panels + columns - 1) / columns, width = (panels == 1 ? 2 : columns) * PANEL_WIDTH;
    fprintf(p->to, "set terminal %s size %zu,%zu font 'sans,11' background 'white' noenhanced\nset output ",
            png ? "pngcairo" : "svg", width, lines * height + HEAD);
    print_quoted(p->to, output);
    fprintf(p->to, "\nset encoding utf8\nset multiplot layout %zu,%zu title \"%s\\n%sglassbox %s, seed %llu\"\n", lines,
            columns, p->s->what,
            p->plot->kind == GLA_PLOT_LINES && p->plot->predicted >= 0 ? "dashed: predicted; " : "", GLASSBOX_VERSION,
            (unsigned long long)p->rows->seed);
    fputs("set key bmargin center horizontal height 0.5\nset grid lc '#dddddd'\nset datafile missing 'nan'\n", p->to);
}

static void print_script(const picture *p, const char *output, bool png) {
    bool map = p->plot->kind == GLA_PLOT_MAP;
    print_head(p, output, png);
    if (map)
        print_map_setup(p);
    else
        print_lines_setup(p);
    for (size_t panel = 0; panel < panels_of(p); panel++) {
        if (p->plot->panel >= 0)
            fprintf(p->to, "set title '%s %s'\n", p->s->axis[p->plot->panel].name,
                    p->s->axis[p->plot->panel].value[panel]);
        (map ? print_map_panel : print_lines_panel)(p, panel);
    }
    fputs("unset multiplot\n", p->to);
}

/* ---- gnuplot ---- */

static gla_status run_gnuplot(picture *p, const char *output, bool png, gla_error *err) {
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* a gnuplot that is not there does not read */
    p->to = popen("gnuplot 2>/dev/null", "w");
    if (p->to) print_script(p, output, png);
    int state = p->to ? pclose(p->to) : -1;
    signal(SIGPIPE, before);
    if (state == 0 && access(output, F_OK) == 0) return GLA_OK;
    if (WIFEXITED(state) && WEXITSTATUS(state) == 127) {
        gla_fail(err, GLA_UNSUPPORTED, "no gnuplot here to draw study %s", p->s->name);
        return gla_hint(err, GLA_UNSUPPORTED, "apt-get install gnuplot-nox");
    }
    return gla_fail(err, GLA_IO_ERROR, "%.200s: gnuplot did not draw it", output);
}

gla_status cli_study_plot(const cli_rows *rows, const char *path, gla_error *err) {
    char *output;
    if (!is_png(path) && !is_svg(path)) {
        gla_fail(err, GLA_UNKNOWN_NAME, "%.200s: a picture is .svg or .png", path);
        return gla_hint(err, GLA_UNKNOWN_NAME, "--plot %s.svg", rows->sweep->name);
    }
    picture p = {rows, rows->sweep, &rows->sweep->plot, NULL};
    if (asprintf(&output, "%s.new", path) < 0) return gla_fail(err, GLA_NO_MEMORY, "no memory");
    gla_status status = run_gnuplot(&p, output, is_png(path), err);
    if (status == GLA_OK && rename(output, path) != 0)
        status = gla_fail(err, GLA_IO_ERROR, "%.200s: cannot write: %s", path, strerror(errno));
    if (status) unlink(output);
    free(output);
    return status;
}
