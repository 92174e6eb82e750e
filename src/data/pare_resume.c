/* Going on with a .pare file whose writing was cut off. */
#include "data/pare_write.h"

#include <stdio.h>

/* Reads exactly `length` bytes at the file's place; false: they are not there. */
static bool get(pare_writer *w, void *out, int64_t length) {
    return fread(out, 1, (size_t)length, w->out.file) == (size_t)length;
}

static bool go_to(pare_writer *w, uint64_t place) {
    return place <= INT64_MAX && fseek(w->out.file, (long)place, SEEK_SET) == 0;
}

static bool begun_alike(pare_writer *w) {
    pare_file_header h = {0};
    if (!get(w, &h, sizeof h) || h.hash != pare_header_hash(&h)) {
        return false;
    }
    w->header.hash = h.hash;
    return memcmp(&h, &w->header, sizeof h) == 0;
}

/* The next record, verified, its payload in w->sparse; false: it is not whole. */
static pare_status next_record(pare_writer *w, int64_t length, uint64_t row, pare_record *record,
                               bool *good) {
    *good = false;
    if (!get(w, record, sizeof *record) ||
        pare_record_fault(&w->header, record, (uint64_t)w->at, row) ||
        w->at + (int64_t)(sizeof *record + record->stored) > length) {
        return PARE_OK;
    }
    pare_status status =
        pare_grow(w->ctx, (int64_t)record->stored, 1, &w->sparse_capacity, &w->sparse);
    if (status == PARE_OK && get(w, w->sparse, (int64_t)record->stored)) {
        *good = pare_record_hash(record, w->sparse) == record->hash;
    }
    return status;
}

/* Whether the schema is what this conversion would write; category: as the earlier run saw it. */
static pare_status same_schema(pare_writer *w, const pare_table *shape, const pare_origin *origin,
                               const pare_record *record, uint8_t *category, bool *same) {
    *same = false;
    int64_t columns = shape->columns;
    if (record->type != PARE_RECORD_SCHEMA ||
        (int64_t)record->length < (int64_t)sizeof *origin + columns) {
        return PARE_OK;
    }
    memcpy(category, w->sparse + sizeof *origin, (size_t)columns);
    pare_text schema = {0};
    pare_status status = pare_schema_build(w->ctx, shape, category, origin, &schema);
    if (status == PARE_OK) {
        *same = (int64_t)record->length == schema.length &&
                memcmp(schema.bytes, w->sparse, (size_t)schema.length) == 0;
    }
    pare_text_clear(&schema);
    return status;
}

/* Finds the last mark; *end: the place behind it, 0 if there is none. */
static pare_status scan(pare_writer *w, int64_t length, const pare_table *shape,
                        const pare_origin *origin, uint8_t *category, pare_mark *mark,
                        int64_t *end) {
    uint64_t row = 0;
    int64_t kept = 0;
    *end = 0;
    for (bool first = true;; first = false) {
        pare_record record = {0};
        bool good = false;
        pare_status status = next_record(w, length, row, &record, &good);
        if (status == PARE_OK && good && first) {
            status = same_schema(w, shape, origin, &record, category, &good);
        }
        if (status == PARE_OK && good) {
            status = pare_grow(w->ctx, w->records + 1, sizeof *w->record, &w->record_capacity,
                               &w->record);
        }
        if (status != PARE_OK || !good) {
            w->records = kept;
            return status;
        }
        w->record[w->records++] = record;
        w->at += (int64_t)(sizeof record + record.stored);
        if (record.type == PARE_RECORD_MARK) {
            memcpy(mark, w->sparse, sizeof *mark);
            row = mark->rows;
            kept = w->records;
            *end = w->at;
        }
    }
}

static pare_status take_levels(pare_writer *w, pare_levels *levels) {
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < w->records; i++) {
        const pare_record *record = &w->record[i];
        if (record->type != PARE_RECORD_LEVELS) {
            continue;
        }
        status = pare_grow(w->ctx, (int64_t)record->stored, 1, &w->sparse_capacity, &w->sparse);
        if (status == PARE_OK && (!go_to(w, record->offset + sizeof *record) ||
                                  !get(w, w->sparse, (int64_t)record->stored))) {
            status = pare_fail(w->ctx, PARE_ERROR_IO, "%s: cannot be read", w->out.temporary);
        }
        if (status == PARE_OK) {
            status = pare_levels_take(w->ctx, w->out.temporary, w->sparse, (int64_t)record->length,
                                      (int64_t)w->header.columns, NULL, NULL, levels);
        }
    }
    return status;
}

pare_status pare_writer_resume(pare_context *ctx, const char *path, const pare_table *shape,
                               const pare_origin *origin, bool pack, uint8_t *category,
                               pare_levels *levels, pare_mark *mark, pare_writer **out) {
    *out = NULL;
    *mark = (pare_mark){0};
    pare_writer *w = NULL;
    int64_t length = 0, end = 0;
    pare_status status = pare_writer_open(ctx, path, shape, pack, &w, &length);
    if (status != PARE_OK) {
        return status;
    }
    if (begun_alike(w)) {
        w->at = sizeof w->header;
        status = scan(w, length, shape, origin, category, mark, &end);
    }
    if (status == PARE_OK && end > 0 && levels) {
        status = take_levels(w, levels);
    }
    if (status == PARE_OK && end > 0) {
        status = pare_output_cut(&w->out, end);
    }
    if (status != PARE_OK || end == 0) {
        pare_writer_destroy(w, false);
        return status;
    }
    w->at = end;
    w->done = mark->rows;
    w->header.entries = mark->entries;
    *out = w;
    return PARE_OK;
}
