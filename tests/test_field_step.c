/* Optimisers of field tables against a plain reference in double precision; falling rates. */
#include "support.h"

#include "base/random.h"
#include "model/field_model.h"

#include <math.h>

enum { FIELDS = 3, LEVELS = 6, JOINT = FIELDS * LEVELS, DIMENSION = 5, WIDTH = 1 + DIMENSION };
enum { ROWS = 109, BATCH = 24, LAYERS = 2, UNITS = 7, MATRICES = LAYERS + 1 };
enum { CELLS = JOINT * WIDTH, INPUTS = FIELDS * DIMENSION };

static void make_fields(pare_context *ctx, pare_fields *out, bool numbers) {
    *out = (pare_fields){.ctx = ctx, .rows = ROWS, .count = FIELDS, .joint = JOINT};
    assert_ok(ctx, pare_alloc_zero(ctx, FIELDS, sizeof *out->field, &out->field));
    assert_ok(ctx, pare_alloc(ctx, ROWS * FIELDS, sizeof *out->cell, &out->cell));
    assert_ok(ctx, pare_alloc(ctx, ROWS, sizeof *out->label, &out->label));
    assert_ok(ctx, pare_alloc_zero(ctx, ROWS, 1, &out->held_out));
    if (numbers) {
        assert_ok(ctx, pare_alloc(ctx, ROWS * FIELDS, sizeof *out->value, &out->value));
    }
    for (int64_t f = 0; f < FIELDS; f++) {
        out->field[f].first = f * LEVELS;
        out->field[f].size = LEVELS;
    }
    for (int64_t i = 0; i < ROWS * FIELDS; i++) {
        /* The last id comes late: rows of the table rest for some batches. */
        int64_t levels = i < ROWS * FIELDS / 2 ? LEVELS - 1 : LEVELS;
        int64_t id = pare_random_below(1, PARE_STREAM_TEST, (uint64_t)i, levels);
        out->cell[i] = (int32_t)(i % FIELDS * LEVELS + id);
        if (numbers) {
            out->value[i] = 0.5f + (float)(i % 4);
        }
    }
    for (int64_t i = 0; i < ROWS; i++) {
        out->label[i] = pare_random_uniform(2, PARE_STREAM_TEST, (uint64_t)i) < 0.4;
    }
    out->cell[5] = -1;
}

/* ---- Reference ------------------------------------------------------------------------------- */

/* Parameters in a row: the table, (JOINT, WIDTH) with the linear weight first; the bias; the
 * network. */
typedef struct reference {
    pare_field_spec spec;
    pare_graph_matrix matrix[MATRICES];
    int64_t network, count;
    double mask[FIELDS * WIDTH];
    double *w, *g, *first, *second; /* (count) */
    int64_t look_ups[JOINT], steps;
} reference;

/* Place p of a row of ours, 0 the linear weight, in a row of the model. */
static int64_t place_of(int64_t p) {
    return p > 0 ? PARE_FM_HEAD + p - 1 : 0;
}

static void begin(reference *r, const pare_field_model *model) {
    *r = (reference){.spec = model->spec};
    r->network = model->tower ? pare_graph_parameters(model->tower) : 0;
    r->count = CELLS + 1 + r->network;
    double **arrays[] = {&r->w, &r->g, &r->first, &r->second};
    for (int a = 0; a < 4; a++) {
        *arrays[a] = calloc((size_t)r->count, sizeof(double));
        assert_non_null(*arrays[a]);
    }
    for (int64_t i = 0; i < CELLS; i++) {
        int64_t at = i / WIDTH * model->stride + place_of(i % WIDTH);
        r->w[i] = (double)model->table[at];
        r->first[i] = r->spec.optimizer == PARE_FIELD_ADAGRAD ? (double)r->spec.sum : 0;
    }
    r->first[CELLS] = r->spec.optimizer == PARE_FIELD_ADAGRAD ? (double)r->spec.sum : 0;
    for (int64_t i = 0; i < FIELDS * WIDTH; i++) {
        r->mask[i] = (double)model->mask[i / WIDTH * model->stride + place_of(i % WIDTH)];
    }
    for (int64_t i = 0; i < r->network; i++) {
        r->w[CELLS + 1 + i] = (double)pare_graph_parameter(model->tower)[i];
    }
    for (int l = 0; l < MATRICES && model->tower; l++) {
        assert_true(pare_graph_matrix_at(model->tower, l, &r->matrix[l]));
    }
}

