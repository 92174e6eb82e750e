/*
 * Filters: each candidate's dependence on the target, alone. Candidates are cut into blocks of
 * about 32 features; lanes of the pool take blocks in turn and each block writes its own gains, so
 * the answer does not depend on the number of threads.
 *
 * Mutual information: of the candidate's cells with the class, or with each output in bins (their
 * mean). A number has 16 equal-frequency bins, a category its levels, missing is a cell of its
 * own. Columns chosen together are taken jointly, with 16^(1/columns) bins a number; where that
 * gives more than 256 cells, the best single column stands for them.
 *
 * F, classes: between over within variance, summed over the candidate's standardised features
 * (for one feature the ANOVA F; for several Anderson's pseudo-F, 2001). F, real targets: of the
 * regression on the candidate's features, R squared averaged over outputs; features that depend on
 * earlier ones do not count as degrees of freedom. The number of rows stands for the sum of
 * weights.
 */
#include "kernels/blas.h"
#include "platform/threads.h"
#include "problem/codes.h"
#include "problem/problem.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Features in a block, rows gathered at a time for F, cells of columns taken jointly. */
enum { BLOCK_FEATURES = 32, CHUNK_ROWS = 256, JOINT_CELLS_MAX = 256, LANES_MAX = 64 };

/* Residual sums of squares are not taken to fall below this share of the total: F is finite. */
static const double residual_least = 1e-15;
/* A pivot below this share of its diagonal: the feature depends on those before it. */
static const double pivot_least = 1e-9;

/* Scratch of one lane. */
typedef struct lane {
    float *value;      /* gathered features, row by row */
    int64_t *feature;  /* their numbers */
    int64_t from, end; /* mutual information: features in value */
    float *number;     /* mutual information: (rows) one column */
    int32_t *code;     /* (rows) of the candidate */
    int32_t *part;     /* (rows) of one of its columns */
    double *table;
    pare_coder coder;
    double *weighted; /* F: (CHUNK_ROWS, width) feature times weight */
    double *plain;    /* F: (CHUNK_ROWS, width) */
    double *sum;      /* F: (width or classes, width) */
    double *with;     /* F: (width, outputs) products with the targets, or (width) squares */
} lane;

typedef struct filter {
    pare_context *ctx;
    const pare_dataset *data;
    bool mutual_information;
    int64_t rows;
    int64_t width;        /* features of the widest block */
    int64_t blocks;       /* of candidates */
    int64_t *first;       /* (blocks + 1) first candidate of each */
    double *weight;       /* (rows) of the training rows */
    double total;         /* their sum */
    int64_t targets;      /* columns of the target: 1 for classes */
    pare_codes *target;   /* (targets), mutual information */
    double *real;         /* (rows, targets), F of real targets: mean 0, sum of squares 1 */
    double *class_weight; /* (classes), F of classes */
    int64_t present;      /* classes with weight */
    int64_t lanes;
    lane *lane;   /* (lanes) */
    double *gain; /* borrowed while gains runs */
} filter;

static void filter_destroy(void *self) {
    filter *f = self;
    if (!f) {
        return;
    }
    pare_context *ctx = f->ctx;
    for (int64_t i = 0; f->lane && i < f->lanes; i++) {
        lane *l = &f->lane[i];
        void *const owned[] = {l->value, l->feature,  l->number, l->code, l->part,
                               l->table, l->weighted, l->plain,  l->sum,  l->with};
        for (size_t j = 0; j < sizeof owned / sizeof owned[0]; j++) {
            pare_free(ctx, owned[j]);
        }
        pare_coder_clear(ctx, &l->coder);
    }
    for (int64_t i = 0; f->target && i < f->targets; i++) {
        pare_free(ctx, f->target[i].code);
    }
    pare_free(ctx, f->lane);
    pare_free(ctx, f->target);
    pare_free(ctx, f->first);
    pare_free(ctx, f->weight);
    pare_free(ctx, f->class_weight);
    pare_free(ctx, f->real);
    pare_free(ctx, f);
}

