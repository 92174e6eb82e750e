/* Correlation of the chosen: the lower triangle, a square a pair. The area of a square is the size
 * of the correlation; positive ones are filled, negative ones hollow, so no colour is needed. */
#include "report/chart.h"
#include "report/names.h"

#include <math.h>

enum { SIDE = 360, NAMED_MAX = 24, NAME_LIMIT = 20, NUMBERED_STEP = 10 };

bool pare_chart_has_correlation(const pare_selection *s) {
    return s->correlation && s->count >= 2;
}

static int64_t drawn(const pare_selection *s) {
    return s->count < PARE_CHART_CORRELATION_MAX ? s->count : PARE_CHART_CORRELATION_MAX;
}

static void put_squares(const pare_selection *s, pare_text *out, double cell, bool negative) {
    double line = fmin(1.5, 0.16 * cell);
    pare_svg_number(out,
                    negative ? "<path class=\"hollow\" stroke-width=\"" : "<path stroke-width=\"",
                    negative ? line : 0);
    pare_text_append(out, "\" d=\"");
    for (int64_t i = 1; i < drawn(s); i++) {
        for (int64_t j = 0; j < i; j++) {
            double value = s->correlation[i * s->count + j];
            if (!(fabs(value) >= 0.02) || (value < 0) != negative) {
                continue;
            }
            double side = 0.94 * cell * sqrt(fmin(1, fabs(value)));
            side = negative ? fmax(line, side - line) : side;
            pare_svg_number(out, "M", ((double)j + 0.5) * cell - side / 2);
            pare_svg_number(out, " ", ((double)i + 0.5) * cell - side / 2);
            pare_svg_number(out, "h", side);
            pare_svg_number(out, "v", side);
            pare_svg_number(out, "h", -side);
            pare_text_append(out, "z");
        }
    }
    pare_text_append(out, "\"/>\n");
}

/* Names stand on the diagonal, where the upper triangle leaves room; many choices get ranks only.
 */
static void put_labels(const pare_selection *s, pare_text *out, double cell) {
    bool named = s->count <= NAMED_MAX;
    for (int64_t i = 0; i < drawn(s); i++) {
        if (!named && i > 0 && (i + 1) % NUMBERED_STEP != 0) {
            continue;
        }
        pare_svg_number(out, "<text class=\"small\" x=\"",
                        ((double)i + (named ? 0.2 : 0.9)) * cell);
        pare_svg_number(out, "\" y=\"", ((double)i + 0.5) * cell + 4.5);
        pare_text_append(out, "\">%lld", (long long)i + 1);
        if (named) {
            pare_text_append(out, " ");
            pare_name_append_html(out, s->item[i].name, NAME_LIMIT);
        }
        pare_text_append(out, "</text>\n");
    }
}

void pare_chart_correlation(const pare_selection *s, pare_text *out) {
    double cell = (double)SIDE / (double)drawn(s);
    int64_t strong = 0;
    for (int64_t i = 1; i < drawn(s); i++) {
        for (int64_t j = 0; j < i; j++) {
            strong += fabs(s->correlation[i * s->count + j]) >= 0.8;
        }
    }
    pare_svg_open(out, "correlation", PARE_CHART_WIDTH, SIDE + 2, "Correlation of the chosen");
    pare_svg_describe(out, "correlation");
    pare_text_append(out,
                     "A square for each pair of the first %lld choices; %lld pairs have a "
                     "correlation of 0.8 or more in size. The table below lists the strongest.",
                     (long long)drawn(s), (long long)strong);
    pare_svg_end_describe(out);
    pare_text_append(out, "<g class=\"triangle\">\n<path class=\"wash\" d=\"M0 ");
    pare_svg_number(out, "", cell);
    for (int64_t i = 1; i < drawn(s); i++) {
        pare_svg_number(out, "H", (double)i * cell);
        pare_svg_number(out, "V", (double)(i + 1) * cell);
    }
    pare_text_append(out, "H0Z\"/>\n");
    put_squares(s, out, cell, false);
    put_squares(s, out, cell, true);
    pare_text_append(out, "</g>\n");
    put_labels(s, out, cell);
    pare_svg_close(out);
}
