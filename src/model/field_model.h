/*
 * Models over field tables: logistic regression, factorisation machine (Rendle 2010), DeepFM (Guo,
 * Tang, Ye, Li, He 2017), a network alone (DNN) and DCNv2 (Wang et al. 2021, cross network and
 * network side by side) on one joint table of embedding rows, masked after the look-up.
 */
#ifndef PARE_MODEL_FIELD_MODEL_H
#define PARE_MODEL_FIELD_MODEL_H

#include "data/fields.h"
#include "kernels/kernels.h"
#include "model/cross_net.h"
#include "nn/graph.h"

typedef enum pare_field_model_kind {
    PARE_FIELD_MODEL_LR,
    PARE_FIELD_MODEL_FM,
    PARE_FIELD_MODEL_DEEPFM,
    PARE_FIELD_MODEL_DNN,
    PARE_FIELD_MODEL_DCNV2,
    PARE_FIELD_MODEL_KINDS
} pare_field_model_kind;

/* How the tables learn; networks learn by Adam. */
typedef enum pare_field_optimizer {
    PARE_FIELD_ROW_ADAGRAD, /* a sum of squares for each linear weight and one for each vector */
    PARE_FIELD_ADAGRAD,     /* one for each float (Duchi, Hazan, Singer 2011) */
    PARE_FIELD_ADAM,        /* sparse: moments of the rows that a batch looks up */
    PARE_FIELD_DENSE_ADAM,  /* every row at every batch, its l2 penalty included */
    PARE_FIELD_OPTIMIZERS
} pare_field_optimizer;

enum { PARE_FIELD_DROPS = 3 };

typedef struct pare_field_spec {
    pare_field_model_kind kind;
    int64_t dimension; /* of the vectors, 1 .. PARE_FM_STRIDE_MAX - PARE_FM_HEAD; LR ignores it */
    int64_t layers;    /* DeepFM, DNN, DCNv2: hidden layers, all of */
    int64_t units;     /* so many units */
    int64_t crosses;   /* DCNv2: cross layers */
    bool normalise;    /* batch normalisation after each hidden layer */
    float dropout;
    pare_field_optimizer optimizer;
    float rate;       /* of the table */
    float decay;      /* l2 penalty lambda / 2 |w|^2: of the whole table in every batch's loss
                         (DENSE_ADAM), else of each row looked up in the loss of the data row */
    float tower_rate; /* Adam of the networks */
    float scale;      /* standard deviation of fresh vectors */
    float sum;        /* AdaGrad: what the sums of squares start from, > 0 */
    float clip;       /* DENSE_ADAM: most that the norm of a batch's gradient may be; 0: any */
    int64_t drop[PARE_FIELD_DROPS]; /* Adam: passes of fit after which rates fall to a tenth,
                                       ascending; 0: none */
    int64_t batch;                  /* rows of a call of train, at most */
} pare_field_spec;

typedef struct pare_field_model {
    pare_context *ctx;
    pare_field_spec spec;
    int64_t fields, joint, stride, width; /* width: inputs of the network */
    uint64_t seed, steps;
    float *table; /* (joint, stride), see pare_fm */
    float *mask;  /* (fields, stride): 1 in every place in use; the caller may change it */
    float bias, bias_sum;
    /* Beside the table, (joint, stride), NULL where the optimiser has none: gradient, zero between
     * batches; AdaGrad's sums or Adam's first moments; second moments. */
    float *gradient, *first, *second;
    float bias_first, bias_second, factor; /* factor: on the rates, by spec.drop */
    int64_t touched;                       /* table rows that the batch looks up, each once: */
    int32_t *touched_row, *look_ups;       /* ADAGRAD, ADAM: (batch fields or joint), (joint) */
    pare_graph *tower;                     /* network; NULL: LR, FM */
    pare_cross_net *cross;                 /* DCNv2 */
    pare_optimizer optimizer, cross_optimizer;
    float *sums;  /* (batch, stride) */
    float *logit; /* (batch) */
    float *slope; /* (batch) d loss / d logit */
    float *input; /* (batch, width) masked vectors, fields one after the other */
    float *d_input;
    float *extra; /* (fields, stride) of one row */
    int32_t *label;
    int64_t edges[2];
} pare_field_model;

/* The defaults of a kind: rows by AdaGrad; networks of 3 layers of 400, 2 cross layers. */
pare_field_spec pare_field_spec_default(pare_field_model_kind kind, int64_t dimension);
/* The defaults with another optimiser. DENSE_ADAM: step size 1e-3 for tables and networks, vectors
 * from N(0, 1e-4^2), batches of 4096, gradients clipped at norm 10 (FuxiCTR 1.1; Zhu et al. 2021,
 * 2022). */
void pare_field_spec_optimizer(pare_field_spec *spec, pare_field_optimizer optimizer);
/* Whether the model has linear weights, and a bias of its own (LR, FM) or that of a network. */
static inline bool pare_field_spec_linear(const pare_field_spec *spec) {
    return spec->kind <= PARE_FIELD_MODEL_DEEPFM;
}
static inline bool pare_field_spec_deep(const pare_field_spec *spec) {
    return spec->kind >= PARE_FIELD_MODEL_DEEPFM;
}
/* Whether its step size falls in the last pass where fit is told so: LR and FM by AdaGrad. */
static inline bool pare_field_spec_settles(const pare_field_spec *spec) {
    return !pare_field_spec_deep(spec) && spec->optimizer <= PARE_FIELD_ADAGRAD;
}
/* Parameters of such a model over `joint` embedding rows of `fields` fields. INT64_MAX where it
 * does not fit. */
