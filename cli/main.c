#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const pare_command *const commands[] = {
    // clang-format off
    &pare_command_select,
    &pare_command_apply,
    &pare_command_certify,
    &pare_command_compare,
    &pare_command_convert,
    &pare_command_genome,
    &pare_command_score,
    &pare_command_panel, &pare_command_chem,
    &pare_command_embed,
    &pare_command_train, &pare_command_serve_cost,
    &pare_command_prune,
    &pare_command_prune_network,
    &pare_command_model,
    &pare_command_perplexity,
    &pare_command_generate,
    &pare_command_latency,
    &pare_command_info,
    &pare_command_options,
    // clang-format on
};

const pare_command *pare_command_at(int64_t index) {
    int64_t count = (int64_t)(sizeof commands / sizeof commands[0]);
    return index >= 0 && index < count ? commands[index] : NULL;
}

pare_exit pare_cli_fail(pare_cli *cli, pare_exit code, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli->view.quiet = false; /* errors are always shown */
    pare_view_say(&cli->view, "pare: %s", text);
    return code;
}

pare_exit pare_cli_failed(pare_cli *cli, pare_status status) {
    pare_exit code = status == PARE_ERROR_MEMORY    ? PARE_EXIT_MEMORY
                     : status == PARE_ERROR_NUMERIC ? PARE_EXIT_NO_RESULT
                                                    : PARE_EXIT_INPUT;
    const char *sentence = pare_context_error(cli->ctx);
    return pare_cli_fail(cli, code, "%s", sentence[0] ? sentence : pare_status_text(status));
}

pare_exit pare_cli_flush(pare_cli *cli) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return PARE_EXIT_OK;
    }
    return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "standard output: cannot be written: %s",
                         errno ? strerror(errno) : "write error");
}

pare_exit pare_cli_readable(pare_cli *cli, const char *path) {
    if (strcmp(path, "-") == 0) {
        return PARE_EXIT_OK;
    }
    FILE *file = fopen(path, "rb");
    if (!file) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "%s: cannot be opened: %s", path,
                             strerror(errno));
    }
    (void)fclose(file);
    return PARE_EXIT_OK;
}

pare_exit pare_cli_written(pare_cli *cli, pare_status status) {
    if (status == PARE_OK) {
        return PARE_EXIT_OK;
    }
    pare_exit code = pare_cli_failed(cli, status);
    return status == PARE_ERROR_IO ? PARE_EXIT_OUTPUT : code;
}

pare_exit pare_cli_wrote(pare_cli *cli, pare_status status, const char *what) {
    pare_exit code = pare_cli_written(cli, status);
    if (code == PARE_EXIT_OK) {
        pare_view_say(&cli->view, "written to %s", what);
    }
    return code;
}

pare_exit pare_cli_put(pare_cli *cli, pare_status status, const char *text) {
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    if (!pare_cli_flag(cli, "quiet")) {
        fputs(text, stdout);
    }
    return PARE_EXIT_OK;
}

const char *pare_cli_text(pare_cli *cli, const char *option) {
    const char *value = NULL;
    return pare_config_get(cli->config, option, &value) == PARE_OK ? value : "";
}

bool pare_cli_flag(pare_cli *cli, const char *option) {
    return strcmp(pare_cli_text(cli, option), "true") == 0;
}

static void on_warning(void *user, const char *sentence) {
    pare_cli *cli = user;
    pare_view_say(&cli->view, "pare: warning: %s", sentence);
}

static const pare_command *find_command(const char *name) {
    const pare_command *command = NULL;
    for (int64_t i = 0; (command = pare_command_at(i)); i++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static pare_exit unknown_command(pare_cli *cli, const char *name) {
    const char *best = NULL;
    int64_t distance = 0;
    const pare_command *command = NULL;
    for (int64_t i = 0; (command = pare_command_at(i)); i++) {
        if (command->summary) {
            pare_cli_nearer(name, command->name, &best, &distance);
        }
    }
    if (best) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "there is no command '%s'; the nearest is '%s'",
                             name, best);
    }
    return pare_cli_fail(cli, PARE_EXIT_INPUT,
                         "there is no command '%s'; pare --help lists all there are", name);
}

static pare_exit run_command(pare_cli *cli, const pare_command *command, int argc, char **argv) {
    cli->command = command;
    pare_status status = pare_context_create(NULL, &cli->ctx);
    pare_exit code = PARE_EXIT_OK;
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    pare_context_on_warning(cli->ctx, on_warning, cli);
    status = pare_config_create(cli->ctx, &cli->config);
    if (status != PARE_OK) {
        code = pare_cli_failed(cli, status);
        goto done;
    }
    code = pare_cli_parse(cli, argc, argv);
    if (code != PARE_EXIT_OK) {
        goto done;
    }
    if (cli->help) {
        pare_help_command(command);
    } else {
        cli->view.quiet = pare_cli_flag(cli, "quiet");
        code = command->run(cli);
    }
    if (code == PARE_EXIT_OK) {
        code = pare_cli_flush(cli);
    }
done:
    pare_config_destroy(cli->config);
    pare_context_destroy(cli->ctx);
    return code;
}

static int run(int argc, char **argv, int64_t rank) {
    pare_cli cli = {.rank = rank};
    pare_view_init(&cli.view, false);
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        pare_help_program();
        return pare_cli_flush(&cli) == PARE_EXIT_OK ? PARE_EXIT_INPUT : PARE_EXIT_OUTPUT;
    }
    /* `pare help select` is `pare select --help`. */
    bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
    if (help && argc == 2) {
        pare_help_program();
        return (int)pare_cli_flush(&cli);
    }
    if (strcmp(word, "--version") == 0) {
        printf("pare %d.%d.%d\n", PARE_VERSION_MAJOR, PARE_VERSION_MINOR, PARE_VERSION_PATCH);
        return (int)pare_cli_flush(&cli);
    }
    const char *name = help ? argv[2] : word;
    const pare_command *command = find_command(name);
    if (!command) {
        return (int)unknown_command(&cli, name);
    }
    if (help) {
        pare_help_command(command);
        return (int)pare_cli_flush(&cli);
    }
    return (int)run_command(&cli, command, argc - 2, argv + 2);
}

int main(int argc, char **argv) {
    pare_system_prepare();
    int64_t rank = 0, size = 1;
    pare_cluster_start(&rank, &size);
    pare_system_catch(false);
    /* All ranks say the same; one says it. */
    if (rank > 0 && (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))) {
        return PARE_EXIT_OUTPUT;
    }
    int code = run(argc, argv, rank);
    fflush(stdout);
    pare_cluster_stop(code);
    return code;
}
