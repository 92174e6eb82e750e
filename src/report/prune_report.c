#include "report/prune_report.h"

#include "report/chart.h"
#include "report/names.h"
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LIMIT = 120, LINE_LIMIT = 4000, FILE_LIMIT = 60 };

static const char *label_of(const pare_prune_record *r, int64_t i) {
    return i == 0 ? "dense" : r->point[i].budget[0] ? r->point[i].budget : "blocks";
}

/* Folders in front of a file's name tell nothing here. */
static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static double speed_of(const pare_prune_point *p) {
    return p->seconds[0] > 0 ? p->seconds[1] / p->seconds[0] : (double)NAN;
}

static bool has_scores(const pare_prune_record *r) {
    return r->point[0].score.windows > 0;
}

static bool has_speed(const pare_prune_record *r) {
    return r->points > 1 && r->point[1].seconds[0] > 0;
}

/* Was it time that was asked for? */
static bool wants_speed(const pare_prune_record *r) {
    return r->points > 1 && strncmp(r->point[1].budget, "latency=", 8) == 0;
}

static void put_fixed(pare_text *out, double value, int decimals) {
    if (isfinite(value)) {
        pare_text_append_fixed(out, value, decimals);
    } else {
        pare_text_append(out, "\xE2\x80\x93"); /* en dash */
    }
}

static void put_share(pare_text *out, double share) {
    put_fixed(out, 100 * share, 1);
    pare_text_append(out, isfinite(share) ? "\xE2\x80\xAF%%" : "");
}

/* ---- Head ------------------------------------------------------------------------------------ */

static void tile(pare_text *out, const char *class_name, const char *name, double value,
                 int decimals, const char *unit) {
    pare_text_append(out, "<div%s><dt>%s</dt><dd><span class=\"big\">", class_name, name);
    put_fixed(out, value, decimals);
    pare_text_append(out, "%s</span><br/>", unit);
}

/* The numbers of the smallest model; with several budgets the table has the others. */
static void put_tiles(const pare_prune_record *r, pare_text *out) {
    const pare_prune_point *dense = &r->point[0], *p = &r->point[r->points - 1];
    pare_text_append(out, "<dl class=\"tiles\">\n");
    if (has_scores(r)) {
        tile(out, " class=\"first\"", "Perplexity", p->score.perplexity, 2, "");
        pare_text_append(out, "dense ");
        put_fixed(out, dense->score.perplexity, 2);
        pare_text_append(out, "</dd></div>\n");
    }
    tile(out, "", "Layer parameters kept",
         100 * (double)p->layer_parameters / (double)dense->layer_parameters, 1, "\xE2\x80\xAF%");
    pare_page_count(out, p->layer_parameters);
    pare_text_append(out, " of ");
    pare_page_count(out, dense->layer_parameters);
    pare_text_append(out, "</dd></div>\n");
    if (isfinite(p->blocks)) {
        tile(out, "", "Blocks kept", 100 * p->blocks, 1, "\xE2\x80\xAF%");
        pare_text_append(out, "of every matrix</dd></div>\n");
    }
    tile(out, "", "Size", (double)p->bytes / 1e6, p->bytes < 100000000 ? 2 : 0, "\xE2\x80\xAFMB");
    pare_text_append(out, "dense ");
    put_fixed(out, (double)dense->bytes / 1e6, dense->bytes < 100000000 ? 2 : 0);
    pare_text_append(out, "\xE2\x80\xAFMB</dd></div>\n");
    if (has_speed(r)) {
        tile(out, "", "Step, measured", 100 * speed_of(p), 1, "\xE2\x80\xAF%");
        put_fixed(out, 1e3 * p->seconds[1], 3);
        pare_text_append(out, "\xE2\x80\xAFms, dense ");
        put_fixed(out, 1e3 * p->seconds[0], 3);
        pare_text_append(out, "\xE2\x80\xAFms</dd></div>\n");
    }
    pare_text_append(out, "</dl>\n");
}

