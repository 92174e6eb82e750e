/* Field tables: what the readers make of good and bad files, and the vocabulary. */
#include "readers_support.h"

#include "base/random.h"
#include "data/decimal.h"
#include "data/fields_read.h"

static pare_status read_text(reading *r, pare_fields_format format, const char *text,
                             pare_fields *out) {
    pare_input input;
    pare_status status = pare_input_open_memory(r->ctx, r->name, (const unsigned char *)text,
                                                (int64_t)strlen(text), &input);
    *out = (pare_fields){0};
    if (status == PARE_OK) {
        input.block = r->block > 0 ? r->block : input.block;
        status = pare_fields_read_input(&input, format, &r->options, out);
        pare_input_close(&input);
    }
    return status;
}

static void assert_level(const pare_fields *fields, int64_t f, int64_t level, const char *wanted) {
    int64_t length = 0;
    const unsigned char *text = pare_vocabulary_text(&fields->field[f].level, level, &length);
    assert_int_equal(length, strlen(wanted));
    assert_memory_equal(text, wanted, (size_t)length);
}

static void formats_agree(void **state) {
    (void)state;
    static const struct {
        pare_fields_format format;
        const char *text;
    } same[] = {
        {PARE_FIELDS_LIBFFM, "1 0:7:1 1:30:1\n-1 0:8:1 1:30:1\n1 1:31:1 0:0007:1\n"},
        {PARE_FIELDS_LIBFM, "1 7:1 30:1\r\n-1 8:1 30:1\n\n1 7:1 31:1"},
        {PARE_FIELDS_CSV, "a,b,y\n7,30,1\n\"8\",30,0\n7,31,1\n"},
        {PARE_FIELDS_TSV, "a\tb\ty\n7\t30\t1\n8\t30\t0\n7\t31\t1\n"},
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        for (int64_t block = 0; block <= 16; block += 16) {
            reading r;
            pare_fields fields;
            reading_open(&r, NULL, NULL);
            r.block = block;
            assert_ok(r.ctx, read_text(&r, same[i].format, same[i].text, &fields));
            assert_int_equal(fields.rows, 3);
            assert_int_equal(fields.count, 2);
            const float label[3] = {1, 0, 1};
            const int32_t cell[6] = {0, 0, 1, 0, 0, 1};
            assert_memory_equal(fields.label, label, sizeof label);
            assert_memory_equal(fields.cell, cell, sizeof cell);
            assert_null(fields.value);
            assert_level(&fields, 1, 1, "31");
            assert_ok(r.ctx, pare_fields_encode(&fields, 0, 1, 1));
            const int32_t row[6] = {1, 4, 2, 4, 1, 5}; /* tables of 3 rows: unseen, then by count */
            assert_memory_equal(fields.cell, row, sizeof row);
            assert_int_equal(fields.joint, 6);
            pare_fields_clear(&fields);
            reading_close(&r);
        }
    }
}

static void format_is_found(void **state) {
    (void)state;
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, NULL);
    r.name = "rows";
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_AUTO, "1 0:7:1 1:30:1\n0 0:1:2\n", &fields));
    assert_int_equal(fields.count, 2);
    assert_true(fields.value[2] == 2.0f);
    assert_int_equal(fields.cell[3], -1);
    pare_fields_clear(&fields);
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_AUTO, "1 7:1 30:1\n0 1:2 3:4\n", &fields));
    assert_int_equal(fields.count, 2);
    pare_fields_clear(&fields);
    reading_close(&r);
}

/* Ids that differ in the last of 64 bits stay apart. */
static void large_ids(void **state) {
    (void)state;
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, NULL);
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM,
                               "1 0:18446744073709551615:1\n0 0:18446744073709551614:1\n"
                               "0 0:9007199254740993:1\n1 0:9007199254740992:1\n",
                               &fields));
    assert_int_equal(fields.field[0].level.count, 4);
    pare_fields_clear(&fields);
    reading_close(&r);
}

