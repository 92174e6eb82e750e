#include "model/transformer/decode.h"
#include "model/transformer/internal.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 128 }; /* tokens of a prompt at a time */

struct pare_lm_decoder {
    const pare_lm *lm;
    pare_context *ctx;
    int64_t sequences, capacity, length;
    int64_t tokens, rows;        /* of each sequence in this step; of all */
    float **keys, **values;      /* (layers) of (sequences, kv_heads, capacity, head_dim) */
    float *x, *normed, *branch;  /* (rows, hidden); a sequence's tokens are neighbours */
    float *q, *k, *v, *attended; /* (rows, heads * head_dim) */
    float *gate, *up;            /* (rows, ffn) */
    float *weight;               /* (sequences * heads, capacity) attention weights */
    float *logits;               /* (sequences, vocabulary) */
    float *small[3];             /* converted vectors */
    float *held;                 /* (rows, hidden) of a parallel layer */
    float *cosine, *sine;        /* (tokens, rotated / 2) */
};

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

pare_status pare_lm_decoder_create(const pare_lm *lm, int64_t sequences, int64_t capacity,
                                   pare_lm_decoder **out) {
    pare_context *ctx = lm->ctx;
    const pare_lm_shape *s = &lm->shape;
    int64_t heads = 0, kv = 0, ffn = 0, cells = 0, half = pare_lm_rotary(s) / 2;
    int64_t block = capacity < BLOCK ? greater(capacity, 1) : BLOCK, b = sequences * block;
    *out = NULL;
    for (int64_t i = 0; i < s->layers; i++) {
        heads = greater(heads, s->layer[i].heads);
        kv = greater(kv, s->layer[i].kv_heads);
        ffn = greater(ffn, s->layer[i].ffn);
    }
    int64_t small = greater(greater(s->hidden, ffn), heads * s->head_dim);
    int64_t wide = s->hidden + heads * s->head_dim + ffn + s->vocabulary;
    if (!pare_checked_multiply(sequences, capacity, &cells) ||
        !pare_checked_multiply(cells, 4 * greater(heads * s->head_dim, 1), &cells) ||
        !pare_checked_multiply(sequences, 4 * BLOCK * wide, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld sequences of %lld tokens",
                         (long long)sequences, (long long)capacity);
    }
    if (s->positions && capacity > s->context) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "%lld tokens, but the model knows %lld positions", (long long)capacity,
                         (long long)s->context);
    }
    if (lm->embedding.stored && pare_dtype_bytes(lm->embedding.stored->dtype, s->hidden) < 0) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "rows of %lld numbers are no whole blocks of %s", (long long)s->hidden,
                         pare_dtype_name(lm->embedding.stored->dtype));
    }
    pare_lm_decoder *d = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *d, &d);
    if (status != PARE_OK) {
        return status;
    }
    *d = (pare_lm_decoder){.lm = lm, .ctx = ctx, .sequences = sequences, .capacity = capacity};
    const struct {
        float **array;
        int64_t count;
    } arrays[] = {{&d->x, b * s->hidden},
                  {&d->normed, b * s->hidden},
                  {&d->branch, b * s->hidden},
                  {&d->held, s->parallel ? b * s->hidden : 0},
                  {&d->q, b * heads * s->head_dim},
                  {&d->k, b * kv * s->head_dim},
                  {&d->v, b * kv * s->head_dim},
                  {&d->attended, b * heads * s->head_dim},
                  {&d->gate, b * ffn},
                  {&d->up, b * ffn},
                  {&d->weight, sequences * heads * capacity},
                  {&d->logits, sequences * s->vocabulary},
                  {&d->small[0], small},
                  {&d->small[1], small},
                  {&d->small[2], small},
                  {&d->cosine, block * half},
                  {&d->sine, block * half}};
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, sizeof(float), arrays[i].array);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, s->layers, sizeof *d->keys, &d->keys);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, s->layers, sizeof *d->values, &d->values);
    }
    for (int64_t i = 0; status == PARE_OK && i < s->layers; i++) {
        int64_t size = sequences * capacity * s->layer[i].kv_heads * s->head_dim;
        status = pare_alloc_zero(ctx, size, sizeof(float), &d->keys[i]);
        if (status == PARE_OK) {
            status = pare_alloc_zero(ctx, size, sizeof(float), &d->values[i]);
        }
    }
    if (status != PARE_OK) {
        pare_lm_decoder_destroy(d);
        return status;
    }
    *out = d;
    return PARE_OK;
}

