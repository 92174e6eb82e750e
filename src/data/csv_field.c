#include "data/csv.h"

csv_field pare_csv_field(const pare_csv *csv, const unsigned char *p, const unsigned char *limit) {
    const unsigned char separator = csv->separator, terminator = csv->terminator;
    while (csv_blank(csv, *p)) {
        p++;
    }
    csv_field field = {.begin = p};
    if (*p != '"' || p >= limit) {
        while (*p != separator && *p != terminator) {
            p++;
        }
        field.end = field.stop = p;
        while (field.end > field.begin && csv_blank(csv, field.end[-1])) {
            field.end--;
        }
        return field;
    }
    field.quoted = true;
    field.begin = ++p;
    for (;;) {
        p = memchr(p, '"', (size_t)(limit - p));
        if (!p) {
            return field;
        }
        if (p[1] != '"') {
            break;
        }
        field.knotty = true;
        p += 2;
    }
    field.end = p++;
    while (csv_blank(csv, *p)) {
        p++;
    }
    if (*p != separator && *p != terminator) {
        field.knotty = true;
        while (*p != separator && *p != terminator) {
            p++;
        }
        field.end = p;
        while (csv_blank(csv, field.end[-1])) {
            field.end--;
        }
    }
    field.stop = p;
    const unsigned char *at = field.begin;
    while ((at = memchr(at, csv->terminator, (size_t)(field.end - at))) != NULL) {
        field.lines++;
        at++;
    }
    return field;
}

int64_t pare_csv_text(const csv_field *field, unsigned char *scratch, const unsigned char **out) {
    if (!field->knotty) {
        *out = field->begin;
        return field->end - field->begin;
    }
    int64_t length = 0;
    bool inside = true;
    for (const unsigned char *p = field->begin; p < field->end; p++) {
        if (inside && *p == '"') {
            if (p + 1 == field->end || p[1] != '"') {
                inside = false;
                continue;
            }
            p++;
        }
        scratch[length++] = *p;
    }
    *out = scratch;
    return length;
}

pare_status pare_csv_own_text(pare_csv *csv, const csv_field *field, const unsigned char **out,
                              int64_t *length) {
    if (field->knotty) {
        pare_status status =
            pare_grow(csv->ctx, field->end - field->begin, 1, &csv->text_capacity, &csv->text);
        if (status != PARE_OK) {
            return status;
        }
    }
    *length = pare_csv_text(field, csv->text, out);
    return PARE_OK;
}

const unsigned char *pare_csv_record(const pare_csv *csv, const unsigned char *p,
                                     const unsigned char *limit, int64_t *lines, int64_t *fields) {
    *lines = 1;
    for (*fields = 1;; (*fields)++) {
        csv_field field = pare_csv_field(csv, p, limit);
        if (!field.stop || field.stop >= limit) {
            return NULL;
        }
        *lines += field.lines;
        p = field.stop + 1;
        if (*field.stop == csv->terminator) {
            return p;
        }
    }
}
