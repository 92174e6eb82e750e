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
    BLOCK = 2048,
    NEAR = 32 /* rows of a batch: their table rows are still near for the second look */
};
/* Rounds: from columns beside all; anew from columns beside what that chose; and what comes beside
 * what this chose. */
enum { FRESH, ANEW, BESIDE, ROUNDS };

typedef struct joint {
    pare_embed *embed;
    pare_field_model *model;
    int64_t rows;
    const int64_t *row;
    float *open;    /* (fields, stride) the masks of the search */
    double *mean;   /* (candidates) */
    float *column;  /* (rows, candidates) */
    float *secant;  /* (rows) */
    float *product; /* (candidates)^2 */
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

/* Means of the columns, weighted by the secants: what the bias takes. */
static void find_means(joint *j) {
    int64_t n = j->embed->candidates;
    double total = 0;
    memset(j->mean, 0, (size_t)n * sizeof *j->mean);
    for (int64_t i = 0; i < j->rows; i++) {
        double weight = (double)j->secant[i];
        total += weight;
        for (int64_t k = 0; k < n; k++) {
            j->mean[k] += weight * (double)j->column[i * n + k];
        }
    }
    for (int64_t k = 0; k < n; k++) {
        j->mean[k] /= total;
    }
}

/* Columns beside what is in. */
static void fill(joint *j, const uint8_t *beside) {
    pare_embed *e = j->embed;
    int64_t n = e->candidates, batch = j->model->spec.batch;
    double p = positive_share(j), *mean = j->mean;
    batch = j->model->tower || batch < NEAR ? batch : NEAR;
    for (int64_t i = 0; i < n; i++) {
        mean[i] = beside[i] ? 1 : 0;
    }
    pare_embed_mask(e, mean, j->model);
    for (int64_t k = 0; k < e->serving.fields * j->model->stride; k++) {
        j->model->mask[k] *= j->open[k];
    }
    for (int64_t at = 0; at < j->rows; at += batch) {
        int64_t rows = j->rows - at < batch ? j->rows - at : batch;
        pare_field_model_terms(j->model, &e->fields, rows, j->row + at, j->open, e->serving.chunks,
                               e->width, j->column + at * n);
        for (int64_t i = 0; i < rows; i++) {
            j->secant[at + i] = (float)secant(p, (double)j->model->logit[i]);
        }
    }
}

/* Columns less their means; slope and curvature of the mean log loss by their weights. */
static void weigh(joint *j) {
    const pare_embed *e = j->embed;
    int64_t n = e->candidates;
    double p = positive_share(j), *mean = j->mean;
    find_means(j);
    memset(j->slope, 0, (size_t)n * sizeof *j->slope);
    memset(j->curvature, 0, (size_t)(n * n) * sizeof *j->curvature);
    for (int64_t i = 0; i < j->rows; i++) {
        double residual = ((e->fields.label[j->row[i]] > 0) - p) / (double)j->rows;
        float root = sqrtf(j->secant[i]);
        for (int64_t k = 0; k < n; k++) {
            float x = j->column[i * n + k] - (float)mean[k];
            j->slope[k] += residual * (double)x;
            j->column[i * n + k] = root * x;
        }
    }
    for (int64_t at = 0; at < j->rows; at += BLOCK) {
        int64_t rows = j->rows - at < BLOCK ? j->rows - at : BLOCK;
        const float *x = j->column + at * n;
        pare_gemm(true, false, n, n, rows, 1, x, n, x, n, 0, j->product, n);
        for (int64_t k = 0; k < n * n; k++) {
            j->curvature[k] += (double)j->product[k] / (double)j->rows;
        }
    }
}

pare_status pare_embed_joint(pare_embed *e, pare_field_model *model, int64_t rows,
                             const int64_t *row, const pare_serving *serving, bool again) {
    joint j = {.embed = e, .model = model, .rows = rows, .row = row};
    pare_context *ctx = e->ctx;
    int64_t n = e->candidates, cells = 0, square = 0, masks = e->serving.fields * model->stride;
    uint8_t *all = NULL, *first = NULL;
    if (!pare_checked_multiply(rows, n, &cells) || !pare_checked_multiply(n, n, &square)) {
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
                 {cells, sizeof *j.column, &j.column},
                 {rows, sizeof *j.secant, &j.secant},
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
        const pare_serving_joint what = {j.slope, j.curvature, 1 / (double)rows};
        fill(&j, round == FRESH ? all : e->keep);
        weigh(&j);
        if (round == ANEW) {
            memcpy(e->keep, first, (size_t)n);
        }
        status = pare_serving_choose_joint(serving, &what, e->keep, e->gain);
    }
    void *owned[] = {j.open,   all,       first,   j.mean,     j.column,
                     j.secant, j.product, j.slope, j.curvature};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    return status;
}
