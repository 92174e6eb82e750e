#include "base/text.h"
#include "data/genotype/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 3, LIST_SIZE = 200 };

double pare_hardy_weinberg(int64_t homozygotes1, int64_t heterozygotes, int64_t homozygotes2) {
    const int64_t rare_homozygotes = homozygotes1 < homozygotes2 ? homozygotes1 : homozygotes2;
    const int64_t rare = 2 * rare_homozygotes + heterozygotes;
    const int64_t n = homozygotes1 + heterozygotes + homozygotes2;
    if (n == 0 || rare == 0) {
        return 1;
    }
    /* Probabilities relative to that of the middle of the distribution: up and down from there by
     * the ratio of neighbours (their equation 2), so that no factorial is needed. */
    int64_t middle = (int64_t)((double)rare * (double)(2 * n - rare) / (double)(2 * n));
    middle += (middle ^ rare) & 1;
    middle = middle > rare ? rare : middle;
    double total = 0, seen = 0, observed = 1;
    for (int pass = 0; pass < 2; pass++) {
        /* First pass: the probability of what was observed; second: the sum of those not larger. */
        double p = 1;
        for (int64_t het = middle; het >= 0; het -= 2) {
            if (pass == 0) {
                observed = het == heterozygotes ? p : observed;
                total += p;
            } else {
                seen += p <= observed * (1 + 1e-9) ? p : 0;
            }
            double aa = (double)((rare - het) / 2), bb = (double)(n - het) - aa;
            p *= (double)het * (double)(het - 1) / (4 * (aa + 1) * (bb + 1));
        }
        p = 1;
        for (int64_t het = middle; het + 2 <= rare; het += 2) {
            double aa = (double)((rare - het) / 2), bb = (double)(n - het) - aa;
            p *= 4 * aa * bb / ((double)(het + 2) * (double)(het + 1));
            if (pass == 0) {
                observed = het + 2 == heterozygotes ? p : observed;
                total += p;
            } else {
                seen += p <= observed * (1 + 1e-9) ? p : 0;
            }
        }
    }
    return fmin(seen / total, 1);
}

/* ---- Lists of ids --------------------------------------------------------------------------- */

/* Marks the samples of a list: lines of `FID IID` or of `IID`. */
static pare_status mark_samples(const pare_genotypes *g, const char *path, bool *mark) {
    pare_cells list;
    pare_status status = pare_cells_read(g->ctx, path, &list);
    if (status != PARE_OK) {
        return status;
    }
    int64_t found = 0, lost = 0;
    char examples[LIST_SIZE] = "";
    for (int64_t row = 0; row < list.rows; row++) {
        char **cell = list.cell + row * list.columns;
        const char *id = cell[list.columns > 1 ? 1 : 0];
        int64_t i = pare_genotypes_find(g, list.columns > 1 ? cell[0] : NULL, id);
        if (i >= 0) {
            mark[i] = true;
            found++;
        } else if (strcmp(id, "IID") != 0 && strcmp(id, "#IID") != 0 && lost++ < EXAMPLES) {
            size_t used = strlen(examples);
            snprintf(examples + used, sizeof examples - used, "%s%.40s", used ? ", " : "", id);
        }
    }
    if (found == 0) {
        status =
            pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: none of its %lld ids is in %s (first: %s)",
                      path, (long long)list.rows, g->sample_file, examples);
    } else if (lost > 0) {
        pare_warn(g->ctx, "%s: %lld of %lld ids are not in %s (first: %s)", path, (long long)lost,
                  (long long)list.rows, g->sample_file, examples);
    }
    pare_cells_clear(&list);
    return status;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keeps the variants whose id is in the first column of the list. */
static pare_status extract_variants(pare_genotypes *g, const char *path) {
    pare_cells list;
    pare_status status = pare_cells_read(g->ctx, path, &list);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t row = 0; row < list.rows; row++) {
        list.cell[row] = list.cell[row * list.columns];
    }
    qsort(list.cell, (size_t)list.rows, sizeof *list.cell, compare_texts);
    int64_t kept = 0;
    for (int64_t j = 0; j < g->kept; j++) {
        const char *id = pare_genotypes_variant(g, j)->id;
        if (bsearch(&id, list.cell, (size_t)list.rows, sizeof *list.cell, compare_texts)) {
            g->keep[kept++] = g->keep[j];
        }
    }
    if (kept == 0) {
        status =
            pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: none of its %lld ids is in %s (first: %s)",
                      path, (long long)list.rows, g->variant_file, list.cell[0]);
    }
    g->left_out.not_extracted = g->kept - kept;
    g->kept = kept;
    pare_cells_clear(&list);
    return status;
}

