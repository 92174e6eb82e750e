/* Query heads that go without their key/value head: as many of every one, whatever ranks them. */
#include "language_support.h"

#include "problem/prune.h"

enum { SEQUENCES = 8, LAYERS = 3, GROUPS = 2, SHARE = 4, HEADS = GROUPS * SHARE };

static void make(pare_context *ctx, pare_lm *lm) {
    pare_lm_shape shape = {.architecture = "qwen2",
                           .layers = LAYERS,
                           .hidden = 16,
                           .head_dim = 4,
                           .vocabulary = TINY_VOCABULARY,
                           .context = TINY_CONTEXT,
                           .rope_base = 100,
                           .norm_epsilon = 1e-3,
                           .qkv_bias = true,
                           .bos = 1,
                           .eos = 2};
    tiny_make_shape(ctx, shape, (pare_lm_layer){HEADS, GROUPS, 24}, lm);
}

static pare_status run(pare_context *ctx, const pare_prune_options *options, pare_lm *lm,
                       pare_prune_result *result) {
    int32_t tokens[SEQUENCES * TINY_CONTEXT];
    pare_lm dense;
    for (int64_t i = 0; i < SEQUENCES * TINY_CONTEXT; i++) {
        uint32_t drawn =
            (uint32_t)pare_random_below(3, PARE_STREAM_TEST, (uint64_t)i, TINY_VOCABULARY);
        tokens[i] = i % TINY_CONTEXT == 0 ? 1 : (int32_t)drawn;
    }
    make(ctx, &dense);
    make(ctx, lm);
    pare_status status =
        pare_prune(&dense, lm, SEQUENCES, TINY_CONTEXT, tokens, options, NULL, NULL, result);
    pare_lm_clear(&dense);
    return status;
}

static pare_prune_options usual(void) {
    return (pare_prune_options){.keep = 0.8,
                                .queries = true,
                                .compensate = true,
                                .round = 1,
                                .ridge = 1e-3,
                                .probe = 8,
                                .steps = 8,
                                .seed = 1};
}

