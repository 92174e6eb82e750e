/*
 * Option exact as a user meets it: where matching pursuit takes the decoy the search takes the
 * two columns behind it, forced, barred and dear ones are respected, limits leave a gap that is
 * told; failing allocations are survived.
 */
#include "cli_support.h"

#include <math.h>

enum { ROWS = 60, COLUMNS = 5 };

static pare_context *ctx;

/* y = x0 + x1; x2 is their sum with noise, so alone it is the best. */
static void draw(float *x, double *y) {
    uint32_t random = 7;
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        random = random * 1664525U + 1013904223U;
        x[i] = (float)(random >> 8) / (float)(1 << 24) - 0.5F;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        float *row = x + i * COLUMNS;
        row[2] = row[0] + row[1] + 0.3F * row[2];
        y[i] = (double)row[0] + (double)row[1];
    }
}

static void write_table(const char *name) {
    float x[ROWS * COLUMNS];
    double y[ROWS];
    draw(x, y);
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    fprintf(file, "a,b,decoy,c,d,y\n");
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            fprintf(file, "%.9g,", (double)x[i * COLUMNS + j]);
        }
        fprintf(file, "%.17g\n", y[i]);
    }
    assert_int_equal(fclose(file), 0);
}

#define SEARCH "select t.csv --target y --method omp --validation 0 --no-compare --exact "

static void says(const char *arguments, const char *piece) {
    int code = cli_run(arguments);
    if (code != 0 || !strstr(cli_out, piece)) {
        fail_msg("%s: exit code %d, '%s' wanted; said: %s%s", arguments, code, piece, cli_out,
                 cli_err);
    }
}

static void finds_what_pursuit_misses(void **state) {
    (void)state;
    folder_empty();
    write_table("t.csv");
    says("select t.csv --target y --method omp --validation 0 --no-compare -k 2", "decoy");
    says(SEARCH "-k 2 --out s.json", "no 2 columns have a lower loss than");
    assert_null(strstr(cli_out, "decoy"));
    says(SEARCH "-k 2 --include decoy", "decoy");
    says(SEARCH "-k 2 --exclude a", "decoy");
    says(SEARCH "--costs decoy:1,a:2,b:2,c:1,d:1 --budget 4", "no columns of cost at most 4");
    assert_null(strstr(cli_out, "decoy"));
    says(SEARCH "--costs decoy:1,a:2,b:2,c:1,d:1 --budget 3", "decoy");
    says(SEARCH "-k 2 --exact-nodes 1 --certify-ridge 0.3", "stopped before its end");
    /* Record and later certificate. */
    static char json[CLI_TEXT_MAX];
    cli_read("s.json", json);
    assert_non_null(strstr(json, "\"converged\": 1, \"nodes\": "));
    says("certify s.json t.csv --out c.json", "in every optimal subset");
    cli_read("c.json", json);
    assert_non_null(strstr(json, "\"nodes\": 0"));
    /* Selections of before this had no such number. */
    char *at = strstr(json, ", \"nodes\": 0");
    memmove(at, at + 12, strlen(at + 12) + 1);
    cli_write("old.json", json, strlen(json));
    says("certify old.json t.csv", "in every optimal subset");
    assert_int_equal(cli_run(SEARCH "-k 2 --stability 10"), 2);
    assert_non_null(strstr(cli_err, "each chooses by itself"));
}

static pare_status search(pare_context *own, int64_t *first, double *bound) {
    float x[ROWS * COLUMNS];
    double y[ROWS];
    static const char *const option[][2] = {
        {"method", "omp"}, {"k", "2"}, {"validation", "0"}, {"exact", "true"}};
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_selection *selection = NULL;
    draw(x, y);
    pare_status status = pare_config_create(own, &config);
    for (size_t i = 0; status == PARE_OK && i < sizeof option / sizeof option[0]; i++) {
        status = pare_config_set(config, option[i][0], option[i][1]);
    }
    if (status == PARE_OK) {
        status = pare_dataset_wrap(own, ROWS, COLUMNS, x, 1, y, NULL, NULL, config, &data);
    }
    if (status == PARE_OK) {
        status = pare_select(data, NULL, config, NULL, NULL, &selection);
    }
    if (status == PARE_OK) {
        assert_int_equal(pare_selection_count(selection), 2);
        *first = pare_selection_items(selection)[0];
        *bound = pare_selection_proved(selection, "certificate.bound");
    }
    pare_selection_destroy(selection);
    pare_dataset_close(data);
    pare_config_destroy(config);
    return status;
}

static void threads_do_not_matter(void **state) {
    (void)state;
    int64_t first[2];
    double bound[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(ctx, pare_context_set_threads(ctx, i ? 8 : 1));
        assert_ok(ctx, search(ctx, &first[i], &bound[i]));
    }
    assert_int_equal(first[0], first[1]);
    assert_true(bound[0] == bound[1]);
}

static pare_status one_selection(pare_context *own) {
    int64_t first = 0;
    double bound = 0;
    return search(own, &first, &bound);
}

static void failing_allocations_are_survived(void **state) {
    (void)state;
    test_each_allocation(one_selection);
}

int main(void) {
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_pursuit_misses),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    int failed = cmocka_run_group_tests(tests, folder_enter, folder_leave);
    pare_context_destroy(ctx);
    return failed;
}
