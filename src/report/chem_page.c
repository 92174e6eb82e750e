/* The page of `pare chem`: one card a choice, with its substructure marked in molecules. */
#include "report/chem.h"
#include "report/names.h"
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 120, WIDTH = 260, HEIGHT = 180, SKIPPED_SHOWN = 100 };
enum { POINTS = 400, TENTHS = 10 }; /* of a drawing */

static const char *const style[] = {
    ".card{border-top:1px solid var(--line);padding:22px 0 26px;display:grid;"
    "grid-template-columns:minmax(0,330px) minmax(0,1fr);gap:8px 36px;break-inside:avoid}\n",
    ".card>div{min-width:0}\n.card h3{font-size:17px;line-height:1.35;margin:0 0 "
    "4px;font-weight:620;"
    "overflow-wrap:anywhere}\n",
    ".card h3 span{color:var(--soft);font-weight:400;margin-right:8px}\n",
    ".card .big{font-size:28px;font-weight:620;letter-spacing:-.02em;line-height:1.2;margin:6px 0 "
    "2px;color:var(--down)}\n.card .up{color:var(--up)}\n",
    ".card p{font-size:14px;margin:0 0 6px;color:var(--soft)}\n",
    ".card code{font-size:12px;overflow-wrap:anywhere}\n",
    ".molecules{display:grid;grid-template-columns:repeat(auto-fill,minmax(148px,1fr));gap:10px}\n",
    ".molecules div{background:#fff;border:1px solid var(--line);border-radius:6px;padding:4px}\n",
    ".molecules svg{max-height:180px}\n",
    ".molecules p{color:#566270;text-align:center;margin:0;font-size:13px}\n",
    ".interval{width:100%;max-width:330px}\n",
    ".interval .zero{stroke:var(--soft);stroke-dasharray:2 3}\n",
    ".interval .range{stroke-width:2;stroke:var(--down)}\n.interval .point{fill:var(--down)}\n",
    ".up .range{stroke:var(--up)}\n.up .point{fill:var(--up)}\n",
    ".cloud{max-width:480px}\n.cloud circle{fill:var(--accent);fill-opacity:.35}\n",
    ":root{--up:#0b5cad;--down:#b3470f}\n",
    "@media (prefers-color-scheme:dark){:root{--up:#6db3ff;--down:#f0975a}}\n",
    "@media (max-width:760px){.card{grid-template-columns:minmax(0,1fr)}}\n",
    NULL,
};

static void put_coordinate(pare_text *out, const char *name, double value) {
    pare_text_append(out, " %s=\"", name);
    pare_text_append_fixed(out, value, 1);
    pare_text_append(out, "\"");
}

static const char *file_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- Head ----------------------------------------------------------------------------------- */

static void put_head(const struct pare_chem *chem, pare_text *out) {
    pare_page_open(out, "What tells", chem->options.target, style);
    pare_text_append(out, "<p class=\"lead\">");
    pare_page_count(out, chem->chosen);
    pare_text_append(out, " of ");
    pare_page_count(out, chem->columns);
    pare_text_append(out, chem->toolkit ? " substructures and descriptors of " : " columns of ");
    pare_page_count(out, chem->molecules.count);
    pare_text_append(out, " molecules in ");
    pare_page_name(out, file_of(chem->path), NAME_LIMIT);
    pare_text_append(out, ", with the direction and size of what each does.</p>\n</header>\n");
}

static void put_tiles(const struct pare_chem *chem, pare_text *out) {
    const bool scaffold = chem->options.chem_split == PARE_CHEM_SPLIT_SCAFFOLD && chem->toolkit;
    double left = chem->choice[chem->chosen - 1].left, stable = 0;
    for (int64_t c = 0; c < chem->chosen; c++) {
        stable += chem->choice[c].chosen / (double)chem->chosen;
    }
    pare_text_append(out, "<dl class=\"tiles\">\n");
    if (chem->scored) {
        pare_page_tile(out, "first", chem->binary ? "AUC, molecules held out" : "RMSE, held out",
                       chem->binary ? chem->score[0].quality : chem->score[0].error,
                       scaffold ? "of scaffolds not seen" : "drawn at random");
        pare_page_tile(out, "tile", "The mean instead",
                       chem->binary ? chem->score[3].quality : chem->score[3].error,
                       "what knowing nothing scores");
    }
    pare_page_tile(out, "tile", "Variance explained", 1 - left, "share, where it was chosen");
    if (chem->options.resamples > 0) {
        pare_page_tile(out, "tile", "Chosen again", stable, "share of resamples, on average");
    }
    pare_text_append(out, "</dl>\n");
}

