/* The drawings of the page: inline SVG, one function a drawing. Colours and fonts come from the
 * style sheet by class; nothing depends on colour alone. */
#ifndef PARE_REPORT_CHART_H
#define PARE_REPORT_CHART_H

#include "base/text.h"
#include "select/selection.h"

/* A rectangle of the drawing and the ranges of numbers it shows. */
typedef struct pare_chart {
    pare_text *out;
    double left, right, top, bottom; /* of the plot area, drawing units */
    double x_low, x_high, y_low, y_high;
} pare_chart;

enum { PARE_CHART_WIDTH = 480, PARE_CHART_HEIGHT = 300 };

/* Opens an <svg> of the given size with its <title>; id is unique in the page. */
void pare_svg_open(pare_text *out, const char *id, double width, double height, const char *title);
/* Between open and the first shape: the caller appends the words of the description itself. */
void pare_svg_describe(pare_text *out, const char *id);
void pare_svg_end_describe(pare_text *out);
void pare_svg_close(pare_text *out);
/* Appends a coordinate, two decimals, never NaN or beyond +-1e6; `before` goes in front. */
void pare_svg_number(pare_text *out, const char *before, double value);

/* A chart of the usual size whose ranges cover the given ones; margin_right for labels. */
pare_chart pare_chart_of(pare_text *out, double margin_right, double x_low, double x_high,
                         double y_low, double y_high);
double pare_chart_x(const pare_chart *chart, double value);
double pare_chart_y(const pare_chart *chart, double value);
/* Grid lines, tick labels, the name of the horizontal axis; whole: its ticks are whole numbers, the
 * first at x_low, of these names (NULL: the numbers). */
void pare_chart_axes(const pare_chart *chart, const char *x_name, bool whole,
                     const char *const *names);
/* A line through the finite points. */
void pare_chart_line(const pare_chart *chart, const char *class_name, int64_t count,
                     const double *x, const double *y);

/* Whether the selection has what the drawing needs; then the drawing. */
bool pare_chart_has_path(const pare_selection *selection);
void pare_chart_path(const pare_selection *selection, pare_text *out);
bool pare_chart_has_scores(const pare_selection *selection);
void pare_chart_scores(const pare_selection *selection, pare_text *out);
bool pare_chart_has_trace(const pare_selection *selection);
void pare_chart_trace(const pare_selection *selection, pare_text *out);
enum { PARE_CHART_CORRELATION_MAX = 100 }; /* choices drawn */
bool pare_chart_has_correlation(const pare_selection *selection);
void pare_chart_correlation(const pare_selection *selection, pare_text *out);
bool pare_chart_has_pixels(const pare_selection *selection);
void pare_chart_pixels(const pare_selection *selection, pare_text *out);

#endif
