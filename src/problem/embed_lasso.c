/*
 * Group lasso (Yuan and Lin 2006) as a baseline: one training run in which every candidate's part
 * of the tables (the linear weights of a field, a chunk of its vectors) is shrunk by a proximal
 * step, a few times a pass, under a penalty that grows from step to step until what is left fits
 * the budget. The penalty is weighted by the square root of the number of parameters, so that the
 * root mean square of a part decides. A part once at zero stays there.
 */
#include "problem/embed.h"

#include "base/random.h"

#include <math.h>

enum {
    STEPS = 32,     /* proximal ones, a pass; none in the first pass */
    PASSES_MAX = 16 /* beyond those of the model */
};

#define FIRST  1e-3 /* threshold of the first step, of the largest root mean square */
#define GROWTH 1.25

typedef struct lasso {
    pare_embed *embed;
    pare_field_model *model;
    double *alive; /* (candidates) 1, or 0: shrunk to zero */
    uint8_t *left; /* (candidates) what that keeps: fields of chunks included */
    double threshold;
} lasso;

/* Places of candidate c of a field: the first, and how many. */
static int64_t places_of(const pare_embed *e, int64_t c, int64_t *count) {
    int64_t place = PARE_FM_HEAD;
    *count = c > 0 ? e->width[c - 1] : 1;
    for (int64_t k = 1; k < c; k++) {
        place += e->width[k - 1];
    }
    return c > 0 ? place : 0;
}

static double root_mean_square(const lasso *l, int64_t f, int64_t c) {
    const pare_field *field = &l->embed->fields.field[f];
    int64_t count = 0, first = places_of(l->embed, c, &count), stride = l->model->stride;
    const float *row = l->model->table + field->first * stride + first;
    double sum = 0;
    for (int64_t r = 0; r < field->size; r++, row += stride) {
        for (int64_t j = 0; j < count; j++) {
            sum += (double)row[j] * (double)row[j];
        }
    }
    return sqrt(sum / (double)(field->size * count));
}

static void shrink(const lasso *l, int64_t f, int64_t c, double factor) {
    const pare_field *field = &l->embed->fields.field[f];
    int64_t count = 0, first = places_of(l->embed, c, &count), stride = l->model->stride;
    float *row = l->model->table + field->first * stride + first;
    for (int64_t r = 0; r < field->size; r++, row += stride) {
        for (int64_t j = 0; j < count; j++) {
            row[j] *= (float)factor;
        }
    }
}

static void start(lasso *l) {
    double largest = 0;
    for (int64_t i = 0; i < l->embed->candidates; i++) {
        int64_t width = l->embed->serving.chunks + 1;
        largest = fmax(largest, root_mean_square(l, i / width, i % width));
    }
    l->threshold = FIRST * largest;
}

/* What is shrunk to zero is worth the threshold at which it went. */
static void step(lasso *l) {
    pare_embed *e = l->embed;
    int64_t width = e->serving.chunks + 1;
    for (int64_t i = 0; i < e->candidates; i++) {
        if (l->alive[i] > 0) {
            double norm = root_mean_square(l, i / width, i % width);
            double factor = norm > l->threshold ? 1 - l->threshold / norm : 0;
            l->alive[i] = factor > 0 ? 1 : 0;
            e->gain[i] = fmax(norm, l->threshold);
            shrink(l, i / width, i % width, factor);
        }
    }
    pare_embed_mask(e, l->alive, l->model);
    l->threshold *= GROWTH;
}

static bool fits(const lasso *l) {
    const pare_embed *e = l->embed;
    int64_t width = e->serving.chunks + 1, cost[PARE_RESOURCES];
    memset(l->left, 0, (size_t)e->candidates);
    for (int64_t i = 0; i < e->candidates; i++) {
        if (l->alive[i] > 0) {
            l->left[i] = l->left[i - i % width] = 1;
        }
    }
    pare_serving_cost(&e->serving, l->left, cost);
    return pare_serving_fits(&e->serving, cost);
}

static void run(lasso *l) {
    pare_embed *e = l->embed;
    int64_t each = (e->train + STEPS - 1) / STEPS, batch = e->spec.batch;
    pare_embed_order(e);
    for (int64_t i = 0; i < e->candidates; i++) {
        l->alive[i] = e->banned[i / (e->serving.chunks + 1)] ? 0 : 1;
    }
    pare_embed_mask(e, l->alive, l->model);
    for (int64_t pass = 0; pass < e->passes + PASSES_MAX; pass++) {
        pare_random_shuffle((uint64_t)e->options.seed, PARE_STREAM_METHOD,
                            (uint64_t)(pass * e->train), e->train, e->train_row);
        for (int64_t at = 0; at < e->train; at += each) {
            int64_t end = at + each < e->train ? at + each : e->train;
            for (int64_t i = at; i < end; i += batch) {
                if (pare_embed_tell(e, (double)pass / (double)(e->passes + PASSES_MAX),
                                    (double)NAN)) {
                    return;
                }
                (void)pare_field_model_train(l->model, &e->fields,
                                             end - i < batch ? end - i : batch, e->train_row + i,
                                             NULL);
            }
            if (pass > 0) {
                step(l);
            }
            if (pass > 0 && fits(l)) {
                return;
            }
        }
        if (pass == 0) {
            start(l);
        }
    }
}

pare_status pare_embed_lasso(pare_embed *embed) {
    lasso l = {.embed = embed};
    pare_context *ctx = embed->ctx;
    pare_status status = pare_field_model_create(ctx, &embed->spec, &embed->fields,
                                                 (uint64_t)embed->options.seed, &l.model);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, embed->candidates, sizeof *l.alive, &l.alive);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, embed->candidates, 1, &l.left);
    }
    if (status == PARE_OK) {
        run(&l);
        status = pare_embed_going(embed);
    }
    pare_free(ctx, l.left);
    pare_free(ctx, l.alive);
    pare_field_model_destroy(l.model);
    return status;
}
