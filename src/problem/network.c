/* A neural network as an objective: batches from the dataset, graph from model/, one optimiser. */
#include "data/store.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "problem/network.h"

#include <math.h>
#include <string.h>

/* Ablation looks at this many rows at most. */
static const int64_t ablation_rows = 1024;
static void network_destroy(void *self) {
    pare_network *n = self;
    if (!n) {
        return;
    }
    pare_context *ctx = n->ctx;
    pare_graph_destroy(n->graph);
    pare_optimizer_clear(&n->optimizer);
    pare_network_blocks_clear(n);
    pare_free(ctx, n->start);
    pare_free(ctx, n->feature);
    pare_free(ctx, n->limit);
    pare_free(ctx, n->ready);
    for (int p = 0; p < 3; p++) {
        pare_free(ctx, n->sparse[p].start);
        pare_free(ctx, n->sparse[p].index);
        pare_free(ctx, n->sparse[p].value);
    }
    pare_free(ctx, n->group_rank);
    pare_free(ctx, n->group_start);
    pare_free(ctx, n->regrouped);
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

static pare_status network_step(void *self, const float *mask, double *loss, float *d_mask) {
    pare_network *n = self;
    const int64_t *positions = NULL;
    int64_t count = pare_network_next_batch(n, &positions);
    for (int64_t i = 0; i < count; i++) {
        n->batch_rows[i] = n->rows[PARE_ROWS_TRAIN][positions[i]];
    }
    pare_target target = pare_network_target(n, n->part[PARE_ROWS_TRAIN], count, n->batch_rows);
    bool blocks = n->blocks.layout.count > 0;
    const float *features = blocks ? NULL : mask;
    pare_input input = pare_network_train_batch(n, count, positions, features, d_mask != NULL);
    if (blocks) {
        pare_network_blocks_enter(n, mask);
    }
    *loss = pare_graph_train(n->graph, &input, &target, features, (uint64_t)n->step,
                             blocks ? NULL : d_mask);
    if (blocks) {
        pare_network_blocks_fold(n, d_mask);
        pare_network_blocks_leave(n);
    }
    if (!isfinite(*loss)) {
        pare_status status = pare_dataset_trouble(n->train);
        return status != PARE_OK
                   ? status
                   : pare_fail(n->ctx, PARE_ERROR_NUMERIC,
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
    pare_network *n = self;
    n->seed = seed;
    n->step = 0;
    n->steps = steps > 0 ? steps : 1;
    pare_graph_init(n->graph, seed);
    pare_network_blocks_reset(n);
    pare_optimizer_reset(&n->optimizer);
    return PARE_OK;
}

/* Weighted sums over rows for R squared and its error. */
typedef struct moments {
    double weight, loss, score, score_square, target, target_square;
} moments;

static void add_rows(const pare_network *n, const float *output, int64_t stride, int64_t count,
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
    pare_network *n = self;
    *out =
        (pare_metrics){.loss = NAN, .score = NAN, .score_error = NAN, .null_score = n->null_score};
    const pare_dataset *data = n->part[rows];
    int64_t total = n->row_count[rows];
    if (!data || total == 0) {
        return PARE_OK;
    }
    moments sum = {0};
    bool blocks = n->blocks.layout.count > 0;
    const float *features = blocks ? NULL : mask;
    if (blocks) {
        pare_network_blocks_enter(n, mask);
    }
    for (int64_t from = 0; from < total; from += n->batch) {
        int64_t count = total - from < n->batch ? total - from : n->batch;
        const int64_t *numbers = n->rows[rows] + from;
        pare_input input = pare_network_rows(n, rows, from, count, features);
        const float *output = NULL;
        int64_t stride = 0;
        pare_graph_predict(n->graph, &input, features, &output, &stride);
        pare_target target = pare_network_target(n, data, count, numbers);
        add_rows(n, output, stride, count, &target, &sum);
    }
    if (blocks) {
        pare_network_blocks_leave(n);
    }
    pare_status status = pare_dataset_trouble(data);
    if (status != PARE_OK) {
        return status;
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
 * Each of the selected left out in turn, parameters as they are, over at most ablation_rows
 * training rows, spread evenly: validation rows would then flatter the choice.
 */
static pare_status network_losses(void *self, int64_t selected_count, const int64_t *selected,
                                  double *loss) {
    pare_network *n = self;
    const pare_dataset *data = n->train;
    int64_t all = n->row_count[PARE_ROWS_TRAIN], total = all < ablation_rows ? all : ablation_rows;
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
    for (int64_t from = 0, count = 0; from < total; from += count) {
        count = total - from < n->batch ? total - from : n->batch;
        for (int64_t i = 0; i < count; i++) {
            n->batch_rows[i] = n->rows[PARE_ROWS_TRAIN][(from + i) * all / total];
        }
        pare_input input =
            pare_network_listed_rows(n, data, count, n->batch_rows, features, n->active);
        count = input.rows;
        pare_target target = pare_network_target(n, data, count, n->batch_rows);
        pare_graph_ablate(n->graph, &input, &target, n->ablation_mask, selected_count,
                          n->ablation_start, n->ablation_loss, &weight);
    }
    for (int64_t i = 0; i < selected_count; i++) {
        double more = n->ablation_loss[i] - n->ablation_loss[selected_count];
        loss[i] = weight > 0 ? more / weight : 0;
    }
    return PARE_OK;
}

static void network_forget(void *self) {
    pare_network *n = self;
    pare_optimizer_reset(&n->optimizer);
}

static pare_status network_norms(void *self, float *norm) {
    pare_network *n = self;
    if (n->blocks.layout.count > 0) {
        pare_network_blocks_norms(n, norm);
        return PARE_OK;
    }
    const float *weight = pare_graph_parameter(n->graph);
    int64_t stride = pare_graph_input_stride(n->graph);
    for (int64_t c = 0; c < n->candidates; c++) {
        int64_t length = (n->start[c + 1] - n->start[c]) * stride;
        const float *block = weight + n->start[c] * stride;
        norm[c] = (float)sqrt(n->ctx->kernels->dot_double(length, block, block));
    }
    return PARE_OK;
}

/* How far the optimiser moves a block for a gradient of norm 1 (Adam: the root mean of its second
 * moments divides). A proximal step in another metric would mean another penalty for every row:
 * rows that rarely see a gradient would escape it. */
static double block_rate(const pare_network *n, int64_t from, int64_t length) {
    const pare_optimizer *optimizer = &n->optimizer;
    int64_t step = n->step > 0 ? n->step - 1 : 0;
    double rate = pare_rate(n->schedule, n->rate, step < n->steps ? step : n->steps - 1, n->steps);
    if (!optimizer->second) {
        return rate / (1 - (double)optimizer->momentum);
    }
    double sum = 0;
    for (int64_t i = from; i < from + length; i++) {
        sum += (double)optimizer->second[i];
    }
    double correction = 1 - pow((double)optimizer->beta2, (double)optimizer->steps);
    double mean = length > 0 && correction > 0 ? sum / ((double)length * correction) : 0;
    return rate / (sqrt(mean) + (double)optimizer->epsilon);
}

/* Proximal step of lambda_c |W_c|_F: W_c *= max(0, 1 - rate_c lambda_c / |W_c|). */
static pare_status network_shrink(void *self, const float *lambda) {
    pare_network *n = self;
    float *weight = pare_graph_parameter(n->graph);
    int64_t stride = pare_graph_input_stride(n->graph);
    for (int64_t c = 0; c < n->candidates; c++) {
        if (lambda[c] <= 0) {
            continue;
        }
        int64_t from = n->start[c] * stride, length = (n->start[c + 1] - n->start[c]) * stride;
        float *block = weight + from;
        double norm = sqrt(n->ctx->kernels->dot_double(length, block, block));
        double shrunk = norm - block_rate(n, from, length) * (double)lambda[c];
        n->ctx->kernels->scale(length, shrunk > 0 ? (float)(shrunk / norm) : 0, block, block);
    }
    return PARE_OK;
}

static pare_status network_visit(void *self, const pare_visitor *visitor) {
    pare_network *n = self;
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
    .forget = network_forget,
    .visit = network_visit,
    .destroy = network_destroy,
};

/* Of blocks. */
static const pare_objective_slots block_slots = {
    .reset = network_reset,
    .step = network_step,
    .evaluate = network_evaluate,
    .norms = network_norms,
    .forget = network_forget,
    .visit = network_visit,
    .destroy = network_destroy,
};

const pare_block_layout *pare_network_block_layout(const pare_objective *network) {
    const pare_network *n = network->self;
    return &n->blocks.layout;
}

struct pare_graph *pare_network_in_use(const pare_objective *network, const float *mask) {
    pare_network *n = network->self;
    pare_network_blocks_enter(n, mask);
    return n->graph;
}

pare_status pare_network_outputs(const pare_objective *network, const float *mask, pare_rows rows,
                                 float *out) {
    pare_network *n = network->self;
    const pare_dataset *data = n->part[rows];
    int64_t outputs = n->train->kind == PARE_KIND_BINARY ? 1 : n->train->outputs;
    pare_network_blocks_enter(n, mask);
    for (int64_t from = 0; from < n->row_count[rows]; from += n->batch) {
        int64_t left = n->row_count[rows] - from, count = left < n->batch ? left : n->batch;
        int64_t stride = 0;
        const float *output = NULL;
        pare_input input = pare_network_rows(n, rows, from, count, NULL);
        pare_graph_predict(n->graph, &input, NULL, &output, &stride);
        for (int64_t i = 0; i < count; i++) {
            memcpy(out + (from + i) * outputs, output + i * stride, (size_t)outputs * sizeof *out);
        }
    }
    pare_network_blocks_leave(n);
    return pare_dataset_trouble(data);
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
    pare_network *n = NULL;
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
    pare_network_find_rows(n, valid, test);
    status = pare_network_lay_out(n, keep_count, keep);
    if (status != PARE_OK) {
        goto fail;
    }
    int64_t outputs = train->kind == PARE_KIND_BINARY ? 1 : train->outputs;
    status = pare_model_build(ctx, options, settings->model, n->width, n->candidates, n->start,
                              n->batch, outputs, loss_of(train, options), &n->graph);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_optimizer_init(ctx, (pare_optimizer_kind)settings->optimizer,
                                 pare_graph_parameters(n->graph), (float)options->momentum,
                                 (float)settings->decay, &n->optimizer);
    if (status != PARE_OK) {
        goto fail;
    }
    if (settings->block[0] > 0) {
        status = pare_network_blocks_init(n, settings);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    status = pare_network_prepare(n);
    if (status != PARE_OK) {
        goto fail;
    }
    status =
        pare_null_score(n->train, n->part[PARE_ROWS_VALIDATION], n->row_count[PARE_ROWS_VALIDATION],
                        n->rows[PARE_ROWS_VALIDATION], &n->null_score);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = (pare_objective){
        .slots = settings->block[0] > 0 ? &block_slots : &network_slots,
        .self = n,
        .count = settings->block[0] > 0 ? n->blocks.layout.count : n->candidates,
        .steps_per_epoch = (train->train_count + n->batch - 1) / n->batch,
        .start = settings->block[0] > 0 ? NULL : n->start,
        .name = "network",
    };
    return network_reset(n, options->seed < 0 ? 0 : (uint64_t)options->seed, 1);
fail:
    network_destroy(n);
    return status;
}
