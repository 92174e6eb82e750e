/* Levels to rows of embedding tables: vocabulary from training rows, out-of-vocabulary row 0. */
#include "data/fields.h"

#include "base/random.h"
#include "data/reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void pare_fields_clear(pare_fields *fields) {
    if (!fields->ctx) {
        return;
    }
    for (int64_t f = 0; f < fields->count; f++) {
        pare_free(fields->ctx, fields->field[f].name);
        pare_free(fields->ctx, fields->field[f].row);
        pare_levels_clear(fields->ctx, &fields->field[f].level);
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

static pare_cell level_number(const pare_field *field, int64_t level, double *out) {
    const unsigned char *text = (const unsigned char *)field->level.text[level];
    return pare_cell_parse_double(text, text + field->level.length[level], out);
}

pare_status pare_field_bucket(pare_fields *fields, int64_t f) {
    pare_context *ctx = fields->ctx;
    pare_field *field = &fields->field[f];
    pare_levels buckets = {0};
    int32_t *bucket_of = NULL;
    pare_status status = pare_alloc(ctx, field->level.count, sizeof *bucket_of, &bucket_of);
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        const char *text = field->level.text[l];
        int64_t length = field->level.length[l], number = 0;
        double x = 0;
        char key[40];
        if (level_number(field, l, &x) == PARE_CELL_NUMBER) {
            double squared = x > 2 ? floor(log(x) * log(x)) : floor(x);
            length = snprintf(key, sizeof key, "bucket %.0f", squared);
            length = length < (int64_t)sizeof key ? length : (int64_t)sizeof key - 1;
            text = key;
        }
        status = pare_levels_add(ctx, &buckets, (const unsigned char *)text, length, &number);
        bucket_of[l] = (int32_t)number;
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < fields->rows; i++) {
            int32_t *cell = &fields->cell[i * fields->count + f];
            *cell = *cell < 0 ? -1 : bucket_of[*cell];
        }
        pare_levels_clear(ctx, &field->level);
        field->level = buckets;
        field->kind = PARE_FIELD_CATEGORY;
        field->bucketed = true;
        buckets = (pare_levels){0};
    }
    pare_levels_clear(ctx, &buckets);
    pare_free(ctx, bucket_of);
    return status;
}

/* Every level of a number field as a number; NaN: missing. */
static pare_status numbers(const pare_fields *fields, int64_t f, double **out) {
    const pare_field *field = &fields->field[f];
    double *number = NULL;
    *out = NULL;
    pare_status status = pare_alloc(fields->ctx, field->level.count, sizeof *number, &number);
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        pare_cell cell = level_number(field, l, &number[l]);
        if (cell != PARE_CELL_NUMBER && cell != PARE_CELL_MISSING) {
            int64_t row = 0;
            while (row < fields->rows && fields->cell[row * fields->count + f] != (int32_t)l) {
                row++;
            }
            status =
                pare_fail(fields->ctx, PARE_ERROR_INPUT,
                          "%s row %lld: '%.40s' in field %s: expected a finite number",
                          fields->source, (long long)row + 1, field->level.text[l], field->name);
        }
    }
    if (status != PARE_OK) {
        pare_free(fields->ctx, number);
        return status;
    }
    *out = number;
    return PARE_OK;
}

static pare_status need_values(pare_fields *fields) {
    if (fields->value) {
        return PARE_OK;
    }
    int64_t cells = fields->rows * fields->count; /* fits: cell has as many */
    pare_status status = pare_alloc(fields->ctx, cells, sizeof *fields->value, &fields->value);
    for (int64_t i = 0; status == PARE_OK && i < cells; i++) {
        fields->value[i] = 1;
    }
    return status;
}

/* Cells of a number field become row 0 times the standardised number; missing ones absent. */
static void put_numbers(pare_fields *fields, int64_t f, const double *number,
                        const pare_field *rule) {
    for (int64_t i = 0; i < fields->rows; i++) {
        int64_t at = i * fields->count + f;
        int32_t level = fields->cell[at];
        bool there = level >= 0 && !isnan(number[level]);
        fields->cell[at] = there ? (int32_t)rule->first : -1;
        fields->value[at] = there ? (float)((number[level] - rule->mean) * rule->scale) : 0;
    }
}

pare_status pare_field_number(pare_fields *fields, int64_t f) {
    pare_field *field = &fields->field[f];
    double *number = NULL;
    pare_status status = need_values(fields);
    if (status == PARE_OK) {
        status = numbers(fields, f, &number);
    }
    if (status != PARE_OK) {
        return status;
    }
    double sum = 0, square = 0, count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < fields->rows; i++) {
            int32_t level = fields->cell[i * fields->count + f];
            if (fields->held_out[i] || level < 0 || isnan(number[level])) {
                continue;
            }
            double away = number[level] - field->mean;
            sum += pass == 0 ? number[level] : 0;
            count += pass == 0;
            square += pass == 1 ? away * away : 0;
        }
        field->mean = count > 0 ? sum / count : 0;
    }
    field->present = (int64_t)count;
    field->scale = square > 0 ? 1 / sqrt(square / count) : 0;
    field->size = 1;
    put_numbers(fields, f, number, field);
    pare_free(fields->ctx, number);
    return PARE_OK;
}

