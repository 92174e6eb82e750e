/*
 * Cross screening: which pairs of fields say together what they do not say apart. Residuals of a
 * logistic regression on all fields are summed by pair of ids, in two halves of the training rows;
 * weights learned on one half are judged on the other, no training of any cross. A part of the rows
 * tells which eighth of the pairs is looked at on all of them. The regression is fitted by Newton
 * steps, one field after the other.
 */
#include "problem/embed.h"

#include "base/random.h"
#include "platform/threads.h"

#include <math.h>
#include <stdlib.h>

enum {
    SWEEPS = 2,
    HALVES = 2,
    FIRST_SHARE = 4,    /* one row in so many comes first, */
    FIRST_MIN = 131072, /* at least so many but at most half of them, */
    FIRST_ALL = 16384,  /* all where there are no more: after them */
    LEFT_SHARE = 8,     /* one pair in so many is left, and at least so many for each one wanted */
    LEFT_EACH = 4
};

typedef struct screen {
    pare_embed *embed;
    int64_t rows;          /* training rows, padded columns of which follow each other */
    int32_t *id;           /* (fields, rows) row within the field's table, -1: absent */
    int64_t *order;        /* (rows) rows of the file, ordered by half */
    int64_t begin;         /* of the second half */
    int64_t first[HALVES]; /* rows of each half, its first ones, that look at all pairs */
    bool all;              /* all rows are looked at now */
    float *label;          /* (rows) 0 or 1 */
    float *logit, *scratch;
    uint64_t *term;         /* (rows) gradient and curvature of the loss, see pack */
    double unit;            /* of both */
    int64_t pairs, left;    /* left: those still in, the first ones */
    pare_embed_cross *pair; /* (pairs) */
    uint64_t **sums;        /* (chunks) tables, (HALVES, cross_rows) each */
    int64_t chunks;         /* pairs are dealt to so many tables */
} screen;

/* Gradient and curvature as whole multiples of a unit that lets all rows add up: the gradient in
 * the low half of 64 bits, the curvature, which is positive, above. One addition sums both. */
static uint64_t pack(double gradient, double curvature, double units) {
    double g = gradient * units + (gradient < 0 ? -0.5 : 0.5), h = curvature * units + 0.5;
    return (uint64_t)(int64_t)g + ((uint64_t)h << 32);
}

static double gradient_of(uint64_t sum) {
    return (double)(int32_t)(uint32_t)sum;
}

static double curvature_of(uint64_t sum) {
    return (double)((sum - (uint64_t)(int64_t)(int32_t)(uint32_t)sum) >> 32);
}

/* 1 / t of the variance t of the true weights, see judge; infinite: the halves agree on nothing. */
static double prior_of(int64_t rows, const uint64_t *a, const uint64_t *b) {
    double both = 0, curvature = 0;
    for (int64_t r = 0; r < rows; r++) {
        both += gradient_of(a[r]) * gradient_of(b[r]);
        curvature += curvature_of(a[r]) * curvature_of(b[r]);
    }
    return both > 0 && curvature > 0 ? curvature / both : (double)INFINITY;
}

/*
 * With sums G of the gradient and H of the curvature in the halves a and b, a weight w changes the
 * loss of a half by G w + H w^2 / 2. The variance t of the true weights is told by the halves
 * together, E G_a G_b = t H_a H_b; the weight of a half is -G / (H + 1 / t). Returns how much the
 * weights of each half lower the loss of the other, summed over both.
 */
static double judge(int64_t rows, const uint64_t *a, const uint64_t *b, double unit) {
    double gain = 0, prior = prior_of(rows, a, b) / unit; /* in units, as the curvature */
    if (!isfinite(prior)) {
        return 0;
    }
    for (int64_t r = 0; r < rows; r++) {
        double g = gradient_of(a[r]), h = curvature_of(a[r]);
        double g_other = gradient_of(b[r]), h_other = curvature_of(b[r]);
        double w = -g / (h + prior), w_other = -g_other / (h_other + prior);
        gain -= g_other * w + h_other * w * w / 2;
        gain -= g * w_other + h * w_other * w_other / 2;
    }
    return gain * unit;
}

/* How sure it is that the halves agree: the sum of their products of gradients in units of its
 * standard deviation where they do not. */
