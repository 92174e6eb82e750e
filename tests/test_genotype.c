/* PLINK genotypes: products against plain sums, filters, what is refused, traits and covariates. */
#include "folder_support.h"
#include "genome_support.h"

static void options_of(pare_context *ctx, pare_options *options, const char *set) {
    assert_ok(ctx, pare_options_init(ctx, options));
    assert_ok(ctx, test_options_set(options, set));
}

/* x_ij about the mean of the calls of samples in, missing calls 0. */
static double value_of(const plink_files *f, const pare_genotypes *g, int64_t kept, int64_t i) {
    int call = f->call[g->keep[kept] * f->samples + i];
    return call < 0 ? 0 : call - g->mean[kept];
}

static void test_products(void **state) {
    (void)state;
    const int64_t sizes[] = {3, 4, 5, 255, 256, 257, 300};
    for (int s = 0; s < 7; s++) {
        plink_files f = plink_make(sizes[s], 131, s % 2 ? 7 : 0, false, (uint64_t)s);
        pare_context *ctx = NULL;
        pare_genotypes g;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, plink_open(ctx, &f, &g));
        assert_int_equal(g.kept, 131);
        enum { VECTORS = 7 };
        double *r = calloc((size_t)(VECTORS * f.samples + g.kept), sizeof *r);
        double *out = calloc((size_t)(VECTORS * g.kept), sizeof *out);
        double *again = calloc((size_t)(VECTORS * g.kept), sizeof *out);
        double *sum = calloc((size_t)f.samples, sizeof *sum);
        float *column = calloc((size_t)f.samples, sizeof *column);
        for (int64_t i = 0; i < VECTORS * f.samples + g.kept; i++) {
            r[i] = pare_random_normal(5, 3, (uint64_t)i) * (i < f.samples ? 1e-9 : 1);
        }
        for (int limbs = 1; limbs <= 3; limbs++) {
            const double unit = 1 / pow(256, limbs - 1) / 127;
            assert_ok(ctx, pare_context_set_threads(ctx, 1));
            assert_ok(ctx, pare_genotypes_correlate(&g, limbs, VECTORS, r, again));
            assert_ok(ctx, pare_context_set_threads(ctx, 3));
            assert_ok(ctx, pare_genotypes_correlate(&g, limbs, VECTORS, r, out));
            assert_memory_equal(out, again, (size_t)(VECTORS * g.kept) * sizeof *out);
            for (int64_t v = 0; v < VECTORS; v++) {
                double most = 0;
                for (int64_t i = 0; i < f.samples; i++) {
                    most = fmax(most, fabs(r[v * f.samples + i]));
                }
                for (int64_t j = 0; j < g.kept; j++) {
                    double exact = 0, bound = 0;
                    for (int64_t i = 0; i < f.samples; i++) {
                        exact += value_of(&f, &g, j, i) * r[v * f.samples + i];
                        bound += fabs(value_of(&f, &g, j, i)) * most * unit * 0.51;
                    }
                    assert_true(fabs(out[v * g.kept + j] - exact) <= bound + 1e-12 * most);
                }
            }
        }
        assert_ok(ctx, pare_genotypes_times(&g, r + f.samples, sum));
        for (int64_t i = 0; i < f.samples; i++) {
            double exact = 0, size = 0;
            for (int64_t j = 0; j < g.kept; j++) {
                exact += value_of(&f, &g, j, i) * r[f.samples + j];
                size += 2 * fabs(r[f.samples + j]);
            }
            assert_true(fabs(sum[i] - exact) <= size * (double)g.kept * 0x1p-30);
        }
        for (int64_t j = 0; j < g.kept; j++) {
            double factor = 3, square = 0;
            pare_genotypes_fetch(&g, 1, &j, &factor, column);
            for (int64_t i = 0; i < f.samples; i++) {
                assert_true(fabs((double)column[i] - 3 * value_of(&f, &g, j, i)) < 1e-5);
                square += value_of(&f, &g, j, i) * value_of(&f, &g, j, i);
            }
            assert_true(fabs(g.spread[j] - sqrt(square / (double)f.samples)) < 1e-9);
        }
        free(r);
        free(out);
        free(again);
        free(sum);
        free(column);
        pare_genotypes_close(&g);
        pare_context_destroy(ctx);
        plink_free(&f);
    }
}

