/* .pare files: what goes in comes out bit for bit; damage of any byte is found and named; a
 * conversion that is cut off anywhere ends, continued, in the same table. */
#include "pare_file_support.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/xxh64.h"

static void test_xxh64(void **state) {
    (void)state;
    /* Sanity values of the specification's reference implementation: seed 0 and the prime of its
     * own check, over the bytes it generates. */
    const uint64_t prime32 = 2654435761u, prime64 = UINT64_C(11400714785074694797);
    unsigned char bytes[222];
    uint64_t generator = prime32;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(generator >> 56);
        generator *= prime64;
    }
    assert_true(pare_xxh64("", 0, 0) == UINT64_C(0xEF46DB3751D8E999));
    assert_true(pare_xxh64("abc", 3, 0) == UINT64_C(0x44BC2CF5AD770999));
    assert_true(pare_xxh64(bytes, 1, 0) == UINT64_C(0xE934A84ADB052768));
    assert_true(pare_xxh64(bytes, 14, 0) == UINT64_C(0x8282DCC4994E35C8));
    assert_true(pare_xxh64(bytes, 222, 0) == UINT64_C(0xB641AE8CB691C174));
    assert_true(pare_xxh64(bytes, 222, prime32) == UINT64_C(0x20CB8AB7AE10C14A));
}

/* Every kind holds what pare_chunk_fits promises, bit for bit. */
static void test_kinds(void **state) {
    (void)state;
    static const float columns[][8] = {
        {0, 1, 1, 0, 1, 0, 0, 1},
        {0, 1, 2, 3, 3, 2, 1, 0},
        {0, 1, 2, NAN, 2, NAN, 1, 0},
        {0, 255, 7, 9, 1, 2, 3, 4},
        {0, 254, NAN, 1, 2, 3, 4, 5},
        {-128, 127, 0, 1, 2, 3, 4, 5},
        {-127, NAN, 3, 4, 5, 6, 7, 8},
        {65535, 0, 1, 2, 3, 4, 5, 6},
        {65534, NAN, 1, 2, 3, 4, 5, 6},
        {0.5f, -0.25f, 65504, NAN, -0.0f, 0, 1, 6.103515625e-5f},
        {1.1f, 1e38f, -1e-38f, NAN, 70000, 65536, 1e-45f, 3},
        {0, -0.0f, 1, 1, 1, 1, 1, 1},
    };
    static const pare_chunk_kind best[] = {
        PARE_CHUNK_BIT,      PARE_CHUNK_TWO, PARE_CHUNK_TWO_GAPS, PARE_CHUNK_U8,
        PARE_CHUNK_U8_GAPS,  PARE_CHUNK_I8,  PARE_CHUNK_I8_GAPS,  PARE_CHUNK_U16,
        PARE_CHUNK_U16_GAPS, PARE_CHUNK_F16, PARE_CHUNK_F32,      PARE_CHUNK_F16};
    for (size_t k = 0; k < sizeof best / sizeof best[0]; k++) {
        uint32_t fits = pare_chunk_fits(8, columns[k]);
        assert_int_equal(pare_chunk_best(fits), best[k]);
        for (int kind = 0; kind < PARE_CHUNK_KINDS; kind++) {
            unsigned char bytes[32];
            float back[8];
            if (fits & 1u << kind) {
                pare_chunk_encode((pare_chunk_kind)kind, 8, columns[k], bytes);
                pare_chunk_decode((pare_chunk_kind)kind, 0, 8, bytes, back);
                assert_memory_equal(back, columns[k], sizeof back);
            }
        }
    }
}

static void same_as_csv(const char *text, int64_t length, const char *set, bool pack) {
    reading r;
    reading_open(&r, NULL, set);
    folder f = folder_open();
    char csv[96];
    snprintf(csv, sizeof csv, "%s", in_folder(&f, "table.csv"));
    write_file(csv, text, length);
    pare_table a, b;
    assert_ok(r.ctx, convert(&r, csv, in_folder(&f, "table.pare"), pack));
    assert_ok(r.ctx, pare_table_read(r.ctx, csv, &r.options, &a));
    assert_ok(r.ctx, pare_table_read(r.ctx, in_folder(&f, "table.pare"), &r.options, &b));
    assert_same_any(&a, &b);
    pare_table_clear(&a);
    pare_table_clear(&b);
    folder_close(&f);
    reading_close(&r);
}

