#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { OWN_OUT, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_OUT] = {.size = sizeof(pare_option),
                 .name = "out",
                 .section = "output",
                 .type = PARE_OPTION_TEXT,
                 .initial = "-",
                 .choices = "",
                 .help = "file of the scores, one row a sample; -: standard output"},
};

/* Weights of variants applied to the samples of genotypes. */
static pare_exit score_samples(pare_cli *cli) {
    const char *out = cli->own[OWN_OUT], *text = NULL;
    pare_polygenic *scores = NULL;
    pare_view_status(&cli->view, "reading genotypes");
    pare_status status = pare_polygenic_create(cli->ctx, cli->positional[0], cli->config, &scores);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    pare_view_clear(&cli->view);
    pare_exit code = PARE_EXIT_OK;
    status = pare_polygenic_text(scores, &text);
    if (status == PARE_OK && strcmp(out, "-") == 0) {
        pare_view_say(&cli->view, "%s", text);
    } else if (status == PARE_OK && !pare_cli_flag(cli, "quiet")) {
        fputs(text, stdout);
    }
    if (status == PARE_OK) {
        status = pare_polygenic_save(scores, out);
    }
    if (status != PARE_OK) {
        code = pare_cli_failed(cli, status);
        code = status == PARE_ERROR_IO ? PARE_EXIT_OUTPUT : code;
    }
    pare_polygenic_destroy(scores);
    return code;
}

static pare_exit run_score(pare_cli *cli) {
    const char *out = cli->own[OWN_OUT], *reason = NULL;
    if (!pare_system_writable(out, &reason)) {
        return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "%s: cannot be written: %s", out, reason);
    }
    pare_exit code = pare_cli_readable(cli, cli->positional[0]);
    return code == PARE_EXIT_OK ? score_samples(cli) : code;
}

const pare_command pare_command_score = {
    .name = "score",
    .summary = "polygenic scores of samples by the weights of `pare genome`",
    .usage = "WEIGHTS --bfile NAME [options]",
    .examples = "pare score bmi.BMI.weights.tsv --bfile new --out new.scores.tsv\n",
    .sections = "genotypes|polygenic|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_score,
};
