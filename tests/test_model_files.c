/* Models written and read again in every format, with either rotary convention, and what damaged
 * files lead to. */
#include "language_support.h"

#include <sys/stat.h>

static char folder[64];

static int setup(void **state) {
    (void)state;
    strcpy(folder, "/tmp/pare-test-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 && mkdir("hf", 0777) == 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void check_same(pare_context *ctx, const char *path, const float *expected, double bound) {
    pare_checkpoint checkpoint;
    pare_lm lm;
    assert_ok(ctx, pare_checkpoint_open(ctx, path, &checkpoint));
    assert_ok(ctx, pare_lm_open(&checkpoint, &lm));
    assert_ok(ctx, pare_lm_check_finite(&lm, path));
    float *logits = tiny_logits(&lm);
    double difference = tiny_difference(logits, expected);
    if (!(difference <= bound)) {
        fail_msg("%s: logits differ by %g", path, difference);
    }
    test_free(logits);
    pare_lm_clear(&lm);
    pare_checkpoint_close(&checkpoint);
}

/* HF, GGUF, and GGUF of what HF gave and back: the logits stay, whichever pairs are rotated. */
static void test_round_trip(void **state) {
    (void)state;
    static const char *const architectures[] = {"llama", "mistral", "qwen2", "qwen3"};
    for (int i = 0; i < 8; i++) {
        const char *architecture = architectures[i / 2];
        if (i % 2 == 1 && i >= 4) {
            continue; /* only Llama's family is stored with neighbours rotated */
        }
        pare_context *ctx = NULL;
        pare_lm lm, again;
        pare_checkpoint checkpoint;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        tiny_make(ctx, architecture, i % 2 == 1, &lm);
        float *expected = tiny_logits(&lm);
        assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL));
        check_same(ctx, "hf", expected, 1e-4);
        assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "a.gguf"));
        check_same(ctx, "a.gguf", expected, 1e-4);
        assert_ok(ctx, pare_checkpoint_open(ctx, "hf", &checkpoint));
        assert_ok(ctx, pare_lm_open(&checkpoint, &again));
        assert_ok(ctx, pare_lm_write_gguf(&again, PARE_DTYPE_F32, NULL, "b.gguf"));
        check_same(ctx, "b.gguf", expected, 1e-4);
        pare_lm_clear(&again);
        pare_checkpoint_close(&checkpoint);
        assert_ok(ctx, pare_checkpoint_open(ctx, "b.gguf", &checkpoint));
        assert_ok(ctx, pare_lm_open(&checkpoint, &again));
        assert_ok(ctx, pare_lm_write_hf(&again, PARE_DTYPE_F32, "hf", NULL));
        check_same(ctx, "hf", expected, 1e-4);
        pare_lm_clear(&again);
        pare_checkpoint_close(&checkpoint);
        test_free(expected);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
}

/* The other families: their names, fused and turned matrices, and layers that differ. */
static void test_families(void **state) {
    (void)state;
    static const char *const architectures[] = {"gpt2", "gpt_neox"};
    for (int i = 0; i < 4; i++) {
        pare_context *ctx = NULL;
        pare_lm lm;
        pare_checkpoint checkpoint;
        uint8_t group[12] = {1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0}, channel[72];
        for (int c = 0; c < 72; c++) {
            channel[c] = (uint8_t)(c % 3 > 0);
        }
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        tiny_make(ctx, architectures[i % 2], false, &lm);
        pare_lm_keep keep = {.group = group, .channel = channel};
        if (i >= 2) {
            assert_ok(ctx, pare_lm_cut(&lm, &keep));
        }
        float *expected = tiny_logits(&lm);
        assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL));
        check_same(ctx, "hf", expected, 1e-4);
        assert_ok(ctx, pare_checkpoint_open(ctx, "hf", &checkpoint));
        assert_int_equal(pare_lm_parameters(&checkpoint.shape), pare_lm_parameters(&lm.shape));
        const char *fused = i % 2 == 0 ? "h.0.attn.c_attn.weight"
                                       : "gpt_neox.layers.0.attention.query_key_value.weight";
        const pare_stored *t = pare_checkpoint_find(&checkpoint, fused);
        int64_t keys = 3 * 4 * lm.shape.layer[0].heads;
        assert_non_null(t);
        assert_int_equal(t->shape[i % 2 == 0 ? 1 : 0], keys);
        assert_int_equal(t->shape[i % 2 == 0 ? 0 : 1], 16);
        pare_checkpoint_close(&checkpoint);
        assert_int_equal(pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "a.gguf"),
                         PARE_ERROR_UNSUPPORTED);
        assert_non_null(strstr(pare_context_error(ctx), "Hugging Face directory only"));
        test_free(expected);
        pare_lm_clear(&lm);
        pare_context_destroy(ctx);
    }
}

