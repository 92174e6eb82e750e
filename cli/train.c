#include "cli.h"

#include <math.h>
#include <stdio.h>

static pare_exit run_train(pare_cli *cli) {
    static const char *const inputs[] = {"plan", "schema"};
    static const char *const decided[] = {"model",   "dimension",  "chunk",    "min-count",
                                          "crosses", "cross-rows", "hash-bits"};
    pare_embedding_scores scores = {.size = sizeof scores};
    const char *out = cli->positional[1];
    pare_exit code = pare_embed_check(cli, inputs, 2);
    if (code == PARE_EXIT_OK && pare_cli_text(cli, "plan")[0]) {
        code = pare_cli_without(cli, decided, sizeof decided / sizeof decided[0],
                                "with option plan the plan decides it");
    }
    if (code == PARE_EXIT_OK) {
        code = pare_embed_set(cli, PARE_EMBED_OWN - 1);
    }
    if (code == PARE_EXIT_OK) {
        code = pare_cli_absent(cli, "", out);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_view_status(&cli->view, "training on %s", cli->positional[0]);
    pare_embed_watch_work(cli);
    pare_status status =
        pare_embedding_train(cli->ctx, cli->positional[0], cli->config, out, &scores);
    pare_view_clear(&cli->view);
    if (status != PARE_OK && pare_system_interrupted()) {
        return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
    }
    if (status != PARE_OK) {
        return pare_cli_written(cli, status);
    }
    if (pare_cli_flag(cli, "quiet")) {
        return PARE_EXIT_OK;
    }
    printf("%lld rows in %.2f CPU seconds, written to %s\n", (long long)scores.rows,
           scores.cpu_seconds, out);
    if (scores.hashed_ids > 0) {
        printf("%lld ids of hashed fields, of which %lld share a row with others\n",
               (long long)scores.hashed_ids, (long long)scores.shared_ids);
    }
    if (scores.crowded_ids > 0) {
        printf("%lld ids beyond the rows of the plan's tables share row 0 of their field\n",
               (long long)scores.crowded_ids);
    }
    if (isfinite(scores.log_loss)) {
        printf("held out: log loss %.5f, AUC %.5f\n", scores.log_loss, scores.auc);
    }
    return PARE_EXIT_OK;
}

const pare_command pare_command_train = {
    .name = "train",
    .summary = "train the model of a plan of `pare embed` and save it",
    .usage = "ROWS MODEL [options]",
    .examples = "pare train train.csv clicks/ --target clicked --plan plan.json --held-out 0\n"
                "pare train train.libffm clicks/ --model fm --dimension 16\n",
    .sections = "planned|embed|replace|run",
    .own = pare_embed_own,
    .own_count = PARE_EMBED_OWN - 1,
    .positionals = 2,
    .run = run_train,
};
