/* Sequential attention against a small objective written here: full-batch least squares. */
#include "support.h"

#include <math.h>

#include "base/random.h"
#include "select/method.h"

enum { ROWS = 120, COLUMNS = 24 };

/* loss(m, b) = |X (m * b) - y|^2 / (2 n), one gradient step on b a call. */
typedef struct linear {
    double x[ROWS][COLUMNS], y[ROWS], b[COLUMNS];
    double null_score, lead; /* what evaluate pretends */
    int64_t steps, looks;
} linear;

static pare_status linear_reset(void *self, uint64_t seed, int64_t steps) {
    linear *o = self;
    (void)steps;
    o->steps = o->looks = 0;
    for (int64_t j = 0; j < COLUMNS; j++) {
        o->b[j] = 0.01 * pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)j);
    }
    return PARE_OK;
}

static pare_status linear_step(void *self, const float *mask, double *loss, float *d_mask) {
    linear *o = self;
    double gradient[COLUMNS] = {0};
    *loss = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        double residual = -o->y[i];
        for (int64_t j = 0; j < COLUMNS; j++) {
            residual += o->x[i][j] * (double)mask[j] * o->b[j];
        }
        *loss += residual * residual / (2 * ROWS);
        for (int64_t j = 0; j < COLUMNS; j++) {
            gradient[j] += residual * o->x[i][j] / ROWS;
        }
    }
    for (int64_t j = 0; j < COLUMNS; j++) {
        if (d_mask) {
            d_mask[j] = (float)(gradient[j] * o->b[j]);
        }
        o->b[j] -= 0.2 * gradient[j] * (double)mask[j];
    }
    o->steps++;
    return PARE_OK;
}

static pare_status linear_evaluate(void *self, const float *mask, pare_rows rows,
                                   pare_metrics *out) {
    linear *o = self;
    (void)mask;
    (void)rows;
    o->looks++;
    *out = (pare_metrics){.score = o->null_score + o->lead,
                          .null_score = o->null_score,
                          .score_error = 0.01,
                          .rows = 100};
    return PARE_OK;
}

static pare_status linear_visit(void *self, const pare_visitor *visitor) {
    linear *o = self;
    return visitor->bytes(visitor->user, o->b, sizeof o->b);
}

static const pare_objective_slots linear_slots = {
    .reset = linear_reset, .step = linear_step, .evaluate = linear_evaluate, .visit = linear_visit};

/* Columns 3, 7, 11 carry the response with falling strength. */
static void fill(linear *o) {
    *o = (linear){.null_score = 0.5, .lead = 0.4};
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            o->x[i][j] =
                pare_random_normal(5, PARE_STREAM_TEST, (uint64_t)(1000 + i * COLUMNS + j));
        }
        o->y[i] = 3 * o->x[i][3] + 2 * o->x[i][7] + o->x[i][11] +
                  0.1 * pare_random_normal(6, PARE_STREAM_TEST, (uint64_t)i);
    }
}

typedef struct fixture {
    pare_context *ctx;
    linear data;
    pare_objective objective;
    uint8_t forced[COLUMNS], barred[COLUMNS];
    pare_task task;
    pare_choice choice;
    int64_t item[COLUMNS];
    double score[COLUMNS], epoch[PARE_TRACE_MAX], loss[PARE_TRACE_MAX];
    const pare_method *method;
    void *state;
} fixture;

static fixture *open_fixture(int64_t k) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(pare_context_create(NULL, &f->ctx), PARE_OK);
    fill(&f->data);
    f->objective = (pare_objective){
        .slots = &linear_slots, .self = &f->data, .count = COLUMNS, .steps_per_epoch = 10};
    f->choice = (pare_choice){
        .item = f->item, .score = f->score, .trace_epoch = f->epoch, .trace_loss = f->loss};
    f->task = (pare_task){.ctx = f->ctx,
                          .objective = &f->objective,
                          .k = k,
                          .forced = f->forced,
                          .barred = f->barred,
                          .picks_per_phase = 1,
                          .epochs = 60,
                          .warm_up = 0.1,
                          .mask_rate = 0.05,
                          .surplus = 1,
                          .seed = 1};
    f->method = &pare_method_sequential_attention;
    return f;
}

static void start(fixture *f) {
    assert_ok(f->ctx, f->method->create(&f->task, &f->choice, &f->state));
}

static void finish(fixture *f) {
    bool done = false;
    for (int64_t i = 0; !done; i++) {
        assert_true(i < 100000);
        assert_ok(f->ctx, f->method->step(f->state, &done));
    }
}

static void close_fixture(fixture *f) {
    f->method->destroy(f->state);
    pare_context_destroy(f->ctx);
    free(f);
}

/* Exactly k picks, all different, none barred, forced ones there. */
static void check_choice(const fixture *f) {
    assert_int_equal(f->choice.count, f->task.k);
    uint8_t seen[COLUMNS] = {0};
    for (int64_t i = 0; i < f->choice.count; i++) {
        int64_t j = f->choice.item[i];
        assert_in_range(j, 0, COLUMNS - 1);
        assert_false(seen[j]);
        assert_false(f->barred[j]);
        assert_true(isfinite(f->choice.score[i]));
        seen[j] = 1;
    }
    for (int64_t j = 0; j < COLUMNS; j++) {
        assert_true(!f->forced[j] || seen[j]);
    }
}

