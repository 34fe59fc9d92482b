/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox verify: the outputs that a program sends back for the cases of glassbox gen --stream.
 *
 * The inputs are not read back: the same options make the same cases again, and the metadata string "case" of a frame
 * says which one it answers. A frame may be missing, twice there, unknown, unreadable or cut; that is the program's
 * fault, and the others are judged all the same. After the first frame that is one too many nothing more is read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_candidate.h"
#include "cli_generation.h"
#include "cli_judging.h"
#include "io/stream.h"

static const char name[] = "verify";

typedef struct settings {
    cli_generation generation;
    cli_judging judging;
    bool stream, quiet;
    int64_t timeout, megabytes;
} settings;

/* ---- command line ---- */

enum { KEY_STREAM = 512, KEY_TIMEOUT, KEY_LIMIT };
static const struct argp_option table[] = {
    {"stream", KEY_STREAM, NULL, 0, "Read frames from stdin (the only way, and to be given)", 1},
    {"quiet", 'q', NULL, 0, "Print only what did not pass, and the totals", 1},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "Give up when nothing arrives for so long (default 600)", 1},
    {"limit", KEY_LIMIT, "MIB", 0, "Largest frame that is read (default 1024)", 1},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->generation;
        state->child_inputs[1] = &s->judging;
        return 0;
    case KEY_STREAM:
        s->stream = true;
        return 0;
    case 'q':
        s->quiet = true;
        return 0;
    case KEY_TIMEOUT:
        return cli_integer(state, "--timeout", argument, 1, 1000000, &s->timeout);
    case KEY_LIMIT:
        return cli_integer(state, "--limit", argument, 1, 32768, &s->megabytes);
    case ARGP_KEY_END:
        return s->stream ? 0 : cli_bad(state, "--stream is not given: frames come on stdin");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&cli_generation_argp, 0, "Which cases, as for gen:", 0}, {&cli_judging_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .doc =
        "Judge a stream of outputs, one frame for each case of gen --stream with the same options."
        "\vA frame is a u64 little-endian length and then a safetensors file with the outputs, whose metadata string "
        "\"case\" is that of the case it answers. Frames come in any order.\n"
        "Exits with 0 pass, 1 mismatch, 2 usage, 3 a frame missing, broken or unknown, 4 uncertified.\n\n"
        "Example:\n  glassbox gen --stream --level quick | ./program | glassbox verify --stream --level quick",
    .children = children};

/* ---- what is expected ---- */

typedef struct expected {
    gla_case_label name;
    int64_t index;
    bool seen;
} expected;

typedef struct verification {
    const settings *s;
    expected *list; /* in the order of names */
    int64_t cases, answered;
    bool broken;        /* the stream itself is: something missing, unknown, unreadable */
    cli_judged *judged; /* one per case, and one per bad frame */
    size_t judged_count;
} verification;

static int by_name(const void *a, const void *b) { return strcmp(a, b); /* the name is the first member */ }

static gla_status list_cases(verification *v, gla_error *err) {
    v->list = calloc((size_t)v->cases, sizeof *v->list);
    if (!v->list) return gla_fail(err, GLA_NO_MEMORY, "no memory for %" PRId64 " cases", v->cases);
    for (int64_t i = 0; i < v->cases; i++) {
        gla_case_spec spec = cli_generation_spec(&v->s->generation, i);
        gla_status status = gla_case_complete(&spec, v->list[i].name, err);
        if (status) return status;
        v->list[i].index = i;
    }
    qsort(v->list, (size_t)v->cases, sizeof *v->list, by_name);
    return GLA_OK;
}

/* ---- results; their strings live until the end ---- */

/* Report and keep. */
static void keep(verification *v, const cli_judged *x) {
    cli_judged *larger = realloc(v->judged, (v->judged_count + 1) * sizeof *larger);
    if (!v->s->quiet || cli_judged_exit(x, v->s->judging.strict) != CLI_PASS) cli_report_text(x);
    if (!larger) return;
    v->judged = larger;
    v->judged[v->judged_count++] = *x;
}

static char *reproduce_of(const gla_case_spec *spec) {
    char text[400];
    cli_generation_command(spec, text, sizeof text);
    return strdup(text);
}

