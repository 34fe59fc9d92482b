/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox check: the outputs in a file against certified truth, within the bound that the declared profile earns.
 *
 * A case is judged when it has at least one output; several files and folders are judged one after the other and the
 * exit status is the worst of them (broken 3 above mismatch 1 above uncertain 4; a bad file ends in 2).
 * A candidate file must leave the inputs as they are, where it repeats them, and hold every output of the case file.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli_candidate.h"
#include "cli_check.h"
#include "cli_replay.h"

static const char name[] = "check";

typedef check_settings settings;
typedef check_case one_case;

/* ---- command line ---- */

enum { KEY_SEGMENT = 256, KEY_BITS };
static const struct argp_option table[] = {
    {"candidate", 'c', "FILE", 0, "Judge the outputs in FILE instead of the case's own", 0},
    {"numbers", 'n', "cuda:RUNG", 0, "Judge what this rung of this machine's GPU makes of the case's inputs (see list)",
     0},
    {"segment", KEY_SEGMENT, "L", 0, "cuda:fused: cut longer sequences into segments of L tokens, a multiple of 64", 0},
    {"bits", KEY_BITS, NULL, 0, "With --numbers: demand the very bits of the rung's own formulation too", 0},
    {0}};

static error_t add_path(struct argp_state *state, settings *s, char *path) {
    char **paths = realloc(s->paths, (s->path_count + 1) * sizeof *paths);
    if (!paths) return cli_bad(state, "no memory");
    s->paths = paths;
    s->paths[s->path_count++] = path;
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->load;
        state->child_inputs[1] = &s->plugin;
        state->child_inputs[2] = &s->judging;
        return 0;
    case 'c':
        s->load.candidate = argument;
        return 0;
    case 'n':
        s->cuda.numbers = argument;
        return cli_cuda_named(argument) ? 0 : cli_bad(state, "--numbers takes a GPU's rung, cuda:recurrent (see list)");
    case KEY_SEGMENT:
        return cli_integer(state, "--segment", argument, 64, 1 << 30, &s->cuda.segment);
    case KEY_BITS:
        s->bits = true;
        return 0;
    case ARGP_KEY_ARG:
        return add_path(state, s, argument);
    case ARGP_KEY_NO_ARGS:
        return s->plugin.path || s->plugin.stray ? 0 : cli_bad(state, "no case file given");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&cli_case_argp, 0, "", 0}, {&cli_plugin_argp, 0, "", 0}, {&cli_judging_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "CASE|FOLDER...\n--plugin FILE",
    .doc =
        "Judge the outputs in a file against certified truth, element by element."
        "\vPASS: every error is within the bound its declared roundings earn. MARGINAL: within twice its random part. "
        "FAIL: beyond, or not finite. BROKEN: wrong shape, missing, or an input changed.\n"
        "Exits with 0 pass, 1 mismatch, 2 bad file or usage, 3 broken candidate, 4 uncertified or nothing judged, "
        "77 no GPU, or all declined by a plug-in or a rung.\n\n"
        "Example:\n  glassbox check data/real/gla_chunk_bf16_mild.safetensors\n"
        "A kernel that claims the reference's order of operations in binary32, bit for bit:\n"
        "  glassbox check case.safetensors --replay binary32 --form recurrent\n"
        "A kernel in a shared object, as compare/plugin.h describes:\n  glassbox check --plugin ./kernel.so\n"
        "A kernel of this library on this machine's GPU, and every bit of it:\n"
        "  glassbox check case.safetensors --numbers cuda:fused --bits",
    .children = children};

/* ---- one case ---- */

static gla_status judge_case(const settings *s, const char *path, const gla_case *c, one_case *x) {
    gla_candidate candidate;
    bool diagnosed;
    gla_status status = cli_candidate_of(c, path, &s->load, s->judging.only, &candidate, &x->error);
    if (status == GLA_OK)
        status = cli_judge(&s->judging, &c->problem, &candidate, (int)s->judging.threads, "truth", &x->judged.judgement,
                           &x->diagnosis, &diagnosed, &x->error);
    if (status == GLA_OK && diagnosed) x->judged.diagnosis = &x->diagnosis;
    return status;
}

