/* Scores of field models on chosen rows. */
#include "model/field_model.h"

#include <math.h>
#include <stdlib.h>

enum { CHUNK = 256 };

#define FAR 1000.0 /* standard deviations */

/* log(1 + exp(z)) - y z */
static double log_loss(double z, float label) {
    return fmax(z, 0) + log1p(exp(-fabs(z))) - (double)label * z;
}

pare_status pare_fields_rows(const pare_fields *fields, bool held_out, int64_t *count,
                             int64_t **row) {
    int64_t *list = NULL, used = 0;
    *row = NULL;
    pare_status status = pare_alloc(fields->ctx, fields->rows, sizeof *list, &list);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        if ((fields->held_out[i] != 0) == held_out) {
            list[used++] = i;
        }
    }
    *row = list;
    *count = used;
    return PARE_OK;
}

static int by_logit(const void *a, const void *b) {
    const pare_scored *x = a, *y = b;
    return (x->logit > y->logit) - (x->logit < y->logit);
}

/* Mann and Whitney (1947): the share of pairs in order. */
double pare_area_under_curve(int64_t count, pare_scored *row) {
    qsort(row, (size_t)count, sizeof *row, by_logit);
    double below = 0, pairs = 0, positives = 0;
    for (int64_t i = 0; i < count;) {
        int64_t end = i;
        double up = 0, down = 0;
        for (; end < count && row[end].logit == row[i].logit; end++) {
            up += row[end].label > 0;
            down += row[end].label <= 0;
        }
        pairs += up * (below + down / 2);
        below += down;
        positives += up;
        i = end;
    }
    return positives > 0 && below > 0 ? pairs / (positives * below) : (double)NAN;
}

/* The output overflowed: by a cell far from the others, where there is one, else in training. */
static pare_status refuse_output(const pare_field_model *model, const pare_fields *fields,
                                 int64_t count, const int64_t *row) {
    double most = FAR;
    const pare_field *field = NULL;
    for (int64_t i = 0; i < count && fields->value; i++) {
        for (int64_t f = 0; f < fields->count; f++) {
            double value = fabs((double)fields->value[row[i] * fields->count + f]);
            if (!(value <= most)) {
                most = isnan(value) ? (double)INFINITY : value;
                field = &fields->field[f];
            }
        }
    }
    return field ? pare_fail(model->ctx, PARE_ERROR_NUMERIC,
                             "the model's output is not finite: a number of field %s is %.3g "
                             "standard deviations from the mean; correct it or leave it empty",
                             field->name, most)
                 : pare_fail(model->ctx, PARE_ERROR_NUMERIC,
                             "the model's output is not finite; a smaller step size (--rate) may "
                             "help");
}

pare_status pare_field_model_score(pare_field_model *model, const pare_fields *fields,
                                   int64_t count, const int64_t *row, double *loss, double *auc) {
    pare_scored *list = NULL;
    float logit[CHUNK];
    pare_status status = pare_alloc(model->ctx, count, sizeof *list, &list);
    if (status != PARE_OK) {
        return status;
    }
    double total = 0;
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t rows = count - first < CHUNK ? count - first : CHUNK;
        pare_field_model_predict(model, fields, rows, row + first, logit);
        for (int64_t i = 0; i < rows; i++) {
            float label = fields->label[row[first + i]];
            list[first + i] = (pare_scored){logit[i], label};
            total += log_loss((double)logit[i], label);
        }
    }
    if (!isfinite(total)) {
        status = refuse_output(model, fields, count, row);
    } else {
        *loss = count > 0 ? total / (double)count : (double)NAN;
        *auc = pare_area_under_curve(count, list);
    }
    pare_free(model->ctx, list);
    return status;
}
