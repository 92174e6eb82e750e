/* Rows of a dataset as batches of a network: which rows and features, and in what form. */
#include "base/random.h"
#include "data/store.h"
#include "problem/network.h"

#include <math.h>
#include <string.h>

/* Standardised rows are kept ready when they take less than this; else gathered per batch. */
static const int64_t ready_bytes = INT64_C(64) << 20;
/* Below this share of nonzero values the sparse input path wins (bench_nn). */
static const double sparse_share = 0.4;
/* Features of a dense batch of a sparse table at most: beyond, batches stay sparse. */
static const int64_t sparse_list_most = 4096;
/* Of a file, chosen columns are kept ready up to this part of the memory allowed. */
static const int64_t file_share = 4;
static const float input_limit = 10; /* standard deviations */

float pare_network_input_limit(const pare_dataset *data, int64_t j) {
    return fmaxf(input_limit, fabsf(data->shift[j] * data->scale[j]));
}

static float held(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static void gather(const pare_network *n, const pare_dataset *data, int64_t count,
                   const int64_t *rows, float *out) {
    if (n->feature) {
        pare_dataset_gather_features(data, count, rows, n->width, n->feature, out);
    } else {
        pare_dataset_gather(data, count, rows, out);
    }
    for (int64_t i = 0; n->limit && i < count; i++) {
        for (int64_t j = 0; j < n->width; j++) {
            out[i * n->width + j] = held(out[i * n->width + j], -n->limit[j], n->limit[j]);
        }
    }
}

/* The same for raw values kept as CSR; zeros are within the limits. */
static void hold_sparse(const pare_network *n, const pare_network_sparse *sparse, int64_t rows) {
    const pare_dataset *rules = n->train;
    for (int64_t i = 0; n->limit && sparse->start && i < sparse->start[rows]; i++) {
        int64_t j = sparse->index[i];
        if (rules->scale[j] > 0) {
            float reach = n->limit[j] / rules->scale[j];
            sparse->value[i] =
                held(sparse->value[i], rules->shift[j] - reach, rules->shift[j] + reach);
        }
    }
}

pare_target pare_network_target(pare_network *n, const pare_dataset *data, int64_t count,
                                const int64_t *rows) {
    const pare_dataset *rules = n->train;
    pare_target target = {0};
    if (data->label) {
        for (int64_t i = 0; i < count; i++) {
            n->batch_label[i] = data->label[rows[i]];
        }
        target.label = n->batch_label;
    } else {
        int64_t outputs = rules->outputs;
        for (int64_t i = 0; i < count; i++) {
            for (int64_t o = 0; o < outputs; o++) {
                n->batch_target[i * outputs + o] =
                    (data->target[rows[i] * outputs + o] - rules->target_mean[o]) *
                    rules->target_scale[o];
            }
        }
        target.value = n->batch_target;
    }
    if (data->weight) {
        for (int64_t i = 0; i < count; i++) {
            n->batch_weight[i] = data->weight[rows[i]];
        }
        target.weight = n->batch_weight;
    }
    return target;
}

/* Rows of a file are read group by group: groups in the order in which the shuffled rows show them,
 * the rows of each in shuffled order. Stable counting. */
static void gather_groups(pare_network *n) {
    const int64_t *row = n->rows[PARE_ROWS_TRAIN];
    int64_t total = n->row_count[PARE_ROWS_TRAIN], groups = 0, at = 0;
    memset(n->group_rank, 0xFF, (size_t)n->groups * sizeof *n->group_rank); /* -1 */
    memset(n->group_start, 0, (size_t)(n->groups + 1) * sizeof *n->group_start);
    for (int64_t i = 0; i < total; i++) {
        int64_t *rank = &n->group_rank[row[n->order[i]] / n->group_rows];
        *rank = *rank < 0 ? groups++ : *rank;
        n->group_start[*rank]++;
    }
    for (int64_t g = 0; g <= groups && g <= n->groups; g++) {
        int64_t count = n->group_start[g];
        n->group_start[g] = at;
        at += count;
    }
    for (int64_t i = 0; i < total; i++) {
        int64_t rank = n->group_rank[row[n->order[i]] / n->group_rows];
        n->regrouped[n->group_start[rank]++] = n->order[i];
    }
    memcpy(n->order, n->regrouped, (size_t)total * sizeof *n->order);
}

int64_t pare_network_next_batch(pare_network *n, const int64_t **positions) {
    int64_t total = n->row_count[PARE_ROWS_TRAIN];
    int64_t per_epoch = (total + n->batch - 1) / n->batch;
    int64_t at = n->step % per_epoch;
    if (at == 0) {
        for (int64_t i = 0; i < total; i++) {
            n->order[i] = i;
        }
        uint64_t first = (uint64_t)(n->step / per_epoch) * (uint64_t)total;
        pare_random_shuffle(n->seed, PARE_STREAM_SHUFFLE, first, total, n->order);
        if (n->group_rows > 0) {
            gather_groups(n);
        }
    }
    *positions = n->order + at * n->batch;
    int64_t left = total - at * n->batch;
    return left < n->batch ? left : n->batch;
}

/* Features of the candidates whose mask is not 0, if that is at most half of the width and they may
 * be listed; else 0. */
static int64_t list_active(pare_network *n, const float *mask) {
    int64_t count = 0;
    for (int64_t c = 0; c < n->candidates; c++) {
        for (int64_t j = n->start[c]; mask[c] != 0 && j < n->start[c + 1]; j++) {
            n->active[count++] = j;
        }
    }
    return 2 * count <= n->width && count <= n->list_most ? count : 0;
}

pare_input pare_network_listed_rows(pare_network *n, const pare_dataset *data, int64_t count,
                                    const int64_t *rows, int64_t features, const int64_t *feature) {
    const int64_t *wanted = feature;
    if (features > n->list_most) { /* more than the batch was laid out for: fewer rows */
        int64_t cells = n->batch * n->list_most > n->width ? n->batch * n->list_most : n->width;
        count = cells / features < count ? cells / features : count;
    }
    if (n->feature) {
        for (int64_t a = 0; a < features; a++) {
            n->wanted[a] = n->feature[feature[a]];
        }
        wanted = n->wanted;
    }
    pare_dataset_gather_features(data, count, rows, features, wanted, n->batch_dense);
    return (pare_input){
        .rows = count, .dense = n->batch_dense, .feature = feature, .features = features};
}

static pare_input dense_rows(pare_network *n, const pare_dataset *data, int64_t count,
                             const int64_t *rows) {
    gather(n, data, count, rows, n->batch_dense);
    return (pare_input){.rows = count, .dense = n->batch_dense};
}

/* Rows of a part that is kept as CSR. number NULL: from .. from + count. */
static pare_input sparse_rows(const pare_network *n, pare_rows part, int64_t from, int64_t count,
                              const int64_t *number) {
    const pare_network_sparse *sparse = &n->sparse[part];
    return (pare_input){.rows = count,
                        .number = number,
                        .start = sparse->start + from,
                        .index = sparse->index,
                        .value = sparse->value,
                        .shift = n->train->shift,
                        .scale = n->train->scale};
}

pare_input pare_network_rows(pare_network *n, pare_rows part, int64_t from, int64_t count,
                             const float *mask) {
    const pare_dataset *data = n->part[part];
    const int64_t *rows = n->rows[part] + from;
    int64_t active = mask ? list_active(n, mask) : 0;
    if (active > 0) {
        return pare_network_listed_rows(n, data, count, rows, active, n->active);
    }
    if (n->list_most < n->width) {
        return sparse_rows(n, part, from, count, NULL);
    }
    return dense_rows(n, data, count, rows);
}

/* Nested dropout (Rippel, Gelbart, Adams 2014): each row sees a random prefix. */
static pare_input prefix_batch(pare_network *n, int64_t count, const int64_t *positions) {
    pare_input input = {.rows = count, .dense = n->batch_dense};
    if (!n->ready) {
        input = dense_rows(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows);
    }
    for (int64_t i = 0; i < count; i++) {
        if (n->ready) {
            memcpy(n->batch_dense + i * n->width, n->ready + positions[i] * n->width,
                   (size_t)n->width * sizeof(float));
        }
        uint64_t index = (uint64_t)n->step * (uint64_t)n->batch + (uint64_t)i;
        int64_t kept = 1 + pare_random_below(n->seed, PARE_STREAM_PREFIX, index, n->candidates);
        int64_t from = n->start[kept];
        memset(n->batch_dense + i * n->width + from, 0, (size_t)(n->width - from) * sizeof(float));
    }
    return input;
}

pare_input pare_network_train_batch(pare_network *n, int64_t count, const int64_t *positions,
                                    const float *mask, bool whole) {
    int64_t active = mask && !whole ? list_active(n, mask) : 0;
    if (n->prefix) {
        return prefix_batch(n, count, positions);
    }
    if (active > 0) {
        return pare_network_listed_rows(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows, active,
                                        n->active);
    }
    if (n->sparse[PARE_ROWS_TRAIN].start) {
        return sparse_rows(n, PARE_ROWS_TRAIN, 0, count, positions);
    }
    if (n->ready) {
        return (pare_input){.rows = count, .number = positions, .dense = n->ready};
    }
    return dense_rows(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows);
}

pare_status pare_network_lay_out(pare_network *n, int64_t keep_count, const int64_t *keep) {
    const pare_dataset *data = n->train;
    n->candidates = keep ? keep_count : data->candidates;
    pare_status status = pare_alloc(n->ctx, n->candidates + 1, sizeof *n->start, &n->start);
    if (status != PARE_OK) {
        return status;
    }
    n->start[0] = 0;
    for (int64_t c = 0; c < n->candidates; c++) {
        int64_t from = keep ? keep[c] : c;
        n->start[c + 1] =
            n->start[c] + data->candidate_start[from + 1] - data->candidate_start[from];
    }
    n->width = n->start[n->candidates];
    if (!keep) {
        return PARE_OK;
    }
    status = pare_alloc(n->ctx, n->width, sizeof *n->feature, &n->feature);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < n->candidates; c++) {
        for (int64_t j = n->start[c]; j < n->start[c + 1]; j++) {
            n->feature[j] = data->candidate_start[keep[c]] + j - n->start[c];
        }
    }
    return PARE_OK;
}

