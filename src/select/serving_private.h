/* Private to serving*.c: what the two ways to choose within a budget share. */
#ifndef PARE_SELECT_SERVING_PRIVATE_H
#define PARE_SELECT_SERVING_PRIVATE_H

#include "select/serving.h"

/* Sums over kept fields from which the costs follow: one more field is a step of its own. */
enum { PARE_SERVING_SEEN = 16 }; /* words, of a bit for each of the first groups opened */
typedef struct pare_serving_sums {
    int64_t kept, width, bytes, lines, flops, fetch, wait, each;
    uint64_t seen[PARE_SERVING_SEEN];
} pare_serving_sums;
/* Of what is kept, but for one field; -1: of all. */
void pare_serving_sum(const pare_serving *serving, const uint8_t *keep, int64_t except,
                      pare_serving_sums *sums);
/* Adds a field with the candidates kept: (chunks + 1). The sums hold those of the first `fields` of
 * keep that are kept, but for it. */
void pare_serving_add(const pare_serving *serving, const uint8_t *keep, int64_t fields,
                      int64_t field, const uint8_t *kept, pare_serving_sums *sums);
void pare_serving_total(const pare_serving *serving, const pare_serving_sums *sums,
                        int64_t cost[PARE_RESOURCES]);
/* Of the curvature of candidate i, towards weight 1. A chunk's column is half of products with
 * other vectors: it cannot stand for a partner that is not there. */
static inline double pare_serving_prior(const pare_serving *serving, int64_t i) {
    return i % (serving->chunks + 1) ? 3.0 : 0.3;
}
bool pare_serving_keep_fits(const pare_serving *serving, const uint8_t *keep);
/* Some field alone fits, or what is fixed does; else a sentence. trial: zeroed scratch
 * (candidates).
 */
pare_status pare_serving_possible(const pare_serving *serving, const uint8_t *fixed,
                                  uint8_t *trial) PARE_MUST_CHECK;

#endif
