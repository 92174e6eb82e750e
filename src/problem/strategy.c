#include "problem/strategy.h"

pare_status pare_strategy_of(pare_context *ctx, const pare_options *options,
                             const struct pare_strategy **out) {
    const struct {
        bool wanted;
        const struct pare_strategy *strategy;
    } all[] = {
        {options->stability > 0, &pare_strategy_stability},
        {options->fdr > 0, &pare_strategy_knockoffs},
        {options->tolerance > 0, &pare_strategy_tolerance},
        {options->exact, &pare_strategy_best_subset},
    };
    *out = NULL;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].wanted && *out) {
            return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                             "options %s and %s: each chooses by itself; give one of them",
                             (*out)->name, all[i].strategy->name);
        }
        *out = all[i].wanted ? all[i].strategy : *out;
    }
    return PARE_OK;
}

pare_dataset pare_dataset_view(const pare_dataset *data, int64_t count, int64_t *rows) {
    pare_dataset view = *data;
    view.train_count = count;
    view.train = rows;
    return view;
}
