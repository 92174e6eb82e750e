/* One layer, forward and backward: x + attention(norm(x)), then the same with the
 * feed-forward part; or both from the same x. */
#include "model/transformer/internal.h"

#include <math.h>
#include <string.h>

double pare_lm_norm_size(const pare_lm_run *run, const pare_lm_gates *gates) {
    if (!gates || !gates->hidden) {
        return (double)run->lm->shape.hidden;
    }
    double size = 0;
    for (int64_t j = 0; j < run->lm->shape.hidden; j++) {
        size += (double)gates->hidden[j];
    }
    return size > 0 ? size : 1;
}

void pare_lm_layer_load(const pare_lm_run *run, int64_t index, lm_weights *out) {
    float *scratch = run->weights;
    for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
        const pare_lm_tensor *tensor = &run->lm->layer[index][slot];
        out->slot[slot] = pare_lm_values(tensor, scratch);
        if (scratch && out->slot[slot] == scratch) {
            int64_t values = tensor->rows * (tensor->columns > 0 ? tensor->columns : 1);
            scratch += values;
            if (!tensor->own && !tensor->stored->owned && values >= PARE_LM_FORGET) {
                /* A model larger than memory passes through: the file keeps what was converted. */
                pare_map_forget(tensor->stored->bytes,
                                pare_dtype_bytes(tensor->stored->dtype, values));
            }
        }
        if (slot < PARE_LM_MATRICES) {
            out->blocks[slot] = tensor->change ? NULL : tensor->blocks;
        }
    }
}

/* Elementwise work over rows: a row function, cut into chunks. */
typedef struct rows_work {
    const pare_lm_run *run;
    int64_t width, heads;
    const float *a, *b, *gate;
    float *out;
    void (*row)(const struct rows_work *work, int64_t row);
} rows_work;

static void rows_chunk(void *argument, int64_t chunk) {
    const rows_work *work = argument;
    int64_t end = (chunk + 1) * ROW_CHUNK;
    end = end < work->run->rows ? end : work->run->rows;
    for (int64_t row = chunk * ROW_CHUNK; row < end; row++) {
        work->row(work, row);
    }
}

static void over_rows(rows_work work) {
    pare_pool_run(work.run->ctx->pool, (work.run->rows + ROW_CHUNK - 1) / ROW_CHUNK, rows_chunk,
                  &work);
}

/* out = a + b * gate, gate NULL: 1. */
static void add_gated_row(const rows_work *w, int64_t row) {
    const float *a = w->a + row * w->width, *b = w->b + row * w->width;
    float *out = w->out + row * w->width;
    for (int64_t j = 0; j < w->width; j++) {
        out[j] = a[j] + (w->gate ? b[j] * w->gate[j] : b[j]);
    }
}

/* out = a * gate. */
static void scale_row(const rows_work *w, int64_t row) {
    const float *a = w->a + row * w->width;
    float *out = w->out + row * w->width;
    for (int64_t j = 0; j < w->width; j++) {
        out[j] = w->gate ? a[j] * w->gate[j] : a[j];
    }
}

static void add_bias_row(const rows_work *w, int64_t row) {
    float *out = w->out + row * w->width;
    for (int64_t j = 0; j < w->width; j++) {
        out[j] += w->a[j];
    }
}

static void scale_heads_row(const rows_work *w, int64_t row) {
    int64_t d = w->width / w->heads;
    for (int64_t h = 0; h < w->heads; h++) {
        int64_t at = row * w->width + h * d;
        float factor = w->gate ? w->gate[h] : 1;
        w->run->ctx->kernels->scale(d, factor, w->a + at, w->out + at);
    }
}

/* out = f(a) * b * gate, b NULL: 1. */
static void activate_row(const rows_work *w, int64_t row) {
    const float *b = w->b ? w->b + row * w->width : NULL;
    float *out = w->out + row * w->width;
    pare_lm_activate(w->run->ctx->kernels, w->run->lm->shape.activation, w->width,
                     w->a + row * w->width, out, NULL);
    for (int64_t j = 0; j < w->width; j++) {
        out[j] *= b ? b[j] : 1;
        out[j] *= w->gate ? w->gate[j] : 1;
    }
}

static void project(const pare_lm_run *run, const lm_weights *w, pare_lm_slot matrix,
                    pare_lm_slot bias, int64_t outputs, int64_t inputs, const float *x, float *y) {
    if (w->blocks[matrix]) {
        pare_lm_times_blocks(run->ctx, run->rows, x, w->blocks[matrix], y);
    } else {
        pare_lm_times(run->ctx->pool, run->rows, outputs, inputs, x, w->slot[matrix], false, y);
    }
    if (w->slot[bias]) {
        over_rows((rows_work){
            .run = run, .width = outputs, .a = w->slot[bias], .out = y, .row = add_bias_row});
    }
}

