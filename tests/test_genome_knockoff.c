/* Stop rule knockoff: few of its claims are false over repeated studies, most planted variants are
 * found, relatives are refused, the answer does not depend on the number of threads. */
#include "folder_support.h"
#include "genome_support.h"

#include "problem/genome/analyse.h"

enum { SAMPLES = 400, VARIANTS = 300, CAUSAL = 15 };

/* Every twentieth variant has an effect; the odd ones repeat those before them for most samples.
 * `relatives`: the last samples repeat the first ones. */
static void write_study(uint64_t seed, bool relatives) {
    plink_files f = plink_make(SAMPLES, VARIANTS, 0, true, seed);
    if (relatives) {
        for (int64_t j = 0; j < VARIANTS; j++) {
            uint8_t *bits = f.bed + 3 + j * f.stride;
            memcpy(bits + f.stride - 2, bits, 2);
        }
    }
    plink_write(&f, "x");
    FILE *file = fopen("x.bim", "w"); /* pairs stand on one chromosome */
    assert_non_null(file);
    for (int j = 0; j < VARIANTS; j++) {
        fprintf(file, "%d v%d 0 %d A G\n", 1 + j / 200, j, j);
    }
    assert_int_equal(fclose(file), 0);
    file = fopen("p.txt", "w");
    assert_non_null(file);
    for (int i = 0; i < SAMPLES; i++) {
        double y = pare_random_normal(seed, 7, (uint64_t)i);
        for (int c = 0; c < CAUSAL; c++) {
            y += 0.5 * f.call[20 * c * SAMPLES + i];
        }
        fprintf(file, "f%d s%d %.9g\n", i / 2, i, y);
    }
    assert_int_equal(fclose(file), 0);
    plink_free(&f);
}

static pare_status claim(pare_context *ctx, const char *rate, pare_genome **genome,
                         pare_claims *out) {
    char set[64];
    bool some[SAMPLES];
    pare_choice_made made = {0};
    *out = (pare_claims){0};
    snprintf(set, sizeof set, "stop=knockoff background=false fdr=%s", rate);
    pare_status status = study_open(ctx, set, genome);
    if (status == PARE_OK) {
        pare_trait_samples(*genome, &(*genome)->traits.trait[0], some);
        status = pare_choice_begin(*genome, &(*genome)->traits.trait[0], some, true, true, &made);
    }
    if (status == PARE_OK) {
        status = pare_knockoff_claims(*genome, &made, (*genome)->options.fdr, 5, out);
        pare_choice_made_clear(ctx, &made);
    }
    return status;
}

static void test_rate(void **state) {
    (void)state;
    enum { STUDIES = 8 };
    double share = 0, power = 0;
    for (uint64_t study = 0; study < STUDIES; study++) {
        pare_context *ctx = NULL;
        pare_genome *genome = NULL;
        pare_claims claims;
        double found = 0;
        write_study(100 + study, false);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, claim(ctx, "0.2", &genome, &claims));
        assert_in_range(claims.clusters, VARIANTS / 2, VARIANTS / 2 + 10); /* pairs are one */
        for (int64_t c = 0; c < claims.count; c++) {
            found += genome->genotypes.keep[claims.pick[c]] % 20 <= 1;
        }
        share += claims.count > 0 ? 1 - found / (double)claims.count : 0;
        power += found / CAUSAL;
        pare_free(ctx, claims.pick);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
    }
    /* The standard error of the mean of 8 is about 0.04. */
    assert_true(share / STUDIES < 0.3);
    assert_true(power / STUDIES > 0.8);
}

static void test_threads(void **state) {
    (void)state;
    pare_claims claims[2];
    write_study(1, false);
    for (int t = 0; t < 2; t++) {
        pare_context *ctx = NULL;
        pare_genome *genome = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1 + 2 * t));
        assert_ok(ctx, claim(ctx, "0.2", &genome, &claims[t]));
        if (t == 1) {
            assert_int_equal(claims[0].count, claims[1].count);
            assert_true(claims[0].threshold == claims[1].threshold && claims[0].count > 5);
        }
        pare_free(ctx, claims[t].pick);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
    }
}

static void test_relatives(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_genome *genome = NULL;
    pare_claims claims;
    write_study(2, true);
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_int_equal(claim(ctx, "0.2", &genome, &claims), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(ctx), "the relationship of 8 pairs is above"));
    pare_genome_free(genome);
    pare_context_destroy(ctx);
}

static void test_allocation_failures(void **state) {
    (void)state;
    write_study(3, false);
    bool failed = true;
    for (int64_t at = 0; failed; at += 1 + at / 10) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_genome *genome = NULL;
        pare_claims claims;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1));
        memory.fail_at = memory.count + at;
        pare_status status = claim(ctx, "0.2", &genome, &claims);
        failed = status != PARE_OK;
        memory.fail_at = -1;
        assert_int_equal(status, failed ? PARE_ERROR_MEMORY : PARE_OK);
        pare_free(ctx, claims.pick);
        pare_genome_free(genome);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate), cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_relatives),
                                       cmocka_unit_test(test_allocation_failures)};
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
