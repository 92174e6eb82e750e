/* Everything that can be wrong with the arguments and files: the documented exit code, one
 * sentence on standard error that says where and what was expected, and no output left behind. */
#include "cli_support.h"

/* Where the program is too large under a sanitizer to limit its memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

typedef struct bad_case {
    const char *name;
    const char *content; /* of the file `f`; NULL: the file is not there */
    int64_t length;      /* 0: up to the final zero */
    const char *arguments;
    const char *says[3]; /* pieces of the sentence */
} bad_case;

#define IDX_IMAGES "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02" /* 2 images of 2 x 2 */

static const char good[] = "a,b,y\n1,5,0\n2,4,1\n3,3,0\n4,2,1\n5,1,0\n6,0,1\n7,8,0\n8,7,1\n";
static const char gaps[] = "a,b,y\n1,5,\n2,4,NA\n3,3,?\n4,2,nan\n5,1,\n6,0,\n";

static const bad_case cases[] = {
    /* Files. */
    {"missing file", NULL, 0, "f -k 1", {"f", "cannot be opened"}},
    {"empty file", "", 0, "f -k 1", {"f", "empty"}},
    {"blank lines", "\n\n", 0, "f -k 1 --format csv", {"f"}},
    {"header only", "a,b,y\n", 0, "f -k 1", {"f", "row"}},
    {"one row", "a,b,y\n1,2,0\n", 0, "f -k 1 --header yes", {"f"}},
    {"one row after all", "a,b,y\n1,2,0\n", 0, "f -k 1 --header yes --validation 0", {"f"}},
    {"ragged row, short", "a,b,y\n1,2,0\n1,2\n", 0, "f -k 1", {"f line 3", "2", "3"}},
    {"ragged row, long", "a,b,y\n1,2,0\n1,2,0\n1,2,0,9\n", 0, "f -k 1", {"f line 4", "4", "3"}},
    {"open quote", "a,b,y\n1,\"2,0\n1,2,0\n", 0, "f -k 1", {"f line", "quote"}},
    {"infinite value", "a,b,y\n1,5,0\n2,inf,1\n3,3,0\n4,1,1\n", 0, "f -k 1", {"f line 3", "'b'"}},
    {"too large value", "a,b,y\n1,5,0\n2,1e99,1\n3,3,0\n4,1,1\n", 0, "f -k 1", {"f line 3", "'b'"}},
    {"header names twice",
     "a,a,y\n1,5,0\n2,4,1\n3,3,0\n",
     0,
     "f -k 1",
     {"f line 1", "'a'", "different names"}},
    {"folder", NULL, 0, ". -k 1", {"."}},
    {"gz truncated", "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\xd4", 12, "f -k 1 --format csv", {"f"}},
    {"gz damaged",
     "\x1f\x8b\x08\0\0\0\0\0\0\x03garbage, not deflate",
     30,
     "f -k 1 --format csv",
     {"f"}},
    {"IDX magic",
     "\0\0\x99\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02zzzzzzzz",
     24,
     "f -k 1 --format idx",
     {"f"}},
    {"IDX too short", IDX_IMAGES "zzz", 19, "f -k 1 --format idx --target-file f", {"f"}},
    {"IDX too long", IDX_IMAGES "zzzzzzzzzzz", 27, "f -k 1 --format idx --target-file f", {"f"}},
    {"NPY magic", "\x93NUMPX\1\0", 8, "f -k 1 --format npy", {"f"}},
    {"libsvm index 0", "1 1:2 3:4\n0 0:1\n", 0, "f -k 1 --format libsvm", {"f line 2", "0"}},
    {"libsvm not ascending",
     "1 1:2 3:4\n0 3:1 2:5\n",
     0,
     "f -k 1 --format libsvm",
     {"f line 2", "ascending"}},
    {"libsvm no colon", "1 1:2 3:4\n0 3\n", 0, "f -k 1 --format libsvm", {"f line 2"}},
    {"libsvm bad label", "one 1:2 3:4\n0 3:1\n", 0, "f -k 1 --format libsvm", {"f line 1"}},
    /* Roles of columns. */
    {"target absent", good, 0, "f -k 1 --target clas", {"target", "'clas'"}},
    {"target number absent", good, 0, "f -k 1 --target 3", {"target", "3"}},
    {"target twice", good, 0, "f -k 1 --target y,y", {"target", "'y'", "twice"}},
    {"target constant", "a,b,y\n1,5,0\n2,4,0\n3,3,0\n4,2,0\n", 0, "f -k 1", {"'y'", "constant"}},
    {"target all missing", gaps, 0, "f -k 1 --target y", {"'y'", "missing"}},
    {"text target, numbers wanted",
     "a,b,y\n1,5,u\n2,4,v\n3,3,u\n4,2,v\n",
     0,
     "f -k 1 --task regression",
     {"'y'"}},
    {"text weight", "a,w,y\n1,x,0\n2,y,1\n3,x,0\n4,y,1\n", 0, "f -k 1 --weights w", {"'w'"}},
    {"negative weight",
     "a,w,y\n1,1,0\n2,-2,1\n3,1,0\n4,1,1\n",
     0,
     "f -k 1 --weights w",
     {"'w'", "-2"}},
    {"weights absent", good, 0, "f -k 1 --weights w", {"weights", "'w'"}},
    {"ignore absent", good, 0, "f -k 1 --ignore q", {"ignore", "'q'"}},
    {"ignore twice", good, 0, "f -k 1 --ignore a,a", {"ignore", "'a'", "twice"}},
    {"ignore the target", good, 0, "f -k 1 --ignore y --target y", {"'y'"}},
    {"split-by absent", good, 0, "f -k 1 --split-by m", {"split-by", "'m'"}},
    {"categorical absent", good, 0, "f -k 1 --categorical q", {"categorical", "'q'"}},
    {"nothing left", good, 0, "f -k 1 --ignore a,b", {"f"}},
    {"more classes than rows", "a,b,y\n1,5,p\n2,4,q\n3,3,r\n4,2,s\n", 0, "f -k 1", {"'y'", "4"}},
    {"groups unknown column", "one: a, q\n", 0, "g -k 1 --groups f", {"f line 1", "'q'"}},
    {"groups column twice", "one: a\ntwo: b, a\n", 0, "g -k 1 --groups f", {"f line 2", "'a'"}},
    {"groups no colon", "one a\n", 0, "g -k 1 --groups f", {"f line 1", "name: column"}},
    {"target file too short", "0\n1\n", 0, "g -k 1 --target-file f", {"f", "2", "8"}},
    {"test rows lack a column", "a,y\n1,0\n2,1\n", 0, "g -k 1 --test f", {"f", "'b'"}},
    {"test file missing", NULL, 0, "g -k 1 --test f", {"f", "cannot be opened"}},
    {"test target file without test rows", good, 0, "f -k 1 --test-target-file f", {"--test"}},
    /* Values of options. */
    {"k = 0", good, 0, "f -k 0", {"option k", "'0'"}},
    {"k > columns", good, 0, "f -k 3", {"option k", "'3'", "1 to 2"}},
    {"k not a number", good, 0, "f -k many", {"option k", "'many'"}},
    {"k missing", good, 0, "f", {"option k", "-k COUNT"}},
    {"k empty", good, 0, "f -k ''", {"option k"}},
    {"costs without budget", good, 0, "f -k 1 --costs a:2", {"option costs", "budget"}},
    {"negative cost", good, 0, "f --budget 3 --costs a:-2", {"option costs", "'a:-2'", "above 0"}},
    {"cost of no column", good, 0, "f --budget 3 --costs c:2", {"option costs", "'c'"}},
    {"budget below all", good, 0, "f --budget 0.5", {"option budget", "0.5", "'a', costs 1"}},
    {"budget of resources", good, 0, "f --budget bytes=1K", {"option budget", "'bytes=1K'"}},
    {"cost file missing", good, 0, "f --budget 3 --costs nope", {"nope", "cannot be opened"}},
    {"option without value", good, 0, "f -k", {"-k needs a value"}},
    {"option swallowed", good, 0, "f --target --quiet -k 1", {"--target needs a value"}},
    {"unknown option", good, 0, "f -k 1 --targt y", {"--targt", "--target"}},
    {"unknown letter", good, 0, "f -q 1", {"-q", "--help"}},
    {"value out of range", good, 0, "f -k 1 --validation 1.5", {"validation", "'1.5'", "0.9"}},
    {"value not a number", good, 0, "f -k 1 --seed 1x", {"seed", "'1x'"}},
    {"value nan", good, 0, "f -k 1 --dropout nan", {"dropout", "'nan'"}},
    {"value not a choice", good, 0, "f -k 1 --method best", {"method", "'best'", "omp"}},
    {"switch with bad value", good, 0, "f -k 1 --replace=maybe", {"replace", "'maybe'"}},
    {"bad hidden sizes", good, 0, "f -k 1 --hidden 5,x", {"hidden", "'5,x'"}},
    {"two files", good, 0, "f f -k 1", {"too many"}},
    {"no file", good, 0, "-k 1", {"file name is missing"}},
    {"include unknown", good, 0, "f -k 1 --include q", {"include", "'q'"}},
    {"include twice", good, 0, "f -k 2 --include a,a", {"include", "'a'", "twice"}},
    {"include more than k", good, 0, "f -k 1 --include a,b", {"include", "2", "k = 1"}},
    {"include and exclude", good, 0, "f -k 1 --include a --exclude a", {"'a'"}},
    {"replace not offered", good, 0, "f -k 1 --method lly --replace", {"replace", "lly"}},
    {"same output twice", good, 0, "f -k 1 --out o --report o", {"'o'"}},
};

