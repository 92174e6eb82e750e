/* The report as one HTML page that needs nothing else. It is written as well-formed XML, too. */
#include "report/chart.h"
#include "report/format.h"
#include "report/names.h"
#include "report/page.h"
#include "report/proof.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SOURCE_LIMIT = 120, NAME_LIMIT = 80, SENTENCE_LIMIT = 2000 };

void pare_page_name(pare_text *out, const char *name, int64_t limit) {
    pare_text_append(out, "<bdi>");
    pare_name_append_html(out, name, limit);
    pare_text_append(out, "</bdi>");
}

void pare_page_count(pare_text *out, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    int64_t length = (int64_t)strlen(digits);
    for (int64_t i = 0; i < length; i++) {
        bool gap = i > 0 && (length - i) % 3 == 0 && length > 4 && digits[i - 1] != '-';
        pare_text_append(out, gap ? "\xE2\x80\xAF%c" : "%c", digits[i]); /* narrow no-break space */
    }
}

/* "Sequential attention" from "sequential-attention". */
static void put_method(pare_text *out, const char *method) {
    const char *word = pare_report_word(method);
    bool upper = word[0] >= 'a' && word[0] <= 'z' && strlen(word) > 4;
    for (int64_t i = 0; word[i]; i++) {
        char one[2] = {word[i] == '-' ? ' ' : word[i], '\0'};
        if (upper && i == 0) {
            one[0] = (char)(one[0] - 'a' + 'A');
        }
        pare_name_append_html(out, one, 1);
    }
}

static void put_targets(const pare_selection *s, pare_text *out) {
    for (int64_t i = 0; i < s->target_columns && i < 3; i++) {
        pare_text_append(out, i == 0 ? " to predict " : ", ");
        pare_page_name(out, s->target_name[i], NAME_LIMIT);
    }
    if (s->target_columns > 3) {
        pare_text_append(out, " and %lld more", (long long)s->target_columns - 3);
    }
}

static void put_head(const pare_selection *s, pare_text *out) {
    pare_text_append(out,
                     "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">"
                     "\n<head>\n<meta charset=\"utf-8\"/>\n"
                     "<meta name=\"viewport\" content=\"width=device-width, "
                     "initial-scale=1\"/>\n<title>");
    pare_text_append(out, "%lld of %lld %s of ", (long long)s->count, (long long)s->candidates,
                     pare_report_noun(s));
    pare_name_append_html(out, pare_report_source(s), SOURCE_LIMIT);
    pare_text_append(out, "</title>\n<style>\n");
    for (int64_t i = 0; pare_page_style[i]; i++) {
        pare_text_append(out, "%s", pare_page_style[i]);
    }
    pare_text_append(out, "</style>\n</head>\n<body>\n<main>\n");
}

static void put_header(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "<header>\n<h1>");
    pare_page_count(out, s->count);
    pare_text_append(out, " <span>of ");
    pare_page_count(out, s->candidates);
    pare_text_append(out, " %s</span></h1>\n<p class=\"lead\">", pare_report_noun(s));
    put_method(out, s->method);
    pare_text_append(out, " chose them from ");
    pare_page_name(out, pare_report_source(s), SOURCE_LIMIT);
    put_targets(s, out);
    pare_text_append(out, ".</p>\n");
    if (s->data_summary && s->data_summary[0]) {
        pare_text_append(out, "<p class=\"soft\">");
        pare_page_name(out, s->data_summary, SENTENCE_LIMIT);
        pare_text_append(out, "</p>\n");
    }
    pare_text_append(out, "</header>\n");
}

/* Test score where there is one, else validation. */
static double shown_score(const pare_comparison *value, bool test) {
    return test ? value->test_score : value->validation_score;
}

static void put_tile(pare_text *out, const char *class_name, int64_t count, const char *what) {
    pare_text_append(out, "<div class=\"%s\"><dt>", class_name);
    if (count >= 0) {
        pare_page_count(out, count);
        pare_text_append(out, " ");
    }
    pare_text_append(out, "%s</dt><dd class=\"big\">", what);
}

