/* Networks of field models: what belongs to some fields goes over to another model, and training
 * goes on from it as if nothing had happened. */
#include "support.h"

#include "base/random.h"
#include "model/field_model.h"

#include <math.h>

enum { ROWS = 256, LEVELS = 6, MOST = 4, DIMENSION = 6, BATCH = 64 };

/* Rows of `count` fields of as many ids each, number `without` (-1: none) absent everywhere; what
 * the others hold does not depend on it. */
static void make_fields(pare_context *ctx, int64_t count, int64_t without, pare_fields *out) {
    *out = (pare_fields){.ctx = ctx, .rows = ROWS, .count = count, .joint = count * LEVELS};
    assert_ok(ctx, pare_alloc_zero(ctx, count, sizeof *out->field, &out->field));
    assert_ok(ctx, pare_alloc(ctx, ROWS * count, sizeof *out->cell, &out->cell));
    assert_ok(ctx, pare_alloc(ctx, ROWS, sizeof *out->label, &out->label));
    assert_ok(ctx, pare_alloc_zero(ctx, ROWS, 1, &out->held_out));
    for (int64_t f = 0; f < count; f++) {
        out->field[f].first = f * LEVELS;
        out->field[f].size = LEVELS;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t drawn = 0, sum = 0;
        for (int64_t f = 0; f < count; f++) {
            int64_t id =
                pare_random_below(4, PARE_STREAM_TEST, (uint64_t)(MOST * i + drawn), LEVELS);
            drawn += f != without;
            sum += f != without ? id : 0;
            out->cell[i * count + f] = f == without ? -1 : (int32_t)(f * LEVELS + id);
        }
        out->label[i] = sum % 2 == 0;
    }
}

static pare_field_model *make_model(pare_context *ctx, int kind, const pare_fields *fields,
                                    uint64_t seed) {
    pare_field_spec spec = pare_field_spec_default((pare_field_model_kind)kind, DIMENSION);
    spec.units = 24;
    spec.batch = BATCH;
    pare_field_model *model = NULL;
    assert_ok(ctx, pare_field_model_create(ctx, &spec, fields, seed, &model));
    return model;
}

static void train(pare_field_model *model, const pare_fields *fields, int64_t passes) {
    int64_t row[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        row[i] = i;
    }
    for (int64_t pass = 0; pass < passes; pass++) {
        for (int64_t at = 0; at < ROWS; at += BATCH) {
            (void)pare_field_model_train(model, fields, BATCH, row + at, NULL);
        }
    }
}

static void predict(pare_field_model *model, const pare_fields *fields, float *out) {
    int64_t row[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        row[i] = i;
    }
    pare_field_model_predict(model, fields, ROWS, row, out);
}

static void hand_over(pare_context *ctx, const pare_field_model *from, const uint8_t *chosen,
                      pare_field_model *to, const uint8_t *there) {
    float *packed = NULL;
    int64_t count = pare_field_networks_get(from, chosen, NULL);
    assert_int_equal(count, pare_field_networks_get(to, there, NULL));
    assert_ok(ctx, pare_alloc(ctx, count, sizeof *packed, &packed));
    assert_int_equal(pare_field_networks_get(from, chosen, packed), count);
    pare_field_networks_put(to, there, packed, (int64_t)from->steps);
    pare_free(ctx, packed);
}

/* All of it, into a model from another seed: bit by bit the same from then on. */
static void test_same(void **state) {
    (void)state;
    for (int kind = PARE_FIELD_MODEL_DEEPFM; kind < PARE_FIELD_MODEL_KINDS; kind++) {
        pare_context *ctx = NULL;
        pare_fields fields;
        uint8_t all[3] = {1, 1, 1};
        float first[ROWS], second[ROWS];
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        make_fields(ctx, 3, -1, &fields);
        pare_field_model *model = make_model(ctx, kind, &fields, 1);
        pare_field_model *other = make_model(ctx, kind, &fields, 2);
        train(model, &fields, 3);
        hand_over(ctx, model, all, other, all);
        memcpy(other->table, model->table,
               (size_t)(model->joint * model->stride) * sizeof *model->table);
        train(model, &fields, 3);
        train(other, &fields, 3);
        predict(model, &fields, first);
        predict(other, &fields, second);
        assert_memory_equal(first, second, sizeof first);
        pare_field_model_destroy(model);
        pare_field_model_destroy(other);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
    }
}

