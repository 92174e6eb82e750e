/* Private to serving*.c: what the two ways to choose within a budget share. */
#ifndef PARE_SELECT_SERVING_PRIVATE_H
#define PARE_SELECT_SERVING_PRIVATE_H

#include "select/serving.h"

bool pare_serving_keep_fits(const pare_serving *serving, const uint8_t *keep);
/* Some field alone fits, or what is fixed does; else a sentence. trial: zeroed scratch
 * (candidates).
 */
pare_status pare_serving_possible(const pare_serving *serving, const uint8_t *fixed,
                                  uint8_t *trial) PARE_MUST_CHECK;

#endif