static double agreement(int64_t rows, const uint64_t *a, const uint64_t *b) {
    double sum = 0, square = 0;
    for (int64_t r = 0; r < rows; r++) {
        double both = gradient_of(a[r]) * gradient_of(b[r]);
        sum += both;
        square += both * both;
    }
    return square > 0 ? sum / sqrt(square) : 0;
}

/* Any hash serves sums; this one takes half the time of the one of crosses that are trained. */
static inline uint64_t bucket(int32_t a, int32_t b, uint64_t size) {
    uint32_t mixed = (uint32_t)a * UINT32_C(0x9e3779b1) + (uint32_t)b * UINT32_C(0x85ebca77);
    return (uint64_t)mixed * size >> 32;
}

static void add_rows(const screen *s, const pare_embed_cross *pair, int64_t first, int64_t end,
                     uint64_t *sums) {
    const pare_field *field = s->embed->fields.field;
    const int32_t *a = s->id + pair->part[0] * s->rows, *b = s->id + pair->part[1] * s->rows;
    const uint64_t *term = s->term, size = (uint64_t)pair->rows;
    int64_t a_rows = field[pair->part[0]].size, b_rows = field[pair->part[1]].size;
    bool whole = pair->rows == a_rows * b_rows; /* else hashed */
    for (int64_t i = first; i < end && whole; i++) {
        if ((a[i] | b[i]) >= 0) { /* none is absent */
            sums[a[i] * b_rows + b[i]] += term[i];
        }
    }
    for (int64_t i = first; i < end && !whole; i++) {
        if ((a[i] | b[i]) >= 0) {
            sums[bucket(a[i], b[i], size)] += term[i];
        }
    }
}

static void score_pair(const screen *s, pare_embed_cross *pair, uint64_t *sums) {
    uint64_t *other = sums + pair->rows;
    memset(sums, 0, (size_t)(HALVES * pair->rows) * sizeof *sums);
    add_rows(s, pair, 0, s->all ? s->begin : s->first[0], sums);
    add_rows(s, pair, s->begin, s->all ? s->rows : s->begin + s->first[1], other);
    pair->score = s->all ? judge(pair->rows, sums, other, s->unit) / (double)s->rows
                         : agreement(pair->rows, sums, other);
}

static void score_chunk(void *argument, int64_t chunk) {
    const screen *s = argument;
    for (int64_t p = chunk; p < s->left; p += s->chunks) {
        score_pair(s, &s->pair[p], s->sums[chunk]);
    }
}

/* Ids column by column, rows ordered by half. */
static void fill(screen *s) {
    const pare_embed *e = s->embed;
    int64_t place[HALVES] = {0, s->rows};
    s->unit = 2 * (double)s->rows / (double)INT32_MAX;
    for (int64_t i = 0; i < s->rows; i++) {
        bool half =
            pare_random_uniform((uint64_t)e->options.seed, PARE_STREAM_HALVES, (uint64_t)i) < 0.5;
        s->order[half ? --place[1] : place[0]++] = e->train_row[i];
    }
    s->begin = place[0];
    /* Halves were drawn row by row and may follow time: the first rows of each are drawn too. */
    int64_t first = s->rows / 2 < FIRST_MIN ? s->rows / 2 : FIRST_MIN;
    first = s->rows / FIRST_SHARE > first ? s->rows / FIRST_SHARE : first;
    first = first > FIRST_ALL ? first : s->rows < FIRST_ALL ? s->rows : FIRST_ALL;
    for (int64_t half = 0; half < HALVES; half++) {
        int64_t begin = half ? s->begin : 0, count = half ? s->rows - s->begin : s->begin;
        s->first[half] = first / HALVES < count ? first / HALVES : count;
        for (int64_t i = 0; i < s->first[half]; i++) {
            int64_t other = i + pare_random_below((uint64_t)e->options.seed, PARE_STREAM_HALVES,
                                                  (uint64_t)(s->rows + begin + i), count - i);
            int64_t row = s->order[begin + i];
            s->order[begin + i] = s->order[begin + other];
            s->order[begin + other] = row;
        }
    }
    for (int64_t i = 0; i < s->rows; i++) {
        const int32_t *cell = e->fields.cell + s->order[i] * e->fields.count;
        s->label[i] = e->fields.label[s->order[i]] > 0;
        for (int64_t f = 0; f < e->fields.count; f++) {
            s->id[f * s->rows + i] = cell[f] < 0 ? -1 : cell[f] - (int32_t)e->fields.field[f].first;
        }
    }
}