/* ---- Filters -------------------------------------------------------------------------------- */

bool pare_genotypes_autosome(const char *chromosome) {
    static const char *const others[] = {"X", "Y", "XY", "M", "MT", "23", "24", "25", "26"};
    const char *name = chromosome;
    if ((name[0] == 'c' || name[0] == 'C') && strlen(name) > 3) {
        name += 3;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(name, others[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void drop_sex_chromosomes(pare_genotypes *g) {
    int64_t kept = 0, all = g->kept;
    for (int64_t j = 0; j < all; j++) {
        if (pare_genotypes_autosome(pare_genotypes_variant(g, j)->chromosome)) {
            g->keep[kept++] = g->keep[j];
        }
    }
    g->kept = kept;
    g->left_out.sex = all - kept;
    if (kept < all) {
        pare_warn(g->ctx,
                  "%s: %lld variants on sex chromosomes or of mitochondria are left out: what "
                  "their calls count depends on sex",
                  g->variant_file, (long long)(all - kept));
    }
}

pare_status pare_genotypes_choose(pare_genotypes *g, const pare_options *options, const bool *has,
                                  int64_t least) {
    bool *mark = NULL;
    pare_status status = pare_alloc_zero(g->ctx, g->samples, sizeof *mark, &mark);
    if (status == PARE_OK && options->keep[0]) {
        status = mark_samples(g, options->keep, mark);
        for (int64_t i = 0; i < g->samples; i++) {
            g->in[i] = g->in[i] && mark[i];
            mark[i] = false;
        }
    }
    if (status == PARE_OK && options->remove[0]) {
        status = mark_samples(g, options->remove, mark);
        for (int64_t i = 0; i < g->samples; i++) {
            g->in[i] = g->in[i] && !mark[i];
        }
    }
    pare_free(g->ctx, mark);
    g->used = 0;
    for (int64_t i = 0; i < g->samples; i++) {
        g->in[i] = g->in[i] && (!has || has[i]);
        g->used += g->in[i];
    }
    if (status == PARE_OK && g->used < least) {
        status =
            pare_fail(g->ctx, PARE_ERROR_INPUT,
                      "%s: %lld of %lld samples are left after keep, remove and missing "
                      "traits; at least %lld needed",
                      g->sample_file, (long long)g->used, (long long)g->samples, (long long)least);
    }
    return status;
}

/* By frequency, missing calls and equilibrium. */
static pare_status filter_variants(pare_genotypes *g, const pare_options *options) {
    pare_calls *calls = NULL;
    pare_status status = pare_alloc(g->ctx, g->kept, sizeof *calls, &calls);
    if (status == PARE_OK) {
        status = pare_genotypes_count(g, calls);
    }
    int64_t kept = 0, all = g->kept;
    for (int64_t j = 0; j < all && status == PARE_OK; j++) {
        const pare_calls c = calls[j];
        double called = (double)(g->used - c.missing);
        double share = called > 0 ? (double)(2 * c.two + c.one) / (2 * called) : 0;
        bool varies = (c.two > 0) + (c.one > 0) + (c.none > 0) > 1;
        if (!varies) {
            g->left_out.constant++;
        } else if (fmin(share, 1 - share) < options->maf) {
            g->left_out.maf++;
        } else if ((double)c.missing > options->geno * (double)g->used) {
            g->left_out.geno++;
        } else if (options->hwe > 0 && pare_hardy_weinberg(c.two, c.one, c.none) < options->hwe) {
            g->left_out.hwe++;
        } else {
            g->imputed += c.missing;
            g->keep[kept++] = g->keep[j];
        }
    }
    pare_free(g->ctx, calls);
    if (status == PARE_OK) {
        g->kept = kept;
    }
    if (status == PARE_OK && kept == 0) {
        status = pare_fail(
            g->ctx, PARE_ERROR_INPUT, "%s: none of %lld variants passes maf %g, geno %g, hwe %g",
            g->variant_file, (long long)all, options->maf, options->geno, options->hwe);
    }
    return status;
}

pare_status pare_genotypes_filter(pare_genotypes *g, const pare_options *options, const bool *has) {
    pare_status status = pare_genotypes_choose(g, options, has, 3);
    if (status == PARE_OK && options->extract[0]) {
        status = extract_variants(g, options->extract);
    }
    if (status == PARE_OK) {
        drop_sex_chromosomes(g);
        status = filter_variants(g, options);
    }
    return status == PARE_OK ? pare_genotypes_measure(g) : status;
}