/* Into a model with one field more that no row has yet, in between: the same but for rounding. Back
 * without it as well. */
static void test_fields_come_and_go(void **state) {
    (void)state;
    for (int kind = PARE_FIELD_MODEL_DEEPFM; kind < PARE_FIELD_MODEL_KINDS; kind++) {
        pare_context *ctx = NULL;
        pare_fields few, more;
        const uint8_t all[3] = {1, 1, 1}, there[4] = {1, 0, 1, 1};
        float wanted[ROWS], got[ROWS], back[ROWS];
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        make_fields(ctx, 3, -1, &few);
        make_fields(ctx, 4, 1, &more);
        pare_field_model *model = make_model(ctx, kind, &few, 1);
        pare_field_model *wide = make_model(ctx, kind, &more, 2);
        pare_field_model *again = make_model(ctx, kind, &few, 3);
        train(model, &few, 3);
        hand_over(ctx, model, all, wide, there);
        size_t rows = (size_t)(LEVELS * model->stride);
        memcpy(wide->table, model->table, rows * sizeof *model->table);
        memcpy(wide->table + 2 * rows, model->table + rows, 2 * rows * sizeof *model->table);
        train(model, &few, 3);
        train(wide, &more, 3);
        hand_over(ctx, wide, there, again, all);
        memcpy(again->table, wide->table, rows * sizeof *model->table);
        memcpy(again->table + rows, wide->table + 2 * rows, 2 * rows * sizeof *model->table);
        predict(model, &few, wanted);
        predict(wide, &more, got);
        predict(again, &few, back);
        for (int64_t i = 0; i < ROWS; i++) {
            assert_true(fabsf(got[i] - wanted[i]) < 1e-3f);
            assert_true(fabsf(back[i] - got[i]) < 1e-4f);
        }
        pare_field_model_destroy(model);
        pare_field_model_destroy(wide);
        pare_field_model_destroy(again);
        pare_fields_clear(&few);
        pare_fields_clear(&more);
        pare_context_destroy(ctx);
    }
}

/* Asking what candidates add, in between, leaves training as it is. */
static void test_terms_change_nothing(void **state) {
    (void)state;
    for (int kind = 0; kind < PARE_FIELD_MODEL_KINDS; kind++) {
        pare_context *ctx = NULL;
        pare_fields fields;
        pare_field_model *model[2];
        enum { CHUNKS = 2 };
        static const int64_t width[CHUNKS] = {3, 3};
        static float term[BATCH * 3 * (CHUNKS + 1)];
        int64_t row[BATCH];
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        make_fields(ctx, 3, -1, &fields);
        for (int64_t i = 0; i < BATCH; i++) {
            row[i] = i;
        }
        for (int asked = 0; asked < 2; asked++) {
            model[asked] = make_model(ctx, kind, &fields, 1);
            train(model[asked], &fields, 1);
            for (int k = 0; k < asked; k++) {
                pare_field_model_terms(model[1], &fields, BATCH, row, model[1]->mask, 1,
                                       kind == PARE_FIELD_MODEL_LR ? 0 : CHUNKS, width, term);
            }
            train(model[asked], &fields, 2);
        }
        assert_memory_equal(model[0]->table, model[1]->table,
                            (size_t)(model[0]->joint * model[0]->stride) * sizeof(float));
        pare_field_model_destroy(model[0]);
        pare_field_model_destroy(model[1]);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_fields_come_and_go),
        cmocka_unit_test(test_terms_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
