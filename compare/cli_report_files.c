/* SPDX-License-Identifier: Apache-2.0
 *
 * Judgements as files: JSON (everything), JUnit XML (a test case per tensor), Markdown (a table, for a CI summary).
 */
#include "cli_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

/* ---- JSON ---- */

/* JSON has no NaN and no infinity: they are strings. */
static json_t *number(double x) {
    if (isnan(x)) return json_string("NaN");
    if (isinf(x)) return json_string(x > 0 ? "Infinity" : "-Infinity");
    return json_real(x);
}

static json_t *index_to_json(const int64_t at[4]) {
    return json_pack("[I, I, I, I]", (json_int_t)at[0], (json_int_t)at[1], (json_int_t)at[2], (json_int_t)at[3]);
}

/* Tier 3; null where it does not apply. */
static json_t *scatter_to_json(const gla_distribution *d) {
    if (d->count == 0) return json_null();
    json_t *worst = json_pack("{s:s, s:o, s:I, s:o, s:o}", "group", gla_group_names[d->worst.kind], "from",
                              index_to_json(d->worst.at), "elements", (json_int_t)d->worst.count, "rms_z",
                              number(d->worst.rms_z), "limit", number(d->worst.limit));
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "elements", (json_int_t)d->count, "rms_z",
                     number(d->rms_z), "limit", number(d->limit), "bias", number(d->bias), "bias_limit",
                     number(d->bias_limit), "worst_group", worst, "emulated_limits", d->emulated, "too_good",
                     d->too_good);
}

/* Shares of bad elements by stretches of heads and tokens. */
static json_t *shares_to_json(const gla_shares *s) {
    json_t *heads = json_array(), *tokens = json_array();
    for (int i = 0; i < s->heads; i++) json_array_append_new(heads, json_real(s->head[i]));
    for (int i = 0; i < s->tokens; i++) json_array_append_new(tokens, json_real(s->token[i]));
    return json_pack("{s:o, s:o}", "heads", heads, "tokens", tokens);
}

static json_t *names_to_json(unsigned mask, const char *const *names, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        if (mask >> i & 1) json_array_append_new(list, json_string(names[i]));
    return list;
}

/* null where there is none; cause "" where no known cause fits. */
static json_t *diagnosis_to_json(const gla_diagnosis *d) {
    if (!d) return json_null();
    json_t *shares = json_object();
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (d->share[i].heads > 0) json_object_set_new(shares, gla_output_names[i], shares_to_json(&d->share[i]));
    return json_pack("{s:s, s:s, s:o, s:f, s:o}", "cause", d->cause, "sentence", d->sentence, "explains",
                     names_to_json(d->explains, gla_output_names, GLA_OUTPUTS), "times_nearer", d->closer, "bad_share",
                     shares);
}

static json_t *bad_place_to_json(const gla_bad_place *p) {
    if (!p->known) return json_null();
    json_t *x = json_pack("{s:s, s:o, s:I}", "output", gla_output_names[p->output], "at", index_to_json(p->at),
                          "sequence", (json_int_t)p->sequence);
    if (x && p->token >= 0)
        json_object_update_new(x, json_pack("{s:I, s:I, s:I}", "token", (json_int_t)p->token, "chunk",
                                            (json_int_t)p->chunk, "row", (json_int_t)p->row));
    return x;
}

/* Tier 1; null where it was not asked for. */
static json_t *replay_to_json(const gla_replay *declared, const gla_replay_verdict *r) {
    if (!r->asked) return json_null();
    json_t *x = json_pack("{s:s, s:s, s:I}", "numbers", declared->numbers, "form", declared->form, "differing",
                          (json_int_t)r->differing);
    if (x && r->differing)
        json_object_update_new(x, json_pack("{s:I, s:o, s:s, s:s, s:o}", "zeros", (json_int_t)r->zeros, "first",
                                            bad_place_to_json(&r->first), "got", r->got, "want", r->want, "ulps",
                                            number(r->ulps)));
    return x;
}

