#include "base/text.h"
#include "data/genotype/genotype.h"
#include "data/genotype/internal.h"
#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { BED_HEAD = 3, FAM_FIELDS = 6, BIM_FIELDS = 6, SAMPLES_MAX = 1 << 22, JOINED_SIZE = 256 };

void pare_genotypes_close(pare_genotypes *g) {
    pare_context *ctx = g->ctx;
    if (!ctx) {
        return;
    }
    pare_map_close(&g->map);
    pare_free(ctx, g->stem);
    pare_free(ctx, g->sample_file);
    pare_free(ctx, g->variant_file);
    pare_free(ctx, g->owned);
    pare_free(ctx, g->fam);
    pare_free(ctx, g->bim);
    pare_free(ctx, g->sample);
    pare_free(ctx, g->variant);
    pare_free(ctx, g->by_id);
    pare_free(ctx, g->in);
    pare_free(ctx, g->keep);
    pare_free(ctx, g->mean);
    pare_free(ctx, g->spread);
    pare_free(ctx, g->missing);
    *g = (pare_genotypes){0};
}

/* Lines with more than blanks, the number of rows a text can hold at most. */
static int64_t count_lines(const char *text) {
    int64_t lines = 0;
    for (const char *p = text; *p;) {
        size_t length = strcspn(p, "\n");
        lines++;
        p += length + (p[length] == '\n');
    }
    return lines;
}

/* Cuts the next line with content into `wanted` fields, exactly so many unless `more` (GEMMA keeps
 * further traits in .fam); *text moves behind it. *found:
 * false at the end of the text. */
static pare_status cut_fields(pare_genotypes *g, const char *file, char **text, int64_t *line,
                              int64_t wanted, bool more, char **field, bool *found) {
    *found = false;
    while (**text) {
        char *p = *text;
        int64_t count = 0;
        ++*line;
        while (*p && *p != '\n') {
            if (*p == ' ' || *p == '\t' || *p == '\r') {
                p++;
                continue;
            }
            if (count < wanted) {
                field[count] = p;
            }
            count++;
            p += strcspn(p, " \t\r\n");
            if (*p && *p != '\n') {
                *p++ = '\0';
            }
        }
        bool end = !*p;
        *p = '\0';
        *text = end ? p : p + 1;
        if (count == 0) {
            continue;
        }
        if (count < wanted || (count > wanted && !more)) {
            return pare_fail(g->ctx, PARE_ERROR_INPUT, "%s line %lld: %lld fields, expected %lld",
                             file, (long long)*line, (long long)count, (long long)wanted);
        }
        *found = true;
        return PARE_OK;
    }
    return PARE_OK;
}

static pare_status parse_fam(pare_genotypes *g) {
    char *text = g->fam, *field[FAM_FIELDS];
    int64_t line = 0, most = count_lines(text);
    pare_status status = pare_alloc(g->ctx, most, sizeof *g->sample, &g->sample);
    bool found = true;
    while (status == PARE_OK && found) {
        status = cut_fields(g, g->sample_file, &text, &line, FAM_FIELDS, true, field, &found);
        if (status == PARE_OK && found) {
            g->sample[g->samples++] = (pare_sample){field[0], field[1], field[4], field[5]};
        }
    }
    if (status == PARE_OK && g->samples == 0) {
        status = pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: no samples", g->sample_file);
    }
    if (status == PARE_OK && g->samples > SAMPLES_MAX) {
        status = pare_fail(g->ctx, PARE_ERROR_UNSUPPORTED, "%s: %lld samples, at most %d",
                           g->sample_file, (long long)g->samples, SAMPLES_MAX);
    }
    return status;
}

