/* AnnData files: both layouts give what Matrix Market gives, through a scratch file too; damaged
 * ones are refused. */
#include "panel_support.h"

#include <math.h>

#if defined(PARE_HAVE_HDF5)

enum { FILTER = 32700 }; /* known to nobody once the file is written */

static size_t same_bytes(unsigned flags, size_t values, const unsigned *value, size_t bytes,
                         size_t *size, void **buffer) {
    (void)flags;
    (void)values;
    (void)value;
    (void)size;
    (void)buffer;
    return bytes;
}

/* Changes a number of one of the arrays. (Bytes of the container are HDF5's to check: its 1.10
 * reads beyond a damaged heap.) */
static void damage(const char *path, uint64_t turn) {
    static const char *const names[] = {"X/indptr", "X/indices", "X/data", "obs/type/codes"};
    static const double odd[] = {-1, -2, 0, 3, 39, 40, 150, 1e5, 2147483647, 4e9, 9e18, NAN};
    static double value[CELLS * GENES];
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, names[turn % 4], H5P_DEFAULT), space = H5Dget_space(set);
    const int64_t count = (int64_t)H5Sget_simple_extent_npoints(space);
    assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    value[pare_random_below(5, PARE_STREAM_TEST, 2 * turn, count)] =
        odd[pare_random_below(5, PARE_STREAM_TEST, 2 * turn + 1, sizeof odd / sizeof odd[0])];
    assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

/* What a plugin compressed that is not there is refused by name; a file cut off anywhere is
 * refused, one with a number changed read or refused. */
static void test_h5ad_damaged(void **state) {
    (void)state;
    static const H5Z_class2_t kind = {H5Z_CLASS_T_VERS, FILTER, 1,    1,
                                      "exotic",         NULL,   NULL, same_bytes};
    static unsigned char bytes[1 << 20];
    write_h5ad("p.h5ad", false);
    assert_true(H5Zregister(&kind) >= 0);
    hid_t file = H5Fopen("p.h5ad", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t count = CELLS + 1;
    hid_t space = H5Screate_simple(1, &count, NULL);
    const int64_t start[CELLS + 1] = {0};
    H5Ldelete(file, "X/indptr", H5P_DEFAULT);
    H5Pset_chunk(list, 1, &count);
    H5Pset_filter(list, FILTER, H5Z_FLAG_MANDATORY, 0, NULL);
    hid_t set =
        H5Dcreate2(file, "X/indptr", H5T_NATIVE_INT64, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0 &&
                H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, start) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(list);
    H5Fclose(file);
    assert_true(H5Zunregister(FILTER) >= 0);
    pare_context *ctx = NULL;
    struct pare_panel *panel = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_int_not_equal(open_panel(ctx, "p.h5ad", "type", "k=6", &panel), PARE_OK);
    assert_non_null(strstr(pare_context_error(ctx), "X/indptr is compressed by filter 32700 (exo"));

    write_h5ad("p.h5ad", false);
    FILE *in = fopen("p.h5ad", "rb");
    const size_t length = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    for (uint64_t turn = 0; turn < 20; turn++) {
        FILE *out = fopen("q.h5ad", "wb");
        const size_t keep = length * turn / 20;
        assert_int_equal(fwrite(bytes, 1, keep, out), keep);
        fclose(out);
        assert_int_not_equal(open_panel(ctx, "q.h5ad", "type", "k=6", &panel), PARE_OK);
        assert_null(panel);
    }
    for (uint64_t turn = 0; turn < 120; turn++) {
        damage("p.h5ad", turn);
        pare_status status = open_panel(ctx, "p.h5ad", "type", "k=6", &panel);
        assert_true((status == PARE_OK) == (panel != NULL));
        pare_panel_free(panel);
        if (status != PARE_OK) {
            write_h5ad("p.h5ad", false);
        }
    }
    pare_context_destroy(ctx);
}

/* Cells that are more than half of option memory go through a scratch file: the same genes, gains
 * and scores, in whatever way they are chosen; without room for it, a sentence. */
static void test_h5ad_scratch(void **state) {
    (void)state;
    static const char *const sets[] = {"k=6 score-folds=3 selector=squares",
                                       "k=6 score-folds=3 selector=softmax",
                                       "k=6 score-folds=2 reconstruct=0.5"};
    pare_context *ctx = NULL;
    struct pare_panel *whole = NULL, *scratch = NULL;
    char set[128];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    write_h5ad("s.h5ad", false);
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        assert_ok(ctx, open_panel(ctx, "s.h5ad", "type", sets[s], &whole));
        snprintf(set, sizeof set, "%s memory=8K", sets[s]);
        assert_ok(ctx, open_panel(ctx, "s.h5ad", "type", set, &scratch));
        assert_null(whole->data.scratch.bytes);
        assert_non_null(scratch->data.scratch.bytes);
        assert_ok(ctx, pare_panel_analyse(whole));
        assert_ok(ctx, pare_panel_analyse(scratch));
        assert_int_equal(whole->chosen, scratch->chosen);
        assert_memory_equal(whole->gene, scratch->gene,
                            (size_t)whole->chosen * sizeof *whole->gene);
        assert_memory_equal(whole->score, scratch->score, sizeof whole->score);
        pare_panel_free(whole);
        pare_panel_free(scratch);
    }
    assert_int_equal(setenv("TMPDIR", "nowhere", 1), 0);
    assert_int_equal(open_panel(ctx, "s.h5ad", "type", "k=6 memory=8K", &scratch), PARE_ERROR_IO);
    assert_non_null(strstr(pare_context_error(ctx), "nowhere: no scratch file of"));
    assert_int_equal(unsetenv("TMPDIR"), 0);
    assert_int_equal(open_panel(ctx, "s.h5ad", "type", "k=6 memory=much", &scratch),
                     PARE_ERROR_ARGUMENT);
    pare_context_destroy(ctx);
}

static void test_h5ad(void **state) {
    (void)state;
    write_mex();
    int64_t first[6] = {0};
    for (int s = 0; s < 3; s++) {
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        if (s > 0) {
            write_h5ad("x.h5ad", s == 2);
        }
        assert_ok(ctx, open_panel(ctx, s ? "x.h5ad" : "m.mtx", s ? "type" : "labels.csv:type",
                                  "k=6 score-folds=0 selector=squares", &panel));
        assert_int_equal(panel->data.cells, CELLS);
        assert_ok(ctx, pare_panel_analyse(panel));
        for (int k = 0; k < 6; k++) {
            first[k] = s == 0 ? panel->gene[k].gene : first[k];
            assert_int_equal(panel->gene[k].gene, first[k]);
        }
        pare_panel_free(panel);
        if (s > 0) {
            assert_int_not_equal(open_panel(ctx, "x.h5ad", "kind", "k=6", &panel), PARE_OK);
            assert_non_null(strstr(pare_context_error(ctx), "no column 'kind'; it has type"));
        }
        pare_context_destroy(ctx);
    }
}

#endif

int main(void) {
#if defined(PARE_HAVE_HDF5)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h5ad),
        cmocka_unit_test(test_h5ad_scratch),
        cmocka_unit_test(test_h5ad_damaged),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
#else
    return 0;
#endif
}
