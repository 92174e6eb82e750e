/* What the first line of rows of fields says: header or none, names and indices, the format. */
#include "folder_support.h"
#include "readers_support.h"

#include "data/fields_read.h"

static pare_status read_text(reading *r, bool optional, const char *name, const char *text,
                             pare_fields *out) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return optional ? pare_fields_read_rows(r->ctx, name, PARE_FIELDS_AUTO, &r->options, out)
                    : pare_fields_read(r->ctx, name, PARE_FIELDS_AUTO, &r->options, out);
}

#define BOM "\xef\xbb\xbf"

static void header_or_row(void **state) {
    (void)state;
    static const struct {
        const char *header, *target, *text;
        bool optional;
        int rows, labels; /* labels: the sum, -1: there are none */
        const char *label, *first;
    } cases[] = {
        {"no", "0", "0,u1,0\n1,u2,0\n1,u3,0\n", false, 3, 2, "x0", "x1"},
        {"auto", "0", "0,u1,0\n1,u2,0\n1,u3,0\n", false, 3, 2, "x0", "x1"},
        {"auto", "2", "0,u1,0\n1,u2,1\n1,u3,0\n", false, 3, 1, "x2", "x0"},
        {"auto", "0", "y,u,v\n1,u2,0\n1,u3,0\n", false, 2, 2, "y", "u"},
        {"auto", "0", "0,1,2\n1,u2,0\n1,u3,0\n", false, 2, 2, "0", "1"},
        {"yes", "5", "0,1,5\n1,u2,0\n1,u3,0\n", false, 2, 0, "5", "0"},
        {"no", "", "7,0\n8,1\n", false, 2, 1, "x1", "x0"},
        {"auto", "y", BOM "y,u\n1,a\n0,b\n", false, 2, 1, "y", "u"},
        {"auto", "u", BOM "\"y\",u\na,1\nb,0\n", false, 2, 1, "u", "y"},
        /* Rows to be scored by a model whose label is x0 or x2. */
        {"auto", "x0", "0,u1,0\n1,u2,0\n", true, 2, 1, "x0", "x1"},
        {"no", "x0", "0,u1,0\n1,u2,0\n", true, 2, 1, "x0", "x1"},
        {"auto", "x2", "a,b\nc,d\n", true, 2, -1, NULL, "x0"},
        {"auto", "x2", "x0,x1\nc,d\n", true, 1, -1, NULL, "x0"},
        {"auto", "y", "a,b\nc,d\n", true, 1, -1, NULL, "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reading r;
        pare_fields fields;
        reading_open(&r, NULL, NULL);
        assert_ok(r.ctx, pare_options_set(&r.options, "header", cases[i].header));
        assert_ok(r.ctx, pare_options_set(&r.options, "target", cases[i].target));
        assert_ok(r.ctx, read_text(&r, cases[i].optional, "rows.csv", cases[i].text, &fields));
        int labels = 0;
        for (int64_t k = 0; k < fields.rows; k++) {
            labels += fields.label[k] > 0;
        }
        assert_int_equal(fields.rows, cases[i].rows);
        assert_int_equal(fields.labelled ? labels : -1, cases[i].labels);
        assert_string_equal(fields.field[0].name, cases[i].first);
        if (cases[i].label) {
            assert_string_equal(fields.target, cases[i].label);
        } else {
            assert_null(fields.target);
        }
        pare_fields_clear(&fields);
        reading_close(&r);
    }
}

static void unknown_names(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"ignore", "nope"},      {"ignore", "a,nope"},
                                           {"categorical", "nope"}, {"categorical", "7"},
                                           {"target", "nope"},      {"target", "3"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reading r;
        pare_fields fields;
        reading_open(&r, NULL, NULL);
        assert_ok(r.ctx, pare_options_set(&r.options, cases[i][0], cases[i][1]));
        assert_int_equal(read_text(&r, false, "rows.csv", "a,b,y\n1,2,0\n1,3,1\n", &fields),
                         PARE_ERROR_INPUT);
        assert_non_null(strstr(pare_context_error(r.ctx), "there is no column"));
        assert_ok(r.ctx, pare_options_set(&r.options, cases[i][0], i < 4 ? "0" : "2"));
        assert_ok(r.ctx, read_text(&r, false, "rows.csv", "a,b,y\n1,2,0\n1,3,1\n", &fields));
        pare_fields_clear(&fields);
        reading_close(&r);
    }
}

/* A row of the Criteo logs is one whatever the file is called; a header is no such row. */
static void criteo_by_content(void **state) {
    (void)state;
    static const char *const names[] = {"rows.tsv", "rows.txt", "rows"};
    char text[1024] = "", header[1024] = "";
    for (int line = 0; line < 2; line++) {
        for (int c = 0; c < PARE_CRITEO_COLUMNS; c++) {
            char cell[32];
            snprintf(cell, sizeof cell,
                     c == 0   ? "%d"
                     : c < 14 ? "\t%d"
                              : "\t%08xe",
                     c == 0 ? line : c);
            strcat(text, cell);
            snprintf(cell, sizeof cell, "%s%s%d", c > 0 ? "\t" : "", c > 0 ? "c" : "y", c);
            strcat(header, line == 0 ? cell : "");
        }
        strcat(text, "\n");
    }
    strcat(header, "\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        reading r;
        pare_fields fields;
        reading_open(&r, NULL, NULL);
        assert_ok(r.ctx, read_text(&r, false, names[i], text, &fields));
        assert_int_equal(fields.rows, 2);
        assert_int_equal(fields.count, 39);
        assert_string_equal(fields.field[0].name, "I1");
        pare_fields_clear(&fields);
        reading_close(&r);
    }
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, NULL);
    strcat(header, text);
    assert_ok(r.ctx, pare_options_set(&r.options, "target", "y0"));
    assert_ok(r.ctx, read_text(&r, false, "rows.tsv", header, &fields));
    assert_string_equal(fields.field[0].name, "c1");
    assert_int_equal(fields.rows, 2);
    pare_fields_clear(&fields);
    reading_close(&r);
}

