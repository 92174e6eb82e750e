/* The network objective on a wrapped table, and sequential attention on it. */
#include "support.h"

#include <math.h>

#include "api/config.h"
#include "base/random.h"
#include "problem/defaults.h"
#include "select/method.h"

enum { ROWS = 600, COLUMNS = 14 };

/* Class = XOR of the signs of columns 4 and 9, of which 5 % are wrong; column 2 has gaps. */
static float x[ROWS][COLUMNS];
static double y[ROWS];

static void fill(void) {
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            uint64_t at = (uint64_t)(i * COLUMNS + j);
            x[i][j] = (float)pare_random_below(21, PARE_STREAM_TEST, at, 2);
        }
        x[i][2] = i % 7 == 0 ? NAN : x[i][2];
        bool wrong = pare_random_uniform(22, PARE_STREAM_TEST, (uint64_t)i) < 0.05;
        y[i] = ((x[i][4] > 0) != (x[i][9] > 0)) != wrong;
    }
}

/* One selection in progress. */
typedef struct run {
    pare_context *ctx;
    pare_config *config;
    pare_dataset *data;
    pare_objective objective;
    uint8_t forced[COLUMNS], barred[COLUMNS];
    pare_task task;
    pare_choice choice;
    int64_t item[COLUMNS];
    double score[COLUMNS], epoch[PARE_TRACE_MAX], loss[PARE_TRACE_MAX];
    void *state;
} run;

static run *open_run(int64_t threads) {
    run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    fill();
    assert_int_equal(pare_context_create(NULL, &r->ctx), PARE_OK);
    assert_ok(r->ctx, pare_context_set_threads(r->ctx, threads));
    assert_ok(r->ctx, pare_config_create(r->ctx, &r->config));
    assert_ok(r->ctx, pare_dataset_wrap(r->ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL,
                                        r->config, &r->data));
    pare_network_options settings =
        pare_select_settings(r->data, &r->config->options, &r->task.epochs);
    assert_ok(r->ctx, pare_network_create(r->data, NULL, NULL, &r->config->options, &settings, 0,
                                          NULL, &r->objective));
    assert_int_equal(r->objective.count, COLUMNS);
    r->choice = (pare_choice){
        .item = r->item, .score = r->score, .trace_epoch = r->epoch, .trace_loss = r->loss};
    r->task.ctx = r->ctx;
    r->task.objective = &r->objective;
    r->task.k = 2;
    r->task.forced = r->forced;
    r->task.barred = r->barred;
    r->task.picks_per_phase = 1;
    r->task.warm_up = -1;
    r->task.surplus = r->config->options.surplus;
    r->task.seed = 1;
    return r;
}

static void close_run(run *r) {
    if (r->state) {
        pare_method_sequential_attention.destroy(r->state);
    }
    pare_objective_destroy(&r->objective);
    pare_dataset_close(r->data);
    pare_config_destroy(r->config);
    pare_context_destroy(r->ctx);
    free(r);
}

static void start(run *r) {
    assert_ok(r->ctx, pare_method_sequential_attention.create(&r->task, &r->choice, &r->state));
}

static void finish(run *r) {
    for (bool done = false; !done;) {
        assert_ok(r->ctx, pare_method_sequential_attention.step(r->state, &done));
    }
}

static void train(run *r, int64_t steps) {
    float mask[COLUMNS];
    for (int64_t j = 0; j < COLUMNS; j++) {
        mask[j] = 1;
    }
    void *self = r->objective.self;
    assert_ok(r->ctx, r->objective.slots->reset(self, 3, steps));
    for (; steps > 0; steps--) {
        double loss = 0;
        assert_ok(r->ctx, r->objective.slots->step(self, mask, &loss, NULL));
    }
}

/* Against one evaluation for each candidate left out. */
static void losses_are_those_of_smaller_masks(void **unused) {
    (void)unused;
    run *r = open_run(1);
    void *self = r->objective.self;
    train(r, 100);
    static const int64_t selected[] = {9, 2, 4, 0};
    enum { SELECTED = 4 };
    double loss[SELECTED];
    assert_ok(r->ctx, r->objective.slots->losses(self, SELECTED, selected, loss));
    float mask[COLUMNS] = {0};
    for (int64_t i = 0; i < SELECTED; i++) {
        mask[selected[i]] = 1;
    }
    pare_metrics whole = {0}, without = {0};
    assert_ok(r->ctx, r->objective.slots->evaluate(self, mask, PARE_ROWS_TRAIN, &whole));
    assert_true(whole.rows > 0);
    for (int64_t i = 0; i < SELECTED; i++) {
        mask[selected[i]] = 0;
        assert_ok(r->ctx, r->objective.slots->evaluate(self, mask, PARE_ROWS_TRAIN, &without));
        mask[selected[i]] = 1;
        assert_true(fabs(loss[i] - (without.loss - whole.loss)) < 1e-4);
    }
    close_run(r);
}

