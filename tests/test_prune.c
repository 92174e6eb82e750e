/* Pruning of a small model: budgets, shapes, what is worth nothing goes first; decoding token by
 * token; and the whole way through the public functions. */
#include "language_support.h"

#include "model/transformer/decode.h"
#include "problem/allocate.h"
#include "problem/prune.h"
#include "problem/prune_recover.h"

enum { SEQUENCES = 8 };

static int32_t tokens[SEQUENCES * TINY_CONTEXT];

static int setup(void **state) {
    (void)state;
    tiny_tokens(SEQUENCES * TINY_CONTEXT, TINY_CONTEXT, tokens);
    return 0;
}

static pare_prune_options usual(void) {
    return (pare_prune_options){.keep = 0.6,
                                .heads = true,
                                .ffn = true,
                                .compensate = true,
                                .round = 1,
                                .ridge = 1e-3,
                                .probe = 8,
                                .steps = 12,
                                .seed = 1};
}

static pare_status run(pare_context *ctx, const pare_prune_options *options, pare_lm *lm,
                       pare_prune_result *result) {
    pare_lm dense;
    tiny_make(ctx, "llama", false, &dense);
    tiny_make(ctx, "llama", false, lm);
    pare_status status =
        pare_prune(&dense, lm, SEQUENCES, TINY_CONTEXT, tokens, options, NULL, NULL, result);
    pare_lm_clear(&dense);
    return status;
}

/* Every criterion meets the budget and leaves a model that runs; the same twice. */
static void test_budget(void **state) {
    (void)state;
    for (int criterion = 0; criterion < PARE_PRUNE_CRITERIA; criterion++) {
        for (int resource = 0; resource < PARE_PRUNE_LATENCY; resource++) {
            pare_context *ctx = NULL;
            pare_lm lm, again;
            pare_prune_result result, second;
            assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
            pare_prune_options o = usual();
            o.criterion = (pare_prune_criterion)criterion;
            bool whole =
                criterion == PARE_PRUNE_PERPLEXITY || criterion == PARE_PRUNE_BLOCK_INFLUENCE;
            o.attention = o.mlp = whole;
            o.heads = o.ffn = !whole;
            o.resource = (pare_prune_resource)resource;
            o.keep = resource == PARE_PRUNE_PARAMETERS ? 0.6 : 0.8;
            assert_ok(ctx, run(ctx, &o, &lm, &result));
            assert_true(result.share <= o.keep && result.share > o.keep - (whole ? 0.25 : 0.1));
            int64_t left = 0;
            for (int64_t i = 0; i < lm.shape.layers; i++) {
                left += pare_lm_layer_parameters(&lm.shape, i);
            }
            assert_int_equal(left, result.parameters_after);
            if (resource == PARE_PRUNE_PARAMETERS) {
                double share = (double)left / (double)result.parameters_before;
                assert_true(fabs(share - result.share) < 1e-9);
            }
            assert_int_equal(pare_context_set_threads(ctx, 3), PARE_OK);
            assert_ok(ctx, run(ctx, &o, &again, &second));
            float *a = tiny_logits(&lm), *b = tiny_logits(&again);
            assert_true(tiny_difference(a, b) == 0);
            test_free(a);
            test_free(b);
            pare_prune_result_clear(ctx, &result);
            pare_prune_result_clear(ctx, &second);
            pare_lm_clear(&lm);
            pare_lm_clear(&again);
            pare_context_destroy(ctx);
        }
    }
}

