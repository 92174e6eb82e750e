/* A workspace: everything a batch needs, reserved once; and the pass through all layers. */
#include "model/transformer/internal.h"

#include <math.h>
#include <string.h>

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Largest number of float32 values of one layer that must be converted. */
static int64_t converted(const pare_lm *lm) {
    int64_t most = 0;
    for (int64_t i = 0; i < lm->shape.layers; i++) {
        int64_t values = 0;
        for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
            const pare_lm_tensor *t = &lm->layer[i][slot];
            bool direct = pare_lm_direct(t);
            values += direct ? 0 : t->rows * (t->columns > 0 ? t->columns : 1);
        }
        most = greater(most, values);
    }
    return most;
}

typedef struct need {
    void *array;
    int64_t values; /* float32 */
} need;

enum { NEEDS_MOST = 64 };

/* Lists what a workspace reserves; run may be a zeroed one when only the sum is wanted. */
static int list_needs(pare_lm_run *r, const pare_lm_shape *s, int64_t rows, bool training,
                      bool halves, need *out) {
    int64_t queries = 0, keys = 0, ffn = 0, heads = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        heads = greater(heads, s->layer[i].heads);
        keys = greater(keys, s->layer[i].kv_heads * s->head_dim);
        ffn = greater(ffn, s->layer[i].ffn);
    }
    queries = heads * s->head_dim;
    int64_t stream = rows * s->hidden, logits = halves ? 0 : LOGIT_ROWS * s->vocabulary;
    int64_t norms = s->qk_norm ? rows : 0, back = training ? rows : 0;
    const need needs[] = {
        {&r->cosine, r->length * pare_lm_rotary(s) / 2},
        {&r->sine, r->length * pare_lm_rotary(s) / 2},
        {&r->stream, (training ? s->layers + 1 : 2) * stream},
        {&r->middle, stream},
        {&r->normed[0], stream},
        {&r->normed[1], stream},
        {&r->inverse[0], 2 * rows},
        {&r->inverse[1], 2 * rows},
        {&r->branch[0], stream},
        {&r->branch[1], stream},
        {&r->q, rows * queries},
        {&r->k, rows * keys},
        {&r->v, rows * keys},
        {&r->open, rows * queries},
        {&r->attended, rows * queries},
        {&r->log_sum, rows * heads},
        {&r->raw_q, norms * queries},
        {&r->raw_k, norms * keys},
        {&r->inverse_q, 2 * norms * heads},
        {&r->inverse_k, 2 * norms * heads},
        {&r->gate, rows * ffn},
        {&r->up, rows * ffn},
        {&r->activation, rows * ffn},
        {&r->final, stream},
        {&r->inverse_final, 2 * rows},
        {&r->logits, logits},
        {&r->teacher_logits, logits},
        {&r->d_stream, back * s->hidden},
        {&r->d_branch, back * s->hidden},
        {&r->d_normed, back * s->hidden},
        {&r->d_q, back * queries},
        {&r->d_k, back * keys},
        {&r->d_v, back * keys},
        {&r->d_attended, back * queries},
        {&r->d_gate, back * ffn},
        {&r->d_up, back * ffn},
    };
    memcpy(out, needs, sizeof needs);
    return (int)(sizeof needs / sizeof needs[0]);
}

/* The tensors of the whole model, and whether a workspace needs each as converted copy. The rows of
 * an embedding that is not the output too are converted as they are looked up. */
static bool converts(const pare_lm *lm, bool halves, int index, const pare_lm_tensor **out) {
    const pare_lm_tensor *const tensors[PARE_LM_OUTER] = {&lm->embedding, &lm->head, &lm->norm,
                                                          &lm->norm_bias, &lm->positions};
    const pare_lm_tensor *t = *out = tensors[index];
    bool rows = (halves || !lm->shape.tied) && t->stored && t->stored->dtype != PARE_DTYPE_Q8_0;
    return !pare_lm_direct(t) && !(index == 0 && rows) && !(index == 1 && halves);
}

int64_t pare_lm_run_bytes(const pare_lm *lm, int64_t sequences, int64_t length, bool training,
                          bool halves) {
    pare_lm_run run = {.length = length};
    need needs[NEEDS_MOST];
    int64_t values = converted(lm);
    for (int count = list_needs(&run, &lm->shape, sequences * length, training, halves, needs),
             i = 0;
         i < count; i++) {
        values += needs[i].values;
    }
    for (int i = 0; i < PARE_LM_OUTER; i++) {
        const pare_lm_tensor *t = NULL;
        values += converts(lm, halves, i, &t) ? t->rows * (t->columns > 0 ? t->columns : 1) : 0;
    }
    return values * (int64_t)sizeof(float);
}

