/*
 * Inside of the graph: what an operator is. A family of operators is one file; it defines a
 * pare_operator_kind and the pare_graph_<name> function that appends one.
 *
 * Matrices are row-major with rows padded to a multiple of PARE_NN_PAD floats, so that every row
 * starts on a cache line and kernels see whole vectors. Padding holds zeros at all times: of
 * parameters, gradients, activations, and therefore of the optimiser's moments.
 */
#ifndef PARE_NN_OPERATOR_H
#define PARE_NN_OPERATOR_H

#include "kernels/kernels.h"
#include "nn/graph.h"

enum { PARE_NN_PAD = 16 };

typedef struct pare_operator pare_operator;

/* What one call of train or predict hands to every operator. */
typedef struct pare_pass {
    const pare_graph *graph;
    const pare_kernels *kernels;
    const pare_input *input;
    const float *mask; /* (candidates), NULL: all ones */
    float *d_mask;     /* (candidates), NULL: not wanted */
    int64_t rows;
    uint64_t step;
    bool training;
} pare_pass;

typedef struct pare_operator_kind {
    const char *name;
    bool in_place; /* y is x's own memory: no backward of any kind reads its x through y */
    void (*forward)(const pare_operator *op, const pare_pass *pass);
    /* From dy: sets (not adds) the gradient of its parameters, and dx. */
    void (*backward)(const pare_operator *op, const pare_pass *pass);
    /* Fresh parameters (zero before the call) and state; NULL: nothing to set. draws: number of
     * random numbers taken so far. */
    void (*init)(const pare_operator *op, uint64_t seed, uint64_t *draws);
} pare_operator_kind;

struct pare_operator {
    const pare_operator_kind *kind;
    int64_t number;          /* place in the graph */
    int64_t inputs, outputs; /* widths without padding */
    int64_t stride;          /* of y and dy */
    int64_t input_stride;    /* of x and dx */
    float share;             /* dropout */

    /* Floats to reserve; negative: the product overflowed. */
    int64_t parameters, states, scratches;

    /* Set by finish. */
    float *parameter, *gradient, *state, *scratch;
    const float *x; /* (batch, input_stride) output of the operator before; NULL for the first */
    float *dx;
    float *y, *dy; /* (batch, stride) */
};

struct pare_graph {
    pare_context *ctx;
    pare_status status; /* first failure while appending; its sentence is in `message` */
    char message[PARE_MESSAGE_SIZE];
    int64_t width, candidates, batch;
    const int64_t *candidate_start; /* borrowed */
    int64_t count, capacity;
    pare_operator *operators; /* (count) */
    pare_loss loss;
    uint64_t seed;
    float *arena; /* parameters, gradients, states, then activations and scratch */
    int64_t parameters, states;
    float *parameter, *gradient, *state;
};

extern const pare_operator_kind pare_operator_input;
extern const pare_operator_kind pare_operator_dense;
extern const pare_operator_kind pare_operator_relu;
extern const pare_operator_kind pare_operator_gelu;
extern const pare_operator_kind pare_operator_batch_norm;
extern const pare_operator_kind pare_operator_layer_norm;
extern const pare_operator_kind pare_operator_dropout;

/* Appends a copy of `op`, of which kind, outputs (0: as many as inputs), parameters, states,
 * scratches and share are set. */
void pare_graph_append(pare_graph *graph, const pare_operator *op);
/* Width of what the last operator puts out; the features before the first. */
int64_t pare_graph_width(const pare_graph *graph);

/* `n` rounded up to the padding; a * b, or -1 on overflow or a negative factor. */
int64_t pare_padded(int64_t n);
int64_t pare_product(int64_t a, int64_t b);

/* Every row of y (rows, stride) becomes `row`. */
void pare_rows_fill(int64_t rows, int64_t stride, const float *row, float *y);
/* sum[o] = sum of column o of x (rows, stride). */
void pare_rows_sum(const pare_kernels *kernels, int64_t rows, int64_t stride, const float *x,
                   float *sum);
/* He-uniform (He et al. 2015, equation 10): +-sqrt(6 / rows), by rows without padding, so that the
 * draws do not depend on it. w: (rows, stride). */
void pare_init_weights(int64_t rows, int64_t columns, int64_t stride, uint64_t seed,
                       uint64_t *draws, float *w);

/* For pare_graph_ablate, between two forward passes over an input with a feature list: changes the
 * sign of the scaled weights W' that forward left behind, and z += X_f W'_f for the features f =
 * first .. last - 1 of that list. */
void pare_input_negate(const pare_graph *graph, const pare_input *input);
void pare_input_add(const pare_graph *graph, const pare_input *input, int64_t first, int64_t last,
                    float *z);

/* Loss of the output and its gradient d_output (both (rows, stride) of the last operator). */
double pare_loss_gradient(const pare_graph *graph, int64_t rows, const float *output,
                          const pare_target *target, float *d_output);

#endif