static void norm_heads(pare_lm_run *run, int64_t heads, const float *gain, float *raw,
                       float *inverse, float *x) {
    int64_t d = run->lm->shape.head_dim;
    memcpy(raw, x, (size_t)(run->rows * heads * d) * sizeof *x);
    pare_lm_norm(run, run->rows * heads, d, (double)d, raw, gain, NULL, inverse, x);
}

static void attention_forward(pare_lm_run *run, int64_t index, const lm_weights *w,
                              const pare_lm_gates *gates, double size, const float *x) {
    const pare_lm_shape *s = &run->lm->shape;
    const pare_lm_layer *layer = &s->layer[index];
    int64_t queries = layer->heads * s->head_dim, keys = layer->kv_heads * s->head_dim;
    pare_lm_norm(run, run->rows, s->hidden, size, x, w->slot[PARE_LM_ATTENTION_NORM],
                 w->slot[PARE_LM_ATTENTION_NORM_BIAS], run->inverse[0], run->normed[0]);
    project(run, w, PARE_LM_Q, PARE_LM_Q_BIAS, queries, s->hidden, run->normed[0], run->q);
    project(run, w, PARE_LM_K, PARE_LM_K_BIAS, keys, s->hidden, run->normed[0], run->k);
    project(run, w, PARE_LM_V, PARE_LM_V_BIAS, keys, s->hidden, run->normed[0], run->v);
    if (s->qk_norm) {
        norm_heads(run, layer->heads, w->slot[PARE_LM_Q_NORM], run->raw_q, run->inverse_q, run->q);
        norm_heads(run, layer->kv_heads, w->slot[PARE_LM_K_NORM], run->raw_k, run->inverse_k,
                   run->k);
    }
    pare_lm_rotate(run, layer->heads, false, run->q);
    pare_lm_rotate(run, layer->kv_heads, false, run->k);
    pare_lm_attention(run, layer);
    over_rows(
        (rows_work){.run = run,
                    .width = queries,
                    .heads = layer->heads,
                    .a = run->open,
                    .gate = gates && gates->head ? gates->head + run->head_start[index] : NULL,
                    .out = run->attended,
                    .row = scale_heads_row});
    project(run, w, PARE_LM_O, PARE_LM_O_BIAS, s->hidden, queries, run->attended, run->branch[0]);
}

static void ffn_forward(pare_lm_run *run, int64_t index, const lm_weights *w,
                        const pare_lm_gates *gates, double size, const float *entry) {
    const pare_lm_shape *s = &run->lm->shape;
    int64_t ffn = s->layer[index].ffn;
    bool gated = s->activation == PARE_LM_SILU_GATED;
    pare_lm_norm(run, run->rows, s->hidden, size, entry, w->slot[PARE_LM_FFN_NORM],
                 w->slot[PARE_LM_FFN_NORM_BIAS], run->inverse[1], run->normed[1]);
    if (gated) {
        project(run, w, PARE_LM_GATE, PARE_LM_GATE_BIAS, ffn, s->hidden, run->normed[1], run->gate);
    }
    project(run, w, PARE_LM_UP, PARE_LM_UP_BIAS, ffn, s->hidden, run->normed[1], run->up);
    over_rows((rows_work){
        .run = run,
        .width = ffn,
        .a = gated ? run->gate : run->up,
        .b = gated ? run->up : NULL,
        .gate = gates && gates->channel ? gates->channel + run->channel_start[index] : NULL,
        .out = run->activation,
        .row = activate_row});
    project(run, w, PARE_LM_DOWN, PARE_LM_DOWN_BIAS, s->hidden, ffn, run->activation,
            run->branch[1]);
}

/* out = x + branch * hidden gates, or a copy of x without a branch. */
static void add_branch(const pare_lm_run *run, const pare_lm_gates *gates, const float *x,
                       const float *branch, float *out) {
    int64_t hidden = run->lm->shape.hidden;
    if (!branch) {
        memmove(out, x, (size_t)(run->rows * hidden) * sizeof *out);
        return;
    }
    over_rows((rows_work){.run = run,
                          .width = hidden,
                          .a = x,
                          .b = branch,
                          .gate = gates ? gates->hidden : NULL,
                          .out = out,
                          .row = add_gated_row});
}

