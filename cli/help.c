#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, INDENT = 26 };

/* Prints `text` in lines of at most WIDTH columns, all but the first indented; the cursor stands
 * at column `at`. */
static void print_wrapped(const char *text, int64_t at, int64_t indent) {
    bool first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (!first && at + 1 + (int64_t)length > WIDTH) {
            printf("\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            putchar(' ');
            at++;
        }
        printf("%.*s", (int)length, text);
        at += (int64_t)length;
        text += length + (text[length] == ' ');
        first = false;
    }
    putchar('\n');
}

/* "choose columns" as "Choose columns." */
static void print_sentence(const char *summary) {
    printf("%c%s.\n", toupper((unsigned char)summary[0]), summary + 1);
}

static const char *value_word(const pare_option *option) {
    switch (option->type) {
    case PARE_OPTION_INTEGER:
        return " COUNT";
    case PARE_OPTION_REAL:
        return " NUMBER";
    case PARE_OPTION_TEXT:
        return " TEXT";
    case PARE_OPTION_CHOICE:
        return " WORD";
    case PARE_OPTION_BOOL:
        break;
    }
    return "";
}

/* "--name NUMBER", "--[no-]name", "-k TEXT". */
static void format_flag(const pare_option *option, char *buffer, size_t size) {
    bool brief = strlen(option->name) == 1;
    const char *no =
        option->type == PARE_OPTION_BOOL && strcmp(option->initial, "true") == 0 ? "[no-]" : "";
    snprintf(buffer, size, "%s%s%s%s", brief ? "-" : "--", no, option->name, value_word(option));
}

/* "0 to 0.9", "a, b or c", "". */
static void format_range(const pare_option *option, char *buffer, size_t size) {
    buffer[0] = '\0';
    if (option->high >= 1e9) { /* a bound nobody meets */
        snprintf(buffer, size, "%.15g or more", option->low);
    } else if (option->type == PARE_OPTION_INTEGER || option->type == PARE_OPTION_REAL) {
        snprintf(buffer, size, "%.15g to %.15g", option->low, option->high);
    } else if (option->type == PARE_OPTION_CHOICE) {
        size_t used = 0;
        for (const char *at = option->choices; *at;) {
            size_t piece = strcspn(at, "|");
            bool last = at[piece] == '\0', last_but_one = !last && !strchr(at + piece + 1, '|');
            int written = snprintf(buffer + used, size - used, "%.*s%s", (int)piece, at,
                                   last           ? ""
                                   : last_but_one ? " or "
                                                  : ", ");
            if (written < 0 || (size_t)written >= size - used) {
                return;
            }
            used += (size_t)written;
            at += piece + !last;
        }
    }
}

static void print_option(const pare_option *option) {
    char flag[96], range[512], text[2048];
    format_flag(option, flag, sizeof flag);
    format_range(option, range, sizeof range);
    const char *initial = option->initial;
    if (option->type == PARE_OPTION_BOOL) {
        initial = strcmp(initial, "true") == 0 ? "yes" : "no";
    }
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s", option->help, range[0] || initial[0] ? " (" : "",
             range, range[0] && initial[0] ? "; " : "", initial[0] ? "default " : "", initial,
             range[0] || initial[0] ? ")" : "");
    int64_t at = printf("  %s", flag);
    if (at > INDENT - 2) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", (int)(INDENT - at), "");
    print_wrapped(text, INDENT, INDENT);
}

/* Calls `print` for the options of one section of a command. */
static void each_option(const pare_command *command, const char *section,
                        void (*print)(const pare_option *option)) {
    for (int64_t i = 0; i < command->own_count; i++) {
        if (strcmp(command->own[i].section, section) == 0) {
            print(&command->own[i]);
        }
    }
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) == PARE_OK && strcmp(option.section, section) == 0 &&
            pare_cli_takes(command->sections, section)) {
            print(&option);
        }
    }
}

