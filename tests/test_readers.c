/* The CSV and TSV reader: what is accepted, what is refused with which sentence, and that the
 * result depends neither on block sizes nor on threads. */
#include "readers_support.h"

#include "base/random.h"
#include "base/text.h"

/* ---- Accepted ---------------------------------------------------------------------------------
 */

typedef struct accepted_case {
    const char *what, *set, *text, *table;
} accepted_case;

static const accepted_case accepted[] = {
    {"numbers with a header", NULL, "a,b\n1,2\n3,4\n", "a b|1 2|3 4"},
    {"no final line end", NULL, "a,b\n1,2\n3,4", "a b|1 2|3 4"},
    {"CRLF", NULL, "a,b\r\n1,2\r\n3,4\r\n", "a b|1 2|3 4"},
    {"CR only", NULL, "a,b\r1,2\r3,4\r", "a b|1 2|3 4"},
    {"one lone CR is a blank", NULL, "a,b\n1\r,2\n3,\r4\n", "a b|1 2|3 4"},
    {"byte order mark", NULL,
     "\xef\xbb\xbf"
     "a,b\n1,2\n",
     "a b|1 2"},
    {"byte order mark, no header", NULL,
     "\xef\xbb\xbf"
     "1,2\n3,4\n",
     "x0 x1|1 2|3 4"},
    {"no header", NULL, "1,2\n3,4\n", "x0 x1|1 2|3 4"},
    {"header no", "header=no", "a,b\n1,2\n", "x0 x1|'a' 'b'|'1' '2'"},
    {"header yes", "header=yes", "1,2\n3,4\n", "1 2|3 4"},
    {"numbers as names", NULL, "0,1,target\n5,6,1\n7,8,0\n", "0 1 target|5 6 1|7 8 0"},
    {"text only, header", NULL, "animal,sound\ncat,meow\ndog,woof\n",
     "animal sound|'cat' 'meow'|'dog' 'woof'"},
    {"text only, no header", NULL, "p,x\ne,x\np,y\n", "x0 x1|'p' 'x'|'e' 'x'|'p' 'y'"},
    {"text and number in the first row", NULL, "39, State-gov\n50, Private\n",
     "x0 x1|39 'State-gov'|50 'Private'"},
    {"quoted names", NULL, "\"y\",\"X1\"\n\"t\",5\n\"n\",6\n", "y X1|'t' 5|'n' 6"},
    {"quoted numbers as names", NULL, "\"2001\",\"2002\"\n5,6\n7,8\n", "2001 2002|5 6|7 8"},
    {"all quoted", NULL, "\"a\",\"b\"\n\"1\",\"2\"\n", "a b|1 2"},
    {"empty name", NULL, ",a\nr1,1\nr2,2\n", "x0 a|'r1' 1|'r2' 2"},
    {"doubled quotes", NULL, "a,b\n\"say \"\"hi\"\"\",1\n", "a b|'say \"hi\"' 1"},
    {"separator in quotes", NULL, "a,b\n\"x, y\",1\n", "a b|'x, y' 1"},
    {"line ends in quotes", NULL, "a,b\n\"x\ny\",1\nz,2\n", "a b|'x\ny' 1|'z' 2"},
    {"blanks before a quote", NULL, "a,b\n1, \"x, y\" \n", "a b|1 'x, y'"},
    {"quote within a field", NULL, "a,b\n5\" pipe,1\nx\"y\"z,2\n", "a b|'5\" pipe' 1|'x\"y\"z' 2"},
    {"text behind a quote", NULL, "a,b\n\"x\"y,1\n", "a b|'xy' 1"},
    {"empty quotes are missing", NULL, "a,b\n\"\",1\n2,\"\"\n", "a b|- 1|2 -"},
    {"missing", NULL, "a,b\n?,1\nNA,2\nnan,3\nNaN,4\n,5\nnull,6\nN/A,7\n9,8\n",
     "a b|- 1|- 2|- 3|- 4|- 5|- 6|- 7|9 8"},
    {"missing among text", NULL, "a,b\n?,1\nx,2\nNA,3\n", "a b|- 1|'x' 2|- 3"},
    {"all missing", NULL, "a,b\n,1\n,2\n", "a b|- 1|- 2"},
    {"blank lines", NULL, "\n\na,b\n\n1,2\n  \n3,4\n\n\n", "a b|1 2|3 4"},
    {"one column keeps blank lines inside", NULL, "a\n1\n\n3\n\n\n", "a|1|-|3"},
    {"numbers in all writings", NULL, "a\n+1\n.5\n5.\n-0.25\n1e3\n1E-2\n 7 \n1e-400\n000012\n",
     "a|1|0.5|5|-0.25|1000|0.00999999978|7|0|12"},
    {"not numbers", NULL, "a\n0x10\n1.2.3\n1e\n--1\n1 000\n.\n",
     "a|'0x10'|'1.2.3'|'1e'|'--1'|'1 000'|'.'"},
    {"thousands", NULL, "a;b\n1,000;2\n", "a b|'1,000' 2"},
    {"number turns to text", NULL, "a,b\n01,1\n1.0,2\nx,3\n1.0,4\n",
     "a b|'01' 1|'1.0' 2|'x' 3|'1.0' 4"},
    {"infinity among text", NULL, "a,b\ninf,1\nx,2\n", "a b|'inf' 1|'x' 2"},
    {"tabs by content", NULL, "a\tb\n1\t2\n", "a b|1 2"},
    {"tabs with commas inside", NULL, "a\tb\nx,y\t2\nz\t3\n", "a b|'x,y' 2|'z' 3"},
    {"semicolons", NULL, "a;b\n1;2\n", "a b|1 2"},
    {"tsv keeps empty fields", "format=tsv", "a\tb\tc\n\t\t\n1\t\t3\n", "a b c|- - -|1 - 3"},
    {"categorical by name", "categorical=b", "a,b\n1,2\n3,1\n5,2\n", "a b|1 '2'|3 '1'|5 '2'"},
    {"categorical by number", "categorical=0", "a,b\n7,2\n7,1\n", "a b|'7' 2|'7' 1"},
    {"split-by keeps its texts", "split-by=id", "id,b\n16777217,2\n16777216,1\n",
     "id b|'16777217' 2|'16777216' 1"},
    {"infinity in an ignored column", "ignore=b", "a,b\n1,inf\n2,3\n", "a b|1 -|2 3"},
    {"empty last name", NULL, "a,b,\n1,2,\n3,4,\n", "a b x2|1 2 -|3 4 -"},
    {"one row", NULL, "a,b\n1,2\n", "a b|1 2"},
    {"one cell", NULL, "5", "x0|5"},
};

