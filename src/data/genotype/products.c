/* Products of the kept variants with vectors, through the kernels on packed codes. */
#include "data/genotype/internal.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum {
    LIMBS_MAX = 3,
    PLANES_MAX = 16, /* of one pass */
    CHUNK = 64,      /* variants of a task */
    GROUPS = 16,     /* partial sums of Xb, added in order */
    BLOCK = 256      /* variants that share a fixed point in Xb */
};

static const uint8_t dosage_of[4] = {2, 0, 1, 0}, missing_of[4] = {0, 1, 0, 0};
static const uint8_t square_of[4] = {4, 0, 1, 0};
static const uint8_t one_of[4] = {0, 0, 1, 0}, two_of[4] = {1, 0, 0, 0};

/* ---- Planes --------------------------------------------------------------------------------- */

/* Vectors in fixed point: `planes` planes of bytes; vector v is limb 0 .. limbs - 1 of planes
 * v * limbs on, lowest first, in units of unit[v]. */
typedef struct planes {
    int64_t vectors, planes, blocks;
    int limbs;
    int8_t *bytes;
    double unit[PLANES_MAX];
    int64_t sum[PLANES_MAX]; /* of the whole numbers of each vector */
} planes;

static pare_status reserve_planes(const pare_genotypes *g, int64_t count, planes *out) {
    *out = (planes){.planes = count};
    out->blocks = (g->stride + PARE_PACKED_BYTES - 1) / PARE_PACKED_BYTES;
    return pare_alloc_zero(g->ctx, out->blocks * count, PARE_PACKED_ROWS, &out->bytes);
}

static int8_t *plane_at(const planes *p, int64_t plane, int64_t row) {
    int64_t block = row / PARE_PACKED_ROWS, in = row % PARE_PACKED_ROWS;
    return p->bytes + (block * p->planes + plane) * PARE_PACKED_ROWS + in % 4 * PARE_PACKED_BYTES +
           in / 4;
}

/* Digits -128 .. 127 to base 256; the largest |r| becomes the largest number all of whose digits
 * are 127. */
static void fill_plane(const pare_genotypes *g, planes *p, int64_t v, const double *r) {
    double most = 0, top = 0;
    for (int64_t i = 0; i < g->samples; i++) {
        most = fmax(most, fabs(r[i]));
    }
    for (int l = 0; l < p->limbs; l++) {
        top = 256 * top + 127;
    }
    p->unit[v] = most / top;
    p->sum[v] = 0;
    for (int64_t i = 0; i < g->samples; i++) {
        int64_t whole = most > 0 ? (int64_t)nearbyint(r[i] / p->unit[v]) : 0;
        p->sum[v] += whole;
        for (int l = 0; l < p->limbs; l++) {
            int64_t digit = (whole + 128 + (INT64_C(1) << 40)) % 256 - 128;
            *plane_at(p, v * p->limbs + l, i) = (int8_t)digit;
            whole = (whole - digit) / 256;
        }
    }
}

/* ---- X'R ------------------------------------------------------------------------------------ */

typedef struct dot_task {
    const pare_genotypes *g;
    const planes *p;
    double *out; /* (vectors, kept) */
} dot_task;

/* out[j * planes + q] += over the kept variants first .. last, in runs of neighbours. */
static void dot_run(const pare_genotypes *g, int64_t first, int64_t last, const uint8_t weight[4],
                    bool only_missing, const planes *p, int64_t *out) {
    for (int64_t j = first, end; j < last; j = end) {
        end = j + 1;
        if (only_missing && g->missing[j] == 0) {
            continue;
        }
        while (end < last && g->keep[end] == g->keep[end - 1] + 1 &&
               !(only_missing && g->missing[end] == 0)) {
            end++;
        }
        const pare_packed x = {end - j, g->stride, g->stride, g->packed + g->keep[j] * g->stride};
        g->ctx->kernels->packed_dot(&x, weight, p->planes, p->bytes, out + (j - first) * p->planes);
    }
}

