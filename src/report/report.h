/* A selection as terminal text, JSON and HTML, and its application to new tables. */
#ifndef PARE_REPORT_REPORT_H
#define PARE_REPORT_REPORT_H

#include "base/text.h"
#include "select/selection.h"

/* Appends the terminal table: rank, name, score, validation score so far; then the comparison. */
void pare_report_text(const pare_selection *selection, pare_text *out);
/* JSON, format in docs/selection_json.md; NaN is null. */
pare_status pare_report_json(const pare_selection *selection, pare_text *out) PARE_MUST_CHECK;
pare_status pare_report_read_json(pare_context *ctx, const char *path,
                                  pare_selection **out) PARE_MUST_CHECK;
/* One self-contained HTML page with inline SVG. */
pare_status pare_report_html(const pare_selection *selection, pare_text *out) PARE_MUST_CHECK;
/* Streams the chosen columns of a CSV/TSV(.gz) file, cells byte for byte. */
pare_status pare_report_apply(const pare_selection *selection, const char *in,
                              const char *out) PARE_MUST_CHECK;

#endif
