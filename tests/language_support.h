/* A small model of the Llama family with random weights and a tokenizer of single bytes, in memory
 * and as files of a folder of its own. */
#ifndef PARE_TESTS_LANGUAGE_SUPPORT_H
#define PARE_TESTS_LANGUAGE_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/random.h"
#include "model/transformer/export.h"

enum { TINY_VOCABULARY = 259 + 27, TINY_CONTEXT = 48 };

static inline float tiny_normal(uint64_t stream, int64_t index) {
    return (float)pare_random_normal(stream, PARE_STREAM_TEST, (uint64_t)index);
}

static inline void tiny_fill(pare_context *ctx, pare_lm_tensor *t, bool gain, uint64_t stream) {
    int64_t values = t->rows * (t->columns > 0 ? t->columns : 1);
    assert_ok(ctx, pare_alloc(ctx, values, sizeof(float), &t->own));
    for (int64_t v = 0; v < values; v++) {
        t->own[v] = (gain ? 1.0f : 0.0f) + 0.4f * tiny_normal(stream, v);
    }
}

/* What gpt2 and gpt_neox have. */
static inline void tiny_family(pare_lm_shape *s) {
    bool gpt2 = strcmp(s->architecture, "gpt2") == 0;
    if (!gpt2 && strcmp(s->architecture, "gpt_neox") != 0) {
        return;
    }
    s->layer_norm = s->qkv_bias = s->output_bias = s->ffn_bias = true;
    s->activation = gpt2 ? PARE_LM_GELU_TANH : PARE_LM_GELU;
    s->positions = s->tied = gpt2;
    s->parallel = !gpt2;
    s->rope_base = 10000;
    s->unrotated = gpt2 ? s->head_dim : s->head_dim / 2;
}

/* Random weights for a shape without its layers, which are all alike. */
static inline void tiny_make_shape(pare_context *ctx, pare_lm_shape shape, pare_lm_layer every,
                                   pare_lm *lm) {
    *lm = (pare_lm){.ctx = ctx, .shape = shape};
    pare_lm_shape *s = &lm->shape;
    assert_ok(ctx, pare_lm_shape_reserve(ctx, s, every, "test"));
    assert_ok(ctx, pare_alloc_zero(ctx, s->layers, sizeof *lm->layer, &lm->layer));
    for (int64_t i = 0; i < s->layers * PARE_LM_SLOTS; i++) {
        pare_lm_slot slot = (pare_lm_slot)(i % PARE_LM_SLOTS);
        pare_lm_tensor *t = &lm->layer[i / PARE_LM_SLOTS][slot];
        bool gain = slot == PARE_LM_ATTENTION_NORM || slot == PARE_LM_FFN_NORM ||
                    slot == PARE_LM_Q_NORM || slot == PARE_LM_K_NORM;
        if (pare_lm_slot_size(s, i / PARE_LM_SLOTS, slot, &t->rows, &t->columns)) {
            tiny_fill(ctx, t, gain, (uint64_t)i);
        } else {
            *t = (pare_lm_tensor){0};
        }
    }
    lm->embedding = (pare_lm_tensor){.rows = s->vocabulary, .columns = s->hidden};
    lm->norm = (pare_lm_tensor){.rows = s->hidden, .columns = 0};
    tiny_fill(ctx, &lm->embedding, false, 1000);
    tiny_fill(ctx, &lm->norm, true, 1001);
    if (s->layer_norm) {
        lm->norm_bias = (pare_lm_tensor){.rows = s->hidden, .columns = 0};
        tiny_fill(ctx, &lm->norm_bias, false, 1003);
    }
    if (s->positions) {
        lm->positions = (pare_lm_tensor){.rows = s->context, .columns = s->hidden};
        tiny_fill(ctx, &lm->positions, false, 1004);
    }
    if (!s->tied) {
        lm->head = (pare_lm_tensor){.rows = s->vocabulary, .columns = s->hidden};
        tiny_fill(ctx, &lm->head, false, 1002);
    }
}

