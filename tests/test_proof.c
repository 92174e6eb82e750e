/*
 * Proofs as a user meets them: certificates through the program and its files, stability
 * selection, knockoffs, promises on held-out rows, comparison of methods; what is refused.
 */
#include "cli_support.h"

#include <math.h>

/* The number behind `key` in the last output, NaN if there is none. */
static double number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? strtod(at + strlen(key), NULL) : (double)NAN;
}

static void says(int code, int expected, const char *piece) {
    if (code != expected || !strstr(cli_out, piece)) {
        fail_msg("exit code %d (expected %d), '%s' wanted; said: %s%s", code, expected, piece,
                 cli_out, cli_err);
    }
}

static void refuses(const char *arguments, const char *piece) {
    int code = cli_run(arguments);
    if (code != 2 || !strstr(cli_err, piece)) {
        fail_msg("%s: exit code %d, '%s' wanted; said: %s", arguments, code, piece, cli_err);
    }
}

static void certificate_travels_with_the_selection(void **state) {
    (void)state;
    folder_empty();
    cli_write_table("t.csv", 300, 12);
    int code = cli_run("select t.csv --target class -k 3 --method omp --no-compare --certify "
                       "--certify-ridge 0.1 --out s.json --report r.html");
    says(code, 0, "proved: with a linear model and ridge 0.1 per row, these reach at least");
    assert_non_null(strstr(cli_out, "in every optimum"));
    static char json[CLI_TEXT_MAX], again[CLI_TEXT_MAX], html[CLI_TEXT_MAX];
    cli_read("s.json", json);
    double fraction = number_after(json, "\"fraction\": ");
    assert_true(fraction > 0.99 && fraction <= 1);
    cli_read("r.html", html);
    assert_non_null(strstr(html, "What is proved"));
    /* The file alone says what is needed; a larger ridge gives another problem. */
    code = cli_run("certify s.json t.csv --certify-ridge 1 --out again.json");
    says(code, 0, "ridge 1 per row");
    cli_read("again.json", again);
    assert_true(number_after(again, "\"ridge\": ") == 1);
    /* A list of names, wherever it comes from. */
    cli_write("names.txt", "c0\nc1\r\n\nc7\n", 11);
    code = cli_run("certify names.txt t.csv --target class --certify-ridge 0.1");
    says(code, 0, "proved: with a linear model");
    assert_non_null(strstr(cli_out, "a better subset was met"));
    code = cli_run("certify s.json t.csv --certify-seconds 1e-9");
    says(code, 0, "last valid bound");
}

static void certificate_refuses(void **state) {
    (void)state;
    folder_empty();
    cli_write_table("t.csv", 60, 4);
    cli_write("names.txt", "c0\nhuhu\n", 8);
    refuses("certify names.txt t.csv --target class", "'huhu' is no candidate");
    cli_write("names.txt", "c0\nc0\n", 6);
    refuses("certify names.txt t.csv --target class", "named twice");
    cli_write("names.txt", "\n", 1);
    refuses("certify names.txt t.csv --target class", "no names");
    cli_write("names.txt", "c0\n", 3);
    refuses("certify names.txt t.csv --target class --certify-ridge 0", "must be positive");
    refuses("certify nothing.json t.csv", "cannot be opened");
    refuses("select t.csv --target class -k 5 --method omp --certify", "from 1 to 4");
    cli_write("flat.csv", "a,b,y\n1,5,3\n2,4,3\n3,3,3\n4,2,3\n5,2,3\n6,2,3\n", 42);
    refuses("select flat.csv --target y --task regression -k 1 --method omp --certify "
            "--validation 0",
            "constant");
}

static void methods_are_compared(void **state) {
    (void)state;
    folder_empty();
    cli_write_table("t.csv", 200, 8);
    int code = cli_run("compare t.csv --target class -k 3 --methods omp,anova-f,random --seeds 2 "
                       "--refit-epochs 5 --out c.json --report c.html");
    says(code, 0, "anova-f");
    assert_non_null(strstr(cli_out, "all columns"));
    static char json[CLI_TEXT_MAX], html[CLI_TEXT_MAX];
    cli_read("c.json", json);
    assert_non_null(strstr(json, "\"format\": \"pare comparison\""));
    /* The first method finds the three columns in both splits. */
    assert_true(number_after(json, "\"overlap\": ") == 1);
    assert_true(number_after(json, "\"memory\": ") > 0);
    cli_read("c.html", html);
    assert_non_null(strstr(html, "</svg>"));
    refuses("compare t.csv --target class -k 3 --methods omp,huhu", "no method 'huhu'");
    refuses("compare t.csv --target class -k 3 --seeds 0", "option seeds");
    refuses("compare t.csv --target class", "option k is missing");
}

/* A name in UTF-8 stays as it is; bytes that are not become U+10FE00 + byte, as in selections. */
static void names_in_json_are_utf8(void **state) {
    (void)state;
    static char json[CLI_TEXT_MAX];
    static const struct {
        const char *file, *text;
    } names[] = {{"zählung.csv", "\"data\": \"zählung.csv\""},
                 {"z\xe4hl.csv", "\"data\": \"z\xf4\x8f\xbb\xa4hl.csv\""}};
    folder_empty();
    for (int i = 0; i < 2; i++) {
        char command[200];
        cli_write_table(names[i].file, 100, 4);
        snprintf(command, sizeof command,
                 "compare %s --target class -k 1 --methods random --seeds 1 --refit-epochs 1 --out "
                 "c.json",
                 names[i].file);
        says(cli_run(command), 0, "all columns");
        cli_read("c.json", json);
        assert_non_null(strstr(json, names[i].text));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_travels_with_the_selection),
        cmocka_unit_test(certificate_refuses),
        cmocka_unit_test(methods_are_compared),
        cmocka_unit_test(names_in_json_are_utf8),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
