/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox list: what this program knows, read from the tables that it works by.
 */
#include "cli.h"

#include <jansson.h>

#include "cases.h"
#include "profiles.h"

static const char name[] = "list";

static const struct argp_option table[] = {{"json", 'j', NULL, 0, "As one JSON object", 0}, {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    bool *as_json = state->input;
    if (key != 'j') return ARGP_ERR_UNKNOWN;
    *as_json = true;
    return 0;
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc = "List mechanisms, formulations, routes of the gate gradient, number systems, profiles and case families."
           "\vExample: the names of all case families\n"
           "  glassbox list --json | jq -r '.families[].name'"};

/* Formulations and number systems are parsed, not listed, by the library: here is the text form of each. */
typedef struct row {
    const char *name, *what;
} row;

static const row formulations[GLA_FORMULATIONS] = {
    [GLA_RECURRENT] = {"recurrent", "token by token"},
    [GLA_PARALLEL] = {"parallel", "all pairs of tokens; every exponent <= 0"},
    [GLA_PARALLEL_NAIVE] = {"parallel-naive", "quotients of decays: UNSAFE, kept to be seen failing"},
    [GLA_CHUNKWISE] = {"chunkwise[:C[:c]]", "chunks of C, sub-chunks of c with anchors; default 64:16"},
    [GLA_CHUNKWISE_FACTORED] = {"chunkwise-factored[:C]", "one anchor per chunk: UNSAFE past |Gamma| = 88.7"}};

static const row routes[GLA_ROUTES] = {
    [GLA_ROUTE_DEFAULT] = {"default", "direct for recurrent, suffix for parallel, straddle for chunkwise"},
    [GLA_ROUTE_DIRECT] = {"direct", "row(R*Z); recurrent only"},
    [GLA_ROUTE_SUFFIX] = {"suffix", "suffix sum of q*dq - k*dk over the whole sequence"},
    [GLA_ROUTE_PREFIX] = {"prefix", "prefix sum from the initial state"},
    [GLA_ROUTE_ANCHOR] = {"anchor", "suffix sum inside a chunk, anchored on row(F*S_out); chunkwise only"},
    [GLA_ROUTE_STRADDLE] = {"straddle", "only terms that cross the boundary; no cancellation"},
    [GLA_ROUTE_STRICT] = {"strict", "suffix sum without the i = j pairs"}};

static const row systems[] = {{"binary64", "IEEE double"},
                              {"binary32", "IEEE single"},
                              {"mpfr:P", "P bits, unbounded exponent"},
                              {"interval:P", "enclosures with P-bit ends"},
                              {"bf16", "8 bits of significand; every operation rounds"},
                              {"f16", "11 bits"},
                              {"tf32", "11 bits, exponents of binary32"},
                              {"e4m3", "4 bits"},
                              {"e5m2", "3 bits"},
                              {"format:p:emin:emax", "any narrow format"},
                              {"dual:P", "value and one directional derivative, P bits"},
                              {"counter", "binary64 that counts operations"},
                              {"recorder:NAME", "any of the others, remembering every operation"}};
enum { SYSTEMS = sizeof systems / sizeof systems[0] };

/* ---- text ---- */

static void print_rows(const char *title, const row *rows, int count) {
    printf("\n%s%s%s\n", cli_on(CLI_BOLD), title, cli_off());
    for (int i = 0; i < count; i++) printf("  %-23s %s\n", rows[i].name, rows[i].what);
}

static void print_row(const char *first, const char *second) { printf("  %-23s %s\n", first, second); }

static void print_all(void) {
    printf("%smechanisms%s\n", cli_on(CLI_BOLD), cli_off());
    for (int i = 0; gla_mechanisms[i]; i++) print_row(gla_mechanisms[i]->name, gla_mechanisms[i]->equation);
    print_rows("formulations", formulations, GLA_FORMULATIONS);
    print_rows("routes of the gate gradient (FORM+ROUTE)", routes, GLA_ROUTES);
    print_rows("number systems (narrow ones take /rn /rz /ru /rd /ra /ro /sr:SEED)", systems, SYSTEMS);
    printf("\n%sprofiles%s\n", cli_on(CLI_BOLD), cli_off());
    for (int i = 0; gla_profiles[i]; i++) print_row(gla_profiles[i]->name, gla_profiles[i]->what);
    printf("\n%scase families%s (what a failure means)\n", cli_on(CLI_BOLD), cli_off());
    for (const gla_family *f = gla_families; f->name; f++) print_row(f->name, f->failure);
}

/* ---- JSON ---- */

static void append(json_t *list, const char *key, const char *what_key, const char *what) {
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", key, what_key, what));
}

static json_t *rows_to_json(const row *rows, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) append(list, rows[i].name, "what", rows[i].what);
    return list;
}

/* The names of the inputs or outputs in a mask. */
static json_t *names_to_json(unsigned mask, const char *const *names, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        if (mask & (1u << i)) json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *mechanisms_to_json(void) {
    json_t *list = json_array();
    for (int i = 0; gla_mechanisms[i]; i++) {
        const gla_mechanism *m = gla_mechanisms[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "name", m->name, "equation", m->equation,
                                              "inputs", names_to_json(m->inputs, gla_input_names, GLA_INPUTS),
                                              "outputs", names_to_json(m->outputs, gla_output_names, GLA_OUTPUTS)));
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
    for (const gla_family *f = gla_families; f->name; f++) append(list, f->name, "failure", f->failure);
    return list;
}

static int print_json(void) {
    json_t *all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "version", GLASSBOX_VERSION, "mechanisms",
                            mechanisms_to_json(), "formulations", rows_to_json(formulations, GLA_FORMULATIONS),
                            "routes", rows_to_json(routes, GLA_ROUTES), "numbers", rows_to_json(systems, SYSTEMS),
                            "profiles", profiles_to_json(), "families", families_to_json());
    if (!all) return cli_complain(name, "no memory");
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return CLI_PASS;
}

static int run(int argc, char **argv) {
    bool as_json = false;
    int ended = cli_parse(&options, argc, argv, &as_json);
    if (ended != CLI_GO_ON) return ended;
    if (as_json) return print_json();
    print_all();
    return CLI_PASS;
}

const cli_command cli_list = {name, "mechanisms, formulations, number systems, profiles, families", run};