/* The options that say what is judged, and under which profile: of check and of explain. */
typedef char options_text[4000];
static const char *case_options(const settings *s, const one_case *x, options_text text) {
    const gla_case_options *load = &s->load;
    snprintf(text, sizeof(options_text), "%s%s%s%s --profile %s%s", load->candidate ? " --candidate " : "",
             load->candidate ? load->candidate : "", load->prefix ? " --prefix " : "", load->prefix ? load->prefix : "",
             cli_profile_text(&s->judging, &x->judged.judgement), load->allow_growth ? " --allow-growth" : "");
    return text;
}

/* The command that repeats this judgement. */
static void set_reproduce(const settings *s, one_case *x) {
    cli_only_text only;
    cli_replay_text replay;
    options_text text;
    snprintf(x->reproduce, sizeof x->reproduce, "glassbox check %s%s%s%s%s", x->path, case_options(s, x, text),
             cli_only_option(&s->judging, only), s->judging.strict ? " --strict" : "",
             cli_replay_options(&s->judging.replay, replay));
    x->judged.reproduce = x->reproduce;
}

/* The command that explains the bound of the first bad element. */
static void set_explain(const settings *s, one_case *x) {
    const gla_bad_place *first = &x->diagnosis.first;
    if (!first->known) return;
    gla_place_text place;
    options_text text;
    snprintf(x->explain, sizeof x->explain, "glassbox explain %s --at '%s'%s", x->path,
             gla_place_print(first->output, first->at, place), case_options(s, x, text));
    x->judged.explain = x->explain;
}

static void check_file(const settings *s, const char *path, one_case *x) {
    gla_case c;
    gla_status status = gla_case_load(path, &s->load, &c, &x->error);
    if (status == GLA_OK && c.name) snprintf(x->name, sizeof x->name, "%s", c.name);
    if (status == GLA_OK) status = judge_case(s, path, &c, x);
    gla_case_free(&c);
    if (status != GLA_OK) {
        x->judged.error = &x->error;
        cli_fail(name, &x->error);
    } else {
        set_reproduce(s, x);
        set_explain(s, x);
    }
}

/* ---- many cases ---- */

check_case *check_add(check_list *list, const char *path, const char *label) {
    one_case **at = realloc(list->at, (list->count + 1) * sizeof *at);
    if (!at) return NULL;
    list->at = at;
    one_case *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    at[list->count++] = x;
    snprintf(x->path, sizeof x->path, "%s", path);
    snprintf(x->name, sizeof x->name, "%s", label);
    x->judged.name = x->name;
    x->judged.path = x->path;
    return x;
}

void check_report(const check_case *x) {
    if (!x->judged.error) cli_report_text(&x->judged);
    fflush(stdout);
}

static bool judge_into(check_list *list, const settings *s, const char *path) {
    if (s->cuda.numbers) return check_on_gpu(name, list, s, path);
    one_case *x = check_add(list, path, path);
    if (!x) return false;
    check_file(s, path, x);
    check_report(x);
    return true;
}

static int is_case_file(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (strcmp(dot, ".safetensors") == 0 || strcmp(dot, ".npz") == 0);
}

/* Every case file of a folder, in name order. */
static bool judge_folder(check_list *list, const settings *s, const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, is_case_file, alphasort);
    if (count < 0) return judge_into(list, s, path); /* says why it cannot be read */
    bool going = true;
    if (count == 0) {
        list->hollow = true;
        cli_complain(name, "%s: no case files (*.safetensors, *.npz) to judge", path);
    }
    for (int i = 0; i < count; i++) {
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", path, entries[i]->d_name);
        going = going && judge_into(list, s, full);
        free(entries[i]);
    }
    free(entries);
    return going;
}