static void test_same_as_csv(void **state) {
    (void)state;
    int64_t length = 0;
    char *text = mixed_csv(3000, 1, &length);
    same_as_csv(text, length, NULL, false);
    same_as_csv(text, length, "categorical=two", false);
    same_as_csv(text, length, NULL, pare_can_pack());
    free(text);
    static const char *const small[] = {
        "a,b\n1,2\n", "a\n1\n\n\n3\n\n\n",   "a,b\n1,\"x\ny\"\n\n2,z\n",
        "1,2\n3,4\n", "a;b\r\n1;\r\n;2\r\n", "a\tb\n-0\t1e-45\n"};
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        same_as_csv(small[i], (int64_t)strlen(small[i]), NULL, false);
    }
}

/* A column that turns from numbers to texts far down, more than once. */
static void test_late_text(void **state) {
    (void)state;
    enum { ROWS = 600000 };
    char *text = malloc((size_t)ROWS * 16 + 64);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "a,b,c\n");
    for (int i = 0; i < ROWS; i++) {
        at += (size_t)sprintf(text + at, i == 400000 ? "0%d,5,7\n" : "%d,5,7\n", i % 50);
        if (i == 450000) {
            at += (size_t)sprintf(text + at, "1,x,7\n");
        }
        if (i == 590000) {
            at += (size_t)sprintf(text + at, "one,x,y\n");
        }
    }
    same_as_csv(text, (int64_t)at, NULL, false);
    free(text);
}

static void test_other_formats(void **state) {
    (void)state;
    static const struct {
        const char *name, *bytes;
        int64_t length;
    } files[] = {
        {"t.svm", "1 1:2 7:1.5\n-1 2:1\n0.5\n1 1:1 2:1\n", 33},
        {"ones.svm", "1 1:1 7:1\n0 2:1\n", 16},
        {"image-ubyte", "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x01\xff\x80", 20},
        {"v.npy",
         "\x93NUMPY\x01\0\x46\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }        "
         "  \n\0\0\x80\x3f\x01\0\xc0\x7f",
         88},
    };
    for (int pack = 0; pack <= pare_can_pack(); pack++) {
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
            reading r;
            reading_open(&r, NULL, NULL);
            folder f = folder_open();
            char path[96];
            snprintf(path, sizeof path, "%s", in_folder(&f, files[i].name));
            write_file(path, files[i].bytes, files[i].length);
            pare_table a, b;
            assert_ok(r.ctx, pare_table_read(r.ctx, path, &r.options, &a));
            assert_ok(r.ctx, convert(&r, path, in_folder(&f, "t.pare"), pack));
            assert_ok(r.ctx, pare_table_read(r.ctx, in_folder(&f, "t.pare"), &r.options, &b));
            assert_same_any(&a, &b);
            pare_table_clear(&a);
            pare_table_clear(&b);
            folder_close(&f);
            reading_close(&r);
        }
    }
}

/* A small file of each storage, as bytes to be freed. */
static unsigned char *small_file(bool sparse, bool pack, int64_t *length) {
    reading r;
    reading_open(&r, NULL, NULL);
    folder f = folder_open();
    char path[96];
    snprintf(path, sizeof path, "%s", in_folder(&f, sparse ? "t.svm" : "t.csv"));
    int64_t size = 0;
    char *text = sparse ? NULL : mixed_csv(40, 3, &size);
    const char *svm = "1 1:2 7:1.5\n-1 2:1\n0.5\n1 1:1 2:1\n";
    write_file(path, text ? text : svm, text ? size : (int64_t)strlen(svm));
    assert_ok(r.ctx, convert(&r, path, in_folder(&f, "t.pare"), pack));
    unsigned char *bytes = read_whole(in_folder(&f, "t.pare"), length);
    free(text);
    folder_close(&f);
    reading_close(&r);
    return bytes;
}

