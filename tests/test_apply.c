/* The chosen columns of new tables, byte for byte; and where outputs go when something fails. */
#include "report_support.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "report/report.h"

static const char in_path[] = "test_apply.in", out_path[] = "test_apply.out";

static pare_context *open_context(void) {
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    return ctx;
}

static void write_file(const char *path, const char *bytes, int64_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_gz(const char *path, const char *bytes, int64_t length) {
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
    assert_int_equal(gzclose(file), Z_OK);
}

/* The content of a file, gz or not; free it. */
static char *read_file(const char *path, int64_t *length) {
    enum { MOST = 1 << 26 };
    gzFile file = gzopen(path, "rb");
    if (!file) {
        return NULL;
    }
    char *bytes = malloc(MOST);
    assert_non_null(bytes);
    *length = gzread(file, bytes, MOST - 1);
    assert_true(*length >= 0);
    bytes[*length] = '\0';
    assert_int_equal(gzclose(file), Z_OK);
    return bytes;
}

/* A selection of the columns in a list separated by '|'; target "y", weights "w". */
static pare_status choose_columns(pare_context *ctx, const char *list, pare_selection **out) {
    pare_selection *s = NULL;
    *out = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->ctx = ctx;
    status = sample_copy(ctx, "w", &s->weight_name);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 1, sizeof(char *), &s->target_name);
    }
    if (status == PARE_OK) {
        status = sample_copy(ctx, "y", &s->target_name[0]);
        s->target_columns = status == PARE_OK;
    }
    /* One group of all of them: apply looks at the columns, not at the names of the items. */
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 1, sizeof *s->item, &s->item);
    }
    if (status == PARE_OK) {
        s->count = 1;
        status = sample_copy(ctx, "group", &s->item[0].name);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 16, sizeof(char *), &s->item[0].column);
    }
    for (const char *at = list; status == PARE_OK && at; s->item[0].columns++) {
        size_t size = strcspn(at, "|");
        status = pare_text_copy(ctx, at, (int64_t)size, &s->item[0].column[s->item[0].columns]);
        at = at[size] ? at + size + 1 : NULL;
        if (status != PARE_OK) {
            break;
        }
    }
    if (status != PARE_OK) {
        pare_selection_free(s);
        return status;
    }
    *out = s;
    return PARE_OK;
}

typedef struct apply_case {
    const char *columns, *in, *out;
} apply_case;

static const apply_case cases[] = {
    /* The order of the table, whatever the order of choice; target and weights come along. */
    {"c|a", "a,b,c,y\n1,2,3,4\n5,6,7,8\n", "a,c,y\n1,3,4\n5,7,8\n"},
    {"b", "w,b,a\n1,2,3\n", "w,b\n1,2\n"},
    {"a", "a\n1\n", "a\n1\n"},
    /* Cells byte for byte. */
    {"a|c", "a, b ,c\n 1 ,x, 03.50\n-0,\"q\",\n", "a,c\n 1 , 03.50\n-0,\n"},
    {"b \"q\"|c", "a,\"b \"\"q\"\"\",c\n1,\"x, \"\"y\"\"\",3\n",
     "\"b \"\"q\"\"\",c\n\"x, \"\"y\"\"\",3\n"},
    {"a", "a,b\n\"line\none\",2\n3,\"4\n5\"\n", "a\n\"line\none\"\n3\n"},
    {"b", "a,b\n\"line\none\",2\n3,\"4\n5\"\n", "b\n2\n\"4\n5\"\n"},
    {"\xE6\x9D\xB1|\xff", "\xE6\x9D\xB1,\xff,z\n1,2,3\n", "\xE6\x9D\xB1,\xff\n1,2\n"},
    /* Line ends and marks stay. */
    {"a", "a,b\r\n1,2\r\n", "a\r\n1\r\n"},
    {"b", "a,b\r\n1,2\r\n", "b\r\n2\r\n"},
    {"b", "a,b\r\n1,\"2\"\r\n3,4\n", "b\r\n\"2\"\r\n4\n"},
    {"a|b",
     "\xEF\xBB\xBF"
     "a,b,c\n1,2,3\n",
     "\xEF\xBB\xBF"
     "a,b\n1,2\n"},
    {"b",
     "\xEF\xBB\xBF"
     "a,b\n1,2\n",
     "\xEF\xBB\xBF"
     "b\n2\n"},
    {"b", "a,b\n1,2", "b\n2\n"},
    /* Other separators. */
    {"a|c", "a\tb\tc\n1,5\t2\t\n", "a\tc\n1,5\t\n"},
    {"b|c", "a;b;c\n1;2,5;3\n4;5,5;6\n", "b;c\n2,5;3\n5,5;6\n"},
    /* Blank lines. */
    {"a", "\na,b\n\n1,2\n  \n3,4\n\n", "a\n1\n3\n"},
    {"a", "a\n1\n\n3\n", "a\n1\n\n3\n"},
    /* No header: columns by position. */
    {"x0|x2", "1,2,3\n4,5,6\n", "1,3\n4,6\n"},
    {"x1", "x0,x1\n4,5\n", "x1\n5\n"},
    /* A header of texts over texts, as names say that there is one. */
    {"a", "a,b\nfoo,bar\na,b\n", "a\nfoo\na\n"},
};

