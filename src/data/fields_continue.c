/* Rows of later days: vocabularies that only grow, fields that come and go. */
#include "data/fields.h"

#include "base/text.h"

/* A new field at the end of `known`, without ids yet. `rows` field f keeps its levels. */
static pare_status append_field(pare_fields *known, const pare_field *field) {
    pare_field *grown = NULL;
    pare_status status = pare_alloc_zero(known->ctx, known->count + 1, sizeof *grown, &grown);
    if (status != PARE_OK) {
        return status;
    }
    if (known->count > 0) {
        memcpy(grown, known->field, (size_t)known->count * sizeof *grown);
    }
    pare_free(known->ctx, known->field);
    known->field = grown;
    pare_field *added = &grown[known->count];
    *added = (pare_field){.kind = field->kind,
                          .bucketed = field->bucketed,
                          .size = 1,
                          .mean = field->mean,
                          .scale = field->scale};
    status = pare_text_copy(known->ctx, field->name, (int64_t)strlen(field->name), &added->name);
    known->count += status == PARE_OK;
    return status;
}

/* Gives rows to the ids of field f of `rows` that lack one in `rule` and are frequent enough. */
static pare_status extend(pare_fields *rows, int64_t f, int64_t minimum_count, pare_field *rule) {
    pare_context *ctx = rows->ctx;
    if (rule->hash_bits > 0) {
        return PARE_OK; /* rows for all ids there may be */
    }
    const pare_vocabulary *level = &rows->field[f].level;
    int64_t *count = NULL, own = rows->field[f].minimum_count;
    int32_t *row = NULL;
    pare_status status = pare_field_unpack(rows, f);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, level->count, sizeof *count, &count);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, rule->size + level->count, sizeof *row, &row);
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < rows->rows; i++) {
            int32_t l = rows->cell[i * rows->count + f];
            count[l < 0 ? 0 : l] += l >= 0;
        }
        for (int64_t l = 0; l < rule->level.count; l++) {
            row[l] = rule->row[l];
        }
        pare_free(ctx, rule->row);
        rule->row = row;
        row = NULL;
    }
    for (int64_t l = 0; status == PARE_OK && l < level->count; l++) {
        int64_t before = rule->level.count, found = 0;
        if (count[l] >= (own > 0 ? own : minimum_count)) {
            int64_t length = 0;
            const unsigned char *text = pare_vocabulary_text(level, l, &length);
            status = pare_vocabulary_add(ctx, &rule->level, text, length, &found);
            if (status == PARE_OK && found == before) {
                rule->row[found] = (int32_t)rule->size++;
            }
        }
    }
    pare_free(ctx, row);
    pare_free(ctx, count);
    return status;
}

/* Columns in the order of `known`, -1 where the file lacks one. */
static pare_status lay_out(pare_fields *known, const pare_fields *rows, const int64_t *from) {
    int64_t cells = 0;
    if (!pare_checked_multiply(rows->rows, known->count, &cells)) {
        return pare_fail(known->ctx, PARE_ERROR_MEMORY, "%s: too many cells", rows->source);
    }
    pare_status status = pare_alloc(known->ctx, cells, sizeof *known->cell, &known->cell);
    if (status == PARE_OK && rows->value) {
        status = pare_alloc(known->ctx, cells, sizeof *known->value, &known->value);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < rows->rows; i++) {
        for (int64_t f = 0; f < known->count; f++) {
            int64_t at = i * known->count + f, source = i * rows->count + from[f];
            known->cell[at] = from[f] < 0 ? -1 : rows->cell[source];
            if (known->value) {
                known->value[at] = from[f] < 0 ? 0 : rows->value[source];
            }
        }
    }
    return PARE_OK;
}

static void count_cells(pare_fields *known, const int64_t *before) {
    for (int64_t f = 0; f < known->count; f++) {
        pare_field *field = &known->field[f];
        field->present = field->rare = field->unseen = 0;
        for (int64_t i = 0; i < known->rows; i++) {
            int32_t cell = known->cell[i * known->count + f];
            int64_t row = cell - field->first;
            bool numeric = field->kind == PARE_FIELD_NUMBER || field->kind == PARE_FIELD_CROSS;
            field->present += cell >= 0;
            field->rare += cell >= 0 && row == 0 && !numeric;
            field->unseen += cell >= 0 && (row == 0 || row >= before[f]) && !numeric;
        }
    }
}

