#include "problem/sparse_network.h"
#include "base/text.h"
#include "data/npz_write.h"
#include "model/field_model.h"
#include "nn/graph.h"
#include "platform/system.h"

#include <math.h>
#include <string.h>

/* Measured on the validation rows of MNIST (docs/results/prune_network.md). */
static const double default_rate = 2e-3, default_mask_rate = 2e-2;
static const double default_decay = 1e-2, default_logit_decay = 1e-2, default_steps = 2000;
static const double power = 2; /* of powerpropagation */
enum { BATCH = 256, BATCH_SMALL = 64, ROWS_FEW = 20000, BLOCK_SIDE_MAX = 4096 };

/* "20" or "20x10". */
static pare_status read_block(pare_context *ctx, const char *text, int64_t out[2]) {
    const char *cross = strchr(text, 'x');
    char first[16] = "";
    size_t length = cross ? (size_t)(cross - text) : strlen(text);
    if (length < sizeof first) {
        memcpy(first, text, length);
        first[length] = '\0';
    }
    bool ok = pare_parse_integer(first, &out[0]) &&
              pare_parse_integer(cross ? cross + 1 : first, &out[1]) && out[0] >= 1 &&
              out[1] >= 1 && out[0] <= BLOCK_SIDE_MAX && out[1] <= BLOCK_SIDE_MAX;
    return ok ? PARE_OK
              : pare_fail(ctx, PARE_ERROR_ARGUMENT,
                          "option block: '%s' is not a size from 1 to %d, or two of them as in "
                          "32x32",
                          text, (int)BLOCK_SIDE_MAX);
}

static pare_network_options settings_of(pare_sparse *s, const pare_dataset *train) {
    const pare_options *o = &s->options;
    double rows = (double)train->train_count;
    s->batch = o->batch > 0 ? o->batch : rows < ROWS_FEW ? BATCH_SMALL : BATCH;
    double per_epoch = ceil(rows / (double)s->batch);
    s->epochs = o->epochs > 0 ? o->epochs : fmax(5, ceil(default_steps / per_epoch));
    s->rate = o->learning_rate > 0 ? o->learning_rate : default_rate;
    s->decay = o->weight_decay >= 0                   ? o->weight_decay
               : o->optimizer == PARE_OPTIMIZER_ADAMW ? default_decay
                                                      : 0;
    return (pare_network_options){
        .model = PARE_MODEL_MLP,
        .batch = s->batch,
        .rate = s->rate,
        .schedule = o->schedule == PARE_SCHEDULE_AUTO ? PARE_SCHEDULE_COSINE : o->schedule,
        .optimizer = o->optimizer,
        .decay = s->decay,
        .every_matrix = o->matrices == PARE_MATRICES_ALL,
        .power = o->block_method == PARE_SPARSIFY_POWERPROPAGATION ? power : 1,
    };
}

/* The published 10 where training is long enough for them. */
static int64_t phases_of(const pare_sparse *s, const pare_objective *network) {
    const double steps_each = 200, most = 10;
    double middle = 1 - s->options.dense_share - s->options.sparse_share;
    double fit = floor(middle * s->epochs * (double)network->steps_per_epoch / steps_each);
    return s->options.phases > 0 ? s->options.phases : (int64_t)fmax(1, fmin(most, fit));
}

typedef struct listener {
    pare_sparse_progress progress;
    void *user;
    double from, to;
} listener;

static int relay(void *user, const char *stage, double fraction, double loss) {
    const listener *l = user;
    double all = l->from + (l->to - l->from) * fraction;
    return l->progress ? l->progress(l->user, stage, all, loss) : 0;
}

/* Area under the ROC curve of a part of two classes. */
static pare_status score_auc(const pare_objective *network, const pare_dataset *data,
                             pare_rows rows, const float *mask, int64_t count, double *auc) {
    pare_context *ctx = data->ctx;
    float *output = NULL;
    pare_scored *list = NULL;
    pare_status status = pare_alloc(ctx, count, sizeof *output, &output);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count, sizeof *list, &list);
    }
    if (status == PARE_OK) {
        status = pare_network_outputs(network, mask, rows, output);
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < count; i++) {
            list[i] = (pare_scored){output[i], (float)data->label[data->validation[i]]};
        }
        *auc = pare_area_under_curve(count, list);
    }
    pare_free(ctx, output);
    pare_free(ctx, list);
    return status;
}

static pare_status score_rows(const pare_objective *network, const pare_dataset *data,
                              pare_rows rows, const float *mask, pare_network_score *out) {
    pare_metrics metrics = {0};
    *out = (pare_network_score){NAN, NAN, NAN, 0};
    pare_status status = network->slots->evaluate(network->self, mask, rows, &metrics);
    if (status != PARE_OK || metrics.rows == 0) {
        return status;
    }
    *out = (pare_network_score){metrics.loss, metrics.score, NAN, metrics.rows};
    return data->kind == PARE_KIND_BINARY
               ? score_auc(network, data, rows, mask, metrics.rows, &out->auc)
               : PARE_OK;
}

