/* Rows as the models see them: encoded and standardised. On the hot path of training. */
#include "data/build.h"
#include "data/store.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256 };

/* Everything one chunk of rows needs. */
typedef struct task {
    const pare_dataset *data;
    int64_t count;
    const int64_t *rows;
    int64_t wanted;
    const int64_t *features; /* NULL: all */
    float *out;
} task;

static float cell_of(const pare_table *table, int64_t row, int64_t column) {
    switch (table->storage) {
    case PARE_STORAGE_F32:
        return table->f32[row * table->columns + column];
    case PARE_STORAGE_U8:
        return table->u8[row * table->columns + column];
    case PARE_STORAGE_CSR: {
        int64_t place = pare_table_stored(table, row, column);
        return place < 0 ? 0 : table->value[place];
    }
    case PARE_STORAGE_FILE: {
        float cell = 0;
        pare_store_rows(table->stream, 1, &row, 1, &column, 1, &cell);
        return cell;
    }
    }
    return 0;
}

static float standard(const pare_dataset *data, int64_t feature, float encoded) {
    return (encoded - data->shift[feature]) * data->scale[feature];
}

/* A missing number is the mean, which is 0. */
float pare_dataset_value(const pare_dataset *data, int64_t feature, float cell) {
    const pare_feature *one = &data->feature[feature];
    bool missing = isnan(cell);
    switch (one->kind) {
    case PARE_FEATURE_NUMBER:
        return missing ? 0 : standard(data, feature, cell);
    case PARE_FEATURE_MISSING:
        return standard(data, feature, missing ? 1.0f : 0.0f);
    case PARE_FEATURE_LEVEL:
        return standard(data, feature,
                        (missing ? one->fills : cell == (float)one->level) ? 1.0f : 0.0f);
    }
    return 0;
}

/* Writes the features of one column, over a row in which every cell counts as an encoded 0. */
static void put_cell(const pare_dataset *data, int64_t column, float cell, float *out) {
    const pare_encoding *encoding = &data->encoding[column];
    int64_t feature = encoding->feature;
    if (feature < 0) {
        return;
    }
    bool missing = isnan(cell);
    if (encoding->levels > 0) {
        int64_t level = missing ? encoding->mode : (int64_t)cell;
        out[feature + level] = standard(data, feature + level, 1);
        feature += encoding->levels;
    } else {
        out[feature] = missing ? 0 : standard(data, feature, cell);
        feature++;
    }
    if (missing && encoding->indicator) {
        out[feature] = standard(data, feature, 1);
    }
}

static void gather_row(const pare_dataset *data, int64_t row, float *out) {
    const pare_table *table = &data->table;
    memcpy(out, data->zero, (size_t)data->features * sizeof *out);
    if (table->storage == PARE_STORAGE_CSR) {
        for (int64_t p = table->start[row]; p < table->start[row + 1]; p++) {
            put_cell(data, table->index[p], table->value[p], out);
        }
    } else if (table->storage == PARE_STORAGE_U8) {
        for (int64_t c = 0; c < table->columns; c++) {
            put_cell(data, c, table->u8[row * table->columns + c], out);
        }
    } else {
        for (int64_t c = 0; c < table->columns; c++) {
            put_cell(data, c, table->f32[row * table->columns + c], out);
        }
    }
}

/* Rows are drawn at random while training: ask for the next one in time. */
static void prefetch(const void *memory, int64_t bytes) {
    const char *at = memory;
    for (int64_t b = 0; b < bytes && b < 1024; b += 64) {
        __builtin_prefetch(at + b, 0, 1);
    }
}

static void gather_chunk(void *argument, int64_t chunk) {
    const task *job = argument;
    const pare_dataset *data = job->data;
    const pare_table *table = &data->table;
    const pare_kernels *kernels = data->ctx->kernels;
    int64_t from = chunk * CHUNK;
    int64_t to = job->count - from < CHUNK ? job->count : from + CHUNK;
    bool direct = data->direct && table->storage != PARE_STORAGE_CSR;
    for (int64_t i = from; i < to; i++) {
        float *out = job->out + i * data->features;
        int64_t row = job->rows[i];
        int64_t next = i + 1 < to ? job->rows[i + 1] : row;
        if (direct && table->storage == PARE_STORAGE_U8) {
            prefetch(table->u8 + next * table->columns, table->columns);
            kernels->standardise_u8(data->features, table->u8 + row * table->columns, data->shift,
                                    data->scale, out);
        } else if (direct) {
            prefetch(table->f32 + next * table->columns, 4 * table->columns);
            kernels->standardise(data->features, table->f32 + row * table->columns, data->shift,
                                 data->scale, out);
        } else {
            gather_row(data, row, out);
        }
    }
}