/* By enumeration: probabilities of all counts of heterozygotes, those no larger than the observed
 * one added up. */
static double slow_equilibrium(int aa, int ab, int bb) {
    int n = aa + ab + bb, a = 2 * aa + ab;
    double total = 0, observed = 0, sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int het = a % 2; het <= a && het <= 2 * n - a; het += 2) {
            int x = (a - het) / 2, y = n - het - x;
            double p =
                exp(lgamma(n + 1) - lgamma(x + 1) - lgamma(het + 1) - lgamma(y + 1) + het * log(2) +
                    lgamma(a + 1) + lgamma(2 * n - a + 1) - lgamma(2 * n + 1));
            observed = pass == 0 && het == ab ? p : observed;
            total += pass == 0 ? p : 0;
            sum += pass == 1 && p <= observed * (1 + 1e-9) ? p : 0;
        }
    }
    assert_true(fabs(total - 1) < 1e-9);
    return sum;
}

static void test_equilibrium(void **state) {
    (void)state;
    for (int aa = 0; aa < 8; aa++) {
        for (int ab = 0; ab < 12; ab++) {
            for (int bb = 0; bb < 9; bb++) {
                if (aa + ab + bb > 0) {
                    assert_true(fabs(pare_hardy_weinberg(aa, ab, bb) -
                                     slow_equilibrium(aa, ab, bb)) < 1e-9);
                }
            }
        }
    }
    assert_true(pare_hardy_weinberg(500000, 0, 500000) < 1e-30);
    assert_true(pare_hardy_weinberg(250000, 500000, 250000) > 0.99);
}

static void test_filters(void **state) {
    (void)state;
    plink_files f = plink_make(60, 90, 0, false, 4);
    pare_context *ctx = NULL;
    pare_options options;
    pare_genotypes g;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    write_words("keep.txt", "f1 s2\nf1 s3\ns9 s10\nnone nobody\n"
                            "f6 s12\nf6 s13\nf7 s14\nf7 s15\n");
    write_words("remove.txt", "s3\ns10\n");
    write_words("extract.txt", "v3\nv4\nv10\nv11\nv12\nv89\nmissing\n");
    options_of(ctx, &options, "keep=keep.txt remove=remove.txt extract=extract.txt maf=0");
    assert_ok(ctx, plink_open(ctx, &f, &g));
    assert_ok(ctx, pare_genotypes_filter(&g, &options, NULL));
    const int64_t in[] = {2, 12, 13, 14, 15};
    assert_int_equal(g.used, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(g.in[in[i]]);
    }
    for (int64_t j = 0; j < g.kept; j++) {
        const int64_t listed[] = {3, 4, 10, 11, 12, 89};
        bool found = false;
        double sum = 0;
        for (int i = 0; i < 6; i++) {
            found = found || listed[i] == g.keep[j];
        }
        for (int i = 0; i < 5; i++) {
            sum += f.call[g.keep[j] * f.samples + in[i]];
        }
        assert_true(found && fabs(g.mean[j] - sum / 5) < 1e-12);
    }
    pare_genotypes_close(&g);
    pare_options_clear(&options);
    options_of(ctx, &options, "maf=0.3");
    assert_ok(ctx, plink_open(ctx, &f, &g));
    assert_ok(ctx, pare_genotypes_filter(&g, &options, NULL));
    assert_in_range(g.kept, 1, 89);
    for (int64_t j = 0; j < g.kept; j++) {
        assert_true(g.mean[j] >= 0.6 && g.mean[j] <= 1.4);
    }
    pare_genotypes_close(&g);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    plink_free(&f);
}

/* ---- What is refused ------------------------------------------------------------------------ */

static void assert_says(pare_context *ctx, pare_status status, const char *piece) {
    assert_int_not_equal(status, PARE_OK);
    if (!strstr(pare_context_error(ctx), piece)) {
        fail_msg("'%s' does not say '%s'", pare_context_error(ctx), piece);
    }
}

