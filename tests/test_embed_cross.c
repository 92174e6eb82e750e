/* Crosses of fields: rows of their tables, screening of planted pairs, costs, bad sizes. */
#include "embed_support.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>

enum { FIELDS = 10, ROWS = 8000, IDS = 12, PLANTED = 3 };

static const int64_t planted[PLANTED][2] = {{0, 3}, {1, 7}, {2, 4}};

/* Three pairs carry an effect drawn for each pair of ids; every field has one of its own. */
static int write_rows(int64_t rows) {
    FILE *file = fopen(rows_path, "w");
    if (!file) {
        return -1;
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t id[FIELDS];
        double z = 0;
        for (int64_t f = 0; f < FIELDS; f++) {
            id[f] = pare_random_below(11, PARE_STREAM_TEST, (uint64_t)(i * FIELDS + f), IDS);
            z += 0.3 * pare_random_normal(5, PARE_STREAM_TEST, (uint64_t)(f * IDS + id[f]));
        }
        for (int64_t p = 0; p < PLANTED; p++) {
            int64_t pair = id[planted[p][0]] * IDS + id[planted[p][1]];
            z += pare_random_normal(6, PARE_STREAM_TEST, (uint64_t)(p * IDS * IDS + pair));
        }
        fprintf(file, "%d",
                pare_random_uniform(12, PARE_STREAM_TEST, (uint64_t)i) < 1 / (1 + exp(-z)));
        for (int64_t f = 0; f < FIELDS; f++) {
            fprintf(file, " %lld:%lld:1", (long long)f, (long long)id[f]);
        }
        fprintf(file, "\n");
    }
    return fclose(file);
}

static int setup(void **state) {
    (void)state;
    FILE *schema = embed_files_make() == 0 ? fopen(other_path, "w") : NULL;
    if (!schema) {
        return -1;
    }
    fputs("{\"groups\": {\"u\": {\"fetch_us\": 2}, \"v\": {\"fetch_us\": 3}},"
          " \"fields\": {\"0\": {\"group\": \"u\"}, \"3\": {\"group\": \"v\"}}}",
          schema);
    return write_rows(ROWS) + fclose(schema);
}

#define USUAL "validation=0.2 embed-format=libffm embed-method=uniform passes=3 crosses=5"

static void start(run *r, const char *name, const char *value) {
    assert_ok(r->ctx, pare_options_set(&r->options, name, value));
    assert_ok(r->ctx, pare_embed_run(r->ctx, rows_path, &r->options, &r->embed));
}

/* The planted pairs come first, whatever the number of threads and whether ids are hashed. */
static void test_planted(void **state) {
    (void)state;
    static const char *const rows[] = {"200", "128"};
    for (int k = 0; k < 2; k++) {
        run one, many;
        run_open(&one, NULL, 1, USUAL);
        run_open(&many, NULL, 8, USUAL);
        start(&one, "cross-rows", rows[k]);
        start(&many, "cross-rows", rows[k]);
        assert_int_equal(one.embed->pairs, FIELDS * (FIELDS - 1) / 2);
        assert_in_range(one.embed->crosses, PLANTED, 5);
        for (int64_t p = 0; p < PLANTED; p++) {
            bool found = false;
            for (int64_t c = 0; c < PLANTED; c++) {
                const pare_embed_cross *cross = &one.embed->cross[c];
                found =
                    found || (cross->part[0] == planted[p][0] && cross->part[1] == planted[p][1]);
            }
            assert_true(found);
        }
        for (int64_t c = 0; c < one.embed->pairs; c++) {
            assert_true(one.embed->cross[c].score == many.embed->cross[c].score);
            /* Noise is not worth a table: what is not planted scores a tenth at most. */
            assert_true(c < PLANTED ||
                        one.embed->cross[c].score < 0.1 * one.embed->cross[PLANTED - 1].score);
        }
        assert_true(one.embed->full.log_loss == many.embed->full.log_loss);
        run_close(&one);
        run_close(&many);
    }
}

/* With the crosses the model is better, and a cross pays for the groups of both its parts. */
static void test_use(void **state) {
    (void)state;
    run with, without;
    run_open(&with, NULL, 1, USUAL);
    run_open(&without, NULL, 1, USUAL);
    assert_ok(with.ctx, pare_options_set(&with.options, "embed-model", "lr"));
    assert_ok(without.ctx, pare_options_set(&without.options, "embed-model", "lr"));
    start(&with, "schema", other_path);
    start(&without, "crosses", "0");
    assert_true(with.embed->full.auc > without.embed->full.auc + 0.05);
    pare_embed *e = with.embed;
    int64_t cost[PARE_RESOURCES], width = e->serving.chunks + 1;
    for (int64_t f = FIELDS; f < e->fields.count; f++) {
        const pare_field *field = &e->fields.field[f];
        memset(e->keep, 0, (size_t)e->candidates);
        e->keep[f * width] = 1;
        pare_serving_cost(&e->serving, e->keep, cost);
        bool both = field->part[0] == 0 && field->part[1] == 3;
        bool first = field->part[0] == 0, second = field->part[0] == 3 || field->part[1] == 3;
        assert_int_equal(cost[PARE_RESOURCE_FETCH], both ? 5000 : first * 2000 + second * 3000);
        assert_int_equal(cost[PARE_RESOURCE_BYTES], 4 * (IDS + 1) * (IDS + 1));
    }
    run_close(&with);
    run_close(&without);
}

