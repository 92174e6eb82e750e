/* A neural network as an objective: batches from the dataset, graph from model/, one optimiser. */
#include "base/random.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "problem/problem.h"

#include <math.h>
#include <string.h>

/* Standardised rows are kept ready when they take less than this; else gathered per batch. */
static const int64_t ready_bytes = INT64_C(64) << 20;
/* Ablation looks at this many rows at most. */
static const int64_t ablation_rows = 2048;
/* Below this share of nonzero values the sparse input path wins (bench_nn). */
static const double sparse_share = 0.4;

typedef struct network {
    pare_context *ctx;
    pare_dataset *train;
    const pare_dataset *part[3]; /* by pare_rows; NULL: none */
    const int64_t *rows[3];      /* row numbers in part */
    int64_t row_count[3];
    pare_graph *graph;
    pare_optimizer optimizer;
    pare_schedule schedule;
    double rate;
    bool prefix;

    int64_t candidates;
    int64_t width;    /* features the network sees */
    int64_t *start;   /* (candidates + 1) features of each candidate, in network order */
    int64_t *feature; /* (width) number in the dataset, or NULL: all, in order */
    int64_t batch;

    float *ready;          /* (train rows, width), or NULL */
    int64_t *sparse_start; /* CSR of the training rows, or NULL */
    int32_t *sparse_index;
    float *sparse_value;

    int64_t *order;       /* (train rows) positions, shuffled each epoch */
    int64_t *active;      /* (width) features in use, by the mask */
    int64_t *wanted;      /* (width) the same as numbers of the dataset */
    int64_t *batch_rows;  /* (batch) row numbers */
    float *batch_dense;   /* (batch, width) */
    float *ablation_mask; /* (candidates) scratch of losses */
    int64_t *ablation_start;
    double *ablation_loss; /* (candidates + 1) both */
    int32_t *batch_label;
    float *batch_target;
    float *batch_weight;

    double null_score;
    uint64_t seed;
    int64_t step, steps;
} network;

static void network_destroy(void *self) {
    network *n = self;
    if (!n) {
        return;
    }
    pare_context *ctx = n->ctx;
    pare_graph_destroy(n->graph);
    pare_optimizer_clear(&n->optimizer);
    pare_free(ctx, n->start);
    pare_free(ctx, n->feature);
    pare_free(ctx, n->ready);
    pare_free(ctx, n->sparse_start);
    pare_free(ctx, n->sparse_index);
    pare_free(ctx, n->sparse_value);
    pare_free(ctx, n->order);
    pare_free(ctx, n->active);
    pare_free(ctx, n->wanted);
    pare_free(ctx, n->batch_rows);
    pare_free(ctx, n->batch_dense);
    pare_free(ctx, n->ablation_mask);
    pare_free(ctx, n->ablation_start);
    pare_free(ctx, n->ablation_loss);
    pare_free(ctx, n->batch_label);
    pare_free(ctx, n->batch_target);
    pare_free(ctx, n->batch_weight);
    pare_free(ctx, n);
}

static void gather(const network *n, const pare_dataset *data, int64_t count, const int64_t *rows,
                   float *out) {
    if (n->feature) {
        pare_dataset_gather_features(data, count, rows, n->width, n->feature, out);
    } else {
        pare_dataset_gather(data, count, rows, out);
    }
}

