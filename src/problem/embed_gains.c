/* The baselines: each gives every field and chunk a number; the budget is filled by number per
 * marginal cost, as for Sequential Attention. */
#include "problem/embed.h"

#include "base/random.h"

#include <math.h>

enum { PERMUTED = 20000 }; /* rows that judge permutations, at most */

static int64_t at_field(const pare_embed *e, int64_t field) {
    return field * (e->serving.chunks + 1);
}

/* The field's number, and a falling share of it for each chunk. */
static void spread(pare_embed *e, int64_t field, double value) {
    for (int64_t c = 0; c <= e->serving.chunks; c++) {
        e->gain[at_field(e, field) + c] = value / (double)(c + 1);
    }
}

/* The popularity rule (Ginart, Naumov, Mudigere, Yang, Zou 2019): an id of a smaller table is seen
 * more often, and deserves more; exponent 1/2. */
static void frequency(pare_embed *e) {
    for (int64_t f = 0; f < e->serving.fields; f++) {
        spread(e, f,
               (double)e->fields.field[f].present /
                   ((double)e->train * sqrt((double)e->fields.field[f].size)));
    }
}

static double entropy_term(double count, double total) {
    return count > 0 ? -count / total * log(count / total) : 0;
}

/* I(field; label) in nats from training rows, with the bias of the plug-in estimate taken off
 * (Miller 1955); numbers: that of a Gaussian with the same correlation. */
static double information(const pare_embed *e, int64_t f, double *count) {
    const pare_fields *fields = &e->fields;
    const pare_field *field = &fields->field[f];
    double n = (double)e->train, positive = 0, both = 0, sum = 0, square = 0;
    memset(count, 0, (size_t)(2 * (field->size + 1)) * sizeof *count);
    for (int64_t i = 0; i < e->train; i++) {
        int64_t row = e->train_row[i], cell = row * fields->count + f;
        bool up = fields->label[row] > 0;
        int64_t id = fields->cell[cell] < 0 ? field->size : fields->cell[cell] - field->first;
        double x = fields->value ? (double)fields->value[cell] : 1;
        count[2 * id + up]++;
        positive += up;
        both += up ? x : 0;
        sum += x;
        square += x * x;
    }
    if (field->kind == PARE_FIELD_NUMBER) {
        double cov = both / n - sum / n * (positive / n);
        double var = (square / n - sum / n * (sum / n)) * (positive / n) * (1 - positive / n);
        double r2 = var > 0 ? fmin(cov * cov / var, 1 - 1e-9) : 0;
        return -0.5 * log(1 - r2);
    }
    double joint = 0, marginal = 0, used = 0;
    for (int64_t id = 0; id <= field->size; id++) {
        double down = count[2 * id], up = count[2 * id + 1];
        joint += entropy_term(down, n) + entropy_term(up, n);
        marginal += entropy_term(down + up, n);
        used += down + up > 0;
    }
    double label = entropy_term(positive, n) + entropy_term(n - positive, n);
    return fmax(label + marginal - joint - (used - 1) / (2 * n), 0);
}

static pare_status mutual_information(pare_embed *e) {
    int64_t largest = 0;
    double *count = NULL;
    for (int64_t f = 0; f < e->serving.fields; f++) {
        largest = e->size[f] > largest ? e->size[f] : largest;
    }
    pare_status status = pare_alloc(e->ctx, 2 * (largest + 1), sizeof *count, &count);
    for (int64_t f = 0; f < e->serving.fields && status == PARE_OK; f++) {
        spread(e, f, information(e, f, count));
    }
    pare_free(e->ctx, count);
    return status;
}

/* Root mean square of what each candidate adds to a row, in a model trained on all. */
static pare_status magnitude(pare_embed *e) {
    pare_field_model *model = NULL;
    pare_status status = pare_embed_train(e, NULL, &model);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < e->train; i++) {
        for (int64_t f = 0; f < e->serving.fields; f++) {
            int64_t cell = e->train_row[i] * e->fields.count + f, place = PARE_FM_HEAD;
            double x = e->fields.value ? (double)e->fields.value[cell] : 1;
            if (e->fields.cell[cell] < 0) {
                continue;
            }
            const float *v = model->table + e->fields.cell[cell] * model->stride;
            e->gain[at_field(e, f)] += x * x * (double)v[0] * (double)v[0];
            for (int64_t c = 0; c < e->serving.chunks; c++) {
                for (int64_t j = 0; j < e->width[c]; j++, place++) {
                    e->gain[at_field(e, f) + c + 1] += x * x * (double)v[place] * (double)v[place];
                }
            }
        }
    }
    for (int64_t i = 0; i < e->candidates; i++) {
        e->gain[i] = sqrt(e->gain[i] / (double)e->train);
    }
    pare_field_model_destroy(model);
    return PARE_OK;
}