void pare_lm_attention_half(pare_lm_run *run, int64_t index, const lm_weights *w,
                            const pare_lm_gates *gates, const float *x, float *middle) {
    bool present = run->lm->shape.layer[index].heads > 0;
    if (present) {
        attention_forward(run, index, w, gates, pare_lm_norm_size(run, gates), x);
    }
    add_branch(run, gates, x, present ? run->branch[0] : NULL, middle);
}

void pare_lm_ffn_half(pare_lm_run *run, int64_t index, const lm_weights *w,
                      const pare_lm_gates *gates, const float *entry, const float *middle,
                      float *out) {
    bool present = run->lm->shape.layer[index].ffn > 0;
    if (present) {
        ffn_forward(run, index, w, gates, pare_lm_norm_size(run, gates), entry);
    }
    add_branch(run, gates, middle, present ? run->branch[1] : NULL, out);
}

void pare_lm_layer_forward(pare_lm_run *run, int64_t index, const lm_weights *w,
                           const pare_lm_gates *gates, const float *x, float *out) {
    pare_lm_attention_half(run, index, w, gates, x, run->middle);
    pare_lm_ffn_half(run, index, w, gates, run->lm->shape.parallel ? x : run->middle, run->middle,
                     out);
}

/* Sums over the rows of a[row][j] * b[row][j], b NULL: 1, into double or float columns. */
typedef struct column_work {
    const pare_lm_run *run;
    int64_t width;
    const float *a, *b;
    double *sum; /* added */
    float *out;  /* overwritten */
} column_work;

static void column_chunk(void *argument, int64_t chunk) {
    const column_work *w = argument;
    int64_t from = chunk * COLUMN_CHUNK;
    int64_t count = w->width - from < COLUMN_CHUNK ? w->width - from : COLUMN_CHUNK;
    double sum[COLUMN_CHUNK] = {0};
    for (int64_t row = 0; row < w->run->rows; row++) {
        const float *a = w->a + row * w->width + from;
        const float *b = w->b ? w->b + row * w->width + from : NULL;
        for (int64_t j = 0; j < count; j++) {
            sum[j] += (double)a[j] * (b ? (double)b[j] : 1);
        }
    }
    for (int64_t j = 0; j < count; j++) {
        if (w->out) {
            w->out[from + j] = (float)sum[j];
        } else {
            w->sum[from + j] += sum[j];
        }
    }
}

static void over_columns(column_work work) {
    pare_pool_run(work.run->ctx->pool, (work.width + COLUMN_CHUNK - 1) / COLUMN_CHUNK, column_chunk,
                  &work);
}

static void weight_gradient(const pare_lm_run *run, int64_t index, pare_lm_slot matrix,
                            pare_lm_slot bias, const float *dy, const float *x, float *weight) {
    if (!weight) {
        return;
    }
    const int64_t *offset = run->offset + index * PARE_LM_SLOTS;
    int64_t rows = 0, columns = 0;
    if (pare_lm_slot_size(&run->lm->shape, index, matrix, &rows, &columns)) {
        pare_lm_times_weight(run->ctx->pool, run->rows, rows, columns, dy, x,
                             weight + offset[matrix]);
    }
    if (pare_lm_slot_size(&run->lm->shape, index, bias, &rows, &columns)) {
        over_columns(
            (column_work){.run = run, .width = rows, .a = dy, .out = weight + offset[bias]});
    }
}

/* Shows the gradient of a half's last matrix to who wants it. */
static void visit_last(const pare_lm_run *run, int64_t index, pare_lm_half half, int64_t width,
                       const float *x) {
    const pare_lm_gradients *g = run->visiting;
    if (g) {
        pare_lm_times_weight(run->ctx->pool, run->rows, run->lm->shape.hidden, width, run->d_branch,
                             x, g->last);
        g->visit(g->user, index, half);
    }
}

/* d_gate holds d activation on entry; leaves d gate (if there is one) and d up, and adds to the
 * channel gates. */
typedef struct activation_work {
    const pare_lm_run *run;
    int64_t width;
    const float *gate; /* channel gates of the layer or NULL */
    float *d_channel;
} activation_work;