/* One feature of all training rows: *stride apart. Gathers the next ones with it. */
static const float *feature_values(const filter *f, lane *l, int64_t feature, int64_t *stride) {
    if (feature < l->from || feature >= l->end) {
        int64_t left = f->data->features - feature;
        l->from = feature;
        l->end = feature + (left < BLOCK_FEATURES ? left : BLOCK_FEATURES);
        for (int64_t j = l->from; j < l->end; j++) {
            l->feature[j - l->from] = j;
        }
        pare_dataset_gather_features(f->data, f->rows, f->data->train, l->end - l->from, l->feature,
                                     l->value);
    }
    *stride = l->end - l->from;
    return l->value + feature - l->from;
}

/* First feature after those of the column that `feature` begins. */
static int64_t column_end(const pare_dataset *data, int64_t feature, int64_t end) {
    int64_t at = feature + 1;
    while (at < end && data->feature[at].column == data->feature[feature].column) {
        at++;
    }
    return at;
}

/* Cells of the column with features from .. end - 1. */
static int64_t column_cells(const pare_dataset *data, int64_t from, int64_t end, int64_t bins) {
    int64_t cells = 0;
    for (int64_t j = from; j < end; j++) {
        cells += data->feature[j].kind == PARE_FEATURE_NUMBER ? bins : 1;
    }
    return cells;
}

/* Codes of that column into l->part: bins or levels, the last cell for missing. */
static void code_column(const filter *f, lane *l, int64_t from, int64_t end, int64_t bins) {
    const pare_dataset *data = f->data;
    int64_t stride = 0, level = 0;
    for (int64_t j = from; j < end; j++) {
        const float *value = feature_values(f, l, j, &stride);
        pare_feature_kind kind = data->feature[j].kind;
        if (kind == PARE_FEATURE_NUMBER) {
            for (int64_t i = 0; i < f->rows; i++) {
                l->number[i] = value[i * stride];
            }
            bool gaps = j + 1 < end && data->feature[j + 1].kind == PARE_FEATURE_MISSING;
            const float *missing = gaps ? feature_values(f, l, j + 1, &stride) : NULL;
            pare_code_numbers(&l->coder, f->rows, l->number, missing, stride, f->weight, bins,
                              l->part);
            continue;
        }
        /* A standardised indicator is above 0 exactly where it is 1. Missing comes last. */
        if (kind == PARE_FEATURE_LEVEL && level == 0) {
            memset(l->part, 0, (size_t)f->rows * sizeof *l->part);
        }
        int32_t cell =
            (int32_t)(kind == PARE_FEATURE_LEVEL ? level++
                                                 : column_cells(data, from, end, bins) - 1);
        for (int64_t i = 0; i < f->rows; i++) {
            l->part[i] = value[i * stride] > 0 ? cell : l->part[i];
        }
    }
}

static double information(const filter *f, lane *l, pare_codes codes) {
    double sum = 0;
    for (int64_t o = 0; o < f->targets; o++) {
        sum += pare_mutual_information(f->rows, codes, f->target[o], f->weight, l->table);
    }
    return sum / (double)f->targets;
}

/* Bins of a number among `columns` columns taken jointly. */
static int64_t joint_bins(int64_t columns) {
    int64_t bins = (int64_t)(pow(PARE_BINS, 1 / (double)columns) + 1e-9);
    return bins < 2 ? 2 : bins;
}

/* How a candidate is coded: its columns, the bins of each, and the cells of all. */
static int64_t joint_cells(const pare_dataset *data, int64_t candidate, int64_t *bins) {
    int64_t from = data->candidate_start[candidate], end = data->candidate_start[candidate + 1];
    int64_t columns = 0;
    for (int64_t j = from; j < end; j = column_end(data, j, end)) {
        columns++;
    }
    *bins = joint_bins(columns < 1 ? 1 : columns);
    int64_t cells = 1;
    for (int64_t j = from; j < end;) {
        int64_t next = column_end(data, j, end);
        cells *= column_cells(data, j, next, *bins);
        if (columns > 1 && cells > JOINT_CELLS_MAX) {
            return 0;
        }
        j = next;
    }
    return cells;
}

