#include "model/transformer/reconstruct.h"
#include "kernels/blas.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { UPDATE_ROWS = 32 };

int64_t pare_calibration_batch(const pare_lm_shape *shape, int64_t sequences, int64_t length) {
    const int64_t most = 8, values = INT64_C(1) << 22;
    int64_t fit = values / (length * shape->hidden);
    fit = fit < 1 ? 1 : fit > most ? most : fit;
    return sequences < fit ? sequences : fit;
}

void pare_calibration_restart(pare_calibration *c) {
    int64_t hidden = c->dense->shape.hidden;
    for (int64_t at = 0; at < c->sequences; at += c->batch) {
        pare_lm_embed(c->dense_run, c->token + at * c->length, NULL,
                      c->dense_stream + at * c->length * hidden);
    }
    memcpy(c->stream, c->dense_stream,
           (size_t)(c->sequences * c->length * hidden) * sizeof *c->stream);
    for (int64_t i = 0; c->gone && i < c->sequences * c->length * hidden; i++) {
        c->stream[i] = c->gone[i % hidden] ? 0 : c->stream[i];
    }
    c->same = false;
}

pare_status pare_calibration_init(const pare_lm *dense, int64_t sequences, int64_t length,
                                  const int32_t *token, bool outputs, pare_calibration *out) {
    pare_context *ctx = dense->ctx;
    int64_t batch = pare_calibration_batch(&dense->shape, sequences, length);
    sequences -= sequences % batch; /* whole batches */
    *out = (pare_calibration){.ctx = ctx,
                              .dense = dense,
                              .sequences = sequences,
                              .walked = sequences,
                              .length = length,
                              .batch = batch,
                              .token = token};
    int64_t values = 0;
    if (!pare_checked_multiply(sequences * length, dense->shape.hidden, &values)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: too much calibration text");
    }
    pare_status status = pare_alloc(ctx, values, sizeof(float), &out->dense_stream);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, values, sizeof(float), &out->stream);
    }
    if (status == PARE_OK && dense->shape.parallel) {
        status = pare_alloc(ctx, values, sizeof(float), &out->dense_entry);
    }
    if (status == PARE_OK && dense->shape.parallel) {
        status = pare_alloc(ctx, values, sizeof(float), &out->entry);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, batch * length, sizeof(int32_t), &out->target);
    }
    if (status == PARE_OK) {
        status = outputs ? pare_lm_run_create(dense, batch, length, false, &out->dense_run)
                         : pare_lm_run_create_halves(dense, batch, length, &out->dense_run);
    }
    if (status != PARE_OK) {
        pare_calibration_clear(out);
        return status;
    }
    pare_calibration_restart(out);
    return PARE_OK;
}

void pare_calibration_clear(pare_calibration *c) {
    if (!c->ctx) {
        return;
    }
    pare_lm_run_destroy(c->dense_run);
    pare_free(c->ctx, c->dense_stream);
    pare_free(c->ctx, c->stream);
    pare_free(c->ctx, c->dense_entry);
    pare_free(c->ctx, c->entry);
    pare_free(c->ctx, c->target);
    pare_free(c->ctx, c->dense_final);
    *c = (pare_calibration){0};
}

/* Where the layer began, for its feed-forward part: noted before attention moves the stream. */
static const float *entry_of(const pare_calibration *c, const pare_lm *lm, int64_t layer,
                             pare_lm_half half, const float *stream, float *entry, int64_t place) {
    if (!entry || (half == PARE_LM_FFN && lm->shape.layer[layer].heads == 0)) {
        return stream + place;
    }
    if (half == PARE_LM_ATTENTION) {
        int64_t values = c->batch * c->length * c->dense->shape.hidden;
        memcpy(entry + place, stream + place, (size_t)values * sizeof *entry);
    }
    return entry + place;
}

void pare_half_clear(pare_context *ctx, pare_half_problem *problem) {
    pare_free(ctx, problem->gram);
    pare_free(ctx, problem->cross);
    pare_free(ctx, problem->sum);
    *problem = (pare_half_problem){0};
}

/* Products of one batch in float32, added up over the batches in double: the lower triangle of the
 * Gram matrix, until `complete`. Chunks: rows of the results. */
typedef struct gram_work {
    const pare_half_problem *problem;
    const float *inner, *target; /* (rows, width), (rows, outputs) */
    float *part;                 /* (width, width + outputs) */
    int64_t rows;
} gram_work;

