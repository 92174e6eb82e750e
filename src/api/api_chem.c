#include "api/config.h"
#include "platform/system.h"
#include "report/chem.h"

#include <stdio.h>

pare_status pare_chem_open(pare_context *ctx, const char *path, const pare_config *config,
                           pare_chem **out) {
    *out = NULL;
    pare_status status = pare_context_set_threads(ctx, config->options.threads);
    return status == PARE_OK ? pare_chem_read(ctx, path, &config->options, out) : status;
}

pare_status pare_chem_run(pare_chem *chem) {
    return chem->choice ? PARE_OK : pare_chem_analyse(chem);
}

int64_t pare_chem_count(const pare_chem *chem) {
    return chem->chosen;
}

const char *pare_chem_name(const pare_chem *chem, int64_t rank) {
    return rank >= 0 && rank < chem->chosen ? chem->choice[rank].name : NULL;
}

pare_status pare_chem_text(pare_chem *chem, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = chem->ctx};
    pare_chem_report(chem, &text);
    if (text.status != PARE_OK) {
        pare_status status = text.status;
        pare_text_clear(&text);
        return status;
    }
    pare_free(chem->ctx, chem->text);
    chem->text = text.bytes;
    *out = chem->text;
    return PARE_OK;
}

pare_status pare_chem_save(const pare_chem *chem, const char *stem) {
    return pare_chem_write(chem, stem);
}

pare_status pare_chem_html(const pare_chem *chem, const char *path) {
    pare_text text = {.ctx = chem->ctx};
    pare_status status = pare_chem_page(chem, &text);
    if (status == PARE_OK) {
        status = pare_output_text(&text, path);
    }
    pare_text_clear(&text);
    return status;
}

void pare_chem_close(pare_chem *chem) {
    pare_chem_free(chem);
}
