/* Field tables: rows encoded as others were. */
#include "data/fields.h"

static void clear_field(pare_context *ctx, pare_field *field) {
    void *owned[] = {field->name, field->row, field->decimal, field->number};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    pare_vocabulary_clear(ctx, &field->level);
}

void pare_fields_clear(pare_fields *fields) {
    if (!fields->ctx) {
        return;
    }
    for (int64_t f = 0; f < fields->count; f++) {
        clear_field(fields->ctx, &fields->field[f]);
    }
    void *owned[] = {fields->source, fields->target, fields->field,   fields->cell,
                     fields->value,  fields->label,  fields->held_out};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(fields->ctx, owned[i]);
    }
    *fields = (pare_fields){0};
}

int64_t pare_fields_find(const pare_fields *fields, const char *name, int64_t length) {
    for (int64_t f = 0; f < fields->count; f++) {
        if ((int64_t)strlen(fields->field[f].name) == length &&
            memcmp(fields->field[f].name, name, (size_t)length) == 0) {
            return f;
        }
    }
    return -1;
}

pare_status pare_field_encode_like(pare_fields *fields, int64_t f, const pare_field *rule) {
    pare_field *field = &fields->field[f];
    pare_status status = PARE_OK;
    if (rule->bucketed && !field->bucketed) {
        status = pare_field_bucket(fields, f, rule);
    }
    if (status != PARE_OK) {
        return status;
    }
    field->kind = rule->kind;
    field->first = rule->first;
    field->size = rule->size;
    field->mean = rule->mean;
    field->scale = rule->scale;
    if (rule->kind == PARE_FIELD_NUMBER) {
        status = pare_fields_need_values(fields);
        if (status == PARE_OK) {
            status = pare_field_numbers(fields, f);
        }
        for (int64_t i = 0; i < fields->rows && status == PARE_OK; i++) {
            pare_field_put_number(fields, f, i, rule);
        }
        return status;
    }
    status = pare_field_unpack(fields, f);
    if (status == PARE_OK) {
        status = pare_alloc_zero(fields->ctx, field->level.count, sizeof *field->row, &field->row);
    }
    field->hash_bits = rule->hash_bits;
    if (status == PARE_OK && rule->hash_bits > 0) {
        pare_field_hash_levels(field);
        status = pare_field_count_shared(fields->ctx, field);
    }
    for (int64_t l = 0; l < field->level.count && status == PARE_OK && !rule->hash_bits; l++) {
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        int64_t found = pare_vocabulary_find(&rule->level, text, length);
        field->row[l] = found < 0 ? 0 : rule->row[found];
    }
    for (int64_t i = 0; i < fields->rows && status == PARE_OK; i++) {
        int32_t *cell = &fields->cell[i * fields->count + f];
        if (*cell >= 0) {
            field->unseen += field->row[*cell] == 0;
            *cell = (int32_t)rule->first + field->row[*cell];
        }
    }
    return status;
}

/* Columns of cell and value in the order of the first `count` fields of `like`. */
static pare_status reorder(pare_fields *fields, int64_t count, const int64_t *from) {
    int32_t *cell = NULL;
    float *value = NULL;
    int64_t cells = 0;
    if (!pare_checked_multiply(fields->rows, count, &cells)) {
        return pare_fail(fields->ctx, PARE_ERROR_MEMORY, "%s: too many cells", fields->source);
    }
    pare_status status = pare_alloc(fields->ctx, cells, sizeof *cell, &cell);
    if (status == PARE_OK && fields->value) {
        status = pare_alloc(fields->ctx, cells, sizeof *value, &value);
    }
    if (status != PARE_OK) {
        pare_free(fields->ctx, cell);
        return status;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        for (int64_t f = 0; f < count; f++) {
            int64_t source = i * fields->count + from[f];
            cell[i * count + f] = fields->cell[source];
            if (value) {
                value[i * count + f] = fields->value[source];
            }
        }
    }
    pare_free(fields->ctx, fields->cell);
    pare_free(fields->ctx, fields->value);
    fields->cell = cell;
    fields->value = value;
    return PARE_OK;
}

/* The crosses of `like`, which come after its other fields. */
static pare_status cross_like(pare_fields *fields, const pare_fields *like) {
    int64_t count = like->count - fields->count;
    pare_field_pair *pair = NULL;
    if (count == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(fields->ctx, count, sizeof *pair, &pair);
    if (status == PARE_OK) {
        for (int64_t c = 0; c < count; c++) {
            const pare_field *rule = &like->field[fields->count + c];
            pair[c] = (pare_field_pair){{rule->part[0], rule->part[1]}, rule->size};
        }
        status = pare_fields_cross(fields, count, pair);
    }
    pare_free(fields->ctx, pair);
    return status;
}

pare_status pare_fields_encode_like(pare_fields *fields, const pare_fields *like) {
    pare_context *ctx = fields->ctx;
    int64_t *from = NULL, count = like->count, joint = 0;
    pare_field *field = NULL;
    while (count > 0 && like->field[count - 1].kind == PARE_FIELD_CROSS) {
        count--;
    }
    pare_status status = pare_alloc(ctx, count, sizeof *from, &from);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count, sizeof *field, &field);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, fields->rows, sizeof *fields->held_out, &fields->held_out);
    }
    for (int64_t f = 0; f < count && status == PARE_OK; f++) {
        const pare_field *rule = &like->field[f];
        joint += rule->size;
        from[f] = pare_fields_find(fields, rule->name, (int64_t)strlen(rule->name));
        status = from[f] < 0
                     ? pare_fail(ctx, PARE_ERROR_INPUT, "%s: there is no field '%s', which %s has",
                                 fields->source, rule->name, like->source)
                     : pare_field_encode_like(fields, from[f], rule);
    }
    if (status == PARE_OK) {
        status = reorder(fields, count, from);
    }
    if (status == PARE_OK) {
        memset(fields->held_out, 1, (size_t)fields->rows);
        for (int64_t f = 0; f < count; f++) {
            field[f] = fields->field[from[f]];
            fields->field[from[f]] = (pare_field){0};
        }
        for (int64_t f = 0; f < fields->count; f++) {
            clear_field(ctx, &fields->field[f]);
        }
        pare_free(ctx, fields->field);
        fields->field = field;
        field = NULL;
        fields->count = count;
        fields->joint = joint;
        fields->train_rows = 0;
        status = cross_like(fields, like);
    }
    pare_free(ctx, field);
    pare_free(ctx, from);
    return status;
}
