/* Matrix Market and SciPy's npz: the same matrix in every form gives the same table. */
#include "pare_file_support.h"

#include <zlib.h>

/* Rows of a sparse table as text: "0:1.5 3:2|1:7". */
static void assert_rows(const pare_table *table, int64_t columns, const char *wanted) {
    char text[512] = "";
    size_t at = 0;
    assert_int_equal(table->storage, PARE_STORAGE_CSR);
    assert_int_equal(table->columns, columns);
    for (int64_t i = 0; i < table->rows; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s", i > 0 ? "|" : "");
        for (int64_t p = table->start[i]; p < table->start[i + 1]; p++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%d:%.9g",
                                   p > table->start[i] ? " " : "", table->index[p],
                                   (double)table->value[p]);
        }
    }
    assert_string_equal(text, wanted);
}

static void test_mtx(void **state) {
    (void)state;
    static const struct {
        const char *text, *rows;
        int64_t columns;
    } files[] = {
        {"%%MatrixMarket matrix coordinate real general\n% note\n\n3 4 4\n1 1 1.5\n3 2 7\n1 4 2e0\n"
         "3 1 -1\n",
         "0:1.5 3:2||0:-1 1:7", 4},
        {"%%MatrixMarket MATRIX Coordinate integer symmetric\n3 3 3\n1 1 2\n3 1 5\n3 2 1\n",
         "0:2 2:5|2:1|0:5 1:1", 3},
        {"%%MatrixMarket matrix coordinate pattern general\r\n2 2 2\r\n2 2\r\n1 1", "0:1|1:1", 2},
        {"%%MatrixMarket matrix coordinate real general\n2 2 2\n2 2 0\n1 1 3\n", "0:3|", 2},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (int64_t block = 16; block <= 4096; block *= 256) {
            reading r;
            pare_table table;
            reading_open(&r, NULL, NULL);
            r.name = "m.mtx";
            r.block = block;
            assert_ok(r.ctx, reading_text(&r, files[i].text, &table));
            assert_rows(&table, files[i].columns, files[i].rows);
            pare_table_clear(&table);
            reading_close(&r);
        }
    }
}