static void test_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const accepted_case *item = &accepted[i];
        for (int64_t block = 0; block <= 64; block = block ? 4 * block : 1) {
            reading r;
            pare_table table;
            reading_open(&r, NULL, item->set);
            r.block = block;
            if (reading_text(&r, item->text, &table) != PARE_OK) {
                fail_msg("%s: %s", item->what, pare_context_error(r.ctx));
            }
            assert_table(&table, item->table);
            pare_table_clear(&table);
            reading_close(&r);
        }
    }
}

/* ---- Refused ----------------------------------------------------------------------------------
 */

typedef struct refused_case {
    const char *set, *text, *wanted;
} refused_case;

static const refused_case refused[] = {
    {NULL, "", "table.csv: |empty"},
    {NULL, "\n\n  \n", "table.csv: |empty"},
    {NULL, "a,b\n", "table.csv: no rows below the header|at least one"},
    {"header=yes", "1,2\n", "table.csv: no rows"},
    {NULL, "a,b,c\n1,2,3\n4,5\n", "table.csv line 3: 2 fields, expected 3"},
    {NULL, "a,b,c\n1,2,3\n4,5,6,\n", "table.csv line 3: 4 fields, expected 3"},
    {NULL, "a,b,c\n1,2,3\n\n4\n", "table.csv line 4: 1 field, expected 3"},
    {NULL, "a,b\n\"x\n\ny\",2\n1,2,3\n", "table.csv line 5: 3 fields, expected 2"},
    {NULL, "a,b,a\n1,2,3\n", "table.csv line 1: |'a' (number 1 and 3)|different names"},
    {NULL, "\n\nx2,b,\n1,2,3\n", "table.csv line 3: |'x2' (number 1 and 3)"},
    {NULL, "a,b\n1,2\n3,inf\n", "table.csv line 3, column 'b': an infinite number|finite"},
    {NULL, "a,b\n1,2\n-Infinity,1\n", "table.csv line 3, column 'a': an infinite number"},
    {NULL, "a,b\n1e400,2\n", "table.csv line 2, column 'a': an infinite number"},
    {NULL, "a,b\n1,-3.5e38\n", "table.csv line 2, column 'b': an infinite number"},
    {NULL, "a,b\n1,\"x\n2,3\n", "table.csv line 2: a quoted field is not closed"},
    {NULL, "\"a,b\n1,2\n2,3\n", "table.csv line 1: a quoted field is not closed"},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        for (int64_t block = 0; block <= 64; block = block ? 4 * block : 1) {
            reading r;
            reading_open(&r, NULL, refused[i].set);
            r.block = block;
            assert_refused(&r, refused[i].text, refused[i].wanted);
            reading_close(&r);
        }
    }
}

