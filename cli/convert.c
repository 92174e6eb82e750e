#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { OWN_COMPRESSION, OWN_THREADS, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_COMPRESSION] =
        PARE_OWN_CHOICE("output", "compression", "none", "none|zstd", "how the chunks are packed"),
    [OWN_THREADS] = PARE_OWN_NUMBER("output", "threads", PARE_OPTION_INTEGER, "0", 0, 256,
                                    "threads; 0: one per core. The file does not depend on it"),
};

static pare_exit run_convert(pare_cli *cli) {
    const char *in = cli->positional[0], *out = cli->positional[1];
    const char *packing = cli->own[OWN_COMPRESSION];
    pare_exit code = pare_cli_readable(cli, in);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    if (strcmp(out, "-") == 0) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "convert writes to a file, not to standard output");
    }
    code = pare_cli_writable(cli, "", out);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_status status =
        pare_context_set_threads(cli->ctx, strtol(cli->own[OWN_THREADS], NULL, 10));
    bool complete = false;
    if (status == PARE_OK) {
        pare_system_catch(true);
        status = pare_convert(cli->ctx, in, out, cli->config, strcmp(packing, "zstd") == 0,
                              pare_view_progress, &cli->view, &complete);
        pare_system_catch(false);
    }
    pare_view_clear(&cli->view);
    if (status != PARE_OK) {
        return pare_cli_written(cli, status);
    }
    if (!complete) {
        return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED,
                             "%s: interrupted; the same command goes on from there", out);
    }
    return PARE_EXIT_OK;
}

const pare_command pare_command_convert = {
    .name = "convert",
    .summary = "write a table as a .pare file: columns in chunks, typed, with checksums",
    .usage = "TABLE FILE.pare [options]",
    .examples = "pare convert huge.csv huge.pare\n"
                "pare convert huge.csv.gz huge.pare --compression zstd\n",
    .sections = "data|memory",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 2,
    .run = run_convert,
};