/* A step that may leave out what the mask removes is the step that does not. */
static void unwanted_features_may_be_left_out(void **unused) {
    (void)unused;
    run *few = open_run(1), *all = open_run(1);
    float mask[COLUMNS] = {0}, d_mask[COLUMNS];
    mask[2] = mask[4] = mask[9] = 1;
    train(few, 20);
    train(all, 20);
    for (int i = 0; i < 20; i++) {
        double a = 0, b = 0;
        assert_ok(few->ctx, few->objective.slots->step(few->objective.self, mask, &a, NULL));
        assert_ok(all->ctx, all->objective.slots->step(all->objective.self, mask, &b, d_mask));
        assert_true(fabs(a - b) < 1e-4);
    }
    close_run(few);
    close_run(all);
}

/* Neither column says anything alone: the default must wait until the network has learned. */
static void finds_an_interaction(void **unused) {
    (void)unused;
    int found = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run *r = open_run(1);
        r->task.seed = seed;
        start(r);
        finish(r);
        assert_int_equal(r->choice.count, 2);
        int64_t low = r->item[0] < r->item[1] ? r->item[0] : r->item[1];
        found += low == 4 && r->item[0] + r->item[1] == 13;
        close_run(r);
    }
    assert_true(found >= 4);
}

static void same_answer_for_any_number_of_threads(void **unused) {
    (void)unused;
    run *one = open_run(1), *eight = open_run(8);
    one->task.k = eight->task.k = 5;
    start(one);
    start(eight);
    finish(one);
    finish(eight);
    assert_memory_equal(one->item, eight->item, 5 * sizeof(int64_t));
    assert_memory_equal(one->score, eight->score, 5 * sizeof(double));
    close_run(one);
    close_run(eight);
}

typedef struct tape {
    unsigned char *bytes;
    int64_t at;
    bool reading;
} tape;

enum { TAPE_BYTES = 1 << 22 };

static pare_status tape_bytes(void *user, void *data, int64_t length) {
    tape *t = user;
    assert_true(t->at + length <= TAPE_BYTES);
    if (t->reading) {
        memcpy(data, t->bytes + t->at, (size_t)length);
    } else {
        memcpy(t->bytes + t->at, data, (size_t)length);
    }
    t->at += length;
    return PARE_OK;
}

/* Stopped after each of several numbers of calls, in every stage. */
static void continues_from_a_saved_state(void **unused) {
    (void)unused;
    run *whole = open_run(1);
    whole->task.k = 3;
    start(whole);
    finish(whole);
    tape t = {.bytes = malloc(TAPE_BYTES)};
    assert_non_null(t.bytes);
    const pare_visitor visitor = {tape_bytes, &t};
    for (int64_t calls = 1, done_calls = 0; done_calls == 0; calls *= 3) {
        run *first = open_run(1), *second = open_run(1);
        first->task.k = second->task.k = 3;
        start(first);
        bool done = false;
        for (int64_t i = 0; i < calls && !done; i++) {
            assert_ok(first->ctx, pare_method_sequential_attention.step(first->state, &done));
        }
        done_calls = done;
        t.at = 0;
        t.reading = false;
        assert_ok(first->ctx, pare_method_sequential_attention.visit(first->state, &visitor));
        assert_ok(first->ctx, first->objective.slots->visit(first->objective.self, &visitor));
        start(second);
        t.at = 0;
        t.reading = true;
        assert_ok(second->ctx, pare_method_sequential_attention.visit(second->state, &visitor));
        assert_ok(second->ctx, second->objective.slots->visit(second->objective.self, &visitor));
        if (!done) {
            finish(second);
            assert_memory_equal(second->item, whole->item, 3 * sizeof(int64_t));
            assert_memory_equal(second->score, whole->score, 3 * sizeof(double));
        }
        close_run(first);
        close_run(second);
    }
    free(t.bytes);
    close_run(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_those_of_smaller_masks),
        cmocka_unit_test(unwanted_features_may_be_left_out),
        cmocka_unit_test(finds_an_interaction),
        cmocka_unit_test(same_answer_for_any_number_of_threads),
        cmocka_unit_test(continues_from_a_saved_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
