/*
 * Logistic and softmax regression on the support, by Newton's method: the curvature at the start,
 * averaged over the outputs, is factored once and corrected by what the steps show (limited memory
 * BFGS: Nocedal 1980). With two classes that is Newton's method with a good memory: from the
 * coefficients of one choice before, three or four gradients suffice. The loss is convex, so a
 * step along d is fine as long as the slope along d has not turned to rise: no losses are needed.
 */
#include "problem/linear.h"

#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum {
    CHUNKS = 8,  /* row chunks */
    BLOCK = 256, /* rows summed in float */
    MEMORY = 24, /* pairs of steps and changes of the gradient */
    ITERATIONS = 100,
    RENEW = 10, /* the curvature is computed again after so many */
    SHORTENINGS = 20
};

/* Done when the step is expected to lower the mean loss by less. */
static const double converged_binary = 1e-12, converged_softmax = 1e-10;
/* Predictors are kept where exp is accurate; a probability there is 0 or 1 in float. */
static const float steepest = 60;

/* Arrays for so many features. A vector is (1 + capacity, outputs): intercepts first. */
typedef struct arrays {
    int64_t capacity;
    uint8_t *used; /* feature takes part */
    float *beta;   /* (outputs, capacity) */
    double *theta, *gradient, *direction, *trial, *change;
    double *steps, *changes; /* (MEMORY) vectors */
    double *curvature;       /* (1 + capacity)^2, then its factor */
    double *part;            /* (CHUNKS, places) */
    float *block;            /* (CHUNKS, capacity, BLOCK) */
    float *small;            /* (CHUNKS, places) */
    int64_t places;          /* of a result: a vector or a curvature */
} arrays;

struct pare_logistic {
    float *z; /* (outputs, rows) predictors, then W residual */
    float *d; /* (rows) curvature of the loss */
    arrays a;
};

static void free_arrays(pare_context *ctx, arrays *a) {
    void *const owned[] = {a->used,  a->beta,   a->theta, a->gradient, a->direction,
                           a->trial, a->change, a->steps, a->changes,  a->curvature,
                           a->part,  a->block,  a->small};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    *a = (arrays){0};
}

void pare_logistic_destroy(pare_linear *l) {
    pare_logistic *s = l->logistic;
    if (!s) {
        return;
    }
    free_arrays(l->ctx, &s->a);
    pare_free(l->ctx, s->z);
    pare_free(l->ctx, s->d);
    pare_free(l->ctx, s);
    l->logistic = NULL;
}

pare_status pare_logistic_create(pare_linear *l) {
    pare_logistic *s = NULL;
    pare_status status = pare_alloc_zero(l->ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    l->logistic = s;
    status = pare_alloc(l->ctx, l->outputs * l->design.rows, sizeof *s->z, &s->z);
    return status == PARE_OK ? pare_alloc(l->ctx, l->design.rows, sizeof *s->d, &s->d) : status;
}

static pare_status reserve(pare_linear *l) {
    arrays *a = &l->logistic->a;
    int64_t capacity = l->support.capacity, vector = 0, square = 0;
    if (capacity <= a->capacity) {
        return PARE_OK;
    }
    free_arrays(l->ctx, a);
    if (!pare_checked_multiply(1 + capacity, l->outputs, &vector) ||
        !pare_checked_multiply(1 + capacity, 1 + capacity, &square)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld features",
                         (long long)capacity);
    }
    a->places = vector > square ? vector : square;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } wanted[] = {{&a->used, capacity, sizeof *a->used},
                  {&a->beta, vector, sizeof *a->beta},
                  {&a->theta, vector, sizeof(double)},
                  {&a->gradient, vector, sizeof(double)},
                  {&a->direction, vector, sizeof(double)},
                  {&a->trial, vector, sizeof(double)},
                  {&a->change, vector, sizeof(double)},
                  {&a->steps, MEMORY * vector, sizeof(double)},
                  {&a->changes, MEMORY * vector, sizeof(double)},
                  {&a->curvature, square, sizeof(double)},
                  {&a->part, CHUNKS * a->places, sizeof(double)},
                  {&a->block, CHUNKS * BLOCK * capacity, sizeof *a->block},
                  {&a->small, CHUNKS * a->places, sizeof *a->small}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        pare_status status = pare_alloc(l->ctx, wanted[i].count, wanted[i].size, wanted[i].array);
        if (status != PARE_OK) {
            free_arrays(l->ctx, a);
            return status;
        }
    }
    a->capacity = capacity;
    return PARE_OK;
}