static void gram_chunk(void *argument, int64_t chunk) {
    const gram_work *w = argument;
    int64_t width = w->problem->width, outputs = w->problem->outputs, from = chunk * UPDATE_ROWS;
    int64_t count = width - from < UPDATE_ROWS ? width - from : UPDATE_ROWS, wide = width + outputs;
    float *part = w->part + from * wide;
    pare_gemm(true, false, count, from + count, w->rows, 1, w->inner + from, width, w->inner, width,
              0, part, wide);
    pare_gemm(true, false, count, outputs, w->rows, 1, w->inner + from, width, w->target, outputs,
              0, part + width, wide);
    for (int64_t row = 0; row < w->rows; row++) {
        for (int64_t i = 0; i < count; i++) {
            w->problem->sum[from + i] += (double)w->inner[row * width + from + i];
        }
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j <= from + i; j++) {
            w->problem->gram[(from + i) * width + j] += (double)part[i * wide + j];
        }
        for (int64_t j = 0; j < outputs; j++) {
            w->problem->cross[(from + i) * outputs + j] += (double)part[i * wide + width + j];
        }
    }
}

static void complete(pare_half_problem *p) {
    for (int64_t i = 0; i < p->width; i++) {
        for (int64_t j = 0; j < i; j++) {
            p->gram[j * p->width + i] = p->gram[i * p->width + j];
        }
    }
}

/* A tensor as float32, converted into a new array if it must be; NULL if there is none. */
static pare_status as_float(pare_context *ctx, const pare_lm_tensor *t, float **made,
                            const float **out) {
    pare_status status = PARE_OK;
    *out = NULL;
    if (!t->own && !t->stored) {
        return status;
    }
    if (!t->own) {
        status = pare_alloc(ctx, t->rows * (t->columns > 0 ? t->columns : 1), sizeof **made, made);
    }
    if (status == PARE_OK) {
        *out = pare_lm_values(t, *made);
    }
    return status;
}

/* Sums over all batches, without the ridge. */
static pare_status collect(pare_calibration *c, const pare_lm *lm, int64_t layer, pare_lm_half half,
                           pare_half_problem *p) {
    pare_context *ctx = c->ctx;
    int64_t hidden = c->dense->shape.hidden, rows = c->batch * c->length;
    pare_lm_run *run = NULL;
    float *out = NULL, *target = NULL, *part = NULL;
    float *converted = NULL;
    const float *bias = NULL;
    pare_status status =
        c->same ? PARE_OK : pare_lm_run_create_halves(lm, c->batch, c->length, &run);
    if (status == PARE_OK) {
        pare_lm_slot slot = half == PARE_LM_ATTENTION ? PARE_LM_O_BIAS : PARE_LM_DOWN_BIAS;
        status = as_float(ctx, &lm->layer[layer][slot], &converted, &bias);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows * hidden, sizeof *out, &out);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows * hidden, sizeof *target, &target);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, p->width * (p->width + hidden), sizeof *part, &part);
    }
    for (int64_t at = 0; status == PARE_OK && at < c->walked; at += c->batch) {
        int64_t place = at * c->length * hidden;
        float *dense = c->dense_stream + place;
        pare_lm_half_forward(
            c->dense_run, layer, half, NULL,
            entry_of(c, c->dense, layer, half, c->dense_stream, c->dense_entry, place), dense,
            dense);
        if (p->width == 0) {
            continue;
        }
        if (!c->same) {
            pare_lm_half_forward(run, layer, half, NULL,
                                 entry_of(c, lm, layer, half, c->stream, c->entry, place),
                                 c->stream + place, out);
        }
        for (int64_t i = 0; i < rows * hidden; i++) {
            bool gone = c->gone && c->gone[i % hidden];
            target[i] = gone ? 0 : dense[i] - c->stream[place + i] - (bias ? bias[i % hidden] : 0);
            p->target += (double)target[i] * (double)target[i];
        }
        gram_work work = {p, pare_lm_inner(c->same ? c->dense_run : run, half), target, part, rows};
        pare_pool_run(ctx->pool, (p->width + UPDATE_ROWS - 1) / UPDATE_ROWS, gram_chunk, &work);
    }
    pare_lm_run_destroy(run);
    pare_free(ctx, out);
    pare_free(ctx, target);
    pare_free(ctx, part);
    pare_free(ctx, converted);
    return status;
}

