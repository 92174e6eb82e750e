/* VCF and BCF through htslib, one record after the other. */
#include "data/genotype/internal.h"

#if !defined(PARE_HAVE_HTS)

pare_status pare_genotypes_open_vcf(pare_context *ctx, const pare_options *options,
                                    pare_genotypes *out) {
    *out = (pare_genotypes){0};
    return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                     "%s: this build was made without htslib (libhts-dev); convert the file with "
                     "plink2 --vcf FILE --make-bed",
                     options->vcf);
}

#else

#include <htslib/vcf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct vcf_reader {
    pare_context *ctx;
    const char *path;
    double hard_call;
    htsFile *file;
    bcf_hdr_t *head;
    bcf1_t *record;
    int32_t *genotype; /* htslib's memory */
    float *dosage;
    int genotypes, dosages; /* their capacity */
    int8_t *copies;         /* (samples) */
    pare_packing packing;
} vcf_reader;

static void reader_clear(vcf_reader *r) {
    pare_free(r->ctx, r->copies);
    pare_packing_clear(&r->packing);
    free(r->genotype);
    free(r->dosage);
    if (r->record) {
        bcf_destroy(r->record);
    }
    if (r->head) {
        bcf_hdr_destroy(r->head);
    }
    if (r->file) {
        (void)hts_close(r->file);
    }
}

static pare_status open_file(vcf_reader *r) {
    r->file = hts_open(r->path, "r");
    if (!r->file) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: cannot be opened as VCF or BCF", r->path);
    }
    const htsFormat *format = hts_get_format(r->file);
    if (format->format != vcf && format->format != bcf) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: is neither VCF nor BCF", r->path);
    }
    if (hts_check_EOF(r->file) == 0) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s: is truncated: the block that ends a BGZF file is missing", r->path);
    }
    r->head = bcf_hdr_read(r->file);
    if (!r->head) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: its header cannot be read", r->path);
    }
    r->record = bcf_init();
    if (!r->record) {
        return pare_fail(r->ctx, PARE_ERROR_MEMORY, "out of memory: a record of VCF");
    }
    const int samples = bcf_hdr_nsamples(r->head);
    for (int i = 0; i < samples; i++) {
        const char *id = r->head->samples[i];
        pare_packing_sample(&r->packing, NULL, id, (int64_t)strlen(id));
    }
    if (samples == 0) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: no samples", r->path);
    }
    return pare_alloc(r->ctx, samples, sizeof *r->copies, &r->copies);
}

/* Copies of ALT from GT; a haploid call counts as two of a kind, one with a missing part not. */
static int8_t call_of(const int32_t *allele, int64_t ploidy) {
    int copies = 0, present = 0;
    for (int64_t a = 0; a < ploidy && allele[a] != bcf_int32_vector_end; a++) {
        if (bcf_gt_is_missing(allele[a])) {
            return -1;
        }
        copies += bcf_gt_allele(allele[a]);
        present++;
    }
    if (present == 1) {
        return (int8_t)(2 * copies);
    }
    return (int8_t)(present == 2 ? copies : -1);
}

/* One record of at most one ALT allele. */
static pare_status add_record(vcf_reader *r) {
    const int64_t samples = r->packing.samples;
    bcf1_t *v = r->record;
    int some = bcf_get_genotypes(r->head, v, &r->genotype, &r->genotypes);
    int64_t ploidy = some > 0 ? some / samples : 0;
    int more = 0;
    bool whole = ploidy > 0;
    for (int64_t i = 0; i < samples; i++) {
        r->copies[i] = ploidy > 0 ? call_of(r->genotype + i * ploidy, ploidy) : (int8_t)-1;
        whole = whole && r->copies[i] >= 0;
    }
    if (!whole) {
        more = bcf_get_format_float(r->head, v, "DS", &r->dosage, &r->dosages);
    }
    for (int64_t i = 0; more == samples && i < samples; i++) {
        if (r->copies[i] < 0 && !bcf_float_is_missing(r->dosage[i]) && !isnan(r->dosage[i])) {
            r->copies[i] = pare_packing_call(&r->packing, (double)r->dosage[i], r->hard_call);
        }
    }
    if (ploidy == 0 && more != samples) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s record %lld: neither GT nor one DS a sample; one of them is needed",
                         r->path, (long long)(r->packing.variants + r->packing.several + 1));
    }
    return pare_packing_variant(&r->packing, bcf_seqname_safe(r->head, v), v->d.id, v->pos + 1,
                                v->n_allele > 1 ? v->d.allele[1] : "0", v->d.allele[0], r->copies);
}

static pare_status read_records(vcf_reader *r) {
    /* Contigs or tags that the header does not declare do no harm. */
    const int harmless = BCF_ERR_CTG_UNDEF | BCF_ERR_TAG_UNDEF;
    for (int64_t number = 1;; number++) {
        int got = bcf_read(r->file, r->head, r->record);
        if (got == -1) {
            return PARE_OK;
        }
        if (got < -1 || (r->record->errcode & ~harmless) ||
            bcf_unpack(r->record, BCF_UN_ALL) != 0 || r->record->n_allele < 1) {
            return pare_fail(r->ctx, PARE_ERROR_INPUT,
                             "%s record %lld: cannot be read: the file is truncated or damaged",
                             r->path, (long long)number);
        }
        if (r->record->n_allele > 2) {
            r->packing.several++;
            continue;
        }
        pare_status status = add_record(r);
        if (status != PARE_OK) {
            return status;
        }
    }
}

pare_status pare_genotypes_open_vcf(pare_context *ctx, const pare_options *options,
                                    pare_genotypes *out) {
    *out = (pare_genotypes){0};
    vcf_reader r = {.ctx = ctx, .path = options->vcf, .hard_call = options->hard_call};
    r.packing = (pare_packing){.ctx = ctx, .fam = {.ctx = ctx}, .bim = {.ctx = ctx}};
    const enum htsLogLevel level = hts_get_log_level();
    hts_set_log_level(HTS_LOG_OFF); /* it would print */
    pare_status status = open_file(&r);
    if (status == PARE_OK) {
        status = read_records(&r);
    }
    hts_set_log_level(level);
    if (status == PARE_OK) {
        status = pare_packing_finish(&r.packing, r.path, out);
    }
    reader_clear(&r);
    return status;
}

#endif