/* ---- Gradient ------------------------------------------------------------------------------- */

static double weight_of(const pare_linear *l, int64_t i) {
    return l->design.weight ? l->design.weight[i] : 1;
}

static float kept(float value) {
    return value > steepest ? steepest : value < -steepest ? -steepest : value;
}

/* Two classes: z becomes W residual and d the curvature w p (1 - p); rows from .. to. */
static void binary_residuals(pare_linear *l, int64_t from, int64_t to) {
    const pare_logistic *s = l->logistic;
    for (int64_t i = from; i < to; i++) {
        s->z[i] = kept(-s->z[i]);
    }
    l->ctx->kernels->exponential(to - from, s->z + from, s->z + from);
    for (int64_t i = from; i < to; i++) {
        double w = weight_of(l, i), p = 1 / (1 + (double)s->z[i]);
        double rest = (double)l->train->label[l->train->train[i]] - p;
        l->residual[i] = rest;
        s->z[i] = (float)(w * rest);
        s->d[i] = (float)(w * p * (1 - p));
    }
}

/* More classes: the same, d the mean over the outputs. At most BLOCK rows; output by output, so
 * that memory is read along the rows. */
static void softmax_residuals(pare_linear *l, int64_t from, int64_t to) {
    const pare_logistic *s = l->logistic;
    int64_t rows = l->design.rows, outputs = l->outputs, count = to - from;
    float top[BLOCK];
    double share[BLOCK] = {0}, spread[BLOCK] = {0};
    memcpy(top, s->z + from, (size_t)count * sizeof *top);
    for (int64_t o = 1; o < outputs; o++) {
        const float *z = s->z + o * rows + from;
        for (int64_t q = 0; q < count; q++) {
            top[q] = z[q] > top[q] ? z[q] : top[q];
        }
    }
    for (int64_t o = 0; o < outputs; o++) {
        float *z = s->z + o * rows + from;
        for (int64_t q = 0; q < count; q++) {
            z[q] = kept(z[q] - top[q]);
        }
        l->ctx->kernels->exponential(count, z, z);
        for (int64_t q = 0; q < count; q++) {
            share[q] += (double)z[q];
        }
    }
    for (int64_t q = 0; q < count; q++) {
        share[q] = 1 / share[q];
    }
    for (int64_t o = 0; o < outputs; o++) {
        float *z = s->z + o * rows + from;
        double *residual = l->residual + o * rows + from;
        for (int64_t q = 0; q < count; q++) {
            double p = (double)z[q] * share[q];
            residual[q] = -p;
            spread[q] += p * (1 - p);
        }
    }
    for (int64_t q = 0; q < count; q++) {
        int64_t label = l->train->label[l->train->train[from + q]];
        l->residual[label * rows + from + q] += 1;
        s->d[from + q] = (float)(weight_of(l, from + q) * spread[q] / (double)outputs);
    }
    for (int64_t o = 0; o < outputs; o++) {
        float *z = s->z + o * rows + from;
        const double *residual = l->residual + o * rows + from;
        for (int64_t q = 0; q < count; q++) {
            z[q] = (float)(weight_of(l, from + q) * residual[q]);
        }
    }
}

