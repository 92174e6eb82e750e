/*
 * Pairs of fields that an alarm brings up which no change answers: the log loss has risen, so that
 * something may matter that is no candidate. Residuals of the plan, less what single fields
 * explain, are summed by pair of ids in two halves of some rows; pairs whose halves agree become
 * candidates with the next file.
 */
#include "problem/embed_course.h"

#include "base/random.h"
#include "platform/system.h"

#include <math.h>

enum {
    STEP = 4,         /* one row in so many, */
    ROWS_MAX = 16384, /* and no more */
    BITS = 9,         /* of the buckets that ids and pairs are hashed to */
    BUCKETS = 1 << BITS,
    LANES = 4,
    HALVES = 2
};

/* Standard deviations: of a pair, and of a field whose own part is taken off first. */
#define AGREE   3.0
#define EXPLAIN 2.0

typedef struct pairs {
    pare_embed_course *course;
    int64_t rows, fields;
    int64_t *field;   /* (fields) categories that rows have */
    uint32_t *factor; /* (fields) odd */
    uint32_t *id;     /* (fields, rows) row of the table times the field's factor */
    float *slope, *curvature;
} pairs;

/* Rows even and odd are the halves. */
static void fill(pairs *p) {
    const pare_embed_course *c = p->course;
    const pare_fields *all = &c->embed->fields;
    int64_t step = all->rows / ROWS_MAX >= STEP ? all->rows / ROWS_MAX + 1 : STEP;
    p->rows = (all->rows + step - 1) / step;
    for (int64_t k = 0; k < p->fields; k++) {
        p->factor[k] =
            1 + 2 * (uint32_t)pare_random_below(1, PARE_STREAM_HALVES, (uint64_t)k, INT32_MAX);
    }
    for (int64_t i = 0; i < p->rows; i++) {
        const int32_t *cell = all->cell + i * step * all->count;
        float q = c->probability[i * step];
        p->slope[i] = q - all->label[i * step];
        p->curvature[i] = q * (1 - q);
        for (int64_t k = 0; k < p->fields; k++) {
            p->id[k * p->rows + i] = (uint32_t)cell[p->field[k]] * p->factor[k];
        }
    }
}

/* Takes a Newton step for the ids of one field off the slopes. */
static void explain(pairs *p, int64_t k) {
    float g[BUCKETS] = {0}, h[BUCKETS] = {0};
    const uint32_t *id = p->id + k * p->rows;
    for (int64_t i = 0; i < p->rows; i++) {
        uint32_t at = id[i] >> (32 - BITS);
        g[at] += p->slope[i];
        h[at] += p->curvature[i];
    }
    for (int64_t b = 0; b < BUCKETS; b++) {
        g[b] /= -(h[b] + PARE_EMBED_PRIOR);
    }
    for (int64_t i = 0; i < p->rows; i++) {
        p->slope[i] += p->curvature[i] * g[id[i] >> (32 - BITS)];
    }
}

/* How sure it is that the halves agree, in standard deviations. */
static double agreement(const float sum[HALVES][BUCKETS]) {
    float both[LANES] = {0}, square[LANES] = {0};
    for (int64_t k = 0; k < BUCKETS; k += LANES) {
        for (int64_t l = 0; l < LANES; l++) { /* a count that compilers turn to vectors */
            float product = sum[0][k + l] * sum[1][k + l];
            both[l] += product;
            square[l] += product * product;
        }
    }
    double all = 0, variance = 0;
    for (int64_t l = 0; l < LANES; l++) {
        all += (double)both[l];
        variance += (double)square[l];
    }
    return variance > 0 ? all / sqrt(variance) : 0;
}

static double agree_on_field(const pairs *p, int64_t k) {
    float sum[HALVES][BUCKETS] = {0};
    const uint32_t *x = p->id + k * p->rows;
    for (int64_t i = 0; i + 1 < p->rows; i += HALVES) {
        sum[0][x[i] >> (32 - BITS)] += p->slope[i];
        sum[1][x[i + 1] >> (32 - BITS)] += p->slope[i + 1];
    }
    return agreement((const float(*)[BUCKETS])sum);
}

