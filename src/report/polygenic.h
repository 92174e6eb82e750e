/* Polygenic scores as text and as a file. */
#ifndef PARE_REPORT_POLYGENIC_H
#define PARE_REPORT_POLYGENIC_H

#include "base/text.h"
#include "problem/genome/polygenic.h"

/* What was matched, for people. */
void pare_polygenic_report(const pare_polygenic *p, pare_text *out);
/* The columns of `plink2 --score`: #FID IID ALLELE_CT NAMED_ALLELE_DOSAGE_SUM SCORE1_AVG
 * SCORE1_SUM, tabs between. "-" is standard output. */
pare_status pare_polygenic_write(const pare_polygenic *p, const char *path) PARE_MUST_CHECK;

#endif