static int count_sentences(const char *text) {
    int count = 0;
    for (const char *at = text; *at;) {
        count += strncmp(at, "pare: ", 6) == 0 && strncmp(at, "pare: warning: ", 15) != 0;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return count;
}

/* Every case is looked at before the test fails, so that one run shows all that is wrong. */
static int failures;

static void check_sentence(const char *name, int code, int wanted, const char *const *says) {
    if (code != wanted || count_sentences(cli_err) != 1) {
        print_error("%s: exit code %d, expected %d, and one sentence:\n%s\n", name, code, wanted,
                    cli_err);
        failures++;
        return;
    }
    const char *sentence = strstr(cli_err, "pare: ");
    while (strncmp(sentence, "pare: warning: ", 15) == 0) {
        sentence = strstr(sentence + 1, "pare: ");
    }
    for (int i = 0; i < 3 && says[i]; i++) {
        if (!strstr(sentence, says[i])) {
            print_error("%s: the sentence does not say \"%s\":\n%s\n", name, says[i], sentence);
            failures++;
        }
    }
}

static int start(void **state) {
    (void)state;
    failures = 0;
    return 0;
}

static int finish(void **state) {
    (void)state;
    folder_empty();
    return failures;
}

static void bad_input_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bad_case *bad = &cases[i];
        cli_write("g", good, strlen(good));
        if (bad->content) {
            cli_write("f", bad->content,
                      bad->length > 0 ? (size_t)bad->length : strlen(bad->content));
        }
        char arguments[512];
        snprintf(arguments, sizeof arguments, "select --out out.json --report out.html %s",
                 bad->arguments);
        int code = cli_run(arguments);
        check_sentence(bad->name, code, 2, bad->says);
        assert_string_equal(cli_out, "");
        if (cli_count("out") != 0) {
            print_error("%s: an output was left behind\n", bad->name);
            failures++;
        }
        folder_empty();
    }
}