void pare_network_find_rows(pare_network *n, const pare_dataset *valid, const pare_dataset *test) {
    const pare_dataset *train = n->train;
    n->part[PARE_ROWS_TRAIN] = train;
    n->rows[PARE_ROWS_TRAIN] = train->train;
    n->row_count[PARE_ROWS_TRAIN] = train->train_count;
    n->part[PARE_ROWS_VALIDATION] = valid ? valid : train;
    n->rows[PARE_ROWS_VALIDATION] = valid ? valid->validation : train->validation;
    n->row_count[PARE_ROWS_VALIDATION] = valid ? valid->validation_count : train->validation_count;
    n->part[PARE_ROWS_TEST] = test;
    n->rows[PARE_ROWS_TEST] = test ? test->validation : NULL;
    n->row_count[PARE_ROWS_TEST] = test ? test->validation_count : 0;
}

/* What gather_groups works in. */
static pare_status prepare_groups(pare_network *n) {
    const pare_table *table = &n->train->table;
    n->group_rows = pare_store_group_rows(table->stream);
    n->groups = (table->rows + n->group_rows - 1) / n->group_rows;
    pare_status status = pare_alloc(n->ctx, n->groups, sizeof *n->group_rank, &n->group_rank);
    if (status == PARE_OK) {
        status = pare_alloc(n->ctx, n->groups + 1, sizeof *n->group_start, &n->group_start);
    }
    if (status == PARE_OK) {
        status =
            pare_alloc(n->ctx, n->row_count[PARE_ROWS_TRAIN], sizeof *n->regrouped, &n->regrouped);
    }
    return status;
}

