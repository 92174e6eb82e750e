/* The transformer against a double-precision forward pass written here, and its gradients against
 * central differences of that pass. */
#include "support.h"

#include <math.h>

#include "base/random.h"
#include "model/transformer/transformer.h"

enum { SEQUENCES = 2, LENGTH = 70, ROWS = SEQUENCES * LENGTH, VOCABULARY = 11 };

static float normal(uint64_t stream, int64_t index) {
    return (float)pare_random_normal(stream, PARE_STREAM_TEST, (uint64_t)index);
}

/* Shapes beyond the plain one: biases, norms of heads, neighbours rotated; the other families. */
typedef enum kind { PLAIN, EXTRAS, GPT2, NEOX, NEOX_IN_TURN } kind;

static void set_family(kind which, pare_lm_shape *s) {
    if (which < GPT2) {
        return;
    }
    s->layer_norm = s->qkv_bias = s->output_bias = s->ffn_bias = true;
    s->activation = which == GPT2 ? PARE_LM_GELU_TANH : PARE_LM_GELU;
    s->positions = which == GPT2;
    s->parallel = which == NEOX;
    s->unrotated = which == GPT2 ? s->head_dim : s->head_dim - 2;
}

/* A small model with random weights: layers that differ, one without attention, one without ffn. */
static void make(pare_context *ctx, kind which, pare_lm *lm) {
    bool extras = which == EXTRAS, interleaved = extras;
    *lm = (pare_lm){.ctx = ctx};
    lm->shape = (pare_lm_shape){.architecture = "llama",
                                .layers = 4,
                                .hidden = 6,
                                .head_dim = 4,
                                .vocabulary = VOCABULARY,
                                .context = LENGTH,
                                .rope_base = 100,
                                .norm_epsilon = 1e-3,
                                .rope_interleaved = interleaved,
                                .tied = !extras,
                                .qkv_bias = extras,
                                .output_bias = extras,
                                .ffn_bias = extras,
                                .qk_norm = extras};
    pare_lm_shape *s = &lm->shape;
    set_family(which, s);
    assert_ok(ctx, pare_lm_shape_reserve(ctx, s, (pare_lm_layer){4, 2, 5}, "test"));
    s->layer[1] = (pare_lm_layer){0, 0, 3};
    s->layer[2] = (pare_lm_layer){2, 1, 0};
    assert_ok(ctx, pare_alloc_zero(ctx, s->layers, sizeof *lm->layer, &lm->layer));
    uint64_t stream = 1;
    for (int64_t i = 0; i < s->layers; i++) {
        for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
            pare_lm_tensor *t = &lm->layer[i][slot];
            if (!pare_lm_slot_size(s, i, (pare_lm_slot)slot, &t->rows, &t->columns)) {
                *t = (pare_lm_tensor){0};
                continue;
            }
            int64_t values = t->rows * (t->columns > 0 ? t->columns : 1);
            assert_ok(ctx, pare_alloc(ctx, values, sizeof(float), &t->own));
            bool gain = slot == PARE_LM_ATTENTION_NORM || slot == PARE_LM_FFN_NORM ||
                        slot == PARE_LM_Q_NORM || slot == PARE_LM_K_NORM;
            for (int64_t v = 0; v < values; v++) {
                t->own[v] = (gain ? 1.0f : 0.0f) + 0.4f * normal(stream, v);
            }
            stream++;
        }
    }
    pare_lm_tensor *const outer[] = {&lm->embedding, &lm->norm, &lm->head, &lm->norm_bias,
                                     &lm->positions};
    const int64_t rows[] = {s->vocabulary, s->hidden, s->tied ? 0 : s->vocabulary,
                            s->layer_norm ? s->hidden : 0, s->positions ? s->context : 0};
    for (int i = 0; i < 5; i++) {
        bool vector = i == 1 || i == 3;
        int64_t values = rows[i] * (vector ? 1 : s->hidden);
        if (values == 0) {
            continue;
        }
        *outer[i] = (pare_lm_tensor){.rows = rows[i], .columns = vector ? 0 : s->hidden};
        assert_ok(ctx, pare_alloc(ctx, values, sizeof(float), &outer[i]->own));
        for (int64_t v = 0; v < values; v++) {
            outer[i]->own[v] = (i == 1 ? 1.0f : 0.0f) + 0.6f * normal(90 + (uint64_t)i, v);
        }
    }
}

