/*
 * Which fields of a recommender, and how long their embedding vectors, are worth their serving
 * cost: field tables and models bound to the choice within a budget.
 */
#ifndef PARE_PROBLEM_EMBED_H
#define PARE_PROBLEM_EMBED_H

#include "base/options.h"
#include "model/field_latency.h"
#include "select/serving.h"

/* A trained model on held-out rows. */
typedef struct pare_embed_score {
    double log_loss, auc, cpu; /* cpu: seconds of its training */
} pare_embed_score;

/* A pair of fields: the loss in nats a row that a table of its own would save beyond both. */
typedef struct pare_embed_cross {
    int64_t part[2], rows;
    double score;
} pare_embed_cross;

/* Why a plan had to change whether that pays or not; flags. */
enum {
    PARE_EMBED_GROWN = 1,   /* vocabularies outgrew the budget */
    PARE_EMBED_SMALLER = 2, /* the budget is smaller than it was */
    PARE_EMBED_DEARER = 4,  /* groups of the schema cost more than they did */
    PARE_EMBED_SCHEMA = 8   /* it bans what was kept, or pins what was not */
};
enum { PARE_EMBED_COMES = 1, PARE_EMBED_GOES = 2 };
enum { PARE_EMBED_PROPOSED = 4 }; /* pairs by one file, at most */

/* What a later file changed (embed_continue.c). Gains and losses in nats a row. */
typedef struct pare_embed_window {
    int64_t number;          /* of the file; the first run was 1 */
    double reference;        /* decayed log loss of the windows before; NaN: none yet */
    double cusum;            /* of the log loss, in standard deviations, at its highest */
    bool alarm;              /* cusum was above its limit */
    double *psi, *psi_limit; /* (fields) population stability index; a shift is above that */
    bool alike;              /* every label is `label`, */
    int label;               /* 0 or 1, */
    double likely;           /* by the model with that probability */
    double *unknown, *usual; /* (fields) share of cells whose id had no row; before, NaN: none */
    uint8_t *fresh, *absent; /* (fields) new; without a single cell */
    int repaired;            /* why it was chosen anew within the budget; 0: it was not */
    int64_t added, dropped;  /* fields, -1: none; the first of those dropped */
    double gain, bound;      /* of that change, or of the rejected one; lower confidence bound */
    uint8_t *rejected;       /* (fields) no change: COMES, GOES in the best one that does not pay */
    int64_t proposed;        /* pairs of fields that are candidates from the next file on */
    int64_t pair[PARE_EMBED_PROPOSED][2];
    bool audited, adopted;          /* compared with a full new choice; which was taken */
    double audit_gain, audit_bound; /* of the new choice on its held-out rows */
    uint8_t *audit;                 /* (fields) in the new choice */
    uint8_t *before;                /* (fields) candidates of it that were kept before */
    double cpu_scoring, cpu_selecting, cpu_training, cpu_audit;
} pare_embed_window;

/* Why a field is not in the plan. */
typedef enum pare_embed_why {
    PARE_EMBED_KEPT,
    PARE_EMBED_SINGLE, /* a single value in the training rows */
    PARE_EMBED_BANNED,
    PARE_EMBED_ABSENT,   /* from this file */
    PARE_EMBED_TOO_DEAR, /* alone, or with the pinned ones, more than the budget has of a resource
                          */
    PARE_EMBED_NO_GAIN,  /* on the judging rows, or by the method */
    PARE_EMBED_SAID,     /* saves alone, but nothing beside the plan */
    PARE_EMBED_NO_ROOM,  /* beside the plan, of a resource: others bring more for their cost */
    PARE_EMBED_UNSURE    /* has room: its gain is not sure enough */
} pare_embed_why;
typedef struct pare_embed_reason {
    pare_embed_why why;
    pare_resource resource;
} pare_embed_reason;

/* A choice by one method within a share of the budget. */
typedef struct pare_embed_point {
    int64_t method; /* as option embed-method */
    double share;
    int64_t cost[PARE_RESOURCES];
    double log_loss, auc; /* NaN: nothing fits */
} pare_embed_point;

enum { PARE_EMBED_SHARES = 4 };

/* Of one row on this machine; rates.rounds 0: not asked for. */
typedef struct pare_embed_latency {
    pare_field_rates rates; /* the calibration */
    pare_field_time predicted,
        measured; /* of what is kept; its tables filled with random numbers */
} pare_embed_latency;

