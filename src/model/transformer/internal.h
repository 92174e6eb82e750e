/* What the files of the transformer share: the workspace and products over rows. */
#ifndef PARE_MODEL_TRANSFORMER_INTERNAL_H
#define PARE_MODEL_TRANSFORMER_INTERNAL_H

#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "model/transformer/transformer.h"
#include "platform/threads.h"

/* One layer's weights as float32. */
typedef struct lm_weights {
    const float *slot[PARE_LM_SLOTS];
    const pare_lm_blocks *blocks[PARE_LM_MATRICES]; /* NULL: dense */
} lm_weights;

enum { PARE_LM_OUTER = 5 };

struct pare_lm_run {
    const pare_lm *lm;
    pare_context *ctx;
    int64_t sequences, length, rows;
    bool training, halves;
    const pare_lm_gradients *visiting; /* while a backward pass shows last matrices' gradients */
    float *cosine, *sine;              /* (length, rotated / 2) */
    float *weights;                    /* scratch of a converted layer */
    float *outer[PARE_LM_OUTER];       /* converted tensors of the whole model */
    const int32_t *token;              /* of the last forward pass */
    const float *embedding, *head, *norm, *norm_bias, *positions; /* as float32; or NULL */
    int64_t *head_start, *channel_start;                          /* (layers + 1) into the gates */
    int64_t *offset;                                              /* of pare_lm_gradient_layout */

    float *stream; /* (layers + 1, rows, hidden) inputs of the layers; (2, ...) unless training */
    float *middle; /* (rows, hidden) after attention */
    float *normed[2];  /* (rows, hidden) inputs of attention and of the feed-forward part */
    float *inverse[2]; /* (2, rows) of the two: 1 / deviation, and the mean with layer norm */
    float *branch[2];  /* (rows, hidden) outputs of the two, before the hidden gates */
    float *q, *k, *v;  /* (rows, heads * head_dim) */
    float *open;       /* attention output; attended: times the head gates */
    float *attended;
    float *log_sum;                               /* (heads, rows) */
    float *raw_q, *raw_k, *inverse_q, *inverse_k; /* before the norm of heads, if there is one */
    float *gate, *up, *activation;                /* (rows, ffn) */
    float *final;                                 /* (rows, hidden) after the last norm */
    float *inverse_final;
    float *logits, *teacher_logits; /* (LOGIT_ROWS, vocabulary) */

    float *d_stream, *d_branch, *d_normed; /* (rows, hidden) */
    float *d_q, *d_k, *d_v, *d_attended, *d_gate, *d_up;
    double *column_sum; /* scratch: (hidden) */
};

enum { LOGIT_ROWS = 128, ROW_CHUNK = 64, COLUMN_CHUNK = 64 };

/* y = x W' by the blocks of W. */
void pare_lm_times_blocks(pare_context *ctx, int64_t rows, const float *x,
                          const pare_lm_blocks *blocks, float *y);
/* y = x W' (+ y if add): x (rows, inputs), W (outputs, inputs), y (rows, outputs). */
void pare_lm_times(pare_pool *pool, int64_t rows, int64_t outputs, int64_t inputs, const float *x,
                   const float *w, bool add, float *y);
/* dx = dy W (+ dx if add). */
void pare_lm_times_back(pare_pool *pool, int64_t rows, int64_t outputs, int64_t inputs,
                        const float *dy, const float *w, bool add, float *dx);
/* dw = dy' x. */
void pare_lm_times_weight(pare_pool *pool, int64_t rows, int64_t outputs, int64_t inputs,
                          const float *dy, const float *x, float *dw);

/* y = x W' + bias for weights as stored: a step of decoding. w: (outputs, columns); bias: (outputs)
 * or NULL; y: (rows, outputs). */
typedef struct pare_lm_product {
    const pare_lm_tensor *w;
    const float *bias;
    float *y;
} pare_lm_product;
/* Multiply-adds that are done before another thread has woken up. */
enum { PARE_LM_FEW = 1 << 17 };
/* Several with the same x: (rows, columns), at once. Cost: one read of the weights. */
void pare_lm_products(pare_context *ctx, int64_t rows, const float *x, int64_t count,
                      const pare_lm_product *list);

/* y = gain * x / rms(x) over `rows` rows of `width`; the mean square is the sum over `size`. With
 * layer norm: y = gain * (x - mean) / deviation + bias, over width. inverse: (2, rows) 1 / rms or
 * 1 / deviation, and the mean. bias NULL: 0. x = y allowed. */
void pare_lm_norm(const pare_lm_run *run, int64_t rows, int64_t width, double size, const float *x,
                  const float *gain, const float *bias, float *inverse, float *y);
/* dx (+)= gradient through it (dx = dy allowed when not adding); d_gain, d_bias: (width)
 * overwritten, NULL: not wanted; d_size: derivative of the loss by `size`, added, NULL: not wanted
 * (RMS norm only). */
void pare_lm_norm_back(const pare_lm_run *run, int64_t rows, int64_t width, double size,
                       const float *x, const float *gain, const float *inverse, const float *dy,
                       bool add, float *dx, float *d_gain, float *d_bias, double *d_size);

/* value = f(a) and slope = f'(a) (NULL: not wanted) of the activation, count of them; f is SiLU
 * where it is gated. Only value = a may overlap, and that without slope. */
void pare_lm_activate(const pare_kernels *kernels, pare_lm_activation kind, int64_t count,
                      const float *a, float *value, float *slope);

/* Causal attention of all sequences: rotated q, k and v -> open, log_sum; and back: d_attended ->
 * d_q, d_k, d_v. */
void pare_lm_attention(const pare_lm_run *run, const pare_lm_layer *layer);
void pare_lm_attention_back(const pare_lm_run *run, const pare_lm_layer *layer);
/* Rotates (rows, heads * head_dim) in place; back: the inverse rotation. */
void pare_lm_rotate(const pare_lm_run *run, int64_t heads, bool back, float *x);

/* The halves of a layer: middle = x + attention, out = middle + feed-forward(entry), where entry is
 * middle, or the x of a parallel layer. A half the layer lacks is a copy. */
void pare_lm_attention_half(pare_lm_run *run, int64_t index, const lm_weights *w,
                            const pare_lm_gates *gates, const float *x, float *middle);
void pare_lm_ffn_half(pare_lm_run *run, int64_t index, const lm_weights *w,
                      const pare_lm_gates *gates, const float *entry, const float *middle,
                      float *out);
/* Forward of layer `index`: x -> out (both (rows, hidden)); keeps what backward needs. */
void pare_lm_layer_forward(pare_lm_run *run, int64_t index, const lm_weights *w,
                           const pare_lm_gates *gates, const float *x, float *out);
/* Backward after pare_lm_layer_forward of the same layer and x: d_stream holds the gradient of the
 * output, then that of the input. Gate gradients are added to d_gates (hidden: to run->column_sum
 * first); weight: the flat array of all weight gradients, or NULL. */
void pare_lm_layer_backward(pare_lm_run *run, int64_t index, const lm_weights *w,
                            const pare_lm_gates *gates, const float *x,
                            const pare_lm_gates *d_gates, double *d_size, float *weight);
void pare_lm_layer_load(const pare_lm_run *run, int64_t index, lm_weights *out);
/* What the norms divide by. */
double pare_lm_norm_size(const pare_lm_run *run, const pare_lm_gates *gates);

#endif
