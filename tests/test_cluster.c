/* One, two and four ranks choose the same columns with the same scores. Skipped without mpirun. */
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
        "select t.pare --target y --ignore class -k 4 --model linear --epochs 0.3 --no-compare "
        "--out s.json",
    };
    for (size_t t = 0; t < sizeof tasks / sizeof tasks[0]; t++) {
        for (int ranks = 1; ranks <= (t < 2 ? 4 : 2); ranks *= 2) {
            char command[512];
            /* One rank reads in pieces too: the limit is below what the table takes. */
            snprintf(command, sizeof command, "%s --memory 64M --quiet", tasks[t]);
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
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, cli_setup, cli_teardown);
}
