/*
 * Causal grouped-query attention in blocks: BLOCK_Q queries against BLOCK_K keys at a time with a
 * running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm 1), so memory
 * does not grow with the square of the length. Backward recomputes the probabilities from the
 * stored log of the sum (algorithm 2 there). One chunk is one key/value head of one sequence: its
 * gradients are written by nobody else.
 */
#include "kernels/blas.h"
#include "model/transformer/internal.h"

#include <math.h>
#include <string.h>

enum { BLOCK_Q = 64, BLOCK_K = 64 };

typedef struct attention {
    const pare_lm_run *run;
    int64_t heads, kv_heads;
} attention;

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Scores of a block, scaled; entries after the diagonal are -inf. */
static void scores(const attention *a, const float *q, const float *k, int64_t queries,
                   int64_t keys, int64_t first_q, int64_t first_k, float *s) {
    int64_t d = a->run->lm->shape.head_dim;
    float scale = (float)(1 / sqrt((double)d));
    pare_gemm(false, true, queries, keys, d, scale, q, a->heads * d, k, a->kv_heads * d, 0, s,
              BLOCK_K);
    for (int64_t i = 0; i < queries; i++) {
        for (int64_t j = first_q + i - first_k + 1; j < keys; j++) {
            if (j >= 0) {
                s[i * BLOCK_K + j] = -INFINITY;
            }
        }
    }
}

/* One query head's block of queries against all keys before them. */
static void forward_block(const attention *a, int64_t sequence, int64_t head, int64_t first) {
    const pare_lm_run *run = a->run;
    int64_t d = run->lm->shape.head_dim, t = run->length;
    int64_t kv = head / (a->heads / a->kv_heads);
    int64_t queries = least(t - first, BLOCK_Q);
    int64_t row = sequence * t + first;
    const float *q = run->q + (row * a->heads + head) * d;
    float *out = run->open + (row * a->heads + head) * d;
    float s[BLOCK_Q * BLOCK_K], highest[BLOCK_Q];
    double sum[BLOCK_Q];
    for (int64_t i = 0; i < queries; i++) {
        highest[i] = -INFINITY;
        sum[i] = 0;
        memset(out + i * a->heads * d, 0, (size_t)d * sizeof(float));
    }
    for (int64_t at = 0; at < first + queries; at += BLOCK_K) {
        int64_t keys = least(first + queries - at, BLOCK_K);
        int64_t key_row = sequence * t + at;
        scores(a, q, run->k + (key_row * a->kv_heads + kv) * d, queries, keys, first, at, s);
        for (int64_t i = 0; i < queries; i++) {
            float *p = s + i * BLOCK_K, top = highest[i];
            for (int64_t j = 0; j < keys; j++) {
                top = p[j] > top ? p[j] : top;
            }
            float old = highest[i] == -INFINITY ? 0 : expf(highest[i] - top);
            for (int64_t j = 0; j < keys; j++) {
                p[j] = p[j] == -INFINITY ? -100 : p[j] - top;
            }
            run->ctx->kernels->exponential(keys, p, p);
            double part = 0;
            for (int64_t j = 0; j < keys; j++) {
                p[j] = at + j > first + i ? 0 : p[j];
                part += (double)p[j];
            }
            sum[i] = sum[i] * (double)old + part;
            highest[i] = top;
            run->ctx->kernels->scale(d, old, out + i * a->heads * d, out + i * a->heads * d);
        }
        pare_gemm(false, false, queries, d, keys, 1, s, BLOCK_K,
                  run->v + (key_row * a->kv_heads + kv) * d, a->kv_heads * d, 1, out, a->heads * d);
    }
    for (int64_t i = 0; i < queries; i++) {
        float *o = out + i * a->heads * d;
        run->ctx->kernels->scale(d, (float)(1 / sum[i]), o, o);
        run->log_sum[head * run->rows + row + i] = highest[i] + (float)log(sum[i]);
    }
}

static void forward_chunk(void *argument, int64_t chunk) {
    const attention *a = argument;
    int64_t sequence = chunk / a->kv_heads, kv = chunk % a->kv_heads;
    int64_t group = a->heads / a->kv_heads;
    for (int64_t h = kv * group; h < (kv + 1) * group; h++) {
        for (int64_t at = 0; at < a->run->length; at += BLOCK_Q) {
            forward_block(a, sequence, h, at);
        }
    }
}

void pare_lm_attention(const pare_lm_run *run, const pare_lm_layer *layer) {
    attention a = {run, layer->heads, layer->kv_heads};
    pare_pool_run(run->ctx->pool, run->sequences * layer->kv_heads, forward_chunk, &a);
}