static void vocabulary(void **state) {
    (void)state;
    enum { ROWS = 2000, LEVELS = 97, MINIMUM = 10 };
    char *text = malloc(ROWS * 32);
    int64_t used = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id = pare_random_below(5, PARE_STREAM_TEST, (uint64_t)i, LEVELS);
        id = id * id / LEVELS; /* skewed */
        used += sprintf(text + used, "%d 3:%lld:1\n", (int)(i % 2), (long long)id);
    }
    reading r;
    pare_fields fields, other;
    reading_open(&r, NULL, NULL);
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, text, &fields));
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, text, &other));
    int32_t *level = malloc(ROWS * sizeof *level);
    memcpy(level, fields.cell, ROWS * sizeof *level);
    assert_ok(r.ctx, pare_fields_encode(&fields, 0.3, 7, MINIMUM));
    int64_t count[LEVELS] = {0}, row_of[LEVELS] = {0}, by_row[LEVELS + 1] = {0}, out = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        count[level[i]] += !fields.held_out[i];
        row_of[level[i]] = fields.cell[i];
        by_row[fields.cell[i]] += !fields.held_out[i];
        out += fields.held_out[i];
    }
    assert_in_range(out, 500, 700);
    for (int64_t l = 0; l < fields.field[0].level.count; l++) {
        assert_int_equal(row_of[l] > 0, count[l] >= MINIMUM);
        if (row_of[l] > 0) { /* nothing merged */
            assert_int_equal(by_row[row_of[l]], count[l]);
        }
    }
    for (int64_t row = 2; row < fields.field[0].size; row++) {
        assert_true(by_row[row] <= by_row[row - 1]);
    }
    assert_int_equal(by_row[0], fields.field[0].rare);
    /* The same rows again get the same numbers. */
    assert_ok(r.ctx, pare_fields_encode_like(&other, &fields));
    assert_memory_equal(other.cell, fields.cell, ROWS * sizeof *level);
    pare_fields_clear(&other);
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, "1 9:1:1 3:123456:1\n0 3:0:1\n", &other));
    assert_ok(r.ctx, pare_fields_encode_like(&other, &fields));
    assert_int_equal(other.count, 1);
    assert_int_equal(other.cell[0], 0);
    assert_int_equal(other.field[0].unseen, 1);
    assert_true(other.cell[1] > 0);
    pare_fields_clear(&other);
    pare_fields_clear(&fields);
    reading_close(&r);
    free(level);
    free(text);
}

static void numbers(void **state) {
    (void)state;
    char text[4096] = "age,city,click\n";
    for (int i = 0; i < 100; i++) {
        sprintf(text + strlen(text), "%d.5,%c,%d\n", i, 'a' + i % 3, i % 2);
    }
    strcat(text, ",a,1\n");
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, "target=click");
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_CSV, text, &fields));
    assert_int_equal(fields.field[0].kind, PARE_FIELD_NUMBER);
    assert_int_equal(fields.field[1].kind, PARE_FIELD_CATEGORY);
    assert_ok(r.ctx, pare_fields_encode(&fields, 0, 1, 1));
    double sum = 0, square = 0;
    for (int64_t i = 0; i < 100; i++) {
        sum += (double)fields.value[2 * i];
        square += (double)fields.value[2 * i] * (double)fields.value[2 * i];
        assert_int_equal(fields.cell[2 * i], 0);
        assert_true(fields.value[2 * i + 1] == 1.0f);
    }
    assert_true(fabs(sum) < 1e-4 && fabs(square - 100) < 1e-3);
    assert_int_equal(fields.cell[200], -1);
    assert_int_equal(fields.joint, 1 + 4);
    pare_fields_clear(&fields);
    reading_close(&r);
}