typedef struct pare_embed {
    pare_context *ctx;
    pare_options options; /* a copy */
    pare_fields fields;
    pare_field_spec spec;
    float start;          /* step size of the tables that tuning starts from */
    pare_serving serving; /* borrows the arrays below */
    int64_t candidates;   /* serving.fields * (serving.chunks + 1) */
    int64_t *size, *width, *group, *fetch;
    const char **name;
    char **group_name; /* (serving.groups) */
    uint8_t *pinned, *banned;
    char *schema; /* text of the schema file; NULL: none */
    /* Whose budget, schema and calibration hold; NULL: those of the options. */
    const struct pare_embed *within;
    int64_t train, held; /* rows */
    int64_t *train_row, *held_row;
    int64_t passes;
    int64_t pairs, crosses;  /* pairs screened; the first `crosses` of them are the last fields */
    pare_embed_cross *cross; /* (pairs) by falling score */

    /* The answer. */
    double *gain;              /* (candidates) as the method ranks them */
    uint8_t *keep;             /* (candidates) */
    pare_embed_reason *reason; /* (fields) */
    bool judged;               /* alone is known: candidates were weighed together */
    double *alone;             /* (fields) pare_serving_alone */
    int64_t cost[PARE_RESOURCES], full_cost[PARE_RESOURCES];
    pare_embed_score chosen, full;
    double saved, bound; /* certificate (pare_serving_bound) of the last choice; bound 0: none */
    double cpu_tuning;   /* of step sizes and passes, of the model of all and of the plan */
    double cpu_selecting, cpu_screening;
    /* Progress: the stage, the share of the work where it begins and ends; clock seconds. */
    const char *stage;
    double stage_from, stage_to, began, told;
    bool stopped;
    pare_field_model *model;   /* pare_embed_fit: trained */
    pare_embed_window *window; /* NULL: not a continuation */
    pare_embed_latency latency;
    int64_t *times;          /* behind serving.latency */
    pare_embed_point *curve; /* (points) by method, then by share; NULL: not asked for */
    int64_t points;
} pare_embed;

/* Reads, splits, trains, selects, retrains on the choice and on all, scores on held-out rows. */
pare_status pare_embed_run(pare_context *ctx, const char *path, const pare_options *options,
                           pare_embed **out) PARE_MUST_CHECK;
/* The same within budget, schema and calibration of another; fields of its schema may lack. */
pare_status pare_embed_run_within(pare_context *ctx, const char *path, const pare_options *options,
                                  const pare_embed *within, pare_embed **out) PARE_MUST_CHECK;
/* Trains what option plan keeps, or everything where there is none, on all rows that are not held
 * out; chosen: its scores where rows are. */
pare_status pare_embed_fit(pare_context *ctx, const char *path, const pare_options *options,
                           pare_embed **out) PARE_MUST_CHECK;
/* Probabilities of rows by a saved model; rows may lack the label, else score says how good they
 * are (NaN). *probability: (*rows), the caller's to free. */
pare_status pare_embed_apply(pare_context *ctx, const char *folder, const char *path,
                             const pare_options *options, int64_t *rows, float **probability,
                             pare_embed_score *score) PARE_MUST_CHECK;
/*
 * Goes on from the state of option continue with the rows of `path`: scores them, judges changes of
 * the plan on them, then learns from them, and writes the state (to option state, or over the old
 * one) last. chosen: the scores before learning; gain: decayed losses of leaving out, of adding.
 */
pare_status pare_embed_continue(pare_context *ctx, const char *path, const pare_options *options,
                                pare_embed **out) PARE_MUST_CHECK;
/* Refuses what a state cannot hold; writes the first state of a plan (embed_begin.c), path "": only
 * its model. */
pare_status pare_embed_state_check(pare_context *ctx, const pare_options *options) PARE_MUST_CHECK;
pare_status pare_embed_state_begin(pare_embed *embed, const char *path) PARE_MUST_CHECK;
/* Writes a trained model with the plan's masks as a folder, where option model-out names one. */
pare_status pare_embed_model_out(const pare_embed *embed,
                                 const pare_field_model *model) PARE_MUST_CHECK;
void pare_embed_free(pare_embed *embed);

/* ---- Private to the parts ---- */

/* The flops of the model's network, for pare_serving_total. */
void pare_embed_network(const pare_field_spec *spec, pare_serving *serving);
/* The share part / whole of a limit, beside the flops that every plan needs. */
int64_t pare_embed_part(const pare_serving *serving, int resource, int64_t limit, int64_t part,
                        int64_t whole);
/* Arrays and serving of the choice for the fields read; then what of each field it has to know. */
pare_status pare_embed_set_up(pare_embed *embed) PARE_MUST_CHECK;
void pare_embed_list_fields(pare_embed *embed);
/* Frees a window; NULL is fine. */
void pare_embed_window_free(pare_context *ctx, pare_embed_window *window);
/* Fields and groups of the schema file, whose text is kept, or of the text of a state
 * (embed_schema.c); a field the rows lack is refused. */
pare_status pare_embed_schema(pare_embed *embed) PARE_MUST_CHECK;
/* Before rows are read: option target where it is empty and the schema names the label. After: what
 * ids of each field need for a row, into `rows`, fields by name. */
