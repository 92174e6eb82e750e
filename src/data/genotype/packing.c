/* Calls of other formats, packed as a .bed would hold them. */
#include "data/genotype/internal.h"

#include <math.h>
#include <string.h>

enum { BED_HEAD = 3 };

void pare_packing_clear(pare_packing *p) {
    pare_free(p->ctx, p->bed);
    pare_text_clear(&p->fam);
    pare_text_clear(&p->bim);
    *p = (pare_packing){0};
}

static void append_word(pare_text *text, const char *word, int64_t length) {
    for (int64_t i = 0; i < length; i++) {
        char c = word[i];
        bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
        pare_text_append_bytes(text, blank ? "_" : &c, 1);
    }
}

void pare_packing_sample(pare_packing *p, const char *family, const char *id, int64_t length) {
    append_word(&p->fam, family ? family : "0", family ? (int64_t)strlen(family) : 1);
    pare_text_append(&p->fam, " ");
    append_word(&p->fam, length > 0 ? id : "_", length > 0 ? length : 1);
    pare_text_append(&p->fam, " 0 0 0 -9\n");
    p->samples++;
    p->stride = (p->samples + 3) / 4;
}

int8_t pare_packing_call(pare_packing *p, double dosage, double threshold) {
    double whole = nearbyint(dosage);
    p->calls++;
    if (whole >= 0 && whole <= 2 && fabs(dosage - whole) <= threshold) {
        return (int8_t)whole;
    }
    p->uncertain++;
    return -1;
}

pare_status pare_packing_variant(pare_packing *p, const char *chromosome, const char *id,
                                 int64_t position, const char *a1, const char *a2,
                                 const int8_t *copies) {
    static const uint8_t code[4] = {1, 3, 2, 0}; /* missing, none, one, two */
    int64_t length = 0, used = BED_HEAD + p->variants * p->stride;
    if (!pare_checked_multiply(p->variants + 1, p->stride, &length)) {
        return pare_fail(p->ctx, PARE_ERROR_MEMORY, "out of memory: packed genotypes");
    }
    pare_status status = pare_grow(p->ctx, BED_HEAD + length, 1, &p->capacity, &p->bed);
    if (status != PARE_OK) {
        return status;
    }
    uint8_t *bits = p->bed + used;
    memset(bits, 0, (size_t)p->stride);
    for (int64_t i = 0; i < p->samples; i++) {
        bits[i / 4] |= (uint8_t)(code[copies[i] + 1] << 2 * (i % 4));
    }
    append_word(&p->bim, chromosome[0] ? chromosome : "0",
                chromosome[0] ? (int64_t)strlen(chromosome) : 1);
    pare_text_append(&p->bim, "\t");
    if (id[0] && strcmp(id, ".") != 0) {
        append_word(&p->bim, id, (int64_t)strlen(id));
    } else {
        append_word(&p->bim, chromosome, (int64_t)strlen(chromosome));
        pare_text_append(&p->bim, ":%lld:", (long long)position);
        append_word(&p->bim, a2, (int64_t)strlen(a2));
        pare_text_append(&p->bim, ":");
        append_word(&p->bim, a1, (int64_t)strlen(a1));
    }
    pare_text_append(&p->bim, "\t0\t%lld\t", (long long)position);
    append_word(&p->bim, a1[0] ? a1 : "0", a1[0] ? (int64_t)strlen(a1) : 1);
    pare_text_append(&p->bim, "\t");
    append_word(&p->bim, a2[0] ? a2 : "0", a2[0] ? (int64_t)strlen(a2) : 1);
    pare_text_append(&p->bim, "\n");
    p->variants++;
    return p->bim.status;
}

pare_status pare_packing_finish(pare_packing *p, const char *name, pare_genotypes *out) {
    pare_context *ctx = p->ctx;
    *out = (pare_genotypes){0};
    pare_genotypes g = {.ctx = ctx};
    pare_status status = p->fam.status != PARE_OK ? p->fam.status : p->bim.status;
    if (status == PARE_OK && (p->samples == 0 || p->variants == 0)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: no %s", name,
                           p->samples == 0 ? "samples" : "variants with two alleles");
    }
    if (status == PARE_OK && p->several > 0) {
        pare_warn(ctx, "%s: %lld variants with more than two alleles are left out", name,
                  (long long)p->several);
    }
    if (status == PARE_OK && p->uncertain > 0) {
        pare_warn(ctx,
                  "%s: %lld of %lld dosages are further than option hard-call from a whole number: "
                  "missing calls",
                  name, (long long)p->uncertain, (long long)p->calls);
    }
    char **names[] = {&g.stem, &g.sample_file, &g.variant_file};
    for (int i = 0; i < 3 && status == PARE_OK; i++) {
        status = pare_text_copy(ctx, name, (int64_t)strlen(name), names[i]);
    }
    if (status == PARE_OK) {
        memcpy(p->bed, "\x6c\x1b\x01", BED_HEAD);
        g.owned = p->bed;
        g.fam = p->fam.bytes;
        g.bim = p->bim.bytes;
        p->bed = NULL;
        p->fam = p->bim = (pare_text){.ctx = ctx};
        status = pare_genotypes_finish(&g, g.owned, BED_HEAD + p->variants * p->stride);
    }
    pare_packing_clear(p);
    if (status != PARE_OK) {
        pare_genotypes_close(&g);
        return status;
    }
    *out = g;
    return PARE_OK;
}
