/* Baselines beside the choice: what they choose, without what is determined, in cross-validation;
 * covariates of many levels do not make picks of noise; allocation. */
#include "folder_support.h"
#include "genome_support.h"

enum { SAMPLES = 240, VARIANTS = 300, FIRST = 40, SECOND = 210, LEVELS = 90 };

/* A trait y of two effects and a twin of FIRST (the odd variant beside it), noise u of no effect,
 * and a text covariate of many levels. */
static void write_study(plink_files *f, uint64_t seed) {
    *f = plink_make(SAMPLES, VARIANTS, 0, false, 13);
    for (int64_t i = 0; i < SAMPLES; i++) { /* FIRST + 1 repeats FIRST */
        f->call[(FIRST + 1) * SAMPLES + i] = f->call[FIRST * SAMPLES + i];
    }
    memcpy(f->bed + 3 + (FIRST + 1) * f->stride, f->bed + 3 + FIRST * f->stride, (size_t)f->stride);
    plink_write(f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y u cage\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double y = 0.8 * f->call[FIRST * SAMPLES + i] - 0.8 * f->call[SECOND * SAMPLES + i] +
                   0.7 * pare_random_normal(seed, 1, (uint64_t)i);
        fprintf(file, "f%d s%d %.17g %.17g c%d\n", (int)(i / 2), (int)i, y,
                pare_random_normal(seed, 2, (uint64_t)i), (int)(i % LEVELS));
    }
    assert_int_equal(fclose(file), 0);
}

static void test_lists(void **state) {
    (void)state;
    static const char *const sets[] = {"trait=y", "trait=y background=false",
                                       "trait=y relationship=products"};
    plink_files f;
    write_study(&f, 7);
    for (int s = 0; s < 3; s++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        pare_choice_made made;
        bool some[SAMPLES];
        int64_t pick[2 * 6], picks[2];
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, study_open(ctx, sets[s], &genome));
        const pare_trait *trait = &genome->traits.trait[0];
        pare_trait_samples(genome, trait, some);
        assert_ok(ctx, pare_choice_begin(genome, trait, some, true, true, &made));
        assert_ok(ctx, pare_baselines(genome, &made, 6, pick, picks));
        for (int way = 0; way < 2; way++) {
            int found = 0;
            /* The lasso may give both twins a coefficient, of which one is left out. */
            assert_in_range(picks[way], way == 0 ? 6 : 4, 6);
            for (int64_t k = 0; k < picks[way]; k++) {
                int64_t j = genome->genotypes.keep[pick[way * 6 + k]];
                bool twin = j == FIRST || j == FIRST + 1;
                found += twin || j == SECOND; /* not both of the twins */
                assert_true(k > 1 || twin || j == SECOND);
            }
            assert_int_equal(found, 2);
        }
        pare_choice_made_clear(ctx, &made);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

static void test_scores(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 7);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (int run = 0; run < 2; run++) {
        assert_ok(ctx, study_open(ctx, run == 0 ? "trait=y folds=3" : "trait=u folds=3", &genome));
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        const pare_scores *s = &a.scores;
        if (run == 0) { /* the two effects are all that there is */
            assert_true(fabs(s->single_r2 - s->r2) < 0.1 && fabs(s->lasso_r2 - s->r2) < 0.1);
            assert_true(s->lasso_r2 > s->background_r2 + 0.1);
        } else { /* no picks: all of them are the background alone */
            assert_true(s->picks == 0 && isnan(s->kuncheva));
            assert_true(fabs(s->single_r2 - s->background_r2) < 1e-9);
            assert_true(fabs(s->lasso_r2 - s->background_r2) < 1e-9);
        }
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
    }
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_many_levels(void **state) {
    (void)state;
    int64_t picks = 0;
    for (uint64_t seed = 60; seed < 68; seed++) {
        plink_files f;
        write_study(&f, seed);
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        pare_analysis a;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, study_open(ctx, "trait=u covar=cage background=false", &genome));
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        assert_int_equal(a.fixed, LEVELS);
        picks += a.picks;
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
        plink_free(&f);
    }
    assert_in_range(picks, 0, 1); /* with n in place of n less the levels: 12 picks */
}

static void test_allocation_failures(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 7);
    study_out_of_memory("trait=y background=false folds=2 max-picks=2", 12);
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_many_levels),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
