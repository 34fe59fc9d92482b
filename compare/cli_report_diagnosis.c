/* SPDX-License-Identifier: Apache-2.0
 *
 * A diagnosis as text: the likely cause, the first bad element with its chunk and row, and where the bad elements lie,
 * one character per stretch of heads or tokens, from ' ' (none) to '@' (all). On a terminal that takes UTF-8 the
 * characters are blocks, and on a narrow one half as many.
 */
#include "cli_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* By the environment, as setlocale would; the program itself stays in the C locale. */
static bool utf8_terminal(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    if (!isatty(STDOUT_FILENO)) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strstr(value, "UTF-8") || strstr(value, "utf8");
    }
    return false;
}

static const char *const ascii[] = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@", NULL};
static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                     "\u2585", "\u2586", "\u2587", "\u2588", NULL};

/* Of a line: the terminal's, 40 to 120. */
static int columns(void) {
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 120;
    return size.ws_col < 40 ? 40 : size.ws_col > 120 ? 120 : size.ws_col;
}

/* 0 stays blank, anything above it is seen, 1 is the last character. */
static void print_share(const char *title, gla_output output, const double *share, int count) {
    const char *const *scale = utf8_terminal() ? blocks : ascii;
    int levels = 0, step = 1;
    while (scale[levels + 1]) levels++;
    int used = printf("%s%-14s |", title, gla_output_names[output]) + 1;
    while (used + (count + step - 1) / step > columns()) step *= 2;
    for (int i = 0; i < count; i += step) {
        double sum = 0;
        int entries = 0;
        while (entries < step && i + entries < count) sum += share[i + entries++];
        int level = sum > 0 ? 1 + (int)(sum / entries * (levels - 1)) : 0;
        fputs(scale[level > levels ? levels : level], stdout);
    }
    puts("|");
}

static void print_shares(gla_output output, const gla_shares *s) {
    if (s->heads > 1) print_share("  bad by head:  ", output, s->head, s->heads);
    if (s->tokens > 1) print_share("  bad by token: ", output, s->token, s->tokens);
}

void cli_print_wrapped(const char *title, const char *text) {
    size_t width = (size_t)columns(), indent = strlen(title), column = indent;
    fputs(title, stdout);
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > indent && column + 1 + word > width) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent)
            column += (size_t)printf(" ");
        column += (size_t)printf("%.*s", (int)word, text);
        text += word + (text[word] == ' ');
    }
    putchar('\n');
}

static void print_cause(const gla_diagnosis *d) {
    cli_print_wrapped("  likely cause: ", d->sentence);
    if (!(d->closer > 0)) return;
    fputs("                predicts", stdout);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (d->explains >> i & 1) printf(" %s", gla_output_names[i]);
    if (d->closer < 1e6)
        printf(": %.3g times nearer than the truth\n", d->closer);
    else
        puts(" exactly");
}

static void print_first(const gla_bad_place *p) {
    gla_place_text place;
    if (!p->known) return;
    char text[256];
    int used = snprintf(text, sizeof text, "%s", cli_first_bad(p, place));
    if (p->token >= 0)
        snprintf(text + used, sizeof text - (size_t)used,
                 ": token %" PRId64 " of sequence %" PRId64 ", chunk %" PRId64 ", row %" PRId64 " of %d", p->token,
                 p->sequence, p->chunk, p->row, GLA_CHUNK);
    cli_print_wrapped("  first bad: ", text);
}

void cli_report_diagnosis(const gla_diagnosis *d) {
    print_cause(d);
    print_first(&d->first);
    for (int i = 0; i < GLA_OUTPUTS; i++) print_shares((gla_output)i, &d->share[i]);
}