pare_status pare_half_measure(pare_calibration *c, const pare_lm *lm, int64_t layer,
                              pare_lm_half half, double ridge, pare_half_problem *out) {
    pare_context *ctx = c->ctx;
    const pare_lm_shape *s = &lm->shape;
    const pare_lm_tensor *last =
        &lm->layer[layer][half == PARE_LM_ATTENTION ? PARE_LM_O : PARE_LM_DOWN];
    *out =
        (pare_half_problem){.width = half == PARE_LM_ATTENTION ? s->layer[layer].heads * s->head_dim
                                                               : s->layer[layer].ffn,
                            .outputs = s->hidden};
    int64_t width = out->width;
    out->rehearsed = c->walked < c->sequences;
    float *converted = NULL;
    const float *old = NULL;
    pare_status status = pare_alloc_zero(ctx, width * width, sizeof(double), &out->gram);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, width * out->outputs, sizeof(double), &out->cross);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, width, sizeof(double), &out->sum);
    }
    if (status == PARE_OK) {
        status = collect(c, lm, layer, half, out);
    }
    if (status == PARE_OK) {
        status = as_float(ctx, last, &converted, &old);
    }
    if (status != PARE_OK) {
        pare_half_clear(ctx, out);
        return status;
    }
    double mean = 0;
    complete(out);
    for (int64_t i = 0; i < width; i++) {
        mean += out->gram[i * width + i] / (double)width;
    }
    double pull = mean > 0 ? ridge * mean : 1;
    for (int64_t i = 0; i < width; i++) {
        out->gram[i * width + i] += pull;
        for (int64_t o = 0; o < out->outputs; o++) {
            out->cross[i * out->outputs + o] += pull * (double)old[o * width + i];
        }
    }
    pare_free(ctx, converted);
    return PARE_OK;
}

/* Rows as the norm leaves them, of the dimensions that are there. */
static void normalise(const pare_calibration *c, const float *gain, const uint8_t *gone,
                      const float *x, float *out) {
    int64_t hidden = c->dense->shape.hidden, there = 0;
    for (int64_t j = 0; j < hidden; j++) {
        there += !gone || !gone[j];
    }
    for (int64_t row = 0; row < c->batch * c->length; row++) {
        const float *from = x + row * hidden;
        double sum = c->ctx->kernels->dot_double(hidden, from, from);
        float inverse = (float)(1 / sqrt(sum / (double)there + c->dense->shape.norm_epsilon));
        for (int64_t j = 0; j < hidden; j++) {
            out[row * hidden + j] = from[j] * inverse * gain[j];
        }
    }
}

pare_status pare_norm_measure(pare_calibration *c, int64_t index, double ridge,
                              pare_half_problem *out) {
    pare_context *ctx = c->ctx;
    int64_t hidden = c->dense->shape.hidden, rows = c->batch * c->length;
    const pare_lm_tensor *norm =
        index == 2 * c->dense->shape.layers
            ? &c->dense->norm
            : &c->dense
                   ->layer[index / 2][index % 2 > 0 ? PARE_LM_FFN_NORM : PARE_LM_ATTENTION_NORM];
    float *inner = NULL, *target = NULL, *part = NULL, *converted = NULL;
    const float *gain = NULL;
    double mean = 0;
    *out = (pare_half_problem){
        .width = hidden, .outputs = hidden, .rehearsed = c->walked < c->sequences};
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&out->gram, hidden * hidden, sizeof(double)},
        {&out->cross, hidden * hidden, sizeof(double)},
        {&out->sum, hidden, sizeof(double)},
        {&inner, rows * hidden, sizeof(float)},
        {&target, rows * hidden, sizeof(float)},
        {&part, hidden * 2 * hidden, sizeof(float)},
    };
    pare_status status = as_float(ctx, norm, &converted, &gain);
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
    }
    for (int64_t at = 0; status == PARE_OK && at < c->walked; at += c->batch) {
        int64_t place = at * c->length * hidden;
        normalise(c, gain, c->gone, c->stream + place, inner);
        normalise(c, gain, NULL, c->dense_stream + place, target);
        gram_work work = {out, inner, target, part, rows};
        pare_pool_run(ctx->pool, (hidden + UPDATE_ROWS - 1) / UPDATE_ROWS, gram_chunk, &work);
    }
    if (status == PARE_OK) {
        complete(out);
    }
    for (int64_t i = 0; status == PARE_OK && i < hidden; i++) {
        mean += out->gram[i * hidden + i] / (double)hidden;
    }
    for (int64_t i = 0; status == PARE_OK && i < hidden; i++) {
        bool gone = c->gone && c->gone[i];
        out->gram[i * hidden + i] += ridge * mean;
        out->cross[i * hidden + i] += gone ? 0 : ridge * mean;
    }
    pare_free(ctx, inner);
    pare_free(ctx, target);
    pare_free(ctx, part);
    pare_free(ctx, converted);
    if (status != PARE_OK) {
        pare_half_clear(ctx, out);
    }
    return status;
}

