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

/* Every kind of chunk a column may have, gaps and texts; y2 needs several of them. */
static char *make_kinds(int64_t rows, int64_t *length) {
    char *text = malloc((size_t)rows * 200 + 256);
    assert_non_null(text);
    size_t at = (size_t)sprintf(
        text, "real,half,bit,two,byte,small,word,gaps,name,rare,late,empty,const,y,y2\n");
    uint32_t seed = 7;
    for (int64_t i = 0; i < rows; i++) {
        uint32_t u[8];
        for (int k = 0; k < 8; k++) {
            seed = seed * 1664525u + 1013904223u;
            u[k] = seed >> 8;
        }
        double real = (double)u[0] / 16777216, half = (double)(u[1] % 64) / 8 - 4;
        bool gap = u[5] % 7 == 0, unnamed = u[6] % 11 == 0;
        double y = 2 * real + half / 4 + (gap ? 1.5 : (double)(u[4] % 200) / 100) +
                   (unnamed ? 0 : (u[6] / 16 % 5 == 2)) + (double)u[7] / 16777216;
        at += (size_t)sprintf(text + at, "%.9g,%g,%u,%u,%u,%d,%u,", real, half, u[2] & 1,
                              u[2] / 2 % 4, u[2] / 8 % 256, (int)(u[3] % 255) - 127, u[3] % 65536);
        at += (size_t)sprintf(text + at, gap ? "," : "%u,", u[4] % 200);
        at += (size_t)sprintf(text + at, unnamed ? "," : "name %u,", u[6] / 16 % 5);
        at += (size_t)sprintf(text + at, "%s,", i % 997 == 5 ? "odd" : "z");
        at += (size_t)sprintf(text + at, i < 50 ? ",," : "7.1,,");
        at += (size_t)sprintf(text + at, "0.1,%s,%.6g\n", y > 3 ? "yes" : "no", y);
    }
    *length = (int64_t)at;
    return text;
}

typedef struct both {
    reading r;
    folder f;
    pare_dataset *memory, *file;
} both;

#define assert_near(a, b, most) assert_near_at(a, b, most, __LINE__)
static void assert_near_at(double a, double b, double most, int line) {
    if (!(fabs(a - b) <= most)) {
        fail_msg("line %d: %.9g, %.9g: farther apart than %g", line, a, b, most);
    }
}

typedef char *(*maker)(int64_t rows, int64_t *length);

