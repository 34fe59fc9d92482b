/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of formulations and routes, and the text form "chunkwise:64:16+materialised+anchor".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glassbox.h"

const char *const gla_formulation_names[GLA_FORMULATIONS] = {
    "recurrent",         "parallel",         "parallel-naive",    "chunkwise",
    "chunkwise-centred", "chunkwise-paired", "chunkwise-factored"};
const char *const gla_route_names[GLA_ROUTES] = {"default", "direct",   "suffix", "prefix",
                                                 "anchor",  "straddle", "strict"};
const char *const gla_solver_names[GLA_SOLVERS] = {"solve", "ut", "ut-blocked", "ut-product"};

const gla_choice gla_formulation_choices[] = {
    {"recurrent", "token by token"},
    {"parallel", "all pairs of tokens; every exponent <= 0"},
    {"parallel-naive", "products and quotients of decays: UNSAFE, kept to be seen failing"},
    {"chunkwise[:C[:c]]", "chunks of C, sub-chunks of c with anchors; default 64:16"},
    {"chunkwise-centred[:C[:c]]", "one reference amid each chunk; steps of c, then 1, where gates are strong"},
    {"chunkwise-paired[:C[:LIMIT]]", "one reference amid each chunk, pairs in channels past LIMIT nats; default 64:76"},
    {"chunkwise-factored[:C]", "one anchor per chunk: UNSAFE past |Gamma| = 88.7 in binary32"},
    {NULL, NULL}};

const gla_choice gla_route_choices[] = {
    {"default", "direct for recurrent, suffix for parallel, straddle for chunkwise, anchor for its other forms"},
    {"direct", "row(R*Z), from the adjoint recursion"},
    {"suffix", "suffix sum of q*dq - k*dk over the whole sequence"},
    {"prefix", "prefix sum from the initial state"},
    {"anchor", "suffix sum inside a chunk, anchored on row(F*S_out)"},
    {"straddle", "only terms that cross the boundary; no cancellation"},
    {"strict", "suffix sum without the i = j pairs"},
    {NULL, NULL}};

const gla_choice gla_solver_choices[] = {
    {"solve", "forward substitution, back through the transposed system; usual"},
    {"ut", "the UT transform: the inverse by rows, then products"},
    {"ut-blocked", "the same, the inverse by blocks of c; chunks only"},
    {"ut-product", "the same, (I-L)(I+L^2)(I+L^4)...: UNSAFE, kept to be seen failing on equal keys"},
    {NULL, NULL}};

bool gla_route_available(gla_formulation kind, gla_gate_route route) {
    static const bool available[GLA_FORMULATIONS][GLA_ROUTES] = {
        /*                          default direct suffix prefix anchor straddle strict */
        [GLA_RECURRENT] = {true, true, true, true, false, false, true},
        [GLA_PARALLEL] = {true, false, true, true, false, true, true},
        [GLA_PARALLEL_NAIVE] = {true, false, true, true, true, false, true},
        [GLA_CHUNKWISE] = {true, false, true, true, true, true, true},
        [GLA_CHUNKWISE_CENTRED] = {true, false, false, false, true, false, false},
        [GLA_CHUNKWISE_PAIRED] = {true, false, false, false, true, false, false},
        [GLA_CHUNKWISE_FACTORED] = {true, false, true, true, true, false, true},
    };
    return available[kind][route];
}

static bool has_subchunks(gla_formulation kind) { return kind == GLA_CHUNKWISE || kind == GLA_CHUNKWISE_CENTRED; }

static bool has_chunks(gla_formulation kind) {
    return has_subchunks(kind) || kind == GLA_CHUNKWISE_PAIRED || kind == GLA_CHUNKWISE_FACTORED;
}

static gla_status bad_form(gla_error *err, const char *text, const char *why) {
    gla_fail(err, GLA_UNKNOWN_NAME, "formulation '%.80s': %s", text, why);
    return gla_hint(err, GLA_UNKNOWN_NAME,
                    "recurrent, parallel, parallel-naive, chunkwise[:C[:c]], chunkwise-centred[:C[:c]], "
                    "chunkwise-paired[:C[:LIMIT]], chunkwise-factored[:C], then options after '+'; glassbox list shows "
                    "all");
}

/* A size of at least `least` after ':'; advances *at. */
static bool parse_size(const char **at, long long least, int64_t *size) {
    char *end;
    if (**at < '0' || **at > '9') return false;
    long long value = strtoll(*at, &end, 10);
    if (value < least || value > 1 << 30) return false;
    *at = end;
    *size = value;
    return true;
}

