#include "api/config.h"
#include "platform/system.h"
#include "report/sparse_report.h"

#include <math.h>

struct pare_network_pruned {
    pare_context *ctx;
    pare_sparse *sparse;
    pare_text text;
};

typedef struct listener {
    pare_progress_fn progress;
    void *user;
    double start;
} listener;

static int relay(void *user, const char *stage, double fraction, double loss) {
    const listener *l = user;
    if (!l->progress) {
        return 0;
    }
    double seconds = pare_clock_seconds() - l->start;
    double left = fraction > 0 ? seconds * (1 - fraction) / fraction : -1;
    pare_progress state = {sizeof state, stage, fraction, seconds, left, 0, 0, loss, NULL};
    return l->progress(l->user, &state);
}

pare_status pare_network_prune(pare_dataset *train, pare_dataset *test, const pare_config *config,
                               pare_progress_fn progress, void *user, pare_network_pruned **out) {
    *out = NULL;
    if (!train) {
        return PARE_ERROR_ARGUMENT;
    }
    if (!config || train->like || (test && test->like != train)) {
        return pare_fail(train->ctx, PARE_ERROR_ARGUMENT,
                         "pruning a network needs a training table, a config, and test rows opened "
                         "like that table");
    }
    listener l = {progress, user, pare_clock_seconds()};
    pare_network_pruned *pruned = NULL;
    pare_status status = pare_alloc_zero(train->ctx, 1, sizeof *pruned, &pruned);
    if (status != PARE_OK) {
        return status;
    }
    pruned->ctx = train->ctx;
    pruned->text.ctx = train->ctx;
    status = pare_sparse_run(train, test, &config->options, relay, &l, &pruned->sparse);
    if (status != PARE_OK) {
        pare_network_destroy(pruned);
        return status;
    }
    *out = pruned;
    return PARE_OK;
}

pare_status pare_network_text(pare_network_pruned *network, const char **out) {
    *out = NULL;
    pare_text_clear(&network->text);
    network->text = (pare_text){.ctx = network->ctx};
    pare_sparse_report_text(network->sparse, &network->text);
    if (network->text.status == PARE_OK) {
        *out = network->text.bytes;
    }
    return network->text.status;
}

/* Writes what `put` appends, whole or not at all. */
static pare_status write_file(const pare_network_pruned *network, const char *path,
                              void (*put)(const pare_sparse *, pare_text *)) {
    pare_text text = {.ctx = network->ctx};
    put(network->sparse, &text);
    pare_status status = pare_output_text(&text, path);
    pare_text_clear(&text);
    return status;
}

pare_status pare_network_save(const pare_network_pruned *network, const char *path) {
    return pare_sparse_save_network(network->sparse, path);
}

pare_status pare_network_save_record(const pare_network_pruned *network, const char *path) {
    return write_file(network, path, pare_sparse_report_json);
}

pare_status pare_network_report(const pare_network_pruned *network, const char *path) {
    return write_file(network, path, pare_sparse_report_html);
}

void pare_network_destroy(pare_network_pruned *network) {
    if (network) {
        pare_sparse_free(network->sparse);
        pare_text_clear(&network->text);
        pare_free(network->ctx, network);
    }
}
