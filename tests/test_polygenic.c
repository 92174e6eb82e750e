/* Polygenic scores against plain sums: swapped and complementary alleles, missing calls, what is
 * left out and what is refused. */
#include "cli_support.h"
#include "genome_support.h"

enum { SAMPLES = 37, VARIANTS = 301 };

/* Alleles by variant: named as in the genotypes (A/G), swapped, on the other strand, both; every
 * eleventh id is unknown, every thirteenth has other alleles. */
static void write_weights(const plink_files *f, bool frequency, double *value) {
    static const char *const pair[4] = {"A\tG", "G\tA", "T\tC", "C\tT"};
    FILE *file = fopen("w.tsv", "w");
    assert_non_null(file);
    fprintf(file, "ID\tA1\tA2\tWEIGHT%s\n", frequency ? "\tA1_FREQ" : "");
    for (int j = 0; j < f->variants; j++) {
        bool absent = j % 11 == 10, other = j % 13 == 12 && !absent;
        value[j] = pare_random_normal(3, 1, (uint64_t)j);
        fprintf(file, "%s%d\t%s\t%.17g", absent ? "u" : "v", j, other ? "A\tC" : pair[j % 4],
                value[j]);
        fprintf(file, frequency ? "\t0.25\n" : "\n");
        value[j] = absent || other ? 0 : value[j];
    }
    assert_int_equal(fclose(file), 0);
}

/* The score by definition. */
static double slow_score(const plink_files *f, bool frequency, const double *value, int i) {
    double sum = 0;
    for (int64_t j = 0; j < f->variants; j++) {
        double mean = 0, called = 0;
        for (int64_t s = 0; s < f->samples; s++) {
            int call = f->call[j * f->samples + s];
            called += call >= 0;
            mean += call >= 0 ? call : 0;
        }
        int call = f->call[j * f->samples + i];
        double copies = call >= 0 ? call : mean / called;
        copies = j % 2 == 1 ? 2 - copies : copies;
        copies = call < 0 && frequency ? 0.5 : copies;
        sum += value[j] * copies;
    }
    return sum;
}

static void against_plain_sums(void **state) {
    (void)state;
    static char text[CLI_TEXT_MAX];
    double value[VARIANTS];
    for (int missing = 0; missing < 8; missing += 7) {
        for (int frequency = 0; frequency < 2; frequency++) {
            plink_files f = plink_make(SAMPLES, VARIANTS, missing, false, 8);
            plink_write(&f, "x");
            write_weights(&f, frequency, value);
            assert_int_equal(cli_run("score w.tsv --bfile x --out s.tsv"), 0);
            assert_non_null(strstr(cli_out, "scored by 253 of 301 weights"));
            assert_non_null(strstr(cli_out, "27 not in the genotypes, 21 with other alleles"));
            assert_non_null(
                strstr(cli_err, "27 of 301 variants are not in x.bim (first: u10, u21"));
            cli_read("s.tsv", text);
            char *line = strchr(text, '\n') + 1;
            for (int i = 0; i < SAMPLES; i++) {
                char family[16], id[16];
                int alleles = 0, dosage = 0, wanted = 0, called = 0;
                double average = 0, sum = 0, exact = slow_score(&f, frequency, value, i);
                assert_int_equal(sscanf(line, "%15s %15s %d %d %lf %lf\n", family, id, &alleles,
                                        &dosage, &average, &sum),
                                 6);
                for (int j = 0; j < VARIANTS; j++) {
                    int call = f.call[j * SAMPLES + i];
                    bool used = value[j] != 0 && call >= 0;
                    called += used;
                    wanted += used ? (j % 2 == 1 ? 2 - call : call) : 0;
                }
                assert_int_equal(alleles, 2 * called);
                assert_int_equal(dosage, wanted);
                assert_true(fabs(sum - exact) < 1e-4 && fabs(average - exact / 506) < 1e-6);
                line = strchr(line, '\n') + 1;
            }
            plink_free(&f);
        }
    }
    folder_empty();
}

