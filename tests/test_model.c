/* Optimisers, schedules, and the models built from options. */
#include "nn_support.h"

#include "model/model.h"

static void test_optimizers(void **state) {
    (void)state;
    pare_context *ctx = context();
    for (int kind = PARE_OPTIMIZER_KIND_ADAM; kind <= PARE_OPTIMIZER_KIND_SGD; kind++) {
        pare_optimizer optimizer = {0};
        assert_ok(ctx,
                  pare_optimizer_init(ctx, (pare_optimizer_kind)kind, 1, 0.9f, 0.1f, &optimizer));
        const double rate = 0.05, decay = 0.1;
        for (int round = 0; round < 2; round++) { /* reset makes it new */
            double w = 0.7, m = 0, v = 0;
            float parameter = 0.7f;
            for (int t = 1; t <= 5; t++) {
                double g = t % 2 ? 0.3 * t : -0.2;
                float gradient = (float)g;
                pare_optimizer_step(&optimizer, 0.05f, &gradient, &parameter);
                if (kind == PARE_OPTIMIZER_KIND_SGD) {
                    m = 0.9 * m + g + decay * w;
                    w -= rate * m;
                } else {
                    bool decoupled = kind == PARE_OPTIMIZER_KIND_ADAMW;
                    g += decoupled ? 0 : decay * w;
                    m = 0.9 * m + 0.1 * g;
                    v = 0.999 * v + 0.001 * g * g;
                    w -= decoupled ? rate * decay * w : 0;
                    w -= rate * (m / (1 - pow(0.9, t))) / (sqrt(v / (1 - pow(0.999, t))) + 1e-8);
                }
                assert_true(fabs(w - (double)parameter) < 2e-6);
            }
            assert_int_equal(optimizer.steps, 5);
            pare_optimizer_reset(&optimizer);
        }
        pare_optimizer_clear(&optimizer);
        pare_optimizer_clear(&optimizer);
    }
    pare_context_destroy(ctx);
}

static void test_schedules(void **state) {
    (void)state;
    assert_true(pare_rate(PARE_RATE_CONSTANT, 0.5, 0, 10) == 0.5);
    assert_true(pare_rate(PARE_RATE_CONSTANT, 0.5, 10, 10) == 0.5);
    assert_true(pare_rate(PARE_RATE_COSINE, 0.5, 0, 10) == 0.5);
    assert_true(fabs(pare_rate(PARE_RATE_COSINE, 0.5, 5, 10) - 0.25) < 1e-12);
    assert_true(fabs(pare_rate(PARE_RATE_COSINE, 0.5, 10, 10)) < 1e-12);
    assert_true(pare_rate(PARE_RATE_EXPONENTIAL, 0.5, 0, 10) == 0.5);
    assert_true(fabs(pare_rate(PARE_RATE_EXPONENTIAL, 0.5, 5, 10) - 0.05) < 1e-12);
    assert_true(fabs(pare_rate(PARE_RATE_EXPONENTIAL, 0.5, 10, 10) - 0.005) < 1e-12);
    /* Beyond the end the last rate stays; without a length the first. */
    assert_true(fabs(pare_rate(PARE_RATE_EXPONENTIAL, 0.5, 20, 10) - 0.005) < 1e-12);
    assert_true(pare_rate(PARE_RATE_COSINE, 0.5, 3, 0) == 0.5);
}

static void set(pare_context *ctx, pare_options *options, const char *name, const char *value) {
    assert_ok(ctx, pare_options_set(options, name, value));
}

static void test_learns_xor(void **state) {
    (void)state;
    static const float x[] = {-1, -1, -1, 1, 1, -1, 1, 1};
    static const int32_t label[] = {0, 1, 1, 0};
    static const int64_t start[] = {0, 1, 2};
    pare_context *ctx = context();
    pare_options options;
    assert_ok(ctx, pare_options_init(ctx, &options));
    set(ctx, &options, "hidden", "8, 8");
    pare_graph *graph = NULL;
    assert_ok(ctx, pare_model_build(ctx, &options, PARE_MODEL_MLP, 2, 2, start, 4, 2,
                                    PARE_NN_SOFTMAX, &graph));
    pare_graph_init(graph, 1);
    pare_optimizer optimizer = {0};
    assert_ok(ctx, pare_optimizer_init(ctx, PARE_OPTIMIZER_KIND_ADAM, pare_graph_parameters(graph),
                                       0, 0, &optimizer));
    pare_input input = {.rows = 4, .dense = x};
    pare_target target = {.label = label};
    double loss = INFINITY;
    for (uint64_t step = 0; step < 500; step++) {
        loss = pare_graph_train(graph, &input, &target, NULL, step, NULL);
        pare_optimizer_step(&optimizer, 0.02f, pare_graph_gradient(graph),
                            pare_graph_parameter(graph));
    }
    assert_true(loss < 0.01);
    pare_optimizer_clear(&optimizer);
    pare_graph_destroy(graph);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
}

