#include "report/polygenic.h"
#include "platform/system.h"

void pare_polygenic_report(const pare_polygenic *p, pare_text *out) {
    const pare_weight_counts *n = &p->counts;
    pare_text_append(out, "%s: %lld of %lld samples scored by %lld of %lld weights\n", p->g.stem,
                     (long long)p->g.used, (long long)p->g.samples, (long long)n->used,
                     (long long)n->rows);
    pare_text_append(
        out,
        "  %lld swapped alleles, %lld on the other strand, %lld ambiguous strand (%lld "
        "of them doubtful by frequency, %lld left out)\n",
        (long long)n->swapped, (long long)n->strand, (long long)n->ambiguous,
        (long long)n->doubtful, (long long)n->dropped);
    pare_text_append(out,
                     "  left out: %lld not in the genotypes, %lld with other alleles, %lld on sex "
                     "chromosomes; %lld missing calls count as the mean\n",
                     (long long)n->absent, (long long)n->mismatched, (long long)n->sex,
                     (long long)p->imputed);
}

pare_status pare_polygenic_write(const pare_polygenic *p, const char *path) {
    pare_text text = {.ctx = p->ctx};
    pare_text_append(&text,
                     "#FID\tIID\tALLELE_CT\tNAMED_ALLELE_DOSAGE_SUM\tSCORE1_AVG\tSCORE1_SUM\n");
    for (int64_t i = 0; i < p->g.samples; i++) {
        const pare_sample *sample = &p->g.sample[i];
        if (p->g.in[i]) {
            double alleles = 2 * (double)p->g.kept; /* those missing have their mean */
            pare_text_append(&text, "%s\t%s\t%lld\t%.0f\t%.9g\t%.9g\n", sample->family, sample->id,
                             2 * (long long)p->called[i], p->dosage[i], p->score[i] / alleles,
                             p->score[i]);
        }
    }
    pare_status status = pare_output_text(&text, path);
    pare_text_clear(&text);
    return status;
}
