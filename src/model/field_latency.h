/*
 * How long a field model takes to score on this machine: measured, and predicted from a short
 * calibration of its parts. Seconds of one call of predict on `batch` rows whose ids are in hand;
 * reading text and looking ids up in the vocabulary are not part of it.
 */
#ifndef PARE_MODEL_FIELD_LATENCY_H
#define PARE_MODEL_FIELD_LATENCY_H

#include "model/field_model.h"

typedef struct pare_field_time {
    double half, most; /* quantiles 0.5 and 0.99 over calls, seconds */
} pare_field_time;

enum { PARE_LATENCY_LEVELS = 8, PARE_LATENCY_WIDTHS = 5, PARE_LATENCY_QUANTILES = 15 };
/* The shares of calls that are no longer than a quantile, rising. */
extern const double pare_latency_shares[PARE_LATENCY_QUANTILES];

/* For one vector length, kind of model and batch. Seconds of a call. */
typedef struct pare_field_rates {
    int64_t rounds;
    /* One look-up in a table of `reach` bytes, beyond one in the nearest cache: quantiles; one: of
     * the whole call. */
    int64_t levels;
    double reach[PARE_LATENCY_LEVELS];
    double wait[PARE_LATENCY_LEVELS][PARE_LATENCY_QUANTILES];
    double one[PARE_LATENCY_LEVELS][PARE_LATENCY_QUANTILES];
    /* Calls of some and of many look-ups, in the nearest cache, at level 2 and at the last one.
     * From them: what other look-ups hide of the longest wait; what each takes of the call, as a
     * share of its mean wait, beyond the first `together` of the last level, which are under way at
     * once. */
    double some[3], many[3], hidden, share, together;
    /* The rest by flops of a row; whole: of the stand-ins, look-ups included. */
    double flops[PARE_LATENCY_WIDTHS];
    pare_field_time rest[PARE_LATENCY_WIDTHS], whole[PARE_LATENCY_WIDTHS];
} pare_field_rates;

/* Lowers both times to those of `now`: other work on the machine only adds. */
void pare_field_time_least(pare_field_time *kept, pare_field_time now);

/* Fields without rows of data: `count` categories with tables of size[f] >= 1 rows. */
pare_status pare_field_latency_fields(pare_context *ctx, int64_t count, const int64_t *size,
                                      pare_fields *out) PARE_MUST_CHECK;
/* Flops of one row and bytes of the network that it reads, masks not counted. */
double pare_field_latency_flops(const pare_field_spec *spec, int64_t fields);

/* Calls of predict on rows of spec.batch uniformly drawn ids; the tables are overwritten with
 * random numbers first where `fill`. `calls` at most, fewer where they take longer than some tenths
 * of a second; the least quantiles of some blocks of them, since other work only adds. fields:
 * sizes only, as above or of a loaded model. */
pare_status pare_field_latency_measure(pare_field_model *model, const pare_fields *fields,
                                       bool fill, int64_t calls,
                                       pare_field_time *out) PARE_MUST_CHECK;
/* Measures small stand-ins with the spec's kind, vector length, layers and batch, of table sizes up
 * to what `fields` need. out: zeroed before the first round; each further one can only lower its
 * times, as other work on the machine raises them now and then. Some tenths of a second to one. */
pare_status pare_field_latency_calibrate(pare_context *ctx, const pare_field_spec *spec,
                                         const pare_fields *fields,
                                         pare_field_rates *out) PARE_MUST_CHECK;
/*
 * From flops, and from how far every look-up reaches: a row of a table is visited again after about
 * as many rows of data as the table has rows, and what these touch in all tables and in the network
 * stands between the visits. A call waits for its slowest look-up, and for those that are more than
 * can be under way together.
 */
pare_field_time pare_field_latency_predict(const pare_field_rates *rates,
                                           const pare_field_spec *spec, const pare_fields *fields);
/* Medians of the parts of a prediction, in seconds, where all of `fields` may be kept, so that
 * those of any part of them take no longer: call, the largest wait, and the sum of each as far as
 * it exceeds *spare. call: (fields + 1) by number of fields, not falling; each, wait: (fields). */
void pare_field_latency_parts(const pare_field_rates *rates, const pare_field_spec *spec,
                              const pare_fields *fields, double *call, double *each, double *wait,
                              double *spare);
/* Median wait of a look-up in a table of reach[level] bytes, and what each takes of a call. */
double pare_field_latency_wait(const pare_field_rates *rates, int64_t level);
double pare_field_latency_each(const pare_field_rates *rates, int64_t level);

#endif
