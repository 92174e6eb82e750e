#include "cli.h"

enum { OWN_K, OWN_OUT, OWN_REPORT, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_K] = PARE_OWN_TEXT("output", "k", "",
                            "how many genes the panel has, those of --have among them"),
    [OWN_OUT] = PARE_OWN_TEXT("output", "out", "", "write NAME.genes.tsv and NAME.json"),
    [OWN_REPORT] =
        PARE_OWN_TEXT("output", "report", "", "write a self-contained HTML report to this file"),
};

static pare_exit check_options(pare_cli *cli) {
    if (cli->own[OWN_K][0]) {
        pare_status status = pare_config_set(cli->config, "k", cli->own[OWN_K]);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    return pare_cli_results_writable(cli, cli->own[OWN_OUT], cli->own[OWN_REPORT]);
}

static pare_exit write_results(pare_cli *cli, pare_panel *panel) {
    const char *text = NULL, *out = cli->own[OWN_OUT], *report = cli->own[OWN_REPORT];
    pare_exit code = PARE_EXIT_OK;
    if (out[0]) {
        code = pare_cli_wrote(cli, pare_panel_save(panel, out), out);
    }
    if (code == PARE_EXIT_OK && report[0]) {
        code = pare_cli_wrote(cli, pare_panel_html(panel, report), report);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_status status = pare_panel_text(panel, &text);
    return pare_cli_put(cli, status, text);
}

static pare_exit run_panel(pare_cli *cli) {
    pare_panel *panel = NULL;
    pare_exit code = check_options(cli);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_view_status(&cli->view, "reading %s", cli->positional[0]);
    pare_status status = pare_panel_open(cli->ctx, cli->positional[0], cli->config, &panel);
    if (status == PARE_OK) {
        pare_view_status(&cli->view, "choosing genes");
        status = pare_panel_run(panel);
    }
    pare_view_clear(&cli->view);
    code = status == PARE_OK ? write_results(cli, panel) : pare_cli_failed(cli, status);
    pare_panel_close(panel);
    return code;
}

const pare_command pare_command_panel = {
    .name = "panel",
    .summary = "choose a panel of genes that tells cell types apart",
    .usage = "CELLS --label NAME -k COUNT [options]",
    .examples = "pare panel cells.h5ad --label cell_type -k 32 --out panel --report panel.html\n"
                "pare panel cells.h5ad --label cell_type --have current.txt --add 100 "
                "--min-per-type 2\n"
                "pare panel filtered_feature_bc_matrix --label meta.csv:type -k 50\n",
    .sections = "panel|memory|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_panel,
};