static double candidate_information(const filter *f, lane *l, int64_t candidate) {
    const pare_dataset *data = f->data;
    int64_t from = data->candidate_start[candidate], end = data->candidate_start[candidate + 1];
    int64_t bins = 0;
    int64_t cells = joint_cells(data, candidate, &bins);
    double best = 0;
    memset(l->code, 0, (size_t)f->rows * sizeof *l->code);
    for (int64_t j = from; j < end;) {
        int64_t next = column_end(data, j, end);
        int64_t used = cells > 0 ? bins : PARE_BINS;
        int64_t own = column_cells(data, j, next, used);
        code_column(f, l, j, next, used);
        if (cells == 0) {
            best = fmax(best, information(f, l, (pare_codes){l->part, own}));
        }
        for (int64_t i = 0; cells > 0 && i < f->rows; i++) {
            l->code[i] = (int32_t)(l->code[i] * own + l->part[i]);
        }
        j = next;
    }
    return cells > 0 ? information(f, l, (pare_codes){l->code, cells}) : best;
}

/* Gathers features from .. from + width - 1 of `count` training rows as doubles, and times the
 * weights. */
static void gather_chunk(const filter *f, lane *l, int64_t at, int64_t count, int64_t from,
                         int64_t width) {
    for (int64_t j = 0; j < width; j++) {
        l->feature[j] = from + j;
    }
    pare_dataset_gather_features(f->data, count, f->data->train + at, width, l->feature, l->value);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < width; j++) {
            double value = (double)l->value[i * width + j];
            l->plain[i * width + j] = value;
            l->weighted[i * width + j] = f->weight[at + i] * value;
        }
    }
}

/* ANOVA: sums by class in l->sum (classes, width), squares in l->with. */
static void class_f(const filter *f, lane *l, int64_t block, int64_t from, int64_t width) {
    const pare_dataset *data = f->data;
    memset(l->sum, 0, (size_t)(data->classes * width) * sizeof *l->sum);
    memset(l->with, 0, (size_t)width * sizeof *l->with);
    for (int64_t at = 0; at < f->rows; at += CHUNK_ROWS) {
        int64_t count = f->rows - at < CHUNK_ROWS ? f->rows - at : CHUNK_ROWS;
        gather_chunk(f, l, at, count, from, width);
        for (int64_t i = 0; i < count; i++) {
            double *sum = l->sum + data->label[data->train[at + i]] * width;
            for (int64_t j = 0; j < width; j++) {
                sum[j] += l->weighted[i * width + j];
                l->with[j] += l->weighted[i * width + j] * l->plain[i * width + j];
            }
        }
    }
    for (int64_t c = f->first[block]; c < f->first[block + 1]; c++) {
        double between = 0, all = 0;
        for (int64_t j = data->candidate_start[c]; j < data->candidate_start[c + 1]; j++) {
            double sum = 0, squares = 0;
            for (int64_t k = 0; k < data->classes; k++) {
                double own = l->sum[k * width + j - from];
                sum += own;
                squares += f->class_weight[k] > 0 ? own * own / f->class_weight[k] : 0;
            }
            between += fmax(0, squares - sum * sum / f->total);
            all += fmax(0, l->with[j - from] - sum * sum / f->total);
        }
        double within = fmax(all - between, residual_least * all);
        double free_between = (double)f->present - 1;
        double free_within = fmax(1, (double)f->rows - (double)f->present);
        f->gain[c] =
            within > 0 && free_between > 0 ? between / free_between / (within / free_within) : 0;
    }
}

/* Share of the targets' variance that features from .. from + size - 1 of the block explain, by
 * Cholesky with dependent features left out; *rank: those that count. */