static void end(reference *r) {
    free(r->w);
    free(r->g);
    free(r->first);
    free(r->second);
}

/* x: (MATRICES, INPUTS) inputs of each layer, of which the first is given. Returns the output. */
static double network_forward(const reference *r, double x[MATRICES][INPUTS]) {
    double out = 0;
    for (int l = 0; l < MATRICES; l++) {
        const pare_graph_matrix *m = &r->matrix[l];
        const double *w = r->w + CELLS + 1 + m->offset;
        for (int64_t o = 0; o < m->outputs; o++) {
            double sum = w[m->inputs * m->stride + o];
            for (int64_t i = 0; i < m->inputs; i++) {
                sum += x[l][i] * w[i * m->stride + o];
            }
            if (l + 1 < MATRICES) {
                x[l + 1][o] = fmax(sum, 0);
            } else {
                out = sum;
            }
        }
    }
    return out;
}

/* Adds the gradient of the network; d_x: (INPUTS) that by its input. */
static void network_backward(reference *r, double x[MATRICES][INPUTS], double slope, double *d_x) {
    double d_out[INPUTS] = {slope};
    for (int l = MATRICES - 1; l >= 0; l--) {
        const pare_graph_matrix *m = &r->matrix[l];
        const double *w = r->w + CELLS + 1 + m->offset;
        double *g = r->g + CELLS + 1 + m->offset, d_in[INPUTS] = {0};
        for (int64_t o = 0; o < m->outputs; o++) {
            g[m->inputs * m->stride + o] += d_out[o];
            for (int64_t i = 0; i < m->inputs; i++) {
                g[i * m->stride + o] += x[l][i] * d_out[o];
                d_in[i] += w[i * m->stride + o] * d_out[o];
            }
        }
        for (int64_t i = 0; i < m->inputs; i++) {
            d_out[i] = l > 0 && x[l][i] <= 0 ? 0 : d_in[i];
        }
    }
    memcpy(d_x, d_out, INPUTS * sizeof *d_x);
}

/* Adds the gradient of the log loss of a data row. */
static void add_row(reference *r, const pare_fields *fields, int64_t row) {
    double e[FIELDS][WIDTH] = {{0}}, sum[WIDTH] = {0}, x[MATRICES][INPUTS] = {{0}};
    double d_x[INPUTS] = {0}, z = r->w[CELLS];
    const int32_t *cell = fields->cell + row * FIELDS;
    bool pairs = r->spec.kind != PARE_FIELD_MODEL_LR;
    for (int f = 0; f < FIELDS; f++) {
        double value = fields->value ? (double)fields->value[row * FIELDS + f] : 1;
        for (int p = 0; p < WIDTH && cell[f] >= 0; p++) {
            e[f][p] = value * r->mask[f * WIDTH + p] * r->w[cell[f] * WIDTH + p];
            sum[p] += e[f][p];
            if (p > 0) {
                x[0][f * DIMENSION + p - 1] = e[f][p];
            }
        }
    }
    z += sum[0];
    for (int p = 1; p < WIDTH && pairs; p++) {
        z += sum[p] * sum[p] / 2;
        for (int f = 0; f < FIELDS; f++) {
            z -= e[f][p] * e[f][p] / 2;
        }
    }
    z += r->network > 0 ? network_forward(r, x) : 0;
    double slope = 1 / (1 + exp(-z)) - (double)fields->label[row];
    if (r->network > 0) {
        network_backward(r, x, slope, d_x);
    } else {
        r->g[CELLS] += slope;
    }
    for (int f = 0; f < FIELDS; f++) {
        double value = fields->value ? (double)fields->value[row * FIELDS + f] : 1;
        for (int p = 0; p < WIDTH && cell[f] >= 0; p++) {
            double d = p == 0 ? slope : 0;
            if (p > 0 && pairs) {
                d = slope * (sum[p] - e[f][p]) + d_x[f * DIMENSION + p - 1];
            }
            r->g[cell[f] * WIDTH + p] += value * r->mask[f * WIDTH + p] * d;
        }
        r->look_ups[cell[f] >= 0 ? cell[f] : 0] += cell[f] >= 0;
    }
}