static pare_status reserve(pare_lm_run *r) {
    need needs[NEEDS_MOST];
    int count = list_needs(r, &r->lm->shape, r->rows, r->training, r->halves, needs);
    for (int i = 0; i < count; i++) {
        pare_status status = pare_alloc(r->ctx, needs[i].values, sizeof(float), needs[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    const pare_lm_shape *s = &r->lm->shape;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } others[] = {
        {&r->weights, converted(r->lm), sizeof *r->weights},
        {&r->head_start, s->layers + 1, sizeof *r->head_start},
        {&r->channel_start, s->layers + 1, sizeof *r->channel_start},
        {&r->offset, (s->layers + 1) * PARE_LM_SLOTS, sizeof *r->offset},
        {&r->column_sum, s->hidden, sizeof *r->column_sum},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        pare_status status = pare_alloc(r->ctx, others[i].count, others[i].size, others[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Embedding, output and final norm as float32: in place or converted once. */
pare_status pare_lm_run_rebind(pare_lm_run *r) {
    const float **const places[] = {&r->embedding, &r->head, &r->norm, &r->norm_bias,
                                    &r->positions};
    for (int i = 0; i < PARE_LM_OUTER; i++) {
        const pare_lm_tensor *t = NULL;
        bool convert = converts(r->lm, r->halves, i, &t);
        if (!convert && !pare_lm_direct(t)) {
            *places[i] = NULL;
            continue;
        }
        if (convert && !r->outer[i]) {
            int64_t values = t->rows * (t->columns > 0 ? t->columns : 1);
            pare_status status = pare_alloc(r->ctx, values, sizeof(float), &r->outer[i]);
            if (status != PARE_OK) {
                return status;
            }
        }
        *places[i] = pare_lm_values(t, r->outer[i]);
        if (convert && !t->own && !t->stored->owned && t->stored->values >= PARE_LM_FORGET) {
            pare_map_forget(t->stored->bytes,
                            pare_dtype_bytes(t->stored->dtype, t->stored->values));
        }
    }
    r->head = r->lm->shape.tied ? r->embedding : r->head;
    return PARE_OK;
}

static pare_status create(const pare_lm *lm, int64_t sequences, int64_t length, bool training,
                          bool halves, pare_lm_run **out) {
    *out = NULL;
    pare_context *ctx = lm->ctx;
    const pare_lm_shape *s = &lm->shape;
    int64_t rows = 0, cells = 0;
    if (sequences < 1 || length < 1 || !pare_checked_multiply(sequences, length, &rows) ||
        !pare_checked_multiply(rows, 4 * (s->hidden + s->vocabulary) * (s->layers + 1), &cells)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "a batch of %lld sequences of %lld tokens",
                         (long long)sequences, (long long)length);
    }
    if (s->positions && length > s->context) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "%lld tokens, but the model knows %lld positions", (long long)length,
                         (long long)s->context);
    }
    pare_lm_run *r = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *r, &r);
    if (status != PARE_OK) {
        return status;
    }
    *r = (pare_lm_run){.lm = lm,
                       .ctx = ctx,
                       .sequences = sequences,
                       .length = length,
                       .rows = rows,
                       .training = training,
                       .halves = halves};
    status = reserve(r);
    if (status == PARE_OK) {
        status = pare_lm_run_rebind(r);
    }
    if (status != PARE_OK) {
        pare_lm_run_destroy(r);
        return status;
    }
    for (int64_t t = 0; t < length; t++) {
        int64_t half = pare_lm_rotary(s) / 2;
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)t * s->rope_frequency[i];
            r->cosine[t * half + i] = (float)cos(angle);
            r->sine[t * half + i] = (float)sin(angle);
        }
    }
    r->head_start[0] = r->channel_start[0] = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        r->head_start[i + 1] = r->head_start[i] + s->layer[i].heads;
        r->channel_start[i + 1] = r->channel_start[i] + s->layer[i].ffn;
    }
    (void)pare_lm_gradient_layout(s, r->offset);
    *out = r;
    return PARE_OK;
}

pare_status pare_lm_run_create(const pare_lm *lm, int64_t sequences, int64_t length, bool training,
                               pare_lm_run **out) {
    return create(lm, sequences, length, training, false, out);
}

