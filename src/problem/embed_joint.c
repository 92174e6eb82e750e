/*
 * The choice of Sequential Attention at the end of a phase: what fields and chunks bring together.
 * On rows that taught the model nothing, every candidate is a column, what it adds to the logit;
 * a set of them saves what weighing its columns anew saves, by a parabola for each row between the
 * model that knows the share of positive labels only and the one that knows all. A dear copy of a
 * field brings nothing beside the field, and what fits noise of its own rows brings nothing on
 * others.
 */
#include "problem/embed.h"

#include "kernels/blas.h"

#include <math.h>

enum {
    BLOCK = 512, /* rows weighed at once: their columns stay in the cache */
    NEAR = 32    /* rows of a batch: their table rows are still near for the second look */
};
/* Rounds: from columns beside all; anew from columns beside what that chose; and what comes beside
 * what this chose. */
enum { FRESH, ANEW, BESIDE, ROUNDS };

typedef struct joint {
    pare_embed *embed;
    pare_field_model *model;
    int64_t rows;
    const int64_t *row;
    float *open;     /* (fields, stride) the masks of the search */
    double *mean;    /* (candidates) of the columns less shift, weighted by the secants */
    float *shift;    /* (candidates) the mean of the first block, near which products are exact */
    float *column;   /* (BLOCK, candidates) */
    float *secant;   /* (BLOCK) */
    float *residual; /* (BLOCK) of the share of positive labels */
    float *product;  /* (candidates)^2 */
    double *slope, *curvature;
} joint;

static double positive_share(const joint *j) {
    double up = 0;
    for (int64_t i = 0; i < j->rows; i++) {
        up += j->embed->fields.label[j->row[i]] > 0;
    }
    return (up + 0.5) / ((double)j->rows + 1);
}

/* Of the slope of the log loss between the logit of share p and logit z: a parabola with it has the
 * slopes of the loss at both. */
static double secant(double p, double z) {
    double away = z - log(p / (1 - p)), q = 1 / (1 + exp(-z));
    return fabs(away) > 1e-3 ? (q - p) / away : p * (1 - p);
}

/* The masks of the search, of what is in only. */
static void mask_beside(joint *j, const uint8_t *beside) {
    pare_embed *e = j->embed;
    for (int64_t i = 0; i < e->candidates; i++) {
        j->mean[i] = beside[i] ? 1 : 0;
    }
    pare_embed_mask(e, j->mean, j->model);
    for (int64_t k = 0; k < e->serving.fields * j->model->stride; k++) {
        j->model->mask[k] *= j->open[k];
    }
}

/* Columns, secants and residuals of a block of rows. */
static void fill(joint *j, double p, int64_t first, int64_t count) {
    pare_embed *e = j->embed;
    int64_t n = e->candidates, batch = j->model->spec.batch;
    batch = j->model->tower || batch < NEAR ? batch : NEAR;
    for (int64_t at = 0; at < count; at += batch) {
        int64_t rows = count - at < batch ? count - at : batch;
        const int64_t *row = j->row + first + at;
        pare_field_model_terms(j->model, &e->fields, rows, row, j->open, 0.5f, e->serving.chunks,
                               e->width, j->column + at * n);
        for (int64_t i = 0; i < rows; i++) {
            j->secant[at + i] = (float)secant(p, (double)j->model->logit[i]);
            j->residual[at + i] = (float)((e->fields.label[row[i]] > 0) - p);
        }
    }
}

/* Adds a block to sums of columns by secant and by residual, and to the products of columns by
 * secant; columns less shift. */
static void add_block(joint *j, int64_t rows) {
    const pare_kernels *kernels = j->embed->ctx->kernels;
    int64_t n = j->embed->candidates;
    for (int64_t i = 0; i < rows; i++) {
        kernels->axpy(n, -1, j->shift, j->column + i * n);
    }
    kernels->columns_dot(rows, n, j->column, n, j->secant, j->mean);
    kernels->columns_dot(rows, n, j->column, n, j->residual, j->slope);
    for (int64_t i = 0; i < rows; i++) {
        kernels->scale(n, sqrtf(j->secant[i]), j->column + i * n, j->column + i * n);
    }
    pare_own_products(n, rows, j->column, n, j->product, n);
    for (int64_t k = 0; k < n; k++) {
        for (int64_t l = 0; l <= k; l++) {
            j->curvature[k * n + l] += (double)j->product[k * n + l];
        }
    }
}

static void find_shift(joint *j, int64_t rows) {
    int64_t n = j->embed->candidates;
    double total = 0;
    memset(j->mean, 0, (size_t)n * sizeof *j->mean);
    j->embed->ctx->kernels->columns_dot(rows, n, j->column, n, j->secant, j->mean);
    for (int64_t i = 0; i < rows; i++) {
        total += (double)j->secant[i];
    }
    for (int64_t k = 0; k < n; k++) {
        j->shift[k] = (float)(j->mean[k] / total);
        j->mean[k] = 0;
    }
}

/* Slope and curvature of the mean log loss by the weights of the columns beside what is in, less
 * their means, which the bias takes. */
