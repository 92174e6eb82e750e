/* Frame of every drawing: accessible <svg>, coordinates, axes with round ticks. */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>

enum { MARGIN_LEFT = 56, MARGIN_TOP = 14, MARGIN_BOTTOM = 46 };

void pare_svg_open(pare_text *out, const char *id, double width, double height, const char *title) {
    pare_text_append(out, "<svg viewBox=\"0 0 ");
    pare_svg_number(out, "", width);
    pare_svg_number(out, " ", height);
    pare_text_append(out,
                     "\" role=\"img\" aria-labelledby=\"%s-title %s-text\">\n"
                     "<title id=\"%s-title\">%s</title>\n",
                     id, id, id, title);
}

void pare_svg_describe(pare_text *out, const char *id) {
    pare_text_append(out, "<desc id=\"%s-text\">", id);
}

void pare_svg_end_describe(pare_text *out) {
    pare_text_append(out, "</desc>\n");
}

void pare_svg_close(pare_text *out) {
    pare_text_append(out, "</svg>\n");
}

void pare_svg_number(pare_text *out, const char *before, double value) {
    double bounded = isnan(value) ? 0 : fmax(-1e6, fmin(1e6, value));
    /* Hundredths as a whole number: no locale, no "-0.00", and short. */
    long long hundredths = llround(bounded * 100);
    long long size = hundredths < 0 ? -hundredths : hundredths;
    pare_text_append(out, "%s%s%lld", before, hundredths < 0 ? "-" : "", size / 100);
    if (size % 100 != 0) {
        pare_text_append(out, size % 10 ? ".%02lld" : ".%lld",
                         size % 10 ? size % 100 : size % 100 / 10);
    }
}

/* Keeps differences of two bounds finite. */
static double bound(double value) {
    return fmax(-1e300, fmin(1e300, value));
}

pare_chart pare_chart_of(pare_text *out, double margin_right, double x_low, double x_high,
                         double y_low, double y_high) {
    pare_chart chart = {
        .out = out,
        .left = MARGIN_LEFT,
        .right = PARE_CHART_WIDTH - margin_right,
        .top = MARGIN_TOP,
        .bottom = PARE_CHART_HEIGHT - MARGIN_BOTTOM,
        .x_low = bound(x_low),
        .x_high = bound(x_high),
        .y_low = bound(y_low),
        .y_high = bound(y_high),
    };
    double *const ranges[][2] = {{&chart.x_low, &chart.x_high}, {&chart.y_low, &chart.y_high}};
    for (int i = 0; i < 2; i++) {
        double *low = ranges[i][0], *high = ranges[i][1];
        if (!(*high > *low)) { /* one value: a range around it */
            double half = fmax(0.5 * fabs(*low), 1e-6);
            half = i == 0 ? 0.5 : half;
            *low -= half;
            *high = *low + 2 * half;
        }
    }
    return chart;
}

static double place(double value, double low, double high, double from, double to) {
    double share = (value - low) / (high - low);
    share = isnan(share) ? 0 : fmax(0, fmin(1, share));
    return from + share * (to - from);
}

double pare_chart_x(const pare_chart *chart, double value) {
    return place(bound(value), chart->x_low, chart->x_high, chart->left, chart->right);
}

double pare_chart_y(const pare_chart *chart, double value) {
    return place(bound(value), chart->y_low, chart->y_high, chart->bottom, chart->top);
}

/* The smallest of 1, 2, 5 times a power of ten that is at least `least`. */
static double round_step(double least) {
    double power = pow(10, floor(log10(least)));
    double ratio = least / power;
    return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

static void put_tick(const pare_chart *chart, double value, double step) {
    if (fabs(value) < step * 1e-6) {
        pare_text_append(chart->out, "0");
    } else if (fabs(value) >= 1e6 || step < 1e-5) {
        char number[PARE_REAL_SIZE];
        double digits = fmin(15, fmax(1, ceil(log10(fabs(value) / step)) + 1));
        snprintf(number, sizeof number, "%.*g", (int)digits, value);
        for (char *at = number; *at; at++) {
            *at = *at == ',' ? '.' : *at;
        }
        pare_text_append(chart->out, "%s", number);
    } else {
        double decimals = ceil(-log10(step) - 1e-9);
        pare_text_append_fixed(chart->out, value, decimals > 0 ? (int)decimals : 0);
    }
}

void pare_chart_axes(const pare_chart *chart, const char *x_name, bool whole,
                     const char *const *names) {
    pare_text *out = chart->out;
    double x_step = round_step((chart->x_high - chart->x_low) / 6);
    double y_step = round_step((chart->y_high - chart->y_low) / 5);
    x_step = whole && x_step < 1 ? 1 : x_step;
    pare_text_append(out, "<g class=\"grid\">\n");
    double first = ceil(chart->y_low / y_step - 1e-9);
    for (int i = 0; i < 12 && (first + i) * y_step <= chart->y_high + y_step * 1e-9; i++) {
        double y = pare_chart_y(chart, (first + i) * y_step);
        pare_svg_number(out, "<path d=\"M", chart->left);
        pare_svg_number(out, " ", y);
        pare_svg_number(out, "H", chart->right);
        pare_svg_number(out, "\"/><text class=\"end\" x=\"", chart->left - 8);
        pare_svg_number(out, "\" y=\"", y + 4.5);
        pare_text_append(out, "\">");
        put_tick(chart, (first + i) * y_step, y_step);
        pare_text_append(out, "</text>\n");
    }
    first = ceil(chart->x_low / x_step - 1e-9);
    for (int i = 0; i < 12 && (first + i) * x_step <= chart->x_high + x_step * 1e-9; i++) {
        double x = pare_chart_x(chart, (first + i) * x_step);
        pare_svg_number(out, "<path d=\"M", x);
        pare_svg_number(out, " ", chart->bottom);
        pare_svg_number(out, "v5\"/><text class=\"middle\" x=\"", x);
        pare_svg_number(out, "\" y=\"", chart->bottom + 19);
        pare_text_append(out, "\">");
        if (names) {
            pare_text_append(out, "%s", names[i]);
        } else {
            put_tick(chart, (first + i) * x_step, x_step);
        }
        pare_text_append(out, "</text>\n");
    }
    pare_svg_number(out, "<path class=\"base\" d=\"M", chart->left);
    pare_svg_number(out, " ", chart->bottom);
    pare_svg_number(out, "H", chart->right);
    pare_text_append(out, "\"/>\n</g>\n");
    pare_svg_number(out, "<text class=\"axis end\" x=\"", chart->right);
    pare_svg_number(out, "\" y=\"", chart->bottom + 39);
    pare_text_append(out, "\">%s</text>\n", x_name);
}

void pare_chart_line(const pare_chart *chart, const char *class_name, int64_t count,
                     const double *x, const double *y) {
    pare_text *out = chart->out;
    pare_text_append(out, "<path class=\"%s\" d=\"", class_name);
    bool down = false;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            down = false;
            continue;
        }
        pare_svg_number(out, down ? "L" : "M", pare_chart_x(chart, x[i]));
        pare_svg_number(out, " ", pare_chart_y(chart, y[i]));
        down = true;
    }
    pare_text_append(out, "\"/>\n");
}
