#include "data/genotype/weights.h"
#include "base/text.h"
#include "data/genotype/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 3, LIST_SIZE = 200 };
/* An allele frequency this close to a half says nothing about the strand. */
#define MIDDLE 0.1

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool same_text(const char *a, const char *b) {
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

/* ---- Columns -------------------------------------------------------------------------------- */

typedef struct weight_columns {
    bool header;
    int64_t id, a1, weight, a2, frequency; /* -1: not there */
} weight_columns;

static int64_t named_column(const pare_cells *f, const char *const *names) {
    for (; *names; names++) {
        for (int64_t c = 0; c < f->columns; c++) {
            const char *cell = f->cell[c] + (f->cell[c][0] == '#');
            if (same_text(cell, *names)) {
                return c;
            }
        }
    }
    return -1;
}

static pare_status find_columns(const pare_cells *f, weight_columns *out) {
    static const char *const ids[] = {"ID", "SNP", "rsID", "variant_id", NULL};
    static const char *const alleles[] = {"A1", "effect_allele", "allele", NULL};
    static const char *const weights[] = {"WEIGHT", "effect_weight", "BETA", "score", NULL};
    static const char *const others[] = {"A2", "other_allele", "AX", NULL};
    static const char *const shares[] = {"A1_FREQ", "allelefrequency_effect", NULL};
    *out = (weight_columns){true,
                            named_column(f, ids),
                            named_column(f, alleles),
                            named_column(f, weights),
                            named_column(f, others),
                            named_column(f, shares)};
    if (out->id >= 0 && out->a1 >= 0 && out->weight >= 0) {
        return PARE_OK;
    }
    double number = 0;
    if (f->columns >= 3 && pare_parse_real(f->cell[2], &number)) {
        *out = (weight_columns){false, 0, 1, 2, -1, -1};
        return PARE_OK;
    }
    return pare_fail(f->ctx, PARE_ERROR_INPUT,
                     "%s: no columns ID, A1 and WEIGHT; expected weights of variants as `pare "
                     "genome --out` writes them",
                     f->path);
}

/* ---- Ids ------------------------------------------------------------------------------------ */

static pare_status refuse_twice(const pare_cells *f, const weight_columns *at) {
    const int64_t first = at->header, count = f->rows - first;
    pare_named *list = NULL;
    pare_status status = pare_alloc(f->ctx, count, sizeof *list, &list);
    for (int64_t r = 0; r < count && status == PARE_OK; r++) {
        list[r] = (pare_named){f->cell[(r + first) * f->columns + at->id], r + first};
    }
    if (status == PARE_OK) {
        pare_named_sort(count, list);
    }
    for (int64_t r = 1; r < count && status == PARE_OK; r++) {
        if (strcmp(list[r].id, list[r - 1].id) == 0) {
            status = pare_fail(
                f->ctx, PARE_ERROR_INPUT,
                "%s row %lld: variant '%.60s' has a weight twice (first in row %lld)", f->path,
                (long long)list[r].number + 1, list[r].id, (long long)list[r - 1].number + 1);
        }
    }
    pare_free(f->ctx, list);
    return status;
}

/* ---- Alleles -------------------------------------------------------------------------------- */

static char complement(char base) {
    switch (lower(base)) {
    case 'a':
        return 't';
    case 't':
        return 'a';
    case 'c':
        return 'g';
    case 'g':
        return 'c';
    default:
        return '\0';
    }
}

/* Whether b spells the opposite strand of a: complementary bases in reverse order. */
static bool opposite(const char *a, const char *b) {
    size_t length = strlen(a);
    if (strlen(b) != length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (complement(a[i]) == '\0' || complement(a[i]) != lower(b[length - 1 - i])) {
            return false;
        }
    }
    return length > 0;
}

static bool unknown(const char *allele) {
    return strcmp(allele, "0") == 0 || strcmp(allele, ".") == 0;
}

typedef enum allele_match { MATCH_NONE, MATCH_SAME, MATCH_SWAPPED } allele_match;

/* a1 and a2 (NULL: not told) of the weights against those of the variant, which does not know an
 * allele that no sample has. */
static allele_match match_alleles(const pare_variant *v, const char *a1, const char *a2,
                                  bool (*alike)(const char *, const char *)) {
    bool first = unknown(v->a1) ? a2 && alike(a2, v->a2) : alike(a1, v->a1);
    bool second = unknown(v->a2) ? a2 && alike(a2, v->a1) : alike(a1, v->a2);
    if (first && (!a2 || unknown(v->a2) || alike(a2, v->a2))) {
        return MATCH_SAME;
    }
    return second && (!a2 || unknown(v->a1) || alike(a2, v->a1)) ? MATCH_SWAPPED : MATCH_NONE;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

typedef struct first_ids {
    char text[LIST_SIZE];
} first_ids;

static void add_example(first_ids *list, int64_t seen, const char *id) {
    size_t used = strlen(list->text);
    if (seen < EXAMPLES) {
        snprintf(list->text + used, sizeof list->text - used, "%s%.40s", used ? ", " : "", id);
    }
}

typedef struct weight_reader {
    const pare_genotypes *g;
    const pare_cells *f;
    weight_columns at;
    pare_named *list; /* (variants) by id */
    const double *frequency;
    bool drop;
    first_ids absent, mismatched;
} weight_reader;

static bool doubtful(const weight_reader *r, const pare_weight *w) {
    if (isnan(w->frequency) || !r->frequency) {
        return false;
    }
    double here = r->frequency[w->variant];
    here = w->swapped ? 1 - here : here;
    return fabs(w->frequency - 0.5) > MIDDLE && (w->frequency - 0.5) * (here - 0.5) < 0;
}

/* One row: fills *w where it can be used, and counts it. */
static pare_status read_row(weight_reader *r, int64_t row, pare_weight *w, pare_weight_counts *n) {
    const pare_cells *f = r->f;
    char **cell = f->cell + row * f->columns;
    const char *id = cell[r->at.id], *a1 = cell[r->at.a1];
    const char *a2 = r->at.a2 >= 0 ? cell[r->at.a2] : NULL;
    a2 = a2 && (!*a2 || unknown(a2)) ? NULL : a2;
    if (!pare_parse_real(cell[r->at.weight], &w->value) || !isfinite(w->value)) {
        return pare_fail(f->ctx, PARE_ERROR_INPUT,
                         "%s row %lld: weight '%.40s' of variant '%.60s' is not a number", f->path,
                         (long long)row + 1, cell[r->at.weight], id);
    }
    if (r->at.frequency < 0 || !pare_parse_real(cell[r->at.frequency], &w->frequency) ||
        !(w->frequency >= 0 && w->frequency <= 1)) {
        w->frequency = (double)NAN;
    }
    int64_t found = pare_named_find(r->g->variants, r->list, id);
    if (found < 0) {
        add_example(&r->absent, n->absent++, id);
        return PARE_OK;
    }
    if (found + 1 < r->g->variants && strcmp(r->list[found + 1].id, id) == 0) {
        return pare_fail(f->ctx, PARE_ERROR_INPUT,
                         "%s: variant id '%.60s', which has a weight, occurs twice",
                         r->g->variant_file, id);
    }
    w->variant = r->list[found].number;
    const pare_variant *v = &r->g->variant[w->variant];
    if (!pare_genotypes_autosome(v->chromosome)) {
        n->sex++;
        return PARE_OK;
    }
    const bool ambiguous = opposite(v->a1, v->a2);
    allele_match match = match_alleles(v, a1, a2, same_text);
    if (match == MATCH_NONE && !ambiguous) {
        match = match_alleles(v, a1, a2, opposite);
        n->strand += match != MATCH_NONE;
    }
    if (match == MATCH_NONE) {
        add_example(&r->mismatched, n->mismatched++, id);
        return PARE_OK;
    }
    w->swapped = match == MATCH_SWAPPED;
    n->ambiguous += ambiguous;
    n->doubtful += ambiguous && doubtful(r, w);
    if (ambiguous && r->drop) {
        n->dropped++;
        return PARE_OK;
    }
    n->swapped += w->swapped;
    n->used++;
    return PARE_OK;
}

static void say_what_is_left_out(const weight_reader *r, const pare_weight_counts *n) {
    const pare_genotypes *g = r->g;
    if (n->absent > 0) {
        pare_warn(g->ctx, "%s: %lld of %lld variants are not in %s (first: %s)", r->f->path,
                  (long long)n->absent, (long long)n->rows, g->variant_file, r->absent.text);
    }
    if (n->mismatched > 0) {
        pare_warn(g->ctx, "%s: %lld variants have other alleles in %s and are left out (first: %s)",
                  r->f->path, (long long)n->mismatched, g->variant_file, r->mismatched.text);
    }
    if (n->sex > 0) {
        pare_warn(g->ctx,
                  "%s: %lld variants on sex chromosomes or of mitochondria are left out: what "
                  "their calls count depends on sex",
                  r->f->path, (long long)n->sex);
    }
}

static int ascending(const void *a, const void *b) {
    const pare_weight *x = a, *y = b;
    return (x->variant > y->variant) - (x->variant < y->variant);
}

static pare_status read_rows(weight_reader *r, pare_weight *list, pare_weight_counts *n) {
    const pare_cells *f = r->f;
    for (int64_t row = r->at.header; row < f->rows; row++) {
        n->rows++;
        pare_status status = read_row(r, row, &list[n->used], n);
        if (status != PARE_OK) {
            return status;
        }
    }
    if (n->used == 0) {
        const char *first = r->absent.text[0] ? r->absent.text : r->mismatched.text;
        return pare_fail(f->ctx, PARE_ERROR_INPUT,
                         "%s: none of its %lld variants can be used: %lld ids are not in %s, "
                         "%lld have other alleles there (first: %s)",
                         f->path, (long long)n->rows, (long long)n->absent, r->g->variant_file,
                         (long long)n->mismatched, first);
    }
    say_what_is_left_out(r, n);
    qsort(list, (size_t)n->used, sizeof *list, ascending);
    return PARE_OK;
}

pare_status pare_weights_read(const pare_genotypes *g, const char *path, bool drop_ambiguous,
                              const double *frequency, pare_weight **out,
                              pare_weight_counts *counts) {
    *out = NULL;
    pare_cells f = {0};
    weight_reader r = {.g = g, .f = &f, .frequency = frequency, .drop = drop_ambiguous};
    pare_weight *list = NULL;
    pare_weight_counts n = {0};
    pare_status status = pare_cells_read(g->ctx, path, &f);
    if (status == PARE_OK) {
        status = find_columns(&f, &r.at);
    }
    if (status == PARE_OK) {
        status = refuse_twice(&f, &r.at);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->variants, sizeof *r.list, &r.list);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, f.rows + 1, sizeof *list, &list); /* one more: a row not used */
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; j < g->variants; j++) {
        r.list[j] = (pare_named){g->variant[j].id, j};
    }
    pare_named_sort(g->variants, r.list);
    status = read_rows(&r, list, &n);
    if (status != PARE_OK) {
        goto fail;
    }
    *counts = n;
    *out = list;
    list = NULL;
fail:
    pare_free(g->ctx, list);
    pare_free(g->ctx, r.list);
    pare_cells_clear(&f);
    return status;
}
