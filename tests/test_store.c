/* A table that stays in its file gives the answers of the same table in memory. */
#include "pare_file_support.h"

#include "data/store.h"
#include "problem/problem.h"
#include "problem/selector.h"

#include <unistd.h>

enum { ROWS = 140000, COLUMNS = 9 };

/* Real, whole, binary and far-off columns; y depends on three of them; a weight column. */
static char *make_csv(int64_t rows, int64_t *length) {
    char *text = malloc((size_t)rows * 160 + 256);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "a,b,c,d,e,f,far,y,w\n");
    uint32_t seed = 1;
    for (int64_t i = 0; i < rows; i++) {
        double u[6];
        for (int k = 0; k < 6; k++) {
            seed = seed * 1664525u + 1013904223u;
            u[k] = (double)(seed >> 8) / 16777216 - 0.5;
        }
        int d = u[3] > 0, e = (int)(100 * (u[4] + 0.5));
        double y = 2 * u[0] - 1.5 * u[2] + 0.8 * d + 0.3 * u[5];
        at += (size_t)sprintf(text + at, "%.6g,%.6g,%.6g,%d,%d,%.6g,%.8g,%.6g,%d\n", u[0], u[1],
                              u[2], d, e, u[5], 1000 + u[1] + u[2], y, 1 + e % 3);
    }
    *length = (int64_t)at;
    return text;
}

typedef struct both {
    reading r;
    folder f;
    pare_dataset *memory, *file;
} both;

static void open_both(both *b, int64_t rows, const char *set, bool pack) {
    reading_open(&b->r, NULL, set);
    b->f = folder_open();
    char csv[96];
    int64_t length = 0;
    char *text = make_csv(rows, &length);
    snprintf(csv, sizeof csv, "%s", in_folder(&b->f, "t.csv"));
    write_file(csv, text, length);
    free(text);
    assert_ok(b->r.ctx, convert(&b->r, csv, in_folder(&b->f, "t.pare"), pack));
    assert_ok(b->r.ctx,
              pare_dataset_read(b->r.ctx, in_folder(&b->f, "t.pare"), &b->r.options, &b->memory));
    pare_table table;
    assert_ok(b->r.ctx,
              pare_store_open(b->r.ctx, in_folder(&b->f, "t.pare"), INT64_C(1) << 30, &table));
    assert_ok(b->r.ctx, pare_dataset_from_table(b->r.ctx, &table, NULL, &b->r.options, &b->file));
}

static void close_both(both *b) {
    pare_dataset_free(b->memory);
    pare_dataset_free(b->file);
    folder_close(&b->f);
    reading_close(&b->r);
}

static void test_rows(void **state) {
    (void)state;
    for (int pack = 0; pack <= pare_can_pack(); pack++) {
        both b;
        open_both(&b, ROWS, "target=y weights=w", pack);
        const pare_dataset *m = b.memory, *f = b.file;
        assert_int_equal(m->features, f->features);
        assert_int_equal(m->train_count, f->train_count);
        assert_memory_equal(m->train, f->train, (size_t)m->train_count * sizeof *m->train);
        for (int64_t j = 0; j < m->features; j++) {
            assert_true(fabs((double)(m->shift[j] - f->shift[j])) <=
                        1e-6 * (1 + fabs((double)m->shift[j])));
            assert_true(fabs((double)(m->scale[j] / f->scale[j]) - 1) < 1e-5);
        }
        float x[2][64 * COLUMNS];
        int64_t rows[64];
        for (int64_t i = 0; i < 64; i++) {
            rows[i] = (i * 7919) % ROWS;
        }
        pare_dataset_gather(m, 64, rows, x[0]);
        pare_dataset_gather(f, 64, rows, x[1]);
        for (int64_t i = 0; i < 64 * m->features; i++) {
            assert_true(fabs((double)(x[0][i] - x[1][i])) < 1e-3);
        }
        assert_ok(b.r.ctx, pare_store_trouble(f->table.stream));
        close_both(&b);
    }
}