static void test_mtx_refused(void **state) {
    (void)state;
#define HEAD "%%MatrixMarket matrix coordinate real general\n"
    static const char *const bad[][2] = {
        {"matrix\n1 1 0\n", "line 1|MatrixMarket"},
        {"%%MatrixMarket matrix array real general\n1 1\n", "line 1|coordinate"},
        {"%%MatrixMarket matrix coordinate complex general\n1 1 0\n", "line 1|real, integer"},
        {"%%MatrixMarket matrix coordinate real hermitian\n1 1 0\n", "line 1|general or symmetric"},
        {HEAD, "no line with rows"},
        {HEAD "2 2\n", "line 2|three whole numbers"},
        {HEAD "3000000000 2 1\n1 1 1\n", "line 2|2147483647"},
        {HEAD "2 2 999999999\n", "line 2|no more entries"},
        {HEAD "2 2 1\n3 1 1\n", "line 3|row 3|from 1 to 2"},
        {HEAD "2 2 1\n1 0 1\n", "line 3|column 0|from 1 to 2"},
        {HEAD "2 2 1\n1 99999999999 1\n", "line 3|column 99999999999"},
        {HEAD "2 2 2\n1 1 1\n", "truncated|1 entries"},
        {HEAD "2 2 1\n1 1 1\n1 2 1\n", "line 4|more than"},
        {HEAD "2 2 1\n1 1\n", "line 3|value"},
        {HEAD "2 2 1\n1 1 1e99\n", "line 3|finite"},
        {HEAD "2 2 1\n1 1 1 1\n", "line 3|row column value"},
        {HEAD "2 2 3\n1 1 1\n2 2 1\n1 1 4\n", "row 1, column 1|twice"},
        {"%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n1 2 1\n", "lower triangle"},
        {"%%MatrixMarket matrix coordinate real symmetric\n2 3 1\n1 1 1\n", "as many rows"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        reading r;
        reading_open(&r, NULL, NULL);
        r.name = "m.mtx";
        assert_refused(&r, bad[i][0], bad[i][1]);
        reading_close(&r);
    }
}

/* ---- npz --------------------------------------------------------------------------------------
 */

typedef struct archive {
    unsigned char bytes[8192];
    size_t length;
    unsigned char directory[2048];
    size_t directory_length;
    int members;
    int method; /* 0 or 8 */
} archive;

static void put(unsigned char *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static void add_member(archive *a, const char *name, const unsigned char *data, size_t size) {
    unsigned char packed[1024], *local = a->bytes + a->length, *central;
    uLong crc = crc32(0, data, (uInt)size);
    size_t stored = size, text = strlen(name);
    memcpy(packed, data, size);
    if (a->method == 8) {
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        unsigned char *in = malloc(size + 1);
        memcpy(in, data, size);
        z.next_in = in;
        z.avail_in = (uInt)size;
        z.next_out = packed;
        z.avail_out = sizeof packed;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        stored = z.total_out;
        (void)deflateEnd(&z);
        free(in);
    }
    memset(local, 0, 30);
    memcpy(local, "PK\3\4", 4);
    put(local + 8, (uint64_t)a->method, 2);
    put(local + 26, text, 2);
    memcpy(local + 30, name, text);
    memcpy(local + 30 + text, packed, stored);
    central = a->directory + a->directory_length;
    memset(central, 0, 46);
    memcpy(central, "PK\1\2", 4);
    put(central + 10, (uint64_t)a->method, 2);
    put(central + 16, crc, 4);
    put(central + 20, stored, 4);
    put(central + 24, size, 4);
    put(central + 28, text, 2);
    put(central + 42, a->length, 4);
    memcpy(central + 46, name, text);
    a->directory_length += 46 + text;
    a->length += 30 + text + stored;
    a->members++;
}

static void add_array(archive *a, const char *name, const char *type, const char *shape,
                      const void *data, size_t size) {
    unsigned char npy[512];
    char header[128];
    int length = snprintf(header, sizeof header,
                          "{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", type, shape);
    memcpy(npy, "\x93NUMPY\1\0", 8);
    put(npy + 8, (uint64_t)length, 2);
    memcpy(npy + 10, header, (size_t)length);
    memcpy(npy + 10 + length, data, size);
    add_member(a, name, npy, 10 + (size_t)length + size);
}

static void finish(archive *a) {
    unsigned char end[22] = "PK\5\6";
    put(end + 10, (uint64_t)a->members, 2);
    put(end + 12, a->directory_length, 4);
    put(end + 16, a->length, 4);
    memcpy(a->bytes + a->length, a->directory, a->directory_length);
    a->length += a->directory_length;
    memcpy(a->bytes + a->length, end, sizeof end);
    a->length += sizeof end;
}

/* 3 x 4: (0,0) 1.5, (0,3) 2, (2,0) -1, (2,1) 7. */
static archive matrix(const char *format, int method) {
    static const double data[] = {1.5, 2, -1, 7}, by_column[] = {1.5, -1, 7, 2};
    static const float floats[] = {2, 1.5f, 7, -1};
    static const int32_t pointer[] = {0, 2, 2, 4}, index[] = {0, 3, 0, 1};
    static const int32_t columns[] = {0, 2, 3, 3, 4}, rows[] = {0, 2, 2, 0};
    static const int64_t row[] = {0, 0, 2, 2}, column[] = {3, 0, 1, 0}, shape[] = {3, 4};
    archive a = {.method = method};
    add_array(&a, "shape.npy", "<i8", "(2,)", shape, sizeof shape);
    if (strcmp(format, "csr") == 0) {
        add_array(&a, "data.npy", "<f8", "(4,)", data, sizeof data);
        add_array(&a, "indices.npy", "<i4", "(4,)", index, sizeof index);
        add_array(&a, "indptr.npy", "<i4", "(4,)", pointer, sizeof pointer);
    } else if (strcmp(format, "csc") == 0) {
        add_array(&a, "data.npy", "<f8", "(4,)", by_column, sizeof by_column);
        add_array(&a, "indices.npy", "<i4", "(4,)", rows, sizeof rows);
        add_array(&a, "indptr.npy", "<i4", "(5,)", columns, sizeof columns);
    } else {
        add_array(&a, "data.npy", "<f4", "(4,)", floats, sizeof floats);
        add_array(&a, "row.npy", "<i8", "(4,)", row, sizeof row);
        add_array(&a, "col.npy", "<i8", "(4,)", column, sizeof column);
    }
    add_array(&a, "format.npy", "|S3", "()", format, 3);
    finish(&a);
    return a;
}

static void test_npz(void **state) {
    (void)state;
    static const char *const formats[] = {"csr", "csc", "coo"};
    for (int i = 0; i < 6; i++) {
        reading r;
        pare_table table;
        reading_open(&r, NULL, NULL);
        r.name = "m.npz";
        archive a = matrix(formats[i / 2], i % 2 ? 8 : 0);
        assert_ok(r.ctx, reading_bytes(&r, a.bytes, (int64_t)a.length, &table));
        assert_rows(&table, 4, "0:1.5 3:2||0:-1 1:7");
        pare_table_clear(&table);
        reading_close(&r);
    }
}

/* Dense arrays: y is the last column, or there is none; one value a row or refused. */
static void test_npz_dense(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6};
    static const int64_t y[] = {7, 8, 9};
    static const uint8_t pixels[] = {1, 2, 3, 4, 5, 6}, digits[] = {7, 8};
    for (int i = 0; i < 4; i++) {
        archive a = {.method = i == 3 ? 8 : 0};
        reading r;
        pare_table table;
        reading_open(&r, NULL, NULL);
        r.name = "m.npz";
        if (i < 3) {
            add_array(&a, i ? "X.npy" : "x.npy", "<f4", i == 2 ? "(2, 3)" : "(3, 2)", x, sizeof x);
        } else {
            add_array(&a, "x_train.npy", "|u1", "(2, 1, 3)", pixels, sizeof pixels);
            add_array(&a, "y_train.npy", "|u1", "(2,)", digits, sizeof digits);
        }
        if (i == 0 || i == 2) {
            add_array(&a, "y.npy", "<i8", "(3,)", y, sizeof y);
        }
        finish(&a);
        if (i == 2) {
            assert_refused_bytes(&r, a.bytes, (int64_t)a.length, "3 rows of 1|each of the 2 rows");
            reading_close(&r);
            continue;
        }
        assert_ok(r.ctx, reading_bytes(&r, a.bytes, (int64_t)a.length, &table));
        assert_int_equal(table.rows, i == 3 ? 2 : 3);
        assert_int_equal(table.columns, i == 0 ? 3 : i == 1 ? 2 : 4);
        assert_string_equal(table.column[0].name, "x0");
        assert_string_equal(table.column[table.columns - 1].name, i == 1 ? "x1" : "y");
        if (i == 3) {
            static const uint8_t wanted[] = {1, 2, 3, 7, 4, 5, 6, 8};
            assert_int_equal(table.storage, PARE_STORAGE_U8);
            assert_memory_equal(table.u8, wanted, sizeof wanted);
        } else {
            static const float wanted[] = {1, 2, 7, 3, 4, 8, 5, 6, 9};
            assert_memory_equal(table.f32, i == 0 ? wanted : x, i == 0 ? sizeof wanted : sizeof x);
        }
        pare_table_clear(&table);
        reading_close(&r);
    }
}

static void test_npz_refused(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    r.name = "m.npz";
    archive a = matrix("csr", 8);
    for (size_t cut = 4; cut < a.length; cut += 7) {
        assert_refused_bytes(&r, a.bytes, (int64_t)cut, "m.npz");
    }
    /* Any flipped byte is refused, or does not matter (times, names of other members). */
    for (size_t i = 0; i < a.length; i++) {
        pare_table table;
        a.bytes[i] ^= 0x20;
        pare_status status = reading_bytes(&r, a.bytes, (int64_t)a.length, &table);
        if (status == PARE_OK) {
            assert_rows(&table, 4, "0:1.5 3:2||0:-1 1:7");
            pare_table_clear(&table);
        } else {
            assert_int_equal(status, PARE_ERROR_INPUT);
        }
        a.bytes[i] ^= 0x20;
    }
    static const int64_t shape[] = {2, 2};
    static const double two[] = {1, 2};
    static const int32_t pointer[] = {0, 2, 2}, twice[] = {1, 1}, beyond[] = {0, 2};
    for (int i = 0; i < 2; i++) {
        archive b = {0};
        add_array(&b, "shape.npy", "<i8", "(2,)", shape, sizeof shape);
        add_array(&b, "data.npy", "<f8", "(2,)", two, sizeof two);
        add_array(&b, "indices.npy", "<i4", "(2,)", i ? beyond : twice, sizeof twice);
        add_array(&b, "indptr.npy", "<i4", "(3,)", pointer, sizeof pointer);
        add_array(&b, "format.npy", "|S3", "()", "csr", 3);
        finish(&b);
        assert_refused_bytes(&r, b.bytes, (int64_t)b.length,
                             i ? "column 2|from 0 to 1" : "row 1, column 2|twice");
    }
    archive c = matrix("bsr", 0);
    assert_refused_bytes(&r, c.bytes, (int64_t)c.length, "csr, csc or coo|x and y");
    reading_close(&r);
}

static void test_out_of_memory(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6}, y[] = {7, 8};
    archive sparse = matrix("csc", 8), dense = {0};
    add_array(&dense, "x.npy", "<f4", "(2, 3)", x, sizeof x);
    add_array(&dense, "y.npy", "<f4", "(2,)", y, sizeof y);
    finish(&dense);
    const char *mtx = HEAD "3 4 4\n1 4 1.5\n3 2 7\n1 1 2e0\n3 1 -1\n";
    for (int kind = 0; kind < 3; kind++) {
        const archive *a = kind > 1 ? &dense : &sparse;
        for (int64_t at = 0;; at++) {
            test_allocator memory = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&memory);
            reading r;
            reading_open(&r, &allocator, NULL);
            r.name = kind ? "m.npz" : "m.mtx";
            memory.fail_at = memory.count + at;
            pare_table table;
            pare_status status = kind ? reading_bytes(&r, a->bytes, (int64_t)a->length, &table)
                                      : reading_text(&r, mtx, &table);
            assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
            pare_table_clear(&table);
            memory.fail_at = -1;
            reading_close(&r);
            assert_int_equal(memory.live, 0);
            if (status == PARE_OK) {
                break;
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mtx),       cmocka_unit_test(test_mtx_refused),
        cmocka_unit_test(test_npz),       cmocka_unit_test(test_npz_refused),
        cmocka_unit_test(test_npz_dense), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
