/* Blocks of a network as candidates, the methods that choose them, and the files written. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "api/config.h"
#include "base/random.h"
#include "data/zip.h"
#include "nn/graph.h"
#include "problem/sparse_network.h"

enum { ROWS = 400, COLUMNS = 24 };

/* The class is the sign of a sum of products of columns 8 to 11; all others are noise. */
static float x[ROWS][COLUMNS];
static double y[ROWS];

typedef struct run {
    pare_context *ctx;
    pare_config *config;
    pare_dataset *data;
} run;

static void set(run *r, const char *name, const char *value) {
    assert_ok(r->ctx, pare_config_set(r->config, name, value));
}

static void open_context(run *r, const pare_allocator *allocator, int64_t threads) {
    assert_int_equal(pare_context_create(allocator, &r->ctx), PARE_OK);
    assert_ok(r->ctx, pare_context_set_threads(r->ctx, threads));
    assert_ok(r->ctx, pare_config_create(r->ctx, &r->config));
    static const char *const options[][2] = {{"hidden", "20"},     {"block", "4x5"},
                                             {"sparsity", "0.75"}, {"epochs", "60"},
                                             {"compare", "false"}, {"phases", "3"}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        set(r, options[i][0], options[i][1]);
    }
}

static void open_data(run *r) {
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            x[i][j] = (float)pare_random_normal(31, PARE_STREAM_TEST, (uint64_t)(i * COLUMNS + j));
        }
        y[i] = x[i][8] + x[i][9] * x[i][10] + x[i][11] > 0;
    }
    assert_ok(r->ctx, pare_dataset_wrap(r->ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL,
                                        r->config, &r->data));
}

static void close_run(run *r) {
    pare_dataset_close(r->data);
    pare_config_destroy(r->config);
    pare_context_destroy(r->ctx);
}

static pare_sparse *train(run *r, const char *method) {
    pare_sparse *out = NULL;
    set(r, "block-method", method);
    assert_ok(r->ctx, pare_sparse_run(r->data, NULL, &r->config->options, NULL, NULL, &out));
    return out;
}

/* Exactly the asked-for number of blocks stays, and masked weights are zero in what is handed out;
 * the methods that look find the rows of blocks that matter. */
static void test_methods(void **state) {
    (void)state;
    static const char *const methods[] = {"sequential-attention", "magnitude", "powerpropagation",
                                          "acdc", "random"};
    run r = {0};
    open_context(&r, NULL, 1);
    open_data(&r);
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        pare_sparse *s = train(&r, methods[m]);
        const pare_network_layer *l = &s->layer[0];
        int64_t kept = 0, right = 0;
        assert_int_equal(s->layers, 2);
        assert_int_equal(l->high, 6);
        assert_int_equal(l->wide, 4);
        for (int64_t g = 0; g < 24; g++) {
            kept += l->keep[g];
            right += l->keep[g] && g / 4 == 2;
        }
        assert_int_equal(kept, 6);
        assert_int_equal(l->kept, 6);
        for (int64_t i = 0; i < 24; i++) {
            for (int64_t o = 0; o < 20; o++) {
                bool in = l->keep[i / 4 * 4 + o / 5];
                assert_true(in || l->weight[i * 20 + o] == 0);
            }
        }
        if (m < 3) {
            assert_true(right >= 2); /* of the four blocks of the columns that matter */
            assert_true(s->sparse.validation.score > 0.75);
            assert_true(s->sparse.validation.auc > 0.8);
        }
        assert_int_equal(s->parameters - s->kept_parameters, 18 * 20);
        pare_sparse_free(s);
    }
    close_run(&r);
}

/* Where blocks of the same inputs only repeat each other, each input is read before any twice. */
static void test_redundancy(void **state) {
    (void)state;
    run r = {0};
    open_context(&r, NULL, 1);
    open_data(&r);
    set(&r, "redundancy", "10");
    pare_sparse *s = train(&r, "sequential-attention");
    for (int64_t row = 0; row < 6; row++) {
        int64_t kept = 0;
        for (int64_t g = 0; g < 4; g++) {
            kept += s->layer[0].keep[4 * row + g];
        }
        assert_int_equal(kept, 1);
    }
    pare_sparse_free(s);
    close_run(&r);
}