static void test_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *says;
        int64_t length;
    } cases[] = {{"x.bed", "\x6c\x1c\x01", "does not begin", 3},
                 {"x.bed", "\x6c", "does not begin", 1},
                 {"x.bed", "\x6c\x1b\x00", "individual-major", 3},
                 {"x.bed", "\x6c\x1b\x01zz", "need 18", 5},
                 {"x.bim", "1 v0 0 10 A\n", "x.bim line 1: 5 fields", 0},
                 {"x.bim", "1 v0 0 ten A G\n", "position 'ten'", 0},
                 {"x.bim", "\n", "no variants", 0},
                 {"x.fam", "", "no samples", 0},
                 {"x.fam", "f s 0 0 1 2\ng t 0 0\n", "x.fam line 2: 4 fields", 0},
                 {"x.fam", "f s 0 0 1 2\nf s 0 0 1 2\n", "occurs twice", 0},
                 {"x.fam", "f s 0 0 1 2\nf\0s 0 0 1 2\n", "zero byte", 24}};
    plink_files f = plink_make(9, 5, 0, false, 1);
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pare_genotypes g;
        size_t length = cases[c].length > 0 ? (size_t)cases[c].length : strlen(cases[c].text);
        plink_write(&f, "x");
        write_bytes(cases[c].name, cases[c].text, length);
        assert_says(ctx, pare_genotypes_open(ctx, "x", &g), cases[c].says);
        assert_null(g.ctx);
    }
    pare_genotypes g;
    assert_says(ctx, pare_genotypes_open(ctx, "nothing", &g), "nothing.fam");
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_bad_traits(void **state) {
    (void)state;
    static const struct {
        const char *text, *set, *says;
    } cases[] = {
        {"id,y\na,1\nb,2\n", "", "none of its 2 sample ids"},
        {"id,y\ns0,1\ns0,2\n", "", "row 3: sample id 's0' occurs twice"},
        {"id,y\ns0,1\ns1,1\ns2,1\n", "", "the same for all"},
        {"id,y\ns0,NA\ns1,\n", "", "missing for all"},
        {"id,y,z\ns0,red,1\ns1,blue,2\n", "trait=y", "holds 'red'"},
        {"id,y\ns0,1\ns1,2\n", "trait=q", "no trait 'q'"},
        {"id,y\ns0,1\ns1,2\n", "covar=q", "no covariate 'q'"},
        {"id,y\ns0,1\ns1,2\n", "trait=y,y", "names 'y' twice"},
        {"id,y\ns0,1\ns1,2\n", "trait=y covar=y", "as trait and as covariate"},
        {"id,y\ns0,inf\ns1,2\n", "trait=y", "holds 'inf'"},
        {"id,y\ns0,1,3\ns1,2\n", "", "line 2: 3 fields, expected 2"},
        {"", "", "empty"},
    };
    plink_files f = plink_make(4, 5, 0, false, 1);
    pare_context *ctx = NULL;
    pare_genotypes g;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, plink_open(ctx, &f, &g));
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pare_options options;
        pare_traits traits;
        char set[128];
        write_words("p.csv", cases[c].text);
        snprintf(set, sizeof set, "pheno=p.csv %s", cases[c].set);
        options_of(ctx, &options, set);
        assert_says(ctx, pare_traits_read(&g, &options, &traits), cases[c].says);
        assert_null(traits.ctx);
        pare_options_clear(&options);
    }
    pare_genotypes_close(&g);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_traits(void **state) {
    (void)state;
    plink_files f = plink_make(5, 5, 0, false, 1);
    pare_context *ctx = NULL;
    pare_genotypes g;
    pare_options options;
    pare_traits t;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, plink_open(ctx, &f, &g));
    /* CSV, another order, quotes, a text covariate, a text column that cannot be a trait. */
    write_words("p.csv", "\"name\",\"y\",status,cage,colour\ns3,1.5,2,a,red\n\"s1\",NA,1,b,blue\r\n"
                         "s0,2,1,a,red\ns4,-9,2,c,red\n");
    options_of(ctx, &options, "pheno=p.csv covar=cage");
    assert_ok(ctx, pare_traits_read(&g, &options, &t));
    assert_int_equal(t.traits, 2);
    assert_string_equal(t.trait[0].name, "y");
    assert_true(t.trait[0].value[3] == 1.5 && t.trait[0].value[0] == 2 &&
                t.trait[0].value[4] == -9 && isnan(t.trait[0].value[1]) &&
                isnan(t.trait[0].value[2]));
    assert_true(!t.trait[0].binary && t.trait[1].binary && t.trait[1].value[3] == 1 &&
                t.trait[1].value[0] == 0);
    assert_int_equal(t.covariates, 2);
    assert_int_equal(t.named, 1);
    assert_true(isnan(t.covariate_value[2]) && t.covariate[0].level);
    pare_traits_clear(&t);
    pare_options_clear(&options);
    /* Sex is that of .fam where the file has none. */
    for (int i = 0; i < 5; i++) {
        g.sample[i].sex = "0";
    }
    options_of(ctx, &options, "pheno=p.csv covar=cage,SEX");
    assert_says(ctx, pare_traits_read(&g, &options, &t), "x.fam tells it of no sample");
    g.sample[1].sex = "1";
    g.sample[3].sex = "2";
    assert_ok(ctx, pare_traits_read(&g, &options, &t));
    assert_true(t.covariates == 3 && t.named == 2 && t.covariate_value[10 + 1] == 1 &&
                t.covariate_value[10 + 3] == 2 && isnan(t.covariate_value[10]));
    pare_traits_clear(&t);
    pare_options_clear(&options);
    /* PLINK text with and without names; -9 is missing. */
    static const char *const texts[] = {"FID IID a b\nf0 s0 1 5\nf0 s1 2 -9\nf1 s3 4 7\n",
                                        "f0\ts0\t1\t5\nf0\ts1\t2\t-9\nf1\ts3\t4\t7\n"};
    for (int i = 0; i < 2; i++) {
        write_words("p.txt", texts[i]);
        options_of(ctx, &options, "pheno=p.txt");
        assert_ok(ctx, pare_traits_read(&g, &options, &t));
        assert_int_equal(t.traits, 2);
        assert_string_equal(t.trait[1].name, i ? "trait2" : "b");
        assert_true(t.trait[1].value[0] == 5 && isnan(t.trait[1].value[1]) &&
                    t.trait[1].value[3] == 7);
        pare_traits_clear(&t);
        pare_options_clear(&options);
    }
    pare_genotypes_close(&g);
    pare_context_destroy(ctx);
    plink_free(&f);
}

