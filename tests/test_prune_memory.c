/* What pruning says it needs against what it takes: the peak of the allocator. */
#include "support.h"

#include <malloc.h>
#include <math.h>

#include "base/random.h"
#include "problem/prune.h"

enum { LAYERS = 3, HIDDEN = 32, VOCABULARY = 300, LENGTH = 24, SEQUENCES = 24, HEADS = 4 };

static int32_t tokens[SEQUENCES * LENGTH];

typedef struct counter {
    int64_t live, most;
} counter;

static void *count_allocate(void *user, size_t bytes, size_t alignment) {
    counter *c = user;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes) != 0) {
        return NULL;
    }
    c->live += (int64_t)malloc_usable_size(memory);
    c->most = c->live > c->most ? c->live : c->most;
    return memory;
}

static void count_release(void *user, void *memory) {
    counter *c = user;
    c->live -= (int64_t)malloc_usable_size(memory);
    free(memory);
}

static void fill(pare_context *ctx, pare_lm_tensor *t, int64_t rows, int64_t columns,
                 uint64_t stream) {
    int64_t values = rows * (columns > 0 ? columns : 1);
    *t = (pare_lm_tensor){.rows = rows, .columns = columns};
    assert_ok(ctx, pare_alloc(ctx, values, sizeof(float), &t->own));
    for (int64_t i = 0; i < values; i++) {
        double draw = pare_random_normal(stream, PARE_STREAM_TEST, (uint64_t)i);
        t->own[i] = (columns > 0 ? 0.0f : 1.0f) + 0.2f * (float)draw;
    }
}

static void make(pare_context *ctx, int64_t ffn, pare_dtype dtype, pare_lm *lm) {
    *lm = (pare_lm){.ctx = ctx};
    lm->shape = (pare_lm_shape){.architecture = "llama",
                                .layers = LAYERS,
                                .hidden = HIDDEN,
                                .head_dim = HIDDEN / HEADS,
                                .vocabulary = VOCABULARY,
                                .context = LENGTH,
                                .rope_base = 100,
                                .norm_epsilon = 1e-5};
    pare_lm_layer every = {HEADS, HEADS / 2, ffn};
    assert_ok(ctx, pare_lm_shape_reserve(ctx, &lm->shape, every, "test"));
    assert_ok(ctx, pare_alloc_zero(ctx, LAYERS, sizeof *lm->layer, &lm->layer));
    for (int64_t i = 0; i < LAYERS * PARE_LM_SLOTS; i++) {
        int64_t rows = 0, columns = 0, layer = i / PARE_LM_SLOTS;
        pare_lm_slot slot = (pare_lm_slot)(i % PARE_LM_SLOTS);
        if (pare_lm_slot_size(&lm->shape, layer, slot, &rows, &columns)) {
            fill(ctx, &lm->layer[layer][slot], rows, columns, (uint64_t)i);
        }
    }
    fill(ctx, &lm->embedding, VOCABULARY, HIDDEN, 1000);
    fill(ctx, &lm->head, VOCABULARY, HIDDEN, 1001);
    fill(ctx, &lm->norm, HIDDEN, 0, 1002);
    for (int64_t i = 0; i < LAYERS; i++) {
        assert_ok(ctx, pare_lm_pack_layer(lm, i, dtype));
    }
}

/* The model that is cut reads the dense one's values, as it would a file's. */
static void borrow(pare_context *ctx, const pare_lm *dense, pare_lm *lm) {
    *lm = (pare_lm){.ctx = ctx};
    assert_ok(ctx, pare_lm_shape_copy(ctx, &dense->shape, &lm->shape));
    assert_ok(ctx, pare_alloc_zero(ctx, LAYERS, sizeof *lm->layer, &lm->layer));
    for (int64_t i = 0; i < LAYERS * PARE_LM_SLOTS; i++) {
        const pare_lm_tensor *from = &dense->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        pare_lm_tensor *to = &lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        *to =
            (pare_lm_tensor){.stored = from->stored, .rows = from->rows, .columns = from->columns};
        if (from->own) {
            int64_t values = from->rows * (from->columns > 0 ? from->columns : 1);
            assert_ok(ctx, pare_alloc(ctx, values, sizeof(float), &to->own));
            memcpy(to->own, from->own, (size_t)values * sizeof(float));
        }
    }
    fill(ctx, &lm->embedding, VOCABULARY, HIDDEN, 1000);
    fill(ctx, &lm->head, VOCABULARY, HIDDEN, 1001);
    fill(ctx, &lm->norm, HIDDEN, 0, 1002);
}

/* What was said, as a multiple of what was taken. */
static double ratio(int64_t ffn, pare_prune_criterion criterion, bool rehearse) {
    counter count = {0};
    pare_allocator allocator = {sizeof allocator, count_allocate, count_release, &count};
    pare_context *ctx = NULL;
    pare_lm dense, lm;
    pare_prune_result result;
    assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
    make(ctx, ffn, PARE_DTYPE_BF16, &dense);
    borrow(ctx, &dense, &lm);
    pare_prune_options o = {.criterion = criterion,
                            .keep = 0.6,
                            .heads = true,
                            .ffn = true,
                            .compensate = true,
                            .round = 1,
                            .ridge = 1e-3,
                            .probe = 8,
                            .steps = 4,
                            .rehearse = rehearse,
                            .seed = 1,
                            .pack = PARE_DTYPE_BF16};
    int64_t said = pare_prune_bytes(&dense, SEQUENCES, LENGTH, &o), before = count.live;
    count.most = count.live;
    assert_ok(ctx, pare_prune(&dense, &lm, SEQUENCES, LENGTH, tokens, &o, NULL, NULL, &result));
    double out = (double)said / (double)(count.most - before);
    pare_prune_result_clear(ctx, &result);
    pare_lm_clear(&lm);
    pare_lm_clear(&dense);
    pare_context_destroy(ctx);
    assert_int_equal(count.live, 0);
    return out;
}

/* Within a fifth too much and a tenth too little, whether the text or the width of a layer decides;
 * a rehearsal takes what the run does, but for other cuts. */
static void test_said(void **state) {
    (void)state;
    for (int64_t i = 0; i < SEQUENCES * LENGTH; i++) {
        tokens[i] = (int32_t)pare_random_below(3, PARE_STREAM_TEST, (uint64_t)i, VOCABULARY);
    }
    static const pare_prune_criterion criteria[] = {
        PARE_PRUNE_RECONSTRUCTION, PARE_PRUNE_SEQUENTIAL_ATTENTION, PARE_PRUNE_TAYLOR,
        PARE_PRUNE_FLUCTUATION, PARE_PRUNE_MAGNITUDE};
    static const int64_t ffn[] = {48, 192};
    for (size_t i = 0; i < sizeof criteria / sizeof criteria[0]; i++) {
        for (size_t j = 0; j < 2; j++) {
            double said = ratio(ffn[j], criteria[i], false);
            double rehearsed = ratio(ffn[j], criteria[i], true);
            if (fabs(rehearsed - said) > 0.03 * said) {
                fail_msg("criterion %d, %d channels: a rehearsal takes %.4f of the real run",
                         (int)criteria[i], (int)ffn[j], said / rehearsed);
            }
            if (said < 0.9 || said > 1.2) {
                fail_msg("criterion %d, %d channels: %.3f of what was taken", (int)criteria[i],
                         (int)ffn[j], said);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
