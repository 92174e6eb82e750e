/* The tables of the page. */
#include "report/chart.h"
#include "report/format.h"
#include "report/names.h"
#include "report/page.h"

#include <math.h>
#include <string.h>

enum { NAME_LIMIT = 200, COLUMNS_SHOWN = 12, LONG_TABLE = 40, TRACE_ROWS = 20, PAIRS = 8 };

static const char absent[] = "\xE2\x80\x93"; /* en dash */

static void put_number(pare_text *out, pare_number_format format, double value) {
    char number[PARE_NUMBER_SIZE];
    pare_text_append(out, "<td class=\"n\">%s</td>",
                     pare_number_text(format, value, absent, number));
}

/* One measure of the three models. */
static void put_measure(pare_text *out, const char *name, pare_number_format format,
                        const double value[PARE_COMPARISONS]) {
    pare_text_append(out, "<tr><th scope=\"row\">%s</th>", name);
    for (int64_t i = 0; i < PARE_COMPARISONS; i++) {
        put_number(out, format, value[i]);
    }
    pare_text_append(out, "</tr>\n");
}

void pare_page_comparison(const pare_selection *s, pare_text *out) {
    const pare_number_format score = {4, false}, time = {1, false};
    bool validation = false, test = false;
    if (!pare_report_compared(s, &validation, &test)) {
        return;
    }
    pare_text_append(out, "<section>\n<h2>What the choice is worth</h2>\n<table class=\"worth\">\n"
                          "<caption>The same model trained afresh on each; the score is ");
    pare_name_append_html(out, pare_report_word(s->score_name), NAME_LIMIT);
    pare_text_append(out, "</caption>\n<thead><tr><td></td>");
    pare_named_comparison models[PARE_COMPARISONS];
    double value[6][PARE_COMPARISONS];
    pare_report_comparisons(s, models);
    for (int64_t i = 0; i < PARE_COMPARISONS; i++) {
        const pare_comparison *model = models[i].value;
        pare_text_append(out, "<th scope=\"col\" class=\"n\">%s</th>", models[i].name);
        value[0][i] = model->candidates > 0 ? (double)model->candidates : (double)NAN;
        value[1][i] = model->validation_score;
        value[2][i] = model->validation_loss;
        value[3][i] = model->test_score;
        value[4][i] = model->test_loss;
        value[5][i] = model->seconds;
    }
    pare_text_append(out, "</tr></thead>\n<tbody>\n");
    put_measure(out, s->height > 0 ? "Pixels" : "Columns", (pare_number_format){0, false},
                value[0]);
    if (validation) {
        put_measure(out, "Validation score", score, value[1]);
        put_measure(out, "Validation loss", score, value[2]);
    }
    if (test) {
        put_measure(out, "Test score", score, value[3]);
        put_measure(out, "Test loss", score, value[4]);
    }
    put_measure(out, "Seconds of training", time, value[5]);
    pare_text_append(out, "</tbody>\n</table>\n</section>\n");
}

/* The columns of a group, in small print below its name. */
static void put_columns(const pare_item *item, pare_text *out) {
    if (item->columns < 2) {
        return;
    }
    pare_text_append(out, "<small>");
    for (int64_t i = 0; i < item->columns && i < COLUMNS_SHOWN; i++) {
        pare_text_append(out, i > 0 ? ", " : "");
        pare_page_name(out, item->column[i], NAME_LIMIT);
    }
    if (item->columns > COLUMNS_SHOWN) {
        pare_text_append(out, " and %lld more", (long long)(item->columns - COLUMNS_SHOWN));
    }
    pare_text_append(out, "</small>");
}

static void put_item(const pare_selection *s, int64_t i, pare_number_format format, double largest,
                     int64_t point, pare_text *out) {
    const pare_item *item = &s->item[i];
    pare_text_append(out, "<tr><td class=\"n rank\">%lld</td><th scope=\"row\">", (long long)i + 1);
    pare_page_name(out, item->name, NAME_LIMIT);
    put_columns(item, out);
    pare_text_append(out, "</th>");
    if (s->height > 0) {
        pare_text_append(out, "<td class=\"n\">%lld, %lld</td>", (long long)item->pixel_row,
                         (long long)item->pixel_column);
    }
    put_number(out, format, item->score);
    /* Negative scores are shown by their size, like the others: the number has the sign. */
    double share = isfinite(item->score) && largest > 0 ? fabs(item->score) / largest : 0;
    pare_svg_number(
        out, "<td class=\"bar\" aria-hidden=\"true\"><span style=\"width:", 100 * fmin(1, share));
    pare_text_append(out, "%%\"></span></td>");
    if (s->path_points > 0) {
        const pare_number_format score = {4, false};
        if (point >= 0) {
            put_number(out, score, s->path_score[point]);
        } else {
            pare_text_append(out, "<td></td>"); /* not every number kept was measured */
        }
    }
    pare_text_append(out, "</tr>\n");
}