static void activation_columns(void *argument, int64_t chunk) {
    const activation_work *w = argument;
    const pare_lm_run *run = w->run;
    int64_t from = chunk * COLUMN_CHUNK;
    int64_t count = w->width - from < COLUMN_CHUNK ? w->width - from : COLUMN_CHUNK;
    double sum[COLUMN_CHUNK] = {0};
    float value[COLUMN_CHUNK], slope[COLUMN_CHUNK];
    pare_lm_activation kind = run->lm->shape.activation;
    bool gated = kind == PARE_LM_SILU_GATED;
    for (int64_t row = 0; row < run->rows; row++) {
        int64_t at = row * w->width + from;
        const float *up = run->up + at;
        pare_lm_activate(run->ctx->kernels, kind, count, gated ? run->gate + at : up, value, slope);
        for (int64_t j = 0; j < count; j++) {
            float d = run->d_gate[at + j];
            sum[j] += (double)d * (double)(gated ? value[j] * up[j] : value[j]);
            d = w->gate ? d * w->gate[from + j] : d;
            run->d_up[at + j] = d * (gated ? value[j] : slope[j]);
            run->d_gate[at + j] = d * (gated ? up[j] : 0) * slope[j];
        }
    }
    for (int64_t j = 0; w->d_channel && j < count; j++) {
        w->d_channel[from + j] = (float)sum[j];
    }
}

/* d_branch = d_out * hidden gates; their gradient goes to column_sum. */
static void branch_backward(pare_lm_run *run, const pare_lm_gates *gates,
                            const pare_lm_gates *d_gates, const float *branch, const float *d_out) {
    int64_t hidden = run->lm->shape.hidden;
    if (d_gates && d_gates->hidden) {
        over_columns((column_work){
            .run = run, .width = hidden, .a = d_out, .b = branch, .sum = run->column_sum});
    }
    over_rows((rows_work){.run = run,
                          .width = hidden,
                          .a = d_out,
                          .gate = gates ? gates->hidden : NULL,
                          .out = run->d_branch,
                          .row = scale_row});
}

static void ffn_backward(pare_lm_run *run, int64_t index, const lm_weights *w,
                         const pare_lm_gates *gates, const float *entry,
                         const pare_lm_gates *d_gates, double size, double *d_size, float *weight) {
    const pare_lm_shape *s = &run->lm->shape;
    pare_pool *pool = run->ctx->pool;
    int64_t ffn = s->layer[index].ffn, start = run->channel_start[index];
    branch_backward(run, gates, d_gates, run->branch[1], run->d_stream);
    weight_gradient(run, index, PARE_LM_DOWN, PARE_LM_DOWN_BIAS, run->d_branch, run->activation,
                    weight);
    visit_last(run, index, PARE_LM_FFN, ffn, run->activation);
    pare_lm_times_back(pool, run->rows, s->hidden, ffn, run->d_branch, w->slot[PARE_LM_DOWN], false,
                       run->d_gate);
    activation_work work = {run, ffn, gates && gates->channel ? gates->channel + start : NULL,
                            d_gates && d_gates->channel ? d_gates->channel + start : NULL};
    pare_pool_run(pool, (ffn + COLUMN_CHUNK - 1) / COLUMN_CHUNK, activation_columns, &work);
    bool gated = s->activation == PARE_LM_SILU_GATED;
    weight_gradient(run, index, PARE_LM_GATE, PARE_LM_GATE_BIAS, run->d_gate, run->normed[1],
                    weight); /* nothing without a gate */
    weight_gradient(run, index, PARE_LM_UP, PARE_LM_UP_BIAS, run->d_up, run->normed[1], weight);
    if (gated) {
        pare_lm_times_back(pool, run->rows, ffn, s->hidden, run->d_gate, w->slot[PARE_LM_GATE],
                           false, run->d_normed);
    }
    pare_lm_times_back(pool, run->rows, ffn, s->hidden, run->d_up, w->slot[PARE_LM_UP], gated,
                       run->d_normed);
    const int64_t *offset = run->offset + index * PARE_LM_SLOTS;
    pare_lm_norm_back(
        run, run->rows, s->hidden, size, entry, w->slot[PARE_LM_FFN_NORM], run->inverse[1],
        run->d_normed, true, run->d_stream, weight ? weight + offset[PARE_LM_FFN_NORM] : NULL,
        weight && s->layer_norm ? weight + offset[PARE_LM_FFN_NORM_BIAS] : NULL, d_size);
}

static void head_gate_gradient(const pare_lm_run *run, int64_t heads, float *d_head) {
    int64_t d = run->lm->shape.head_dim;
    for (int64_t h = 0; h < heads; h++) {
        double sum = 0;
        for (int64_t row = 0; row < run->rows; row++) {
            int64_t at = (row * heads + h) * d;
            sum += run->ctx->kernels->dot_double(d, run->d_attended + at, run->open + at);
        }
        d_head[h] = (float)sum;
    }
}

