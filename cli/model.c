#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pare_exit pare_cli_open_model(pare_cli *cli, const char *path, pare_model **out) {
    pare_status status = pare_model_open(cli->ctx, path, cli->config, out);
    return status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
}

static pare_exit run_model(pare_cli *cli) {
    pare_model *model = NULL;
    const char *text = NULL;
    if (strcmp(cli->positional[0], "info") != 0) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "'%s' is not what pare model does: pare %s %s",
                             cli->positional[0], cli->command->name, cli->command->usage);
    }
    pare_exit code = pare_cli_open_model(cli, cli->positional[1], &model);
    if (code == PARE_EXIT_OK) {
        pare_status status = pare_model_text(model, &text);
        code = status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
    }
    if (code == PARE_EXIT_OK) {
        fputs(text, stdout);
    }
    pare_model_close(model);
    return code;
}

const pare_command pare_command_model = {
    .name = "model",
    .summary = "print shape, size and cost of a language model",
    .usage = "info MODEL",
    .examples = "pare model info smollm/\n"
                "pare model info stories260K.gguf\n",
    .sections = "run",
    .positionals = 2,
    .run = run_model,
};
