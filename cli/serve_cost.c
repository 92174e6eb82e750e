#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_HOST, OWN_BATCH, OWN_JSON, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_HOST] = PARE_OWN_FLAG("serving", "host",
                               "calibrate on this machine, predict the latency and measure it"),
    [OWN_BATCH] = PARE_OWN_NUMBER("serving", "batch", PARE_OPTION_INTEGER, "1", 1, 65536,
                                  "rows scored by one call"),
    [OWN_JSON] = PARE_OWN_FLAG("output", "json", "print JSON instead of tables"),
};

static double relative(double predicted, double measured) {
    return measured > 0 ? predicted / measured - 1 : (double)NAN;
}

static void print_rates(const pare_serving_latency *cost) {
    printf("\nlook-ups, beyond those in the nearest cache\n%16s %12s %12s\n", "bytes in use",
           "once, us", "a field, us");
    for (int64_t i = 0; i < cost->levels; i++) {
        printf("%16.0f %12.3f %12.4f\n", cost->level_bytes[i], 1e6 * cost->level_wait[i],
               1e6 * cost->level_look_up[i]);
    }
    printf("\nthe rest\n%16s %12s\n", "flops of a row", "us");
    for (int64_t i = 0; i < cost->points; i++) {
        printf("%16.0f %12.3f\n", cost->point_flops[i], 1e6 * cost->point_seconds[i]);
    }
}

static void print_text(const pare_serving_latency *cost) {
    printf("model: %s, %lld fields, vectors of %lld\n", cost->model, (long long)cost->fields,
           (long long)cost->dimension);
    printf("%-24s %12s %12s\n", "", "as planned", "as loaded");
    printf("%-24s %12lld %12lld\n", "bytes of the tables", (long long)cost->bytes,
           (long long)cost->loaded_bytes);
    printf("%-24s %12lld %12lld\n", "lines of a row", (long long)cost->lines,
           (long long)cost->loaded_lines);
    printf("%-24s %12.0f %12.0f\n", "flops of a row", cost->flops, cost->loaded_flops);
    if (cost->loaded_bytes > cost->bytes) {
        printf("as loaded: `pare score` lays every row out as long as the longest; times are of "
               "that\n");
    }
    if (cost->points == 0) {
        return;
    }
    if (isnan(cost->measured_p50)) {
        printf(
            "\nby the calibration in the plan; --host measures\na call, us: p50 %.3f, p99 %.3f\n",
            1e6 * cost->predicted_p50, 1e6 * cost->predicted_p99);
        print_rates(cost);
        return;
    }
    printf("\n%-24s %12s %12s %8s\n", "a call, us", "predicted", "measured", "error");
    const double rows[2][2] = {{cost->predicted_p50, cost->measured_p50},
                               {cost->predicted_p99, cost->measured_p99}};
    for (int i = 0; i < 2; i++) {
        printf("%-24s %12.3f %12.3f %+7.1f%%\n", i == 0 ? "p50" : "p99", 1e6 * rows[i][0],
               1e6 * rows[i][1], 100 * relative(rows[i][0], rows[i][1]));
    }
    print_rates(cost);
}

static void print_json(const pare_serving_latency *cost) {
    printf("{\n  \"model\": \"%s\",\n  \"fields\": %lld,\n  \"dimension\": %lld,\n", cost->model,
           (long long)cost->fields, (long long)cost->dimension);
    printf("  \"batch\": %lld,\n  \"bytes\": %lld,\n  \"lines\": %lld,\n  \"flops\": %.0f",
           (long long)cost->batch, (long long)cost->bytes, (long long)cost->lines, cost->flops);
    printf(",\n  \"as_loaded\": {\"bytes\": %lld, \"lines\": %lld, \"flops\": %.0f}",
           (long long)cost->loaded_bytes, (long long)cost->loaded_lines, cost->loaded_flops);
    if (cost->points > 0) {
        printf(",\n  \"predicted_us\": {\"p50\": %.4f, \"p99\": %.4f},\n",
               1e6 * cost->predicted_p50, 1e6 * cost->predicted_p99);
        if (!isnan(cost->measured_p50)) {
            printf("  \"measured_us\": {\"p50\": %.4f, \"p99\": %.4f},\n", 1e6 * cost->measured_p50,
                   1e6 * cost->measured_p99);
        }
        printf("  \"look_ups\": [");
        for (int64_t i = 0; i < cost->levels; i++) {
            printf("%s\n    {\"bytes\": %.0f, \"once_us\": %.4f, \"field_us\": %.5f}",
                   i > 0 ? "," : "", cost->level_bytes[i], 1e6 * cost->level_wait[i],
                   1e6 * cost->level_look_up[i]);
        }
        printf("],\n  \"rest\": [");
        for (int64_t i = 0; i < cost->points; i++) {
            printf("%s\n    {\"flops\": %.0f, \"us\": %.4f}", i > 0 ? "," : "",
                   cost->point_flops[i], 1e6 * cost->point_seconds[i]);
        }
        printf("]");
    }
    printf("\n}\n");
}

static pare_exit run_serve_cost(pare_cli *cli) {
    pare_serving_latency cost = {.size = sizeof cost};
    int64_t batch = strtoll(cli->own[OWN_BATCH], NULL, 10);
    bool host = strcmp(cli->own[OWN_HOST], "true") == 0;
    pare_exit code = pare_cli_readable(cli, cli->positional[0]);
    if (code != PARE_EXIT_OK) {
        return code;
    }
    if (host) {
        pare_view_status(&cli->view, "measuring %s", cli->positional[0]);
    }
    pare_status status = pare_embedding_latency(cli->ctx, cli->positional[0], batch, host, &cost);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    pare_view_clear(&cli->view);
    if (strcmp(cli->own[OWN_JSON], "true") == 0) {
        print_json(&cost);
    } else {
        print_text(&cost);
    }
    return pare_cli_flush(cli);
}

const pare_command pare_command_serve_cost = {
    .name = "serve-cost",
    .summary = "predict and measure how long a plan of `pare embed` takes to score",
    .usage = "PLAN|MODEL [options]",
    .examples = "pare serve-cost plan.json --host\n"
                "pare serve-cost clicks/ --host --batch 400\n",
    .sections = "run",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_serve_cost,
};
