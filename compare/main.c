/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox COMMAND ...: finds the command and runs it. Exit statuses are those of cli.h.
 */
#include "cli.h"
#include "cli_plugin.h"

#include <errno.h>
#include <string.h>

extern const cli_command cli_check, cli_explain, cli_shrink, cli_list, cli_run, cli_truth, cli_cross, cli_gen,
    cli_verify, cli_vectors, cli_study, cli_hardware, cli_mma, cli_probe, cli_bench, cli_lm, cli_step;

const cli_command *const cli_commands[] = {
    &cli_check, &cli_explain, &cli_shrink, &cli_run,      &cli_truth, &cli_cross, &cli_gen,  &cli_verify, &cli_vectors,
    &cli_study, &cli_lm,      &cli_step,   &cli_hardware, &cli_mma,   &cli_probe, &cli_list, &cli_bench,  NULL};

static void print_help(void) {
    puts("Usage: glassbox COMMAND [OPTION...]\n"
         "A glass-box reference and test oracle for Gated Linear Attention.\n\n"
         "Commands:");
    for (const cli_command *const *c = cli_commands; *c; c++) printf("  %-9s %s\n", (*c)->name, (*c)->summary);
    puts("\n"
         "  glassbox COMMAND --help    options and an example of a command\n"
         "  glassbox --version         the version\n\n"
         "Exit status: 0 pass, 1 mismatch, 2 usage or bad file, 3 candidate broken,\n"
         "             4 oracle could not certify or judged nothing, 77 skipped.\n\n"
         "Example: is this kernel's output what its arithmetic can give?\n"
         "  glassbox check data/real/gla_chunk_bf16_mild.safetensors");
}

static const cli_command *command_named(const char *name) {
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    return NULL;
}

static int run_command(int argc, char **argv) {
    const cli_command *command = command_named(argv[1]);
    if (!command) return cli_complain("glassbox", "no command '%.40s' (glassbox --help lists them)", argv[1]);
    char name[64];
    snprintf(name, sizeof name, "glassbox %s", command->name);
    argv[1] = name;
    return command->run(argc - 1, argv + 1);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) return cli_complain("glassbox", "no command given (glassbox --help lists them)");
    if (strcmp(argv[1], "--plugin-runner") == 0) return cli_plugin_runner();
    if (strcmp(argv[1], "--help") == 0) {
        print_help();
        return CLI_PASS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("glassbox " GLASSBOX_VERSION);
        return CLI_PASS;
    }
    return run_command(argc, argv);
}

/* What was printed must also have arrived. */
int main(int argc, char **argv) {
    int status = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_complain("glassbox", "cannot write the standard output: %s", strerror(errno));
    return status;
}
