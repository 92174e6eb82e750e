/* Groups of variants, such as genes, that are chosen as wholes. */
#ifndef PARE_PROBLEM_GENOME_GROUPS_H
#define PARE_PROBLEM_GENOME_GROUPS_H

#include "problem/genome/genome.h"

typedef struct pare_variant_groups {
    pare_context *ctx;
    int64_t count; /* 0: none, each variant for itself */
    char *text;    /* holds the names */
    const char **name;
    int64_t *start;  /* (count + 1) */
    int64_t *member; /* kept numbers, ascending within a group; a variant may be in several */
    int64_t largest; /* members of the largest group */
    int64_t covered; /* variants in some group */
} pare_variant_groups;

/* A chosen group: picks first .. first + rank - 1 of the chooser. */
typedef struct pare_group_pick {
    int64_t group, first, rank;
    double gain; /* share of the whitened residual sum of squares it took when chosen */
    double p;    /* of it, beside the picks before it: chi-square with `rank` degrees of freedom */
    double ebic; /* after it */
} pare_group_pick;

/*
 * Groups from a file of `ID group` lines (blanks or commas; a first line of names may be there).
 * Ids that do not pass the filters are counted in a warning; names are sorted. Refused: none of the
 * ids passes, groups whose products take more than 2 GB.
 */
pare_status pare_groups_read(const pare_genotypes *g, const char *path,
                             pare_variant_groups *out) PARE_MUST_CHECK;
void pare_groups_clear(pare_variant_groups *groups);

/*
 * Adds groups to the chooser, each the one that lowers extended BIC most: with G = Z'Z of its
 * members outside the picks and d = Z'rest it takes d'G^-1 d, rank columns, from the residual sum
 * of squares (group orthogonal matching pursuit, Lozano, Swirszcz and Abe 2009, by the criterion of
 * least squares). A member with r2 > 0.9 to the picks and the members before it is left out, so
 * that linkage does not count as rank. *chosen groups end at the least
 * f log(RSS / f) + columns log n + 2 gamma groups log(count), f = n less the fixed effects. list
 * (*path): all that were tried. Cost: n^2 a member once, then size^3 a group and step.
 */
pare_status pare_groups_choose(pare_chooser *c, const pare_variant_groups *groups, int64_t most,
                               int64_t *chosen, int64_t *path,
                               pare_group_pick **list) PARE_MUST_CHECK;

#endif
