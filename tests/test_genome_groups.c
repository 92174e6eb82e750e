/* Groups of variants: one of small effects is found that single variants miss, its criterion
 * against regressions written out, linkage that does not count as rank, files, refusals,
 * allocation. */
#include "folder_support.h"
#include "genome_support.h"

enum { SAMPLES = 400, VARIANTS = 300, SIZE = 5, PLANTED = 23 };

static void write_study(plink_files *f, double effect, bool linked, uint64_t seed) {
    *f = plink_make(SAMPLES, VARIANTS, 61, linked, 33);
    plink_write(f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double y = pare_random_normal(seed, 1, (uint64_t)i);
        for (int64_t j = 0; j < SIZE; j++) {
            y += (j % 2 == 0 ? effect : -effect) * f->call[(PLANTED * SIZE + j) * SAMPLES + i];
        }
        fprintf(file, "f%d s%d %.17g\n", (int)(i / 2), (int)i, y);
    }
    assert_int_equal(fclose(file), 0);
    file = fopen("g.txt", "w");
    assert_non_null(file);
    fprintf(file, "SNP gene\nv3 gene0\nnowhere gene0\n");
    for (int64_t j = 0; j < VARIANTS - SIZE; j++) { /* the last ones are in no group */
        fprintf(file, "v%d gene%d\n", (int)j, (int)(j / SIZE));
    }
    fprintf(file, "v%d gene%d\n", PLANTED * SIZE, PLANTED + 1); /* in two of them */
    assert_int_equal(fclose(file), 0);
}

/* Residual sum of squares of y on intercept and variants, V = I. */
static double slow_rss(const struct pare_genome *genome, int64_t count, const int64_t *kept) {
    static double y[SAMPLES], q[3 * SIZE + 1][SAMPLES];
    static float x[SAMPLES];
    for (int64_t i = 0; i < SAMPLES; i++) {
        y[i] = genome->traits.trait[0].value[i];
    }
    for (int64_t k = 0; k <= count; k++) {
        if (k > 0) {
            pare_genotypes_fetch(&genome->genotypes, 1, &kept[k - 1], NULL, x);
        }
        for (int64_t i = 0; i < SAMPLES; i++) {
            q[k][i] = k == 0 ? 1 : (double)x[i];
        }
        pare_project_out(SAMPLES, k, q[0], q[k]);
        pare_project_out(SAMPLES, k, q[0], q[k]);
        double size = sqrt(pare_inner(SAMPLES, q[k], q[k]));
        for (int64_t i = 0; i < SAMPLES; i++) {
            q[k][i] /= size;
        }
    }
    pare_project_out(SAMPLES, count + 1, q[0], y);
    return pare_inner(SAMPLES, y, y);
}

