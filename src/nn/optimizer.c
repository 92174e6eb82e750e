/* Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), SGD with momentum, schedules. */
#include "kernels/kernels.h"
#include "nn/graph.h"

#include <math.h>
#include <string.h>

pare_status pare_optimizer_init(pare_context *ctx, pare_optimizer_kind kind, int64_t count,
                                float momentum, float decay, pare_optimizer *out) {
    *out = (pare_optimizer){.ctx = ctx,
                            .kind = kind,
                            .count = count,
                            .beta1 = 0.9f,
                            .beta2 = 0.999f,
                            .epsilon = 1e-8f,
                            .momentum = momentum,
                            .decay = decay};
    pare_status status = pare_alloc_zero(ctx, count, sizeof(float), &out->first);
    if (status == PARE_OK && kind != PARE_OPTIMIZER_KIND_SGD) {
        status = pare_alloc_zero(ctx, count, sizeof(float), &out->second);
    }
    if (status != PARE_OK) {
        pare_optimizer_clear(out);
    }
    return status;
}

void pare_optimizer_reset(pare_optimizer *optimizer) {
    size_t bytes = (size_t)optimizer->count * sizeof(float);
    memset(optimizer->first, 0, bytes);
    if (optimizer->second) {
        memset(optimizer->second, 0, bytes);
    }
    optimizer->steps = 0;
}

void pare_optimizer_clear(pare_optimizer *optimizer) {
    if (optimizer->ctx) {
        pare_free(optimizer->ctx, optimizer->first);
        pare_free(optimizer->ctx, optimizer->second);
    }
    *optimizer = (pare_optimizer){0};
}

/* v = momentum v + g + decay w;  w = w - rate v. */
static void sgd_step(pare_optimizer *optimizer, float rate, const float *g, float *w) {
    float *v = optimizer->first;
    for (int64_t i = 0; i < optimizer->count; i++) {
        v[i] = optimizer->momentum * v[i] + (g[i] + optimizer->decay * w[i]);
        w[i] -= rate * v[i];
    }
}

void pare_optimizer_step(pare_optimizer *optimizer, float rate, const float *gradient,
                         float *parameter) {
    optimizer->steps++;
    if (optimizer->kind == PARE_OPTIMIZER_KIND_SGD) {
        sgd_step(optimizer, rate, gradient, parameter);
        return;
    }
    /* m / c1 / (sqrt(v / c2) + epsilon) = (sqrt(c2) / c1) m / (sqrt(v) + sqrt(c2) epsilon). */
    double steps = (double)optimizer->steps;
    double c1 = 1 - pow((double)optimizer->beta1, steps);
    double root = sqrt(1 - pow((double)optimizer->beta2, steps));
    bool decoupled = optimizer->kind == PARE_OPTIMIZER_KIND_ADAMW;
    pare_adam step = {.rate = (float)((double)rate * root / c1),
                      .beta1 = optimizer->beta1,
                      .beta2 = optimizer->beta2,
                      .epsilon = (float)((double)optimizer->epsilon * root),
                      .decay = decoupled ? 0 : optimizer->decay,
                      .shrink = decoupled ? 1 - rate * optimizer->decay : 1};
    optimizer->ctx->kernels->adam(optimizer->count, &step, gradient, parameter, optimizer->first,
                                  optimizer->second);
}

double pare_rate(pare_schedule schedule, double base, int64_t step, int64_t steps) {
    double done = steps > 0 ? (double)step / (double)steps : 0;
    done = done < 0 ? 0 : done > 1 ? 1 : done;
    switch (schedule) {
    case PARE_RATE_CONSTANT:
        break;
    case PARE_RATE_COSINE:
        return base * 0.5 * (1 + cos(3.141592653589793 * done));
    case PARE_RATE_EXPONENTIAL:
        return base * pow(0.01, done);
    }
    return base;
}