/* ---- Cards ---------------------------------------------------------------------------------- */

/* The effect with its interval on an axis that all cards share. */
static void put_interval(const pare_chem_choice *c, double reach, pare_text *out) {
    const double middle = 165, scale = 155 / reach;
    double low = isfinite(c->low) ? c->low : c->effect;
    double high = isfinite(c->high) ? c->high : c->effect;
    pare_text_append(out,
                     "<svg class=\"interval%s\" viewBox=\"0 0 330 24\" role=\"img\" "
                     "aria-label=\"effect and 95 %% interval\"><path class=\"zero\" d=\"M165 "
                     "2V22\"/><path class=\"range\" d=\"M",
                     c->effect > 0 ? " up" : "");
    pare_text_append_fixed(out, middle + scale * low, 1);
    pare_text_append(out, " 12H");
    pare_text_append_fixed(out, middle + scale * high, 1);
    pare_text_append(out, "\"/><circle class=\"point\" r=\"5\" cy=\"12\"");
    put_coordinate(out, "cx", middle + scale * c->effect);
    pare_text_append(out, "/></svg>\n");
}

static void put_effect(const struct pare_chem *chem, const pare_chem_choice *c, double reach,
                       pare_text *out) {
    const pare_chem_column *column = &chem->column[c->column];
    pare_text_append(out, "<p class=\"big%s\">%s", c->effect > 0 ? " up" : "",
                     c->effect > 0 ? "+" : "");
    pare_page_number(out, c->effect);
    pare_text_append(out, "</p>\n<p>%s%s", chem->binary ? "in the log odds of 1" : "",
                     chem->binary ? ", " : "");
    pare_text_append(out, column->kind == PARE_CHEM_DESCRIPTOR ? "for one standard deviation more ("
                          : column->kind == PARE_CHEM_ENVIRONMENT ? "for one occurrence"
                                                                  : "for one unit");
    if (column->kind == PARE_CHEM_DESCRIPTOR) {
        pare_page_number(out, column->scale);
        pare_text_append(out, ")");
    }
    if (isfinite(c->low)) {
        pare_text_append(out, "; 95 %% of resamples: ");
        pare_page_number(out, c->low);
        pare_text_append(out, " to ");
        pare_page_number(out, c->high);
    }
    pare_text_append(out, "</p>\n");
    put_interval(c, reach, out);
    pare_text_append(out, "<p>");
    if (column->kind != PARE_CHEM_DESCRIPTOR) {
        pare_text_append(out, "In ");
        pare_page_count(out, column->molecules);
        pare_text_append(out, " molecules; %s with it ",
                         chem->binary ? "share of actives" : "mean of the target");
        pare_page_number(out, c->with);
        pare_text_append(out, ", without ");
        pare_page_number(out, c->without);
        pare_text_append(out, ". ");
    }
    if (chem->options.resamples > 0) {
        pare_text_append(out, "Chosen in %.0f %% of the resamples.", 100 * c->chosen);
    }
    pare_text_append(out, "</p>\n");
    if (c->pattern[0]) {
        pare_text_append(out, "<p><code>");
        pare_name_append_html(out, c->pattern, 400);
        pare_text_append(out, "</code></p>\n");
    }
}