pare_status pare_lm_run_create_halves(const pare_lm *lm, int64_t sequences, int64_t length,
                                      pare_lm_run **out) {
    return create(lm, sequences, length, false, true, out);
}

void pare_lm_run_destroy(pare_lm_run *r) {
    if (!r) {
        return;
    }
    need needs[NEEDS_MOST];
    int count = list_needs(r, &r->lm->shape, r->rows, r->training, r->halves, needs);
    for (int i = 0; i < count; i++) {
        float *array = NULL;
        memcpy(&array, needs[i].array, sizeof array);
        pare_free(r->ctx, array);
    }
    for (int i = 0; i < PARE_LM_OUTER; i++) {
        pare_free(r->ctx, r->outer[i]);
    }
    pare_free(r->ctx, r->weights);
    pare_free(r->ctx, r->head_start);
    pare_free(r->ctx, r->channel_start);
    pare_free(r->ctx, r->offset);
    pare_free(r->ctx, r->column_sum);
    pare_free(r->ctx, r);
}

/* Where the residual stream before layer `index` lives. */
static float *stream_at(const pare_lm_run *r, int64_t index) {
    int64_t place = r->training ? index : index % 2;
    return r->stream + place * r->rows * r->lm->shape.hidden;
}

/* The vector of a token, in place or converted into scratch. */
static const float *embedding_row(const pare_lm_run *r, int32_t token, float *scratch) {
    int64_t hidden = r->lm->shape.hidden, at = (int64_t)token * hidden;
    if (r->embedding) {
        return r->embedding + at;
    }
    const pare_stored *stored = r->lm->embedding.stored;
    pare_dtype_to_float(stored->dtype, hidden, stored->bytes + pare_dtype_bytes(stored->dtype, at),
                        scratch);
    return scratch;
}

void pare_lm_embed(const pare_lm_run *r, const int32_t *token, const pare_lm_gates *gates,
                   float *out) {
    const float *gate = gates ? gates->hidden : NULL;
    int64_t hidden = r->lm->shape.hidden;
    for (int64_t row = 0; row < r->rows; row++) {
        const float *from = embedding_row(r, token[row], out + row * hidden);
        const float *place = r->positions ? r->positions + row % r->length * hidden : NULL;
        for (int64_t j = 0; j < hidden; j++) {
            float sum = place ? from[j] + place[j] : from[j];
            out[row * hidden + j] = gate ? sum * gate[j] : sum;
        }
    }
}

void pare_lm_half_forward(pare_lm_run *r, int64_t index, pare_lm_half half,
                          const pare_lm_gates *gates, const float *entry, const float *x,
                          float *out) {
    lm_weights w;
    pare_lm_layer_load(r, index, &w);
    if (half == PARE_LM_ATTENTION) {
        pare_lm_attention_half(r, index, &w, gates, x, out);
    } else {
        pare_lm_ffn_half(r, index, &w, gates, r->lm->shape.parallel ? entry : x, x, out);
    }
}

const float *pare_lm_inner(const pare_lm_run *run, pare_lm_half half) {
    return half == PARE_LM_ATTENTION ? run->attended : run->activation;
}

const float *pare_lm_forward(pare_lm_run *r, const int32_t *token, const pare_lm_gates *gates) {
    const pare_lm_shape *s = &r->lm->shape;
    pare_lm_embed(r, token, gates, stream_at(r, 0));
    r->token = token;
    for (int64_t i = 0; i < s->layers; i++) {
        lm_weights w;
        pare_lm_layer_load(r, i, &w);
        pare_lm_layer_forward(r, i, &w, gates, stream_at(r, i), stream_at(r, i + 1));
    }
    return stream_at(r, s->layers);
}

const float *pare_lm_forward_from(pare_lm_run *r, int64_t index, pare_lm_half half,
                                  const float *entry, const float *x) {
    const pare_lm_shape *s = &r->lm->shape;
    if (index == s->layers) {
        memcpy(stream_at(r, index), x, (size_t)(r->rows * s->hidden) * sizeof *x);
    }
    for (int64_t i = index; i < s->layers; i++) {
        lm_weights w;
        const float *from = i == index ? x : stream_at(r, i);
        pare_lm_layer_load(r, i, &w);
        if (i > index || half == PARE_LM_ATTENTION) {
            pare_lm_layer_forward(r, i, &w, NULL, from, stream_at(r, i + 1));
        } else {
            pare_lm_ffn_half(r, i, &w, NULL, s->parallel ? entry : from, from, stream_at(r, i + 1));
        }
    }
    return stream_at(r, s->layers);
}

