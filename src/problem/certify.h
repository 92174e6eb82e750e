/* Certificates of selections from datasets. */
#ifndef PARE_PROBLEM_CERTIFY_H
#define PARE_PROBLEM_CERTIFY_H

#include "problem/selector.h"
#include "select/certificate.h"

/* The certified problem of a dataset, and what it points to. */
typedef struct pare_certified_subject {
    pare_context *ctx;
    pare_design design;
    pare_certified_problem problem;
    double *target; /* (outputs, rows) */
    int8_t *fixed;  /* (candidates) or NULL */
    pare_costs costs;
    double total; /* sum of the row weights */
} pare_certified_subject;

/* k candidates, or as many as options costs and budget allow; borrows train until clear. */
pare_status pare_certified_subject_init(pare_dataset *train, const pare_options *options, int64_t k,
                                        pare_certified_subject *out) PARE_MUST_CHECK;
void pare_certified_subject_clear(pare_certified_subject *subject);

/* pare_selection_certify of pare.h. */
pare_status pare_certify(pare_selection *selection, pare_dataset *train,
                         const pare_options *options, pare_progress_fn progress,
                         void *user) PARE_MUST_CHECK;

/* pare_selection_from_names of pare.h. */
pare_status pare_selection_read_names(pare_dataset *data, const char *path,
                                      const pare_options *options,
                                      pare_selection **out) PARE_MUST_CHECK;

#endif