/* One training run and its scores. */
static pare_status train_one(pare_sparse *s, pare_dataset *train, const pare_dataset *test,
                             pare_sparsifier method, const pare_network_options *settings,
                             listener *l, pare_objective *network, pare_sparsified *answer,
                             pare_network_run *run) {
    const pare_options *o = &s->options;
    double start = pare_clock_seconds(), cpu = pare_cpu_seconds();
    pare_status status = pare_network_create(train, NULL, test, o, settings, 0, NULL, network);
    if (status != PARE_OK) {
        return status;
    }
    s->layout = *pare_network_block_layout(network);
    pare_sparsify_task task = {
        .ctx = s->ctx,
        .objective = network,
        .method = method,
        .groups = s->layout.matrices,
        .first = s->layout.first,
        .wide = s->layout.wide,
        .sparsity = o->sparsity,
        .dense_share = o->dense_share,
        .sparse_share = o->sparse_share,
        .phases = phases_of(s, network),
        .epochs = s->epochs,
        .mask_rate = o->mask_learning_rate > 0 ? o->mask_learning_rate : default_mask_rate,
        .redundancy = o->redundancy,
        .mask_decay = o->logit_decay >= 0 ? o->logit_decay : default_logit_decay,
        .seed = (uint64_t)o->seed,
    };
    status = pare_sparsify(&task, relay, l, answer);
    if (status == PARE_OK && answer->stopped) {
        status = pare_fail(s->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
    }
    run->seconds = pare_clock_seconds() - start;
    run->cpu_seconds = pare_cpu_seconds() - cpu;
    if (status == PARE_OK) {
        status = score_rows(network, train, PARE_ROWS_VALIDATION, answer->mask, &run->validation);
    }
    if (status == PARE_OK) {
        status = score_rows(network, test, PARE_ROWS_TEST, answer->mask, &run->test);
    }
    return status;
}

/* Copies one matrix of the graph, and which of its blocks stay. */
static pare_status copy_layer(pare_sparse *s, const pare_graph_matrix *m, const float *parameter,
                              pare_network_layer *out) {
    *out = (pare_network_layer){.inputs = m->inputs, .outputs = m->outputs};
    pare_status status = pare_alloc(s->ctx, m->inputs * m->outputs, sizeof(float), &out->weight);
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, m->outputs, sizeof(float), &out->bias);
    }
    for (int64_t r = 0; status == PARE_OK && r <= m->inputs; r++) {
        float *to = r < m->inputs ? out->weight + r * m->outputs : out->bias;
        memcpy(to, parameter + m->offset + r * m->stride, (size_t)m->outputs * sizeof *to);
    }
    return status;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static pare_status copy_keep(pare_sparse *s, int64_t index, pare_network_layer *layer) {
    const pare_block_layout *l = &s->layout;
    int64_t count = l->first[index + 1] - l->first[index];
    layer->high = l->high[index];
    layer->wide = l->wide[index];
    pare_status status = pare_alloc(s->ctx, count, 1, &layer->keep);
    if (status != PARE_OK) {
        return status;
    }
    memcpy(layer->keep, s->answer.keep + l->first[index], (size_t)count);
    for (int64_t g = 0; g < count; g++) {
        int64_t row = g / layer->wide * l->rows, column = g % layer->wide * l->columns;
        int64_t size =
            least(l->rows, layer->inputs - row) * least(l->columns, layer->outputs - column);
        layer->kept += layer->keep[g];
        s->kept_parameters -= layer->keep[g] ? 0 : size;
    }
    return PARE_OK;
}

/* The trained network out of the graph. */
static pare_status copy_network(pare_sparse *s, const pare_objective *network) {
    struct pare_graph *graph = pare_network_in_use(network, s->answer.mask);
    pare_graph_matrix m = {0};
    int64_t count = 0;
    while (pare_graph_matrix_at(graph, count, &m)) {
        count++;
    }
    pare_status status = pare_alloc_zero(s->ctx, count, sizeof *s->layer, &s->layer);
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        (void)pare_graph_matrix_at(graph, i, &m);
        status = copy_layer(s, &m, pare_graph_parameter(graph), &s->layer[s->layers++]);
        s->parameters += (m.inputs + 1) * m.outputs;
    }
    s->kept_parameters = s->parameters;
    for (int64_t i = 0; status == PARE_OK && i < s->layout.matrices; i++) {
        status = copy_keep(s, i, &s->layer[s->layout.number[i]]);
    }
    return status;
}

