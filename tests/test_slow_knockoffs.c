/* The false discovery rate over 200 simulated data sets, for each kind of copy, with the power
 * beside that of the lasso with cross-validated penalty at its own, uncontrolled rate. */
#include "knockoff_support.h"

enum { SETS = 200 };
static const double level = 0.1;

static void false_discoveries_stay_below(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    static const struct {
        const char *name, *knockoffs, *copies, *importance;
        double rho;
        int sets;
    } cases[] = {
        {"gaussian, mvr, lasso", "gaussian", "mvr", "lasso", 0, SETS},
        {"gaussian, mvr, lasso, rho 0.5", "gaussian", "mvr", "lasso", 0.5, SETS},
        {"gaussian, equicorrelated, lasso, rho 0.5", "gaussian", "equicorrelated", "lasso", 0.5,
         SETS},
        {"fixed-X, mvr, lasso, rho 0.5", "fixed", "mvr", "lasso", 0.5, SETS},
        {"gaussian, mvr, omp, rho 0.5", "gaussian", "mvr", "omp", 0.5, SETS},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const char *const options[][2] = {{"fdr", "0.1"},
                                          {"knockoffs", cases[c].knockoffs},
                                          {"knockoff-copies", cases[c].copies},
                                          {"importance", cases[c].importance},
                                          {NULL, NULL}};
        double share = 0, square = 0, power = 0;
        for (int i = 0; i < cases[c].sets; i++) {
            sim_add(sim_select(ctx, 1000 + (uint64_t)i, cases[c].rho, 0.2, options), &share,
                    &square, &power);
        }
        sim_rates r = sim_rates_of(cases[c].sets, share, square, power);
        printf("%-42s FDR %.3f +- %.3f, power %.3f\n", cases[c].name, r.fdr, r.error, r.power);
        (void)fflush(stdout);
        assert_true(r.fdr <= level + 3 * r.error);
        assert_true(r.power > 0.3);
    }
    for (int c = 0; c < 2; c++) {
        double share = 0, square = 0, power = 0;
        for (int i = 0; i < SETS / 4; i++) {
            sim_add(sim_lasso(ctx, 1000 + (uint64_t)i, 0.5 * c, 0.2), &share, &square, &power);
        }
        sim_rates r = sim_rates_of(SETS / 4, share, square, power);
        printf("lasso, cross-validated, rho %.1f               FDR %.3f +- %.3f, power %.3f\n",
               0.5 * c, r.fdr, r.error, r.power);
    }
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(false_discoveries_stay_below)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
