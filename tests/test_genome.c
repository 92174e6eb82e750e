/* The analysis of traits: variance components against a direct search, planted variants found, the
 * same answer for any number of threads, predictions by weights and by the relationship matrix. */
#include "folder_support.h"
#include "genome_support.h"

#include "problem/genome/analyse.h"

enum { SAMPLES = 240, VARIANTS = 400, CAUSAL_A = 30, CAUSAL_B = 200 };

/* Two planted variants, a background over all of them, a covariate of effect 2. */
static void write_study(plink_files *f, double noise, double background, bool binary) {
    *f = plink_make(SAMPLES, VARIANTS, 53, true, 11);
    plink_write(f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y c\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double c = pare_random_normal(12, 1, (uint64_t)i);
        double y = 2 * c + noise * pare_random_normal(12, 2, (uint64_t)i);
        y += 1.5 * f->call[CAUSAL_A * SAMPLES + i] - 1.5 * f->call[CAUSAL_B * SAMPLES + i];
        for (int64_t j = 0; j < VARIANTS; j++) {
            y += background * pare_random_normal(12, 3, (uint64_t)j) * f->call[j * SAMPLES + i];
        }
        fprintf(file, "f%d s%d %.17g %.17g\n", (int)(i / 2), (int)i, binary ? 1 + (y > 0.5) : y, c);
    }
    assert_int_equal(fclose(file), 0);
}

static bool near_variant(const struct pare_genome *genome, int64_t kept, int64_t wanted) {
    int64_t j = genome->genotypes.keep[kept];
    return j / 2 == wanted / 2; /* pairs are linked */
}

static double r2_of(int64_t n, const float *a, const float *b) {
    double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0, m = (double)n;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        sa += x;
        sb += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    ab -= sa * sb / m;
    return ab * ab / ((aa - sa * sa / m) * (bb - sb * sb / m));
}

/* The proxies of a pick, and their r2, are those of the columns themselves, missing calls at the
 * mean. */
static void check_proxies(const struct pare_genome *genome, const pare_pick *pick) {
    const pare_genotypes *g = &genome->genotypes;
    float *own = malloc((size_t)(2 * g->samples) * sizeof *own);
    assert_non_null(own);
    float *other = own + g->samples;
    int64_t found = 0;
    assert_int_equal(g->used, g->samples);
    pare_genotypes_fetch(g, 1, &pick->kept, NULL, own);
    for (int64_t j = 0; j < g->kept; j++) {
        pare_genotypes_fetch(g, 1, &j, NULL, other);
        double r2 = r2_of(g->samples, own, other);
        int64_t before = found;
        for (int64_t i = 0; i < pick->proxies; i++) {
            if (pick->proxy[i] == j) {
                assert_true(fabs(pick->proxy_r2[i] - r2) < 1e-5);
                found++;
            }
        }
        assert_true(j == pick->kept || r2 < 0.8 - 1e-5 || found > before);
    }
    assert_int_equal(found, pick->proxies);
    free(own);
}

