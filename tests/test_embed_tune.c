/* Step size and passes of a plan, models that settle, and rows in the order of time. */
#include "embed_support.h"

enum { ROWS = 4000, USERS = 80, STAY = ROWS / USERS };

/* Rows in the order of time: user i stays for STAY rows and never comes back; its effect is large,
 * those of a and b last; d, of many ids, and the number x are noise. */
static int setup(void **state) {
    (void)state;
    FILE *file = embed_files_make() == 0 ? fopen(rows_path, "w") : NULL;
    if (!file) {
        return -1;
    }
    fprintf(file, "user,a,b,d,x,y\n");
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id[3];
        for (int64_t f = 0; f < 3; f++) {
            id[f] = pare_random_below(21, PARE_STREAM_TEST, (uint64_t)(4 * i + f), 12);
        }
        double z = (id[0] % 2 ? 1 : -1) + (id[1] % 3 ? 0.5 : -1) +
                   1.5 * pare_random_normal(22, PARE_STREAM_TEST, (uint64_t)(i / STAY));
        double u = pare_random_uniform(21, PARE_STREAM_TEST, (uint64_t)(4 * i + 3));
        fprintf(file, "u%lld,k%lld,k%lld,k%lld,%.3f,%d\n", (long long)(i / STAY), (long long)id[0],
                (long long)id[1], (long long)id[2],
                pare_random_normal(23, PARE_STREAM_TEST, (uint64_t)i), u < 1 / (1 + exp(-z)));
    }
    return fclose(file);
}

#define USUAL "embed-format=csv target=y validation=0.2"

/* Drawn at random, rows say that users matter; the last rows say that those of now do not. */
static void test_by_time(void **state) {
    (void)state;
    for (int by_time = 0; by_time < 2; by_time++) {
        run r;
        run_open(&r, NULL, 1, by_time ? USUAL " by-time=true" : USUAL);
        assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
        const pare_embed *e = r.embed;
        int64_t late = 0;
        for (int64_t i = ROWS - ROWS / 5; i < ROWS; i++) {
            late += e->fields.held_out[i];
        }
        assert_true(by_time ? e->held == ROWS / 5 && late == e->held : late < e->held / 2);
        assert_true(kept_field(&r, "a") && kept_field(&r, "b"));
        assert_int_equal(kept_field(&r, "user"), !by_time);
        run_close(&r);
    }
}

/* A field of one weight comes in where there is room, by that weight; noise of many ids never. */
static void test_small(void **state) {
    (void)state;
    for (int room = 0; room < 2; room++) {
        run r;
        run_open(&r, NULL, 1, room ? USUAL : USUAL " budget=lines=3");
        assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
        int64_t x = pare_fields_find(&r.embed->fields, "x", 1);
        const uint8_t *kept = r.embed->keep + x * (r.embed->serving.chunks + 1);
        assert_true(kept[0] == room && kept[1] == 0);
        assert_false(kept_field(&r, "d"));
        run_close(&r);
    }
}

/* What an option sets stays; what it leaves open is of the plan, and the same for any threads. */
static void test_tuned(void **state) {
    (void)state;
    run r, again;
    run_open(&r, NULL, 1, USUAL " passes=3 rate=0.15 budget=bytes=200");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(r.embed->passes == 3 && r.embed->spec.rate == 0.15f);
    run_close(&r);
    run_open(&r, NULL, 1, USUAL " budget=bytes=200");
    run_open(&again, NULL, 8, USUAL " budget=bytes=200");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_ok(again.ctx, pare_embed_run(again.ctx, rows_path, &again.options, &again.embed));
    assert_true(r.embed->passes >= 1 && r.embed->passes <= 16);
    double halvings = log2(0.4 / (double)r.embed->spec.rate);
    assert_true(halvings >= 0 && fabs(halvings - round(halvings)) < 1e-6);
    assert_int_equal(r.embed->passes, again.embed->passes);
    assert_true(r.embed->spec.rate == again.embed->spec.rate);
    assert_true(r.embed->chosen.log_loss == again.embed->chosen.log_loss);
    run_close(&again);
    run_close(&r);
}

/* Steps that fall to nothing leave less of the last rows' noise, and the step size as it was. */
static void test_settle(void **state) {
    (void)state;
    run r;
    run_open(&r, NULL, 1, USUAL " passes=1 rate=0.4 embed-method=uniform");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    pare_embed *e = r.embed;
    double loss[2], auc = 0;
    for (int settle = 0; settle < 2; settle++) {
        pare_field_model *model = NULL;
        assert_ok(r.ctx, pare_embed_create(e, NULL, e->train, &model));
        pare_embed_order(e);
        (void)pare_field_model_fit_until(model, &e->fields, e->train, e->train_row, 4, settle, NULL,
                                         NULL);
        assert_true(model->spec.rate == 0.4f);
        assert_ok(r.ctx, pare_field_model_score(model, &e->fields, e->held, e->held_row,
                                                &loss[settle], &auc));
        pare_field_model_destroy(model);
    }
    assert_true(loss[1] < loss[0]);
    run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_tuned),
        cmocka_unit_test(test_settle),
    };
    return cmocka_run_group_tests(tests, setup, embed_files_remove);
}
