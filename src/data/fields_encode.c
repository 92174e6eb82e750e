/* Levels to rows of embedding tables: vocabulary from training rows, out-of-vocabulary row 0. */
#include "data/fields.h"

#include "base/random.h"
#include "platform/system.h"
#include "platform/threads.h"

#include <stdlib.h>

/* Fields are taken in groups of one cache line of cells. */
enum { GROUP = 16, COMMON = 4096 };

typedef struct counted {
    int64_t count, level;
} counted;

typedef struct coder {
    pare_fields *fields;
    int64_t minimum_count;
    int64_t *from;   /* (fields + 1) where the levels of a field begin in count */
    int64_t *count;  /* training cells of each level */
    counted *common; /* (fields, commons) levels of COMMON cells or more */
    int64_t commons;
    int32_t **bucket; /* (fields) bucket of each level that was read; NULL: not a bucket */
} coder;

/* Training cells that a level needs for a row of its own. */
static int64_t least_of(const coder *c, const pare_field *field) {
    return field->minimum_count > 0 ? field->minimum_count : c->minimum_count;
}

static pare_status split(pare_fields *fields, double share, uint64_t seed) {
    int64_t classes[2] = {0, 0};
    pare_status status =
        pare_alloc(fields->ctx, fields->rows, sizeof *fields->held_out, &fields->held_out);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        bool out = fields->by_time
                       ? (double)i >= (1 - share) * (double)fields->rows
                       : pare_random_uniform(seed, PARE_STREAM_SPLIT, (uint64_t)i) < share;
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

static int by_count(const void *a, const void *b) {
    const counted *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1)
                                : (x->level > y->level) - (x->level < y->level);
}

/* Rows by falling count, ties by first appearance: the few common levels are sorted, the others
 * placed by how many levels have more cells. */
static void rank_levels(const coder *c, int64_t f) {
    pare_field *field = &c->fields->field[f];
    const int64_t *count = c->count + c->from[f];
    counted *common = c->common + f * c->commons;
    int64_t commons = 0, size = 1, levels[COMMON] = {0};
    int64_t least = least_of(c, field);
    int64_t most = field->most_rows > 0 ? field->most_rows : INT64_MAX;
    for (int64_t l = 0; l < field->level.count; l++) {
        if (count[l] >= COMMON) {
            common[commons++] = (counted){count[l], l};
        } else {
            levels[count[l]]++;
        }
        field->row[l] = 0;
    }
    qsort(common, (size_t)commons, sizeof *common, by_count);
    for (int64_t i = 0; i < commons && common[i].count >= least; i++) {
        field->row[common[i].level] = size < most ? (int32_t)size : 0;
        size++;
    }
    for (int64_t k = COMMON - 1; k > 0 && k >= least; k--) {
        int64_t many = levels[k];
        levels[k] = size; /* the next row of a level with k cells */
        size += many;
    }
    for (int64_t l = 0; l < field->level.count; l++) {
        if (count[l] < COMMON && count[l] > 0 && count[l] >= least) {
            int64_t row = levels[count[l]]++;
            field->row[l] = row < most ? (int32_t)row : 0;
        }
    }
    field->size = size < most ? size : most;
    field->crowded = size - field->size;
    field->hash_bits = pare_field_hash_wanted(c->fields, field, size - 1);
    if (field->hash_bits > 0) {
        pare_field_hash_levels(field);
        field->crowded = 0;
    }
}

static int64_t group_end(const pare_fields *fields, int64_t group) {
    int64_t end = (group + 1) * GROUP;
    return end < fields->count ? end : fields->count;
}

static void count_group(void *argument, int64_t group) {
    coder *c = argument;
    const pare_fields *fields = c->fields;
    int64_t begin = group * GROUP, end = group_end(fields, group);
    for (int64_t i = 0; i < fields->rows; i++) {
        int32_t *cell = fields->cell + i * fields->count;
        int64_t trains = !fields->held_out[i];
        for (int64_t f = begin; f < end; f++) {
            if (cell[f] >= 0 && !fields->field[f].number) {
                cell[f] = c->bucket[f] ? c->bucket[f][cell[f]] : cell[f];
                c->count[c->from[f] + cell[f]] += trains;
            }
        }
    }
    for (int64_t f = begin; f < end; f++) {
        if (fields->field[f].number) {
            pare_field_standardise(c->fields, f);
        } else {
            rank_levels(c, f);
        }
    }
}

static void place_group(void *argument, int64_t group) {
    const coder *c = argument;
    pare_fields *fields = c->fields;
    int64_t begin = group * GROUP, end = group_end(fields, group);
    for (int64_t i = 0; i < fields->rows; i++) {
        int32_t *cell = fields->cell + i * fields->count;
        bool out = fields->held_out[i];
        for (int64_t f = begin; f < end; f++) {
            pare_field *field = &fields->field[f];
            if (field->number) {
                pare_field_put_number(fields, f, i, field);
            } else if (cell[f] >= 0) {
                int32_t row = field->row[cell[f]];
                field->present += !out;
                field->rare += row == 0 && !out;
                field->unseen += row == 0 && out;
                cell[f] = (int32_t)field->first + row;
            }
        }
    }
}

