/* NPY, IDX, libsvm, gz, and files by name. */
#include "readers_support.h"

#include <unistd.h>
#include <zlib.h>

#include "base/text.h"

/* ---- NPY --------------------------------------------------------------------------------------
 */

/* An NPY file in memory: header of the given version and text, then the data. */
static void make_npy(pare_text *out, int version, const char *header, const void *data,
                     int64_t bytes) {
    unsigned char head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    size_t length = strlen(header);
    head[8] = (unsigned char)(length & 0xff);
    head[9] = (unsigned char)(length >> 8);
    pare_text_clear(out);
    pare_text_append_bytes(out, (const char *)head, version == 1 ? 10 : 12);
    pare_text_append_bytes(out, header, (int64_t)length);
    pare_text_append_bytes(out, data, bytes);
}

static void test_npy(void **state) {
    (void)state;
    static const float f4[] = {1, 2.5F, -3, 4, 5, 6};
    static const double f8[] = {1, 2.5, -3, 4, 5, 6};
    static const float f4_by_columns[] = {1, 4, 2.5F, 5, -3, 6};
    static const int16_t i2[] = {1, -2, 3, 4, 5, 6};
    static const unsigned char big[] = {0x3f, 0x80, 0, 0, 0x40, 0x20, 0, 0}; /* 1, 2.5 */
    static const int64_t i8[] = {7, -8, 9};
    static const struct {
        const char *header;
        const void *data;
        int64_t bytes;
        const char *table;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", f4, sizeof f4,
         "x0 x1 x2|1 2.5 -3|4 5 6"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }     \n", f8, sizeof f8,
         "x0 x1 x2|1 2.5 -3|4 5 6"},
        {"{'shape': (2, 3), 'fortran_order': True, 'descr': '<f4'}\n", f4_by_columns,
         sizeof f4_by_columns, "x0 x1 x2|1 2.5 -3|4 5 6"},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (3, 2), }\n", i2, sizeof i2,
         "x0 x1|1 -2|3 4|5 6"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }\n", big, sizeof big,
         "x0 x1|1 2.5"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }\n", i8, sizeof i8, "x0|7|-8|9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int version = 1; version <= 3; version++) {
            reading r;
            pare_table table;
            reading_open(&r, NULL, NULL);
            pare_text file = {.ctx = r.ctx};
            make_npy(&file, version, cases[i].header, cases[i].data, cases[i].bytes);
            assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
            assert_table(&table, cases[i].table);
            pare_table_clear(&table);
            assert_refused_bytes(&r, file.bytes, file.length - 1, "table.csv: the data end after");
            pare_text_append_bytes(&file, "x", 1);
            assert_refused_bytes(&r, file.bytes, file.length, "table.csv: more bytes than");
            pare_text_clear(&file);
            reading_close(&r);
        }
    }
}

static void test_npy_bytes(void **state) {
    (void)state;
    reading r;
    pare_table table;
    reading_open(&r, NULL, NULL);
    pare_text file = {.ctx = r.ctx};
    make_npy(&file, 1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2)}\n", "\1\2\3\4", 4);
    assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
    assert_int_equal(table.storage, PARE_STORAGE_U8);
    assert_memory_equal(table.u8, "\1\3\2\4", 4);
    pare_table_clear(&table);
    make_npy(&file, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}\n", "\1\0\0\1", 4);
    assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
    assert_int_equal(table.rows, 4);
    assert_memory_equal(table.u8, "\1\0\0\1", 4);
    pare_table_clear(&table);
    make_npy(&file, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 2)}\n", "\1\2\3\4",
             4);
    assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
    assert_int_equal(table.columns, 4);
    assert_int_equal(table.height, 2);
    assert_int_equal(table.width, 2);
    pare_table_clear(&table);
    pare_text_clear(&file);
    reading_close(&r);
}

static void test_npy_categories(void **state) {
    (void)state;
    static const float cells[] = {3, 0.1F, 1, NAN, 3, 0.1F};
    reading r;
    pare_table table;
    reading_open(&r, NULL, "categorical=x0,1");
    pare_text file = {.ctx = r.ctx};
    make_npy(&file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}\n", cells,
             sizeof cells);
    assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
    assert_table(&table, "x0 x1|'3' '0.1'|'1' -|'3' '0.1'");
    pare_table_clear(&table);
    pare_text_clear(&file);
    reading_close(&r);
}