/* ---- Reference: one token after the other, in double, as the papers write it ------------------
 */

static void ref_norm(const double *x, const float *gain, int64_t width, double size, double epsilon,
                     double *y) {
    double square = 0;
    for (int64_t j = 0; j < width; j++) {
        square += x[j] * x[j] / size;
    }
    for (int64_t j = 0; j < width; j++) {
        y[j] = x[j] / sqrt(square + epsilon) * (double)gain[j];
    }
}

/* The norm of the stream: root mean square, or about the mean with a bias. */
static void ref_stream_norm(const pare_lm_shape *s, const double *x, const float *gain,
                            const float *bias, double size, double *y) {
    double mean = 0, centred[8] = {0};
    for (int64_t j = 0; s->layer_norm && j < s->hidden; j++) {
        mean += x[j] / (double)s->hidden;
    }
    for (int64_t j = 0; j < s->hidden; j++) {
        centred[j] = x[j] - mean;
    }
    ref_norm(centred, gain, s->hidden, size, s->norm_epsilon, y);
    for (int64_t j = 0; bias && j < s->hidden; j++) {
        y[j] += (double)bias[j];
    }
}

static double ref_activation(pare_lm_activation which, double x) {
    const double pi = 3.14159265358979323846;
    return which == PARE_LM_SILU_GATED ? x / (1 + exp(-x))
           : which == PARE_LM_GELU_TANH
               ? 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))
               : 0.5 * x * (1 + erf(x / sqrt(2)));
}

static void ref_times(const pare_lm_tensor *w, const pare_lm_tensor *bias, const double *x,
                      double *y) {
    for (int64_t o = 0; o < w->rows; o++) {
        y[o] = bias->own ? (double)bias->own[o] : 0;
        for (int64_t i = 0; i < w->columns; i++) {
            y[o] += (double)w->own[o * w->columns + i] * x[i];
        }
    }
}

static void ref_rotate(const pare_lm_shape *s, double position, double *x) {
    int64_t half = (s->head_dim - s->unrotated) / 2;
    for (int64_t i = 0; i < half; i++) {
        int64_t a = s->rope_interleaved ? 2 * i : i, b = s->rope_interleaved ? a + 1 : i + half;
        double angle = position * s->rope_frequency[i], u = x[a], v = x[b];
        x[a] = u * cos(angle) - v * sin(angle);
        x[b] = u * sin(angle) + v * cos(angle);
    }
}

