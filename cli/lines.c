/* Lines "name: value" as JSON. */
#include "cli.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pare_lines_add(pare_lines *lines, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    if (!lines->json) {
        vprintf(format, list);
        va_end(list);
        return;
    }
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    size_t needs = lines->length + (length > 0 ? (size_t)length : 0) + 1;
    char *text = needs > lines->room ? realloc(lines->text, 2 * needs) : lines->text;
    if (text) {
        lines->room = needs > lines->room ? 2 * needs : lines->room;
        lines->text = text;
    }
    if (text && length > 0) {
        vsnprintf(text + lines->length, (size_t)length + 1, format, again);
        lines->length += (size_t)length;
    }
    lines->failed = lines->failed || !text || length < 0;
    va_end(again);
}

/* Letters and digits in lower case, the rest as single underscores. */
static void put_name(const char *name, size_t length) {
    bool gap = false;
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        bool letter = isalnum((unsigned char)name[i]) != 0;
        if (letter) {
            fputs(gap && i > 0 ? "_" : "", stdout);
            putchar(tolower((unsigned char)name[i]));
        }
        gap = !letter;
    }
    fputs("\": ", stdout);
}

/* A number as it is, anything else as text. */
static void put_value(pare_lines *lines, const char *value, size_t length) {
    char *end = NULL;
    bool plain = length > 0 && (isdigit((unsigned char)value[0]) || value[0] == '-');
    double number = plain ? strtod(value, &end) : (double)NAN;
    if (plain && end == value + length && isfinite(number)) {
        fwrite(value, 1, length, stdout);
        return;
    }
    const char *text = NULL;
    bool made = pare_context_json(lines->ctx, value, (int64_t)length, &text) == PARE_OK;
    fputs(made ? text : "null", stdout);
    lines->failed = lines->failed || !made;
}

/* "layer 0 to 3: 8 heads, 4 key/value heads, 172 channels" */
static bool put_layer(const char *line, bool first) {
    long long from = 0, to = 0, heads = 0, groups = 0, channels = 0;
    const char *shape = strchr(line, ':');
    int read = sscanf(line, "layer %lld to %lld:", &from, &to);
    if (read < 1 || !shape ||
        sscanf(shape, ": %lld heads, %lld key/value heads, %lld channels", &heads, &groups,
               &channels) != 3) {
        return false;
    }
    printf("%s\n        {\"from\": %lld, \"to\": %lld, \"heads\": %lld, \"key_value_heads\": %lld, "
           "\"channels\": %lld}",
           first ? "" : ",", from, read == 2 ? to : from, heads, groups, channels);
    return true;
}

/* One group: its layers, then the other lines. */
static const char *put_group(pare_lines *lines, const char *text) {
    bool first = true;
    fputs("    {\n      \"shape\": [", stdout);
    const char *end = text;
    for (; *end && *end != '\n'; end = strchr(end, '\n') + 1) {
        first = !put_layer(end, first) && first;
    }
    fputs("]", stdout);
    for (const char *line = text; line < end; line = strchr(line, '\n') + 1) {
        size_t length = (size_t)(strchr(line, '\n') - line);
        const char *value = strstr(line, ": ");
        long long layer = 0;
        if (!value || value >= line + length || sscanf(line, "layer %lld", &layer) == 1) {
            continue;
        }
        fputs(",\n      ", stdout);
        put_name(line, (size_t)(value - line));
        put_value(lines, value + 2, length - (size_t)(value + 2 - line));
    }
    fputs("\n    }", stdout);
    return end;
}

void pare_lines_finish(pare_lines *lines, const char *format, const char *groups) {
    if (lines->json && !lines->failed && lines->text) {
        printf("{\n  \"format\": \"%s\",\n  \"format_version\": 1,\n  \"%s\": [\n", format, groups);
        for (const char *at = lines->text; *at;) {
            at = put_group(lines, at);
            at += *at == '\n';
            fputs(*at ? ",\n" : "\n", stdout);
        }
        puts("  ]\n}");
    }
    free(lines->text);
    *lines = (pare_lines){.ctx = lines->ctx, .json = lines->json, .failed = lines->failed};
}
