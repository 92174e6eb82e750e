#include "cli.h"

#include <stdio.h>

static int print_piece(void *user, const char *bytes, int64_t length) {
    const char **prompt = user; /* shown once the model has begun */
    if (*prompt) {
        fputs(*prompt, stdout);
        *prompt = NULL;
    }
    size_t written = fwrite(bytes, 1, (size_t)length, stdout);
    return written != (size_t)length || fflush(stdout) != 0 || pare_system_interrupted();
}

static pare_exit run_generate(pare_cli *cli) {
    pare_model *model = NULL;
    pare_generation made = {.size = sizeof made};
    pare_exit code = pare_cli_open_model(cli, cli->positional[0], &model);
    if (code == PARE_EXIT_OK) {
        pare_system_catch(true);
        const char *prompt = pare_cli_text(cli, "prompt");
        pare_status status = pare_model_generate(model, cli->config, print_piece, &prompt, &made);
        code = status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
    }
    if (code == PARE_EXIT_OK) {
        printf("\n");
        fflush(stdout); /* before what is said about it */
        pare_view_say(&cli->view,
                      "%lld tokens in %.3f s: %.1f tokens a second; prompt of %lld: %.1f a second",
                      (long long)made.tokens, made.seconds, (double)made.tokens / made.seconds,
                      (long long)made.prompt, (double)made.prompt / made.prompt_seconds);
        code = pare_system_interrupted() ? PARE_EXIT_INTERRUPTED : PARE_EXIT_OK;
    }
    pare_model_close(model);
    return code;
}

const pare_command pare_command_generate = {
    .name = "generate",
    .summary = "let a language model go on from a prompt",
    .usage = "MODEL --prompt TEXT [options]",
    .examples = "pare generate pruned/ --prompt \"Once upon a time\" --generate 100\n",
    .sections = "tokens|generation|run",
    .positionals = 1,
    .run = run_generate,
};