static void test_npy_refused(void **state) {
    (void)state;
    static const float infinite[] = {1, 2, 3, -INFINITY};
    static const double beyond[] = {1, 1e39};
    static const struct {
        const char *header;
        const void *data;
        int64_t bytes;
        const char *wanted;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}\n", infinite, sizeof infinite,
         "table.csv row 2 (from 1), column 'x1': an infinite number|finite"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}\n", beyond, sizeof beyond,
         "table.csv row 2 (from 1), column 'x0': an infinite number"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}\n", beyond, 16,
         "table.csv: NPY header: the element type is not one of f4"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}\n", beyond, 16, "element type"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}\n", beyond, 16,
         "element type"},
        {"{'descr': '<f4', 'shape': (2,)}\n", beyond, 8, "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}\n", beyond, 4, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1)}\n", beyond, 4, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}\n", beyond, 4, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4)}\n", beyond, 0,
         "0 rows x 4 columns; expected at least one"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000)}\n", beyond, 8,
         "more than memory can hold"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (400000000, 4)}\n", beyond, 8,
         "the data end after"},
    };
    reading r;
    reading_open(&r, NULL, NULL);
    pare_text file = {.ctx = r.ctx};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_npy(&file, 1, cases[i].header, cases[i].data, cases[i].bytes);
        assert_refused_bytes(&r, file.bytes, file.length, cases[i].wanted);
    }
    make_npy(&file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}\n", "", 0);
    for (int64_t length = 6; length < file.length; length++) {
        assert_refused_bytes(&r, file.bytes, length, "table.csv: ");
    }
    make_npy(&file, 4, "{}", "", 0);
    assert_refused_bytes(&r, file.bytes, file.length, "not an NPY file|version");
    pare_text_clear(&file);
    reading_close(&r);
}

/* ---- IDX --------------------------------------------------------------------------------------
 */

static void test_idx(void **state) {
    (void)state;
    static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0,
                                           1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255};
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9};
    static const unsigned char shorts[] = {0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 0};
    static const unsigned char floats[] = {0, 0, 13, 1, 0, 0, 0, 1, 0x40, 0x20, 0, 0};
    reading r;
    pare_table table;
    reading_open(&r, NULL, NULL);
    assert_ok(r.ctx, reading_bytes(&r, images, sizeof images, &table));
    assert_int_equal(table.storage, PARE_STORAGE_U8);
    assert_int_equal(table.rows, 2);
    assert_int_equal(table.columns, 3);
    assert_int_equal(table.height, 1);
    assert_int_equal(table.width, 3);
    assert_false(table.named);
    assert_string_equal(table.column[2].name, "x2");
    assert_memory_equal(table.u8, images + 16, 6);
    pare_table_clear(&table);
    assert_ok(r.ctx, reading_bytes(&r, labels, sizeof labels, &table));
    assert_int_equal(table.rows, 3);
    assert_int_equal(table.columns, 1);
    assert_memory_equal(table.u8, labels + 8, 3);
    pare_table_clear(&table);
    assert_ok(r.ctx, reading_bytes(&r, shorts, sizeof shorts, &table));
    assert_table(&table, "x0 x1|-2 256");
    pare_table_clear(&table);
    assert_ok(r.ctx, reading_bytes(&r, floats, sizeof floats, &table));
    assert_table(&table, "x0|2.5");
    pare_table_clear(&table);

    assert_ok(r.ctx, pare_options_set(&r.options, "format", "idx"));
    for (int64_t length = 1; length < (int64_t)sizeof images; length++) {
        assert_refused_bytes(&r, images, length, "table.csv: ");
    }
    assert_refused_bytes(&r, images, sizeof images - 1,
                         "the data end after|2 rows x 3 columns of 1 bytes");
    unsigned char longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    assert_refused_bytes(&r, longer, sizeof longer, "more bytes than 2 rows x 3 columns");
    longer[2] = 7;
    assert_refused_bytes(&r, longer, sizeof longer,
                         "not an IDX file|expected two zero bytes, a type");
    longer[2] = 8;
    longer[3] = 5;
    assert_refused_bytes(&r, longer, sizeof longer, "not an IDX file|1 to 4 dimensions");
    longer[3] = 3;
    memset(longer + 4, 0xff, 12);
    assert_refused_bytes(&r, longer, sizeof longer, "more than memory can hold");
    reading_close(&r);
}

/* ---- libsvm -----------------------------------------------------------------------------------
 */

