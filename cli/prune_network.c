#include "cli.h"

#include <stdio.h>
#include <string.h>

/* What can be found wrong before the data is read. */
static pare_exit check_options(pare_cli *cli) {
    static const char *const inputs[] = {"target-file", "test", "test-target-file"};
    static const char *const outputs[] = {"out", "report", "network"};
    if (pare_cli_text(cli, "test-target-file")[0] && !pare_cli_text(cli, "test")[0]) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option test-target-file: there are no test rows; give --test too");
    }
    for (size_t i = 0; i < 3; i++) {
        const char *path = pare_cli_text(cli, inputs[i]);
        pare_exit code = path[0] ? pare_cli_readable(cli, path) : PARE_EXIT_OK;
        if (code != PARE_EXIT_OK) {
            return code;
        }
    }
    return pare_cli_outputs_writable(cli, outputs, 3);
}

static pare_exit write_results(pare_cli *cli, pare_network_pruned *network) {
    const char *text = NULL, *path = pare_cli_text(cli, "network");
    pare_status status = path[0] ? pare_network_save(network, path) : PARE_OK;
    path = pare_cli_text(cli, "report");
    if (status == PARE_OK && path[0]) {
        status = pare_network_report(network, path);
    }
    path = pare_cli_text(cli, "out");
    bool json = strcmp(path, "-") == 0;
    if (status == PARE_OK && path[0] && !json) {
        status = pare_network_save_record(network, path);
    }
    if (status == PARE_OK && (json || pare_cli_flag(cli, "json"))) {
        status = pare_network_save_record(network, "-");
    } else if (status == PARE_OK && !pare_cli_flag(cli, "quiet")) {
        status = pare_network_text(network, &text);
    }
    if (status != PARE_OK) {
        return pare_cli_written(cli, status);
    }
    fputs(text ? text : "", stdout);
    return pare_cli_flush(cli);
}

static pare_exit train_network(pare_cli *cli, pare_dataset *train, pare_dataset *test) {
    pare_network_pruned *network = NULL;
    pare_system_catch(true);
    pare_status status =
        pare_network_prune(train, test, cli->config, pare_view_progress, &cli->view, &network);
    pare_view_clear(&cli->view);
    if (status != PARE_OK && pare_system_interrupted()) {
        return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
    }
    pare_exit code = status == PARE_OK ? write_results(cli, network) : pare_cli_failed(cli, status);
    pare_network_destroy(network);
    return code;
}

static pare_exit run_prune_network(pare_cli *cli) {
    pare_dataset *train = NULL, *test = NULL;
    pare_exit code = check_options(cli);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    code = pare_cli_open_tables(cli, &train, &test);
    if (code == PARE_EXIT_OK) {
        code = train_network(cli, train, test);
    }
    pare_dataset_close(test);
    pare_dataset_close(train);
    return code;
}

const pare_command pare_command_prune_network = {
    .name = "prune-network",
    .summary = "train a network on a table while blocks of its weights go",
    .usage = "FILE --block SIZE --sparsity SHARE [options]",
    .examples =
        "pare prune-network data.csv --target class --hidden 400,400,400 --block 20 --sparsity "
        "0.97 --network small.npz\n"
        "pare prune-network data.csv --block 16x16 --matrices all --out network.json --report "
        "network.html\n"
        "pare prune-network train.csv --test test.csv --block-method acdc\n",
    .sections = "data|memory|blocks|sparsify|training|run|output|comparison",
    .positionals = 1,
    .run = run_prune_network,
};