static pare_status parse_bim(pare_genotypes *g) {
    char *text = g->bim, *field[BIM_FIELDS];
    int64_t line = 0, most = count_lines(text);
    pare_status status = pare_alloc(g->ctx, most, sizeof *g->variant, &g->variant);
    bool found = true;
    while (status == PARE_OK) {
        status = cut_fields(g, g->variant_file, &text, &line, BIM_FIELDS, false, field, &found);
        if (status != PARE_OK || !found) {
            break;
        }
        float position = 0; /* some writers print 1e+05 */
        double exact = 0;
        if (pare_cell_parse((unsigned char *)field[3], (unsigned char *)field[3] + strlen(field[3]),
                            &position) != PARE_CELL_NUMBER ||
            !pare_parse_real(field[3], &exact) || !(exact > -1e15 && exact < 1e15)) {
            return pare_fail(g->ctx, PARE_ERROR_INPUT,
                             "%s line %lld: position '%s' is not a number", g->variant_file,
                             (long long)line, field[3]);
        }
        g->variant[g->variants++] =
            (pare_variant){field[0], field[1], field[4], field[5], (int64_t)exact};
    }
    if (status == PARE_OK && g->variants == 0) {
        status = pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: no variants", g->variant_file);
    }
    return status;
}

/* ---- Ids ------------------------------------------------------------------------------------ */

typedef struct id_entry {
    const pare_sample *sample;
    int64_t number;
} id_entry;

static int compare_ids(const void *a, const void *b) {
    const pare_sample *x = ((const id_entry *)a)->sample, *y = ((const id_entry *)b)->sample;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : strcmp(x->family, y->family);
}

static pare_status sort_ids(pare_genotypes *g) {
    id_entry *entry = NULL;
    pare_status status = pare_alloc(g->ctx, g->samples, sizeof *entry, &entry);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *g->by_id, &g->by_id);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        entry[i] = (id_entry){&g->sample[i], i};
    }
    qsort(entry, (size_t)g->samples, sizeof *entry, compare_ids);
    g->families = false;
    for (int64_t i = 0; i < g->samples; i++) {
        g->by_id[i] = entry[i].number;
        if (i > 0 && compare_ids(&entry[i], &entry[i - 1]) == 0) {
            status = pare_fail(g->ctx, PARE_ERROR_INPUT,
                               "%s: sample '%s %s' occurs twice; family and id must tell "
                               "samples apart",
                               g->sample_file, entry[i].sample->family, entry[i].sample->id);
            goto fail;
        }
        g->families =
            g->families || (i > 0 && strcmp(entry[i].sample->id, entry[i - 1].sample->id) == 0);
    }
fail:
    pare_free(g->ctx, entry);
    return status;
}

static int64_t find_id(const pare_genotypes *g, const char *family, const char *id) {
    int64_t low = 0, high = g->samples;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const pare_sample *sample = &g->sample[g->by_id[middle]];
        int order = strcmp(sample->id, id);
        if (order == 0 && g->families) {
            order = family ? strcmp(sample->family, family) : 1;
        }
        if (order == 0) {
            return g->by_id[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return -1;
}

int64_t pare_genotypes_find(const pare_genotypes *g, const char *family, const char *id) {
    int64_t found = find_id(g, family, id);
    if (found < 0 && family && g->owned) { /* plink joins the two where a format has one id */
        char joined[JOINED_SIZE];
        int length = snprintf(joined, sizeof joined, "%s_%s", family, id);
        found = length > 0 && length < JOINED_SIZE ? find_id(g, family, joined) : -1;
    }
    return found;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static pare_status check_bed(pare_genotypes *g, const uint8_t *bed, int64_t length) {
    if (length < BED_HEAD || bed[0] != 0x6c || bed[1] != 0x1b) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "%s.bed: does not begin with 6c 1b; expected a PLINK 1 .bed file",
                         g->stem);
    }
    if (bed[2] != 1) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "%s.bed: individual-major order (third byte %d); expected variant-major "
                         "(1): convert it with plink --make-bed",
                         g->stem, bed[2]);
    }
    int64_t bytes = 0;
    g->stride = (g->samples + 3) / 4;
    if (!pare_checked_multiply(g->variants, g->stride, &bytes) || bytes != length - BED_HEAD) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "%s.bed: %lld bytes; %lld samples of the .fam and %lld variants of the "
                         ".bim need %lld",
                         g->stem, (long long)length, (long long)g->samples, (long long)g->variants,
                         (long long)(bytes + BED_HEAD));
    }
    g->packed = bed + BED_HEAD;
    return PARE_OK;
}