/* Minus the gradient of the sum of losses, without the penalty, over the rows of one chunk. */
static void gradient_chunk(void *argument, int64_t chunk) {
    pare_linear *l = argument;
    const pare_logistic *s = l->logistic;
    const arrays *a = &s->a;
    int64_t rows = l->design.rows, outputs = l->outputs, count = l->support.count;
    int64_t end = rows * (chunk + 1) / CHUNKS;
    double *part = a->part + chunk * a->places;
    float *small = a->small + chunk * a->places;
    memset(part, 0, (size_t)((1 + count) * outputs) * sizeof *part);
    for (int64_t i = rows * chunk / CHUNKS; i < end; i += BLOCK) {
        int64_t width = end - i < BLOCK ? end - i : BLOCK;
        for (int64_t o = 0; o < outputs; o++) {
            for (int64_t q = 0; q < width; q++) {
                s->z[o * rows + i + q] = (float)a->trial[o];
            }
        }
        if (count > 0 && outputs > 2) {
            pare_gemm(false, false, outputs, width, count, 1, a->beta, a->capacity,
                      l->support.x + i, rows, 1, s->z + i, rows);
        }
        for (int64_t f = 0; outputs <= 2 && f < count; f++) {
            for (int64_t o = 0; o < outputs; o++) {
                l->ctx->kernels->axpy(width, a->beta[o * a->capacity + f],
                                      l->support.x + f * rows + i, s->z + o * rows + i);
            }
        }
        if (outputs == 1) {
            binary_residuals(l, i, i + width);
        } else {
            softmax_residuals(l, i, i + width);
        }
        for (int64_t o = 0; o < outputs; o++) {
            for (int64_t q = 0; q < width; q++) {
                part[o] += (double)s->z[o * rows + i + q];
            }
        }
        if (count > 0 && outputs > 2) {
            pare_gemm(false, true, outputs, count, width, 1, s->z + i, rows, l->support.x + i, rows,
                      0, small, count);
        }
        for (int64_t f = 0; f < count; f++) {
            for (int64_t o = 0; o < outputs; o++) {
                part[(1 + f) * outputs + o] +=
                    outputs > 2 ? (double)small[o * count + f]
                                : l->ctx->kernels->dot_double(width, l->support.x + f * rows + i,
                                                              s->z + o * rows + i);
            }
        }
    }
}

/* gradient of the penalised sum of losses at `trial`; z, d and residual belong to it after. */
static void gradient_at_trial(pare_linear *l) {
    arrays *a = &l->logistic->a;
    int64_t outputs = l->outputs, count = l->support.count;
    for (int64_t f = 0; f < count; f++) {
        for (int64_t o = 0; o < outputs; o++) {
            a->beta[o * a->capacity + f] = (float)a->trial[(1 + f) * outputs + o];
        }
    }
    pare_pool_run(l->ctx->pool, CHUNKS, gradient_chunk, l);
    for (int64_t q = 0; q < (1 + count) * outputs; q++) {
        double sum = 0;
        for (int64_t c = 0; c < CHUNKS; c++) {
            sum += a->part[c * a->places + q];
        }
        a->gradient[q] = (q < outputs ? 0 : l->ridge * l->total * a->trial[q]) - sum;
    }
    for (int64_t f = 0; f < count; f++) {
        for (int64_t o = 0; !a->used[f] && o < outputs; o++) {
            a->gradient[(1 + f) * outputs + o] = 0;
        }
    }
}

/* ---- Curvature ------------------------------------------------------------------------------ */

/* sum_i d_i (1, x_i)(1, x_i)' over the rows of one chunk. */
static void curvature_chunk(void *argument, int64_t chunk) {
    pare_linear *l = argument;
    const pare_logistic *s = l->logistic;
    const arrays *a = &s->a;
    int64_t rows = l->design.rows, count = l->support.count, side = 1 + count;
    int64_t end = rows * (chunk + 1) / CHUNKS;
    double *part = a->part + chunk * a->places;
    float *small = a->small + chunk * a->places, *block = a->block + chunk * BLOCK * a->capacity;
    memset(part, 0, (size_t)(side * side) * sizeof *part);
    for (int64_t i = rows * chunk / CHUNKS; i < end; i += BLOCK) {
        int64_t width = end - i < BLOCK ? end - i : BLOCK;
        for (int64_t q = 0; q < width; q++) {
            part[0] += (double)s->d[i + q];
        }
        for (int64_t f = 0; f < count; f++) {
            const float *x = l->support.x + f * rows + i;
            float *scaled = block + f * BLOCK;
            for (int64_t q = 0; q < width; q++) {
                scaled[q] = s->d[i + q] * x[q];
            }
            part[(1 + f) * side] += l->ctx->kernels->dot_double(width, x, s->d + i);
        }
        if (count > 0) {
            pare_gemm(false, true, count, count, width, 1, block, BLOCK, l->support.x + i, rows, 0,
                      small, count);
        }
        for (int64_t f = 0; f < count; f++) {
            for (int64_t g = 0; g <= f; g++) {
                part[(1 + f) * side + 1 + g] += (double)small[f * count + g];
            }
        }
    }
}

