#include "problem/prune_blocks.h"
#include "base/random.h"
#include "nn/graph.h"
#include "problem/prune_block_scores.h"
#include "select/sparsify.h"

#include <math.h>
#include <string.h>

enum { BATCH = 4, DEFAULT_STEPS = 64 };
static const double mask_rate = 5e-2, logit_decay = 1e-2, weight_rate = 5e-4, weight_decay = 1e-2;

/* Training of masks, and of weights where there is an optimiser, as an objective. */
typedef struct training {
    prune_blocks *b;
    pare_lm_run *run, *teacher;
    pare_lm_gradients gradients;
    pare_optimizer optimizer;
    float *raw; /* all parameters that train, laid out as their gradients */
    int32_t *target;
    int64_t batch, step, steps;
} training;

/* Visits the segments of a matrix that belong to one block each. */
static void scale_block(const prune_matrix *m, int64_t block, int64_t g, float factor,
                        const float *from, float *to) {
    int64_t row = g / m->wide * block, column = g % m->wide * block;
    for (int64_t r = row; r < row + block && r < m->rows; r++) {
        for (int64_t c = column; c < column + block && c < m->columns; c++) {
            to[r * m->columns + c] = factor * from[r * m->columns + c];
        }
    }
}

static double block_dot(const prune_matrix *m, int64_t block, int64_t g, const float *a,
                        const float *b) {
    int64_t row = g / m->wide * block, column = g % m->wide * block;
    double sum = 0;
    for (int64_t r = row; r < row + block && r < m->rows; r++) {
        for (int64_t c = column; c < column + block && c < m->columns; c++) {
            sum += (double)a[r * m->columns + c] * (double)b[r * m->columns + c];
        }
    }
    return sum;
}

/* The model's weights become raw times mask; vectors are copied. */
static void use_masks(training *t, const float *mask) {
    pare_lm *lm = t->b->lm;
    for (int64_t i = 0; i < lm->shape.layers * PARE_LM_SLOTS; i++) {
        pare_lm_tensor *one = &lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        if (one->own && i % PARE_LM_SLOTS >= PARE_LM_MATRICES) {
            memcpy(one->own, t->raw + t->b->offset[i], (size_t)one->rows * sizeof(float));
        }
    }
    memcpy(lm->norm.own, t->raw + t->b->offset[lm->shape.layers * PARE_LM_SLOTS],
           (size_t)lm->norm.rows * sizeof(float));
    if (lm->norm_bias.own) {
        memcpy(lm->norm_bias.own, t->raw + t->b->offset[lm->shape.layers * PARE_LM_SLOTS + 1],
               (size_t)lm->norm_bias.rows * sizeof(float));
    }
    for (int64_t i = 0; i < t->b->matrices; i++) {
        const prune_matrix *m = &t->b->matrix[i];
        for (int64_t g = t->b->first[i]; g < t->b->first[i + 1]; g++) {
            scale_block(m, t->b->block, g - t->b->first[i], mask ? mask[g] : 1, t->raw + m->offset,
                        m->tensor->own);
        }
    }
}

static void read_weights(training *t) {
    pare_lm *lm = t->b->lm;
    for (int64_t i = 0; i < lm->shape.layers * PARE_LM_SLOTS; i++) {
        const pare_lm_tensor *one = &lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        int64_t values = one->rows * (one->columns > 0 ? one->columns : 1);
        if (one->own) {
            memcpy(t->raw + t->b->offset[i], one->own, (size_t)values * sizeof(float));
        }
    }
    memcpy(t->raw + t->b->offset[lm->shape.layers * PARE_LM_SLOTS], lm->norm.own,
           (size_t)lm->norm.rows * sizeof(float));
    if (lm->norm_bias.own) {
        memcpy(t->raw + t->b->offset[lm->shape.layers * PARE_LM_SLOTS + 1], lm->norm_bias.own,
               (size_t)lm->norm_bias.rows * sizeof(float));
    }
}

static pare_status training_reset(void *self, uint64_t seed, int64_t steps) {
    training *t = self;
    (void)seed; /* the weights are those of the model */
    t->step = 0;
    t->steps = steps;
    return PARE_OK;
}

