/* A panel of genes as text and as files. */
#ifndef PARE_REPORT_PANEL_H
#define PARE_REPORT_PANEL_H

#include "base/text.h"
#include "problem/panel/panel.h"

void pare_panel_report(const struct pare_panel *panel, pare_text *out);
/* stem.genes.tsv and stem.json. */
pare_status pare_panel_write(const struct pare_panel *panel, const char *stem) PARE_MUST_CHECK;

/* One HTML page that needs nothing else. */
pare_status pare_panel_page(const struct pare_panel *panel, pare_text *out) PARE_MUST_CHECK;

#endif
