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

/* page_parts.c: a page up to its heading "words name", its header left open; style: of this page,
 * NULL at the end. And its end. */
void pare_page_open(pare_text *out, const char *words, const char *name, const char *const *style);
void pare_page_close(pare_text *out);
/* A number with four significant digits and a true minus; "-" for NaN. */
void pare_page_number(pare_text *out, double value);
/* It in a cell; in a row of facts, beside its name (HTML). */
void pare_page_number_cell(pare_text *out, double value);
void pare_page_number_row(pare_text *out, const char *name, double value);
/* One of the large numbers at the top; kind "first" or "tile". */
void pare_page_tile(pare_text *out, const char *kind, const char *name, double value,
                    const char *note);

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
