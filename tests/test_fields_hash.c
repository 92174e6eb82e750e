/* Hashed fields: rows follow from the id alone, what shares a row is counted, what has few ids
 * keeps its vocabulary. */
#include "readers_support.h"

#include "base/random.h"
#include "data/fields_read.h"

enum { ROWS = 3000, IDS = 500, BITS = 6, TEXT = ROWS * 64 };

static int64_t id_of(uint64_t seed, int64_t row) {
    return pare_random_below(seed, PARE_STREAM_TEST, (uint64_t)row, IDS);
}

/* Field 3 has many ids, field 8 ten; ids of field 3 from `first` on. */
static pare_status read_rows(reading *r, uint64_t seed, int64_t rows, int64_t first,
                             pare_fields *out) {
    char *text = malloc(TEXT);
    int64_t used = 0;
    for (int64_t i = 0; i < rows; i++) {
        used += sprintf(text + used, "%d 3:%lld:1 8:%lld:1\n", (int)(i % 2),
                        (long long)(first + id_of(seed, i)), (long long)(id_of(seed, i) % 10));
    }
    pare_input input;
    pare_status status =
        pare_input_open_memory(r->ctx, "rows.libffm", (const unsigned char *)text, used, &input);
    *out = (pare_fields){0};
    if (status == PARE_OK) {
        status = pare_fields_read_input(&input, PARE_FIELDS_LIBFFM, &r->options, out);
        pare_input_close(&input);
    }
    free(text);
    return status;
}

static void rows_by_hash(void **state) {
    (void)state;
    reading r;
    pare_fields fields, other;
    reading_open(&r, NULL, NULL);
    assert_ok(r.ctx, read_rows(&r, 1, ROWS, 0, &fields));
    fields.hash_bits = BITS;
    assert_ok(r.ctx, pare_fields_encode(&fields, 0.2, 1, 1));
    const pare_field *field = &fields.field[0];
    assert_int_equal(field->hash_bits, BITS);
    assert_int_equal(field->size, 1 + (1 << BITS));
    assert_int_equal(field->level.count, 0);
    assert_int_equal(fields.field[1].hash_bits, 0);
    assert_int_equal(fields.field[1].size, 11);
    assert_int_equal(field->rare + field->unseen, 0);
    int64_t row_of[IDS] = {0}, ids[1 + (1 << BITS)] = {0}, distinct = 0, taken = 0, shared = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id = id_of(1, i), row = fields.cell[2 * i] - field->first;
        assert_in_range(row, 1, 1 << BITS);
        assert_true(row_of[id] == 0 || row_of[id] == row);
        ids[row] += row_of[id] == 0;
        distinct += row_of[id] == 0;
        row_of[id] = row;
    }
    for (int64_t row = 0; row <= 1 << BITS; row++) {
        taken += ids[row] > 0;
        shared += ids[row] > 1 ? ids[row] : 0;
    }
    assert_int_equal(field->ids, distinct);
    assert_int_equal(field->taken, taken);
    assert_int_equal(field->shared, shared);
    assert_in_range(taken, 60, 64); /* spread evenly: 500 ids leave none of 64 rows empty, nearly */
    /* Other rows, in another order and with ids that were not there. */
    assert_ok(r.ctx, read_rows(&r, 2, ROWS, IDS / 2, &other));
    assert_ok(r.ctx, pare_fields_encode_like(&other, &fields));
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id = IDS / 2 + id_of(2, i), row = other.cell[2 * i] - field->first;
        assert_in_range(row, 1, 1 << BITS);
        assert_true(id >= IDS || row_of[id] == 0 || row_of[id] == row);
    }
    pare_fields_clear(&other);
    pare_fields_clear(&fields);
    reading_close(&r);
}

/* What a field says goes before what all are told; two fields hash the same id differently. */
static void by_field(void **state) {
    (void)state;
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, NULL);
    assert_ok(r.ctx, read_rows(&r, 1, ROWS, 0, &fields));
    fields.hash_bits = BITS;
    fields.field[0].hash_bits = -1;
    fields.field[1].hash_bits = 20;
    assert_ok(r.ctx, pare_fields_encode(&fields, 0, 1, 1));
    assert_int_equal(fields.field[0].hash_bits, 0);
    assert_int_equal(fields.field[0].size, fields.field[0].level.count + 1);
    assert_int_equal(fields.field[1].hash_bits, 20);
    assert_int_equal(fields.field[1].ids, 10);
    assert_int_equal(fields.field[1].shared, 0);
    const pare_field a = {.name = (char[]){"a"}, .hash_bits = 20};
    const pare_field b = {.name = (char[]){"b"}, .hash_bits = 20};
    const unsigned char *id = (const unsigned char *)"7";
    assert_true(pare_field_hash_row(&a, pare_field_hash_seed(&a), id, 1) !=
                pare_field_hash_row(&b, pare_field_hash_seed(&b), id, 1));
    pare_fields_clear(&fields);
    reading_close(&r);
}

static pare_status all_steps(reading *r) {
    enum { FEW = 40 };
    pare_fields fields, other = {0};
    pare_status status = read_rows(r, 1, FEW, 0, &fields);
    if (status == PARE_OK) {
        fields.hash_bits = 2;
        status = pare_fields_encode(&fields, 0.2, 1, 1);
    }
    if (status == PARE_OK) {
        status = read_rows(r, 2, FEW, 0, &other);
    }
    if (status == PARE_OK) {
        status = pare_fields_encode_like(&other, &fields);
    }
    pare_fields_clear(&other);
    pare_fields_clear(&fields);
    return status;
}

static void failing_allocation(void **state) {
    (void)state;
    reading_out_of_memory(all_steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_by_hash),
        cmocka_unit_test(by_field),
        cmocka_unit_test(failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