static pare_status put_molecule(const struct pare_chem *chem, const pare_chem_choice *c,
                                int64_t molecule, pare_text *out) {
    pare_chem_places places = {0};
    pare_status status = pare_chem_find(chem, molecule, chem->column[c->column].of, &places);
    if (status != PARE_OK) {
        return status;
    }
    char *drawing =
        chem->toolkit->draw(chem->molecules.molecule[molecule], WIDTH, HEIGHT, places.count,
                            places.part, c->effect > 0 ? 0x9CCBFF : 0xFFC59E);
    pare_chem_places_clear(&places);
    pare_text_append(out, "<div>%s<p>", drawing ? drawing : "");
    if (chem->binary) {
        pare_text_append(out, chem->target[molecule] > 0 ? "active" : "inactive");
    } else {
        pare_page_number(out, chem->molecules.target[molecule]);
    }
    pare_text_append(out, "; line %lld</p></div>\n", (long long)chem->molecules.line[molecule]);
    chem->toolkit->release_text(drawing);
    return PARE_OK;
}

typedef struct point {
    double x, y;
} point;

static int by_x(const void *a, const void *b) {
    const point *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}

/* Points of the drawing: some molecules evenly taken, or of classes the share of 1 in ten parts of
 * equal size. Returns how many. */
static int64_t take_points(const struct pare_chem *chem, const pare_chem_choice *c, point *all,
                           point *out) {
    const int64_t n = chem->molecules.count;
    for (int64_t i = 0; i < n; i++) {
        all[i] = (point){0, chem->binary ? chem->target[i] : chem->molecules.target[i]};
        for (int64_t k = chem->start[i]; k < chem->start[i + 1]; k++) {
            if (chem->index[k] == c->column) {
                all[i].x = (double)chem->value[k] * chem->column[c->column].scale;
            }
        }
    }
    if (!chem->binary) {
        const int64_t step = n / POINTS + 1;
        for (int64_t i = 0; i * step < n; i++) {
            out[i] = all[i * step];
        }
        return (n + step - 1) / step;
    }
    qsort(all, (size_t)n, sizeof *all, by_x);
    for (int64_t t = 0; t < TENTHS; t++) {
        int64_t begin = t * n / TENTHS, end = (t + 1) * n / TENTHS;
        out[t] = (point){0, 0};
        for (int64_t i = begin; i < end; i++) {
            out[t].x += all[i].x / (double)(end - begin);
            out[t].y += all[i].y / (double)(end - begin);
        }
    }
    return n < TENTHS ? 0 : TENTHS;
}

static void put_axes(const pare_chem_choice *c, const point *low, const point *high, bool share,
                     pare_text *out) {
    pare_text_append(out, "<svg class=\"cloud\" viewBox=\"0 0 420 180\" role=\"img\" "
                          "aria-label=\"descriptor against the target\"><g class=\"grid\"><path "
                          "class=\"base\" d=\"M46 156H412M46 156V8\"/></g>\n<text x=\"46\" "
                          "y=\"174\">");
    pare_page_number(out, low->x);
    pare_text_append(out, "</text><text class=\"middle\" x=\"229\" y=\"174\">");
    pare_name_append_html(out, c->name, 40);
    pare_text_append(out, share ? "; share of actives in tenths of the molecules" : "");
    pare_text_append(out, "</text><text class=\"end\" x=\"412\" y=\"174\">");
    pare_page_number(out, high->x);
    pare_text_append(out, "</text><text class=\"end\" x=\"40\" y=\"156\">");
    pare_page_number(out, low->y);
    pare_text_append(out, "</text><text class=\"end\" x=\"40\" y=\"18\">");
    pare_page_number(out, high->y);
    pare_text_append(out, "</text>\n");
}

/* A descriptor against the target. */
static pare_status put_cloud(const struct pare_chem *chem, const pare_chem_choice *c,
                             pare_text *out) {
    point shown[POINTS + TENTHS], *all = NULL;
    point low = {INFINITY, INFINITY}, high = {-INFINITY, -INFINITY};
    pare_status status = pare_alloc(chem->ctx, chem->molecules.count, sizeof *all, &all);
    if (status != PARE_OK) {
        return status;
    }
    int64_t count = take_points(chem, c, all, shown);
    pare_free(chem->ctx, all);
    for (int64_t i = 0; i < count; i++) {
        low = (point){fmin(low.x, shown[i].x), fmin(low.y, shown[i].y)};
        high = (point){fmax(high.x, shown[i].x), fmax(high.y, shown[i].y)};
    }
    if (chem->binary) {
        low.y = 0;
        high.y = 1;
    }
    if (!(high.x > low.x && high.y > low.y)) {
        return PARE_OK;
    }
    put_axes(c, &low, &high, chem->binary, out);
    for (int64_t i = 0; i < count; i++) {
        pare_text_append(out, "<circle r=\"%d\"", chem->binary ? 5 : 3);
        put_coordinate(out, "cx", 46 + 360 * (shown[i].x - low.x) / (high.x - low.x));
        put_coordinate(out, "cy", 150 - 138 * (shown[i].y - low.y) / (high.y - low.y));
        pare_text_append(out, "/>\n");
    }
    pare_text_append(out, "</svg>\n");
    return PARE_OK;
}

