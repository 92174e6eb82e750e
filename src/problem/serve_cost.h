/* What scoring by a plan or a trained model costs: counted, predicted for this machine, measured.
 */
#ifndef PARE_PROBLEM_SERVE_COST_H
#define PARE_PROBLEM_SERVE_COST_H

#include "model/field_latency.h"

typedef struct pare_serve_cost {
    const char *model;                   /* its word, static */
    int64_t fields, dimension, batch;    /* looked up for a row; of the vectors; rows of a call */
    int64_t bytes, lines;                /* of the tables, and of a row, as a plan counts them */
    double flops;                        /* of a row, likewise */
    int64_t loaded_bytes, loaded_lines;  /* as scoring lays them out: every row as */
    double loaded_flops;                 /* long as the longest */
    pare_field_rates rates;              /* host: the calibration */
    pare_field_time predicted, measured; /* host: of a call, else NaN */
} pare_serve_cost;

/* path: a plan of `pare embed`, whose tables are made of random numbers, or a folder of `pare
 * train`. batch: 1 .. 65536. host: calibrates, predicts and measures too;
 * else the prediction is by the calibration of the plan, where it has one for this batch. */
pare_status pare_serve_cost_run(pare_context *ctx, const char *path, int64_t batch, bool host,
                                pare_serve_cost *out) PARE_MUST_CHECK;

#endif
