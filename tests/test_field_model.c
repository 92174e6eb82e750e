/* LR, FM, DeepFM, DNN and DCNv2 over field tables: sizes, gradients, learning, determinism. */
#include "support.h"

#include "base/random.h"
#include "model/field_model.h"

#include <math.h>

enum { FIELDS = 4, ROWS = 3000, LEVELS = 12 };

/* The nine published configurations (BARS; rows with out-of-vocabulary ones, fields, d = 10). */
static void test_parameters(void **state) {
    (void)state;
    static const struct {
        int64_t joint, fields, lr, fm, deepfm;
    } known[] = {{5389, 10, 5390, 59280, 423280},
                 {90239, 3, 90240, 992630, 1328630},
                 {2086303 + 13, 39, 2086317, 22949477, 23429477}};
    for (size_t i = 0; i < 3; i++) {
        pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_DEEPFM, 10);
        spec.normalise = true;
        int64_t got = pare_field_parameters(&spec, known[i].joint, known[i].fields);
        assert_int_equal(got, known[i].deepfm);
        /* Without the linear weights, and with 2 layers of (w^2 + w) and w more. */
        int64_t width = 10 * known[i].fields, dcnv2 = known[i].deepfm - known[i].joint;
        spec.kind = PARE_FIELD_MODEL_DCNV2;
        spec.crosses = 2;
        got = pare_field_parameters(&spec, known[i].joint, known[i].fields);
        assert_int_equal(got, dcnv2 + 2 * width * (width + 1) + width);
        spec.crosses = 0;
        spec.kind = PARE_FIELD_MODEL_FM;
        got = pare_field_parameters(&spec, known[i].joint, known[i].fields);
        assert_int_equal(got, known[i].fm);
        spec.kind = PARE_FIELD_MODEL_LR;
        got = pare_field_parameters(&spec, known[i].joint, known[i].fields);
        assert_int_equal(got, known[i].lr);
    }
}

/* Rows of FIELDS ids; fields 0 and 1 matter only together, 2 alone, 3 not at all. */
static void make_fields(pare_context *ctx, pare_fields *out, bool numbers) {
    *out = (pare_fields){.ctx = ctx, .rows = ROWS, .count = FIELDS, .joint = FIELDS * LEVELS};
    assert_ok(ctx, pare_alloc_zero(ctx, FIELDS, sizeof *out->field, &out->field));
    assert_ok(ctx, pare_alloc(ctx, ROWS * FIELDS, sizeof *out->cell, &out->cell));
    assert_ok(ctx, pare_alloc(ctx, ROWS, sizeof *out->label, &out->label));
    assert_ok(ctx, pare_alloc(ctx, ROWS, 1, &out->held_out));
    if (numbers) {
        assert_ok(ctx, pare_alloc(ctx, ROWS * FIELDS, sizeof *out->value, &out->value));
    }
    for (int64_t f = 0; f < FIELDS; f++) {
        out->field[f].first = f * LEVELS;
        out->field[f].size = LEVELS;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id[FIELDS];
        for (int64_t f = 0; f < FIELDS; f++) {
            uint64_t draw = (uint64_t)(i * FIELDS + f);
            id[f] = pare_random_below(1, PARE_STREAM_TEST, draw, LEVELS);
            out->cell[i * FIELDS + f] = (int32_t)(f * LEVELS + id[f]);
            if (numbers) {
                out->value[i * FIELDS + f] = 0.5f + (float)(draw % 3);
            }
        }
        double z = ((id[0] + id[1]) % 2 ? 1.5 : -1.5) + 0.3 * (double)(id[2] - LEVELS / 2);
        double u = pare_random_uniform(2, PARE_STREAM_TEST, (uint64_t)i);
        out->label[i] = u < 1 / (1 + exp(-z));
        out->held_out[i] = i % 4 == 3;
    }
    out->cell[5] = -1;
}

static pare_context *open_context(int64_t threads) {
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, pare_context_set_threads(ctx, threads));
    return ctx;
}

static double mean_loss(pare_field_model *model, const pare_fields *fields, int64_t count,
                        const int64_t *row) {
    double loss = 0, auc = 0;
    assert_ok(model->ctx, pare_field_model_score(model, fields, count, row, &loss, &auc));
    return loss;
}

