/* Variants along the genome: -log10 p of each beside fixed effects and background. */
#include "report/chart.h"
#include "report/genome.h"
#include "report/names.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 1040, HEIGHT = 330, LEFT = 46, RIGHT = 12, TOP = 22, BOTTOM = 44, GAP = 3 };
enum { CELL = 2, CELLS_X = (WIDTH - LEFT - RIGHT) / CELL + 1, CELLS_Y = HEIGHT / CELL + 1 };
enum { NAME_LIMIT = 24, LABELLED = 12, LABEL_ROOM = 26 };

typedef struct manhattan {
    const pare_genome *genome;
    const pare_analysis *a;
    pare_text *out;
    double *x;            /* (kept) */
    unsigned char *drawn; /* (CELLS_X, CELLS_Y) */
    double highest;
} manhattan;

/* End of the run of variants on one chromosome that begins at `from`. */
static int64_t run_end(const pare_genome *genome, int64_t from) {
    const char *name = pare_genotypes_variant(&genome->genotypes, from)->chromosome;
    int64_t to = from + 1;
    while (to < genome->genotypes.kept &&
           strcmp(pare_genotypes_variant(&genome->genotypes, to)->chromosome, name) == 0) {
        to++;
    }
    return to;
}

/* Offset of each variant from the first of its run: by position, where positions never fall and
 * unknown ones (below 1) stand at the one before; else by its number. Returns the length. */
static double place_run(const pare_genome *genome, int64_t from, int64_t to, double *x) {
    double first = -1, last = -1;
    bool ordered = true;
    for (int64_t j = from; j < to; j++) {
        double at = (double)pare_genotypes_variant(&genome->genotypes, j)->position;
        first = first < 0 && at > 0 ? at : first;
        ordered = ordered && (at < 1 || at >= last);
        last = at >= 1 ? at : last;
        x[j] = last < 0 ? 0 : last - first;
    }
    if (!ordered || !(last > first)) {
        for (int64_t j = from; j < to; j++) {
            x[j] = (double)(j - from) * 1e5; /* as if 100 kb apart */
        }
        return (double)(to - from) * 1e5;
    }
    return last - first;
}

static void place_all(manhattan *m) {
    const int64_t kept = m->genome->genotypes.kept;
    double sum = 0, runs = 0;
    for (int64_t from = 0, to; from < kept; from = to) {
        to = run_end(m->genome, from);
        sum += place_run(m->genome, from, to, m->x);
        runs++;
    }
    const double gap = fmin(GAP, 300 / runs);
    const double scale = (WIDTH - LEFT - RIGHT - gap * (runs - 1)) / fmax(sum, 1);
    double start = LEFT;
    for (int64_t from = 0, to; from < kept; from = to) {
        to = run_end(m->genome, from);
        double length = m->x[from];
        for (int64_t j = from; j < to; j++) {
            length = fmax(length, m->x[j]);
            m->x[j] = start + scale * m->x[j];
        }
        start += scale * length + gap;
    }
}

static double height_of(const manhattan *m, double strength) {
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * fmin(strength / m->highest, 1);
}

/* Squares of the variants of a run; each cell of the drawing once. */
static void put_run(manhattan *m, int64_t from, int64_t to, bool odd) {
    pare_text_append(m->out, "<path class=\"%s\" d=\"", odd ? "odd" : "even");
    for (int64_t j = from; j < to; j++) {
        const double strength = (double)m->a->strength[j];
        if (!isfinite(strength)) {
            continue;
        }
        int cell_x = (int)((m->x[j] - LEFT) / CELL), cell_y = (int)(height_of(m, strength) / CELL);
        cell_x = cell_x < 0 ? 0 : cell_x >= CELLS_X ? CELLS_X - 1 : cell_x;
        cell_y = cell_y < 0 ? 0 : cell_y >= CELLS_Y ? CELLS_Y - 1 : cell_y;
        unsigned char *drawn = &m->drawn[cell_x * CELLS_Y + cell_y];
        if (!*drawn) {
            *drawn = 1;
            pare_text_append(m->out, "M%d %dh2v2h-2z", LEFT + cell_x * CELL - 1, cell_y * CELL - 1);
        }
    }
    pare_text_append(m->out, "\"/>\n");
}

static void put_runs(manhattan *m) {
    double last = -100;
    bool odd = false;
    for (int64_t from = 0, to; from < m->genome->genotypes.kept; from = to, odd = !odd) {
        to = run_end(m->genome, from);
        const double middle = (m->x[from] + m->x[to - 1]) / 2;
        const char *name = pare_genotypes_variant(&m->genome->genotypes, from)->chromosome;
        put_run(m, from, to, odd);
        if (middle - last > 8 + 7 * (double)strlen(name)) {
            pare_svg_number(m->out, "<text class=\"middle\" x=\"", middle);
            pare_text_append(m->out, "\" y=\"%d\">", HEIGHT - BOTTOM + 18);
            pare_name_append_html(m->out, name, NAME_LIMIT);
            pare_text_append(m->out, "</text>\n");
            last = middle;
        }
    }
}

static void put_level(manhattan *m, double value, const char *class_name, const char *label) {
    const double y = height_of(m, value);
    pare_text_append(m->out, "<path class=\"%s\" d=\"M%d ", class_name, LEFT);
    pare_svg_number(m->out, "", y);
    pare_text_append(m->out, "H%d\"/><text class=\"end\" x=\"%d\" y=\"", WIDTH - RIGHT, LEFT - 8);
    pare_svg_number(m->out, "", y + 4.5);
    pare_text_append(m->out, "\">%s</text>\n", label);
}

