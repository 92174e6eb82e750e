/* Rows as CSR, encoded but not standardised: for tables that are mostly zeros. */
#include "data/dataset.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256 };

typedef struct task {
    const pare_dataset *data;
    int64_t count;
    const int64_t *rows;
    const uint8_t *keep; /* (features rounded up to 8): 0xFF where the feature is not constant */
    int64_t *start;      /* first pass: (count + 1), entry i + 1 gets the length of row i */
    int32_t *index;      /* second pass; NULL in the first */
    float *value;
} task;

/* One stored value of a row: counts it, or writes it. */
static inline int64_t put(const task *job, int64_t feature, float value, int64_t at) {
    if (value == 0 || !job->keep[feature]) {
        return at;
    }
    if (job->index) {
        job->index[at] = (int32_t)feature;
        job->value[at] = value;
    }
    return at + 1;
}

static int64_t put_cell(const task *job, int64_t column, float cell, int64_t at) {
    const pare_dataset *data = job->data;
    const pare_encoding *encoding = &data->encoding[column];
    int64_t feature = encoding->feature;
    if (feature < 0) {
        return at;
    }
    bool missing = isnan(cell);
    if (encoding->levels > 0) {
        at = put(job, feature + (missing ? encoding->mode : (int64_t)cell), 1, at);
        feature += encoding->levels;
    } else {
        at = put(job, feature, missing ? data->shift[feature] : cell, at);
        feature++;
    }
    return missing && encoding->indicator ? put(job, feature, 1, at) : at;
}

static int64_t put_row(const task *job, int64_t row, int64_t at) {
    const pare_table *table = &job->data->table;
    if (table->storage == PARE_STORAGE_CSR) {
        for (int64_t p = table->start[row]; p < table->start[row + 1]; p++) {
            at = put_cell(job, table->index[p], table->value[p], at);
        }
        return at;
    }
    for (int64_t c = 0; c < table->columns; c++) {
        float cell = table->storage == PARE_STORAGE_U8 ? (float)table->u8[row * table->columns + c]
                                                       : table->f32[row * table->columns + c];
        at = put_cell(job, c, cell, at);
    }
    return at;
}

/* High bit of each byte of the word that is not zero. */
static inline uint64_t nonzero_bytes(uint64_t word) {
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    return (((word & low) + low) | word) & ~low;
}

/* Eight 8-bit cells at a time; feature j is column j. */
static int64_t put_bytes(const task *job, const uint8_t *cell, int64_t at) {
    int64_t columns = job->data->table.columns;
    for (int64_t j = 0; j < columns; j += 8) {
        uint64_t word = 0, mask = 0;
        if (columns - j >= 8) {
            memcpy(&word, cell + j, 8);
        } else {
            memcpy(&word, cell + j, (size_t)(columns - j));
        }
        memcpy(&mask, job->keep + j, 8);
        uint64_t bytes = nonzero_bytes(word & mask);
        if (!job->index) {
            at += (int64_t)((bytes >> 7) * UINT64_C(0x0101010101010101) >> 56);
            continue;
        }
        for (; bytes; bytes &= bytes - 1) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            int64_t k = __builtin_ctzll(bytes) >> 3;
#else
            int64_t k = 7 - (__builtin_ctzll(bytes) >> 3);
#endif
            job->index[at] = (int32_t)(j + k);
            job->value[at++] = cell[j + k];
        }
    }
    return at;
}

/* Features of a group stand side by side where its columns need not: rows by ascending feature.
 * Shell sort (Sedgewick 1986). */
static void sort_row(const task *job, int64_t from, int64_t to) {
    static const int64_t gaps[] = {262913, 65921, 16577, 4193, 1073, 281, 77, 23, 8, 1};
    bool sorted = true;
    for (int64_t e = from + 1; e < to && sorted; e++) {
        sorted = job->index[e - 1] < job->index[e];
    }
    for (size_t g = 0; !sorted && g < sizeof gaps / sizeof gaps[0]; g++) {
        for (int64_t e = from + gaps[g]; e < to; e++) {
            int32_t index = job->index[e];
            float value = job->value[e];
            int64_t at = e;
            for (; at - gaps[g] >= from && job->index[at - gaps[g]] > index; at -= gaps[g]) {
                job->index[at] = job->index[at - gaps[g]];
                job->value[at] = job->value[at - gaps[g]];
            }
            job->index[at] = index;
            job->value[at] = value;
        }
    }
}

static void run_chunk(void *argument, int64_t chunk) {
    const task *job = argument;
    const pare_table *table = &job->data->table;
    bool bytes = table->storage == PARE_STORAGE_U8 && job->data->direct;
    int64_t to = job->count - chunk * CHUNK < CHUNK ? job->count : (chunk + 1) * CHUNK;
    for (int64_t i = chunk * CHUNK; i < to; i++) {
        int64_t row = job->rows[i];
        int64_t at = job->index ? job->start[i] : 0;
        at = bytes ? put_bytes(job, table->u8 + row * table->columns, at) : put_row(job, row, at);
        if (!job->index) {
            job->start[i + 1] = at;
        } else if (!job->data->direct) {
            sort_row(job, job->start[i], at);
        }
    }
}

pare_status pare_dataset_sparse(const pare_dataset *data, int64_t count, const int64_t *rows,
                                int64_t **start, int32_t **index, float **value) {
    pare_context *ctx = data->ctx;
    *start = NULL;
    *index = NULL;
    *value = NULL;
    uint8_t *keep = NULL;
    task job = {.data = data, .count = count, .rows = rows};
    pare_status status = pare_alloc_zero(ctx, data->features + 8, 1, &keep);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count + 1, sizeof *job.start, &job.start);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; j < data->features; j++) {
        keep[j] = data->scale[j] != 0 ? 0xFF : 0;
    }
    job.keep = keep;
    int64_t chunks = (count + CHUNK - 1) / CHUNK;
    pare_pool_run(ctx->pool, chunks, run_chunk, &job);
    for (int64_t i = 0; i < count; i++) {
        job.start[i + 1] += job.start[i];
    }
    status = pare_alloc(ctx, job.start[count], sizeof *job.index, &job.index);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, job.start[count], sizeof *job.value, &job.value);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    pare_pool_run(ctx->pool, chunks, run_chunk, &job);
    *start = job.start;
    *index = job.index;
    *value = job.value;
    pare_free(ctx, keep);
    return PARE_OK;
fail:
    pare_free(ctx, keep);
    pare_free(ctx, job.start);
    pare_free(ctx, job.index);
    pare_free(ctx, job.value);
    return status;
}