int64_t pare_field_parameters(const pare_field_spec *spec, int64_t joint, int64_t fields);

/* Fresh parameters from `seed`; rows of the vocabulary no training row uses start at 0. */
pare_status pare_field_model_create(pare_context *ctx, const pare_field_spec *spec,
                                    const pare_fields *fields, uint64_t seed,
                                    pare_field_model **out) PARE_MUST_CHECK;
void pare_field_model_destroy(pare_field_model *model);

/*
 * One batch: rows row[0 .. count - 1] of `fields`, in order. LR and FM with AdaGrad update
 * row after row, else all rows see the same parameters. ROW_ADAGRAD takes a step for each look-up,
 * ADAGRAD one for each table row from the sum of its gradients, ADAM from that of the mean loss;
 * Adam's bias correction counts all batches. d_mask (fields, stride; NULL: not): added
 * to, the sum over the batch of d loss / d mask. Returns the sum of the log loss before the
 * updates. Never allocates.
 */
double pare_field_model_train(pare_field_model *model, const pare_fields *fields, int64_t count,
                              const int64_t *row, float *d_mask);
/* Gradients only: of the mean log loss of the batch by the table (model->gradient must exist,
 * zeroed) and the masks, as train uses them. For tests. */
double pare_field_model_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row, float *gradient, float *d_mask);
/*
 * What leaving out one candidate costs: out[f (chunks + 1)] the linear weight of field f,
 * out[f (chunks + 1) + c + 1] chunk c of its vector (width[c] places,
 * as many in all but the last); added to, the sum over the
 * rows (count <= batch) of the log loss without it minus that with it. Exact for LR and FM, where a
 * candidate adds a number to the logit; the network of DeepFM counts by its slope.
 */
void pare_field_model_removals(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row, int64_t chunks, const int64_t *width,
                               double *out);
/*
 * What each candidate (as above) adds to the logit: out (count, fields (chunks + 1)) row-major,
 * count <= batch. model->mask says what is in; open: (fields, stride) masks of what to ask for. The
 * product of two vectors that are both in counts `shared` for each (1/2, or 1 where one of them is
 * to leave), that of one outside with those inside whole; the network counts by its slope.
 */
void pare_field_model_terms(pare_field_model *model, const pare_fields *fields, int64_t count,
                            const int64_t *row, const float *open, float shared, int64_t chunks,
                            const int64_t *width, float *out);
/*
 * What the networks have learned of the fields chosen ((fields) 0 or 1): parameters, moments of
 * Adam and running statistics, the inputs of other fields left out; in the order of the fields, so
 * that a model of further fields takes it too. out: NULL counts the floats. Returns how many; 0
 * without a network.
 */
int64_t pare_field_networks_get(const pare_field_model *model, const uint8_t *chosen, float *out);
/* steps: of training behind it. What belongs to other fields stays as it is. */
void pare_field_networks_put(pare_field_model *model, const uint8_t *chosen, float *packed,
                             int64_t steps);
/* Logits of the rows, inference mode; out: (count). */
void pare_field_model_predict(pare_field_model *model, const pare_fields *fields, int64_t count,
                              const int64_t *row, float *out);

/* Mean log loss and area under the ROC curve (ties count half) of the rows; NaN AUC if a class is
 * missing. */
pare_status pare_field_model_score(pare_field_model *model, const pare_fields *fields,
                                   int64_t count, const int64_t *row, double *log_loss,
                                   double *auc) PARE_MUST_CHECK;

/* Area under the ROC curve, ties counting half; NaN if a class is missing. Sorts the rows. */
typedef struct pare_scored {
    float logit, label; /* label > 0: the positive class */
} pare_scored;
double pare_area_under_curve(int64_t count, pare_scored *row);

/* The rows with held_out == `held_out`, in order. *row: (*count), the caller's to free. */
pare_status pare_fields_rows(const pare_fields *fields, bool held_out, int64_t *count,
                             int64_t **row) PARE_MUST_CHECK;
/* `epochs` passes over the rows, shuffled for each; row: (count) scratch, permuted. */
double pare_field_model_fit(pare_field_model *model, const pare_fields *fields, int64_t count,
                            int64_t *row, int64_t epochs);
/* The same until `stop`, asked before each batch with the share done and the mean log loss of the
 * pass so far (NaN: none), says so. settle: the step size falls to nothing within the
 * last pass (pare_field_spec_settles), so that the parameters do not hang on its last rows; for a
 * model that learns no more for now. */
typedef bool (*pare_field_stop)(void *user, double done, double loss);
double pare_field_model_fit_until(pare_field_model *model, const pare_fields *fields, int64_t count,
                                  int64_t *row, int64_t epochs, bool settle, pare_field_stop stop,
                                  void *user);

#endif