/* ---- Output ---------------------------------------------------------------------------------- */

enum { VOCABULARY_CHUNK = 512 };

typedef struct output_work {
    const pare_lm_run *run;
    int64_t rows;
    const float *x; /* (rows, hidden) */
    float *logits;  /* (rows, vocabulary) */
    float *dx;
    float factor;
} output_work;

static void logits_chunk(void *argument, int64_t chunk) {
    const output_work *w = argument;
    const pare_lm_shape *s = &w->run->lm->shape;
    int64_t from = chunk * VOCABULARY_CHUNK;
    int64_t count = s->vocabulary - from;
    count = count < VOCABULARY_CHUNK ? count : VOCABULARY_CHUNK;
    pare_gemm(false, true, w->rows, count, s->hidden, 1, w->x, s->hidden,
              w->run->head + from * s->hidden, s->hidden, 0, w->logits + from, s->vocabulary);
}

/* dx = factor * d_logits W, a slice of the hidden dimensions at a time. */
static void logits_back_chunk(void *argument, int64_t chunk) {
    const output_work *w = argument;
    const pare_lm_shape *s = &w->run->lm->shape;
    int64_t from = chunk * COLUMN_CHUNK;
    int64_t count = s->hidden - from < COLUMN_CHUNK ? s->hidden - from : COLUMN_CHUNK;
    pare_gemm(false, false, w->rows, count, s->vocabulary, w->factor, w->logits, s->vocabulary,
              w->run->head + from, s->hidden, 0, w->dx + from, s->hidden);
}

static void times_head(const pare_lm_run *run, int64_t rows, const float *x, float *logits) {
    output_work w = {.run = run, .rows = rows, .x = x, .logits = logits};
    pare_pool_run(run->ctx->pool,
                  (run->lm->shape.vocabulary + VOCABULARY_CHUNK - 1) / VOCABULARY_CHUNK,
                  logits_chunk, &w);
}

static void final_norm(pare_lm_run *r, const pare_lm_gates *gates) {
    const pare_lm_shape *s = &r->lm->shape;
    pare_lm_norm(r, r->rows, s->hidden, pare_lm_norm_size(r, gates), stream_at(r, s->layers),
                 r->norm, r->norm_bias, r->inverse_final, r->final);
}

void pare_lm_logits(pare_lm_run *r, const pare_lm_gates *gates, int64_t count, const int64_t *row,
                    float *out) {
    int64_t hidden = r->lm->shape.hidden;
    final_norm(r, gates);
    for (int64_t i = 0; i < count; i++) {
        times_head(r, 1, r->final + row[i] * hidden, out + i * r->lm->shape.vocabulary);
    }
}

/* Log of the sum of exponentials; leaves the probabilities in place of the logits. */
static double soften(const pare_lm_run *r, float *logits, double *highest) {
    int64_t count = r->lm->shape.vocabulary;
    float top = logits[0];
    for (int64_t i = 1; i < count; i++) {
        top = logits[i] > top ? logits[i] : top;
    }
    for (int64_t i = 0; i < count; i++) {
        logits[i] = logits[i] - top < -87 ? -87 : logits[i] - top;
    }
    r->ctx->kernels->exponential(count, logits, logits);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)logits[i];
    }
    r->ctx->kernels->scale(count, (float)(1 / sum), logits, logits);
    *highest = (double)top;
    return log(sum) + (double)top;
}

typedef struct loss_work {
    pare_lm_run *run, *teacher;
    int64_t first;
    const int32_t *target;
    double loss[LOGIT_ROWS];
} loss_work;

/* Loss of one row; its logits become the gradient by the logits. */
static void loss_row(void *argument, int64_t index) {
    loss_work *w = argument;
    pare_lm_run *r = w->run;
    int64_t vocabulary = r->lm->shape.vocabulary;
    int32_t target = w->target[w->first + index];
    float *logits = r->logits + index * vocabulary;
    w->loss[index] = 0;
    if (target < 0) {
        memset(logits, 0, (size_t)vocabulary * sizeof *logits);
        return;
    }
    double top = 0;
    if (!w->teacher) {
        double own = (double)logits[target];
        double sum = soften(r, logits, &top);
        w->loss[index] = sum - own;
        logits[target] -= 1;
        return;
    }
    float *wanted = r->teacher_logits + index * vocabulary;
    (void)soften(r, logits, &top);
    (void)soften(w->teacher, wanted, &top);
    for (int64_t i = 0; i < vocabulary; i++) {
        double p = (double)wanted[i], q = fmax((double)logits[i], 1e-30);
        w->loss[index] += p > 1e-30 ? p * log(p / q) : 0;
        logits[i] -= wanted[i];
    }
}

