/*
 * The cross network of DCNv2 (Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi 2021, equation 1):
 *     x_{l+1} = x_0 (x_l W_l + b_l) + x_l   element by element,   logit = <w, x_L>.
 * An input that is 0 stays 0 through all layers, so that a masked chunk is exactly a narrower
 * network.
 */
#ifndef PARE_MODEL_CROSS_NET_H
#define PARE_MODEL_CROSS_NET_H

#include "base/context.h"

typedef struct pare_cross_net {
    pare_context *ctx;
    int64_t width, layers, batch, count; /* count: parameters */
    float *parameter, *gradient; /* W_0, b_0, W_1, .., b_{L-1}, w; W: (width, width) row-major */
    float *x;                    /* (layers, batch, width) x_1 .. x_L */
    float *product;              /* (layers, batch, width) x_l W_l + b_l */
    float *d_x, *d_product;      /* (batch, width) */
} pare_cross_net;

pare_status pare_cross_net_create(pare_context *ctx, int64_t width, int64_t layers, int64_t batch,
                                  uint64_t seed, pare_cross_net **out) PARE_MUST_CHECK;
void pare_cross_net_destroy(pare_cross_net *net);
/* Adds the logits of rows x0: (rows, width), rows <= batch, to logit. */
void pare_cross_net_forward(pare_cross_net *net, int64_t rows, const float *x0, float *logit);
/* After forward on the same x0, with slope = d loss / d logit: sets the gradient, adds d loss / d
 * x0 to d_x0 (rows, width). */
void pare_cross_net_backward(pare_cross_net *net, int64_t rows, const float *x0, const float *slope,
                             float *d_x0);

#endif
