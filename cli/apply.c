#include "cli.h"

enum { OWN_OUT, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_OUT] = PARE_OWN_TEXT("output", "out", "-",
                              "write the smaller table to this file; - is standard output"),
};

static pare_exit run_apply(pare_cli *cli) {
    const char *out = cli->own[OWN_OUT];
    if (!out[0]) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option --out needs a file name");
    }
    /* Tried here, so that a later failure of files can only be the output's. */
    const char *table = cli->positional[1];
    pare_exit code = pare_cli_writable(cli, "out", out);
    if (code == PARE_EXIT_OK) {
        code = pare_cli_readable(cli, table);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_selection *selection = NULL;
    pare_status status = pare_selection_load(cli->ctx, cli->positional[0], &selection);
    code = status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
    if (status == PARE_OK) {
        status = pare_selection_apply(selection, table, out);
        code = pare_cli_written(cli, status);
    }
    pare_selection_destroy(selection);
    return code;
}

const pare_command pare_command_apply = {
    .name = "apply",
    .summary = "copy the chosen columns (and target and weights) of a table",
    .usage = "SELECTION.json TABLE [--out FILE]",
    .examples = "pare apply selection.json new.csv --out new_small.csv\n"
                "pare apply selection.json new.csv.gz | head\n",
    .sections = "",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 2,
    .run = run_apply,
};