/* Every text comes back from its decimal, or is none. */
static void decimals(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool packs;
    } all[] = {
        {"0", true},
        {"-0", true},
        {"7", true},
        {"-12.50", true},
        {"0.00100", true},
        {"1.0", true},
        {"1.00", true},
        {"-0.0", true},
        {"123456789", true},
        {"12345678901234567", true},
        {"0.1234567890123456", true},
        {"9999999999999999.9", true},
        {"", false},
        {"-", false},
        {".5", false},
        {"5.", false},
        {"01", false},
        {"00", false},
        {"1e3", false},
        {"+1", false},
        {" 1", false},
        {"1 ", false},
        {"1.2.3", false},
        {"--1", false},
        {"a", false},
        {"123456789012345678", false},
        {"0.12345678901234567", false},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        unsigned char padded[64] = {0}, text[PARE_DECIMAL_SIZE];
        int64_t length = (int64_t)strlen(all[i].text), decimal = -1;
        memcpy(padded, all[i].text, (size_t)length);
        const unsigned char *end = pare_decimal_read(padded, &decimal);
        if ((end > padded && end == padded + length) != all[i].packs) {
            fail_msg("'%s' is a decimal or not", all[i].text);
        }
        if (all[i].packs) {
            double wanted = strtod(all[i].text, NULL), value = pare_decimal_value(decimal);
            assert_true(decimal >= 0);
            assert_int_equal(pare_decimal_text(decimal, text), length);
            assert_memory_equal(text, padded, (size_t)length);
            assert_memory_equal(&value, &wanted, sizeof value);
        }
    }
}

/* Columns of numbers, the second with a text in the last row: whatever the blocks, the first stays
 * a number and becomes a category of the same texts when it is asked to, the second is one. */
static void numbers_and_blocks(void **state) {
    (void)state;
    enum { ROWS = 600, SIZES = 4 };
    char *text = malloc(ROWS * 64);
    int64_t used = sprintf(text, "a,b,y\n");
    for (int64_t i = 0; i < ROWS; i++) {
        long long id = (long long)pare_random_below(4, PARE_STREAM_TEST, (uint64_t)i, 200);
        static const char *const form[5] = {"%lld.50", "%lld.5", "-%lld", "1e%lld", "0%lld"};
        used += sprintf(text + used, form[i % 3], id);
        used += sprintf(text + used, ",");
        used += sprintf(text + used, i + 1 < ROWS ? form[i % 5] : "text", id);
        used += sprintf(text + used, ",%d\n", (int)(i % 2));
    }
    pare_fields first[2] = {{0}, {0}};
    reading keeper[SIZES];
    for (int64_t size = 0; size < SIZES; size++) {
        const int64_t block[SIZES] = {0, 16, 300, 5000};
        reading *r = &keeper[size];
        reading_open(r, NULL, "target=y");
        assert_ok(r->ctx, pare_context_set_threads(r->ctx, 1 + size));
        r->block = block[size];
        for (int k = 0; k < 2; k++) {
            pare_fields fields;
            assert_ok(r->ctx, read_text(r, PARE_FIELDS_CSV, text, &fields));
            assert_int_equal(fields.field[0].kind, PARE_FIELD_NUMBER);
            assert_int_equal(fields.field[1].kind, PARE_FIELD_CATEGORY);
            fields.field[0].kind = k ? PARE_FIELD_CATEGORY : PARE_FIELD_NUMBER;
            assert_ok(r->ctx, pare_fields_encode(&fields, 0, 1, 1));
            if (size == 0) {
                first[k] = fields;
                continue;
            }
            assert_memory_equal(fields.cell, first[k].cell, 2 * ROWS * sizeof(int32_t));
            assert_int_equal(fields.value != NULL, k == 0);
            if (k == 0) {
                assert_memory_equal(fields.value, first[k].value, 2 * ROWS * sizeof(float));
            }
            for (int64_t f = 1 - k; f < 2; f++) {
                const pare_vocabulary *mine = &fields.field[f].level;
                const pare_vocabulary *other = &first[k].field[f].level;
                assert_int_equal(mine->count, other->count);
                for (int64_t l = 0; l < mine->count; l++) {
                    int64_t length = 0;
                    const unsigned char *level = pare_vocabulary_text(mine, l, &length);
                    assert_int_equal(pare_vocabulary_find(other, level, length), l);
                }
            }
            pare_fields_clear(&fields);
        }
    }
    /* Distinct texts of the file, counted another way: "1.5" and "1.50" are two. */
    int64_t distinct = 0, seen[3][200] = {{0}};
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id = pare_random_below(4, PARE_STREAM_TEST, (uint64_t)i, 200);
        distinct += seen[i % 3][id]++ == 0;
    }
    assert_int_equal(first[1].field[0].level.count, distinct);
    pare_fields_clear(&first[0]);
    pare_fields_clear(&first[1]);
    for (int64_t size = 0; size < SIZES; size++) {
        reading_close(&keeper[size]);
    }
    free(text);
}

