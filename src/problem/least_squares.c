/*
 * Least squares with ridge on the support: products of its columns in double, their Cholesky
 * factor extended by a row for each new feature, and the solution for every response. A feature
 * that depends on those before it is passed over: its coefficient is 0.
 */
#include "problem/linear.h"

#include "kernels/blas.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* A feature with less than this share of its square outside those before it is dependent. */
static const double dependent = 1e-11;
/* From so many new columns on, products go through BLAS, so many rows at a time. */
enum { MANY = 8, BLOCK = 256 };

struct pare_least_squares {
    int64_t capacity;
    int64_t rows_of;    /* rows of e that are filled */
    int64_t factored;   /* rows of the factor that are */
    double *e;          /* (capacity, capacity) centred products, lower triangle */
    double *factor;     /* (capacity, capacity) of e + ridge; 0 on the diagonal: dependent */
    double *right;      /* (capacity, outputs) products with the responses */
    double *response;   /* (outputs, rows) centred by their weighted means */
    double *middle;     /* (outputs) those means */
    double *square;     /* (outputs) sum of squares of the centred */
    bool residual_fits; /* l->residual belongs to the fit */
    pare_gram *gram;
};

void pare_least_squares_destroy(pare_linear *l) {
    pare_least_squares *s = l->squares;
    if (!s) {
        return;
    }
    pare_gram_destroy(s->gram);
    pare_free(l->ctx, s->e);
    pare_free(l->ctx, s->factor);
    pare_free(l->ctx, s->right);
    pare_free(l->ctx, s->response);
    pare_free(l->ctx, s->middle);
    pare_free(l->ctx, s->square);
    pare_free(l->ctx, s);
    l->squares = NULL;
}

/* Response o of a row: a standardised target, or 1 for the class (two classes: for class 1). */
static double response_of(const pare_linear *l, int64_t row, int64_t o) {
    const pare_dataset *data = l->train;
    if (data->label) {
        return l->outputs == 1 ? data->label[row] : data->label[row] == o;
    }
    return ((double)data->target[row * data->outputs + o] - (double)data->target_mean[o]) *
           (double)data->target_scale[o];
}

pare_status pare_least_squares_create(pare_linear *l) {
    pare_context *ctx = l->ctx;
    pare_least_squares *s = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    l->squares = s;
    int64_t rows = l->design.rows;
    status = pare_alloc(ctx, l->outputs * rows, sizeof *s->response, &s->response);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, l->outputs, sizeof *s->middle, &s->middle);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, l->outputs, sizeof *s->square, &s->square);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t o = 0; o < l->outputs; o++) {
        double *y = s->response + o * rows, sum = 0, square = 0;
        for (int64_t i = 0; i < rows; i++) {
            y[i] = response_of(l, l->train->train[i], o);
            sum += (l->design.weight ? l->design.weight[i] : 1) * y[i];
        }
        s->middle[o] = sum / l->total;
        for (int64_t i = 0; i < rows; i++) {
            y[i] -= s->middle[o];
            square += (l->design.weight ? l->design.weight[i] : 1) * y[i] * y[i];
        }
        s->square[o] = square;
    }
    return pare_gram_create(l, &s->gram);
}

const double *pare_least_squares_response(const pare_linear *l) {
    return l->squares->response;
}

/* e, factor and right for as many features as the support has room for. */
static pare_status reserve(pare_linear *l) {
    pare_least_squares *s = l->squares;
    int64_t capacity = l->support.capacity, cells = 0;
    if (capacity <= s->capacity) {
        return PARE_OK;
    }
    if (!pare_checked_multiply(capacity, capacity, &cells)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld features",
                         (long long)capacity);
    }
    double *e = NULL, *factor = NULL, *right = NULL;
    pare_status status = pare_alloc(l->ctx, cells, sizeof *e, &e);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, cells, sizeof *factor, &factor);
    }
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, capacity * l->outputs, sizeof *right, &right);
    }
    if (status != PARE_OK) {
        pare_free(l->ctx, e);
        pare_free(l->ctx, factor);
        return status;
    }
    for (int64_t i = 0; i < s->rows_of; i++) {
        memcpy(e + i * capacity, s->e + i * s->capacity, (size_t)(i + 1) * sizeof *e);
        memcpy(factor + i * capacity, s->factor + i * s->capacity, (size_t)(i + 1) * sizeof *e);
        memcpy(right + i * l->outputs, s->right + i * l->outputs,
               (size_t)l->outputs * sizeof *right);
    }
    pare_free(l->ctx, s->e);
    pare_free(l->ctx, s->factor);
    pare_free(l->ctx, s->right);
    s->e = e;
    s->factor = factor;
    s->right = right;
    s->capacity = capacity;
    return PARE_OK;
}

