/* `pare genome` from files to files, and what it refuses: exit code, one sentence, nothing left. */
#include "cli_support.h"
#include "genome_support.h"

static void write_study(void) {
    plink_files f = plink_make(120, 60, 31, false, 5);
    FILE *file = fopen("p.csv", "w");
    assert_non_null(file);
    plink_write(&f, "x");
    fprintf(file, "id,y,z,sex,flat\n");
    for (int i = 0; i < 120; i++) {
        double y = 2.0 * f.call[7 * 120 + i] + 0.3 * pare_random_normal(1, 1, (uint64_t)i);
        fprintf(file, "s%d,%g,%g,%s,1\n", i, y, pare_random_normal(1, 2, (uint64_t)i),
                i % 3 ? "F" : "M");
    }
    assert_int_equal(fclose(file), 0);
    plink_free(&f);
}

static void from_files_to_files(void **state) {
    (void)state;
    static char text[CLI_TEXT_MAX];
    write_study();
    assert_int_equal(cli_run("genome --bfile x --pheno p.csv --trait y,z --covar sex --folds 2 "
                             "--scan --out o --report r.html"),
                     0);
    assert_non_null(strstr(cli_out, "v7"));
    cli_read("o.path.tsv", text);
    assert_non_null(strstr(text, "y\t1\tv7\t2\t7000\tA\tG\t1\t0\t"));
    assert_non_null(strstr(text, "z\t0\tNA"));
    cli_read("o.y.weights.tsv", text);
    assert_non_null(strstr(text, "ID\tA1\tWEIGHT\t"));
    assert_non_null(strstr(text, "v7\tA\t"));
    cli_read("o.json", text);
    assert_non_null(strstr(text, "\"heritability_before\""));
    assert_non_null(strstr(text, "\"r2_background_alone\""));
    assert_true(cli_exists("o.credible.tsv") && cli_exists("o.proxies.tsv") &&
                cli_exists("o.z.scan.tsv"));
    assert_int_equal(cli_count("o."), 8);
    cli_read("r.html", text);
    assert_non_null(strstr(text, "</html>"));
    assert_non_null(strstr(text, "v7</bdi>"));
    assert_non_null(strstr(text, "class=\"pick\""));
    assert_non_null(strstr(text, "Nogueira"));
    folder_empty();
}

/* Variants 8 and 9 take the id of 7; the study goes on. */
static void tells_repeated_ids(void **state) {
    (void)state;
    static char text[CLI_TEXT_MAX];
    write_study();
    cli_read("x.bim", text);
    char *eight = strstr(text, "\tv8\t"), *nine = strstr(text, "\tv9\t");
    assert_true(eight && nine);
    eight[2] = nine[2] = '7';
    write_words("x.bim", text);
    assert_int_equal(cli_run("genome --bfile x --pheno p.csv --trait y"), 0);
    assert_non_null(
        strstr(cli_err, "x.bim: 2 of 60 variants repeat the id of another, 'v7' first"));
    folder_empty();
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *arguments, *says;
        int code;
    } cases[] = {
        {"", "option bfile is missing", 2},
        {"--bfile nothing", "nothing.fam", 2},
        {"--bfile x", "x.fam: the phenotype column is all missing", 2},
        {"--bfile x --pheno none.csv", "none.csv", 2},
        {"--bfile x --pheno p.csv --trait flat", "the same for all samples", 2},
        {"--bfile x --pheno p.csv --trait sex", "holds 'M'", 2},
        {"--bfile x --pheno p.csv --trait y --covar q", "no covariate 'q'", 2},
        {"--bfile x --pheno p.csv --trait y --force rs1", "variant 'rs1'", 2},
        {"--bfile x --pheno p.csv --trait y --force v7 --forbid v7", "both forced and forbidden",
         2},
        {"--bfile x --pheno p.csv --trait y --maf 0.6", "option maf", 2},
        {"--bfile x --pheno p.csv --trait y --maf 0.5", "none of 60 variants passes", 2},
        {"--bfile x --pheno p.csv --trait y --folds 1", "option folds", 2},
        {"--bfile x --pheno p.csv --trait y --keep p.none", "p.none", 2},
        {"--bfile x --pheno p.csv --trait y --out nowhere/o", "cannot be written", 3},
    };
    write_study();
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        char arguments[512];
        bool out = strstr(cases[c].arguments, "--out") != NULL;
        snprintf(arguments, sizeof arguments, "genome --quiet %s %s", out ? "" : "--out o",
                 cases[c].arguments);
        int code = cli_run(arguments);
        if (code != cases[c].code || !strstr(cli_err, cases[c].says)) {
            fail_msg("%s: code %d: %s", cases[c].arguments, code, cli_err);
        }
        assert_int_equal(cli_count("o."), 0);
    }
    folder_empty();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_files_to_files),
                                       cmocka_unit_test(tells_repeated_ids),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
