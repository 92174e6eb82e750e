/* Several traits together: a variant of small effect on three traits is found that each trait
 * misses alone, correlated noise does not count twice, order of traits and threads do not matter,
 * refusals, allocation. */
#include "folder_support.h"
#include "genome_support.h"

enum { SAMPLES = 400, VARIANTS = 300, SHARED = 70, OWN = 201, TRAITS = 3 };

/* Traits y, z, w with noise of correlation 0.6; SHARED acts on all of them, OWN on z. */
static void write_study(plink_files *f, double shared, double own, uint64_t seed) {
    *f = plink_make(SAMPLES, VARIANTS, 61, false, 31);
    plink_write(f, "x");
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y z w\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double common = pare_random_normal(seed, 1, (uint64_t)i);
        fprintf(file, "f%d s%d", (int)(i / 2), (int)i);
        for (int64_t t = 0; t < TRAITS; t++) {
            double y = sqrt(0.6) * common +
                       sqrt(0.4) * pare_random_normal(seed, 2, (uint64_t)(i * TRAITS + t));
            y += (t == 1 ? -shared : shared) * f->call[SHARED * SAMPLES + i];
            y += t == 1 ? own * f->call[OWN * SAMPLES + i] : 0;
            /* One sample in forty has no w. */
            if (t == 2 && i % 40 == 39) {
                fprintf(file, " NA");
            } else {
                fprintf(file, " %.17g", y);
            }
        }
        fprintf(file, "\n");
    }
    assert_int_equal(fclose(file), 0);
}

static pare_status open_with(pare_context *ctx, const char *set, struct pare_genome **out) {
    pare_status status = study_open(ctx, set, out);
    return status == PARE_OK ? pare_joint_choose_all(*out) : status;
}

static bool has_pick(const struct pare_genome *genome, int64_t picks, const int64_t *pick,
                     int64_t wanted) {
    bool found = false;
    for (int64_t k = 0; k < picks; k++) {
        found = found || genome->genotypes.keep[pick[k]] == wanted;
    }
    return found;
}

static void test_shared_effect(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.2, 0.9, 3);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    pare_analysis a;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, study_open(ctx, "trait=y,z,w", &genome));
    for (int64_t t = 0; t < TRAITS; t++) { /* each for itself: only the large effect */
        assert_ok(ctx, pare_analyse(genome, t, &a));
        for (int64_t k = 0; k < a.picks; k++) {
            assert_int_equal(genome->genotypes.keep[a.pick[k].kept], OWN);
        }
        assert_int_equal(a.picks, t == 1);
        pare_analysis_clear(ctx, &a);
    }
    pare_genome_free(genome);
    assert_ok(ctx, open_with(ctx, "trait=y,z,w joint=true folds=2", &genome));
    const pare_joint_choice *joint = &genome->joint[0];
    assert_int_equal(genome->genotypes.used, SAMPLES - SAMPLES / 40);
    assert_int_equal(genome->joints, 3);
    assert_int_equal(joint->picks, 2);
    assert_true(has_pick(genome, 2, joint->pick, SHARED) && has_pick(genome, 2, joint->pick, OWN));
    for (int64_t t = 0; t < TRAITS; t++) {
        assert_ok(ctx, pare_analyse(genome, t, &a));
        assert_int_equal(a.picks, 2);
        assert_int_equal(a.n, SAMPLES - SAMPLES / 40);
        assert_true(a.scored && a.scores.picks >= 1);
        for (int64_t k = 0; k < 2; k++) {
            bool shared = genome->genotypes.keep[a.pick[k].kept] == SHARED;
            double truth = shared ? (t == 1 ? -0.2 : 0.2) : t == 1 ? 0.9 : 0;
            assert_int_equal(a.pick[k].kept, joint->pick[k]);
            assert_true(a.pick[k].ebic == joint->ebic[k + 1] && a.pick[k].joint_p < 1e-6);
            assert_true(fabs(a.pick[k].effect - truth) < 4 * a.pick[k].error);
        }
        pare_analysis_clear(ctx, &a);
    }
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