static void finds_the_strongest_first(void **unused) {
    (void)unused;
    fixture *f = open_fixture(3);
    start(f);
    finish(f);
    check_choice(f);
    assert_int_equal(f->choice.item[0], 3);
    assert_int_equal(f->choice.item[1], 7);
    assert_int_equal(f->choice.item[2], 11);
    assert_true(f->choice.trace_count > 10);
    close_fixture(f);
}

/* The published code picks its first candidate at random: logits had seen no gradient. */
static void first_pick_is_made_at_the_end_of_its_phase(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        fixture *f = open_fixture(1);
        f->task.seed = seed;
        start(f);
        finish(f);
        assert_int_equal(f->choice.item[0], 3);
        close_fixture(f);
    }
}

static void gives_exactly_k_for_any_picks_per_phase(void **unused) {
    (void)unused;
    for (int64_t k = 1; k <= COLUMNS; k += 4) {
        for (int64_t picks = 1; picks <= k + 3; picks += 2) {
            for (int surplus = 0; surplus < 2; surplus++) {
                fixture *f = open_fixture(k);
                f->task.picks_per_phase = picks;
                f->task.surplus = surplus ? 1.5 : 1;
                f->task.epochs = 5;
                start(f);
                finish(f);
                check_choice(f);
                close_fixture(f);
            }
        }
    }
}

static void respects_forced_and_barred(void **unused) {
    (void)unused;
    for (int replace = 0; replace < 2; replace++) {
        for (int surplus = 0; surplus < 2; surplus++) {
            fixture *f = open_fixture(5);
            f->forced[20] = f->forced[2] = 1;
            f->barred[3] = f->barred[0] = 1;
            f->task.replace = replace;
            f->task.surplus = surplus ? 2 : 1;
            start(f);
            finish(f);
            check_choice(f);
            assert_int_equal(f->choice.item[0], 2);
            close_fixture(f);
        }
    }
}

static void lly_chooses_in_one_phase(void **unused) {
    (void)unused;
    fixture *f = open_fixture(2);
    f->method = &pare_method_lly;
    start(f);
    finish(f);
    check_choice(f);
    assert_int_equal(f->choice.item[0], 3);
    close_fixture(f);
}

static void warm_up_goes_on_while_nothing_is_learned(void **unused) {
    (void)unused;
    fixture *f = open_fixture(2);
    f->task.warm_up = -1;
    start(f);
    finish(f);
    int64_t learned = f->data.steps;
    close_fixture(f);

    f = open_fixture(2);
    f->task.warm_up = -1;
    f->data.lead = 0; /* no better than the constant answer, for ever */
    start(f);
    finish(f);
    assert_true(f->data.steps > 2 * learned);
    check_choice(f);
    close_fixture(f);
}

typedef struct tape {
    unsigned char bytes[1 << 16];
    int64_t at;
    bool reading;
} tape;

static pare_status tape_bytes(void *user, void *data, int64_t length) {
    tape *t = user;
    assert_true(t->at + length <= (int64_t)sizeof t->bytes);
    if (t->reading) {
        memcpy(data, t->bytes + t->at, (size_t)length);
    } else {
        memcpy(t->bytes + t->at, data, (size_t)length);
    }
    t->at += length;
    return PARE_OK;
}

static void continues_from_a_saved_state(void **unused) {
    (void)unused;
    fixture *whole = open_fixture(5);
    whole->task.surplus = 1.5;
    start(whole);
    finish(whole);

    fixture *first = open_fixture(5);
    first->task.surplus = 1.5;
    start(first);
    bool done = false;
    for (int i = 0; i < 20; i++) {
        assert_ok(first->ctx, first->method->step(first->state, &done));
    }
    assert_false(done);
    tape *t = calloc(1, sizeof *t);
    const pare_visitor visitor = {tape_bytes, t};
    assert_ok(first->ctx, first->method->visit(first->state, &visitor));
    assert_ok(first->ctx, linear_visit(&first->data, &visitor));

    fixture *second = open_fixture(5);
    second->task.surplus = 1.5;
    start(second);
    t->at = 0;
    t->reading = true;
    assert_ok(second->ctx, second->method->visit(second->state, &visitor));
    assert_ok(second->ctx, linear_visit(&second->data, &visitor));
    finish(second);
    assert_memory_equal(second->item, whole->item, 5 * sizeof(int64_t));
    assert_memory_equal(second->score, whole->score, 5 * sizeof(double));
    free(t);
    close_fixture(whole);
    close_fixture(first);
    close_fixture(second);
}

static void survives_every_failing_allocation(void **unused) {
    (void)unused;
    for (int64_t at = 0;; at++) {
        fixture *f = open_fixture(4);
        test_allocator counter = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&counter);
        pare_context *ctx = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        int64_t before = counter.live;
        f->task.ctx = ctx;
        counter.fail_at = counter.count + at;
        pare_status status = f->method->create(&f->task, &f->choice, &f->state);
        counter.fail_at = -1;
        f->method->destroy(f->state);
        f->state = NULL;
        assert_int_equal(counter.live, before);
        pare_context_destroy(ctx);
        close_fixture(f);
        if (status == PARE_OK) {
            assert_true(at > 3);
            return;
        }
        assert_int_equal(status, PARE_ERROR_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_strongest_first),
        cmocka_unit_test(first_pick_is_made_at_the_end_of_its_phase),
        cmocka_unit_test(gives_exactly_k_for_any_picks_per_phase),
        cmocka_unit_test(respects_forced_and_barred),
        cmocka_unit_test(lly_chooses_in_one_phase),
        cmocka_unit_test(warm_up_goes_on_while_nothing_is_learned),
        cmocka_unit_test(continues_from_a_saved_state),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
