/* Private to field_*.c: what forward pass, training and removals share. */
#ifndef PARE_MODEL_FIELD_PRIVATE_H
#define PARE_MODEL_FIELD_PRIVATE_H

#include "model/field_model.h"

/* gcc takes a function of nothing but prefetches for one without effect, and drops the call. */
#define PARE_FETCH static inline __attribute__((always_inline)) void

/* Rows fetched before their turn: some 200 looked-up lines at 39 fields. */
enum { PARE_FIELD_AHEAD = 6 };

static inline pare_fm pare_field_machine_of(const pare_field_model *model) {
    return (pare_fm){model->fields, model->stride, model->mask, model->table,
                     model->spec.dimension};
}

static inline pare_fm_row pare_field_row_of(const pare_fields *fields, int64_t row) {
    int64_t at = row * fields->count;
    return (pare_fm_row){fields->cell + at, fields->value ? fields->value + at : NULL};
}

/* Asks for the table rows of a row that comes soon; its own cells were asked for before. */
PARE_FETCH pare_field_fetch(const pare_field_model *model, const pare_fields *fields, int64_t row) {
    const int32_t *index = fields->cell + row * fields->count;
    for (int64_t f = 0; f < model->fields; f++) {
        if (index[f] >= 0) {
            const float *at = model->table + index[f] * model->stride;
            __builtin_prefetch(at);
            for (int64_t place = PARE_FM_LINE; place < model->stride; place += PARE_FM_LINE) {
                __builtin_prefetch(at + place);
            }
        }
    }
}

PARE_FETCH pare_field_fetch_cells(const pare_fields *fields, int64_t row) {
    const int32_t *at = fields->cell + row * fields->count;
    for (int64_t f = 0; f < fields->count; f += PARE_FM_LINE) {
        __builtin_prefetch(at + f);
    }
    __builtin_prefetch(at + fields->count - 1); /* rows begin anywhere in a line */
    __builtin_prefetch(fields->label + row);
}

PARE_FETCH pare_field_look_ahead(const pare_field_model *model, const pare_fields *fields,
                                 int64_t count, const int64_t *row, int64_t i) {
    if (i + PARE_FIELD_AHEAD < count) {
        pare_field_fetch(model, fields, row[i + PARE_FIELD_AHEAD]);
    }
    if (i + 2 * PARE_FIELD_AHEAD < count) {
        pare_field_fetch_cells(fields, row[i + 2 * PARE_FIELD_AHEAD]);
    }
}

/* logit and sums of up to `batch` rows, without the network; its inputs too. */
void pare_field_forward(pare_field_model *model, const pare_fields *fields, int64_t count,
                        const int64_t *row);
/* Slopes of the batch by the logits, and by the network's input; the sum of the loss. The network
 * sees the mean loss. */
double pare_field_batch_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row);
/* Step of the table, and of LR's and FM's bias, by model->gradient and slope of the mean loss of
 * the batch; all optimisers but ROW_ADAGRAD (field_step.c). Leaves the gradient zero. Scales the
 * networks' gradients where the whole is clipped. */
void pare_field_step(pare_field_model *model, const pare_fields *fields, int64_t count,
                     const int64_t *row);
/* The network's gradients of row i times `factor`, in the places of the vectors; NULL without a
 * network. Valid until the next call. */
const float *pare_field_extra_of(pare_field_model *model, int64_t i, float factor);

/* Parameters of the network, or of the cross network, with the inputs of chosen fields only
 * ((fields) 0 or 1): out NULL counts them. Returns how many. */
int64_t pare_field_tower_cut(const pare_field_model *model, const uint8_t *chosen, float *out);
int64_t pare_field_cross_cut(const pare_field_model *model, const uint8_t *chosen, float *out);

#endif