/* Terms of all rows at their logits. */
static void find_terms(screen *s) {
    for (int64_t i = 0; i < s->rows; i++) {
        s->scratch[i] = -fabsf(s->logit[i]);
    }
    s->embed->ctx->kernels->exponential(s->rows, s->scratch, s->scratch);
    for (int64_t i = 0; i < s->rows; i++) {
        double small = (double)s->scratch[i], p = 1 / (1 + small);
        p = s->logit[i] > 0 ? p : small * p;
        s->term[i] = pack(p - (double)s->label[i], p * (1 - p), 1 / s->unit);
    }
}

/* The gradient follows by the curvature; both are found anew after a sweep. */
static inline void add_to_logit(screen *s, int64_t i, float weight) {
    double more = curvature_of(s->term[i]) * (double)weight;
    s->logit[i] += weight;
    s->term[i] += (uint64_t)(int64_t)(more + (more < 0 ? -0.5 : 0.5));
}

/* A Newton step for the weights of a field's ids, shrunk as pairs are: none where the halves agree
 * on nothing. */
static void step_field(screen *s, int64_t f, uint64_t *sums) {
    int64_t size = s->embed->fields.field[f].size;
    const int32_t *id = s->id + f * s->rows;
    uint64_t *other = sums + size;
    memset(sums, 0, (size_t)(HALVES * size) * sizeof *sums);
    for (int64_t i = 0; i < s->rows; i++) {
        if (id[i] >= 0) {
            (i < s->begin ? sums : other)[id[i]] += s->term[i];
        }
    }
    double prior = prior_of(size, sums, other) / s->unit;
    if (!isfinite(prior)) {
        return;
    }
    for (int64_t r = 0; r < size; r++) {
        double g = gradient_of(sums[r]) + gradient_of(other[r]);
        double h = curvature_of(sums[r]) + curvature_of(other[r]);
        float weight = (float)(-g / (h + prior));
        memcpy(&sums[r], &weight, sizeof weight);
    }
    for (int64_t i = 0; i < s->rows; i++) {
        float weight = 0;
        if (id[i] >= 0) {
            memcpy(&weight, &sums[id[i]], sizeof weight);
            add_to_logit(s, i, weight);
        }
    }
}

/* The same for the one weight of a field of numbers. */
static void step_number(screen *s, int64_t f) {
    const pare_fields *fields = &s->embed->fields;
    double g = 0, h = 1; /* a prior of one */
    for (int64_t i = 0; i < s->rows; i++) {
        double x = (double)fields->value[s->order[i] * fields->count + f];
        x = s->id[f * s->rows + i] >= 0 ? x : 0;
        g += gradient_of(s->term[i]) * s->unit * x;
        h += curvature_of(s->term[i]) * s->unit * x * x;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        float x = fields->value[s->order[i] * fields->count + f];
        add_to_logit(s, i, s->id[f * s->rows + i] >= 0 ? -(float)(g / h) * x : 0);
    }
}

/* Logistic regression on all fields: logits and terms. */
static void regress(screen *s) {
    const pare_fields *fields = &s->embed->fields;
    double up = 1;
    for (int64_t i = 0; i < s->rows; i++) {
        up += (double)s->label[i];
    }
    for (int64_t i = 0; i < s->rows; i++) {
        s->logit[i] = (float)log(up / ((double)s->rows + 2 - up));
    }
    find_terms(s);
    for (int64_t sweep = 0; sweep < SWEEPS; sweep++) {
        for (int64_t f = 0; f < fields->count; f++) {
            if (fields->field[f].kind == PARE_FIELD_NUMBER && fields->value) {
                step_number(s, f);
            } else {
                step_field(s, f, s->sums[0]);
            }
        }
        find_terms(s);
    }
}

/* Pairs of categories that vary and are not banned. */
static void list_pairs(screen *s) {
    const pare_embed *e = s->embed;
    const pare_field *field = e->fields.field;
    for (int64_t a = 0; a < e->fields.count; a++) {
        for (int64_t b = a + 1; b < e->fields.count; b++) {
            if (field[a].size > 1 && field[b].size > 1 && !e->banned[a] && !e->banned[b]) {
                int64_t rows = pare_cross_size(field[a].size, field[b].size, e->options.cross_rows);
                s->pair[s->pairs++] = (pare_embed_cross){{a, b}, rows, 0};
            }
        }
    }
}

