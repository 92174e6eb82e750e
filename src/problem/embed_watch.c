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
    SAMPLE = PARE_EMBED_SAMPLE, /* one row in so many for the removals, */
    DEEP = 2,                   /* with a network, which works backwards for it, in so many more; */
    PARTS = 4,                  /* and one in so many of them for linear weight and chunks */
    SKETCHED = 8,               /* for the sketches */
    AHEAD = 4,
    CHUNK = 256
};

#define CUSUM_SLACK 0.5 /* Page (1954); standard deviations of a block */
#define CUSUM_LIMIT 8.0
#define WEIGHT_MAX  1e6
#define PSI_LIMIT   0.25 /* the customary "significant shift" */

/* Derivatives of the loss by the logit on the rows of a block that are sketched. A shift of the
 * logit that all rows want is taken off to first order: it is no field's merit. */
static int64_t take_slopes(pare_embed_course *c, int64_t first, int64_t end) {
    int64_t count = 0;
    for (int64_t i = first; i < end; i += SKETCHED, count++) {
        float p = c->probability[i], h = p * (1 - p), g = p - c->embed->fields.label[i];
        float shift = (float)(-c->intercept[0] / (c->intercept[1] + 1));
        c->intercept[0] += (double)g;
        c->intercept[1] += (double)h;
        c->slope[2 * count] = g + h * shift;
        c->slope[2 * count + 1] = h;
    }
    return count;
}

/* The sketch of one field on those rows. Returns what the sums before each would have gained. */
static double sketch_field(const pare_embed_course *c, int64_t f, int64_t first, int64_t count) {
    const pare_fields *fields = &c->embed->fields;
    const int32_t *cell = fields->cell + first * fields->count + f;
    const float *value = fields->value ? fields->value + first * fields->count + f : NULL;
    float weight = (float)c->state.weight, prior = PARE_EMBED_PRIOR * weight;
    double gain = 0;
    for (int64_t k = 0; k < count; k++, cell += SKETCHED * fields->count) {
        if (*cell >= 0) {
            float *sum = c->state.sketch + *cell * PARE_EMBED_SKETCH;
            float x = value ? value[k * SKETCHED * fields->count] : 1;
            float w = sum[0] / (sum[1] + prior), d = c->slope[2 * k] * x,
                  dd = c->slope[2 * k + 1] * x * x;
            gain += (double)(w * (d - 0.5f * w * dd));
            sum[0] += weight * d;
            sum[1] += weight * dd;
        }
    }
    return gain;
}

/* What leaving out something costs one row that adds `part` to its logit, to second order. g, h:
 * derivatives of the loss by the logit. */
static float cost_of(float part, float g, float h) {
    return part * (0.5f * part * h - g);
}

/* What places first .. end - 1 of the vector of a kept field add to the logit of one row; mask, v,
 * sum: (stride) of the field, of its table row, and of the sum of all vectors. */
static float pairs_add(float x, const float *mask, const float *v, const float *sum, int64_t first,
                       int64_t end) {
    float lane[4] = {0};
    for (; first + 4 <= end; first += 4) {
        for (int64_t l = 0; l < 4; l++) { /* a count that compilers turn to vectors */
            float own = x * mask[first + l] * v[first + l];
            lane[l] += own * (sum[first + l] - own);
        }
    }
    for (; first < end; first++) {
        float own = x * mask[first] * v[first];
        lane[0] += own * (sum[first] - own);
    }
    return lane[0] + lane[1] + (lane[2] + lane[3]);
}

/* One row in SAMPLE of a block, and one in PARTS of them for the parts of a field; sum: of the
 * first; gain: of field 0. Returns how many. */
static int64_t remove_fields(pare_embed_course *c, int64_t first, int64_t end, const float *sum,
                             double *gain) {
    pare_embed *e = c->embed;
    const pare_fields *all = &e->fields;
    const pare_field_model *model = c->state.machine;
    int64_t sampled = 0, end_place = PARE_FM_HEAD + model->spec.dimension;
    memset(c->removal, 0, (size_t)e->candidates * sizeof *c->removal);
    for (int64_t i = first; i < end; i += SAMPLE, sampled++, sum += model->stride) {
        const int32_t *cell = all->cell + i * all->count;
        const float *value = all->value ? all->value + i * all->count : NULL;
        if (i + AHEAD * SAMPLE < end) { /* strides that caches do not foresee */
            __builtin_prefetch(cell + AHEAD * SAMPLE * all->count);
            __builtin_prefetch(cell + (AHEAD * SAMPLE + 1) * all->count - 1);
        }
        float p = c->probability[i], g = p - all->label[i], h = p * (1 - p);
        for (int64_t k = 0; k < all->count - c->outs; k++) {
            int64_t f = c->in[k];
            if (cell[f] < 0) {
                continue;
            }
            const float *v = model->table + cell[f] * model->stride;
            const float *mask = model->mask + f * model->stride;
            float x = value ? value[f] : 1, linear = x * mask[0] * v[0];
            float part = linear + pairs_add(x, mask, v, sum, PARE_FM_HEAD, end_place);
            gain[f * PARE_EMBED_BLOCKS] -= (double)cost_of(part, g, h);
            if (sampled % PARTS == 0) {
                double *removal = c->removal + f * c->width;
                int64_t place = PARE_FM_HEAD;
                removal[0] += (double)cost_of(linear, g, h);
                for (int64_t j = 1; j < c->width; place += e->width[j - 1], j++) {
                    int64_t next = place + e->width[j - 1];
                    part = pairs_add(x, mask, v, sum, place, next);
                    removal[j] += (double)cost_of(part, g, h);
                }
            }
        }
    }
    return sampled;
}