static void test_shapes(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm;
    pare_prune_result result;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    pare_prune_options o = usual();
    o.uniform = true;
    o.round = 8;
    assert_ok(ctx, run(ctx, &o, &lm, &result));
    assert_true(pare_lm_uniform(&lm.shape));
    assert_int_equal(lm.shape.layer[0].ffn % 8, 0);
    pare_prune_result_clear(ctx, &result);
    pare_lm_clear(&lm);
    o = usual();
    o.heads = o.ffn = false;
    o.layers = true;
    o.keep = 0.7;
    assert_ok(ctx, run(ctx, &o, &lm, &result));
    assert_int_equal(lm.shape.layers, 2);
    assert_true(pare_lm_uniform(&lm.shape));
    pare_prune_result_clear(ctx, &result);
    pare_lm_clear(&lm);
    o.layers = false;
    o.attention = o.mlp = true;
    assert_ok(ctx, run(ctx, &o, &lm, &result));
    for (int64_t i = 0; i < lm.shape.layers; i++) {
        assert_true(lm.shape.layer[i].heads == 6 || lm.shape.layer[i].heads == 0);
        assert_true(lm.shape.layer[i].ffn == 24 || lm.shape.layer[i].ffn == 0);
    }
    pare_prune_result_clear(ctx, &result);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

/* Hidden dimensions alone, and beside the others; one that nobody reads goes for nothing. */
static void test_hidden(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        pare_context *ctx = NULL;
        pare_lm lm, dense;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        tiny_make(ctx, i == 1 ? "qwen2" : "llama", false, &dense);
        tiny_make(ctx, i == 1 ? "qwen2" : "llama", false, &lm);
        pare_lm *const both[] = {&dense, &lm};
        for (int m = 0; i == 0 && m < 2; m++) { /* what reads dimension 3 is 0 */
            for (int64_t v = 0; v < TINY_VOCABULARY; v++) {
                both[m]->embedding.own[v * 16 + 3] = 0;
            }
            for (int64_t j = 0; j < 3; j++) {
                both[m]->layer[j][PARE_LM_ATTENTION_NORM].own[3] = 0;
                both[m]->layer[j][PARE_LM_FFN_NORM].own[3] = 0;
            }
            for (int64_t j = 0; j < 3 * 2; j++) {
                pare_lm_tensor *t = &both[m]->layer[j / 2][j % 2 ? PARE_LM_O : PARE_LM_DOWN];
                memset(t->own + 3 * t->columns, 0, (size_t)t->columns * sizeof(float));
            }
        }
        pare_prune_options o = usual();
        o.hidden = true;
        o.heads = o.ffn = i > 1;
        o.compensate = i != 0;
        o.keep = i == 0 ? 15.0 / 16 : 0.6;
        o.criterion = i == 3 ? PARE_PRUNE_SEQUENTIAL_ATTENTION : PARE_PRUNE_RECONSTRUCTION;
        assert_ok(
            ctx, pare_prune(&dense, &lm, SEQUENCES, TINY_CONTEXT, tokens, &o, NULL, NULL, &result));
        assert_true(result.share <= o.keep + 1e-9 && result.share > o.keep - 0.1);
        double left = (double)result.parameters_after / (double)result.parameters_before;
        assert_true(i == 1 || fabs(left - result.share) < 1e-9); /* biases are not counted */
        float *logits = tiny_logits(&lm);
        for (int64_t v = 0; v < TINY_CONTEXT * TINY_VOCABULARY; v++) {
            assert_true(isfinite(logits[v]));
        }
        if (i == 0) { /* only the number that norms divide by has changed, and is made up for */
            assert_int_equal(lm.shape.hidden, 15);
        }
        test_free(logits);
        pare_prune_result_clear(ctx, &result);
        pare_lm_clear(&lm);
        pare_lm_clear(&dense);
        pare_context_destroy(ctx);
    }
}

static int stop_at_third(void *user, const char *stage, double fraction) {
    (void)stage;
    (void)fraction;
    return ++*(int *)user > 3;
}

/* Layers, heads, channels and dimensions together: no worse than heads and channels, since that is
 * one of the plans; layers alike, widths rounded, the budget met, the caller heard between plans.
 */
