/* Curves: validation score along the path, and loss while selecting. */
#include "report/chart.h"
#include "report/format.h"

#include <math.h>
#include <string.h>

enum { LABEL_GAP = 18, LABEL_MARGIN = 102, EDGE_MARGIN = 14 };

/* The range of the finite numbers seen. */
typedef struct range {
    double low, high;
} range;

static void widen(range *r, double value) {
    if (isfinite(value)) {
        r->low = fmin(r->low, value);
        r->high = fmax(r->high, value);
    }
}

/* A line's name, to stand at its right end. */
typedef struct label {
    double y;
    const char *name;
    int64_t count;
} label;

/* Sorts by height and pushes apart what would overlap. */
static void spread(label *labels, int count, double top, double bottom) {
    for (int i = 1; i < count; i++) {
        for (int j = i; j > 0 && labels[j].y < labels[j - 1].y; j--) {
            label other = labels[j];
            labels[j] = labels[j - 1];
            labels[j - 1] = other;
        }
    }
    double least = top + 6;
    for (int i = 0; i < count; i++) {
        labels[i].y = fmax(labels[i].y, least);
        least = labels[i].y + LABEL_GAP;
    }
    double most = bottom;
    for (int i = count - 1; i >= 0; i--) {
        labels[i].y = fmin(labels[i].y, most);
        most = labels[i].y - LABEL_GAP;
    }
}

static void put_labels(const pare_chart *chart, const label *labels, int count) {
    for (int i = 0; i < count; i++) {
        pare_svg_number(chart->out, "<text class=\"label\" x=\"", chart->right + 9);
        pare_svg_number(chart->out, "\" y=\"", labels[i].y + 4.5);
        pare_text_append(chart->out, "\">%lld %s</text>\n", (long long)labels[i].count,
                         labels[i].name);
    }
}

/* A level line with a dash pattern of its own. */
static void put_level(const pare_chart *chart, const char *class_name, double value) {
    double x[2] = {chart->x_low, chart->x_high};
    double y[2] = {value, value};
    pare_chart_line(chart, class_name, 2, x, y);
}

/* One standard error to both sides. */
static void put_band(const pare_chart *chart, const pare_selection *s) {
    pare_text *out = chart->out;
    for (int64_t from = 0, to = 0; from < s->path_points; from = to) {
        for (to = from; to < s->path_points && isfinite(s->path_score[to] - s->path_error[to]);) {
            to++;
        }
        if (to == from) {
            to++;
            continue;
        }
        pare_text_append(out, "<path class=\"band\" d=\"");
        for (int64_t i = from; i < to; i++) {
            pare_svg_number(out, i == from ? "M" : "L",
                            pare_chart_x(chart, (double)s->path_count[i]));
            pare_svg_number(out, " ", pare_chart_y(chart, s->path_score[i] + s->path_error[i]));
        }
        for (int64_t i = to - 1; i >= from; i--) {
            pare_svg_number(out, "L", pare_chart_x(chart, (double)s->path_count[i]));
            pare_svg_number(out, " ", pare_chart_y(chart, s->path_score[i] - s->path_error[i]));
        }
        pare_text_append(out, "Z\"/>\n");
    }
}

static void describe_path(const pare_selection *s, pare_text *out) {
    const pare_number_format format = {4, false};
    int64_t last = s->path_points - 1;
    char number[PARE_NUMBER_SIZE];
    pare_svg_describe(out, "path");
    pare_text_append(out, "%s on the validation rows goes from ", "The score");
    pare_text_append(out, "%s with %lld ",
                     pare_number_text(format, s->path_score[0], "unknown", number),
                     (long long)s->path_count[0]);
    pare_text_append(out, "to %s with %lld %s.",
                     pare_number_text(format, s->path_score[last], "unknown", number),
                     (long long)s->path_count[last], pare_report_noun(s));
    if (isfinite(s->all.validation_score)) {
        pare_text_append(out, " All %lld reach %s.", (long long)s->all.candidates,
                         pare_number_text(format, s->all.validation_score, "", number));
    }
    if (isfinite(s->random.validation_score)) {
        pare_text_append(out, " %lld random ones reach %s.", (long long)s->random.candidates,
                         pare_number_text(format, s->random.validation_score, "", number));
    }
    pare_svg_end_describe(out);
}

bool pare_chart_has_path(const pare_selection *s) {
    int64_t finite = 0;
    for (int64_t i = 0; i < s->path_points; i++) {
        finite += isfinite(s->path_score[i]);
    }
    return finite >= 2;
}

