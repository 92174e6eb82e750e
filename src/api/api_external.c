#include "api/config.h"
#include "problem/external.h"

#include <math.h>
#include <string.h>

pare_status pare_external_create(pare_context *ctx, const pare_external_model *model,
                                 const pare_config *config, pare_external **out) {
    *out = NULL;
    if (!model || !config || !model->step || model->size < sizeof *model) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "an external model needs its size, a step callback and a config");
    }
    if (model->candidates < 1 || model->steps_per_epoch < 1) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "external model: %lld candidates, %lld steps in an epoch; at least 1 of "
                         "each was expected",
                         (long long)model->candidates, (long long)model->steps_per_epoch);
    }
    return pare_external_start(ctx, model, &config->options, out);
}

pare_status pare_external_step(pare_external *external, bool *done) {
    *done = false;
    return pare_external_advance(external, done);
}

pare_status pare_external_progress(const pare_external *external, pare_progress *out) {
    if (!external || !out) {
        return PARE_ERROR_ARGUMENT;
    }
    const pare_choice *choice = &external->choice;
    double fraction = external->done ? 1 : choice->fraction;
    *out = (pare_progress){
        .size = sizeof *out,
        .stage = choice->stage,
        .fraction = fraction,
        .seconds = external->seconds,
        .seconds_left = fraction > 0 ? external->seconds * (1 - fraction) / fraction : -1,
        .chosen = choice->count,
        .wanted = external->task.k,
        .loss = choice->loss,
    };
    return PARE_OK;
}

int64_t pare_external_count(const pare_external *external) {
    return external->choice.count;
}

const int64_t *pare_external_items(const pare_external *external) {
    return external->choice.item;
}

double pare_external_score(const pare_external *external, int64_t rank) {
    return rank >= 0 && rank < external->choice.count ? external->choice.score[rank] : (double)NAN;
}

void pare_external_destroy(pare_external *external) {
    pare_external_free(external);
}
