#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What can be found wrong before the data is read. */
static pare_exit check_options(pare_cli *cli) {
    static const char *const inputs[] = {"target-file", "test", "test-target-file", "groups"};
    static const char *const outputs[] = {"out", "report"};
    if (!pare_cli_text(cli, "k")[0] && !pare_cli_text(cli, "budget")[0] &&
        strtod(pare_cli_text(cli, "fdr"), NULL) <= 0) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option k is missing: say how many to choose with -k COUNT, -k auto, "
                             "or what they may cost with --budget COST");
    }
    if (pare_cli_text(cli, "test-target-file")[0] && !pare_cli_text(cli, "test")[0]) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option test-target-file: there are no test rows; give --test too");
    }
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        const char *path = pare_cli_text(cli, inputs[i]);
        pare_exit code = path[0] ? pare_cli_readable(cli, path) : PARE_EXIT_OK;
        if (code != PARE_EXIT_OK) {
            return code;
        }
    }
    return pare_cli_outputs_writable(cli, outputs, 2);
}

pare_exit pare_cli_open_tables(pare_cli *cli, pare_dataset **train, pare_dataset **test) {
    const char *path = cli->positional[0];
    long threads = strtol(pare_cli_text(cli, "threads"), NULL, 10);
    pare_status status = pare_context_set_threads(cli->ctx, threads);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    if (cli->view.terminal) {
        pare_view_status(&cli->view, "reading %s", path);
    }
    status = pare_dataset_open(cli->ctx, path, cli->config, train);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    pare_view_status(&cli->view, "%s", pare_dataset_summary(*train)); /* the table repeats it */
    char test_path[4096], target_path[4096]; /* a second pare_config_get takes the first text */
    snprintf(test_path, sizeof test_path, "%s", pare_cli_text(cli, "test"));
    snprintf(target_path, sizeof target_path, "%s", pare_cli_text(cli, "test-target-file"));
    if (test_path[0]) {
        if (cli->view.terminal) {
            pare_view_status(&cli->view, "reading %s", test_path);
        }
        status =
            pare_dataset_open_like(*train, test_path, target_path[0] ? target_path : NULL, test);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    return PARE_EXIT_OK;
}

enum { OWN_CHECKPOINT, OWN_EVERY, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_CHECKPOINT] =
        PARE_OWN_TEXT("checkpoint", "checkpoint", "",
                      "file that holds the state of the selection: gone on with if it is "
                      "there, written now and then and on Ctrl-C or SIGTERM"),
    [OWN_EVERY] = PARE_OWN_NUMBER("checkpoint", "checkpoint-every", PARE_OPTION_REAL, "30", 0, 1e6,
                                  "seconds between two writings of it"),
};

/* Steps until done, the time to stop, or a failure; writes the state at fixed intervals. */
static pare_status advance(pare_cli *cli, pare_selector *selector, double every) {
    const char *path = cli->own[OWN_CHECKPOINT];
    double shown = 0, saved = 0;
    for (bool done = false; !done;) {
        pare_progress at = {.size = sizeof at};
        pare_status status = pare_selector_step(selector, &done);
        if (status == PARE_OK) {
            status = pare_selector_progress(selector, &at);
        }
        if (status != PARE_OK) {
            return status;
        }
        bool stop = false;
        if (at.seconds - shown > 0.1) {
            shown = at.seconds;
            stop = pare_view_progress(&cli->view, &at) != 0;
        }
        stop = pare_cluster_decide(stop);
        if (cli->rank > 0) {
            done = done || stop;
            continue;
        }
        if (stop || done || at.seconds - saved >= every) {
            saved = at.seconds;
            status = pare_selector_save(selector, path);
            if (status != PARE_OK) {
                return status;
            }
        }
        done = done || stop;
    }
    return PARE_OK;
}

/* pare_select with a state that outlives the program. */
static pare_status select_saved(pare_cli *cli, pare_dataset *train, double every,
                                pare_selection **out) {
    pare_selector *selector = NULL;
    pare_status status = pare_selector_create(train, NULL, cli->config, &selector);
    if (status != PARE_OK) {
        return status;
    }
    FILE *there = fopen(cli->own[OWN_CHECKPOINT], "rb");
    if (there) {
        (void)fclose(there);
    }
    if (pare_cluster_decide(there != NULL)) {
        status = pare_selector_load(selector, cli->own[OWN_CHECKPOINT]);
        if (status == PARE_OK) {
            pare_view_say(&cli->view, "going on from %s", cli->own[OWN_CHECKPOINT]);
        }
    }
    if (status == PARE_OK) {
        status = advance(cli, selector, every);
    }
    if (status == PARE_OK) {
        status = pare_selector_result(selector, out);
    }
    pare_selector_destroy(selector);
    return status;
}

