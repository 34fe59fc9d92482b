/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox list: what this program knows, read from the tables that it works by.
 */
#include "cli.h"

#include <jansson.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "cases.h"
#include "cli_cuda.h"
#include "cli_list_conventions.h"
#include "profiles.h"

static const char name[] = "list";

typedef enum wanted { EVERYTHING, AS_JSON = 'j', CONVENTIONS = 'c' } wanted;

static const struct argp_option table[] = {
    {"json", AS_JSON, NULL, 0, "As one JSON object", 0},
    {"conventions", CONVENTIONS, NULL, 0, "The switches of every mechanism alone, and who uses which value", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    wanted *what = state->input;
    if (key != AS_JSON && key != CONVENTIONS) return ARGP_ERR_UNKNOWN;
    *what = (wanted)key;
    return 0;
}

static const struct argp options = {.options = table,
                                    .parser = parse,
                                    .doc = "List mechanisms, formulations, routes of the gate gradient, number "
                                           "systems, rungs on a GPU, profiles and case families."
                                           "\vExamples: the names of all case families; what --mechanism mlstm takes\n"
                                           "  glassbox list --json | jq -r '.families[].name'\n"
                                           "  glassbox list --conventions | sed -n '/^mlstm/,/^$/p'"};

/* ---- text ---- */

static void print_row(const char *first, const char *second) { printf("  %-23s %s\n", first, second); }

static void print_rows(const char *title, const gla_choice *rows) {
    printf("\n%s%s%s\n", cli_on(CLI_BOLD), title, cli_off());
    for (; rows->name; rows++) print_row(rows->name, rows->what);
}

/* Which formulation takes which route. */
static void print_availability(void) {
    printf("\n%-25s", "");
    for (int r = 1; r < GLA_ROUTES; r++) printf(" %-8s", gla_route_names[r]);
    for (int f = 0; f < GLA_FORMULATIONS; f++) {
        printf("\n  %-23s", gla_formulation_names[f]);
        for (int r = 1; r < GLA_ROUTES; r++)
            printf(" %-8s", gla_route_available((gla_formulation)f, (gla_gate_route)r) ? "yes" : "-");
    }
    putchar('\n');
}

static const char *or_not(const char *form) { return form[0] ? form : "-"; }

static void print_rungs(void) {
    cli_cuda_row rows[CLI_CUDA_ROWS];
    gla_host_why here;
    size_t count = cli_cuda_rows(rows, here);
    printf("\n%srungs on a GPU, where run, check and cross take a number system%s\n", cli_on(CLI_BOLD), cli_off());
    for (size_t i = 0; i < count; i++)
        printf("  %-23s forward %s, backward %s\n", rows[i].name, or_not(rows[i].forward), or_not(rows[i].backward));
    print_row(count ? "here" : "cuda:RUNG", here[0] ? here : "ready");
}

static const char *axes_text(gla_axes axes) {
    static const char *const text[] = {
        [GLA_PER_KEY] = "[B,T,h,dk]",        [GLA_PER_VALUE] = "[B,T,h,dv]",       [GLA_PER_HEAD] = "[B,T,h]",
        [GLA_PER_SLOT] = "[B,T,h,M]",        [GLA_WEIGHT_KEY] = "[h,dk]",          [GLA_WEIGHT_ONE] = "[h]",
        [GLA_STATE] = "[N,h,dk,dv]",         [GLA_STATE_KEY] = "[N,h,dk]",         [GLA_STATE_ONE] = "[N,h]",
        [GLA_STATE_KEY_SLOT] = "[N,h,dk,M]", [GLA_STATE_SLOT_VALUE] = "[N,h,M,dv]"};
    return text[axes];
}

/* The inputs beside q k v do and the states, by their names; what may be absent in brackets. */
static void print_inputs(const gla_mechanism *m) {
    int taken = 0;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input input = (gla_input)i;
        bool common = i <= GLA_IN_V || i == GLA_IN_DO || (gla_is_state_input(input) && i < GLA_IN_BETA);
        bool renamed = strcmp(gla_input_name(m, input), gla_input_names[i]) != 0;
        if (!(m->inputs & 1u << i) || (common && !renamed)) continue;
        bool optional = m->optional & 1u << i || i == GLA_IN_DO || gla_is_state_input(input);
        if (taken++)
            printf(", ");
        else
            printf("  %-23s takes ", "");
        printf("%s%s %s%s", optional ? "(" : "", gla_input_name(m, input), axes_text(gla_input_axes(m, input)),
               optional ? ")" : "");
    }
    if (taken) putchar('\n');
}

/* Its equation, its inputs, the schedules of a fixed decay. */
static void print_mechanism(const gla_mechanism *m) {
    print_row(m->name, m->equation);
    print_inputs(m);
    for (const gla_choice *s = m->schedules; s && s->name; s++)
        printf("    %s:%-*s %s\n", m->name, (int)(20 - strlen(m->name)), s->name, s->what);
}

