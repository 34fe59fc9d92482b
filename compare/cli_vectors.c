/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox vectors: the vector set (cli_vectors.h), made and verified.
 */
#include "cli_vectors.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <string.h>

static const char name[] = "vectors";

gla_status cli_sha256_of_file(const char *path, cli_sha256_text digest, int64_t *bytes, gla_error *err) {
    unsigned char block[1 << 14], raw[SHA256_DIGEST_SIZE];
    struct sha256_ctx hash;
    FILE *from = fopen(path, "rb");
    if (!from) return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", path, strerror(errno));
    sha256_init(&hash);
    *bytes = 0;
    for (size_t n; (n = fread(block, 1, sizeof block, from)) > 0; *bytes += (int64_t)n) sha256_update(&hash, n, block);
    bool good = !ferror(from);
    fclose(from);
    if (!good) return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot read", path);
    sha256_digest(&hash, sizeof raw, raw);
    for (size_t i = 0; i < sizeof raw; i++) snprintf(digest + 2 * i, 3, "%02x", raw[i]);
    return GLA_OK;
}

typedef struct settings {
    const char *action, *folder;
} settings;

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    if (key == ARGP_KEY_END) {
        if (!s->folder) return cli_bad(state, "make FOLDER or verify FOLDER is wanted");
        if (strcmp(s->action, "make") == 0 || strcmp(s->action, "verify") == 0) return 0;
        return cli_bad(state, "'%.40s' is neither make nor verify", s->action);
    }
    if (key != ARGP_KEY_ARG || s->folder) return ARGP_ERR_UNKNOWN;
    *(s->action ? &s->folder : &s->action) = argument;
    return 0;
}

static const struct argp options = {
    .parser = parse,
    .args_doc = "make|verify FOLDER",
    .doc = "The vector set: small cases with truth and allowed error of every element, for judging without an oracle."
           "\vmake writes it, the same bytes every time; verify compares a folder with its manifest and exits with 2 "
           "if a file is missing, changed or not listed.\n\n"
           "Example:\n  glassbox vectors verify data/vectors/v1"};

static int run(int argc, char **argv) {
    settings s = {0};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    gla_error err = {0};
    int64_t files, bytes;
    gla_status status = strcmp(s.action, "make") == 0 ? cli_vectors_make(s.folder, &err) : GLA_OK;
    if (status == GLA_OK) status = cli_vectors_verify(s.folder, &files, &bytes, &err);
    if (status != GLA_OK) return cli_fail(name, &err);
    printf("%s: %" PRId64 " vectors, %.2f MiB, as their manifest says\n", s.folder, files, (double)bytes / (1 << 20));
    return CLI_PASS;
}

const cli_command cli_vectors = {name, "cases with truth and allowed errors, for judging without an oracle", run};
