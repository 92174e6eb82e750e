#include "api/config.h"
#include "platform/system.h"
#include "report/panel.h"

pare_status pare_panel_open(pare_context *ctx, const char *path, const pare_config *config,
                            pare_panel **out) {
    *out = NULL;
    pare_status status = pare_context_set_threads(ctx, config->options.threads);
    return status == PARE_OK ? pare_panel_read(ctx, path, &config->options, out) : status;
}

pare_status pare_panel_run(pare_panel *panel) {
    return panel->gene ? PARE_OK : pare_panel_analyse(panel);
}

int64_t pare_panel_count(const pare_panel *panel) {
    return panel->chosen;
}

const char *pare_panel_gene_name(const pare_panel *panel, int64_t rank) {
    return rank >= 0 && rank < panel->chosen ? panel->data.gene[panel->gene[rank].gene] : NULL;
}

pare_status pare_panel_text(pare_panel *panel, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = panel->ctx};
    pare_panel_report(panel, &text);
    if (text.status != PARE_OK) {
        pare_status status = text.status;
        pare_text_clear(&text);
        return status;
    }
    pare_free(panel->ctx, panel->text);
    panel->text = text.bytes;
    *out = panel->text;
    return PARE_OK;
}

pare_status pare_panel_save(const pare_panel *panel, const char *stem) {
    return pare_panel_write(panel, stem);
}

pare_status pare_panel_html(const pare_panel *panel, const char *path) {
    pare_text text = {.ctx = panel->ctx};
    pare_status status = pare_panel_page(panel, &text);
    if (status == PARE_OK) {
        status = pare_output_text(&text, path);
    }
    pare_text_clear(&text);
    return status;
}

void pare_panel_close(pare_panel *panel) {
    pare_panel_free(panel);
}
