/* Decoding with a cache of keys and values, its kernels, and what a step costs. */
#include "language_support.h"

#include "model/transformer/decode.h"

/* Token by token: the same logits as all at once. */
static void test_decode(void **state) {
    (void)state;
    static const char *const architectures[] = {"llama", "qwen2", "qwen3", "gpt2", "gpt_neox"};
    for (int i = 0; i < 6; i++) {
        pare_context *ctx = NULL;
        pare_lm lm;
        pare_lm_decoder *decoder = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        tiny_make(ctx, architectures[i % 5], i == 5, &lm);
        float *expected = tiny_logits(&lm);
        assert_ok(ctx, pare_lm_decoder_create(&lm, 2, TINY_CONTEXT, &decoder));
        for (int64_t t = 0; t < TINY_CONTEXT; t++) {
            int32_t token[2] = {(int32_t)(t * 37 % TINY_VOCABULARY), (int32_t)t};
            const float *logits = pare_lm_decode(decoder, token, true);
            for (int64_t v = 0; v < TINY_VOCABULARY; v++) {
                double want = (double)expected[t * TINY_VOCABULARY + v];
                assert_true(fabs((double)logits[v] - want) < 1e-3);
            }
        }
        pare_lm_decoder_rewind(decoder, 5);
        int32_t token[2] = {5 * 37 % TINY_VOCABULARY, 5};
        const float *logits = pare_lm_decode(decoder, token, true);
        assert_true(fabs((double)logits[7] - (double)expected[5 * TINY_VOCABULARY + 7]) < 1e-3);
        /* A prompt in blocks, onto what is there. */
        enum { PROMPT = TINY_CONTEXT - 6 };
        int32_t prompt[2 * PROMPT];
        for (int64_t t = 0; t < PROMPT; t++) {
            prompt[t] = (int32_t)((t + 6) * 37 % TINY_VOCABULARY);
            prompt[PROMPT + t] = prompt[t] + 1;
        }
        logits = pare_lm_prefill(decoder, PROMPT, prompt, true);
        for (int64_t v = 0; v < TINY_VOCABULARY; v++) {
            double want = (double)expected[(TINY_CONTEXT - 1) * TINY_VOCABULARY + v];
            assert_true(fabs((double)logits[v] - want) < 1e-3);
        }
        assert_int_equal(pare_lm_decoder_length(decoder), TINY_CONTEXT);
        pare_lm_decoder_destroy(decoder);
        test_free(expected);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
}

/* Rows of weights times a few vectors, against sums in double; nothing is written outside. */
static void test_rows_dot(void **state) {
    (void)state;
    enum { COLUMNS = 75, ROWS = 5, VECTORS = 9, STRIDE = ROWS + 2 };
    static float w[ROWS * COLUMNS], x[VECTORS * COLUMNS], y[2][VECTORS * STRIDE];
    static uint16_t bits[ROWS * COLUMNS];
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        uint32_t whole = 0;
        w[i] = tiny_normal(1, i);
        memcpy(&whole, &w[i], sizeof whole);
        bits[i] = (uint16_t)(whole >> 16);
        whole &= 0xffff0000U;
        memcpy(&w[i], &whole, sizeof whole);
    }
    for (int64_t i = 0; i < VECTORS * COLUMNS; i++) {
        x[i] = tiny_normal(2, i);
    }
    for (int level = 0; level <= (int)pare_cpu_detect(); level++) {
        const pare_kernels *k = pare_kernels_at((pare_cpu_level)level);
        for (int64_t n = 0; n <= COLUMNS; n++) {
            for (int64_t size = 0; size <= ROWS * (VECTORS + 1); size++) {
                int64_t rows = size % (ROWS + 1), count = size / (ROWS + 1);
                for (int64_t i = 0; i < VECTORS * STRIDE; i++) {
                    y[0][i] = y[1][i] = 77;
                }
                k->rows_dot(rows, n, w, count, x, STRIDE, y[0]);
                k->rows_dot_bf16(rows, n, bits, count, x, STRIDE, y[1]);
                for (int64_t i = 0; i < VECTORS * STRIDE; i++) {
                    int64_t v = i / STRIDE, r = i % STRIDE;
                    double exact = v < count && r < rows ? 0 : 77, magnitude = 0;
                    for (int64_t j = 0; v < count && r < rows && j < n; j++) {
                        exact += (double)w[r * n + j] * (double)x[v * n + j];
                        magnitude += fabs((double)w[r * n + j] * (double)x[v * n + j]);
                    }
                    double bound = (double)n * 0x1p-24 * magnitude;
                    assert_true(fabs((double)y[0][i] - exact) <= bound);
                    assert_true(fabs((double)y[1][i] - exact) <= bound);
                }
            }
        }
    }
}

/* The table is not falling and explains the whole model. */
static void test_latency(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm;
    pare_latency table;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", false, &lm);
    assert_ok(ctx, pare_latency_measure(&lm, false, 1, 10, &table));
    assert_int_equal(table.groups, 3);
    assert_int_equal(table.channels, 24);
    for (int64_t g = 0; g < table.groups; g++) {
        assert_true(table.attention[g] <= table.attention[g + 1]);
    }
    for (int64_t c = 0; c < table.channels; c++) {
        assert_true(table.ffn[c] <= table.ffn[c + 1]);
    }
    assert_true(table.rest >= 0);
    pare_latency_clear(ctx, &table);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_rows_dot),
        cmocka_unit_test(test_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
