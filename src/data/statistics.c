/*
 * Mean, scale and share of zeros of every feature over the training rows. Sums are taken about a
 * value near the mean of the column, in double, so a large offset (1e6 + noise) costs nothing:
 * variance = (S2 - S1^2 / W) / W with S1, S2 about the centre, W the sum of weights (Chan, Golub,
 * LeVeque 1983, shifted data). 8-bit columns without weights are summed exactly, in integers.
 */
#include "data/build.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256, ROWS = 64, SAMPLE = 32, WIDE = 16, FLUSH = 32768 };

typedef struct task {
    const pare_build *build;
    pare_moments *of; /* (columns) */
} task;

/* Mean of the first SAMPLE values of each column: exact for a constant column. */
static void find_centers(const pare_build *build, int64_t from, int64_t width, pare_moments *of) {
    const pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    int64_t count[BLOCK] = {0}, open = width;
    for (int64_t i = 0; i < data->train_count && open > 0; i++) {
        int64_t row = data->train[i];
        const float *cell = table->f32 + row * table->columns + from;
        for (int64_t j = 0; j < width && build->part_weight[row] > 0; j++) {
            if (count[j] < SAMPLE && !isnan(cell[j])) {
                of[j].center += (double)cell[j];
                open -= ++count[j] == SAMPLE;
            }
        }
    }
    for (int64_t j = 0; j < width; j++) {
        of[j].center = count[j] > 0 ? (double)(float)(of[j].center / (double)count[j]) : 0;
    }
}

/* Zeros of a few rows of a block that lies in the cache. */
static void count_zeros(const float *cell, int64_t rows, int64_t stride, int64_t width,
                        const float *weight, pare_moments *of) {
    int32_t zeros[BLOCK] = {0};
    for (int64_t i = 0; i < rows; i++) {
        const float *row = cell + i * stride;
        int64_t j = 0;
        for (; j + WIDE <= width && weight[i] > 0; j += WIDE) {
            for (int k = 0; k < WIDE; k++) {
                zeros[j + k] += row[j + k] == 0;
            }
        }
        for (; j < width && weight[i] > 0; j++) {
            zeros[j] += row[j] == 0;
        }
    }
    for (int64_t j = 0; j < width; j++) {
        of[j].zeros += zeros[j];
    }
}

static void add_with_gaps(const float *cell, int64_t rows, int64_t stride, int64_t width,
                          const float *weight, pare_moments *of) {
    for (int64_t i = 0; i < rows; i++) {
        const float *row = cell + i * stride;
        double w = (double)weight[i];
        for (int64_t j = 0; j < width && w > 0; j++) {
            if (!isnan(row[j])) {
                double value = (double)row[j] - of[j].center;
                of[j].weight += w;
                of[j].sum += w * value;
                of[j].square += w * value * value;
            }
        }
    }
}

static void float_block(const task *job, int64_t from, int64_t width, pare_moments *of) {
    const pare_build *build = job->build;
    const pare_table *table = &build->data->table;
    const pare_kernels *kernels = build->ctx->kernels;
    double sum[BLOCK] = {0}, square[BLOCK] = {0};
    float center[BLOCK];
    bool gaps = false;
    find_centers(build, from, width, of);
    for (int64_t j = 0; j < width; j++) {
        center[j] = (float)of[j].center;
        gaps = gaps || build->gaps[from + j] > 0;
    }
    double total = 0;
    for (int64_t i = 0; i < table->rows; i += ROWS) {
        int64_t rows = table->rows - i < ROWS ? table->rows - i : ROWS;
        const float *cell = table->f32 + i * table->columns + from;
        const float *weight = build->part_weight + i;
        count_zeros(cell, rows, table->columns, width, weight, of);
        if (gaps) {
            add_with_gaps(cell, rows, table->columns, width, weight, of);
        } else {
            kernels->columns_moments(rows, width, cell, table->columns, weight, center, sum,
                                     square);
            for (int64_t r = 0; r < rows; r++) {
                total += (double)weight[r];
            }
        }
    }
    for (int64_t j = 0; j < width && !gaps; j++) {
        of[j].weight = total;
        of[j].sum = sum[j];
        of[j].square = square[j];
    }
}