static void test_design(void **state) {
    (void)state;
    both b;
    open_both(&b, ROWS, "target=y weights=w", false);
    pare_design m, f;
    assert_ok(b.r.ctx, pare_design_create(b.memory, &m));
    assert_ok(b.r.ctx, pare_design_create(b.file, &f));
    enum { VECTORS = 5 };
    double *r = malloc((size_t)(VECTORS * m.rows) * sizeof *r);
    double one[VECTORS * COLUMNS], two[VECTORS * COLUMNS];
    for (int64_t i = 0; i < VECTORS * m.rows; i++) {
        r[i] = sin((double)i);
    }
    for (int precision = 0; precision < 2; precision++) {
        for (int64_t vectors = 1; vectors <= VECTORS; vectors += 4) {
            pare_precision p = precision ? PARE_PRECISION_DOUBLE : PARE_PRECISION_FLOAT;
            assert_ok(b.r.ctx, m.slots->correlate(m.self, p, vectors, r, one));
            assert_ok(b.r.ctx, f.slots->correlate(f.self, p, vectors, r, two));
            for (int64_t j = 0; j < vectors * m.columns; j++) {
                double scale = (double)m.rows;
                assert_true(fabs(one[j] - two[j]) < scale * (precision ? 1e-6 : 1e-4));
            }
        }
    }
    for (int64_t j = 0; j < m.columns; j++) {
        assert_true(fabs(m.square[j] / f.square[j] - 1) < 1e-4);
        assert_true(fabs(m.sum[j] - f.sum[j]) < 1e-4 * (double)m.rows);
    }
    int64_t columns[] = {6, 0, 3};
    float *x = malloc((size_t)(3 * m.rows) * sizeof *x),
          *y = malloc((size_t)(3 * m.rows) * sizeof *y);
    assert_ok(b.r.ctx, m.slots->fetch(m.self, 3, columns, x));
    assert_ok(b.r.ctx, f.slots->fetch(f.self, 3, columns, y));
    for (int64_t i = 0; i < 3 * m.rows; i++) {
        assert_true(fabs((double)(x[i] - y[i])) < 1e-3);
    }
    free(x);
    free(y);
    free(r);
    pare_design_destroy(&m);
    pare_design_destroy(&f);
    close_both(&b);
}

static void select_both(const char *set, bool same) {
    both b;
    open_both(&b, ROWS, set, false);
    pare_dataset *data[] = {b.memory, b.file};
    int64_t chosen[2][3] = {{0}};
    for (int i = 0; i < 2; i++) {
        pare_selector *s = NULL;
        bool done = false;
        assert_ok(b.r.ctx, pare_selector_start(data[i], NULL, &b.r.options, &s));
        while (!done) {
            assert_ok(b.r.ctx, pare_selector_advance(s, &done));
        }
        memcpy(chosen[i], s->choice.item, sizeof chosen[i]);
        pare_selector_destroy(s);
    }
    if (same) {
        assert_memory_equal(chosen[0], chosen[1], sizeof chosen[0]);
    } else { /* the same set at least holds the strongest */
        assert_true(chosen[1][0] == 0 || chosen[1][1] == 0 || chosen[1][2] == 0);
    }
    close_both(&b);
}

static void test_selection(void **state) {
    (void)state;
    select_both("target=y k=3 method=omp", true);
    select_both("target=d k=3 method=omp", true);
    select_both("target=y k=3 method=group-lasso model=linear", true);
    select_both("target=y k=3 epochs=0.5 model=linear", false);
}

static void test_refused(void **state) {
    (void)state;
    reading r;
    reading_open(&r, NULL, "target=y memory=3M");
    folder f = folder_open();
    char csv[96], out[96];
    snprintf(csv, sizeof csv, "%s", in_folder(&f, "t.csv"));
    snprintf(out, sizeof out, "%s", in_folder(&f, "t.pare"));
    int64_t length = 0;
    char *text = make_csv(60000, &length);
    write_file(csv, text, length);
    pare_dataset *data = NULL;
    assert_int_equal(pare_dataset_read(r.ctx, csv, &r.options, &data), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "pare convert"));
    assert_ok(r.ctx, convert(&r, csv, out, false));
    assert_int_equal(pare_dataset_read(r.ctx, out, &r.options, &data), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(r.ctx), "the least that works is"));
    assert_ok(r.ctx, pare_options_set(&r.options, "memory", "lots"));
    assert_int_equal(pare_dataset_read(r.ctx, out, &r.options, &data), PARE_ERROR_ARGUMENT);
    /* Missing and categorical cells. */
    static const char *const bad[][2] = {{"a,b,y\n1,,2\n2,3,4\n3,4,5\n", "missing or infinite"},
                                         {"a,b,y\n1,x,2\n2,y,4\n3,x,5\n", "categorical"}};
    for (int i = 0; i < 2; i++) {
        pare_table table;
        write_file(csv, bad[i][0], (int64_t)strlen(bad[i][0]));
        assert_ok(r.ctx, convert(&r, csv, out, false));
        assert_ok(r.ctx, pare_store_open(r.ctx, out, INT64_C(1) << 30, &table));
        assert_int_equal(pare_dataset_from_table(r.ctx, &table, NULL, &r.options, &data),
                         PARE_ERROR_UNSUPPORTED);
        assert_non_null(strstr(pare_context_error(r.ctx), bad[i][1]));
    }
    free(text);
    folder_close(&f);
    reading_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_design),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
