/* Names of columns from a file: a selection, or a plain list. */
#include "platform/system.h"
#include "report/report.h"

#include <string.h>

typedef struct name_list {
    pare_context *ctx;
    int64_t count, capacity;
    char **name;
} name_list;

static pare_status add_name(name_list *list, const char *text, int64_t length) {
    pare_status status =
        pare_grow(list->ctx, list->count + 1, sizeof *list->name, &list->capacity, &list->name);
    if (status == PARE_OK) {
        status = pare_text_copy(list->ctx, text, length, &list->name[list->count]);
    }
    if (status == PARE_OK) {
        list->count++;
    }
    return status;
}

static pare_status add_lines(name_list *list, const char *path, const char *bytes, int64_t length) {
    if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        length -= 3;
    }
    int64_t line = 1;
    for (int64_t at = 0; at < length; line++) {
        const char *end = memchr(bytes + at, '\n', (size_t)(length - at));
        int64_t next = end ? end - bytes : length;
        int64_t size = next - at;
        size -= size > 0 && bytes[at + size - 1] == '\r';
        if (size > 0 && memchr(bytes + at, '\0', (size_t)size)) {
            return pare_fail(list->ctx, PARE_ERROR_INPUT,
                             "%s line %lld: a zero byte, expected a name", path, (long long)line);
        }
        pare_status status = size > 0 ? add_name(list, bytes + at, size) : PARE_OK;
        if (status != PARE_OK) {
            return status;
        }
        at = next + 1;
    }
    return PARE_OK;
}

static pare_status add_selection(name_list *list, const char *path, const char *bytes,
                                 int64_t length) {
    pare_selection *selection = NULL;
    pare_status status = pare_report_parse_json(list->ctx, path, bytes, length, &selection);
    for (int64_t i = 0; status == PARE_OK && i < selection->count; i++) {
        const char *name = selection->item[i].name;
        status = add_name(list, name, (int64_t)strlen(name));
    }
    pare_selection_free(selection);
    return status;
}

pare_status pare_report_read_names(pare_context *ctx, const char *path, int64_t *count,
                                   char ***names) {
    *count = 0;
    *names = NULL;
    name_list list = {.ctx = ctx};
    pare_map map;
    pare_status status = pare_map_open(ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    const char *bytes = (const char *)map.bytes;
    int64_t blank = 0;
    while (blank < map.length && strchr(" \t\r\n", bytes[blank]) && bytes[blank]) {
        blank++;
    }
    if (blank < map.length && bytes[blank] == '{') {
        status = add_selection(&list, path, bytes, map.length);
    } else {
        status = add_lines(&list, path, bytes, map.length);
    }
    if (status == PARE_OK && list.count == 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: no names in it, expected one a line", path);
    }
    pare_map_close(&map);
    if (status == PARE_OK) {
        *count = list.count;
        *names = list.name;
        return PARE_OK;
    }
    for (int64_t i = 0; i < list.count; i++) {
        pare_free(ctx, list.name[i]);
    }
    pare_free(ctx, list.name);
    return status;
}
