#include "cli.h"

#include <stdio.h>
#include <string.h>

/* Each sets a library option: of the same name, or of the name in `sets`. */
const pare_option pare_embed_own[PARE_EMBED_OWN] = {
    PARE_ROWS_OPTIONS,
    PARE_OWN_NUMBER("data", "held-out", PARE_OPTION_REAL, "0.2", 0, 0.9,
                    "share of the rows that only score"),
    PARE_OWN_CHOICE(
        "model", "model", "fm", "lr|fm|deepfm|dnn|dcnv2",
        "logistic regression, factorisation machine, DeepFM, network alone, DCNv2; networks have "
        "three layers of 400"),
    PARE_OWN_CHOICE("model", "optimizer", "row-adagrad", "row-adagrad|adagrad|adam|dense-adam",
                    "how the tables learn: AdaGrad with a sum a row or a float, Adam on the rows "
                    "of a batch, or on the whole table at every batch"),
    PARE_OWN_NUMBER("model", "batch", PARE_OPTION_INTEGER, "0", 0, 1000000,
                    "rows in a batch of networks and of adam; 0: 64 in networks, 256 in lr and fm, "
                    "4096 with dense-adam"),
    PARE_OWN_NUMBER("model", "dropout", PARE_OPTION_REAL, "0", 0, 0.95,
                    "share of hidden units dropped while training"),
    PARE_OWN_CHOICE("model", "normalise", "none", "none|batch",
                    "normalisation after each hidden layer"),
    PARE_OWN_CHOICE(
        "model", "method", "sequential-attention",
        "sequential-attention|frequency|mutual-information|magnitude|sseds|uniform|random|"
        "permutation|shark|group-lasso",
        "how fields and chunks are ranked"),
};

static const char *const sets[PARE_EMBED_OWN] = {
    "embed-format", "target",          "ignore", "categorical", "header",    "validation",
    "embed-model",  "embed-optimizer", "batch",  "dropout",     "normalise", "embed-method"};

static pare_exit write_results(pare_cli *cli, pare_embedding *plan) {
    const char *path = pare_cli_text(cli, "out"), *text = NULL;
    bool json = pare_cli_flag(cli, "json") || strcmp(path, "-") == 0;
    pare_status status = PARE_OK;
    if (path[0] && strcmp(path, "-") != 0) {
        status = pare_embedding_save(plan, path);
    }
    path = pare_cli_text(cli, "report");
    if (status == PARE_OK && path[0]) {
        status = pare_embedding_report(plan, path);
    }
    if (status == PARE_OK && json) {
        status = pare_embedding_save(plan, "-");
    }
    if (status == PARE_OK && !json && !pare_cli_flag(cli, "quiet")) {
        status = pare_embedding_text(plan, &text);
    }
    if (status != PARE_OK) {
        return pare_cli_written(cli, status);
    }
    fputs(text ? text : "", stdout);
    return pare_cli_flush(cli);
}

pare_exit pare_embed_set(pare_cli *cli, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const pare_option *own = &cli->command->own[i];
        bool given = cli->own[i] && strcmp(cli->own[i], own->initial) != 0;
        pare_status status = PARE_OK;
        if (given || strcmp(own->name, "held-out") == 0) {
            status = pare_config_set(cli->config, sets[i], cli->own[i]);
        }
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    return PARE_EXIT_OK;
}

/* Nothing is chosen before the end: a stop is silent until then. */
static int show(void *user, const pare_progress *progress) {
    return pare_system_interrupted() ? 1 : pare_view_progress(user, progress);
}

void pare_embed_watch_work(pare_cli *cli) {
    pare_context_on_progress(cli->ctx, show, &cli->view);
    pare_system_catch(true);
}

pare_exit pare_embed_check(pare_cli *cli, const char *const *inputs, int64_t count) {
    pare_exit code = pare_cli_readable(cli, cli->positional[0]);
    for (int64_t i = 0; i < count && code == PARE_EXIT_OK; i++) {
        const char *path = pare_cli_text(cli, inputs[i]);
        code = path[0] ? pare_cli_readable(cli, path) : PARE_EXIT_OK;
    }
    return code;
}

static pare_exit run_embed(pare_cli *cli) {
    static const char *const inputs[] = {"schema", "continue"};
    static const char *const outputs[] = {"out", "report", "state"};
    static const char *const decided[] = {"model", "dimension", "chunk",      "min-count", "rate",
                                          "curve", "crosses",   "cross-rows", "hash-bits"};
    pare_embedding *plan = NULL;
    pare_exit code = pare_embed_check(cli, inputs, sizeof inputs / sizeof inputs[0]);
    if (code == PARE_EXIT_OK && pare_cli_text(cli, "continue")[0]) {
        code = pare_cli_without(cli, decided, sizeof decided / sizeof decided[0],
                                "with option continue the state decides it");
    }
    if (code == PARE_EXIT_OK) {
        code = pare_embed_set(cli, PARE_EMBED_OWN);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    code = pare_cli_outputs_writable(cli, outputs, sizeof outputs / sizeof outputs[0]);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    const char *model = pare_cli_text(cli, "model-out");
    code = model[0] ? pare_cli_absent(cli, "model-out", model) : PARE_EXIT_OK;
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_embed_watch_work(cli);
    pare_status status = pare_embedding_create(cli->ctx, cli->positional[0], cli->config, &plan);
    pare_view_clear(&cli->view);
    if (status != PARE_OK && pare_system_interrupted()) {
        return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
    }
    /* Inputs were tried: what fails now is the state's writing. */
    code = status == PARE_OK ? write_results(cli, plan) : pare_cli_written(cli, status);
    pare_embedding_destroy(plan);
    return code;
}

const pare_command pare_command_embed = {
    .name = "embed",
    .summary = "choose fields and embedding sizes of a recommender within a serving budget",
    .usage = "ROWS [options]",
    .examples = "pare embed train.csv --target clicked --budget bytes=64M,lines=20\n"
                "pare embed train.libffm --model deepfm --out plan.json --report plan.html\n"
                "pare embed train.tsv --schema schema.json --budget budget.json\n"
                "pare embed day1.tsv --budget lines=20 --state state.pare\n"
                "pare embed day2.tsv --continue state.pare\n"
                "pare embed day3.tsv --continue state.pare --model-out clicks/ --overwrite\n",
    .sections = "budget|embed|planning|continual|output|replace|run",
    .own = pare_embed_own,
    .own_count = PARE_EMBED_OWN,
    .positionals = 1,
    .run = run_embed,
};