static void line_breaks_in_quotes(void **state) {
    (void)state;
    reading r;
    pare_fields fields;
    reading_open(&r, NULL, NULL);
    assert_int_equal(read_text(&r, false, "rows.csv", "a,y\n\"b\nc\",1\nd,0\n", &fields),
                     PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "rows.csv line 2: "));
    assert_non_null(strstr(pare_context_error(r.ctx), "hold no line breaks"));
    reading_close(&r);
}

/* Whole numbers that doubles would merge are ids; others may be, which a field tells. */
static void whole_numbers(void **state) {
    (void)state;
    static const struct {
        const char *cell; /* of row i */
        int64_t first;
        pare_field_kind kind;
        bool ids;
    } cases[] = {
        {"%lld", 0, PARE_FIELD_NUMBER, true},
        {"%lld", -1, PARE_FIELD_NUMBER, false},
        {"%lld.5", 0, PARE_FIELD_NUMBER, false},
        {"%lld", 9007199254740900, PARE_FIELD_CATEGORY, false}, /* up to 2^53 and beyond */
        {"%lld", 1000000000000000000, PARE_FIELD_CATEGORY, false},
        {"%lld", 9007199254740000, PARE_FIELD_NUMBER, true},
    };
    static char text[1 << 16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reading r;
        pare_fields fields;
        size_t length = (size_t)snprintf(text, sizeof text, "a,y\n");
        for (int64_t row = 0; row < 600; row++) {
            char cell[32];
            snprintf(cell, sizeof cell, cases[i].cell, (long long)(cases[i].first + row));
            length += (size_t)snprintf(text + length, sizeof text - length, "%s,%d\n", cell,
                                       (int)(row % 2));
        }
        reading_open(&r, NULL, NULL);
        assert_ok(r.ctx, read_text(&r, false, "rows.csv", text, &fields));
        assert_int_equal(fields.field[0].kind, cases[i].kind);
        assert_int_equal(pare_field_like_ids(&fields, 0), cases[i].ids);
        if (cases[i].kind == PARE_FIELD_CATEGORY) {
            assert_int_equal(fields.field[0].level.count, 600);
        }
        pare_fields_clear(&fields);
        reading_close(&r);
    }
}

/* Numbers that are no counts are cut at quantiles; rows that come later alike. */
static void quantiles(void **state) {
    (void)state;
    static char text[1 << 16];
    const char *more = "a,y\n-5,0\n0.0001,0\n0.5,1\n0.9,0\n7,1\n,0\n";
    reading r;
    pare_fields fields, later;
    size_t length = (size_t)snprintf(text, sizeof text, "a,y\n");
    for (int row = 0; row < 3000; row++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "%.4f,%d\n",
                                   (double)((row * 7919) % 3000) / 3000, row % 2);
    }
    reading_open(&r, NULL, NULL);
    assert_ok(r.ctx, read_text(&r, false, "rows.csv", text, &fields));
    assert_int_equal(fields.head, 1);
    fields.field[0].kind = PARE_FIELD_BUCKET;
    assert_ok(r.ctx, pare_fields_encode(&fields, 0, 1, 20));
    assert_int_equal(fields.field[0].size, 33);
    assert_int_equal(fields.field[0].rare, 0);
    int64_t cells[33] = {0};
    for (int64_t i = 0; i < fields.rows; i++) {
        cells[fields.cell[i]]++;
    }
    for (int b = 1; b < 33; b++) {
        assert_in_range(cells[b], 60, 120);
    }
    assert_ok(r.ctx, read_text(&r, true, "more.csv", more, &later));
    assert_ok(r.ctx, pare_fields_encode_like(&later, &fields));
    int32_t of[4] = {0}; /* buckets of 0.0001, 0.5 and the largest */
    for (int64_t i = 0; i < fields.rows; i++) {
        int at = (int)(i * 7919 % 3000);
        of[at == 0 ? 0 : at == 1500 ? 1 : at == 2700 ? 2 : 3] = fields.cell[i];
        if (at == 2999) {
            assert_int_equal(later.cell[4], fields.cell[i]);
        }
    }
    assert_int_equal(later.cell[0], of[0]);
    assert_int_equal(later.cell[1], of[0]);
    assert_int_equal(later.cell[2], of[1]);
    assert_int_equal(later.cell[3], of[2]);
    assert_int_equal(later.cell[5], 0);
    pare_fields_clear(&later);
    /* A text among the numbers is told by line and column. */
    strcat(text, "often,1\n");
    pare_fields_clear(&fields);
    assert_ok(r.ctx, read_text(&r, false, "rows.csv", text, &fields));
    fields.field[0].kind = PARE_FIELD_BUCKET;
    assert_int_equal(pare_fields_encode(&fields, 0, 1, 20), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "rows.csv line 3002: 'often' in field a"));
    pare_fields_clear(&fields);
    reading_close(&r);
}

static int enter(void **state) {
    return folder_enter(state);
}

static int leave(void **state) {
    return folder_leave(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_or_row),     cmocka_unit_test(unknown_names),
        cmocka_unit_test(criteo_by_content), cmocka_unit_test(line_breaks_in_quotes),
        cmocka_unit_test(whole_numbers),     cmocka_unit_test(quantiles)};
    return cmocka_run_group_tests(tests, enter, leave);
}
