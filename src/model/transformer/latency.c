/* What a decoding step costs, by structure: stand-ins of the model are timed. */
#include "model/transformer/decode.h"

#include <math.h>
#include <string.h>

enum { POINTS = 8, RUNS = 7, STEPS = 4 };
static const float constant = 0.01f;

/* All layers with the same part, weights constant. */
static pare_status make(const pare_lm *like, pare_lm_layer every, pare_lm *out) {
    pare_context *ctx = like->ctx;
    *out = (pare_lm){.ctx = ctx};
    pare_status status = pare_lm_shape_copy(ctx, &like->shape, &out->shape);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, like->shape.layers, sizeof *out->layer, &out->layer);
    }
    for (int64_t i = 0; status == PARE_OK && i < like->shape.layers * PARE_LM_SLOTS; i++) {
        pare_lm_tensor *t = &out->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        out->shape.layer[i / PARE_LM_SLOTS] = every;
        if (!pare_lm_slot_size(&out->shape, i / PARE_LM_SLOTS, (pare_lm_slot)(i % PARE_LM_SLOTS),
                               &t->rows, &t->columns)) {
            *t = (pare_lm_tensor){0};
            continue;
        }
        int64_t values = t->rows * (t->columns > 0 ? t->columns : 1);
        status = pare_alloc(ctx, values, sizeof(float), &t->own);
        for (int64_t v = 0; status == PARE_OK && v < values; v++) {
            t->own[v] = constant;
        }
    }
    if (status != PARE_OK) {
        pare_lm_clear(out);
        return status;
    }
    /* Embedding, norm and output are the model's own; release leaves them alone. */
    out->embedding = like->embedding;
    out->norm = like->norm;
    out->head = like->head;
    return PARE_OK;
}

static void release(pare_lm *stand_in) {
    stand_in->embedding = stand_in->norm = stand_in->head = (pare_lm_tensor){0};
    pare_lm_clear(stand_in);
}

pare_status pare_latency_of_model(const pare_lm *lm, int64_t sequences, int64_t position,
                                  double *out) {
    pare_lm_decoder *d = NULL;
    int32_t *token = NULL;
    double best = INFINITY;
    pare_status status = pare_lm_decoder_create(lm, sequences, position + STEPS, &d);
    if (status == PARE_OK) {
        status = pare_alloc_zero(lm->ctx, sequences, sizeof *token, &token);
    }
    while (status == PARE_OK && pare_lm_decoder_length(d) < position) {
        (void)pare_lm_decode(d, token, false);
    }
    for (int run = 0; status == PARE_OK && run < RUNS; run++) {
        pare_lm_decoder_rewind(d, position);
        double start = pare_clock_seconds();
        for (int step = 0; step < STEPS; step++) {
            (void)pare_lm_decode(d, token, true);
        }
        best = fmin(best, (pare_clock_seconds() - start) / STEPS);
    }
    pare_lm_decoder_destroy(d);
    pare_free(lm->ctx, token);
    if (status == PARE_OK) {
        *out = best;
    }
    return status;
}

/* Seconds of a model whose layers are all `every`. */
static pare_status measure_layers(const pare_lm *lm, pare_lm_layer every, int64_t sequences,
                                  int64_t position, double *out) {
    pare_lm stand_in;
    pare_status status = make(lm, every, &stand_in);
    if (status == PARE_OK) {
        status = pare_latency_of_model(&stand_in, sequences, position, out);
        release(&stand_in);
    }
    return status;
}

/* Fills table[1 .. most] of one kind, the other kind whole: caches are as full as in the model. */
static pare_status measure_sizes(const pare_lm *lm, pare_lm_layer full, bool attention,
                                 int64_t sequences, int64_t position, double *table) {
    int64_t from = 0, most = attention ? full.kv_heads : full.ffn;
    int64_t share = full.kv_heads > 0 ? full.heads / full.kv_heads : 1;
    pare_lm_layer none =
        attention ? (pare_lm_layer){0, 0, full.ffn} : (pare_lm_layer){full.heads, full.kv_heads, 0};
    double base = 0, seconds = 0;
    pare_status status = measure_layers(lm, none, sequences, position, &base);
    for (int64_t point = 1; status == PARE_OK && point <= POINTS; point++) {
        int64_t to = most * point / POINTS;
        if (to <= from) {
            continue;
        }
        pare_lm_layer every = attention ? (pare_lm_layer){to * share, to, full.ffn}
                                        : (pare_lm_layer){full.heads, full.kv_heads, to};
        status = measure_layers(lm, every, sequences, position, &seconds);
        table[to] = fmax((seconds - base) / (double)lm->shape.layers, table[from]);
        /* Below the first point the line leads to half of it: norm and calls stay. */
        double start = from > 0 ? table[from] : table[to] / 2;
        for (int64_t k = from + 1; k < to; k++) {
            table[k] = start + (table[to] - start) * (double)(k - from) / (double)(to - from);
        }
        from = to;
    }
    return status;
}

pare_status pare_latency_measure(const pare_lm *lm, int64_t sequences, int64_t position,
                                 pare_latency *out) {
    const pare_lm_shape *s = &lm->shape;
    pare_lm_layer full = {0};
    double whole = 0;
    *out = (pare_latency){0};
    for (int64_t i = 0; i < s->layers; i++) {
        const pare_lm_layer *layer = &s->layer[i];
        full.heads = layer->heads > full.heads ? layer->heads : full.heads;
        full.kv_heads = layer->kv_heads > full.kv_heads ? layer->kv_heads : full.kv_heads;
        full.ffn = layer->ffn > full.ffn ? layer->ffn : full.ffn;
    }
    out->groups = full.kv_heads;
    out->channels = full.ffn;
    pare_status status =
        pare_alloc_zero(lm->ctx, full.kv_heads + 1, sizeof(double), &out->attention);
    if (status == PARE_OK) {
        status = pare_alloc_zero(lm->ctx, full.ffn + 1, sizeof(double), &out->ffn);
    }
    if (status == PARE_OK) {
        status = measure_layers(lm, full, sequences, position, &whole);
    }
    if (status == PARE_OK) {
        status = measure_sizes(lm, full, true, sequences, position, out->attention);
    }
    if (status == PARE_OK) {
        status = measure_sizes(lm, full, false, sequences, position, out->ffn);
    }
    if (status != PARE_OK) {
        pare_latency_clear(lm->ctx, out);
        return status;
    }
    double parts = (double)s->layers * (out->attention[full.kv_heads] + out->ffn[full.ffn]);
    out->rest = fmax(0, whole - parts);
    return PARE_OK;
}

void pare_latency_clear(pare_context *ctx, pare_latency *latency) {
    pare_free(ctx, latency->attention);
    pare_free(ctx, latency->ffn);
    *latency = (pare_latency){0};
}