/* FLUSH rows of squares up to 255^2 fit in 32 bits. */
static void byte_block(const task *job, int64_t from, int64_t width, pare_moments *of) {
    const pare_dataset *data = job->build->data;
    const pare_table *table = &data->table;
    uint32_t sum[BLOCK], square[BLOCK], zeros[BLOCK];
    for (int64_t i = 0; i < data->train_count;) {
        int64_t end = data->train_count - i < FLUSH ? data->train_count : i + FLUSH;
        memset(sum, 0, sizeof sum);
        memset(square, 0, sizeof square);
        memset(zeros, 0, sizeof zeros);
        for (; i < end; i++) {
            const uint8_t *cell = table->u8 + data->train[i] * table->columns + from;
            int64_t j = 0;
            for (; j + WIDE <= width; j += WIDE) {
                for (int k = 0; k < WIDE; k++) {
                    uint32_t value = cell[j + k];
                    sum[j + k] += value;
                    square[j + k] += value * value;
                    zeros[j + k] += value == 0;
                }
            }
            for (; j < width; j++) {
                uint32_t value = cell[j];
                sum[j] += value;
                square[j] += value * value;
                zeros[j] += value == 0;
            }
        }
        for (int64_t j = 0; j < width; j++) {
            of[j].sum += (double)sum[j];
            of[j].square += (double)square[j];
            of[j].zeros += zeros[j];
        }
    }
    for (int64_t j = 0; j < width; j++) {
        of[j].weight = (double)data->train_count;
    }
}

static void weighted_byte_block(const task *job, int64_t from, int64_t width, pare_moments *of) {
    const pare_dataset *data = job->build->data;
    const pare_table *table = &data->table;
    for (int64_t i = 0; i < data->train_count; i++) {
        const uint8_t *cell = table->u8 + data->train[i] * table->columns + from;
        double w = (double)job->build->part_weight[data->train[i]];
        for (int64_t j = 0; j < width && w > 0; j++) {
            double value = cell[j];
            of[j].weight += w;
            of[j].sum += w * value;
            of[j].square += w * value * value;
            of[j].zeros += cell[j] == 0;
        }
    }
}

static void run_block(void *argument, int64_t block) {
    const task *job = argument;
    const pare_dataset *data = job->build->data;
    int64_t from = block * BLOCK;
    int64_t width = data->table.columns - from < BLOCK ? data->table.columns - from : BLOCK;
    if (data->table.storage == PARE_STORAGE_F32) {
        float_block(job, from, width, job->of + from);
    } else if (data->weight) {
        weighted_byte_block(job, from, width, job->of + from);
    } else {
        byte_block(job, from, width, job->of + from);
    }
}

/* Two passes over the stored cells; the zeros that are not stored are added in between. */
static void sparse_moments(const task *job, double total, int64_t rows) {
    const pare_build *build = job->build;
    const pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    pare_moments *of = job->of;
    for (int64_t j = 0; j < table->columns; j++) {
        of[j].weight = total;
        of[j].zeros = rows;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < data->train_count; i++) {
            int64_t row = data->train[i];
            double w = (double)build->part_weight[row];
            for (int64_t p = table->start[row]; p < table->start[row + 1] && w > 0; p++) {
                pare_moments *one = &of[table->index[p]];
                double cell = (double)table->value[p];
                if (isnan(cell)) {
                    one->weight -= pass == 0 ? w : 0;
                    one->zeros -= pass == 0;
                } else if (pass == 0) {
                    one->sum += w * cell;
                    one->zeros -= cell != 0;
                } else { /* replaces what the same cell gave as a zero */
                    double value = cell - one->center;
                    one->sum += w * cell;
                    one->square += w * (value * value - one->center * one->center);
                }
            }
        }
        for (int64_t j = 0; j < table->columns && pass == 0; j++) {
            double mean = of[j].weight > 0 ? of[j].sum / of[j].weight : 0;
            of[j].center = mean;
            of[j].sum = -of[j].weight * mean; /* all cells as zeros, about the mean */
            of[j].square = of[j].weight * mean * mean;
        }
    }
}

static void set_feature(pare_dataset *data, int64_t feature, double mean, double variance) {
    data->mean[feature] = mean;
    data->variance[feature] = variance;
    data->shift[feature] = (float)mean;
    data->scale[feature] = variance > 0 ? (float)(1 / sqrt(variance)) : 0;
    data->zero[feature] = (0 - data->shift[feature]) * data->scale[feature];
}

/* A feature of 0 and 1 with the given weight of ones; returns its share of zeros. */
static double set_flag(pare_dataset *data, int64_t feature, double ones, double total) {
    double share = ones / total;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    set_feature(data, feature, share, ones > 0 && ones < total ? share * (1 - share) : 0);
    return 1 - share;
}