/* Number features whose columns are neighbours go through the kernel together. */
static int64_t run_length(const task *job, int64_t from) {
    const pare_feature *feature = job->data->feature;
    int64_t length = 1, first = job->features[from];
    if (feature[first].kind != PARE_FEATURE_NUMBER) {
        return 1;
    }
    while (from + length < job->wanted) {
        int64_t next = job->features[from + length];
        if (next != first + length || feature[next].kind != PARE_FEATURE_NUMBER ||
            feature[next].column != feature[first].column + length) {
            break;
        }
        length++;
    }
    return length;
}

static void gather_some_chunk(void *argument, int64_t chunk) {
    const task *job = argument;
    const pare_dataset *data = job->data;
    const pare_table *table = &data->table;
    const pare_kernels *kernels = data->ctx->kernels;
    int64_t from = chunk * CHUNK;
    int64_t to = job->count - from < CHUNK ? job->count : from + CHUNK;
    bool sparse = table->storage == PARE_STORAGE_CSR;
    for (int64_t f = 0; f < job->wanted;) {
        int64_t feature = job->features[f], column = data->feature[feature].column;
        int64_t length = sparse ? 1 : run_length(job, f);
        float *out = job->out + f;
        for (int64_t i = from; i < to; i++) {
            int64_t row = job->rows[i];
            float *to_cell = out + i * job->wanted;
            if (length < 8) { /* a call costs more */
                for (int64_t j = 0; j < length; j++) {
                    to_cell[j] =
                        pare_dataset_value(data, feature + j, cell_of(table, row, column + j));
                }
            } else if (table->storage == PARE_STORAGE_U8) {
                kernels->standardise_u8(length, table->u8 + row * table->columns + column,
                                        data->shift + feature, data->scale + feature, to_cell);
            } else {
                kernels->standardise(length, table->f32 + row * table->columns + column,
                                     data->shift + feature, data->scale + feature, to_cell);
            }
        }
        f += length;
    }
}

/* Rows of a file: the cells are read to the front of each row, then encoded from the last feature
 * back, which never needs a cell behind its own place. */
static void gather_file(const task *job) {
    const pare_dataset *data = job->data;
    for (int64_t from = 0; from < job->wanted;) {
        int64_t end = pare_store_features(data, job->count, job->rows, from, job->wanted,
                                          job->features, job->wanted, job->out + from);
        int64_t columns = 0, last = -1;
        for (int64_t f = from; f < end; f++) {
            int64_t column = data->feature[job->features ? job->features[f] : f].column;
            columns += column != last;
            last = column;
        }
        for (int64_t i = 0; i < job->count; i++) {
            float *out = job->out + i * job->wanted + from;
            int64_t cell = columns - 1;
            for (int64_t f = end - 1; f >= from; f--) {
                int64_t feature = job->features ? job->features[f] : f;
                int64_t before =
                    f > from ? data->feature[job->features ? job->features[f - 1] : f - 1].column
                             : -1;
                out[f - from] = pare_dataset_value(data, feature, out[cell]);
                cell -= before != data->feature[feature].column;
            }
        }
        from = end;
    }
}

void pare_dataset_gather(const pare_dataset *data, int64_t count, const int64_t *rows, float *out) {
    task job = {.data = data, .count = count, .rows = rows, .wanted = data->features, .out = out};
    if (data->table.storage == PARE_STORAGE_FILE) {
        gather_file(&job);
        return;
    }
    pare_pool_run(data->ctx->pool, (count + CHUNK - 1) / CHUNK, gather_chunk, &job);
}

void pare_dataset_gather_features(const pare_dataset *data, int64_t count, const int64_t *rows,
                                  int64_t wanted, const int64_t *features, float *out) {
    task job = {data, count, rows, wanted, features, out};
    if (data->table.storage == PARE_STORAGE_FILE) {
        gather_file(&job);
        return;
    }
    pare_pool_run(data->ctx->pool, (count + CHUNK - 1) / CHUNK, gather_some_chunk, &job);
}

void pare_dataset_feature(const pare_dataset *data, int64_t feature, int64_t count,
                          const int64_t *rows, float *out) {
    int64_t column = data->feature[feature].column;
    if (data->table.storage == PARE_STORAGE_FILE) {
        pare_dataset_gather_features(data, count, rows, 1, &feature, out);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        out[i] = pare_dataset_value(data, feature, cell_of(&data->table, rows[i], column));
    }
}