/* The word at *at up to ':' or '+' or the end, looked up in names; advances *at. */
static bool parse_word(const char **at, const char *const *names, int count, int *which) {
    size_t length = strcspn(*at, ":+");
    for (int i = 0; i < count; i++)
        if (strlen(names[i]) == length && strncmp(names[i], *at, length) == 0) {
            *which = i;
            *at += length;
            return true;
        }
    return false;
}

gla_status gla_form_parse(const char *text, gla_form *form, gla_error *err) {
    const char *at = text;
    int kind = 0, route = 0;
    *form = (gla_form){.C = 64, .c = 16, .limit = 76};
    if (!parse_word(&at, gla_formulation_names, GLA_FORMULATIONS, &kind)) return bad_form(err, text, "no such one");
    form->kind = (gla_formulation)kind;
    if (*at == ':') {
        if (!has_chunks(form->kind)) return bad_form(err, text, "only chunkwise forms take sizes");
        at++;
        if (!parse_size(&at, 1, &form->C)) return bad_form(err, text, "chunk size C must be a whole number from 1");
        if (form->c > form->C) form->c = form->C;
    }
    if (*at == ':' && form->kind == GLA_CHUNKWISE_PAIRED) {
        at++;
        if (!parse_size(&at, 0, &form->limit))
            return bad_form(err, text, "LIMIT must be a whole number of nats from 0");
    } else if (*at == ':') {
        if (!has_subchunks(form->kind)) return bad_form(err, text, "the factored form has no sub-chunks");
        at++;
        if (!parse_size(&at, 1, &form->c)) return bad_form(err, text, "sub-chunk size c must be a whole number from 1");
        if (form->c > form->C) return bad_form(err, text, "sub-chunk size c is larger than the chunk size C");
    }
    while (*at == '+') {
        static const char *const options[] = {"materialised", "precise", "bounded"};
        int option;
        at++;
        if (strncmp(at, "split:", 6) == 0) {
            at += 6;
            if (!parse_size(&at, 1, &form->split))
                return bad_form(err, text, "+split:L needs a whole number of tokens");
            if (has_chunks(form->kind) && form->split % form->C)
                return bad_form(err, text, "+split:L must be a multiple of the chunk size C");
        } else if (parse_word(&at, options, 3, &option)) {
            if (option == 0 && form->kind != GLA_CHUNKWISE && form->kind != GLA_CHUNKWISE_FACTORED)
                return bad_form(err, text, "only chunkwise and chunkwise-factored can be materialised");
            if (option == 1 && form->kind != GLA_CHUNKWISE_CENTRED && form->kind != GLA_CHUNKWISE_PAIRED)
                return bad_form(err, text, "only chunkwise-centred and chunkwise-paired can be precise");
            if (option == 2 && form->kind != GLA_CHUNKWISE)
                return bad_form(err, text, "only chunkwise can have its diagonal sub-blocks bounded");
            *(option == 0 ? &form->materialised : option == 1 ? &form->precise : &form->bounded) = true;
        } else if (parse_word(&at, gla_solver_names, GLA_SOLVERS, &option)) {
            form->solver = (gla_solver)option;
            if (form->kind == GLA_RECURRENT) return bad_form(err, text, "the recurrent form solves no system");
        } else if (parse_word(&at, gla_route_names, GLA_ROUTES, &route))
            form->route = (gla_gate_route)route;
        else
            return bad_form(err, text, "unknown option after '+'");
    }
    return *at ? bad_form(err, text, "unexpected text at its end") : GLA_OK;
}

void gla_form_print(const gla_form *form, char *text, size_t size) {
    char sizes[48] = "";
    long long second = form->kind == GLA_CHUNKWISE_PAIRED ? form->limit : form->c;
    if (has_chunks(form->kind)) snprintf(sizes, sizeof sizes, ":%lld:%lld", (long long)form->C, second);
    if (form->kind == GLA_CHUNKWISE_FACTORED) snprintf(sizes, sizeof sizes, ":%lld", (long long)form->C);
    char split[32] = "";
    if (form->split) snprintf(split, sizeof split, "+split:%lld", (long long)form->split);
    bool route = form->route != GLA_ROUTE_DEFAULT, solver = form->solver != GLA_SOLVE;
    snprintf(text, size, "%s%s%s%s%s%s%s%s%s%s", gla_formulation_names[form->kind], sizes,
             form->materialised ? "+materialised" : "", form->precise ? "+precise" : "", split, solver ? "+" : "",
             solver ? gla_solver_names[form->solver] : "", form->bounded ? "+bounded" : "", route ? "+" : "",
             route ? gla_route_names[form->route] : "");
}
