/* Buckets: numbers as categories, by a rule for counts or by quantiles of the training rows. A
 * bucket's text says which: "bucket 24", the rule's number, or "to 0.25", the largest number in it
 * that trained (the last one holds what is larger, too), so that other files are cut alike. */
#include "data/fields.h"

#include "base/text.h"
#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 32, KEY = 40 };

static const char up_to[] = "to ";

typedef struct bucketing {
    pare_fields *fields;
    int64_t f;
    double *x;     /* (levels) NaN: missing */
    int64_t edges; /* 0: counts */
    double edge[BUCKETS];
} bucketing;

typedef struct weighted {
    double x;
    int64_t count;
} weighted;

static int by_value(const void *a, const void *b) {
    const weighted *x = a, *y = b;
    return (x->x > y->x) - (x->x < y->x);
}

static int by_edge(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The numbers of the levels. *counts: all are whole. */
static pare_status read_numbers(bucketing *b, bool *counts) {
    const pare_field *field = &b->fields->field[b->f];
    pare_status status = pare_alloc(b->fields->ctx, field->level.count, sizeof *b->x, &b->x);
    *counts = true;
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        pare_cell cell = pare_cell_parse_double(text, text + length, &b->x[l]);
        if (cell != PARE_CELL_NUMBER && cell != PARE_CELL_MISSING) {
            status = pare_field_refuse(b->fields, b->f, l, "a finite number");
        }
        *counts = *counts && (cell != PARE_CELL_NUMBER || b->x[l] == floor(b->x[l]));
    }
    return status;
}

/* Edges at which each bucket has its share of the training rows; ties stay together. */
static pare_status cut(bucketing *b, int64_t least) {
    const pare_fields *fields = b->fields;
    int64_t levels = fields->field[b->f].level.count, total = 0, held = 0;
    weighted *w = NULL;
    pare_status status = pare_alloc_zero(fields->ctx, levels, sizeof *w, &w);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t l = 0; l < levels; l++) {
        w[l].x = isnan(b->x[l]) ? (double)INFINITY : b->x[l];
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        int32_t level = fields->cell[i * fields->count + b->f];
        if (level >= 0 && !(fields->held_out && fields->held_out[i]) && !isnan(b->x[level])) {
            w[level].count++;
            total++;
        }
    }
    qsort(w, (size_t)levels, sizeof *w, by_value);
    double share = (double)total / BUCKETS;
    share = share > (double)least ? share : (double)least;
    for (int64_t l = 0; l < levels && b->edges < BUCKETS; l++) {
        held += w[l].count;
        total -= w[l].count;
        if (w[l].count > 0 && (((double)held >= share && total >= least) || total == 0)) {
            b->edge[b->edges++] = w[l].x;
            held = 0;
        }
        if (total == 0) {
            break;
        }
    }
    pare_free(fields->ctx, w);
    return PARE_OK;
}

/* The edges of a rule, by the texts of its levels. */
static void take_edges(bucketing *b, const pare_field *rule) {
    for (int64_t l = 0; l < rule->level.count && b->edges < BUCKETS; l++) {
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&rule->level, l, &length);
        int64_t prefix = (int64_t)sizeof up_to - 1;
        if (length > prefix && memcmp(text, up_to, (size_t)prefix) == 0 &&
            pare_cell_parse_double(text + prefix, text + length, &b->edge[b->edges]) ==
                PARE_CELL_NUMBER) {
            b->edges++;
        }
    }
    qsort(b->edge, (size_t)b->edges, sizeof *b->edge, by_edge);
}

static int64_t name_bucket(const bucketing *b, double x, char key[KEY]) {
    int64_t e = 0;
    if (b->edges == 0) {
        return snprintf(key, KEY, "bucket %.0f", x > 2 ? floor(log(x) * log(x)) : floor(x));
    }
    while (e + 1 < b->edges && x > b->edge[e]) {
        e++;
    }
    char number[PARE_REAL_SIZE];
    return snprintf(key, KEY, "%s%s", up_to, pare_real_text(b->edge[e], number));
}

/* Levels become buckets. */
static pare_status replace(bucketing *b, int32_t **out) {
    pare_context *ctx = b->fields->ctx;
    pare_field *field = &b->fields->field[b->f];
    pare_vocabulary buckets = {0};
    int32_t *bucket_of = NULL;
    pare_status status = pare_alloc(ctx, field->level.count, sizeof *bucket_of, &bucket_of);
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        int64_t length = 0, number = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        char key[KEY];
        if (!isnan(b->x[l])) {
            length = name_bucket(b, b->x[l], key);
            length = length < KEY ? length : KEY - 1;
            text = (const unsigned char *)key;
        }
        status = pare_vocabulary_add(ctx, &buckets, text, length, &number);
        bucket_of[l] = (int32_t)number;
    }
    if (status != PARE_OK) {
        pare_vocabulary_clear(ctx, &buckets);
        pare_free(ctx, bucket_of);
        return status;
    }
    pare_vocabulary_clear(ctx, &field->level);
    field->level = buckets;
    field->kind = PARE_FIELD_CATEGORY;
    field->bucketed = true;
    *out = bucket_of;
    return PARE_OK;
}

pare_status pare_field_bucket_levels(pare_fields *fields, int64_t f, int64_t least, int32_t **out) {
    bucketing b = {.fields = fields, .f = f};
    bool counts = true;
    *out = NULL;
    pare_status status = pare_field_unpack(fields, f);
    if (status == PARE_OK) {
        status = read_numbers(&b, &counts);
    }
    if (status == PARE_OK && !counts) {
        status = cut(&b, least);
    }
    if (status == PARE_OK) {
        status = replace(&b, out);
    }
    pare_free(fields->ctx, b.x);
    return status;
}

pare_status pare_field_bucket(pare_fields *fields, int64_t f, const pare_field *rule) {
    bucketing b = {.fields = fields, .f = f};
    int32_t *bucket_of = NULL;
    bool counts = true;
    pare_status status = pare_field_unpack(fields, f);
    if (status == PARE_OK) {
        status = read_numbers(&b, &counts);
    }
    if (status == PARE_OK && rule) {
        take_edges(&b, rule);
    } else if (status == PARE_OK && !counts) {
        status = cut(&b, 1);
    }
    if (status == PARE_OK) {
        status = replace(&b, &bucket_of);
    }
    for (int64_t i = 0; i < fields->rows && status == PARE_OK; i++) {
        int32_t *cell = &fields->cell[i * fields->count + f];
        *cell = *cell < 0 ? -1 : bucket_of[*cell];
    }
    pare_free(fields->ctx, bucket_of);
    pare_free(fields->ctx, b.x);
    return status;
}
