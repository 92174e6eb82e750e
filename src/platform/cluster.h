/*
 * Processes that work on one table together (MPI). Alone, or built without MPI, everything here is
 * what one process does by itself.
 *
 * Every rank runs the same program on the same options and takes the same decisions; only passes
 * over the data are shared out. All functions are collective: all ranks call them in the same
 * order, from the thread that called pare_cluster_start.
 */
#ifndef PARE_PLATFORM_CLUSTER_H
#define PARE_PLATFORM_CLUSTER_H

#include "base/context.h"

int64_t pare_cluster_rank(void);
int64_t pare_cluster_size(void);
/* "Open MPI v4.1.4", or "absent". */
const char *pare_cluster_name(void);

/* all: (size, count), the `own` of every rank one after the other. */
void pare_cluster_gather(int64_t count, const double *own, double *all);
/* Sums of all ranks, in place: exact where only one of them has not 0. */
void pare_cluster_add(int64_t count, double *sum);
/* Completes an array of which rank r has filled begin[r] .. begin[r + 1]. begin: (size + 1). */
void pare_cluster_share(float *array, const int64_t *begin);
/* true if all ranks give the same number. */
bool pare_cluster_same(uint64_t number);
/*
 * If the status of some rank is a failure, all ranks get that of the first such one, with its
 * sentence, which then names the rank.
 */
pare_status pare_cluster_agree(pare_context *ctx, pare_status status) PARE_MUST_CHECK;

#endif