/* Extended BIC of one pick more from regressions written out, V = I: det of the residuals of all
 * traits on intercept and picks. */
static double slow_log_det(const struct pare_genome *genome, int64_t picks, const int64_t *pick) {
    static double y[TRAITS][SAMPLES], q[4][SAMPLES];
    static float x[SAMPLES];
    const pare_genotypes *g = &genome->genotypes;
    int64_t n = 0, columns = 0;
    for (int64_t i = 0; i < SAMPLES; i++) {
        if (g->in[i]) {
            for (int64_t t = 0; t < TRAITS; t++) {
                y[t][n] = genome->traits.trait[t].value[i];
            }
            n++;
        }
    }
    for (int64_t k = -1; k < picks; k++) {
        int64_t at = 0;
        if (k >= 0) {
            pare_genotypes_fetch(g, 1, &pick[k], NULL, x);
        }
        for (int64_t i = 0; i < SAMPLES; i++) {
            if (g->in[i]) {
                q[columns][at++] = k < 0 ? 1 : (double)x[i];
            }
        }
        for (int64_t c = 0; c < columns; c++) {
            pare_project_out(n, 1, q[c], q[columns]);
        }
        double size = sqrt(pare_inner(n, q[columns], q[columns]));
        for (int64_t i = 0; i < n; i++) {
            q[columns][i] /= size;
        }
        columns++;
    }
    double s[TRAITS][TRAITS];
    for (int64_t t = 0; t < TRAITS; t++) {
        for (int64_t c = 0; c < columns; c++) {
            pare_project_out(n, 1, q[c], y[t]);
        }
        for (int64_t u = 0; u <= t; u++) {
            s[t][u] = s[u][t] = pare_inner(n, y[t], y[u]) / (double)(n - 1);
        }
    }
    return log(s[0][0] * (s[1][1] * s[2][2] - s[1][2] * s[2][1]) -
               s[0][1] * (s[1][0] * s[2][2] - s[1][2] * s[2][0]) +
               s[0][2] * (s[1][0] * s[2][1] - s[1][1] * s[2][0]));
}

static void test_criterion(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.2, 0.9, 3);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, open_with(ctx, "trait=y,z,w joint=true background=false", &genome));
    const pare_joint_choice *joint = &genome->joint[0];
    const double n = (double)genome->genotypes.used, p = (double)genome->genotypes.kept;
    assert_true(joint->path >= 3);
    for (int64_t k = 0; k <= 3; k++) {
        double wanted = (n - 1) * slow_log_det(genome, k, joint->pick) +
                        (double)k * (TRAITS * log(n) + 2 * 0.75 * log(p));
        assert_true(fabs(joint->ebic[k] - wanted) < 1e-6 * fabs(wanted) + 1e-6);
    }
    /* The first pick is the best of all. */
    for (int64_t j = 0; j < genome->genotypes.kept; j += 7) {
        assert_true(slow_log_det(genome, 1, &j) >= slow_log_det(genome, 1, joint->pick) - 1e-4);
    }
    pare_genome_free(genome);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_noise(void **state) {
    (void)state;
    int64_t picks = 0;
    for (uint64_t seed = 40; seed < 46; seed++) {
        plink_files f;
        write_study(&f, 0, 0, seed);
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, open_with(ctx, "joint=true", &genome));
        picks += genome->joint[0].picks;
        pare_genome_free(genome);
        pare_context_destroy(ctx);
        plink_free(&f);
    }
    assert_int_equal(picks, 0);
}

