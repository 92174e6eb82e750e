/*
 * A later file before it is learned from (progressive validation: Blum, Kalai, Langford 1999), in
 * blocks. The same pass judges what the plan could do otherwise: for kept fields the loss of
 * leaving them out, on one row in SAMPLE; for the others the gain of a Newton step of one weight an
 * id, from the sums of derivatives over earlier rows only, so that it is honest too.
 */
#include "problem/embed_course.h"

#include "platform/system.h"

#include <math.h>

enum {
    SAMPLE = 16,   /* one row in so many for the removals, */
    SKETCHED = 16, /* and for the sketches */
    CHUNK = 256
};

#define CUSUM_SLACK 0.5 /* Page (1954); standard deviations of a block */
#define CUSUM_LIMIT 8.0

/* The sketches of one row; gain: of field 0 in its block. A shift of the logit that all rows want
 * is taken off to first order: it is no field's merit. */
static void sketch_row(pare_embed_course *c, int64_t row, double *gain) {
    const pare_fields *fields = &c->embed->fields;
    const int32_t *cell = fields->cell + row * fields->count;
    const float *value = fields->value ? fields->value + row * fields->count : NULL;
    float p = c->probability[row], h = p * (1 - p), g = p - fields->label[row];
    float shift = (float)(-c->intercept[0] / (c->intercept[1] + 1));
    c->intercept[0] += (double)g;
    c->intercept[1] += (double)h;
    g += h * shift;
    for (int64_t k = 0; k < c->outs; k++) {
        int64_t f = c->out[k];
        if (cell[f] >= 0) {
            float *sum = c->state.sketch + cell[f] * PARE_EMBED_SKETCH, x = value ? value[f] : 1;
            float w = -sum[0] / (sum[1] + PARE_EMBED_PRIOR), d = g * x, dd = h * x * x;
            gain[f * PARE_EMBED_BLOCKS] -= (double)(w * (d + 0.5f * w * dd));
            sum[0] += d;
            sum[1] += dd;
        }
    }
}

/* What leaving out a kept field costs one row, to second order in what it adds to the logit; its
 * parts are added to removal. g, h: derivatives of the loss by the logit. */
static double remove_field(pare_embed_course *c, int64_t f, float x, const float *v,
                           const float *sum, double g, double h) {
    const pare_embed *e = c->embed;
    const float *mask = c->state.machine->mask + f * c->state.machine->stride;
    double all = 0;
    int64_t place = PARE_FM_HEAD;
    for (int64_t j = 0; j < c->width; j++) {
        double part = 0;
        if (j == 0) {
            part = (double)(x * mask[0] * v[0]);
        } else {
            for (int64_t l = 0; l < e->width[j - 1]; l++, place++) {
                float own = x * mask[place] * v[place];
                part += (double)(own * (sum[place] - own));
            }
        }
        all += part;
        c->removal[f * c->width + j] += part * (0.5 * part * h - g);
    }
    return all * (0.5 * all * h - g);
}

/* One row in SAMPLE of a block; gain: of field 0. Returns how many. */
static int64_t remove_fields(pare_embed_course *c, int64_t first, int64_t end, double *gain) {
    pare_embed *e = c->embed;
    const pare_fields *all = &e->fields;
    pare_field_model *model = c->state.machine;
    const pare_fm fm = {model->fields, model->stride, model->mask, model->table,
                        model->spec.dimension};
    int64_t sampled = 0;
    memset(c->removal, 0, (size_t)e->candidates * sizeof *c->removal);
    for (int64_t i = first; i < end; i += SAMPLE, sampled++) {
        const float *value = all->value ? all->value + i * all->count : NULL;
        const pare_fm_row row = {c->sample_cell, value};
        memcpy(c->sample_cell, all->cell + i * all->count,
               (size_t)all->count * sizeof *c->sample_cell);
        for (int64_t k = 0; k < c->outs; k++) {
            c->sample_cell[c->out[k]] = -1;
        }
        (void)c->ctx->kernels->fm_forward(&fm, &row, model->sums);
        double p = (double)c->probability[i];
        for (int64_t f = 0; f < all->count; f++) {
            if (c->sample_cell[f] >= 0) {
                gain[f * PARE_EMBED_BLOCKS] -= remove_field(
                    c, f, value ? value[f] : 1, model->table + c->sample_cell[f] * model->stride,
                    model->sums, p - (double)all->label[i], p * (1 - p));
            }
        }
    }
    return sampled;
}

static pare_status score_rows(pare_embed_course *c) {
    pare_embed *e = c->embed;
    pare_field_model *model = c->state.machine;
    float logit[CHUNK];
    int64_t rows = e->fields.rows;
    for (int64_t at = 0; at < rows; at += CHUNK) {
        int64_t count = rows - at < CHUNK ? rows - at : CHUNK;
        if (pare_embed_tell(e, (double)at / (double)rows, (double)NAN)) {
            return pare_embed_going(e);
        }
        pare_field_model_predict(model, &e->fields, count, c->row + at, logit);
        for (int64_t i = 0; i < count; i++) {
            float z = logit[i], label = e->fields.label[at + i];
            c->scored[at + i] = (pare_scored){z, label};
            float small = expf(-fabsf(z));
            c->loss[at + i] = fmaxf(z, 0) + log1pf(small) - label * z;
            c->probability[at + i] = (z < 0 ? small : 1) / (1 + small);
        }
    }
    return PARE_OK;
}