/* Moves what is known about the features that stayed to their new positions. */
static void compact(pare_linear *l) {
    pare_least_squares *s = l->squares;
    const int64_t *origin = l->support.origin;
    int64_t stayed = 0;
    bool moved = false;
    while (stayed < l->support.count && origin[stayed] >= 0 && origin[stayed] < s->rows_of) {
        int64_t from = origin[stayed];
        moved = moved || from != stayed;
        for (int64_t q = 0; moved && q <= stayed; q++) {
            s->e[stayed * s->capacity + q] = s->e[from * s->capacity + origin[q]];
        }
        memmove(s->right + stayed * l->outputs, s->right + from * l->outputs,
                (size_t)l->outputs * sizeof *s->right);
        s->factored = moved && s->factored > stayed ? stayed : s->factored;
        stayed++;
    }
    s->rows_of = stayed;
    s->factored = s->factored < stayed ? s->factored : stayed;
}

/* Rows first .. last - 1 of e through BLAS, in blocks of rows brought to double. */
static pare_status products_of_many(pare_linear *l, int64_t first, int64_t last) {
    pare_least_squares *s = l->squares;
    int64_t rows = l->design.rows, added = last - first, cells = 0;
    double *block = NULL, *weighted = NULL, *sum = NULL;
    pare_status status = PARE_OK;
    if (!pare_checked_multiply(last, added, &cells)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld features",
                         (long long)last);
    }
    status = pare_alloc(l->ctx, last * BLOCK, sizeof *block, &block);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, added * BLOCK, sizeof *weighted, &weighted);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(l->ctx, cells, sizeof *sum, &sum);
    }
    for (int64_t i = 0; status == PARE_OK && i < rows; i += BLOCK) {
        int64_t count = rows - i < BLOCK ? rows - i : BLOCK;
        for (int64_t f = 0; f < last; f++) {
            for (int64_t q = 0; q < count; q++) {
                block[f * BLOCK + q] = (double)l->support.x[f * rows + i + q];
            }
        }
        for (int64_t f = 0; f < added; f++) {
            for (int64_t q = 0; q < count; q++) {
                weighted[f * BLOCK + q] = block[(first + f) * BLOCK + q] *
                                          (l->design.weight ? l->design.weight[i + q] : 1);
            }
        }
        pare_gemm_double(false, true, added, last, count, 1, weighted, BLOCK, block, BLOCK, 1, sum,
                         last);
    }
    for (int64_t a = first; status == PARE_OK && a < last; a++) {
        for (int64_t b = 0; b <= a; b++) {
            s->e[a * s->capacity + b] =
                sum[(a - first) * last + b] -
                l->total * l->mean[l->support.feature[a]] * l->mean[l->support.feature[b]];
        }
    }
    pare_free(l->ctx, block);
    pare_free(l->ctx, weighted);
    pare_free(l->ctx, sum);
    return status;
}

static void products_of_one(pare_linear *l, int64_t a) {
    pare_least_squares *s = l->squares;
    int64_t rows = l->design.rows;
    const float *x = l->support.x;
    for (int64_t b = 0; b <= a; b++) {
        double sum =
            l->design.weight
                ? pare_weighted_products(rows, l->design.weight, x + a * rows, x + b * rows)
                : l->ctx->kernels->dot_double(rows, x + a * rows, x + b * rows);
        s->e[a * s->capacity + b] =
            sum - l->total * l->mean[l->support.feature[a]] * l->mean[l->support.feature[b]];
    }
}