static void training_forget(void *self) {
    training *t = self;
    if (t->optimizer.ctx) {
        pare_optimizer_reset(&t->optimizer);
    }
}

static pare_status training_step(void *self, const float *mask, double *loss, float *d_mask) {
    training *t = self;
    prune_blocks *b = t->b;
    int64_t batches = b->sequences / t->batch;
    const int32_t *token = b->token + t->step % batches * t->batch * b->length;
    for (int64_t i = 0; i < t->batch * b->length; i++) {
        t->target[i] = (i + 1) % b->length == 0 ? -1 : token[i + 1];
    }
    use_masks(t, mask);
    pare_status status = pare_lm_run_rebind(t->run);
    if (status != PARE_OK) {
        return status;
    }
    (void)pare_lm_forward(t->teacher, token, NULL);
    (void)pare_lm_forward(t->run, token, NULL);
    *loss = pare_lm_loss(t->run, NULL, t->target, t->teacher, NULL, &t->gradients);
    if (!isfinite(*loss)) {
        return pare_fail(b->ctx, PARE_ERROR_NUMERIC, "training of the mask diverged");
    }
    for (int64_t i = 0; i < b->matrices; i++) {
        const prune_matrix *m = &b->matrix[i];
        float *d = t->gradients.weight + m->offset;
        for (int64_t g = b->first[i]; g < b->first[i + 1]; g++) {
            int64_t local = g - b->first[i];
            if (d_mask) {
                d_mask[g] = (float)block_dot(m, b->block, local, t->raw + m->offset, d);
            }
            scale_block(m, b->block, local, mask[g], d, d);
        }
    }
    if (t->optimizer.ctx) {
        double rate = pare_rate(PARE_RATE_COSINE, weight_rate, t->step, t->steps);
        pare_optimizer_step(&t->optimizer, (float)rate, t->gradients.weight, t->raw);
    }
    t->step++;
    return PARE_OK;
}

static pare_status training_norms(void *self, float *norm) {
    training *t = self;
    for (int64_t i = 0; i < t->b->matrices; i++) {
        const prune_matrix *m = &t->b->matrix[i];
        const float *w = t->raw + m->offset;
        for (int64_t g = t->b->first[i]; g < t->b->first[i + 1]; g++) {
            norm[g] = (float)sqrt(block_dot(m, t->b->block, g - t->b->first[i], w, w));
        }
    }
    return PARE_OK;
}

static const pare_objective_slots slots = {.reset = training_reset,
                                           .step = training_step,
                                           .norms = training_norms,
                                           .forget = training_forget};

static pare_status training_open(prune_blocks *b, bool weights, training *t) {
    pare_context *ctx = b->ctx;
    int64_t count = pare_lm_gradient_layout(&b->lm->shape, b->offset);
    *t = (training){.b = b, .batch = b->sequences < BATCH ? b->sequences : BATCH};
    pare_status status = pare_lm_run_create(b->lm, t->batch, b->length, true, &t->run);
    if (status == PARE_OK) {
        status = pare_lm_run_create(b->dense, t->batch, b->length, false, &t->teacher);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count, sizeof(float), &t->gradients.weight);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count, sizeof(float), &t->raw);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, t->batch * b->length, sizeof(int32_t), &t->target);
    }
    if (status == PARE_OK && weights) {
        status = pare_optimizer_init(ctx, PARE_OPTIMIZER_KIND_ADAMW, count, 0, (float)weight_decay,
                                     &t->optimizer);
    }
    return status;
}

static void training_close(training *t) {
    pare_optimizer_clear(&t->optimizer);
    pare_lm_run_destroy(t->run);
    pare_lm_run_destroy(t->teacher);
    pare_free(t->b->ctx, t->gradients.weight);
    pare_free(t->b->ctx, t->raw);
    pare_free(t->b->ctx, t->target);
}

static int relay(void *user, const char *stage, double fraction, double loss) {
    const prune_blocks *b = user;
    (void)loss;
    return b->progress ? b->progress(b->user, stage, 0.7 * fraction) : 0;
}