/* Layers that differ, one without attention, one without feed-forward part. */
static void test_layers_that_differ(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm;
    uint8_t group[9] = {1, 0, 1, 0, 0, 0, 1, 1, 1}, channel[72];
    for (int i = 0; i < 72; i++) {
        channel[i] = (uint8_t)(i < 48 && i % 3 > 0);
    }
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", false, &lm);
    pare_lm_keep keep = {.group = group, .channel = channel, .drop_empty = true};
    assert_ok(ctx, pare_lm_cut(&lm, &keep));
    assert_int_equal(lm.shape.layer[1].heads, 0);
    assert_int_equal(lm.shape.layer[2].ffn, 0);
    float *expected = tiny_logits(&lm);
    assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL));
    check_same(ctx, "hf", expected, 1e-4);
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "a.gguf"));
    check_same(ctx, "a.gguf", expected, 1e-4);
    /* Other programs want attention in layer 0 and a feed-forward part everywhere: zeros. */
    const uint8_t none[9] = {0, 0, 1, 1};
    const pare_lm_keep without = {.group = none};
    assert_ok(ctx, pare_lm_cut(&lm, &without));
    assert_int_equal(lm.shape.layer[0].heads, 0);
    test_free(expected);
    expected = tiny_logits(&lm);
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "a.gguf"));
    check_same(ctx, "a.gguf", expected, 1e-4);
    pare_checkpoint checkpoint;
    assert_ok(ctx, pare_checkpoint_open(ctx, "a.gguf", &checkpoint));
    assert_int_equal(checkpoint.shape.layer[0].heads, 1);
    assert_int_equal(checkpoint.shape.layer[1].heads, 0);
    for (int64_t i = 0; i < checkpoint.shape.layers; i++) {
        assert_true(checkpoint.shape.layer[i].ffn > 0);
    }
    pare_checkpoint_close(&checkpoint);
    snprintf(lm.shape.architecture, sizeof lm.shape.architecture, "qwen2");
    assert_int_equal(pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "b.gguf"),
                     PARE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(pare_context_error(ctx), "--uniform"));
    test_free(expected);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

/* Frequencies that no base explains survive in GGUF; config.json keeps those divided alike. */
static void test_rope_factors(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", true, &lm);
    lm.shape.rope_frequency[1] /= 8;
    float *expected = tiny_logits(&lm);
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "a.gguf"));
    check_same(ctx, "a.gguf", expected, 1e-4);
    assert_int_equal(pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL), PARE_ERROR_UNSUPPORTED);
    test_free(expected);
    lm.shape.rope_frequency[0] /= 8;
    expected = tiny_logits(&lm);
    assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL));
    check_same(ctx, "hf", expected, 1e-4);
    test_free(expected);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