static void put_head(const pare_prune_record *r, pare_text *out) {
    pare_text_append(out,
                     "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n"
                     "<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"/>\n"
                     "<title>Pruned language model</title>\n<style>\n");
    for (int64_t i = 0; pare_page_style[i]; i++) {
        pare_text_append(out, "%s", pare_page_style[i]);
    }
    pare_text_append(out, "</style>\n</head>\n<body>\n<main>\n<header><h1>Pruned language model"
                          "</h1>\n<p class=\"lead\">");
    pare_page_name(out, r->dense->path, NAME_LIMIT);
    if (r->points == 2) {
        pare_text_append(out, ", pruned to ");
        pare_name_append_html(out, label_of(r, 1), NAME_LIMIT);
    } else {
        pare_text_append(out, ", pruned to %lld budgets. These are the numbers of ",
                         (long long)r->points - 1);
        pare_name_append_html(out, label_of(r, r->points - 1), NAME_LIMIT);
    }
    pare_text_append(out, ".</p></header>\n");
}

/* ---- Curves ---------------------------------------------------------------------------------- */

typedef struct curve {
    const char *id, *title, *sentence;
    double x[PARE_PRUNE_POINTS_MAX], y[PARE_PRUNE_POINTS_MAX];
    int64_t count;
    bool wanted; /* the level line y = x: what was asked for */
    int decimals;
} curve;

/* By share, so that the line goes on from each to the next. */
static void add_point(curve *c, double x, double y) {
    if (!isfinite(x) || !isfinite(y)) {
        return;
    }
    int64_t at = c->count++;
    for (; at > 0 && c->x[at - 1] > x; at--) {
        c->x[at] = c->x[at - 1];
        c->y[at] = c->y[at - 1];
    }
    c->x[at] = x;
    c->y[at] = y;
}

static void put_curve(const curve *c, pare_text *out) {
    double low = INFINITY, high = -INFINITY;
    if (c->count < 2) {
        return;
    }
    for (int64_t i = 0; i < c->count; i++) {
        low = fmin(low, fmin(c->y[i], c->wanted ? c->x[i] : c->y[i]));
        high = fmax(high, fmax(c->y[i], c->wanted ? c->x[i] : c->y[i]));
    }
    double pad = 0.08 * (high - low), margin = 0.04 * (1 - c->x[0]);
    pare_text_append(out,
                     "<figure id=\"%s-figure\">\n<figcaption><h2>%s</h2><p>%s</p></figcaption>\n",
                     c->id, c->title, c->sentence);
    pare_svg_open(out, c->id, PARE_CHART_WIDTH, PARE_CHART_HEIGHT, c->title);
    pare_chart chart = pare_chart_of(out, 44, c->x[0] - margin, 1 + margin, low - pad, high + pad);
    pare_svg_describe(out, c->id);
    for (int64_t i = 0; i < c->count; i++) {
        put_fixed(out, c->y[i], c->decimals);
        pare_text_append(out, " at ");
        put_fixed(out, c->x[i], 3);
        pare_text_append(out, i + 1 < c->count ? ", " : ".");
    }
    pare_svg_end_describe(out);
    bool rising = c->y[c->count - 1] > c->y[0]; /* numbers stand on the free side of the line */
    pare_chart_axes(&chart, "share that may stay", false, NULL);
    if (c->wanted) {
        pare_chart_line(&chart, "random", c->count, c->x, c->x);
    }
    pare_chart_line(&chart, "curve", c->count, c->x, c->y);
    for (int64_t i = 0; i < c->count; i++) {
        double x = pare_chart_x(&chart, c->x[i]), y = pare_chart_y(&chart, c->y[i]);
        pare_svg_number(out, "<circle class=\"dot\" r=\"4.5\" cx=\"", x);
        pare_svg_number(out, "\" cy=\"", y);
        pare_svg_number(out, "\"/><text class=\"label\" x=\"", x + 9);
        pare_svg_number(out, "\" y=\"", rising ? y + 16 : y - 7);
        pare_text_append(out, "\">");
        put_fixed(out, c->y[i], c->decimals);
        pare_text_append(out, "</text>\n");
    }
    pare_svg_close(out);
    pare_text_append(out, "</figure>\n");
}