static void test_planted(void **state) {
    (void)state;
    static const char *const sets[] = {"covar=c", "covar=c stop=permutation permutations=39",
                                       "covar=c stop=cv max-picks=4", "covar=c background=false",
                                       "covar=c folds=3"};
    plink_files f;
    write_study(&f, 0.7, 0.02, false);
    for (int s = 0; s < 5; s++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        pare_analysis a;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, study_open(ctx, sets[s], &genome));
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        assert_in_range(a.picks, 2, 3);
        assert_true(near_variant(genome, a.pick[0].kept, CAUSAL_A) ||
                    near_variant(genome, a.pick[0].kept, CAUSAL_B));
        assert_true(near_variant(genome, a.pick[1].kept, CAUSAL_A) ||
                    near_variant(genome, a.pick[1].kept, CAUSAL_B));
        assert_int_not_equal(a.pick[0].kept, a.pick[1].kept);
        for (int k = 0; k < 2; k++) {
            assert_true(fabs(fabs(a.pick[k].effect) - 1.5) < 0.4 && a.pick[k].error < 0.2);
            assert_true(a.pick[k].p < 1e-6 && a.pick[k].pip > 0.05);
            assert_in_range(a.pick[k].proxies, 0, 1);
            check_proxies(genome, &a.pick[k]);
        }
        assert_in_range(a.credible.sets, 2, 3);
        assert_true(fabs(a.fixed_effect[1] - 2) < 0.3);
        if (a.scored) {
            assert_true(a.scores.r2 > a.scores.background_r2 && a.scores.r2 > 0.8);
            assert_true(a.scores.jaccard_ld >= a.scores.jaccard);
        }
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

/* A trait of case and control gives log odds. */
static void test_cases(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.5, 0, true);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (int i = 0; i < 3; i++) {
        static const char *const sets[] = {"covar=c trait=y folds=3",
                                           "covar=c trait=y background=false",
                                           "covar=c trait=y relationship=products"};
        assert_ok(ctx, study_open(ctx, sets[i], &genome));
        assert_true(genome->traits.trait[0].binary);
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        assert_true(a.picks >= 2 && a.logistic);
        for (int64_t k = 0; k < 2; k++) {
            assert_true(fabs(a.pick[k].effect) > 1);
            assert_true(near_variant(genome, a.pick[k].kept, CAUSAL_A) ||
                        near_variant(genome, a.pick[k].kept, CAUSAL_B));
        }
        assert_true(i > 0 || a.scores.r2 > 0.3);
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
    }
    pare_context_destroy(ctx);
    plink_free(&f);
}

/* Without background the first statistics of a case/control trait are those of the score test of
 * logistic regression beside intercept and covariate, here on the columns themselves. */
static void test_score_statistics(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.5, 0, true);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_choice_made made;
    bool some[SAMPLES], good = false;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "covar=c trait=y background=false", &genome));
    const pare_trait *trait = &genome->traits.trait[0];
    const pare_genotypes *g = &genome->genotypes;
    pare_trait_samples(genome, trait, some);
    assert_ok(ctx, pare_choice_begin(genome, trait, some, false, true, &made));
    assert_true(made.w.n == SAMPLES && made.count == 2 && made.root);
    double effect[2], error[2];
    assert_ok(ctx,
              pare_log_odds_fit(ctx, SAMPLES, 2, made.fixed, trait->value, effect, error, &good));
    assert_true(good);
    static float x[SAMPLES];
    for (int64_t j = 0; j < g->kept; j += 7) {
        double score = 0, xx = 0, fx[2] = {0, 0}, ff[3] = {0, 0, 0};
        pare_genotypes_fetch(g, 1, &j, NULL, x);
        for (int64_t i = 0; i < SAMPLES; i++) {
            double one = made.fixed[i], c = made.fixed[SAMPLES + i], v = (double)x[i];
            double chance = 1 / (1 + exp(-effect[0] * one - effect[1] * c));
            double w = chance * (1 - chance);
            score += v * (trait->value[i] - chance);
            xx += w * v * v;
            fx[0] += w * one * v;
            fx[1] += w * c * v;
            ff[0] += w * one * one;
            ff[1] += w * one * c;
            ff[2] += w * c * c;
        }
        double determinant = ff[0] * ff[2] - ff[1] * ff[1];
        xx -= (fx[0] * fx[0] * ff[2] - 2 * fx[0] * fx[1] * ff[1] + fx[1] * fx[1] * ff[0]) /
              determinant;
        double own = made.dot[j] * made.dot[j] / made.square[j];
        assert_true(fabs(own - score * score / xx) < 1e-4 * (1 + own));
    }
    pare_choice_made_clear(ctx, &made);
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_threads_and_lists(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 1, 0.05, false);
    pare_analysis a[2];
    struct pare_genome *genome[2] = {NULL, NULL};
    pare_context *ctx[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pare_context_create(NULL, &ctx[i]), PARE_OK);
        assert_ok(ctx[i], pare_context_set_threads(ctx[i], i ? 5 : 1));
        assert_ok(ctx[i],
                  study_open(ctx[i], "covar=c force=v77,v5 forbid=v30,v31 scan=true", &genome[i]));
        assert_ok(ctx[i], pare_analyse(genome[i], 0, &a[i]));
    }
    const int64_t kept = genome[0]->genotypes.kept;
    assert_true(genome[0]->genotypes.keep[a[0].pick[0].kept] == 77 && a[0].pick[0].forced);
    assert_true(genome[0]->genotypes.keep[a[0].pick[1].kept] == 5 && a[0].pick[1].forced);
    assert_int_equal(a[0].picks, a[1].picks);
    for (int64_t k = 0; k < a[0].picks; k++) {
        assert_false(near_variant(genome[0], a[0].pick[k].kept, CAUSAL_A));
        assert_memory_equal(&a[0].pick[k].effect, &a[1].pick[k].effect, sizeof(double));
        assert_int_equal(a[0].pick[k].kept, a[1].pick[k].kept);
    }
    assert_memory_equal(a[0].weight, a[1].weight, (size_t)kept * sizeof(double));
    assert_memory_equal(a[0].scan_effect, a[1].scan_effect, (size_t)kept * sizeof(double));
    for (int i = 0; i < 2; i++) {
        pare_analysis_clear(ctx[i], &a[i]);
        pare_genome_free(genome[i]);
        pare_context_destroy(ctx[i]);
    }
    plink_free(&f);
}

