#include "base/options.h"
#include "base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A row of the table at run time, with the place of its field in the struct. */
typedef struct option_row {
    pare_option option;
    size_t offset;
} option_row;

static const option_row rows[] = {
#define PARE_OPTION_ROW(section, field, name, type, initial, low, high, choices, help)             \
    {{sizeof(pare_option), name, #section, PARE_OPTION_##type, initial, low, high, choices, help}, \
     offsetof(pare_options, field)},
    PARE_OPTION_TABLE(PARE_OPTION_ROW)
#undef PARE_OPTION_ROW
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

int64_t pare_option_count(void) {
    return ROW_COUNT;
}

pare_status pare_option_at(int64_t index, pare_option *out) {
    if (index < 0 || index >= ROW_COUNT || !out || out->size == 0) {
        return PARE_ERROR_ARGUMENT;
    }
    size_t size = out->size < sizeof(pare_option) ? out->size : sizeof(pare_option);
    memcpy(out, &rows[index].option, size);
    out->size = size;
    return PARE_OK;
}

bool pare_option_recorded(const pare_option *option) {
    static const char *const others[] = {"genotypes", "genome",   "polygenic", "panel",
                                         "blocks",    "sparsify", "chem"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(option->section, others[i]) == 0) {
            return false;
        }
    }
    return true;
}

int64_t pare_option_index(const char *name) {
    for (int64_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].option.name, name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *pare_option_choice(const char *choices, int64_t index, char *buffer, size_t size) {
    const char *at = choices;
    for (; index > 0 && at; index--) {
        at = strchr(at, '|');
        at = at ? at + 1 : NULL;
    }
    at = at ? at : "";
    snprintf(buffer, size, "%.*s", (int)strcspn(at, "|"), at);
    return buffer;
}

/* Index of `value` in "a|b|c", -1 if absent. */
static int64_t choice_index(const char *choices, const char *value) {
    size_t length = strlen(value);
    int64_t index = 0;
    for (const char *at = choices;; index++) {
        size_t piece = strcspn(at, "|");
        if (piece == length && memcmp(at, value, length) == 0) {
            return index;
        }
        if (!at[piece]) {
            return -1;
        }
        at += piece + 1;
    }
}

static pare_status set_number(pare_context *ctx, const pare_option *option, const char *value,
                              void *field) {
    if (option->type == PARE_OPTION_INTEGER) {
        int64_t number = 0;
        if (!pare_parse_integer(value, &number) || (double)number < option->low ||
            (double)number > option->high) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "option %s: '%s' is not a whole number from %.0f to %.0f",
                             option->name, value, option->low, option->high);
        }
        memcpy(field, &number, sizeof number);
        return PARE_OK;
    }
    double number = 0;
    if (!pare_parse_real(value, &number) || !(number >= option->low && number <= option->high)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option %s: '%s' is not a number from %.15g to %.15g", option->name, value,
                         option->low, option->high);
    }
    memcpy(field, &number, sizeof number);
    return PARE_OK;
}

static pare_status set_row(pare_options *options, const option_row *row, const char *value) {
    pare_context *ctx = options->ctx;
    const pare_option *option = &row->option;
    void *field = (char *)options + row->offset;
    switch (option->type) {
    case PARE_OPTION_INTEGER:
    case PARE_OPTION_REAL:
        return set_number(ctx, option, value, field);
    case PARE_OPTION_BOOL: {
        bool yes = strcmp(value, "true") == 0 || strcmp(value, "yes") == 0;
        if (!yes && strcmp(value, "false") != 0 && strcmp(value, "no") != 0) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option %s: '%s' is not true or false",
                             option->name, value);
        }
        memcpy(field, &yes, sizeof yes);
        return PARE_OK;
    }
    case PARE_OPTION_CHOICE: {
        int64_t index = choice_index(option->choices, value);
        if (index < 0) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option %s: '%s' is not one of %s",
                             option->name, value, option->choices);
        }
        memcpy(field, &index, sizeof index);
        return PARE_OK;
    }
    case PARE_OPTION_TEXT: {
        char *copy = NULL;
        pare_status status = pare_text_copy(ctx, value, (int64_t)strlen(value), &copy);
        if (status != PARE_OK) {
            return status;
        }
        char *old = NULL;
        memcpy(&old, field, sizeof old);
        pare_free(ctx, old);
        memcpy(field, &copy, sizeof copy);
        return PARE_OK;
    }
    }
    return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option %s has no known type", option->name);
}