static void criteo(void **state) {
    (void)state;
    char text[1024] = "";
    const char *first[3] = {"0", "1", "1"}, *number[3] = {"148", "149", ""};
    for (int i = 0; i < 3; i++) {
        strcat(text, first[i]);
        strcat(text, "\t");
        strcat(text, number[i]);
        for (int c = 1; c < 39; c++) {
            strcat(text, c == 13 ? "\t68fd1e64" : "\t");
        }
        strcat(text, "\n");
    }
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, NULL);
    r.name = "day_0";
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_AUTO, text, &fields));
    assert_int_equal(fields.count, 39);
    assert_string_equal(fields.field[12].name, "I13");
    assert_string_equal(fields.field[13].name, "C1");
    assert_level(&fields, 13, 0, "68fd1e64");
    assert_ok(r.ctx, pare_fields_encode(&fields, 0, 1, 1));
    assert_int_equal(fields.head, 0);
    /* log(148)^2 = 24.97, log(149)^2 = 25.04. */
    assert_int_equal(fields.field[0].size, 4);
    assert_level(&fields, 0, 0, "bucket 24");
    assert_level(&fields, 0, 1, "bucket 25");
    assert_level(&fields, 0, 2, "");
    pare_fields_clear(&fields);
    reading_close(&r);
}

/* Neither threads nor the cutting into blocks show; long and quoted texts stay whole, and fields
 * that turn up late get absent cells before. */
