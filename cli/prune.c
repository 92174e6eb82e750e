#include "cli.h"

#include <stdio.h>

enum { OWN_OUT, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_OUT] = {.size = sizeof(pare_option),
                 .name = "out",
                 .section = "export",
                 .type = PARE_OPTION_TEXT,
                 .initial = "",
                 .choices = "",
                 .help = "write the smaller model to this folder"},
};

/* Milliseconds of a step before and after: the exported model itself is opened and timed. */
static pare_exit print_speed(pare_cli *cli, pare_model *before) {
    pare_model *after = NULL;
    double seconds[2] = {0, 0};
    pare_exit code = pare_cli_open_model(cli, cli->own[OWN_OUT], &after);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_status status = pare_model_step_seconds(before, after, cli->config, seconds);
    pare_model_close(after);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    printf("measured step before: %.4f ms\nmeasured step after: %.4f ms, %.3f of before\n",
           1e3 * seconds[0], 1e3 * seconds[1], seconds[1] / seconds[0]);
    return PARE_EXIT_OK;
}

static pare_exit prune(pare_cli *cli, pare_model *model) {
    pare_model *pruned = NULL;
    const char *text = NULL;
    double difference = 0;
    pare_status status =
        pare_model_prune(model, cli->config, pare_view_progress, &cli->view, &pruned);
    pare_view_clear(&cli->view);
    if (status != PARE_OK && pare_system_interrupted()) {
        return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
    }
    if (status == PARE_OK) {
        status = pare_model_text(pruned, &text);
    }
    if (status == PARE_OK) {
        const char *budget = pare_cli_text(cli, "budget");
        printf(budget[0] ? "%sbudget: %s\n" : "%s", text, budget);
        status = pare_model_save(pruned, cli->config, cli->own[OWN_OUT], &difference);
    }
    pare_model_close(pruned);
    if (status != PARE_OK) {
        pare_exit code = pare_cli_failed(cli, status);
        return status == PARE_ERROR_IO ? PARE_EXIT_OUTPUT : code;
    }
    printf("written to: %s\nread again, largest difference of a logit: %.3g\n", cli->own[OWN_OUT],
           difference);
    return print_speed(cli, model);
}

static pare_exit run_prune(pare_cli *cli) {
    pare_model *model = NULL;
    const char *out = cli->own[OWN_OUT];
    if (!out[0]) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option out is missing: the folder to write");
    }
    if (pare_system_exists(out) && !pare_cli_flag(cli, "overwrite")) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "%s: exists already; --overwrite replaces it",
                             out);
    }
    pare_exit code = pare_cli_open_model(cli, cli->positional[0], &model);
    if (code == PARE_EXIT_OK) {
        pare_system_catch(true);
        code = prune(cli, model);
    }
    pare_model_close(model);
    return code;
}

const pare_command pare_command_prune = {
    .name = "prune",
    .summary = "make a language model smaller and write it for other programs to load",
    .usage = "MODEL --text FILE --budget RESOURCE=SHARE --out FOLDER [options]",
    .examples =
        "pare prune smollm/ --text calibration.txt --budget params=0.75 --out pruned/ --gguf\n"
        "pare prune smollm/ --text calibration.txt --budget latency=0.6 --out pruned/ --gguf\n"
        "pare prune model.gguf --text t.txt --budget bytes=0.5 --uniform --round 32 --out "
        "pruned/\n"
        "pare prune model/ --structure blocks --block 32x32 --sparsity 0.9 --out pruned/\n",
    .sections = "budget|blocks|text|tokens|pruning|latency|export|replace|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_prune,
};
