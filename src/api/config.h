/* The options of one run behind the public handle. */
#ifndef PARE_API_CONFIG_H
#define PARE_API_CONFIG_H

#include "base/options.h"

struct pare_config {
    pare_context *ctx;
    pare_options options;
    char text[64]; /* what pare_config_get hands out for numbers and choices */
};

#endif