static void test_planted(void **state) {
    (void)state;
    static const char *const sets[] = {"groups=g.txt folds=2", "groups=g.txt background=false",
                                       "groups=g.txt relationship=products"};
    plink_files f;
    write_study(&f, 0.28, false, 2);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "background=false", &genome));
    assert_ok(ctx, pare_analyse(genome, 0, &a));
    assert_in_range(a.picks, 0, 1); /* each for itself */
    pare_analysis_clear(ctx, &a);
    pare_genome_free(genome);
    for (int s = 0; s < 3; s++) {
        assert_ok(ctx, pare_context_set_threads(ctx, s == 0 ? 8 : 1));
        assert_ok(ctx, study_open(ctx, sets[s], &genome));
        assert_int_equal(genome->groups.count, VARIANTS / SIZE - 1);
        assert_int_equal(genome->groups.largest, SIZE + 1);
        assert_int_equal(genome->groups.covered, VARIANTS - SIZE);
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        assert_int_equal(a.groups, 1);
        assert_int_equal(a.picks, SIZE);
        assert_int_equal(a.group[0].rank, SIZE);
        assert_string_equal(genome->groups.name[a.group[0].group], "gene23");
        assert_true(a.group[0].p < 1e-6 && a.group_path > 1);
        for (int64_t k = 0; k < SIZE; k++) {
            int64_t j = genome->genotypes.keep[a.pick[k].kept];
            assert_int_equal(j / SIZE, PLANTED);
            assert_true(fabs(a.pick[k].effect - (j % SIZE % 2 == 0 ? 0.28 : -0.28)) <
                        4 * a.pick[k].error);
            assert_true(a.pick[k].ebic == a.group[0].ebic && a.group[0].ebic < a.ebic_null);
        }
        assert_true(a.scored == (s == 0));
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
    }
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_criterion(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.28, false, 2);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    int64_t both[3 * SIZE];
    const double n = SAMPLES;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "groups=g.txt background=false", &genome));
    const pare_variant_groups *groups = &genome->groups;
    const double search = 2 * 0.75 * log((double)groups->count);
    assert_ok(ctx, pare_analyse(genome, 0, &a));
    int64_t used = 0;
    for (int64_t k = 0; k < 2; k++) {
        const pare_group_pick *pick = &a.group[k];
        double least = INFINITY, own = 0;
        for (int64_t b = 0; b < groups->count; b++) { /* no other group would have been better */
            int64_t count = used;
            for (int64_t m = groups->start[b]; m < groups->start[b + 1]; m++) {
                bool there = false;
                for (int64_t i = 0; i < used; i++) {
                    there = there || both[i] == groups->member[m];
                }
                if (!there) {
                    both[count++] = groups->member[m];
                }
            }
            double ebic = (n - 1) * log(slow_rss(genome, count, both) / (n - 1)) +
                          (double)count * log(n) + search * (double)(k + 1);
            least = count > used ? fmin(least, ebic) : least;
            own = b == pick->group ? ebic : own;
        }
        assert_true(fabs(own - pick->ebic) < 1e-3 && own < least + 1e-2);
        for (int64_t i = 0; i < pick->rank; i++) {
            both[used++] = a.pick[pick->first + i].kept;
        }
    }
    pare_analysis_clear(ctx, &a);
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_noise_and_linkage(void **state) {
    (void)state;
    int64_t chosen = 0;
    for (uint64_t seed = 50; seed < 54; seed++) {
        plink_files f;
        write_study(&f, 0, true, seed);
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        pare_analysis a;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, study_open(ctx, "groups=g.txt background=false", &genome));
        assert_ok(ctx, pare_analyse(genome, 0, &a));
        chosen += a.groups;
        for (int64_t k = 0; k < a.group_path; k++) { /* pairs with r2 of about 0.9 */
            assert_in_range(a.group[k].rank, 3, SIZE);
        }
        pare_analysis_clear(ctx, &a);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
        plink_free(&f);
    }
    assert_int_equal(chosen, 0);
}

static void test_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *set, *word;
    } cases[] = {{"v1\nv2\n", "groups=h.txt", "one column"},
                 {"a b\nc d\n", "groups=h.txt", "none of its 2 ids"},
                 {"v1 g\n", "groups=nothing.txt", "nothing.txt"},
                 {"v1 g\nv2\n", "groups=h.txt", "h.txt"},
                 {"v1 g\n", "groups=h.txt stop=cv", "only stop ebic"},
                 {"v1 g\n", "groups=h.txt joint=true", "only stop ebic"}};
    plink_files f;
    write_study(&f, 0.28, false, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        write_words("h.txt", cases[i].text);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_int_not_equal(study_open(ctx, cases[i].set, &genome), PARE_OK);
        if (!strstr(pare_context_error(ctx), cases[i].word)) {
            fail_msg("%s: %s", cases[i].set, pare_context_error(ctx));
        }
        pare_context_destroy(ctx);
    }
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    write_words("h.txt", "v200,first\nv201,second\n");
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "groups=h.txt forbid=v200,v201 force=v9", &genome));
    assert_ok(ctx, pare_analyse(genome, 0, &a));
    assert_int_equal(a.group_path, 0);
    assert_int_equal(a.picks, 1);
    assert_true(a.pick[0].forced);
    pare_analysis_clear(ctx, &a);
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_allocation_failures(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.28, false, 2);
    study_out_of_memory("groups=g.txt background=false max-picks=2", 12);
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_criterion),
        cmocka_unit_test(test_noise_and_linkage),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
