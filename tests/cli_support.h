/* Runs the program on small files in a folder of its own and keeps what it said. */
#ifndef PARE_TESTS_CLI_SUPPORT_H
#define PARE_TESTS_CLI_SUPPORT_H

#include "folder_support.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>

enum { CLI_TEXT_MAX = 1 << 16 };

/* What the last run printed. */
static char cli_out[CLI_TEXT_MAX], cli_err[CLI_TEXT_MAX];

static inline void cli_write(const char *name, const char *bytes, size_t length) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void cli_read(const char *name, char *text) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, CLI_TEXT_MAX - 1, file);
    assert_int_equal(fclose(file), 0);
    text[length] = '\0';
}

static inline bool cli_exists(const char *name) {
    return access(name, F_OK) == 0;
}

/* Runs `pare ARGUMENTS` by the shell after the commands `before`; returns the exit code. */
static inline int cli_run_after(const char *before, const char *arguments) {
    char command[4096];
    snprintf(command, sizeof command, "(%s %s %s) > .out 2> .err", before, PARE_PROGRAM, arguments);
    int status = system(command);
    assert_true(WIFEXITED(status));
    cli_read(".out", cli_out);
    cli_read(".err", cli_err);
    return WEXITSTATUS(status);
}

static inline int cli_run(const char *arguments) {
    return cli_run_after("", arguments);
}

/* Files of the folder whose name begins so, the test's own hidden ones aside. */
static inline int cli_count(const char *prefix) {
    int count = 0;
    DIR *folder = opendir(".");
    assert_non_null(folder);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(folder);
    return count;
}

/* A table of `rows` rows a,b,...: three columns that make the class, the others noise. */
static inline void cli_write_table(const char *name, int rows, int columns) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    uint32_t random = 12345;
    for (int j = 0; j < columns; j++) {
        fprintf(file, "c%d,", j);
    }
    fprintf(file, "class\n");
    for (int i = 0; i < rows; i++) {
        int sum = 0;
        for (int j = 0; j < columns; j++) {
            random = random * 1664525U + 1013904223U;
            int value = (int)(random >> 16) % 100;
            sum += j < 3 ? value : 0;
            fprintf(file, "%d,", value);
        }
        fprintf(file, "%s\n", sum > 148 ? "high" : "low");
    }
    assert_int_equal(fclose(file), 0);
}

#endif
