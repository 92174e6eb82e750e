/*
 * Sequential Attention with frozen weights (after Axiotis et al. 2024): shares of the budget go to
 * the halves of layers by what a mask learns, in phases, the model mended between them.
 *
 * Each half has one slice at a time that could go next: the candidates that backward elimination
 * would take after the r it has lost. With W(r) the last matrix solved anew without the first r,
 *     W = W(r) + (m - 1) (W(r) - W(r + s)),
 * so that m = 1 is the model as it stands and m = 0 what a cut and its compensation would leave.
 * The mask learns by the divergence D of the masked model's predictions from the dense model's:
 *     D(0) - D(1) = -D'(1) + D''(1) / 2 (to second order),
 * both from gradients at m = 1 + sign / 2 with signs that are orthogonal over the steps, which
 * averages the other halves out. Divided by the rise of the output error it is the half's
 * attention: how much an error there matters. What it predicts decides the cuts of the phase, the
 * picks so far being in place; then all halves are cut and solved again on the streams as they have
 * become.
 *
 * Departures from the published method, each because of frozen weights (docs/pruning.md): the mask
 * is not a softmax of mean 1 over bare weights, since the divergence is least where all masks are
 * one and a falling softmax damages all layers together, which makes the last layer look useless;
 * compensation takes the place of the sparse phases' training.
 */
#include "base/random.h"
#include "kernels/kernels.h"
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

static const double reach = 0.5; /* of the mask from 1 */
static const double curvature = 4;
enum { PHASES = 2, SLICES = 8, LEAST_STEPS = 8 };
enum { TUNING_SAMPLES = 1000, TUNING_LENGTH = 512, TUNING_SHARE = 30 };

typedef struct slice {
    int64_t from, upto;    /* candidates gone before and with it; equal: nothing may go */
    int64_t values;        /* of the last matrix */
    unsigned char *delta;  /* (outputs, width) W(from) - W(upto), as the model's file keeps it */
    pare_lm_change change; /* the mask on the model: delta times reach or minus it */
    double error;          /* rise of the output error when it goes */
    double slope, bend;    /* sums of -D' and of D'' / 2 over the steps */
} slice;

/* The model stays in its file; what there is beside it: delta, and W(from) once something is gone,
 * both in the file's format. */
typedef struct attention {
    pruning *p;
    slice *slice;  /* (parts) */
    int64_t *part; /* (2 layers) number of the part of each half, -1: none */
    pare_lm_run *run, *teacher;
    pare_lm_gradients gradients;
    float *room[2]; /* (largest last matrix) */
    int32_t *target;
    double *sign;           /* (parts) */
    int64_t *column;        /* (design) of the array the signs are taken from, the factors' first */
    int64_t design;         /* its rows and columns, a power of two above the number of factors */
    int64_t step, balanced; /* steps of this phase that are whole designs, from `step` on */
} attention;

/* Floating-point operations of one pass over a window without gradients. */
static double pass_flops(const pare_lm_shape *s, int64_t length) {
    double first = (double)pare_lm_multiply_adds(s, 0);
    double last = (double)pare_lm_multiply_adds(s, length - 1);
    return (double)length * (first + last);
}

/* One step: the dense model, the masked one, its layers again on the way back, and two products
 * back for each forward. */
static double step_flops(const pare_lm_shape *s, int64_t length) {
    return 5 * pass_flops(s, length);
}

double pare_prune_tuning_flops(const pare_lm_shape *s) {
    return TUNING_SAMPLES * 3 * pass_flops(s, TUNING_LENGTH);
}

/* F32 stays exact; Q8_0 has no nearest value. */
static pare_dtype dtype_of(const pare_lm_tensor *t) {
    return t->own || !t->stored || t->stored->dtype == PARE_DTYPE_F32 ? PARE_DTYPE_F32
           : t->stored->dtype == PARE_DTYPE_BF16                      ? PARE_DTYPE_BF16
                                                                      : PARE_DTYPE_F16;
}

