/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox check, between its files: what was asked for, and a case as it is judged.
 */
#ifndef GLASSBOX_CLI_CHECK_H
#define GLASSBOX_CLI_CHECK_H

#include "cli.h"
#include "cli_cuda.h"
#include "cli_judging.h"
#include "cli_plugin.h"

typedef struct check_settings {
    gla_case_options load;
    cli_plugin_settings plugin;
    cli_judging judging;
    cli_cuda cuda; /* numbers NULL: outputs come from files or a plug-in */
    bool bits;     /* the rung's own formulation, bit for bit */
    char **paths;
    size_t path_count;
} check_settings;

/* A case as it is judged, with the strings its report points to. */
typedef struct check_case {
    cli_judged judged;
    char name[220], path[4096], reproduce[8600], explain[8400], finding[300];
    gla_diagnosis diagnosis;
    gla_error error;
    cli_judging judging; /* cuda: what the rung declares in this direction, */
    cli_cuda_text form;  /* and the formulation it follows */
} check_case;

/* The cases judged so far. */
typedef struct check_list {
    check_case **at;
    size_t count;
    bool hollow; /* a folder holds no case */
} check_list;

/* A new one at its end, with this path and name; NULL without memory. */
check_case *check_add(check_list *list, const char *path, const char *name);

/* Prints it, once it is judged. */
void check_report(const check_case *x);

/* cli_check_cuda.c: the case file on the GPU, forward and, if it has do or dfinal_state, its gradients; each direction
 * is judged at the profile that the rung declares there. False: no memory. */
bool check_on_gpu(const char *command, check_list *list, const check_settings *s, const char *path);

#endif