static int64_t join_limbs(const planes *p, const int64_t *limb) {
    int64_t whole = 0;
    for (int l = p->limbs - 1; l >= 0; l--) {
        whole = 256 * whole + limb[l];
    }
    return whole;
}

static void dot_chunk(void *argument, int64_t chunk) {
    const dot_task *task = argument;
    const pare_genotypes *g = task->g;
    const planes *p = task->p;
    int64_t dosage[CHUNK * PLANES_MAX] = {0}, missing[CHUNK * PLANES_MAX] = {0};
    int64_t first = chunk * CHUNK, last = first + CHUNK < g->kept ? first + CHUNK : g->kept;
    dot_run(g, first, last, dosage_of, false, p, dosage);
    dot_run(g, first, last, missing_of, true, p, missing);
    for (int64_t j = first; j < last; j++) {
        for (int64_t v = 0; v < p->vectors; v++) {
            int64_t at = (j - first) * p->planes + v * p->limbs;
            double called = (double)(p->sum[v] - join_limbs(p, missing + at));
            double sum = (double)join_limbs(p, dosage + at) - g->mean[j] * called;
            task->out[v * g->kept + j] = p->unit[v] * sum;
        }
    }
}

pare_status pare_genotypes_correlate(const pare_genotypes *g, int limbs, int64_t vectors,
                                     const double *r, double *out) {
    const int64_t most = PLANES_MAX / limbs;
    for (int64_t v = 0; v < vectors; v += most) {
        int64_t some = vectors - v < most ? vectors - v : most;
        planes p;
        pare_status status = reserve_planes(g, some * limbs, &p);
        if (status != PARE_OK) {
            return status;
        }
        p.vectors = some;
        p.limbs = limbs;
        for (int64_t i = 0; i < some; i++) {
            fill_plane(g, &p, i, r + (v + i) * g->samples);
        }
        dot_task task = {g, &p, out + v * g->kept};
        pare_pool_run(g->ctx->pool, (g->kept + CHUNK - 1) / CHUNK, dot_chunk, &task);
        pare_free(g->ctx, p.bytes);
    }
    return PARE_OK;
}

/* ---- Counts --------------------------------------------------------------------------------- */

typedef struct count_task {
    const pare_genotypes *g;
    const planes *p;
    int64_t used; /* samples marked */
    pare_calls *out;
    int64_t *missing; /* (kept) among all samples */
} count_task;

static void count_chunk(void *argument, int64_t chunk) {
    const count_task *task = argument;
    const pare_genotypes *g = task->g;
    int64_t one[2 * CHUNK] = {0}, two[2 * CHUNK] = {0}, missing[2 * CHUNK] = {0};
    int64_t first = chunk * CHUNK, last = first + CHUNK < g->kept ? first + CHUNK : g->kept;
    dot_run(g, first, last, one_of, false, task->p, one);
    dot_run(g, first, last, two_of, false, task->p, two);
    dot_run(g, first, last, missing_of, false, task->p, missing);
    for (int64_t j = first; j < last; j++) {
        int64_t at = 2 * (j - first);
        task->out[j] = (pare_calls){two[at], one[at], task->used - one[at] - two[at] - missing[at],
                                    missing[at]};
        task->missing[j] = missing[at + 1];
    }
}

/* Plane 0 is 1 for the samples marked in `some`, plane 1 for all. */
static pare_status count_calls(const pare_genotypes *g, const bool *some, pare_calls *out,
                               int64_t *missing) {
    planes p;
    int64_t used = 0;
    pare_status status = reserve_planes(g, 2, &p);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        *plane_at(&p, 0, i) = some[i];
        used += some[i];
        *plane_at(&p, 1, i) = 1;
    }
    count_task task = {g, &p, used, out, missing};
    pare_pool_run(g->ctx->pool, (g->kept + CHUNK - 1) / CHUNK, count_chunk, &task);
    pare_free(g->ctx, p.bytes);
    return PARE_OK;
}