static void ambiguous_alleles(void **state) {
    (void)state;
    write_words("y.fam", "1 a 0 0 1 -9\n1 b 0 0 1 -9\n1 c 0 0 1 -9\n");
    write_words("y.bim", "1 p 0 1 A T\n1 q 0 2 A G\n1 r 0 3 AC GT\n1 s 0 4 0 T\nX t 0 5 A G\n");
    write_bytes("y.bed", "\x6c\x1b\x01\x38\x38\x38\x3f\x38", 8); /* calls 2 1 0; of s 0 0 0 */
    write_words("w.txt", "p T 1\nq A 10\nr AC 100\ns T 1000\nt A 5\n");
    assert_int_equal(cli_run("score w.txt --bfile y"), 0);
    assert_non_null(strstr(cli_out, "1\ta\t8\t6\t"));
    assert_non_null(strstr(cli_out, "\t2220\n"));
    assert_non_null(strstr(cli_out, "\t2111\n"));
    assert_non_null(strstr(cli_out, "\t2002\n"));
    assert_non_null(strstr(cli_err, "2 swapped alleles, 0 on the other strand, 2 ambiguous"));
    assert_non_null(strstr(cli_err, "1 variants on sex chromosomes"));
    assert_int_equal(cli_run("score w.txt --bfile y --ambiguous drop"), 0);
    assert_non_null(strstr(cli_out, "\t2020\n"));
    write_words("w.txt", "SNP effect_allele BETA allelefrequency_effect\np T 1 0.9\n");
    write_bytes("y.bed", "\x6c\x1b\x01\x20\x38\x38\x3f\x38", 8); /* p: 2 2 1 */
    assert_int_equal(cli_run("score w.txt --bfile y --keep k.txt"), 2);
    write_words("k.txt", "b\n");
    assert_int_equal(cli_run("score w.txt --bfile y --quiet --out s.tsv"), 0);
    assert_int_equal(cli_run("score w.txt --bfile y --keep k.txt"), 0);
    assert_non_null(strstr(cli_err, "1 ambiguous strand (1 of them doubtful"));
    assert_null(strstr(cli_out, "\ta\t"));
    folder_empty();
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *weights, *says;
        int code;
    } cases[] = {
        {"v1 A 1\nv2 A 1\nv1 A 2\n", "w.txt row 3: variant 'v1' has a weight twice", 2},
        {"v1 A x\n", "no columns ID, A1 and WEIGHT", 2},
        {"ID A1 WEIGHT\nv1 A 1\nv2 A x\n", "w.txt row 3: weight 'x' of variant 'v2'", 2},
        {"ID A1 WEIGHT\nv1 A inf\n", "is not a number", 2},
        {"a A 1\nb A 1\n", "2 ids are not in x.bim, 0 have other alleles there (first: a, b)", 2},
        {"v1 C 1\nv2 A 1 1\n", "w.txt line 2: 4 fields, expected 3", 2},
        {"v1 AT 1\n", "0 ids are not in x.bim, 1 have other alleles there (first: v1)", 2},
        {"", "the file is empty", 2},
    };
    plink_files f = plink_make(20, 10, 0, false, 2);
    plink_write(&f, "x");
    plink_free(&f);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        write_words("w.txt", cases[c].weights);
        int code = cli_run("score w.txt --bfile x --out o.tsv");
        if (code != cases[c].code || !strstr(cli_err, cases[c].says)) {
            fail_msg("%s: code %d: %s", cases[c].weights, code, cli_err);
        }
        assert_false(cli_exists("o.tsv"));
    }
    write_words("w.txt", "v1 A 1\n");
    assert_int_equal(cli_run("score w.txt"), 2);
    assert_non_null(strstr(cli_err, "option bfile is missing"));
    assert_int_equal(cli_run("score none.txt --bfile x"), 2);
    assert_int_equal(cli_run("score w.txt --bfile x --out nowhere/o"), 3);
    write_words("x.bim", "1 v1 0 1 A G\n1 v1 0 2 A G\n1 w 0 3 A G\n1 w 0 4 A G\n1 a 0 5 A G\n"
                         "1 b 0 6 A G\n1 c 0 7 A G\n1 d 0 8 A G\n1 e 0 9 A G\n1 f 0 10 A G\n");
    assert_int_equal(cli_run("score w.txt --bfile x"), 2);
    assert_non_null(strstr(cli_err, "x.bim: variant id 'v1', which has a weight, occurs twice"));
    folder_empty();
}

static pare_status score_all(pare_context *ctx) {
    pare_config *config = NULL;
    pare_polygenic *scores = NULL;
    const char *text = NULL;
    pare_status status = pare_config_create(ctx, &config);
    if (status == PARE_OK) {
        status = pare_config_set(config, "bfile", "x");
    }
    if (status == PARE_OK) {
        status = pare_polygenic_create(ctx, "w.tsv", config, &scores);
    }
    if (status == PARE_OK) {
        status = pare_polygenic_text(scores, &text);
    }
    if (status == PARE_OK) {
        status = pare_polygenic_save(scores, "s.tsv");
    }
    pare_polygenic_destroy(scores);
    pare_config_destroy(config);
    return status;
}

static void without_memory(void **state) {
    (void)state;
    double value[VARIANTS];
    plink_files f = plink_make(SAMPLES, VARIANTS, 7, false, 8);
    plink_write(&f, "x");
    write_weights(&f, true, value);
    plink_free(&f);
    bool done = false;
    for (int64_t at = 0; !done; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        memory.fail_at = memory.count + at;
        pare_status status = score_all(ctx);
        done = memory.count <= memory.fail_at;
        if (done || status != PARE_OK) { /* a warning may go unsaid */
            assert_int_equal(status, done ? PARE_OK : PARE_ERROR_MEMORY);
        }
        memory.fail_at = -1;
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
        assert_true(at < 1000);
    }
    folder_empty();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_plain_sums),
                                       cmocka_unit_test(ambiguous_alleles),
                                       cmocka_unit_test(refuses), cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