/* The cut model is the dense one with those heads gated off. */
static void test_cut(void **state) {
    (void)state;
    static const uint8_t keep[LAYERS * HEADS] = {1, 0, 1, 1, 0, 1, 1, 1,  /* 3 of each */
                                                 1, 1, 1, 1, 1, 1, 1, 1,  /* all */
                                                 0, 0, 0, 1, 1, 0, 0, 0}; /* 1 of each */
    pare_context *ctx = NULL;
    pare_lm lm;
    int32_t token[TINY_CONTEXT];
    float head[LAYERS * HEADS], wanted[TINY_CONTEXT * 16];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    make(ctx, &lm);
    for (int64_t i = 0; i < TINY_CONTEXT; i++) {
        token[i] = (int32_t)(i * 37 % TINY_VOCABULARY);
    }
    for (int64_t i = 0; i < LAYERS * HEADS; i++) {
        head[i] = keep[i];
    }
    const pare_lm_gates gates = {.head = head};
    pare_lm_run *pass = NULL;
    assert_ok(ctx, pare_lm_run_create(&lm, 1, TINY_CONTEXT, false, &pass));
    memcpy(wanted, pare_lm_forward(pass, token, &gates), sizeof wanted);
    pare_lm_run_destroy(pass);
    const pare_lm_keep cut = {.head = keep};
    assert_ok(ctx, pare_lm_cut(&lm, &cut));
    assert_int_equal(lm.shape.layer[0].heads, 6);
    assert_int_equal(lm.shape.layer[2].heads, 2);
    assert_int_equal(lm.shape.layer[2].kv_heads, GROUPS);
    assert_ok(ctx, pare_lm_run_create(&lm, 1, TINY_CONTEXT, false, &pass));
    const float *got = pare_lm_forward(pass, token, NULL);
    for (int64_t i = 0; i < TINY_CONTEXT * 16; i++) {
        assert_true(fabs((double)got[i] - (double)wanted[i]) < 1e-4 * (1 + fabs((double)got[i])));
    }
    pare_lm_run_destroy(pass);
    static const uint8_t uneven[LAYERS * HEADS] = {1, 1, 1, 0, 1, 0, 1, 1};
    assert_int_equal(pare_lm_cut(&lm, &(pare_lm_keep){.head = uneven}), PARE_ERROR_ARGUMENT);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

/* Each criterion and budget: groups stay, each keeps the same number of heads. */
static void test_criteria(void **state) {
    (void)state;
    for (int criterion = 0; criterion < PARE_PRUNE_CRITERIA; criterion++) {
        for (int with_ffn = 0; with_ffn < 2; with_ffn++) {
            pare_context *ctx = NULL;
            pare_lm lm;
            pare_prune_result result;
            assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
            pare_prune_options o = usual();
            o.criterion = (pare_prune_criterion)criterion;
            o.ffn = with_ffn > 0;
            o.uniform = with_ffn > 0;
            o.resource = with_ffn > 0 ? PARE_PRUNE_FLOPS : PARE_PRUNE_PARAMETERS;
            o.keep = with_ffn > 0 ? 0.85 : 0.75;
            pare_status status = run(ctx, &o, &lm, &result);
            if (o.criterion == PARE_PRUNE_PERPLEXITY || o.criterion == PARE_PRUNE_BLOCK_INFLUENCE) {
                assert_int_equal(status, PARE_ERROR_UNSUPPORTED);
            } else {
                assert_ok(ctx, status);
                assert_true(result.share <= o.keep && result.share > o.keep - 0.12);
                int64_t gone = 0;
                for (int64_t i = 0; i < LAYERS; i++) {
                    assert_int_equal(lm.shape.layer[i].kv_heads, GROUPS);
                    assert_int_equal(lm.shape.layer[i].heads % GROUPS, 0);
                    gone += HEADS - lm.shape.layer[i].heads;
                }
                assert_true(gone > 0 || with_ffn > 0);
                assert_true(with_ffn == 0 || pare_lm_uniform(&lm.shape));
                double left = (double)result.parameters_after / (double)result.parameters_before;
                assert_true(with_ffn > 0 || fabs(left - result.share) < 0.01); /* but biases */
                float *logits = tiny_logits(&lm);
                for (int64_t v = 0; v < TINY_CONTEXT * TINY_VOCABULARY; v++) {
                    assert_true(isfinite(logits[v]));
                }
                test_free(logits);
            }
            pare_prune_result_clear(ctx, &result);
            pare_lm_clear(&lm);
            pare_context_destroy(ctx);
        }
    }
}

/* Both ways beside each other: the budget is met, each layer is cut in one of them, and what can
 * only be met by groups is. */
static void test_either(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        pare_context *ctx = NULL;
        pare_lm lm;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        pare_prune_options o = usual();
        o.heads = true;
        o.ffn = i % 2 > 0;
        o.uniform = i == 1;
        o.attention = o.mlp = i == 3;
        o.keep = o.ffn ? 0.6 : 0.7;
        assert_ok(ctx, run(ctx, &o, &lm, &result));
        assert_true(result.share <= o.keep && result.share > o.keep - 0.12);
        double left = (double)result.parameters_after / (double)result.parameters_before;
        assert_true(fabs(left - result.share) < 0.01); /* but biases */
        assert_true(!o.uniform || pare_lm_uniform(&lm.shape));
        assert_true(i == 3 || result.parts == 2 * LAYERS);
        for (int64_t j = 0; j < result.parts; j++) {
            const pare_prune_part *part = &result.part[j];
            const pare_lm_layer *layer = &lm.shape.layer[part->layer];
            if (i != 3 && part->half == PARE_LM_ATTENTION) {
                assert_int_equal(part->kept,
                                 part->blocks == HEADS ? layer->heads : layer->kv_heads);
                assert_true(layer->heads == layer->kv_heads * SHARE || part->blocks == HEADS);
                assert_true(layer->kv_heads == GROUPS || part->blocks == GROUPS);
            }
        }
        pare_prune_result_clear(ctx, &result);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
}

/* The head of each group whose output column is 0 goes first, and for nothing. */
static void test_useless(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_half_problem p = {.width = HEADS * 4, .outputs = 3};
    double gram[HEADS * 4 * HEADS * 4] = {0}, cross[HEADS * 4 * 3], increase[HEADS];
    int64_t order[HEADS];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (int64_t i = 0; i < p.width; i++) {
        gram[i * p.width + i] = 1;
        for (int64_t j = 0; j < 3; j++) {
            bool none = i / 4 == 2 || i / 4 == 6;
            cross[i * 3 + j] = none ? 0 : i / 4 >= SHARE ? 9 : 1 + (double)(i / 4);
        }
    }
    p.gram = gram;
    p.cross = cross;
    assert_ok(ctx, pare_half_eliminate(ctx, &p, 4, SHARE, 0, order, increase));
    assert_true((order[0] == 2 && order[1] == 6) || (order[0] == 6 && order[1] == 2));
    assert_true(fabs(increase[0]) + fabs(increase[1]) < 1e-9);
    for (int64_t round = 0; round < SHARE; round++) {
        assert_true(order[2 * round] / SHARE != order[2 * round + 1] / SHARE);
    }
    assert_int_equal(order[2], 0); /* the least of its group, before any of the other's */
    pare_context_destroy(ctx);
}

static void test_refused(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm, dense;
    pare_prune_result result;
    static const int32_t tokens[TINY_CONTEXT] = {1};
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    pare_prune_options o = usual();
    o.heads = true;
    o.criterion = PARE_PRUNE_MAGNITUDE;
    assert_int_equal(run(ctx, &o, &lm, &result), PARE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(pare_context_error(ctx), "reconstruction"));
    o.criterion = PARE_PRUNE_RECONSTRUCTION;
    pare_lm_clear(&lm);
    tiny_make(ctx, "gpt2", false, &dense);
    tiny_make(ctx, "gpt2", false, &lm);
    o.heads = false;
    assert_int_equal(pare_prune(&dense, &lm, 1, TINY_CONTEXT, tokens, &o, NULL, NULL, &result),
                     PARE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(pare_context_error(ctx), "one query head"));
    pare_lm_clear(&lm);
    pare_lm_clear(&dense);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_criteria),
        cmocka_unit_test(test_either),  cmocka_unit_test(test_useless),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