static pare_status reserve_slice(attention *a, int64_t index) {
    pruning *p = a->p;
    slice *one = &a->slice[index];
    pare_dtype dtype = dtype_of(pare_prune_last_matrix(p, &p->part[index]));
    one->values = p->part[index].blocks * p->part[index].block * p->lm->shape.hidden;
    a->part[2 * p->part[index].layer + p->part[index].half] = index;
    pare_status status = pare_alloc(p->ctx, pare_dtype_bytes(dtype, one->values), 1, &one->delta);
    one->change = (pare_lm_change){dtype, one->delta, 0};
    return status;
}

static pare_status reserve(attention *a) {
    pruning *p = a->p;
    int64_t length = p->calibration.length, most = 0;
    pare_status status = pare_alloc(p->ctx, length, sizeof *a->target, &a->target);
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, p->parts, sizeof *a->sign, &a->sign);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, 2 * p->lm->shape.layers, sizeof *a->part, &a->part);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, p->parts, sizeof *a->slice, &a->slice);
    }
    for (int64_t i = 0; status == PARE_OK && i < 2 * p->lm->shape.layers; i++) {
        a->part[i] = -1;
    }
    for (a->design = 2; a->design <= p->parts;) {
        a->design *= 2;
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, a->design, sizeof *a->column, &a->column);
    }
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        status = reserve_slice(a, i);
        most = a->slice[i].values > most ? a->slice[i].values : most;
    }
    for (int i = 0; status == PARE_OK && i < 2; i++) {
        status = pare_alloc(p->ctx, most, sizeof *a->room[i], &a->room[i]);
    }
    return status;
}

static void release(attention *a) {
    pare_context *ctx = a->p->ctx;
    for (int64_t i = 0; a->slice && i < a->p->parts; i++) {
        pare_free(ctx, a->slice[i].delta);
    }
    pare_free(ctx, a->slice);
    pare_free(ctx, a->part);
    pare_free(ctx, a->sign);
    pare_free(ctx, a->column);
    pare_free(ctx, a->room[0]);
    pare_free(ctx, a->room[1]);
    pare_free(ctx, a->target);
}

/* ---- Slices ---------------------------------------------------------------------------------- */

static void choose_slice(const prune_part *one, slice *next) {
    int64_t size = one->some ? (one->blocks + SLICES - 1) / SLICES : one->blocks;
    int64_t most = one->whole ? one->blocks : one->some ? one->blocks - one->step : 0;
    size = (size + one->step - 1) / one->step * one->step;
    next->from = one->removed;
    next->upto = next->from + size < most ? next->from + size : most;
    next->upto = next->upto > next->from ? next->upto : next->from;
    next->slope = next->bend = 0;
}

/* Cuts a half without making it smaller, and finds its next slice. Errors stay in one->loss. */
static pare_status mend(attention *a, int64_t index) {
    pruning *p = a->p;
    prune_part *one = &p->part[index];
    slice *next = &a->slice[index];
    pare_half_problem problem = {0};
    uint8_t *keep = NULL;
    pare_lm_tensor *t = pare_prune_last_matrix(p, one);
    pare_status status = pare_alloc(p->ctx, one->blocks, 1, &keep);
    choose_slice(one, next);
    if (status == PARE_OK) {
        status = pare_prune_order(p, one, &problem, one->loss);
    }
    if (status == PARE_OK && one->removed > 0) {
        status = pare_prune_cut_matrix(p, one, &problem, one->removed, keep, a->room[0]);
        if (status == PARE_OK) {
            status = pare_lm_replace(p->lm, t, next->change.dtype, a->room[0]);
        }
    }
    if (status == PARE_OK) {
        status = pare_prune_cut_matrix(p, one, &problem, next->upto, keep, a->room[1]);
    }
    if (status == PARE_OK) {
        const float *now = pare_lm_values(t, a->room[0]);
        next->error = one->loss[next->upto] - one->loss[next->from];
        for (int64_t v = 0; v < next->values; v++) {
            a->room[1][v] = now[v] - a->room[1][v];
        }
        pare_dtype_from_float(next->change.dtype, next->values, a->room[1], next->delta);
        status = pare_calibration_advance(&p->calibration, p->lm, one->layer, one->half);
    }
    pare_half_clear(p->ctx, &problem);
    pare_free(p->ctx, keep);
    return status;
}