/* More rows get the same cells as the rows they equal. */
static void test_encode_like(void **state) {
    (void)state;
    run r;
    pare_fields again = {0};
    run_open(&r, NULL, 1, USUAL);
    start(&r, "cross-rows", "100");
    assert_ok(r.ctx, pare_fields_read(r.ctx, rows_path, PARE_FIELDS_LIBFFM, &r.options, &again));
    assert_ok(r.ctx, pare_fields_encode_like(&again, &r.embed->fields));
    assert_int_equal(again.count, r.embed->fields.count);
    assert_int_equal(again.joint, r.embed->fields.joint);
    assert_memory_equal(again.cell, r.embed->fields.cell,
                        (size_t)(again.rows * again.count) * sizeof *again.cell);
    pare_fields_clear(&again);
    run_close(&r);
}

static void test_rows_of_pairs(void **state) {
    (void)state;
    assert_int_equal(pare_cross_size(3, 4, 12), 12);
    assert_int_equal(pare_cross_size(3, 5, 12), 12);
    assert_int_equal(pare_cross_size(2000000000, 2000000000, 16), 16);
    uint8_t used[12] = {0};
    for (int64_t i = 0; i < 12; i++) {
        used[pare_cross_row(i / 4, i % 4, 3, 4, 12)]++;
    }
    for (int64_t i = 0; i < 12; i++) {
        assert_int_equal(used[i], 1);
    }
    int64_t count[8] = {0};
    for (int64_t i = 0; i < 8000; i++) {
        int64_t row = pare_cross_row(i / 80, i % 80, 100, 80, 8);
        assert_in_range(row, 0, 7);
        count[row]++;
    }
    for (int64_t i = 0; i < 8; i++) {
        assert_in_range(count[i], 850, 1150);
    }
}

static void test_failing_allocation(void **state) {
    (void)state;
    char path[] = "/tmp/pare-cross-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    for (int i = 0; i < 60; i++) {
        fprintf(file, "%d 0:%d:1 1:%d:1 2:1:1\n", (i / 2 + i) % 2, i % 2, i / 2 % 2);
    }
    assert_int_equal(fclose(file), 0);
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        run r = {0};
        assert_int_equal(pare_context_create(&allocator, &r.ctx), PARE_OK);
        assert_ok(r.ctx, pare_options_init(r.ctx, &r.options));
        assert_ok(r.ctx, pare_options_set(&r.options, "passes", "1"));
        assert_ok(r.ctx, pare_options_set(&r.options, "crosses", "2"));
        memory.fail_at = memory.count + at;
        status = pare_embed_run(r.ctx, path, &r.options, &r.embed);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        assert_true(status != PARE_OK || r.embed->crosses == 1);
        run_close(&r);
        assert_int_equal(memory.live, 0);
    }
    unlink(path);
}

/* Of many rows a part looks at all pairs, and eight of them are left for all rows. */
static void test_parts(void **state) {
    (void)state;
    enum { MANY = 170000, LEFT = 8 };
    assert_int_equal(write_rows(MANY), 0);
    run one, many;
    run_open(&one, NULL, 1, USUAL " rate=0.2");
    run_open(&many, NULL, 8, USUAL " rate=0.2");
    start(&one, "crosses", "2");
    start(&many, "crosses", "2");
    for (int64_t c = 0; c < one.embed->pairs; c++) {
        const pare_embed_cross *cross = &one.embed->cross[c];
        assert_true(cross->score == many.embed->cross[c].score);
        assert_true(c < LEFT || cross->score == 0);
        bool is = false;
        for (int64_t p = 0; p < PLANTED; p++) {
            is = is || (cross->part[0] == planted[p][0] && cross->part[1] == planted[p][1]);
        }
        assert_true(is == (c < PLANTED));
    }
    run_close(&one);
    run_close(&many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_use),
        cmocka_unit_test(test_encode_like),
        cmocka_unit_test(test_rows_of_pairs),
        cmocka_unit_test(test_failing_allocation),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, setup, embed_files_remove);
}