static void weigh(joint *j, const uint8_t *beside) {
    int64_t n = j->embed->candidates;
    double p = positive_share(j), total = 0, away = 0;
    mask_beside(j, beside);
    memset(j->slope, 0, (size_t)n * sizeof *j->slope);
    memset(j->curvature, 0, (size_t)(n * n) * sizeof *j->curvature);
    for (int64_t at = 0; at < j->rows; at += BLOCK) {
        int64_t rows = j->rows - at < BLOCK ? j->rows - at : BLOCK;
        fill(j, p, at, rows);
        if (at == 0) {
            find_shift(j, rows);
        }
        for (int64_t i = 0; i < rows; i++) {
            total += (double)j->secant[i];
            away += (double)j->residual[i];
        }
        add_block(j, rows);
    }
    for (int64_t k = 0; k < n; k++) {
        j->mean[k] /= total;
        j->slope[k] = (j->slope[k] - away * j->mean[k]) / (double)j->rows;
        for (int64_t l = 0; l <= k; l++) {
            double *both = j->curvature + k * n + l;
            *both = (*both - total * j->mean[k] * j->mean[l]) / (double)j->rows;
            j->curvature[l * n + k] = *both;
        }
    }
}

int64_t pare_embed_kept_chunks(const pare_embed *e) {
    int64_t kept = 0;
    for (int64_t k = 0; k < e->candidates; k++) {
        kept += e->keep[k] && k % (e->serving.chunks + 1) > 0;
    }
    return kept;
}

/* What brings nothing beside the others in the end leaves: chunks, and fields without any. What was
 * kept at first stays. Returns how many fields left. */
static int64_t leave_idle(const pare_embed *e, const uint8_t *first) {
    int64_t chunks = e->serving.chunks, left = 0;
    for (int64_t k = e->candidates - 1; k >= 0; k--) {
        bool longer = false;
        for (int64_t c = 1; c <= chunks && k % (chunks + 1) == 0; c++) {
            longer = longer || e->keep[k + c];
        }
        if (e->keep[k] && !(e->gain[k] > 0 || first[k] || longer)) {
            e->keep[k] = 0;
            left += k % (chunks + 1) == 0;
        }
    }
    return left;
}

pare_status pare_embed_joint(pare_embed *e, pare_field_model *model, int64_t rows,
                             const int64_t *row, const pare_serving *serving, bool again) {
    joint j = {.embed = e, .model = model, .rows = rows, .row = row};
    pare_context *ctx = e->ctx;
    int64_t n = e->candidates, block = 0, square = 0, masks = e->serving.fields * model->stride;
    uint8_t *all = NULL, *first = NULL;
    if (!pare_checked_multiply(BLOCK, n, &block) || !pare_checked_multiply(n, n, &square)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: too many candidates");
    }
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{masks, sizeof *j.open, &j.open},
                 {n, 1, &all},
                 {n, 1, &first},
                 {n, sizeof *j.mean, &j.mean},
                 {n, sizeof *j.shift, &j.shift},
                 {block, sizeof *j.column, &j.column},
                 {BLOCK, sizeof *j.secant, &j.secant},
                 {BLOCK, sizeof *j.residual, &j.residual},
                 {square, sizeof *j.product, &j.product},
                 {n, sizeof *j.slope, &j.slope},
                 {square, sizeof *j.curvature, &j.curvature}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc(ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    if (status == PARE_OK) {
        memcpy(j.open, model->mask, (size_t)masks * sizeof *j.open);
        memset(all, 1, (size_t)n);
        memcpy(first, e->keep, (size_t)n);
    }
    for (int round = 0; round < (again ? ROUNDS : 1) && status == PARE_OK; round++) {
        pare_serving_joint what = {j.slope, j.curvature, 1 / (double)rows,
                                   !again || round == FRESH};
        j.rows = again && round == FRESH ? (rows + 1) / 2 : rows; /* that round only prepares */
        weigh(&j, round == FRESH ? all : e->keep);
        int64_t chunks = pare_embed_kept_chunks(e);
        if (again && round == FRESH) {
            pare_serving_alone(serving, &what, e->alone);
            e->judged = true;
        }
        if (round == ANEW) {
            memcpy(e->keep, first, (size_t)n);
        }
        status = pare_serving_choose_joint(serving, &what, e->keep, e->gain);
        /* A chunk that just came holds all of its products: its partners' columns lack them. Those
         * outside hold products with a field that has left: they are found anew. */
        if (round == BESIDE && status == PARE_OK && pare_embed_kept_chunks(e) == chunks) {
            if (leave_idle(e, first) > 0) {
                weigh(&j, e->keep);
            }
            what.rough = true;
            status = pare_serving_choose_joint(serving, &what, e->keep, e->gain);
        }
        if (status == PARE_OK && again && round == BESIDE) {
            status = pare_serving_bound(serving, &what, e->keep, &e->saved, &e->bound);
        }
    }
    void *owned[] = {j.open,   all,        first,     j.mean,  j.shift,    j.column,
                     j.secant, j.residual, j.product, j.slope, j.curvature};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    return status;
}