/* Whether one of the first `count` own options of a command belongs to `section`. */
static bool own_has(const pare_command *command, int64_t count, const char *section) {
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(command->own[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

/* The same of the first `count` options of the library. */
static bool table_has(int64_t count, const char *section) {
    for (int64_t i = 0; i < count; i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) == PARE_OK && strcmp(option.section, section) == 0) {
            return true;
        }
    }
    return false;
}

/* Calls `print` once for each section of a command: those of its own options, then the library's,
 * in the order of the table. */
static void each_section(const pare_command *command,
                         void (*print)(const pare_command *command, const char *section)) {
    for (int64_t i = 0; i < command->own_count; i++) {
        if (!own_has(command, i, command->own[i].section)) {
            print(command, command->own[i].section);
        }
    }
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) == PARE_OK && !table_has(i, option.section) &&
            pare_cli_takes(command->sections, option.section) &&
            !own_has(command, command->own_count, option.section)) {
            print(command, option.section);
        }
    }
}

static void print_heading(const char *section) {
    printf("%c%s", toupper((unsigned char)section[0]), section + 1);
}

static void print_section(const pare_command *command, const char *section) {
    putchar('\n');
    print_heading(section);
    printf(" options:\n");
    each_option(command, section, print_option);
}

/* The lines of `text`, each indented. */
static void print_lines(const char *text) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        printf("  %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_exit_codes(void) {
    printf("\nExit codes:\n");
#define PARE_EXIT_LINE(code, number, text) printf("  %3d  %s\n", number, text);
    PARE_EXIT_LIST(PARE_EXIT_LINE)
#undef PARE_EXIT_LINE
}

void pare_help_command(const pare_command *command) {
    printf("Usage: pare %s%s%s\n\n", command->name, command->usage[0] ? " " : "", command->usage);
    if (command->summary) {
        print_sentence(command->summary);
        putchar('\n');
    }
    printf("Examples:\n");
    print_lines(command->examples);
    each_section(command, print_section);
    print_exit_codes();
}

void pare_help_program(void) {
    printf("Usage: pare COMMAND [arguments]\n\n"
           "Selects the columns of a table that are worth keeping for a model.\n\n"
           "Commands:\n");
    const pare_command *command = NULL;
    for (int64_t i = 0; (command = pare_command_at(i)); i++) {
        if (command->summary) {
            printf("  %-14s", command->name);
            print_wrapped(command->summary, 16, 16);
        }
    }
    printf("\nExamples:\n");
    for (int64_t i = 0; (command = pare_command_at(i)); i++) {
        if (command->summary) {
            printf("  %.*s\n", (int)strcspn(command->examples, "\n"), command->examples);
        }
    }
    printf("\n`pare COMMAND --help` explains a command with all its options; `pare --version` "
           "prints\nthe version.\n");
    print_exit_codes();
}

/* A cell of a Markdown table: `|` would end it. */
static void print_cell(const char *text) {
    for (; *text; text++) {
        printf(*text == '|' ? "\\|" : "%c", *text);
    }
}

static void print_markdown_option(const pare_option *option) {
    char flag[96], range[512];
    format_flag(option, flag, sizeof flag);
    format_range(option, range, sizeof range);
    printf("| `");
    print_cell(flag);
    printf("` | ");
    print_cell(range);
    printf(" | %s%s%s | ", option->initial[0] ? "`" : "", option->initial,
           option->initial[0] ? "`" : "");
    print_cell(option->help);
    printf(" |\n");
}

static void print_markdown_section(const pare_command *command, const char *section) {
    printf("\n### ");
    print_heading(section);
    printf("\n\n| option | range | default | meaning |\n|---|---|---|---|\n");
    each_option(command, section, print_markdown_option);
}

void pare_help_markdown(void) {
    printf("# Commands and options\n\n"
           "Written by `scripts/options_doc.sh` from the options table "
           "(`src/base/options.h`); do not edit.\n\n"
           "A value follows its option after a blank or `=`; an option without a value is a "
           "switch, and\n`--no-NAME` switches it off.\n");
    const pare_command *command = NULL;
    for (int64_t i = 0; (command = pare_command_at(i)); i++) {
        if (command->summary) {
            printf("\n## pare %s%s%s\n\n", command->name, command->usage[0] ? " " : "",
                   command->usage);
            print_sentence(command->summary);
            printf("\n```\n%s```\n", command->examples);
            each_section(command, print_markdown_section);
        }
    }
    printf("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
#define PARE_EXIT_ROW(code, number, text) printf("| %d | %s |\n", number, text);
    PARE_EXIT_LIST(PARE_EXIT_ROW)
#undef PARE_EXIT_ROW
}