void pare_chart_path(const pare_selection *s, pare_text *out) {
    range y = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < s->path_points; i++) {
        double error = isfinite(s->path_error[i]) ? s->path_error[i] : 0;
        widen(&y, s->path_score[i] - error);
        widen(&y, s->path_score[i] + error);
    }
    widen(&y, s->chosen.validation_score);
    widen(&y, s->all.validation_score);
    widen(&y, s->random.validation_score);
    /* Scores end at 1; far below 0 (R squared of a bad fit) there is nothing to see. */
    y.low = fmax(y.low, fmin(-1, y.high - 1));
    double pad = 0.04 * (y.high - y.low);
    pare_chart chart =
        pare_chart_of(out, LABEL_MARGIN, (double)s->path_count[0],
                      (double)s->path_count[s->path_points - 1], y.low - pad, y.high + pad);
    pare_svg_open(out, "path", PARE_CHART_WIDTH, PARE_CHART_HEIGHT, "Score by number kept");
    describe_path(s, out);
    pare_chart_axes(&chart, s->height > 0 ? "pixels kept" : "columns kept", true, NULL);
    put_band(&chart, s);
    const struct {
        const char *class_name, *name;
        const pare_comparison *value;
    } levels[] = {{"all", "all", &s->all}, {"random", "random", &s->random}};
    label labels[3];
    int count = 0;
    for (int i = 0; i < 2; i++) {
        double score = levels[i].value->validation_score;
        if (isfinite(score)) {
            put_level(&chart, levels[i].class_name, score);
            labels[count++] =
                (label){pare_chart_y(&chart, score), levels[i].name, levels[i].value->candidates};
        }
    }
    double *x = NULL;
    if (out->status == PARE_OK) {
        out->status = pare_alloc(s->ctx, s->path_points, sizeof *x, &x);
    }
    if (out->status == PARE_OK) {
        for (int64_t i = 0; i < s->path_points; i++) {
            x[i] = (double)s->path_count[i];
        }
        pare_chart_line(&chart, "curve", s->path_points, x, s->path_score);
    }
    pare_free(s->ctx, x);
    if (isfinite(s->chosen.validation_score)) {
        double at = pare_chart_x(&chart, (double)s->count);
        double height = pare_chart_y(&chart, s->chosen.validation_score);
        pare_svg_number(out, "<circle class=\"dot\" r=\"5\" cx=\"", at);
        pare_svg_number(out, "\" cy=\"", height);
        pare_text_append(out, "\"/>\n");
        if (s->count >= s->path_count[s->path_points - 1]) {
            labels[count++] = (label){height, "chosen", s->count};
        } else {
            pare_svg_number(out, "<text class=\"label middle\" x=\"", at);
            pare_svg_number(out, "\" y=\"", height - 11);
            pare_text_append(out, "\">%lld chosen</text>\n", (long long)s->count);
        }
    }
    spread(labels, count, chart.top, chart.bottom);
    put_labels(&chart, labels, count);
    pare_svg_close(out);
}

bool pare_chart_has_trace(const pare_selection *s) {
    int64_t finite = 0;
    for (int64_t i = 0; i < s->trace_points; i++) {
        finite += isfinite(s->trace_epoch[i]) && isfinite(s->trace_loss[i]);
    }
    return finite >= 2;
}

/* Methods that train count epochs, the others picks (select/method.h). */
static const char *trace_axis(const pare_selection *s) {
    static const char *const training[] = {"sequential-attention", "lly", "group-lasso",
                                           "magnitude"};
    for (size_t i = 0; s->method && i < sizeof training / sizeof training[0]; i++) {
        if (strcmp(s->method, training[i]) == 0) {
            return "epochs";
        }
    }
    return "picks";
}

void pare_chart_trace(const pare_selection *s, pare_text *out) {
    range x = {INFINITY, -INFINITY}, y = {INFINITY, -INFINITY};
    double first = NAN, last = NAN;
    for (int64_t i = 0; i < s->trace_points; i++) {
        if (isfinite(s->trace_epoch[i]) && isfinite(s->trace_loss[i])) {
            widen(&x, s->trace_epoch[i]);
            widen(&y, s->trace_loss[i]);
            first = isnan(first) ? s->trace_loss[i] : first;
            last = s->trace_loss[i];
        }
    }
    if (y.low > 0 && y.low < 0.5 * y.high) {
        y.low = 0; /* near enough to show the loss in proportion */
    }
    pare_chart chart = pare_chart_of(out, EDGE_MARGIN, x.low, x.high, y.low, y.high);
    pare_svg_open(out, "trace", PARE_CHART_WIDTH, PARE_CHART_HEIGHT, "Training loss");
    pare_number_format format = pare_number_format_of(fmax(fabs(y.low), fabs(y.high)));
    char number[PARE_NUMBER_SIZE];
    pare_svg_describe(out, "trace");
    pare_text_append(out, "The training loss goes from %s ",
                     pare_number_text(format, first, "unknown", number));
    pare_text_append(out, "to %s while selecting.",
                     pare_number_text(format, last, "unknown", number));
    pare_svg_end_describe(out);
    pare_chart_axes(&chart, trace_axis(s), false, NULL);
    pare_chart_line(&chart, "curve", s->trace_points, s->trace_epoch, s->trace_loss);
    pare_svg_close(out);
}