/* Chooses by training; the model's weights are then those in use. */
static pare_status train(prune_blocks *b) {
    const pare_prune_blocks_options *o = b->options;
    training t;
    pare_sparsified answer = {0};
    pare_status status = training_open(b, o->tokens > 0, &t);
    if (status == PARE_OK) {
        read_weights(&t);
        pare_objective objective = {
            .slots = &slots, .self = &t, .count = b->first[b->matrices], .steps_per_epoch = 1};
        int64_t steps = o->steps > 0 ? o->steps : DEFAULT_STEPS, each = t.batch * b->length;
        pare_sparsify_task task = {
            .ctx = b->ctx,
            .objective = &objective,
            .method = o->criterion == PARE_PRUNE_SEQUENTIAL_ATTENTION
                          ? PARE_SPARSIFY_SEQUENTIAL_ATTENTION
                      : o->criterion == PARE_PRUNE_RANDOM ? PARE_SPARSIFY_RANDOM
                                                          : PARE_SPARSIFY_MAGNITUDE,
            .groups = b->matrices,
            .first = b->first,
            .sparsity = o->sparsity,
            .dense_share = 0.2,
            .sparse_share = 0.2,
            .phases = 5,
            .epochs = (double)(o->tokens > 0 ? (o->tokens + each - 1) / each : steps),
            .mask_rate = mask_rate,
            .mask_decay = logit_decay,
            .seed = o->seed};
        status = pare_sparsify(&task, relay, b, &answer);
    }
    if (status == PARE_OK && answer.stopped) {
        status = pare_fail(b->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
    }
    if (status == PARE_OK) {
        memcpy(b->keep, answer.keep, (size_t)b->first[b->matrices]);
        use_masks(&t, answer.mask);
    }
    pare_sparsified_clear(b->ctx, &answer);
    training_close(&t);
    return status;
}

/* The last matrix of a half anew: each block row has columns of its own. */
static pare_status solve_half(prune_blocks *b, pare_calibration *c, int64_t layer,
                              pare_lm_half half) {
    pare_lm_slot slot = half == PARE_LM_ATTENTION ? PARE_LM_O : PARE_LM_DOWN;
    pare_half_problem problem = {0};
    float *solved = NULL;
    pare_status status = pare_half_measure(c, b->lm, layer, half, b->options->ridge, &problem);
    for (int64_t i = 0; status == PARE_OK && i < b->matrices; i++) {
        const prune_matrix *m = &b->matrix[i];
        if (m->tensor != &b->lm->layer[layer][slot] || m->columns % b->block != 0) {
            continue;
        }
        status = pare_alloc(b->ctx, m->rows * m->columns, sizeof *solved, &solved);
        for (int64_t r = 0; status == PARE_OK && r < m->high; r++) {
            status = pare_half_solve(b->ctx, &problem, b->block,
                                     b->keep + b->first[i] + r * m->wide, solved);
            int64_t from = r * b->block, to = from + b->block < m->rows ? from + b->block : m->rows;
            if (status == PARE_OK) {
                memcpy(m->tensor->own + from * m->columns, solved + from * m->columns,
                       (size_t)((to - from) * m->columns) * sizeof *solved);
            }
        }
        pare_free(b->ctx, solved);
        solved = NULL;
    }
    pare_half_clear(b->ctx, &problem);
    return status == PARE_OK ? pare_calibration_advance(c, b->lm, layer, half) : status;
}

static pare_status finish(prune_blocks *b, pare_prune_result *result) {
    const pare_lm_shape *s = &b->lm->shape;
    pare_calibration c = {0};
    pare_lm_run *run = NULL;
    pare_status status =
        pare_calibration_init(b->dense, b->sequences, b->length, b->token, true, &c);
    if (status == PARE_OK) {
        result->loss_before = pare_calibration_loss(&c, c.dense_run, b->options->probe);
        pare_calibration_restart(&c);
    }
    for (int64_t i = 0; b->options->compensate && b->options->tokens == 0 && i < 2 * s->layers;
         i++) {
        bool attention = i % 2 == 0;
        const pare_lm_layer *layer = &s->layer[i / 2];
        if (status == PARE_OK && (attention ? layer->heads : layer->ffn) > 0) {
            status = solve_half(b, &c, i / 2, attention ? PARE_LM_ATTENTION : PARE_LM_FFN);
        }
        if (status == PARE_OK && b->progress &&
            b->progress(b->user, "solve", 0.7 + 0.3 * (double)i / (double)(2 * s->layers))) {
            status = pare_fail(b->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
        }
    }
    if (status == PARE_OK) {
        status = pare_lm_run_create(b->lm, c.batch, c.length, false, &run);
    }
    if (status == PARE_OK) {
        result->loss_after = pare_calibration_loss(&c, run, b->options->probe);
    }
    pare_lm_run_destroy(run);
    pare_calibration_clear(&c);
    return status;
}

static void count(prune_blocks *b, pare_prune_result *result) {
    for (int64_t i = 0; i < b->lm->shape.layers; i++) {
        result->parameters_before += pare_lm_layer_parameters(&b->lm->shape, i);
    }
    result->parameters_after = result->parameters_before;
    int64_t all = 0;
    for (int64_t i = 0; i < b->matrices; i++) {
        const prune_matrix *m = &b->matrix[i];
        all += m->rows * m->columns;
        for (int64_t g = 0; g < m->high * m->wide; g++) {
            int64_t row = g / m->wide * b->block, column = g % m->wide * b->block;
            int64_t high = m->rows - row < b->block ? m->rows - row : b->block;
            int64_t wide = m->columns - column < b->block ? m->columns - column : b->block;
            if (!b->keep[b->first[i] + g]) {
                result->parameters_after -= high * wide;
            }
        }
    }
    result->share = 1 - (double)(result->parameters_before - result->parameters_after) /
                            (double)(all > 0 ? all : 1);
}

/* Zeroes the blocks that go. */
static void clear_blocks(prune_blocks *b) {
    for (int64_t i = 0; i < b->matrices; i++) {
        const prune_matrix *m = &b->matrix[i];
        for (int64_t g = b->first[i]; g < b->first[i + 1]; g++) {
            if (!b->keep[g]) {
                scale_block(m, b->block, g - b->first[i], 0, m->tensor->own, m->tensor->own);
            }
        }
    }
}

pare_status pare_prune_blocks(const pare_lm *dense, pare_lm *lm, int64_t sequences, int64_t length,
                              const int32_t *token, const pare_prune_blocks_options *options,
                              pare_prune_progress progress, void *user, pare_prune_result *result) {
    prune_blocks b = {.ctx = dense->ctx,
                      .dense = dense,
                      .lm = lm,
                      .options = options,
                      .block = options->block,
                      .sequences = sequences,
                      .length = length,
                      .token = token,
                      .progress = progress,
                      .user = user};
    bool learns = options->criterion == PARE_PRUNE_SEQUENTIAL_ATTENTION || options->tokens > 0;
    *result = (pare_prune_result){.loss_before = NAN, .loss_after = NAN};
    bool measures = !learns && options->criterion != PARE_PRUNE_MAGNITUDE &&
                    options->criterion != PARE_PRUNE_RANDOM;
    if (measures && (dense->shape.layer_norm || dense->shape.parallel)) {
        return pare_fail(dense->ctx, PARE_ERROR_UNSUPPORTED,
                         "blocks of a model of the architecture %s are chosen by magnitude, random "
                         "or sequential-attention",
                         dense->shape.architecture);
    }
    pare_status status = pare_lm_own(lm);
    if (status == PARE_OK) {
        status = pare_prune_blocks_list(&b);
    }
    if (status == PARE_OK) {
        status = learns ? train(&b) : pare_prune_blocks_score(&b);
    }
    if (status == PARE_OK) {
        clear_blocks(&b);
        count(&b, result);
        status = token ? finish(&b, result) : PARE_OK;
        lm->shape.weight_block = b.block;
    }
    pare_prune_blocks_release(&b);
    return status;
}