/* Training rows in the form batches are cut from. */
static pare_status prepare_rows(pare_network *n) {
    pare_context *ctx = n->ctx;
    const pare_dataset *train = n->train;
    int64_t total = n->row_count[PARE_ROWS_TRAIN];
    bool sparse =
        n->list_most < n->width ||
        (!n->feature && !n->prefix && train->table.storage != PARE_STORAGE_FILE &&
         (train->table.storage == PARE_STORAGE_CSR || 1 - train->zero_share < sparse_share));
    for (int p = 0; p < 3 && sparse; p++) {
        bool wanted = p == PARE_ROWS_TRAIN || n->list_most < n->width;
        pare_status status =
            wanted && n->part[p]
                ? pare_dataset_sparse(n->part[p], n->row_count[p], n->rows[p], &n->sparse[p].start,
                                      &n->sparse[p].index, &n->sparse[p].value)
                : PARE_OK;
        if (status != PARE_OK) {
            return status;
        }
        hold_sparse(n, &n->sparse[p], n->row_count[p]);
    }
    if (sparse) {
        return PARE_OK;
    }
    int64_t cells = 0;
    bool file = train->table.storage == PARE_STORAGE_FILE;
    int64_t room = file ? pare_store_memory(train->table.stream) / file_share : ready_bytes;
    if ((n->feature || !file) && pare_checked_multiply(total, n->width, &cells) &&
        cells < room / (int64_t)sizeof(float)) {
        pare_status status = pare_alloc(ctx, cells, sizeof *n->ready, &n->ready);
        if (status != PARE_OK) {
            return status;
        }
        gather(n, train, total, train->train, n->ready);
        return file ? pare_store_trouble(train->table.stream) : PARE_OK;
    }
    return file ? prepare_groups(n) : PARE_OK;
}