static void adam(reference *r, int64_t i, double rate, double g) {
    double t = (double)r->steps;
    r->first[i] = 0.9 * r->first[i] + 0.1 * g;
    r->second[i] = 0.999 * r->second[i] + 0.001 * g * g;
    double m = r->first[i] / (1 - pow(0.9, t)), v = r->second[i] / (1 - pow(0.999, t));
    r->w[i] -= rate * m / (sqrt(v) + 1e-8);
}

static void adagrad(reference *r, int64_t i, double g) {
    r->first[i] += g * g;
    r->w[i] -= (double)r->spec.rate * g / sqrt(r->first[i]);
}

/* One step from the rows' losses. */
static void step(reference *r, const pare_fields *fields, int64_t count, const int64_t *row) {
    bool dense = r->spec.optimizer == PARE_FIELD_DENSE_ADAM;
    bool sums = r->spec.optimizer == PARE_FIELD_ADAGRAD;
    double lambda = (double)r->spec.decay, clip = (double)r->spec.clip, norm = 0, factor = 1;
    memset(r->g, 0, (size_t)r->count * sizeof *r->g);
    memset(r->look_ups, 0, sizeof r->look_ups);
    for (int64_t i = 0; i < count; i++) {
        add_row(r, fields, row[i]);
    }
    for (int64_t i = 0; i < r->count; i++) {
        double mean = !sums || i > CELLS ? (double)count : 1; /* of networks always */
        double times = i >= CELLS ? 0 : dense ? 1 : (double)r->look_ups[i / WIDTH] / mean;
        r->g[i] = r->g[i] / mean + lambda * times * r->w[i];
        norm += r->g[i] * r->g[i];
    }
    if (dense && clip > 0 && sqrt(norm) > clip) {
        factor = clip / sqrt(norm);
    }
    r->steps++;
    for (int64_t i = 0; i < r->count; i++) {
        bool rests = !dense && i < CELLS && r->look_ups[i / WIDTH] == 0;
        if (rests || (i == CELLS && r->network > 0)) {
            continue;
        }
        if (sums && i <= CELLS) {
            adagrad(r, i, r->g[i]);
        } else {
            adam(r, i, (double)(i > CELLS ? r->spec.tower_rate : r->spec.rate), factor * r->g[i]);
        }
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void compare(const reference *r, const pare_field_model *model, const char *what) {
    double worst = fabs(r->w[CELLS] - (double)model->bias);
    for (int64_t i = 0; i < CELLS; i++) {
        int64_t at = i / WIDTH * model->stride + place_of(i % WIDTH);
        worst = fmax(worst, fabs(r->w[i] - (double)model->table[at]));
    }
    for (int64_t i = 0; i < r->network; i++) {
        double w = (double)pare_graph_parameter(model->tower)[i];
        worst = fmax(worst, fabs(r->w[CELLS + 1 + i] - w));
    }
    if (!(worst < 1e-5)) {
        fail_msg("%s: off by %g", what, worst);
    }
}

static void check(pare_field_model_kind kind, pare_field_optimizer optimizer, bool numbers,
                  float clip) {
    pare_context *ctx = NULL;
    pare_fields fields;
    pare_field_model *model = NULL;
    reference r;
    char what[64];
    snprintf(what, sizeof what, "model %d, optimizer %d, %d", kind, optimizer, numbers);
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    make_fields(ctx, &fields, numbers);
    pare_field_spec spec = pare_field_spec_default(kind, DIMENSION);
    pare_field_spec_optimizer(&spec, optimizer);
    spec.layers = spec.layers ? LAYERS : 0;
    spec.units = UNITS;
    spec.batch = BATCH;
    spec.scale = 0.3f;
    spec.decay = 0.05f;
    spec.clip = clip;
    assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model));
    for (int64_t i = 0; i < FIELDS * model->stride; i++) {
        model->mask[i] *= 0.7f + 0.1f * (float)(i % 5);
    }
    begin(&r, model);
    for (int64_t at = 0; at < ROWS; at += BATCH) {
        int64_t row[BATCH], count = ROWS - at < BATCH ? ROWS - at : BATCH;
        for (int64_t i = 0; i < count; i++) {
            row[i] = at + i;
        }
        (void)pare_field_model_train(model, &fields, count, row, NULL);
        if (optimizer == PARE_FIELD_ADAGRAD && r.network == 0) { /* row by row */
            for (int64_t i = 0; i < count; i++) {
                step(&r, &fields, 1, row + i);
            }
        } else {
            step(&r, &fields, count, row);
        }
        compare(&r, model, what);
    }
    end(&r);
    pare_field_model_destroy(model);
    pare_fields_clear(&fields);
    pare_context_destroy(ctx);
}

