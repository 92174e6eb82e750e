/*
 * What a plan needs to go on with later days: choice, vocabulary, the model's tables, decayed
 * statistics of candidates and of drift.
 */
#ifndef PARE_PROBLEM_EMBED_STATE_H
#define PARE_PROBLEM_EMBED_STATE_H

#include "problem/embed.h"

#include <math.h>

enum {
    PARE_EMBED_BINS = 17,  /* of a field's population: row 0; 14 first rows; later ones; absent.
                              Numbers: 16 of half a standard deviation; absent */
    PARE_EMBED_SKETCH = 2, /* sums of first and second derivatives of the loss by a weight */
    PARE_EMBED_TRACE = 3   /* of a gain: how many windows, sum, and its variance, decayed */
};

/* Log loss of a row of logit z, in floats. */
static inline float pare_embed_row_loss(float z, float label) {
    return fmaxf(z, 0) + log1pf(expf(-fabsf(z))) - label * z;
}

/* Of one file after another; statistics are sums that every window multiplies by a decay < 1. */
typedef struct pare_embed_state {
    pare_context *ctx;
    int64_t model, dimension, chunk, minimum_count, hash_bits; /* as the options */
    int64_t cross_rows;                                        /* most of a cross, as the option */
    int64_t windows;                                           /* files learned from */
    int64_t crosses;  /* as the option was: later files may bring up as many again */
    int64_t proposed; /* pairs of fields, crosses of which come with the next file */
    int64_t pair[PARE_EMBED_PROPOSED][2];
    int64_t limit[PARE_RESOURCES];
    char *schema;           /* its text; NULL: none */
    pare_field_rates rates; /* calibration of latency; rounds 0: none */
    double rate;
    double cusum, loss, loss_square, loss_rows; /* of the log loss a row: sums, and their weight */
    pare_fields fields;                         /* without rows, row l + 1 being level l */
    pare_field_model *machine;                  /* over all fields; masks unused */
    uint8_t *keep;                              /* (fields, chunks + 1) */
    double *gain;                               /* (fields, chunks + 1) decayed, nats a row */
    float *sketch;                              /* (joint, PARE_EMBED_SKETCH) of fields left out, */
    double weight;                              /* a row of the last window counting so much */
    double *trace;                              /* (fields, PARE_EMBED_TRACE) since the last change:
                                                   gain of adding; minus that of leaving out */
    double *bins;                               /* (fields, PARE_EMBED_BINS) */
    double *unknown;                            /* (fields, 2): cells of ids without a row; cells */
} pare_embed_state;

/* Options that the state decides, set in `options`; target (NULL: none) only where there is none.
 */
pare_status pare_embed_state_options(const pare_embed_state *state, const char *target,
                                     pare_options *options) PARE_MUST_CHECK;
/* A file with version and checksum, written whole or not at all. */
pare_status pare_embed_state_save(const pare_embed_state *state, const char *path) PARE_MUST_CHECK;
/* *out is empty on failure. */
pare_status pare_embed_state_load(pare_context *ctx, const char *path,
                                  pare_embed_state *out) PARE_MUST_CHECK;
void pare_embed_state_clear(pare_embed_state *state);

static inline int64_t pare_embed_state_chunks(const pare_embed_state *state) {
    int64_t dimension = state->machine->spec.dimension;
    return (dimension + state->chunk - 1) / state->chunk;
}

/* Which fields are kept; keep: (fields, width). *out: (fields), the caller's to free. */
pare_status pare_embed_kept_fields(pare_context *ctx, int64_t fields, int64_t width,
                                   const uint8_t *keep, uint8_t **out) PARE_MUST_CHECK;
/* Population of field f of encoded rows; out: (PARE_EMBED_BINS), added to. */
void pare_embed_count_bins(const pare_fields *fields, int64_t f, double *out);

#endif
