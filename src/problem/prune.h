/*
 * Structural pruning of a language model to a budget, without training of weights: which key/value
 * head groups, feed-forward channels, halves of layers, whole layers or hidden dimensions go, and
 * new matrices that make up for them (model/transformer/reconstruct.h).
 */
#ifndef PARE_PROBLEM_PRUNE_H
#define PARE_PROBLEM_PRUNE_H

#include "base/options.h"
#include "model/transformer/decode.h"
#include "model/transformer/reconstruct.h"

/* How candidates are ranked: the option `criterion`, in its order. */
typedef enum pare_prune_criterion {
    PARE_PRUNE_RECONSTRUCTION,       /* rise of the refitted output error (optimal brain surgeon);
                                        shares follow the loss measured with each half cut */
    PARE_PRUNE_SEQUENTIAL_ATTENTION, /* order as above; shares by a mask over slices of it, trained
                                        with frozen weights while slices go one after the other */
    PARE_PRUNE_PERPLEXITY,      /* whole halves or layers, one after the other by the loss without
                                   (BlockPruner) */
    PARE_PRUNE_BLOCK_INFLUENCE, /* whole halves or layers by the angle they turn the stream
                                   (ShortGPT) */
    PARE_PRUNE_TAYLOR,     /* |sum of gate gradients| of each batch; ranked per cost over all layers
                            */
    PARE_PRUNE_ACTIVATION, /* norm of activation times norm of output weights; same share a half */
    PARE_PRUNE_FLUCTUATION, /* variance of activation times squared norm of output weights,
                               standardised in each half, ranked over all layers (FLAP) */
    PARE_PRUNE_MAGNITUDE,   /* norm of the weights; same share of every half */
    PARE_PRUNE_RANDOM,      /* same share of every half */
    PARE_PRUNE_CRITERIA
} pare_prune_criterion;

/* What the budget counts. */
typedef enum pare_prune_resource {
    PARE_PRUNE_PARAMETERS, /* of the layers */
    PARE_PRUNE_BYTES,      /* of the whole model */
    PARE_PRUNE_FLOPS,      /* of one token after `length` others, output included */
    PARE_PRUNE_LATENCY     /* seconds of one token, by a measured table */
} pare_prune_resource;

typedef struct pare_prune_options {
    pare_prune_criterion criterion;
    pare_prune_resource resource;
    double keep;                 /* share of the resource that may stay, 0 < keep < 1 */
    bool layers;                 /* whole layers may go */
    bool attention, mlp;         /* whole halves may go */
    bool heads, ffn;             /* single groups, channels may go */
    bool queries;                /* query heads, as many of every group of a layer; with heads
                                    (only by reconstruction, not for latency) a layer loses either
                                    groups or query heads */
    bool hidden;                 /* dimensions of the residual stream; params and bytes
                                    only; pack must be F32. With it, and with layers beside
                                    others, several plans are carried out and judged */
    bool uniform;                /* the same shape for every layer */
    bool compensate;             /* refit the matrices that write the stream and read it */
    int64_t round;               /* channels of a layer stay a multiple of this */
    double ridge;                /* share of the mean diagonal of the Gram matrix */
    int64_t probe;               /* calibration sequences for measuring losses */
    int64_t steps;               /* of the trained mask, a sequence each; 0: what 1/30 of an epoch
                                    of fine-tuning on 1,000 samples of 512 tokens costs */
    const pare_latency *latency; /* NULL unless it is the resource; then also: */
    int64_t sequences, position; /* batch and place in the cache at which a step is timed */
    bool rehearse;               /* walk one batch of the sequences in each stage, two steps
                          of the mask, everything held as in the whole run */
    uint64_t seed;
    pare_dtype pack; /* F16 or BF16: matrices of finished layers are kept so; F32: as they are */
} pare_prune_options;

/* The budget of who names none. */
#define PARE_PRUNE_BUDGET "params=0.75"

/* What was decided for one half of a layer. */
typedef struct pare_prune_part {
    int64_t layer;
    pare_lm_half half;
    int64_t blocks, kept; /* groups, query heads or channels */
} pare_prune_part;

typedef struct pare_prune_result {
    pare_prune_resource resource;
    double asked; /* share of it that may stay; 0: there was no budget (blocks, vocabulary) */
    int64_t parts;
    pare_prune_part *part;                       /* (parts) */
    int64_t parameters_before, parameters_after; /* of the layers */
    double share;                                /* of the resource, predicted */
    double measured;                             /* of the time, by a stand-in; 0: not latency */
    double loss_before, loss_after;              /* nats per token, on the probe sequences */
    double recovery[2];                          /* divergence, first and last tenth; 0: none */
    double mask_flops, tuning_flops;             /* spent on the trained mask; of that epoch */
} pare_prune_result;

/* Called between bounded pieces of work; nonzero stops. fraction: of the whole. */
typedef int (*pare_prune_progress)(void *user, const char *stage, double fraction);

/*
 * Prunes `lm` (the same model as `dense`; its layers become its own one after the other) in place.
 * token: (sequences, length) calibration text, each sequence beginning with the begin token.
 * result: for the caller to clear. Errors: a budget below what the structures allow (the least is
 * named), numeric failure. Memory: two residual streams of the calibration text and the Gram matrix
 * of the widest half, in double. After a failure lm is of no use any more.
 */
pare_status pare_prune(const pare_lm *dense, pare_lm *lm, int64_t sequences, int64_t length,
                       const int32_t *token, const pare_prune_options *options,
                       pare_prune_progress progress, void *user,
                       pare_prune_result *result) PARE_MUST_CHECK;
/* Bytes that pare_prune will reserve at most, from sizes alone: about a tenth too many. Pages of
 * the model's file come and go beside them. */
int64_t pare_prune_bytes(const pare_lm *dense, int64_t sequences, int64_t length,
                         const pare_prune_options *options);
/* "params", "bytes", "flops", "latency" */
const char *pare_prune_resource_name(pare_prune_resource resource);
/* "params=0.75"; empty where there was no budget. */
void pare_prune_budget_text(const pare_prune_result *result, char *out, size_t size);
void pare_prune_result_clear(pare_context *ctx, pare_prune_result *result);

#endif