pare_status pare_options_init(pare_context *ctx, pare_options *options) {
    memset(options, 0, sizeof *options);
    options->ctx = ctx;
    for (int64_t i = 0; i < ROW_COUNT; i++) {
        pare_status status = set_row(options, &rows[i], rows[i].option.initial);
        if (status != PARE_OK) {
            pare_options_clear(options);
            return status;
        }
    }
    return PARE_OK;
}

pare_status pare_options_copy(const pare_options *options, pare_options *copy) {
    *copy = *options;
    for (int64_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].option.type == PARE_OPTION_TEXT) {
            char *none = NULL;
            memcpy((char *)copy + rows[i].offset, &none, sizeof none);
        }
    }
    for (int64_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].option.type == PARE_OPTION_TEXT) {
            const char *text = NULL;
            memcpy(&text, (const char *)options + rows[i].offset, sizeof text);
            pare_status status = set_row(copy, &rows[i], text);
            if (status != PARE_OK) {
                pare_options_clear(copy);
                return status;
            }
        }
    }
    return PARE_OK;
}

void pare_options_clear(pare_options *options) {
    if (!options->ctx) {
        return;
    }
    for (int64_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].option.type == PARE_OPTION_TEXT) {
            char *text = NULL;
            memcpy(&text, (char *)options + rows[i].offset, sizeof text);
            pare_free(options->ctx, text);
            text = NULL;
            memcpy((char *)options + rows[i].offset, &text, sizeof text);
        }
    }
}

pare_status pare_options_set(pare_options *options, const char *name, const char *value) {
    int64_t index = pare_option_index(name);
    if (index < 0) {
        return pare_fail(options->ctx, PARE_ERROR_ARGUMENT, "there is no option '%s'", name);
    }
    return set_row(options, &rows[index], value);
}

const char *pare_options_get(const pare_options *options, int64_t index, char *buffer,
                             size_t size) {
    const void *field = (const char *)options + rows[index].offset;
    switch (rows[index].option.type) {
    case PARE_OPTION_INTEGER: {
        int64_t value = 0;
        memcpy(&value, field, sizeof value);
        snprintf(buffer, size, "%lld", (long long)value);
        return buffer;
    }
    case PARE_OPTION_REAL: {
        double value = 0;
        memcpy(&value, field, sizeof value);
        char number[PARE_REAL_SIZE];
        snprintf(buffer, size, "%s", pare_real_text(value, number));
        return buffer;
    }
    case PARE_OPTION_BOOL: {
        bool value = false;
        memcpy(&value, field, sizeof value);
        return value ? "true" : "false";
    }
    case PARE_OPTION_CHOICE: {
        int64_t value = 0;
        memcpy(&value, field, sizeof value);
        return pare_option_choice(rows[index].option.choices, value, buffer, size);
    }
    case PARE_OPTION_TEXT: {
        const char *value = NULL;
        memcpy(&value, field, sizeof value);
        return value;
    }
    }
    return "";
}

pare_status pare_memory_limit(pare_context *ctx, const char *text, int64_t *out) {
    size_t length = strlen(text);
    char digits[24] = "";
    *out = INT64_MAX;
    if (length == 0) {
        return PARE_OK;
    }
    static const char suffixes[] = "KMGT";
    const char *suffix = strchr(suffixes, text[length - 1]);
    size_t kept = suffix ? length - 1 : length;
    int64_t number = 0, unit = suffix ? INT64_C(1) << (10 * (suffix - suffixes + 1)) : 1;
    if (kept > 0 && kept < sizeof digits) {
        memcpy(digits, text, kept);
    }
    if (!pare_parse_integer(digits, &number) || number < 1 ||
        !pare_checked_multiply(number, unit, out)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option memory: '%s' is not a number of bytes such as 500M or 2G", text);
    }
    return PARE_OK;
}
