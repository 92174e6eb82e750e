#include "model/cross_net.h"

#include "base/random.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* Parameters of one layer: W, then b. */
static int64_t layer_size(const pare_cross_net *net) {
    return net->width * (net->width + 1);
}

/* Xavier-uniform weights, zero biases; the last weights start small. */
static void init(pare_cross_net *net, uint64_t seed) {
    int64_t width = net->width, last = net->layers * layer_size(net);
    double limit = sqrt(3.0 / (double)width);
    for (int64_t i = 0; i < net->count; i++) {
        bool bias = i < last && i % layer_size(net) >= width * width;
        double u = pare_random_uniform(seed, PARE_STREAM_CROSS, (uint64_t)i);
        net->parameter[i] = bias ? 0 : (float)(limit * (2 * u - 1));
    }
}

pare_status pare_cross_net_create(pare_context *ctx, int64_t width, int64_t layers, int64_t batch,
                                  uint64_t seed, pare_cross_net **out) {
    pare_cross_net *net = NULL;
    int64_t cells = 0, all = 0, square = 0, count = 0;
    *out = NULL;
    if (!pare_checked_multiply(batch, width, &cells) ||
        !pare_checked_multiply(cells, layers, &all) ||
        !pare_checked_multiply(width, width + 1, &square) ||
        !pare_checked_multiply(square, layers, &count) || count > INT64_MAX - width) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: cross network");
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *net, &net);
    if (status != PARE_OK) {
        return status;
    }
    *net = (pare_cross_net){
        .ctx = ctx, .width = width, .layers = layers, .batch = batch, .count = count + width};
    const struct {
        int64_t count;
        float **array;
    } parts[] = {
        {net->count, &net->parameter}, {net->count, &net->gradient}, {all, &net->x},
        {all, &net->product},          {cells, &net->d_x},           {cells, &net->d_product}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        status = pare_alloc_zero(ctx, parts[i].count, sizeof(float), parts[i].array);
        if (status != PARE_OK) {
            pare_cross_net_destroy(net);
            return status;
        }
    }
    init(net, seed);
    *out = net;
    return PARE_OK;
}

void pare_cross_net_destroy(pare_cross_net *net) {
    if (net) {
        void *owned[] = {net->parameter, net->gradient, net->x,
                         net->product,   net->d_x,      net->d_product};
        for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
            pare_free(net->ctx, owned[i]);
        }
        pare_free(net->ctx, net);
    }
}

/* What goes into layer l. */
static const float *layer_input(const pare_cross_net *net, int64_t l, const float *x0) {
    return l == 0 ? x0 : net->x + (l - 1) * net->batch * net->width;
}

void pare_cross_net_forward(pare_cross_net *net, int64_t rows, const float *x0, float *logit) {
    int64_t width = net->width;
    for (int64_t l = 0; l < net->layers; l++) {
        const float *w = net->parameter + l * layer_size(net), *b = w + width * width;
        const float *x = layer_input(net, l, x0);
        float *product = net->product + l * net->batch * width;
        float *next = net->x + l * net->batch * width;
        for (int64_t i = 0; i < rows; i++) {
            memcpy(product + i * width, b, (size_t)width * sizeof *b);
        }
        pare_gemm(false, false, rows, width, width, 1, x, width, w, width, 1, product, width);
        for (int64_t i = 0; i < rows * width; i++) {
            next[i] = x0[i] * product[i] + x[i];
        }
    }
    const float *last = layer_input(net, net->layers, x0);
    const float *w = net->parameter + net->layers * layer_size(net);
    for (int64_t i = 0; i < rows; i++) {
        logit[i] += net->ctx->kernels->dot(width, last + i * width, w);
    }
}

void pare_cross_net_backward(pare_cross_net *net, int64_t rows, const float *x0, const float *slope,
                             float *d_x0) {
    const pare_kernels *kernels = net->ctx->kernels;
    int64_t width = net->width, end = net->layers * layer_size(net);
    const float *last = layer_input(net, net->layers, x0), *head = net->parameter + end;
    memset(net->gradient, 0, (size_t)net->count * sizeof *net->gradient);
    for (int64_t i = 0; i < rows; i++) {
        kernels->axpy(width, slope[i], last + i * width, net->gradient + end);
        kernels->scale(width, slope[i], head, net->d_x + i * width);
    }
    for (int64_t l = net->layers - 1; l >= 0; l--) {
        const float *w = net->parameter + l * layer_size(net), *x = layer_input(net, l, x0);
        const float *product = net->product + l * net->batch * width;
        float *d_w = net->gradient + l * layer_size(net), *d_b = d_w + width * width;
        for (int64_t i = 0; i < rows * width; i++) {
            net->d_product[i] = net->d_x[i] * x0[i];
            d_x0[i] += net->d_x[i] * product[i];
        }
        for (int64_t i = 0; i < rows; i++) {
            kernels->axpy(width, 1, net->d_product + i * width, d_b);
        }
        pare_gemm(true, false, width, width, rows, 1, x, width, net->d_product, width, 0, d_w,
                  width);
        pare_gemm(false, true, rows, width, width, 1, net->d_product, width, w, width, 1, net->d_x,
                  width);
    }
    kernels->axpy(rows * width, 1, net->d_x, d_x0);
}