pare_status pare_genotypes_finish(pare_genotypes *g, const uint8_t *bed, int64_t length) {
    pare_status status = parse_fam(g);
    if (status == PARE_OK) {
        status = parse_bim(g);
    }
    if (status == PARE_OK) {
        status = sort_ids(g);
    }
    if (status == PARE_OK) {
        status = check_bed(g, bed, length);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *g->in, &g->in);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->variants, sizeof *g->keep, &g->keep);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        g->in[i] = true;
    }
    for (int64_t j = 0; j < g->variants; j++) {
        g->keep[j] = j;
    }
    g->used = g->samples;
    g->kept = g->variants;
    return pare_genotypes_measure(g);
}

static pare_status read_text(pare_context *ctx, const char *path, char **out) {
    int64_t length = 0;
    pare_status status = pare_text_read(ctx, path, out, &length);
    if (status == PARE_OK && memchr(*out, '\0', (size_t)length)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: holds a zero byte; expected text", path);
    }
    return status;
}

/* stem, and the names of the texts beside the .bed. */
static pare_status name_files(pare_genotypes *g, const char *stem) {
    pare_text fam = {.ctx = g->ctx}, bim = {.ctx = g->ctx};
    pare_text_append(&fam, "%s.fam", stem);
    pare_text_append(&bim, "%s.bim", stem);
    g->sample_file = fam.bytes;
    g->variant_file = bim.bytes;
    pare_status status = fam.status != PARE_OK ? fam.status : bim.status;
    return status == PARE_OK ? pare_text_copy(g->ctx, stem, (int64_t)strlen(stem), &g->stem)
                             : status;
}

pare_status pare_genotypes_open(pare_context *ctx, const char *stem, pare_genotypes *out) {
    *out = (pare_genotypes){0};
    pare_genotypes g = {.ctx = ctx};
    pare_text path = {.ctx = ctx};
    pare_status status = name_files(&g, stem);
    if (status == PARE_OK) {
        status = read_text(ctx, g.sample_file, &g.fam);
    }
    if (status == PARE_OK) {
        status = read_text(ctx, g.variant_file, &g.bim);
    }
    if (status == PARE_OK) {
        pare_text_append(&path, "%s.bed", stem);
        status = path.status;
    }
    if (status == PARE_OK) {
        status = pare_map_open(ctx, path.bytes, true, &g.map);
    }
    if (status == PARE_OK) {
        status = pare_genotypes_finish(&g, g.map.bytes, g.map.length);
    }
    pare_text_clear(&path);
    if (status != PARE_OK) {
        pare_genotypes_close(&g);
        return status;
    }
    *out = g;
    return PARE_OK;
}

pare_status pare_genotypes_from_memory(pare_context *ctx, const char *stem, const uint8_t *bed,
                                       int64_t bed_length, const char *bim, int64_t bim_length,
                                       const char *fam, int64_t fam_length, pare_genotypes *out) {
    *out = (pare_genotypes){0};
    pare_genotypes g = {.ctx = ctx};
    pare_status status = name_files(&g, stem);
    if (status == PARE_OK) {
        status = pare_text_copy(ctx, bim, bim_length, &g.bim);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(ctx, fam, fam_length, &g.fam);
    }
    if (status == PARE_OK) {
        status = pare_genotypes_finish(&g, bed, bed_length);
    }
    if (status != PARE_OK) {
        pare_genotypes_close(&g);
        return status;
    }
    *out = g;
    return PARE_OK;
}

pare_status pare_genotypes_open_named(pare_context *ctx, const pare_options *options,
                                      pare_genotypes *out) {
    *out = (pare_genotypes){0};
    const int named = (options->bfile[0] != 0) + (options->vcf[0] != 0) + (options->bgen[0] != 0);
    if (named == 0) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option bfile is missing: name the genotypes (or give vcf or bgen)");
    }
    if (named > 1) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "options bfile, vcf and bgen: give one of them, not %d", named);
    }
    if (options->vcf[0]) {
        return pare_genotypes_open_vcf(ctx, options, out);
    }
    return options->bgen[0] ? pare_genotypes_open_bgen(ctx, options, out)
                            : pare_genotypes_open(ctx, options->bfile, out);
}