static int by_score(const void *a, const void *b) {
    const pare_embed_cross *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return x->part[0] != y->part[0] ? (x->part[0] > y->part[0]) - (x->part[0] < y->part[0])
                                    : (x->part[1] > y->part[1]) - (x->part[1] < y->part[1]);
}

static pare_status prepare(screen *s) {
    pare_embed *e = s->embed;
    int64_t cells = 0, pairs = e->fields.count * (e->fields.count - 1) / 2;
    if (!pare_checked_multiply(e->fields.count, s->rows, &cells)) {
        return pare_fail(e->ctx, PARE_ERROR_MEMORY, "out of memory: cross screening");
    }
    int64_t widest = e->options.cross_rows;
    for (int64_t f = 0; f < e->fields.count; f++) {
        widest = e->fields.field[f].size > widest ? e->fields.field[f].size : widest;
    }
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{cells, sizeof *s->id, &s->id},
                 {s->rows, sizeof *s->order, &s->order},
                 {s->rows, sizeof *s->label, &s->label},
                 {s->rows, sizeof *s->logit, &s->logit},
                 {s->rows, sizeof *s->scratch, &s->scratch},
                 {s->rows, sizeof *s->term, &s->term},
                 {pairs, sizeof *s->pair, &s->pair}};
    pare_status status = pare_alloc_zero(e->ctx, s->chunks, sizeof *s->sums, &s->sums);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc(e->ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    for (int64_t c = 0; c < s->chunks && status == PARE_OK; c++) {
        int64_t most = c > 0 ? e->options.cross_rows : widest; /* the first also takes fields */
        status = pare_alloc(e->ctx, HALVES * most, sizeof **s->sums, &s->sums[c]);
    }
    if (status == PARE_OK) {
        list_pairs(s);
        fill(s);
        regress(s);
    }
    return status;
}

/* The pairs that the first rows speak for. */
static void leave_best(screen *s) {
    int64_t wanted = LEFT_EACH * s->embed->options.crosses;
    int64_t left = s->pairs / LEFT_SHARE > wanted ? s->pairs / LEFT_SHARE : wanted;
    s->left = s->pairs;
    if (left < s->pairs) {
        pare_pool_run(s->embed->ctx->pool, s->chunks, score_chunk, s);
        qsort(s->pair, (size_t)s->pairs, sizeof *s->pair, by_score);
        s->left = left;
        for (int64_t p = left; p < s->pairs; p++) {
            s->pair[p].score = 0;
        }
    }
}

/* The best pairs become fields. */
static pare_status add_best(screen *s) {
    pare_embed *e = s->embed;
    pare_field_pair *best = NULL;
    int64_t count = 0;
    qsort(s->pair, (size_t)s->left, sizeof *s->pair, by_score);
    while (count < s->left && count < e->options.crosses && s->pair[count].score > 0) {
        count++;
    }
    e->pairs = s->pairs;
    if (count == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(e->ctx, count, sizeof *best, &best);
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        best[c] = (pare_field_pair){{s->pair[c].part[0], s->pair[c].part[1]}, s->pair[c].rows};
    }
    if (status == PARE_OK) {
        status = pare_fields_cross(&e->fields, count, best);
    }
    pare_free(e->ctx, best);
    e->crosses = count;
    e->cross = s->pair;
    s->pair = NULL;
    return status;
}

pare_status pare_embed_crosses(pare_embed *embed) {
    screen s = {.embed = embed, .rows = embed->train};
    s.chunks = pare_pool_threads(embed->ctx->pool);
    pare_status status = prepare(&s);
    if (status == PARE_OK) {
        leave_best(&s);
        s.all = true;
        pare_pool_run(embed->ctx->pool, s.chunks, score_chunk, &s);
        status = add_best(&s);
    }
    for (int64_t c = 0; c < s.chunks && s.sums; c++) {
        pare_free(embed->ctx, s.sums[c]);
    }
    void *owned[] = {s.id, s.order, s.label, s.logit, s.scratch, s.term, s.pair, s.sums};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(embed->ctx, owned[i]);
    }
    return status;
}
