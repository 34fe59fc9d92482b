/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox list --conventions: every switch of every mechanism with its values, the usual one marked, and who uses
 * which.
 */
#include "cli_list_conventions.h"

#include <math.h>
#include <string.h>

#include "cli.h"

static void print_value(const gla_mechanism *m, const gla_switch *s, int value) {
    char text[80];
    snprintf(text, sizeof text, "%s,%s=%s", m->name, s->name, s->values[value].name);
    printf("    %-38s %s%s\n", text, s->values[value].what, value == 0 ? " (usual)" : "");
}

static void print_number(const gla_mechanism *m, const gla_switch *s) {
    char text[80], least[32];
    snprintf(text, sizeof text, "%s,%s=NUMBER", m->name, s->name);
    snprintf(least, sizeof least, "from %g", s->least);
    printf("    %-38s %s", text, least);
    if (isfinite(s->most) && s->most < 1e300) printf(" to %g", s->most);
    printf(" (usual: %g)\n", s->usual);
}

static void print_switch(const gla_mechanism *m, const gla_switch *s) {
    printf("  %s: %s\n", s->name, s->what);
    for (int i = 0; s->values && s->values[i].name; i++) print_value(m, s, i);
    if (!s->values) print_number(m, s);
}

static void print_schedules(const gla_mechanism *m) {
    printf("  schedule: the fixed decay\n");
    for (int i = 0; m->schedules[i].name; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s:%s", m->name, m->schedules[i].name);
        printf("    %-38s %s%s\n", text, m->schedules[i].what, i == 0 ? " (usual)" : "");
    }
}

void cli_list_conventions(void) {
    printf(
        "Conventions in which papers and codes differ, as switches of a mechanism: --mechanism NAME,SWITCH=VALUE,...\n"
        "The scale is no switch: \"scale\" of a case, or dk^(-1/2) (1 where the mechanism says so below).\n");
    for (int i = 0; gla_mechanisms[i]; i++) {
        const gla_mechanism *m = gla_mechanisms[i];
        bool any = m->schedules || (m->switches && m->switches[0].name);
        printf("\n%s%s%s%s%s\n", cli_on(CLI_BOLD), m->name, cli_off(), m->unit_scale ? ", scale 1" : "",
               any ? "" : ": none");
        if (m->schedules) print_schedules(m);
        for (const gla_switch *s = m->switches; s && s->name; s++) print_switch(m, s);
    }
}

static json_t *values_to_json(const gla_switch *s) {
    json_t *list = json_array();
    for (int i = 0; s->values && s->values[i].name; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", s->values[i].name, "what", s->values[i].what));
    return list;
}

json_t *cli_switches_json(const gla_mechanism *m) {
    json_t *list = json_array();
    for (const gla_switch *s = m->switches; s && s->name; s++) {
        json_t *x = json_pack("{s:s, s:s, s:o}", "name", s->name, "what", s->what, "values", values_to_json(s));
        if (!s->values) json_object_set_new(x, "usual", isfinite(s->usual) ? json_real(s->usual) : json_null());
        json_array_append_new(list, x);
    }
    return list;
}