pare_status pare_genotypes_count(const pare_genotypes *g, pare_calls *out) {
    int64_t *missing = NULL;
    pare_status status = pare_alloc(g->ctx, g->kept, sizeof *missing, &missing);
    if (status == PARE_OK) {
        status = count_calls(g, g->in, out, missing);
    }
    pare_free(g->ctx, missing);
    return status;
}

pare_status pare_genotypes_squares(const pare_genotypes *g, const bool *some, double *out) {
    pare_calls *calls = NULL;
    int64_t *missing = NULL;
    pare_status status = pare_alloc(g->ctx, g->kept, sizeof *calls, &calls);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->kept, sizeof *missing, &missing);
    }
    if (status == PARE_OK) {
        status = count_calls(g, some, calls, missing);
    }
    for (int64_t j = 0; j < g->kept && status == PARE_OK; j++) {
        double mean = g->mean[j];
        out[j] = (double)calls[j].two * (2 - mean) * (2 - mean) +
                 (double)calls[j].one * (1 - mean) * (1 - mean) +
                 (double)calls[j].none * mean * mean;
    }
    pare_free(g->ctx, calls);
    pare_free(g->ctx, missing);
    return status;
}

/* w (d - m)^2 = w d^2 - 2 m w d + m^2 w over the calls. */
static void weigh_chunk(void *argument, int64_t chunk) {
    const dot_task *task = argument;
    const pare_genotypes *g = task->g;
    const planes *p = task->p;
    int64_t square[CHUNK * LIMBS_MAX] = {0}, dosage[CHUNK * LIMBS_MAX] = {0};
    int64_t missing[CHUNK * LIMBS_MAX] = {0};
    int64_t first = chunk * CHUNK, last = first + CHUNK < g->kept ? first + CHUNK : g->kept;
    dot_run(g, first, last, square_of, false, p, square);
    dot_run(g, first, last, dosage_of, false, p, dosage);
    dot_run(g, first, last, missing_of, true, p, missing);
    for (int64_t j = first; j < last; j++) {
        const int64_t at = (j - first) * LIMBS_MAX;
        const double called = (double)(p->sum[0] - join_limbs(p, missing + at)), m = g->mean[j];
        double sum = (double)join_limbs(p, square + at) -
                     2 * m * (double)join_limbs(p, dosage + at) + m * m * called;
        task->out[j] = fmax(p->unit[0] * sum, 0);
    }
}

pare_status pare_genotypes_weighted_squares(const pare_genotypes *g, const double *weight,
                                            double *out) {
    planes p;
    pare_status status = reserve_planes(g, LIMBS_MAX, &p);
    if (status == PARE_OK) {
        p.vectors = 1;
        p.limbs = LIMBS_MAX;
        fill_plane(g, &p, 0, weight);
        dot_task task = {g, &p, out};
        pare_pool_run(g->ctx->pool, (g->kept + CHUNK - 1) / CHUNK, weigh_chunk, &task);
        pare_free(g->ctx, p.bytes);
    }
    return status;
}

pare_status pare_genotypes_measure(pare_genotypes *g) {
    pare_calls *calls = NULL;
    pare_free(g->ctx, g->mean);
    pare_free(g->ctx, g->spread);
    pare_free(g->ctx, g->missing);
    g->mean = g->spread = NULL;
    g->missing = NULL;
    pare_status status = pare_alloc(g->ctx, g->kept, sizeof *calls, &calls);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->kept, sizeof *g->mean, &g->mean);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->kept, sizeof *g->spread, &g->spread);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->kept, sizeof *g->missing, &g->missing);
    }
    if (status == PARE_OK) {
        status = count_calls(g, g->in, calls, g->missing);
    }
    for (int64_t j = 0; j < g->kept && status == PARE_OK; j++) {
        double called = (double)(g->used - calls[j].missing), one = (double)calls[j].one;
        double two = (double)calls[j].two, mean = called > 0 ? (one + 2 * two) / called : 0;
        g->mean[j] = mean;
        g->spread[j] = sqrt(fmax(one + 4 * two - called * mean * mean, 0) / (double)g->used);
    }
    pare_free(g->ctx, calls);
    return status;
}

/* ---- Xb ------------------------------------------------------------------------------------- */