static void test_zero_bytes(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, NULL);
    assert_refused_bytes(&r, "a,b\n1,2\n3,\0\n", 12, "table.csv line 3: a zero byte|expected text");
    assert_refused_bytes(&r,
                         "\xff\xfe"
                         "a\0,\0b\0\n\0",
                         10, "table.csv line 1: a zero byte");
    r.block = 16;
    assert_refused_bytes(&r, "a,b\n1,2\n3,4\n5,6\n7,8\n9,\0\n", 24, "line 6: a zero byte");
    reading_close(&r);
}

/* Text far below the first block: a file is read again, a pipe cannot be. */
static void test_late_text(void **state) {
    (void)state;
    reading r;
    pare_table table;
    reading_open(&r, NULL, NULL);
    pare_text text = {.ctx = r.ctx};
    pare_text_append(&text, "\xef\xbb\xbf"
                            "1,01\n");
    for (int i = 0; i < 100; i++) {
        pare_text_append(&text, "%d,%02d\n", i, i % 3);
    }
    pare_text_append(&text, "7,inf\n8,x\n");
    r.block = 64;
    assert_ok(r.ctx, reading_text(&r, text.bytes, &table));
    assert_int_equal(table.rows, 103);
    assert_int_equal(table.column[0].levels, 0);
    assert_int_equal(table.column[1].levels, 5);
    assert_string_equal(table.column[1].level[0], "01");
    assert_string_equal(table.column[1].level[4], "x");
    pare_table_clear(&table);

    pare_input input;
    assert_ok(r.ctx,
              pare_input_open_memory(r.ctx, "standard input", (const unsigned char *)text.bytes,
                                     text.length, &input));
    input.block = 64;
    input.rewindable = false;
    assert_int_equal(pare_table_read_stream(&input, &r.options, &table), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "categorical"));
    pare_input_close(&input);
    pare_text_clear(&text);
    reading_close(&r);
}

/* ---- Blocks and threads -----------------------------------------------------------------------
 */

enum { RANDOM_COLUMNS = 7, RANDOM_ROWS = 400 };

/* A table with numbers, missing cells, texts with quotes, separators and line ends. */
static void random_table(pare_text *text, uint64_t seed) {
    static const char *const pieces[] = {
        "red", "green", "\"b\"\"lue\"", "\"a,b\"",   "\"two\nlines\"", " padded ",
        "?",   "17",    "\"quoted\"",   "x\"middle", "\"x\"tail",      ""};
    uint64_t draw = 0;
    pare_text_append(text, "c0,c1,c2,c3,c4,c5,c6\n");
    for (int64_t row = 0; row < RANDOM_ROWS; row++) {
        if (pare_random_below(seed, PARE_STREAM_TEST, draw++, 20) == 0) {
            pare_text_append(text, " \n");
        }
        for (int64_t c = 0; c < RANDOM_COLUMNS; c++) {
            int64_t kind = c < 3 ? c : pare_random_below(seed, PARE_STREAM_TEST, draw++, 3);
            double value = 1000 * (pare_random_uniform(seed, PARE_STREAM_TEST, draw++) - 0.5);
            int64_t piece = pare_random_below(seed, PARE_STREAM_TEST, draw++, 12);
            pare_text_append(text, c > 0 ? "," : "");
            if (kind == 0) {
                pare_text_append(text, "%.0f", value);
            } else if (kind == 1) {
                pare_text_append(text, "%.*g", (int)piece + 6, value);
            } else {
                pare_text_append(text, "%s", pieces[piece]);
            }
        }
        pare_text_append(text, row % 3 ? "\n" : "\r\n");
    }
}

