/* The network graph: gradients against differences of a double reference, and its invariants. */
#include "nn_reference.h"
#include "nn_support.h"

static double *copy_of(const float *source, int64_t count) {
    double *copy = malloc((size_t)count * sizeof *copy);
    assert_non_null(copy);
    for (int64_t i = 0; i < count; i++) {
        copy[i] = (double)source[i];
    }
    return copy;
}

static void expand(const float *mask, double *m) {
    for (int64_t c = 0; c < CANDIDATES; c++) {
        for (int64_t j = groups[c]; j < groups[c + 1]; j++) {
            m[j] = (double)mask[c];
        }
    }
}

/* Derivative of the reference along one entry of values. With a step of 1e-5 the truncation is
 * about 1e-10 and the rounding 1e-16 / 1e-5 = 1e-11. */
static double difference(const pare_graph *graph, const reference_batch *batch,
                         const double *parameter, const double *m, double *first, int64_t count) {
    const double step = 1e-5;
    double keep[WIDTH];
    for (int64_t i = 0; i < count; i++) {
        keep[i] = first[i];
        first[i] += step;
    }
    double above = reference_loss(graph, batch, parameter, m);
    for (int64_t i = 0; i < count; i++) {
        first[i] = keep[i] - step;
    }
    double below = reference_loss(graph, batch, parameter, m);
    for (int64_t i = 0; i < count; i++) {
        first[i] = keep[i];
    }
    return (above - below) / (2 * step);
}

/* Float arithmetic through at most four layers of sums of at most 11 products each: some tens of
 * roundings of 6e-8, relative to the largest gradient since terms may cancel. */
#define GRADIENT_TOLERANCE 1e-5

static void check_gradients(const char *layers, pare_loss loss, bool sparse) {
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *graph = graph_of(ctx, layers, loss, BATCH);
    pare_input input = input_of(&d, sparse);
    pare_target target = target_of(&d, loss);
    float d_mask[CANDIDATES];
    double got = pare_graph_train(graph, &input, &target, d.mask, 4, d_mask);

    int64_t count = pare_graph_parameters(graph);
    const float *gradient = pare_graph_gradient(graph);
    double *parameter = copy_of(pare_graph_parameter(graph), count), m[WIDTH];
    reference_batch batch = {ROWS, d.exact, &target};
    expand(d.mask, m);
    double expected = reference_loss(graph, &batch, parameter, m);
    if (fabs(got - expected) > 1e-5 * (1 + fabs(expected))) {
        fail_msg("%s loss %d: %.9g, expected %.9g", layers, (int)loss, got, expected);
    }
    double *wanted = calloc((size_t)count, sizeof *wanted), largest = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!is_padding(graph, i)) {
            wanted[i] = difference(graph, &batch, parameter, m, &parameter[i], 1);
        }
        largest = fmax(largest, fabs(wanted[i]));
    }
    assert_true(largest > 1e-3);
    for (int64_t i = 0; i < count; i++) {
        double error = fabs((double)gradient[i] - wanted[i]);
        if (error > GRADIENT_TOLERANCE * largest || (is_padding(graph, i) && gradient[i] != 0)) {
            fail_msg("%s loss %d parameter %lld: %.9g, expected %.9g", layers, (int)loss,
                     (long long)i, (double)gradient[i], wanted[i]);
        }
    }
    for (int64_t c = 0; c < CANDIDATES; c++) {
        double slope =
            difference(graph, &batch, parameter, m, &m[groups[c]], groups[c + 1] - groups[c]);
        if (fabs((double)d_mask[c] - slope) > GRADIENT_TOLERANCE * (largest + fabs(slope))) {
            fail_msg("%s loss %d mask %lld: %.9g, expected %.9g", layers, (int)loss, (long long)c,
                     (double)d_mask[c], slope);
        }
    }
    free(parameter);
    free(wanted);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