static pare_status put_card(const struct pare_chem *chem, int64_t rank, double reach,
                            pare_text *out) {
    const pare_chem_choice *c = &chem->choice[rank];
    const pare_chem_column *column = &chem->column[c->column];
    pare_status status = PARE_OK;
    pare_text_append(out, "<section class=\"card\">\n<div>\n<h3><span>%lld</span>",
                     (long long)rank + 1);
    pare_page_name(out, c->name, NAME_LIMIT);
    pare_text_append(out, "</h3>\n");
    if (column->kind == PARE_CHEM_DESCRIPTOR) {
        pare_text_append(out, "<p>%s</p>\n", chem->toolkit->meaning[column->of]);
    }
    put_effect(chem, c, reach, out);
    pare_text_append(out, "</div>\n<div>\n");
    if (column->kind == PARE_CHEM_ENVIRONMENT) {
        pare_text_append(out, "<div class=\"molecules\">\n");
        for (int64_t e = 0; e < c->high_count && status == PARE_OK; e++) {
            status = put_molecule(chem, c, c->high_example[e], out);
        }
        for (int64_t e = 0; e < c->low_count && status == PARE_OK; e++) {
            bool shown = false;
            for (int64_t h = 0; h < c->high_count; h++) {
                shown = shown || c->high_example[h] == c->low_example[e];
            }
            status = shown ? PARE_OK : put_molecule(chem, c, c->low_example[e], out);
        }
        pare_text_append(out, "</div>\n");
    } else if (column->kind == PARE_CHEM_DESCRIPTOR) {
        status = put_cloud(chem, c, out);
    }
    pare_text_append(out, "</div>\n</section>\n");
    return status;
}

