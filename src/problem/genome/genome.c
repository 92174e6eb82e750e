/* The genome object: files, filters, relationship; then one trait after the other. */
#include "base/text.h"
#include "data/vocabulary.h"
#include "problem/genome/analyse.h"

#include <math.h>
#include <string.h>

void pare_genome_free(pare_genome *genome) {
    if (!genome) {
        return;
    }
    pare_context *ctx = genome->ctx;
    for (int64_t t = 0; genome->analysis && t < genome->traits.traits; t++) {
        pare_analysis_clear(ctx, &genome->analysis[t]);
    }
    pare_free(ctx, genome->analysis);
    pare_joint_clear(genome);
    pare_free(ctx, genome->relationship);
    pare_background_clear(&genome->shared);
    pare_free(ctx, genome->forbidden);
    pare_free(ctx, genome->prior);
    pare_free(ctx, genome->force);
    pare_groups_clear(&genome->groups);
    pare_free(ctx, genome->text);
    pare_traits_clear(&genome->traits);
    pare_genotypes_close(&genome->genotypes);
    pare_options_clear(&genome->options);
    pare_free(ctx, genome);
}

/* Kept number of a variant by id, -1: none. */
static int64_t find_variant(const pare_genotypes *g, const char *id, int64_t length) {
    for (int64_t j = 0; j < g->kept; j++) {
        const char *own = pare_genotypes_variant(g, j)->id;
        if (strncmp(own, id, (size_t)length) == 0 && !own[length]) {
            return j;
        }
    }
    return -1;
}

static pare_status read_lists(pare_genome *genome) {
    const pare_genotypes *g = &genome->genotypes;
    const char *item = NULL, *list = genome->options.forbid;
    int64_t length = 0, count = 0;
    pare_status status =
        pare_alloc_zero(genome->ctx, g->kept, sizeof *genome->forbidden, &genome->forbidden);
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        int64_t j = find_variant(g, item, length);
        if (j < 0) {
            pare_warn(genome->ctx, "option forbid: variant '%.*s' is not among those that pass",
                      (int)length, item);
        } else {
            genome->forbidden[j] = true;
        }
    }
    for (list = genome->options.force; pare_list_next(&list, &item, &length);) {
        count++;
    }
    if (status == PARE_OK) {
        status = pare_alloc(genome->ctx, count, sizeof *genome->force, &genome->force);
    }
    list = genome->options.force;
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        int64_t j = find_variant(g, item, length);
        if (j < 0) {
            return pare_fail(genome->ctx, PARE_ERROR_INPUT,
                             "option force: variant '%.*s' is not among the %lld that pass the "
                             "filters",
                             (int)length, item, (long long)g->kept);
        }
        if (genome->forbidden[j]) {
            return pare_fail(genome->ctx, PARE_ERROR_ARGUMENT,
                             "variant '%.*s' is both forced and forbidden", (int)length, item);
        }
        genome->force[genome->forced++] = j;
    }
    return status;
}

/* Samples that some trait uses. */
static pare_status filter(pare_genome *genome) {
    pare_genotypes *g = &genome->genotypes;
    bool *has = NULL, *some = NULL;
    pare_status status = pare_alloc_zero(genome->ctx, g->samples, sizeof *has, &has);
    if (status == PARE_OK) {
        status = pare_alloc(genome->ctx, g->samples, sizeof *some, &some);
    }
    for (int64_t t = 0; t < genome->traits.traits && status == PARE_OK; t++) {
        pare_trait_samples(genome, &genome->traits.trait[t], some);
        for (int64_t i = 0; i < g->samples; i++) {
            has[i] = has[i] || some[i];
        }
    }
    if (status == PARE_OK) {
        status = pare_genotypes_filter(g, &genome->options, has);
    }
    pare_free(genome->ctx, has);
    pare_free(genome->ctx, some);
    return status;
}

/* Names that several variants have, such as `.` of calls without one: options take the first, and
 * `pare score` refuses weights that it cannot tell apart. */
static pare_status tell_shared_ids(const pare_genotypes *g) {
    pare_vocabulary ids = {0};
    const char *example = NULL;
    pare_status status = PARE_OK;
    for (int64_t j = 0; j < g->kept && status == PARE_OK; j++) {
        const char *id = pare_genotypes_variant(g, j)->id;
        int64_t number = 0, before = ids.count;
        status = pare_vocabulary_add(g->ctx, &ids, (const unsigned char *)id, (int64_t)strlen(id),
                                     &number);
        example = number < before && !example ? id : example;
    }
    if (status == PARE_OK && example) {
        pare_warn(g->ctx,
                  "%s: %lld of %lld variants repeat the id of another, '%.60s' first; `pare score` "
                  "needs ids of their own (plink2 --set-all-var-ids)",
                  g->variant_file, (long long)(g->kept - ids.count), (long long)g->kept, example);
    }
    pare_vocabulary_clear(g->ctx, &ids);
    return status;
}

