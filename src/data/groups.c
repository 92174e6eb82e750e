/* Option groups: a file of columns that are chosen together. */
#include "base/text.h"
#include "data/build.h"
#include "platform/system.h"

#include <string.h>

/* One line of the file without blanks around it. */
typedef struct piece {
    const char *at;
    int64_t length;
} piece;

static piece trim(const char *from, const char *to) {
    while (from < to && (*from == ' ' || *from == '\t' || *from == '\r')) {
        from++;
    }
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r')) {
        to--;
    }
    return (piece){from, to - from};
}

static bool same(piece text, const char *name) {
    return strncmp(name, text.at, (size_t)text.length) == 0 && name[text.length] == '\0';
}

static int shown(piece text) {
    return (int)(text.length < 100 ? text.length : 100);
}

/* Adds one column to the last group. */
static pare_status add_column(pare_build *build, piece name, int64_t line) {
    const char *file = build->options->groups;
    int64_t column = pare_column_find(&build->names, name.at, name.length);
    if (column < 0) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s line %lld: there is no column '%.*s' in %.300s", file,
                         (long long)line, shown(name), name.at, build->data->table.source);
    }
    if (build->role[column] != PARE_ROLE_FEATURE) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s line %lld: column '%.*s' is %s, so it cannot be in a group", file,
                         (long long)line, shown(name), name.at,
                         build->role[column] == PARE_ROLE_TARGET    ? "the target"
                         : build->role[column] == PARE_ROLE_IGNORED ? "ignored"
                         : build->role[column] == PARE_ROLE_WEIGHT  ? "the weight"
                                                                    : "the split key");
    }
    if (build->group[column] >= 0) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s line %lld: column '%.*s' is in group '%.100s' already", file,
                         (long long)line, shown(name), name.at,
                         build->group_name[build->group[column]]);
    }
    build->group[column] = build->groups - 1;
    return PARE_OK;
}

static pare_status add_group(pare_build *build, piece text, int64_t line) {
    const char *file = build->options->groups;
    const char *colon = memchr(text.at, ':', (size_t)text.length);
    piece name = trim(text.at, colon ? colon : text.at);
    if (name.length == 0) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s line %lld: 'name: column, column, ...' was expected", file,
                         (long long)line);
    }
    for (int64_t g = 0; g < build->groups; g++) {
        if (same(name, build->group_name[g])) {
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%.300s line %lld: group '%.*s' is there already", file,
                             (long long)line, shown(name), name.at);
        }
    }
    pare_status status = pare_grow(build->ctx, build->groups + 1, sizeof *build->group_name,
                                   &build->group_capacity, &build->group_name);
    if (status == PARE_OK) {
        status =
            pare_text_copy(build->ctx, name.at, name.length, &build->group_name[build->groups]);
    }
    if (status != PARE_OK) {
        return status;
    }
    build->groups++;
    int64_t count = 0;
    const char *at = colon + 1, *end = text.at + text.length;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        piece column = trim(at, stop);
        if (column.length > 0) {
            status = add_column(build, column, line);
            if (status != PARE_OK) {
                return status;
            }
            count++;
        }
        at = stop < end ? stop + 1 : end;
    }
    if (count == 0) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT, "%.300s line %lld: group '%.*s' is empty",
                         file, (long long)line, shown(name), name.at);
    }
    return PARE_OK;
}

/* A group named like a candidate outside it would make the answer ambiguous. */
static pare_status check_names(pare_build *build) {
    for (int64_t g = 0; g < build->groups; g++) {
        const char *name = build->group_name[g];
        int64_t column = pare_column_by_name(&build->names, name, (int64_t)strlen(name));
        if (column >= 0 && build->role[column] == PARE_ROLE_FEATURE && build->group[column] != g) {
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%.300s: group '%.100s' has the name of a column outside it",
                             build->options->groups, name);
        }
    }
    return PARE_OK;
}

pare_status pare_build_groups(pare_build *build) {
    if (!*build->options->groups) {
        return PARE_OK;
    }
    int64_t columns = build->data->table.columns;
    pare_map map = {0};
    pare_status status = pare_alloc(build->ctx, columns, sizeof *build->group, &build->group);
    if (status == PARE_OK) {
        status = pare_map_open(build->ctx, build->options->groups, true, &map);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < columns; j++) {
        build->group[j] = -1;
    }
    const char *at = (const char *)map.bytes, *end = at + map.length;
    if (map.length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) {
        at += 3;
    }
    for (int64_t line = 1; status == PARE_OK && map.length > 0 && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        piece text = trim(at, stop);
        if (text.length > 0 && text.at[0] != '#') {
            status = add_group(build, text, line);
        }
        at = stop < end ? stop + 1 : end;
    }
    pare_map_close(&map);
    return status == PARE_OK ? check_names(build) : status;
}