typedef struct times_task {
    const pare_genotypes *g;
    const double *b;
    int32_t *whole; /* (GROUPS, 4 stride) */
    double *part;   /* (GROUPS, 4 stride) */
} times_task;

/* Adds the kept variants first .. last, at most BLOCK, to part. */
static void times_block(const times_task *task, int64_t first, int64_t last, int32_t *whole,
                        double *part) {
    const pare_genotypes *g = task->g;
    int32_t value[4 * BLOCK];
    double most = 0;
    for (int64_t j = first; j < last; j++) {
        most += fabs(task->b[j]) * fmax(g->mean[j], 2 - g->mean[j]);
    }
    if (!(most > 0)) {
        return;
    }
    const double unit = most / 0x1p30;
    const int64_t rows = 4 * g->stride;
    memset(whole, 0, (size_t)rows * sizeof *whole);
    for (int64_t j = first; j < last; j++) {
        int32_t *four = value + 4 * (j - first);
        double scaled = task->b[j] / unit;
        four[0] = (int32_t)nearbyint(scaled * (2 - g->mean[j]));
        four[1] = 0;
        four[2] = (int32_t)nearbyint(scaled * (1 - g->mean[j]));
        four[3] = (int32_t)nearbyint(scaled * -g->mean[j]);
    }
    for (int64_t j = first, end; j < last; j = end) {
        end = j + 1;
        while (end < last && g->keep[end] == g->keep[end - 1] + 1) {
            end++;
        }
        const pare_packed x = {end - j, g->stride, g->stride, g->packed + g->keep[j] * g->stride};
        g->ctx->kernels->packed_add(&x, value + 4 * (j - first), whole);
    }
    for (int64_t i = 0; i < rows; i++) {
        part[i] += unit * (double)whole[i];
    }
}

static void times_chunk(void *argument, int64_t group) {
    const times_task *task = argument;
    const pare_genotypes *g = task->g;
    const int64_t blocks = (g->kept + BLOCK - 1) / BLOCK, rows = 4 * g->stride;
    for (int64_t b = group * blocks / GROUPS; b < (group + 1) * blocks / GROUPS; b++) {
        int64_t last = (b + 1) * BLOCK < g->kept ? (b + 1) * BLOCK : g->kept;
        times_block(task, b * BLOCK, last, task->whole + group * rows, task->part + group * rows);
    }
}

pare_status pare_genotypes_times(const pare_genotypes *g, const double *b, double *out) {
    const int64_t rows = 4 * g->stride;
    times_task task = {.g = g, .b = b};
    pare_status status = pare_alloc(g->ctx, GROUPS * rows, sizeof *task.whole, &task.whole);
    if (status == PARE_OK) {
        status = pare_alloc_zero(g->ctx, GROUPS * rows, sizeof *task.part, &task.part);
    }
    if (status == PARE_OK) {
        pare_pool_run(g->ctx->pool, GROUPS, times_chunk, &task);
        for (int64_t i = 0; i < g->samples; i++) {
            out[i] = 0;
            for (int64_t group = 0; group < GROUPS; group++) {
                out[i] += task.part[group * rows + i];
            }
        }
    }
    pare_free(g->ctx, task.whole);
    pare_free(g->ctx, task.part);
    return status;
}

/* ---- Columns -------------------------------------------------------------------------------- */

void pare_genotypes_fetch(const pare_genotypes *g, int64_t count, const int64_t *column,
                          const double *factor, float *out) {
    for (int64_t c = 0; c < count; c++) {
        int64_t j = column[c];
        double mean = g->mean[j], times = factor ? factor[c] : 1;
        const float value[4] = {(float)(times * (2 - mean)), 0, (float)(times * (1 - mean)),
                                (float)(times * -mean)};
        const uint8_t *bits = g->packed + g->keep[j] * g->stride;
        float *to = out + c * g->samples;
        for (int64_t i = 0; i < g->samples; i++) {
            to[i] = value[bits[i / 4] >> 2 * (i % 4) & 3];
        }
    }
}