static pare_status run_all(pare_sparse *s, pare_dataset *train, const pare_dataset *test,
                           pare_sparse_progress progress, void *user) {
    pare_network_options settings = settings_of(s, train);
    pare_sparsifier method = (pare_sparsifier)s->options.block_method;
    listener l = {progress, user, 0, s->compared ? 0.5 : 1};
    pare_objective network = {0};
    pare_status status = read_block(s->ctx, s->options.block, settings.block);
    if (status == PARE_OK) {
        status = train_one(s, train, test, method, &settings, &l, &network, &s->answer, &s->sparse);
    }
    if (status == PARE_OK) {
        status = copy_network(s, &network);
    }
    pare_objective_destroy(&network);
    if (status == PARE_OK && s->compared) {
        pare_sparsified dense = {0};
        l.from = 0.5;
        l.to = 1;
        settings.power = 1;
        status = train_one(s, train, test, PARE_SPARSIFY_NONE, &settings, &l, &network, &dense,
                           &s->dense);
        pare_sparsified_clear(s->ctx, &dense);
        pare_objective_destroy(&network);
    }
    return status;
}

pare_status pare_sparse_run(pare_dataset *train, const pare_dataset *test,
                            const pare_options *options, pare_sparse_progress progress, void *user,
                            pare_sparse **out) {
    pare_context *ctx = train->ctx;
    pare_sparse *s = NULL;
    *out = NULL;
    if (options->normalise != PARE_NORMALISE_NONE) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "option normalise: a network with blocks has no normalisation");
    }
    if (options->dense_share + options->sparse_share > 0.99) {
        return pare_fail(
            ctx, PARE_ERROR_ARGUMENT,
            "options dense-share %g and sparse-share %g: nothing is left between them, "
            "where blocks go",
            options->dense_share, options->sparse_share);
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->ctx = ctx;
    s->train = train;
    s->compared = options->compare && options->block_method != PARE_SPARSIFY_NONE;
    status = pare_options_copy(options, &s->options);
    if (status != PARE_OK) {
        s->options.ctx = NULL;
    } else {
        status = run_all(s, train, test, progress, user);
    }
    if (status != PARE_OK) {
        pare_sparse_free(s);
        return status;
    }
    *out = s;
    return PARE_OK;
}

void pare_sparse_free(pare_sparse *s) {
    if (!s) {
        return;
    }
    for (int64_t i = 0; i < s->layers; i++) {
        pare_free(s->ctx, s->layer[i].weight);
        pare_free(s->ctx, s->layer[i].bias);
        pare_free(s->ctx, s->layer[i].keep);
    }
    pare_free(s->ctx, s->layer);
    pare_sparsified_clear(s->ctx, &s->answer);
    if (s->options.ctx) {
        pare_options_clear(&s->options);
    }
    pare_free(s->ctx, s);
}

static pare_status add_layers(const pare_sparse *s, pare_npz *npz) {
    char name[PARE_NPZ_NAME_MAX];
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < s->layers; i++) {
        const pare_network_layer *l = &s->layer[i];
        snprintf(name, sizeof name, "weight_%lld", (long long)i + 1);
        status = pare_npz_add(npz, name, "<f4", 4, l->inputs, l->outputs, l->weight);
        snprintf(name, sizeof name, "bias_%lld", (long long)i + 1);
        if (status == PARE_OK) {
            status = pare_npz_add(npz, name, "<f4", 4, l->outputs, 0, l->bias);
        }
        snprintf(name, sizeof name, "mask_%lld", (long long)i + 1);
        if (status == PARE_OK && l->keep) {
            status = pare_npz_add(npz, name, "|u1", 1, l->high, l->wide, l->keep);
        }
    }
    return status;
}

pare_status pare_sparse_save_network(const pare_sparse *s, const char *path) {
    const pare_dataset *data = s->train;
    const int64_t block[2] = {s->layout.rows, s->layout.columns};
    pare_output output = {0};
    pare_npz npz;
    float *limit = NULL;
    pare_status status = pare_alloc(s->ctx, data->features, sizeof *limit, &limit);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < data->features; j++) {
        limit[j] = pare_network_input_limit(data, j);
    }
    status = pare_output_open(s->ctx, path, &output);
    if (status != PARE_OK) {
        pare_free(s->ctx, limit);
        return status;
    }
    pare_npz_begin(s->ctx, output.file, &npz);
    status = add_layers(s, &npz);
    const struct {
        const char *name, *type;
        int64_t size, count;
        const void *array;
    } vectors[] = {{"shift", "<f4", 4, data->features, data->shift},
                   {"scale", "<f4", 4, data->features, data->scale},
                   {"limit", "<f4", 4, data->features, limit},
                   {"target_mean", "<f4", 4, data->outputs, data->target_mean},
                   {"target_scale", "<f4", 4, data->outputs, data->target_scale},
                   {"block", "<i8", 8, 2, block}};
    for (size_t i = 0; status == PARE_OK && i < sizeof vectors / sizeof vectors[0]; i++) {
        if (vectors[i].array) {
            status = pare_npz_add(&npz, vectors[i].name, vectors[i].type, vectors[i].size,
                                  vectors[i].count, 0, vectors[i].array);
        }
    }
    if (status == PARE_OK) {
        pare_npz_end(&npz);
        status = pare_output_commit(&output);
    }
    pare_output_abandon(&output);
    pare_free(s->ctx, limit);
    return status;
}