static void threads_and_blocks(void **state) {
    (void)state;
    enum { ROWS = 700, SIZES = 4 };
    char *ffm = malloc(ROWS * 128), *csv = malloc(ROWS * 128);
    int64_t ffm_used = 0, csv_used = sprintf(csv, "y,a,\"b \"\"q\"\"\",c\n");
    for (int64_t i = 0; i < ROWS; i++) {
        long long id = (long long)pare_random_below(3, PARE_STREAM_TEST, (uint64_t)i, 300);
        ffm_used += sprintf(ffm + ffm_used, "%d %lld:%lld:0.5 7:18446744073709551%03lld:1",
                            (int)(i % 2), 100 + (long long)(i / 150), id, id);
        ffm_used += sprintf(ffm + ffm_used, i % 3 ? " 99999:1:1\n" : "\r\n");
        csv_used += sprintf(csv + csv_used, "%d,%lld,\"x, \"\"%lld\"\" and so on and on\",%s\n",
                            (int)(i % 2), id, id % 7, id % 2 ? "" : "short");
    }
    const char *text[2] = {ffm, csv};
    const pare_fields_format format[2] = {PARE_FIELDS_LIBFFM, PARE_FIELDS_CSV};
    for (int k = 0; k < 2; k++) {
        pare_fields first = {0};
        reading keeper;
        for (int64_t size = 0; size < SIZES; size++) {
            const int64_t block[SIZES] = {0, 16, 300, 5000}, threads[SIZES] = {1, 4, 2, 3};
            reading r;
            pare_fields fields;
            reading_open(&r, NULL, k ? "target=y" : NULL);
            assert_ok(r.ctx, pare_context_set_threads(r.ctx, threads[size]));
            r.block = block[size];
            assert_ok(r.ctx, read_text(&r, format[k], text[k], &fields));
            assert_int_equal(fields.rows, ROWS);
            assert_int_equal(fields.count, k ? 3 : 7);
            if (size == 0) {
                first = fields;
                keeper = r;
                continue;
            }
            int64_t cells = ROWS * fields.count;
            assert_memory_equal(fields.cell, first.cell, (size_t)cells * sizeof(int32_t));
            assert_memory_equal(fields.label, first.label, ROWS * sizeof(float));
            assert_int_equal(fields.value != NULL, k == 0);
            if (k == 0) {
                assert_memory_equal(fields.value, first.value, (size_t)cells * sizeof(float));
            }
            for (int64_t f = 0; f < fields.count; f++) {
                assert_string_equal(fields.field[f].name, first.field[f].name);
                assert_int_equal(fields.field[f].level.count, first.field[f].level.count);
                for (int64_t l = 0; l < fields.field[f].level.count; l++) {
                    int64_t length = 0, other = 0;
                    const unsigned char *mine =
                        pare_vocabulary_text(&fields.field[f].level, l, &length);
                    assert_memory_equal(mine,
                                        pare_vocabulary_text(&first.field[f].level, l, &other),
                                        (size_t)length);
                    assert_int_equal(length, other);
                }
            }
            pare_fields_clear(&fields);
            reading_close(&r);
        }
        if (k == 1) {
            assert_string_equal(first.field[1].name, "b \"q\"");
            assert_int_equal(first.field[1].level.count, 7);
        }
        pare_fields_clear(&first);
        reading_close(&keeper);
    }
    free(ffm);
    free(csv);
}