static void test_blocks_and_threads(void **state) {
    (void)state;
    static const int64_t blocks[] = {1, 16, 100, 1000, 30000};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        reading r;
        pare_table whole, table;
        reading_open(&r, NULL, NULL);
        assert_ok(r.ctx, pare_context_set_threads(r.ctx, 1));
        pare_text text = {.ctx = r.ctx};
        random_table(&text, seed);
        assert_ok(r.ctx, reading_text(&r, text.bytes, &whole));
        assert_int_equal(whole.rows, RANDOM_ROWS);
        for (int64_t threads = 1; threads <= 8; threads += 7) {
            assert_ok(r.ctx, pare_context_set_threads(r.ctx, threads));
            for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
                r.block = blocks[i];
                assert_ok(r.ctx, reading_text(&r, text.bytes, &table));
                assert_same_table(&table, &whole);
                pare_table_clear(&table);
            }
        }
        pare_table_clear(&whole);
        pare_text_clear(&text);
        reading_close(&r);
    }
}

/* The first ragged row is named, whatever the threads and blocks. */
static void test_first_fault(void **state) {
    (void)state;
    for (int64_t block = 50; block < 100000; block *= 7) {
        reading r;
        reading_open(&r, NULL, NULL);
        assert_ok(r.ctx, pare_context_set_threads(r.ctx, 4));
        pare_text text = {.ctx = r.ctx};
        for (int i = 1; i <= 3000; i++) {
            pare_text_append(&text, i == 1777 || i == 1790 || i == 2900 ? "1,2,3\n" : "1,2\n");
        }
        r.block = block;
        assert_refused(&r, text.bytes, "table.csv line 1777: 3 fields, expected 2");
        pare_text_clear(&text);
        reading_close(&r);
    }
}

/* 100,000 columns and a line longer than a block. */
static void test_wide(void **state) {
    (void)state;
    enum { WIDE = 100000 };
    reading r;
    pare_table table;
    reading_open(&r, NULL, NULL);
    pare_text text = {.ctx = r.ctx};
    for (int row = -1; row < 3; row++) {
        for (int c = 0; c < WIDE; c++) {
            pare_text_append(&text, row < 0 ? "%sc%d" : "%s%d", c ? "," : "", c + row);
        }
        pare_text_append(&text, "\n");
    }
    r.block = 1 << 16;
    /* The header counts from c-1 on. */
    assert_ok(r.ctx, reading_text(&r, text.bytes, &table));
    assert_int_equal(table.columns, WIDE);
    assert_int_equal(table.rows, 3);
    assert_string_equal(table.column[WIDE - 1].name, "c99998");
    for (int64_t i = 0; i < 3 * WIDE; i++) {
        assert_true(table.f32[i] == (float)(i % WIDE + i / WIDE));
    }
    pare_table_clear(&table);
    pare_text_clear(&text);
    reading_close(&r);
}

/* ---- Allocation -------------------------------------------------------------------------------
 */

static void test_allocation(void **state) {
    (void)state;
    const char *text = "a,b,c\n1,x,\"q\"\"q\"\n2,y,z\n3,x,\"long\nlong\"\n4,y,\n5,w,t\n6,v,u\n";
    test_allocator memory = {.fail_at = -1};
    pare_allocator allocator = test_allocator_of(&memory);
    reading r;
    reading_open(&r, &allocator, NULL);
    r.block = 24;
    int64_t failures = 0;
    for (int64_t position = 0;; position++) {
        pare_table table;
        int64_t live = memory.live;
        memory.fail_at = memory.count + position;
        int64_t end = memory.count + position;
        pare_status status = reading_text(&r, text, &table);
        if (status == PARE_OK) {
            assert_table(&table,
                         "a b c|1 'x' 'q\"q'|2 'y' 'z'|3 'x' 'long\nlong'|4 'y' -|5 'w' 't'|6 'v' "
                         "'u'");
            pare_table_clear(&table);
        } else {
            failures++;
            assert_int_equal(status, PARE_ERROR_MEMORY);
            assert_non_null(strstr(pare_context_error(r.ctx), "out of memory"));
        }
        assert_int_equal(memory.live, live);
        if (memory.count <= end) {
            break;
        }
    }
    assert_true(failures > 20);
    memory.fail_at = -1;
    reading_close(&r);
    assert_int_equal(memory.live, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_late_text),
        cmocka_unit_test(test_blocks_and_threads),
        cmocka_unit_test(test_first_fault),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