static void put_tiles(const pare_selection *s, pare_text *out) {
    const pare_number_format score = {3, false};
    const pare_number_format time = {s->seconds_selecting < 100 ? 1 : 0, false};
    bool validation = false, test = false;
    bool compared = pare_report_compared(s, &validation, &test);
    char number[PARE_NUMBER_SIZE];
    pare_text_append(out, "<dl class=\"tiles\">\n");
    const struct {
        const char *class_name, *what;
        const pare_comparison *value;
    } tiles[] = {{"first", "chosen", &s->chosen},
                 {"tile", s->height > 0 ? "pixels, all" : "columns, all", &s->all},
                 {"tile", "at random", &s->random}};
    for (size_t i = 0; compared && i < sizeof tiles / sizeof tiles[0]; i++) {
        double value = shown_score(tiles[i].value, test);
        if (!isfinite(value)) {
            continue;
        }
        put_tile(out, tiles[i].class_name, tiles[i].value->candidates, tiles[i].what);
        pare_text_append(out, "%s</dd><dd>", pare_number_text(score, value, "?", number));
        pare_name_append_html(out, pare_report_word(s->score_name), NAME_LIMIT);
        pare_text_append(out, " on %s rows</dd></div>\n", test ? "test" : "validation");
    }
    if (!compared) {
        put_tile(out, "first", -1, "Chosen");
        pare_page_count(out, s->count);
        pare_text_append(out, "</dd><dd>no models were compared</dd></div>\n");
    }
    if (s->budget > 0) {
        put_tile(out, "tile", -1, "Cost");
        pare_text_append(out, "%s</dd><dd>", pare_real_text(pare_selection_cost(s), number));
        pare_text_append(out, "of at most %s</dd></div>\n", pare_real_text(s->budget, number));
    }
    put_tile(out, "tile", -1, "Selecting took");
    pare_text_append(out, "%s s</dd><dd>",
                     pare_number_text(time, s->seconds_selecting, "?", number));
    pare_text_append(out, "%s s of processor time</dd></div>\n</dl>\n",
                     pare_number_text(time, s->cpu_selecting, "?", number));
}

static void put_notes(const pare_selection *s, pare_text *out) {
    if (s->stopped) {
        pare_text_append(out, "<div class=\"note\"><h2>Stopped before the end</h2><p>");
        pare_page_count(out, s->count);
        if (s->wanted > 0) {
            pare_text_append(out, " of the ");
            pare_page_count(out, s->wanted);
            pare_text_append(out, " wanted");
        }
        pare_text_append(out, " were chosen when the work was stopped.</p></div>\n");
    }
    if (s->warnings > 0) {
        pare_text_append(out, "<div class=\"note\"><h2>Warnings</h2>\n<ul>\n");
        for (int64_t i = 0; i < s->warnings; i++) {
            pare_text_append(out, "<li>");
            pare_name_append_html(out, s->warning[i], SENTENCE_LIMIT);
            pare_text_append(out, "</li>\n");
        }
        pare_text_append(out, "</ul></div>\n");
    }
}

static void put_proof(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    if (p->certified || p->stable || p->knockoff || p->held_out) {
        pare_text_append(out, "<section id=\"proof\">\n<h2>What is proved</h2>\n");
        pare_report_proof(s, "<p>", "</p>\n", out);
        pare_text_append(out, "</section>\n");
    }
}

/* One figure: heading, sentence, drawing, and its numbers as a table where it has one. */
typedef struct figure {
    const char *id, *title, *sentence;
    bool (*has)(const pare_selection *);
    void (*draw)(const pare_selection *, pare_text *);
    void (*numbers)(const pare_selection *, pare_text *);
} figure;

static const figure figures[] = {
    {"pixels-figure", "The chosen pixels", "The earlier a pixel was chosen, the stronger it is.",
     pare_chart_has_pixels, pare_chart_pixels, NULL},
    {"path-figure", "Score by number kept",
     "Validation score with the first 1, 2, \xE2\x80\xA6 choices; the band is one standard error "
     "to each side. Level lines: models on all and on random ones.",
     pare_chart_has_path, pare_chart_path, pare_page_path_numbers},
    {"scores-figure", "Score of each choice",
     "The method\xE2\x80\x99s own score at the moment of the choice.", pare_chart_has_scores,
     pare_chart_scores, NULL},
    {"trace-figure", "Loss while selecting", "Training loss of the model that judges the choice.",
     pare_chart_has_trace, pare_chart_trace, pare_page_trace_numbers},
    {"correlation-figure", "Correlation of the chosen",
     "The larger a square, the stronger the pair; filled is positive, hollow negative.",
     pare_chart_has_correlation, pare_chart_correlation, pare_page_pairs},
};

static void put_figures(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "<div class=\"figures\">\n");
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        const figure *f = &figures[i];
        if (!f->has(s)) {
            continue;
        }
        pare_text_append(out, "<figure id=\"%s\">\n<figcaption><h2>%s</h2><p>%s</p></figcaption>\n",
                         f->id, f->title, f->sentence);
        f->draw(s, out);
        if (f->numbers) {
            f->numbers(s, out);
        }
        pare_text_append(out, "</figure>\n");
    }
    pare_text_append(out, "</div>\n");
}

pare_status pare_report_html(const pare_selection *selection, pare_text *out) {
    put_head(selection, out);
    put_header(selection, out);
    put_tiles(selection, out);
    put_notes(selection, out);
    put_proof(selection, out);
    put_figures(selection, out);
    pare_page_items(selection, out);
    pare_page_comparison(selection, out);
    pare_page_facts(selection, out);
    pare_page_options(selection, out);
    pare_text_append(out, "<footer>Made by pare ");
    pare_name_append_html(out, pare_report_word(selection->version), NAME_LIMIT);
    pare_text_append(out, ".</footer>\n</main>\n</body>\n</html>\n");
    return out->status;
}
