#include "cli.h"

enum { OWN_OUT, OWN_REPORT, OWN_FDR, OWN_GROUPS, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_OUT] =
        PARE_OWN_TEXT("output", "out", "",
                      "write NAME.json, NAME.path.tsv, NAME.proxies.tsv, NAME.credible.tsv and "
                      "weights for `plink2 --score`"),
    [OWN_REPORT] =
        PARE_OWN_TEXT("output", "report", "", "write a self-contained HTML report to this file"),
    [OWN_FDR] = PARE_OWN_NUMBER("output", "fdr", PARE_OPTION_REAL, "0.1", 0.001, 0.999,
                                "false discovery rate of --stop knockoff"),
    [OWN_GROUPS] =
        PARE_OWN_TEXT("output", "groups", "",
                      "file of groups, `ID group` a line (genes, regions): whole groups are "
                      "chosen, by what their variants explain together (stop ebic)"),
};

static pare_exit analyse(pare_cli *cli, pare_genome *genome) {
    bool done = false;
    for (int64_t t = 0; !done && !pare_system_interrupted(); t++) {
        pare_view_status(&cli->view, "trait %lld of %lld: %s", (long long)t + 1,
                         (long long)pare_genome_traits(genome), pare_genome_trait(genome, t));
        pare_status status = pare_genome_step(genome, &done);
        if (status != PARE_OK) {
            return pare_cli_failed(cli, status);
        }
    }
    pare_view_clear(&cli->view);
    return PARE_EXIT_OK;
}

static pare_exit write_results(pare_cli *cli, pare_genome *genome) {
    const char *text = NULL, *out = cli->own[OWN_OUT], *report = cli->own[OWN_REPORT];
    pare_exit code =
        out[0] ? pare_cli_wrote(cli, pare_genome_save(genome, out), out) : PARE_EXIT_OK;
    if (code == PARE_EXIT_OK && report[0]) {
        code = pare_cli_wrote(cli, pare_genome_html(genome, report), report);
    }
    if (code != PARE_EXIT_OK) {
        return code;
    }
    pare_status status = pare_genome_text(genome, &text);
    return pare_cli_put(cli, status, text);
}

static pare_exit run_genome(pare_cli *cli) {
    pare_genome *genome = NULL;
    pare_exit code = pare_cli_results_writable(cli, cli->own[OWN_OUT], cli->own[OWN_REPORT]);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    if (pare_config_set(cli->config, "fdr", cli->own[OWN_FDR]) != PARE_OK ||
        pare_config_set(cli->config, "groups", cli->own[OWN_GROUPS]) != PARE_OK) {
        return pare_cli_failed(cli, PARE_ERROR_ARGUMENT);
    }
    pare_view_status(&cli->view, "reading %s", pare_cli_text(cli, "bfile"));
    pare_status status = pare_genome_open(cli->ctx, cli->config, &genome);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    pare_system_catch(true);
    code = analyse(cli, genome);
    if (code == PARE_EXIT_OK) {
        code = write_results(cli, genome);
    }
    if (code == PARE_EXIT_OK && pare_system_interrupted()) {
        code = PARE_EXIT_INTERRUPTED;
    }
    pare_genome_close(genome);
    return code;
}

const pare_command pare_command_genome = {
    .name = "genome",
    .summary = "choose the genetic variants that influence traits",
    .usage = "--bfile NAME [options]",
    .examples = "pare genome --bfile mice --pheno mice.csv --trait BMI --covar sex,cage --out bmi\n"
                "pare genome --bfile x --pheno p.txt --trait all --folds 5 --report all.html\n",
    .sections = "genotypes|genome|run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 0,
    .run = run_genome,
};
