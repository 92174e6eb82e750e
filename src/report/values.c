#include "report/values.h"
#include "platform/system.h"

#include <math.h>

void pare_put_fixed(pare_text *out, double value, int decimals) {
    if (isfinite(value)) {
        pare_text_append_fixed(out, value, decimals);
    } else {
        pare_text_append(out, "-");
    }
}

pare_status pare_put_card(pare_text *out, json_t *card) {
    char *text = card ? json_dumps(card, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) : NULL;
    pare_status status = PARE_OK;
    if (text) {
        pare_text_append(out, "%s\n", text);
        void *(*allocate)(size_t);
        void (*release)(void *);
        json_get_alloc_funcs(&allocate, &release);
        release(text);
    } else {
        status = pare_fail(out->ctx, PARE_ERROR_INPUT,
                           "the card cannot be written as JSON: a name is not UTF-8");
    }
    json_decref(card);
    return status;
}

pare_status pare_save_part(pare_text *text, const char *stem, const char *ending) {
    pare_context *ctx = text->ctx;
    pare_text path = {.ctx = ctx};
    pare_text_append(&path, "%s.%s", stem, ending);
    pare_status status = path.status;
    if (status == PARE_OK) {
        status = pare_output_text(text, path.bytes);
    }
    pare_text_clear(&path);
    pare_text_clear(text);
    *text = (pare_text){.ctx = ctx};
    return status;
}
