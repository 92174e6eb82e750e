#include "problem/prune_recover.h"
#include "base/random.h"
#include "nn/graph.h"

#include <math.h>
#include <string.h>

static const double rate = 1e-3, rise = 0.05, floor_share = 0.05, longest = 1;
static const float weight_decay = 0.01f;
enum { BATCH = 8 };

typedef struct recovery {
    pare_context *ctx;
    pare_lm *lm;
    int64_t sequences, length, batch, parameters;
    const int32_t *token;
    uint64_t seed;
    pare_lm_run *run, *teacher;
    pare_lm_gradients gradients;
    int64_t *offset;
    float *weight; /* (parameters) laid out as the gradients */
    pare_optimizer optimizer;
    int64_t *order; /* (sequences) */
    int32_t *input, *target;
} recovery;

static pare_status reserve(recovery *r, const pare_lm *dense) {
    const pare_lm_shape *s = &r->lm->shape;
    int64_t rows = r->batch * r->length;
    pare_status status = pare_lm_run_create(r->lm, r->batch, r->length, true, &r->run);
    if (status == PARE_OK) {
        status = pare_lm_run_create(dense, r->batch, r->length, false, &r->teacher);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, (s->layers + 1) * PARE_LM_SLOTS, sizeof *r->offset, &r->offset);
    }
    if (status == PARE_OK) {
        r->parameters = pare_lm_gradient_layout(s, r->offset);
        status = pare_alloc_zero(r->ctx, r->parameters, sizeof(float), &r->gradients.weight);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(r->ctx, r->parameters, sizeof *r->weight, &r->weight);
    }
    if (status == PARE_OK) {
        status = pare_optimizer_init(r->ctx, PARE_OPTIMIZER_KIND_ADAMW, r->parameters, 0,
                                     weight_decay, &r->optimizer);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, r->sequences, sizeof *r->order, &r->order);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, rows, sizeof *r->input, &r->input);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, rows, sizeof *r->target, &r->target);
    }
    return status;
}

static void release(recovery *r) {
    pare_lm_run_destroy(r->run);
    pare_lm_run_destroy(r->teacher);
    pare_optimizer_clear(&r->optimizer);
    pare_free(r->ctx, r->offset);
    pare_free(r->ctx, r->gradients.weight);
    pare_free(r->ctx, r->weight);
    pare_free(r->ctx, r->order);
    pare_free(r->ctx, r->input);
    pare_free(r->ctx, r->target);
}

/* The model's tensors into the flat array, or back. */
static void exchange(recovery *r, bool back) {
    const pare_lm_shape *s = &r->lm->shape;
    int64_t inner = s->layers * PARE_LM_SLOTS;
    for (int64_t i = 0; i <= inner + 1; i++) {
        pare_lm_tensor *t = i == inner       ? &r->lm->norm
                            : i == inner + 1 ? &r->lm->norm_bias
                                             : &r->lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        size_t bytes = (size_t)(t->rows * (t->columns > 0 ? t->columns : 1)) * sizeof(float);
        if (t->own) {
            float *flat = r->weight + r->offset[i];
            memcpy(back ? t->own : flat, back ? flat : t->own, bytes);
        }
    }
}

/* The windows of one step; the order is drawn anew each time round. */
static void fill(recovery *r, int64_t step) {
    int64_t rounds = r->sequences / r->batch, at = step % rounds;
    for (int64_t i = 0; at == 0 && i < r->sequences; i++) {
        r->order[i] = i;
    }
    if (at == 0) {
        pare_random_shuffle(r->seed, PARE_STREAM_SHUFFLE, (uint64_t)(step / rounds * r->sequences),
                            r->sequences, r->order);
    }
    for (int64_t i = 0; i < r->batch; i++) {
        const int32_t *from = r->token + r->order[at * r->batch + i] * r->length;
        for (int64_t j = 0; j < r->length; j++) {
            r->input[i * r->length + j] = from[j];
            r->target[i * r->length + j] = j + 1 == r->length ? -1 : from[j + 1];
        }
    }
}

static void shorten(recovery *r) {
    double sum = 0;
    for (int64_t i = 0; i < r->parameters; i++) {
        sum += (double)r->gradients.weight[i] * (double)r->gradients.weight[i];
    }
    if (sum > longest * longest) {
        float factor = (float)(longest / sqrt(sum));
        for (int64_t i = 0; i < r->parameters; i++) {
            r->gradients.weight[i] *= factor;
        }
    }
}

static double rate_at(int64_t step, int64_t steps) {
    double done = ((double)step + 0.5) / (double)steps;
    if (done < rise) {
        return rate * done / rise;
    }
    double wave = 0.5 * (1 + cos(3.141592653589793 * (done - rise) / (1 - rise)));
    return rate * (floor_share + (1 - floor_share) * wave);
}

static pare_status train(recovery *r, int64_t steps, pare_prune_progress progress, void *user,
                         double divergence[2]) {
    int64_t tenth = (steps + 9) / 10;
    for (int64_t step = 0; step < steps; step++) {
        if (progress && progress(user, "recover", (double)step / (double)steps)) {
            return pare_fail(r->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
        }
        fill(r, step);
        (void)pare_lm_forward(r->teacher, r->input, NULL);
        (void)pare_lm_forward(r->run, r->input, NULL);
        double loss = pare_lm_loss(r->run, NULL, r->target, r->teacher, NULL, &r->gradients);
        if (!isfinite(loss)) {
            return pare_fail(r->ctx, PARE_ERROR_NUMERIC, "the recovery has diverged");
        }
        divergence[0] += step < tenth ? loss / (double)tenth : 0;
        divergence[1] += step >= steps - tenth ? loss / (double)tenth : 0;
        shorten(r);
        pare_optimizer_step(&r->optimizer, (float)rate_at(step, steps), r->gradients.weight,
                            r->weight);
        exchange(r, true);
    }
    return PARE_OK;
}

pare_status pare_prune_recover(const pare_lm *dense, pare_lm *lm, int64_t sequences, int64_t length,
                               const int32_t *token, int64_t tokens, uint64_t seed,
                               pare_prune_progress progress, void *user, double divergence[2]) {
    recovery r = {.ctx = lm->ctx,
                  .lm = lm,
                  .sequences = sequences,
                  .length = length,
                  .batch = sequences < BATCH ? sequences : BATCH,
                  .token = token,
                  .seed = seed};
    int64_t each = r.batch * length, steps = (tokens + each - 1) / each;
    divergence[0] = divergence[1] = 0;
    pare_status status = reserve(&r, dense);
    if (status == PARE_OK) {
        exchange(&r, false);
        status = train(&r, steps, progress, user, divergence);
    }
    release(&r);
    return status;
}