static void backward_block(const attention *a, int64_t sequence, int64_t head, int64_t first) {
    const pare_lm_run *run = a->run;
    int64_t d = run->lm->shape.head_dim, t = run->length, wide = a->heads * d;
    int64_t kv = head / (a->heads / a->kv_heads), narrow = a->kv_heads * d;
    int64_t queries = least(t - first, BLOCK_Q), row = sequence * t + first;
    float scale = (float)(1 / sqrt((double)d));
    const float *q = run->q + (row * a->heads + head) * d;
    const float *out = run->open + (row * a->heads + head) * d;
    const float *d_out = run->d_attended + (row * a->heads + head) * d;
    float *dq = run->d_q + (row * a->heads + head) * d;
    float p[BLOCK_Q * BLOCK_K], dp[BLOCK_Q * BLOCK_K], delta[BLOCK_Q];
    for (int64_t i = 0; i < queries; i++) {
        delta[i] = (float)run->ctx->kernels->dot_double(d, out + i * wide, d_out + i * wide);
    }
    for (int64_t at = 0; at < first + queries; at += BLOCK_K) {
        int64_t keys = least(first + queries - at, BLOCK_K);
        int64_t place = ((sequence * t + at) * a->kv_heads + kv) * d;
        scores(a, q, run->k + place, queries, keys, first, at, p);
        pare_gemm(false, true, queries, keys, d, 1, d_out, wide, run->v + place, narrow, 0, dp,
                  BLOCK_K);
        for (int64_t i = 0; i < queries; i++) {
            float *pi = p + i * BLOCK_K, *di = dp + i * BLOCK_K;
            float log_sum = run->log_sum[head * run->rows + row + i];
            for (int64_t j = 0; j < keys; j++) {
                pi[j] = pi[j] == -INFINITY ? -100 : pi[j] - log_sum;
            }
            run->ctx->kernels->exponential(keys, pi, pi);
            for (int64_t j = 0; j < keys; j++) {
                pi[j] = at + j > first + i ? 0 : pi[j];
                di[j] = pi[j] * (di[j] - delta[i]) * scale;
            }
        }
        pare_gemm(false, false, queries, d, keys, 1, dp, BLOCK_K, run->k + place, narrow,
                  at > 0 ? 1.0f : 0.0f, dq, wide);
        pare_gemm(true, false, keys, d, queries, 1, dp, BLOCK_K, q, wide, 1, run->d_k + place,
                  narrow);
        pare_gemm(true, false, keys, d, queries, 1, p, BLOCK_K, d_out, wide, 1, run->d_v + place,
                  narrow);
    }
}

static void backward_chunk(void *argument, int64_t chunk) {
    const attention *a = argument;
    const pare_lm_run *run = a->run;
    int64_t d = run->lm->shape.head_dim, t = run->length;
    int64_t sequence = chunk / a->kv_heads, kv = chunk % a->kv_heads;
    int64_t group = a->heads / a->kv_heads;
    for (int64_t i = 0; i < t; i++) {
        int64_t place = ((sequence * t + i) * a->kv_heads + kv) * d;
        memset(run->d_k + place, 0, (size_t)d * sizeof(float));
        memset(run->d_v + place, 0, (size_t)d * sizeof(float));
    }
    for (int64_t h = kv * group; h < (kv + 1) * group; h++) {
        for (int64_t at = 0; at < t; at += BLOCK_Q) {
            backward_block(a, sequence, h, at);
        }
    }
}

void pare_lm_attention_back(const pare_lm_run *run, const pare_lm_layer *layer) {
    attention a = {run, layer->heads, layer->kv_heads};
    pare_pool_run(run->ctx->pool, run->sequences * layer->kv_heads, backward_chunk, &a);
}

typedef struct rotation {
    const pare_lm_run *run;
    int64_t heads;
    bool back;
    float *x;
} rotation;

static void rotate_chunk(void *argument, int64_t chunk) {
    const rotation *r = argument;
    const pare_lm_run *run = r->run;
    int64_t d = run->lm->shape.head_dim, half = pare_lm_rotary(&run->lm->shape) / 2;
    bool interleaved = run->lm->shape.rope_interleaved;
    int64_t end = least(run->rows, (chunk + 1) * ROW_CHUNK);
    for (int64_t row = chunk * ROW_CHUNK; row < end; row++) {
        const float *cosine = run->cosine + row % run->length * half;
        const float *sine = run->sine + row % run->length * half;
        for (int64_t h = 0; h < r->heads; h++) {
            float *x = r->x + (row * r->heads + h) * d;
            for (int64_t i = 0; i < half; i++) {
                int64_t first = interleaved ? 2 * i : i,
                        second = interleaved ? first + 1 : i + half;
                float s = r->back ? -sine[i] : sine[i];
                float a = x[first], b = x[second];
                x[first] = a * cosine[i] - b * s;
                x[second] = a * s + b * cosine[i];
            }
        }
    }
}

void pare_lm_rotate(const pare_lm_run *run, int64_t heads, bool back, float *x) {
    rotation r = {run, heads, back, x};
    pare_pool_run(run->ctx->pool, (run->rows + ROW_CHUNK - 1) / ROW_CHUNK, rotate_chunk, &r);
}