/* ---- The mask -------------------------------------------------------------------------------- */

static void put_on(attention *a) {
    for (int64_t i = 0; i < a->p->parts; i++) {
        a->slice[i].change.factor = (float)(reach * a->sign[i]);
    }
}

/* <dL/dW, delta>, a piece at a time. */
static double along(const attention *a, const slice *one) {
    enum { PIECE = 4096 };
    float piece[PIECE];
    double sum = 0;
    for (int64_t at = 0; at < one->values; at += PIECE) {
        int64_t size = one->values - at < PIECE ? one->values - at : PIECE;
        pare_dtype_to_float(one->change.dtype, size,
                            one->delta + pare_dtype_bytes(one->change.dtype, at), piece);
        sum += a->p->ctx->kernels->dot_double(size, a->gradients.last + at, piece);
    }
    return sum;
}

/* The gradient of one last matrix has come. */
static void gather(void *user, int64_t layer, pare_lm_half half) {
    attention *a = user;
    int64_t i = a->part[2 * layer + half];
    if (i >= 0) {
        double slope = along(a, &a->slice[i]);
        a->slice[i].slope -= slope;
        a->slice[i].bend += slope * a->sign[i] / (2 * reach);
    }
}

/* Signs whose products over a whole design sum to 0 for any two factors, so that what one half does
 * to another's gradient is averaged out at once and not by chance: columns of Sylvester's matrix, a
 * step a row. Independent ones where the steps do not fill a design. */
static bool sign_of(const attention *a, int64_t factor) {
    if (a->balanced > 0) {
        bool up = true;
        for (int64_t bits = a->column[factor] & (a->balanced - 1); bits > 0; bits &= bits - 1) {
            up = !up;
        }
        return up;
    }
    uint64_t place = (uint64_t)(a->step * a->p->parts + factor);
    return pare_random_below(a->p->options->seed, PARE_STREAM_METHOD, place, 2) > 0;
}

/* Another assignment of columns (but the first, which is constant) for each phase. */
static void begin_design(attention *a, int64_t phase, int64_t steps) {
    a->balanced = steps / a->design * a->design;
    for (int64_t i = 0; i < a->design; i++) {
        a->column[i] = i + 1;
    }
    pare_random_shuffle(a->p->options->seed, PARE_STREAM_METHOD, (uint64_t)(phase + 1) << 40,
                        a->design - 1, a->column);
}

static void train_step(attention *a) {
    const pare_calibration *c = &a->p->calibration;
    bool layers = a->p->whole_layers;
    double turn = (double)(a->step + 1) * 0.6180339887498949; /* spread over the text */
    int64_t window = (int64_t)((turn - floor(turn)) * (double)c->sequences);
    const int32_t *token = c->token + window * c->length;
    for (int64_t i = 0; i < c->length; i++) {
        a->target[i] = i + 1 == c->length ? -1 : token[i + 1];
    }
    for (int64_t i = 0; i < a->p->parts; i++) {
        a->sign[i] = sign_of(a, layers ? a->p->part[i].layer : i) ? 1 : -1;
    }
    put_on(a);
    (void)pare_lm_forward(a->teacher, token, NULL);
    (void)pare_lm_forward(a->run, token, NULL);
    (void)pare_lm_loss(a->run, NULL, a->target, a->teacher, NULL, &a->gradients);
    a->step++;
    a->balanced--;
}

