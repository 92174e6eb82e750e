#include "data/store_survey.h"

#include "platform/cluster.h"

#include <math.h>
#include <string.h>

enum { TILE = 256, LANES = 8, LOOKS = 16, LOOK_ROWS = 16 };

typedef struct task {
    const pare_build *build;
    pare_survey *s;
} task;

/* ---- One column of a piece ------------------------------------------------------------------- */

static void add_numbers(const float *x, const float *weight, int64_t count, double center,
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
        out[PARE_SURVEY_SUM] += sum[k];
        out[PARE_SURVEY_SQUARE] += square[k];
    }
    out[PARE_SURVEY_ZEROS] += (double)zeros;
}

static void add_gap(const task *t, int64_t row, double *out) {
    out[PARE_SURVEY_GAPS]++;
    out[PARE_SURVEY_TRAIN_GAPS] += t->s->training[row];
    out[PARE_SURVEY_GAP_WEIGHT] += (double)t->build->part_weight[row];
}

static void number_tile(const task *t, int64_t column, int64_t row, const float *x, int64_t count) {
    double *out = t->s->partial + t->s->at[column], center = (double)t->s->center[column];
    const float *weight = t->build->part_weight + row;
    float check = 0;
    for (int64_t q = 0; q < count; q++) {
        check += x[q] - x[q]; /* NaN if any is not finite */
    }
    if (check == 0) {
        add_numbers(x, weight, count, center, out);
        return;
    }
    for (int64_t q = 0; q < count; q++) {
        if (isnan(x[q])) {
            add_gap(t, row + q, out);
        } else if (isinf(x[q])) {
            t->s->odd[column] = t->s->odd[column] < 0 ? row + q : t->s->odd[column];
        } else {
            add_numbers(x + q, weight + q, 1, center, out);
        }
    }
}

static void level_tile(const task *t, int64_t column, int64_t row, const float *x, int64_t count) {
    double *out = t->s->partial + t->s->at[column];
    double *first = t->s->first + t->s->level_at[column];
    int64_t levels = t->build->data->table.column[column].levels;
    for (int64_t q = 0; q < count; q++) {
        if (isnan(x[q])) {
            add_gap(t, row + q, out);
        } else if (!pare_survey_level(x[q], levels)) {
            t->s->odd[column] = t->s->odd[column] < 0 ? row + q : t->s->odd[column];
        } else if (t->s->training[row + q]) {
            int64_t level = (int64_t)x[q];
            out[PARE_SURVEY_LEVELS + level] += (double)t->build->part_weight[row + q];
            first[level] = first[level] < (double)(row + q) ? first[level] : (double)(row + q);
        }
    }
}

static void survey_piece(void *user, const pare_piece *piece) {
    const task *t = user;
    float scratch[TILE];
    for (int64_t c = 0; c < piece->columns; c++) {
        int64_t column = piece->column + c;
        bool levels = t->build->data->table.column[column].levels > 0;
        for (int64_t i = 0; t->build->role[column] == PARE_ROLE_FEATURE && i < piece->rows;
             i += TILE) {
            int64_t count = piece->rows - i < TILE ? piece->rows - i : TILE;
            const float *x = pare_piece_values(piece, c, i, count, scratch);
            (levels ? level_tile : number_tile)(t, column, piece->row + i, x, count);
        }
    }
}

/* ---- All of it ------------------------------------------------------------------------------ */

/* A value of a training row near the start, which every rank has at hand. */
static pare_status find_centers(const pare_build *build, pare_survey *s) {
    const pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    int64_t *all = NULL, open = table->columns;
    float *cell = NULL;
    pare_status status = pare_alloc(build->ctx, table->columns, sizeof *all, &all);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, LOOK_ROWS * table->columns, sizeof *cell, &cell);
    }
    for (int64_t c = 0; status == PARE_OK && c < table->columns; c++) {
        all[c] = c;
        s->centred[c] = build->role[c] != PARE_ROLE_FEATURE || table->column[c].levels > 0;
        open -= s->centred[c];
    }
    for (int64_t i = 0; status == PARE_OK && open > 0 && i < LOOKS * LOOK_ROWS; i += LOOK_ROWS) {
        int64_t left = data->train_count - i, rows = left < LOOK_ROWS ? left : LOOK_ROWS;
        if (rows <= 0) {
            break;
        }
        pare_store_rows(table->stream, rows, data->train + i, table->columns, all, table->columns,
                        cell);
        status = pare_store_trouble(table->stream);
        for (int64_t q = 0; status == PARE_OK && q < rows * table->columns; q++) {
            int64_t c = q % table->columns;
            if (!s->centred[c] && isfinite(cell[q]) &&
                build->part_weight[data->train[i + q / table->columns]] > 0) {
                s->center[c] = cell[q];
                s->centred[c] = 1;
                open--;
            }
        }
    }
    pare_free(build->ctx, all);
    pare_free(build->ctx, cell);
    return pare_cluster_agree(build->ctx, status);
}