/* The same with a network: what a field adds is told by the slope of the logit by its vector. */
static int64_t remove_by_network(pare_embed_course *c, int64_t first, int64_t end, double *gain) {
    pare_embed *e = c->embed;
    pare_field_model *model = c->state.machine;
    int64_t sampled = 0, batch = model->spec.batch;
    memset(c->removal, 0, (size_t)e->candidates * sizeof *c->removal);
    while (first < end) {
        int64_t count = 0;
        for (; first < end && count < batch; first += DEEP * SAMPLE) {
            c->picked[count++] = first;
        }
        pare_field_model_terms(model, &e->fields, count, c->picked, model->mask, 1,
                               e->serving.chunks, e->width, c->term);
        for (int64_t i = 0; i < count; i++) {
            const float *term = c->term + i * e->candidates;
            float p = c->probability[c->picked[i]], g = p - e->fields.label[c->picked[i]];
            for (int64_t k = 0; k < e->fields.count - c->outs; k++) {
                int64_t f = c->in[k];
                float all = 0;
                for (int64_t j = f * c->width; j < (f + 1) * c->width; j++) {
                    all += term[j];
                    c->removal[j] += (double)cost_of(term[j], g, p * (1 - p));
                }
                gain[f * PARE_EMBED_BLOCKS] -= (double)cost_of(all, g, p * (1 - p));
            }
        }
        sampled += count;
    }
    return sampled;
}

