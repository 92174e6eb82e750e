/* SiLU and GELU with their slopes. */
#include "model/transformer/internal.h"

#include <math.h>

static const float root_2_over_pi = 0.797884561f, cubic = 0.044715f;
static const float root_half = 0.707106781f, density = 0.398942280f; /* 1 / sqrt(2 pi) */

/* x sigmoid(z(x)) and its slope, for z = x (SiLU) or 2 sqrt(2/pi) (x + 0.044715 x^3), which is GELU
 * in its tanh form. value holds exp(-z) on entry. */
static void by_sigmoid(bool gelu, int64_t count, const float *a, float *value, float *slope) {
    for (int64_t j = 0; j < count; j++) {
        float x = a[j], sigmoid = 1 / (1 + value[j]);
        if (slope) {
            float rise = gelu ? 2 * root_2_over_pi * (1 + 3 * cubic * x * x) : 1;
            slope[j] = sigmoid + x * sigmoid * (1 - sigmoid) * rise;
        }
        value[j] = x * sigmoid;
    }
}

void pare_lm_activate(const pare_kernels *kernels, pare_lm_activation kind, int64_t count,
                      const float *a, float *value, float *slope) {
    enum { PIECE = 256 };
    if (kind == PARE_LM_GELU) {
        for (int64_t j = 0; j < count; j++) {
            float x = a[j], share = 0.5f * (1 + erff(x * root_half));
            if (slope) {
                slope[j] = share + x * density * expf(-0.5f * x * x);
            }
            value[j] = x * share;
        }
        return;
    }
    bool gelu = kind == PARE_LM_GELU_TANH;
    float e[PIECE];
    for (int64_t from = 0; from < count; from += PIECE) {
        int64_t size = count - from < PIECE ? count - from : PIECE;
        const float *x = a + from;
        for (int64_t j = 0; j < size; j++) {
            float z = gelu ? 2 * root_2_over_pi * (x[j] + cubic * x[j] * x[j] * x[j]) : x[j];
            e[j] = z < -80 ? 80 : z > 80 ? -80 : -z;
        }
        kernels->exponential(size, e, e);
        by_sigmoid(gelu, size, x, e, slope ? slope + from : NULL);
        for (int64_t j = 0; j < size; j++) {
            value[from + j] = e[j];
        }
    }
}
