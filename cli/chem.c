#include "cli.h"

enum { OWN_TARGET, OWN_TASK, OWN_K, OWN_OUT, OWN_REPORT, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_TARGET] =
        PARE_OWN_TEXT("chem", "target", "",
                      "what to explain: a column, a tag of an SDF, or the 0-based column of a "
                      ".smi file"),
    [OWN_TASK] = PARE_OWN_CHOICE("chem", "task", "auto", "auto|binary|regression",
                                 "what the target is; auto: binary where it has two values"),
    [OWN_K] = PARE_OWN_TEXT("chem", "k", "20", "how many to choose"),
    [OWN_OUT] = PARE_OWN_TEXT("output", "out", "",
                              "write NAME.features.tsv, NAME.molecules.tsv, NAME.atoms.tsv, "
                              "NAME.skipped.tsv and NAME.json"),
    [OWN_REPORT] =
        PARE_OWN_TEXT("output", "report", "", "write a self-contained HTML report to this file"),
};

/* Options and outputs are tried before the work. */
static pare_exit check_options(pare_cli *cli) {
    for (int i = OWN_TARGET; i <= OWN_K; i++) {
        pare_status status = pare_config_set(cli->config, own[i].name, cli->own[i]);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    return pare_cli_results_writable(cli, cli->own[OWN_OUT], cli->own[OWN_REPORT]);
}

static pare_exit write_results(pare_cli *cli, pare_chem *chem) {
    const char *text = NULL, *out = cli->own[OWN_OUT], *report = cli->own[OWN_REPORT];
    pare_exit code = PARE_EXIT_OK;
    if (out[0]) {
        code = pare_cli_wrote(cli, pare_chem_save(chem, out), out);
    }
    if (code == PARE_EXIT_OK && report[0]) {
        code = pare_cli_wrote(cli, pare_chem_html(chem, report), report);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_status status = pare_chem_text(chem, &text);
    return pare_cli_put(cli, status, text);
}

static pare_exit run_chem(pare_cli *cli) {
    pare_chem *chem = NULL;
    pare_exit code = check_options(cli);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_view_status(&cli->view, "reading %s", cli->positional[0]);
    pare_status status = pare_chem_open(cli->ctx, cli->positional[0], cli->config, &chem);
    if (status == PARE_OK) {
        pare_view_status(&cli->view, "choosing");
        status = pare_chem_run(chem);
    }
    pare_view_clear(&cli->view);
    code = status == PARE_OK ? write_results(cli, chem) : pare_cli_failed(cli, status);
    pare_chem_close(chem);
    return code;
}

const pare_command pare_command_chem = {
    .name = "chem",
    .summary = "choose the substructures and descriptors that tell a property of molecules",
    .usage = "MOLECULES --target NAME [options]",
    .examples = "pare chem molecules.csv --smiles smiles --target logS -k 20 --report chem.html\n"
                "pare chem compounds.sdf --target active -k 50 --out active\n"
                "pare chem molecules.csv --target y --fingerprints ecfp.npz -k 100\n",
    .sections = "chem|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_chem,
};