static double explained_share(const filter *f, lane *l, int64_t width, int64_t from, int64_t size,
                              int64_t *rank) {
    double *cross = l->sum, *with = l->with, share = 0;
    *rank = 0;
    for (int64_t j = from; j < from + size; j++) {
        double diagonal = cross[j * width + j], pivot = diagonal;
        for (int64_t p = from; p < j; p++) {
            double value = cross[j * width + p];
            for (int64_t q = from; q < p; q++) {
                value -= cross[j * width + q] * cross[p * width + q];
            }
            /* A feature left out has diagonal 0. */
            value = cross[p * width + p] > 0 ? value / cross[p * width + p] : 0;
            cross[j * width + p] = value;
            pivot -= value * value;
        }
        if (!(pivot > pivot_least * diagonal)) {
            cross[j * width + j] = 0;
            continue;
        }
        cross[j * width + j] = sqrt(pivot);
        ++*rank;
        for (int64_t o = 0; o < f->targets; o++) {
            double value = with[j * f->targets + o];
            for (int64_t p = from; p < j; p++) {
                value -= cross[j * width + p] * with[p * f->targets + o];
            }
            value /= cross[j * width + j];
            with[j * f->targets + o] = value;
            share += value * value / (double)f->targets;
        }
    }
    return fmin(1, share);
}

/* Regression: products among the features in l->sum, with the targets in l->with, both centred. */
static void real_f(const filter *f, lane *l, int64_t block, int64_t from, int64_t width) {
    const pare_dataset *data = f->data;
    double *mean = l->table;
    memset(mean, 0, (size_t)width * sizeof *mean);
    memset(l->sum, 0, (size_t)(width * width) * sizeof *l->sum);
    memset(l->with, 0, (size_t)(width * f->targets) * sizeof *l->with);
    for (int64_t at = 0; at < f->rows; at += CHUNK_ROWS) {
        int64_t count = f->rows - at < CHUNK_ROWS ? f->rows - at : CHUNK_ROWS;
        gather_chunk(f, l, at, count, from, width);
        for (int64_t i = 0; i < count * width; i++) {
            mean[i % width] += l->weighted[i] / f->total;
        }
        pare_gemm_double(true, false, width, width, count, 1, l->weighted, width, l->plain, width,
                         1, l->sum, width);
        pare_gemm_double(true, false, width, f->targets, count, 1, l->weighted, width,
                         f->real + at * f->targets, f->targets, 1, l->with, f->targets);
    }
    /* The targets have weighted mean 0, so only the features' products need centring. */
    for (int64_t j = 0; j < width; j++) {
        for (int64_t p = 0; p < width; p++) {
            l->sum[j * width + p] -= f->total * mean[j] * mean[p];
        }
    }
    for (int64_t c = f->first[block]; c < f->first[block + 1]; c++) {
        int64_t start = data->candidate_start[c], size = data->candidate_start[c + 1] - start;
        int64_t rank = 0;
        double share = explained_share(f, l, width, start - from, size, &rank);
        double free_within = fmax(1, (double)f->rows - 1 - (double)rank);
        f->gain[c] =
            rank > 0 ? share / (double)rank / (fmax(1 - share, residual_least) / free_within) : 0;
    }
}

static void run_lane(void *argument, int64_t number) {
    filter *f = argument;
    lane *l = &f->lane[number];
    const int64_t *start = f->data->candidate_start;
    l->from = l->end = 0;
    for (int64_t block = number; block < f->blocks; block += f->lanes) {
        int64_t from = start[f->first[block]], width = start[f->first[block + 1]] - from;
        if (f->mutual_information) {
            for (int64_t c = f->first[block]; c < f->first[block + 1]; c++) {
                f->gain[c] = candidate_information(f, l, c);
            }
        } else if (f->data->label) {
            class_f(f, l, block, from, width);
        } else {
            real_f(f, l, block, from, width);
        }
    }
}

static pare_status filter_gains(void *self, int64_t selected_count, const int64_t *selected,
                                double *gain) {
    filter *f = self;
    f->gain = gain;
    pare_pool_run(f->ctx->pool, f->lanes, run_lane, f);
    f->gain = NULL;
    for (int64_t i = 0; i < selected_count; i++) {
        gain[selected[i]] = 0;
    }
    return PARE_OK;
}

static const pare_objective_slots filter_slots = {.gains = filter_gains, .destroy = filter_destroy};