static double agree_on_pair(const pairs *p, int64_t a, int64_t b) {
    float sum[HALVES][BUCKETS] = {0};
    const uint32_t *x = p->id + a * p->rows, *y = p->id + b * p->rows;
    for (int64_t i = 0; i + 1 < p->rows; i += HALVES) {
        sum[0][(x[i] + y[i]) >> (32 - BITS)] += p->slope[i];
        sum[1][(x[i + 1] + y[i + 1]) >> (32 - BITS)] += p->slope[i + 1];
    }
    return agreement((const float(*)[BUCKETS])sum);
}

/* There is a cross of the two already. */
static bool known(const pare_embed_course *c, int64_t a, int64_t b) {
    const pare_fields *fields = &c->embed->fields;
    bool found = false;
    for (int64_t f = fields->count - c->crosses; f < fields->count; f++) {
        const int64_t *part = fields->field[f].part;
        found = found || (part[0] == a && part[1] == b) || (part[0] == b && part[1] == a);
    }
    return found;
}

/* Puts the pair among the best. */
static void insert(pare_embed_state *s, double *score, int64_t room, int64_t a, int64_t b,
                   double value) {
    int64_t at = s->proposed < room ? s->proposed++ : room - 1;
    for (; at > 0 && score[at - 1] < value; at--) {
        score[at] = score[at - 1];
        memcpy(s->pair[at], s->pair[at - 1], sizeof s->pair[at]);
    }
    score[at] = value;
    s->pair[at][0] = a;
    s->pair[at][1] = b;
}

static void find(pairs *p, int64_t room) {
    pare_embed_state *s = &p->course->state;
    double score[PARE_EMBED_PROPOSED] = {0};
    for (int64_t k = 0; k < p->fields; k++) {
        if (agree_on_field(p, k) > EXPLAIN) {
            explain(p, k);
        }
    }
    for (int64_t b = 1; b < p->fields; b++) {
        for (int64_t a = 0; a < b; a++) {
            double value = agree_on_pair(p, a, b);
            bool among = s->proposed < room || value > score[room - 1];
            if (value > AGREE && among && !known(p->course, p->field[a], p->field[b])) {
                insert(s, score, room, p->field[a], p->field[b], value);
            }
        }
    }
}

pare_status pare_embed_propose(pare_embed_course *c) {
    const pare_embed *e = c->embed;
    pare_embed_state *s = &c->state;
    int64_t room = 2 * s->crosses - c->crosses;
    room = room < PARE_EMBED_PROPOSED ? room : PARE_EMBED_PROPOSED;
    s->proposed = 0;
    bool answered = c->window->added >= 0 || c->window->dropped >= 0 || c->window->repaired;
    if (!c->window->alarm || answered || room <= 0) {
        return PARE_OK;
    }
    double start = pare_thread_cpu_seconds();
    pairs p = {.course = c};
    int64_t most = e->fields.rows < ROWS_MAX ? e->fields.rows : ROWS_MAX;
    pare_status status = pare_alloc(c->ctx, e->fields.count, sizeof *p.field, &p.field);
    for (int64_t f = 0; f < e->fields.count - c->crosses && status == PARE_OK; f++) {
        const pare_field *field = &e->fields.field[f];
        if (field->kind == PARE_FIELD_CATEGORY && field->size > 1 && field->present > 0 &&
            !e->banned[f]) {
            p.field[p.fields++] = f;
        }
    }
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{p.fields, sizeof *p.factor, &p.factor},
                 {p.fields * most, sizeof *p.id, &p.id},
                 {most, sizeof *p.slope, &p.slope},
                 {most, sizeof *p.curvature, &p.curvature}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc(c->ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    if (status == PARE_OK) {
        fill(&p);
        find(&p, room);
        c->window->proposed = s->proposed;
        memcpy(c->window->pair, s->pair, sizeof s->pair);
    }
    pare_free(c->ctx, p.field);
    pare_free(c->ctx, p.factor);
    pare_free(c->ctx, p.id);
    pare_free(c->ctx, p.slope);
    pare_free(c->ctx, p.curvature);
    c->window->cpu_selecting += pare_thread_cpu_seconds() - start;
    return status;
}