typedef struct counted {
    int64_t count, level;
} counted;

static int by_count(const void *a, const void *b) {
    const counted *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1)
                                : (x->level > y->level) - (x->level < y->level);
}

static pare_status encode_category(pare_fields *fields, int64_t f, int64_t minimum_count) {
    pare_field *field = &fields->field[f];
    counted *seen = NULL;
    pare_status status =
        pare_alloc_zero(fields->ctx, field->level.count, sizeof *field->row, &field->row);
    if (status == PARE_OK) {
        status = pare_alloc_zero(fields->ctx, field->level.count, sizeof *seen, &seen);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t l = 0; l < field->level.count; l++) {
        seen[l].level = l;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        int32_t level = fields->cell[i * fields->count + f];
        if (level >= 0 && !fields->held_out[i]) {
            seen[level].count++;
        }
    }
    qsort(seen, (size_t)field->level.count, sizeof *seen, by_count);
    field->size = 1;
    for (int64_t l = 0; l < field->level.count && seen[l].count >= minimum_count; l++) {
        field->row[seen[l].level] = (int32_t)field->size++;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        int32_t *cell = &fields->cell[i * fields->count + f];
        if (*cell >= 0) {
            int32_t row = field->row[*cell];
            field->present += !fields->held_out[i];
            field->rare += row == 0 && !fields->held_out[i];
            field->unseen += row == 0 && fields->held_out[i];
            *cell = (int32_t)field->first + row;
        }
    }
    pare_free(fields->ctx, seen);
    return PARE_OK;
}

static pare_status split(pare_fields *fields, double share, uint64_t seed) {
    int64_t classes[2] = {0, 0};
    pare_status status =
        pare_alloc(fields->ctx, fields->rows, sizeof *fields->held_out, &fields->held_out);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        bool out = pare_random_uniform(seed, PARE_STREAM_SPLIT, (uint64_t)i) < share;
        fields->held_out[i] = out;
        classes[fields->label[i] > 0] += !out;
    }
    fields->train_rows = classes[0] + classes[1];
    if (classes[0] == 0 || classes[1] == 0) {
        return pare_fail(fields->ctx, PARE_ERROR_INPUT,
                         "%s: all %lld training rows have the label %d; expected both",
                         fields->source, (long long)fields->train_rows, classes[1] > 0);
    }
    return PARE_OK;
}

pare_status pare_fields_encode(pare_fields *fields, double share, uint64_t seed,
                               int64_t minimum_count) {
    pare_status status = split(fields, share, seed);
    bool varies = false;
    for (int64_t f = 0; f < fields->count && status == PARE_OK; f++) {
        pare_field *field = &fields->field[f];
        if (field->kind == PARE_FIELD_BUCKET) {
            status = pare_field_bucket(fields, f);
        }
        field->first = fields->joint;
        if (status == PARE_OK) {
            status = field->kind == PARE_FIELD_NUMBER ? pare_field_number(fields, f)
                                                      : encode_category(fields, f, minimum_count);
        }
        varies = varies || field->present < fields->train_rows ||
                 (field->kind == PARE_FIELD_NUMBER ? field->scale > 0
                                                   : field->size > 2 || field->rare > 0);
        fields->joint += field->size;
        if (status == PARE_OK && fields->joint > INT32_MAX) {
            status = pare_fail(fields->ctx, PARE_ERROR_INPUT,
                               "%s: more than %d different ids; raise the minimum count",
                               fields->source, INT32_MAX);
        }
    }
    if (status == PARE_OK && !varies) {
        status =
            pare_fail(fields->ctx, PARE_ERROR_INPUT,
                      "%s: every field has a single value in the training rows", fields->source);
    }
    return status;
}

pare_status pare_field_encode_like(pare_fields *fields, int64_t f, const pare_field *rule) {
    pare_field *field = &fields->field[f];
    pare_status status = PARE_OK;
    if (rule->bucketed && !field->bucketed) {
        status = pare_field_bucket(fields, f);
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
        double *number = NULL;
        status = need_values(fields);
        if (status == PARE_OK) {
            status = numbers(fields, f, &number);
        }
        if (status == PARE_OK) {
            put_numbers(fields, f, number, rule);
        }
        pare_free(fields->ctx, number);
        return status;
    }
    status = pare_alloc_zero(fields->ctx, field->level.count, sizeof *field->row, &field->row);
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        int64_t found = pare_levels_find(&rule->level, (const unsigned char *)field->level.text[l],
                                         field->level.length[l]);
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
            pare_free(ctx, fields->field[f].name);
            pare_free(ctx, fields->field[f].row);
            pare_levels_clear(ctx, &fields->field[f].level);
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
