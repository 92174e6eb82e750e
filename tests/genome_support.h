/* Genotypes made by the tests, as PLINK packs them, in memory or as files of a folder. */
#ifndef PARE_TESTS_GENOME_SUPPORT_H
#define PARE_TESTS_GENOME_SUPPORT_H

#include "support.h"

#include "base/random.h"
#include "base/text.h"
#include "data/genotype/genotype.h"
#include "problem/genome/analyse.h"

#include <math.h>
#include <stdio.h>

typedef struct plink_files {
    int64_t samples, variants, stride;
    uint8_t *bed; /* with its 3 bytes of head */
    int64_t bed_length;
    char *bim, *fam;
    int8_t *call; /* (variants, samples): copies of A1, -1 missing */
} plink_files;

/* Calls in Hardy-Weinberg equilibrium at frequencies 0.1 .. 0.5; every `missing`-th is missing (0:
 * none); `linked`: odd variants repeat the one before for 19 samples of 20. */
static inline plink_files plink_make(int64_t samples, int64_t variants, int64_t missing,
                                     bool linked, uint64_t seed) {
    plink_files f = {.samples = samples, .variants = variants, .stride = (samples + 3) / 4};
    f.bed_length = 3 + variants * f.stride;
    f.bed = calloc((size_t)f.bed_length, 1);
    f.call = calloc((size_t)(samples * variants), 1);
    f.bim = calloc((size_t)variants, 40);
    f.fam = calloc((size_t)samples, 40);
    assert_true(f.bed && f.call && f.bim && f.fam);
    memcpy(f.bed, "\x6c\x1b\x01", 3);
    uint64_t draw = 0;
    for (int64_t j = 0; j < variants; j++) {
        double share = 0.1 + 0.4 * pare_random_uniform(seed, 1, (uint64_t)j);
        for (int64_t i = 0; i < samples; i++) {
            int call = 0;
            for (int c = 0; c < 2; c++) {
                call += pare_random_uniform(seed, 2, draw++) < share;
            }
            if (linked && j % 2 == 1 && i % 20 != 0) {
                call = f.call[(j - 1) * samples + i] < 0 ? 0 : f.call[(j - 1) * samples + i];
            }
            if (missing > 0 && (j * samples + i) % missing == missing - 1) {
                call = -1;
            }
            f.call[j * samples + i] = (int8_t)call;
            int code = call < 0 ? 1 : call == 2 ? 0 : call == 1 ? 2 : 3;
            f.bed[3 + j * f.stride + i / 4] |= (uint8_t)(code << 2 * (i % 4));
        }
        sprintf(f.bim + strlen(f.bim), "%d\tv%d\t0\t%d\tA\tG\n", (int)(1 + j % 3), (int)j,
                (int)(1000 * j));
    }
    for (int64_t i = 0; i < samples; i++) {
        sprintf(f.fam + strlen(f.fam), "f%d s%d 0 0 1 -9\n", (int)(i / 2), (int)i);
    }
    return f;
}

static inline void plink_free(plink_files *f) {
    free(f->bed);
    free(f->call);
    free(f->bim);
    free(f->fam);
}

static inline pare_status plink_open(pare_context *ctx, const plink_files *f, pare_genotypes *out) {
    return pare_genotypes_from_memory(ctx, "x", f->bed, f->bed_length, f->bim,
                                      (int64_t)strlen(f->bim), f->fam, (int64_t)strlen(f->fam),
                                      out);
}

static inline void write_bytes(const char *name, const void *bytes, size_t length) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void write_words(const char *name, const char *text) {
    write_bytes(name, text, strlen(text));
}

/* stem.bed, stem.bim, stem.fam in the working folder. */
static inline void plink_write(const plink_files *f, const char *stem) {
    char name[64];
    snprintf(name, sizeof name, "%s.bed", stem);
    write_bytes(name, f->bed, (size_t)f->bed_length);
    snprintf(name, sizeof name, "%s.bim", stem);
    write_words(name, f->bim);
    snprintf(name, sizeof name, "%s.fam", stem);
    write_words(name, f->fam);
}

/* The study of x.bed and p.txt under the options of `set`. */
static inline pare_status study_open(pare_context *ctx, const char *set, struct pare_genome **out) {
    pare_options options;
    *out = NULL;
    pare_status status = pare_options_init(ctx, &options);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_options_set(&options, "bfile", "x");
    if (status == PARE_OK) {
        status = pare_options_set(&options, "pheno", "p.txt");
    }
    if (status == PARE_OK) {
        status = test_options_set(&options, set);
    }
    if (status == PARE_OK) {
        status = pare_genome_read(ctx, &options, out);
    }
    pare_options_clear(&options);
    return status;
}

/* The study under `set`, read and its first trait analysed, with memory running out at each
 * allocation in turn: about `steps` of them one by one, then ever larger steps. */
static inline void study_out_of_memory(const char *set, int64_t steps) {
    bool failed = true;
    for (int64_t at = 0; failed; at += 1 + at / steps) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        pare_analysis a = {0};
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1));
        memory.fail_at = memory.count + at;
        pare_status status = study_open(ctx, set, &genome);
        if (status == PARE_OK) {
            status = pare_analyse(genome, 0, &a);
        }
        failed = status != PARE_OK;
        memory.fail_at = -1;
        if (!failed) {
            pare_analysis_clear(ctx, &a);
        } else {
            assert_int_equal(status, PARE_ERROR_MEMORY);
        }
        pare_genome_free(genome);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

#endif