void pare_page_items(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "<section>\n<h2 id=\"chosen\">The chosen %s</h2>\n", pare_report_noun(s));
    if (s->count == 0) {
        pare_text_append(out, "<p>None.</p>\n</section>\n");
        return;
    }
    pare_text_append(out,
                     "<div class=\"%s\" tabindex=\"0\" role=\"region\" "
                     "aria-labelledby=\"chosen\"><table class=\"items\">\n"
                     "<thead><tr><th scope=\"col\" class=\"n rank\">Rank</th>"
                     "<th scope=\"col\">Name</th>",
                     s->count > LONG_TABLE ? "long" : "scroll");
    if (s->height > 0) {
        pare_text_append(out, "<th scope=\"col\" class=\"n pixel\">Row, column</th>");
    }
    pare_text_append(out, "<th scope=\"col\" class=\"n score\">Score</th><td class=\"bar\"></td>");
    if (s->path_points > 0) {
        pare_text_append(out, "<th scope=\"col\" class=\"n path\">");
        pare_name_append_html(out, pare_report_word(s->score_name), NAME_LIMIT);
        pare_text_append(out, " so far</th>");
    }
    pare_text_append(out, "</tr></thead>\n<tbody>\n");
    double largest = 0;
    for (int64_t i = 0; i < s->count; i++) {
        double size = fabs(s->item[i].score);
        largest = isfinite(size) && size > largest ? size : largest;
    }
    pare_number_format format = pare_score_format(s);
    int64_t cursor = 0;
    for (int64_t i = 0; i < s->count; i++) {
        put_item(s, i, format, largest, pare_path_find(s, i + 1, &cursor), out);
    }
    pare_text_append(out, "</tbody>\n</table></div>\n</section>\n");
}

static void open_numbers(pare_text *out, const char *what, const char *first, const char *second,
                         const char *third) {
    pare_text_append(out,
                     "<details><summary>%s</summary>\n<table>\n<thead><tr>"
                     "<th scope=\"col\" class=\"n\">%s</th><th scope=\"col\" class=\"n\">%s"
                     "</th>",
                     what, first, second);
    if (third) {
        pare_text_append(out, "<th scope=\"col\" class=\"n\">%s</th>", third);
    }
    pare_text_append(out, "</tr></thead>\n<tbody>\n");
}

static void close_numbers(pare_text *out) {
    pare_text_append(out, "</tbody>\n</table></details>\n");
}

void pare_page_path_numbers(const pare_selection *s, pare_text *out) {
    const pare_number_format score = {4, false};
    open_numbers(out, "The numbers", "Kept", "Score", "Standard error");
    for (int64_t i = 0; i < s->path_points; i++) {
        pare_text_append(out, "<tr><td class=\"n\">%lld</td>", (long long)s->path_count[i]);
        put_number(out, score, s->path_score[i]);
        put_number(out, score, s->path_error[i]);
        pare_text_append(out, "</tr>\n");
    }
    close_numbers(out);
}

void pare_page_trace_numbers(const pare_selection *s, pare_text *out) {
    double largest = 0;
    for (int64_t i = 0; i < s->trace_points; i++) {
        double size = fabs(s->trace_loss[i]);
        largest = isfinite(size) && size > largest ? size : largest;
    }
    int64_t rows = s->trace_points < TRACE_ROWS ? s->trace_points : TRACE_ROWS;
    open_numbers(out, "Some of the numbers", "Position", "Loss", NULL);
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = rows > 1 ? i * (s->trace_points - 1) / (rows - 1) : 0;
        pare_text_append(out, "<tr>");
        put_number(out, (pare_number_format){1, false}, s->trace_epoch[at]);
        put_number(out, pare_number_format_of(largest), s->trace_loss[at]);
        pare_text_append(out, "</tr>\n");
    }
    close_numbers(out);
}