/* architecture "qwen2" has biases, "qwen3" norms of heads. */
static inline void tiny_make(pare_context *ctx, const char *architecture, bool interleaved,
                             pare_lm *lm) {
    pare_lm_shape s = {.layers = 3,
                       .hidden = 16,
                       .head_dim = 4,
                       .vocabulary = TINY_VOCABULARY,
                       .context = TINY_CONTEXT,
                       .rope_base = 100,
                       .norm_epsilon = 1e-3,
                       .rope_interleaved = interleaved,
                       .tied = strcmp(architecture, "llama") == 0,
                       .qkv_bias = strcmp(architecture, "qwen2") == 0,
                       .qk_norm = strcmp(architecture, "qwen3") == 0,
                       .bos = 1,
                       .eos = 2};
    snprintf(s.architecture, sizeof s.architecture, "%s", architecture);
    tiny_family(&s);
    tiny_make_shape(ctx, s, (pare_lm_layer){s.layer_norm ? 4 : 6, s.layer_norm ? 4 : 3, 24}, lm);
}

/* Logits of every position of one sequence: (TINY_CONTEXT, TINY_VOCABULARY), for test_free. */
static inline float *tiny_logits(const pare_lm *lm) {
    int32_t token[TINY_CONTEXT];
    int64_t row[TINY_CONTEXT];
    pare_lm_run *run = NULL;
    float *out = test_malloc(sizeof(float) * TINY_CONTEXT * TINY_VOCABULARY);
    for (int64_t i = 0; i < TINY_CONTEXT; i++) {
        row[i] = i;
        token[i] = (int32_t)(i * 37 % TINY_VOCABULARY);
    }
    assert_ok(lm->ctx, pare_lm_run_create(lm, 1, TINY_CONTEXT, false, &run));
    (void)pare_lm_forward(run, token, NULL);
    pare_lm_logits(run, NULL, TINY_CONTEXT, row, out);
    pare_lm_run_destroy(run);
    return out;
}

static inline double tiny_difference(const float *a, const float *b) {
    double most = 0;
    for (int64_t i = 0; i < TINY_CONTEXT * TINY_VOCABULARY; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        most = isfinite(difference) ? fmax(most, difference) : INFINITY;
    }
    return most;
}

/* llama2.c's tokenizer: three control pieces, 256 bytes, blank and letters. */
static inline void tiny_write_tokenizer(const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    int32_t longest = 8;
    fwrite(&longest, 4, 1, file);
    for (int i = 0; i < TINY_VOCABULARY; i++) {
        char piece[16];
        float score = i < 259 ? 0.0f : (float)-i;
        snprintf(piece, sizeof piece, i == 0 ? "<unk>" : i == 1 ? "\n<s>\n" : "\n</s>\n");
        if (i >= 259) {
            snprintf(piece, sizeof piece, "%c", i == 259 ? ' ' : 'a' + i - 260);
        } else if (i >= 3) {
            snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)(i - 3));
        }
        int32_t length = (int32_t)strlen(piece);
        fwrite(&score, 4, 1, file);
        fwrite(&length, 4, 1, file);
        fwrite(piece, 1, (size_t)length, file);
    }
    assert_int_equal(fclose(file), 0);
}

/* Words of letters, the same each time. */
static inline void tiny_write_text(const char *path, int64_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int64_t i = 0; i < bytes; i++) {
        int64_t letter = pare_random_below(1, PARE_STREAM_TEST, (uint64_t)i, 30);
        fputc(letter > 25 ? ' ' : (int)('a' + letter), file);
    }
    assert_int_equal(fclose(file), 0);
}

/* Random tokens; begin: every so many one that begins a text, 0: none. */
static inline void tiny_tokens(int64_t count, int64_t begin, int32_t *tokens) {
    for (int64_t i = 0; i < count; i++) {
        tokens[i] =
            begin > 0 && i % begin == 0
                ? 1
                : (int32_t)pare_random_below(3, PARE_STREAM_TEST, (uint64_t)i, TINY_VOCABULARY);
    }
}

#endif
