#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_OUT, OWN_BUDGETS, OWN_REPORT, OWN_TEST, OWN_JSON, OWN_COUNT };
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
    [OWN_JSON] = PARE_OWN_FLAG("output", "json", "print JSON instead of lines, at the end"),
};

/* One smaller model: its budget ("" without one) and its folder. */
typedef struct target {
    char budget[BUDGET_SIZE], out[PATH_SIZE];
} target;

/* One run of the command. */
typedef struct course {
    pare_cli *cli;
    pare_model *model;
    pare_pruning *report; /* NULL where none was asked for */
    pare_lines lines;
    int count, written; /* models asked for, models in their folders */
    const char *last;   /* folder of the latest of them */
} course;

/* writing: whether it was an output that could not be. */
static pare_exit failed(course *c, pare_status status, bool writing) {
    if (!pare_system_interrupted()) {
        return writing ? pare_cli_written(c->cli, status) : pare_cli_failed(c->cli, status);
    }
    if (c->written == 0) {
        return pare_cli_fail(c->cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
    }
    return pare_cli_fail(
        c->cli, PARE_EXIT_INTERRUPTED, "interrupted; %d of %d models are written, the last to %s%s",
        c->written, c->count, c->last, c->cli->own[OWN_REPORT][0] ? ", the report is not" : "");
}

/* Milliseconds of a step before and after: the exported model itself is opened and timed. */
static pare_exit print_speed(course *c, const char *out, double seconds[2]) {
    pare_model *after = NULL;
    pare_exit code = pare_cli_open_model(c->cli, out, &after);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_status status = pare_model_step_seconds(c->model, after, c->cli->config, seconds);
    pare_model_close(after);
    if (status != PARE_OK) {
        return failed(c, status, false);
    }
    if (c->lines.json) {
        pare_lines_add(&c->lines, "measured step before ms: %.4f\nmeasured step after ms: %.4f\n",
                       1e3 * seconds[0], 1e3 * seconds[1]);
        pare_lines_add(&c->lines, "measured share: %.3f\n", seconds[1] / seconds[0]);
    } else {
        printf("measured step before: %.4f ms\nmeasured step after: %.4f ms, %.3f of before\n",
               1e3 * seconds[0], 1e3 * seconds[1], seconds[1] / seconds[0]);
    }
    return PARE_EXIT_OK;
}

static pare_exit write_model(course *c, pare_model *pruned, const target *to) {
    const char *text = NULL;
    double difference = 0;
    pare_status status = pare_model_text(pruned, &text);
    if (status == PARE_OK) {
        pare_lines_add(&c->lines, "%s", text);
        status = pare_model_save(pruned, c->cli->config, to->out, &difference);
    }
    if (status != PARE_OK) {
        return failed(c, status, true);
    }
    c->written++;
    c->last = to->out;
    pare_lines_add(&c->lines, "written to: %s\nread again, largest difference of a logit: %.3g\n",
                   to->out, difference);
    return PARE_EXIT_OK;
}

static pare_exit prune(course *c, const target *to) {
    pare_cli *cli = c->cli;
    pare_model *pruned = NULL;
    double seconds[2] = {0, 0};
    pare_status status = pare_config_set(cli->config, "budget", to->budget);
    if (status == PARE_OK) {
        status = pare_model_prune(c->model, cli->config, pare_view_progress, &cli->view, &pruned);
    }
    pare_view_clear(&cli->view);
    if (status == PARE_OK && pare_cli_flag(cli, "rehearse")) {
        const char *text = NULL;
        status = pare_model_text(pruned, &text);
        pare_lines_add(&c->lines, "%s", status == PARE_OK ? text : "");
        pare_model_close(pruned);
        return status == PARE_OK ? PARE_EXIT_OK : failed(c, status, false);
    }
    pare_exit code = status == PARE_OK ? write_model(c, pruned, to) : failed(c, status, false);
    if (code == PARE_EXIT_OK) {
        code = print_speed(c, to->out, seconds);
    }
    if (code == PARE_EXIT_OK && c->report) {
        status = pare_pruning_add(c->report, pruned, cli->config, seconds, pare_view_progress,
                                  &cli->view);
        pare_view_clear(&cli->view);
        code = status == PARE_OK ? PARE_EXIT_OK : failed(c, status, false);
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
        if (*count == BUDGETS_MAX || end != share + length || !(value > 0 && value < 1)) {
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
    bool rehearse = pare_cli_flag(cli, "rehearse");
    if (!out[0] && !rehearse) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option out is missing: the folder to write");
    }
    if (rehearse && (report[0] || cli->own[OWN_BUDGETS][0])) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option rehearse: not with options report and budgets");
    }
    pare_exit code = rehearse ? PARE_EXIT_OK : pare_cli_absent(cli, "out", out);
    if (code == PARE_EXIT_OK && report[0]) {
        code = pare_cli_writable(cli, "report", report);
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
    const char *test = cli->own[OWN_TEST], *reason = NULL;
    bool several = cli->own[OWN_BUDGETS][0] != 0;
    course c = {.cli = cli,
                .model = model,
                .lines = {.ctx = cli->ctx, .json = strcmp(cli->own[OWN_JSON], "true") == 0},
                .count = count};
    pare_status status = PARE_OK;
    if (several && !pare_system_folder(cli->own[OWN_OUT], &reason)) {
        return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "%s: cannot be written: %s", cli->own[OWN_OUT],
                             reason);
    }
    if (cli->own[OWN_REPORT][0]) {
        status = pare_pruning_create(model, cli->config, test[0] ? test : NULL, pare_view_progress,
                                     &cli->view, &c.report);
        pare_view_clear(&cli->view);
    }
    pare_exit code = status == PARE_OK ? PARE_EXIT_OK : failed(&c, status, false);
    for (int i = 0; code == PARE_EXIT_OK && i < count; i++) {
        pare_lines_add(&c.lines, "%s", i > 0 ? "\n" : "");
        code = prune(&c, &to[i]);
    }
    if (code == PARE_EXIT_OK && c.report) {
        status = pare_pruning_report(c.report, cli->own[OWN_REPORT]);
        code = status == PARE_OK ? PARE_EXIT_OK : failed(&c, status, true);
    }
    pare_pruning_destroy(c.report);
    if (code == PARE_EXIT_OK || c.lines.failed) {
        pare_lines_finish(&c.lines, "pare pruning", "models");
    }
    free(c.lines.text);
    if (code == PARE_EXIT_OK) {
        code = c.lines.failed ? pare_cli_fail(cli, PARE_EXIT_MEMORY, "out of memory")
                              : pare_cli_flush(cli);
    }
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
    .usage = "MODEL --text FILE [--budget RESOURCE=SHARE] --out FOLDER [options]",
    .examples =
        "pare prune smollm/ --text calibration.txt --budget params=0.75 --out pruned/ --gguf\n"
        "pare prune smollm/ --text calibration.txt --budget latency=0.6 --out pruned/ --gguf\n"
        "pare prune smollm/ --text t.txt --budgets params=0.8,0.6,0.4 --out pruned/ --report "
        "pruned.html --test test.txt\n"
        "pare prune model.gguf --text t.txt --budget bytes=0.5 --uniform --round 32 --out "
        "pruned/\n"
        "pare prune model/ --text t.txt --structure layers,heads,ffn,hidden --uniform --round 32 "
        "--recover 2M-tokens --out pruned/\n"
        "pare prune model/ --structure blocks --block 32x32 --sparsity 0.9 --out pruned/\n",
    .sections = "budget|blocks|text|tokens|pruning|latency|export|scoring|generation|replace|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_prune,
};
