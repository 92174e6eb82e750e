/* Words and numbers as terminal table and page show them. */
#ifndef PARE_REPORT_FORMAT_H
#define PARE_REPORT_FORMAT_H

#include "base/text.h"
#include "select/selection.h"

/* "pixels" for images, else "columns". */
const char *pare_report_noun(const pare_selection *selection);
/* The last part of the path of the data, "?" if unknown. */
const char *pare_report_source(const pare_selection *selection);
/* The text, or "?" for NULL. */
const char *pare_report_word(const char *text);

/*
 * How a series of numbers is shown: the same decimals for all, so that they line up, and four
 * significant digits for the largest; `power`: scientific notation, where fixed would be long.
 */
typedef struct pare_number_format {
    int decimals;
    bool power;
} pare_number_format;

enum { PARE_NUMBER_SIZE = 48 };

/* Four significant digits for numbers up to `largest` in magnitude. */
pare_number_format pare_number_format_of(double largest);
/* For the scores of the choices. */
pare_number_format pare_score_format(const pare_selection *selection);
/* Writes the number; `absent` for NaN and infinities. */
const char *pare_number_text(pare_number_format format, double value, const char *absent,
                             char buffer[PARE_NUMBER_SIZE]);

/* Index of the path point with exactly `count` choices, -1 if there is none. *cursor starts at 0
 * and only moves forward: ask for ascending counts. */
int64_t pare_path_find(const pare_selection *selection, int64_t count, int64_t *cursor);

/* The comparisons in the order they are shown. */
enum { PARE_COMPARISONS = 3 };
typedef struct pare_named_comparison {
    const char *name; /* "chosen", "all", "random" */
    const pare_comparison *value;
} pare_named_comparison;
void pare_report_comparisons(const pare_selection *selection,
                             pare_named_comparison out[PARE_COMPARISONS]);
/* Whether any model was compared, on validation and on test rows. */
bool pare_report_compared(const pare_selection *selection, bool *validation, bool *test);

#endif
