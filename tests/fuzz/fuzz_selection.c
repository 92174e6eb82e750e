/* Any bytes as selection.json: refused with a sentence, or read, and then every output works and
 * saving is stable. */
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pare_context *ctx = NULL;
    require(pare_context_create(NULL, &ctx) == PARE_OK);
    pare_selection *first = NULL, *second = NULL;
    pare_status status =
        pare_report_parse_json(ctx, "input", (const char *)data, (int64_t)size, &first);
    require((status == PARE_OK) == (first != NULL));
    require(status == PARE_OK || pare_context_error(ctx)[0]);
    if (first) {
        pare_text one = {.ctx = ctx}, two = {.ctx = ctx}, text = {.ctx = ctx}, html = {.ctx = ctx};
        require(pare_report_json(first, &one) == PARE_OK);
        require(pare_report_parse_json(ctx, "own", one.bytes, one.length, &second) == PARE_OK);
        require(pare_report_json(second, &two) == PARE_OK);
        require(one.length == two.length && strcmp(one.bytes, two.bytes) == 0);
        require(pare_report_html(first, &html) == PARE_OK);
        pare_report_text(first, &text);
        require(text.status == PARE_OK);
        pare_text_clear(&one);
        pare_text_clear(&two);
        pare_text_clear(&text);
        pare_text_clear(&html);
    }
    pare_selection_free(first);
    pare_selection_free(second);
    pare_context_destroy(ctx);
    return 0;
}