static void commands_are_named(void **state) {
    (void)state;
    const char *const near[] = {"'selct'", "'select'", NULL}, *const far[] = {"--help", NULL};
    check_sentence("near", cli_run("selct f -k 1"), 2, near);
    check_sentence("far", cli_run("zzzzzzzz"), 2, far);
}

static void bad_outputs_are_found_first(void **state) {
    (void)state;
    const char *const nowhere[] = {"nowhere/s.json", "cannot be written", NULL};
    const char *const folder[] = {"/: cannot be written", NULL};
    /* The table does not exist: its absence would be the complaint if outputs came second. */
    check_sentence("out", cli_run("select f -k 1 --out nowhere/s.json"), 3, nowhere);
    check_sentence("report", cli_run("select f -k 1 --report /"), 3, folder);
    check_sentence("apply", cli_run("apply s.json f --out nowhere/s.json"), 3, nowhere);
    folder_empty();
}

static void full_disks_are_reported(void **state) {
    (void)state;
    cli_write_table("t.csv", 60, 4);
#define FEW "select t.csv -k 2 --method random --no-compare "
    const char *const full[] = {"cannot be written", NULL};
    check_sentence("table to a full disk", cli_run(FEW "> /dev/full"), 3, full);
    check_sentence("JSON to a full disk", cli_run(FEW "--json > /dev/full"), 3, full);
    check_sentence("out is full", cli_run(FEW "--out /dev/full"), 3, full);
    check_sentence("stdout closed", cli_run(FEW ">&-"), 3, full);
    check_sentence("help to a full disk", cli_run("--help > /dev/full"), 3, full);
    /* A file that may not grow is what a disk does when it fills up. */
    cli_write("s.json", "old", 3);
    check_sentence("file cannot grow",
                   cli_run_after("trap '' XFSZ; ulimit -f 1;", FEW "--out s.json"), 3, full);
    static char text[CLI_TEXT_MAX];
    cli_read("s.json", text);
    assert_string_equal(text, "old");
    assert_int_equal(cli_count("s.json"), 1);
    folder_empty();
}