static void test_libsvm(void **state) {
    (void)state;
    const char *text = "# a comment\n+1 1:0.5 3:2 # tail\n\n-1 2:1e-1\r\n  2.5\t 4:0 5:-3   \n0\n"
                       "1 1:nan";
    for (int64_t block = 0; block <= 64; block = block ? 4 * block : 1) {
        reading r;
        pare_table table;
        reading_open(&r, NULL, NULL);
        r.block = block;
        r.name = "table.svm";
        assert_ok(r.ctx, reading_text(&r, text, &table));
        assert_int_equal(table.storage, PARE_STORAGE_CSR);
        assert_int_equal(table.rows, 5);
        assert_int_equal(table.columns, 5);
        static const int64_t start[] = {0, 2, 3, 4, 4, 5};
        static const int32_t index[] = {0, 2, 1, 4, 0};
        static const float value[] = {0.5F, 2, 0.1F, -3};
        static const double label[] = {1, -1, 2.5, 0, 1};
        assert_memory_equal(table.start, start, sizeof start);
        assert_memory_equal(table.index, index, sizeof index);
        assert_memory_equal(table.value, value, sizeof value);
        assert_true(isnan(table.value[4]));
        assert_memory_equal(table.label, label, sizeof label);
        pare_table_clear(&table);
        reading_close(&r);
    }
}

static void test_libsvm_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"1 1:1\n1 0:2\n", "table.csv line 2: '0:2': expected indices from 1 on"},
        {"1 1:1\n1 3:2 2:1\n", "table.csv line 2: index 2 after index 3; expected ascending"},
        {"1 1:1\n\n1 2:2 2:1\n", "table.csv line 3: index 2 after index 2; expected ascending"},
        {"1 1:1\n1,2 2:1\n", "table.csv line 2: '1,2': expected one label"},
        {"1 1:1\n1 qid:3 2:1\n", "table.csv line 2: 'qid:3'|ranking data"},
        {"1 1:1\n1:1 2:1\n", "table.csv line 2: '1:1': expected a finite number as label"},
        {"1 1:1\nnan 2:1\n", "table.csv line 2: 'nan': expected a finite number as label"},
        {"1 1:1\n1 2:x\n", "table.csv line 2: '2:x': expected index:value with a number"},
        {"1 1:1\n1 2:\n", "table.csv line 2: '2:'"},
        {"1 1:1\n1 2:inf\n", "table.csv line 2: '2:inf': expected a finite number"},
        {"1 1:1\n1 2\n", "table.csv line 2: '2': expected index:value"},
        {"1 1:1\n1 -2:1\n", "table.csv line 2: '-2:1': expected index:value"},
        {"1 1:1\n1 99999999999999999999:1\n", "table.csv line 2: |expected an index up to"},
        {"1\n2\n", "no entries"},
        {"# nothing\n", "no entries"},
    };
    reading r;
    reading_open(&r, NULL, "format=libsvm");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(&r, cases[i].text, cases[i].wanted);
    }
    reading_close(&r);
}

/* ---- gz ---------------------------------------------------------------------------------------
 */

/* Appends `text` as one gz member. */
static void add_gz(pare_text *out, const char *text, size_t length) {
    z_stream z = {0};
    unsigned char *buffer = malloc(length + 1000);
    assert_non_null(buffer);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)length;
    z.next_out = buffer;
    z.avail_out = (unsigned)length + 1000;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    pare_text_append_bytes(out, (const char *)buffer, (int64_t)z.total_out);
    deflateEnd(&z);
    free(buffer);
}

