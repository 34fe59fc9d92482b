/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox hardware: the hardware that is modelled bit for bit, and what each model rests on.
 */
#include "cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "../fast/hardware/special_functions.h"
#include "cli_mma.h"

static const char name[] = "hardware";

typedef struct settings {
    const char *arch;
    bool json;
} settings;

static const struct argp_option table[] = {{"arch", 'a', "SM", 0, "Only this architecture, such as sm_90", 0},
                                           {"json", 'j', NULL, 0, "As one JSON object", 0},
                                           {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 'a':
        s->arch = argument;
        return 0;
    case 'j':
        s->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc =
        "List the models of tensor cores and of special functions, with their evidence."
        "\vL products and c are summed at once, each cut toward zero to F fraction bits below the largest exponent, "
        "which is at least the floor; the output is cut or rounded once. e8m13: 14 bits. L = 2 x 16: two blocks over "
        "alternating "
        "products, c added last. Bit-exact is claimed for rows marked probed, and for nothing else: NVIDIA specifies "
        "none of it.\n\n"
        "Example: what is known of Hopper\n"
        "  glassbox hardware --arch sm_90"};

/* ---- text ---- */

static const char *yes_or_no(bool probed) { return probed ? "yes" : "no"; }

/* Evidence is printed once, below, and numbered: the first row that has it. */
static int note_of(const gla_mma_model *row, const settings *s) {
    int notes = 0;
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++) {
        bool seen = s->arch && strcmp(m->arch, s->arch) != 0;
        for (const gla_mma_model *before = gla_mma_models; before < m && !seen; before++)
            seen = (!s->arch || strcmp(before->arch, s->arch) == 0) && strcmp(before->evidence, m->evidence) == 0;
        if (!seen) notes++;
        if (!seen && strcmp(m->evidence, row->evidence) == 0) return notes;
    }
    return 0;
}

static const char *output_of(const gla_mma_model *m) {
    static const char *const text[GLA_MMA_OUTS] = {"cut f32", "round f16", "cut e8m13"};
    return m->kind == GLA_MMA_FMA_CHAIN ? "fma chain" : text[m->out];
}

static void print_row(const gla_mma_model *m, const settings *s) {
    char L[16], F[16] = "-", floor[16] = "-";
    snprintf(L, sizeof L, m->kind == GLA_MMA_SPLIT ? "2 x %d" : "%d",
             m->kind == GLA_MMA_SPLIT ? m->block / 2 : m->block);
    if (m->kind != GLA_MMA_FMA_CHAIN) {
        snprintf(F, sizeof F, "%d", m->fraction);
        if (m->floor != GLA_MMA_NO_FLOOR) snprintf(floor, sizeof floor, "%d", m->floor);
    }
    printf("  %-26s %-9s %-3s %6s %2s %5s  %-9s %-3s [%d]\n", m->instruction, m->type, m->result, L, F, floor,
           output_of(m), yes_or_no(m->probed), note_of(m, s));
}

static void print_models(const settings *s) {
    printf("  %-26s %-9s %-3s %6s %2s %5s  %-9s %s\n", "instruction", "operands", "to", "L", "F", "floor", "output",
           "probed");
    const char *arch = "";
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++) {
        if (s->arch && strcmp(m->arch, s->arch) != 0) continue;
        if (strcmp(m->arch, arch) != 0) printf("%s%s%s\n", cli_on(CLI_BOLD), m->arch, cli_off());
        arch = m->arch;
        print_row(m, s);
    }
    putchar('\n');
    int notes = 0;
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++) {
        if ((s->arch && strcmp(m->arch, s->arch) != 0) || note_of(m, s) <= notes) continue;
        printf("  [%d] %s\n", ++notes, m->evidence);
    }
    puts("  our words: recorded by glassbox probe, data/hardware\n"
         "  words: results recorded by Khattak and Mikaitis (2025), all reproduced\n"
         "  elsewhere: compared once, by no test of this project\n"
         "  published models: theirs, and MMA-Sim (Xie et al. 2025)");
}

static void print_functions(const settings *s) {
    printf("\n%sspecial functions%s\n", cli_on(CLI_BOLD), cli_off());
    printf("  %-21s %-9s %8s  %10s  %s\n", "function", "value", "max ulp", "compared", "words");
    for (const gla_special_function *f = gla_special_functions; f->name; f++)
        printf("  %-21s %-9s %8.5f%c %10" PRId64 "  %s\n", f->name, f->value, f->ulp, f->absolute < 0 ? '*' : ' ',
               f->compared, strrchr(f->record, '/') + 1);
    puts("  compared: inputs on which it is what an H200 (sm_90) returned, by checksums:\n"
         "  all there are. Words: data/hardware\n"
         "  max ulp: for normal x and results; of exponentials for 2^-26 <= |x|");
    for (const gla_special_function *f = gla_special_functions; f->name; f++) {
        if (!(f->absolute < 0)) continue;
        printf("  *: but for 1/2 <= x < 2, where it is within 2^%.6g\n", f->absolute);
        break;
    }
    if (s->arch && strcmp(s->arch, "sm_90") != 0) printf("  %s was not probed: its model takes sm_90's\n", s->arch);
}

/* ---- JSON ---- */

static json_t *model_to_json(const gla_mma_model *m) {
    static const char *const kinds[] = {"fused", "split", "fma chain"};
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:b, s:s}", "arch", m->arch, "instruction",
                     m->instruction, "type", m->type, "result", m->result, "kind", kinds[m->kind], "block", m->block,
                     "fraction", m->fraction, "floor", m->floor, "output", cli_mma_out_text(m), "probed", m->probed,
                     "evidence", m->evidence);
}

static json_t *function_to_json(const gla_special_function *f) {
    json_t *x = json_pack("{s:s, s:s, s:s, s:f, s:s, s:b, s:I, s:s}", "function", f->name, "value", f->value, "call",
                          f->call, "max_ulp", f->ulp, "arch", f->device, "probed", f->compared > 0, "compared",
                          (json_int_t)f->compared, "words", f->record);
    if (x && f->absolute < 0) json_object_set_new(x, "log2_error_near_1", json_real(f->absolute));
    return x;
}

static int print_json(const settings *s) {
    json_t *models = json_array(), *functions = json_array();
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++)
        if (!s->arch || strcmp(m->arch, s->arch) == 0) json_array_append_new(models, model_to_json(m));
    for (const gla_special_function *f = gla_special_functions; f->name; f++)
        json_array_append_new(functions, function_to_json(f));
    json_t *all = json_pack("{s:o, s:o}", "tensor_cores", models, "special_functions", functions);
    if (!all) return cli_complain(name, "no memory");
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return CLI_PASS;
}

static int run(int argc, char **argv) {
    settings s = {0};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    if (s.arch && !gla_mma_model_of(s.arch, "", "", ""))
        return cli_complain(name, "no model of '%.20s' (glassbox hardware lists the architectures)", s.arch);
    if (s.json) return print_json(&s);
    print_models(&s);
    print_functions(&s);
    return CLI_PASS;
}

const cli_command cli_hardware = {name, "tensor cores and special functions that are modelled", run};