static void print_all(void) {
    printf("%smechanisms%s\n", cli_on(CLI_BOLD), cli_off());
    for (int i = 0; gla_mechanisms[i]; i++) print_mechanism(gla_mechanisms[i]);
    print_rows("formulations; every one runs in every number system", gla_formulation_choices);
    print_rows("routes of the gate gradient (FORM+ROUTE)", gla_route_choices);
    print_availability();
    print_rows("how a chunk of the delta rule comes by its pseudo-values (FORM+SOLVER)", gla_solver_choices);
    print_rows("number systems (narrow ones take /rn /rz /ru /rd /ra /ro /sr:SEED)", gla_number_systems);
    for (const gla_choice *row = gla_hardware_family.systems; row->name; row++) print_row(row->name, row->what);
    print_rungs();
    printf("\n%sprofiles%s\n", cli_on(CLI_BOLD), cli_off());
    for (int i = 0; gla_profiles[i]; i++) print_row(gla_profiles[i]->name, gla_profiles[i]->what);
    printf("\n%scase families%s (what a failure means)\n", cli_on(CLI_BOLD), cli_off());
    for (const gla_family *f = gla_families; f->name; f++) print_row(f->name, f->failure);
    printf("\n%sflags of cases%s (what they exercise)\n", cli_on(CLI_BOLD), cli_off());
    for (const gla_flag *f = gla_flags; f->name; f++) print_row(f->name, f->meaning);
}

/* ---- JSON ---- */

static void append(json_t *list, const char *key, const char *what_key, const char *what) {
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", key, what_key, what));
}

static void append_rows(json_t *list, const gla_choice *rows) {
    for (; rows->name; rows++) append(list, rows->name, "what", rows->what);
}

static json_t *rows_to_json(const gla_choice *rows) {
    json_t *list = json_array();
    append_rows(list, rows);
    return list;
}

static json_t *numbers_to_json(void) {
    json_t *list = rows_to_json(gla_number_systems);
    append_rows(list, gla_hardware_family.systems);
    return list;
}

static json_t *form_to_json(const char *form) { return form[0] ? json_string(form) : json_null(); }

/* Those that are built; whether they can run here. */
static json_t *rungs_to_json(void) {
    cli_cuda_row rows[CLI_CUDA_ROWS];
    gla_host_why here;
    json_t *list = json_array();
    size_t count = cli_cuda_rows(rows, here);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:b}", "name", rows[i].name, "forward",
                                              form_to_json(rows[i].forward), "backward", form_to_json(rows[i].backward),
                                              "ready", here[0] == 0));
    return list;
}

static json_t *inputs_to_json(const gla_mechanism *m) {
    json_t *list = json_array();
    for (int i = 0; i < GLA_INPUTS; i++)
        if (m->inputs & (1u << i)) json_array_append_new(list, json_string(gla_input_name(m, (gla_input)i)));
    return list;
}

static json_t *outputs_to_json(const gla_mechanism *m) {
    json_t *list = json_array();
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (m->outputs & (1u << i)) json_array_append_new(list, json_string(gla_output_name(m, (gla_output)i)));
    return list;
}

static json_t *mechanisms_to_json(void) {
    json_t *list = json_array();
    for (int i = 0; gla_mechanisms[i]; i++) {
        const gla_mechanism *m = gla_mechanisms[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:o}", "name", m->name, "equation",
                                              m->equation, "inputs", inputs_to_json(m), "outputs", outputs_to_json(m),
                                              "gate_per_head", gla_gate_per_head(m), "schedules",
                                              m->schedules ? rows_to_json(m->schedules) : json_array(), "switches",
                                              cli_switches_json(m)));
    }
    return list;
}

static json_t *profiles_to_json(void) {
    json_t *list = json_array();
    for (int i = 0; gla_profiles[i]; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", gla_profiles[i]->name, "form",
                                              gla_profiles[i]->form, "what", gla_profiles[i]->what));
    return list;
}

static json_t *families_to_json(void) {
    json_t *list = json_array();
    for (const gla_family *f = gla_families; f->name; f++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s}", "name", f->name, "failure", f->failure, "flags", f->flags));
    return list;
}

static json_t *flags_to_json(void) {
    json_t *list = json_array();
    for (const gla_flag *f = gla_flags; f->name; f++) append(list, f->name, "meaning", f->meaning);
    return list;
}

static int print_json(void) {
    json_t *all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", GLASSBOX_VERSION,
                            "mechanisms", mechanisms_to_json(), "formulations", rows_to_json(gla_formulation_choices),
                            "routes", rows_to_json(gla_route_choices), "solvers", rows_to_json(gla_solver_choices),
                            "numbers", numbers_to_json(), "rungs", rungs_to_json(), "profiles", profiles_to_json(),
                            "families", families_to_json(), "flags", flags_to_json());
    if (!all) return cli_complain(name, "no memory");
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return CLI_PASS;
}

static int run(int argc, char **argv) {
    wanted what = EVERYTHING;
    int ended = cli_parse(&options, argc, argv, &what);
    if (ended != CLI_GO_ON) return ended;
    if (what == AS_JSON) return print_json();
    if (what == CONVENTIONS)
        cli_list_conventions();
    else
        print_all();
    return CLI_PASS;
}

const cli_command cli_list = {name, "mechanisms, formulations, number systems, profiles, families", run};