static void test_narrow_numbers(void **state) {
    (void)state;
    static const pare_dtype dtypes[] = {PARE_DTYPE_F16, PARE_DTYPE_BF16};
    pare_context *ctx = NULL;
    pare_lm lm;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", false, &lm);
    float *expected = tiny_logits(&lm);
    for (int i = 0; i < 2; i++) {
        assert_ok(ctx, pare_lm_write_hf(&lm, dtypes[i], "hf", NULL));
        check_same(ctx, "hf", expected, i == 0 ? 0.1 : 0.6);
        assert_ok(ctx, pare_lm_write_gguf(&lm, dtypes[i], NULL, "a.gguf"));
        check_same(ctx, "a.gguf", expected, i == 0 ? 0.1 : 0.6);
    }
    test_free(expected);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

/* Opens a damaged file: success or one sentence, nothing else. */
static void try_open(const char *path) {
    test_allocator counter = {.fail_at = -1};
    pare_allocator allocator = test_allocator_of(&counter);
    pare_context *ctx = NULL;
    pare_checkpoint checkpoint;
    assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
    assert_int_equal(pare_context_set_threads(ctx, 1), PARE_OK);
    if (pare_checkpoint_open(ctx, path, &checkpoint) == PARE_OK) {
        pare_lm lm;
        if (pare_lm_open(&checkpoint, &lm) == PARE_OK) {
            (void)!pare_lm_check_finite(&lm, path);
            pare_lm_clear(&lm);
        }
        pare_checkpoint_close(&checkpoint);
    } else {
        assert_true(strlen(pare_context_error(ctx)) > 10);
    }
    pare_context_destroy(ctx);
    assert_int_equal(counter.live, 0);
}

static void damage(const char *from, const char *to, const char *opened, int64_t head) {
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    int64_t length = (int64_t)fread(bytes, 1, sizeof bytes, file);
    assert_int_equal(fclose(file), 0);
    head = head < length ? head : length;
    for (int64_t at = 0; at < head; at += 1 + at / 16) {
        static const unsigned char values[] = {0, 1, 0x7f, 0xff, '"', '9'};
        for (size_t v = 0; v <= sizeof values; v++) { /* last: cut there */
            unsigned char old = bytes[at];
            bytes[at] = v < sizeof values ? values[v] : old;
            file = fopen(to, "wb");
            assert_non_null(file);
            fwrite(bytes, 1, (size_t)(v < sizeof values ? length : at), file);
            assert_int_equal(fclose(file), 0);
            bytes[at] = old;
            try_open(opened);
        }
    }
}

static void test_damaged(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_lm lm;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    tiny_make(ctx, "llama", true, &lm);
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F16, NULL, "good.gguf"));
    damage("good.gguf", "bad.gguf", "bad.gguf", 4096);
    assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F16, "hf", NULL));
    assert_int_equal(rename("hf/model.safetensors", "good"), 0);
    damage("good", "hf/model.safetensors", "hf", 4096);
    assert_int_equal(rename("good", "hf/model.safetensors"), 0);
    assert_int_equal(rename("hf/config.json", "good"), 0);
    damage("good", "hf/config.json", "hf", 4096);
    assert_int_equal(rename("good", "hf/config.json"), 0);
    pare_lm_clear(&lm);
    pare_context_destroy(ctx);
}

/* Every allocation of opening and of writing fails once. */
static void test_allocations(void **state) {
    (void)state;
    static const char *const paths[] = {"hf", "a.gguf"};
    for (int kind = 0; kind < 4; kind++) {
        bool done = false;
        for (int64_t fail_at = 0; !done; fail_at++) {
            test_allocator counter = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&counter);
            pare_context *ctx = NULL;
            pare_checkpoint checkpoint = {0};
            pare_lm lm = {0};
            assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
            tiny_make(ctx, "llama", true, &lm);
            counter.fail_at = kind < 2 ? -1 : counter.count + fail_at;
            pare_status status = kind % 2 == 0
                                     ? pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL)
                                     : pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "a.gguf");
            if (kind < 2) {
                assert_int_equal(status, PARE_OK);
                counter.fail_at = counter.count + fail_at;
                status = pare_checkpoint_open(ctx, paths[kind], &checkpoint);
            }
            done = counter.count <= counter.fail_at;
            if (status != (done ? PARE_OK : PARE_ERROR_MEMORY)) {
                fail_msg("kind %d, allocation %d: %s", kind, (int)fail_at, pare_context_error(ctx));
            }
            counter.fail_at = -1;
            if (kind < 2 && status == PARE_OK) {
                pare_checkpoint_close(&checkpoint);
            }
            pare_lm_clear(&lm);
            pare_context_destroy(ctx);
            assert_int_equal(counter.live, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_families),
        cmocka_unit_test(test_layers_that_differ), cmocka_unit_test(test_rope_factors),
        cmocka_unit_test(test_narrow_numbers),     cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
