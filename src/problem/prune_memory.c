/* How much memory pruning will take, from sizes alone: the greatest of what its stages hold. */
#include "problem/prune_parts.h"

enum { REAL = sizeof(double), NUMBER = sizeof(float) };

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Sizes over all layers, in values. */
typedef struct sizes {
    int64_t inner, widest_layer; /* parameters of all layers, of the largest */
    int64_t width;               /* of the widest matrix solved anew */
    int64_t lasts;               /* bytes of all last matrices in the model's format */
} sizes;

static sizes sizes_of(const pare_lm *dense) {
    const pare_lm_shape *s = &dense->shape;
    sizes z = {.width = s->hidden}; /* readers of the stream are solved for its width */
    for (int64_t i = 0; i < s->layers; i++) {
        int64_t parameters = pare_lm_layer_parameters(s, i);
        int64_t width = s->layer[i].heads * s->head_dim, ffn = s->layer[i].ffn;
        const pare_lm_tensor *t = &dense->layer[i][PARE_LM_Q];
        bool whole = t->own || !t->stored || t->stored->dtype == PARE_DTYPE_F32;
        z.inner += parameters;
        z.widest_layer = greater(z.widest_layer, parameters);
        z.width = greater(z.width, greater(width, ffn));
        z.lasts += (width + ffn) * s->hidden * (whole ? NUMBER : NUMBER / 2);
    }
    return z;
}

/* The regression of the widest half: collected, then eliminated or solved. run: of the model that
 * is cut, 0 while it is still equal to the dense one. */
static int64_t regression(const pare_lm_shape *s, int64_t width, int64_t rows, int64_t run) {
    int64_t hidden = s->hidden, problem = width * (width + hidden) * REAL;
    int64_t collect = run + 2 * rows * hidden * NUMBER + width * (width + hidden) * NUMBER;
    return problem + greater(collect, width * (2 * width + hidden) * REAL);
}

int64_t pare_prune_bytes(const pare_lm *dense, int64_t sequences, int64_t length,
                         const pare_prune_options *options) {
    const pare_lm_shape *s = &dense->shape;
    const sizes z = sizes_of(dense);
    int64_t batch = pare_calibration_batch(s, sequences, length);
    int64_t window = length * s->hidden * NUMBER, last = z.width * s->hidden * NUMBER;
    int64_t run = pare_lm_run_bytes(dense, batch, length, false, false);
    int64_t halves = pare_lm_run_bytes(dense, batch, length, false, true);
    int64_t measure = regression(s, z.width, batch * length, halves);
    int64_t probe = options->probe < sequences ? options->probe : sequences;
    bool attention = options->criterion == PARE_PRUNE_SEQUENTIAL_ATTENTION;
    int64_t base = (s->parallel ? 4 : 2) * sequences * window;
    base += attention && !options->hidden ? halves : run;
    base += options->criterion == PARE_PRUNE_RECONSTRUCTION ? (probe + batch) * window : 0;
    int64_t kept = (int64_t)(options->keep * (double)z.inner) *
                   (options->pack == PARE_DTYPE_F32 ? NUMBER : NUMBER / 2);
    int64_t scoring = run, cutting = kept;
    if (attention) {
        int64_t training = pare_lm_run_bytes(dense, 1, length, true, false) +
                           pare_lm_run_bytes(dense, 1, length, false, false);
        scoring = greater(scoring, 2 * z.lasts + 2 * last + greater(measure + last, training));
        cutting = greater(cutting, z.lasts);
    } else if (options->criterion == PARE_PRUNE_TAYLOR) {
        scoring = pare_lm_run_bytes(dense, batch, length, true, false);
    } else if (options->criterion == PARE_PRUNE_RECONSTRUCTION) {
        scoring += z.widest_layer * NUMBER + last + regression(s, z.width, batch * length, 0);
    } else if (options->criterion == PARE_PRUNE_ACTIVATION ||
               options->criterion == PARE_PRUNE_FLUCTUATION) {
        scoring =
            greater(scoring, z.widest_layer * NUMBER + regression(s, z.width, batch * length, 0));
    }
    cutting += z.widest_layer * NUMBER + measure;
    int64_t bytes = base + greater(scoring, greater(cutting, kept + run));
    /* Dimensions go from own copies of all; plans are carried out on two more. */
    int64_t copies = (options->hidden ? 1 : 0) + (pare_prune_by_plans(options) ? 2 : 0);
    return bytes + copies * pare_lm_parameters(s) * NUMBER;
}