static void bad_input(void **state) {
    (void)state;
    static const struct {
        pare_fields_format format;
        const char *text, *wanted;
    } bad[] = {
        {PARE_FIELDS_LIBFFM, "1 0:1:1\n2 0:1:1\n", "line 2: '2': expected a label 0 or 1"},
        {PARE_FIELDS_LIBFFM, "1 0:1:1\n0 0:1:1\n-1 0:2:1\n", "line 3: '-1': expected labels"},
        {PARE_FIELDS_LIBFFM, "x 0:1:1\n", "line 1: 'x'"},
        {PARE_FIELDS_LIBFFM, "1 0:18446744073709551616:1\n", "an id below 2^64"},
        {PARE_FIELDS_LIBFFM, "1 0:-1:1\n", "expected field:id:value"},
        {PARE_FIELDS_LIBFFM, "1 0:1\n", "with a finite number as value"},
        {PARE_FIELDS_LIBFFM, "1 0:1:nan\n", "with a finite number as value"},
        {PARE_FIELDS_LIBFFM, "1 5\n", "expected field:id:value"},
        {PARE_FIELDS_LIBFFM, "1 0:1:1 0:2:1\n", "line 1: field 0 twice"},
        {PARE_FIELDS_LIBFFM, "1 0:99999999999999999999999:1\n", "an id below 2^64"},
        {PARE_FIELDS_LIBFFM, "0 0:1:1\n-1 0:1:1\n2 0:1:1\n", "line 2: '-1': expected labels"},
        {PARE_FIELDS_LIBFFM, "-1 0:1:1\n2 0:1:1\n0 0:1:1\n", "line 2: '2'"},
        {PARE_FIELDS_LIBFFM, "", "no rows"},
        {PARE_FIELDS_LIBFFM, "1\n0\n", "no rows"},
        {PARE_FIELDS_LIBFM, "1 1:1 2:1\n0 1:1\n", "line 2: 1 entries, expected 2"},
        {PARE_FIELDS_LIBFM, "1 a:1\n", "expected id:value"},
        {PARE_FIELDS_CSV, "a,y\n1,0\n1\n", "line 3: 1 columns, expected 2"},
        {PARE_FIELDS_CSV, "a,y\n1,0\n1,1,1\n", "line 3: 3 columns, expected 2"},
        {PARE_FIELDS_CSV, "a,y\n\"1,0\n", "closing quote"},
        {PARE_FIELDS_CSV, "a,a,y\n1,1,0\n", "two columns are named 'a'"},
        {PARE_FIELDS_CSV, "a,y\n1,yes\n",
         "'yes': expected a label 0 or 1, or -1 or 1, in the last column 'y'; --target"},
        {PARE_FIELDS_CSV, "a,y\n1,\n", "line 2: '': expected a label"},
        {PARE_FIELDS_CRITEO, "1\t2\n", "2 columns, expected 40"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        reading r;
        pare_fields fields;
        reading_open(&r, NULL, NULL);
        assert_int_equal(read_text(&r, bad[i].format, bad[i].text, &fields), PARE_ERROR_INPUT);
        if (!strstr(pare_context_error(r.ctx), bad[i].wanted)) {
            fail_msg("'%s' lacks '%s'", pare_context_error(r.ctx), bad[i].wanted);
        }
        assert_null(fields.ctx);
        reading_close(&r);
    }
}

static void bad_tables(void **state) {
    (void)state;
    reading r;
    pare_fields fields, other;
    reading_open(&r, NULL, "target=nowhere");
    assert_int_equal(read_text(&r, PARE_FIELDS_CSV, "a,y\n1,0\n", &fields), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "no column 'nowhere'"));
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, "1 0:1:1\n1 0:2:1\n", &fields));
    assert_int_equal(pare_fields_encode(&fields, 0, 1, 1), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "have the label 1; expected both"));
    pare_fields_clear(&fields);
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, "1 0:1:1\n0 0:1:1\n", &fields));
    assert_int_equal(pare_fields_encode(&fields, 0, 1, 1), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "single value"));
    pare_fields_clear(&fields);
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, "1 0:1:1 1:1:1\n0 0:2:1\n", &fields));
    assert_ok(r.ctx, pare_fields_encode(&fields, 0, 1, 1));
    assert_ok(r.ctx, read_text(&r, PARE_FIELDS_LIBFFM, "1 0:1:1\n", &other));
    assert_int_equal(pare_fields_encode_like(&other, &fields), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "no field '1'"));
    pare_fields_clear(&other);
    pare_fields_clear(&fields);
    reading_close(&r);
}

/* Reads, encodes and encodes again with whatever memory there is. */
static pare_status all_steps(reading *r) {
    pare_fields fields, other = {0};
    char text[1024] = "n,c,m,y\n1,1.5,,0\n2,2,x,1\n3,,,1\n";
    for (int i = 0; i < 60; i++) { /* enough for m to be a number until its last cell */
        sprintf(text + strlen(text), "%d,1.5,%d.5,1\n", i, i);
    }
    r->block = 400;
    pare_status status = read_text(r, PARE_FIELDS_CSV, text, &fields);
    if (status == PARE_OK) {
        fields.field[0].kind = PARE_FIELD_NUMBER;
        fields.field[1].kind = PARE_FIELD_BUCKET;
        status = pare_fields_encode(&fields, 0, 1, 1);
    }
    if (status == PARE_OK) {
        status = read_text(r, PARE_FIELDS_CSV, text, &other);
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
        cmocka_unit_test(formats_agree),
        cmocka_unit_test(format_is_found),
        cmocka_unit_test(large_ids),
        cmocka_unit_test(vocabulary),
        cmocka_unit_test(numbers),
        cmocka_unit_test(decimals),
        cmocka_unit_test(numbers_and_blocks),
        cmocka_unit_test(criteo),
        cmocka_unit_test(threads_and_blocks),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(bad_tables),
        cmocka_unit_test(failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