static double ref_loss(const pare_lm *lm, const int32_t *token, const int32_t *target,
                       const float *head_gate, const float *channel_gate,
                       const float *hidden_gate) {
    const pare_lm_shape *s = &lm->shape;
    static double x[ROWS][8], entry[ROWS][8], q[ROWS][16], k[ROWS][8], v[ROWS][8];
    double size = 0, n[8], branch[8], gate[8], up[8], open[16];
    for (int64_t j = 0; j < s->hidden; j++) {
        size += (double)hidden_gate[j];
    }
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t j = 0; j < s->hidden; j++) {
            x[r][j] = (double)lm->embedding.own[token[r] * s->hidden + j];
            x[r][j] += s->positions ? (double)lm->positions.own[r % LENGTH * s->hidden + j] : 0;
            x[r][j] *= (double)hidden_gate[j];
        }
    }
    int64_t head_at = 0, channel_at = 0, d = s->head_dim;
    for (int64_t l = 0; l < s->layers; l++) {
        const pare_lm_tensor *w = lm->layer[l];
        memcpy(entry, x, sizeof x);
        int64_t heads = s->layer[l].heads, kv = s->layer[l].kv_heads, ffn = s->layer[l].ffn;
        for (int64_t r = 0; heads > 0 && r < ROWS; r++) {
            ref_stream_norm(s, x[r], w[PARE_LM_ATTENTION_NORM].own,
                            w[PARE_LM_ATTENTION_NORM_BIAS].own, size, n);
            ref_times(&w[PARE_LM_Q], &w[PARE_LM_Q_BIAS], n, q[r]);
            ref_times(&w[PARE_LM_K], &w[PARE_LM_K_BIAS], n, k[r]);
            ref_times(&w[PARE_LM_V], &w[PARE_LM_V_BIAS], n, v[r]);
            for (int64_t h = 0; h < heads; h++) {
                if (s->qk_norm) {
                    ref_norm(q[r] + h * d, w[PARE_LM_Q_NORM].own, d, (double)d, s->norm_epsilon,
                             q[r] + h * d);
                }
                ref_rotate(s, (double)(r % LENGTH), q[r] + h * d);
            }
            for (int64_t h = 0; h < kv; h++) {
                if (s->qk_norm) {
                    ref_norm(k[r] + h * d, w[PARE_LM_K_NORM].own, d, (double)d, s->norm_epsilon,
                             k[r] + h * d);
                }
                ref_rotate(s, (double)(r % LENGTH), k[r] + h * d);
            }
        }
        for (int64_t r = 0; heads > 0 && r < ROWS; r++) {
            for (int64_t h = 0; h < heads; h++) {
                int64_t g = h / (heads / kv), first = r / LENGTH * LENGTH;
                double score[LENGTH], sum = 0;
                for (int64_t t = first; t <= r; t++) {
                    double dot = 0;
                    for (int64_t j = 0; j < d; j++) {
                        dot += q[r][h * d + j] * k[t][g * d + j];
                    }
                    score[t - first] = exp(dot / sqrt((double)d));
                    sum += score[t - first];
                }
                for (int64_t j = 0; j < d; j++) {
                    open[h * d + j] = 0;
                    for (int64_t t = first; t <= r; t++) {
                        open[h * d + j] += score[t - first] / sum * v[t][g * d + j];
                    }
                    open[h * d + j] *= (double)head_gate[head_at + h];
                }
            }
            ref_times(&w[PARE_LM_O], &w[PARE_LM_O_BIAS], open, branch);
            for (int64_t j = 0; j < s->hidden; j++) {
                x[r][j] += branch[j] * (double)hidden_gate[j];
            }
        }
        for (int64_t r = 0; ffn > 0 && r < ROWS; r++) {
            ref_stream_norm(s, s->parallel ? entry[r] : x[r], w[PARE_LM_FFN_NORM].own,
                            w[PARE_LM_FFN_NORM_BIAS].own, size, n);
            bool gated = s->activation == PARE_LM_SILU_GATED;
            ref_times(&w[PARE_LM_GATE], &w[PARE_LM_GATE_BIAS], n, gate);
            ref_times(&w[PARE_LM_UP], &w[PARE_LM_UP_BIAS], n, up);
            for (int64_t j = 0; j < ffn; j++) {
                double f = ref_activation(s->activation, gated ? gate[j] : up[j]);
                up[j] = (gated ? up[j] * f : f) * (double)channel_gate[channel_at + j];
            }
            ref_times(&w[PARE_LM_DOWN], &w[PARE_LM_DOWN_BIAS], up, branch);
            for (int64_t j = 0; j < s->hidden; j++) {
                x[r][j] += branch[j] * (double)hidden_gate[j];
            }
        }
        head_at += heads;
        channel_at += ffn;
    }
    const pare_lm_tensor none = {0}, *head = s->tied ? &lm->embedding : &lm->head;
    double loss = 0, counted = 0, logits[VOCABULARY];
    for (int64_t r = 0; r < ROWS; r++) {
        if (target[r] < 0) {
            continue;
        }
        ref_stream_norm(s, x[r], lm->norm.own, lm->norm_bias.own, size, n);
        ref_times(head, &none, n, logits);
        double sum = 0;
        for (int64_t j = 0; j < VOCABULARY; j++) {
            sum += exp(logits[j]);
        }
        loss += log(sum) - logits[target[r]];
        counted++;
    }
    return loss / counted;
}

