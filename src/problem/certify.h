/* Certificates of selections from datasets. */
#ifndef PARE_PROBLEM_CERTIFY_H
#define PARE_PROBLEM_CERTIFY_H

#include "problem/selector.h"

/* pare_selection_certify of pare.h. */
pare_status pare_certify(pare_selection *selection, pare_dataset *train,
                         const pare_options *options, pare_progress_fn progress,
                         void *user) PARE_MUST_CHECK;

/* pare_selection_from_names of pare.h. */
pare_status pare_selection_read_names(pare_dataset *data, const char *path,
                                      const pare_options *options,
                                      pare_selection **out) PARE_MUST_CHECK;

#endif
