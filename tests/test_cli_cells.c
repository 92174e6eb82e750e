/* `pare panel` and `pare chem` told something wrong: exit 2, one sentence that names it, and none
 * of their outputs there, not even in part. */
#include "cli_support.h"

#include <string.h>

static void write_files(void) {
    FILE *matrix = fopen("m.mtx", "w"), *label = fopen("type.csv", "w");
    assert_true(matrix && label);
    fprintf(matrix, "%%%%MatrixMarket matrix coordinate real general\n4 12 24\n");
    fprintf(label, "type,batch\n");
    for (int i = 0; i < 12; i++) {
        fprintf(matrix, "%d %d 2\n%d %d 1\n", 1 + i % 2, i + 1, 3 + i / 2 % 2, i + 1);
        fprintf(label, "%s,%d\n", i % 2 ? "B" : "T", i % 3);
    }
    assert_int_equal(fclose(matrix) | fclose(label), 0);
    cli_write("m.mtx.genes.txt", "CD19\nCD3E\nLYZ\nPPBP\n", 20);
    cli_write("have.txt", "CD19\nCD99\n", 10);
    cli_write("bad.mtx", "%%MatrixMarket matrix coordinate real general\n4 12 1\n9 1 5\n", 59);
    cli_write("bad.mtx.genes.txt", "CD19\nCD3E\nLYZ\nPPBP\n", 20);
    cli_write("y.csv", "smiles,y\nCC,1\nCO,2\n", 19);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *arguments, *says;
    } cases[] = {
        {"panel m.mtx --label type.csv:kind -k 2", "no column 'kind'"},
        {"panel m.mtx --label type.csv:type -k 2 --batch-key type.csv:lane", "no column 'lane'"},
        {"panel m.mtx --label type.csv:type -k 2 --have have.txt", "not in the data (first: CD99)"},
        {"panel m.mtx --label type.csv:type -k 9", "9 genes are wanted"},
        {"panel m.mtx --label type.csv:type -k 2 --selector network --min-per-type 1", "network"},
        {"panel bad.mtx --label type.csv:type -k 2", "bad.mtx line 3"},
        {"panel none.h5ad --label type -k 2", "none.h5ad"},
        {"chem y.csv --target z -k 2", "z"},
        {"chem none.csv --target y -k 2", "none.csv"},
        {"chem y.csv --target y -k 2 --fingerprints none.npz", "none.npz"},
        {"chem y.csv --target y -k 2 --toolkit none.so", "none.so"},
    };
    write_files();
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        char command[512];
        snprintf(command, sizeof command, "%s --out o --report r.html", cases[c].arguments);
        const int code = cli_run(command);
        const char *end = strchr(cli_err, '\n');
        if (code != 2 || !strstr(cli_err, cases[c].says)) {
            fail_msg("%s: %d, '%s' does not say '%s'", command, code, cli_err, cases[c].says);
        }
        assert_non_null(end);
        assert_int_equal(cli_count("o.") + cli_count("r.html"), 0);
    }
}

static void test_written(void **state) {
    (void)state;
    write_files();
    assert_int_equal(cli_run("panel m.mtx --label type.csv:type --batch-key type.csv:batch -k 2 "
                             "--out o --report r.html"),
                     0);
    assert_non_null(strstr(cli_out, "agreement of the folds"));
    assert_true(cli_exists("o.genes.tsv") && cli_exists("o.json") && cli_exists("r.html"));
    assert_int_equal(cli_count("o.") + cli_count("r.html"), 3);
    cli_read("r.html", cli_out);
    assert_non_null(strstr(cli_out, "</html>"));
    assert_non_null(strstr(cli_out, "The batches"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
