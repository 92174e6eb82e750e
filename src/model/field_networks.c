/* What of a model's networks belongs to some of its fields: for files, and for models of other
 * fields. */
#include "model/field_private.h"

typedef struct mover {
    const pare_field_model *model;
    const uint8_t *chosen; /* (fields) */
    float *packed;         /* NULL: only counted */
    bool put;              /* from packed into the arrays */
    int64_t used;
} mover;

static void move(mover *m, float *x, int64_t count) {
    if (m->packed) {
        float *packed = m->packed + m->used;
        memcpy(m->put ? x : packed, m->put ? packed : x, (size_t)count * sizeof *x);
    }
    m->used += count;
}

/* x: (width, stride), the inputs of field f beginning at f dimension. */
static void move_inputs(mover *m, float *x, int64_t stride) {
    int64_t block = m->model->spec.dimension * stride;
    for (int64_t f = 0; f < m->model->fields; f++) {
        if (m->chosen[f]) {
            move(m, x + f * block, block);
        }
    }
}

static void move_tower(mover *m, float *x) {
    const pare_graph *tower = m->model->tower;
    int64_t stride = pare_graph_input_stride(tower), inputs = m->model->width * stride;
    move_inputs(m, x, stride);
    move(m, x + inputs, pare_graph_parameters(tower) - inputs);
}

/* W and b of each layer, then w: rows and columns of the inputs chosen. */
static void move_cross(mover *m, float *x) {
    const pare_cross_net *net = m->model->cross;
    for (int64_t l = 0; l < net->layers; l++, x += net->width * (net->width + 1)) {
        for (int64_t i = 0; i <= net->width; i++) {
            if (i == net->width || m->chosen[i / m->model->spec.dimension]) {
                move_inputs(m, x + i * net->width, 1);
            }
        }
    }
    move_inputs(m, x, 1);
}

int64_t pare_field_tower_cut(const pare_field_model *model, const uint8_t *chosen, float *out) {
    mover m = {.model = model, .chosen = chosen, .packed = out};
    move_tower(&m, pare_graph_parameter(model->tower));
    return m.used;
}

int64_t pare_field_cross_cut(const pare_field_model *model, const uint8_t *chosen, float *out) {
    mover m = {.model = model, .chosen = chosen, .packed = out};
    move_cross(&m, model->cross->parameter);
    return m.used;
}

static int64_t move_all(mover *m) {
    const pare_field_model *model = m->model;
    if (model->tower) {
        float *state = NULL;
        int64_t states = pare_graph_state(model->tower, &state);
        move_tower(m, pare_graph_parameter(model->tower));
        move_tower(m, model->optimizer.first);
        move_tower(m, model->optimizer.second);
        move(m, state, states);
    }
    if (model->cross) {
        move_cross(m, model->cross->parameter);
        move_cross(m, model->cross_optimizer.first);
        move_cross(m, model->cross_optimizer.second);
    }
    return m->used;
}

int64_t pare_field_networks_get(const pare_field_model *model, const uint8_t *chosen, float *out) {
    mover m = {.model = model, .chosen = chosen, .packed = out};
    return move_all(&m);
}

void pare_field_networks_put(pare_field_model *model, const uint8_t *chosen, float *packed,
                             int64_t steps) {
    mover m = {.model = model, .chosen = chosen, .packed = packed, .put = true};
    (void)move_all(&m);
    model->steps = (uint64_t)steps;
    model->optimizer.steps = model->cross_optimizer.steps = steps;
}
