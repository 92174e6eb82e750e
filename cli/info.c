#include "cli.h"

#include <stdio.h>

static pare_exit run_info(pare_cli *cli) {
    const char *text = NULL;
    pare_status status = pare_context_info(cli->ctx, &text);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    fputs(text, stdout);
    return PARE_EXIT_OK;
}

const pare_command pare_command_info = {
    .name = "info",
    .summary = "print the version, what the processor offers and which parts were built in",
    .usage = "",
    .examples = "pare info\n",
    .sections = "",
    .run = run_info,
};

static pare_exit run_options(pare_cli *cli) {
    (void)cli;
    pare_help_markdown();
    return PARE_EXIT_OK;
}

/* Unlisted: scripts/options_doc.sh asks for the documentation page. */
const pare_command pare_command_options = {
    .name = "options",
    .usage = "",
    .examples = "pare options > docs/options.md\n",
    .sections = "",
    .run = run_options,
};