void pare_lm_decoder_destroy(pare_lm_decoder *d) {
    if (!d) {
        return;
    }
    for (int64_t i = 0; d->keys && d->values && i < d->lm->shape.layers; i++) {
        pare_free(d->ctx, d->keys[i]);
        pare_free(d->ctx, d->values[i]);
    }
    void *const arrays[] = {d->keys,     d->values, d->x,      d->normed,   d->branch,
                            d->q,        d->k,      d->v,      d->attended, d->gate,
                            d->up,       d->weight, d->logits, d->small[0], d->small[1],
                            d->small[2], d->cosine, d->sine,   d->held};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_free(d->ctx, arrays[i]);
    }
    pare_free(d->ctx, d);
}

int64_t pare_lm_decoder_length(const pare_lm_decoder *decoder) {
    return decoder->length;
}

void pare_lm_decoder_rewind(pare_lm_decoder *decoder, int64_t length) {
    decoder->length = length < decoder->length ? length : decoder->length;
}

/* ---- One step -------------------------------------------------------------------------------- */

/* A vector as float32; place: scratch for one that must be converted. */
static const float *vector_of(const pare_lm_decoder *d, const pare_lm_tensor *t, int place) {
    return t->own || t->stored ? pare_lm_values(t, d->small[place]) : NULL;
}

static void norm(const pare_lm_decoder *d, int64_t rows, int64_t width, const float *x,
                 const pare_lm_tensor *gain, const pare_lm_tensor *bias, float *y) {
    const pare_kernels *kernels = d->ctx->kernels;
    const float *g = vector_of(d, gain, 0), *add = bias ? vector_of(d, bias, 1) : NULL;
    for (int64_t i = 0; i < rows; i++) {
        const float *from = x + i * width;
        float *to = y + i * width;
        double mean = 0, square = 0;
        for (int64_t j = 0; d->lm->shape.layer_norm && j < width; j++) {
            mean += (double)from[j] / (double)width;
        }
        float centre = (float)mean;
        for (int64_t j = 0; j < width; j++) {
            to[j] = from[j] - centre;
        }
        square = kernels->dot_double(width, to, to) / (double)width;
        float factor = (float)(1 / sqrt(square + d->lm->shape.norm_epsilon));
        for (int64_t j = 0; j < width; j++) {
            to[j] = to[j] * factor * g[j];
        }
        if (add) {
            kernels->axpy(width, 1, add, to);
        }
    }
}

/* The matrices and biases named by pairs of slots, all on the same x. */
static void times(const pare_lm_decoder *d, int64_t index, int64_t count,
                  const pare_lm_slot (*slot)[2], const float *x, float *const *y) {
    const pare_lm_tensor *t = d->lm->layer[index];
    pare_lm_product list[3];
    for (int64_t i = 0; i < count; i++) {
        list[i] = (pare_lm_product){&t[slot[i][0]], vector_of(d, &t[slot[i][1]], (int)i), y[i]};
    }
    pare_lm_products(d->ctx, d->rows, x, count, list);
}

static void rotate(const pare_lm_decoder *d, int64_t heads, float *x) {
    int64_t width = d->lm->shape.head_dim, half = pare_lm_rotary(&d->lm->shape) / 2;
    bool interleaved = d->lm->shape.rope_interleaved;
    for (int64_t i = 0; i < d->rows * heads; i++) {
        float *one = x + i * width;
        const float *cosine = d->cosine + i / heads % d->tokens * half;
        const float *sine = d->sine + i / heads % d->tokens * half;
        for (int64_t j = 0; j < half; j++) {
            int64_t first = interleaved ? 2 * j : j, second = interleaved ? first + 1 : j + half;
            float a = one[first], b = one[second];
            one[first] = a * cosine[j] - b * sine[j];
            one[second] = a * sine[j] + b * cosine[j];
        }
    }
}

typedef struct attention_work {
    const pare_lm_decoder *d;
    int64_t layer;
} attention_work;