/* Row t of the factor from row t of e. */
static void factor_row(pare_linear *l, int64_t t) {
    pare_least_squares *s = l->squares;
    const double *e = s->e + t * s->capacity;
    double *row = s->factor + t * s->capacity;
    double whole = e[t] + l->ridge * l->total, rest = whole;
    for (int64_t b = 0; b < t; b++) {
        const double *other = s->factor + b * s->capacity;
        double sum = e[b];
        for (int64_t q = 0; q < b; q++) {
            sum -= row[q] * other[q];
        }
        row[b] = other[b] > 0 ? sum / other[b] : 0;
        rest -= row[b] * row[b];
    }
    bool constant = !(l->norm[l->support.feature[t]] > 0);
    row[t] = !constant && rest > dependent * whole ? sqrt(rest) : 0;
}

/* Rows factored .. count - 1 of the factor; many at once through LAPACK if nothing depends. */
static void factorise(pare_linear *l) {
    pare_least_squares *s = l->squares;
    int64_t count = l->support.count;
    bool independent = count - s->factored >= MANY * MANY;
    for (int64_t t = 0; independent && t < count; t++) {
        memcpy(s->factor + t * s->capacity, s->e + t * s->capacity,
               (size_t)(t + 1) * sizeof *s->factor);
        s->factor[t * s->capacity + t] += l->ridge * l->total;
        independent = l->norm[l->support.feature[t]] > 0;
    }
    if (independent) {
        independent = pare_cholesky(count, s->factor, s->capacity) == 0;
        for (int64_t t = 0; independent && t < count; t++) {
            double pivot = s->factor[t * s->capacity + t];
            double whole = s->e[t * s->capacity + t] + l->ridge * l->total;
            independent = pivot * pivot > dependent * whole;
        }
        s->factored = independent ? count : 0;
    } else if (count - s->factored >= MANY * MANY) {
        s->factored = 0; /* the attempt wrote over it */
    }
    for (; s->factored < count; s->factored++) {
        factor_row(l, s->factored);
    }
}

void pare_least_squares_forward(const pare_linear *l, int64_t m, double *z) {
    const pare_least_squares *s = l->squares;
    for (int64_t t = 0; t < l->support.count; t++) {
        const double *row = s->factor + t * s->capacity;
        for (int64_t q = 0; q < t; q++) {
            for (int64_t v = 0; v < m; v++) {
                z[t * m + v] -= row[q] * z[q * m + v];
            }
        }
        for (int64_t v = 0; v < m; v++) {
            z[t * m + v] = row[t] > 0 ? z[t * m + v] / row[t] : 0;
        }
    }
}

static void backward(const pare_linear *l, int64_t m, double *z) {
    const pare_least_squares *s = l->squares;
    for (int64_t t = l->support.count - 1; t >= 0; t--) {
        for (int64_t q = t + 1; q < l->support.count; q++) {
            double factor = s->factor[q * s->capacity + t];
            for (int64_t v = 0; v < m; v++) {
                z[t * m + v] -= factor * z[q * m + v];
            }
        }
        double diagonal = s->factor[t * s->capacity + t];
        for (int64_t v = 0; v < m; v++) {
            z[t * m + v] = diagonal > 0 ? z[t * m + v] / diagonal : 0;
        }
    }
}

/* Loss and R squared on the training rows from the products alone. */
static void score(pare_linear *l) {
    const pare_least_squares *s = l->squares;
    int64_t count = l->support.count, outputs = l->outputs;
    double left = 0, all = 0;
    for (int64_t o = 0; o < outputs; o++) {
        double rest = s->square[o];
        for (int64_t a = 0; a < count; a++) {
            const double *e = s->e + a * s->capacity;
            double sum = e[a] * l->b[a * outputs + o] - 2 * s->right[a * outputs + o];
            for (int64_t b = 0; b < a; b++) {
                sum += 2 * e[b] * l->b[b * outputs + o];
            }
            rest += sum * l->b[a * outputs + o];
        }
        left += fmax(rest, 0);
        all += s->square[o];
    }
    l->fitted.loss = left / (2 * l->total);
    l->fitted.score = all > 0 ? 1 - left / all : NAN;
}

