/* What a later file is told beside its rows, and what it says: schema and budget that are others,
 * why the plan is another or not. */
#include "embed_support.h"

#include "problem/embed_state.h"
#include "report/embed_report.h"

#include <stdlib.h>

static char schema_path[64];

static int setup(void **state) {
    (void)state;
    strcpy(schema_path, "/tmp/pare-embed-XXXXXX");
    int schema = mkstemp(schema_path);
    return embed_files_make() || schema < 0 || close(schema);
}

static int teardown(void **state) {
    unlink(schema_path);
    return embed_files_remove(state);
}

#define USUAL "embed-format=csv passes=2"

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* The first file; field a causes. */
static void begin(const char *set) {
    run r;
    run_open(&r, NULL, 0, USUAL " target=y rate=0.1");
    assert_ok(r.ctx, test_options_set(&r.options, set));
    write_day(1, (day){.rows = 1200});
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_ok(r.ctx, pare_embed_state_begin(r.embed, other_path));
    run_close(&r);
}

/* Goes on with the rows at hand; the caller closes. schema: "": none. */
static pare_status next(run *r, const char *set, const char *schema) {
    run_open(r, NULL, 0, USUAL);
    assert_ok(r->ctx, test_options_set(&r->options, set));
    assert_ok(r->ctx, pare_options_set(&r->options, "continue", other_path));
    if (schema[0]) {
        write_text(schema_path, schema);
        assert_ok(r->ctx, pare_options_set(&r->options, "schema", schema_path));
    }
    return pare_embed_continue(r->ctx, rows_path, &r->options, &r->embed);
}

static void assert_says(const run *r, const char *wanted) {
    pare_text text = {.ctx = r->ctx};
    pare_embed_window_text(r->embed, &text);
    assert_int_equal(text.status, PARE_OK);
    if (!strstr(text.bytes, wanted)) {
        fail_msg("'%s' lacks '%s'", text.bytes, wanted);
    }
    pare_text_clear(&text);
}

static void assert_within(const run *r) {
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&r->embed->serving, r->embed->keep, cost);
    assert_true(pare_serving_fits(&r->embed->serving, cost));
    assert_true(cost[PARE_RESOURCE_BYTES] > 0);
}

/* A kept field that a new schema bans goes, one that it pins comes, at once and for good. */
static void test_schema_changes(void **state) {
    (void)state;
    static const char *const first[] = {"embed-model=lr budget=lines=1",
                                        "embed-model=fm budget=lines=2", "embed-model=dcnv2"};
    for (int m = 0; m < 3; m++) {
        run r;
        begin(first[m]);
        write_day(2, (day){.rows = 1000});
        assert_int_equal(next(&r, "",
                              "{\"fields\": {\"a\": {\"banned\": true},"
                              " \"e\": {\"pinned\": true}}}"),
                         PARE_OK);
        assert_true(!kept_field(&r, "a") && kept_field(&r, "e"));
        assert_true(r.embed->width[0] == 0 || m == 0 ||
                    r.embed->keep[4 * r.embed->serving.chunks + 5]);
        assert_int_equal(r.embed->window->repaired, PARE_EMBED_SCHEMA);
        assert_says(&r, "since the schema bans or pins otherwise: dropped a");
        assert_within(&r);
        run_close(&r);
        write_day(3, (day){.rows = 1000});
        assert_int_equal(next(&r, "", ""), PARE_OK);
        assert_true(!kept_field(&r, "a") && kept_field(&r, "e") && !r.embed->window->repaired);
        run_close(&r);
    }
}

/* A ban that leaves nothing brings another field in; a pinned one takes the place of others where
 * there is no room; where the budget has none for all of them, a sentence, and the state stays. */