static void test_threads_and_seed(void **state) {
    (void)state;
    float first[COLUMNS * 20];
    for (int64_t threads = 1; threads <= 3; threads += 2) {
        run r = {0};
        open_context(&r, NULL, threads);
        open_data(&r);
        pare_sparse *s = train(&r, "sequential-attention");
        if (threads == 1) {
            memcpy(first, s->layer[0].weight, sizeof first);
        } else {
            assert_memory_equal(first, s->layer[0].weight, sizeof first);
        }
        pare_sparse_free(s);
        close_run(&r);
    }
}

/* Derivatives by masks and by V against differences of the loss, with and without powers. */
static void test_gradients(void **state) {
    (void)state;
    for (int powered = 0; powered < 2; powered++) {
        run r = {0};
        open_context(&r, NULL, 1);
        open_data(&r);
        pare_network_options settings = {.model = PARE_MODEL_MLP,
                                         .batch = ROWS,
                                         .rate = 1e-30, /* stays where it is */
                                         .optimizer = PARE_OPTIMIZER_SGD,
                                         .block = {4, 5},
                                         .power = powered ? 2 : 1};
        pare_objective network = {0};
        assert_ok(r.ctx, pare_network_create(r.data, NULL, NULL, &r.config->options, &settings, 0,
                                             NULL, &network));
        assert_int_equal(network.count, 24);
        float mask[24], d_mask[24], unused[24];
        for (int g = 0; g < 24; g++) {
            mask[g] = 0.5f + 0.1f * (float)g;
        }
        double loss = 0;
        assert_ok(r.ctx, network.slots->reset(network.self, 3, 1000));
        assert_ok(r.ctx, network.slots->step(network.self, mask, &loss, d_mask));
        for (int g = 0; g < 24; g += 5) {
            const float h = 1e-2f, was = mask[g];
            double up = 0, down = 0;
            mask[g] = was + h;
            assert_ok(r.ctx, network.slots->step(network.self, mask, &up, unused));
            mask[g] = was - h;
            assert_ok(r.ctx, network.slots->step(network.self, mask, &down, unused));
            mask[g] = was;
            double slope = (up - down) / (2 * (double)h);
            assert_true(fabs(slope - (double)d_mask[g]) < 2e-3 + 0.02 * fabs(slope));
        }
        float norm[24];
        assert_ok(r.ctx, network.slots->norms(network.self, norm));
        struct pare_graph *graph = pare_network_in_use(&network, NULL);
        const float *w = pare_graph_parameter(graph);
        int64_t stride = pare_graph_input_stride(graph);
        double square = 0; /* of block (0, 0) */
        for (int64_t i = 0; i < 4; i++) {
            for (int64_t o = 0; o < 5; o++) {
                square += (double)w[i * stride + o] * (double)w[i * stride + o];
            }
        }
        assert_true(fabs(sqrt(square) - (double)norm[0]) < 1e-5);
        pare_objective_destroy(&network);
        close_run(&r);
    }
}

static void test_bad_input(void **state) {
    (void)state;
    static const char *const bad[] = {"0", "4x", "x4", "4x4x4", "a", "-3", "5000", ""};
    run r = {0};
    open_context(&r, NULL, 1);
    open_data(&r);
    pare_sparse *out = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set(&r, "block", bad[i]);
        assert_int_equal(pare_sparse_run(r.data, NULL, &r.config->options, NULL, NULL, &out),
                         PARE_ERROR_ARGUMENT);
        assert_null(out);
    }
    set(&r, "block", "100"); /* one block is no choice */
    assert_int_equal(pare_sparse_run(r.data, NULL, &r.config->options, NULL, NULL, &out),
                     PARE_ERROR_ARGUMENT);
    set(&r, "block", "4");
    set(&r, "normalise", "batch");
    assert_int_equal(pare_sparse_run(r.data, NULL, &r.config->options, NULL, NULL, &out),
                     PARE_ERROR_UNSUPPORTED);
    close_run(&r);
}

