#include "select/method.h"

const pare_method *pare_method_at(int64_t index) {
    /* In the order of option "method". */
    static const pare_method *const methods[] = {
        &pare_method_sequential_attention,
        &pare_method_omp,
        &pare_method_group_lasso,
        &pare_method_sequential_lasso,
        &pare_method_lly,
        &pare_method_magnitude,
        &pare_method_rfe,
        &pare_method_ranking, /* mutual-information */
        &pare_method_ranking, /* anova-f */
        &pare_method_random,
    };
    const int64_t count = sizeof methods / sizeof methods[0];
    return index >= 0 && index < count ? methods[index] : NULL;
}
