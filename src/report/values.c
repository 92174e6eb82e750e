#include "report/values.h"
#include "platform/system.h"
#include "report/names.h"

#include <math.h>

void pare_put_fixed(pare_text *out, double value, int decimals) {
    if (isfinite(value)) {
        pare_text_append_fixed(out, value, decimals);
    } else {
        pare_text_append(out, "-");
    }
}

void pare_put_json_text(pare_text *out, const char *text) {
    if (!text) {
        pare_text_append(out, "null");
        return;
    }
    if (out->status != PARE_OK) {
        return;
    }
    char *encoded = NULL;
    out->status = pare_name_encode(out->ctx, text, &encoded);
    if (out->status != PARE_OK) {
        return;
    }
    pare_text_append_bytes(out, "\"", 1);
    const char *from = encoded;
    const char *at = encoded;
    for (; *at; at++) {
        bool control = (unsigned char)*at < 0x20;
        if (control || *at == '"' || *at == '\\') {
            pare_text_append_bytes(out, from, at - from);
            pare_text_append(out, control ? "\\u%04x" : "\\%c", *at);
            from = at + 1;
        }
    }
    pare_text_append_bytes(out, from, at - from);
    pare_text_append_bytes(out, "\"", 1);
    pare_free(out->ctx, encoded);
}

/* JSON has no NaN or infinity. */
void pare_put_json_real(pare_text *out, double value) {
    char number[PARE_REAL_SIZE];
    pare_text_append(out, "%s", isfinite(value) ? pare_real_text(value, number) : "null");
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