/* Of the first bad element, once the command above has made the case again. */
static char *explain_of(const verification *v, const cli_judged *x) {
    char *text;
    gla_place_text place;
    if (!x->diagnosis || !x->diagnosis->first.known) return NULL;
    const gla_bad_place *first = &x->diagnosis->first;
    int length =
        asprintf(&text, "glassbox explain cases/%s.safetensors --at '%s' --profile %s", x->name,
                 gla_place_print(first->output, first->at, place), cli_profile_text(&v->s->judging, &x->judgement));
    return length < 0 ? NULL : text;
}

/* Something about a frame that keeps it from being judged. */
static void keep_bad_frame(verification *v, uint64_t frame, const gla_error *why) {
    char label[40];
    gla_error *copy = malloc(sizeof *copy);
    snprintf(label, sizeof label, "frame %" PRIu64, frame);
    if (copy) *copy = *why;
    cli_judged x = {.name = strdup(label), .path = "stdin", .error = copy ? copy : why};
    v->broken = true;
    keep(v, &x);
}

static void keep_missing(verification *v, const expected *e) {
    gla_case_spec spec = cli_generation_spec(&v->s->generation, e->index);
    gla_case_label label;
    gla_case_complete(&spec, label, NULL);
    gla_problem p = {.B = spec.B, .T = spec.T, .H = spec.H, .dk = spec.dk, .dv = spec.dv};
    cli_judged x = {.name = e->name, .path = "stdin", .reproduce = reproduce_of(&spec)};
    const cli_judging *s = &v->s->judging;
    gla_tensor_verdict *o = &x.judgement.tensor[GLA_O];
    *o = (gla_tensor_verdict){.judged = true, .verdict = GLA_BROKEN, .why = "no frame for this case"};
    gla_output_shape(&p, GLA_O, o->shape);
    x.judgement.verdict = GLA_BROKEN;
    x.judgement.judged = 1;
    x.judgement.profile = s->profile ? &s->declared : gla_profile_default(gla_dtype_format(v->s->generation.dtype));
    v->broken = true;
    keep(v, &x);
}

static void free_results(verification *v) {
    for (size_t i = 0; i < v->judged_count; i++) {
        cli_judged *x = &v->judged[i];
        if (x->error) {
            free((char *)x->name);
            free((gla_error *)x->error);
        }
        free((char *)x->reproduce);
        free((char *)x->explain);
        free((gla_diagnosis *)x->diagnosis);
    }
    free(v->judged);
    free(v->list);
}

/* ---- judging one frame ---- */

static unsigned changed_inputs(const gla_tensor_file *own, const gla_tensor_file *frame) {
    unsigned changed = 0;
    for (int i = 0; i < GLA_INPUTS; i++) {
        const gla_named_tensor *a = gla_tensors_find(own, gla_input_names[i]),
                               *b = gla_tensors_find(frame, gla_input_names[i]);
        if (a && b && !gla_tensors_same(a, b)) changed |= 1u << i;
    }
    return changed;
}

/* Outputs of --only that the frame has not are missing. */
static gla_status judge_case(const verification *v, const gla_case *c, unsigned changed, cli_judged *x,
                             gla_error *err) {
    const cli_judging *s = &v->s->judging;
    gla_candidate candidate;
    bool diagnosed;
    gla_diagnosis *d = malloc(sizeof *d);
    if (!d) return gla_fail(err, GLA_NO_MEMORY, "no memory for the diagnosis");
    cli_outputs_of(c, &candidate);
    cli_expect_outputs(s->only, &candidate);
    candidate.changed = changed;
    gla_status status = cli_judge(s, &c->problem, &candidate, (int)s->threads, NULL, &x->judgement, d, &diagnosed, err);
    if (diagnosed)
        x->diagnosis = d;
    else
        free(d);
    return status;
}

static gla_status judge_frame(verification *v, expected *e, gla_tensor_file *frame, gla_error *err) {
    gla_case_spec spec = cli_generation_spec(&v->s->generation, e->index);
    gla_generated made;
    gla_tensor_file file = {0};
    gla_case c = {0};
    unsigned changed = 0;
    cli_judged x = {.name = e->name, .path = "stdin"};
    gla_status status = gla_generate(&spec, &made, err);
    if (status == GLA_OK) status = cli_generation_file(&v->s->generation, &made, &file, err);
    if (status == GLA_OK) changed = changed_inputs(&file, frame);
    if (status == GLA_OK) status = gla_case_build(&file, frame, e->name, NULL, &c, err);
    if (status == GLA_OK) status = judge_case(v, &c, changed, &x, err);
    if (status == GLA_OK) {
        x.reproduce = reproduce_of(&made.spec);
        x.explain = explain_of(v, &x);
        keep(v, &x);
    }
    gla_case_free(&c);
    gla_tensors_free(&file);
    gla_generated_free(&made);
    return status;
}

