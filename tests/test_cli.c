/* The program end to end: what goes well, and what a person sees of it. Bad input: test_cli_bad.c.
 */
#include "cli_support.h"

#include <jansson.h>
#include <signal.h>

/* Little training: these tests are about the program, not about the choice. */
#define QUICK " --epochs 4 --refit-epochs 2 "

static json_t *read_json(const char *text) {
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    if (!root) {
        fail_msg("not JSON, line %d: %s", error.line, error.text);
    }
    return root;
}

static bool json_stopped(const char *name) {
    static char text[CLI_TEXT_MAX];
    cli_read(name, text);
    json_t *root = read_json(text);
    bool stopped = json_is_true(json_object_get(root, "stopped"));
    json_decref(root);
    return stopped;
}

static void select_and_apply(void **state) {
    (void)state;
    cli_write_table("t.csv", 300, 8);
    assert_int_equal(cli_run("select t.csv --target class -k 3 --out s.json --report r.html" QUICK),
                     0);
    assert_non_null(strstr(cli_out, "rank"));
    assert_non_null(strstr(cli_err, "s.json"));
    assert_null(strchr(cli_out, '\033'));
    assert_null(strchr(cli_err, '\033'));
    assert_null(strchr(cli_err, '\r'));
    static char text[CLI_TEXT_MAX];
    cli_read("r.html", text);
    assert_non_null(strstr(text, "<html"));

    assert_int_equal(cli_run("apply s.json t.csv --out small.csv"), 0);
    assert_string_equal(cli_out, "");
    cli_read("small.csv", text);
    int commas = 0;
    for (const char *at = text; *at && *at != '\n'; at++) {
        commas += *at == ',';
    }
    assert_int_equal(commas, 3); /* three chosen and the class */
    assert_non_null(strstr(text, "class\n"));

    assert_int_equal(cli_run("apply s.json t.csv"), 0);
    assert_string_equal(cli_out, text);
    folder_empty();
}

static void json_and_quiet(void **state) {
    (void)state;
    cli_write_table("t.csv", 120, 6);
    assert_int_equal(cli_run("select t.csv -k 2 --json --quiet --no-compare" QUICK), 0);
    json_decref(read_json(cli_out));
    assert_string_equal(cli_err, "");
    char first[CLI_TEXT_MAX];
    strcpy(first, cli_out);
    assert_int_equal(cli_run("select t.csv -k 2 --out - --no-compare" QUICK), 0);
    json_decref(read_json(cli_out));
    assert_int_equal(cli_run("select t.csv -k=2 --quiet --compare=false" QUICK), 0);
    assert_string_equal(cli_out, "");
    assert_string_equal(cli_err, "");
    assert_int_equal(cli_run_after("cat t.csv |", "select - -k2 --no-compare --json" QUICK), 0);
    json_decref(read_json(cli_out));
    folder_empty();
}

static void stops_at_the_time_limit(void **state) {
    (void)state;
    cli_write_table("t.csv", 300, 8);
    assert_int_equal(cli_run("select t.csv -k 4 --include c5 --epochs 1000000 --time-limit 0.2 "
                             "--no-compare --out s.json"),
                     0);
    assert_true(json_stopped("s.json"));
    assert_non_null(strstr(cli_err, "stopped early"));
    assert_int_equal(cli_run("select t.csv -k 4 --epochs 1000000 --time-limit 0.05 --out n.json"),
                     1);
    assert_false(cli_exists("n.json"));
    folder_empty();
}

/* Starts a selection that would take hours, with one column chosen from the outset, and sends
 * `number` once it reports progress. Returns the exit code. */
static int interrupt(int number) {
    int error[2];
    assert_int_equal(pipe(error), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(error[1], STDERR_FILENO);
        close(error[0]);
        close(error[1]);
        FILE *out = freopen(".out", "wb", stdout);
        (void)out;
        execl(PARE_PROGRAM, PARE_PROGRAM, "select", "t.csv", "-k", "4", "--include", "c5",
              "--epochs", "1000000", "--out", "s.json", (char *)NULL);
        _exit(99);
    }
    close(error[1]);
    FILE *lines = fdopen(error[0], "rb");
    assert_non_null(lines);
    char line[1024];
    bool sent = false;
    while (fgets(line, sizeof line, lines)) {
        if (!sent && strstr(line, " chosen")) {
            assert_int_equal(kill(child, number), 0);
            sent = true;
        }
    }
    fclose(lines);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(sent);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void writes_the_partial_result(void **state) {
    (void)state;
    cli_write_table("t.csv", 300, 8);
    const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_int_equal(interrupt(numbers[i]), 130);
        assert_true(json_stopped("s.json"));
        assert_int_equal(unlink("s.json"), 0);
    }
    folder_empty();
}

static void help_fits_and_names_every_option(void **state) {
    (void)state;
    assert_int_equal(cli_run("select --help"), 0);
    assert_string_equal(cli_err, "");
    for (const char *at = cli_out; *at;) {
        size_t length = strcspn(at, "\n");
        assert_in_range(length, 0, 100);
        at += length + (at[length] == '\n');
    }
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        assert_int_equal(pare_option_at(i, &option), PARE_OK);
        static const char others[] =
            "genotypes|genome|polygenic|panel|chem|embedding|budget|text|"
            "scoring|tokens|pruning|export|"
            "generation|blocks|sparsify|costs|latency|planned|planning|replace|continual";
        assert_true(strstr(others, option.section) || strstr(cli_out, option.name));
    }
    static char help[CLI_TEXT_MAX];
    strcpy(help, cli_out);
    assert_int_equal(cli_run("help select"), 0);
    assert_string_equal(cli_out, help);
    assert_int_equal(cli_run("select t.csv -k nonsense -h"), 0);
    assert_string_equal(cli_out, help);
}

static void says_what_it_is(void **state) {
    (void)state;
    assert_int_equal(cli_run("--version"), 0);
    assert_string_equal(cli_out, "pare 0.1.0\n");
    assert_int_equal(cli_run("info"), 0);
    assert_non_null(strstr(cli_out, "version: 0.1.0\n"));
    assert_int_equal(cli_run(""), 2);
    assert_non_null(strstr(cli_out, "Commands:"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_and_apply),
        cmocka_unit_test(json_and_quiet),
        cmocka_unit_test(stops_at_the_time_limit),
        cmocka_unit_test(writes_the_partial_result),
        cmocka_unit_test(help_fits_and_names_every_option),
        cmocka_unit_test(says_what_it_is),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
