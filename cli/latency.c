#include "cli.h"

#include <stdio.h>

enum { OWN_COUNT = 3 };

static const pare_option own[OWN_COUNT] = {
    PARE_OWN_NUMBER("latency", "batch", PARE_OPTION_INTEGER, "1", 1, 1024,
                    "sequences generated at a time"),
    PARE_OWN_NUMBER("latency", "prompt", PARE_OPTION_INTEGER, "128", 1, 1048576,
                    "tokens of the prompt"),
    PARE_OWN_NUMBER("latency", "generate", PARE_OPTION_INTEGER, "64", 1, 1048576,
                    "tokens generated after it"),
};

/* The options of the library they set. */
static const char *const sets[OWN_COUNT] = {"sequences", "prompt-tokens", "generate"};

static pare_exit run_latency(pare_cli *cli) {
    for (int64_t i = 0; i < OWN_COUNT; i++) {
        pare_status status = pare_config_set(cli->config, sets[i], cli->own[i]);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
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
    .examples = "pare latency smollm/ --batch 1 --prompt 128 --generate 64\n",
    .sections = "run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_latency,
};
