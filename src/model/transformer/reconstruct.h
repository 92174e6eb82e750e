/*
 * What a cut costs one half of a layer, and how the rest makes up for it.
 *
 * The last matrix W of a half (attention output, or down projection) multiplies activations a, one
 * column a candidate or a block of columns. On calibration text the residual stream x of the pruned
 * model and the dense model's stream t after the half are known, so the best W for a kept set S
 * solves the ridge regression
 *     min  sum |a_S W' - (t - x)|^2 + ridge |W - W_old|^2,
 * whose Gram matrix serves every S. Backward elimination by the exact increase of that sum is the
 * optimal brain surgeon (Hassibi and Stork 1993) with blocks, as ZipLM (Kurtic, Frantar, Alistarh
 * 2023) uses it; the target being the dense stream, errors of earlier cuts are made up for too.
 */
#ifndef PARE_MODEL_TRANSFORMER_RECONSTRUCT_H
#define PARE_MODEL_TRANSFORMER_RECONSTRUCT_H

#include "model/transformer/transformer.h"

/* Sequences in one pass: 8 if there are as many and a residual stream of them has no more than 4 M
 * values; what a pass holds besides is 20 times that. */
int64_t pare_calibration_batch(const pare_lm_shape *shape, int64_t sequences, int64_t length);

/* Calibration text and where both models stand on it: their streams before half `at`. */
typedef struct pare_calibration {
    pare_context *ctx;
    const pare_lm *dense;
    int64_t sequences, length, batch; /* batch: sequences in one pass */
    int64_t walked;                   /* of the sequences: all, or fewer in a rehearsal */
    const int32_t *token;             /* (sequences, length) */
    float *dense_stream, *stream;     /* (sequences * length, hidden) */
    float *dense_entry, *entry;       /* the same before the layer, if halves are parallel */
    pare_lm_run *dense_run;
    bool same;           /* the other model is still equal to the dense one: one pass serves
                            both; restart makes it false */
    const uint8_t *gone; /* (hidden) dimensions the other model lacks, NULL: none; borrowed */
    int64_t taught;      /* sequences of dense_final */
    float *dense_final;  /* (taught * length, hidden) dense stream after the last layer */
    int32_t *target;     /* (batch * length) of one batch: the next token, -1 at the ends */
} pare_calibration;

/* token and dense are borrowed until clear. outputs: dense_run gives losses too, which teach and
 * divergence need. */
pare_status pare_calibration_init(const pare_lm *dense, int64_t sequences, int64_t length,
                                  const int32_t *token, bool outputs,
                                  pare_calibration *out) PARE_MUST_CHECK;
void pare_calibration_clear(pare_calibration *calibration);
/* Both streams back to the embeddings, the models taken to differ. */
void pare_calibration_restart(pare_calibration *calibration);

/* The regression of one half. */
typedef struct pare_half_problem {
    int64_t width, outputs;
    double *gram;   /* (width, width) sum a a', ridge on the diagonal */
    double *sum;    /* (width) sum a */
    double *cross;  /* (width, outputs) sum a (t - x)' + ridge W_old' */
    double target;  /* sum |t - x|^2 */
    bool rehearsed; /* of fewer sequences than there are: elimination and solution then hold what
                       they would, and leave the arithmetic out */
} pare_half_problem;

/* Moves the dense stream through the half and collects the regression of lm's half on its own
 * stream. ridge: a share of the mean diagonal of the Gram matrix. */
pare_status pare_half_measure(pare_calibration *calibration, const pare_lm *lm, int64_t layer,
                              pare_lm_half half, double ridge,
                              pare_half_problem *out) PARE_MUST_CHECK;
void pare_half_clear(pare_context *ctx, pare_half_problem *problem);

/* The regression of the dense model's normalised stream v on that of the other model u, over the
 * dimensions it has (entries of the others are 0), where both stand: before half `index` of the
 * model (2 a layer; the number of halves: before the output). The ridge pulls u to v = u. With it a
 * matrix that reads the stream is solved anew: W becomes W T', T the solution. RMS norm only. */
pare_status pare_norm_measure(pare_calibration *calibration, int64_t index, double ridge,
                              pare_half_problem *out) PARE_MUST_CHECK;

/*
 * Removes blocks of `block` neighbouring columns one after the other, always the one whose removal
 * raises the sum of squares least. order: (width / block) blocks in order of removal; increase:
 * (width / block) the rise by each. The last `keep` blocks are left (their entries unset).
 * group: 0, or so many neighbouring blocks belong together and each such group gives up one before
 * any gives up another.
 * Cost: 4 width^3 multiply-adds at most with single columns; with blocks (width / block) updates of
 * the inverse, width^2 block each.
 */
pare_status pare_half_eliminate(pare_context *ctx, const pare_half_problem *problem, int64_t block,
                                int64_t group, int64_t keep, int64_t *order,
                                double *increase) PARE_MUST_CHECK;

/* The best W with only the columns whose block is marked in keep: writes (outputs, width) with
 * zeros in the others. */
pare_status pare_half_solve(pare_context *ctx, const pare_half_problem *problem, int64_t block,
                            const uint8_t *keep, float *weight) PARE_MUST_CHECK;

/* Moves lm's stream through its half as it now is. */
pare_status pare_calibration_advance(pare_calibration *calibration, const pare_lm *lm,
                                     int64_t layer, pare_lm_half half) PARE_MUST_CHECK;

/* Mean loss in nats per token of a model on the first `sequences` calibration sequences (whole
 * batches). run: a workspace of the model for (batch, length). */
double pare_calibration_loss(const pare_calibration *calibration, pare_lm_run *run,
                             int64_t sequences);
/* Runs the dense model over the first `sequences` sequences, for pare_calibration_divergence. */
pare_status pare_calibration_teach(pare_calibration *calibration,
                                   int64_t sequences) PARE_MUST_CHECK;
/* Mean Kullback-Leibler divergence of the dense model's predictions from those of a model, in nats
 * per token over the sequences taught, from where its stream stands: before `half` of `layer`.
 * Unlike a difference of losses it is never negative and has no noise of the text in it. */
double pare_calibration_divergence(const pare_calibration *calibration, pare_lm_run *run,
                                   int64_t layer, pare_lm_half half);

#endif