/* SSEDS (Qu, Ye, Tang, Zhang, Deng, Yin 2022): |d loss / d mask| of a trained model, one backward
 * pass over the training rows, batch by batch. */
static pare_status sseds(pare_embed *e) {
    pare_field_model *model = NULL;
    float *d_mask = NULL;
    double *d = NULL;
    pare_status status = pare_embed_train(e, NULL, &model);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->serving.fields * model->stride, sizeof *d_mask, &d_mask);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->candidates, sizeof *d, &d);
    }
    for (int64_t at = 0; at < e->train && status == PARE_OK; at += e->spec.batch) {
        int64_t rows = e->train - at < e->spec.batch ? e->train - at : e->spec.batch;
        memset(d_mask, 0, (size_t)(e->serving.fields * model->stride) * sizeof *d_mask);
        (void)pare_field_model_slopes(model, &e->fields, rows, e->train_row + at, NULL, d_mask);
        pare_embed_fold(e, model, d_mask, d);
        for (int64_t i = 0; i < e->candidates; i++) {
            e->gain[i] += fabs(d[i]);
        }
    }
    pare_free(e->ctx, d);
    pare_free(e->ctx, d_mask);
    pare_field_model_destroy(model);
    return status;
}

/* Loss on training rows with the cells of one field exchanged among them (Breiman 2001), less that
 * without, in a model trained on all. */
static pare_status permutation(pare_embed *e) {
    pare_fields *fields = &e->fields;
    int64_t rows = e->train < PERMUTED ? e->train : PERMUTED, *order = NULL;
    pare_field_model *model = NULL;
    int32_t *cell = NULL;
    float *value = NULL;
    double before = 0, loss = 0, auc = 0;
    pare_status status = pare_embed_train(e, NULL, &model);
    const struct {
        size_t size;
        void *array;
    } parts[] = {{sizeof *order, &order}, {sizeof *cell, &cell}, {sizeof *value, &value}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc(e->ctx, rows, parts[i].size, parts[i].array);
    }
    if (status == PARE_OK) {
        pare_embed_order(e);
        status = pare_field_model_score(model, fields, rows, e->train_row, &before, &auc);
    }
    for (int64_t f = 0; f < e->serving.fields && status == PARE_OK; f++) {
        for (int64_t i = 0; i < rows; i++) {
            int64_t at = e->train_row[i] * fields->count + f;
            order[i] = i;
            cell[i] = fields->cell[at];
            value[i] = fields->value ? fields->value[at] : 1;
        }
        pare_random_shuffle((uint64_t)e->options.seed, PARE_STREAM_METHOD, (uint64_t)(f * rows),
                            rows, order);
        for (int restored = 0; restored < 2; restored++) {
            for (int64_t i = 0; i < rows; i++) {
                int64_t at = e->train_row[i] * fields->count + f, from = restored ? i : order[i];
                fields->cell[at] = cell[from];
                if (fields->value) {
                    fields->value[at] = value[from];
                }
            }
            if (!restored) {
                status = pare_field_model_score(model, fields, rows, e->train_row, &loss, &auc);
            }
        }
        spread(e, f, fmax(loss - before, 0));
    }
    pare_free(e->ctx, order);
    pare_free(e->ctx, cell);
    pare_free(e->ctx, value);
    pare_field_model_destroy(model);
    return status;
}

/* Sum over the places of (mean of the field's rows) times (sum of their gradients) minus d_mask,
 * which is the sum of gradient times row; by candidate. mean: (stride) scratch. */
