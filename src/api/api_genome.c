#include "api/config.h"
#include "platform/system.h"
#include "report/genome.h"
#include "report/polygenic.h"

pare_status pare_genome_open(pare_context *ctx, const pare_config *config, pare_genome **out) {
    *out = NULL;
    pare_status status = pare_context_set_threads(ctx, config->options.threads);
    return status == PARE_OK ? pare_genome_read(ctx, &config->options, out) : status;
}

int64_t pare_genome_traits(const pare_genome *genome) {
    return genome->traits.traits;
}

const char *pare_genome_trait(const pare_genome *genome, int64_t trait) {
    return trait >= 0 && trait < genome->traits.traits ? genome->traits.trait[trait].name : NULL;
}

pare_status pare_genome_step(pare_genome *genome, bool *done) {
    if (genome->done < genome->traits.traits) {
        pare_status status =
            genome->options.joint && !genome->joint ? pare_joint_choose_all(genome) : PARE_OK;
        if (status != PARE_OK) {
            return status;
        }
        status = pare_analyse(genome, genome->done, &genome->analysis[genome->done]);
        if (status != PARE_OK) {
            return status;
        }
        genome->done++;
    }
    *done = genome->done == genome->traits.traits;
    return PARE_OK;
}

pare_status pare_genome_text(pare_genome *genome, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = genome->ctx};
    pare_genome_report(genome, &text);
    if (text.status != PARE_OK) {
        pare_status status = text.status;
        pare_text_clear(&text);
        return status;
    }
    pare_free(genome->ctx, genome->text);
    genome->text = text.bytes;
    *out = genome->text;
    return PARE_OK;
}

pare_status pare_genome_save(const pare_genome *genome, const char *stem) {
    return pare_genome_write(genome, stem);
}

pare_status pare_genome_html(const pare_genome *genome, const char *path) {
    pare_text text = {.ctx = genome->ctx};
    pare_status status = pare_genome_page(genome, &text);
    if (status == PARE_OK) {
        status = pare_output_text(&text, path);
    }
    pare_text_clear(&text);
    return status;
}

void pare_genome_close(pare_genome *genome) {
    pare_genome_free(genome);
}

pare_status pare_polygenic_create(pare_context *ctx, const char *weights, const pare_config *config,
                                  pare_polygenic **out) {
    *out = NULL;
    pare_status status = pare_context_set_threads(ctx, config->options.threads);
    return status == PARE_OK ? pare_polygenic_compute(ctx, &config->options, weights, out) : status;
}

pare_status pare_polygenic_text(pare_polygenic *scores, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = scores->ctx};
    pare_polygenic_report(scores, &text);
    if (text.status != PARE_OK) {
        pare_status status = text.status;
        pare_text_clear(&text);
        return status;
    }
    pare_free(scores->ctx, scores->text);
    scores->text = text.bytes;
    *out = scores->text;
    return PARE_OK;
}

pare_status pare_polygenic_save(const pare_polygenic *scores, const char *path) {
    return pare_polygenic_write(scores, path);
}

void pare_polygenic_destroy(pare_polygenic *scores) {
    pare_polygenic_free(scores);
}
