#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_OUT, OWN_BUDGETS, OWN_REPORT, OWN_TEST, OWN_COUNT };
enum { PATH_SIZE = 4096, BUDGETS_MAX = 16, BUDGET_SIZE = 48 };

static const pare_option own[OWN_COUNT] = {
    [OWN_OUT] = PARE_OWN_TEXT("export", "out", "", "write the smaller model to this folder"),
    [OWN_BUDGETS] =
        PARE_OWN_TEXT("budget", "budgets", "",
                      "several budgets in one run, params=0.8,0.6,0.4: the models go to "
                      "folders 0.8, 0.6, 0.4 of out"),
    [OWN_REPORT] = PARE_OWN_TEXT("export", "report", "",
                                 "write a self-contained HTML report to this file: what is left "
                                 "where, perplexity, times and samples before and after"),
    [OWN_TEST] = PARE_OWN_TEXT("export", "test", "",
                               "text whose perplexity the report gives (default: that of text)"),
};

/* One smaller model: its budget ("" without one) and its folder. */
typedef struct target {
    char budget[BUDGET_SIZE], out[PATH_SIZE];
} target;

/* Milliseconds of a step before and after: the exported model itself is opened and timed. */
static pare_exit print_speed(pare_cli *cli, pare_model *before, const char *out,
                             double seconds[2]) {
    pare_model *after = NULL;
    pare_exit code = pare_cli_open_model(cli, out, &after);
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

/* writing: whether it was an output that could not be. */
static pare_exit failed(pare_cli *cli, pare_status status, bool writing) {
    if (pare_system_interrupted()) {
        return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
    }
    return writing ? pare_cli_written(cli, status) : pare_cli_failed(cli, status);
}

static pare_exit write_model(pare_cli *cli, pare_model *pruned, const target *to) {
    const char *text = NULL;
    double difference = 0;
    pare_status status = pare_model_text(pruned, &text);
    if (status == PARE_OK) {
        printf(to->budget[0] ? "%sbudget: %s\n" : "%s", text, to->budget);
        status = pare_model_save(pruned, cli->config, to->out, &difference);
    }
    if (status != PARE_OK) {
        return failed(cli, status, true);
    }
    printf("written to: %s\nread again, largest difference of a logit: %.3g\n", to->out,
           difference);
    return PARE_EXIT_OK;
}

/* report: NULL where none was asked for. */
static pare_exit prune(pare_cli *cli, pare_model *model, const target *to, pare_pruning *report) {
    pare_model *pruned = NULL;
    double seconds[2] = {0, 0};
    pare_status status = pare_config_set(cli->config, "budget", to->budget);
    if (status == PARE_OK) {
        status = pare_model_prune(model, cli->config, pare_view_progress, &cli->view, &pruned);
    }
    pare_view_clear(&cli->view);
    pare_exit code = status == PARE_OK ? write_model(cli, pruned, to) : failed(cli, status, false);
    if (code == PARE_EXIT_OK) {
        code = print_speed(cli, model, to->out, seconds);
    }
    if (code == PARE_EXIT_OK && report) {
        status =
            pare_pruning_add(report, pruned, cli->config, seconds, pare_view_progress, &cli->view);
        pare_view_clear(&cli->view);
        code = status == PARE_OK ? PARE_EXIT_OK : failed(cli, status, false);
    }
    pare_model_close(pruned);
    return code;
}

static pare_exit bad_budgets(pare_cli *cli) {
    return pare_cli_fail(cli, PARE_EXIT_INPUT,
                         "option budgets: '%s' is not params=, bytes=, flops= or latency= and at "
                         "most %d different shares between 0 and 1 such as 0.8,0.6,0.4",
                         cli->own[OWN_BUDGETS], (int)BUDGETS_MAX);
}

/* "params=0.8,0.6" as params=0.8 in OUT/0.8 and params=0.6 in OUT/0.6. */
static pare_exit read_budgets(pare_cli *cli, target *to, int *count) {
    const char *text = cli->own[OWN_BUDGETS], *share = strchr(text, '=');
    *count = 0;
    for (; share && *share; share += strcspn(share, ",")) {
        char *end = NULL;
        size_t length = strcspn(++share, ",");
        double value = strtod(share, &end);
        bool fits = *count < BUDGETS_MAX && share - text + (ptrdiff_t)length < BUDGET_SIZE;
        if (!fits || end != share + length || !(value > 0 && value < 1)) {
            return bad_budgets(cli);
        }
        target *one = &to[(*count)++];
        int name = snprintf(one->budget, sizeof one->budget, "%.*s=%.*s",
                            (int)(strchr(text, '=') - text), text, (int)length, share);
        int path =
            snprintf(one->out, sizeof one->out, "%s/%.*s", cli->own[OWN_OUT], (int)length, share);
        if (name >= BUDGET_SIZE || path >= PATH_SIZE) {
            return bad_budgets(cli);
        }
        for (int i = 0; i + 1 < *count; i++) {
            if (strcmp(to[i].out, one->out) == 0) {
                return bad_budgets(cli);
            }
        }
    }
    if (*count == 0 || pare_cli_text(cli, "budget")[0] ||
        strcmp(pare_cli_text(cli, "structure"), "blocks") == 0) {
        return *count == 0 ? bad_budgets(cli)
                           : pare_cli_fail(cli, PARE_EXIT_INPUT,
                                           "option budgets: in place of option budget, and not "
                                           "with structure blocks");
    }
    return PARE_EXIT_OK;
}

/* What can be found wrong before the model is read. */
static pare_exit check(pare_cli *cli, target *to, int *count) {
    const char *out = cli->own[OWN_OUT];
    const char *budget = pare_cli_text(cli, "budget"), *report = cli->own[OWN_REPORT];
    if (!out[0]) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option out is missing: the folder to write");
    }
    pare_exit code = pare_cli_absent(cli, out);
    if (code == PARE_EXIT_OK && report[0]) {
        code = pare_cli_writable(cli, report);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    if (cli->own[OWN_BUDGETS][0]) {
        return read_budgets(cli, to, count);
    }
    if (strlen(budget) >= BUDGET_SIZE || strlen(out) >= PATH_SIZE) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option %s is too long",
                             strlen(out) >= PATH_SIZE ? "out" : "budget");
    }
    *count = 1;
    snprintf(to->budget, sizeof to->budget, "%s", budget);
    snprintf(to->out, sizeof to->out, "%s", out);
    return PARE_EXIT_OK;
}