/* Whole or not at all: a failing allocation anywhere leaves nothing behind. */
static void test_failing_allocation(void **state) {
    (void)state;
    char path[] = "/tmp/pare-network-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        run r = {0};
        const char *text = NULL;
        pare_network_pruned *network = NULL;
        open_context(&r, &allocator, 1);
        set(&r, "epochs", "0.5");
        set(&r, "compare", "true");
        open_data(&r);
        memory.fail_at = memory.count + at;
        status = pare_network_prune(r.data, NULL, r.config, NULL, NULL, &network);
        assert_true((status == PARE_OK) == (network != NULL));
        if (status == PARE_OK) {
            status = pare_network_text(network, &text);
        }
        if (status == PARE_OK) {
            status = pare_network_save(network, path);
        }
        if (status == PARE_OK) {
            status = pare_network_save_record(network, path);
        }
        if (status == PARE_OK) {
            status = pare_network_report(network, path);
        }
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        pare_network_destroy(network);
        close_run(&r);
        assert_int_equal(memory.live, 0);
    }
    unlink(path);
}

/* The archive is what the reader of NumPy's format makes of it. */
static void test_archive(void **state) {
    (void)state;
    char path[] = "/tmp/pare-network-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    run r = {0};
    open_context(&r, NULL, 1);
    open_data(&r);
    pare_sparse *s = train(&r, "magnitude");
    assert_ok(r.ctx, pare_sparse_save_network(s, path));
    pare_map map = {0};
    assert_ok(r.ctx, pare_map_open(r.ctx, path, true, &map));
    pare_zip_member member = {0};
    assert_ok(r.ctx, pare_zip_find(r.ctx, path, map.bytes, map.length, "weight_1.npy", &member));
    assert_int_equal(member.length, 128 + COLUMNS * 20 * 4);
    assert_non_null(strstr((const char *)member.bytes + 10, "'shape': (24, 20)"));
    assert_memory_equal(member.bytes + 128, s->layer[0].weight, COLUMNS * 20 * 4);
    pare_free(r.ctx, member.owned);
    assert_ok(r.ctx, pare_zip_find(r.ctx, path, map.bytes, map.length, "mask_1.npy", &member));
    assert_memory_equal(member.bytes + 128, s->layer[0].keep, 24);
    pare_free(r.ctx, member.owned);
    pare_map_close(&map);
    unlink(path);
    pare_sparse_free(s);
    close_run(&r);
}

/* A column that is set in one training row only cannot drown a row that has much of it: beyond the
 * limit more makes no difference. */
static void test_limit(void **state) {
    (void)state;
    run r = {0};
    open_context(&r, NULL, 1);
    open_data(&r);
    set(&r, "epochs", "2");
    set(&r, "block-method", "magnitude");
    int64_t seen = r.data->train[0], unseen = r.data->validation[0];
    double loss[2];
    for (int i = 0; i < 2; i++) {
        for (int64_t row = 0; row < ROWS; row++) {
            x[row][0] = row == seen ? 1.0f : row == unseen ? (i == 0 ? 30.0f : 3e6f) : 0.0f;
        }
        pare_dataset_close(r.data);
        assert_ok(r.ctx, pare_dataset_wrap(r.ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL,
                                           r.config, &r.data));
        pare_sparse *s = NULL;
        assert_ok(r.ctx, pare_sparse_run(r.data, NULL, &r.config->options, NULL, NULL, &s));
        loss[i] = s->sparse.validation.loss;
        pare_sparse_free(s);
    }
    assert_true(isfinite(loss[0]) && loss[0] == loss[1]);
    assert_true(pare_network_input_limit(r.data, 1) == 10);
    set(&r, "dense-share", "0.5");
    set(&r, "sparse-share", "0.5");
    pare_sparse *s = NULL;
    assert_int_equal(pare_sparse_run(r.data, NULL, &r.config->options, NULL, NULL, &s),
                     PARE_ERROR_ARGUMENT);
    assert_non_null(strstr(pare_context_error(r.ctx), "nothing is left between them"));
    close_run(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),          cmocka_unit_test(test_redundancy),
        cmocka_unit_test(test_threads_and_seed), cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_bad_input),        cmocka_unit_test(test_failing_allocation),
        cmocka_unit_test(test_archive),          cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