/* One query against the first `count` keys. */
static void attend(const pare_lm_decoder *d, int64_t count, const float *q, const float *keys,
                   const float *values, float *weight, float *out) {
    const pare_kernels *kernels = d->ctx->kernels;
    int64_t width = d->lm->shape.head_dim;
    float scale = (float)(1 / sqrt((double)width)), top = -INFINITY;
    kernels->rows_dot(count, width, keys, 1, q, 1, weight);
    for (int64_t t = 0; t < count; t++) {
        weight[t] *= scale;
        top = weight[t] > top ? weight[t] : top;
    }
    for (int64_t t = 0; t < count; t++) {
        weight[t] = weight[t] - top < -87 ? -87 : weight[t] - top;
    }
    kernels->exponential(count, weight, weight);
    double sum = 0;
    memset(out, 0, (size_t)width * sizeof *out);
    for (int64_t t = 0; t < count; t++) {
        sum += (double)weight[t];
        kernels->axpy(width, weight[t], values + t * width, out);
    }
    kernels->scale(width, (float)(1 / sum), out, out);
}

/* One key/value head of one sequence. */
static void attention_chunk(void *argument, int64_t chunk) {
    const attention_work *a = argument;
    const pare_lm_decoder *d = a->d;
    const pare_lm_layer *layer = &d->lm->shape.layer[a->layer];
    int64_t width = d->lm->shape.head_dim, share = layer->heads / layer->kv_heads;
    int64_t sequence = chunk / layer->kv_heads, kv = chunk % layer->kv_heads;
    float *keys = d->keys[a->layer] + chunk * d->capacity * width;
    float *values = d->values[a->layer] + chunk * d->capacity * width;
    for (int64_t t = 0; t < d->tokens; t++) {
        int64_t row = sequence * d->tokens + t, now = d->length + t;
        int64_t narrow = (row * layer->kv_heads + kv) * width;
        memcpy(keys + now * width, d->k + narrow, (size_t)width * sizeof *keys);
        memcpy(values + now * width, d->v + narrow, (size_t)width * sizeof *values);
        for (int64_t h = kv * share; h < (kv + 1) * share; h++) {
            int64_t wide = (row * layer->heads + h) * width;
            attend(d, now + 1, d->q + wide, keys, values,
                   d->weight + (sequence * layer->heads + h) * d->capacity, d->attended + wide);
        }
    }
}

static void attention(pare_lm_decoder *d, int64_t index) {
    static const pare_lm_slot inputs[][2] = {
        {PARE_LM_Q, PARE_LM_Q_BIAS}, {PARE_LM_K, PARE_LM_K_BIAS}, {PARE_LM_V, PARE_LM_V_BIAS}};
    static const pare_lm_slot output[][2] = {{PARE_LM_O, PARE_LM_O_BIAS}};
    const pare_lm_shape *s = &d->lm->shape;
    const pare_lm_layer *layer = &s->layer[index];
    const pare_lm_tensor *t = d->lm->layer[index];
    norm(d, d->rows, s->hidden, d->x, &t[PARE_LM_ATTENTION_NORM], &t[PARE_LM_ATTENTION_NORM_BIAS],
         d->normed);
    times(d, index, 3, inputs, d->normed, (float *const[]){d->q, d->k, d->v});
    if (s->qk_norm) {
        norm(d, d->rows * layer->heads, s->head_dim, d->q, &t[PARE_LM_Q_NORM], NULL, d->q);
        norm(d, d->rows * layer->kv_heads, s->head_dim, d->k, &t[PARE_LM_K_NORM], NULL, d->k);
    }
    rotate(d, layer->heads, d->q);
    rotate(d, layer->kv_heads, d->k);
    attention_work work = {d, index};
    int64_t products = d->rows * layer->heads * s->head_dim * (d->length + d->tokens);
    pare_pool_run(products < PARE_LM_FEW ? NULL : d->ctx->pool, d->sequences * layer->kv_heads,
                  attention_chunk, &work);
    times(d, index, 1, output, d->attended, &d->branch);
    d->ctx->kernels->axpy(d->rows * s->hidden, 1, d->branch, d->x);
}

/* Adds to out, which is the stream or what a parallel layer holds back. */
static void feed_forward(pare_lm_decoder *d, int64_t index, float *out) {
    static const pare_lm_slot inputs[][2] = {{PARE_LM_UP, PARE_LM_UP_BIAS},
                                             {PARE_LM_GATE, PARE_LM_GATE_BIAS}};
    static const pare_lm_slot output[][2] = {{PARE_LM_DOWN, PARE_LM_DOWN_BIAS}};
    const pare_lm_shape *s = &d->lm->shape;
    const pare_lm_tensor *t = d->lm->layer[index];
    bool gated = s->activation == PARE_LM_SILU_GATED;
    int64_t count = d->rows * s->layer[index].ffn;
    float *a = gated ? d->gate : d->up;
    norm(d, d->rows, s->hidden, d->x, &t[PARE_LM_FFN_NORM], &t[PARE_LM_FFN_NORM_BIAS], d->normed);
    times(d, index, gated ? 2 : 1, inputs, d->normed, (float *const[]){d->up, d->gate});
    pare_lm_activate(d->ctx->kernels, s->activation, count, a, a, NULL);
    for (int64_t i = 0; gated && i < count; i++) {
        d->up[i] *= d->gate[i];
    }
    times(d, index, 1, output, d->up, &d->branch);
    d->ctx->kernels->axpy(d->rows * s->hidden, 1, d->branch, out);
}

