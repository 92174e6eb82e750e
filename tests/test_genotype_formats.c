/* VCF and BGEN give the calls that they were written from; cut anywhere they are refused. */
#include "folder_support.h"
#include "genome_support.h"

#include <zlib.h>
#ifdef PARE_HAVE_ZSTD
#include <zstd.h>
#endif

enum { SAMPLES = 23, VARIANTS = 17, FILE_MAX = 1 << 16 };

static void assert_same_calls(const plink_files *f, const pare_genotypes *g) {
    assert_int_equal(g->samples, f->samples);
    assert_int_equal(g->variants, f->variants);
    assert_memory_equal(g->packed, f->bed + 3, (size_t)(f->bed_length - 3));
    for (int j = 0; j < f->variants; j++) {
        char id[32];
        snprintf(id, sizeof id, "v%d", j);
        assert_string_equal(g->variant[j].id, id);
        assert_int_equal(g->variant[j].position, 1000 * j + 1);
        assert_string_equal(g->variant[j].a1, "A");
        assert_string_equal(g->variant[j].a2, "G");
    }
    assert_int_equal(pare_genotypes_find(g, "f3", "s6"), 6);
}

static pare_status open_with(pare_context *ctx, const char *first, const char *value,
                             const char *second, const char *other, pare_genotypes *g) {
    pare_options options;
    pare_status status = pare_options_init(ctx, &options);
    if (status == PARE_OK) {
        status = pare_options_set(&options, first, value);
    }
    if (status == PARE_OK && second) {
        status = pare_options_set(&options, second, other);
    }
    if (status == PARE_OK) {
        status = pare_genotypes_open_named(ctx, &options, g);
    }
    pare_options_clear(&options);
    return status;
}

/* ---- VCF ------------------------------------------------------------------------------------ */

typedef enum vcf_style { PLAIN_GT, PHASED_GT, DS_ONLY, GT_AND_DS, STYLES } vcf_style;