static void test_gradients(void **state) {
    (void)state;
    static const char *const networks[] = {"O",    "io",    "iro",    "igo",      "ibo",
                                           "ilo",  "ixo",   "irxo",   "igxo",     "ilgxo",
                                           "ibro", "irdro", "ibgdlo", "ilrxdgxo", "ixro"};
    for (size_t n = 0; n < sizeof networks / sizeof networks[0]; n++) {
        for (pare_loss loss = PARE_NN_SOFTMAX; loss <= PARE_NN_HUBER; loss++) {
            check_gradients(networks[n], loss, n % 2 == 1);
            check_gradients(networks[n], loss, n % 2 == 0);
        }
    }
}

/* Without a mask the layer takes another path: it must agree with a mask of ones. */
static void test_no_mask(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *graph = graph_of(ctx, "iro", PARE_NN_SOFTMAX, BATCH);
    pare_target target = target_of(&d, PARE_NN_SOFTMAX);
    const float ones[CANDIDATES] = {1, 1, 1, 1, 1, 1};
    size_t bytes = (size_t)pare_graph_parameters(graph) * sizeof(float);
    float *first = malloc(bytes), d_mask[CANDIDATES], again[CANDIDATES];
    for (int sparse = 0; sparse < 2; sparse++) {
        pare_input input = input_of(&d, sparse != 0);
        double loss = pare_graph_train(graph, &input, &target, ones, 0, d_mask);
        memcpy(first, pare_graph_gradient(graph), bytes);
        assert_true(pare_graph_train(graph, &input, &target, NULL, 0, again) == loss);
        assert_memory_equal(first, pare_graph_gradient(graph), bytes);
        assert_memory_equal(d_mask, again, sizeof again);
        assert_true(pare_graph_train(graph, &input, &target, NULL, 0, NULL) == loss);
        assert_memory_equal(first, pare_graph_gradient(graph), bytes);
    }
    free(first);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

static void test_sparse_equals_dense(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *graph = graph_of(ctx, "iro", PARE_NN_SOFTMAX, BATCH);
    pare_input dense = input_of(&d, false), sparse = input_of(&d, true);
    const float *out = NULL;
    int64_t stride = 0;
    pare_graph_predict(graph, &dense, d.mask, &out, &stride);
    double *first = copy_of(out, ROWS * stride);
    pare_graph_predict(graph, &sparse, d.mask, &out, &stride);
    for (int64_t i = 0; i < ROWS * stride; i++) {
        /* 11 + 7 products of numbers of order 1, each path with its own roundings. */
        assert_true(fabs(first[i] - (double)out[i]) < 1e-5);
        assert_true(i % stride < OUTPUTS || out[i] == 0);
    }
    free(first);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

static void test_zero_mask_removes_columns(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *full = graph_of(ctx, "iro", PARE_NN_SOFTMAX, BATCH), *part = NULL;
    /* Candidate 3 is features 4 .. 6. */
    enum { LEFT = WIDTH - 3 };
    static const int64_t left[] = {0, 1, 3, 4, 6, LEFT};
    assert_ok(ctx, pare_graph_create(ctx, LEFT, CANDIDATES - 1, left, BATCH, &part));
    append(part, "iro", OUTPUTS);
    assert_ok(ctx, pare_graph_finish(part, PARE_NN_SOFTMAX));
    int64_t stride = pare_graph_input_stride(full), in = 0;
    float rest[ROWS * LEFT];
    for (int64_t j = 0; j < WIDTH; j++) {
        if (j >= 4 && j < 7) {
            continue;
        }
        memcpy(part->parameter + in * stride, full->parameter + j * stride,
               (size_t)stride * sizeof(float));
        for (int64_t i = 0; i < ROWS; i++) {
            rest[i * LEFT + in] = d.dense[i * WIDTH + j];
        }
        in++;
    }
    memcpy(part->parameter + LEFT * stride, full->parameter + WIDTH * stride,
           (size_t)(part->parameters - LEFT * stride) * sizeof(float));
    d.mask[3] = 0;
    const float short_mask[] = {d.mask[0], d.mask[1], d.mask[2], d.mask[4], d.mask[5]};
    pare_input short_input = {.rows = ROWS, .dense = rest};
    const float *out = NULL, *expected = NULL;
    pare_graph_predict(part, &short_input, short_mask, &expected, &stride);
    for (int sparse = 0; sparse < 2; sparse++) {
        pare_input input = input_of(&d, sparse != 0);
        pare_graph_predict(full, &input, d.mask, &out, &stride);
        for (int64_t i = 0; i < ROWS * stride; i++) {
            assert_true(fabsf(out[i] - expected[i]) < 1e-5f);
        }
    }
    pare_graph_destroy(full);
    pare_graph_destroy(part);
    pare_context_destroy(ctx);
}

/* Rows of candidates 1 and 4 alone, in the order given by `feature`, from a table in another row
 * order; the mask removes the others. */
static void test_listed_features(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *graph = graph_of(ctx, "iro", PARE_NN_SOFTMAX, BATCH);
    static const int64_t feature[] = {8, 1, 7, 2};
    enum { LISTED = 4 };
    int64_t number[ROWS], bytes = pare_graph_parameters(graph) * (int64_t)sizeof(float);
    float table[ROWS * LISTED];
    for (int64_t i = 0; i < ROWS; i++) {
        number[i] = (i + 4) % ROWS;
        for (int64_t a = 0; a < LISTED; a++) {
            table[number[i] * LISTED + a] = d.dense[i * WIDTH + feature[a]];
        }
    }
    d.mask[0] = d.mask[2] = d.mask[3] = d.mask[5] = 0;
    pare_input whole = input_of(&d, false);
    pare_input listed = {
        .rows = ROWS, .number = number, .dense = table, .feature = feature, .features = LISTED};
    pare_target target = target_of(&d, PARE_NN_SOFTMAX);
    double loss = pare_graph_train(graph, &whole, &target, d.mask, 0, NULL);
    float *expected = malloc((size_t)bytes);
    assert_non_null(expected);
    memcpy(expected, pare_graph_gradient(graph), (size_t)bytes);
    assert_true(fabs(pare_graph_train(graph, &listed, &target, d.mask, 0, NULL) - loss) < 1e-6);
    for (int64_t i = 0; i < pare_graph_parameters(graph); i++) {
        assert_true(fabsf(pare_graph_gradient(graph)[i] - expected[i]) < 1e-6f);
    }
    free(expected);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

/* Against masks with one more zero, one prediction each. */
static void test_ablate(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    static const int64_t feature[] = {4, 5, 6, 0, 1, 2}; /* candidates 3, 0, 1 */
    static const int64_t start[] = {0, 3, 4, 6}, candidate[] = {3, 0, 1};
    enum { LISTED = 6, GROUPS = 3 };
    static const char *const layers[] = {"iro", "O", "ibrogo"};
    for (size_t l = 0; l < sizeof layers / sizeof layers[0]; l++) {
        pare_graph *graph = graph_of(ctx, layers[l], PARE_NN_SOFTMAX, BATCH);
        float table[ROWS * LISTED];
        for (int64_t i = 0; i < ROWS; i++) {
            for (int64_t a = 0; a < LISTED; a++) {
                table[i * LISTED + a] = d.dense[i * WIDTH + feature[a]];
            }
        }
        d.mask[2] = d.mask[4] = d.mask[5] = 0;
        pare_input listed = {.rows = ROWS, .dense = table, .feature = feature, .features = LISTED};
        pare_input whole = input_of(&d, false);
        pare_target target = target_of(&d, PARE_NN_SOFTMAX);
        double loss[GROUPS + 1] = {1, 2, 3, 4}, weight = 5;
        pare_graph_ablate(graph, &listed, &target, d.mask, GROUPS, start, loss, &weight);
        for (int64_t g = 0; g <= GROUPS; g++) {
            float mask[CANDIDATES];
            memcpy(mask, d.mask, sizeof mask);
            if (g < GROUPS) {
                mask[candidate[g]] = 0;
            }
            const float *out = NULL;
            int64_t stride = 0;
            double expected = (double)(g + 1), score = 0, total = 5;
            pare_graph_predict(graph, &whole, mask, &out, &stride);
            pare_graph_score(graph, ROWS, out, stride, &target, &expected, &score, &total);
            assert_true(fabs(loss[g] - expected) < 1e-4);
            assert_true(fabs(weight - total) < 1e-9);
        }
        pare_graph_destroy(graph);
    }
    pare_context_destroy(ctx);
}

/* The size of the graph's batch must not show, nor what an earlier, longer batch left behind. */
static void test_smaller_batch(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *exact = graph_of(ctx, "ibrxdlgo", PARE_NN_SOFTMAX, 4);
    pare_graph *roomy = graph_of(ctx, "ibrxdlgo", PARE_NN_SOFTMAX, ROWS);
    pare_target target = target_of(&d, PARE_NN_SOFTMAX);
    size_t bytes = (size_t)pare_graph_parameters(exact) * sizeof(float);
    for (int sparse = 0; sparse < 2; sparse++) {
        pare_input input = input_of(&d, sparse != 0);
        (void)pare_graph_train(roomy, &input, &target, d.mask, 0, NULL);
        input.rows = 4;
        /* Dropout draws are laid out by the graph's batch; they agree in step 0. */
        double loss = pare_graph_train(exact, &input, &target, d.mask, 0, NULL);
        assert_true(pare_graph_train(roomy, &input, &target, d.mask, 0, NULL) == loss);
        assert_memory_equal(pare_graph_gradient(exact), pare_graph_gradient(roomy), bytes);
    }
    pare_graph_destroy(exact);
    pare_graph_destroy(roomy);
    pare_context_destroy(ctx);
}

static void test_weights_repeat_rows(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *graph = graph_of(ctx, "iro", PARE_NN_SQUARED, BATCH);
    const float weight[] = {2, 1, 0};
    pare_input input = {.rows = 3, .dense = d.dense};
    pare_target target = {.value = d.target, .weight = weight};
    double loss = pare_graph_train(graph, &input, &target, NULL, 0, NULL);
    double *gradient = copy_of(pare_graph_gradient(graph), pare_graph_parameters(graph));

    float rows[3 * WIDTH], values[3 * OUTPUTS];
    for (int64_t i = 0; i < 3; i++) {
        int64_t from = i == 2 ? 1 : 0; /* row 0 twice, row 1, and row 2 not at all */
        memcpy(rows + i * WIDTH, d.dense + from * WIDTH, WIDTH * sizeof(float));
        memcpy(values + i * OUTPUTS, d.target + from * OUTPUTS, OUTPUTS * sizeof(float));
    }
    pare_input repeated = {.rows = 3, .dense = rows};
    pare_target plain = {.value = values};
    assert_true(fabs(pare_graph_train(graph, &repeated, &plain, NULL, 0, NULL) - loss) <
                1e-6 * (1 + loss));
    for (int64_t i = 0; i < pare_graph_parameters(graph); i++) {
        assert_true(fabs(gradient[i] - (double)pare_graph_gradient(graph)[i]) < 1e-5);
    }
    const float none[] = {0, 0, 0};
    target.weight = none;
    assert_true(pare_graph_train(graph, &input, &target, NULL, 0, NULL) == 0);
    for (int64_t i = 0; i < pare_graph_parameters(graph); i++) {
        assert_true(pare_graph_gradient(graph)[i] == 0);
    }
    free(gradient);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

static void test_padding_stays_zero(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    for (int kind = PARE_OPTIMIZER_KIND_ADAM; kind <= PARE_OPTIMIZER_KIND_SGD; kind++) {
        pare_graph *graph = graph_of(ctx, "ibrxdlgo", PARE_NN_SOFTMAX, BATCH);
        pare_optimizer optimizer = {0};
        assert_ok(ctx, pare_optimizer_init(ctx, (pare_optimizer_kind)kind,
                                           pare_graph_parameters(graph), 0.9f, 0.01f, &optimizer));
        pare_target target = target_of(&d, PARE_NN_SOFTMAX);
        for (uint64_t step = 0; step < 300; step++) {
            pare_input input = input_of(&d, step % 2 == 1);
            (void)pare_graph_train(graph, &input, &target, d.mask, step, NULL);
            pare_optimizer_step(&optimizer, 0.01f, pare_graph_gradient(graph),
                                pare_graph_parameter(graph));
        }
        for (int64_t i = 0; i < pare_graph_parameters(graph); i++) {
            assert_true(isfinite(pare_graph_parameter(graph)[i]));
            assert_true(!is_padding(graph, i) || pare_graph_parameter(graph)[i] == 0);
        }
        pare_optimizer_clear(&optimizer);
        pare_graph_destroy(graph);
    }
    pare_context_destroy(ctx);
}

static void test_dropout(void **state) {
    (void)state;
    enum { MANY = 512, UNITS = 20 };
    static const int64_t one[] = {0, 1};
    pare_context *ctx = context();
    pare_graph *graph = NULL;
    assert_ok(ctx, pare_graph_create(ctx, 1, 1, one, MANY, &graph));
    pare_graph_input(graph, UNITS);
    pare_graph_dropout(graph, 0.25f);
    assert_ok(ctx, pare_graph_finish(graph, PARE_NN_SQUARED));
    pare_graph_init(graph, 11);
    float *bias = pare_graph_parameter(graph) + pare_graph_input_stride(graph);
    for (int64_t o = 0; o < UNITS; o++) {
        bias[o] = 1; /* x = 0: every unit is 1 before dropout */
    }
    float *x = calloc(MANY, sizeof *x), *y = calloc(MANY * UNITS, sizeof *y);
    pare_input input = {.rows = MANY, .dense = x};
    pare_target target = {.value = y};
    const pare_operator *last = &graph->operators[1];
    size_t bytes = (size_t)(MANY * last->stride) * sizeof(float);
    float *first = malloc(bytes);
    assert_non_null(first);

    (void)pare_graph_train(graph, &input, &target, NULL, 1, NULL);
    memcpy(first, last->y, bytes);
    double sum = 0;
    for (int64_t i = 0; i < MANY; i++) {
        for (int64_t o = 0; o < UNITS; o++) {
            float unit = first[i * last->stride + o];
            assert_true(unit == 0 || unit == 1 / 0.75f);
            sum += (double)unit;
        }
    }
    /* The mean of n = 10240 units has deviation sqrt(0.25 / 0.75 / n) = 0.0057. */
    assert_true(fabs(sum / (MANY * UNITS) - 1) < 4 * 0.0057);
    (void)pare_graph_train(graph, &input, &target, NULL, 2, NULL);
    assert_memory_not_equal(first, last->y, bytes);
    (void)pare_graph_train(graph, &input, &target, NULL, 1, NULL);
    assert_memory_equal(first, last->y, bytes);

    const float *out = NULL;
    int64_t stride = 0;
    pare_graph_predict(graph, &input, NULL, &out, &stride);
    for (int64_t i = 0; i < MANY * stride; i++) {
        assert_true(out[i] == (i % stride < UNITS ? 1.0f : 0.0f));
    }
    free(first);
    free(x);
    free(y);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

/* After many looks at one batch the running statistics are those of the batch. */
static void test_running_statistics(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    pare_graph *graph = graph_of(ctx, "ib", PARE_NN_SQUARED, BATCH);
    float values[ROWS * HIDDEN] = {0}, *running = NULL;
    pare_input input = input_of(&d, false);
    pare_target target = {.value = values};
    const pare_operator *norm = &graph->operators[1];
    assert_int_equal(pare_graph_state(graph, &running), 2 * norm->stride);
    assert_true(running[0] == 0 && running[norm->stride] == 1);
    for (uint64_t step = 0; step < 300; step++) { /* 0.9^300 < 1e-13 */
        (void)pare_graph_train(graph, &input, &target, d.mask, step, NULL);
    }
    for (int64_t o = 0; o < HIDDEN; o++) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            mean += (double)norm->x[i * norm->stride + o] / ROWS;
        }
        for (int64_t i = 0; i < ROWS; i++) {
            variance += pow((double)norm->x[i * norm->stride + o] - mean, 2) / (ROWS - 1);
        }
        assert_true(fabs((double)running[o] - mean) < 1e-5);
        assert_true(fabs((double)running[norm->stride + o] - variance) < 1e-5 * (1 + variance));
    }
    const float *out = NULL;
    int64_t stride = 0;
    pare_graph_predict(graph, &input, d.mask, &out, &stride);
    for (int64_t i = 0; i < ROWS * HIDDEN; i++) {
        int64_t o = i % HIDDEN, at = i / HIDDEN * stride + o;
        double deviation = sqrt((double)running[stride + o] + 1e-5);
        double expected = ((double)norm->x[at] - (double)running[o]) / deviation;
        expected = expected * (double)norm->parameter[o] + (double)norm->parameter[stride + o];
        assert_true(fabs((double)out[at] - expected) < 1e-5);
    }
    pare_graph_init(graph, 3);
    assert_true(running[0] == 0 && running[stride] == 1);
    pare_graph_destroy(graph);
    pare_context_destroy(ctx);
}

static void test_score(void **state) {
    (void)state;
    data d;
    fill(&d);
    pare_context *ctx = context();
    for (pare_loss loss = PARE_NN_SOFTMAX; loss <= PARE_NN_HUBER; loss++) {
        pare_graph *graph = graph_of(ctx, "iro", loss, BATCH);
        pare_input input = input_of(&d, false);
        pare_target target = target_of(&d, loss);
        const float *out = NULL;
        int64_t stride = 0;
        double total = 0, score = 0, weight = 0, expected = 0, weights = 0;
        pare_graph_predict(graph, &input, NULL, &out, &stride);
        for (int part = 0; part < 2; part++) { /* totals add up over calls */
            int64_t first = part ? 4 : 0, rows = part ? ROWS - 4 : 4;
            pare_target some = {target.label + first, target.value + first * OUTPUTS,
                                target.weight + first, NULL};
            pare_graph_score(graph, rows, out + first * stride, stride, &some, &total, &score,
                             &weight);
        }
        for (int64_t i = 0; i < ROWS; i++) {
            const float *z = out + i * stride;
            double row = 0;
            if (loss == PARE_NN_SOFTMAX) {
                row = z[d.label[i]] >= fmaxf(z[0], fmaxf(z[1], z[2])) ? 1 : 0;
            } else if (loss == PARE_NN_BINARY) {
                row = d.bit[i] == (z[0] > 0) ? 1 : 0;
            } else {
                for (int64_t o = 0; o < OUTPUTS; o++) {
                    row += pow((double)z[o] - (double)d.target[i * OUTPUTS + o], 2);
                }
            }
            expected += (double)d.weight[i] * row;
            weights += (double)d.weight[i];
        }
        assert_true(fabs(score - expected) < 1e-9 * (1 + expected));
        assert_true(fabs(weight - weights) < 1e-9);
        assert_true(fabs(total / weight - pare_graph_train(graph, &input, &target, NULL, 0, NULL)) <
                    1e-6);
        pare_graph_destroy(graph);
    }
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_no_mask),
        cmocka_unit_test(test_sparse_equals_dense),
        cmocka_unit_test(test_listed_features),
        cmocka_unit_test(test_ablate),
        cmocka_unit_test(test_zero_mask_removes_columns),
        cmocka_unit_test(test_smaller_batch),
        cmocka_unit_test(test_weights_repeat_rows),
        cmocka_unit_test(test_padding_stays_zero),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
