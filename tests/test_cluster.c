/* One, two and four ranks choose the same columns with the same scores, also after one of them
 * died. Skipped without mpirun. */
#include "cli_support.h"

#include "platform/cluster.h"

enum { ROWS = 270000, COLUMNS = 10 };

static void write_table(const char *name) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    uint32_t seed = 3;
    for (int j = 0; j < COLUMNS; j++) {
        fprintf(file, "c%d,", j);
    }
    fprintf(file, "gaps,text,y,class\n");
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int j = 0; j < COLUMNS; j++) {
            seed = seed * 1664525u + 1013904223u;
            double x = (double)(seed >> 8) / 8388608 - 1;
            sum += j % 3 == 0 ? x * (j + 1) : 0;
            fprintf(file, "%.3f,", x);
        }
        seed = seed * 1664525u + 1013904223u;
        sum += (double)(seed >> 8) / 4194304 - 2;
        fprintf(file, seed / 512 % 7 == 0 ? "," : "%u,", seed / 4096 % 50);
        fprintf(file, seed / 1024 % 9 == 0 ? "," : "t%u,", seed / 8192 % 4);
        sum += (seed / 512 % 7 == 0 ? 1 : 0) + (seed / 8192 % 4 == 2 ? 1.5 : 0);
        fprintf(file, "%.5g,%s\n", sum, sum > 0 ? "yes" : "no");
    }
    assert_int_equal(fclose(file), 0);
}

