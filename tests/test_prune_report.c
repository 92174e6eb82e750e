/* The record of prunings behind the report: what it holds and refuses, and memory that cannot be
 * had at any place. */
#include "language_support.h"

#include "report/prune_report.h"

static char folder[64] = "/tmp/pare-report-XXXXXX";

static int setup(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm;
    if (!mkdtemp(folder) || chdir(folder) != 0 || pare_context_create(NULL, &ctx) != PARE_OK) {
        return -1;
    }
    tiny_make(ctx, "llama", false, &lm);
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "m.gguf"));
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
    tiny_write_tokenizer("t.bin");
    tiny_write_text("text", 1500);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink("m.gguf");
    unlink("t.bin");
    unlink("text");
    return rmdir(folder);
}

static void set_options(pare_context *ctx, pare_options *o) {
    static const char *const set[][2] = {
        {"tokenizer", "t.bin"},     {"text", "text"},     {"context", "32"},
        {"windows", "2"},           {"calibration", "2"}, {"generate", "3"},
        {"budget", "params=0.7"},   {"prompt", "abc"},    {"criterion", "magnitude"},
        {"structure", "heads,ffn"}, {"threads", "1"}};
    assert_ok(ctx, pare_options_init(ctx, o));
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        assert_ok(ctx, pare_options_set(o, set[i][0], set[i][1]));
    }
}

static void test_record(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_options o;
    pare_model *dense = NULL, *pruned = NULL;
    pare_prune_record *record = NULL;
    const double seconds[2] = {2e-3, 1e-3};
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    set_options(ctx, &o);
    assert_ok(ctx, pare_language_open(ctx, "m.gguf", &o, &dense));
    assert_ok(ctx, pare_language_prune(dense, &o, NULL, NULL, &pruned));
    assert_ok(ctx, pare_prune_record_create(dense, &o, NULL, NULL, NULL, &record));
    assert_int_equal(pare_prune_record_add(record, dense, &o, NULL, NULL, NULL),
                     PARE_ERROR_ARGUMENT);
    for (int i = 1; i < PARE_PRUNE_POINTS_MAX; i++) {
        assert_ok(ctx, pare_prune_record_add(record, pruned, &o, seconds, NULL, NULL));
    }
    assert_int_equal(pare_prune_record_add(record, pruned, &o, NULL, NULL, NULL),
                     PARE_ERROR_ARGUMENT);
    const pare_prune_point *a = &record->point[0], *b = &record->point[1];
    const pare_lm_shape *from = &dense->lm.shape, *to = &pruned->lm.shape;
    for (int64_t i = 0; i < from->layers; i++) {
        assert_int_equal(a->kept[2 * i], from->layer[i].heads);
        assert_int_equal(a->kept[2 * i + 1], from->layer[i].ffn);
        assert_int_equal(b->kept[2 * i], to->layer[i].heads);
        assert_int_equal(b->kept[2 * i + 1], to->layer[i].ffn);
    }
    assert_true(b->asked == 0.7 && b->predicted <= 0.7);
    assert_true(b->layer_parameters <= 0.7 * (double)a->layer_parameters);
    assert_true(a->parameters - b->parameters == a->layer_parameters - b->layer_parameters);
    assert_true(b->bytes < a->bytes && b->multiply_adds < a->multiply_adds);
    assert_true(a->score.windows == 2 && b->score.perplexity > 1);
    assert_non_null(a->sample);
    pare_prune_record_free(record);
    pare_language_close(pruned);
    pare_language_close(dense);
    pare_options_clear(&o);
    pare_context_destroy(ctx);
}

static void test_failing_allocation(void **state) {
    (void)state;
    bool done = false;
    for (int64_t at = 0; !done; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_options o;
        pare_model *dense = NULL, *pruned = NULL;
        pare_prune_record *record = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        set_options(ctx, &o);
        assert_ok(ctx, pare_language_open(ctx, "m.gguf", &o, &dense));
        assert_ok(ctx, pare_language_prune(dense, &o, NULL, NULL, &pruned));
        pare_text page = {.ctx = ctx};
        memory.fail_at = memory.count + at;
        pare_status status = pare_prune_record_create(dense, &o, NULL, NULL, NULL, &record);
        if (status == PARE_OK) {
            status = pare_prune_record_add(record, pruned, &o, NULL, NULL, NULL);
        }
        if (status == PARE_OK) {
            pare_prune_report_html(record, &page);
            status = page.status;
        }
        done = memory.count <= memory.fail_at;
        assert_int_equal(status, done ? PARE_OK : PARE_ERROR_MEMORY);
        pare_text_clear(&page);
        pare_prune_record_free(record);
        pare_language_close(pruned);
        pare_language_close(dense);
        pare_options_clear(&o);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
