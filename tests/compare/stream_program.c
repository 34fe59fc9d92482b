/* SPDX-License-Identifier: Apache-2.0
 *
 * A program between `glassbox gen --stream` and `glassbox verify --stream`: reads a frame, computes, writes a frame
 * with the outputs and the name of the case. Here it computes by the recurrent reference in binary32.
 *
 * Its argument makes it do one thing wrong, for test_stream.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare/io/case.h"
#include "compare/io/stream.h"

static const char *fault;

static bool wrong(const char *what) { return strcmp(fault, what) == 0; }

static void stop(const char *what) {
    fprintf(stderr, "stream_program: %s\n", what);
    exit(1);
}

static void add_output(gla_tensor_file *answer, const gla_case *c, const gla_result *r, gla_output name) {
    gla_error err;
    int64_t count = r->tensor[name].count;
    double *value = malloc((size_t)(count + 1) * sizeof *value);
    if (!value) stop("no memory");
    for (int64_t i = 0; i < count; i++) value[i] = gla_result_d(r, name, i);
    if (wrong("half") && name == GLA_O)
        for (int64_t i = 0; i < count; i++) value[i] /= 2;
    if (gla_case_add_output(answer, &c->problem, name, GLA_F32, value, &err)) stop(err.what);
    free(value);
}

static void compute(const gla_case *c, gla_tensor_file *answer) {
    gla_error err;
    gla_form form;
    gla_numbers *numbers;
    gla_result r;
    gla_form_parse("recurrent+suffix", &form, NULL);
    form.backward = c->problem.d_o.at || c->problem.d_final_state.at;
    if (gla_numbers_open("binary32", &numbers, &err)) stop(err.what);
    if (gla_run(&c->problem, &form, numbers, &r, &err)) stop(err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (r.tensor[i].at && !wrong("nothing")) add_output(answer, c, &r, (gla_output)i);
    gla_result_free(&r);
    gla_numbers_close(numbers);
}

static void write_bytes(const void *bytes, size_t size) {
    if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size) exit(1);
}

static void send(const gla_tensor_file *answer) {
    gla_error err;
    if (gla_stream_write(STDOUT_FILENO, answer, &err)) stop(err.what);
}

/* What is wrong with answer number `n`, apart from its numbers. */
static void answer_case(gla_tensor_file *answer, const char *name, int n) {
    static const uint64_t huge = (uint64_t)1 << 60, five = 5;
    gla_error err;
    bool second = n == 2;
    if (second && wrong("missing")) return;
    if (second && wrong("unknown")) name = "nobody";
    if (!(second && wrong("anonymous")) && gla_tensors_set_meta(answer, "case", name, &err)) stop(err.what);
    if (second && wrong("oversized")) write_bytes(&huge, 8);
    if (second && wrong("garbage")) {
        write_bytes(&five, 8);
        write_bytes("12345", 5);
        return;
    }
    send(answer);
    if (second && wrong("twice")) send(answer);
    if (second && wrong("cut")) {
        write_bytes(&five, 8);
        write_bytes("12", 2);
        exit(0);
    }
    if (second && wrong("crash")) abort();
    while (second && wrong("endless")) send(answer);
}

int main(int argc, char **argv) {
    fault = argc > 1 ? argv[1] : "";
    gla_stream in = {.fd = STDIN_FILENO};
    for (int n = 1;; n++) {
        gla_error err;
        gla_tensor_file frame, answer = {0};
        gla_case c;
        if (gla_stream_next(&in, &frame, &err)) stop(err.what);
        if (in.ended) return 0;
        if (gla_case_build(&frame, NULL, "frame", NULL, &c, &err)) stop(err.what);
        compute(&c, &answer);
        if (wrong("changed")) { /* it sends an input back, and not as it was */
            double q[4] = {0};
            gla_tensors_add(&answer, "q", GLA_BF16, 4, (int64_t[]){1, 1, 1, 4}, q, NULL);
        }
        answer_case(&answer, c.name, n);
        gla_tensors_free(&answer);
        gla_case_free(&c);
    }
}