static void memory_can_run_out(void **state) {
    (void)state;
    if (SANITIZED) {
        skip();
    }
    /* Ten million columns: the first layer alone needs 2.7 GB. */
    const char text[] = "1 1:1 5:2\n0 2:1 10000000:1\n1 1:2\n0 2:3 7:1\n1 1:1\n0 2:2\n";
    const char *const says[] = {"out of memory", NULL};
    cli_write("f", text, strlen(text));
    int code = cli_run_after("ulimit -v 1500000;", "select f -k 1 --format libsvm --out out.json");
    check_sentence("out of memory", code, 4, says);
    assert_int_equal(cli_count("out"), 0);
    folder_empty();
}

static void odd_columns_are_dropped_with_a_warning(void **state) {
    (void)state;
    const char text[] =
        "a,b,c,y\n1,,5,0\n2,,4,1\n3,NA,3,0\n4,,2,1\n5,,1,0\n6,,0,1\n7,,8,0\n8,,7,1\n";
    cli_write("f", text, strlen(text));
    assert_int_equal(cli_run("select f -k 2 --method random --no-compare --out s.json"), 0);
    assert_non_null(strstr(cli_err, "pare: warning: "));
    assert_non_null(strstr(cli_err, "'b'"));
    assert_null(strstr(cli_out, " b "));
    folder_empty();
}

static void apply_refuses_what_does_not_fit(void **state) {
    (void)state;
    cli_write_table("t.csv", 60, 4);
    assert_int_equal(
        cli_run("select t.csv -k 2 --include c1,c2 --method random --no-compare --out s.json"), 0);
    const char *const lacks[] = {"f", "'c", NULL}, *const none[] = {"cannot be opened", NULL},
                      *const json[] = {"f", NULL}, *const ragged[] = {"f line 3", NULL};
    cli_write("f", "c0,class\n1,low\n", 15);
    check_sentence("column missing", cli_run("apply s.json f --out o.csv"), 2, lacks);
    check_sentence("table missing", cli_run("apply s.json nothing --out o.csv"), 2, none);
    check_sentence("selection missing", cli_run("apply nothing t.csv --out o.csv"), 2, none);
    check_sentence("not JSON", cli_run("apply f t.csv --out o.csv"), 2, json);
    cli_write("f", "{}", 2);
    check_sentence("not a selection", cli_run("apply f t.csv --out o.csv"), 2, json);
    cli_write("f", "c1,c2,class\n1,2,low\n3,low\n", 26);
    check_sentence("ragged", cli_run("apply s.json f --out o.csv"), 2, ragged);
    check_sentence("one file", cli_run("apply s.json"), 2, (const char *const[]){"missing", NULL});
    assert_int_equal(cli_count("o.csv"), 0);
    check_sentence("full", cli_run("apply s.json t.csv > /dev/full"), 3,
                   (const char *const[]){"cannot be written", NULL});
    folder_empty();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_input_is_named, start, finish),
        cmocka_unit_test_setup_teardown(commands_are_named, start, finish),
        cmocka_unit_test_setup_teardown(bad_outputs_are_found_first, start, finish),
        cmocka_unit_test_setup_teardown(full_disks_are_reported, start, finish),
        cmocka_unit_test_setup_teardown(memory_can_run_out, start, finish),
        cmocka_unit_test_setup_teardown(odd_columns_are_dropped_with_a_warning, start, finish),
        cmocka_unit_test_setup_teardown(apply_refuses_what_does_not_fit, start, finish),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
