#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

bool pare_cli_takes(const char *sections, const char *section) {
    size_t length = strlen(section);
    for (const char *at = sections; *at;) {
        size_t piece = strcspn(at, "|");
        if (piece == length && memcmp(at, section, length) == 0) {
            return true;
        }
        at += piece + (at[piece] == '|');
    }
    return false;
}

/* Optimal string alignment distance: letters changed, added, dropped, or two neighbours swapped. */
static int64_t word_distance(const char *a, const char *b) {
    int64_t row[3][WORD_MAX + 1];
    int64_t *older = row[0], *last = row[1], *now = row[2];
    size_t m = strlen(a), n = strlen(b);
    if (m > WORD_MAX || n > WORD_MAX) {
        return WORD_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        last[j] = (int64_t)j;
    }
    for (size_t i = 1; i <= m; i++) {
        now[0] = (int64_t)i;
        for (size_t j = 1; j <= n; j++) {
            int64_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                older[j - 2] + 1 < best) {
                best = older[j - 2] + 1;
            }
            now[j] = best;
        }
        int64_t *spare = older;
        older = last;
        last = now;
        now = spare;
    }
    return last[n];
}

void pare_cli_nearer(const char *word, const char *name, const char **best, int64_t *distance) {
    int64_t length = (int64_t)strlen(word);
    int64_t near = length < 6 ? 2 : length / 3;
    /* The beginning of a name is near however much is missing; a two-letter typo in a two-letter
     * word is not. */
    int64_t d =
        length >= 3 && strncmp(name, word, (size_t)length) == 0 ? 1 : word_distance(word, name);
    if (d <= near && d < length && (!*best || d < *distance)) {
        *best = name;
        *distance = d;
    }
}

/* Where an option of this command is found: in the library's table or among its own. */
typedef struct found_option {
    pare_option option;
    int64_t own; /* index, or -1 */
} found_option;

/* The index-th option the command takes, its own first; false past the end. */
static bool option_of(const pare_command *command, int64_t index, found_option *out) {
    if (index < command->own_count) {
        *out = (found_option){command->own[index], index};
        return true;
    }
    index -= command->own_count;
    for (int64_t i = 0; i < pare_option_count(); i++) {
        found_option found = {.option = {.size = sizeof(pare_option)}, .own = -1};
        if (pare_option_at(i, &found.option) == PARE_OK &&
            pare_cli_takes(command->sections, found.option.section) && index-- == 0) {
            *out = found;
            return true;
        }
    }
    return false;
}

static bool find_option(const pare_command *command, const char *name, size_t length,
                        found_option *out) {
    for (int64_t i = 0; option_of(command, i, out); i++) {
        if (strlen(out->option.name) == length && memcmp(out->option.name, name, length) == 0) {
            return true;
        }
    }
    return false;
}

static pare_exit unknown_option(pare_cli *cli, const char *word, const char *name, size_t length) {
    char plain[WORD_MAX + 1] = "";
    if (length <= WORD_MAX) {
        memcpy(plain, name, length);
        plain[length] = '\0';
    }
    const char *best = NULL;
    int64_t distance = 0;
    found_option found;
    for (int64_t i = 0; option_of(cli->command, i, &found); i++) {
        pare_cli_nearer(plain, found.option.name, &best, &distance);
    }
    int shown = (int)(name + length - word);
    if (best) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "there is no option %.*s; the nearest is %s%s",
                             shown, word, strcmp(best, "k") == 0 ? "-" : "--", best);
    }
    return pare_cli_fail(cli, PARE_EXIT_INPUT,
                         "there is no option %.*s; pare %s --help lists all there are", shown, word,
                         cli->command->name);
}

/* A value of an option of the command's own, held against its type, range and choices. */
static pare_exit check_own(pare_cli *cli, const pare_option *option, const char *value) {
    char *end = NULL;
    bool whole = option->type == PARE_OPTION_INTEGER;
    if (option->type == PARE_OPTION_CHOICE && !pare_cli_takes(option->choices, value)) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "option %s: '%s' is not one of %s", option->name,
                             value, option->choices);
    }
    if (!whole && option->type != PARE_OPTION_REAL) {
        return PARE_EXIT_OK;
    }
    double number = whole ? (double)strtoll(value, &end, 10) : strtod(value, &end);
    if (end == value || *end || !(number >= option->low && number <= option->high)) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option %s: '%s' is not a %s from %.16g to %.16g", option->name, value,
                             whole ? "whole number" : "number", option->low, option->high);
    }
    return PARE_EXIT_OK;
}

