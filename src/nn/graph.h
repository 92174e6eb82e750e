/*
 * A static graph of operators, each with forward and backward, over batches of rows.
 *
 * Built once: operators are appended in order and numbered; finish() lays out parameters,
 * activations and gradients in one arena; nothing allocates after that. The first operator is
 * always the masked input layer
 *     Z = X diag(m_expanded) W + b,     W' = diag(m_expanded) W,
 * whose mask gradient needs no gradient of X: d_m[c] = sum_{j in c} <W[j,:], dW'[j,:]>.
 */
#ifndef PARE_NN_GRAPH_H
#define PARE_NN_GRAPH_H

#include "base/context.h"

/*
 * A batch of input rows: rows of a table, dense and standardised, or CSR with the standardisation
 * alongside. Row i of the batch is row number[i] of the table, or i itself where number is NULL.
 */
typedef struct pare_input {
    int64_t rows;
    const int64_t *number;
    const float *dense; /* (table rows, width) row-major, or NULL when sparse */
    const int64_t *start;
    const int32_t *index;
    const float *value;
    const float *shift, *scale; /* (width), sparse only: x = (value - shift) * scale */
    /* Dense only, or NULL: the table has only these `features` ones of the width, in this order;
     * the others are as if their mask were 0, and no d_mask can be had. */
    const int64_t *feature;
    int64_t features;
} pare_input;

typedef enum pare_loss {
    PARE_NN_SOFTMAX, /* softmax cross-entropy; outputs = classes */
    PARE_NN_BINARY,  /* binary cross-entropy on one logit */
    PARE_NN_SQUARED, /* half squared error, summed over outputs */
    PARE_NN_HUBER    /* Huber loss with delta 1, summed over outputs */
} pare_loss;

/* What the loss compares with; weight NULL: 1 each. The loss is the weighted mean over rows. */
typedef struct pare_target {
    const int32_t *label; /* (rows) classes */
    const float *value;   /* (rows, outputs) real targets */
    const float *weight;  /* (rows) */
    const float *offset;  /* (rows) or NULL: added to the output; binary cross-entropy only */
} pare_target;

typedef struct pare_graph pare_graph;

/*
 * width: input features; candidates and candidate_start (candidates + 1): which features share a
 * mask entry; batch: the most rows of one call. Borrows candidate_start until destroy.
 */
pare_status pare_graph_create(pare_context *ctx, int64_t width, int64_t candidates,
                              const int64_t *candidate_start, int64_t batch,
                              pare_graph **out) PARE_MUST_CHECK;
void pare_graph_destroy(pare_graph *graph);

/* Appending operators; a failure is remembered and reported by finish. */
void pare_graph_input(pare_graph *graph, int64_t outputs); /* first, exactly once */
void pare_graph_dense(pare_graph *graph, int64_t outputs);
void pare_graph_relu(pare_graph *graph);
void pare_graph_gelu(pare_graph *graph);
void pare_graph_batch_norm(pare_graph *graph);
void pare_graph_layer_norm(pare_graph *graph);
void pare_graph_dropout(pare_graph *graph, float share);
/* last */
pare_status pare_graph_finish(pare_graph *graph, pare_loss loss) PARE_MUST_CHECK;

/* Fresh parameters: He-uniform weights, zero biases; resets running statistics and counters. */
void pare_graph_init(pare_graph *graph, uint64_t seed);

/* Number of parameters, and the flat arrays (count, 64-byte aligned). The input layer's weights
 * come first: (width, stride) row-major with stride = pare_graph_input_stride, padding zero. */
int64_t pare_graph_parameters(const pare_graph *graph);
float *pare_graph_parameter(pare_graph *graph);
float *pare_graph_gradient(pare_graph *graph);
int64_t pare_graph_input_stride(const pare_graph *graph);