/* A failing allocation at every position leaves nothing behind. */
static void test_allocation_failures(void **state) {
    (void)state;
    plink_files f = plink_make(12, 9, 5, false, 2);
    write_words("p.csv", "id,y,c\ns0,1,a\ns1,2,b\ns2,4,a\ns5,3,b\ns6,1,b\n");
    write_words("keep.txt", "s0\ns1\ns2\ns5\n");
    bool failed = true;
    for (int64_t at = 0; failed; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_options options;
        pare_genotypes g = {0};
        pare_traits t = {0};
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1));
        options_of(ctx, &options, "pheno=p.csv trait=y covar=c keep=keep.txt");
        const int64_t before = memory.live;
        memory.fail_at = memory.count + at;
        pare_status status = plink_open(ctx, &f, &g);
        if (status == PARE_OK) {
            status = pare_traits_read(&g, &options, &t);
        }
        if (status == PARE_OK) {
            status = pare_genotypes_filter(&g, &options, NULL);
        }
        failed = status != PARE_OK;
        if (failed) {
            assert_int_equal(status, PARE_ERROR_MEMORY);
        }
        memory.fail_at = -1;
        pare_traits_clear(&t);
        pare_genotypes_close(&g);
        /* Warnings that were kept are the context's. */
        assert_int_equal(memory.live - ctx->warnings, before);
        pare_options_clear(&options);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_equilibrium),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_traits),
        cmocka_unit_test(test_traits),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