/* Matches and extends; from: (known->count at the end) column of the file, -1: none. */
static pare_status match(pare_fields *known, pare_fields *rows, int64_t minimum_count,
                         int64_t *from, int64_t *before) {
    int64_t old = known->count, matched = 0;
    for (int64_t f = 0; f < old; f++) {
        const pare_field *rule = &known->field[f];
        from[f] = pare_fields_find(rows, rule->name, (int64_t)strlen(rule->name));
        before[f] = rule->size;
        matched += from[f] >= 0;
    }
    if (matched == 0) {
        return pare_fail(known->ctx, PARE_ERROR_INPUT,
                         "%s: has none of the fields of the state, such as '%s'", rows->source,
                         old > 0 ? known->field[0].name : "");
    }
    pare_status status = PARE_OK;
    for (int64_t c = 0; c < rows->count && status == PARE_OK; c++) {
        pare_field *field = &rows->field[c];
        if (pare_fields_find(known, field->name, (int64_t)strlen(field->name)) >= 0) {
            continue;
        }
        from[known->count] = c;
        before[known->count] = 0;
        if (field->kind == PARE_FIELD_BUCKET) {
            status = pare_field_bucket(rows, c, NULL);
        } else if (field->kind == PARE_FIELD_NUMBER) {
            status = pare_field_number(rows, c);
        }
        if (status == PARE_OK && known->count == PARE_FIELDS_MAX) {
            status =
                pare_fail(known->ctx, PARE_ERROR_INPUT, "%s: more than %d fields with the state's",
                          rows->source, PARE_FIELDS_MAX);
        }
        if (status == PARE_OK) {
            status = append_field(known, field);
        }
        if (status == PARE_OK) {
            pare_field *added = &known->field[known->count - 1];
            added->hash_bits = pare_field_hash_wanted(rows, field, field->level.count);
            added->size = added->hash_bits > 0 ? 1 + (INT64_C(1) << added->hash_bits) : 1;
        }
    }
    for (int64_t f = 0; f < known->count && status == PARE_OK; f++) {
        pare_field *rule = &known->field[f];
        if (from[f] < 0 || rule->kind == PARE_FIELD_NUMBER) {
            continue;
        }
        if (rule->bucketed && !rows->field[from[f]].bucketed) {
            status = pare_field_bucket(rows, from[f], rule);
        }
        if (status == PARE_OK) {
            status = extend(rows, from[f], minimum_count, rule);
        }
    }
    return status;
}

/* The crosses at the end are taken off. pair: (known->count), of them; returns how many. */
static int64_t take_crosses(pare_fields *known, int64_t cross_rows, pare_field_pair *pair) {
    int64_t first = known->count, crosses = 0;
    while (first > 0 && known->field[first - 1].kind == PARE_FIELD_CROSS) {
        first--;
    }
    for (; first + crosses < known->count; crosses++) {
        pare_field *cross = &known->field[first + crosses];
        pair[crosses] = (pare_field_pair){{cross->part[0], cross->part[1]}, cross_rows};
        pare_free(known->ctx, cross->name);
        cross->name = NULL;
    }
    known->count = first;
    return crosses;
}

pare_status pare_fields_continue(pare_fields *known, pare_fields *rows, int64_t minimum_count,
                                 int64_t cross_rows, int64_t **before) {
    pare_context *ctx = known->ctx;
    int64_t *from = NULL, *sizes = NULL, old = known->count, crosses = 0;
    pare_field_pair *pair = NULL;
    *before = NULL;
    pare_status status = pare_alloc(ctx, old + rows->count, sizeof *from, &from);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, old + rows->count, sizeof *sizes, &sizes);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, old, sizeof *pair, &pair);
    }
    if (status == PARE_OK) {
        for (int64_t f = 0; f < old; f++) { /* of the crosses: theirs stay at the end */
            sizes[rows->count + f] = known->field[f].size;
        }
        crosses = take_crosses(known, cross_rows, pair);
        old -= crosses;
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, rows->rows, 1, &rows->held_out);
    }
    if (status == PARE_OK) {
        status = match(known, rows, minimum_count, from, sizes);
    }
    known->joint = 0;
    for (int64_t f = 0; f < known->count && status == PARE_OK; f++) {
        pare_field *rule = &known->field[f];
        rule->first = known->joint;
        known->joint += rule->size;
        if (known->joint > INT32_MAX) {
            status =
                pare_fail(ctx, PARE_ERROR_INPUT, "%s: more than %d different ids with the state's",
                          rows->source, INT32_MAX);
        }
    }
    for (int64_t f = 0; f < known->count && status == PARE_OK; f++) {
        bool ready = f >= old && known->field[f].kind == PARE_FIELD_NUMBER;
        if (ready) {
            for (int64_t i = 0; i < rows->rows; i++) { /* standardised when it was matched */
                int32_t *cell = &rows->cell[i * rows->count + from[f]];
                *cell = *cell < 0 ? -1 : (int32_t)known->field[f].first;
            }
        } else if (from[f] >= 0) {
            pare_field *rule = &known->field[f], *read = &rows->field[from[f]];
            status = pare_field_encode_like(rows, from[f], rule);
            rule->ids = read->ids;
            rule->taken = read->taken;
            rule->shared = read->shared;
        }
    }
    if (status == PARE_OK) {
        status = lay_out(known, rows, from);
    }
    if (status == PARE_OK) {
        known->rows = known->train_rows = rows->rows;
        known->labelled = rows->labelled;
        known->label = rows->label;
        known->held_out = rows->held_out;
        rows->label = NULL;
        rows->held_out = NULL;
        pare_free(ctx, known->source);
        known->source = rows->source;
        rows->source = NULL;
        memmove(sizes + known->count, sizes + rows->count + old, (size_t)crosses * sizeof *sizes);
    }
    if (status == PARE_OK && crosses > 0) {
        status = pare_fields_cross(known, crosses, pair);
    }
    if (status == PARE_OK) {
        count_cells(known, sizes);
        *before = sizes;
        sizes = NULL;
    }
    pare_free(ctx, pair);
    pare_free(ctx, sizes);
    pare_free(ctx, from);
    return status;
}