/* Whose frame is it? */
static gla_status match(verification *v, const gla_tensor_file *frame, uint64_t number, expected **which,
                        gla_error *err) {
    const char *label = gla_tensors_meta(frame, "case");
    if (!label) {
        gla_fail(err, GLA_BAD_FILE, "frame %" PRIu64 " does not say which case it answers", number);
        return gla_hint(err, GLA_BAD_FILE, "copy the metadata string 'case' of the input frame");
    }
    gla_case_label key;
    bool fits = strlen(label) < sizeof key;
    snprintf(key, sizeof key, "%s", label);
    *which = fits ? bsearch(key, v->list, (size_t)v->cases, sizeof *v->list, by_name) : NULL;
    for (char *c = key; *c; c++)
        if ((unsigned char)*c < ' ') *c = '?';
    if (!*which) {
        gla_fail(err, GLA_BAD_FILE, "frame %" PRIu64 " answers '%s', which is none of the cases", number, key);
        return gla_hint(err, GLA_BAD_FILE, "are the options those of gen?");
    }
    if ((*which)->seen) return gla_fail(err, GLA_BAD_FILE, "frame %" PRIu64 " answers '%s' again", number, key);
    (*which)->seen = true;
    v->answered++;
    return GLA_OK;
}

/* ---- the stream ---- */

static gla_status too_many(const verification *v, gla_error *err) {
    return gla_fail(err, GLA_BAD_FILE, "more frames than the %" PRId64 " cases: the rest is not read", v->cases);
}

static void read_stream(verification *v) {
    gla_stream in = {.fd = STDIN_FILENO,
                     .limit = (uint64_t)v->s->megabytes << 20,
                     .timeout_ms = (int)(v->s->timeout < 2000000 ? v->s->timeout * 1000 : -1)};
    bool last = false;
    while (!in.lost && !last) {
        gla_error err = {0};
        gla_tensor_file frame;
        expected *which = NULL;
        gla_status status = gla_stream_next(&in, &frame, &err);
        if (in.ended) break;
        last = in.frames > (uint64_t)v->cases;
        if (status == GLA_OK && last) status = too_many(v, &err);
        if (status == GLA_OK) status = match(v, &frame, in.frames, &which, &err);
        if (status == GLA_OK) status = judge_frame(v, which, &frame, &err);
        if (status != GLA_OK) keep_bad_frame(v, in.frames, &err);
        gla_tensors_free(&frame);
        fflush(stdout);
    }
}

static int summarise(const verification *v) {
    const cli_judging *s = &v->s->judging;
    int64_t passed = 0;
    for (size_t i = 0; i < v->judged_count; i++) passed += cli_judged_exit(&v->judged[i], s->strict) == CLI_PASS;
    printf("%" PRId64 " cases: %" PRId64 " answered, %" PRId64 " passed\n", v->cases, v->answered, passed);
    return v->broken ? CLI_BROKEN : cli_worst_exit(s, v->judged, v->judged_count);
}

static int verify(verification *v) {
    gla_error err = {0};
    if (list_cases(v, &err) != GLA_OK) return cli_fail(name, &err);
    read_stream(v);
    for (int64_t i = 0; i < v->cases; i++)
        if (!v->list[i].seen) keep_missing(v, &v->list[i]);
    int written = cli_write_reports(&v->s->judging, name, v->judged, v->judged_count), status = summarise(v);
    return written != CLI_PASS ? written : status;
}

static int run(int argc, char **argv) {
    settings s = {.generation = cli_generation_default(), .timeout = 600, .megabytes = 1024};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended == CLI_GO_ON) ended = cli_judging_open(&s.judging, name);
    if (ended != CLI_GO_ON) return ended;
    verification v = {.s = &s, .cases = cli_generation_cases(&s.generation)};
    if (v.cases < 0) return cli_complain(name, "no family '%.40s' (glassbox list shows them)", s.generation.family);
    int status = verify(&v);
    free_results(&v);
    return status;
}

const cli_command cli_verify = {name, "judge a stream of outputs for the cases of gen --stream", run};
