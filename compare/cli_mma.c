/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox mma: one dot product on a tensor core's model, explained.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_mma.h"

static const char name[] = "mma";

typedef struct settings {
    const char *arch, *instruction, *type, *result, *c;
    size_t count;
    const char *pairs[CLI_MMA_MOST];
} settings;

static const struct argp_option table[] = {
    {"arch", 'a', "SM", 0, "sm_70 .. sm_100 (default sm_90)", 0},
    {"type", 't', "TYPE", 0, "Of the operands: bf16 (default), f16, tf32, e4m3, e5m2, e4m3.e5m2, f64", 0},
    {"result", 'r', "TYPE", 0, "f32 (default where there is one), f16, f64", 0},
    {"instruction", 'i', "NAME", 0, "wgmma, mma.sync, m16n8k8 ... (default: the first of the list)", 0},
    {"c", 'c', "NUMBER", 0, "What the products are added to (default 0)", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 'a':
        s->arch = argument;
        return 0;
    case 't':
        s->type = argument;
        return 0;
    case 'r':
        s->result = argument;
        return 0;
    case 'i':
        s->instruction = argument;
        return 0;
    case 'c':
        s->c = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (s->count == CLI_MMA_MOST) return cli_bad(state, "more than %d products", CLI_MMA_MOST);
        s->pairs[s->count++] = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return cli_bad(state, "no products A:B given (such as 1:1 0x3980:0x3980)");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "A:B ...",
    .doc =
        "Add products A * B to c as a tensor core does, and show each term aligned and cut, the sum, its rounding, and "
        "what other arithmetics give. glassbox hardware lists what is modelled."
        "\vA number is a word of its format in hex (0x3f80), or a value (1, -0.5, 0x1.8p-12, inf, nan) that the "
        "format holds exactly. A tf32 word is a binary32 word, of which the tensor core drops the low 13 bits. "
        "More products than the block length are a chain of blocks.\n\n"
        "Example: why 1 + 2^-24 - 1 is not 0, as it is in binary32\n"
        "  glassbox mma 1:1 0x1p-12:0x1p-12 -1:1"};

/* ---- numbers ---- */

/* "0x3f80", and neither "0x1p3" nor "0x1.8". */
static bool is_word(const char *text) {
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && !strpbrk(text, ".pP");
}

static int read_word(const gla_format *f, const char *text, cli_mma_number *to) {
    const int bits = f == &gla_binary64_format ? 64 : f->bits;
    char *end;
    errno = 0;
    unsigned long long word = strtoull(text, &end, 16);
    if (errno || *end || end == text + 2 || (bits < 64 && word >> bits))
        return cli_complain(name, "'%.40s' is no word of %s (0x and up to %d hex digits)", text, f->name, bits / 4);
    to->word = (uint32_t)word;
    if (bits < 64)
        to->value = gla_decode(f, to->word);
    else
        memcpy(&to->value, &word, sizeof to->value);
    return CLI_GO_ON;
}

static int read_value(const gla_format *f, const char *text, cli_mma_number *to) {
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)text[0]))
        return cli_complain(name, "'%.40s' is no number (0x3f80, -0.5, 0x1.8p-12, inf, nan)", text);
    to->value = gla_round(f, GLA_RN, x, 0);
    if (!(to->value == x || (isnan(x) && isnan(to->value))))
        return cli_complain(name, "%s does not hold '%.40s' (nearest is %a)", f->name, text, to->value);
    if (f != &gla_binary64_format) to->word = gla_encode(f, to->value);
    return CLI_GO_ON;
}

static int read_number(const gla_format *f, const char *text, cli_mma_number *to) {
    f = cli_mma_words(f);
    return is_word(text) ? read_word(f, text, to) : read_value(f, text, to);
}

static int read_pair(const gla_mma_model *m, const char *text, cli_mma_number *a, cli_mma_number *b) {
    char left[64];
    const char *colon = strchr(text, ':');
    if (!colon || colon - text >= (ptrdiff_t)sizeof left)
        return cli_complain(name, "'%.40s' is no product A:B (such as 1:1 or 0x3980:0x3980)", text);
    snprintf(left, sizeof left, "%.*s", (int)(colon - text), text);
    int ended = read_number(gla_mma_operand_format(m, false), left, a);
    return ended == CLI_GO_ON ? read_number(gla_mma_operand_format(m, true), colon + 1, b) : ended;
}

/* ---- the model ---- */

/* The part of the question that no row answers, given that all before it are answered. */
static int complain_of(const settings *s) {
    if (!gla_mma_model_of(s->arch, "", "", ""))
        return cli_complain(name, "no model of '%.20s' (glassbox hardware lists the architectures)", s->arch);
    if (!gla_mma_model_of(s->arch, "", s->type, ""))
        return cli_complain(name, "no model of '%.20s' on %s (glassbox hardware --arch %s lists the types)", s->type,
                            s->arch, s->arch);
    if (!gla_mma_model_of(s->arch, s->instruction, s->type, ""))
        return cli_complain(name, "no model of '%.20s' for %s on %s (glassbox hardware --arch %s lists instructions)",
                            s->instruction, s->type, s->arch, s->arch);
    return cli_complain(name, "no model of %s with result '%.20s' on %s (glassbox hardware --arch %s lists them)",
                        s->type, s->result, s->arch, s->arch);
}

/* ---- the command ---- */

/* "-1:1" is a product and no option. */
static bool is_pair(const char *text) {
    bool begins = text[0] != '-' || isdigit((unsigned char)text[1]) || strchr(".in", text[1]);
    return begins && strchr(text, ':');
}

/* Options first, then "--", then products in their order. Returns the new count. */
static int products_last(int argc, char **argv, char **sorted, char *dashes) {
    int count = 1;
    sorted[0] = argv[0];
    for (int i = 1; i < argc; i++)
        if (!is_pair(argv[i]) && strcmp(argv[i], "--") != 0) sorted[count++] = argv[i];
    sorted[count++] = dashes;
    for (int i = 1; i < argc; i++)
        if (is_pair(argv[i])) sorted[count++] = argv[i];
    sorted[count] = NULL;
    return count;
}

static int tell(const settings *s) {
    static cli_mma_products p; /* 10 kB */
    const gla_mma_model *m = gla_mma_model_of(s->arch, s->instruction, s->type, s->result);
    if (!m) return complain_of(s);
    int ended = read_number(gla_mma_result_format(m), s->c, &p.c);
    for (p.count = 0; p.count < s->count && ended == CLI_GO_ON; p.count++)
        ended = read_pair(m, s->pairs[p.count], &p.a[p.count], &p.b[p.count]);
    if (ended != CLI_GO_ON) return ended;
    cli_mma_tell(m, &p);
    return CLI_PASS;
}

static int run(int argc, char **argv) {
    settings s = {.arch = "sm_90", .instruction = "", .type = "bf16", .result = "", .c = "0"};
    char **sorted = calloc((size_t)argc + 2, sizeof *sorted), dashes[] = "--";
    if (!sorted) return cli_complain(name, "no memory");
    int ended = cli_parse(&options, products_last(argc, argv, sorted, dashes), sorted, &s);
    if (ended == CLI_GO_ON) ended = tell(&s);
    free(sorted);
    return ended;
}

const cli_command cli_mma = {name, "one dot product on a tensor core's model, explained", run};