/* ---------------------------------------------------------------------------------------------- */

typedef struct fixture {
    pare_context *ctx;
    pare_lm lm;
    pare_lm_run *run;
    int32_t token[ROWS], target[ROWS];
    float head[16], channel[16], hidden[8];
} fixture;

static void open_fixture(fixture *f, kind which) {
    *f = (fixture){0};
    assert_int_equal(pare_context_create(NULL, &f->ctx), PARE_OK);
    make(f->ctx, which, &f->lm);
    assert_ok(f->ctx, pare_lm_run_create(&f->lm, SEQUENCES, LENGTH, true, &f->run));
    for (int64_t r = 0; r < ROWS; r++) {
        f->token[r] = (int32_t)pare_random_below(7, PARE_STREAM_TEST, (uint64_t)r, VOCABULARY);
        f->target[r] = r % 5 == 0 ? -1 : (int32_t)((r * 7) % VOCABULARY);
    }
    for (int64_t j = 0; j < 16; j++) {
        f->head[j] = 1 + 0.3f * normal(50, j);
        f->channel[j] = 1 + 0.3f * normal(51, j);
        f->hidden[j % 8] = which < GPT2 ? 1 + 0.1f * normal(52, j % 8) : 1;
    }
}

static void close_fixture(fixture *f) {
    pare_lm_run_destroy(f->run);
    pare_lm_clear(&f->lm);
    pare_context_destroy(f->ctx);
}

static void check_close(const char *what, int64_t index, double value, double expected,
                        double scale) {
    if (fabs(value - expected) > 2e-3 * scale + 1e-5) {
        fail_msg("%s[%lld]: %g, expected %g", what, (long long)index, value, expected);
    }
}

static void gradients_agree(kind which) {
    fixture f;
    open_fixture(&f, which);
    bool centred = f.lm.shape.layer_norm; /* no gates on dimensions then */
    pare_lm_gates gates = {f.head, f.channel, centred ? NULL : f.hidden};
    float d_head[16], d_channel[16], d_hidden[8];
    int64_t offset[5 * PARE_LM_SLOTS];
    int64_t total = pare_lm_gradient_layout(&f.lm.shape, offset);
    float *weight = calloc((size_t)total, sizeof *weight);
    assert_non_null(weight);
    pare_lm_gradients g = {.gate = {d_head, d_channel, centred ? NULL : d_hidden},
                           .weight = weight};
    (void)pare_lm_forward(f.run, f.token, &gates);
    double loss = pare_lm_loss(f.run, &gates, f.target, NULL, NULL, &g);
    double expected = ref_loss(&f.lm, f.token, f.target, f.head, f.channel, f.hidden);
    assert_true(fabs(loss - expected) < 1e-5 * expected);
    const double step = 1e-3; /* of the reference, in double; weights are float: exact powers */
    const struct {
        const char *name;
        float *value, *gradient;
        int64_t count;
    } sets[] = {{"head", f.head, d_head, 10},
                {"channel", f.channel, d_channel, 13},
                {"hidden", f.hidden, d_hidden, 6}};
    for (int i = 0; i < (centred ? 2 : 3); i++) {
        for (int64_t j = 0; j < sets[i].count; j++) {
            float old = sets[i].value[j];
            float up = old + (float)step, down = old - (float)step;
            sets[i].value[j] = up;
            double high = ref_loss(&f.lm, f.token, f.target, f.head, f.channel, f.hidden);
            sets[i].value[j] = down;
            double low = ref_loss(&f.lm, f.token, f.target, f.head, f.channel, f.hidden);
            sets[i].value[j] = old;
            check_close(sets[i].name, j, (double)sets[i].gradient[j],
                        (high - low) / ((double)up - (double)down), 0.1);
        }
    }
    for (int64_t l = 0; l <= f.lm.shape.layers; l++) {
        for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
            bool whole = l == f.lm.shape.layers;
            pare_lm_tensor *t = !whole      ? &f.lm.layer[l][slot]
                                : slot == 0 ? &f.lm.norm
                                            : &f.lm.norm_bias;
            int64_t values = t->rows * (t->columns > 0 ? t->columns : 1);
            if (!t->own || (whole && slot > 1)) {
                continue;
            }
            for (int64_t j = 0; j < values; j += 1 + values / 7) {
                float old = t->own[j], up = old + (float)step, down = old - (float)step;
                t->own[j] = up;
                double high = ref_loss(&f.lm, f.token, f.target, f.head, f.channel, f.hidden);
                t->own[j] = down;
                double low = ref_loss(&f.lm, f.token, f.target, f.head, f.channel, f.hidden);
                t->own[j] = old;
                check_close("weight", slot, (double)weight[offset[l * PARE_LM_SLOTS + slot] + j],
                            (high - low) / ((double)up - (double)down), 0.1);
            }
        }
    }
    free(weight);
    close_fixture(&f);
}

