/* Bars: the score of each choice, in order of choice. */
#include "report/chart.h"
#include "report/format.h"
#include "report/names.h"

#include <math.h>

enum { EDGE_MARGIN = 14, BARS_MAX = 1000, TITLED_MAX = 400, NAME_LIMIT = 80 };

bool pare_chart_has_scores(const pare_selection *s) {
    for (int64_t i = 0; i < s->count; i++) {
        if (isfinite(s->item[i].score)) {
            return true;
        }
    }
    return false;
}

static void put_bar(const pare_chart *chart, const pare_selection *s, int64_t i, bool titled) {
    pare_text *out = chart->out;
    double score = s->item[i].score;
    if (!isfinite(score)) {
        return;
    }
    double left = pare_chart_x(chart, (double)i + 0.5),
           right = pare_chart_x(chart, (double)i + 1.5);
    double gap = right - left < 4 ? 0 : fmin(3, 0.25 * (right - left));
    double zero = pare_chart_y(chart, 0), end = pare_chart_y(chart, score);
    pare_svg_number(out, "<rect x=\"", left + gap / 2);
    pare_svg_number(out, "\" y=\"", fmin(zero, end));
    pare_svg_number(out, "\" width=\"", right - left - gap);
    pare_svg_number(out, "\" height=\"", fmax(0.5, fabs(zero - end)));
    if (!titled) {
        pare_text_append(out, "\"/>\n");
        return;
    }
    char number[PARE_NUMBER_SIZE];
    pare_text_append(out, "\"><title>%lld. ", (long long)i + 1);
    pare_name_append_html(out, s->item[i].name, NAME_LIMIT);
    pare_text_append(out, ": %s</title></rect>\n",
                     pare_number_text(pare_score_format(s), score, "unknown", number));
}

void pare_chart_scores(const pare_selection *s, pare_text *out) {
    int64_t count = s->count < BARS_MAX ? s->count : BARS_MAX;
    double low = 0, high = 0;
    for (int64_t i = 0; i < count; i++) {
        double score = s->item[i].score;
        low = isfinite(score) ? fmin(low, score) : low;
        high = isfinite(score) ? fmax(high, score) : high;
    }
    pare_chart chart = pare_chart_of(out, EDGE_MARGIN, 0.5, (double)count + 0.5, low, high);
    pare_svg_open(out, "scores", PARE_CHART_WIDTH, PARE_CHART_HEIGHT, "Score of each choice");
    pare_number_format format = pare_score_format(s);
    char number[PARE_NUMBER_SIZE];
    pare_svg_describe(out, "scores");
    pare_text_append(out, "Bars for the first %lld choices; the scores go from %s ",
                     (long long)count, pare_number_text(format, low, "0", number));
    pare_text_append(out, "to %s. The table of the chosen has each number.",
                     pare_number_text(format, high, "0", number));
    pare_svg_end_describe(out);
    pare_chart_axes(&chart, "rank", true, NULL);
    pare_text_append(out, "<g class=\"bars\">\n");
    for (int64_t i = 0; i < count; i++) {
        put_bar(&chart, s, i, count <= TITLED_MAX);
    }
    pare_text_append(out, "</g>\n");
    pare_svg_close(out);
}
