/* Step size and number of passes of a model or plan, on training rows that are left out for this:
 * an eighth drawn at random, or the last eighth where rows are in the order of time. */
#include "problem/embed.h"

#include "base/random.h"
#include "platform/system.h"

#include <math.h>

enum {
    PASSES_MAX = 16,
    WORSE_MAX = 2,
    INNER_SHARE = 8,
    RATES = 6, /* step sizes tried, each half of the one before */
    RATE_ROWS = 100000,
    RATE_PASSES = 4,
    SETTLED_PASSES = 2 /* in place of them where each is gone through twice */
};

/* Of the published recipe: how long it learns at most, and the fall of its rate. */
enum { DENSE_PASSES = 100 };
#define DROP 0.1f

/* A model that settles as it was before a pass, which is gone through with falling steps, then
 * again with whole ones if there will be more. */
typedef struct snapshot {
    float *table, *sums, bias, bias_sum; /* sums: of AdaGrad by the float, else NULL */
} snapshot;

static pare_status keep_room(pare_embed *embed, const pare_field_model *model, snapshot *s) {
    int64_t cells = model->joint * model->stride;
    pare_status status = pare_alloc(embed->ctx, cells, sizeof *s->table, &s->table);
    return status == PARE_OK && model->spec.optimizer == PARE_FIELD_ADAGRAD
               ? pare_alloc(embed->ctx, cells, sizeof *s->sums, &s->sums)
               : status;
}

static void keep_state(const pare_field_model *model, snapshot *s) {
    size_t bytes = (size_t)(model->joint * model->stride) * sizeof *s->table;
    memcpy(s->table, model->table, bytes);
    if (s->sums) {
        memcpy(s->sums, model->first, bytes);
    }
    s->bias = model->bias;
    s->bias_sum = model->bias_sum;
}

static void go_back(pare_field_model *model, const snapshot *s) {
    size_t bytes = (size_t)(model->joint * model->stride) * sizeof *s->table;
    memcpy(model->table, s->table, bytes);
    if (s->sums) {
        memcpy(model->first, s->sums, bytes);
    }
    model->bias = s->bias;
    model->bias_sum = s->bias_sum;
}

/* The rows of least_loss in order: those that teach, then those that judge. */
static int64_t *draw_rows(pare_embed *embed, int64_t rows) {
    if (embed->options.by_time) {
        return embed->train_row + embed->train - rows;
    }
    pare_random_shuffle((uint64_t)embed->options.seed, PARE_STREAM_PREFIX, 0, embed->train,
                        embed->train_row);
    return embed->train_row;
}

/* Least loss on the last `count` of `rows` training rows, the model learning from those before
 * them, and after how many passes. Stops once it has been worse twice running, or at `most`. As
 * published, the passes of dense Adam are those of the largest area under the ROC curve, and its
 * rates fall to a tenth each time neither is better, which the spec then knows. */
static pare_status least_loss(pare_embed *embed, const uint8_t *keep, int64_t rows, int64_t most,
                              double *least, int64_t *passes) {
    pare_field_model *model = NULL;
    snapshot before = {0};
    int64_t count = rows / INNER_SHARE, first = rows - count, worse = 0, drops = 0;
    int64_t drop[PARE_FIELD_DROPS] = {0};
    double most_auc = 0;
    bool dense = embed->spec.optimizer == PARE_FIELD_DENSE_ADAM;
    bool settle = pare_field_spec_settles(&embed->spec);
    pare_embed_order(embed);
    pare_status status =
        pare_embed_create(embed, keep, embed->train - (embed->options.by_time ? count : 0), &model);
    if (status == PARE_OK && settle) {
        status = keep_room(embed, model, &before);
    }
    *least = INFINITY;
    *passes = 1;
    int64_t *row = draw_rows(embed, rows);
    for (int64_t pass = 1; pass <= most && worse < WORSE_MAX && status == PARE_OK; pass++) {
        double loss = 0, auc = 0;
        if (settle) {
            keep_state(model, &before);
        }
        (void)pare_field_model_fit_until(model, &embed->fields, first, row, 1, settle,
                                         pare_embed_tell, embed);
        status = pare_embed_going(embed);
        if (status == PARE_OK) {
            status = pare_field_model_score(model, &embed->fields, count, row + first, &loss, &auc);
        }
        bool better = loss < *least, area = dense && auc > most_auc;
        worse = better || area ? 0 : worse + 1;
        *passes = (dense ? area : better) ? pass : *passes;
        *least = fmin(*least, loss);
        most_auc = area ? auc : most_auc;
        if (dense && worse > 0 && drops < PARE_FIELD_DROPS) {
            drop[drops++] = pass;
            model->spec.rate *= DROP;
            model->spec.tower_rate *= DROP;
        }
        if (settle && pass < most && worse < WORSE_MAX && status == PARE_OK) {
            go_back(model, &before);
            (void)pare_field_model_fit_until(model, &embed->fields, first, row, 1, false,
                                             pare_embed_tell, embed);
        }
    }
    for (int d = 0; d < PARE_FIELD_DROPS && dense; d++) {
        embed->spec.drop[d] = drop[d] < *passes ? drop[d] : 0;
    }
    pare_free(embed->ctx, before.sums);
    pare_free(embed->ctx, before.table);
    pare_field_model_destroy(model);
    return status;
}

/* The step size of the table, halved from that of `start` while that lowers the least loss; a part
 * of the rows tells. */
static pare_status find_rate(pare_embed *embed, const uint8_t *keep) {
    int64_t rows = embed->train < RATE_ROWS ? embed->train : RATE_ROWS, passes = 0;
    double best = INFINITY, loss = 0;
    float rate = embed->start, kept = rate;
    if (embed->options.rate > 0) {
        embed->spec.rate = (float)embed->options.rate;
    }
    if (embed->spec.optimizer == PARE_FIELD_DENSE_ADAM) {
        embed->spec.tower_rate = embed->spec.rate;
        return PARE_OK;
    }
    if (embed->options.rate > 0) {
        return PARE_OK;
    }
    /* Sparse Adam is slow where its rate is right. */
    int64_t most = embed->spec.optimizer == PARE_FIELD_ADAM ? PASSES_MAX
                   : pare_field_spec_settles(&embed->spec)  ? SETTLED_PASSES
                                                            : RATE_PASSES;
    for (int tries = 0, worse = 0; tries < RATES && worse < 1; tries++, rate /= 2) {
        embed->spec.rate = rate;
        pare_status status = least_loss(embed, keep, rows, most, &loss, &passes);
        if (status != PARE_OK && status != PARE_ERROR_NUMERIC) {
            return status;
        }
        bool better = status == PARE_OK && loss < best;
        worse += status == PARE_OK && !better;
        best = better ? loss : best;
        kept = better ? rate : kept;
    }
    embed->spec.rate = kept;
    return PARE_OK;
}

pare_status pare_embed_tune(pare_embed *embed, const uint8_t *keep) {
    double loss = 0, start = pare_cpu_seconds();
    embed->passes = embed->options.passes > 0 ? embed->options.passes : 1;
    if (embed->train < INNER_SHARE) {
        return PARE_OK;
    }
    pare_status status = find_rate(embed, keep);
    if (status == PARE_OK && embed->options.passes == 0) {
        bool dense = embed->spec.optimizer == PARE_FIELD_DENSE_ADAM;
        status = least_loss(embed, keep, embed->train, dense ? DENSE_PASSES : PASSES_MAX, &loss,
                            &embed->passes);
    }
    embed->cpu_tuning += pare_cpu_seconds() - start;
    return status;
}
