/* Rankings that look at one candidate at a time: the baselines. */
#include "base/random.h"
#include "problem/prune_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_score(const void *a, const void *b) {
    const prune_ranked *x = a, *y = b;
    int order = (x->score > y->score) - (x->score < y->score);
    return order ? order : (x->item > y->item) - (x->item < y->item);
}

void pare_prune_sort(prune_ranked *list, int64_t count) {
    qsort(list, (size_t)count, sizeof *list, by_score);
}

static double square_of_rows(const pare_lm_tensor *t, int64_t from, int64_t count) {
    double sum = 0;
    for (int64_t i = from * t->columns; i < (from + count) * t->columns; i++) {
        sum += (double)t->own[i] * (double)t->own[i];
    }
    return sum;
}

/* Squared norm of a column of the last matrix. */
static double square_of_column(const pare_lm_tensor *t, int64_t column) {
    double sum = 0;
    for (int64_t row = 0; row < t->rows; row++) {
        double w = (double)t->own[row * t->columns + column];
        sum += w * w;
    }
    return sum;
}

/* Norm of all weights of a candidate. */
static void magnitude(const pruning *p, const prune_part *one, double *score) {
    const pare_lm_tensor *t = p->lm->layer[one->layer];
    int64_t d = p->lm->shape.head_dim;
    for (int64_t k = 0; k < one->blocks; k++) {
        double sum = 0;
        if (one->half == PARE_LM_ATTENTION) {
            sum += square_of_rows(&t[PARE_LM_Q], k * one->block, one->block);
            sum += one->group > 0 ? 0 : square_of_rows(&t[PARE_LM_K], k * d, d);
            sum += one->group > 0 ? 0 : square_of_rows(&t[PARE_LM_V], k * d, d);
        } else {
            sum += square_of_rows(&t[PARE_LM_GATE], k, 1);
            sum += square_of_rows(&t[PARE_LM_UP], k, 1);
        }
        for (int64_t c = k * one->block; c < (k + 1) * one->block; c++) {
            sum += square_of_column(pare_prune_last_matrix(p, one), c);
        }
        score[k] = sqrt(sum);
    }
}

/* Scores of one half to mean 0 and variance 1. */
static void standardise(int64_t count, double *score) {
    double mean = 0, spread = 0;
    for (int64_t k = 0; k < count; k++) {
        mean += score[k] / (double)count;
    }
    for (int64_t k = 0; k < count; k++) {
        spread += (score[k] - mean) * (score[k] - mean) / (double)count;
    }
    for (int64_t k = 0; k < count; k++) {
        score[k] = (score[k] - mean) / (sqrt(spread) + 1e-30);
    }
}

/* Norm of the contribution of its columns, as if activations were uncorrelated: Wanda's score
 * (Sun et al. 2023, equation 1), summed in squares over the candidate; or of the part of it that
 * changes from token to token (FLAP: An et al. 2024, equation 5). */
static pare_status activation(pruning *p, const prune_part *one, double *score) {
    pare_half_problem problem = {0};
    pare_status status =
        pare_half_measure(&p->calibration, p->lm, one->layer, one->half, 0, &problem);
    bool fluctuation = p->options->criterion == PARE_PRUNE_FLUCTUATION;
    double rows = (double)(p->calibration.sequences * p->calibration.length);
    for (int64_t c = 0; status == PARE_OK && c < problem.width; c++) {
        double steady = fluctuation ? problem.sum[c] * problem.sum[c] / rows : 0;
        score[c / one->block] += (problem.gram[c * problem.width + c] - steady) *
                                 square_of_column(pare_prune_last_matrix(p, one), c);
    }
    if (status == PARE_OK && fluctuation) {
        standardise(one->blocks, score);
    }
    if (status == PARE_OK) {
        status = pare_calibration_advance(&p->calibration, p->lm, one->layer, one->half);
    }
    pare_half_clear(p->ctx, &problem);
    return status;
}

/* Sum over the batches of |derivative of the loss by the candidate's gate|: the first-order change
 * of the loss when it goes (Molchanov et al. 2017; LLM-Pruner, Ma et al. 2023). */
static pare_status taylor(pruning *p, double *const score[2]) {
    const pare_calibration *c = &p->calibration;
    const pare_lm_shape *s = &p->lm->shape;
    pare_lm_run *run = NULL;
    pare_lm_gradients gradients = {.weight = NULL};
    int64_t heads = 0, channels = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        heads += s->layer[i].heads;
        channels += s->layer[i].ffn;
    }
    pare_status status = pare_lm_run_create(p->lm, c->batch, c->length, true, &run);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, heads, sizeof(float), &gradients.gate.head);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, channels, sizeof(float), &gradients.gate.channel);
    }
    for (int64_t at = 0; status == PARE_OK && at < c->walked; at += c->batch) {
        const int32_t *token = c->token + at * c->length;
        for (int64_t i = 0; i < c->batch * c->length; i++) {
            c->target[i] = (i + 1) % c->length == 0 ? -1 : token[i + 1];
        }
        status = pare_prune_tell(p, "measure", 0.6 * (double)at / (double)c->walked);
        (void)pare_lm_forward(run, token, NULL);
        (void)pare_lm_loss(run, NULL, c->target, NULL, NULL, &gradients);
        int64_t head = 0, group = 0;
        for (int64_t i = 0; i < s->layers; i++) {
            int64_t blocks = p->options->queries ? s->layer[i].heads : s->layer[i].kv_heads;
            int64_t share = blocks > 0 ? s->layer[i].heads / blocks : 1;
            for (int64_t k = 0; k < blocks; k++, group++) {
                double sum = 0;
                for (int64_t h = 0; h < share; h++) {
                    sum += (double)gradients.gate.head[head++];
                }
                score[0][group] += fabs(sum);
            }
        }
        for (int64_t k = 0; k < channels; k++) {
            score[1][k] += fabs((double)gradients.gate.channel[k]);
        }
    }
    pare_lm_run_destroy(run);
    pare_free(p->ctx, gradients.gate.head);
    pare_free(p->ctx, gradients.gate.channel);
    return status;
}