static void put_curves(const pare_prune_record *r, pare_text *out) {
    curve score = {.id = "perplexity",
                   .title = "Perplexity",
                   .sentence = "Against the share of the budgeted resource; 1 is the dense model.",
                   .decimals = 2};
    curve speed = {.id = "step",
                   .title = "Time of a step",
                   .sentence = "Measured, as a share of the dense model\xE2\x80\x99s.",
                   .decimals = 3};
    speed.wanted = wants_speed(r);
    if (speed.wanted) {
        speed.sentence = "Measured, as a share of the dense model\xE2\x80\x99s; dotted: what was "
                         "asked for.";
    }
    for (int64_t i = 0; i < r->points; i++) {
        const pare_prune_point *p = &r->point[i];
        if (has_scores(r)) {
            add_point(&score, p->asked, p->score.perplexity);
        }
        if (has_speed(r)) {
            add_point(&speed, p->asked, i == 0 ? 1 : speed_of(p));
        }
    }
    pare_text_append(out, "<div class=\"figures\">\n");
    put_curve(&score, out);
    put_curve(&speed, out);
    pare_text_append(out, "</div>\n");
}

/* ---- Layers x structures --------------------------------------------------------------------- */

/* One bar: a frame for what there was, filled as far as it stays. */
static void put_bar(pare_text *out, double x, double y, int64_t kept, int64_t all) {
    enum { WIDE = 118, TALL = 13 };
    if (all > 0) {
        pare_svg_number(out, "<path class=\"bars\" d=\"M", x);
        pare_svg_number(out, " ", y);
        pare_svg_number(out, "h", WIDE * (double)kept / (double)all);
        pare_svg_number(out, "v", TALL);
        pare_svg_number(out, "H", x);
        pare_text_append(out, "z\"/>");
        pare_svg_number(out, "<path class=\"frame\" d=\"M", x);
        pare_svg_number(out, " ", y);
        pare_svg_number(out, "h", WIDE);
        pare_svg_number(out, "v", TALL);
        pare_svg_number(out, "H", x);
        pare_text_append(out, "z\"/>");
    }
    pare_svg_number(out, "<text class=\"label small\" x=\"", x + WIDE + 8);
    pare_svg_number(out, "\" y=\"", y + 11);
    if (all == 0) {
        pare_text_append(out, "\">none before</text>\n");
    } else if (kept == 0) {
        pare_text_append(out, "\">all %lld gone</text>\n", (long long)all);
    } else {
        pare_text_append(out, "\">%lld of %lld</text>\n", (long long)kept, (long long)all);
    }
}

static void put_shape(const pare_prune_record *r, int64_t index, pare_text *out) {
    enum { TOP = 26, ROW = 22, HEADS = 66, FFN = 280 };
    const pare_prune_point *p = &r->point[index], *dense = &r->point[0];
    int64_t layers = r->dense->lm.shape.layers, whole = 0, attention = 0, mlp = 0;
    char id[32];
    snprintf(id, sizeof id, "shape-%lld", (long long)index);
    for (int64_t i = 0; i < layers; i++) {
        bool no_heads = p->kept[2 * i] == 0, no_ffn = p->kept[2 * i + 1] == 0;
        whole += no_heads && no_ffn;
        attention += no_heads && !no_ffn;
        mlp += no_ffn && !no_heads;
    }
    pare_text_append(out, "<figure id=\"%s-figure\">\n<figcaption><h2>What is left at ", id);
    pare_name_append_html(out, label_of(r, index), NAME_LIMIT);
    pare_text_append(out, "</h2><p>");
    if (whole + attention + mlp == 0) {
        pare_text_append(out, "Every layer keeps some of both.");
    } else {
        pare_text_append(out,
                         "Gone as a whole: %lld of %lld layers; besides, attention in %lld and "
                         "feed-forward in %lld.",
                         (long long)whole, (long long)layers, (long long)attention, (long long)mlp);
    }
    if (p->hidden < dense->hidden) {
        pare_text_append(out, " Hidden dimensions: %lld of %lld.", (long long)p->hidden,
                         (long long)dense->hidden);
    }
    pare_text_append(out, "</p></figcaption>\n");
    pare_svg_open(out, id, PARE_CHART_WIDTH, TOP + ROW * (double)layers, "Layers and structures");
    pare_svg_describe(out, id);
    pare_text_append(out, "For every layer the query heads and the feed-forward channels that "
                          "are left, of those there were.");
    pare_svg_end_describe(out);
    pare_text_append(out,
                     "<text class=\"axis\" x=\"%d\" y=\"14\">query heads</text>"
                     "<text class=\"axis\" x=\"%d\" y=\"14\">feed-forward channels</text>\n",
                     HEADS, FFN);
    for (int64_t i = 0; i < layers; i++) {
        double y = TOP + ROW * (double)i;
        pare_svg_number(out, "<text x=\"0\" y=\"", y + 11);
        pare_text_append(out, "\">layer %lld</text>", (long long)i);
        put_bar(out, HEADS, y, p->kept[2 * i], dense->kept[2 * i]);
        put_bar(out, FFN, y, p->kept[2 * i + 1], dense->kept[2 * i + 1]);
    }
    pare_svg_close(out);
    pare_text_append(out, "</figure>\n");
}