static json_t *tensor_to_json(gla_output output, const gla_replay *declared, const gla_tensor_verdict *v) {
    json_t *x = json_pack("{s:s, s:s, s:o}", "name", gla_output_names[output], "verdict", gla_verdict_names[v->verdict],
                          "shape", index_to_json(v->shape));
    if (x && v->why) json_object_set_new(x, "why", json_string(v->why));
    if (!x || v->verdict == GLA_BROKEN) return x;
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {{"elements", v->count},      {"nan", v->nan},           {"inf", v->inf},
                  {"over", v->over},           {"marginal", v->marginal}, {"uncertified", v->uncertified},
                  {"exact_required", v->exact}};
    const struct {
        const char *key;
        double value;
    } reals[] = {{"worst", v->worst},
                 {"got", v->got},
                 {"want", v->want},
                 {"bound", v->allowed},
                 {"rms_error", v->rms_error},
                 {"rms_truth", v->rms_truth},
                 {"median_bound_over_rms", v->loosest}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        json_object_set_new(x, counts[i].key, json_integer(counts[i].value));
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        json_object_set_new(x, reals[i].key, number(reals[i].value));
    json_object_set_new(x, "worst_at", index_to_json(v->at));
    json_object_set_new(x, "says_little", json_boolean(v->says_little));
    json_object_set_new(x, "tier", json_integer(v->tier));
    json_object_set_new(x, "distribution", scatter_to_json(&v->scatter));
    json_object_set_new(x, "replay", replay_to_json(declared, &v->replay));
    json_object_set_new(x, "first_bad", v->first_bad.known ? index_to_json(v->first_bad.at) : json_null());
    return x;
}

static json_t *case_to_json(const cli_judged *j) {
    json_t *tensors = json_array();
    bool judged = cli_has_verdict(j);
    for (int i = 0; i < GLA_OUTPUTS && judged; i++)
        if (j->judgement.tensor[i].judged)
            json_array_append_new(tensors,
                                  tensor_to_json((gla_output)i, &j->judgement.replay, &j->judgement.tensor[i]));
    return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:o, s:o, s:s*, s:s*, s:o, s:o, s:s*}", "case", j->name, "file",
                     j->path, "verdict", cli_verdict(j), "profile", judged ? j->judgement.profile->name : NULL, "error",
                     j->error ? j->error->what : NULL, "diagnosis", diagnosis_to_json(j->diagnosis), "first_bad",
                     j->diagnosis ? bad_place_to_json(&j->diagnosis->first) : json_null(), "reproduce", j->reproduce,
                     "explain", j->explain, "changed_inputs",
                     names_to_json(j->judgement.changed, gla_input_names, GLA_INPUTS), "tensors", tensors, "finding",
                     j->finding);
}

static bool write_json(FILE *to, const cli_judged *list, size_t count) {
    json_t *cases = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(cases, case_to_json(&list[i]));
    json_t *all = json_pack("{s:s, s:s, s:o}", "program", "glassbox", "version", GLASSBOX_VERSION, "cases", cases);
    bool good = all && json_array_size(cases) == count && json_dumpf(all, to, JSON_INDENT(2)) == 0;
    fputc('\n', to);
    json_decref(all);
    return good;
}

/* ---- JUnit ---- */

static void put_xml(FILE *to, const char *text) {
    for (; *text; text++) switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
        }
}

static void open_testcase(FILE *to, const char *of, const char *test) {
    fputs("  <testcase classname=\"", to);
    put_xml(to, of);
    fprintf(to, "\" name=\"%s\">", test);
}

/* What is to be said of a pass. */
static void write_remarks(FILE *to, const gla_tensor_verdict *v) {
    bool marginal = v->verdict == GLA_MARGINAL, little = cli_says_little(v);
    if (!marginal && !little) return;
    fputs("<system-out>", to);
    if (marginal) fprintf(to, "MARGINAL: %" PRId64 " elements, error/bound %.3g", v->marginal, v->worst);
    if (little)
        fprintf(to, "%sthe bound is %.2g times the output's rms: this pass says little", marginal ? "; " : "",
                v->loosest);
    fputs("</system-out>", to);
}