/* The factored curvature at the point that d belongs to. */
static void curvature(pare_linear *l) {
    arrays *a = &l->logistic->a;
    int64_t side = 1 + l->support.count;
    pare_pool_run(l->ctx->pool, CHUNKS, curvature_chunk, l);
    double largest = 0;
    for (int64_t q = 0; q < side * side; q++) {
        double sum = 0;
        for (int64_t c = 0; c < CHUNKS; c++) {
            sum += a->part[c * a->places + q];
        }
        a->curvature[q] = sum;
    }
    for (int64_t f = 0; f < side; f++) {
        largest = fmax(largest, a->curvature[f * side + f]);
    }
    for (int64_t f = 0; f < side; f++) {
        double *row = a->curvature + f * side;
        bool used = f == 0 || a->used[f - 1];
        for (int64_t g = 0; g < f; g++) {
            row[g] = used && (g == 0 || a->used[g - 1]) ? row[g] : 0;
        }
        row[f] = used ? row[f] : 1;
        row[f] += (f > 0 ? l->ridge * l->total : 0) + 1e-6 * largest + 1e-12 * l->total;
    }
    if (pare_cholesky(side, a->curvature, side) != 0) {
        /* Rounding made it indefinite: the diagonal still gives a direction that descends. */
        memset(a->curvature, 0, (size_t)(side * side) * sizeof *a->curvature);
        for (int64_t f = 0; f < side; f++) {
            a->curvature[f * side + f] = sqrt(largest + 1e-12 * l->total);
        }
    }
}

/* ---- Iteration ------------------------------------------------------------------------------ */