/* Weight matrix number `index` (0: of the input layer, then of the dense layers in order): W is
 * (inputs, outputs) with rows `stride` apart at `offset` in the arrays of parameters and gradients;
 * its biases, (outputs), follow at offset + inputs * stride. False past the last. */
typedef struct pare_graph_matrix {
    int64_t inputs, outputs, stride, offset;
} pare_graph_matrix;
bool pare_graph_matrix_at(const pare_graph *graph, int64_t index, pare_graph_matrix *out);

/* Forward in inference mode; *out points to the last layer's output (rows, outputs), valid until
 * the next call; its row stride is *stride. mask: (candidates), NULL: all ones. */
void pare_graph_predict(pare_graph *graph, const pare_input *input, const float *mask,
                        const float **out, int64_t *stride);

/* Forward in training mode, loss, backward: fills the gradient array; d_mask: (candidates) or
 * NULL. step numbers the call (dropout draws). Returns the loss. */
double pare_graph_train(pare_graph *graph, const pare_input *input, const pare_target *target,
                        const float *mask, uint64_t step, float *d_mask);

/* After pare_graph_train: the output of the last layer and the gradient by it, (rows, *stride), and
 * by the dense input, dx: (rows, width), of an unmasked graph. */
const float *pare_graph_output(const pare_graph *graph, int64_t *stride);
const float *pare_graph_output_gradient(const pare_graph *graph, int64_t *stride);
void pare_graph_input_gradient(const pare_graph *graph, int64_t rows, float *dx);

/* Mean loss and, for each row, whether the label was hit or the squared error: for evaluation.
 * Adds to the totals: weighted loss, weighted hits (classes) or weighted squared error summed over
 * outputs (regression), and weight. output comes from predict. */
void pare_graph_score(const pare_graph *graph, int64_t rows, const float *output, int64_t stride,
                      const pare_target *target, double *loss, double *score, double *weight);

/*
 * What each group of features contributes, in inference mode: loss[g] += weighted loss of the rows
 * with features start[g] .. start[g + 1] - 1 of input->feature left out, loss[groups] += that with
 * all of them, *weight += weight of the rows. The input must have a feature list. The first layer
 * is computed once; each group costs a product of its own features and the layers after it.
 */
void pare_graph_ablate(pare_graph *graph, const pare_input *input, const pare_target *target,
                       const float *mask, int64_t groups, const int64_t *start, double *loss,
                       double *weight);

/* All state that training changes beyond parameters (running statistics), for save and load. */
int64_t pare_graph_state(pare_graph *graph, float **out);

typedef enum pare_optimizer_kind {
    PARE_OPTIMIZER_KIND_ADAM,
    PARE_OPTIMIZER_KIND_ADAMW,
    PARE_OPTIMIZER_KIND_SGD
} pare_optimizer_kind;

typedef struct pare_optimizer {
    pare_context *ctx;
    pare_optimizer_kind kind;
    int64_t count;
    float *first, *second; /* moments; second NULL for SGD */
    float beta1, beta2, epsilon, momentum, decay;
    int64_t steps; /* taken */
} pare_optimizer;

pare_status pare_optimizer_init(pare_context *ctx, pare_optimizer_kind kind, int64_t count,
                                float momentum, float decay, pare_optimizer *out) PARE_MUST_CHECK;
void pare_optimizer_reset(pare_optimizer *optimizer);
void pare_optimizer_clear(pare_optimizer *optimizer);
/* One step of size `rate` on parameters (count) with gradient (count). */
void pare_optimizer_step(pare_optimizer *optimizer, float rate, const float *gradient,
                         float *parameter);

typedef enum pare_schedule {
    PARE_RATE_CONSTANT,
    PARE_RATE_COSINE,     /* from base to 0 */
    PARE_RATE_EXPONENTIAL /* from base to base / 100 */
} pare_schedule;

/* Learning rate at step of steps (0-based). */
double pare_rate(pare_schedule schedule, double base, int64_t step, int64_t steps);

#endif