static pare_exit prune_all(pare_cli *cli, pare_model *model, const target *to, int count) {
    pare_pruning *report = NULL;
    const char *test = cli->own[OWN_TEST], *reason = NULL;
    bool several = cli->own[OWN_BUDGETS][0] != 0;
    pare_status status = PARE_OK;
    if (several && !pare_system_folder(cli->own[OWN_OUT], &reason)) {
        return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "%s: cannot be written: %s", cli->own[OWN_OUT],
                             reason);
    }
    if (cli->own[OWN_REPORT][0]) {
        status = pare_pruning_create(model, cli->config, test[0] ? test : NULL, pare_view_progress,
                                     &cli->view, &report);
        pare_view_clear(&cli->view);
    }
    pare_exit code = status == PARE_OK ? PARE_EXIT_OK : failed(cli, status, false);
    for (int i = 0; code == PARE_EXIT_OK && i < count; i++) {
        fputs(i > 0 ? "\n" : "", stdout);
        code = prune(cli, model, &to[i], report);
    }
    if (code == PARE_EXIT_OK && report) {
        status = pare_pruning_report(report, cli->own[OWN_REPORT]);
        code = status == PARE_OK ? PARE_EXIT_OK : failed(cli, status, true);
    }
    pare_pruning_destroy(report);
    if (several && code != PARE_EXIT_OK) {
        pare_system_remove_empty(cli->own[OWN_OUT]);
    }
    return code;
}

static pare_exit run_prune(pare_cli *cli) {
    pare_model *model = NULL;
    int count = 0;
    target *to = calloc(BUDGETS_MAX, sizeof *to);
    if (!to) {
        return pare_cli_fail(cli, PARE_EXIT_MEMORY, "out of memory");
    }
    pare_exit code = check(cli, to, &count);
    if (code == PARE_EXIT_OK) {
        code = pare_cli_open_model(cli, cli->positional[0], &model);
    }
    if (code == PARE_EXIT_OK) {
        pare_system_catch(true);
        code = prune_all(cli, model, to, count);
    }
    pare_model_close(model);
    free(to);
    return code;
}

const pare_command pare_command_prune = {
    .name = "prune",
    .summary = "make a language model smaller and write it for other programs to load",
    .usage = "MODEL --text FILE --budget RESOURCE=SHARE --out FOLDER [options]",
    .examples =
        "pare prune smollm/ --text calibration.txt --budget params=0.75 --out pruned/ --gguf\n"
        "pare prune smollm/ --text calibration.txt --budget latency=0.6 --out pruned/ --gguf\n"
        "pare prune smollm/ --text t.txt --budgets params=0.8,0.6,0.4 --out pruned/ --report "
        "pruned.html --test test.txt\n"
        "pare prune model.gguf --text t.txt --budget bytes=0.5 --uniform --round 32 --out "
        "pruned/\n"
        "pare prune model/ --structure blocks --block 32x32 --sparsity 0.9 --out pruned/\n",
    .sections = "budget|blocks|text|tokens|pruning|latency|export|scoring|generation|replace|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_prune,
};