/* Every fifth variant has a record of three alleles before it. */
static size_t vcf_text(const plink_files *f, vcf_style style, char *out) {
    static const char *const formats[STYLES] = {"GT", "GT", "DS", "GT:DS"};
    static const char *const calls[2][4] = {{"./.", "0/0", "0/1", "1/1"},
                                            {".|.", "0|0", "1|0", "1|1"}};
    char *p = out;
    p += sprintf(p, "##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=2>\n##contig=<ID=3>\n"
                    "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n"
                    "##FORMAT=<ID=DS,Number=1,Type=Float,Description=\"d\">\n"
                    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT");
    for (int i = 0; i < f->samples; i++) {
        p += sprintf(p, "\ts%d", i);
    }
    for (int j = 0; j < f->variants; j++) {
        for (int several = j % 5 == 0; several >= 0; several--) {
            p += sprintf(p, "\n%d\t%d\tv%d\tG\t%s\t.\t.\t.\t%s", 1 + j % 3, 1000 * j + 1, j,
                         several ? "A,C" : "A", formats[style]);
            for (int i = 0; i < f->samples; i++) {
                int call = f->call[j * f->samples + i];
                bool hidden = style == GT_AND_DS && i % 3 == 0; /* only DS tells */
                if (style != DS_ONLY) {
                    p += sprintf(p, "\t%s", calls[style == PHASED_GT][hidden ? 0 : call + 1]);
                }
                if (style == DS_ONLY || style == GT_AND_DS) {
                    double off = i % 2 ? 0.05 : -0.05;
                    off = (call == 0 && off < 0) || (call == 2 && off > 0) ? -off : off;
                    p += sprintf(p, style == DS_ONLY ? "\t" : ":");
                    p += call < 0 ? sprintf(p, ".") : sprintf(p, "%g", call + off);
                }
            }
        }
    }
    p += sprintf(p, "\n");
    return (size_t)(p - out);
}

static void test_vcf(void **state) {
    (void)state;
#ifndef PARE_HAVE_HTS
    skip();
#endif
    plink_files f = plink_make(SAMPLES, VARIANTS, 11, false, 4);
    static char text[FILE_MAX];
    for (vcf_style style = PLAIN_GT; style < STYLES; style++) {
        pare_context *ctx = NULL;
        pare_genotypes g;
        size_t length = vcf_text(&f, style, text);
        write_bytes("x.vcf", text, length);
        gzFile zipped = gzopen("x.vcf.gz", "wb");
        assert_int_equal(gzwrite(zipped, text, (unsigned)length), (int)length);
        assert_int_equal(gzclose(zipped), Z_OK);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, open_with(ctx, "vcf", "x.vcf", NULL, NULL, &g));
        assert_same_calls(&f, &g);
        assert_string_equal(g.variant[4].chromosome, "2");
        pare_genotypes_close(&g);
        assert_ok(ctx, open_with(ctx, "vcf", "x.vcf.gz", NULL, NULL, &g));
        assert_same_calls(&f, &g);
        pare_genotypes_close(&g);
        if (style == DS_ONLY) { /* nothing is that near a whole number */
            assert_ok(ctx, open_with(ctx, "vcf", "x.vcf", "hard-call", "0.01", &g));
            assert_int_equal(g.missing[0], SAMPLES);
            pare_genotypes_close(&g);
        }
        /* Cut within the last record, and within the header. */
        const size_t cuts[] = {length - 10, 100, 0};
        for (int c = 0; c < 3; c++) {
            write_bytes("y.vcf", text, cuts[c]);
            assert_int_equal(open_with(ctx, "vcf", "y.vcf", NULL, NULL, &g), PARE_ERROR_INPUT);
            assert_non_null(strstr(pare_context_error(ctx), "y.vcf"));
        }
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

static void test_vcf_odd_calls(void **state) {
    (void)state;
#ifndef PARE_HAVE_HTS
    skip();
#endif
    static const char text[] = "##fileformat=VCFv4.2\n"
                               "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n"
                               "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\n"
                               "7\t9\t.\tC\tT\t.\t.\t.\tGT\t1\t0\t./1\t0/1\n"
                               "7\t10\t.\tC\t.\t.\t.\t.\tGT\t0/0\t0/0\t0/0\t./.\n";
    pare_context *ctx = NULL;
    pare_genotypes g;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    write_words("x.vcf", text);
    assert_ok(ctx, open_with(ctx, "vcf", "x.vcf", NULL, NULL, &g));
    assert_int_equal(g.packed[0], 2 << 6 | 1 << 4 | 3 << 2 | 0); /* two, none, missing, one */
    assert_string_equal(g.variant[0].id, "7:9:C:T");
    assert_string_equal(g.variant[1].a1, "0");
    pare_genotypes_close(&g);
    assert_int_equal(open_with(ctx, "vcf", "x.vcf", "bfile", "x", &g), PARE_ERROR_ARGUMENT);
    pare_context_destroy(ctx);
}

/* ---- BGEN ----------------------------------------------------------------------------------- */

typedef struct bgen_style {
    int compression, bits;
    bool phased, ids;
} bgen_style;

typedef struct bytes_out {
    uint8_t *at;
} bytes_out;

static void put(bytes_out *out, uint64_t value, int count) {
    for (int i = 0; i < count; i++) {
        *out->at++ = (uint8_t)(value >> 8 * i);
    }
}

static void put_text(bytes_out *out, const char *text, int count) {
    put(out, strlen(text), count);
    memcpy(out->at, text, strlen(text));
    out->at += strlen(text);
}

/* Probabilities of one variant; every second sample is a little unsure. */
static size_t bgen_block(const plink_files *f, const bgen_style *style, int j, uint8_t *block) {
    const double most = (double)((UINT64_C(1) << style->bits) - 1);
    bytes_out out = {block};
    put(&out, (uint64_t)f->samples, 4);
    put(&out, 2, 2);
    put(&out, 2 << 8 | 2, 2);
    for (int i = 0; i < f->samples; i++) {
        put(&out, f->call[j * f->samples + i] < 0 ? 0x82 : 2, 1);
    }
    put(&out, style->phased, 1);
    put(&out, (uint64_t)style->bits, 1);
    memset(out.at, 0, (size_t)f->samples * 8 + 8);
    int64_t bit = 0;
    for (int i = 0; i < f->samples; i++) {
        int call = f->call[j * f->samples + i];
        double sure = i % 2 && style->bits > 4 ? 0.97 : 1, p[2] = {0, 0};
        if (call >= 0 && style->phased) {
            p[0] = call > 0 ? sure : 1 - sure;
            p[1] = call > 1 ? 1 : 0;
        } else if (call >= 0) {
            p[0] = call == 2 ? sure : 0;
            p[1] = call == 1 ? sure : 1 - sure;
        }
        for (int k = 0; k < 2; k++) {
            uint64_t whole = (uint64_t)nearbyint(p[k] * most);
            for (int b = 0; b < style->bits; b++, bit++) {
                out.at[bit / 8] |= (uint8_t)((whole >> b & 1) << bit % 8);
            }
        }
    }
    return (size_t)(out.at - block) + (size_t)(bit + 7) / 8;
}

static size_t bgen_bytes(const plink_files *f, const bgen_style *style, uint8_t *bytes) {
    static uint8_t block[FILE_MAX], packed[FILE_MAX];
    bytes_out out = {bytes + 4};
    put(&out, 20, 4);
    put(&out, (uint64_t)f->variants + 1, 4);
    put(&out, (uint64_t)f->samples, 4);
    put(&out, 0x6e656762, 4);
    put(&out, (uint64_t)(style->compression | 2 << 2) | (uint64_t)style->ids << 31, 4);
    if (style->ids) {
        bytes_out size = {out.at};
        put(&out, 0, 4);
        put(&out, (uint64_t)f->samples, 4);
        for (int i = 0; i < f->samples; i++) {
            char id[32];
            snprintf(id, sizeof id, "f%d_s%d", i / 2, i);
            put_text(&out, id, 2);
        }
        put(&size, (uint64_t)(out.at - size.at), 4);
    }
    bytes_out head = {bytes};
    put(&head, (uint64_t)(out.at - bytes) - 4, 4);
    for (int j = -1; j < f->variants; j++) { /* before the first one, one of three alleles */
        char id[32];
        snprintf(id, sizeof id, "v%d", j);
        put_text(&out, j % 2 ? "other" : id, 2);
        put_text(&out, j % 2 ? id : "", 2);
        put_text(&out, "2", 2);
        put(&out, (uint64_t)(1000 * j + 1), 4);
        put(&out, j < 0 ? 3 : 2, 2);
        put_text(&out, "A", 4);
        put_text(&out, "G", 4);
        if (j < 0) {
            put_text(&out, "C", 4);
        }
        size_t length = bgen_block(f, style, j < 0 ? 0 : j, block);
        const uint8_t *from = block;
        uLongf stored = length;
        if (style->compression == 1) {
            stored = sizeof packed;
            assert_int_equal(compress(packed, &stored, block, length), Z_OK);
            from = packed;
        }
#ifdef PARE_HAVE_ZSTD
        if (style->compression == 2) {
            stored = ZSTD_compress(packed, sizeof packed, block, length, 3);
            assert_false(ZSTD_isError(stored));
            from = packed;
        }
#endif
        put(&out, stored + (style->compression ? 4 : 0), 4);
        if (style->compression) {
            put(&out, length, 4);
        }
        memcpy(out.at, from, stored);
        out.at += stored;
    }
    return (size_t)(out.at - bytes);
}

static pare_status read_bgen(pare_context *ctx, const uint8_t *bytes, size_t length,
                             pare_genotypes *g) {
    return pare_genotypes_read_bgen(ctx, "x.bgen", bytes, (int64_t)length, NULL, 0.1, g);
}

static const bgen_style styles[] = {{0, 8, false, true}, {1, 8, false, true},  {1, 16, true, true},
                                    {0, 1, false, true}, {1, 13, false, true}, {1, 32, true, true},
#ifdef PARE_HAVE_ZSTD
                                    {2, 8, false, true},
#endif
                                    {0, 8, true, true}};

static void test_bgen(void **state) {
    (void)state;
    static uint8_t bytes[FILE_MAX];
    plink_files f = plink_make(SAMPLES, VARIANTS, 11, false, 4);
    for (size_t s = 0; s < sizeof styles / sizeof styles[0]; s++) {
        pare_context *ctx = NULL;
        pare_genotypes g;
        size_t length = bgen_bytes(&f, &styles[s], bytes);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, read_bgen(ctx, bytes, length, &g));
        assert_same_calls(&f, &g);
        pare_genotypes_close(&g);
        for (size_t cut = 0; cut < length; cut += 1 + cut / 300) {
            uint8_t *some = malloc(cut + 1); /* so that a sanitizer sees a byte too far */
            memcpy(some, bytes, cut);
            assert_int_equal(read_bgen(ctx, some, cut, &g), PARE_ERROR_INPUT);
            assert_non_null(strstr(pare_context_error(ctx), "truncated"));
            free(some);
        }
        assert_int_equal(read_bgen(ctx, bytes, length + 1, &g), PARE_ERROR_INPUT);
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

static void test_bgen_samples(void **state) {
    (void)state;
    static uint8_t bytes[FILE_MAX];
    static const bgen_style style = {1, 8, false, false};
    plink_files f = plink_make(SAMPLES, VARIANTS, 11, false, 4);
    pare_context *ctx = NULL;
    pare_genotypes g;
    FILE *file = fopen("x.sample", "w");
    assert_non_null(file);
    fprintf(file, "ID_1 ID_2 missing\n0 0 0\n");
    for (int i = 0; i < SAMPLES; i++) {
        fprintf(file, "f%d s%d 0\n", i / 2, i);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    size_t length = bgen_bytes(&f, &style, bytes);
    write_bytes("x.bgen", bytes, length);
    assert_int_equal(open_with(ctx, "bgen", "x.bgen", NULL, NULL, &g), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(ctx), "option sample"));
    assert_ok(ctx, open_with(ctx, "bgen", "x.bgen", "sample", "x.sample", &g));
    assert_same_calls(&f, &g);
    assert_string_equal(g.sample[6].family, "f3");
    pare_genotypes_close(&g);
    write_words("x.sample", "ID_1 ID_2 missing\n0 0 0\nf0 s0 0\n");
    assert_int_equal(open_with(ctx, "bgen", "x.bgen", "sample", "x.sample", &g), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(ctx), "x.sample: 3 lines"));
    bytes[20] = 1 << 2; /* layout 1 */
    assert_int_equal(read_bgen(ctx, bytes, length, &g), PARE_ERROR_UNSUPPORTED);
    write_words("x.bgen", "ID_1 ID_2 missing\n0 0 0\nf0 s0 0\n");
    assert_int_equal(open_with(ctx, "bgen", "x.bgen", NULL, NULL, &g), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(ctx), "does not begin as a BGEN file does"));
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_allocation_failures(void **state) {
    (void)state;
    static uint8_t bytes[FILE_MAX];
    plink_files f = plink_make(SAMPLES, VARIANTS, 11, false, 4);
    write_bytes("x.vcf", bytes, vcf_text(&f, DS_ONLY, (char *)bytes));
    size_t length = bgen_bytes(&f, &styles[1], bytes);
    for (int kind = 0; kind < 2; kind++) {
#ifndef PARE_HAVE_HTS
        if (kind == 1) {
            break;
        }
#endif
        bool failed = true;
        for (int64_t at = 0; failed; at++) {
            test_allocator memory = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&memory);
            pare_context *ctx = NULL;
            pare_genotypes g;
            assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
            memory.fail_at = memory.count + at;
            pare_status status = kind == 0 ? read_bgen(ctx, bytes, length, &g)
                                           : open_with(ctx, "vcf", "x.vcf", NULL, NULL, &g);
            failed = memory.count > memory.fail_at;
            memory.fail_at = -1;
            if (status == PARE_OK) {
                pare_genotypes_close(&g);
            } else {
                assert_int_equal(status, PARE_ERROR_MEMORY);
            }
            pare_context_destroy(ctx);
            assert_int_equal(memory.live, 0);
        }
    }
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vcf),
        cmocka_unit_test(test_vcf_odd_calls),
        cmocka_unit_test(test_bgen),
        cmocka_unit_test(test_bgen_samples),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
