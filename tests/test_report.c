/* Terminal table, JSON and HTML of a selection. */
#include "report_support.h"

#include <unistd.h>

#include "base/json.h"
#include "report/names.h"
#include "report/report.h"

static const sample_shape shapes[] = {
    {10, 77, 0, 0, false},  {50, 784, 28, 28, false}, {300, 1000, 0, 0, false},
    {48, 300, 0, 0, false}, {5, 20, 0, 0, true},      {1, 1, 0, 0, false},
    {2, 6, 2, 3, false},    {0, 5, 0, 0, true},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static pare_context *open_context(void) {
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    return ctx;
}

static char *render(pare_selection *s, pare_status (*how)(const pare_selection *, pare_text *)) {
    pare_text text = {.ctx = s->ctx};
    assert_ok(s->ctx, how(s, &text));
    assert_int_equal(strlen(text.bytes), text.length);
    return text.bytes;
}

/* Overwrites what a model would have filled with numbers that break careless arithmetic. */
static void make_extreme(pare_selection *s) {
    static const double values[] = {1e308, -1e308, INFINITY, -INFINITY, NAN, 5e-324, -0.0, 1.5};
    enum { VALUES = sizeof values / sizeof values[0] };
    for (int64_t i = 0; i < s->count; i++) {
        s->item[i].score = values[i % VALUES];
    }
    for (int64_t i = 0; i < s->path_points; i++) {
        s->path_score[i] = values[(i + 1) % VALUES];
        s->path_error[i] = values[(i + 3) % VALUES];
    }
    for (int64_t i = 0; i < s->trace_points; i++) {
        s->trace_loss[i] = values[i % VALUES];
    }
    for (int64_t i = 0; s->correlation && i < s->count * s->count; i++) {
        s->correlation[i] = values[i % VALUES];
    }
    s->all.validation_score = 1e300;
    s->random.test_loss = -1e300;
    s->seconds_selecting = INFINITY;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void check_same(const pare_selection *a, const pare_selection *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->wanted, b->wanted);
    assert_int_equal(a->stopped, b->stopped);
    for (int64_t i = 0; i < a->count; i++) {
        assert_string_equal(a->item[i].name, b->item[i].name);
        assert_int_equal(a->item[i].candidate, b->item[i].candidate);
        assert_int_equal(a->number[i], b->number[i]);
        assert_int_equal(a->item[i].pixel_row, b->item[i].pixel_row);
        assert_int_equal(a->item[i].pixel_column, b->item[i].pixel_column);
        assert_int_equal(a->item[i].columns, b->item[i].columns);
        for (int64_t j = 0; j < a->item[i].columns; j++) {
            assert_string_equal(a->item[i].column[j], b->item[i].column[j]);
        }
        if (isfinite(a->item[i].score)) {
            assert_memory_equal(&a->item[i].score, &b->item[i].score, sizeof(double));
        } else {
            assert_true(isnan(b->item[i].score));
        }
    }
    assert_int_equal(a->has_options, b->has_options);
    for (int64_t i = 0; a->has_options && i < pare_option_count(); i++) {
        char one[64], other[64];
        assert_string_equal(pare_options_get(&a->options, i, one, sizeof one),
                            pare_options_get(&b->options, i, other, sizeof other));
    }
    if (a->has_options) {
        assert_true(a->options.learning_rate == b->options.learning_rate);
    }
}

static void test_round_trip(void **unused) {
    (void)unused;
    pare_context *ctx = open_context();
    for (int i = 0; i < 2 * SHAPES; i++) {
        pare_selection *first = NULL, *second = NULL;
        assert_ok(ctx, sample_selection(ctx, shapes[i / 2], &first));
        first->stopped = i % 3 == 0;
        if (i % 2) {
            make_extreme(first);
        }
        char *one = render(first, pare_report_json);
        assert_ok(ctx, pare_report_parse_json(ctx, "one", one, (int64_t)strlen(one), &second));
        check_same(first, second);
        char *two = render(second, pare_report_json);
        assert_string_equal(one, two);
        pare_free(ctx, one);
        pare_free(ctx, two);
        pare_selection_free(first);
        pare_selection_free(second);
    }
    pare_context_destroy(ctx);
}

static void test_nan_is_null(void **unused) {
    (void)unused;
    pare_context *ctx = open_context();
    pare_selection *s = NULL;
    assert_ok(ctx, sample_selection(ctx, shapes[4], &s));
    s->item[0].score = NAN;
    char *json = render(s, pare_report_json);
    assert_non_null(strstr(json, "\"candidate\": 0, \"score\": null"));
    assert_non_null(strstr(json, "\"validation_score\": null"));
    assert_null(strstr(json, "nan"));
    pare_free(ctx, json);
    pare_selection_free(s);
    pare_context_destroy(ctx);
}

/* `text` with the first `from` replaced by `to`. */
static char *replaced(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    if (!at) {
        fail_msg("'%s' is not in the file", from);
        return NULL;
    }
    char *out = malloc(strlen(text) + strlen(to) + 1);
    assert_non_null(out);
    memcpy(out, text, (size_t)(at - text));
    strcpy(out + (at - text), to);
    strcat(out, at + strlen(from));
    return out;
}

static void test_refusals(void **unused) {
    (void)unused;
    static const char *const cases[][3] = {
        {"{\n", "[", "line"},
        {"\"format\": \"pare selection\"", "\"format\": 1", "format: expected"},
        {"\"format_version\": 1", "\"format_version\": 2", "format_version: expected"},
        {"\"method\": \"seq", "\"method\": 3, \"x\": \"seq", "method: expected a string or null"},
        {"\"method\": \"seq", "\"model\": \"seq", "duplicate"},
        {"\"stopped\": false", "\"stopped\": 0", "stopped: expected true or false"},
        {"\"wanted\": 6", "\"wanted\": -6", "wanted: expected a whole number"},
        {"\"wanted\": 6", "\"wanted\": 6.5", "wanted: expected a whole number"},
        {"\"wanted\": 6", "\"wanted\": 1e999", "line 11 column 17"},
        {"\"candidates\": 20", "\"candidates\": 5", "items: expected no more than"},
        {"\"height\": 0", "\"height\": 3", "data.width: expected height and width"},
        {"\"rows\": 60000", "\"rows\": \"many\"", "data.rows: expected a whole number"},
        {"0123456789abcdef", "0123456789ABCDEF", "data.checksum: expected 16"},
        {"\"targets\": [\"class\"]", "\"targets\": [\"class\", 3]",
         "data.targets: expected an array"},
        {"\"data\": {", "\"data\": 3, \"y\": {", "data: expected an object"},
        {"\"candidate\": 7", "\"candidate\": 20", "items[1].candidate: expected a whole number"},
        {"\"candidate\": 7", "\"candidate\": null", "items[1].candidate: expected a whole number"},
        {"\"candidate\": 7, ", "", "items[1].candidate: expected a whole number"},
        {"\"columns\": [\"column_000_N\"]", "\"columns\": []",
         "items[0].columns: expected at least"},
        {"\"columns\": [\"column_000_N\"]", "\"columns\": [\"a\"], \"pixel\": [0, 0]",
         "items[0].pixel: expected row"},
        {"\"name\": \"column_000_N\"", "\"name\": null", "items[0].name: expected a string"},
        {"\"name\": \"column_000_N\"", "\"name\": \"a\\u0000b\"", "line"},
        {"\"name\": \"column_000_N\"", "\"name\": \"a\xff\"", "line"},
        {"{\"name\": \"column_000_N\"", "3, {\"name\": \"c\"", "items[0]: expected an object"},
        {"\"count\": 2,", "\"count\": 1,", "path[1].count: expected a whole number from 2 to 20"},
        {"\"count\": 6,", "\"count\": 21,", "path[5].count: expected a whole number from 6 to 20"},
        {"\"error\": 0.015", "\"error\": true", "path[0].error: expected a number"},
        {"\"epoch\": [0, ", "\"epoch\": [", "trace.loss: expected an array of 199 numbers"},
        {"\"epoch\": [0, ", "\"epoch\": [\"0\", ", "trace.epoch: expected an array of 200 numbers"},
        {"\"correlation\": [\n    [1, ", "\"correlation\": [\n    [", "correlation[0]: expected"},
        {"\"correlation\": [", "\"correlation\": [[1], ", "correlation: expected null, or a row"},
        {"\"all\": {", "\"al\": {", "comparison.all: expected an object"},
        {"\"test_loss\": 0.22", "\"test_loss\": []", "chosen.test_loss: expected a number or null"},
        {"\"reading\": 0.21", "\"reading\": \"x\"", "seconds.reading: expected a number or null"},
        {"\"warnings\": [", "\"warnings\": [null, ", "warnings: expected an array of strings"},
        {"\"options\": {", "\"options\": 3, \"z\": {", "options: expected an object"},
        {"\"validation\": 0.1", "\"validation\": 2", "options: option validation: '2'"},
        {"\"validation\": 0.1", "\"validation\": [2]", "options.validation: expected a string"},
        {"\"seed\": 1", "\"seed\": 1.5", "options: option seed: '1.5'"},
        {"\"k\": \"10\"", "\"k\": {}", "options.k: expected a string"},
    };
    pare_context *ctx = open_context();
    pare_selection *s = NULL, *back = NULL;
    assert_ok(ctx, sample_selection(ctx, (sample_shape){6, 20, 0, 0, false}, &s));
    char *json = render(s, pare_report_json);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *bad = replaced(json, cases[i][0], cases[i][1]);
        pare_status status =
            pare_report_parse_json(ctx, "bad.json", bad, (int64_t)strlen(bad), &back);
        const char *sentence = pare_context_error(ctx);
        if (status != PARE_ERROR_INPUT || !strstr(sentence, cases[i][2]) ||
            strncmp(sentence, "bad.json", 8) != 0) {
            fail_msg("case %d: status %d, '%s' has no '%s'", (int)i, (int)status, sentence,
                     cases[i][2]);
        }
        assert_null(back);
        free(bad);
    }
    /* Cut anywhere, it is refused, too. */
    for (int64_t length = (int64_t)strlen(json) - 2; length >= 0; length -= 97) {
        assert_int_equal(pare_report_parse_json(ctx, "cut.json", json, length, &back),
                         PARE_ERROR_INPUT);
    }
    /* What a later version may add is passed over. */
    char *more = replaced(json, "\"wanted\"", "\"new\": {\"a\": [1]}, \"wanted\"");
    assert_ok(ctx, pare_report_parse_json(ctx, "more", more, (int64_t)strlen(more), &back));
    pare_selection_free(back);
    free(more);
    pare_free(ctx, json);
    pare_selection_free(s);
    pare_context_destroy(ctx);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void test_read_names(void **unused) {
    (void)unused;
    static const char path[] = "test_report.names";
    static const char list[] = "\xEF\xBB\xBFone\r\n\r\ntwo three\n\n\xff\nlast";
    pare_context *ctx = open_context();
    int64_t count = 0;
    char **names = NULL;
    write_file(path, list, sizeof list - 1);
    assert_ok(ctx, pare_report_read_names(ctx, path, &count, &names));
    static const char *const expected[] = {"one", "two three", "\xff", "last"};
    assert_int_equal(count, 4);
    for (int64_t i = 0; i < count; i++) {
        assert_string_equal(names[i], expected[i]);
        pare_free(ctx, names[i]);
    }
    pare_free(ctx, names);

    pare_selection *s = NULL;
    assert_ok(ctx, sample_selection(ctx, shapes[3], &s));
    char *json = render(s, pare_report_json);
    write_file(path, json, strlen(json));
    assert_ok(ctx, pare_report_read_names(ctx, path, &count, &names));
    assert_int_equal(count, s->count);
    for (int64_t i = 0; i < count; i++) {
        assert_string_equal(names[i], s->item[i].name);
        pare_free(ctx, names[i]);
    }
    pare_free(ctx, names);
    pare_free(ctx, json);
    pare_selection_free(s);

    const struct {
        const char *bytes;
        size_t length;
        const char *sentence;
    } bad[] = {{"", 0, "no names in it"},
               {"\n\r\n", 3, "no names in it"},
               {"a\nb\0c\n", 6, "line 2: a zero byte"},
               {"  {\"a\": 1}", 10, "format: expected"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(path, bad[i].bytes, bad[i].length);
        assert_int_equal(pare_report_read_names(ctx, path, &count, &names), PARE_ERROR_INPUT);
        assert_non_null(strstr(pare_context_error(ctx), bad[i].sentence));
        assert_null(names);
    }
    unlink(path);
    assert_int_equal(pare_report_read_names(ctx, path, &count, &names), PARE_ERROR_IO);
    pare_context_destroy(ctx);
}

/* ---- HTML ------------------------------------------------------------------------------------ */

static bool drawing_attribute(const char *name, size_t length) {
    static const char *const names[] = {"d", "x", "y", "cx", "cy", "width", "height", "opacity"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Well-formed in the sense of XML: tags balance, attributes are quoted, entities are known; and
 * coordinates are numbers. NULL, or what is wrong. */
static const char *find_flaw(const char *page) {
    enum { DEPTH = 32 };
    const char *open[DEPTH];
    size_t length[DEPTH];
    int depth = 0;
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#xFFFD;"};
    const char *at = page;
    if (strncmp(at, "<!DOCTYPE html>", 15) != 0) {
        return at;
    }
    for (at += 15; *at;) {
        if (*at == '&') {
            bool known = false;
            for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
                known = known || strncmp(at, entities[i], strlen(entities[i])) == 0;
            }
            if (!known) {
                return at;
            }
        }
        if ((unsigned char)*at < 0x20 && *at != '\n') {
            return at;
        }
        if (*at != '<') {
            at++;
            continue;
        }
        const char *tag = at;
        bool closing = at[1] == '/';
        at += closing ? 2 : 1;
        size_t size = strcspn(at, " />\n");
        const char *name = at;
        at += size;
        while (*at == ' ' || *at == '\n') {
            at++;
            size_t attribute = strcspn(at, "=");
            const char *value = at + attribute + 2;
            if (at[attribute] != '=' || at[attribute + 1] != '"') {
                return tag;
            }
            size_t end = strcspn(value, "\"<");
            if (value[end] != '"') {
                return tag;
            }
            if (drawing_attribute(at, attribute) && strspn(value, "0123456789.- MLHVZvhz") < end) {
                return at;
            }
            at = value + end + 1;
        }
        bool empty = *at == '/';
        at += empty;
        if (*at++ != '>') {
            return tag;
        }
        if (closing) {
            if (depth == 0 || length[depth - 1] != size ||
                memcmp(open[depth - 1], name, size) != 0) {
                return tag;
            }
            depth--;
        } else if (!empty) {
            if (depth == DEPTH) {
                return tag;
            }
            open[depth] = name;
            length[depth++] = size;
        }
    }
    return depth == 0 ? NULL : "an open tag at the end";
}

static void test_html(void **unused) {
    (void)unused;
    static const char *const forbidden[] = {"<script", "src=", "url(",  "@import",
                                            "<link",   "<img", "href=", "\x1b"};
    pare_context *ctx = open_context();
    for (int i = 0; i < 2 * SHAPES; i++) {
        pare_selection *s = NULL;
        assert_ok(ctx, sample_selection(ctx, shapes[i / 2], &s));
        s->stopped = i % 3 == 0;
        if (i % 2) {
            make_extreme(s);
        }
        char *page = render(s, pare_report_html);
        const char *flaw = find_flaw(page);
        if (flaw) {
            fail_msg("page %d is not well-formed at: %.200s", i, flaw);
        }
        for (size_t j = 0; j < sizeof forbidden / sizeof forbidden[0]; j++) {
            assert_null(strstr(page, forbidden[j]));
        }
        /* Every drawing has a title and a description. */
        int64_t drawings = 0, described = 0;
        for (const char *at = page; (at = strstr(at, "<svg")) != NULL; at++) {
            drawings++;
        }
        for (const char *at = page; (at = strstr(at, "<desc id=")) != NULL; at++) {
            described++;
        }
        assert_int_equal(drawings, described);
        assert_true(shapes[i / 2].bare || i / 2 == 5 || drawings >= 3);
        pare_free(ctx, page);
        pare_selection_free(s);
    }
    pare_context_destroy(ctx);
}

/* ---- Terminal -------------------------------------------------------------------------------- */

static void test_text(void **unused) {
    (void)unused;
    pare_context *ctx = open_context();
    for (int i = 0; i < 2 * SHAPES; i++) {
        pare_selection *s = NULL;
        assert_ok(ctx, sample_selection(ctx, shapes[i / 2], &s));
        s->stopped = true;
        if (i % 2) {
            make_extreme(s);
        }
        pare_text text = {.ctx = ctx};
        pare_report_text(s, &text);
        assert_ok(ctx, text.status);
        int64_t lines = 0;
        for (const char *at = text.bytes; *at; at++) {
            assert_true((unsigned char)*at >= 0x20 || *at == '\n');
            lines += *at == '\n';
        }
        assert_true(lines >= s->count + 1);
        assert_non_null(strstr(text.bytes, "stopped before the end"));
        assert_true(!s->warnings || strstr(text.bytes, "warning: column 'H3MeK4_N' is constant"));
        assert_true(shapes[i / 2].bare || strstr(text.bytes, "random"));
        pare_text_clear(&text);
        pare_selection_free(s);
    }
    pare_context_destroy(ctx);
}

/* The table lines up: the numbers of every row end in the same column. */
static void test_alignment(void **unused) {
    (void)unused;
    pare_context *ctx = open_context();
    pare_selection *s = NULL;
    assert_ok(ctx, sample_selection(ctx, shapes[0], &s));
    pare_text text = {.ctx = ctx};
    pare_report_text(s, &text);
    const char *line = strstr(text.bytes, "rank  name");
    assert_non_null(line);
    const char *score = strstr(line, "score");
    assert_non_null(score);
    int64_t column = score + strlen("score") - line;
    for (int64_t i = 0; i < s->count; i++) {
        line = strchr(line, '\n') + 1;
        assert_int_equal(strtol(line, NULL, 10), i + 1);
        assert_true(line[column - 1] >= '0' && line[column - 1] <= '9' && line[column] == ' ');
    }
    pare_text_clear(&text);
    pare_selection_free(s);
    pare_context_destroy(ctx);
}

static void test_names_plain(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        int64_t limit;
        const char *shown;
        int64_t columns;
    } names[] = {
        {"abcdef", 6, "abcdef", 6},
        {"abcdefg", 6, "abc...", 6},
        {"\xE6\x9D\xB1\xE4\xBA\xAC", 4, "\xE6\x9D\xB1\xE4\xBA\xAC", 4},
        {"\xE6\x9D\xB1\xE4\xBA\xAC\xE9\xA7\x85", 5, "\xE6\x9D\xB1...", 5},
        {"e\xCC\x81t", 2, "e\xCC\x81t", 2},
        {"\xE2\x80\xAE"
         "abc",
         10, "?abc", 4},
        {"\xff\n\x7f", 10, "???", 3},
        {"", 10, "", 0},
    };
    pare_context *ctx = open_context();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pare_text text = {.ctx = ctx};
        pare_text_append_bytes(&text, "", 0);
        assert_int_equal(pare_name_append_plain(&text, names[i].name, names[i].limit),
                         names[i].columns);
        assert_string_equal(text.bytes, names[i].shown);
        pare_text_clear(&text);
    }
    pare_context_destroy(ctx);
}

/* Any bytes come back; what is written is valid UTF-8. */
static void test_encode(void **unused) {
    (void)unused;
    pare_context *ctx = open_context();
    for (int64_t i = 0; i < 20000; i++) {
        char name[12] = {0};
        int64_t length = i % 11;
        for (int64_t j = 0; j < length; j++) {
            uint64_t bits = pare_hash(PARE_HASH_START, &(int64_t[2]){i, j}, 16);
            /* Often bytes of the range that the encoding itself uses. */
            static const unsigned char own[] = {0xF4, 0x8F, 0xB8, 0x80, 0xBF, 0xBB};
            name[j] = (char)(bits % 3 ? own[(bits >> 8) % sizeof own] : 1 + (bits >> 8) % 255);
        }
        char *text = NULL;
        assert_ok(ctx, pare_name_encode(ctx, name, &text));
        int64_t size = (int64_t)strlen(text);
        for (int64_t j = 0; j < size;) {
            uint32_t code = 0;
            int64_t bytes = pare_utf8_next(text + j, size - j, &code);
            assert_true(bytes > 0);
            j += bytes;
        }
        pare_name_decode(text);
        assert_string_equal(text, name);
        pare_free(ctx, text);
    }
    pare_context_destroy(ctx);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Everything once; the first failure ends it. */
static pare_status use_everything(pare_context *ctx, const sample_shape *shape) {
    pare_selection *s = NULL, *back = NULL;
    pare_text json = {.ctx = ctx}, html = {.ctx = ctx}, text = {.ctx = ctx};
    pare_status status = sample_selection(ctx, *shape, &s);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_report_json(s, &json);
    if (status == PARE_OK) {
        status = pare_report_html(s, &html);
    }
    if (status == PARE_OK) {
        pare_report_text(s, &text);
        status = text.status;
    }
    if (status == PARE_OK) {
        status = pare_report_parse_json(ctx, "memory", json.bytes, json.length, &back);
    }
    pare_text_clear(&json);
    pare_text_clear(&html);
    pare_text_clear(&text);
    pare_selection_free(s);
    pare_selection_free(back);
    return status;
}

static void test_failing_allocations(void **unused) {
    (void)unused;
    static const sample_shape small[] = {{3, 9, 0, 0, false}, {2, 6, 2, 3, false}};
    for (int i = 0; i < 2; i++) {
        bool done = false;
        for (int64_t fail_at = 0; !done; fail_at++) {
            test_allocator state = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&state);
            pare_context *ctx = NULL;
            assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
            int64_t live = state.live;
            state.fail_at = state.count + fail_at;
            pare_status status = use_everything(ctx, &small[i]);
            done = state.count <= state.fail_at;
            assert_int_equal(status, done ? PARE_OK : PARE_ERROR_MEMORY);
            assert_int_equal(state.live, live);
            pare_context_destroy(ctx);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_nan_is_null),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_read_names),
        cmocka_unit_test(test_html),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_alignment),  cmocka_unit_test(test_names_plain),
        cmocka_unit_test(test_encode),     cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
