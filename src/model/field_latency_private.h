/* Private to field_latency.c (measures), field_calibrate.c and field_predict.c. */
#ifndef PARE_MODEL_FIELD_LATENCY_PRIVATE_H
#define PARE_MODEL_FIELD_LATENCY_PRIVATE_H

#include "model/field_latency.h"

enum {
    PARE_LATENCY_HALF = 5, /* the quantile that is the median */
    PARE_LATENCY_SOME = 24 /* look-ups of a stand-in of some */
};

/* Quantiles of calls, as pare_field_latency_measure; out: (shares), the least of all blocks. */
pare_status pare_field_latency_quantiles(pare_field_model *model, const pare_fields *fields,
                                         bool fill, int64_t calls, int64_t shares,
                                         const double *share, double *out) PARE_MUST_CHECK;
/* Bytes of a table row, in whole lines. */
double pare_field_row_bytes(const pare_field_spec *spec);
/* Bytes of all tables and of the network that `rows` rows of data touch. */
double pare_field_touched(const pare_field_spec *spec, const pare_fields *fields, double rows);
/* Share of the look-ups of these waits (quantiles) that wait no longer than `seconds`; their mean.
 */
double pare_field_share_within(const double *wait, double seconds);
double pare_field_mean_wait(const double *wait);
/* The wait that nine look-ups in ten at the last level do not exceed. */
double pare_field_usual_wait(const pare_field_rates *rates);
/* What look-ups add to a call beyond those in the nearest cache. */
pare_field_time pare_field_look_ups(const pare_field_rates *rates, const pare_field_spec *spec,
                                    const pare_fields *fields);

#endif