static void test_schema_and_room(void **state) {
    (void)state;
    static unsigned char before[1 << 20], after[1 << 20];
    run r;
    begin("budget=lines=1");
    write_day(2, (day){.rows = 1000});
    int64_t length = file_size(other_path, before, sizeof before);
    static const char *const bad[] = {
        "{\"fields\": {\"b\": {\"pinned\": true}, \"c\": {\"pinned\": true}}}",
        "{\"fields\": {\"a\": {\"banned\": true}, \"b\": {\"banned\": true},"
        " \"c\": {\"banned\": true}, \"d\": {\"banned\": true}, \"e\": {\"banned\": true}}}"};
    for (int k = 0; k < 2; k++) {
        assert_int_equal(next(&r, "", bad[k]), PARE_ERROR_INPUT);
        assert_non_null(strstr(pare_context_error(r.ctx), k ? "every field is banned" : "pinned"));
        run_close(&r);
        assert_int_equal(file_size(other_path, after, sizeof after), length);
        assert_memory_equal(before, after, (size_t)length);
    }
    assert_int_equal(next(&r, "", "{\"fields\": {\"a\": {\"banned\": true}}}"), PARE_OK);
    assert_false(kept_field(&r, "a"));
    assert_within(&r);
    run_close(&r);
    assert_int_equal(next(&r, "", "{\"fields\": {\"d\": {\"pinned\": true}}}"), PARE_OK);
    assert_true(kept_field(&r, "d"));
    assert_within(&r);
    run_close(&r);
}

/* Smaller budgets and dearer groups are said to be that, with what goes. */
static void test_reasons(void **state) {
    (void)state;
    run r;
    begin("budget=lines=5,fetch_us=10 embed-method=frequency");
    write_day(2, (day){.rows = 1000});
    assert_int_equal(next(&r, "budget=lines=2,fetch_us=10", ""), PARE_OK);
    assert_int_equal(r.embed->window->repaired, PARE_EMBED_SMALLER);
    assert_says(&r, "since the budget is smaller than it was: dropped ");
    assert_true(kept_field(&r, "a"));
    assert_within(&r);
    run_close(&r);
    assert_int_equal(next(&r, "",
                          "{\"fields\": {\"b\": {\"group\": \"g\"}, \"c\": {\"group\": \"g\"},"
                          " \"d\": {\"group\": \"g\"}, \"e\": {\"group\": \"g\"}},"
                          " \"groups\": {\"g\": {\"fetch_us\": 11}}}"),
                     PARE_OK);
    assert_int_equal(r.embed->window->repaired, PARE_EMBED_DEARER);
    assert_says(&r, "since groups cost more than they did: dropped ");
    assert_within(&r);
    run_close(&r);
    write_day(3, (day){.rows = 4000});
    assert_int_equal(next(&r, "budget=lines=2 switch-cost=0.5", ""),
                     PARE_OK); /* what is not made is shown */
    const pare_embed_window *w = r.embed->window;
    assert_true(!w->repaired && w->added < 0 && w->dropped < 0 && w->bound < 0.5);
    assert_says(&r, "no change pays for its switching cost; the best would be to ");
    run_close(&r);
}

/* What the model that a file leaves says of the next file's rows is what progressive validation
 * scores them by. */
static void test_model_out(void **state) {
    (void)state;
    static const char *const models[] = {"lr", "fm", "deepfm", "dnn", "dcnv2"};
    char folder[] = "/tmp/pare-model-XXXXXX", set[128];
    assert_non_null(mkdtemp(folder));
    for (int m = 0; m < 5; m++) {
        run r;
        snprintf(set, sizeof set, "model-out=%s overwrite=true embed-model=%s budget=lines=3",
                 folder, models[m]);
        begin(set);
        for (uint64_t window = 2; window <= 3; window++) {
            int64_t rows = 0;
            float *probability = NULL;
            pare_embed_score score;
            write_day(window, (day){.rows = 500, .by_b = window > 2});
            run_open(&r, NULL, 0, USUAL);
            assert_ok(r.ctx, pare_embed_apply(r.ctx, folder, rows_path, &r.options, &rows,
                                              &probability, &score));
            pare_free(r.ctx, probability);
            run_close(&r);
            snprintf(set, sizeof set, "model-out=%s overwrite=true", folder);
            assert_int_equal(next(&r, set, ""), PARE_OK);
            assert_true(fabs(r.embed->chosen.log_loss - score.log_loss) < 1e-6);
            assert_true(fabs(r.embed->chosen.auc - score.auc) < 1e-3); /* ties */
            run_close(&r);
        }
    }
    snprintf(set, sizeof set, "rm -r %s", folder);
    assert_int_equal(system(set), 0);
}