pare_status pare_least_squares_fit(pare_linear *l) {
    pare_least_squares *s = l->squares;
    pare_status status = reserve(l);
    if (status != PARE_OK) {
        return status;
    }
    compact(l);
    int64_t count = l->support.count, outputs = l->outputs, first = s->rows_of;
    if (count - first >= MANY) {
        status = products_of_many(l, first, count);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t a = first; a < count; a++) {
        if (count - first < MANY) {
            products_of_one(l, a);
        }
        for (int64_t o = 0; o < outputs; o++) {
            s->right[a * outputs + o] = pare_weighted_sum(l->design.rows, l->design.weight,
                                                          l->support.x + a * l->design.rows,
                                                          s->response + o * l->design.rows);
        }
    }
    s->rows_of = count;
    factorise(l);
    if (count > 0) {
        memcpy(l->b, s->right, (size_t)(count * outputs) * sizeof *l->b);
    }
    pare_least_squares_forward(l, outputs, l->b);
    backward(l, outputs, l->b);
    for (int64_t o = 0; o < outputs; o++) {
        l->intercept[o] = s->middle[o];
        for (int64_t a = 0; a < count; a++) {
            l->intercept[o] -= l->b[a * outputs + o] * l->mean[l->support.feature[a]];
        }
    }
    s->residual_fits = false;
    for (int64_t a = 0; a < count; a++) {
        l->support.origin[a] = a; /* a second fit of the same finds everything in its place */
    }
    score(l);
    return PARE_OK;
}

void pare_least_squares_residual(pare_linear *l) {
    pare_least_squares *s = l->squares;
    int64_t rows = l->design.rows;
    if (s->residual_fits) {
        return;
    }
    memcpy(l->residual, s->response, (size_t)(l->outputs * rows) * sizeof *l->residual);
    for (int64_t o = 0; o < l->outputs; o++) {
        double *r = l->residual + o * rows;
        for (int64_t a = 0; a < l->support.count; a++) {
            const float *x = l->support.x + a * rows;
            const double b = l->b[a * l->outputs + o], mean = l->mean[l->support.feature[a]];
            for (int64_t i = 0; b != 0 && i < rows; i++) {
                r[i] -= b * ((double)x[i] - mean);
            }
        }
    }
    s->residual_fits = true;
}

pare_status pare_least_squares_product(pare_linear *l) {
    return pare_gram_follow(l->squares->gram);
}

void pare_least_squares_note_products(pare_linear *l) {
    pare_gram_note(l->squares->gram);
}

/* The factor with dependent features made neutral, and from it the inverse of the products. */
static void invert(const pare_linear *l, double *factor, double *inverse) {
    const pare_least_squares *s = l->squares;
    int64_t count = l->support.count;
    memset(factor, 0, (size_t)(count * count) * sizeof *factor);
    memset(inverse, 0, (size_t)(count * count) * sizeof *inverse);
    for (int64_t t = 0; t < count; t++) {
        const double *row = s->factor + t * s->capacity;
        bool used = row[t] > 0;
        if (used) {
            memcpy(factor + t * count, row, (size_t)(t + 1) * sizeof *row);
        }
        factor[t * count + t] = used ? row[t] : 1;
        inverse[t * count + t] = 1;
    }
    pare_cholesky_solve(count, count, factor, count, inverse, count);
}

/* b_g' (inverse_gg)^-1 b_g over the independent features first .. first + width - 1 of a block;
 * part: (width, width) scratch. */
static double block_loss(const pare_linear *l, int64_t first, int64_t width, const double *inverse,
                         double *part, double *z) {
    const pare_least_squares *s = l->squares;
    int64_t count = l->support.count;
    double sum = 0;
    for (int64_t a = 0; a < width; a++) {
        for (int64_t b = 0; b <= a; b++) {
            part[a * width + b] = inverse[(first + a) * count + first + b];
        }
    }
    if (pare_cholesky(width, part, width) != 0) {
        return 0;
    }
    for (int64_t o = 0; o < l->outputs; o++) {
        for (int64_t a = 0; a < width; a++) {
            bool used = s->factor[(first + a) * s->capacity + first + a] > 0;
            double rest = used ? l->b[(first + a) * l->outputs + o] : 0;
            for (int64_t q = 0; q < a; q++) {
                rest -= part[a * width + q] * z[q];
            }
            z[a] = rest / part[a * width + a];
            sum += z[a] * z[a];
        }
    }
    return sum;
}