static void test_cases(void **unused) {
    (void)unused;
    static const char *const outputs[] = {"test_apply.out", "test_apply.out.gz"};
    pare_context *ctx = open_context();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pare_selection *s = NULL;
        assert_ok(ctx, choose_columns(ctx, cases[i].columns, &s));
        for (int way = 0; way < 4; way++) {
            int64_t length = (int64_t)strlen(cases[i].in);
            (way & 1 ? write_gz : write_file)(in_path, cases[i].in, length);
            const char *path = outputs[way >> 1];
            assert_ok(ctx, pare_report_apply(s, in_path, path));
            char *got = read_file(path, &length);
            assert_non_null(got);
            if (strcmp(got, cases[i].out) != 0) {
                fail_msg("case %d: '%s', expected '%s'", (int)i, got, cases[i].out);
            }
            free(got);
            FILE *file = fopen(path, "rb");
            assert_non_null(file);
            assert_int_equal(fgetc(file) == 0x1f, way >> 1);
            fclose(file);
            unlink(path);
        }
        pare_selection_free(s);
    }
    unlink(in_path);
    pare_context_destroy(ctx);
}

/* Many blocks, with quoted cells that hold separators and line ends across their edges. */
static void test_large(void **unused) {
    (void)unused;
    enum { ROWS = 120000, COLUMNS = 12 };
    pare_context *ctx = open_context();
    pare_text in = {.ctx = ctx}, expected = {.ctx = ctx};
    pare_selection *s = NULL;
    assert_ok(ctx, choose_columns(ctx, "c2|c11|c7", &s));
    for (int64_t i = -1; i < ROWS; i++) {
        bool first = true;
        for (int64_t j = 0; j < COLUMNS; j++) {
            char cell[64];
            uint64_t bits = pare_hash(PARE_HASH_START, &(int64_t[2]){i, j}, 16);
            if (i < 0) {
                snprintf(cell, sizeof cell, "c%d", (int)j);
            } else if (bits % 9 == 0) {
                snprintf(cell, sizeof cell, "\"%s\"\"\n%u\"", bits % 2 ? "," : "\r\n",
                         (unsigned)(bits >> 40));
            } else {
                snprintf(cell, sizeof cell, "%.*g", (int)(bits % 12), (double)bits / 1e9);
            }
            pare_text_append(&in, "%s%s", j > 0 ? "," : "", cell);
            if (j == 2 || j == 7 || j == 11) {
                pare_text_append(&expected, "%s%s", first ? "" : ",", cell);
                first = false;
            }
        }
        pare_text_append(&in, "\n");
        pare_text_append(&expected, "\n");
    }
    assert_ok(ctx, in.status);
    assert_true(in.length > 3 * (1 << 22));
    write_file(in_path, in.bytes, in.length);
    assert_ok(ctx, pare_report_apply(s, in_path, out_path));
    int64_t length = 0;
    char *got = read_file(out_path, &length);
    assert_non_null(got);
    assert_int_equal(length, expected.length);
    assert_memory_equal(got, expected.bytes, (size_t)length);
    free(got);
    unlink(in_path);
    unlink(out_path);
    pare_text_clear(&in);
    pare_text_clear(&expected);
    pare_selection_free(s);
    pare_context_destroy(ctx);
}