/* Whether no batch ever has to be dense in all features. */
static bool all_sparse(const pare_network *n) {
    bool sparse = !n->feature && !n->prefix;
    for (int p = 0; p < 3; p++) {
        sparse = sparse && (!n->part[p] || n->part[p]->table.storage == PARE_STORAGE_CSR);
    }
    return sparse;
}

static pare_status prepare_batch(pare_network *n) {
    pare_context *ctx = n->ctx;
    int64_t outputs = n->train->label ? 1 : n->train->outputs;
    int64_t cells = 0;
    n->list_most = all_sparse(n) && n->width > sparse_list_most ? sparse_list_most : n->width;
    if (!pare_checked_multiply(n->batch, n->list_most, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: a batch of %lld rows is too large",
                         (long long)n->batch);
    }
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&n->order, n->row_count[PARE_ROWS_TRAIN], sizeof *n->order},
        {&n->active, n->width, sizeof *n->active},
        {&n->wanted, n->width, sizeof *n->wanted},
        {&n->batch_rows, n->batch, sizeof *n->batch_rows},
        {&n->batch_dense, cells > n->width ? cells : n->width, sizeof *n->batch_dense},
        {&n->ablation_mask, n->candidates, sizeof *n->ablation_mask},
        {&n->ablation_start, n->candidates + 1, sizeof *n->ablation_start},
        {&n->ablation_loss, n->candidates + 1, sizeof *n->ablation_loss},
        {&n->batch_label, n->batch, sizeof *n->batch_label},
        {&n->batch_target, n->batch * outputs, sizeof *n->batch_target},
        {&n->batch_weight, n->batch, sizeof *n->batch_weight},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Blocks only: a rare input must not drown the rest where a block's mask is far above 1. */
static pare_status prepare_limits(pare_network *n) {
    if (n->blocks.layout.count == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(n->ctx, n->width, sizeof *n->limit, &n->limit);
    for (int64_t j = 0; status == PARE_OK && j < n->width; j++) {
        n->limit[j] = pare_network_input_limit(n->train, n->feature ? n->feature[j] : j);
    }
    return status;
}

pare_status pare_network_prepare(pare_network *n) {
    pare_status status = prepare_batch(n);
    if (status == PARE_OK) {
        status = prepare_limits(n);
    }
    return status == PARE_OK ? prepare_rows(n) : status;
}
