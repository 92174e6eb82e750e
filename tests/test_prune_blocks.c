/* Blocks of a language model's weights: how many go, what training keeps zero, and a model that is
 * written, read again and multiplied by blocks. */
#include "language_support.h"

#include "model/transformer/decode.h"
#include "problem/prune_blocks.h"

enum { SEQUENCES = 4, LENGTH = 24, STEPS = 3 };

static int32_t tokens[SEQUENCES * LENGTH];

static int setup(void **state) {
    (void)state;
    tiny_tokens(SEQUENCES * LENGTH, 0, tokens);
    return 0;
}

static pare_prune_blocks_options usual(pare_prune_criterion criterion) {
    return (pare_prune_blocks_options){.criterion = criterion,
                                       .block = 16,
                                       .sparsity = 0.5,
                                       .compensate = true,
                                       .ridge = 1e-3,
                                       .steps = STEPS,
                                       .probe = SEQUENCES,
                                       .seed = 1};
}

static pare_status run(pare_context *ctx, const pare_prune_blocks_options *options, bool text,
                       pare_lm *lm, pare_prune_result *result) {
    pare_lm dense;
    tiny_make(ctx, "llama", false, &dense);
    tiny_make(ctx, "llama", false, lm);
    pare_status status = pare_prune_blocks(&dense, lm, text ? SEQUENCES : 0, LENGTH,
                                           text ? tokens : NULL, options, NULL, NULL, result);
    pare_lm_clear(&dense);
    return status;
}

/* Blocks of a matrix that are not zero, of all of them. */
static int64_t blocks_left(const pare_lm_tensor *t, int64_t *all) {
    int64_t left = 0;
    *all = 0;
    for (int64_t row = 0; row < t->rows; row += 16) {
        for (int64_t column = 0; column < t->columns; column += 16) {
            bool any = false;
            for (int64_t r = row; r < row + 16 && r < t->rows; r++) {
                for (int64_t c = column; c < column + 16 && c < t->columns; c++) {
                    any = any || t->own[r * t->columns + c] != 0;
                }
            }
            left += any;
            (*all)++;
        }
    }
    return left;
}

/* Every way of choosing leaves the share asked for, frozen weights or not. */
static void test_share(void **state) {
    (void)state;
    static const pare_prune_criterion criteria[] = {
        PARE_PRUNE_MAGNITUDE, PARE_PRUNE_RANDOM, PARE_PRUNE_ACTIVATION, PARE_PRUNE_RECONSTRUCTION,
        PARE_PRUNE_SEQUENTIAL_ATTENTION};
    for (int i = 0; i < 10; i++) {
        pare_context *ctx = NULL;
        pare_lm lm;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        pare_prune_blocks_options o = usual(criteria[i % 5]);
        o.tokens = i >= 5 ? STEPS * SEQUENCES * LENGTH : 0;
        assert_ok(ctx, run(ctx, &o, true, &lm, &result));
        assert_int_equal(lm.shape.weight_block, 16);
        assert_true(isfinite(result.loss_before) && isfinite(result.loss_after));
        for (int64_t m = 0; m < lm.shape.layers * PARE_LM_MATRICES; m++) {
            int64_t all = 0;
            int64_t left = blocks_left(&lm.layer[m / PARE_LM_MATRICES][m % PARE_LM_MATRICES], &all);
            assert_int_equal(left, (all + 1) / 2);
        }
        assert_true(result.parameters_after < result.parameters_before);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
}

/* Written, read again: blocks are found, and both passes give the logits of the dense product. */
static void test_products(void **state) {
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        char folder[] = "/tmp/pare-blocks-XXXXXX", file[64];
        assert_non_null(mkdtemp(folder));
        pare_context *ctx = NULL;
        pare_lm lm, again;
        pare_prune_result result;
        pare_checkpoint checkpoint;
        pare_lm_decoder *decoder = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        pare_prune_blocks_options o = usual(PARE_PRUNE_MAGNITUDE);
        assert_ok(ctx, run(ctx, &o, false, &lm, &result));
        assert_true(isnan(result.loss_after));
        assert_ok(ctx,
                  pare_lm_write_hf(&lm, bf16 ? PARE_DTYPE_BF16 : PARE_DTYPE_F32, folder, NULL));
        assert_ok(ctx, pare_checkpoint_open(ctx, folder, &checkpoint));
        assert_ok(ctx, pare_lm_open(&checkpoint, &again));
        assert_int_equal(again.shape.weight_block, 16);
        assert_non_null(again.layer[0][PARE_LM_Q].blocks);
        assert_true((again.layer[0][PARE_LM_Q].blocks->bf16 != NULL) == (bf16 == 1));
        float *a = tiny_logits(&lm), *b = tiny_logits(&again);
        assert_true(bf16 || tiny_difference(a, b) < 1e-4);
        assert_ok(ctx, pare_lm_own(&again)); /* dense from here on */
        assert_null(again.layer[0][PARE_LM_Q].blocks);
        float *c = tiny_logits(&again);
        assert_true(tiny_difference(b, c) < 1e-4);
        pare_lm_clear(&again);
        assert_ok(ctx, pare_lm_open(&checkpoint, &again));
        assert_ok(ctx, pare_lm_decoder_create(&again, 1, 4, &decoder));
        const float *logits = pare_lm_decode(decoder, &tokens[0], true);
        assert_true(isfinite(logits[0]));
        pare_lm_decoder_destroy(decoder);
        test_free(a);
        test_free(b);
        test_free(c);
        pare_lm_clear(&again);
        pare_lm_clear(&lm);
        pare_checkpoint_close(&checkpoint);
        pare_context_destroy(ctx);
        snprintf(file, sizeof file, "%s/config.json", folder);
        unlink(file);
        snprintf(file, sizeof file, "%s/model.safetensors", folder);
        unlink(file);
        rmdir(folder);
    }
}

static void test_failing_allocation(void **state) {
    (void)state;
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_lm dense, lm;
        pare_prune_result result;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        tiny_make(ctx, "llama", false, &dense);
        tiny_make(ctx, "llama", false, &lm);
        pare_prune_blocks_options o =
            usual(at % 2 ? PARE_PRUNE_ACTIVATION : PARE_PRUNE_SEQUENTIAL_ATTENTION);
        o.steps = 1;
        memory.fail_at = memory.count + at;
        status = pare_prune_blocks(&dense, &lm, SEQUENCES, LENGTH, tokens, &o, NULL, NULL, &result);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        pare_lm_clear(&dense);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