static void layer(pare_lm_decoder *d, int64_t index) {
    const pare_lm_shape *s = &d->lm->shape;
    bool attends = s->layer[index].heads > 0, feeds = s->layer[index].ffn > 0;
    int64_t values = d->rows * s->hidden;
    if (s->parallel && attends && feeds) {
        memset(d->held, 0, (size_t)values * sizeof *d->held);
        feed_forward(d, index, d->held);
        attention(d, index);
        d->ctx->kernels->axpy(values, 1, d->held, d->x);
        return;
    }
    if (attends) {
        attention(d, index);
    }
    if (feeds) {
        feed_forward(d, index, d->x);
    }
}

/* x += the learned vector of a position, if the model has them. */
static void add_position(const pare_lm_decoder *d, int64_t position, float *x) {
    const pare_lm_tensor *t = &d->lm->positions;
    int64_t hidden = d->lm->shape.hidden;
    if (t->own) {
        d->ctx->kernels->axpy(hidden, 1, t->own + position * hidden, x);
    } else if (t->stored) {
        pare_dtype_to_float(
            t->stored->dtype, hidden,
            t->stored->bytes + pare_dtype_bytes(t->stored->dtype, position * hidden), d->small[0]);
        d->ctx->kernels->axpy(hidden, 1, d->small[0], x);
    }
}

static void embed(pare_lm_decoder *d, const int32_t *token, int64_t stride) {
    const pare_lm_tensor *embedding = &d->lm->embedding;
    int64_t hidden = d->lm->shape.hidden;
    for (int64_t i = 0; i < d->rows; i++) {
        int64_t which = token[i / d->tokens * stride + i % d->tokens];
        float *x = d->x + i * hidden;
        if (embedding->own) {
            memcpy(x, embedding->own + which * hidden, (size_t)hidden * sizeof *x);
        } else {
            const pare_stored *stored = embedding->stored;
            pare_dtype_to_float(stored->dtype, hidden,
                                stored->bytes + pare_dtype_bytes(stored->dtype, which * hidden), x);
        }
        add_position(d, d->length + i % d->tokens, x);
    }
}

/* Takes `tokens` of each sequence, a sequence's `stride` apart from the next one's. */
static void step(pare_lm_decoder *d, int64_t tokens, int64_t stride, const int32_t *token) {
    const pare_lm_shape *s = &d->lm->shape;
    int64_t half = pare_lm_rotary(s) / 2;
    d->tokens = tokens;
    d->rows = d->sequences * tokens;
    embed(d, token, stride);
    for (int64_t i = 0; i < tokens * half; i++) {
        double angle = (double)(d->length + i / half) * s->rope_frequency[i % half];
        d->cosine[i] = (float)cos(angle);
        d->sine[i] = (float)sin(angle);
    }
    for (int64_t i = 0; i < s->layers; i++) {
        layer(d, i);
    }
    d->length += tokens;
}

const float *pare_lm_prefill(pare_lm_decoder *d, int64_t count, const int32_t *token, bool logits) {
    const pare_lm_shape *s = &d->lm->shape;
    for (int64_t at = 0; at < count; at += BLOCK) {
        step(d, count - at < BLOCK ? count - at : BLOCK, count, token + at);
    }
    if (!logits) {
        return NULL;
    }
    for (int64_t i = 0; i < d->sequences; i++) {
        const float *last = d->x + ((i + 1) * d->tokens - 1) * s->hidden;
        norm(d, 1, s->hidden, last, &d->lm->norm, &d->lm->norm_bias, d->normed + i * s->hidden);
    }
    pare_lm_product output = {s->tied ? &d->lm->embedding : &d->lm->head, NULL, d->logits};
    pare_lm_products(d->ctx, d->sequences, d->normed, 1, &output);
    return d->logits;
}

const float *pare_lm_decode(pare_lm_decoder *d, const int32_t *token, bool logits) {
    return pare_lm_prefill(d, 1, token, logits);
}
