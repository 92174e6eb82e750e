/* Checkpoints: a selection killed at any moment resumes to the identical answer; other data, other
 * options, damaged files are refused with what differs. */
#include "cli_support.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

enum { ROWS = 3000, COLUMNS = 40, KILLS = 20 };

static void write_table(const char *name, int extra) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    uint32_t seed = 7;
    for (int j = 0; j < COLUMNS; j++) {
        fprintf(file, "c%d,", j);
    }
    fprintf(file, "y\n");
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int j = 0; j < COLUMNS; j++) {
            seed = seed * 1664525u + 1013904223u;
            double x = (double)(seed >> 8) / 8388608 - 1;
            sum += j < 5 ? x * (j + 1) : 0;
            fprintf(file, "%.4f,", x);
        }
        fprintf(file, "%d\n", sum + extra > 0);
    }
    assert_int_equal(fclose(file), 0);
}

/* Starts the program; its output is thrown away, errors go to the file "err". */
static pid_t start(const char *const *arguments) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int out = open("/dev/null", O_WRONLY),
            err = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(out, 1);
        dup2(err, 2);
        execv(PARE_PROGRAM, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    return child;
}

static int finish(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The part of a selection file that is the answer: items with scores, and the trace. */
static void read_answer(const char *name, char *out) {
    static char text[CLI_TEXT_MAX];
    cli_read(name, text);
    const char *from = strstr(text, "\"items\""), *to = strstr(text, "\"seconds\"");
    assert_non_null(from);
    assert_non_null(to);
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
}

static void kill_and_resume(const char *method, int kills) {
    static char whole[CLI_TEXT_MAX], resumed[CLI_TEXT_MAX];
    const char *plain[] = {PARE_PROGRAM,   "select", "t.csv",  "-k",       "8",  "--method", method,
                           "--no-compare", "--out",  "a.json", "--epochs", "30", NULL};
    const char *saved[] = {
        PARE_PROGRAM,         "select", "t.csv",  "-k",       "8",  "--method",     method,
        "--no-compare",       "--out",  "b.json", "--epochs", "30", "--checkpoint", "state.pare",
        "--checkpoint-every", "0.02",   NULL};
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(finish(start(plain)), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    read_answer("a.json", whole);
    uint32_t seed = 11;
    bool finished = false;
    (void)unlink("state.pare");
    for (int i = 0; i < kills && !finished; i++) {
        seed = seed * 1664525u + 1013904223u;
        double wait = seconds * (0.2 + 0.8 * (double)(seed >> 8) / 16777216) / 4 + 0.03;
        pid_t child = start(saved);
        struct timespec pause = {(time_t)wait, (long)(1e9 * (wait - (double)(time_t)wait))};
        nanosleep(&pause, NULL);
        (void)kill(child, SIGKILL);
        finished = finish(child) == 0;
    }
    if (!finished) {
        assert_int_equal(finish(start(saved)), 0);
    }
    read_answer("b.json", resumed);
    assert_string_equal(whole, resumed);
}

static void test_kill(void **state) {
    (void)state;
    write_table("t.csv", 0);
    kill_and_resume("sequential-attention", KILLS);
    kill_and_resume("omp", 3);
    kill_and_resume("group-lasso", 3);
}

/* SIGTERM: the state is written, and what is chosen; the same command goes on. */
static void test_terminate(void **state) {
    (void)state;
    static char whole[CLI_TEXT_MAX], resumed[CLI_TEXT_MAX];
    write_table("t.csv", 0);
    const char *plain[] = {PARE_PROGRAM, "select", "t.csv",    "-k", "8", "--no-compare",
                           "--out",      "a.json", "--epochs", "60", NULL};
    const char *saved[] = {
        PARE_PROGRAM, "select",   "t.csv", "-k",           "8",      "--no-compare",       "--out",
        "b.json",     "--epochs", "60",    "--checkpoint", "s.pare", "--checkpoint-every", "1000",
        NULL};
    assert_int_equal(finish(start(plain)), 0);
    read_answer("a.json", whole);
    pid_t child = start(saved);
    struct timespec pause = {0, 300000000};
    nanosleep(&pause, NULL);
    (void)kill(child, SIGTERM);
    int code = finish(child);
    assert_true(code == 130 || code == 0);
    if (code == 130) {
        (void)!access("s.pare", F_OK);
        assert_int_equal(finish(start(saved)), 0);
    }
    read_answer("b.json", resumed);
    assert_string_equal(whole, resumed);
}

static void assert_said(const char *wanted) {
    static char text[CLI_TEXT_MAX];
    cli_read("err", text);
    if (!strstr(text, wanted)) {
        fail_msg("'%s' lacks '%s'", text, wanted);
    }
}

static void test_refused(void **state) {
    (void)state;
    write_table("t.csv", 0);
    const char *run[] = {PARE_PROGRAM,   "select",       "t.csv",  "-k",     "4", "--method", "omp",
                         "--no-compare", "--checkpoint", "r.pare", "--seed", "1", NULL};
    assert_int_equal(finish(start(run)), 0);
    run[4] = "5";
    assert_int_equal(finish(start(run)), 2);
    assert_said("was saved with option k '4', which is '5' now; nothing was loaded");
    run[4] = "4";
    run[11] = "2";
    assert_int_equal(finish(start(run)), 2);
    assert_said("option seed '1', which is '2' now");
    run[11] = "1";
    write_table("t.csv", 1);
    assert_int_equal(finish(start(run)), 2);
    assert_said("other data");
    write_table("t.csv", 0);
    assert_int_equal(finish(start(run)), 0);
    static char bytes[CLI_TEXT_MAX];
    FILE *file = fopen("r.pare", "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    bytes[length / 2] ^= 1;
    cli_write("r.pare", bytes, length);
    assert_int_equal(finish(start(run)), 2);
    assert_said("damaged or cut short; nothing was loaded");
    static const char text[] =
        "not a state at all, and long enough to be looked at, and still longer "
        "than a header has to be";
    cli_write("r.pare", text, sizeof text - 1);
    assert_int_equal(finish(start(run)), 2);
    assert_said("not a saved selection");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_terminate),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
