/* Leave one chromosome out: statistics against generalised least squares written out with the
 * relationship of the other chromosomes, the planted variants found, refusals, allocation. */
#include "folder_support.h"
#include "genome_support.h"

#include "kernels/blas.h"
#include "problem/genome/analyse.h"

enum { SAMPLES = 150, VARIANTS = 240, CHROMOSOMES = 3, CAUSAL_A = 31, CAUSAL_B = 200 };

static int64_t chromosome_of(int64_t j) {
    return j * CHROMOSOMES / VARIANTS;
}

static void write_study(plink_files *f, bool in_pieces) {
    *f = plink_make(SAMPLES, VARIANTS, 67, false, 21);
    char *line = f->bim;
    for (int64_t j = 0; j < VARIANTS && !in_pieces; j++) {
        *line = (char)('1' + chromosome_of(j));
        line = strchr(line, '\n') + 1;
    }
    plink_write(f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double y = 0.8 * pare_random_normal(22, 2, (uint64_t)i);
        y += 1.2 * f->call[CAUSAL_A * SAMPLES + i] - 1.2 * f->call[CAUSAL_B * SAMPLES + i];
        for (int64_t j = 0; j < VARIANTS; j++) {
            y += 0.07 * pare_random_normal(22, 3, (uint64_t)j) * f->call[j * SAMPLES + i];
        }
        fprintf(file, "f%d s%d %.17g\n", (int)(i / 2), (int)i, y);
    }
    assert_int_equal(fclose(file), 0);
}

/* Share of the residual that variant j takes beside the intercept under V of the others. */
static double slow_share(const struct pare_genome *genome, const pare_choice_made *made,
                         int64_t j) {
    const pare_genotypes *g = &genome->genotypes;
    static double v[SAMPLES * SAMPLES], column[3][SAMPLES];
    static float x[SAMPLES];
    double spread = 0;
    memset(v, 0, sizeof v);
    for (int64_t o = 0; o < g->kept; o++) {
        if (chromosome_of(g->keep[o]) != chromosome_of(g->keep[j])) {
            pare_genotypes_fetch(g, 1, &o, NULL, x);
            spread += g->spread[o] * g->spread[o];
            for (int64_t i = 0; i < SAMPLES * SAMPLES; i++) {
                v[i] += (double)x[i / SAMPLES] * (double)x[i % SAMPLES];
            }
        }
    }
    for (int64_t i = 0; i < SAMPLES * SAMPLES; i++) {
        v[i] = made->w.h * v[i] / spread + (i % (SAMPLES + 1) == 0 ? 1 - made->w.h : 0);
    }
    assert_int_equal(pare_cholesky(SAMPLES, v, SAMPLES), 0);
    pare_genotypes_fetch(g, 1, &j, NULL, x);
    for (int64_t i = 0; i < SAMPLES; i++) {
        column[0][i] = 1;
        column[1][i] = made->y[i];
        column[2][i] = (double)x[i];
    }
    for (int c = 0; c < 3; c++) {
        pare_triangle_solve(false, SAMPLES, v, SAMPLES, column[c]);
        double part = c > 0 ? pare_inner(SAMPLES, column[0], column[c]) /
                                  pare_inner(SAMPLES, column[0], column[0])
                            : 0;
        for (int64_t i = 0; i < SAMPLES; i++) {
            column[c][i] -= part * column[0][i];
        }
    }
    double both = pare_inner(SAMPLES, column[1], column[2]);
    return both * both / pare_inner(SAMPLES, column[1], column[1]) /
           pare_inner(SAMPLES, column[2], column[2]);
}

static void test_statistics(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, false);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_choice_made made;
    pare_analysis a;
    bool some[SAMPLES];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "loco=true", &genome));
    const pare_trait *trait = &genome->traits.trait[0];
    pare_trait_samples(genome, trait, some);
    assert_ok(ctx, pare_choice_begin(genome, trait, some, true, true, &made));
    assert_int_equal(made.loco.count, CHROMOSOMES);
    assert_true(made.w.h > 0.05);
    for (int64_t j = 3; j < genome->genotypes.kept; j += 29) {
        double share = made.dot[j] * made.dot[j] / made.square[j] / made.chooser.rss;
        assert_true(fabs(share - slow_share(genome, &made, j)) < 1e-4);
    }
    pare_choice_made_clear(ctx, &made);
    assert_ok(ctx, pare_analyse(genome, 0, &a));
    assert_true(a.picks >= 2);
    for (int k = 0; k < 2; k++) {
        int64_t j = genome->genotypes.keep[a.pick[k].kept];
        assert_true(j == CAUSAL_A || j == CAUSAL_B);
        assert_true(a.pick[k].ebic < (k > 0 ? a.pick[k - 1].ebic : a.ebic_null));
    }
    pare_analysis_clear(ctx, &a);
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *set, *word;
    } cases[] = {{"loco=true", "do not stand together"},
                 {"loco=true stop=cv", "only stop ebic"},
                 {"loco=true background=false", "needs a background"},
                 {"loco=true relationship=products", "needs a background"}};
    plink_files f;
    write_study(&f, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_int_not_equal(study_open(ctx, cases[i].set, &genome), PARE_OK);
        assert_non_null(strstr(pare_context_error(ctx), cases[i].word));
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

static void test_allocation_failures(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, false);
    study_out_of_memory("loco=true max-picks=2", 20);
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