/* All tables, biases and networks after each of a few batches. */
static void test_reference(void **state) {
    (void)state;
    for (int kind = PARE_FIELD_MODEL_FM; kind <= PARE_FIELD_MODEL_DEEPFM; kind++) {
        for (int at = PARE_FIELD_ADAGRAD; at < PARE_FIELD_OPTIMIZERS; at++) {
            for (int numbers = 0; numbers < 2; numbers++) {
                check((pare_field_model_kind)kind, (pare_field_optimizer)at, numbers, 10);
            }
        }
        check((pare_field_model_kind)kind, PARE_FIELD_DENSE_ADAM, false, 0.1f);
    }
}

/* Masks' gradients of a training step are those of the batch's sum, whatever the optimiser. */
static void test_mask_gradient(void **state) {
    (void)state;
    for (int at = PARE_FIELD_ROW_ADAGRAD; at < PARE_FIELD_OPTIMIZERS; at++) {
        pare_context *ctx = NULL;
        pare_fields fields;
        pare_field_model *model = NULL;
        enum { MOST = FIELDS * PARE_FM_LINE };
        float by_slopes[MOST] = {0}, by_train[MOST] = {0};
        int64_t row[BATCH];
        for (int64_t i = 0; i < BATCH; i++) {
            row[i] = i;
        }
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        make_fields(ctx, &fields, true);
        pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_DEEPFM, DIMENSION);
        pare_field_spec_optimizer(&spec, (pare_field_optimizer)at);
        spec.units = UNITS;
        spec.scale = 0.3f;
        spec.rate = 1e-6f; /* row-wise AdaGrad: later rows see the steps of earlier ones */
        assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model));
        assert_int_equal(FIELDS * model->stride, MOST);
        (void)pare_field_model_slopes(model, &fields, BATCH, row, NULL, by_slopes);
        (void)pare_field_model_train(model, &fields, BATCH, row, by_train);
        for (int64_t i = 0; i < MOST; i++) {
            assert_true(fabsf(by_train[i] - BATCH * by_slopes[i]) < 1e-4f);
        }
        pare_field_model_destroy(model);
        pare_fields_clear(&fields);
        pare_context_destroy(ctx);
    }
}

/* A pass after the fall is one at a tenth of the rates. */
static void test_drop(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_fields fields;
    pare_field_model *model[2] = {NULL};
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    make_fields(ctx, &fields, false);
    for (int m = 0; m < 2; m++) {
        pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_DEEPFM, DIMENSION);
        int64_t row[ROWS];
        for (int64_t i = 0; i < ROWS; i++) {
            row[i] = i;
        }
        pare_field_spec_optimizer(&spec, PARE_FIELD_DENSE_ADAM);
        spec.units = UNITS;
        spec.batch = BATCH;
        spec.drop[0] = m == 0;
        assert_ok(ctx, pare_field_model_create(ctx, &spec, &fields, 3, &model[m]));
        (void)pare_field_model_fit(model[m], &fields, ROWS, row, m == 0 ? 2 : 1);
        if (m == 1) {
            model[m]->spec.rate *= 0.1f;
            model[m]->spec.tower_rate *= 0.1f;
            pare_random_shuffle(3, PARE_STREAM_SHUFFLE, ROWS, ROWS, row);
            for (int64_t at = 0; at < ROWS; at += BATCH) {
                int64_t count = ROWS - at < BATCH ? ROWS - at : BATCH;
                (void)pare_field_model_train(model[m], &fields, count, row + at, NULL);
            }
        }
    }
    for (int64_t i = 0; i < JOINT * model[0]->stride; i++) {
        assert_true(fabsf(model[0]->table[i] - model[1]->table[i]) < 1e-6f);
    }
    pare_field_model_destroy(model[0]);
    pare_field_model_destroy(model[1]);
    pare_fields_clear(&fields);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_mask_gradient),
        cmocka_unit_test(test_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
