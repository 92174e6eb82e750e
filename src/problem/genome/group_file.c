/* Groups of variants from a file. */
#include "base/text.h"
#include "problem/genome/groups.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that the products of all groups, or one group's columns on all threads, may take. */
#define GROUP_BYTES 2e9

typedef struct entry {
    const char *group;
    int64_t kept; /* -1: not among those that pass */
} entry;

static int by_group(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = strcmp(x->group, y->group);
    return order != 0 ? order : (x->kept > y->kept) - (x->kept < y->kept);
}

void pare_groups_clear(pare_variant_groups *groups) {
    if (groups->ctx) {
        pare_free(groups->ctx, groups->text);
        pare_free(groups->ctx, groups->name);
        pare_free(groups->ctx, groups->start);
        pare_free(groups->ctx, groups->member);
    }
    *groups = (pare_variant_groups){0};
}

/* Whether a first cell is the name of the column of ids. */
static bool is_heading(const char *cell) {
    static const char *const names[] = {"ID", "SNP", "rsID", "variant", "id", "snp", "rsid", "#ID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(cell, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Kept numbers of the rows from `first` on; *missing: how many have none. */
static pare_status match_rows(const pare_genotypes *g, const pare_cells *f, int64_t first,
                              entry *row, int64_t *missing, const char **example) {
    pare_named *list = NULL;
    pare_status status = pare_genotypes_named(g, &list);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t r = first; r < f->rows; r++) {
        const char *id = f->cell[r * f->columns];
        const int64_t at = pare_named_find(g->kept, list, id);
        row[r - first] = (entry){f->cell[r * f->columns + 1], at >= 0 ? list[at].number : -1};
        if (at < 0) {
            *example = *missing == 0 ? id : *example;
            ++*missing;
        }
    }
    pare_free(g->ctx, list);
    return PARE_OK;
}

/* Groups of the rows, sorted by group and variant, those without a variant left out. */
static pare_status fill_groups(const pare_genotypes *g, int64_t rows, const entry *row,
                               pare_variant_groups *out) {
    bool *seen = NULL;
    int64_t members = 0;
    pare_status status = pare_alloc(g->ctx, rows, sizeof *out->name, &out->name);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, rows + 1, sizeof *out->start, &out->start);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, rows, sizeof *out->member, &out->member);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(g->ctx, g->kept, sizeof *seen, &seen);
    }
    for (int64_t r = 0; r < rows && status == PARE_OK; r++) {
        if (row[r].kept < 0) {
            continue;
        }
        if (out->count == 0 || strcmp(out->name[out->count - 1], row[r].group) != 0) {
            out->start[out->count] = members;
            out->name[out->count++] = row[r].group;
        } else if (out->member[members - 1] == row[r].kept) {
            continue; /* the same line twice */
        }
        out->member[members++] = row[r].kept;
        out->covered += !seen[row[r].kept];
        seen[row[r].kept] = true;
    }
    if (status == PARE_OK) {
        out->start[out->count] = members;
    }
    pare_free(g->ctx, seen);
    return status;
}

static pare_status check_sizes(const pare_genotypes *g, const char *path,
                               pare_variant_groups *groups) {
    double products = 0;
    for (int64_t k = 0; k < groups->count; k++) {
        int64_t size = groups->start[k + 1] - groups->start[k];
        products += (double)size * (double)size * (double)sizeof(double);
        groups->largest = size > groups->largest ? size : groups->largest;
    }
    const double columns = 8.0 * (double)sizeof(float) * (double)groups->largest * (double)g->used;
    if (products > GROUP_BYTES || columns > GROUP_BYTES) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "%s: groups of up to %lld variants need %.1f GB for their products, more "
                         "than %.0f",
                         path, (long long)groups->largest,
                         (products > columns ? products : columns) * 1e-9, GROUP_BYTES * 1e-9);
    }
    return PARE_OK;
}

pare_status pare_groups_read(const pare_genotypes *g, const char *path, pare_variant_groups *out) {
    pare_cells f = {0};
    pare_variant_groups groups = {.ctx = g->ctx};
    entry *row = NULL;
    const char *example = "";
    int64_t rows = 0, missing = 0, first = 0;
    *out = (pare_variant_groups){0};
    pare_status status = pare_cells_read(g->ctx, path, &f);
    if (status == PARE_OK && f.columns < 2) {
        status = pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: one column; expected id and group", path);
    }
    if (status == PARE_OK) {
        first = is_heading(f.cell[0]) ? 1 : 0;
        rows = f.rows - first;
        status = pare_alloc(g->ctx, rows, sizeof *row, &row);
    }
    if (status == PARE_OK) {
        status = match_rows(g, &f, first, row, &missing, &example);
    }
    if (status == PARE_OK && missing == rows) {
        status = pare_fail(g->ctx, PARE_ERROR_INPUT,
                           "%s: none of its %lld ids is among the %lld variants of %s that pass "
                           "the filters (first: %.60s)",
                           path, (long long)rows, (long long)g->kept, g->variant_file,
                           rows > 0 ? example : "none");
    }
    if (status == PARE_OK) {
        qsort(row, (size_t)rows, sizeof *row, by_group);
        status = fill_groups(g, rows, row, &groups);
    }
    if (status == PARE_OK) {
        status = check_sizes(g, path, &groups);
    }
    if (status == PARE_OK && missing > 0) {
        pare_warn(g->ctx,
                  "%s: %lld of its %lld lines name variants that do not pass the filters or are "
                  "not there (first: %.60s)",
                  path, (long long)missing, (long long)rows, example);
    }
    if (status == PARE_OK) {
        groups.text = f.text; /* which the names stand in */
        f.text = NULL;
        *out = groups;
        groups = (pare_variant_groups){0};
    }
    pare_groups_clear(&groups);
    pare_free(g->ctx, row);
    pare_cells_clear(&f);
    return status;
}
