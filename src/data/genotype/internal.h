/* Private to the genotype reader. */
#ifndef PARE_DATA_GENOTYPE_INTERNAL_H
#define PARE_DATA_GENOTYPE_INTERNAL_H

#include "base/text.h"
#include "data/genotype/genotype.h"

/* Counts of the three genotypes and of missing calls of variant j over the samples in. */
typedef struct pare_calls {
    int64_t two, one, none, missing;
} pare_calls;

/* Everything after the texts g->fam and g->bim are there; borrows bed. */
pare_status pare_genotypes_finish(pare_genotypes *g, const uint8_t *bed,
                                  int64_t length) PARE_MUST_CHECK;

/* Genotypes of another format on their way to packed calls. */
typedef struct pare_packing {
    pare_context *ctx;
    int64_t samples, variants, stride, capacity;
    uint8_t *bed; /* with its head */
    pare_text fam, bim;
    int64_t uncertain, several, calls; /* dosages that are no call, variants left out, calls seen */
} pare_packing;

void pare_packing_clear(pare_packing *p);
/* family NULL: none. Blanks in ids become '_'. All samples come before the first variant. */
void pare_packing_sample(pare_packing *p, const char *family, const char *id, int64_t length);
/* Missing id ("." or ""): chromosome:position:a2:a1. copies: (samples) of a1, -1 missing. */
pare_status pare_packing_variant(pare_packing *p, const char *chromosome, const char *id,
                                 int64_t position, const char *a1, const char *a2,
                                 const int8_t *copies) PARE_MUST_CHECK;
/* The whole number that a dosage 0 .. 2 is near, -1 if it is further than `threshold` from one. */
int8_t pare_packing_call(pare_packing *p, double dosage, double threshold);
/* Opens what was packed; `p` is empty afterwards. */
pare_status pare_packing_finish(pare_packing *p, const char *name,
                                pare_genotypes *out) PARE_MUST_CHECK;

/* out (kept): counts of the kept variants. */
pare_status pare_genotypes_count(const pare_genotypes *g, pare_calls *out) PARE_MUST_CHECK;

#endif
