#include "model/transformer/decode.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { ROWS_OF_CHUNK = 64, PIECE = 256 };

struct pare_lm_decoder {
    const pare_lm *lm;
    pare_context *ctx;
    int64_t sequences, capacity, length;
    float **keys, **values;      /* (layers) of (sequences, kv_heads, capacity, head_dim) */
    float *x, *normed, *branch;  /* (sequences, hidden) */
    float *q, *k, *v, *attended; /* (sequences, heads * head_dim) */
    float *gate, *up;            /* (sequences, ffn) */
    float *weight;               /* (sequences * heads, capacity) attention weights */
    float *logits;               /* (sequences, vocabulary) */
    float *small;                /* a converted vector */
    float *cosine, *sine;        /* (head_dim / 2) of the current position */
};

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

pare_status pare_lm_decoder_create(const pare_lm *lm, int64_t sequences, int64_t capacity,
                                   pare_lm_decoder **out) {
    pare_context *ctx = lm->ctx;
    const pare_lm_shape *s = &lm->shape;
    int64_t heads = 0, kv = 0, ffn = 0, cells = 0, b = sequences;
    *out = NULL;
    for (int64_t i = 0; i < s->layers; i++) {
        heads = greater(heads, s->layer[i].heads);
        kv = greater(kv, s->layer[i].kv_heads);
        ffn = greater(ffn, s->layer[i].ffn);
    }
    int64_t wide = s->hidden + heads * s->head_dim + ffn + s->vocabulary;
    if (!pare_checked_multiply(sequences, capacity, &cells) ||
        !pare_checked_multiply(cells, 4 * greater(heads * s->head_dim, 1), &cells) ||
        !pare_checked_multiply(sequences, 4 * wide, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld sequences of %lld tokens",
                         (long long)sequences, (long long)capacity);
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
                  {&d->q, b * heads * s->head_dim},
                  {&d->k, b * kv * s->head_dim},
                  {&d->v, b * kv * s->head_dim},
                  {&d->attended, b * heads * s->head_dim},
                  {&d->gate, b * ffn},
                  {&d->up, b * ffn},
                  {&d->weight, b * heads * capacity},
                  {&d->logits, b * s->vocabulary},
                  {&d->small, greater(greater(s->hidden, ffn), heads * s->head_dim)},
                  {&d->cosine, s->head_dim / 2},
                  {&d->sine, s->head_dim / 2}};
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
        int64_t size = b * capacity * s->layer[i].kv_heads * s->head_dim;
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
    void *const arrays[] = {d->keys,   d->values, d->x,        d->normed, d->branch, d->q,
                            d->k,      d->v,      d->attended, d->gate,   d->up,     d->weight,
                            d->logits, d->small,  d->cosine,   d->sine};
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

/* ---- Products: y = W x for every sequence, rows of W in chunks ------------------------------- */

typedef struct matrix_work {
    const pare_lm_decoder *d;
    const pare_lm_tensor *w;
    const float *x; /* (sequences, columns) */
    float *y;       /* (sequences, rows) */
} matrix_work;

/* One row of a stored matrix against one x, converted piece by piece. */
static float stored_dot(const pare_kernels *kernels, const pare_stored *stored, int64_t row,
                        int64_t columns, const float *x) {
    float piece[PIECE];
    float sum = 0;
    const unsigned char *bytes = stored->bytes + pare_dtype_bytes(stored->dtype, columns) * row;
    for (int64_t at = 0; at < columns; at += PIECE) {
        int64_t count = columns - at < PIECE ? columns - at : PIECE;
        pare_dtype_to_float(stored->dtype, count, bytes + pare_dtype_bytes(stored->dtype, at),
                            piece);
        sum += kernels->dot(count, piece, x + at);
    }
    return sum;
}

static void matrix_chunk(void *argument, int64_t chunk) {
    const matrix_work *w = argument;
    const pare_lm_tensor *t = w->w;
    const pare_kernels *kernels = w->d->ctx->kernels;
    int64_t end = (chunk + 1) * ROWS_OF_CHUNK < t->rows ? (chunk + 1) * ROWS_OF_CHUNK : t->rows;
    const float *direct = t->own;
    if (!direct && t->stored->dtype == PARE_DTYPE_F32 &&
        (uintptr_t)t->stored->bytes % sizeof(float) == 0) {
        direct = (const float *)(const void *)t->stored->bytes;
    }
    bool bf16 = !direct && t->stored->dtype == PARE_DTYPE_BF16 &&
                (uintptr_t)t->stored->bytes % sizeof(uint16_t) == 0;
    for (int64_t row = chunk * ROWS_OF_CHUNK; row < end; row++) {
        for (int64_t i = 0; i < w->d->sequences; i++) {
            const float *x = w->x + i * t->columns;
            float *y = w->y + i * t->rows + row;
            if (direct) {
                *y = kernels->dot(t->columns, direct + row * t->columns, x);
            } else if (bf16) {
                const uint16_t *bits = (const uint16_t *)(const void *)t->stored->bytes;
                *y = kernels->dot_bf16(t->columns, bits + row * t->columns, x);
            } else {
                *y = stored_dot(kernels, t->stored, row, t->columns, x);
            }
        }
    }
}

static const float *vector_of(const pare_lm_decoder *d, const pare_lm_tensor *t) {
    return t->own || t->stored ? pare_lm_values(t, d->small) : NULL;
}

static void times(const pare_lm_decoder *d, const pare_lm_tensor *w, const pare_lm_tensor *bias,
                  const float *x, float *y) {
    matrix_work work = {d, w, x, y};
    pare_pool_run(d->ctx->pool, (w->rows + ROWS_OF_CHUNK - 1) / ROWS_OF_CHUNK, matrix_chunk, &work);
    const float *add = bias ? vector_of(d, bias) : NULL;
    for (int64_t i = 0; add && i < d->sequences; i++) {
        d->ctx->kernels->axpy(w->rows, 1, add, y + i * w->rows);
    }
}

static void norm(const pare_lm_decoder *d, int64_t rows, int64_t width, const float *x,
                 const pare_lm_tensor *gain, float *y) {
    const float *g = vector_of(d, gain);
    for (int64_t i = 0; i < rows; i++) {
        const float *from = x + i * width;
        float *to = y + i * width;
        double square = d->ctx->kernels->dot_double(width, from, from) / (double)width;
        float factor = (float)(1 / sqrt(square + d->lm->shape.norm_epsilon));
        for (int64_t j = 0; j < width; j++) {
            to[j] = from[j] * factor * g[j];
        }
    }
}

static void rotate(const pare_lm_decoder *d, int64_t heads, float *x) {
    int64_t width = d->lm->shape.head_dim, half = width / 2;
    bool interleaved = d->lm->shape.rope_interleaved;
    for (int64_t h = 0; h < heads; h++) {
        float *one = x + h * width;
        for (int64_t i = 0; i < half; i++) {
            int64_t first = interleaved ? 2 * i : i, second = interleaved ? first + 1 : i + half;
            float a = one[first], b = one[second];
            one[first] = a * d->cosine[i] - b * d->sine[i];
            one[second] = a * d->sine[i] + b * d->cosine[i];
        }
    }
}

typedef struct attention_work {
    const pare_lm_decoder *d;
    int64_t layer;
} attention_work;

/* One key/value head of one sequence. */
static void attention_chunk(void *argument, int64_t chunk) {
    const attention_work *a = argument;
    const pare_lm_decoder *d = a->d;
    const pare_lm_layer *layer = &d->lm->shape.layer[a->layer];
    const pare_kernels *kernels = d->ctx->kernels;
    int64_t width = d->lm->shape.head_dim, share = layer->heads / layer->kv_heads;
    int64_t sequence = chunk / layer->kv_heads, kv = chunk % layer->kv_heads, now = d->length;
    float *keys = d->keys[a->layer] + chunk * d->capacity * width;
    float *values = d->values[a->layer] + chunk * d->capacity * width;
    float scale = (float)(1 / sqrt((double)width));
    memcpy(keys + now * width, d->k + chunk * width, (size_t)width * sizeof *keys);
    memcpy(values + now * width, d->v + chunk * width, (size_t)width * sizeof *values);
    for (int64_t h = kv * share; h < (kv + 1) * share; h++) {
        int64_t head = sequence * layer->heads + h;
        float *weight = d->weight + head * d->capacity, *out = d->attended + head * width;
        const float *q = d->q + head * width;
        float top = -INFINITY;
        for (int64_t t = 0; t <= now; t++) {
            weight[t] = scale * kernels->dot(width, q, keys + t * width);
            top = weight[t] > top ? weight[t] : top;
        }
        for (int64_t t = 0; t <= now; t++) {
            weight[t] = weight[t] - top < -87 ? -87 : weight[t] - top;
        }
        kernels->exponential(now + 1, weight, weight);
        double sum = 0;
        memset(out, 0, (size_t)width * sizeof *out);
        for (int64_t t = 0; t <= now; t++) {
            sum += (double)weight[t];
            kernels->axpy(width, weight[t], values + t * width, out);
        }
        kernels->scale(width, (float)(1 / sum), out, out);
    }
}

static void attention(pare_lm_decoder *d, int64_t index) {
    const pare_lm_shape *s = &d->lm->shape;
    const pare_lm_layer *layer = &s->layer[index];
    const pare_lm_tensor *t = d->lm->layer[index];
    norm(d, d->sequences, s->hidden, d->x, &t[PARE_LM_ATTENTION_NORM], d->normed);
    times(d, &t[PARE_LM_Q], &t[PARE_LM_Q_BIAS], d->normed, d->q);
    times(d, &t[PARE_LM_K], &t[PARE_LM_K_BIAS], d->normed, d->k);
    times(d, &t[PARE_LM_V], &t[PARE_LM_V_BIAS], d->normed, d->v);
    if (s->qk_norm) {
        norm(d, d->sequences * layer->heads, s->head_dim, d->q, &t[PARE_LM_Q_NORM], d->q);
        norm(d, d->sequences * layer->kv_heads, s->head_dim, d->k, &t[PARE_LM_K_NORM], d->k);
    }
    rotate(d, d->sequences * layer->heads, d->q);
    rotate(d, d->sequences * layer->kv_heads, d->k);
    attention_work work = {d, index};
    pare_pool_run(d->ctx->pool, d->sequences * layer->kv_heads, attention_chunk, &work);
    times(d, &t[PARE_LM_O], &t[PARE_LM_O_BIAS], d->attended, d->branch);
    d->ctx->kernels->axpy(d->sequences * s->hidden, 1, d->branch, d->x);
}

static void feed_forward(pare_lm_decoder *d, int64_t index) {
    const pare_lm_shape *s = &d->lm->shape;
    const pare_lm_tensor *t = d->lm->layer[index];
    int64_t count = d->sequences * s->layer[index].ffn;
    norm(d, d->sequences, s->hidden, d->x, &t[PARE_LM_FFN_NORM], d->normed);
    times(d, &t[PARE_LM_GATE], &t[PARE_LM_GATE_BIAS], d->normed, d->gate);
    times(d, &t[PARE_LM_UP], &t[PARE_LM_UP_BIAS], d->normed, d->up);
    for (int64_t i = 0; i < count; i++) {
        float a = d->gate[i] < -80 ? -80 : d->gate[i];
        d->up[i] *= a / (1 + expf(-a));
    }
    times(d, &t[PARE_LM_DOWN], &t[PARE_LM_DOWN_BIAS], d->up, d->branch);
    d->ctx->kernels->axpy(d->sequences * s->hidden, 1, d->branch, d->x);
}

const float *pare_lm_decode(pare_lm_decoder *d, const int32_t *token, bool logits) {
    const pare_lm_shape *s = &d->lm->shape;
    const pare_lm_tensor *embedding = &d->lm->embedding;
    for (int64_t i = 0; i < d->sequences; i++) {
        float *x = d->x + i * s->hidden;
        if (embedding->own) {
            memcpy(x, embedding->own + token[i] * s->hidden, (size_t)s->hidden * sizeof *x);
        } else {
            const pare_stored *stored = embedding->stored;
            pare_dtype_to_float(
                stored->dtype, s->hidden,
                stored->bytes + pare_dtype_bytes(stored->dtype, token[i] * s->hidden), x);
        }
    }
    for (int64_t i = 0; i < s->head_dim / 2; i++) {
        double angle = (double)d->length * s->rope_frequency[i];
        d->cosine[i] = (float)cos(angle);
        d->sine[i] = (float)sin(angle);
    }
    for (int64_t i = 0; i < s->layers; i++) {
        if (s->layer[i].heads > 0) {
            attention(d, i);
        }
        if (s->layer[i].ffn > 0) {
            feed_forward(d, i);
        }
    }
    d->length++;
    if (!logits) {
        return NULL;
    }
    norm(d, d->sequences, s->hidden, d->x, &d->lm->norm, d->normed);
    times(d, s->tied ? embedding : &d->lm->head, NULL, d->normed, d->logits);
    return d->logits;
}