static void attention_backward(pare_lm_run *run, int64_t index, const lm_weights *w,
                               const pare_lm_gates *gates, const float *x, const float *d_out,
                               const pare_lm_gates *d_gates, double size, double *d_size,
                               float *weight) {
    const pare_lm_shape *s = &run->lm->shape;
    const pare_lm_layer *layer = &s->layer[index];
    pare_pool *pool = run->ctx->pool;
    const int64_t *offset = run->offset + index * PARE_LM_SLOTS;
    int64_t d = s->head_dim, queries = layer->heads * d, keys = layer->kv_heads * d;
    branch_backward(run, gates, d_gates, run->branch[0], d_out);
    weight_gradient(run, index, PARE_LM_O, PARE_LM_O_BIAS, run->d_branch, run->attended, weight);
    visit_last(run, index, PARE_LM_ATTENTION, queries, run->attended);
    pare_lm_times_back(pool, run->rows, s->hidden, queries, run->d_branch, w->slot[PARE_LM_O],
                       false, run->d_attended);
    int64_t start = run->head_start[index];
    if (d_gates && d_gates->head) {
        head_gate_gradient(run, layer->heads, d_gates->head + start);
    }
    over_rows((rows_work){.run = run,
                          .width = queries,
                          .heads = layer->heads,
                          .a = run->d_attended,
                          .gate = gates && gates->head ? gates->head + start : NULL,
                          .out = run->d_attended,
                          .row = scale_heads_row});
    pare_lm_attention_back(run, layer);
    pare_lm_rotate(run, layer->heads, true, run->d_q);
    pare_lm_rotate(run, layer->kv_heads, true, run->d_k);
    if (s->qk_norm) {
        pare_lm_norm_back(run, run->rows * layer->heads, d, (double)d, run->raw_q,
                          w->slot[PARE_LM_Q_NORM], run->inverse_q, run->d_q, false, run->d_q,
                          weight ? weight + offset[PARE_LM_Q_NORM] : NULL, NULL, NULL);
        pare_lm_norm_back(run, run->rows * layer->kv_heads, d, (double)d, run->raw_k,
                          w->slot[PARE_LM_K_NORM], run->inverse_k, run->d_k, false, run->d_k,
                          weight ? weight + offset[PARE_LM_K_NORM] : NULL, NULL, NULL);
    }
    const struct {
        pare_lm_slot matrix, bias;
        const float *dy;
        int64_t width;
    } parts[] = {{PARE_LM_Q, PARE_LM_Q_BIAS, run->d_q, queries},
                 {PARE_LM_K, PARE_LM_K_BIAS, run->d_k, keys},
                 {PARE_LM_V, PARE_LM_V_BIAS, run->d_v, keys}};
    for (int i = 0; i < 3; i++) {
        weight_gradient(run, index, parts[i].matrix, parts[i].bias, parts[i].dy, run->normed[0],
                        weight);
        pare_lm_times_back(pool, run->rows, parts[i].width, s->hidden, parts[i].dy,
                           w->slot[parts[i].matrix], i > 0, run->d_normed);
    }
    pare_lm_norm_back(
        run, run->rows, s->hidden, size, x, w->slot[PARE_LM_ATTENTION_NORM], run->inverse[0],
        run->d_normed, true, run->d_stream, weight ? weight + offset[PARE_LM_ATTENTION_NORM] : NULL,
        weight && s->layer_norm ? weight + offset[PARE_LM_ATTENTION_NORM_BIAS] : NULL, d_size);
}

void pare_lm_layer_backward(pare_lm_run *run, int64_t index, const lm_weights *w,
                            const pare_lm_gates *gates, const float *x,
                            const pare_lm_gates *d_gates, double *d_size, float *weight) {
    const pare_lm_layer *layer = &run->lm->shape.layer[index];
    double size = pare_lm_norm_size(run, gates);
    const float *entry = run->middle, *d_out = run->d_stream;
    if (run->lm->shape.parallel) {
        /* Both halves take the same gradient; the stream after attention is not needed here. */
        entry = x;
        memcpy(run->middle, run->d_stream,
               (size_t)(run->rows * run->lm->shape.hidden) * sizeof *run->middle);
        d_out = run->middle;
    }
    if (layer->ffn > 0) {
        ffn_backward(run, index, w, gates, entry, d_gates, size, d_size, weight);
    }
    if (layer->heads > 0) {
        attention_backward(run, index, w, gates, x, d_out, d_gates, size, d_size, weight);
    }
}