/* Labels, standardised targets and weights of some rows, into the batch arrays. */
static pare_target fill_target(network *n, const pare_dataset *data, int64_t count,
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

/* Positions of the next batch: epochs are shuffled as a whole, the last batch of one is short. */
static int64_t next_batch(network *n, const int64_t **positions) {
    int64_t total = n->row_count[PARE_ROWS_TRAIN];
    int64_t per_epoch = (total + n->batch - 1) / n->batch;
    int64_t at = n->step % per_epoch;
    if (at == 0) {
        for (int64_t i = 0; i < total; i++) {
            n->order[i] = i;
        }
        uint64_t first = (uint64_t)(n->step / per_epoch) * (uint64_t)total;
        pare_random_shuffle(n->seed, PARE_STREAM_SHUFFLE, first, total, n->order);
    }
    *positions = n->order + at * n->batch;
    int64_t left = total - at * n->batch;
    return left < n->batch ? left : n->batch;
}

/* Features of the candidates whose mask is not 0, if that is at most half of the width; else 0. */
static int64_t list_active(network *n, const float *mask) {
    int64_t count = 0;
    for (int64_t c = 0; c < n->candidates; c++) {
        for (int64_t j = n->start[c]; mask[c] != 0 && j < n->start[c + 1]; j++) {
            n->active[count++] = j;
        }
    }
    return 2 * count <= n->width ? count : 0;
}

/* Rows of a part with the listed features only (numbers of the network's own). */
static pare_input listed_rows(network *n, const pare_dataset *data, int64_t count,
                              const int64_t *rows, int64_t features, const int64_t *feature) {
    const int64_t *wanted = feature;
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

static pare_input dense_rows(network *n, const pare_dataset *data, int64_t count,
                             const int64_t *rows) {
    gather(n, data, count, rows, n->batch_dense);
    return (pare_input){.rows = count, .dense = n->batch_dense};
}

/* Nested dropout (Rippel, Gelbart, Adams 2014): each row sees a random prefix. */
static pare_input prefix_batch(network *n, int64_t count, const int64_t *positions) {
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

/* The training rows at these positions, in the cheapest form there is. */
static pare_input train_batch(network *n, int64_t count, const int64_t *positions,
                              const float *mask, bool whole) {
    int64_t active = mask && !whole ? list_active(n, mask) : 0;
    if (n->prefix) {
        return prefix_batch(n, count, positions);
    }
    if (active > 0) {
        return listed_rows(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows, active, n->active);
    }
    if (n->sparse_start) {
        return (pare_input){.rows = count,
                            .number = positions,
                            .start = n->sparse_start,
                            .index = n->sparse_index,
                            .value = n->sparse_value,
                            .shift = n->train->shift,
                            .scale = n->train->scale};
    }
    if (n->ready) {
        return (pare_input){.rows = count, .number = positions, .dense = n->ready};
    }
    return dense_rows(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows);
}

static pare_status network_step(void *self, const float *mask, double *loss, float *d_mask) {
    network *n = self;
    const int64_t *positions = NULL;
    int64_t count = next_batch(n, &positions);
    for (int64_t i = 0; i < count; i++) {
        n->batch_rows[i] = n->rows[PARE_ROWS_TRAIN][positions[i]];
    }
    pare_target target = fill_target(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows);
    pare_input input = train_batch(n, count, positions, mask, d_mask != NULL);
    *loss = pare_graph_train(n->graph, &input, &target, mask, (uint64_t)n->step, d_mask);
    if (!isfinite(*loss)) {
        return pare_fail(n->ctx, PARE_ERROR_NUMERIC,
                         "training diverged at step %lld: the loss is not finite; a smaller "
                         "learning-rate helps",
                         (long long)n->step);
    }
    double rate =
        pare_rate(n->schedule, n->rate, n->step < n->steps ? n->step : n->steps - 1, n->steps);
    pare_optimizer_step(&n->optimizer, (float)rate, pare_graph_gradient(n->graph),
                        pare_graph_parameter(n->graph));
    n->step++;
    return PARE_OK;
}

static pare_status network_reset(void *self, uint64_t seed, int64_t steps) {
    network *n = self;
    n->seed = seed;
    n->step = 0;
    n->steps = steps > 0 ? steps : 1;
    pare_graph_init(n->graph, seed);
    pare_optimizer_reset(&n->optimizer);
    return PARE_OK;
}

/* Weighted sums over rows for R squared and its error. */
typedef struct moments {
    double weight, loss, score, score_square, target, target_square;
} moments;

static void add_rows(const network *n, const float *output, int64_t stride, int64_t count,
                     const pare_target *target, moments *sum) {
    int64_t outputs = n->train->label ? 1 : n->train->outputs;
    for (int64_t i = 0; i < count; i++) {
        pare_target one = {.label = target->label ? target->label + i : NULL,
                           .value = target->value ? target->value + i * outputs : NULL,
                           .weight = target->weight ? target->weight + i : NULL};
        double loss = 0, score = 0, weight = 0;
        pare_graph_score(n->graph, 1, output + i * stride, stride, &one, &loss, &score, &weight);
        sum->loss += loss;
        sum->score += score;
        sum->weight += weight;
        sum->score_square += weight > 0 ? score * score / weight : 0;
        for (int64_t o = 0; one.value && o < outputs; o++) {
            sum->target += weight * (double)one.value[o];
            sum->target_square += weight * (double)one.value[o] * (double)one.value[o];
        }
    }
}

static pare_status network_evaluate(void *self, const float *mask, pare_rows rows,
                                    pare_metrics *out) {
    network *n = self;
    *out =
        (pare_metrics){.loss = NAN, .score = NAN, .score_error = NAN, .null_score = n->null_score};
    const pare_dataset *data = n->part[rows];
    int64_t total = n->row_count[rows];
    if (!data || total == 0) {
        return PARE_OK;
    }
    moments sum = {0};
    for (int64_t from = 0; from < total; from += n->batch) {
        int64_t count = total - from < n->batch ? total - from : n->batch;
        const int64_t *numbers = n->rows[rows] + from;
        int64_t active = mask ? list_active(n, mask) : 0;
        pare_input input = active > 0 ? listed_rows(n, data, count, numbers, active, n->active)
                                      : dense_rows(n, data, count, numbers);
        const float *output = NULL;
        int64_t stride = 0;
        pare_graph_predict(n->graph, &input, mask, &output, &stride);
        pare_target target = fill_target(n, data, count, numbers);
        add_rows(n, output, stride, count, &target, &sum);
    }
    out->rows = total;
    if (sum.weight <= 0) {
        return PARE_OK;
    }
    double size = (double)total;
    double mean = sum.score / sum.weight;
    double spread = fmax(0, sum.score_square / sum.weight - mean * mean);
    out->loss = sum.loss / sum.weight;
    if (n->train->label) {
        out->score = mean;
        out->score_error = sqrt(spread / size);
        return PARE_OK;
    }
    double outputs = (double)n->train->outputs;
    double center = sum.target / (sum.weight * outputs);
    double variance = sum.target_square / sum.weight - outputs * center * center;
    if (variance > 0) {
        out->score = 1 - mean / variance;
        out->score_error = sqrt(spread / size) / variance;
    }
    return PARE_OK;
}

/*
 * Each of the selected left out in turn, parameters as they are, over at most ablation_rows rows
 * spread evenly over the part.
 */
static pare_status network_losses(void *self, int64_t selected_count, const int64_t *selected,
                                  double *loss) {
    network *n = self;
    pare_rows rows =
        n->row_count[PARE_ROWS_VALIDATION] > 0 ? PARE_ROWS_VALIDATION : PARE_ROWS_TRAIN;
    const pare_dataset *data = n->part[rows];
    int64_t all = n->row_count[rows], total = all < ablation_rows ? all : ablation_rows;
    int64_t features = 0;
    double weight = 0;
    memset(n->ablation_mask, 0, (size_t)n->candidates * sizeof *n->ablation_mask);
    for (int64_t i = 0; i < selected_count; i++) {
        n->ablation_start[i] = features;
        n->ablation_loss[i] = 0;
        n->ablation_mask[selected[i]] = 1;
        for (int64_t j = n->start[selected[i]]; j < n->start[selected[i] + 1]; j++) {
            n->active[features++] = j;
        }
    }
    n->ablation_start[selected_count] = features;
    n->ablation_loss[selected_count] = 0;
    for (int64_t from = 0; from < total; from += n->batch) {
        int64_t count = total - from < n->batch ? total - from : n->batch;
        for (int64_t i = 0; i < count; i++) {
            n->batch_rows[i] = n->rows[rows][(from + i) * all / total];
        }
        pare_input input = listed_rows(n, data, count, n->batch_rows, features, n->active);
        pare_target target = fill_target(n, data, count, n->batch_rows);
        pare_graph_ablate(n->graph, &input, &target, n->ablation_mask, selected_count,
                          n->ablation_start, n->ablation_loss, &weight);
    }
    for (int64_t i = 0; i < selected_count; i++) {
        double more = n->ablation_loss[i] - n->ablation_loss[selected_count];
        loss[i] = weight > 0 ? more / weight : 0;
    }
    return PARE_OK;
}

static pare_status network_norms(void *self, float *norm) {
    network *n = self;
    const float *weight = pare_graph_parameter(n->graph);
    int64_t stride = pare_graph_input_stride(n->graph);
    for (int64_t c = 0; c < n->candidates; c++) {
        int64_t length = (n->start[c + 1] - n->start[c]) * stride;
        const float *block = weight + n->start[c] * stride;
        norm[c] = (float)sqrt(n->ctx->kernels->dot_double(length, block, block));
    }
    return PARE_OK;
}

/* Proximal step of lambda_c |W_c|_F: W_c *= max(0, 1 - rate lambda_c / |W_c|). */
static pare_status network_shrink(void *self, const float *lambda) {
    network *n = self;
    float *weight = pare_graph_parameter(n->graph);
    int64_t stride = pare_graph_input_stride(n->graph);
    for (int64_t c = 0; c < n->candidates; c++) {
        if (lambda[c] <= 0) {
            continue;
        }
        int64_t length = (n->start[c + 1] - n->start[c]) * stride;
        float *block = weight + n->start[c] * stride;
        double norm = sqrt(n->ctx->kernels->dot_double(length, block, block));
        double factor = norm > 0 ? fmax(0, 1 - n->rate * (double)lambda[c] / norm) : 0;
        n->ctx->kernels->scale(length, (float)factor, block, block);
    }
    return PARE_OK;
}

static pare_status network_visit(void *self, const pare_visitor *visitor) {
    network *n = self;
    float *running = NULL;
    int64_t running_count = pare_graph_state(n->graph, &running);
    int64_t parameters = pare_graph_parameters(n->graph) * (int64_t)sizeof(float);
    const struct {
        void *data;
        int64_t length;
    } parts[] = {
        {&n->seed, sizeof n->seed},
        {&n->step, sizeof n->step},
        {&n->steps, sizeof n->steps},
        {n->order, n->row_count[PARE_ROWS_TRAIN] * (int64_t)sizeof *n->order},
        {pare_graph_parameter(n->graph), parameters},
        {running, running_count * (int64_t)sizeof(float)},
        {&n->optimizer.steps, sizeof n->optimizer.steps},
        {n->optimizer.first, parameters},
        {n->optimizer.second, n->optimizer.second ? parameters : 0},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].length == 0) {
            continue;
        }
        pare_status status = visitor->bytes(visitor->user, parts[i].data, parts[i].length);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

static const pare_objective_slots network_slots = {
    .reset = network_reset,
    .step = network_step,
    .evaluate = network_evaluate,
    .losses = network_losses,
    .norms = network_norms,
    .shrink = network_shrink,
    .visit = network_visit,
    .destroy = network_destroy,
};

/* Which features the network sees, and where each candidate's lie. */
static pare_status lay_out(network *n, int64_t keep_count, const int64_t *keep) {
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

/* Rows of the three parts. */
static void find_rows(network *n, const pare_dataset *valid, const pare_dataset *test) {
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

/* Share of validation rows that the commonest training class hits; 0 for real targets. */
static pare_status find_null_score(network *n) {
    const pare_dataset *train = n->train;
    const pare_dataset *valid = n->part[PARE_ROWS_VALIDATION];
    int64_t total = n->row_count[PARE_ROWS_VALIDATION];
    if (!train->label || total == 0) {
        return PARE_OK;
    }
    double *weight = NULL;
    pare_status status = pare_alloc_zero(n->ctx, train->classes, sizeof *weight, &weight);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < train->train_count; i++) {
        int64_t row = train->train[i];
        weight[train->label[row]] += train->weight ? (double)train->weight[row] : 1;
    }
    int32_t best = 0;
    for (int32_t c = 1; c < train->classes; c++) {
        best = weight[c] > weight[best] ? c : best;
    }
    double hit = 0, all = 0;
    for (int64_t i = 0; i < total; i++) {
        int64_t row = n->rows[PARE_ROWS_VALIDATION][i];
        double one = valid->weight ? (double)valid->weight[row] : 1;
        hit += valid->label[row] == best ? one : 0;
        all += one;
    }
    n->null_score = all > 0 ? hit / all : 0;
    pare_free(n->ctx, weight);
    return PARE_OK;
}

/* Training rows in the form batches are cut from. */
static pare_status prepare_rows(network *n) {
    pare_context *ctx = n->ctx;
    const pare_dataset *train = n->train;
    int64_t total = n->row_count[PARE_ROWS_TRAIN];
    bool sparse =
        !n->feature && !n->prefix &&
        (train->table.storage == PARE_STORAGE_CSR || 1 - train->zero_share < sparse_share);
    if (sparse) {
        return pare_dataset_sparse(train, total, train->train, &n->sparse_start, &n->sparse_index,
                                   &n->sparse_value);
    }
    int64_t cells = 0;
    if (pare_checked_multiply(total, n->width, &cells) &&
        cells < ready_bytes / (int64_t)sizeof(float)) {
        pare_status status = pare_alloc(ctx, cells, sizeof *n->ready, &n->ready);
        if (status != PARE_OK) {
            return status;
        }
        gather(n, train, total, train->train, n->ready);
    }
    return PARE_OK;
}

static pare_status prepare_batch(network *n) {
    pare_context *ctx = n->ctx;
    int64_t outputs = n->train->label ? 1 : n->train->outputs;
    int64_t cells = 0;
    if (!pare_checked_multiply(n->batch, n->width, &cells)) {
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
        {&n->batch_dense, cells, sizeof *n->batch_dense},
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

static pare_loss loss_of(const pare_dataset *data, const pare_options *options) {
    if (data->kind == PARE_KIND_BINARY) {
        return PARE_NN_BINARY;
    }
    if (data->kind == PARE_KIND_MULTICLASS) {
        return PARE_NN_SOFTMAX;
    }
    return options->loss == PARE_LOSS_HUBER ? PARE_NN_HUBER : PARE_NN_SQUARED;
}

pare_status pare_network_create(pare_dataset *train, const pare_dataset *valid,
                                const pare_dataset *test, const pare_options *options,
                                const pare_network_options *settings, int64_t keep_count,
                                const int64_t *keep, pare_objective *out) {
    *out = (pare_objective){0};
    pare_context *ctx = train->ctx;
    network *n = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *n, &n);
    if (status != PARE_OK) {
        return status;
    }
    n->ctx = ctx;
    n->train = train;
    n->batch = settings->batch < train->train_count ? settings->batch : train->train_count;
    n->rate = settings->rate;
    n->schedule = settings->schedule == PARE_SCHEDULE_COSINE        ? PARE_RATE_COSINE
                  : settings->schedule == PARE_SCHEDULE_EXPONENTIAL ? PARE_RATE_EXPONENTIAL
                                                                    : PARE_RATE_CONSTANT;
    n->prefix = settings->prefix;
    find_rows(n, valid, test);
    status = lay_out(n, keep_count, keep);
    if (status != PARE_OK) {
        goto fail;
    }
    int64_t outputs = train->kind == PARE_KIND_BINARY ? 1 : train->outputs;
    status = pare_model_build(ctx, options, settings->model, n->width, n->candidates, n->start,
                              n->batch, outputs, loss_of(train, options), &n->graph);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_optimizer_init(ctx, (pare_optimizer_kind)options->optimizer,
                                 pare_graph_parameters(n->graph), (float)options->momentum,
                                 (float)options->weight_decay, &n->optimizer);
    if (status != PARE_OK) {
        goto fail;
    }
    status = prepare_batch(n);
    if (status != PARE_OK) {
        goto fail;
    }
    status = prepare_rows(n);
    if (status != PARE_OK) {
        goto fail;
    }
    status = find_null_score(n);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = (pare_objective){
        .slots = &network_slots,
        .self = n,
        .count = n->candidates,
        .steps_per_epoch = (train->train_count + n->batch - 1) / n->batch,
        .start = n->start,
        .name = "network",
    };
    return network_reset(n, options->seed < 0 ? 0 : (uint64_t)options->seed, 1);
fail:
    network_destroy(n);
    return status;
}