/* The exit code of the program on some ranks; what it prints goes to "out" and "err". */
static int on_ranks(int ranks, const char *arguments) {
    char command[1024];
    snprintf(command, sizeof command,
             "mpirun --allow-run-as-root --oversubscribe -np %d %s %s > out 2> err", ranks,
             PARE_PROGRAM, arguments);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool available(void) {
    return strncmp(pare_cluster_name(), "absent", 6) != 0 &&
           system("command -v mpirun > /dev/null 2>&1") == 0 && on_ranks(1, "--version") == 0;
}

static void read_answer(const char *name, char *out) {
    static char text[CLI_TEXT_MAX];
    cli_read(name, text);
    const char *from = strstr(text, "\"items\""), *to = strstr(text, "\"seconds\"");
    assert_non_null(from);
    assert_non_null(to);
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
}

static void test_same_answer(void **state) {
    (void)state;
    static char first[CLI_TEXT_MAX], other[CLI_TEXT_MAX];
    if (!available()) {
        skip();
    }
    write_table("t.csv");
    assert_int_equal(on_ranks(1, "convert t.csv t.pare"), 0);
    static const char *const tasks[] = {
        "select t.pare --target y --ignore class -k 6 --method omp --no-compare --out s.json",
        "select t.pare --target class --ignore y -k 6 --method omp --no-compare --out s.json",
        "select t.pare --target y --ignore class -k 4 --model linear --epochs 0.2 --no-compare "
        "--out s.json",
    };
    for (size_t t = 0; t < sizeof tasks / sizeof tasks[0]; t++) {
        for (int ranks = 1; ranks <= 4; ranks *= 2) {
            char command[512];
            /* One rank reads in pieces too: the limit is below what the table takes. */
            snprintf(command, sizeof command, "%s --memory 80M --quiet", tasks[t]);
            int code = on_ranks(ranks, command);
            if (code != 0) {
                cli_read("err", other);
                fail_msg("%d ranks: exit %d: %s", ranks, code, other);
            }
            read_answer("s.json", ranks == 1 ? first : other);
            if (ranks > 1) {
                assert_string_equal(first, other);
            }
        }
    }
}

/* More columns than rows: ranks share out the columns. */
static void test_wide(void **state) {
    (void)state;
    static char first[CLI_TEXT_MAX], other[CLI_TEXT_MAX];
    enum { WIDE_ROWS = 90, WIDE_COLUMNS = 4000 };
    if (!available()) {
        skip();
    }
    FILE *file = fopen("wide.csv", "wb");
    assert_non_null(file);
    uint32_t seed = 9;
    for (int i = -1; i < WIDE_ROWS; i++) {
        double sum = 0;
        for (int j = 0; j < WIDE_COLUMNS; j++) {
            seed = seed * 1664525u + 1013904223u;
            double x = (double)(seed >> 8) / 16777216;
            sum += j % 1000 == 7 ? x * (2 + j / 1000) : 0;
            if (i < 0) {
                fprintf(file, "c%d,", j);
            } else if (j % 500 == 3) {
                fprintf(file, seed / 512 % 5 == 0 ? "," : "t%u,", seed / 4096 % 3);
            } else {
                fprintf(file, "%.5f,", x);
            }
        }
        fprintf(file, i < 0 ? "y\n" : "%.6f\n", sum);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(on_ranks(1, "convert wide.csv wide.pare"), 0);
    for (int ranks = 2; ranks <= 4; ranks++) {
        int code = on_ranks(ranks, "select wide.pare -k 6 --method omp --no-compare --out s.json");
        cli_read("err", other);
        assert_int_equal(code, 0);
        read_answer("s.json", ranks == 2 ? first : other);
        if (ranks > 2) {
            assert_string_equal(first, other);
        }
    }
    static const char *const strong[] = {"\"c3007\"", "\"c2007\"", "\"c1007\""};
    for (size_t i = 0; i < sizeof strong / sizeof strong[0]; i++) {
        assert_non_null(strstr(first, strong[i]));
    }
}

/* Rank 1 dies by a signal as soon as there is a checkpoint: all end, the launcher says why, and the
 * same command goes on to the answer of a run that nobody disturbed. */
static void test_killed_rank(void **state) {
    (void)state;
    static char whole[CLI_TEXT_MAX], text[CLI_TEXT_MAX];
    if (!available() || system("command -v pgrep > /dev/null 2>&1") != 0) {
        skip();
    }
    assert_int_equal(on_ranks(3, "select t.pare --target y --ignore class -k 8 --method omp "
                                 "--replace --no-compare --memory 80M --out whole.json"),
                     0);
    read_answer("whole.json", whole);
    int code = 0;
    for (int attempt = 0; attempt < 5 && code == 0; attempt++) {
        static const char script[] =
            "rm -f state.pare s.json; mpirun --allow-run-as-root --oversubscribe -np 3 "
            "\"%s\" select t.pare --target y --ignore class -k 8 --method omp --replace "
            "--no-compare --memory 80M --checkpoint state.pare --checkpoint-every 0 "
            "--out s.json > out 2> err & run=$!; "
            "while kill -0 $run 2> /dev/null && ! test -e state.pare; do sleep 0.01; done; "
            "kill -9 $(pgrep -P $run | tail -n 1); wait $run";
        char command[1024];
        snprintf(command, sizeof command, script, PARE_PROGRAM);
        int status = system(command);
        code = WIFEXITED(status) ? WEXITSTATUS(status) : -1; /* 0: it was done already */
    }
    if (code == 0) {
        skip();
    }
    assert_int_equal(code, 128 + 9);
    cli_read("err", text);
    assert_non_null(strstr(text, "exited on signal 9"));
    assert_int_equal(access("s.json", F_OK), -1);
    assert_int_equal(on_ranks(3, "select t.pare --target y --ignore class -k 8 --method omp "
                                 "--replace --no-compare --memory 80M --checkpoint state.pare "
                                 "--out s.json"),
                     0);
    cli_read("err", text);
    assert_non_null(strstr(text, "state.pare"));
    read_answer("s.json", text);
    assert_string_equal(whole, text);
}

static void test_failures(void **state) {
    (void)state;
    static char text[CLI_TEXT_MAX];
    if (!available()) {
        skip();
    }
    cli_write("small.csv", "a,b,y\n1,2,3\n2,1,4\n3,5,1\n", 24);
    assert_int_equal(on_ranks(1, "convert small.csv small.pare"), 0);
    assert_int_equal(on_ranks(4, "select small.pare --target y -k 1 --method omp"), 2);
    cli_read("err", text);
    assert_non_null(strstr(text, "4 ranks for 3 rows"));
    assert_int_equal(on_ranks(2, "select none.pare --target y -k 1"), 2);
    cli_read("err", text);
    assert_non_null(strstr(text, "none.pare: cannot be opened"));
    /* Ranks that see different files. */
    cli_write("small.csv", "a,b,y\n1,2,3\n2,1,4\n3,5,2\n", 24);
    assert_int_equal(on_ranks(1, "convert small.csv other.pare"), 0);
    char command[1024];
    snprintf(
        command, sizeof command,
        "mpirun --allow-run-as-root --oversubscribe -np 1 %s select small.pare --target y -k 1 "
        "--method omp : -np 1 %s select other.pare --target y -k 1 --method omp > out 2> err",
        PARE_PROGRAM, PARE_PROGRAM);
    int status = system(command);
    assert_int_equal(WEXITSTATUS(status), 2);
    cli_read("err", text);
    assert_non_null(strstr(text, "the ranks have different versions of this file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answer),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_killed_rank),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