/* Cuts the candidates into blocks of at most BLOCK_FEATURES, or of one candidate. */
static pare_status cut_blocks(filter *f) {
    const pare_dataset *data = f->data;
    const int64_t *start = data->candidate_start;
    pare_status status = pare_alloc(f->ctx, data->candidates + 1, sizeof *f->first, &f->first);
    for (int64_t c = 0; status == PARE_OK && c < data->candidates; f->blocks++) {
        f->first[f->blocks] = c;
        int64_t from = start[c++];
        while (c < data->candidates && start[c + 1] - from <= BLOCK_FEATURES) {
            c++;
        }
        f->width = start[c] - from > f->width ? start[c] - from : f->width;
    }
    if (status == PARE_OK) {
        f->first[f->blocks] = data->candidates;
    }
    return status;
}

static pare_status prepare_weights(filter *f) {
    const pare_dataset *data = f->data;
    pare_status status = pare_alloc(f->ctx, f->rows, sizeof *f->weight, &f->weight);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < f->rows; i++) {
        f->weight[i] = data->weight ? (double)data->weight[data->train[i]] : 1;
        f->total += f->weight[i];
    }
    if (!data->label || f->mutual_information) {
        return PARE_OK;
    }
    status = pare_alloc_zero(f->ctx, data->classes, sizeof *f->class_weight, &f->class_weight);
    for (int64_t i = 0; status == PARE_OK && i < f->rows; i++) {
        f->class_weight[data->label[data->train[i]]] += f->weight[i];
    }
    for (int64_t k = 0; status == PARE_OK && k < data->classes; k++) {
        f->present += f->class_weight[k] > 0;
    }
    return status;
}

/* The target as codes; a lane's scratch serves to cut numbers. */
static pare_status code_target(filter *f) {
    const pare_dataset *data = f->data;
    pare_status status = pare_alloc_zero(f->ctx, f->targets, sizeof *f->target, &f->target);
    for (int64_t o = 0; status == PARE_OK && o < f->targets; o++) {
        status = pare_alloc(f->ctx, f->rows, sizeof(int32_t), &f->target[o].code);
        if (status != PARE_OK) {
            return status;
        }
        f->target[o].cells = data->label ? data->classes : PARE_BINS;
        for (int64_t i = 0; i < f->rows; i++) {
            int64_t row = data->train[i];
            if (data->label) {
                f->target[o].code[i] = data->label[row];
            } else {
                f->lane->number[i] = data->target[row * data->outputs + o];
            }
        }
        if (!data->label) {
            pare_code_numbers(&f->lane->coder, f->rows, f->lane->number, NULL, 0, f->weight,
                              PARE_BINS, f->target[o].code);
        }
    }
    return status;
}

/* Real targets with weighted mean 0 and sum of squares 1. */
static pare_status standardise_target(filter *f) {
    const pare_dataset *data = f->data;
    int64_t cells = 0;
    if (!pare_checked_multiply(f->rows, f->targets, &cells)) {
        return pare_fail(f->ctx, PARE_ERROR_MEMORY, "out of memory: %lld targets",
                         (long long)f->targets);
    }
    pare_status status = pare_alloc(f->ctx, cells, sizeof *f->real, &f->real);
    for (int64_t o = 0; status == PARE_OK && o < f->targets; o++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < f->rows; i++) {
            mean += f->weight[i] * (double)data->target[data->train[i] * f->targets + o] / f->total;
        }
        for (int64_t i = 0; i < f->rows; i++) {
            double value = (double)data->target[data->train[i] * f->targets + o] - mean;
            f->real[i * f->targets + o] = value;
            square += f->weight[i] * value * value;
        }
        double factor = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t i = 0; i < f->rows; i++) {
            f->real[i * f->targets + o] *= factor;
        }
    }
    return status;
}

/* Most cells of a candidate times cells of the target, and both margins. */
static bool table_size(const filter *f, int64_t *size) {
    const pare_dataset *data = f->data;
    int64_t most = PARE_BINS + 1, bins = 0;
    for (int64_t c = 0; c < data->candidates; c++) {
        int64_t cells = joint_cells(data, c, &bins);
        most = cells > most ? cells : most;
        int64_t end = data->candidate_start[c + 1];
        for (int64_t j = data->candidate_start[c]; cells == 0 && j < end;) {
            int64_t next = column_end(data, j, end);
            int64_t own = column_cells(data, j, next, PARE_BINS);
            most = own > most ? own : most;
            j = next;
        }
    }
    int64_t cells = data->label ? data->classes : PARE_BINS;
    if (!pare_checked_multiply(most, cells, size) || *size > INT64_MAX - most - cells) {
        return false;
    }
    *size += most + cells;
    return true;
}

