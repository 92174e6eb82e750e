/* What is said of outputs before any work: that they can be written, and that nothing is lost. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

pare_exit pare_cli_writable(pare_cli *cli, const char *option, const char *path) {
    const char *reason = NULL;
    char copy[PATH_SIZE]; /* the next option that is asked for takes the text of the last one */
    snprintf(copy, sizeof copy, "%s", path);
    pare_exit code = pare_cli_alone(cli, option, path);
    if (code != PARE_EXIT_OK || pare_system_writable(copy, &reason)) {
        return code;
    }
    return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "%s: cannot be written: %s", copy, reason);
}

/* Going on from a state replaces it. */
static bool may_share(const char *a, const char *b) {
    return (strcmp(a, "state") == 0 && strcmp(b, "continue") == 0) || strcmp(a, b) == 0;
}

pare_exit pare_cli_alone(pare_cli *cli, const char *option, const char *path) {
    const pare_command *command = cli->command;
    char copy[PATH_SIZE];
    snprintf(copy, sizeof copy, "%s", path);
    for (int i = 0; i < PARE_POSITIONALS_MAX && cli->positional[i]; i++) {
        if (cli->positional[i] != path && pare_system_same(cli->positional[i], copy)) {
            return pare_cli_fail(cli, PARE_EXIT_INPUT, "%s%s'%s' is read and cannot be written too",
                                 option, option[0] ? ": " : "", copy);
        }
    }
    for (int64_t i = 0; i < command->own_count + pare_option_count(); i++) {
        pare_option other = {.size = sizeof other};
        bool own = i < command->own_count;
        if (own) {
            other = command->own[i];
        } else if (pare_option_at(i - command->own_count, &other) != PARE_OK ||
                   !pare_cli_takes(command->sections, other.section)) {
            continue;
        }
        if (other.type != PARE_OPTION_TEXT || may_share(option, other.name)) {
            continue;
        }
        const char *value = own ? cli->own[i] : pare_cli_text(cli, other.name);
        if (value[0] && pare_system_same(value, copy)) {
            return pare_cli_fail(cli, PARE_EXIT_INPUT, "%s%s and %s: both name '%s'",
                                 option[0] ? "options " : "the output", option, other.name, copy);
        }
    }
    return PARE_EXIT_OK;
}

pare_exit pare_cli_outputs_writable(pare_cli *cli, const char *const *options, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const char *path = pare_cli_text(cli, options[i]);
        pare_exit code = path[0] ? pare_cli_writable(cli, options[i], path) : PARE_EXIT_OK;
        if (code != PARE_EXIT_OK) {
            return code;
        }
    }
    return PARE_EXIT_OK;
}

pare_exit pare_cli_results_writable(pare_cli *cli, const char *stem, const char *report) {
    char path[PATH_SIZE];
    pare_exit code = PARE_EXIT_OK;
    int length = snprintf(path, sizeof path, "%s.json", stem);
    if (length < 0 || (size_t)length >= sizeof path) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option --out: the name is too long");
    }
    if (stem[0]) {
        code = pare_cli_writable(cli, "out", path);
    }
    return code == PARE_EXIT_OK && report[0] ? pare_cli_writable(cli, "report", report) : code;
}

pare_exit pare_cli_absent(pare_cli *cli, const char *option, const char *path) {
    char copy[PATH_SIZE];
    snprintf(copy, sizeof copy, "%s", path);
    pare_exit code = pare_cli_alone(cli, option, path);
    if (code != PARE_EXIT_OK || !pare_system_exists(copy) || pare_cli_flag(cli, "overwrite")) {
        return code;
    }
    return pare_cli_fail(cli, PARE_EXIT_INPUT, "%s: exists already; --overwrite replaces it", copy);
}