void pare_page_pairs(const pare_selection *s, pare_text *out) {
    struct {
        int64_t a, b;
        double size;
    } best[PAIRS];
    int64_t found = 0;
    int64_t count = s->count < PARE_CHART_CORRELATION_MAX ? s->count : PARE_CHART_CORRELATION_MAX;
    for (int64_t a = 1; a < count; a++) {
        for (int64_t b = 0; b < a; b++) {
            double size = fabs(s->correlation[a * s->count + b]);
            if (!isfinite(size) || (found == PAIRS && size <= best[PAIRS - 1].size)) {
                continue;
            }
            int64_t at = found < PAIRS ? found++ : PAIRS - 1;
            for (; at > 0 && best[at - 1].size < size; at--) {
                best[at] = best[at - 1];
            }
            best[at].a = a;
            best[at].b = b;
            best[at].size = size;
        }
    }
    open_numbers(out, "The strongest pairs", "Correlation", "Ranks", "Names");
    for (int64_t i = 0; i < found; i++) {
        pare_text_append(out, "<tr>");
        put_number(out, (pare_number_format){3, false},
                   s->correlation[best[i].a * s->count + best[i].b]);
        pare_text_append(out, "<td class=\"n\">%lld, %lld</td><td>", (long long)best[i].b + 1,
                         (long long)best[i].a + 1);
        pare_page_name(out, s->item[best[i].b].name, NAME_LIMIT);
        pare_text_append(out, ", ");
        pare_page_name(out, s->item[best[i].a].name, NAME_LIMIT);
        pare_text_append(out, "</td></tr>\n");
    }
    close_numbers(out);
}

static void put_fact(pare_text *out, const char *name, const char *value) {
    if (value && value[0]) {
        pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>", name);
        pare_page_name(out, value, NAME_LIMIT);
        pare_text_append(out, "</td></tr>\n");
    }
}

void pare_page_facts(const pare_selection *s, pare_text *out) {
    const pare_number_format time = {2, false};
    char number[PARE_NUMBER_SIZE];
    pare_text_append(out, "<section>\n<h2>How it was made</h2>\n<table class=\"facts\"><tbody>\n");
    put_fact(out, "Data", s->data_source);
    pare_text_append(out, "<tr><th scope=\"row\">Rows</th><td>");
    pare_page_count(out, s->rows);
    pare_text_append(out, ", of these ");
    pare_page_count(out, s->validation_rows);
    pare_text_append(out, " for validation; ");
    pare_page_count(out, s->test_rows);
    pare_text_append(out, " test rows</td></tr>\n");
    put_fact(out, "Checksum", s->data_checksum);
    put_fact(out, "Weights", s->weight_name);
    put_fact(out, "Method", s->method);
    put_fact(out, "Model", s->model);
    put_fact(out, "Task", s->task);
    pare_text_append(out, "<tr><th scope=\"row\">Seconds</th><td>");
    pare_text_append(out, "reading %s, ",
                     pare_number_text(time, s->seconds_reading, absent, number));
    pare_text_append(out, "selecting %s ",
                     pare_number_text(time, s->seconds_selecting, absent, number));
    pare_text_append(out, "(processor %s)</td></tr>\n",
                     pare_number_text(time, s->cpu_selecting, absent, number));
    put_fact(out, "Machine", s->machine);
    put_fact(out, "Finished", s->created);
    put_fact(out, "Version", s->version);
    pare_text_append(out, "</tbody></table>\n</section>\n");
}

/* The options whose value differs from the default (changed), or the others. */
static int64_t put_options(const pare_selection *s, const pare_options *defaults, bool changed,
                           pare_text *out) {
    int64_t shown = 0;
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        char buffer[64], initial[64];
        if (pare_option_at(i, &option) != PARE_OK || !pare_option_recorded(&option)) {
            continue;
        }
        const char *value = pare_options_get(&s->options, i, buffer, sizeof buffer);
        const char *usual = pare_options_get(defaults, i, initial, sizeof initial);
        if ((strcmp(value, usual) != 0) != changed) {
            continue;
        }
        shown++;
        pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>", option.name);
        pare_page_name(out, value[0] ? value : absent, NAME_LIMIT);
        pare_text_append(out, "</td></tr>\n");
    }
    return shown;
}

void pare_page_options(const pare_selection *s, pare_text *out) {
    if (!s->has_options || out->status != PARE_OK) {
        return;
    }
    pare_options defaults;
    out->status = pare_options_init(s->ctx, &defaults);
    if (out->status != PARE_OK) {
        return;
    }
    pare_text_append(out, "<section>\n<h2>Options</h2>\n<table class=\"facts\"><tbody>\n");
    if (put_options(s, &defaults, true, out) == 0) {
        pare_text_append(out, "<tr><td>None was set.</td></tr>\n");
    }
    pare_text_append(out, "</tbody></table>\n<details><summary>All others, at their defaults"
                          "</summary>\n<table class=\"facts\"><tbody>\n");
    (void)put_options(s, &defaults, false, out);
    pare_text_append(out, "</tbody></table></details>\n</section>\n");
    pare_options_clear(&defaults);
}