static void put_shapes(const pare_prune_record *r, pare_text *out) {
    pare_text_append(out, "<div class=\"figures\">\n");
    for (int64_t i = 1; i < r->points; i++) {
        if (isfinite(r->point[i].blocks)) {
            pare_text_append(out, "<p>No structure went: of the blocks of every matrix of the "
                                  "layers the same share is left, ");
            put_share(out, r->point[i].blocks);
            pare_text_append(out, ".</p>\n");
        } else {
            put_shape(r, i, out);
        }
    }
    pare_text_append(out, "</div>\n");
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static void put_protocol(const pare_prune_record *r, pare_text *out) {
    const pare_perplexity *s = &r->point[0].score;
    if (!has_scores(r)) {
        return;
    }
    pare_text_append(out, "<p class=\"soft\">Perplexity of ");
    pare_page_count(out, s->tokens);
    pare_text_append(out, " tokens of ");
    pare_page_name(out, file_name(r->text), FILE_LIMIT);
    pare_text_append(out, ", protocol %s: %lld windows of %lld tokens, %lld apart. ", r->protocol,
                     (long long)s->windows, (long long)s->context, (long long)s->stride);
    if (strcmp(r->text, r->calibration) == 0) {
        pare_text_append(out, "This is the text the pruning was calibrated on; option test names "
                              "another one.");
    }
    pare_text_append(out, "</p>\n");
}

static void put_row(const pare_prune_record *r, int64_t i, pare_text *out) {
    const pare_prune_point *p = &r->point[i];
    pare_text_append(out, "<tr><th scope=\"row\">");
    pare_name_append_html(out, label_of(r, i), NAME_LIMIT);
    pare_text_append(out, "</th>");
    if (has_scores(r)) {
        pare_text_append(out, "<td class=\"n\">");
        put_fixed(out, p->score.perplexity, 3);
        pare_text_append(out, "</td>");
    }
    const int64_t counts[] = {p->layer_parameters, p->parameters, p->bytes, p->multiply_adds};
    for (int c = 0; c < 4; c++) {
        pare_text_append(out, "<td class=\"n\">");
        pare_page_count(out, counts[c]);
        pare_text_append(out, "</td>");
    }
    pare_text_append(out, "<td class=\"n\">");
    put_share(out, p->predicted);
    pare_text_append(out, "</td>");
    if (wants_speed(r)) {
        pare_text_append(out, "<td class=\"n\">");
        put_share(out, p->stand_in > 0 ? p->stand_in : (double)NAN);
        pare_text_append(out, "</td>");
    }
    if (has_speed(r)) {
        pare_text_append(out, "<td class=\"n\">");
        put_fixed(out, 1e3 * (i == 0 ? r->point[1].seconds[0] : p->seconds[1]), 4);
        pare_text_append(out, "</td><td class=\"n\">");
        put_share(out, i == 0 ? 1 : speed_of(p));
        pare_text_append(out, "</td>");
    }
    pare_text_append(out, "</tr>\n");
}

static void put_table(const pare_prune_record *r, pare_text *out) {
    pare_text_append(out, "<section><h2>Numbers</h2>\n");
    put_protocol(r, out);
    if (has_speed(r)) {
        pare_text_append(
            out,
            "<p class=\"soft\">Times: a decoding step of %lld %s after %lld tokens, the "
            "written model and the dense one in turns, on this machine.</p>\n",
            (long long)r->sequences, r->sequences == 1 ? "sequence" : "sequences",
            (long long)r->position);
    }
    pare_text_append(out, "<div class=\"scroll\"><table><thead><tr><th>model</th>");
    pare_text_append(out, has_scores(r) ? "<th class=\"n\">perplexity</th>" : "");
    pare_text_append(out, "<th class=\"n\">parameters<br/>of layers</th><th class=\"n\">all "
                          "parameters</th><th class=\"n\">bytes</th>"
                          "<th class=\"n\">multiply-adds<br/>a token</th>"
                          "<th class=\"n\">predicted</th>");
    pare_text_append(out, wants_speed(r) ? "<th class=\"n\">same shape,<br/>measured</th>" : "");
    pare_text_append(
        out, has_speed(r) ? "<th class=\"n\">step, ms</th><th class=\"n\">of dense</th>" : "");
    pare_text_append(out, "</tr></thead>\n<tbody>\n");
    for (int64_t i = 0; i < r->points; i++) {
        put_row(r, i, out);
    }
    pare_text_append(out, "</tbody></table></div></section>\n");
}

/* ---- Samples and facts ----------------------------------------------------------------------- */

/* Generated text may have any bytes; its line ends stay. */
static void put_lines(const char *text, pare_text *out) {
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        char *line = NULL;
        if (out->status == PARE_OK) {
            out->status = pare_text_copy(out->ctx, at, (int64_t)length, &line);
        }
        if (line) {
            pare_name_append_html(out, line, LINE_LIMIT);
        }
        pare_free(out->ctx, line);
        at += length;
        if (*at) {
            pare_text_append(out, "<br/>");
            at++;
        }
    }
}