static void test_damage(void **state) {
    (void)state;
    for (int kind = 0; kind < 2 + pare_can_pack(); kind++) {
        reading r;
        reading_open(&r, NULL, NULL);
        r.name = "t.pare";
        int64_t length = 0;
        unsigned char *bytes = small_file(kind == 1, kind == 2, &length);
        pare_table table;
        assert_ok(r.ctx, reading_bytes(&r, bytes, length, &table));
        pare_table_clear(&table);
        for (int64_t i = 0; i < length; i++) {
            bytes[i] ^= (unsigned char)(1 << (i % 8));
            assert_refused_bytes(&r, bytes, length, "t.pare");
            bytes[i] ^= (unsigned char)(1 << (i % 8));
        }
        for (int64_t cut = 8; cut < length; cut += 1 + cut / 50) {
            assert_refused_bytes(&r, bytes, cut, cut < 128 ? "t.pare" : "truncated");
        }
        free(bytes);
        reading_close(&r);
    }
}

/* The sentence names the chunk, its columns and rows. */
static void test_damage_is_named(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    r.name = "t.pare";
    int64_t length = 0;
    unsigned char *bytes = small_file(false, false, &length);
    pare_record record = {0};
    int64_t at = 128;
    for (;;) {
        memcpy(&record, bytes + at, sizeof record);
        if (record.type == PARE_RECORD_DATA) {
            break;
        }
        at += (int64_t)(sizeof record + record.stored);
    }
    bytes[at + (int64_t)sizeof record] ^= 1;
    assert_refused_bytes(&r, bytes, length,
                         "chunk at byte|rows 1 to 40|columns 'real' to|checksum does not match");
    free(bytes);
    reading_close(&r);
}

typedef struct stopper {
    int64_t calls, at;
} stopper;

static int stop_at(void *user, const pare_progress *progress) {
    stopper *s = user;
    (void)progress;
    return s->calls++ == s->at;
}

/* The file at path holds the same table as the bytes. (Marks may differ: where the source stood
 * when a group was full depends on where its reading began.) */
static void assert_holds(reading *r, const char *path, const unsigned char *bytes, int64_t length) {
    pare_table a, b;
    assert_ok(r->ctx, pare_table_read(r->ctx, path, &r->options, &a));
    assert_ok(r->ctx, reading_bytes(r, bytes, length, &b));
    assert_same_any(&a, &b);
    pare_table_clear(&a);
    pare_table_clear(&b);
}

/* Cut off after any number of bytes, the conversion continued gives the same table. */
static void test_resume(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    folder f = folder_open();
    int64_t size = 0, length = 0;
    char *text = mixed_csv(160000, 5, &size);
    char csv[96], partial[96];
    snprintf(csv, sizeof csv, "%s", in_folder(&f, "t.csv"));
    snprintf(partial, sizeof partial, "%s", in_folder(&f, "t.pare.partial"));
    write_file(csv, text, size);
    assert_ok(r.ctx, convert(&r, csv, in_folder(&f, "t.pare"), false));
    unsigned char *whole = read_whole(in_folder(&f, "t.pare"), &length);
    for (int64_t i = 0; i < 9; i++) {
        /* What a crash leaves: the header is not complete yet. */
        unsigned char *cut = malloc((size_t)length);
        memcpy(cut, whole, (size_t)length);
        pare_file_header h;
        memcpy(&h, cut, sizeof h);
        h.rows = h.directory = h.length = h.first_line = 0;
        h.hash = pare_header_hash(&h);
        memcpy(cut, &h, sizeof h);
        write_file(partial, cut, length * (i + 1) / 10);
        free(cut);
        assert_ok(r.ctx, convert(&r, csv, in_folder(&f, "t.pare"), false));
        assert_holds(&r, in_folder(&f, "t.pare"), whole, length);
        assert_int_equal(access(partial, F_OK), -1);
    }
    /* Stopped by the caller: the beginning is kept and gone on with. */
    stopper s = {.at = 1};
    bool complete = true;
    assert_int_equal(unlink(in_folder(&f, "t.pare")), 0);
    assert_ok(r.ctx, pare_table_convert(r.ctx, csv, in_folder(&f, "t.pare"), &r.options, false,
                                        stop_at, &s, &complete));
    assert_false(complete);
    assert_int_equal(access(in_folder(&f, "t.pare"), F_OK), -1);
    assert_int_equal(access(partial, F_OK), 0);
    assert_ok(r.ctx, convert(&r, csv, in_folder(&f, "t.pare"), false));
    assert_holds(&r, in_folder(&f, "t.pare"), whole, length);
    free(whole);
    free(text);
    folder_close(&f);
    reading_close(&r);
}