/* What the levels of a field stand for. */
static pare_status prepare(coder *c, int64_t f) {
    pare_fields *fields = c->fields;
    pare_field *field = &fields->field[f];
    if (field->kind == PARE_FIELD_NUMBER) {
        pare_status status = pare_fields_need_values(fields);
        return status == PARE_OK ? pare_field_numbers(fields, f) : status;
    }
    pare_status status =
        field->kind == PARE_FIELD_BUCKET
            ? pare_field_bucket_levels(fields, f, least_of(c, field), &c->bucket[f])
            : pare_field_unpack(fields, f);
    return status == PARE_OK
               ? pare_alloc(fields->ctx, field->level.count, sizeof *field->row, &field->row)
               : status;
}

static pare_status reserve(coder *c) {
    pare_fields *fields = c->fields;
    pare_context *ctx = fields->ctx;
    pare_status status = pare_alloc_zero(ctx, fields->count + 1, sizeof *c->from, &c->from);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, fields->count, sizeof *c->bucket, &c->bucket);
    }
    for (int64_t f = 0; f < fields->count && status == PARE_OK; f++) {
        status = prepare(c, f);
        c->from[f + 1] = c->from[f] + fields->field[f].level.count;
    }
    c->commons = fields->train_rows / COMMON + 1;
    if (status == PARE_OK) {
        status = pare_alloc(ctx, c->from[fields->count], sizeof *c->count, &c->count);
    }
    if (status == PARE_OK) { /* visited at random */
        int64_t bytes = c->from[fields->count] * (int64_t)sizeof *c->count;
        pare_memory_large_pages(c->count, bytes);
        memset(c->count, 0, (size_t)bytes);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, fields->count * c->commons, sizeof *c->common, &c->common);
    }
    return status;
}

static void free_coder(coder *c) {
    pare_context *ctx = c->fields->ctx;
    for (int64_t f = 0; f < c->fields->count; f++) {
        pare_free(ctx, c->bucket ? c->bucket[f] : NULL);
        pare_free(ctx, c->fields->field[f].number);
        c->fields->field[f].number = NULL;
    }
    void *owned[] = {c->from, c->count, c->common, c->bucket};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
}

/* Ids of hashed fields that share rows; after the rows are placed, their levels are gone. */
static pare_status count_shared(pare_fields *fields) {
    pare_status status = PARE_OK;
    for (int64_t f = 0; f < fields->count && status == PARE_OK; f++) {
        pare_field *field = &fields->field[f];
        status = field->hash_bits > 0 ? pare_field_count_shared(fields->ctx, field) : PARE_OK;
    }
    return status;
}

static void forget_levels(pare_fields *fields) {
    for (int64_t f = 0; f < fields->count; f++) {
        pare_field *field = &fields->field[f];
        if (field->hash_bits > 0) {
            pare_vocabulary_clear(fields->ctx, &field->level);
            pare_free(fields->ctx, field->row);
            field->row = NULL;
        }
    }
}

/* Where each field begins in the joint table. */
static pare_status lay_out(pare_fields *fields) {
    for (int64_t f = 0; f < fields->count; f++) {
        fields->field[f].first = fields->joint;
        fields->joint += fields->field[f].size;
        if (fields->joint > INT32_MAX) {
            return pare_fail(fields->ctx, PARE_ERROR_INPUT,
                             "%s: more than %d different ids; raise the minimum count",
                             fields->source, INT32_MAX);
        }
    }
    return PARE_OK;
}

static bool varies(const pare_fields *fields) {
    bool any = false;
    for (int64_t f = 0; f < fields->count; f++) {
        any = any || pare_field_varies(&fields->field[f], fields->train_rows);
    }
    return any;
}

pare_status pare_fields_encode(pare_fields *fields, double share, uint64_t seed,
                               int64_t minimum_count) {
    pare_context *ctx = fields->ctx;
    coder c = {.fields = fields, .minimum_count = minimum_count};
    int64_t groups = (fields->count + GROUP - 1) / GROUP;
    pare_status status = split(fields, share, seed);
    if (status == PARE_OK) {
        status = reserve(&c);
    }
    if (status == PARE_OK) {
        pare_pool_run(ctx->pool, groups, count_group, &c);
        status = lay_out(fields);
    }
    if (status == PARE_OK) {
        status = count_shared(fields);
    }
    if (status == PARE_OK) {
        pare_pool_run(ctx->pool, groups, place_group, &c);
        forget_levels(fields);
    }
    free_coder(&c);
    if (status == PARE_OK && !varies(fields)) {
        status =
            pare_fail(ctx, PARE_ERROR_INPUT,
                      "%s: every field has a single value in the training rows", fields->source);
    }
    return status;
}