static void test_gz(void **state) {
    (void)state;
    reading r;
    pare_table plain, table;
    reading_open(&r, NULL, NULL);
    pare_text text = {.ctx = r.ctx}, file = {.ctx = r.ctx};
    for (int i = 0; i < 5000; i++) {
        pare_text_append(&text, "%d,%d,%s\n", i * 7919 % 1000, i, i % 3 ? "a" : "b");
    }
    assert_ok(r.ctx, reading_text(&r, text.bytes, &plain));
    add_gz(&file, text.bytes, (size_t)text.length);
    assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
    assert_same_table(&table, &plain);
    pare_table_clear(&table);
    /* Cut anywhere: the sentence says so. */
    for (int64_t length = 2; length < file.length; length += 1 + length / 3) {
        assert_refused_bytes(&r, file.bytes, length, "table.csv: gz data end early|truncated");
    }
    assert_refused_bytes(&r, file.bytes, file.length - 1, "truncated");
    char *middle = file.bytes + file.length / 2;
    *middle = (char)(*middle ^ 0x55);
    assert_refused_bytes(&r, file.bytes, file.length, "table.csv: |gz data");
    /* Members one after the other, and padding behind them. */
    pare_text_clear(&file);
    add_gz(&file, text.bytes, 1000);
    add_gz(&file, text.bytes + 1000, (size_t)text.length - 1000);
    pare_text_append_bytes(&file, "\0\0\0\0", 4);
    assert_ok(r.ctx, reading_bytes(&r, file.bytes, file.length, &table));
    assert_same_table(&table, &plain);
    pare_table_clear(&table);
    pare_text_clear(&file);
    add_gz(&file, "", 0);
    assert_refused_bytes(&r, file.bytes, file.length, "table.csv: the file is empty");
    pare_table_clear(&plain);
    pare_text_clear(&file);
    pare_text_clear(&text);
    reading_close(&r);
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_files(void **state) {
    (void)state;
    char folder[] = "/tmp/pare-readers-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    reading r;
    pare_table table;
    reading_open(&r, NULL, NULL);
    assert_int_equal(pare_table_read(r.ctx, "/nonexistent/t.csv", &r.options, &table),
                     PARE_ERROR_IO);
    assert_non_null(strstr(pare_context_error(r.ctx), "/nonexistent/t.csv: cannot be opened: No"));
    assert_int_equal(pare_table_read(r.ctx, folder, &r.options, &table), PARE_ERROR_IO);
    assert_non_null(strstr(pare_context_error(r.ctx), folder));
    assert_null(table.ctx);

    static const struct {
        const char *name, *text;
        int64_t columns;
        pare_storage storage;
    } files[] = {{"a.csv", "a,b\n1,2\n", 2, PARE_STORAGE_F32},
                 {"b.tsv", "a,b\tc\n1,2\t3\n", 2, PARE_STORAGE_F32},
                 {"c.svm", "1\n2 3:1\n", 3, PARE_STORAGE_CSR},
                 {"d.txt", "1 7:1\n", 7, PARE_STORAGE_CSR},
                 {"e.csv", "v\n1 7:1\n", 1, PARE_STORAGE_F32},
                 {"f", "a;b;c\n1;2;3\n", 3, PARE_STORAGE_F32}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        write_file(path, files[i].text);
        assert_ok(r.ctx, pare_table_read(r.ctx, path, &r.options, &table));
        assert_int_equal(table.columns, files[i].columns);
        assert_int_equal(table.storage, files[i].storage);
        assert_string_equal(table.source, path);
        pare_table_clear(&table);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
    reading_close(&r);
}

/* ---- Allocation -------------------------------------------------------------------------------
 */

static void fail_everywhere(const void *bytes, int64_t length) {
    test_allocator memory = {.fail_at = -1};
    pare_allocator allocator = test_allocator_of(&memory);
    reading r;
    reading_open(&r, &allocator, NULL);
    for (int64_t position = 0;; position++) {
        pare_table table;
        int64_t live = memory.live, end = memory.count + position;
        memory.fail_at = end;
        pare_status status = reading_bytes(&r, bytes, length, &table);
        assert_int_equal(status, memory.count <= end ? PARE_OK : PARE_ERROR_MEMORY);
        pare_table_clear(&table);
        assert_int_equal(memory.live, live);
        if (status == PARE_OK) {
            break;
        }
    }
    memory.fail_at = -1;
    reading_close(&r);
    assert_int_equal(memory.live, 0);
}

static void test_allocation(void **state) {
    (void)state;
    static const unsigned char shorts[] = {0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 0};
    const char *svm = "1 1:2 3:4\n2 2:1\n";
    reading r;
    reading_open(&r, NULL, NULL);
    pare_text file = {.ctx = r.ctx};
    fail_everywhere(shorts, sizeof shorts);
    fail_everywhere(svm, (int64_t)strlen(svm));
    make_npy(&file, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 2)}\n", "12345678", 8);
    fail_everywhere(file.bytes, file.length);
    pare_text_clear(&file);
    add_gz(&file, svm, strlen(svm));
    fail_everywhere(file.bytes, file.length);
    pare_text_clear(&file);
    reading_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy),
        cmocka_unit_test(test_npy_bytes),
        cmocka_unit_test(test_npy_categories),
        cmocka_unit_test(test_npy_refused),
        cmocka_unit_test(test_idx),
        cmocka_unit_test(test_libsvm),
        cmocka_unit_test(test_libsvm_refused),
        cmocka_unit_test(test_gz),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