bool pare_cli_given(const pare_cli *cli, const char *option) {
    bool given = false;
    for (int64_t i = 0; i < cli->givens && !given; i++) {
        given = strcmp(cli->given[i], option) == 0;
    }
    return given;
}

pare_exit pare_cli_without(pare_cli *cli, const char *const *options, int64_t count,
                           const char *why) {
    for (int64_t i = 0; i < count; i++) {
        if (pare_cli_given(cli, options[i])) {
            return pare_cli_fail(cli, PARE_EXIT_INPUT, "option %s: %s", options[i], why);
        }
    }
    return PARE_EXIT_OK;
}

static pare_exit set_option(pare_cli *cli, const found_option *found, const char *value) {
    if (cli->givens < PARE_GIVEN_MAX && !pare_cli_given(cli, found->option.name)) {
        cli->given[cli->givens++] = found->option.name;
    }
    if (found->own >= 0) {
        cli->own[found->own] = value;
        return check_own(cli, &found->option, value);
    }
    pare_status status = pare_config_set(cli->config, found->option.name, value);
    return status == PARE_OK ? PARE_EXIT_OK : pare_cli_failed(cli, status);
}

/* "--name", "--name=value", "--no-name", "-k", "-k50", "-k=50". *used: words taken. */
static pare_exit parse_option(pare_cli *cli, int left, char **words, int *used) {
    const char *word = words[0];
    bool brief = word[1] != '-';
    const char *name = word + (brief ? 1 : 2);
    size_t length = brief ? 1 : strcspn(name, "=");
    const char *value = NULL;
    if (name[length] != '\0') {
        value = name + length + (name[length] == '=');
    }
    *used = 1;
    found_option found;
    if (brief && name[0] != 'k') {
        return unknown_option(cli, word, name, strcspn(name, "="));
    }
    if (!find_option(cli->command, name, length, &found)) {
        if (length > 3 && memcmp(name, "no-", 3) == 0 &&
            find_option(cli->command, name + 3, length - 3, &found) &&
            found.option.type == PARE_OPTION_BOOL) {
            if (value) {
                return pare_cli_fail(cli, PARE_EXIT_INPUT, "option --no-%s takes no value",
                                     found.option.name);
            }
            return set_option(cli, &found, "false");
        }
        return unknown_option(cli, word, name, length);
    }
    if (found.option.type == PARE_OPTION_BOOL) {
        return set_option(cli, &found, value ? value : "true");
    }
    if (!value) {
        found_option next;
        bool missing = left < 2;
        if (!missing && strncmp(words[1], "--", 2) == 0) {
            missing = find_option(cli->command, words[1] + 2, strcspn(words[1] + 2, "="), &next);
        }
        if (missing) {
            return pare_cli_fail(cli, PARE_EXIT_INPUT, "option %.*s needs a value",
                                 (int)(name + length - word), word);
        }
        value = words[1];
        *used = 2;
    }
    return set_option(cli, &found, value);
}

pare_exit pare_cli_parse(pare_cli *cli, int argc, char **argv) {
    const pare_command *command = cli->command;
    for (int64_t i = 0; i < command->own_count; i++) {
        cli->own[i] = command->own[i].initial;
    }
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        cli->help = cli->help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    }
    if (cli->help) {
        return PARE_EXIT_OK;
    }
    int64_t count = 0;
    bool options_end = false;
    for (int i = 0; i < argc;) {
        const char *word = argv[i];
        if (!options_end && strcmp(word, "--") == 0) {
            options_end = true;
            i++;
        } else if (!options_end && word[0] == '-' && word[1] != '\0') {
            int used = 0;
            pare_exit code = parse_option(cli, argc - i, argv + i, &used);
            if (code != PARE_EXIT_OK) {
                return code;
            }
            i += used;
        } else if (count == command->positionals + command->optional) {
            return pare_cli_fail(cli, PARE_EXIT_INPUT, "'%s' is one word too many: pare %s%s%s",
                                 word, command->name, command->usage[0] ? " " : "", command->usage);
        } else {
            cli->positional[count++] = word;
            i++;
        }
    }
    if (count < command->positionals) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT, "a file name is missing: pare %s %s",
                             command->name, command->usage);
    }
    return PARE_EXIT_OK;
}
