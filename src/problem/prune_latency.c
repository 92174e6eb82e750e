/* What the chosen shape really costs: a stand-in of it is timed beside the dense model. */
#include "problem/prune_parts.h"

pare_status pare_prune_time(const pruning *p, double *share) {
    const pare_lm_shape *s = &p->dense->shape;
    pare_lm_layer *layers = NULL;
    pare_lm stand_in = {0};
    pare_status status = pare_alloc_zero(p->ctx, s->layers, sizeof *layers, &layers);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        pare_lm_layer *layer = &layers[one->layer];
        int64_t kept = one->blocks - one->removed;
        if (one->half == PARE_LM_FFN) {
            layer->ffn = kept;
        } else {
            layer->kv_heads = one->group == 0 ? kept : kept > 0 ? one->step : 0;
            layer->heads = kept * (one->block / s->head_dim);
        }
    }
    status = pare_lm_stand_in(p->dense, layers, &stand_in);
    if (status == PARE_OK) {
        const pare_lm *models[] = {p->dense, &stand_in};
        double seconds[2] = {1, 1};
        status =
            pare_latency_of_models(2, models, p->options->sequences, p->options->position, seconds);
        *share = seconds[1] / seconds[0];
    }
    pare_lm_stand_in_clear(&stand_in);
    pare_free(p->ctx, layers);
    return status;
}
