#include "problem/problem.h"

pare_status pare_null_score(const pare_dataset *train, const pare_dataset *data, int64_t count,
                            const int64_t *rows, double *out) {
    *out = 0;
    if (!train->label || count == 0) {
        return PARE_OK;
    }
    double *weight = NULL;
    pare_status status = pare_alloc_zero(train->ctx, train->classes, sizeof *weight, &weight);
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
    for (int64_t i = 0; i < count; i++) {
        double one = data->weight ? (double)data->weight[rows[i]] : 1;
        hit += data->label[rows[i]] == best ? one : 0;
        all += one;
    }
    *out = all > 0 ? hit / all : 0;
    pare_free(train->ctx, weight);
    return PARE_OK;
}