/* The relationship matrix, or for many samples the variants that stand for it. */
static pare_status relate(pare_genome *genome) {
    const pare_options *o = &genome->options;
    const bool many = genome->genotypes.used > PARE_RELATIONSHIP_MAX;
    if (o->stop != PARE_STOP_KNOCKOFF && o->relationship == PARE_RELATIONSHIP_MATRIX && many) {
        return pare_fail(genome->ctx, PARE_ERROR_ARGUMENT,
                         "option relationship: the matrix is built for at most %d samples, not "
                         "%lld",
                         PARE_RELATIONSHIP_MAX, (long long)genome->genotypes.used);
    }
    if (o->background && o->relationship != PARE_RELATIONSHIP_MATRIX &&
        (many || o->relationship == PARE_RELATIONSHIP_PRODUCTS)) {
        pare_status status = pare_background_create(&genome->genotypes, o->background_variants,
                                                    (uint64_t)o->seed, &genome->shared);
        if (status != PARE_OK || o->stop != PARE_STOP_KNOCKOFF || many) {
            return status;
        }
    }
    if (many) {
        pare_warn(genome->ctx,
                  "%lld samples are too many to look for relatives among them: knockoffs take them "
                  "to be unrelated",
                  (long long)genome->genotypes.used);
        return PARE_OK;
    }
    pare_status status = pare_relationship(&genome->genotypes, &genome->relationship);
    genome->k = o->background && !genome->shared.ctx ? genome->relationship : NULL;
    return status;
}

static pare_status fill(pare_genome *genome) {
    pare_context *ctx = genome->ctx;
    if (genome->options.folds == 1) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option folds: 1 fold has no rest to learn from");
    }
    if (genome->options.prior[0] && genome->options.stop != PARE_STOP_EBIC &&
        genome->options.stop != PARE_STOP_CV) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option prior: only stop ebic and cv take prior weights");
    }
    if (genome->options.loco &&
        (genome->options.stop != PARE_STOP_EBIC || genome->options.prior[0])) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option loco: only stop ebic without prior weights goes with it");
    }
    if (genome->options.joint && (genome->options.stop != PARE_STOP_EBIC || genome->options.loco)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option joint: only stop ebic without option loco goes with it");
    }
    if (genome->options.groups[0] &&
        (genome->options.stop != PARE_STOP_EBIC || genome->options.loco || genome->options.joint ||
         genome->options.prior[0])) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option groups: only stop ebic without options joint, loco and prior goes "
                         "with it");
    }
    pare_status status = pare_genotypes_open_named(ctx, &genome->options, &genome->genotypes);
    if (status == PARE_OK) {
        status = pare_traits_read(&genome->genotypes, &genome->options, &genome->traits);
    }
    if (status == PARE_OK) {
        status = filter(genome);
    }
    if (status == PARE_OK) {
        status = tell_shared_ids(&genome->genotypes);
    }
    if (status == PARE_OK) {
        status = read_lists(genome);
    }
    if (status == PARE_OK && genome->options.prior[0]) {
        status = pare_prior_read(&genome->genotypes, genome->options.prior, &genome->prior);
    }
    if (status == PARE_OK && genome->options.groups[0]) {
        status = pare_groups_read(&genome->genotypes, genome->options.groups, &genome->groups);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, genome->traits.traits, sizeof *genome->analysis,
                                 &genome->analysis);
    }
    if (status == PARE_OK &&
        (genome->options.background || genome->options.stop == PARE_STOP_KNOCKOFF)) {
        status = relate(genome);
    }
    if (status == PARE_OK && genome->options.loco && !genome->k) {
        status = pare_fail(ctx, PARE_ERROR_ARGUMENT,
                           "option loco: needs a background by the relationship matrix");
    }
    if (status == PARE_OK && genome->options.loco) {
        status = pare_loco_possible(&genome->genotypes);
    }
    if (status == PARE_OK && genome->options.joint) {
        status = pare_joint_possible(genome);
    }
    return status;
}

pare_status pare_genome_read(pare_context *ctx, const pare_options *options, pare_genome **out) {
    *out = NULL;
    pare_genome *genome = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *genome, &genome);
    if (status != PARE_OK) {
        return status;
    }
    genome->ctx = ctx;
    status = pare_options_copy(options, &genome->options);
    if (status != PARE_OK) {
        pare_free(ctx, genome);
        return status;
    }
    status = fill(genome);
    if (status != PARE_OK) {
        pare_genome_free(genome);
        return status;
    }
    *out = genome;
    return PARE_OK;
}
