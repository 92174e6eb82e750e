/* Pruning of GPT-2 and GPT-NeoX: what adds nothing goes first, and the refitted rest is the same
 * model, also where both halves of a layer start from its input. */
#include "language_support.h"

#include "problem/prune.h"

enum { SEQUENCES = 8 };

static int32_t tokens[SEQUENCES * TINY_CONTEXT];

/* Takes the last head's and every third channel's way out. */
static void make(pare_context *ctx, const char *architecture, pare_lm *lm) {
    tiny_make(ctx, architecture, false, lm);
    for (int64_t i = 0; i < lm->shape.layers; i++) {
        pare_lm_tensor *down = &lm->layer[i][PARE_LM_DOWN], *o = &lm->layer[i][PARE_LM_O];
        for (int64_t v = 0; v < down->rows * down->columns; v++) {
            down->own[v] = v % 3 == 0 ? 0 : down->own[v];
        }
        for (int64_t v = 0; v < o->rows * o->columns; v++) {
            o->own[v] = v % o->columns >= 12 ? 0 : o->own[v];
        }
    }
}

static void test_worthless(void **state) {
    (void)state;
    static const char *const architectures[] = {"gpt2", "gpt_neox"};
    for (int i = 0; i < 4; i++) {
        pare_context *ctx = NULL;
        pare_lm dense, lm;
        pare_prune_result result;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        make(ctx, architectures[i % 2], &dense);
        make(ctx, architectures[i % 2], &lm);
        /* One head of 4 (256 weights) and 8 of 24 channels (32 each) of 1824 weights a layer. */
        pare_prune_options o = {.keep = 1 - 512.0 / 1824 + 1e-9,
                                .heads = true,
                                .ffn = true,
                                .attention = true,
                                .mlp = true,
                                .uniform = false,
                                .compensate = true,
                                .round = 1,
                                .ridge = i < 2 ? 1e-6 : 1e-3,
                                .probe = SEQUENCES,
                                .steps = 8,
                                .seed = 1};
        assert_ok(
            ctx, pare_prune(&dense, &lm, SEQUENCES, TINY_CONTEXT, tokens, &o, NULL, NULL, &result));
        for (int64_t l = 0; l < lm.shape.layers; l++) {
            assert_int_equal(lm.shape.layer[l].heads, 3);
            assert_int_equal(lm.shape.layer[l].ffn, 16);
        }
        float *before = tiny_logits(&dense), *after = tiny_logits(&lm);
        if (tiny_difference(before, after) > 2e-3) {
            fail_msg("%s: logits differ by %g", architectures[i % 2],
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

static int setup(void **state) {
    (void)state;
    tiny_tokens(SEQUENCES * TINY_CONTEXT, 0, tokens);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worthless),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