/* The rows held out of the first file are what the second is compared with; a short file is no
 * shift by itself. */
static void test_compared_at_once(void **state) {
    (void)state;
    run r;
    begin("budget=lines=5 embed-method=frequency");
    static const int rows[] = {1, 5, 40, 1000};
    char set[128];
    snprintf(set, sizeof set, "state=%s", schema_path);
    for (int k = 0; k < 4; k++) { /* the file of the state serves again and again */
        write_day(30 + (uint64_t)k, (day){.rows = rows[k]});
        assert_int_equal(next(&r, set, ""), PARE_OK);
        const pare_embed_window *w = r.embed->window;
        assert_true(w->reference > 0.4 && w->reference < 0.7 && !w->alarm);
        for (int64_t f = 0; f < 5; f++) {
            assert_true(w->usual[f] == 0 && w->unknown[f] == 0 && w->psi[f] < w->psi_limit[f]);
        }
        run_close(&r);
    }
    write_day(2, (day){.rows = 1000, .by_b = true, .shift = 10});
    assert_int_equal(next(&r, "", ""), PARE_OK);
    assert_true(r.embed->window->alarm);
    assert_says(&r, "alarm: log loss has risen");
    assert_says(&r, "unknown ids in 100.0 % of cells, usual 0.0 %");
    run_close(&r);
}

/* The rows of the day with every label replaced, and of the columns only the first some. */
static void spoil(int label, int columns) {
    static char lines[1 << 20];
    int64_t length = file_size(rows_path, (unsigned char *)lines, sizeof lines - 1);
    lines[length] = '\0';
    FILE *file = fopen(rows_path, "w");
    assert_non_null(file);
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *last = strrchr(line, ',') + 1, *end = line - 1;
        bool head = line == lines;
        for (int k = 0; k < columns; k++) {
            end = strchr(end + 1, ',');
        }
        fprintf(file, "%.*s,%s\n", (int)(end - line), line,
                head        ? "y"
                : label < 0 ? last
                : label > 0 ? "1"
                            : "0");
    }
    assert_int_equal(fclose(file), 0);
}

/* A file without most of the kept fields, or of one label though the model expects both, is refused
 * by a sentence unless it is to be accepted; a few rows of one label are as they may be. */
static void test_unlike(void **state) {
    (void)state;
    static unsigned char before[1 << 20], after[1 << 20];
    static const struct {
        int rows, label, columns;
        bool refused;
        const char *says;
    } cases[] = {{200, 0, 5, true, "all 200 rows have the label 0"},
                 {200, 1, 5, true, "all 200 rows have the label 1"},
                 {3, 1, 5, false, "every label is 1, by the model with a probability of"},
                 {200, -1, 2, true, "3 of the 5 kept fields have no cell, such as 'c'"},
                 {200, -1, 3, false, "field d: without a single cell"}};
    run r;
    begin("budget=lines=5 embed-method=frequency");
    int64_t length = file_size(other_path, before, sizeof before);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char set[128];
        snprintf(set, sizeof set, "state=%s", schema_path);
        for (int accept = 0; accept < 2; accept++) {
            write_day(40, (day){.rows = cases[k].rows});
            spoil(cases[k].label, cases[k].columns);
            bool fine = accept || !cases[k].refused;
            assert_int_equal(next(&r, set, ""), fine ? PARE_OK : PARE_ERROR_INPUT);
            if (!fine && !strstr(pare_context_error(r.ctx), cases[k].says)) {
                fail_msg("'%s' lacks '%s'", pare_context_error(r.ctx), cases[k].says);
            } else if (!cases[k].refused) {
                assert_says(&r, cases[k].says);
            } else if (fine && cases[k].label >= 0) {
                assert_says(&r, "alarm: every label is ");
            }
            run_close(&r);
            snprintf(set, sizeof set, "state=%s accept=true", schema_path);
        }
        assert_int_equal(file_size(other_path, after, sizeof after), length);
        assert_memory_equal(before, after, (size_t)length);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_changes),   cmocka_unit_test(test_schema_and_room),
        cmocka_unit_test(test_reasons),          cmocka_unit_test(test_model_out),
        cmocka_unit_test(test_compared_at_once), cmocka_unit_test(test_unlike),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
