/* Private to the files that go on with a plan: what one later file is worked on with. */
#ifndef PARE_PROBLEM_EMBED_COURSE_H
#define PARE_PROBLEM_EMBED_COURSE_H

#include "problem/embed_state.h"

enum {
    PARE_EMBED_BLOCKS = 16,
    PARE_EMBED_SAMPLE = 16 /* what leaving out a field costs is judged on one row in so many,
                              half of them with a network */
};

#define PARE_EMBED_DECAY 0.8  /* of statistics, a window */
#define PARE_EMBED_PRIOR 4.0f /* precision of a weight before any row */

typedef struct pare_embed_course {
    pare_context *ctx;
    pare_embed *embed;
    pare_embed_window *window;
    pare_embed_state state; /* its fields are the embed's while it runs */
    int64_t *before;        /* (fields) rows of each table at the start; 0: new */
    int64_t *was, *began;   /* (fields) the field's number then, -1: new, and its first row */
    int64_t crosses;        /* the last fields */
    int64_t *out, *in;      /* (outs) fields left out; (fields - outs) kept ones */
    int64_t outs, width;
    int64_t limit[PARE_RESOURCES]; /* of the file before */
    double *gain; /* (fields, PARE_EMBED_BLOCKS) a row: of adding a field left out; minus that of a
                     kept one */
    float *loss, *probability; /* (rows) before learning */
    float *sums;               /* (sampled rows, stride) of vectors, without a network */
    float *term;               /* (batch, candidates) what they add to the logit, with one */
    int64_t *picked;           /* (batch) rows */
    float *slope;              /* (rows of a block, 2) derivatives of the loss by the logit */
    pare_scored *scored;
    int64_t *row;        /* (rows) */
    double *removal;     /* (candidates) */
    double intercept[2]; /* derivatives by a shift of the logit: what all fields could do */
} pare_embed_course;

/* Masks of the model: keep. Uses removal. */
void pare_embed_set_masks(const pare_embed_course *c);
/* Drift of field f; then the scores before learning, their drift, and gains of changes
 * (embed_watch.c). Cost: one prediction a row, a division for each field left out, and removals on
 * one row in 16. */
void pare_embed_watch_field(pare_embed_course *c, int64_t f);
pare_status pare_embed_watch(pare_embed_course *c) PARE_MUST_CHECK;
/* After an alarm that no change answered, pairs that may have come to matter (embed_pairs.c). Cost:
 * some 1.5 ns for each pair and one row in 4, 16,384 rows at most. */
pare_status pare_embed_propose(pare_embed_course *c) PARE_MUST_CHECK;
/* Refuses a file without most of the kept fields, or of one label where the model holds that to be
 * impossible, unless option accept is given (embed_unlike.c). */
pare_status pare_embed_recognise(pare_embed_course *c) PARE_MUST_CHECK;
/* Brings the plan back within the budget, or changes what pays; compares it with a new choice
 * (embed_change.c). */
pare_status pare_embed_change(pare_embed_course *c) PARE_MUST_CHECK;
pare_status pare_embed_audit(pare_embed_course *c, const char *path) PARE_MUST_CHECK;

#endif