static pare_status create_lanes(filter *f) {
    int64_t threads = f->ctx->pool ? pare_pool_threads(f->ctx->pool) : 1;
    threads = threads < LANES_MAX ? threads : LANES_MAX;
    f->lanes = threads < f->blocks ? threads : f->blocks;
    f->lanes = f->lanes < 1 ? 1 : f->lanes;
    bool mi = f->mutual_information;
    int64_t block = f->width > BLOCK_FEATURES ? f->width : BLOCK_FEATURES;
    int64_t groups = f->data->label ? f->data->classes : f->width;
    int64_t value = 0, chunk = 0, sum = 0, with = 0, table = f->width;
    bool fits =
        pare_checked_multiply(mi ? f->rows : CHUNK_ROWS, mi ? BLOCK_FEATURES : f->width, &value) &&
        pare_checked_multiply(CHUNK_ROWS, f->width, &chunk) &&
        pare_checked_multiply(groups, f->width, &sum) &&
        pare_checked_multiply(f->targets, f->width, &with) && (!mi || table_size(f, &table));
    if (!fits) {
        return pare_fail(f->ctx, PARE_ERROR_MEMORY, "out of memory: a candidate of %lld features",
                         (long long)f->width);
    }
    pare_status status = pare_alloc_zero(f->ctx, f->lanes, sizeof *f->lane, &f->lane);
    for (int64_t i = 0; status == PARE_OK && i < f->lanes; i++) {
        lane *l = &f->lane[i];
        const struct {
            void *array;
            int64_t count;
            size_t size;
        } arrays[] = {
            {&l->value, value, sizeof *l->value},
            {&l->feature, block, sizeof *l->feature},
            {&l->table, table, sizeof *l->table},
            {&l->number, mi ? f->rows : 0, sizeof *l->number},
            {&l->code, mi ? f->rows : 0, sizeof *l->code},
            {&l->part, mi ? f->rows : 0, sizeof *l->part},
            {&l->weighted, mi ? 0 : chunk, sizeof *l->weighted},
            {&l->plain, mi ? 0 : chunk, sizeof *l->plain},
            {&l->sum, mi ? 0 : sum, sizeof *l->sum},
            {&l->with, mi ? 0 : with, sizeof *l->with},
        };
        for (size_t j = 0; status == PARE_OK && j < sizeof arrays / sizeof arrays[0]; j++) {
            status = pare_alloc(f->ctx, arrays[j].count, arrays[j].size, arrays[j].array);
        }
        if (status == PARE_OK && mi) {
            status = pare_coder_init(f->ctx, f->rows, &l->coder);
        }
    }
    return status;
}

pare_status pare_filter_create(pare_dataset *train, const pare_options *options,
                               bool mutual_information, pare_objective *out) {
    (void)options;
    *out = (pare_objective){0};
    pare_context *ctx = train->ctx;
    filter *f = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *f, &f);
    if (status != PARE_OK) {
        return status;
    }
    f->ctx = ctx;
    f->data = train;
    f->mutual_information = mutual_information;
    f->rows = train->train_count;
    f->targets = train->label ? 1 : train->outputs;
    status = cut_blocks(f);
    if (status != PARE_OK) {
        goto fail;
    }
    status = prepare_weights(f);
    if (status != PARE_OK) {
        goto fail;
    }
    status = create_lanes(f);
    if (status != PARE_OK) {
        goto fail;
    }
    if (mutual_information) {
        status = code_target(f);
    } else if (!train->label) {
        status = standardise_target(f);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    *out = (pare_objective){.slots = &filter_slots,
                            .self = f,
                            .count = train->candidates,
                            .gain_kind = PARE_GAIN_FILTER,
                            .start = train->candidate_start,
                            .name = mutual_information ? "mutual information" : "F statistic"};
    return PARE_OK;
fail:
    filter_destroy(f);
    return status;
}
