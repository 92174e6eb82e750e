#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OWN_OUT = PARE_SCORE_OWN, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    PARE_ROWS_OPTIONS,
    [OWN_OUT] =
        PARE_OWN_TEXT("output", "out", "-",
                      "file of the scores, one row a sample or scored row; -: standard output"),
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
        code = pare_cli_written(cli, status);
    }
    pare_polygenic_destroy(scores);
    return code;
}

/* A folder of `pare train` applied to rows. */
static pare_exit score_rows(pare_cli *cli, const char *model, const char *path) {
    const char *out = cli->own[OWN_OUT];
    pare_embedding_scores scores = {.size = sizeof scores};
    pare_exit code = pare_cli_readable(cli, model);
    if (code == PARE_EXIT_OK) {
        code = pare_cli_readable(cli, path);
    }
    if (code == PARE_EXIT_OK) {
        code = pare_embed_set(cli, PARE_SCORE_OWN);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_view_status(&cli->view, "scoring %s", path);
    pare_status status = pare_embedding_score(cli->ctx, model, path, cli->config, out, &scores);
    if (status != PARE_OK) {
        return pare_cli_written(cli, status);
    }
    pare_view_clear(&cli->view);
    if (isfinite(scores.log_loss)) {
        pare_view_say(&cli->view, "%lld rows: log loss %.5f, AUC %.5f", (long long)scores.rows,
                      scores.log_loss, scores.auc);
    } else {
        pare_view_say(&cli->view, "%lld rows", (long long)scores.rows);
    }
    return PARE_EXIT_OK;
}

static pare_exit run_score(pare_cli *cli) {
    const char *model = cli->positional[0], *rows = cli->positional[1];
    pare_exit code = pare_cli_writable(cli, "out", cli->own[OWN_OUT]);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    if (rows) {
        return score_rows(cli, model, rows);
    }
    code = pare_cli_readable(cli, model);
    return code == PARE_EXIT_OK ? score_samples(cli) : code;
}

const pare_command pare_command_score = {
    .name = "score",
    .summary = "score samples by the weights of `pare genome`, or rows by a model of `pare train`",
    .usage = "WEIGHTS --bfile NAME [options] | MODEL ROWS [options]",
    .examples = "pare score clicks/ today.csv --out probability.csv\n"
                "pare score bmi.BMI.weights.tsv --bfile new --out new.scores.tsv\n",
    .sections = "genotypes|polygenic|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .optional = 1,
    .run = run_score,
};