/* Backward through all layers; d_stream holds the gradient after the last. */
static void layers_backward(pare_lm_run *r, const pare_lm_gates *gates, const pare_lm_gradients *g,
                            double *d_size) {
    const pare_lm_shape *s = &r->lm->shape;
    for (int64_t i = s->layers - 1; i >= 0; i--) {
        lm_weights w;
        pare_lm_layer_load(r, i, &w);
        /* The activations of the layer are made again, into the place of an output no longer
         * needed. */
        pare_lm_layer_forward(r, i, &w, gates, stream_at(r, i), stream_at(r, i + 1));
        pare_lm_layer_backward(r, i, &w, gates, stream_at(r, i), &g->gate, d_size, g->weight);
    }
}

static void backward(pare_lm_run *r, const pare_lm_gates *gates, const pare_lm_gradients *g) {
    const pare_lm_shape *s = &r->lm->shape;
    double d_size = 0, *wanted = g->gate.hidden ? &d_size : NULL;
    memset(r->column_sum, 0, (size_t)s->hidden * sizeof *r->column_sum);
    /* d_normed holds the gradient after the final norm. */
    const int64_t *last = r->offset + s->layers * PARE_LM_SLOTS;
    pare_lm_norm_back(r, r->rows, s->hidden, pare_lm_norm_size(r, gates), stream_at(r, s->layers),
                      r->norm, r->inverse_final, r->d_normed, false, r->d_stream,
                      g->weight ? g->weight + last[0] : NULL,
                      g->weight && s->layer_norm ? g->weight + last[1] : NULL, wanted);
    layers_backward(r, gates, g, wanted);
    for (int64_t row = 0; g->gate.hidden && row < r->rows; row++) {
        const float *from = embedding_row(r, r->token[row], r->d_branch); /* free by now */
        const float *slope = r->d_stream + row * s->hidden;
        for (int64_t j = 0; j < s->hidden; j++) {
            r->column_sum[j] += (double)slope[j] * (double)from[j];
        }
    }
    for (int64_t j = 0; g->gate.hidden && j < s->hidden; j++) {
        g->gate.hidden[j] = (float)(r->column_sum[j] + d_size);
    }
}

double pare_lm_loss(pare_lm_run *r, const pare_lm_gates *gates, const int32_t *target,
                    pare_lm_run *teacher, double *nll, const pare_lm_gradients *gradients) {
    const pare_lm_shape *s = &r->lm->shape;
    int64_t counted = 0;
    for (int64_t row = 0; row < r->rows; row++) {
        counted += target[row] >= 0;
    }
    final_norm(r, gates);
    if (teacher) {
        final_norm(teacher, NULL);
    }
    double total = 0;
    for (int64_t first = 0; first < r->rows; first += LOGIT_ROWS) {
        int64_t rows = r->rows - first < LOGIT_ROWS ? r->rows - first : LOGIT_ROWS;
        loss_work w = {.run = r, .teacher = teacher, .first = first, .target = target};
        times_head(r, rows, r->final + first * s->hidden, r->logits);
        if (teacher) {
            times_head(teacher, rows, teacher->final + first * teacher->lm->shape.hidden,
                       r->teacher_logits);
        }
        pare_pool_run(r->ctx->pool, rows, loss_row, &w);
        for (int64_t i = 0; i < rows; i++) {
            total += w.loss[i];
            if (nll) {
                nll[first + i] = w.loss[i];
            }
        }
        if (gradients) {
            output_work back = {.run = r,
                                .rows = rows,
                                .logits = r->logits,
                                .dx = r->d_normed + first * s->hidden,
                                .factor = counted > 0 ? 1 / (float)counted : 0};
            pare_pool_run(r->ctx->pool, (s->hidden + COLUMN_CHUNK - 1) / COLUMN_CHUNK,
                          logits_back_chunk, &back);
        }
    }
    if (gradients) {
        r->visiting = gradients->visit ? gradients : NULL;
        backward(r, gates, gradients);
        r->visiting = NULL;
    }
    return counted > 0 ? total / (double)counted : 0;
}