/* PASS and MARGINAL pass; FAIL and BROKEN are failures; what was not judged is an error. */
static void write_testcase(FILE *to, const cli_judged *j, gla_output output, const gla_tensor_verdict *v) {
    gla_place_text place;
    open_testcase(to, j->name, gla_output_names[output]);
    if (v->verdict == GLA_FAIL) {
        fprintf(to, "<failure message=\"%s: got %.9g, want %.9g, error/bound %.3g; %" PRId64 " over the bound",
                gla_place_print(output, v->at, place), v->got, v->want, v->worst, v->over);
        if (v->replay.differing)
            fprintf(to, "; %" PRId64 " elements differ from the replay, first got %s, replayed %s", v->replay.differing,
                    v->replay.got, v->replay.want);
        if (j->diagnosis && j->diagnosis->found) {
            fputs("; likely cause: ", to);
            put_xml(to, j->diagnosis->sentence);
        }
        fputs("\"/>", to);
    }
    if (v->verdict == GLA_BROKEN) fprintf(to, "<failure message=\"BROKEN: %s\"/>", v->why);
    if (v->verdict == GLA_UNCERTIFIED)
        fprintf(to, "<error message=\"%" PRId64 " elements without certified truth\"/>", v->uncertified);
    write_remarks(to, v);
    fputs("</testcase>\n", to);
}

/* A test case that is no tensor, with a failure or an error. */
static void write_other(FILE *to, const cli_judged *j, const char *test, const char *kind, const char *message) {
    open_testcase(to, j->name, test);
    fprintf(to, "<%s message=\"", kind);
    put_xml(to, message);
    fputs("\"/></testcase>\n", to);
}

/* Words alone. A finding that passes is a test case without anything in it. */
static void write_unjudged(FILE *to, const cli_judged *j) {
    cli_exit exit = j->finding ? j->finding_exit : CLI_UNCERTAIN;
    const char *kind = exit == CLI_SKIPPED ? "skipped" : exit == CLI_UNCERTAIN ? "error" : "failure";
    if (exit != CLI_PASS) {
        write_other(to, j, "case", kind, cli_why_not_judged(j));
        return;
    }
    open_testcase(to, j->name, "case");
    fputs("</testcase>\n", to);
}

static void write_case(FILE *to, const cli_judged *j) {
    if (!cli_has_verdict(j)) {
        write_unjudged(to, j);
        return;
    }
    if (j->judgement.changed) write_other(to, j, "inputs", "failure", "BROKEN: inputs changed by the candidate");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j->judgement.tensor[i].judged) write_testcase(to, j, (gla_output)i, &j->judgement.tensor[i]);
}

typedef struct totals {
    int tests, failures, errors, skipped;
} totals;

static void count_unjudged(totals *n, const cli_judged *j) {
    if (cli_has_verdict(j)) return;
    cli_exit exit = j->finding ? j->finding_exit : CLI_UNCERTAIN;
    n->skipped += exit == CLI_SKIPPED;
    n->failures += exit == CLI_MISMATCH || exit == CLI_BROKEN;
    n->errors += exit == CLI_UNCERTAIN;
}

static totals count_tests(const cli_judged *list, size_t count) {
    totals n = {0};
    for (size_t c = 0; c < count; c++) {
        const gla_judgement *g = &list[c].judgement;
        bool judged = cli_has_verdict(&list[c]), changed = judged && g->changed;
        n.tests += judged ? g->judged + changed : 1;
        count_unjudged(&n, &list[c]);
        n.failures += changed;
        for (int i = 0; i < GLA_OUTPUTS && judged; i++) {
            const gla_tensor_verdict *v = &g->tensor[i];
            n.failures += v->judged && (v->verdict == GLA_FAIL || v->verdict == GLA_BROKEN);
            n.errors += v->judged && v->verdict == GLA_UNCERTIFIED;
        }
    }
    return n;
}