static void test_refusals(void **unused) {
    (void)unused;
    static const struct {
        const char *columns, *in, *sentence;
    } bad[] = {
        {"z", "a,b\n1,2\n", "column 'z' not found"},
        {"a|z|q", "a,b\n1,2\n", "column 'z' and 1 more of the chosen not found"},
        {"\x1b[31m", "a,b\n1,2\n", "column '?[31m' not found"},
        {"x5", "1,2\n3,4\n", "column 'x5' not found"},
        {"a", "a,b\n1,2\n1,2,3\n", "line 3: 3 fields, expected 2"},
        {"a", "a,b\n\n\"1\n\n\",2\n1\n", "line 6: 1 fields, expected 2"},
        {"a", "a,b\n1,\"2\n", "line 2: a quoted field is not closed"},
        {"a", "", "empty"},
        {"a", "a,a\n1,2\n", "two columns are named 'a'"},
    };
    pare_context *ctx = open_context();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pare_selection *s = NULL;
        assert_ok(ctx, choose_columns(ctx, bad[i].columns, &s));
        write_file(in_path, bad[i].in, (int64_t)strlen(bad[i].in));
        write_file(out_path, "before", 6);
        assert_int_equal(pare_report_apply(s, in_path, out_path), PARE_ERROR_INPUT);
        if (!strstr(pare_context_error(ctx), bad[i].sentence) ||
            strncmp(pare_context_error(ctx), in_path, strlen(in_path)) != 0) {
            fail_msg("case %d: '%s'", (int)i, pare_context_error(ctx));
        }
        int64_t length = 0;
        char *left = read_file(out_path, &length);
        assert_string_equal(left, "before");
        free(left);
        pare_selection_free(s);
    }
    unlink(out_path);
    /* gz that ends early. */
    pare_selection *s = NULL;
    assert_ok(ctx, choose_columns(ctx, "a", &s));
    write_gz(in_path, "a,b\n1,2\n", 8);
    assert_int_equal(truncate(in_path, 20), 0);
    assert_int_equal(pare_report_apply(s, in_path, out_path), PARE_ERROR_INPUT);
    assert_int_equal(access(out_path, F_OK), -1);
    unlink(in_path);
    assert_int_equal(pare_report_apply(s, in_path, out_path), PARE_ERROR_IO);
    pare_selection_free(s);
    pare_context_destroy(ctx);
}

static pare_status apply_to(const pare_selection *s, const char *out) {
    return pare_report_apply(s, in_path, out);
}

/* Each writer, on outputs that cannot take it: no sentence without the path, nothing left over. */
static void test_unwritable(void **unused) {
    (void)unused;
    static pare_status (*const writers[])(const pare_selection *, const char *) = {
        pare_selection_save, pare_selection_report, apply_to};
    static const char *const paths[] = {"/dev/full", "no/such/directory/file", "/dev"};
    pare_context *ctx = open_context();
    pare_selection *s = NULL;
    assert_ok(ctx, choose_columns(ctx, "a", &s));
    write_file(in_path, "a,b\n1,2\n", 8);
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        for (size_t j = 0; j < sizeof paths / sizeof paths[0]; j++) {
            if (j == 0 && access(paths[0], W_OK) != 0) {
                continue; /* not on this system */
            }
            assert_int_equal(writers[i](s, paths[j]), PARE_ERROR_IO);
            assert_non_null(strstr(pare_context_error(ctx), paths[j]));
        }
        assert_int_equal(writers[i](s, ""), PARE_ERROR_ARGUMENT);
        assert_int_equal(writers[i](s, NULL), PARE_ERROR_ARGUMENT);
    }
    unlink(in_path);
    pare_selection_free(s);
    pare_context_destroy(ctx);
}

static void test_failing_allocations(void **unused) {
    (void)unused;
    static const char text[] = "a,b,y\r\n1,\"2\r\n3\",4\r\n";
    static const char gz_path[] = "test_apply.out.gz";
    write_gz(in_path, text, sizeof text - 1);
    bool done = false;
    for (int64_t fail_at = 0; !done; fail_at++) {
        test_allocator state = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&state);
        pare_context *ctx = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        int64_t live = state.live;
        state.fail_at = state.count + fail_at;
        pare_selection *s = NULL;
        pare_status status = choose_columns(ctx, "b", &s);
        if (status == PARE_OK) {
            status = pare_report_apply(s, in_path, gz_path);
        }
        done = state.count <= state.fail_at;
        if ((status == PARE_OK) != done || (!done && status != PARE_ERROR_MEMORY)) {
            fail_msg("allocation %d: status %d, %s", (int)fail_at, (int)status,
                     pare_context_error(ctx));
        }
        assert_int_equal(access(gz_path, F_OK), done ? 0 : -1);
        pare_selection_free(s);
        assert_int_equal(state.live, live);
        pare_context_destroy(ctx);
    }
    int64_t length = 0;
    char *got = read_file(gz_path, &length);
    assert_string_equal(got, "b,y\r\n\"2\r\n3\",4\r\n");
    free(got);
    unlink(in_path);
    unlink(gz_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