static void print_totals(const cli_judged *list, size_t count) {
    static const char *const verdicts[] = {"PASS",   "MARGINAL",   "UNCERTIFIED", "FAIL",
                                           "BROKEN", "NOT JUDGED", "SKIPPED"};
    printf("%zu cases:", count);
    for (size_t v = 0; v < sizeof verdicts / sizeof *verdicts; v++) {
        int found = 0;
        for (size_t i = 0; i < count; i++) found += strcmp(cli_verdict(&list[i]), verdicts[v]) == 0;
        if (found) printf(" %d %s", found, verdicts[v]);
    }
    putchar('\n');
}

/* Totals and files; the exit status. */
static int report_judged(const settings *s, const cli_judged *judged, size_t count) {
    if (count > 1) print_totals(judged, count);
    int written = cli_write_reports(&s->judging, name, judged, count);
    return written != CLI_PASS ? written : cli_worst_exit(&s->judging, judged, count);
}

static int report_all(const settings *s, const check_list *list) {
    cli_judged *judged = calloc(list->count + 1, sizeof *judged);
    if (!judged) return cli_complain(name, "no memory");
    for (size_t i = 0; i < list->count; i++) judged[i] = list->at[i]->judged;
    int status = report_judged(s, judged, list->count);
    free(judged);
    return status;
}

static int check_plugin(settings *s) {
    cli_judged *judged;
    size_t count;
    s->plugin.mechanism = s->load.mechanism ? s->load.mechanism : "gla";
    s->plugin.judging = &s->judging;
    int status = cli_plugin_check(&s->plugin, &judged, &count);
    if (status == CLI_GO_ON) status = report_judged(s, judged, count);
    cli_plugin_free(judged, count);
    return status;
}

static int check_all(const settings *s) {
    check_list list = {0};
    bool going = true;
    for (size_t i = 0; going && i < s->path_count; i++) {
        struct stat info;
        bool folder = stat(s->paths[i], &info) == 0 && S_ISDIR(info.st_mode);
        going = folder ? judge_folder(&list, s, s->paths[i]) : judge_into(&list, s, s->paths[i]);
    }
    int status = going ? report_all(s, &list) : cli_complain(name, "no memory");
    if (list.hollow && status == CLI_PASS) status = CLI_UNCERTAIN;
    for (size_t i = 0; i < list.count; i++) free(list.at[i]);
    free(list.at);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.plugin = {.seed = 1, .timeout = 30}};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended == CLI_GO_ON) ended = cli_judging_open(&s.judging, name);
    if (ended == CLI_GO_ON && s.load.candidate && s.path_count > 1)
        ended = cli_complain(name, "--candidate goes with one case file");
    if (ended == CLI_GO_ON && s.plugin.path && (s.load.candidate || s.path_count > 0))
        ended = cli_complain(name, "--plugin goes without case files and --candidate");
    if (ended == CLI_GO_ON && s.cuda.numbers && (s.plugin.path || s.load.candidate))
        ended = cli_complain(name, "--numbers goes without --plugin and --candidate");
    if (ended == CLI_GO_ON && !s.cuda.numbers && (s.bits || s.cuda.segment))
        ended = cli_complain(name, "--bits and --segment go with --numbers cuda:RUNG");
    if (ended == CLI_GO_ON && s.bits && s.judging.replay.numbers)
        ended = cli_complain(name, "--bits is the rung's own replay; leave out --replay");
    if (ended == CLI_GO_ON && s.cuda.numbers) ended = cli_cuda_open(name, &s.cuda);
    if (ended == CLI_GO_ON) ended = s.plugin.path ? check_plugin(&s) : check_all(&s);
    free(s.paths);
    return ended;
}

const cli_command cli_check = {"check", "judge the outputs in a file against certified truth", run};
