/* The parts of the HTML page. */
#ifndef PARE_REPORT_PAGE_H
#define PARE_REPORT_PAGE_H

#include "base/text.h"
#include "select/selection.h"

/* Pieces of the style sheet, NULL at the end: light, dark and print, 400 to 1280 pixels wide. No
 * '<' or '&' inside. */
extern const char *const pare_page_style[];

/* A name in an element that keeps its writing direction to itself. */
void pare_page_name(pare_text *out, const char *name, int64_t limit);
/* A whole number with thin gaps between thousands. */
void pare_page_count(pare_text *out, int64_t value);

/* Tables (page_tables.c). */
void pare_page_comparison(const pare_selection *selection, pare_text *out);
void pare_page_items(const pare_selection *selection, pare_text *out);
void pare_page_path_numbers(const pare_selection *selection, pare_text *out);
void pare_page_trace_numbers(const pare_selection *selection, pare_text *out);
/* The strongest correlations between two of the chosen. */
void pare_page_pairs(const pare_selection *selection, pare_text *out);
/* Data, method, machine and times; then the options, those that were set first. */
void pare_page_facts(const pare_selection *selection, pare_text *out);
void pare_page_options(const pare_selection *selection, pare_text *out);

#endif