/* Rows first .. end - 1, one block; *sampled: rows of sums before it. */
static pare_status score_block(pare_embed_course *c, int64_t first, int64_t end, int64_t *sampled) {
    pare_embed *e = c->embed;
    pare_field_model *model = c->state.machine;
    float logit[CHUNK];
    for (int64_t at = first; at < end; at += CHUNK) {
        int64_t count = end - at < CHUNK ? end - at : CHUNK;
        if (pare_embed_tell(e, (double)at / (double)e->fields.rows, (double)NAN)) {
            return pare_embed_going(e);
        }
        pare_field_model_predict(model, &e->fields, count, c->row + at, logit);
        for (int64_t i = 0; i < count && !model->tower;
             i += SAMPLE, ++*sampled) { /* CHUNK is a multiple of it */
            memcpy(c->sums + *sampled * model->stride, model->sums + i * model->stride,
                   (size_t)model->stride * sizeof *c->sums);
        }
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

static pare_status score_rows(pare_embed_course *c) {
    int64_t rows = c->embed->fields.rows, sampled = 0;
    pare_status status = PARE_OK;
    for (int64_t b = 0; b < PARE_EMBED_BLOCKS && status == PARE_OK; b++) {
        status = score_block(c, rows * b / PARE_EMBED_BLOCKS, rows * (b + 1) / PARE_EMBED_BLOCKS,
                             &sampled);
    }
    return status;
}

/* Instead of all sums fading, what comes later weighs more. */
static void fade_sketches(pare_embed_course *c) {
    pare_embed_state *s = &c->state;
    s->weight /= PARE_EMBED_DECAY;
    if (s->weight > WEIGHT_MAX) {
        float factor = (float)(1 / s->weight);
        for (int64_t i = 0; i < c->embed->fields.joint * PARE_EMBED_SKETCH; i++) {
            s->sketch[i] *= factor;
        }
        s->weight = 1;
    }
}

/* What the field's blocks of this window say, and with the windows before. */
static void trace_field(pare_embed_course *c, int64_t f) {
    const double *gain = c->gain + f * PARE_EMBED_BLOCKS;
    double *trace = c->state.trace + f * PARE_EMBED_TRACE, sum = 0, square = 0;
    for (int b = 0; b < PARE_EMBED_BLOCKS; b++) {
        sum += gain[b];
        square += gain[b] * gain[b];
    }
    double mean = sum / PARE_EMBED_BLOCKS;
    double variance = fmax(square / PARE_EMBED_BLOCKS - mean * mean, 0) / (PARE_EMBED_BLOCKS - 1);
    trace[0] = PARE_EMBED_DECAY * trace[0] + 1;
    trace[1] = PARE_EMBED_DECAY * trace[1] + mean;
    trace[2] = PARE_EMBED_DECAY * PARE_EMBED_DECAY * trace[2] + variance;
}

/* Rows first .. end - 1, block b; sum: of the first row sampled, NULL: a network. Returns how
 * many were. */
static int64_t judge_block(pare_embed_course *c, int64_t first, int64_t end, int64_t b,
                           const float *sum) {
    pare_embed *e = c->embed;
    int64_t sketched = take_slopes(c, first, end);
    for (int64_t k = 0; k < c->outs; k++) {
        int64_t f = c->out[k];
        double *gain = &c->gain[f * PARE_EMBED_BLOCKS + b];
        *gain = sketch_field(c, f, first, sketched) / (double)sketched;
        c->state.gain[f * c->width] += (1 - PARE_EMBED_DECAY) * *gain / PARE_EMBED_BLOCKS;
    }
    int64_t sampled = sum ? remove_fields(c, first, end, sum, c->gain + b)
                          : remove_by_network(c, first, end, c->gain + b);
    int64_t judged = sum ? (sampled + PARTS - 1) / PARTS : sampled; /* their parts */
    for (int64_t k = 0; k < e->fields.count - c->outs; k++) {
        int64_t f = c->in[k];
        c->gain[f * PARE_EMBED_BLOCKS + b] /= (double)sampled;
        for (int64_t j = f * c->width; j < (f + 1) * c->width; j++) {
            double lost = e->keep[j] ? c->removal[j] / (double)judged : 0;
            c->state.gain[j] += (1 - PARE_EMBED_DECAY) * lost / PARE_EMBED_BLOCKS;
        }
    }
    return sampled;
}

/* Cumulative sum of how far the loss of a block is above the reference, less a standard error of
 * that; sd of a row's loss. */
static void watch_loss(pare_embed_course *c, int64_t first, int64_t end) {
    pare_embed_state *s = &c->state;
    double sum = 0, rows = (double)(end - first);
    for (int64_t i = first; i < end; i++) {
        sum += (double)c->loss[i];
    }
    if (s->loss_rows > 0) {
        double mean = s->loss / s->loss_rows, square = s->loss_square / s->loss_rows - mean * mean;
        double sd = sqrt(fmax(square, 1e-12) / rows), unsure = sqrt(rows / s->loss_rows);
        s->cusum = fmax(0, s->cusum + (sum / rows - mean) / sd - CUSUM_SLACK - unsure);
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
    int64_t rows = e->fields.rows, sampled = 0;
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
    fade_sketches(c);
    for (int64_t b = 0; b < PARE_EMBED_BLOCKS; b++) {
        int64_t first = rows * b / PARE_EMBED_BLOCKS, end = rows * (b + 1) / PARE_EMBED_BLOCKS;
        if (end > first) {
            const pare_field_model *model = s->machine;
            const float *sum = model->tower ? NULL : c->sums + sampled * model->stride;
            sampled += judge_block(c, first, end, b, sum);
        }
    }
    for (int64_t f = 0; f < e->fields.count; f++) {
        trace_field(c, f);
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

/* Population stability index (Siddiqi 2006) with half a row in every bin; unknown ids. Two samples
 * of one population have an index of (1/n + 1/m) chi^2 with as many degrees of freedom as bins that
 * occur, less one: mean and three standard deviations of it are no shift. */
void pare_embed_watch_field(pare_embed_course *c, int64_t f) {
    const pare_field *field = &c->embed->fields.field[f];
    double now[PARE_EMBED_BINS] = {0}, *past = c->state.bins + f * PARE_EMBED_BINS, sum = 0,
           psi = 0, bins = 0, rows = (double)c->embed->fields.rows,
           *unknown = c->state.unknown + 2 * f;
    pare_embed_count_bins(&c->embed->fields, f, now);
    for (int b = 0; b < PARE_EMBED_BINS; b++) {
        sum += past[b];
    }
    for (int b = 0; b < PARE_EMBED_BINS; b++) {
        double p = (now[b] + 0.5) / (rows + 0.5 * PARE_EMBED_BINS),
               q = (past[b] + 0.5) / (sum + 0.5 * PARE_EMBED_BINS);
        psi += sum > 0 ? (p - q) * log(p / q) : 0;
        bins += now[b] + past[b] > 0;
        past[b] = PARE_EMBED_DECAY * past[b] + now[b];
    }
    double freedom = fmax(bins - 1, 0), noise = sum > 0 ? 1 / rows + 1 / sum : 0;
    c->window->psi[f] = psi;
    c->window->psi_limit[f] = PSI_LIMIT + noise * (freedom + 3 * sqrt(2 * freedom));
    c->window->fresh[f] = c->before[f] == 0;
    c->window->absent[f] = field->present == 0;
    c->window->unknown[f] = field->present > 0 ? (double)field->unseen / (double)field->present : 0;
    c->window->usual[f] = unknown[1] > 0 ? unknown[0] / unknown[1] : (double)NAN;
    unknown[0] = PARE_EMBED_DECAY * unknown[0] + (double)field->unseen;
    unknown[1] = PARE_EMBED_DECAY * unknown[1] + (double)field->present;
}