/* Gradients of tables and masks against central differences of the mean loss. */
static void test_gradients(void **state) {
    (void)state;
    for (int kind = 0; kind < 2 * PARE_FIELD_MODEL_KINDS; kind++) {
        pare_context *ctx = open_context(1);
        pare_fields fields;
        make_fields(ctx, &fields, kind % 2);
        pare_field_spec spec = pare_field_spec_default((pare_field_model_kind)(kind / 2), 6);
        spec.units = spec.layers ? 8 : 0;
        spec.scale = 0.5f;
        spec.dropout = 0;
        pare_field_model *model = NULL;
        assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model));
        enum { COUNT = 32 };
        int64_t row[COUNT];
        for (int64_t i = 0; i < COUNT; i++) {
            row[i] = i;
        }
        int64_t cells = model->joint * model->stride, masks = FIELDS * model->stride;
        float *gradient = calloc((size_t)cells, sizeof *gradient);
        float *d_mask = calloc((size_t)masks, sizeof *d_mask);
        for (int64_t i = 0; i < masks; i++) {
            model->mask[i] *= 0.5f + 0.1f * (float)(i % 7);
        }
        double loss = pare_field_model_slopes(model, &fields, COUNT, row, gradient, d_mask);
        assert_true(fabs(loss / COUNT - mean_loss(model, &fields, COUNT, row)) < 1e-6);
        for (int part = 0; part < 2; part++) {
            float *at = part ? model->mask : model->table, *got = part ? d_mask : gradient;
            double worst = 0;
            for (int64_t i = 0; i < (part ? masks : cells); i += part ? 1 : 3) {
                int64_t place = i % model->stride;
                if ((place > 0 && place < PARE_FM_HEAD) || place >= PARE_FM_HEAD + 6) {
                    continue;
                }
                const float h = 2e-3f; /* short: a unit of the network may switch in between */
                float before = at[i];
                at[i] = before + h;
                double high = mean_loss(model, &fields, COUNT, row);
                at[i] = before - h;
                double d = (high - mean_loss(model, &fields, COUNT, row)) / (2 * (double)h);
                at[i] = before;
                worst = fmax(worst, fabs(d - (double)got[i]));
            }
            if (worst >= 2e-3) {
                fail_msg("kind %d part %d: off by %g", kind, part, worst);
            }
        }
        free(gradient);
        free(d_mask);
        pare_field_model_destroy(model);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
    }
}

/* Leaving out by formula equals leaving out by mask, for LR and FM. */
static void test_removals(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        enum { COUNT = 40, CHUNKS = 2 };
        const int64_t width[CHUNKS] = {4, 2};
        pare_context *ctx = open_context(1);
        pare_fields fields;
        make_fields(ctx, &fields, true);
        pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_FM, 6);
        spec.scale = 0.5f;
        pare_field_model *model = NULL;
        assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model));
        int64_t row[COUNT], chunks = kind ? CHUNKS : 0;
        double out[FIELDS * (CHUNKS + 1)] = {0};
        for (int64_t i = 0; i < COUNT; i++) {
            row[i] = i;
        }
        for (int64_t i = 0; i < FIELDS * model->stride; i++) {
            bool vector = i % model->stride >= PARE_FM_HEAD;
            model->mask[i] *= vector && !kind ? 0 : 0.5f + 0.1f * (float)(i % 7);
        }
        pare_field_model_removals(model, &fields, COUNT, row, chunks, width, out);
        double with = mean_loss(model, &fields, COUNT, row);
        for (int64_t i = 0; i < FIELDS * (chunks + 1); i++) {
            float *mask = model->mask + i / (chunks + 1) * model->stride, before[16];
            int64_t c = i % (chunks + 1), first = c == 2 ? 8 : c == 1 ? 4 : 0;
            int64_t places = c == 0 ? 1 : width[c - 1];
            memcpy(before, mask, sizeof before);
            memset(mask + first, 0, (size_t)places * sizeof *mask);
            double loss = mean_loss(model, &fields, COUNT, row);
            memcpy(mask, before, sizeof before);
            assert_true(fabs((loss - with) * COUNT - out[i]) < 1e-4);
        }
        pare_field_model_destroy(model);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
    }
}