pare_status pare_embed_schema_target(pare_embed *embed) PARE_MUST_CHECK;
pare_status pare_embed_schema_counts(pare_embed *embed, pare_fields *rows) PARE_MUST_CHECK;
/* Fills reason from keep, gain and alone (embed_reason.c). */
pare_status pare_embed_reasons(pare_embed *embed) PARE_MUST_CHECK;
/* Bans fields with a single value in the training rows; a pinned one is refused. */
enum { PARE_EMBED_CONSTANT = 2 }; /* in banned */
pare_status pare_embed_leave_constant(pare_embed *embed) PARE_MUST_CHECK;
/* Limits of option budget. */
pare_status pare_embed_budget(pare_embed *embed) PARE_MUST_CHECK;
/* The plan of an earlier run (embed_plan.c): its model, sizes, passes and step size become options;
 * its kinds those of the fields, before encoding, and fields it lacks are left out; its kept
 * crosses are added; its choice becomes keep. */
pare_status pare_embed_plan_options(pare_embed *embed) PARE_MUST_CHECK;
pare_status pare_embed_plan_kinds(pare_embed *embed) PARE_MUST_CHECK;
pare_status pare_embed_plan_crosses(pare_embed *embed) PARE_MUST_CHECK;
pare_status pare_embed_plan_keep(pare_embed *embed) PARE_MUST_CHECK;
/* A JSON file whose root is an object, or a sentence (embed_schema.c). *out: a json_t. */
pare_status pare_embed_json(pare_context *ctx, const char *path, void **out) PARE_MUST_CHECK;
/* Scores all pairs of categories and appends the best crosses of positive score to the fields, at
 * most option crosses (embed_cross.c). After encoding. Cost: a logistic regression, then one
 * addition of four floats a row and pair. */
pare_status pare_embed_crosses(pare_embed *embed) PARE_MUST_CHECK;
int64_t pare_embed_kept_chunks(const pare_embed *embed);
/* Candidates kept of a field: 0, it is not in the plan. */
static inline int64_t pare_embed_kept_of(const pare_embed *embed, int64_t field) {
    int64_t width = embed->serving.chunks + 1, kept = 0;
    for (int64_t j = 0; j < width; j++) {
        kept += embed->keep[field * width + j];
    }
    return kept;
}
/* Masks of the model by candidate: weight (candidates). */
void pare_embed_mask(const pare_embed *embed, const double *weight, pare_field_model *model);
/* Sums of the masks' gradients by candidate. d_mask: (fields, stride), out: (candidates). */
void pare_embed_fold(const pare_embed *embed, const pare_field_model *model, const float *d_mask,
                     double *out);
/* A stage of the work, from one share of it to another; and the caller told about it, some ten
 * times a second (a pare_field_stop; user: the pare_embed). True: the caller stopped the work,
 * which pare_embed_going then says in a sentence. */
void pare_embed_stage(pare_embed *embed, const char *stage, double from, double to);
bool pare_embed_tell(void *embed, double done, double loss);
pare_status pare_embed_going(const pare_embed *embed) PARE_MUST_CHECK;
/* Puts train_row into file order: training shuffles it, and must not depend on what ran before. */
void pare_embed_order(pare_embed *embed);
/* A fresh model with what is kept (NULL: all); ids that only the rows after the first `known` of
 * train_row have start at 0, like those of held-out rows. Then one trained on the training rows. */
pare_status pare_embed_create(pare_embed *embed, const uint8_t *keep, int64_t known,
                              pare_field_model **out) PARE_MUST_CHECK;
pare_status pare_embed_train(pare_embed *embed, const uint8_t *keep,
                             pare_field_model **out) PARE_MUST_CHECK;
/* Step size (spec.rate) and passes for what is kept (NULL: all), where the options leave them open
 * (embed_tune.c). Cost: some five trainings. */
pare_status pare_embed_tune(pare_embed *embed, const uint8_t *keep) PARE_MUST_CHECK;
/* gain of the baselines (embed_gains.c), and the choice of sequential attention (embed_search.c),
 * which fills gain and keep. */
pare_status pare_embed_gains(pare_embed *embed) PARE_MUST_CHECK;
/* gain by group lasso (embed_lasso.c). */
pare_status pare_embed_lasso(pare_embed *embed) PARE_MUST_CHECK;
pare_status pare_embed_search(pare_embed *embed) PARE_MUST_CHECK;
/*
 * Adds to keep what brings most within the limits of `serving` on the given rows, which must not
 * have taught the model, with its masks (embed_joint.c); gain as well. again: then once more what
 * brings something beside that, if room is left, and saved and bound of the choice. Cost: a
 * prediction and candidates^2 a row, thrice.
 * The masks are not what they were.
 */
pare_status pare_embed_joint(pare_embed *embed, pare_field_model *model, int64_t rows,
                             const int64_t *row, const pare_serving *serving,
                             bool again) PARE_MUST_CHECK;

#endif
