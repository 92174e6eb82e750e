/* How much memory pruning will take, from sizes alone. */
#include "problem/prune.h"

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Bytes of the tensors of the whole model that a workspace converts. */
static int64_t converted(const pare_lm *lm) {
    const pare_lm_tensor *const whole[] = {lm->shape.tied ? &lm->embedding : &lm->head,
                                           &lm->positions};
    int64_t values = 0;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        values += pare_lm_direct(whole[i]) ? 0 : whole[i]->rows * whole[i]->columns;
    }
    return values * (int64_t)sizeof(float);
}

int64_t pare_prune_bytes(const pare_lm *dense, int64_t sequences, int64_t length,
                         const pare_prune_options *options) {
    enum { REAL = sizeof(double), NUMBER = sizeof(float) };
    const pare_lm_shape *s = &dense->shape;
    int64_t batch = sequences < PARE_CALIBRATION_BATCH ? sequences : PARE_CALIBRATION_BATCH;
    int64_t inner = 0, widest_layer = 0, width = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        int64_t parameters = pare_lm_layer_parameters(s, i);
        inner += parameters;
        widest_layer = greater(widest_layer, parameters);
        width = greater(width, greater(s->layer[i].heads * s->head_dim, s->layer[i].ffn));
    }
    bool taylor = options->criterion == PARE_PRUNE_TAYLOR;
    bool attention = options->criterion == PARE_PRUNE_SEQUENTIAL_ATTENTION;
    int64_t window = length * s->hidden * NUMBER;
    int64_t probe = options->probe < sequences ? options->probe : sequences;
    int64_t bytes = (s->parallel ? 4 : 2) * sequences * window + (probe + batch) * window;
    bytes += 2 * (pare_lm_run_bytes(s, batch, length, false) + converted(dense));
    /* Scores are done before the first cut: the greater of the two counts. */
    int64_t scoring = 0, cutting = 0;
    scoring += taylor || attention ? pare_lm_run_bytes(s, attention ? 1 : batch, length, true) : 0;
    scoring += taylor || attention ? converted(dense) : 0;
    cutting += inner * (options->pack == PARE_DTYPE_F32 ? NUMBER : NUMBER / 2);
    cutting += 2 * widest_layer * NUMBER;
    cutting += width * (3 * width + 3 * s->hidden) * REAL + width * (width + s->hidden) * NUMBER;
    bytes += greater(scoring, cutting);
    bytes += attention ? 4 * inner * NUMBER : 0; /* own weights, gradients, what the masks mix */
    return bytes;
}