static bool write_junit(FILE *to, const cli_judged *list, size_t count) {
    totals n = count_tests(list, count);
    fprintf(to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuites>\n <testsuite name=\"glassbox\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\">\n",
            n.tests, n.failures, n.errors, n.skipped);
    for (size_t i = 0; i < count; i++) write_case(to, &list[i]);
    fputs(" </testsuite>\n</testsuites>\n", to);
    return true;
}

/* ---- Markdown ---- */

/* A cell: no bars, no line ends. */
static void put_cell(FILE *to, const char *text) {
    for (; *text; text++) fputc(*text == '|' || *text == '\n' ? ' ' : *text, to);
}

static void write_markdown_tensor(FILE *to, const cli_judged *j, gla_output output, const gla_tensor_verdict *v) {
    cli_index_text at;
    fputs("| ", to);
    put_cell(to, j->name);
    fprintf(to, " | %s | %s%s", gla_output_names[output], gla_verdict_names[v->verdict],
            v->replay.differing ? ": not the declared arithmetic" : "");
    if (cli_says_little(v)) fprintf(to, ": says little, the bound is %.2g times the rms", v->loosest);
    fputs(" | ", to);
    if (v->verdict == GLA_BROKEN)
        fprintf(to, "%s %s | | | | |\n", v->why, cli_shape(v->shape, at));
    else
        fprintf(to, "%.3g | %s | %.6g | %.6g | %" PRId64 " |\n", v->worst, cli_shape(v->at, at), v->got, v->want,
                v->over);
}

/* A row that is no tensor. */
static void write_markdown_other(FILE *to, const cli_judged *j, const char *verdict, const char *why) {
    fputs("| ", to);
    put_cell(to, j->name);
    fprintf(to, " | | %s | ", verdict);
    put_cell(to, why);
    fputs(" | | | | |\n", to);
}

static void write_markdown_case(FILE *to, const cli_judged *j) {
    if (!cli_has_verdict(j)) {
        write_markdown_other(to, j, cli_verdict(j), cli_why_not_judged(j));
        return;
    }
    if (j->judgement.changed) write_markdown_other(to, j, "BROKEN", "inputs changed by the candidate");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j->judgement.tensor[i].judged) write_markdown_tensor(to, j, (gla_output)i, &j->judgement.tensor[i]);
}

static bool write_markdown(FILE *to, const cli_judged *list, size_t count) {
    fputs("| case | output | verdict | error/bound | worst at | got | want | over the bound |\n"
          "|---|---|---|---|---|---|---|---|\n",
          to);
    for (size_t c = 0; c < count; c++) write_markdown_case(to, &list[c]);
    return true;
}

/* ---- files ---- */

static gla_status write_file(const char *path, const cli_judged *list, size_t count,
                             bool (*write)(FILE *, const cli_judged *, size_t), gla_error *err) {
    cli_file file;
    gla_status status = cli_file_open(path, &file, err);
    if (status) return status;
    if (write(file.to, list, count)) return cli_file_close(&file, err);
    bool unwritten = ferror(file.to);
    cli_file_abandon(&file);
    if (unwritten) return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot write", path);
    return gla_fail(err, GLA_BAD_VALUE, "%.200s: a name is not UTF-8, or there is no memory", path);
}

gla_status cli_report_json(const char *path, const cli_judged *list, size_t count, gla_error *err) {
    return write_file(path, list, count, write_json, err);
}

gla_status cli_report_junit(const char *path, const cli_judged *list, size_t count, gla_error *err) {
    return write_file(path, list, count, write_junit, err);
}

gla_status cli_report_markdown(const char *path, const cli_judged *list, size_t count, gla_error *err) {
    return write_file(path, list, count, write_markdown, err);
}