static void gradients_of_the_plain_model(void **unused) {
    (void)unused;
    gradients_agree(PLAIN);
}

static void gradients_with_biases_norms_and_interleaved_rotation(void **unused) {
    (void)unused;
    gradients_agree(EXTRAS);
}

static void gradients_of_gpt2(void **unused) {
    (void)unused;
    gradients_agree(GPT2);
}

static void gradients_of_neox(void **unused) {
    (void)unused;
    gradients_agree(NEOX);
    gradients_agree(NEOX_IN_TURN);
}

static void threads_do_not_matter(void **unused) {
    (void)unused;
    double loss[2];
    float gradient[2][16];
    for (int i = 0; i < 2; i++) {
        fixture f;
        open_fixture(&f, NEOX);
        assert_ok(f.ctx, pare_context_set_threads(f.ctx, i == 0 ? 1 : 8));
        pare_lm_gates gates = {f.head, f.channel, NULL};
        pare_lm_gradients g = {.gate.channel = gradient[i]};
        memset(gradient[i], 0, sizeof gradient[i]);
        (void)pare_lm_forward(f.run, f.token, &gates);
        loss[i] = pare_lm_loss(f.run, &gates, f.target, NULL, NULL, &g);
        close_fixture(&f);
    }
    assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
    assert_memory_equal(gradient[0], gradient[1], sizeof gradient[0]);
}

static void distillation_from_itself_costs_nothing(void **unused) {
    (void)unused;
    fixture f;
    open_fixture(&f, PLAIN);
    pare_lm_run *teacher = NULL;
    assert_ok(f.ctx, pare_lm_run_create(&f.lm, SEQUENCES, LENGTH, false, &teacher));
    (void)pare_lm_forward(f.run, f.token, NULL);
    (void)pare_lm_forward(teacher, f.token, NULL);
    float d_head[16];
    pare_lm_gradients g = {.gate.head = d_head};
    double same = pare_lm_loss(f.run, NULL, f.target, teacher, NULL, &g);
    assert_true(fabs(same) < 1e-6);
    for (int64_t j = 0; j < 10; j++) {
        assert_true(fabs((double)d_head[j]) < 1e-5);
    }
    pare_lm_gates gates = {f.head, NULL, NULL};
    (void)pare_lm_forward(f.run, f.token, &gates);
    assert_true(pare_lm_loss(f.run, &gates, f.target, teacher, NULL, NULL) > 1e-4);
    pare_lm_run_destroy(teacher);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_the_plain_model),
        cmocka_unit_test(gradients_with_biases_norms_and_interleaved_rotation),
        cmocka_unit_test(gradients_of_gpt2),
        cmocka_unit_test(gradients_of_neox),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(distillation_from_itself_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