static void test_unfinished_is_refused(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    r.name = "t.pare";
    int64_t length = 0;
    unsigned char *bytes = small_file(false, false, &length);
    pare_file_header h;
    memcpy(&h, bytes, sizeof h);
    h.rows = h.directory = h.length = 0;
    h.hash = pare_header_hash(&h);
    memcpy(bytes, &h, sizeof h);
    assert_refused_bytes(&r, bytes, length, "not complete|run pare convert again");
    free(bytes);
    reading_close(&r);
}

/* /dev/full takes nothing. */
static void test_disk_full(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    folder f = folder_open();
    char csv[96], out[96];
    snprintf(csv, sizeof csv, "%s", in_folder(&f, "t.csv"));
    snprintf(out, sizeof out, "%s", in_folder(&f, "t.pare"));
    write_file(csv, "a,b\n1,2\n", 8);
    assert_int_equal(symlink("/dev/full", in_folder(&f, "t.pare.partial")), 0);
    assert_int_equal(convert(&r, csv, out, false), PARE_ERROR_IO);
    assert_non_null(strstr(pare_context_error(r.ctx), "t.pare: cannot be written"));
    folder_close(&f);
    reading_close(&r);
}

/* The disk fills up half-way: a sentence, and what was written is gone on with later. */
static void test_disk_full_later(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    folder f = folder_open();
    int64_t size = 0;
    char *text = mixed_csv(160000, 5, &size);
    char csv[96], out[96];
    snprintf(csv, sizeof csv, "%s", in_folder(&f, "t.csv"));
    snprintf(out, sizeof out, "%s", in_folder(&f, "t.pare"));
    write_file(csv, text, size);
    struct rlimit before, small = {0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1500000; /* more than the first group, less than all */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    pare_status status = convert(&r, csv, out, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, PARE_ERROR_IO);
    assert_non_null(strstr(pare_context_error(r.ctx), "cannot be written: File too large"));
    assert_int_equal(access(out, F_OK), -1);
    assert_int_equal(access(in_folder(&f, "t.pare.partial"), F_OK), 0);
    assert_ok(r.ctx, convert(&r, csv, out, false));
    pare_table a, b;
    assert_ok(r.ctx, pare_table_read(r.ctx, csv, &r.options, &a));
    assert_ok(r.ctx, pare_table_read(r.ctx, out, &r.options, &b));
    assert_same_any(&a, &b);
    pare_table_clear(&a);
    pare_table_clear(&b);
    free(text);
    folder_close(&f);
    reading_close(&r);
}

static void test_out_of_memory(void **state) {
    (void)state;
    folder f = folder_open();
    int64_t size = 0, length = 0;
    char *text = mixed_csv(60, 9, &size);
    char csv[96], out[96];
    snprintf(csv, sizeof csv, "%s", in_folder(&f, "t.csv"));
    snprintf(out, sizeof out, "%s", in_folder(&f, "t.pare"));
    write_file(csv, text, size);
    unsigned char *bytes = small_file(false, pare_can_pack(), &length);
    for (int64_t at = 0;; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        reading r;
        reading_open(&r, &allocator, NULL);
        r.name = "t.pare";
        memory.fail_at = memory.count + at;
        pare_table table;
        pare_status status = convert(&r, csv, out, false);
        if (status == PARE_OK) {
            status = reading_bytes(&r, bytes, length, &table);
        }
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        if (status == PARE_OK) {
            pare_table_clear(&table);
        }
        memory.fail_at = -1;
        reading_close(&r);
        assert_int_equal(memory.live, 0);
        if (status == PARE_OK) {
            break;
        }
    }
    free(bytes);
    free(text);
    folder_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xxh64),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_same_as_csv),
        cmocka_unit_test(test_late_text),
        cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_damage_is_named),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_unfinished_is_refused),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_disk_full_later),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
