/* What a decoding step costs, by structure: stand-ins of the model are timed. */
#include "model/transformer/decode.h"

#include <math.h>
#include <string.h>

enum { POINTS = 8, ROUNDS_LEAST = 3, ROUNDS_MOST = 400, STEPS = 4 };
static const double seconds_most = 2; /* of the rounds after the least */

/* ---- Stand-ins ------------------------------------------------------------------------------- */

pare_status pare_lm_stand_in(const pare_lm *like, const pare_lm_layer *layers, pare_lm *out) {
    pare_context *ctx = like->ctx;
    *out = *like;
    out->layer = NULL;
    pare_status status = pare_lm_shape_copy(ctx, &like->shape, &out->shape);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, like->shape.layers, sizeof *out->layer, &out->layer);
    }
    for (int64_t i = 0; status == PARE_OK && i < like->shape.layers * PARE_LM_SLOTS; i++) {
        int64_t index = i / PARE_LM_SLOTS, slot = i % PARE_LM_SLOTS;
        const pare_lm_tensor *source = &like->layer[index][slot];
        pare_lm_tensor *t = &out->layer[index][slot];
        if (source->stored && source->stored->dtype == PARE_DTYPE_Q8_0) {
            status = pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                               "what structures cost is not measured with q8_0 weights, whose rows "
                               "come in blocks: write the model as f16 or f32 first");
        }
        out->shape.layer[index] = layers[index];
        if (pare_lm_slot_size(&out->shape, index, (pare_lm_slot)slot, &t->rows, &t->columns)) {
            t->stored = source->stored;
            t->own = source->own;
        } else {
            *t = (pare_lm_tensor){0};
        }
    }
    if (status != PARE_OK) {
        pare_lm_stand_in_clear(out);
        return status;
    }
    return PARE_OK;
}

void pare_lm_stand_in_clear(pare_lm *stand_in) {
    if (stand_in->ctx) {
        pare_free(stand_in->ctx, stand_in->layer);
        pare_lm_shape_clear(stand_in->ctx, &stand_in->shape);
    }
    *stand_in = (pare_lm){0};
}

/* ---- Timing ---------------------------------------------------------------------------------- */

/* Rounds of a few steps of every model, so that a disturbance meets all of them. */
static void time_rounds(int64_t count, pare_lm_decoder *const *d, int64_t position,
                        const int32_t *token, double *seconds) {
    double begin = pare_clock_seconds();
    for (int round = 0; round < ROUNDS_MOST; round++) {
        double now = pare_clock_seconds();
        if (round >= ROUNDS_LEAST && now - begin > seconds_most) {
            return;
        }
        for (int64_t i = 0; i < count; i++) {
            pare_lm_decoder_rewind(d[i], position);
            for (int step = 0; step < STEPS; step++) {
                double start = pare_clock_seconds();
                (void)pare_lm_decode(d[i], token, true);
                seconds[i] = fmin(seconds[i], pare_clock_seconds() - start);
            }
        }
    }
}

pare_status pare_latency_of_models(int64_t count, const pare_lm *const *lm, int64_t sequences,
                                   int64_t position, double *seconds) {
    pare_context *ctx = lm[0]->ctx;
    pare_lm_decoder **d = NULL;
    int32_t *token = NULL;
    pare_status status = pare_alloc_zero(ctx, count, sizeof *d, &d);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, sequences * (position + 1), sizeof *token, &token);
    }
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        seconds[i] = INFINITY;
        status = pare_lm_decoder_create(lm[i], sequences, position + STEPS, &d[i]);
        if (status == PARE_OK && position > 0) {
            (void)pare_lm_prefill(d[i], position, token, false);
        }
    }
    if (status == PARE_OK) {
        time_rounds(count, d, position, token, seconds);
    }
    for (int64_t i = 0; d && i < count; i++) {
        pare_lm_decoder_destroy(d[i]);
    }
    pare_free(ctx, d);
    pare_free(ctx, token);
    return status;
}

/* ---- The table ------------------------------------------------------------------------------- */

/* Sizes at which one kind is measured: 0, then up to POINTS. */
typedef struct sizes {
    int64_t count, size[POINTS + 1];
    double seconds[POINTS + 1]; /* of the whole stand-in */
} sizes;

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* What is measured: key/value heads with their query heads, query heads of each, channels. */
typedef enum what { GROUPS, QUERIES, CHANNELS } what;

static int64_t size_of(const pare_lm_layer *layer, what kind) {
    return kind == CHANNELS      ? layer->ffn
           : kind == GROUPS      ? layer->kv_heads
           : layer->kv_heads > 0 ? layer->heads / layer->kv_heads
                                 : 0;
}

/* Each layer with at most `most` of one kind, all of the other. */
static void limit(const pare_lm_shape *s, what kind, int64_t most, pare_lm_layer *out) {
    for (int64_t i = 0; i < s->layers; i++) {
        const pare_lm_layer *layer = &s->layer[i];
        out[i] = *layer;
        if (kind == CHANNELS) {
            out[i].ffn = least(layer->ffn, most);
        } else if (kind == QUERIES) {
            out[i].kv_heads = most > 0 ? layer->kv_heads : 0;
            out[i].heads = out[i].kv_heads * least(size_of(layer, kind), most);
        } else if (layer->heads > 0) {
            out[i].kv_heads = least(layer->kv_heads, most);
            out[i].heads = out[i].kv_heads * (layer->heads / layer->kv_heads);
        }
    }
}