static double held_out_auc(pare_field_model_kind kind, pare_field_optimizer optimizer,
                           int64_t threads, float *first_row) {
    pare_context *ctx = open_context(threads);
    pare_fields fields;
    make_fields(ctx, &fields, false);
    pare_field_spec spec = pare_field_spec_default(kind, 8);
    spec.units = spec.layers ? 16 : 0;
    pare_field_spec_optimizer(&spec, optimizer);
    if (optimizer == PARE_FIELD_DENSE_ADAM) {
        spec.rate = 0.02f;
        spec.scale = 0.03f;
        spec.batch = 64;
    }
    pare_field_model *model = NULL;
    assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model));
    int64_t count = 0, *row = NULL;
    double loss = 0, auc = 0;
    assert_ok(ctx, pare_fields_rows(&fields, false, &count, &row));
    pare_field_model_fit(model, &fields, count, row, 30);
    pare_free(ctx, row);
    assert_ok(ctx, pare_fields_rows(&fields, true, &count, &row));
    assert_ok(ctx, pare_field_model_score(model, &fields, count, row, &loss, &auc));
    memcpy(first_row, model->table, (size_t)model->stride * sizeof *first_row);
    pare_free(ctx, row);
    pare_field_model_destroy(model);
    pare_fields_clear(&fields);
    pare_context_destroy(ctx);
    return auc;
}

/* LR cannot see the pair, FM and DeepFM can, by every optimiser; threads change nothing. */
static void test_learning(void **state) {
    (void)state;
    float row[16], again[16];
    for (int at = 0; at < PARE_FIELD_OPTIMIZERS; at++) {
        pare_field_optimizer optimizer = (pare_field_optimizer)at;
        double lr = held_out_auc(PARE_FIELD_MODEL_LR, optimizer, 1, row);
        double fm = held_out_auc(PARE_FIELD_MODEL_FM, optimizer, 1, row);
        assert_true(lr > 0.6 && fm > lr + 0.1);
        assert_true(fm == held_out_auc(PARE_FIELD_MODEL_FM, optimizer, 8, again));
        assert_memory_equal(row, again, sizeof row);
        for (int kind = PARE_FIELD_MODEL_DEEPFM; kind < PARE_FIELD_MODEL_KINDS; kind++) {
            double deep = held_out_auc((pare_field_model_kind)kind, optimizer, 1, row);
            assert_true(deep > lr + 0.1);
            assert_true(deep == held_out_auc((pare_field_model_kind)kind, optimizer, 8, again));
            assert_memory_equal(row, again, sizeof row);
        }
    }
}

/* A masked chunk is the same as vectors that are shorter by it, whatever the model. */
static void test_mask_is_submodel(void **state) {
    (void)state;
    for (int kind = PARE_FIELD_MODEL_FM; kind < PARE_FIELD_MODEL_KINDS; kind++) {
        pare_context *ctx = open_context(1);
        pare_fields fields;
        make_fields(ctx, &fields, false);
        pare_field_spec spec = pare_field_spec_default((pare_field_model_kind)kind, 8);
        pare_field_model *model = NULL;
        assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model));
        int64_t row[4] = {0, 1, 2, 3};
        float masked[4], cut[4];
        for (int64_t f = 0; f < FIELDS; f++) {
            memset(model->mask + f * 16 + PARE_FM_HEAD + 4, 0, 4 * sizeof(float));
        }
        pare_field_model_predict(model, &fields, 4, row, masked);
        for (int64_t f = 0; f < FIELDS; f++) {
            for (int j = 4; j < 8; j++) {
                model->mask[f * 16 + PARE_FM_HEAD + j] = 1;
            }
        }
        for (int64_t r = 0; r < model->joint; r++) {
            memset(model->table + r * 16 + PARE_FM_HEAD + 4, 0, 4 * sizeof(float));
        }
        pare_field_model_predict(model, &fields, 4, row, cut);
        assert_memory_equal(masked, cut, sizeof cut);
        pare_field_model_destroy(model);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
    }
}

static void fail_each_allocation(pare_field_optimizer optimizer) {
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_fields fields;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        make_fields(ctx, &fields, false);
        pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_DCNV2, 4);
        pare_field_spec_optimizer(&spec, optimizer);
        spec.batch = 8;
        pare_field_model *model = NULL;
        double loss = 0, auc = 0;
        int64_t row[2] = {0, 1};
        memory.fail_at = memory.count + at;
        status = pare_field_model_create(ctx, &spec, &fields, 1, &model);
        if (status == PARE_OK) {
            status = pare_field_model_score(model, &fields, 2, row, &loss, &auc);
        }
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        pare_field_model_destroy(model);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

static void test_failing_allocation(void **state) {
    (void)state;
    for (int at = 0; at < PARE_FIELD_OPTIMIZERS; at++) {
        fail_each_allocation((pare_field_optimizer)at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),       cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_removals),         cmocka_unit_test(test_learning),
        cmocka_unit_test(test_mask_is_submodel), cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
