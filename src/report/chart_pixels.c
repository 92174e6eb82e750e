/* The picture of the chosen pixels of an image; the earlier a choice, the darker. */
#include "report/chart.h"

enum { GRID_MAX = 64 };

bool pare_chart_has_pixels(const pare_selection *s) {
    return s->height > 0 && s->width > 0 && s->count > 0 && s->item[0].pixel_row >= 0;
}

void pare_chart_pixels(const pare_selection *s, pare_text *out) {
    /* The longer side is 280 units, so that lines have the same weight for every image. */
    int64_t longest = s->height > s->width ? s->height : s->width;
    double cell = 280.0 / (double)longest;
    double width = (double)s->width * cell, height = (double)s->height * cell;
    pare_svg_open(out, "pixels", width + 2, height + 2, "Chosen pixels");
    pare_svg_describe(out, "pixels");
    pare_text_append(out, "%lld pixels of an image of %lld rows and %lld columns.",
                     (long long)s->count, (long long)s->height, (long long)s->width);
    pare_svg_end_describe(out);
    pare_text_append(out, "<g transform=\"translate(1 1)\">\n<path class=\"grid\" d=\"");
    for (int64_t i = 1; longest <= GRID_MAX && i < s->height; i++) {
        pare_svg_number(out, "M0 ", (double)i * cell);
        pare_svg_number(out, "H", width);
    }
    for (int64_t j = 1; longest <= GRID_MAX && j < s->width; j++) {
        pare_svg_number(out, "M", (double)j * cell);
        pare_svg_number(out, " 0V", height);
    }
    pare_text_append(out, "\"/>\n<g class=\"pixels\">\n");
    for (int64_t i = 0; i < s->count; i++) {
        const pare_item *item = &s->item[i];
        if (item->pixel_row < 0) {
            continue;
        }
        pare_svg_number(out, "<rect x=\"", (double)item->pixel_column * cell);
        pare_svg_number(out, "\" y=\"", (double)item->pixel_row * cell);
        pare_svg_number(out, "\" width=\"", cell);
        pare_svg_number(out, "\" height=\"", cell);
        pare_svg_number(out, "\" opacity=\"", 1 - 0.6 * (double)i / (double)s->count);
        pare_text_append(out, "\"><title>%lld. row %lld, column %lld</title></rect>\n",
                         (long long)i + 1, (long long)item->pixel_row,
                         (long long)item->pixel_column);
    }
    pare_text_append(out, "</g>\n");
    pare_svg_number(out, "<rect class=\"frame\" x=\"0\" y=\"0\" width=\"", width);
    pare_svg_number(out, "\" height=\"", height);
    pare_text_append(out, "\"/>\n</g>\n");
    pare_svg_close(out);
}
