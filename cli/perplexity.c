#include "cli.h"

#include <stdio.h>

static pare_exit run_perplexity(pare_cli *cli) {
    pare_model *model = NULL;
    pare_perplexity score = {.size = sizeof score};
    pare_exit code = pare_cli_open_model(cli, cli->positional[0], &model);
    if (code == PARE_EXIT_OK) {
        pare_status status =
            pare_model_perplexity(model, cli->config, pare_view_progress, &cli->view, &score);
        pare_view_clear(&cli->view);
        code = status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
    }
    if (code == PARE_EXIT_OK) {
        printf("perplexity: %.4f\nnats per token: %.6f\ntokens scored: %lld\n", score.perplexity,
               score.nats, (long long)score.tokens);
        printf("protocol: %s, %lld windows of %lld tokens, %lld apart\n",
               pare_cli_text(cli, "protocol"), (long long)score.windows, (long long)score.context,
               (long long)score.stride);
    }
    pare_model_close(model);
    return code;
}

const pare_command pare_command_perplexity = {
    .name = "perplexity",
    .summary = "score a language model on a text, by a named protocol",
    .usage = "MODEL --text FILE [options]",
    .examples = "pare perplexity pruned/ --text test.txt --context 256 --stride 128\n"
                "pare perplexity model.gguf --text test.txt --context 512 --protocol llama.cpp\n",
    .sections = "text|tokens|scoring|run",
    .positionals = 1,
    .run = run_perplexity,
};