pare_status pare_survey_refuse(const pare_table *table, int64_t row, int64_t column) {
    char place[PARE_PLACE_SIZE];
    bool levels = table->column[column].levels > 0;
    return pare_fail(table->ctx, PARE_ERROR_INPUT,
                     levels ? "%s: column '%.100s' holds a category that the file does not list: "
                              "the file is damaged"
                            : "%s: column '%.100s' is infinite; a finite number was expected",
                     pare_table_place(table, row, place), table->column[column].name);
}

/* The first of all ranks. */
static pare_status share_first(pare_context *ctx, int64_t count, double *first) {
    double *all = NULL;
    int64_t cells = 0, ranks = pare_cluster_size();
    if (ranks == 1) {
        return PARE_OK;
    }
    pare_status status = pare_checked_multiply(count, ranks, &cells)
                             ? pare_alloc(ctx, cells, sizeof *all, &all)
                             : pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: categories");
    status = pare_cluster_agree(ctx, status);
    if (status == PARE_OK) {
        pare_cluster_gather(count, first, all);
    }
    for (int64_t q = 0; status == PARE_OK && q < cells; q++) {
        first[q % count] = fmin(first[q % count], all[q]);
    }
    pare_free(ctx, all);
    return status;
}

/* Places of the columns' sums and levels. */
static void lay_out(const pare_build *build, pare_survey *s) {
    const pare_table *table = &build->data->table;
    for (int64_t j = 0; j < table->columns; j++) {
        int64_t levels = build->role[j] == PARE_ROLE_FEATURE ? table->column[j].levels : 0;
        s->at[j + 1] =
            s->at[j] + (levels > 0 ? PARE_SURVEY_LEVELS + levels : PARE_SURVEY_NUMBER_SUMS);
        s->level_at[j + 1] = s->level_at[j] + levels;
    }
}

static pare_status reserve(const pare_build *build, pare_survey *s) {
    const pare_table *table = &build->data->table;
    int64_t columns = table->columns;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&s->center, columns, sizeof *s->center}, {&s->centred, columns, 1},
        {&s->training, table->rows, 1},           {&s->at, columns + 1, sizeof *s->at},
        {&s->odd, columns, sizeof *s->odd},       {&s->level_at, columns + 1, sizeof *s->at}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(build->ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    lay_out(build, s);
    pare_status status = pare_alloc(build->ctx, s->at[columns], sizeof *s->partial, &s->partial);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, s->at[columns], sizeof *s->total, &s->total);
    }
    return status == PARE_OK
               ? pare_alloc(build->ctx, s->level_at[columns], sizeof *s->first, &s->first)
               : status;
}

pare_status pare_survey_run(const pare_build *build, pare_survey *s) {
    const pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    task t = {build, s};
    *s = (pare_survey){0};
    pare_status status = pare_cluster_agree(build->ctx, reserve(build, s));
    if (status == PARE_OK) {
        status = find_centers(build, s);
    }
    if (status != PARE_OK) {
        return status;
    }
    memset(s->odd, 0xFF, (size_t)table->columns * sizeof *s->odd); /* -1 */
    for (int64_t i = 0; i < data->train_count; i++) {
        s->training[data->train[i]] = 1;
    }
    for (int64_t l = 0; l < s->level_at[table->columns]; l++) {
        s->first[l] = (double)table->rows;
    }
    status = pare_store_sum(table->stream, survey_piece, &t, s->at[table->columns], s->partial,
                            s->total);
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        status = s->odd[j] >= 0 ? pare_survey_refuse(table, s->odd[j], j) : PARE_OK;
    }
    status = pare_cluster_agree(build->ctx, status);
    return status == PARE_OK ? share_first(build->ctx, s->level_at[table->columns], s->first)
                             : status;
}

void pare_survey_clear(pare_context *ctx, pare_survey *s) {
    void *const owned[] = {s->center,  s->centred, s->training, s->at, s->level_at,
                           s->partial, s->total,   s->first,    s->odd};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    *s = (pare_survey){0};
}