/* Standardised scores to their places in the order of all of them, times the cost. */
static pare_status to_places(const pruning *p, double *const score[2]) {
    int64_t count = p->candidates[0] + p->candidates[1];
    prune_ranked *list = NULL;
    pare_status status = pare_alloc(p->ctx, count, sizeof *list, &list);
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        bool channel = i >= p->candidates[0];
        list[i] = (prune_ranked){score[channel][channel ? i - p->candidates[0] : i], i};
    }
    if (status == PARE_OK) {
        pare_prune_sort(list, count);
    }
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        bool channel = list[i].item >= p->candidates[0];
        int64_t item = channel ? list[i].item - p->candidates[0] : list[i].item;
        score[channel][item] = (double)(i + 1) / (double)count;
    }
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        for (int64_t k = 0; k < one->blocks; k++) {
            score[one->half][one->start + k] *= one->unit;
        }
    }
    pare_free(p->ctx, list);
    return status;
}

/* A sorted list such that each group gives up one before any gives up another: by rounds. */
static pare_status by_rounds(const pruning *p, const prune_part *one, prune_ranked *list) {
    prune_ranked *sorted = NULL;
    int64_t *round = NULL, count = 0;
    if (one->group == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(p->ctx, one->blocks, sizeof *sorted, &sorted);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, one->step, sizeof *round, &round);
    }
    if (status == PARE_OK) {
        memcpy(sorted, list, (size_t)one->blocks * sizeof *sorted);
        for (int64_t k = 0; k < one->blocks; k++) {
            sorted[k].item += one->blocks * round[sorted[k].item / one->group]++;
        }
    }
    for (int64_t r = 0; status == PARE_OK && r < one->group; r++) {
        for (int64_t k = 0; k < one->blocks; k++) {
            if (sorted[k].item / one->blocks == r) {
                list[count++] = (prune_ranked){sorted[k].score, sorted[k].item % one->blocks};
            }
        }
    }
    pare_free(p->ctx, sorted);
    pare_free(p->ctx, round);
    return status;
}

/* Order by ascending score; loss: its running sum, or (`equal`) such that every part gives up the
 * same share of its cost. */
static pare_status rank(const pruning *p, prune_part *one, const double *score, bool equal) {
    prune_ranked *list = NULL;
    pare_status status = pare_alloc(p->ctx, one->blocks, sizeof *list, &list);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t k = 0; k < one->blocks; k++) {
        list[k] = (prune_ranked){score[k], k};
    }
    pare_prune_sort(list, one->blocks);
    status = by_rounds(p, one, list);
    for (int64_t k = 0; status == PARE_OK && k < one->blocks; k++) {
        double rise = equal ? one->unit * ((double)k + 0.5) / (double)one->blocks : list[k].score;
        one->order[k] = list[k].item;
        one->loss[k + 1] = one->loss[k] + rise;
    }
    pare_free(p->ctx, list);
    return status;
}

static pare_status score_parts(pruning *p, double *const score[2]) {
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        double *own = score[one->half] + one->start;
        status = pare_prune_tell(p, "measure", 0.6 * (double)i / (double)p->parts);
        if (status == PARE_OK) {
            status = pare_lm_own_layer(p->lm, one->layer);
        }
        if (status != PARE_OK) {
            return status;
        }
        if (p->options->criterion == PARE_PRUNE_MAGNITUDE) {
            magnitude(p, one, own);
        } else if (p->options->criterion == PARE_PRUNE_ACTIVATION ||
                   p->options->criterion == PARE_PRUNE_FLUCTUATION) {
            status = activation(p, one, own);
        } else {
            for (int64_t k = 0; k < one->blocks; k++) {
                uint64_t index = (uint64_t)(one->start + k) * 2 + (uint64_t)one->half;
                own[k] = pare_random_uniform(p->options->seed, PARE_STREAM_METHOD, index);
            }
        }
        pare_lm_disown_layer(p->lm, one->layer);
    }
    return status;
}

pare_status pare_prune_scores(pruning *p) {
    double *score[2] = {NULL, NULL};
    pare_prune_criterion criterion = p->options->criterion;
    pare_lm_run *run = NULL;
    pare_status status = PARE_OK;
    p->calibration.same = true; /* nothing is cut yet */
    for (int kind = 0; status == PARE_OK && kind < 2; kind++) {
        status = pare_alloc_zero(p->ctx, p->candidates[kind], sizeof(double), &score[kind]);
    }
    if (status == PARE_OK) {
        status =
            pare_lm_run_create(p->lm, p->calibration.batch, p->calibration.length, false, &run);
    }
    if (status == PARE_OK) {
        p->loss = pare_calibration_loss(&p->calibration, run, p->options->probe);
        pare_lm_run_destroy(run); /* room for what follows */
        status = criterion == PARE_PRUNE_TAYLOR ? taylor(p, score) : score_parts(p, score);
    }
    bool equal = criterion != PARE_PRUNE_TAYLOR && criterion != PARE_PRUNE_FLUCTUATION;
    if (status == PARE_OK && criterion == PARE_PRUNE_FLUCTUATION) {
        status = to_places(p, score);
    }
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        prune_part *one = &p->part[i];
        status = rank(p, one, score[one->half] + one->start, equal);
    }
    pare_free(p->ctx, score[0]);
    pare_free(p->ctx, score[1]);
    return status;
}