static void shark_field(pare_embed *e, const pare_field_model *model, int64_t f,
                        const float *gradient, const float *d_mask, double *mean) {
    const pare_fields *fields = &e->fields;
    const pare_field *field = &fields->field[f];
    int64_t stride = model->stride, place = PARE_FM_HEAD;
    memset(mean, 0, (size_t)(2 * stride) * sizeof *mean);
    double *sum = mean + stride;
    for (int64_t i = 0; i < e->train; i++) {
        int64_t at = e->train_row[i] * fields->count + f;
        double x = fields->value ? (double)fields->value[at] : 1;
        for (int64_t l = 0; l < stride && fields->cell[at] >= 0; l++) {
            mean[l] += x * (double)model->table[fields->cell[at] * stride + l] / (double)e->train;
        }
    }
    for (int64_t r = field->first; r < field->first + field->size; r++) {
        for (int64_t l = 0; l < stride; l++) {
            sum[l] += (double)gradient[r * stride + l];
        }
    }
    for (int64_t c = 0; c <= e->serving.chunks; c++) {
        double score = 0;
        for (int64_t j = 0, l = 0; j < (c > 0 ? e->width[c - 1] : 1); j++) {
            l = c > 0 ? place++ : 0;
            score += mean[l] * sum[l] - (double)d_mask[f * stride + l];
        }
        e->gain[at_field(e, f) + c] = fmax(score, 0);
    }
}

/* SHARK (Zhang et al. 2023): permutation to first order, gradient times (mean vector - vector) over
 * the training rows, in one pass of a model trained on all. */
static pare_status shark(pare_embed *e) {
    pare_field_model *model = NULL;
    float *gradient = NULL, *d_mask = NULL;
    double *mean = NULL;
    pare_status status = pare_embed_train(e, NULL, &model);
    if (status == PARE_OK) {
        status =
            pare_alloc_zero(e->ctx, e->fields.joint * model->stride, sizeof *gradient, &gradient);
    }
    if (status == PARE_OK) {
        status =
            pare_alloc_zero(e->ctx, e->serving.fields * model->stride, sizeof *d_mask, &d_mask);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, 2 * model->stride, sizeof *mean, &mean);
    }
    for (int64_t at = 0; at < e->train && status == PARE_OK; at += e->spec.batch) {
        int64_t rows = e->train - at < e->spec.batch ? e->train - at : e->spec.batch;
        (void)pare_field_model_slopes(model, &e->fields, rows, e->train_row + at, gradient, d_mask);
    }
    for (int64_t f = 0; f < e->serving.fields && status == PARE_OK; f++) {
        shark_field(e, model, f, gradient, d_mask, mean);
    }
    pare_free(e->ctx, mean);
    pare_free(e->ctx, d_mask);
    pare_free(e->ctx, gradient);
    pare_field_model_destroy(model);
    return status;
}

/* All fields with the same number of chunks, the largest that fits; where not even the linear
 * weights do, the smallest tables first. */
static void uniform(pare_embed *e) {
    for (int64_t chunks = e->serving.chunks; chunks >= 0; chunks--) {
        int64_t cost[PARE_RESOURCES];
        for (int64_t i = 0; i < e->candidates; i++) {
            bool in = i % (e->serving.chunks + 1) <= chunks;
            e->keep[i] = in && !e->banned[i / (e->serving.chunks + 1)];
            e->gain[i] = in;
        }
        pare_serving_cost(&e->serving, e->keep, cost);
        if (pare_serving_fits(&e->serving, cost)) {
            break;
        }
    }
    memset(e->keep, 0, (size_t)e->candidates);
}

pare_status pare_embed_gains(pare_embed *embed) {
    memset(embed->keep, 0, (size_t)embed->candidates);
    memset(embed->gain, 0, (size_t)embed->candidates * sizeof *embed->gain);
    pare_status status = PARE_OK;
    switch (embed->options.embed_method) {
    case PARE_EMBED_FREQUENCY:
        frequency(embed);
        break;
    case PARE_EMBED_MUTUAL_INFORMATION:
        status = mutual_information(embed);
        break;
    case PARE_EMBED_MAGNITUDE:
        status = magnitude(embed);
        break;
    case PARE_EMBED_SSEDS:
        status = sseds(embed);
        break;
    case PARE_EMBED_PERMUTATION:
        status = permutation(embed);
        break;
    case PARE_EMBED_SHARK:
        status = shark(embed);
        break;
    case PARE_EMBED_GROUP_LASSO:
        status = pare_embed_lasso(embed);
        break;
    case PARE_EMBED_UNIFORM:
        uniform(embed);
        break;
    default:
        for (int64_t i = 0; i < embed->candidates; i++) {
            embed->gain[i] =
                pare_random_uniform((uint64_t)embed->options.seed, PARE_STREAM_METHOD, (uint64_t)i);
        }
        break;
    }
    return status == PARE_OK ? pare_serving_choose(&embed->serving, embed->gain, embed->keep)
                             : status;
}
