/* The page of `pare compare`: well-formed, self-contained, readable in black and white: lines
 * differ in dash and mark as well as in colour. */
#include "compare.h"

#include <math.h>

enum { WIDTH = 860, HEIGHT = 420, LEFT = 60, RIGHT = 220, TOP = 20, BOTTOM = 46 };

static const char *const colours[] = {"#0b6fa4", "#c8502d", "#2e8b57", "#7a4fa3", "#b8860b",
                                      "#444444", "#c2347a", "#1a9a9a", "#8b5a2b", "#5566cc"};
static const char *const dashes[] = {"", "8 4", "2 3", "10 3 2 3", "5 5", "1 4", "12 6"};
enum { COLOURS = sizeof colours / sizeof colours[0], DASHES = sizeof dashes / sizeof dashes[0] };

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c1c1c;background:#fff}h1{font-size:1.6rem}table{border-collapse:collapse;width:100%}"
    "th,td{padding:.3rem .6rem;border-bottom:1px solid #ccc;text-align:right}"
    "th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}"
    "svg text{font:13px system-ui,sans-serif;fill:#1c1c1c}"
    "@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}"
    "svg text{fill:#e8e8e8}th,td{border-color:#444}}";

void pare_compare_escape(const char *text, FILE *out) {
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        switch (*at) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*at < 0x20 || *at >= 0x7f ? '?' : *at, out);
            break;
        }
    }
}

/* Mean over the runs of the score with the first `count`, NaN if none has it. */
static double mean_path(const pare_compare_method *method, int64_t count) {
    double sum = 0, runs = 0;
    for (int64_t i = 0; i < method->runs; i++) {
        const pare_compare_run *run = &method->run[i];
        if (count <= run->count && isfinite(run->path[count - 1])) {
            sum += run->path[count - 1];
            runs++;
        }
    }
    return runs > 0 ? sum / runs : (double)NAN;
}

static int64_t longest(const pare_comparison_table *table) {
    int64_t most = 1;
    for (int64_t m = 0; m < table->methods; m++) {
        for (int64_t i = 0; i < table->method[m].runs; i++) {
            int64_t count = table->method[m].run[i].count;
            most = count > most ? count : most;
        }
    }
    return most;
}

static void put_mark(FILE *out, int64_t kind, double x, double y, const char *colour) {
    switch (kind % 3) {
    case 0:
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x, y, colour);
        break;
    case 1:
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\" fill=\"%s\"/>\n",
                x - 3.5, y - 3.5, colour);
        break;
    default:
        fprintf(out, "<path d=\"M%.1f %.1fl4 7h-8z\" fill=\"%s\"/>\n", x, y - 4, colour);
        break;
    }
}

static void put_chart(const pare_comparison_table *table, FILE *out) {
    int64_t most = longest(table);
    double low = INFINITY, high = -INFINITY;
    for (int64_t m = 0; m < table->methods; m++) {
        for (int64_t c = 1; c <= most; c++) {
            double y = mean_path(&table->method[m], c);
            low = isfinite(y) ? fmin(low, y) : low;
            high = isfinite(y) ? fmax(high, y) : high;
        }
    }
    if (!(high > low)) {
        low = isfinite(low) ? low - 0.5 : 0;
        high = low + 1;
    }
    double right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    fprintf(out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n"
            "<title>Validation score by number kept, one line a method</title>\n",
            WIDTH, HEIGHT);
    for (int t = 0; t <= 4; t++) {
        double value = low + (high - low) * t / 4, y = bottom - (bottom - TOP) * t / 4;
        fprintf(out,
                "<path d=\"M%d %.1fH%.1f\" stroke=\"#bbb\" stroke-width=\"1\" fill=\"none\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3f</text>\n",
                LEFT, y, right, LEFT - 6, y + 4, value);
    }
    for (int t = 0; t <= 4; t++) {
        double count = 1 + (double)(most - 1) * t / 4;
        double x = LEFT + (right - LEFT) * t / 4;
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f</text>\n", x,
                bottom + 18, count);
    }
    fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">kept</text>\n",
            0.5 * (LEFT + right), HEIGHT - 6);
    for (int64_t m = 0; m < table->methods; m++) {
        const char *colour = colours[m % COLOURS], *dash = dashes[m % DASHES];
        double label = TOP + 22 * (double)m + 8, x = 0, y = 0;
        fprintf(out,
                "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" "
                "d=\"",
                colour, dash[0] ? dash : "none");
        bool first = true;
        for (int64_t c = 1; c <= most; c++) {
            double value = mean_path(&table->method[m], c);
            if (isfinite(value)) {
                x = most > 1 ? LEFT + (right - LEFT) * (double)(c - 1) / (double)(most - 1)
                             : 0.5 * (LEFT + right);
                y = bottom - (bottom - TOP) * (value - low) / (high - low);
                fprintf(out, "%c%.1f %.1f", first ? 'M' : 'L', x, y);
                first = false;
            }
        }
        fprintf(out, "%s\"/>\n", first ? "M0 0" : "");
        if (!first) {
            put_mark(out, m, x, y, colour);
        }
        fprintf(out,
                "<path d=\"M%.1f %.1fh28\" stroke=\"%s\" stroke-width=\"2\" fill=\"none\" "
                "stroke-dasharray=\"%s\"/>",
                right + 12, label, colour, dash[0] ? dash : "none");
        put_mark(out, m, right + 26, label, colour);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", right + 46, label + 4,
                table->method[m].name);
    }
    fprintf(out, "</svg>\n");
}

static void put_cell(FILE *out, double value, int decimals) {
    if (isfinite(value)) {
        fprintf(out, "<td>%.*f</td>", decimals, value);
    } else {
        fprintf(out, "<td>-</td>");
    }
}

void pare_compare_page(const pare_comparison_table *table, FILE *out) {
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
            "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, "
            "initial-scale=1\"/>\n<title>Methods compared on ");
    pare_compare_escape(table->data, out);
    fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>%lld methods on ", style,
            (long long)table->methods);
    pare_compare_escape(table->data, out);
    fprintf(out,
            "</h1>\n<p>%s of a fresh model on the chosen columns, %s rows, mean and standard "
            "deviation over %lld splits. Overlap of the choices between splits: 1 the same, 0 as "
            "by chance (Kuncheva).</p>\n<table>\n<thead><tr><th>method</th><th>chosen</th>"
            "<th>mean</th><th>sd</th><th>overlap</th><th>CPU s</th><th>memory MB</th></tr>"
            "</thead>\n<tbody>\n",
            table->score_name, table->score_rows, (long long)table->seeds);
    for (int64_t m = 0; m < table->methods; m++) {
        const pare_compare_method *method = &table->method[m];
        fprintf(out, "<tr><td>%s</td><td>%lld</td>", method->name, (long long)method->run[0].count);
        put_cell(out, method->mean, 4);
        put_cell(out, method->sd, 4);
        put_cell(out, method->overlap, 3);
        put_cell(out, method->cpu_seconds, 2);
        put_cell(out, method->memory / 1e6, 1);
        fprintf(out, "</tr>\n");
    }
    fprintf(out, "<tr><td>all columns</td><td>%lld</td>", (long long)table->candidates);
    put_cell(out, table->all, 4);
    fprintf(out, "<td></td><td></td><td></td><td></td></tr>\n<tr><td>random columns</td><td></td>");
    put_cell(out, table->random, 4);
    fprintf(out, "<td></td><td></td><td></td><td></td></tr>\n</tbody></table>\n"
                 "<h2>Validation score by number kept</h2>\n");
    put_chart(table, out);
    fprintf(out, "</body>\n</html>\n");
}