static void open_made(both *b, maker make, int64_t rows, const char *set, bool pack) {
    reading_open(&b->r, NULL, set);
    b->f = folder_open();
    char csv[96];
    int64_t length = 0;
    char *text = make(rows, &length);
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

static void open_both(both *b, int64_t rows, const char *set, bool pack) {
    open_made(b, make_csv, rows, set, pack);
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

/* Shapes, statistics, single rows and products of a table of all kinds. */
static void test_kinds(void **state) {
    (void)state;
    both b;
    open_made(&b, make_kinds, 9000, "target=y2 ignore=y", false);
    const pare_dataset *m = b.memory, *f = b.file;
    assert_int_equal(m->candidates, f->candidates);
    assert_int_equal(m->features, f->features);
    assert_true(m->features > m->candidates + 4);
    for (int64_t c = 0; c < m->candidates; c++) {
        assert_string_equal(m->candidate_name[c], f->candidate_name[c]);
        assert_int_equal(m->candidate_start[c], f->candidate_start[c]);
    }
    for (int64_t j = 0; j < m->features; j++) {
        assert_int_equal(m->feature[j].kind, f->feature[j].kind);
        assert_int_equal(m->feature[j].level, f->feature[j].level);
        assert_int_equal(m->feature[j].fills, f->feature[j].fills);
        assert_near((double)m->shift[j], (double)f->shift[j],
                    1e-6 * (1 + fabs((double)m->shift[j])));
        assert_near((double)m->scale[j], (double)f->scale[j], 1e-5 * fabs((double)m->scale[j]));
    }
    assert_near(m->zero_share, f->zero_share, 1e-12);
    enum { SOME = 40, MOST = 64 };
    assert_true(m->features <= MOST);
    float x[2][SOME * MOST];
    int64_t rows[SOME], list[MOST];
    for (int64_t i = 0; i < SOME; i++) {
        rows[i] = (i * 7919) % 9000;
    }
    for (int64_t j = 0; j < m->features; j++) {
        list[j] = (m->features + 3 - j) % m->features;
    }
    for (int some = 0; some < 2; some++) {
        const pare_dataset *both_of[] = {m, f};
        for (int k = 0; k < 2; k++) {
            if (some) {
                pare_dataset_gather_features(both_of[k], SOME, rows, m->features, list, x[k]);
            } else {
                pare_dataset_gather(both_of[k], SOME, rows, x[k]);
            }
        }
        for (int64_t i = 0; i < SOME * m->features; i++) {
            assert_near((double)x[0][i], (double)x[1][i], 1e-4 * (1 + fabs((double)x[0][i])));
        }
    }
    pare_design one, two;
    assert_ok(b.r.ctx, pare_design_create(b.memory, &one));
    assert_ok(b.r.ctx, pare_design_create(b.file, &two));
    double *r = malloc((size_t)(3 * one.rows) * sizeof *r), p[2][3 * MOST];
    float *column[2];
    for (int64_t i = 0; i < 3 * one.rows; i++) {
        r[i] = cos((double)i);
    }
    for (int precision = 0; precision < 2; precision++) {
        pare_precision kind = precision ? PARE_PRECISION_DOUBLE : PARE_PRECISION_FLOAT;
        for (int64_t v = 1; v <= 3; v += 2) {
            assert_ok(b.r.ctx, one.slots->correlate(one.self, kind, v, r, p[0]));
            assert_ok(b.r.ctx, two.slots->correlate(two.self, kind, v, r, p[1]));
            for (int64_t j = 0; j < v * one.columns; j++) {
                assert_near(p[0][j], p[1][j], (double)one.rows * (precision ? 1e-6 : 1e-4));
            }
        }
    }
    for (int k = 0; k < 2; k++) {
        column[k] = malloc((size_t)(one.columns * one.rows) * sizeof *column[k]);
    }
    assert_ok(b.r.ctx, one.slots->fetch(one.self, one.columns, list, column[0]));
    assert_ok(b.r.ctx, two.slots->fetch(two.self, one.columns, list, column[1]));
    for (int64_t i = 0; i < one.columns * one.rows; i++) {
        assert_near((double)column[0][i], (double)column[1][i],
                    1e-4 * (1 + fabs((double)column[0][i])));
    }
    for (int k = 0; k < 2; k++) {
        free(column[k]);
    }
    free(r);
    pare_design_destroy(&one);
    pare_design_destroy(&two);
    close_both(&b);
}

/* The same columns in the same order with the same scores, whatever holds the table. */
static void test_kinds_selected(void **state) {
    (void)state;
    static const char *const sets[] = {
        "target=y2 ignore=y k=6 method=omp",
        "target=y ignore=y2 k=6 method=omp",
        "target=y2 ignore=y k=5 method=group-lasso model=linear",
        "target=y2 ignore=y k=4 method=sequential-lasso model=linear",
        "target=y2 ignore=y k=4 weights=word method=omp replace=true",
    };
    for (size_t t = 0; t < sizeof sets / sizeof sets[0]; t++) {
        both b;
        open_made(&b, make_kinds, 6000, sets[t], t % 2 == 1 && pare_can_pack());
        pare_dataset *data[] = {b.memory, b.file};
        pare_selector *s[2] = {NULL, NULL};
        for (int i = 0; i < 2; i++) {
            bool done = false;
            assert_ok(b.r.ctx, pare_selector_start(data[i], NULL, &b.r.options, &s[i]));
            while (!done) {
                assert_ok(b.r.ctx, pare_selector_advance(s[i], &done));
            }
        }
        assert_int_equal(s[0]->choice.count, s[1]->choice.count);
        for (int64_t c = 0; c < s[0]->choice.count; c++) {
            assert_int_equal(s[0]->choice.item[c], s[1]->choice.item[c]);
            assert_near(s[0]->choice.score[c], s[1]->choice.score[c],
                        1e-4 * fabs(s[0]->choice.score[c]));
        }
        pare_selector_destroy(s[0]);
        pare_selector_destroy(s[1]);
        close_both(&b);
    }
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
    free(text);
    folder_close(&f);
    reading_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_design),
        cmocka_unit_test(test_selection),      cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_kinds_selected), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
