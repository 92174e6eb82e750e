/* The baselines: each gives every field and chunk a number; the budget is filled by number per
 * marginal cost, as for Sequential Attention. */
#include "problem/embed.h"

#include "base/random.h"

#include <math.h>

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