static void test_order_and_threads(void **state) {
    (void)state;
    static const char *const sets[] = {"joint=true trait=y,z,w", "joint=true trait=w,y,z"};
    plink_files f;
    write_study(&f, 0.2, 0.9, 3);
    int64_t pick[8], path = 0;
    double ebic[3] = {0};
    for (int run = 0; run < 3; run++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, run == 1 ? 8 : 1));
        assert_ok(ctx, open_with(ctx, sets[run == 2], &genome));
        const pare_joint_choice *joint = &genome->joint[0];
        path = run == 0 ? joint->path : path;
        assert_int_equal(joint->path, path);
        ebic[run] = joint->ebic[path];
        for (int64_t k = 0; k < path; k++) {
            assert_true(run == 0 || pick[k] == joint->pick[k]);
            pick[k] = joint->pick[k];
        }
        pare_genome_free(genome);
        pare_context_destroy(ctx);
    }
    assert_true(ebic[0] == ebic[1] && fabs(ebic[0] - ebic[2]) < 1e-6);
    plink_free(&f);
}

static void test_limits(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.2, 0.9, 3);
    pare_context *ctx = NULL;
    struct pare_genome *genome = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, open_with(ctx, "joint=true force=v9,v9 forbid=v201 max-picks=1", &genome));
    assert_int_equal(genome->joint[0].picks, 2);
    assert_int_equal(genome->genotypes.keep[genome->joint[0].pick[0]], 9);
    assert_int_equal(genome->genotypes.keep[genome->joint[0].pick[1]], SHARED);
    pare_genome_free(genome);
    write_words("w.txt", "ID weight\nv70 1e-9\n");
    assert_ok(ctx, open_with(ctx, "joint=true prior=w.txt", &genome));
    assert_int_equal(genome->joint[0].picks, 1);
    assert_int_equal(genome->genotypes.keep[genome->joint[0].pick[0]], OWN);
    pare_genome_free(genome);
    assert_true(fabs(pare_chi_square_tail(3.841458820694124, 1) - 0.05) < 1e-9);
    assert_true(fabs(pare_chi_square_tail(5.991464547107979, 2) - 0.05) < 1e-9);
    assert_true(fabs(pare_chi_square_tail(7.814727903251179, 3) - 0.05) < 1e-9);
    assert_true(fabs(pare_chi_square_tail(18.30703805327515, 10) - 0.05) < 1e-9);
    pare_context_destroy(ctx);
    plink_free(&f);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *set, *word;
    } cases[] = {{"joint=true trait=y", "there is one trait"},
                 {"joint=true stop=cv", "only stop ebic"},
                 {"joint=true loco=true", "only stop ebic"},
                 {"joint=true trait=y,z,y2", "determine one of the 3 traits"}};
    plink_files f;
    write_study(&f, 0.2, 0.9, 3);
    FILE *file = fopen("p.txt", "w");
    assert_non_null(file);
    fprintf(file, "FID IID y z y2\n");
    for (int64_t i = 0; i < SAMPLES; i++) {
        double y = pare_random_normal(9, 1, (uint64_t)i), z = pare_random_normal(9, 2, (uint64_t)i);
        fprintf(file, "f%d s%d %.17g %.17g %.17g\n", (int)(i / 2), (int)i, y, z, 3 - 2 * y);
    }
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_int_not_equal(open_with(ctx, cases[i].set, &genome), PARE_OK);
        if (!strstr(pare_context_error(ctx), cases[i].word)) {
            fail_msg("%s: %s", cases[i].set, pare_context_error(ctx));
        }
        pare_genome_free(genome);
        pare_context_destroy(ctx);
    }
    plink_free(&f);
}

static void test_allocation_failures(void **state) {
    (void)state;
    plink_files f;
    write_study(&f, 0.2, 0.9, 3);
    bool failed = true;
    for (int64_t at = 0; failed; at += 1 + at / 12) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        struct pare_genome *genome = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1));
        memory.fail_at = memory.count + at;
        pare_status status =
            open_with(ctx, "joint=true trait=y,z max-picks=2 background=false folds=2", &genome);
        failed = status != PARE_OK;
        memory.fail_at = -1;
        assert_true(!failed || status == PARE_ERROR_MEMORY);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
    plink_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_effect),
        cmocka_unit_test(test_criterion),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_order_and_threads),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
