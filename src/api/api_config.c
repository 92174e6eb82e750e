#include "api/config.h"
#include "base/text.h"

#include <string.h>

pare_status pare_config_create(pare_context *ctx, pare_config **out) {
    *out = NULL;
    pare_config *config = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *config, &config);
    if (status != PARE_OK) {
        return status;
    }
    config->ctx = ctx;
    status = pare_options_init(ctx, &config->options);
    if (status != PARE_OK) {
        pare_free(ctx, config);
        return status;
    }
    *out = config;
    return PARE_OK;
}

/* k is text because of "auto"; what cannot be a count is refused here, before any data is read. */
static pare_status check_k(pare_context *ctx, const char *value) {
    int64_t number = 0;
    if (value[0] == '\0' || strcmp(value, "auto") == 0 ||
        (pare_parse_integer(value, &number) && number >= 1)) {
        return PARE_OK;
    }
    return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option k: '%s' is not a number from 1 on, nor auto",
                     value);
}

pare_status pare_config_set(pare_config *config, const char *name, const char *value) {
    if (!name || !value) {
        return pare_fail(config->ctx, PARE_ERROR_ARGUMENT, "an option needs a name and a value");
    }
    if (strcmp(name, "k") == 0) {
        pare_status status = check_k(config->ctx, value);
        if (status != PARE_OK) {
            return status;
        }
    }
    return pare_options_set(&config->options, name, value);
}

pare_status pare_config_get(pare_config *config, const char *name, const char **out) {
    *out = NULL;
    int64_t index = name ? pare_option_index(name) : -1;
    if (index < 0) {
        return pare_fail(config->ctx, PARE_ERROR_ARGUMENT, "there is no option '%s'",
                         name ? name : "");
    }
    *out = pare_options_get(&config->options, index, config->text, sizeof config->text);
    return PARE_OK;
}

void pare_config_destroy(pare_config *config) {
    if (config) {
        pare_options_clear(&config->options);
        pare_free(config->ctx, config);
    }
}
