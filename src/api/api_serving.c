#include "api/config.h"
#include "problem/serve_cost.h"

#include <string.h>

pare_status pare_embedding_latency(pare_context *ctx, const char *path, int64_t batch, int measure,
                                   pare_serving_latency *out) {
    if (!path || !out) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "latency needs a plan or a folder, and a result");
    }
    pare_serve_cost cost;
    pare_status status = pare_serve_cost_run(ctx, path, batch, measure != 0, &cost);
    if (status != PARE_OK) {
        return status;
    }
    pare_serving_latency all = {.size = sizeof all,
                                .model = cost.model,
                                .fields = cost.fields,
                                .dimension = cost.dimension,
                                .batch = cost.batch,
                                .bytes = cost.bytes,
                                .lines = cost.lines,
                                .flops = cost.flops,
                                .loaded_bytes = cost.loaded_bytes,
                                .loaded_lines = cost.loaded_lines,
                                .loaded_flops = cost.loaded_flops,
                                .predicted_p50 = cost.predicted.half,
                                .predicted_p99 = cost.predicted.most,
                                .measured_p50 = cost.measured.half,
                                .measured_p99 = cost.measured.most,
                                .levels = cost.rates.levels,
                                .points = cost.rates.rounds > 0 ? PARE_LATENCY_WIDTHS : 0};
    for (int64_t i = 0; i < cost.rates.levels; i++) {
        all.level_bytes[i] = cost.rates.reach[i];
        all.level_wait[i] = pare_field_latency_wait(&cost.rates, i);
        all.level_look_up[i] = pare_field_latency_each(&cost.rates, i);
    }
    for (int64_t i = 0; i < all.points; i++) {
        all.point_flops[i] = cost.rates.flops[i];
        all.point_seconds[i] = cost.rates.rest[i].half;
    }
    size_t size = out->size < sizeof all ? out->size : sizeof all;
    memcpy(out, &all, size);
    out->size = size;
    return PARE_OK;
}
