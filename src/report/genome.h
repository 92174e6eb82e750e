/* What a genome analysis found, as text and as files. */
#ifndef PARE_REPORT_GENOME_H
#define PARE_REPORT_GENOME_H

#include "base/text.h"
#include "problem/genome/analyse.h"

/* Table for people. */
void pare_genome_report(const pare_genome *genome, pare_text *out);
/* One HTML page: what was found for each trait, how sure it is, and beside which baselines. */
pare_status pare_genome_page(const pare_genome *genome, pare_text *out) PARE_MUST_CHECK;
/* Variants along the genome with their -log10 p, picks and credible sets marked (inline SVG); id is
 * unique in the page. */
void pare_genome_manhattan(const pare_genome *genome, const pare_analysis *a, const char *id,
                           pare_text *out);
/* The files of pare_genome_save. */
pare_status pare_genome_write(const pare_genome *genome, const char *stem) PARE_MUST_CHECK;

#endif