/* Seconds of one half by its size, from those of whole models: what a step from one size to the
 * next adds is shared by the layers that have that much. */
static void fill_table(const pare_lm_shape *s, what kind, const sizes *points, double *table) {
    for (int64_t point = 1; point < points->count; point++) {
        int64_t from = points->size[point - 1], to = points->size[point];
        double layers = 0;
        for (int64_t i = 0; i < s->layers; i++) {
            int64_t part = least(size_of(&s->layer[i], kind), to) - from;
            layers += part > 0 ? (double)part / (double)(to - from) : 0;
        }
        double rise = (points->seconds[point] - points->seconds[point - 1]) / layers;
        table[to] = table[from] + rise;
        /* Below the first point the line leads to half of it: norm and calls stay. */
        double start = from > 0 ? table[from] : table[to] / 2;
        for (int64_t k = from + 1; k < to; k++) {
            table[k] = start + (table[to] - start) * (double)(k - from) / (double)(to - from);
        }
    }
}

/* The last point is the whole model. Disturbances only add time, so what is larger bounds what is
 * smaller. */
static void never_falling(sizes *points, double whole) {
    double least_seconds = whole;
    for (int64_t point = points->count - 1; point >= 0; point--) {
        points->seconds[point] = least_seconds = fmin(points->seconds[point], least_seconds);
    }
}

/* Measures both kinds at once: models[0] is the whole one. */
static pare_status measure(const pare_lm *lm, what attention, int64_t sequences, int64_t position,
                           sizes kinds[2], double *whole) {
    enum { MOST = 2 * (POINTS + 1) + 1 };
    pare_context *ctx = lm->ctx;
    pare_lm stand_in[MOST] = {0};
    const pare_lm *models[MOST] = {lm};
    double seconds[MOST] = {0};
    pare_lm_layer *layers = NULL;
    int64_t count = 1;
    pare_status status = pare_alloc(ctx, lm->shape.layers, sizeof *layers, &layers);
    for (int kind = 0; kind < 2; kind++) {
        for (int64_t i = 0; status == PARE_OK && i < kinds[kind].count; i++) {
            limit(&lm->shape, kind == 0 ? attention : CHANNELS, kinds[kind].size[i], layers);
            status = pare_lm_stand_in(lm, layers, &stand_in[count]);
            models[count] = &stand_in[count];
            count++;
        }
    }
    if (status == PARE_OK) {
        status = pare_latency_of_models(count, models, sequences, position, seconds);
    }
    *whole = fmin(seconds[0], fmin(seconds[kinds[0].count], seconds[count - 1])); /* all of it */
    for (int64_t i = 1; i < count; i++) {
        bool first = i <= kinds[0].count;
        kinds[first ? 0 : 1].seconds[first ? i - 1 : i - 1 - kinds[0].count] = seconds[i];
        pare_lm_stand_in_clear(&stand_in[i]);
    }
    for (int kind = 0; kind < 2; kind++) {
        never_falling(&kinds[kind], *whole);
    }
    pare_free(ctx, layers);
    return status;
}

static sizes choose_sizes(int64_t most) {
    sizes out = {.count = 1};
    for (int64_t point = 1; point <= POINTS; point++) {
        int64_t size = most * point / POINTS;
        if (size > out.size[out.count - 1]) {
            out.size[out.count++] = size;
        }
    }
    return out;
}

pare_status pare_latency_measure(const pare_lm *lm, bool queries, int64_t sequences,
                                 int64_t position, pare_latency *out) {
    const pare_lm_shape *s = &lm->shape;
    const what attention = queries ? QUERIES : GROUPS;
    double whole = 0;
    *out = (pare_latency){0};
    for (int64_t i = 0; i < s->layers; i++) {
        const pare_lm_layer *layer = &s->layer[i];
        int64_t size = size_of(layer, attention);
        out->groups = size > out->groups ? size : out->groups;
        out->channels = layer->ffn > out->channels ? layer->ffn : out->channels;
    }
    sizes kinds[2] = {choose_sizes(out->groups), choose_sizes(out->channels)};
    pare_status status = pare_alloc_zero(lm->ctx, out->groups + 1, sizeof(double), &out->attention);
    if (status == PARE_OK) {
        status = pare_alloc_zero(lm->ctx, out->channels + 1, sizeof(double), &out->ffn);
    }
    if (status == PARE_OK) {
        status = measure(lm, attention, sequences, position, kinds, &whole);
    }
    if (status != PARE_OK) {
        pare_latency_clear(lm->ctx, out);
        return status;
    }
    fill_table(s, attention, &kinds[0], out->attention);
    fill_table(s, CHANNELS, &kinds[1], out->ffn);
    double parts = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        parts += out->attention[size_of(&s->layer[i], attention)] + out->ffn[s->layer[i].ffn];
    }
    out->rest = fmax(0, whole - parts);
    return PARE_OK;
}

void pare_latency_clear(pare_context *ctx, pare_latency *latency) {
    pare_free(ctx, latency->attention);
    pare_free(ctx, latency->ffn);
    *latency = (pare_latency){0};
}
