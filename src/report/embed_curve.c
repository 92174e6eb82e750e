/* Quality against budget of every method: a drawing and its table. */
#include "report/embed_report.h"

#include "report/chart.h"
#include "report/values.h"

#include <math.h>

enum { LABEL_MARGIN = 170, LABEL_GAP = 17, LEADER = 24 };

static const char *const share_names[PARE_EMBED_SHARES] = {"1/8", "1/4", "1/2", "all"};

static const double *auc_of(const pare_embed *e, int64_t method, double y[PARE_EMBED_SHARES]) {
    for (int64_t i = 0; i < PARE_EMBED_SHARES; i++) {
        y[i] = e->curve[method * PARE_EMBED_SHARES + i].auc;
    }
    return y;
}

typedef struct label {
    double y, end; /* of the name, of its line */
    int64_t method;
} label;

/* Names at the right ends of the lines, pushed apart where they would overlap. */
static void put_labels(const pare_embed *e, const pare_chart *chart, int64_t count, label *labels) {
    char word[64];
    for (int64_t i = 1; i < count; i++) {
        for (int64_t j = i; j > 0 && labels[j].y < labels[j - 1].y; j--) {
            label other = labels[j];
            labels[j] = labels[j - 1];
            labels[j - 1] = other;
        }
    }
    for (int64_t i = 1; i < count; i++) {
        labels[i].y = fmax(labels[i].y, labels[i - 1].y + LABEL_GAP);
    }
    double most = chart->bottom;
    for (int64_t i = count - 1; i >= 0; i--) {
        labels[i].y = fmin(labels[i].y, most);
        most = labels[i].y - LABEL_GAP;
    }
    for (int64_t i = 0; i < count; i++) {
        pare_svg_number(chart->out, "<path class=\"other\" d=\"M", chart->right + 6);
        pare_svg_number(chart->out, " ", labels[i].end);
        pare_svg_number(chart->out, "L", chart->right + LEADER);
        pare_svg_number(chart->out, " ", labels[i].y);
        pare_svg_number(chart->out, "\"/><text class=\"label\" x=\"", chart->right + LEADER + 4);
        pare_svg_number(chart->out, "\" y=\"", labels[i].y + 4.5);
        pare_text_append(chart->out, "\"%s>%s</text>\n",
                         labels[i].method == e->options.embed_method ? " font-weight=\"bold\"" : "",
                         pare_embed_method_word(e, labels[i].method, word, sizeof word));
    }
}

static void draw(const pare_embed *e, pare_text *out) {
    double x[PARE_EMBED_SHARES], y[PARE_EMBED_SHARES], low = INFINITY, high = -INFINITY;
    int64_t methods = e->points / PARE_EMBED_SHARES, mine = e->options.embed_method, count = 0;
    label labels[PARE_EMBED_METHODS];
    for (int64_t i = 0; i < e->points; i++) {
        if (isfinite(e->curve[i].auc)) {
            low = fmin(low, e->curve[i].auc);
            high = fmax(high, e->curve[i].auc);
        }
    }
    if (!isfinite(low)) {
        return;
    }
    for (int64_t i = 0; i < PARE_EMBED_SHARES; i++) {
        x[i] = log2(e->curve[i].share);
    }
    double pad = fmax(0.05 * (high - low), 1e-4);
    pare_svg_open(out, "curve", PARE_CHART_WIDTH, PARE_CHART_HEIGHT, "AUC against budget");
    pare_svg_describe(out, "curve");
    pare_text_append(out, "One line a method; the one that chose the plan is the bold one. The "
                          "numbers are in the table below.");
    pare_svg_end_describe(out);
    pare_chart chart = pare_chart_of(out, LABEL_MARGIN, x[0], 0, low - pad, high + pad);
    pare_chart_axes(&chart, "share of the budget", true, share_names);
    for (int64_t m = 0; m < methods; m++) {
        (void)auc_of(e, m, y);
        if (m != mine) {
            pare_chart_line(&chart, "other", PARE_EMBED_SHARES, x, y);
        }
        if (isfinite(y[PARE_EMBED_SHARES - 1])) {
            double end = pare_chart_y(&chart, y[PARE_EMBED_SHARES - 1]);
            labels[count++] = (label){end, end, m};
        }
    }
    pare_chart_line(&chart, "curve", PARE_EMBED_SHARES, x, auc_of(e, mine, y));
    for (int64_t i = 0; i < PARE_EMBED_SHARES; i++) {
        if (isfinite(y[i])) {
            pare_svg_number(out, "<circle class=\"dot\" r=\"4.5\" cx=\"",
                            pare_chart_x(&chart, x[i]));
            pare_svg_number(out, "\" cy=\"", pare_chart_y(&chart, y[i]));
            pare_text_append(out, "\"/>\n");
        }
    }
    put_labels(e, &chart, count, labels);
    pare_svg_close(out);
}

void pare_embed_curve_html(const pare_embed *e, pare_text *out) {
    char word[64];
    pare_text_append(out,
                     "<section><h2>Quality against budget</h2>\n<p>AUC on the rows held out, of "
                     "a model trained on what each method chooses within a part of the "
                     "budget.</p>\n<figure class=\"single\">\n");
    draw(e, out);
    pare_text_append(out, "</figure>\n<div class=\"scroll\"><table><thead><tr><th>method</th>");
    for (int i = 0; i < PARE_EMBED_SHARES; i++) {
        pare_text_append(out, "<th>%s: AUC</th><th>log loss</th>", share_names[i]);
    }
    pare_text_append(out, "</tr></thead>\n<tbody>\n");
    for (int64_t m = 0; m * PARE_EMBED_SHARES < e->points; m++) {
        pare_text_append(out, "<tr><th scope=\"row\">%s</th>",
                         pare_embed_method_word(e, m, word, sizeof word));
        for (int64_t i = 0; i < PARE_EMBED_SHARES; i++) {
            const pare_embed_point *point = &e->curve[m * PARE_EMBED_SHARES + i];
            if (!isfinite(point->auc)) {
                pare_text_append(out, "<td colspan=\"2\">nothing fits</td>");
                continue;
            }
            pare_text_append(out, "<td>");
            pare_put_fixed(out, point->auc, 4);
            pare_text_append(out, "</td><td>");
            pare_put_fixed(out, point->log_loss, 4);
            pare_text_append(out, "</td>");
        }
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div></section>\n");
}
