/* A selection as terminal text, JSON and HTML, and its application to new tables. */
#ifndef PARE_REPORT_REPORT_H
#define PARE_REPORT_REPORT_H

#include "base/text.h"
#include "select/selection.h"

/* Appends the terminal table: rank, name, score, validation score so far; then the comparison. */
void pare_report_text(const pare_selection *selection, pare_text *out);
/* JSON, format in docs/selection_json.md; NaN is null. */
pare_status pare_report_json(const pare_selection *selection, pare_text *out) PARE_MUST_CHECK;
/* Reads what pare_report_json wrote. Members it does not know are passed over; PARE_ERROR_INPUT
 * with file and member (or line and column) for anything that is not as documented. */
pare_status pare_report_read_json(pare_context *ctx, const char *path,
                                  pare_selection **out) PARE_MUST_CHECK;
/* The same for `length` bytes in memory; `path` is for messages only. */
pare_status pare_report_parse_json(pare_context *ctx, const char *path, const char *bytes,
                                   int64_t length, pare_selection **out) PARE_MUST_CHECK;
/*
 * The names of a file: of the chosen, if it is a selection.json, else one name a line (blank lines
 * are skipped; names are not trimmed). names: (*count) strings, the caller's to free, as is the
 * array. At least one name, or PARE_ERROR_INPUT.
 */
pare_status pare_report_read_names(pare_context *ctx, const char *path, int64_t *count,
                                   char ***names) PARE_MUST_CHECK;
/* One self-contained HTML page with inline SVG. */
pare_status pare_report_html(const pare_selection *selection, pare_text *out) PARE_MUST_CHECK;
/* Streams the chosen columns of a CSV/TSV(.gz) file, cells byte for byte. */
pare_status pare_report_apply(const pare_selection *selection, const char *in,
                              const char *out) PARE_MUST_CHECK;

/* pare_selection_proved of pare.h. */
double pare_report_proved(const pare_selection *selection, const char *what);

#endif
