/* One pass over the feature columns of a table in its file, before they are encoded. */
#ifndef PARE_DATA_STORE_SURVEY_H
#define PARE_DATA_STORE_SURVEY_H

#include "data/build.h"
#include "data/store.h"

/* Sums of one column. Gaps are missing cells; weights count training rows only. */
enum {
    PARE_SURVEY_GAPS,       /* of all rows */
    PARE_SURVEY_TRAIN_GAPS, /* of the training rows */
    PARE_SURVEY_GAP_WEIGHT,
    PARE_SURVEY_SUM, /* numbers: w (x - center) */
    PARE_SURVEY_SQUARE,
    PARE_SURVEY_ZEROS, /* rows with a weight */
    PARE_SURVEY_NUMBER_SUMS,
    PARE_SURVEY_LEVELS = PARE_SURVEY_SUM /* categories: weight of each level */
};

typedef struct pare_survey {
    float *center;     /* (columns) of numbers: a value of a training row */
    uint8_t *centred;  /* (columns) 1: it is; 0: none was found soon, center is 0 */
    uint8_t *training; /* (rows) */
    int64_t *at;       /* (columns + 1) where a column's sums begin */
    int64_t *level_at; /* (columns + 1) where its levels begin in first; none: no feature */
    double *partial, *total;
    double *first; /* (levels) first training row with the level; the number of rows: none */
    int64_t *odd;  /* (columns) first row whose cell may not be there, -1: none */
} pare_survey;

pare_status pare_survey_run(const pare_build *build, pare_survey *out) PARE_MUST_CHECK;
void pare_survey_clear(pare_context *ctx, pare_survey *survey);

/* Whether a cell is the number of a level. */
static inline bool pare_survey_level(float cell, int64_t levels) {
    return cell >= 0 && cell < (float)levels && (float)(int64_t)cell == cell;
}
/* The sentence about an infinite number or a level that does not exist. */
pare_status pare_survey_refuse(const pare_table *table, int64_t row,
                               int64_t column) PARE_MUST_CHECK;

#endif
