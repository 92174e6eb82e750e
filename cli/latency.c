#include "cli.h"

#include <stdio.h>

static pare_exit run_latency(pare_cli *cli) {
    pare_model *model = NULL;
    const char *text = NULL;
    pare_exit code = pare_cli_open_model(cli, cli->positional[0], &model);
    if (code == PARE_EXIT_OK) {
        pare_status status = pare_model_latency(model, cli->config, &text);
        code = status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
    }
    if (code == PARE_EXIT_OK) {
        fputs(text, stdout);
    }
    pare_model_close(model);
    return code;
}

const pare_command pare_command_latency = {
    .name = "latency",
    .summary = "measure what the parts of a language model cost on this machine",
    .usage = "MODEL [options]",
    .examples = "pare latency smollm/ --sequences 1 --prompt-tokens 128 --generate 64\n",
    .sections = "generation|latency|run",
    .positionals = 1,
    .run = run_latency,
};
