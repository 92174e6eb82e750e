#include "cli.h"

#include <stdio.h>
#include <string.h>

/* True if the file looks like selection.json: its first character that is no blank is '{'. */
static bool is_json(const char *path) {
    FILE *file = fopen(path, "rb");
    int c = ' ';
    while (file && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
        c = fgetc(file);
    }
    if (file) {
        (void)fclose(file);
    }
    return c == '{';
}

/* What the selection was made with counts where the command line says nothing. */
static pare_exit take_options(pare_cli *cli, pare_selection *selection) {
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) != PARE_OK) {
            continue; /* cannot happen: i is below the count */
        }
        bool wanted = strcmp(option.section, "data") == 0 ||
                      strcmp(option.section, "memory") == 0 || strcmp(option.name, "seed") == 0 ||
                      strcmp(option.name, "include") == 0 || strcmp(option.name, "exclude") == 0 ||
                      strcmp(option.name, "costs") == 0 || strcmp(option.name, "budget") == 0;
        const char *value = wanted ? pare_selection_option(selection, option.name) : NULL;
        bool given = strcmp(pare_cli_text(cli, option.name), option.initial) != 0;
        if (value && !given) {
            pare_status status = pare_config_set(cli->config, option.name, value);
            if (status != PARE_OK) {
                return pare_cli_failed(cli, status);
            }
        }
    }
    return PARE_EXIT_OK;
}

static pare_exit write_results(pare_cli *cli, pare_selection *selection) {
    const char *path = pare_cli_text(cli, "out");
    bool json = pare_cli_flag(cli, "json") || strcmp(path, "-") == 0;
    pare_status status = PARE_OK;
    if (path[0] && strcmp(path, "-") != 0) {
        status = pare_selection_save(selection, path);
    }
    path = pare_cli_text(cli, "report");
    if (status == PARE_OK && path[0]) {
        status = pare_selection_report(selection, path);
    }
    if (status == PARE_OK && json) {
        status = pare_selection_save(selection, "-");
    }
    const char *text = NULL;
    if (status == PARE_OK && !json && !pare_cli_flag(cli, "quiet")) {
        status = pare_selection_text(selection, &text);
    }
    if (status != PARE_OK) {
        return pare_cli_written(cli, status);
    }
    fputs(text ? text : "", stdout);
    return pare_cli_flush(cli);
}

static pare_exit run_certify(pare_cli *cli) {
    static const char *const outputs[] = {"out", "report"};
    const char *chosen = cli->positional[0], *path = cli->positional[1];
    pare_selection *selection = NULL;
    pare_dataset *data = NULL;
    pare_exit code = pare_cli_readable(cli, chosen);
    if (code == PARE_EXIT_OK) {
        code = pare_cli_outputs_writable(cli, outputs, 2);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    bool json = is_json(chosen);
    pare_status status =
        json ? pare_selection_load(cli->ctx, chosen, &selection) : (pare_status)PARE_OK;
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    code = json ? take_options(cli, selection) : PARE_EXIT_OK;
    if (code != PARE_EXIT_OK) {
        goto fail;
    }
    status = pare_dataset_open(cli->ctx, path, cli->config, &data);
    if (status == PARE_OK && !json) {
        status = pare_selection_from_names(data, chosen, cli->config, &selection);
    }
    if (status == PARE_OK) {
        pare_system_catch(true);
        status =
            pare_selection_certify(selection, data, cli->config, pare_view_progress, &cli->view);
    }
    pare_view_clear(&cli->view);
    code = status == PARE_OK ? write_results(cli, selection) : pare_cli_failed(cli, status);
    if (code == PARE_EXIT_OK && pare_system_interrupted()) {
        code = PARE_EXIT_INTERRUPTED;
    }
fail:
    pare_selection_destroy(selection);
    pare_dataset_close(data);
    return code;
}

const pare_command pare_command_certify = {
    .name = "certify",
    .summary = "prove how near a chosen subset is to the best one of its size",
    .usage = "SELECTION FILE [options]",
    .examples = "pare certify selection.json data.csv\n"
                "pare certify names.txt data.csv --target y --certify-ridge 0.1\n"
                "pare certify selection.json data.csv --out certified.json --report report.html\n",
    .sections = "data|memory|costs|budget|proof|run|output",
    .positionals = 2,
    .run = run_certify,
};
