/* A dataset over a table that stays in its file: what is held in memory, and one pass to measure.
 */
#include "data/build.h"
#include "data/store.h"
#include "platform/cluster.h"

#include <math.h>
#include <string.h>

/* Columns that are no features are held in memory. */
pare_status pare_build_hold(pare_build *build) {
    pare_table *table = &build->data->table;
    for (int64_t j = 0; j < table->columns; j++) {
        if (build->role[j] == PARE_ROLE_IGNORED) {
            continue;
        }
        if (build->role[j] != PARE_ROLE_FEATURE) {
            pare_status status =
                pare_alloc(build->ctx, table->rows, sizeof(float), &table->held[j]);
            if (status != PARE_OK) {
                return status;
            }
        } else if (table->column[j].levels > 0) {
            return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: column '%.100s' is categorical; a table read in pieces (option "
                             "memory) may have number columns only: ignore it, or leave the "
                             "option out",
                             table->source, table->column[j].name);
        }
    }
    if (build->options->categorical[0]) {
        return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                         "option categorical: not for a table read in pieces (option memory)");
    }
    return pare_store_columns(table->stream, table->held);
}

typedef struct survey {
    const pare_build *build;
    const float *center; /* (columns) the first row */
    double *partial;     /* (columns, 3): sum, square, zeros */
    int64_t *odd;        /* (columns) first row whose cell is missing or infinite, -1: none */
} survey;

enum { TILE = 256, LANES = 8, SUMS = 3 };

static void add_tile(const float *x, const float *weight, int64_t count, double center,
                     double *out) {
    double sum[LANES] = {0}, square[LANES] = {0};
    int64_t i = 0, zeros = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            double d = (double)x[i + k] - center, w = (double)weight[i + k];
            sum[k] += w * d;
            square[k] += w * d * d;
        }
    }
    for (; i < count; i++) {
        double d = (double)x[i] - center, w = (double)weight[i];
        sum[0] += w * d;
        square[0] += w * d * d;
    }
    for (i = 0; i < count; i++) {
        zeros += (x[i] == 0) & (weight[i] > 0);
    }
    for (int k = 0; k < LANES; k++) {
        out[0] += sum[k];
        out[1] += square[k];
    }
    out[2] += (double)zeros;
}

static void survey_piece(void *user, const pare_piece *piece) {
    const survey *s = user;
    float scratch[TILE];
    for (int64_t c = 0; c < piece->columns; c++) {
        int64_t column = piece->column + c;
        if (s->build->role[column] != PARE_ROLE_FEATURE) {
            continue;
        }
        for (int64_t i = 0; i < piece->rows; i += TILE) {
            int64_t count = piece->rows - i < TILE ? piece->rows - i : TILE;
            const float *x = pare_piece_values(piece, c, i, count, scratch);
            float check = 0;
            for (int64_t q = 0; q < count; q++) {
                check += x[q] - x[q]; /* NaN if any is not finite */
            }
            if (!(check == 0)) {
                for (int64_t q = 0; q < count && s->odd[column] < 0; q++) {
                    s->odd[column] = isfinite(x[q]) ? -1 : piece->row + i + q;
                }
                continue;
            }
            add_tile(x, s->build->part_weight + piece->row + i, count, (double)s->center[column],
                     s->partial + SUMS * column);
        }
    }
}

/* The first row, which every rank has at hand. */
static pare_status find_centers(pare_table *table, float *center) {
    int64_t *all = NULL;
    const int64_t row = 0;
    pare_status status = pare_alloc(table->ctx, table->columns, sizeof *all, &all);
    for (int64_t c = 0; status == PARE_OK && c < table->columns; c++) {
        all[c] = c;
    }
    if (status == PARE_OK) {
        pare_store_rows(table->stream, 1, &row, table->columns, all, center);
        status = pare_store_trouble(table->stream);
    }
    pare_free(table->ctx, all);
    return pare_cluster_agree(table->ctx, status);
}

static pare_status refuse_odd(const pare_table *table, const int64_t *odd) {
    for (int64_t j = 0; j < table->columns; j++) {
        char place[PARE_PLACE_SIZE];
        if (odd[j] >= 0) {
            return pare_fail(table->ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: column '%.100s' is missing or infinite; a table read in pieces "
                             "(option memory) may have finite numbers only",
                             pare_table_place(table, odd[j], place), table->column[j].name);
        }
    }
    return PARE_OK;
}

pare_status pare_build_survey(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = build->data;
    pare_table *table = &data->table;
    float *center = NULL;
    double *total = NULL;
    survey s = {.build = build};
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&build->moments, table->columns, sizeof *build->moments},
                  {&build->gaps, table->columns, 1},
                  {&s.odd, table->columns, sizeof *s.odd},
                  {&center, table->columns, sizeof *center},
                  {&s.partial, SUMS * table->columns, sizeof *s.partial},
                  {&total, SUMS * table->columns, sizeof *total}};
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
    }
    status = pare_cluster_agree(ctx, status);
    if (status == PARE_OK) {
        memset(s.odd, 0xFF, (size_t)table->columns * sizeof *s.odd); /* -1 */
        status = find_centers(table, center);
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        center[j] = isfinite(center[j]) ? center[j] : 0;
    }
    if (status == PARE_OK) {
        s.center = center;
        status = pare_store_sum(table->stream, survey_piece, &s, SUMS * table->columns, s.partial,
                                total);
    }
    if (status == PARE_OK) {
        status = pare_cluster_agree(ctx, refuse_odd(table, s.odd));
    }
    double weight = 0;
    for (int64_t i = 0; status == PARE_OK && i < data->train_count; i++) {
        weight += (double)build->part_weight[data->train[i]];
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        build->moments[j] = (pare_moments){.center = (double)center[j],
                                           .weight = weight,
                                           .sum = total[SUMS * j],
                                           .square = total[SUMS * j + 1],
                                           .zeros = (int64_t)total[SUMS * j + 2]};
    }
    data->checksum = pare_store_identity(table->stream);
    pare_free(ctx, s.odd);
    pare_free(ctx, center);
    pare_free(ctx, s.partial);
    pare_free(ctx, total);
    return status;
}