static void put_samples(const pare_prune_record *r, pare_text *out) {
    if (!r->point[0].sample) {
        return;
    }
    pare_text_append(out, "<section><h2>Samples</h2>\n<p class=\"soft\">What each model goes on "
                          "with after ");
    if (r->prompt[0]) {
        pare_text_append(out, "\xE2\x80\x9C");
        pare_page_name(out, r->prompt, NAME_LIMIT);
        pare_text_append(out, "\xE2\x80\x9D");
    } else {
        pare_text_append(out, "the begin token");
    }
    pare_text_append(out, ".</p>\n<table class=\"facts\"><tbody>\n");
    for (int64_t i = 0; i < r->points; i++) {
        if (r->point[i].sample) {
            pare_text_append(out, "<tr><th scope=\"row\">");
            pare_name_append_html(out, label_of(r, i), NAME_LIMIT);
            pare_text_append(out, "</th><td><bdi>");
            put_lines(r->point[i].sample, out);
            pare_text_append(out, "</bdi></td></tr>\n");
        }
    }
    pare_text_append(out, "</tbody></table></section>\n");
}

static void put_fact(pare_text *out, const char *name, const char *value) {
    pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>", name);
    pare_page_name(out, value, NAME_LIMIT);
    pare_text_append(out, "</td></tr>\n");
}

static void put_facts(const pare_prune_record *r, pare_text *out) {
    pare_text_append(out, "<section><h2>How</h2>\n<table class=\"facts\"><tbody>\n");
    put_fact(out, "architecture", r->dense->lm.shape.architecture);
    put_fact(out, "what may go", r->structure);
    put_fact(out, "criterion", r->criterion);
    put_fact(out, "calibrated on", r->calibration[0] ? file_name(r->calibration) : "nothing");
    put_fact(out, "layers", r->uniform ? "all of one shape" : "each of its own shape");
    put_fact(out, "output matrices", r->compensate ? "solved anew" : "as they were");
    put_fact(out, "recovery", r->recover[0] ? r->recover : "none");
    pare_text_append(out, "</tbody></table></section>\n");
}

void pare_prune_report_html(const pare_prune_record *r, pare_text *out) {
    put_head(r, out);
    put_tiles(r, out);
    put_curves(r, out);
    put_shapes(r, out);
    put_table(r, out);
    put_samples(r, out);
    put_facts(r, out);
    pare_text_append(out, "<footer>Made by pare %d.%d.%d.</footer>\n</main>\n</body>\n</html>\n",
                     PARE_VERSION_MAJOR, PARE_VERSION_MINOR, PARE_VERSION_PATCH);
}
