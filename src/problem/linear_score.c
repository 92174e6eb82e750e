/* How well the fitted model predicts. */
#include "problem/linear.h"

#include "data/store.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256 }; /* rows evaluated at a time */

typedef struct tally {
    double weight, loss, score, score_square, target, target_square;
} tally;

/* One row: z are its outputs. */
static void count_row(const pare_linear *l, const pare_dataset *data, int64_t row, const double *z,
                      tally *t) {
    double w = data->weight ? (double)data->weight[row] : 1, loss = 0, score = 0, top = z[0];
    int64_t outputs = l->outputs, best = 0;
    for (int64_t o = 1; o < outputs; o++) {
        if (z[o] > top) {
            top = z[o];
            best = o;
        }
    }
    if (l->train->label) {
        int64_t label = data->label[row];
        best = outputs == 1 ? z[0] > (l->classes ? 0 : 0.5) : best;
        score = best == label;
        if (!l->classes) {
            for (int64_t o = 0; o < outputs; o++) {
                double error = z[o] - (outputs == 1 ? (double)label : label == o);
                loss += error * error / 2;
            }
        } else if (outputs == 1) {
            loss = fmax(z[0], 0) + log1p(exp(-fabs(z[0]))) - (label ? z[0] : 0);
        } else {
            double sum = 0;
            for (int64_t o = 0; o < outputs; o++) {
                sum += exp(z[o] - top);
            }
            loss = log(sum) + top - z[label];
        }
    }
    for (int64_t o = 0; !l->train->label && o < outputs; o++) {
        double target =
            ((double)data->target[row * outputs + o] - (double)l->train->target_mean[o]) *
            (double)l->train->target_scale[o];
        double error = z[o] - target;
        loss += error * error / 2;
        score += error * error;
        t->target += w * target;
        t->target_square += w * target * target;
    }
    t->weight += w;
    t->loss += w * loss;
    t->score += w * score;
    t->score_square += w * score * score;
}

static void set_metrics(const pare_linear *l, int64_t rows, const tally *t, pare_metrics *out) {
    out->rows = rows;
    if (!(t->weight > 0)) {
        return;
    }
    double mean = t->score / t->weight;
    double spread = fmax(0, t->score_square / t->weight - mean * mean);
    out->loss = t->loss / t->weight;
    if (l->train->label) {
        out->score = mean;
        out->score_error = sqrt(spread / (double)rows);
        return;
    }
    double outputs = (double)l->outputs, center = t->target / (t->weight * outputs);
    double variance = t->target_square / t->weight - outputs * center * center;
    if (variance > 0) {
        out->score = 1 - mean / variance;
        out->score_error = sqrt(spread / (double)rows) / variance;
    }
}

pare_status pare_linear_evaluate(pare_linear *l, const float *mask, pare_rows rows,
                                 pare_metrics *out) {
    const pare_part_rows *part = &l->part[rows];
    const pare_support *s = &l->support;
    *out =
        (pare_metrics){.loss = NAN, .score = NAN, .score_error = NAN, .null_score = l->null_score};
    bool whole = true;
    for (int64_t c = 0; mask && c < s->candidates; c++) {
        whole = whole && !(mask[s->candidate[c]] < 1) && !(mask[s->candidate[c]] > 1);
    }
    if (rows == PARE_ROWS_TRAIN && whole && l->fitted.rows > 0) {
        *out = l->fitted;
        return PARE_OK;
    }
    if (!part->data || part->count == 0) {
        return PARE_OK;
    }
    float *x = NULL;
    double *z = NULL;
    int64_t cells = 0;
    if (!pare_checked_multiply(s->count, BLOCK, &cells)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld features",
                         (long long)s->count);
    }
    pare_status status = pare_alloc(l->ctx, cells, sizeof *x, &x);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, l->outputs, sizeof *z, &z);
    }
    tally t = {0};
    for (int64_t i = 0; status == PARE_OK && i < part->count; i += BLOCK) {
        int64_t count = part->count - i < BLOCK ? part->count - i : BLOCK;
        if (s->count > 0) {
            pare_dataset_gather_features(part->data, count, part->row + i, s->count, s->feature, x);
        }
        for (int64_t q = 0; q < count; q++) {
            memcpy(z, l->intercept, (size_t)l->outputs * sizeof *z);
            int64_t f = 0;
            for (int64_t c = 0; c < s->candidates; c++) {
                int64_t candidate = s->candidate[c];
                double open = mask ? (double)mask[candidate] : 1;
                int64_t end = f + l->design.start[candidate + 1] - l->design.start[candidate];
                for (; f < end; f++) {
                    for (int64_t o = 0; o < l->outputs; o++) {
                        z[o] += open * l->b[f * l->outputs + o] * (double)x[q * s->count + f];
                    }
                }
            }
            count_row(l, part->data, part->row[i + q], z, &t);
        }
    }
    if (status == PARE_OK) {
        status = pare_dataset_trouble(part->data);
    }
    if (status == PARE_OK) {
        set_metrics(l, part->count, &t, out);
    }
    pare_free(l->ctx, x);
    pare_free(l->ctx, z);
    return status;
}