/* Loss curves: the error's, times the attention. */
static void predict(attention *a, int64_t steps) {
    pruning *p = a->p;
    for (int64_t i = 0; i < p->parts; i++) {
        prune_part *one = &p->part[i];
        const slice *next = &a->slice[i];
        double rise = fmax(next->slope + next->bend, 0.1 * next->bend) / (double)steps;
        double weight = next->error > 0 ? fmax(rise, 0) / next->error : 0;
        double gone = one->loss[one->removed];
        for (int64_t k = 0; k <= one->blocks; k++) {
            one->loss[k] = k <= one->removed ? 0 : weight * (one->loss[k] - gone);
        }
        p->layer_loss[one->layer] += one->loss[one->blocks];
    }
}

/* Workspaces while the masks are on; without them the model is as it was. */
static pare_status begin_training(attention *a) {
    pruning *p = a->p;
    for (int64_t i = 0; i < p->parts; i++) {
        pare_prune_last_matrix(p, &p->part[i])->change = &a->slice[i].change;
    }
    a->gradients = (pare_lm_gradients){.visit = gather, .user = a, .last = a->room[0]};
    pare_status status = pare_lm_run_create(p->lm, 1, p->calibration.length, true, &a->run);
    return status == PARE_OK
               ? pare_lm_run_create(p->dense, 1, p->calibration.length, false, &a->teacher)
               : status;
}

static void end_training(attention *a) {
    pruning *p = a->p;
    for (int64_t i = 0; i < p->parts; i++) {
        pare_prune_last_matrix(p, &p->part[i])->change = NULL;
    }
    pare_lm_run_destroy(a->run);
    pare_lm_run_destroy(a->teacher);
    a->run = a->teacher = NULL;
}

static pare_status phase(attention *a, int64_t index, int64_t steps) {
    pruning *p = a->p;
    double share = 0.6 / PHASES, from = share * (double)index;
    pare_status status = PARE_OK;
    memset(p->layer_loss, 0, (size_t)p->dense->shape.layers * sizeof *p->layer_loss);
    if (index > 0) {
        pare_calibration_restart(&p->calibration);
    }
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        status = pare_prune_tell(p, "measure", from + share / 2 * (double)i / (double)p->parts);
        if (status == PARE_OK) {
            status = mend(a, i);
        }
    }
    if (status == PARE_OK) {
        begin_design(a, index, steps);
        status = begin_training(a);
    }
    for (int64_t step = 0; status == PARE_OK && step < steps; step++) {
        status =
            pare_prune_tell(p, "train mask", from + share / 2 * (1 + (double)step / (double)steps));
        if (status == PARE_OK) {
            train_step(a);
            p->flops += step_flops(&p->dense->shape, p->calibration.length);
        }
    }
    end_training(a);
    if (status == PARE_OK) {
        predict(a, steps);
        double t = (double)(index + 1) / PHASES;
        double gone = (1 - exp(-curvature * t)) / (1 - exp(-curvature));
        double keep = 1 - (1 - p->options->keep) * gone;
        status = pare_prune_share_out(p, index + 1 == PHASES ? p->options->keep : keep);
    }
    return status;
}

pare_status pare_prune_attention(pruning *p) {
    attention a = {.p = p};
    const pare_calibration *c = &p->calibration;
    pare_lm_run *run = NULL;
    p->calibration.same = true; /* nothing is cut yet */
    pare_status status = pare_lm_run_create(p->lm, c->batch, c->length, false, &run);
    if (status == PARE_OK) {
        p->loss = pare_calibration_loss(c, run, p->options->probe);
        pare_lm_run_destroy(run);
        status = reserve(&a);
    }
    double each = step_flops(&p->dense->shape, c->length);
    int64_t fit = (int64_t)(pare_prune_tuning_flops(&p->dense->shape) / TUNING_SHARE / each);
    int64_t steps = p->options->rehearse    ? PHASES
                    : p->options->steps > 0 ? p->options->steps
                    : fit > LEAST_STEPS     ? fit
                                            : LEAST_STEPS;
    for (int64_t i = 0; status == PARE_OK && i < PHASES; i++) {
        status = phase(&a, i, (i + 1) * steps / PHASES - i * steps / PHASES);
    }
    release(&a);
    return status;
}