static pare_status put_cards(const struct pare_chem *chem, pare_text *out) {
    double reach = 0;
    pare_status status = PARE_OK;
    for (int64_t c = 0; c < chem->chosen; c++) {
        const pare_chem_choice *choice = &chem->choice[c];
        reach = fmax(reach, fabs(choice->effect));
        reach = isfinite(choice->low) ? fmax(reach, fmax(-choice->low, choice->high)) : reach;
    }
    pare_text_append(out,
                     "<h2>The choices, in order</h2>\n<p>Blue raises the target, orange lowers it, "
                     "given the others. Drawn are molecules that have the substructure, two of the "
                     "highest and two of the lowest target, with its atoms marked; lines are of "
                     "the file.</p>\n");
    for (int64_t c = 0; c < chem->chosen && status == PARE_OK; c++) {
        status = put_card(chem, c, reach > 0 ? reach : 1, out);
    }
    return status;
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void put_scores(const struct pare_chem *chem, pare_text *out) {
    pare_text_append(out, "<h2>How good it is</h2>\n<p>");
    pare_page_count(out, chem->held_count);
    pare_text_append(out, " molecules were held out%s; choice and fit were made anew on the other ",
                     chem->options.chem_split == PARE_CHEM_SPLIT_SCAFFOLD && chem->toolkit
                         ? ", all of scaffolds that the others do not have"
                         : "");
    pare_page_count(out, chem->molecules.count - chem->held_count);
    pare_text_append(out, ". %lld of the %lld chosen there are among the above.</p>\n",
                     (long long)chem->scored_same, (long long)chem->scored_chosen);
    pare_text_append(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>model</th><th class=\"n\">%s</th><th "
        "class=\"n\">%s</th><th class=\"n\">%s</th></tr></thead>\n<tbody>\n",
        chem->binary ? "AUC" : "RMSE", chem->binary ? "accuracy" : "R<sup>2</sup>",
        chem->binary ? "log loss" : "mean absolute error");
    for (int s = 0; s < PARE_CHEM_SCORES; s++) {
        const pare_chem_score *score = &chem->score[s];
        const double value[3] = {chem->binary ? score->quality : score->error,
                                 chem->binary ? score->accuracy : score->quality,
                                 chem->binary ? score->error : score->accuracy};
        pare_text_append(out, "<tr><th>%s</th>",
                         s == 0   ? "the chosen"
                         : s == 1 ? "as many with the largest gain alone"
                         : s == 2 ? "all descriptors"
                                  : "the mean");
        for (int v = 0; v < 3; v++) {
            pare_text_append(out, "<td class=\"n\">");
            pare_page_number(out, value[v]);
            pare_text_append(out, "</td>");
        }
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_skipped(const struct pare_chem *chem, pare_text *out) {
    const pare_molecules *m = &chem->molecules;
    if (m->skipped == 0) {
        return;
    }
    pare_text_append(out, "<h2>Rows that were skipped</h2>\n<p>");
    pare_page_count(out, m->skipped);
    pare_text_append(out, " of ");
    pare_page_count(out, m->rows);
    pare_text_append(out, ".</p>\n<div class=\"scroll\"><table><thead><tr><th "
                          "class=\"n\">line</th><th>reason</th><th>"
                          "text</th></tr></thead>\n<tbody>\n");
    for (int64_t i = 0; i < m->skipped && i < SKIPPED_SHOWN; i++) {
        pare_text_append(out, "<tr><td class=\"n\">%lld</td><td>", (long long)m->skip[i].line);
        pare_name_append_html(out, m->skip[i].reason, 300);
        pare_text_append(out, "</td><td><code>");
        pare_name_append_html(out, m->skip[i].text, 100);
        pare_text_append(out, "</code></td></tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_agreement(const pare_agreement *a, pare_text *out) {
    pare_text_append(out, "<tr><th>agreement of the resamples</th><td>Jaccard ");
    pare_page_number(out, a->jaccard);
    pare_text_append(out, ", with columns that correlate by more than 0.8 taken as one ");
    pare_page_number(out, a->jaccard_alike);
    pare_text_append(out, "; against chance: Kuncheva ");
    pare_page_number(out, a->kuncheva);
    pare_text_append(out, ", Nogueira ");
    pare_page_number(out, a->nogueira);
    pare_text_append(out, "</td></tr>\n");
}

static void put_facts(const struct pare_chem *chem, pare_text *out) {
    pare_text_append(out, "<h2>How it was done</h2>\n<table class=\"facts\"><tbody>\n");
    if (chem->toolkit) {
        pare_text_append(out,
                         "<tr><th>substructures</th><td>Morgan environments up to radius %lld in "
                         "3 molecules or more, counted, never folded into bits; %s</td></tr>\n",
                         (long long)chem->options.radius, chem->toolkit->name);
    }
    pare_text_append(out,
                     "<tr><th>choice</th><td>forward pursuit of the target, one column at a time, "
                     "with a penalty on columns that few molecules have</td></tr>\n"
                     "<tr><th>effects</th><td>%s regression on the chosen, penalty ",
                     chem->binary ? "logistic" : "ridge");
    pare_page_number(out, chem->penalty);
    pare_text_append(out,
                     " by five folds; errors from refits on %lld resamples of the molecules, the "
                     "choice held fixed, so that they do not tell how uncertain the choice "
                     "is</td></tr>\n",
                     (long long)chem->options.resamples);
    if (chem->agreement.choices > 1) {
        put_agreement(&chem->agreement, out);
    }
    pare_text_append(out, "<tr><th>seed</th><td>%lld</td></tr>\n</tbody></table>\n",
                     (long long)chem->options.seed);
}

pare_status pare_chem_page(const struct pare_chem *chem, pare_text *out) {
    put_head(chem, out);
    put_tiles(chem, out);
    pare_status status = put_cards(chem, out);
    if (status != PARE_OK) {
        return status;
    }
    if (chem->scored) {
        put_scores(chem, out);
    }
    put_skipped(chem, out);
    put_facts(chem, out);
    pare_page_close(out);
    return out->status;
}