static void put_axis(manhattan *m) {
    const double step = m->highest > 60 ? 20 : m->highest > 30 ? 10 : m->highest > 12 ? 5 : 2;
    for (double value = 0; value <= m->highest; value += step) {
        char label[32];
        snprintf(label, sizeof label, "%.0f", value);
        put_level(m, value, "grid", label);
    }
    pare_text_append(m->out,
                     "<text x=\"%d\" y=\"12\">\xE2\x88\x92log<tspan dy=\"3\" class=\"sub\">10"
                     "</tspan><tspan dy=\"-3\"> p</tspan></text>\n",
                     4);
    pare_text_append(m->out, "<text class=\"end\" x=\"%d\" y=\"%d\">chromosome</text>\n",
                     WIDTH - RIGHT, HEIGHT - 4);
}

/* A ring with a title at a variant. */
static void put_ring(manhattan *m, int64_t kept, const char *class_name, double radius,
                     const char *words) {
    pare_text_append(m->out, "<circle class=\"%s\"", class_name);
    pare_svg_number(m->out, " cx=\"", m->x[kept]);
    pare_svg_number(m->out, "\" cy=\"", height_of(m, (double)m->a->strength[kept]));
    pare_svg_number(m->out, "\" r=\"", radius);
    pare_text_append(m->out, "\"><title>");
    pare_name_append_html(m->out, pare_genotypes_variant(&m->genome->genotypes, kept)->id, 60);
    pare_text_append(m->out, ": %s</title></circle>\n", words);
}

/* Names of the first picks, kept apart from those already written. */
static void put_names(manhattan *m) {
    double at[LABELLED][2];
    int64_t count = m->a->picks < LABELLED ? m->a->picks : LABELLED;
    for (int64_t k = 0; k < count; k++) {
        const int64_t kept = m->a->pick[k].kept;
        const char *id = pare_genotypes_variant(&m->genome->genotypes, kept)->id;
        const double half = 3.6 * (double)(strlen(id) < NAME_LIMIT ? strlen(id) : NAME_LIMIT);
        double x = fmax(LEFT + half, fmin(WIDTH - RIGHT - half, m->x[kept]));
        double y = height_of(m, (double)m->a->strength[kept]) - 10;
        for (int64_t i = 0; i < k; i++) {
            if (fabs(at[i][0] - x) < 2 * half + LABEL_ROOM && fabs(at[i][1] - y) < 14) {
                y = at[i][1] - 15;
                i = -1; /* look at all again */
            }
        }
        at[k][0] = x;
        at[k][1] = y;
        pare_svg_number(m->out, "<text class=\"label middle\" x=\"", x);
        pare_svg_number(m->out, "\" y=\"", y);
        pare_text_append(m->out, "\">");
        pare_name_append_html(m->out, id, NAME_LIMIT);
        pare_text_append(m->out, "</text>\n");
    }
}

static void put_marks(manhattan *m) {
    const pare_credible *sets = &m->a->credible;
    for (int64_t i = 0; sets->sets > 0 && i < sets->start[sets->sets]; i++) {
        put_ring(m, sets->member[i], "member", 3, "in a 95 % set");
    }
    for (int64_t k = 0; k < m->a->picks; k++) {
        for (int64_t i = 0; i < m->a->pick[k].proxies; i++) {
            put_ring(m, m->a->pick[k].proxy[i], "proxy", 1.6, "proxy of a chosen variant");
        }
    }
    for (int64_t k = 0; k < m->a->picks; k++) {
        put_ring(m, m->a->pick[k].kept, "pick", 4.5, "chosen");
    }
    put_names(m);
}

void pare_genome_manhattan(const pare_genome *genome, const pare_analysis *a, const char *id,
                           pare_text *out) {
    const int64_t kept = genome->genotypes.kept;
    const double line = -log10(0.05 / (double)kept);
    manhattan m = {.genome = genome, .a = a, .out = out, .highest = 1.15 * line};
    pare_status status = pare_alloc(genome->ctx, kept, sizeof *m.x, &m.x);
    if (status == PARE_OK) {
        status = pare_alloc_zero(genome->ctx, CELLS_X * CELLS_Y, 1, &m.drawn);
    }
    if (status != PARE_OK) {
        out->status = out->status == PARE_OK ? status : out->status;
        goto fail;
    }
    for (int64_t j = 0; j < kept; j++) {
        const double strength = (double)a->strength[j];
        m.highest = isfinite(strength) ? fmax(m.highest, 1.1 * strength) : m.highest;
    }
    place_all(&m);
    pare_text_append(out, "<div class=\"scroll\"><div class=\"manhattan\">\n");
    pare_svg_open(out, id, WIDTH, HEIGHT, "p of every variant along the genome");
    pare_svg_describe(out, id);
    pare_text_append(out, "%lld variants, the chosen ones in rings with their names.",
                     (long long)kept);
    pare_svg_end_describe(out);
    put_axis(&m);
    put_runs(&m);
    put_level(&m, line, "threshold", "");
    put_marks(&m);
    pare_svg_close(out);
    pare_text_append(out, "</div></div>\n");
fail:
    pare_free(genome->ctx, m.x);
    pare_free(genome->ctx, m.drawn);
}
