/* Crosses: fields made of two others, hashed into tables of a chosen size. */
#include "data/fields.h"

#include "base/text.h"
#include "platform/system.h"

/* Makes room for `count` more columns; their cells are absent. */
static pare_status widen(pare_fields *fields, int64_t count) {
    pare_context *ctx = fields->ctx;
    int64_t before = fields->count, after = before + count, cells = 0;
    int32_t *cell = NULL;
    float *value = NULL;
    pare_field *field = NULL;
    if (!pare_checked_multiply(fields->rows, after, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "%s: too many cells", fields->source);
    }
    pare_status status = pare_alloc(ctx, cells, sizeof *cell, &cell);
    if (status == PARE_OK && fields->value) {
        status = pare_alloc(ctx, cells, sizeof *value, &value);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, after, sizeof *field, &field);
    }
    if (status != PARE_OK) {
        pare_free(ctx, cell);
        pare_free(ctx, value);
        return status;
    }
    pare_memory_large_pages(cell, cells * (int64_t)sizeof *cell);
    for (int64_t i = 0; i < fields->rows; i++) {
        memcpy(cell + i * after, fields->cell + i * before, (size_t)before * sizeof *cell);
        memset(cell + i * after + before, 0xff, (size_t)count * sizeof *cell);
        if (value) {
            memcpy(value + i * after, fields->value + i * before, (size_t)before * sizeof *value);
        }
    }
    memcpy(field, fields->field, (size_t)before * sizeof *field);
    pare_free(ctx, fields->cell);
    pare_free(ctx, fields->value);
    pare_free(ctx, fields->field);
    fields->cell = cell;
    fields->value = value;
    fields->field = field;
    return PARE_OK;
}

static pare_status name_cross(pare_fields *fields, pare_field *cross) {
    pare_text name = {.ctx = fields->ctx};
    pare_text_append(&name, "%s*%s", fields->field[cross->part[0]].name,
                     fields->field[cross->part[1]].name);
    pare_status status = name.status;
    if (status == PARE_OK) {
        status = pare_text_copy(fields->ctx, name.bytes, name.length, &cross->name);
    }
    pare_text_clear(&name);
    return status;
}

/* All crosses of a row at once: its cells are near then. */
static void fill(pare_fields *fields, int64_t before) {
    int64_t columns = fields->count;
    for (int64_t i = 0; i < fields->rows; i++) {
        int32_t *row = fields->cell + i * columns;
        float *value = fields->value ? fields->value + i * columns : NULL;
        bool trains = !fields->held_out[i];
        for (int64_t f = before; f < columns; f++) {
            pare_field *cross = &fields->field[f];
            const pare_field *a = &fields->field[cross->part[0]];
            const pare_field *b = &fields->field[cross->part[1]];
            int32_t left = row[cross->part[0]], right = row[cross->part[1]];
            if (left < 0 || right < 0) {
                continue;
            }
            row[f] = (int32_t)(cross->first + pare_cross_row(left - a->first, right - b->first,
                                                             a->size, b->size, cross->size));
            cross->present += trains;
            if (value) {
                value[f] = value[cross->part[0]] * value[cross->part[1]];
            }
        }
    }
}

int64_t pare_cross_moved(const pare_fields *fields, const pare_field *cross, int64_t a_rows,
                         int64_t b_rows, int64_t size, int64_t r) {
    const pare_field *a = &fields->field[cross->part[0]], *b = &fields->field[cross->part[1]];
    bool whole = a_rows * b_rows <= size; /* a hash does not depend on the parts' sizes */
    return whole ? pare_cross_row(r / b_rows, r % b_rows, a->size, b->size, cross->size) : r;
}

pare_status pare_fields_cross(pare_fields *fields, int64_t count, const pare_field_pair *pair) {
    int64_t before = fields->count;
    pare_status status = widen(fields, count);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        pare_field *cross = &fields->field[before + c];
        const pare_field *a = &fields->field[pair[c].part[0]], *b = &fields->field[pair[c].part[1]];
        *cross = (pare_field){.kind = PARE_FIELD_CROSS,
                              .part = {pair[c].part[0], pair[c].part[1]},
                              .first = fields->joint,
                              .size = pare_cross_size(a->size, b->size, pair[c].rows)};
        if (cross->size > INT32_MAX - fields->joint) {
            status = pare_fail(fields->ctx, PARE_ERROR_INPUT,
                               "%s: crosses of more than %d rows; smaller tables are needed",
                               fields->source, INT32_MAX);
            continue;
        }
        status = name_cross(fields, cross);
        if (status == PARE_OK) {
            fields->joint += cross->size;
            fields->count++;
        }
    }
    if (status == PARE_OK) {
        fill(fields, before);
    }
    return status;
}