static void test_model_options(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", ",", "0", "-3", "67x", "6 7", "65537", "67,,a", "99999999999999999999", "1.5"};
    pare_context *ctx = context();
    pare_options options;
    assert_ok(ctx, pare_options_init(ctx, &options));
    pare_graph *graph = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set(ctx, &options, "hidden", bad[i]);
        assert_int_equal(pare_model_build(ctx, &options, PARE_MODEL_MLP, WIDTH, CANDIDATES, groups,
                                          BATCH, OUTPUTS, PARE_NN_SOFTMAX, &graph),
                         PARE_ERROR_ARGUMENT);
        assert_null(graph);
        assert_non_null(strstr(pare_context_error(ctx), "hidden"));
    }
    set(ctx, &options, "hidden", "5, 40");
    set(ctx, &options, "activation", "gelu");
    set(ctx, &options, "normalise", "layer");
    set(ctx, &options, "dropout", "0.1");
    set(ctx, &options, "loss", "huber");
    assert_ok(ctx, pare_model_build(ctx, &options, PARE_MODEL_MLP, WIDTH, CANDIDATES, groups, BATCH,
                                    OUTPUTS, PARE_NN_SQUARED, &graph));
    static const pare_operator_kind *const kinds[] = {
        &pare_operator_input,   &pare_operator_layer_norm, &pare_operator_gelu,
        &pare_operator_dropout, &pare_operator_dense,      &pare_operator_layer_norm,
        &pare_operator_gelu,    &pare_operator_dropout,    &pare_operator_dense};
    assert_int_equal(graph->count, (int64_t)(sizeof kinds / sizeof kinds[0]));
    for (int64_t k = 0; k < graph->count; k++) {
        assert_ptr_equal(graph->operators[k].kind, kinds[k]);
    }
    assert_int_equal(graph->operators[0].outputs, 5);
    assert_int_equal(graph->operators[4].outputs, 40);
    assert_int_equal(graph->operators[8].outputs, OUTPUTS);
    assert_int_equal(graph->loss, PARE_NN_HUBER);
    pare_graph_destroy(graph);
    /* A linear model has no hidden layers to be wrong about. */
    set(ctx, &options, "hidden", "");
    assert_ok(ctx, pare_model_build(ctx, &options, PARE_MODEL_LINEAR, WIDTH, CANDIDATES, groups,
                                    BATCH, OUTPUTS, PARE_NN_SOFTMAX, &graph));
    assert_int_equal(graph->count, 1);
    assert_int_equal(graph->loss, PARE_NN_SOFTMAX);
    pare_graph_destroy(graph);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
}

static void test_misuse_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "r", "do", "iOo", "rio"};
    pare_context *ctx = context();
    pare_graph *graph = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_ok(ctx, pare_graph_create(ctx, WIDTH, CANDIDATES, groups, BATCH, &graph));
        append(graph, wrong[i], OUTPUTS);
        assert_int_equal(pare_graph_finish(graph, PARE_NN_SOFTMAX), PARE_ERROR_ARGUMENT);
        pare_graph_destroy(graph);
    }
    assert_ok(ctx, pare_graph_create(ctx, WIDTH, CANDIDATES, groups, BATCH, &graph));
    append(graph, "iro", OUTPUTS);
    assert_int_equal(pare_graph_finish(graph, PARE_NN_BINARY), PARE_ERROR_ARGUMENT);
    pare_graph_destroy(graph);
    assert_int_equal(pare_graph_create(ctx, 0, 1, groups, 1, &graph), PARE_ERROR_ARGUMENT);
    assert_null(graph);
    /* Sizes whose products leave the address range are out of memory, not undefined. */
    for (int64_t width = INT64_C(1) << 40; width > 0;
         width = width > INT64_MAX / 64 ? 0 : width * 64) {
        assert_ok(ctx, pare_graph_create(ctx, width, 1, groups, INT64_C(1) << 40, &graph));
        append(graph, "ibrxlgo", OUTPUTS);
        assert_int_equal(pare_graph_finish(graph, PARE_NN_SOFTMAX), PARE_ERROR_MEMORY);
        pare_graph_destroy(graph);
    }
    pare_context_destroy(ctx);
}

static void test_failing_allocations(void **state) {
    (void)state;
    test_allocator memory = {.fail_at = -1};
    pare_allocator allocator = test_allocator_of(&memory);
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
    pare_options options;
    assert_ok(ctx, pare_options_init(ctx, &options));
    set(ctx, &options, "hidden", "5,4,3,2");
    set(ctx, &options, "normalise", "batch");
    set(ctx, &options, "dropout", "0.5");
    int64_t before = memory.live;
    for (int64_t position = 0;; position++) {
        pare_graph *graph = NULL;
        pare_optimizer optimizer = {0};
        memory.fail_at = memory.count + position;
        pare_status status = pare_model_build(ctx, &options, PARE_MODEL_MLP, WIDTH, CANDIDATES,
                                              groups, BATCH, OUTPUTS, PARE_NN_SOFTMAX, &graph);
        if (status == PARE_OK) {
            status = pare_optimizer_init(ctx, PARE_OPTIMIZER_KIND_ADAM,
                                         pare_graph_parameters(graph), 0, 0, &optimizer);
        }
        pare_optimizer_clear(&optimizer);
        pare_graph_destroy(graph);
        assert_int_equal(memory.live, before);
        if (status == PARE_OK) {
            assert_true(position > 4);
            break;
        }
        assert_int_equal(status, PARE_ERROR_MEMORY);
    }
    memory.fail_at = -1;
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    assert_int_equal(memory.live, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizers),        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_learns_xor),        cmocka_unit_test(test_model_options),
        cmocka_unit_test(test_misuse_is_refused), cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