/* Restricted likelihood written out with a dense inverse. */
static double slow_deviance(pare_context *ctx, const struct pare_genome *genome,
                            const pare_choice_made *made, double h) {
    const int64_t n = made->w.n, side = made->count + 1;
    double *v = calloc((size_t)(n * n), sizeof *v), *b = calloc((size_t)(side * n), sizeof *b);
    double product[9] = {0}, logarithm = 0;
    (void)ctx;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            v[i * n + j] =
                h * (double)genome->k[made->w.row[i] * genome->genotypes.used + made->w.row[j]] +
                (i == j ? 1 - h : 0);
        }
    }
    assert_int_equal(pare_cholesky(n, v, n), 0);
    for (int64_t c = 0; c < side; c++) {
        for (int64_t i = 0; i < n; i++) {
            b[c * n + i] = c < made->count ? made->fixed[c * n + i] : made->y[i];
        }
        pare_triangle_solve(false, n, v, n, b + c * n);
    }
    for (int64_t i = 0; i < n; i++) {
        logarithm += 2 * log(v[i * n + i]);
    }
    for (int64_t c = 0; c < side; c++) {
        for (int64_t e = 0; e < side; e++) {
            for (int64_t i = 0; i < n; i++) {
                product[c * side + e] += b[c * n + i] * b[e * n + i];
            }
        }
    }
    assert_int_equal(pare_cholesky(side, product, side), 0);
    for (int64_t c = 0; c < made->count; c++) {
        logarithm += 2 * log(product[c * side + c]);
    }
    double root = product[side * side - 1], left = (double)(n - made->count);
    free(v);
    free(b);
    return left * log(root * root / left) + logarithm;
}

static void test_reml(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 1.5, 0.12, false);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_choice_made made;
    bool some[SAMPLES];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "covar=c", &genome));
    pare_trait_samples(genome, &genome->traits.trait[0], some);
    assert_ok(ctx, pare_choice_begin(genome, &genome->traits.trait[0], some, true, true, &made));
    double best = slow_deviance(ctx, genome, &made, made.w.h);
    assert_true(made.w.h > 0.05 && made.w.h < 0.999);
    for (int i = 0; i <= 40; i++) {
        assert_true(slow_deviance(ctx, genome, &made, 0.999 * i / 40) >= best - 1e-6);
    }
    assert_true(slow_deviance(ctx, genome, &made, made.w.h + 0.004) >= best - 1e-6);
    assert_true(slow_deviance(ctx, genome, &made, made.w.h - 0.004) >= best - 1e-6);
    pare_choice_made_clear(ctx, &made);
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

