/* Names as they are shown. A column name is whatever bytes the table held; terminal and HTML
 * accept less (JSON: base/json.h). */
#ifndef PARE_REPORT_NAMES_H
#define PARE_REPORT_NAMES_H

#include "base/text.h"

/* Appends a name for a terminal in at most `limit` columns, "..." in place of what is cut;
 * controls, marks that turn the direction, and invalid bytes become '?'. Returns the columns taken:
 * 2 for an East Asian wide character, 0 for a combining mark. */
int64_t pare_name_append_plain(pare_text *out, const char *name, int64_t limit);

/* The same in `limit` characters for HTML and SVG: markup characters escaped, control and invalid
 * bytes U+FFFD. */
void pare_name_append_html(pare_text *out, const char *name, int64_t limit);

#endif