/* Chooses and, unless told otherwise, compares. *out: what there is, even where the comparison
 * failed; NULL if nothing was chosen. */
static pare_exit choose(pare_cli *cli, pare_dataset *train, pare_dataset *test,
                        pare_selection **out) {
    char *end = NULL;
    double every = strtod(cli->own[OWN_EVERY], &end);
    if (end == cli->own[OWN_EVERY] || *end || !(every >= 0 && every <= 1e6)) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option checkpoint-every: '%s' is not a number from 0 to 1000000",
                             cli->own[OWN_EVERY]);
    }
    pare_status status =
        cli->own[OWN_CHECKPOINT][0]
            ? select_saved(cli, train, every, out)
            : pare_select(train, NULL, cli->config, pare_view_progress, &cli->view, out);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    bool interrupted = pare_system_interrupted();
    /* A strategy may find that nothing can be chosen: that is an answer. */
    if (pare_selection_count(*out) == 0 && (interrupted || pare_selection_stopped(*out))) {
        pare_selection_destroy(*out);
        *out = NULL;
        if (interrupted) {
            return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED,
                                 "interrupted before the first choice; nothing is written");
        }
        return pare_cli_fail(cli, PARE_EXIT_NO_RESULT,
                             "the time limit of %s s passed before the first choice",
                             pare_cli_text(cli, "time-limit"));
    }
    if (!interrupted && pare_cli_flag(cli, "compare")) {
        status = pare_selection_evaluate(*out, train, NULL, test, cli->config, pare_view_progress,
                                         &cli->view);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    if (!pare_system_interrupted() && pare_cli_flag(cli, "certify") &&
        !pare_cli_flag(cli, "exact") && pare_selection_count(*out) > 0) {
        status = pare_selection_certify(*out, train, cli->config, pare_view_progress, &cli->view);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    return PARE_EXIT_OK;
}

/* Files first: a reader of standard output that goes away must not cost them. */
static pare_exit write_results(pare_cli *cli, pare_selection *selection) {
    pare_status status = PARE_OK;
    bool json = pare_cli_flag(cli, "json");
    const char *report = pare_cli_text(cli, "report");
    if (report[0]) {
        status = pare_selection_report(selection, report);
        if (status != PARE_OK) {
            return pare_cli_written(cli, status);
        }
        pare_view_say(&cli->view, "report written to %s", report);
    }
    const char *out = pare_cli_text(cli, "out");
    if (strcmp(out, "-") == 0) {
        json = true;
    } else if (out[0]) {
        status = pare_selection_save(selection, out);
        if (status != PARE_OK) {
            return pare_cli_written(cli, status);
        }
        pare_view_say(&cli->view, "selection written to %s", out);
    }
    if (json) {
        status = pare_selection_save(selection, "-");
        return pare_cli_written(cli, status);
    }
    if (!pare_cli_flag(cli, "quiet")) {
        const char *text = NULL;
        status = pare_selection_text(selection, &text);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
        fputs(text, stdout);
    }
    return pare_cli_flush(cli);
}

static pare_exit run_select(pare_cli *cli) {
    pare_dataset *train = NULL, *test = NULL;
    pare_selection *selection = NULL;
    pare_exit code = check_options(cli);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    code = pare_cli_open_tables(cli, &train, &test);
    if (code == PARE_EXIT_OK) {
        pare_system_catch(true);
        code = choose(cli, train, test, &selection);
    }
    pare_view_clear(&cli->view);
    if (selection) {
        if (pare_selection_stopped(selection)) {
            pare_view_say(&cli->view, "stopped early: %lld chosen",
                          (long long)pare_selection_count(selection));
        }
        pare_exit written = cli->rank > 0 ? PARE_EXIT_OK : write_results(cli, selection);
        code = code == PARE_EXIT_OK ? written : code;
    }
    if (code == PARE_EXIT_OK && pare_system_interrupted()) {
        code = PARE_EXIT_INTERRUPTED;
    }
    pare_selection_destroy(selection);
    pare_dataset_close(test);
    pare_dataset_close(train);
    return code;
}

const pare_command pare_command_select = {
    .name = "select",
    .summary = "choose the k columns of a table that a model needs most",
    .usage = "FILE -k COUNT [options]",
    .examples =
        "pare select data.csv --target class -k 50 --out selection.json --report report.html\n"
        "pare select data.csv --target price --ignore id -k auto --split-by customer\n"
        "pare select train-images-idx3-ubyte.gz --target-file train-labels-idx1-ubyte.gz -k 50\n"
        "pare select data.svm.gz -k 20 --model linear --method omp --certify\n"
        "pare select data.csv --target class -k 5 --model linear --method omp --exact\n"
        "zcat data.csv.gz | pare select - --target class -k 10 --json\n",
    .sections = "data|memory|selection|costs|budget|training|proof|run|output|comparison",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_select,
};