static double inner(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* direction = - H gradient, H from the curvature and `pairs` remembered pairs, the newest last at
 * place (total - 1) % MEMORY. */
static void find_direction(pare_linear *l, int64_t total) {
    arrays *a = &l->logistic->a;
    int64_t side = 1 + l->support.count, n = side * l->outputs;
    int64_t pairs = total < MEMORY ? total : MEMORY;
    double alpha[MEMORY];
    memcpy(a->direction, a->gradient, (size_t)n * sizeof *a->direction);
    for (int64_t p = 0; p < pairs; p++) {
        int64_t at = (total - 1 - p) % MEMORY;
        const double *step = a->steps + at * n, *change = a->changes + at * n;
        alpha[at] = inner(n, step, a->direction) / inner(n, step, change);
        for (int64_t i = 0; i < n; i++) {
            a->direction[i] -= alpha[at] * change[i];
        }
    }
    pare_cholesky_solve(side, l->outputs, a->curvature, side, a->direction, l->outputs);
    for (int64_t p = pairs - 1; p >= 0; p--) {
        int64_t at = (total - 1 - p) % MEMORY;
        const double *step = a->steps + at * n, *change = a->changes + at * n;
        double beta = inner(n, change, a->direction) / inner(n, step, change);
        for (int64_t i = 0; i < n; i++) {
            a->direction[i] += (alpha[at] - beta) * step[i];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        a->direction[i] = -a->direction[i];
    }
}

/* Goes along direction from theta, where the loss falls by `slope` a unit, as far as it does not
 * rise again more steeply than that. */
static void walk(pare_linear *l, double slope) {
    arrays *a = &l->logistic->a;
    int64_t n = (1 + l->support.count) * l->outputs;
    double length = 1;
    for (int attempt = 0; attempt < SHORTENINGS; attempt++) {
        for (int64_t i = 0; i < n; i++) {
            a->trial[i] = a->theta[i] + length * a->direction[i];
        }
        gradient_at_trial(l);
        double now = inner(n, a->gradient, a->direction);
        if (now <= 0.9 * slope) {
            return;
        }
        double share = slope / (now + slope);
        length *= fmin(0.7, fmax(0.1, share));
    }
}

/* Loss and accuracy on the training rows, from the residuals. */
static void score(pare_linear *l) {
    int64_t rows = l->design.rows, outputs = l->outputs;
    double loss = 0, hits = 0, square = 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t label = l->train->label[l->train->train[i]];
        const double *r = l->residual + i;
        double w = weight_of(l, i);
        double hit = outputs == 1 ? 1 - fabs(r[0]) : 1 - r[label * rows];
        bool right = outputs == 1 ? hit > 0.5 || (!(hit < 0.5) && label == 0) : true;
        for (int64_t o = 0; outputs > 1 && o < outputs; o++) {
            right =
                right && (o == label || -r[o * rows] < hit || (!(-r[o * rows] > hit) && o > label));
        }
        loss -= w * log(fmax(hit, 1e-30));
        hits += right ? w : 0;
        square += right ? w : 0;
    }
    l->fitted.loss = loss / l->total;
    l->fitted.score = hits / l->total;
    double spread = fmax(0, square / l->total - l->fitted.score * l->fitted.score);
    l->fitted.score_error = sqrt(spread / (double)rows);
}

pare_status pare_logistic_fit(pare_linear *l, int64_t skip) {
    pare_status status = reserve(l);
    if (status != PARE_OK) {
        return status;
    }
    arrays *a = &l->logistic->a;
    int64_t outputs = l->outputs, count = l->support.count, n = (1 + count) * outputs, at = 0;
    for (int64_t c = 0; c < l->support.candidates; c++) {
        int64_t candidate = l->support.candidate[c];
        for (int64_t j = l->design.start[candidate]; j < l->design.start[candidate + 1]; j++) {
            a->used[at++] = candidate != skip && l->norm[j] > 0;
        }
    }
    memcpy(a->theta, l->intercept, (size_t)outputs * sizeof *a->theta);
    for (int64_t f = 0; f < count; f++) {
        for (int64_t o = 0; o < outputs; o++) {
            a->theta[(1 + f) * outputs + o] = a->used[f] ? l->b[f * outputs + o] : 0;
        }
    }
    memcpy(a->trial, a->theta, (size_t)n * sizeof *a->theta);
    gradient_at_trial(l);
    int64_t pairs = 0;
    double least = 2 * l->total * (outputs == 1 ? converged_binary : converged_softmax);
    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
        if (iteration % RENEW == 0) {
            curvature(l);
        }
        find_direction(l, pairs);
        double slope = -inner(n, a->gradient, a->direction); /* > 0 */
        if (!(slope > least)) {
            break;
        }
        memcpy(a->change, a->gradient, (size_t)n * sizeof *a->change);
        walk(l, slope);
        double *step = a->steps + pairs % MEMORY * n, *change = a->changes + pairs % MEMORY * n;
        for (int64_t i = 0; i < n; i++) {
            step[i] = a->trial[i] - a->theta[i];
            change[i] = a->gradient[i] - a->change[i];
        }
        pairs += inner(n, step, change) > 0;
        memcpy(a->theta, a->trial, (size_t)n * sizeof *a->theta);
    }
    memcpy(l->intercept, a->theta, (size_t)outputs * sizeof *a->theta);
    if (count > 0) {
        memcpy(l->b, a->theta + outputs, (size_t)(count * outputs) * sizeof *l->b);
    }
    score(l);
    return PARE_OK;
}

pare_status pare_logistic_restore(pare_linear *l) {
    pare_status status = reserve(l);
    if (status != PARE_OK) {
        return status;
    }
    arrays *a = &l->logistic->a;
    int64_t outputs = l->outputs, count = l->support.count;
    for (int64_t f = 0; f < count; f++) {
        a->used[f] = l->norm[l->support.feature[f]] > 0;
    }
    memcpy(a->trial, l->intercept, (size_t)outputs * sizeof *a->trial);
    if (count > 0) {
        memcpy(a->trial + outputs, l->b, (size_t)(count * outputs) * sizeof *a->trial);
    }
    gradient_at_trial(l);
    return PARE_OK;
}