/* Number columns; returns the sum of their shares of zeros. A missing cell is the mean. */
static double set_numbers(pare_build *build, const pare_moments *of, double total, int64_t rows) {
    pare_dataset *data = build->data;
    double zeros = 0;
    for (int64_t j = 0; j < data->table.columns; j++) {
        const pare_encoding *encoding = &data->encoding[j];
        if (encoding->feature < 0 || encoding->levels > 0) {
            continue;
        }
        double weight = of[j].weight;
        double mean = weight > 0 ? of[j].sum / weight : 0;
        double variance = weight > 0 ? of[j].square / weight - mean * mean : 0;
        double offset = of[j].center + mean;
        variance = variance > 1e-28 * offset * offset ? variance * weight / total : 0;
        set_feature(data, encoding->feature, offset, variance);
        zeros += (double)of[j].zeros / (double)rows;
        if (encoding->indicator) {
            zeros += set_flag(data, encoding->feature + 1, total - weight, total);
        }
    }
    return zeros;
}

/* Weight of the training rows with each level, by feature; of a MISSING feature, of those without
 * a value. */
static void weigh_levels(const pare_build *build, double *weight) {
    const pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    for (int64_t i = 0; i < data->train_count; i++) {
        const float *cell = table->f32 + data->train[i] * table->columns;
        double w = (double)build->part_weight[data->train[i]];
        for (int64_t j = 0; j < table->columns; j++) {
            const pare_encoding *encoding = &data->encoding[j];
            if (encoding->feature >= 0 && encoding->levels > 0) {
                int64_t level = isnan(cell[j]) ? encoding->levels : (int64_t)cell[j];
                if (level < encoding->levels || encoding->indicator) {
                    weight[encoding->feature + level] += w;
                }
            }
        }
    }
}

/* The same of a file, whose survey has found them. */
static void copy_levels(const pare_build *build, double *weight) {
    const pare_dataset *data = build->data;
    for (int64_t j = 0; j < data->table.columns; j++) {
        const pare_encoding *encoding = &data->encoding[j];
        if (encoding->feature >= 0 && encoding->levels > 0) {
            memcpy(weight + encoding->feature, build->level_weight + build->level_at[j],
                   (size_t)(encoding->levels + encoding->indicator) * sizeof *weight);
        }
    }
}

/* Level columns: counts, mode (first of the heaviest), flags. */
static pare_status set_levels(pare_build *build, double total, double *zeros) {
    pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    double *weight = NULL;
    pare_status status = pare_alloc_zero(build->ctx, data->features, sizeof *weight, &weight);
    if (status == PARE_OK) {
        (table->storage == PARE_STORAGE_FILE ? copy_levels : weigh_levels)(build, weight);
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        pare_encoding *encoding = &data->encoding[j];
        if (encoding->feature < 0 || encoding->levels == 0) {
            continue;
        }
        double *count = weight + encoding->feature;
        for (int32_t l = 1; l < encoding->levels; l++) {
            encoding->mode = count[l] > count[encoding->mode] ? l : encoding->mode;
        }
        data->feature[encoding->feature + encoding->mode].fills = true;
        if (encoding->indicator) {
            double missing = count[encoding->levels];
            count[encoding->mode] += missing;
            *zeros += set_flag(data, encoding->feature + encoding->levels, missing, total);
        }
        for (int32_t l = 0; l < encoding->levels; l++) {
            *zeros += set_flag(data, encoding->feature + l, count[l], total);
        }
    }
    pare_free(build->ctx, weight);
    return status;
}

pare_status pare_build_statistics(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    task job = {.build = build};
    double total = 0, zeros = 0;
    int64_t rows = 0;
    bool levels = false;
    for (int64_t i = 0; i < data->train_count; i++) {
        double w = (double)build->part_weight[data->train[i]];
        total += w;
        rows += w > 0;
    }
    for (int64_t j = 0; j < table->columns; j++) {
        levels = levels || (data->encoding[j].feature >= 0 && data->encoding[j].levels > 0);
    }
    pare_status status = PARE_OK;
    if (table->storage != PARE_STORAGE_FILE) {
        status = pare_alloc_zero(build->ctx, table->columns, sizeof *job.of, &job.of);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (table->storage == PARE_STORAGE_CSR) {
        sparse_moments(&job, total, rows);
    } else if (table->storage != PARE_STORAGE_FILE) {
        pare_pool_run(build->ctx->pool, (table->columns + BLOCK - 1) / BLOCK, run_block, &job);
    }
    zeros = set_numbers(build, job.of ? job.of : build->moments, total, rows);
    if (levels) {
        status = set_levels(build, total, &zeros);
    }
    data->zero_share = zeros / (double)data->features;
    data->measured = data->train;
    pare_free(build->ctx, job.of);
    return status;
}
