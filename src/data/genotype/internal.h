/* Private to the genotype reader. */
#ifndef PARE_DATA_GENOTYPE_INTERNAL_H
#define PARE_DATA_GENOTYPE_INTERNAL_H

#include "data/genotype/genotype.h"

/* Counts of the three genotypes and of missing calls of variant j over the samples in. */
typedef struct pare_calls {
    int64_t two, one, none, missing;
} pare_calls;

/* out (kept): counts of the kept variants. */
pare_status pare_genotypes_count(const pare_genotypes *g, pare_calls *out) PARE_MUST_CHECK;

#endif
