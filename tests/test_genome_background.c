/* The background by products against the relationship matrix: K v, V^-1, the share h, the choice,
 * effects, predictions; the same for any number of threads. */
#include "folder_support.h"
#include "genome_support.h"

#include "problem/genome/analyse.h"

enum { SAMPLES = 900, VARIANTS = 1200, CAUSAL = 301 };

/* A planted variant, a covariate, and a background over all variants. */
static void write_study(plink_files *f) {
    *f = plink_make(SAMPLES, VARIANTS, 71, false, 5);
    plink_write(f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y c\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double c = pare_random_normal(6, 1, (uint64_t)i), y = c;
        y += pare_random_normal(6, 2, (uint64_t)i) + 0.6 * f->call[CAUSAL * SAMPLES + i];
        for (int64_t j = 0; j < VARIANTS; j++) {
            y += 0.045 * pare_random_normal(6, 3, (uint64_t)j) * f->call[j * SAMPLES + i];
        }
        if (i % 9 == 4) {
            fprintf(file, "f%d s%d NA %.17g\n", (int)(i / 2), (int)i, c);
        } else {
            fprintf(file, "f%d s%d %.17g %.17g\n", (int)(i / 2), (int)i, y, c);
        }
    }
    assert_int_equal(fclose(file), 0);
}

static struct pare_genome *open_study(pare_context *ctx, const char *set) {
    struct pare_genome *genome = NULL;
    assert_ok(ctx, study_open(ctx, set, &genome));
    return genome;
}

static void test_against_matrix(void **state) {
    (void)state;
    plink_files f;
    write_study(&f);
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    struct pare_genome *dense = open_study(ctx, "covar=c trait=y relationship=matrix");
    struct pare_genome *products = open_study(ctx, "covar=c trait=y relationship=products");
    assert_true(dense->k && !products->k && products->shared.view.kept == VARIANTS);
    const pare_genotypes *g = &dense->genotypes;
    bool some[SAMPLES];
    pare_choice_made a, b;
    const pare_trait *ta = &dense->traits.trait[0], *tb = &products->traits.trait[0];
    pare_trait_samples(dense, ta, some);
    assert_ok(ctx, pare_choice_begin(dense, ta, some, true, true, &a));
    assert_ok(ctx, pare_choice_begin(products, tb, some, true, true, &b));
    assert_true(a.w.h > 0.2 && fabs(a.w.h - b.w.h) < 0.04);

    /* K v, and V^-1 v by the root taken twice, at one share. */
    const int64_t n = a.w.n;
    double *v = calloc((size_t)n, sizeof *v), *u = calloc((size_t)n, sizeof *u), whole[SAMPLES];
    assert_true(v && u);
    for (int64_t i = 0; i < n; i++) {
        v[i] = u[i] = pare_random_normal(7, 1, (uint64_t)i);
    }
    assert_ok(ctx, pare_background_times(&b.w, v, whole));
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t s = 0; s < n; s++) {
            sum += (double)dense->k[a.w.row[i] * g->used + a.w.row[s]] * v[s];
        }
        assert_true(fabs(sum - whole[b.w.sample[i]]) < 1e-3);
    }
    b.w.h = a.w.h;
    assert_ok(ctx, pare_whiten_apply(&a.w, u));
    assert_ok(ctx, pare_whiten_back(&a.w, u));
    assert_ok(ctx, pare_whiten_apply(&b.w, v));
    assert_ok(ctx, pare_whiten_back(&b.w, v));
    for (int64_t i = 0; i < n; i++) {
        assert_true(fabs(u[i] - v[i]) < 1e-3);
    }
    /* Squared norms are right on average. */
    double exact = 0, near = 0;
    for (int64_t j = 0; j < g->kept; j++) {
        exact += a.square[j];
        near += b.square[j];
    }
    assert_true(fabs(exact / near - 1) < 0.03);
    free(v);
    free(u);
    pare_choice_made_clear(ctx, &a);
    pare_choice_made_clear(ctx, &b);
    pare_genome_free(dense);
    pare_genome_free(products);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_whole_analysis(void **state) {
    (void)state;
    static const char *const sets[] = {
        "covar=c trait=y folds=2 relationship=matrix",
        "covar=c trait=y folds=2 relationship=products",
        "covar=c trait=y folds=2 relationship=products",
        "covar=c trait=y folds=2 relationship=products background-variants=400"};
    plink_files f;
    write_study(&f);
    pare_analysis a[4];
    pare_context *ctx[4];
    struct pare_genome *genome[4];
    for (int s = 0; s < 4; s++) {
        assert_int_equal(pare_context_create(NULL, &ctx[s]), PARE_OK);
        assert_ok(ctx[s], pare_context_set_threads(ctx[s], s == 2 ? 3 : 1));
        genome[s] = open_study(ctx[s], sets[s]);
        assert_ok(ctx[s], pare_analyse(genome[s], 0, &a[s]));
        assert_true(a[s].picks >= 1 && a[s].pick[0].kept == CAUSAL && a[s].pick[0].pip > 0.5);
        assert_true(fabs(a[s].pick[0].effect - a[0].pick[0].effect) < 0.03);
    }
    assert_true(fabs(a[0].pick[0].error / a[1].pick[0].error - 1) < 0.05);
    assert_true(fabs(a[0].h_final - a[1].h_final) < 0.05);
    assert_true(fabs(a[0].lambda_mixed - a[1].lambda_mixed) < 0.1);
    assert_true(fabs(a[0].scores.background_r2 - a[1].scores.background_r2) < 0.01);
    double both = 0, aa = 0, bb = 0;
    for (int64_t j = 0; j < genome[0]->genotypes.kept; j++) {
        both += a[0].weight[j] * a[1].weight[j];
        aa += a[0].weight[j] * a[0].weight[j];
        bb += a[1].weight[j] * a[1].weight[j];
        assert_true(a[1].weight[j] == a[2].weight[j]);
    }
    assert_true(both / sqrt(aa * bb) > 0.99);
    assert_int_equal(genome[3]->shared.view.kept, 400);
    for (int s = 0; s < 4; s++) {
        pare_analysis_clear(ctx[s], &a[s]);
        pare_genome_free(genome[s]);
        pare_context_destroy(ctx[s]);
    }
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_matrix),
        cmocka_unit_test(test_whole_analysis),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
