/* Plans of models with networks that go on: what the network knows is kept, fields come and go,
 * states are whole or refused. */
#include "embed_support.h"

#include "base/xxh64.h"
#include "problem/embed_state.h"

static int setup(void **state) {
    (void)state;
    return embed_files_make();
}

#define USUAL "embed-format=csv rate=0.1 passes=1 dimension=4"

static const char *const models[] = {"deepfm", "dnn", "dcnv2"};
enum { MODELS = 3 };

/* The first file: field a causes, room for two look-ups. */
static void begin(const char *model) {
    run r;
    run_open(&r, NULL, 0, USUAL " budget=lines=2 target=y embed-method=mutual-information");
    write_day(1, (day){.rows = 1000});
    assert_ok(r.ctx, pare_options_set(&r.options, "embed-model", model));
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(kept_field(&r, "a"));
    assert_ok(r.ctx, pare_embed_state_begin(r.embed, other_path));
    run_close(&r);
}

/* Goes on with a day; the caller closes. */
static void next(run *r, uint64_t seed, day d) {
    run_open(r, NULL, 0, "embed-format=csv passes=1");
    write_day(seed, d);
    assert_ok(r->ctx, pare_options_set(&r->options, "continue", other_path));
    assert_ok(r->ctx, pare_embed_continue(r->ctx, rows_path, &r->options, &r->embed));
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&r->embed->serving, r->embed->keep, cost);
    assert_true(cost[PARE_RESOURCE_LINES] <= 2);
}

/* It stays as good as it was, and does not change without a reason. */
static void test_goes_on(void **state) {
    (void)state;
    for (int m = 0; m < MODELS; m++) {
        begin(models[m]);
        for (uint64_t window = 2; window <= 4; window++) {
            run r;
            next(&r, window, (day){.rows = 1000});
            const pare_embed_window *w = r.embed->window;
            assert_true(w->added < 0 && !w->alarm && kept_field(&r, "a"));
            assert_true(r.embed->chosen.log_loss < 0.53 && r.embed->chosen.auc > 0.75);
            run_close(&r);
        }
    }
}

/* A field dies and another appears, with new ids and an absent field beside it: it comes in and is
 * learned, and the network remembers what it knew of the one that stays. */
static void test_fields_change(void **state) {
    (void)state;
    for (int m = 0; m < MODELS; m += 2) {
        double loss = 0;
        bool there = false;
        begin(models[m]);
        for (uint64_t window = 2; window <= 4; window++) {
            run r;
            next(&r, window,
                 (day){.rows = 2000, .without_a = window == 2, .with_new = true, .shift = 5});
            there = kept_field(&r, "new");
            loss = r.embed->chosen.log_loss;
            run_close(&r);
        }
        assert_true(there && loss < 0.56);
    }
}

/* What is loaded and saved again is the same file; so are two runs, whatever the threads. */
static void test_same(void **state) {
    (void)state;
    enum { MOST = 1 << 23 };
    unsigned char *first = malloc(MOST), *second = malloc(MOST);
    char other[] = "/tmp/pare-networks-XXXXXX";
    close(mkstemp(other));
    for (int m = 0; m < MODELS; m += 2) {
        pare_context *ctx = NULL;
        pare_embed_state loaded;
        begin(models[m]);
        int64_t length = file_size(other_path, first, MOST);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_embed_state_load(ctx, other_path, &loaded));
        assert_true(loaded.machine->steps > 0);
        assert_int_equal(loaded.machine->steps, loaded.machine->optimizer.steps);
        assert_ok(ctx, pare_embed_state_save(&loaded, other));
        pare_embed_state_clear(&loaded);
        pare_context_destroy(ctx);
        assert_true(length > 0 && length < MOST);
        assert_int_equal(file_size(other, second, MOST), length);
        assert_memory_equal(first, second, (size_t)length);
        write_day(3, (day){.rows = 500, .with_new = true});
        for (int k = 0; k < 2; k++) {
            run r;
            run_open(&r, NULL, 0, "embed-format=csv passes=1");
            assert_ok(r.ctx, pare_context_set_threads(r.ctx, k ? 8 : 1));
            assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
            assert_ok(r.ctx, pare_options_set(&r.options, "state", other));
            assert_ok(r.ctx, pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed));
            run_close(&r);
            length = file_size(other, k ? second : first, MOST);
        }
        assert_memory_equal(first, second, (size_t)length);
    }
    unlink(other);
    free(first);
    free(second);
}

static void write_file(const unsigned char *bytes, int64_t length) {
    FILE *file = fopen(other_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Cut short, changed, or with a right checksum over what does not fit: refused, and left alone. */
static void test_bad_states(void **state) {
    (void)state;
    enum { MOST = 1 << 23, HEAD = 32, VERSION_AT = 8, LENGTH_AT = 16, HASH_AT = 24 };
    unsigned char *bytes = malloc(MOST), *after = malloc(MOST);
    begin("dcnv2");
    write_day(3, (day){.rows = 50});
    int64_t whole = file_size(other_path, bytes, MOST), version = 0;
    memcpy(&version, bytes + VERSION_AT, sizeof version);
    for (int k = 0; k < 8; k++) {
        int64_t length = k % 2 ? whole - (k < 4 ? 4 : whole / 2) : whole, rest = length - HEAD;
        bytes[length - 100] ^= k % 2 ? 0 : 0x10; /* within the network */
        if (k >= 4) {
            uint64_t hash = pare_xxh64(bytes + HEAD, rest, (uint64_t)version);
            memcpy(bytes + LENGTH_AT, &rest, sizeof rest);
            memcpy(bytes + HASH_AT, &hash, sizeof hash);
        }
        write_file(bytes, length);
        run r;
        run_open(&r, NULL, 0, "embed-format=csv");
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        pare_status status = pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed);
        if (k < 4 || k % 2) {
            assert_int_equal(status, PARE_ERROR_INPUT);
            assert_non_null(strstr(pare_context_error(r.ctx), k < 4 ? "checksum" : "fit together"));
            assert_int_equal(file_size(other_path, after, MOST), length);
            assert_memory_equal(bytes, after, (size_t)length);
        }
        run_close(&r);
        bytes[length - 100] ^= k % 2 ? 0 : 0x10;
    }
    free(bytes);
    free(after);
}

static void test_failing_allocation(void **state) {
    (void)state;
    char other[] = "/tmp/pare-networks-XXXXXX";
    close(mkstemp(other));
    begin("dcnv2");
    write_day(3, (day){.rows = 20, .with_new = true});
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        run r;
        run_open(&r, &allocator, 0, "embed-format=csv passes=1");
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_options_set(&r.options, "state", other));
        memory.fail_at = memory.count + at;
        status = pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        assert_true((status == PARE_OK) == (r.embed != NULL));
        run_close(&r);
        assert_int_equal(memory.live, 0);
    }
    unlink(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_fields_change),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_bad_states),
        cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, embed_files_remove);
}