/* Predictions: weights times genotypes are the picks' effects plus h K V^-1 (y - fit). */
static void test_weights(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 1.5, 0.12, false);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_choice_made made;
    pare_mixed_fit fit;
    bool some[SAMPLES];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "covar=c", &genome));
    pare_trait_samples(genome, &genome->traits.trait[0], some);
    for (int i = 0; i < SAMPLES; i += 4) {
        some[i] = false; /* predicted, not fitted */
    }
    const pare_genotypes *g = &genome->genotypes;
    assert_ok(ctx, pare_choice_begin(genome, &genome->traits.trait[0], some, true, true, &made));
    assert_ok(ctx, pare_choice_run(genome, &genome->traits.trait[0], some, PARE_STOP_EBIC, &made));
    assert_ok(ctx, pare_choice_refit(genome, &made, made.picks, &fit));
    double *weight = calloc((size_t)g->kept, sizeof *weight), sum[SAMPLES];
    float *column = calloc((size_t)SAMPLES, sizeof *column);
    assert_ok(ctx, pare_mixed_weights(&made.w, &fit, made.chooser.pick, weight));
    assert_ok(ctx, pare_genotypes_times(g, weight, sum));
    for (int64_t i = 0; i < SAMPLES; i++) {
        double value = 0;
        for (int64_t k = 0; k < made.picks; k++) {
            pare_genotypes_fetch(g, 1, &made.chooser.pick[k], NULL, column);
            value += fit.effect[made.count + k] * (double)column[i];
        }
        for (int64_t s = 0; s < made.w.n; s++) {
            value += made.w.h * (double)genome->k[i * g->used + made.w.row[s]] * fit.residual[s];
        }
        assert_true(fabs(value - sum[i]) < 1e-3 * (1 + fabs(value)));
    }
    free(weight);
    free(column);
    pare_mixed_fit_clear(&fit);
    pare_choice_made_clear(ctx, &made);
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_collinear_covariates(void **state) {
    (void)state;
    plink_files f = plink_make(30, 20, 0, false, 3);
    plink_write(&f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "IID y a b\n");
    for (int i = 0; i < 30; i++) {
        fprintf(file, "s%d %d %d %d\n", i, i * i % 17, i, 3 - 2 * i);
    }
    assert_int_equal(fclose(file), 0);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "covar=a,b trait=y", &genome));
    assert_int_equal(pare_analyse(genome, 0, &a), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(ctx), "covariate 'b'"));
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

/* Of two variants that are nearly the same, prior weights choose; a large one lets in a third. */
static void test_prior(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 1, 0, false);
    char words[64];
    for (int other = 0; other < 2; other++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        pare_analysis a;
        snprintf(words, sizeof words, "ID weight\nv%d 1e9\nnone 2\n", other ? 7 : CAUSAL_A + 1);
        write_words("w.txt", words);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, study_open(ctx, "covar=c prior=w.txt background=false", &genome));
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        bool in = false;
        for (int64_t k = 0; k < a.picks; k++) {
            in = in || genome->genotypes.keep[a.pick[k].kept] == (other ? 7 : CAUSAL_A + 1);
        }
        assert_true(in);
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
        assert_int_equal(study_open(ctx, "prior=w.txt stop=permutation", &genome),
                         PARE_ERROR_ARGUMENT);
        write_words("w.txt", "v1 0\n");
        assert_int_equal(study_open(ctx, "prior=w.txt", &genome), PARE_ERROR_INPUT);
        assert_non_null(strstr(pare_context_error(ctx), "w.txt row 1: prior weight '0'"));
        write_words("w.txt", "u1 1\n");
        assert_int_equal(study_open(ctx, "prior=w.txt", &genome), PARE_ERROR_INPUT);
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

/* The price of a pick: that of gamma 0.75, or 0.05 picks expected among p that have no effect. */
static void test_price(void **state) {
    (void)state;
    double before = 0;
    assert_true(pare_gamma_for(1410, 12226) == 0.75);
    assert_true(pare_gamma_for(20000, 500000) == 0.75);
    assert_true(pare_gamma_for(100, 1) == 0.75);
    for (int64_t p = 100000; p < 100000000; p *= 7) {
        double price = log(400) + 2 * pare_gamma_for(400, p) * log((double)p);
        assert_true(price > before);
        assert_true(fabs((double)p * erfc(sqrt(price / 2)) - 0.05) < 1e-9);
        before = price;
    }
}

static void test_allocation_failures(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 1, 0.05, false);
    study_out_of_memory("covar=c max-picks=3 folds=2", 40);
    study_out_of_memory("max-picks=2 relationship=products", 8);
    plink_free(&f);
    write_study(&f, 0.5, 0, true);
    study_out_of_memory("covar=c trait=y max-picks=2 background=false", 8);
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_score_statistics),
        cmocka_unit_test(test_threads_and_lists),
        cmocka_unit_test(test_reml),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_collinear_covariates),
        cmocka_unit_test(test_prior),
        cmocka_unit_test(test_price),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
