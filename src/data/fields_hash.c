/* Fields whose ids are hashed into a table of a chosen size: the row of an id follows from its text
 * and the name of the field alone. */
#include "data/fields.h"

int64_t pare_field_hash_wanted(const pare_fields *fields, const pare_field *field, int64_t ids) {
    if (field->kind != PARE_FIELD_CATEGORY || field->bucketed || field->hash_bits < 0) {
        return 0;
    }
    bool many = fields->hash_bits > 0 && ids > INT64_C(1) << fields->hash_bits;
    return field->hash_bits > 0 ? field->hash_bits : many ? fields->hash_bits : 0;
}

void pare_field_hash_levels(pare_field *field) {
    uint64_t seed = pare_field_hash_seed(field);
    field->size = 1 + (INT64_C(1) << field->hash_bits);
    for (int64_t l = 0; l < field->level.count; l++) {
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        field->row[l] = (int32_t)pare_field_hash_row(field, seed, text, length);
    }
}

pare_status pare_field_count_shared(pare_context *ctx, pare_field *field) {
    uint8_t *ids = NULL; /* of each row, 2: more than one */
    pare_status status = pare_alloc_zero(ctx, field->size, sizeof *ids, &ids);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t l = 0; l < field->level.count; l++) {
        uint8_t *mine = &ids[field->row[l]];
        *mine = *mine > 0 ? 2 : 1;
    }
    field->ids = field->level.count;
    field->taken = field->shared = 0;
    for (int64_t r = 0; r < field->size; r++) {
        field->taken += ids[r] > 0;
    }
    for (int64_t l = 0; l < field->level.count; l++) {
        field->shared += ids[field->row[l]] > 1;
    }
    pare_free(ctx, ids);
    return PARE_OK;
}