/* Removing block g raises the penalised sum of squares by b_g' (inverse_gg)^-1 b_g. */
pare_status pare_least_squares_losses(pare_linear *l, double *loss) {
    pare_context *ctx = l->ctx;
    int64_t count = l->support.count, cells = 0;
    double *factor = NULL, *inverse = NULL, *z = NULL;
    if (!pare_checked_multiply(count, count, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld features", (long long)count);
    }
    pare_status status = pare_alloc(ctx, cells, sizeof *factor, &factor);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof *inverse, &inverse);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count, sizeof *z, &z);
    }
    if (status == PARE_OK) {
        invert(l, factor, inverse);
        int64_t first = 0;
        for (int64_t c = 0; c < l->support.candidates; c++) {
            int64_t candidate = l->support.candidate[c];
            int64_t width = l->design.start[candidate + 1] - l->design.start[candidate];
            loss[c] = block_loss(l, first, width, inverse, factor, z) / (2 * l->total);
            first += width;
        }
    }
    pare_free(ctx, factor);
    pare_free(ctx, inverse);
    pare_free(ctx, z);
    return status;
}

/* c_f = x_f' W (residual of the fit on those before `from`), from the factor: x_f'y less the part
 * that the products before it explain. */
pare_status pare_least_squares_gained(pare_linear *l, int64_t from, double *gain) {
    const pare_least_squares *s = l->squares;
    int64_t count = l->support.count, outputs = l->outputs, first = 0;
    double *z = NULL;
    for (int64_t c = 0; c < from; c++) {
        first +=
            l->design.start[l->support.candidate[c] + 1] - l->design.start[l->support.candidate[c]];
    }
    pare_status status = pare_alloc(l->ctx, 2 * count * outputs, sizeof *z, &z);
    if (status != PARE_OK) {
        return status;
    }
    double *product = z + count * outputs; /* (outputs, count) */
    memcpy(z, s->right, (size_t)(count * outputs) * sizeof *z);
    pare_least_squares_forward(l, outputs, z);
    for (int64_t f = first; f < count; f++) {
        for (int64_t o = 0; o < outputs; o++) {
            double rest = s->right[f * outputs + o];
            for (int64_t q = 0; q < first; q++) {
                rest -= s->factor[f * s->capacity + q] * z[q * outputs + o];
            }
            product[o * count + f] = rest;
        }
    }
    for (int64_t c = from, at = first; c < l->support.candidates; c++) {
        int64_t candidate = l->support.candidate[c];
        gain[c - from] = pare_linear_gain(l, candidate, product + at, count);
        at += l->design.start[candidate + 1] - l->design.start[candidate];
    }
    pare_free(l->ctx, z);
    return PARE_OK;
}

pare_status pare_least_squares_visit(pare_linear *l, const pare_visitor *visitor, bool loaded) {
    pare_status status = reserve(l);
    pare_least_squares *s = l->squares;
    int64_t count = l->support.count, size = (int64_t)sizeof(double);
    for (int64_t t = 0; status == PARE_OK && t < count; t++) {
        status = visitor->bytes(visitor->user, s->e + t * s->capacity, (t + 1) * size);
        if (status == PARE_OK) {
            status = visitor->bytes(visitor->user, s->factor + t * s->capacity, (t + 1) * size);
        }
    }
    if (status == PARE_OK && count > 0) {
        status = visitor->bytes(visitor->user, s->right, count * l->outputs * size);
    }
    if (status == PARE_OK && loaded) {
        s->rows_of = s->factored = count;
        s->residual_fits = false;
        for (int64_t a = 0; a < count; a++) {
            l->support.origin[a] = a;
        }
    }
    return status;
}