/* Rows first .. end - 1, block b. */
static void judge_block(pare_embed_course *c, int64_t first, int64_t end, int64_t b) {
    pare_embed *e = c->embed;
    int64_t rows = end - first;
    for (int64_t i = first; i < end; i += SKETCHED) {
        sketch_row(c, i, c->gain + b);
    }
    int64_t sampled = remove_fields(c, first, end, c->gain + b);
    for (int64_t f = 0; f < e->fields.count; f++) {
        double *gain = &c->gain[f * PARE_EMBED_BLOCKS + b];
        if (!e->keep[f * c->width]) {
            *gain /= (double)((rows + SKETCHED - 1) / SKETCHED);
            c->state.gain[f * c->width] += (1 - PARE_EMBED_DECAY) * *gain / PARE_EMBED_BLOCKS;
            continue;
        }
        *gain /= (double)sampled;
        for (int64_t j = f * c->width; j < (f + 1) * c->width; j++) {
            double lost = e->keep[j] ? c->removal[j] / (double)sampled : 0;
            c->state.gain[j] += (1 - PARE_EMBED_DECAY) * lost / PARE_EMBED_BLOCKS;
        }
    }
}

/* Cumulative sum of how far the loss of a block is above the reference; sd of a row's loss. */
static void watch_loss(pare_embed_course *c, int64_t first, int64_t end) {
    pare_embed_state *s = &c->state;
    double sum = 0, rows = (double)(end - first);
    for (int64_t i = first; i < end; i++) {
        sum += (double)c->loss[i];
    }
    if (s->loss_rows > 0) {
        double mean = s->loss / s->loss_rows, square = s->loss_square / s->loss_rows - mean * mean;
        double sd = sqrt(fmax(square, 1e-12) / rows);
        s->cusum = fmax(0, s->cusum + (sum / rows - mean) / sd - CUSUM_SLACK);
        c->window->cusum = fmax(c->window->cusum, s->cusum);
        if (s->cusum > CUSUM_LIMIT) {
            c->window->alarm = true;
            s->cusum = 0;
        }
    }
}

pare_status pare_embed_watch(pare_embed_course *c) {
    pare_embed *e = c->embed;
    pare_embed_state *s = &c->state;
    double total = 0, square = 0;
    int64_t rows = e->fields.rows;
    double start = pare_thread_cpu_seconds();
    for (int64_t i = 0; i < rows; i++) {
        c->row[i] = i;
    }
    pare_embed_set_masks(c);
    pare_status status = score_rows(c);
    if (status != PARE_OK) {
        return status;
    }
    double scored = pare_thread_cpu_seconds();
    for (int64_t i = 0; i < e->candidates; i++) {
        s->gain[i] *= PARE_EMBED_DECAY;
    }
    for (int64_t i = 0; i < e->fields.joint * PARE_EMBED_SKETCH; i++) {
        s->sketch[i] *= (float)PARE_EMBED_DECAY;
    }
    for (int64_t b = 0; b < PARE_EMBED_BLOCKS; b++) {
        int64_t first = rows * b / PARE_EMBED_BLOCKS, end = rows * (b + 1) / PARE_EMBED_BLOCKS;
        if (end > first) {
            judge_block(c, first, end, b);
        }
    }
    c->window->cpu_scoring = scored - start;
    c->window->cpu_selecting = pare_thread_cpu_seconds() - scored;
    for (int64_t b = 0; b < PARE_EMBED_BLOCKS; b++) {
        int64_t first = rows * b / PARE_EMBED_BLOCKS, end = rows * (b + 1) / PARE_EMBED_BLOCKS;
        if (end > first) {
            watch_loss(c, first, end);
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        total += (double)c->loss[i];
        square += (double)c->loss[i] * (double)c->loss[i];
    }
    if (!isfinite(total)) {
        return pare_fail(c->ctx, PARE_ERROR_NUMERIC, "%s: the model's output is not finite",
                         e->fields.source);
    }
    c->window->reference = s->loss_rows > 0 ? s->loss / s->loss_rows : (double)NAN;
    s->loss = PARE_EMBED_DECAY * s->loss + total;
    s->loss_square = PARE_EMBED_DECAY * s->loss_square + square;
    s->loss_rows = PARE_EMBED_DECAY * s->loss_rows + (double)rows;
    e->chosen.log_loss = total / (double)rows;
    e->chosen.auc = pare_area_under_curve(rows, c->scored);
    return PARE_OK;
}

/* Population stability index (Siddiqi 2006) with half a row in every bin; unknown ids. */
void pare_embed_watch_field(pare_embed_course *c, int64_t f) {
    const pare_field *field = &c->embed->fields.field[f];
    double now[PARE_EMBED_BINS] = {0}, *past = c->state.bins + f * PARE_EMBED_BINS, sum = 0,
           psi = 0, rows = (double)c->embed->fields.rows, *unknown = c->state.unknown + 2 * f;
    pare_embed_count_bins(&c->embed->fields, f, now);
    for (int b = 0; b < PARE_EMBED_BINS; b++) {
        sum += past[b];
    }
    for (int b = 0; b < PARE_EMBED_BINS; b++) {
        double p = (now[b] + 0.5) / (rows + 0.5 * PARE_EMBED_BINS),
               q = (past[b] + 0.5) / (sum + 0.5 * PARE_EMBED_BINS);
        psi += sum > 0 ? (p - q) * log(p / q) : 0;
        past[b] = PARE_EMBED_DECAY * past[b] + now[b];
    }
    c->window->psi[f] = psi;
    c->window->fresh[f] = c->before[f] == 0;
    c->window->absent[f] = field->present == 0;
    c->window->unknown[f] = field->present > 0 ? (double)field->unseen / (double)field->present : 0;
    c->window->usual[f] = unknown[1] > 0 ? unknown[0] / unknown[1] : (double)NAN;
    unknown[0] = PARE_EMBED_DECAY * unknown[0] + (double)field->unseen;
    unknown[1] = PARE_EMBED_DECAY * unknown[1] + (double)field->present;
}