static void test_together(void **state) {
    (void)state;
    double loss[2];
    for (int i = 0; i < 2; i++) {
        pare_context *ctx = NULL;
        pare_lm lm;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        pare_prune_options o = usual();
        o.uniform = true;
        o.round = 4;
        o.keep = 0.55;
        o.layers = o.hidden = i > 0;
        assert_ok(ctx, run(ctx, &o, &lm, &result));
        assert_true(pare_lm_uniform(&lm.shape));
        assert_int_equal(lm.shape.layer[0].ffn % 4 + lm.shape.hidden % 4, 0);
        assert_true(result.share <= o.keep && lm.shape.layers > 0);
        int64_t left = 0;
        for (int64_t j = 0; j < lm.shape.layers; j++) {
            left += pare_lm_layer_parameters(&lm.shape, j);
        }
        assert_int_equal(left, result.parameters_after);
        loss[i] = result.loss_after;
        pare_prune_result_clear(ctx, &result);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
    assert_true(loss[1] <= loss[0]);
    pare_context *ctx = NULL;
    pare_lm lm, dense;
    pare_prune_result result;
    int calls = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", false, &dense);
    tiny_make(ctx, "llama", false, &lm);
    pare_prune_options o = usual();
    o.hidden = true;
    assert_int_equal(pare_prune(&dense, &lm, SEQUENCES, TINY_CONTEXT, tokens, &o, stop_at_third,
                                &calls, &result),
                     PARE_ERROR_ARGUMENT);
    assert_non_null(strstr(pare_context_error(ctx), "stopped"));
    pare_lm_clear(&lm);
    pare_lm_clear(&dense);
    pare_context_destroy(ctx);
}

/* Channels whose output weights are zero go first and cost nothing, by every criterion that
 * looks at the outputs. */
static void test_worthless(void **state) {
    (void)state;
    static const pare_prune_criterion criteria[] = {PARE_PRUNE_RECONSTRUCTION, PARE_PRUNE_TAYLOR,
                                                    PARE_PRUNE_ACTIVATION};
    for (size_t c = 0; c < sizeof criteria / sizeof criteria[0]; c++) {
        pare_context *ctx = NULL;
        pare_lm lm, dense;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        tiny_make(ctx, "llama", false, &dense);
        tiny_make(ctx, "llama", false, &lm);
        for (int64_t i = 0; i < lm.shape.layers; i++) {
            pare_lm_tensor *t = &lm.layer[i][PARE_LM_DOWN], *d = &dense.layer[i][PARE_LM_DOWN];
            for (int64_t v = 0; v < t->rows * t->columns; v++) {
                t->own[v] = d->own[v] = v % 3 == 0 ? 0 : t->own[v];
            }
        }
        pare_prune_options o = usual();
        o.criterion = criteria[c];
        o.heads = false;
        o.compensate = false;
        o.keep = 1 - 8.0 * 48 * 3 / ((16 * 4 * (12 + 6) + 16 * 2 + 24 * 48) * 3.0) + 1e-9;
        assert_ok(
            ctx, pare_prune(&dense, &lm, SEQUENCES, TINY_CONTEXT, tokens, &o, NULL, NULL, &result));
        float *before = tiny_logits(&dense), *after = tiny_logits(&lm);
        if (tiny_difference(before, after) > 1e-3) {
            fail_msg("criterion %d: logits differ by %g", (int)criteria[c],
                     tiny_difference(before, after));
        }
        test_free(before);
        test_free(after);
        pare_prune_result_clear(ctx, &result);
        pare_lm_clear(&lm);
        pare_lm_clear(&dense);
        pare_context_destroy(ctx);
    }
}

/* Distillation brings a cut model nearer to the dense one, the same for any number of threads. */
static void test_recover(void **state) {
    (void)state;
    float *logits[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        pare_context *ctx = NULL;
        pare_lm lm, dense;
        pare_prune_result result;
        double divergence[2];
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_int_equal(pare_context_set_threads(ctx, 1 + 2 * i), PARE_OK);
        tiny_make(ctx, "llama", false, &dense);
        pare_prune_options o = usual();
        assert_ok(ctx, run(ctx, &o, &lm, &result));
        assert_ok(ctx,
                  pare_prune_recover(&dense, &lm, SEQUENCES, TINY_CONTEXT, tokens,
                                     30 * SEQUENCES * TINY_CONTEXT, 1, NULL, NULL, divergence));
        assert_true(divergence[1] < 0.8 * divergence[0]);
        logits[i] = tiny_logits(&lm);
        pare_prune_result_clear(ctx, &result);
        pare_lm_clear(&lm);
        pare_lm_clear(&dense);
        pare_context_destroy(ctx);
    }
    assert_true(tiny_difference(logits[0], logits[1]) == 0);
    test_free(logits[0]);
    test_free(logits[1]);
}

static void test_recover_stops(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm, dense;
    double divergence[2];
    int calls = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", false, &dense);
    tiny_make(ctx, "llama", false, &lm);
    assert_int_equal(pare_prune_recover(&dense, &lm, 2, TINY_CONTEXT, tokens, 100000, 1,
                                        stop_at_third, &calls, divergence),
                     PARE_ERROR_ARGUMENT);
    assert_int_equal(calls, 4);
    pare_lm_clear(&lm);
    pare_lm_clear(&dense);
    pare_context_destroy(ctx);
}

static void test_refused(void **state) {
    (void)state;
    pare_prune_options bad[6];
    for (int i = 0; i < 6; i++) {
        bad[i] = usual();
    }
    bad[0].keep = 1;
    bad[1].layers = true;
    bad[1].criterion = PARE_PRUNE_PERPLEXITY;
    bad[2].heads = bad[2].ffn = false;
    bad[3].attention = bad[3].uniform = true;
    bad[4].round = 25;
    bad[5].keep = 0.01;
    static const char *const says[] = {"between 0", "layers alone",     "no structure",
                                       "alike",     "only 24 channels", "the least is"};
    for (int i = 0; i < 6; i++) {
        pare_context *ctx = NULL;
        pare_lm lm;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_true(run(ctx, &bad[i], &lm, &result) != PARE_OK);
        if (!strstr(pare_context_error(ctx), says[i])) {
            fail_msg("'%s' does not say '%s'", pare_context_error(ctx), says[i]);
        }
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
}

static void test_prune_allocations(void **state) {
    (void)state;
    static const pare_prune_criterion criteria[] = {
        PARE_PRUNE_RECONSTRUCTION, PARE_PRUNE_SEQUENTIAL_ATTENTION, PARE_PRUNE_TAYLOR};
    for (size_t c = 0; c < 3; c++) {
        bool done = false;
        for (int64_t fail_at = 0; !done; fail_at += 1 + fail_at / 8) {
            test_allocator counter = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&counter);
            pare_context *ctx = NULL;
            pare_lm lm, dense;
            pare_prune_result result;
            assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
            tiny_make(ctx, "llama", false, &dense);
            tiny_make(ctx, "llama", false, &lm);
            pare_prune_options o = usual();
            o.criterion = criteria[c];
            o.hidden = c == 0;
            o.steps = 8;
            counter.fail_at = counter.count + fail_at;
            pare_status status =
                pare_prune(&dense, &lm, 2, TINY_CONTEXT, tokens, &o, NULL, NULL, &result);
            double divergence[2];
            if (status == PARE_OK) {
                status = pare_prune_recover(&dense, &lm, 2, TINY_CONTEXT, tokens, 1, 1, NULL, NULL,
                                            divergence);
            }
            done = counter.count <= counter.fail_at;
            if (status != (done ? PARE_OK : PARE_ERROR_MEMORY)) {
                fail_msg("allocation %d: %s", (int)fail_at, pare_context_error(ctx));
            }
            pare_prune_result_clear(ctx, &result);
            pare_lm_clear(&lm);
            pare_lm_clear(&dense);
            pare_context_destroy(ctx);
            assert_int_equal(counter.live, 0);
        }
    }
}

/* Levels by hand: the cheapest loss per cost goes first, and what fits is given back. */
static void test_sharing_out(void **state) {
    (void)state;
    static const double cost[] = {4, 3, 2, 0}, first[] = {0, 1, 3, 9}, second[] = {0, 2, 6, 20};
    pare_allocation_part parts[2] = {{4, cost, first, 0}, {4, cost, second, 0}};
    assert_true(pare_allocate(2, parts, 7));
    assert_int_equal(parts[0].level, 1);
    assert_int_equal(parts[1].level, 0);
    assert_true(pare_allocate(2, parts, 5));
    assert_int_equal(parts[0].level, 2);
    assert_int_equal(parts[1].level, 1);
    assert_false(pare_allocate(2, parts, -1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_recover_stops),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_worthless),
        cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_prune_allocations),

        cmocka_unit_test(test_sharing_out),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