pare_status pare_half_solve(pare_context *ctx, const pare_half_problem *p, int64_t block,
                            const uint8_t *keep, float *weight) {
    int64_t w = p->width, kept = 0, outputs = p->outputs;
    double *gram = NULL, *cross = NULL;
    int64_t *column = NULL;
    pare_status status = pare_alloc(ctx, w * w, sizeof *gram, &gram);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, w * outputs, sizeof *cross, &cross);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, w, sizeof *column, &column);
    }
    for (int64_t i = 0; status == PARE_OK && i < w; i++) {
        if (keep[i / block]) {
            column[kept++] = i;
        }
    }
    for (int64_t i = 0; status == PARE_OK && i < kept; i++) {
        for (int64_t j = 0; j < kept; j++) {
            gram[i * kept + j] = p->gram[column[i] * w + column[j]];
        }
        memcpy(cross + i * outputs, p->cross + column[i] * outputs,
               (size_t)outputs * sizeof *cross);
    }
    bool whole = status == PARE_OK && !p->rehearsed;
    if (whole && pare_cholesky(kept, gram, kept) != 0) {
        status = pare_fail(ctx, PARE_ERROR_NUMERIC,
                           "the calibration activations are too alike: a larger ridge helps");
    }
    if (status == PARE_OK) {
        pare_cholesky_solve(kept, whole ? outputs : 0, gram, kept, cross, outputs);
        memset(weight, 0, (size_t)(w * outputs) * sizeof *weight);
        for (int64_t i = 0; i < kept; i++) {
            for (int64_t o = 0; o < outputs; o++) {
                weight[o * w + column[i]] = (float)cross[i * outputs + o];
            }
        }
    }
    pare_free(ctx, gram);
    pare_free(ctx, cross);
    pare_free(ctx, column);
    return status;
}

pare_status pare_calibration_advance(pare_calibration *c, const pare_lm *lm, int64_t layer,
                                     pare_lm_half half) {
    pare_lm_run *run = NULL;
    if (c->same) {
        memcpy(c->stream, c->dense_stream,
               (size_t)(c->sequences * c->length * c->dense->shape.hidden) * sizeof *c->stream);
        return PARE_OK;
    }
    pare_status status = pare_lm_run_create_halves(lm, c->batch, c->length, &run);
    for (int64_t at = 0; status == PARE_OK && at < c->walked; at += c->batch) {
        float *stream = c->stream + at * c->length * c->dense->shape.hidden;
        int64_t place = at * c->length * c->dense->shape.hidden;
        pare_lm_half_forward(run, layer, half, NULL,
                             entry_of(c, lm, layer, half, c->stream, c->entry, place), stream,
                             stream);
    }
    pare_lm_run_destroy(run);
    return status;
}

static void set_targets(const pare_calibration *c, int64_t at) {
    const int32_t *token = c->token + at * c->length;
    for (int64_t i = 0; i < c->batch * c->length; i++) {
        c->target[i] = (i + 1) % c->length == 0 ? -1 : token[i + 1];
    }
}

double pare_calibration_loss(const pare_calibration *c, pare_lm_run *run, int64_t sequences) {
    int64_t batches = 0;
    double sum = 0;
    for (int64_t at = 0; at < c->walked && (at == 0 || at < sequences); at += c->batch, batches++) {
        set_targets(c, at);
        (void)pare_lm_forward(run, c->token + at * c->length, NULL);
        sum += pare_lm_loss(run, NULL, c->target, NULL, NULL, NULL);
    }
    return batches > 0 ? sum / (double)batches : 0;
}

pare_status pare_calibration_teach(pare_calibration *c, int64_t sequences) {
    int64_t hidden = c->dense->shape.hidden;
    sequences = sequences < c->walked ? sequences : c->walked;
    sequences = (sequences + c->batch - 1) / c->batch * c->batch;
    pare_free(c->ctx, c->dense_final);
    c->taught = 0;
    pare_status status =
        pare_alloc(c->ctx, sequences * c->length * hidden, sizeof(float), &c->dense_final);
    if (status != PARE_OK) {
        return status;
    }
    c->taught = sequences;
    for (int64_t at = 0; at < sequences; at += c->batch) {
        const float *last = pare_lm_forward(c->dense_run, c->token + at * c->length, NULL);
        memcpy(c->dense_final + at * c->length * hidden, last,
               (size_t)(c->batch * c->length * hidden) * sizeof *last);
    }
    return PARE_OK;
}

double pare_calibration_divergence(const pare_calibration *c, pare_lm_run *run, int64_t layer,
                                   pare_lm_half half) {
    int64_t hidden = c->dense->shape.hidden;
    double sum = 0;
    bool before = !c->entry || half == PARE_LM_ATTENTION || c->dense->shape.layer[layer].heads == 0;
    const float *entry = before ? c->stream : c->same ? c->dense_entry : c->entry;
    for (int64_t at = 0; at < c->taught; at += c->batch) {
        int64_t place = at * c->length * hidden;
        set_targets(c, at);
        (void)pare_lm_forward_from(c->dense_run, c->dense->shape.layers, PARE_LM_ATTENTION, NULL,
                                   c->dense_final + place);
        (void)pare_lm_forward_from(run, layer, half, entry + place, c->stream + place);
        sum += pare_lm_loss(run, NULL, c->target, c->dense_run, NULL, NULL);
    }
    return c->taught > 0 ? sum / (double)(c->taught / c->batch) : 0;
}
