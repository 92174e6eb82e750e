/* Panels of genes: planted markers found, lists and minimum per type
 * kept, bad input refused. */
#include "panel_support.h"

#include <math.h>

static void test_markers(void **state) {
    (void)state;
    static const char *const sets[] = {"k=6 score-folds=2", "k=6 balanced=false selector=squares",
                                       "k=6 min-per-type=2 selector=squares",
                                       "add=4 have=have.txt avoid=avoid.txt selector=squares"};
    write_mex();
    write_words("have.txt", "g35\ng10\n");
    write_words("avoid.txt", "g0\n");
    for (int s = 0; s < 4; s++) {
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1 + s % 3));
        assert_ok(ctx, open_panel(ctx, "m.mtx", "labels.csv:type", sets[s], &panel));
        assert_int_equal(panel->data.types, TYPES);
        assert_int_equal(panel->data.label[7], -1);
        assert_ok(ctx, pare_panel_analyse(panel));
        assert_int_equal(panel->chosen, 6);
        int marking = 0;
        for (int k = 0; k < 6; k++) {
            int64_t j = panel->gene[k].gene;
            marking += j / 10 < TYPES && j % 10 < 2;
            assert_true(k == 0 || panel->gene[k].left <= panel->gene[k - 1].left + 1e-12);
            assert_false(s == 3 && j == 0);
        }
        assert_true(marking >= (s == 3 ? 4 : 6));
        assert_true(s < 3 ||
                    (panel->gene[0].gene == 35 && panel->gene[0].had && panel->gene[1].gene == 10));
        for (int t = 0; t < TYPES && s == 2; t++) {
            assert_true(panel->per_type[t] >= 2);
        }
        assert_true(panel->score[0].accuracy > 0.9 && panel->score[0].f1 > 0.9);
        assert_true(panel->score[0].accuracy >= panel->score[1].accuracy);
        pare_panel_free(panel);
        pare_context_destroy(ctx);
    }
}

/* Two batches: gene 20 marks type 2 in the first and another type in the second, gene 30 only tells
 * the batches; whole batches are held out. */
static void write_batches(void) {
    FILE *matrix = fopen("two.mtx", "w"), *genes = fopen("two.mtx.genes.txt", "w");
    FILE *labels = fopen("two.csv", "w");
    assert_true(matrix && genes && labels);
    fprintf(labels, "type,batch\n");
    int entries = 0;
    for (int turn = 0; turn < 2; turn++) {
        if (turn == 1) {
            fprintf(matrix, "%%%%MatrixMarket matrix coordinate real general\n%d %d %d\n", GENES,
                    CELLS, entries);
        }
        for (int64_t i = 0; i < CELLS; i++) {
            const bool second = (i / TYPES) % 2 == 1;
            for (int64_t j = 0; j < GENES; j++) {
                double value = (double)value_of(j == 20 && second ? i + 1 : i, j);
                value = j == 30 && second ? value + 3 : value;
                entries += turn == 0 && value > 0;
                if (turn == 1 && value > 0) {
                    fprintf(matrix, "%d %d %.9g\n", (int)j + 1, (int)i + 1, value);
                }
            }
            if (turn == 1) {
                fprintf(labels, "%c,%s\n", "BTN"[i % TYPES], i == 9 ? "" : second ? "b" : "a");
            }
        }
    }
    for (int j = 0; j < GENES; j++) {
        fprintf(genes, "g%d\n", j);
    }
    assert_int_equal(fclose(matrix) | fclose(genes) | fclose(labels), 0);
}

static void test_batches(void **state) {
    (void)state;
    static const char *const sets[] = {
        "k=6 batch-key=two.csv:batch selector=squares", "k=6 batch-key=two.csv:batch",
        "k=15 batch-key=two.csv:batch", "k=6 selector=squares score-folds=0"};
    write_batches();
    for (int s = 0; s < 4; s++) {
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        bool has = false;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, open_panel(ctx, "two.mtx", "two.csv:type", sets[s], &panel));
        assert_ok(ctx, pare_panel_analyse(panel));
        for (int64_t k = 0; k < panel->chosen; k++) {
            has = has || panel->gene[k].gene == 20;
        }
        assert_true(has == (s == 3));
        assert_int_equal(panel->folds, s < 3 ? 2 : 0);
        for (int b = 0; b < 2 && s < 3; b++) {
            assert_true(panel->by_batch[b].accuracy > 0.5 && panel->by_batch[b].f1 > 0.5);
        }
        pare_panel_free(panel);
        pare_context_destroy(ctx);
    }
}

/* R2 of all genes is that of a dense regression; agreement and correlations are in range. */
static void test_reconstruction(void **state) {
    (void)state;
    write_mex();
    pare_context *ctx = NULL;
    struct pare_panel *panel = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx,
              open_panel(ctx, "m.mtx", "labels.csv:type", "k=1 add=1 selector=squares", &panel));
    assert_ok(ctx, pare_panel_analyse(panel));
    assert_true(panel->agreement.jaccard > 0 && panel->agreement.jaccard_alike <= 1);
    bool train[CELLS], held[CELLS];
    const int64_t gene = 10;
    double left = 0, spread = 0, wanted = 0, around = 0, n = 0;
    double one = 0, xx = 0;
    for (int64_t i = 0; i < CELLS; i++) {
        held[i] = i % 4 == 0;
        train[i] = !held[i];
        n += train[i];
        one += train[i] ? (double)value_of(i, gene) : 0;
        xx += train[i] ? (double)value_of(i, gene) * (double)value_of(i, gene) : 0;
    }
    for (int64_t j = 0; j < GENES; j++) {
        double y1 = 0, xy = 0;
        for (int64_t i = 0; i < CELLS; i++) {
            y1 += train[i] ? (double)value_of(i, j) : 0;
            xy += train[i] ? (double)value_of(i, j) * (double)value_of(i, gene) : 0;
        }
        /* (X'X + 1) b = X'y of a column and a constant. */
        const double det = (xx + 1) * (n + 1) - one * one;
        const double slope = ((n + 1) * xy - one * y1) / det;
        const double constant = ((xx + 1) * y1 - one * xy) / det;
        for (int64_t i = 0; i < CELLS; i += 4) {
            const double y = (double)value_of(i, j);
            const double off = y - slope * (double)value_of(i, gene) - constant;
            wanted += off * off;
            around += (y - y1 / n) * (y - y1 / n);
        }
    }
    assert_ok(ctx, pare_panel_reconstruct(panel, train, held, 1, &gene, &left, &spread));
    assert_true(fabs(left - wanted) < 1e-6 * wanted && fabs(spread - around) < 1e-6 * around);
    pare_panel_free(panel);
    pare_context_destroy(ctx);
}

/* Sequential Attention finds markers after the genes that are there already, leaves out those to
 * avoid, and does not depend on the number of threads. */
static void test_network(void **state) {
    (void)state;
    int64_t first[6];
    write_mex();
    write_words("have.txt", "g35\ng10\n");
    write_words("avoid.txt", "g0\n");
    for (int turn = 0; turn < 2; turn++) {
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        int marking = 0;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1 + 2 * turn));
        assert_ok(ctx, open_panel(ctx, "m.mtx", "labels.csv:type",
                                  "add=4 have=have.txt avoid=avoid.txt selector=network "
                                  "score-folds=0",
                                  &panel));
        assert_ok(ctx, pare_panel_analyse(panel));
        assert_int_equal(panel->chosen, 6);
        for (int k = 0; k < 6; k++) {
            const int64_t j = panel->gene[k].gene;
            first[k] = turn == 0 ? j : first[k];
            assert_int_equal(first[k], j);
            marking += j / 10 < TYPES && j % 10 < 2;
            assert_true(j != 0 && panel->gene[k].had == (k < 2));
        }
        assert_true(marking >= 4);
        pare_panel_free(panel);
        pare_context_destroy(ctx);
    }
}

/* Every way to choose finds the markers, for any number of threads alike; bounds keep the loud gene
 * out and reconstruction lets it in. */
static void test_ways(void **state) {
    (void)state;
    static const char *const sets[] = {"k=6 score-folds=0 selector=squares",
                                       "k=6 score-folds=0 selector=softmax",
                                       "k=6 score-folds=0 selector=squares reconstruct=1",
                                       "k=6 score-folds=0 max-mean=1.2 reconstruct=0.9"};
    write_mex();
    for (int s = 0; s < 4; s++) {
        int64_t first[6] = {0};
        for (int turn = 0; turn < 2; turn++) {
            pare_context *ctx = NULL;
            struct pare_panel *panel = NULL;
            int marking = 0;
            bool loud = false;
            assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
            assert_ok(ctx, pare_context_set_threads(ctx, turn ? 3 : 1));
            assert_ok(ctx, open_panel(ctx, "m.mtx", "labels.csv:type", sets[s], &panel));
            assert_ok(ctx, pare_panel_analyse(panel));
            assert_int_equal(panel->chosen, 6);
            for (int k = 0; k < 6; k++) {
                int64_t j = panel->gene[k].gene;
                marking += j / 10 < TYPES && j % 10 < 2;
                loud = loud || j == 35;
                first[k] = turn == 0 ? j : first[k];
                assert_int_equal(j, first[k]);
                assert_true(panel->gene[k].left >= 0 && panel->gene[k].left <= 1);
            }
            assert_true(s >= 2 || marking == 6);
            assert_int_equal(loud, s == 2);
            pare_panel_free(panel);
            pare_context_destroy(ctx);
        }
    }
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *path, *label, *set, *says;
    } cases[] = {
        {"m.mtx", "labels.csv:kind", "k=2", "no column 'kind'"},
        {"m.mtx", "labels.csv", "k=2", "151 labels for 150 cells"},
        {"none.mtx", "labels.csv:type", "k=2", "none.mtx"},
        {"m.mtx", "labels.csv:type", "", "option k or add"},
        {"m.mtx", "labels.csv:type", "k=41", "41 genes are wanted"},
        {"m.mtx", "labels.csv:type", "k=2 have=lost.txt", "not in the data (first: q1, q2"},
        {"m.mtx", "labels.csv:type", "k=5 min-per-type=2", "min-per-type"},
        {"m.mtx", "labels.csv:type", "k=2 min-mean=50", "leave no gene"},
        {"bad1.mtx", "labels.csv:type", "k=2", "MatrixMarket"},
        {"bad2.mtx", "labels.csv:type", "k=2", "bad2.mtx line 3"},
        {"bad3.h5ad", "type", "k=2", "bad3.h5ad"}};
    write_mex();
    write_words("lost.txt", "g1\nq1\nq2\n");
    write_words("bad1.mtx", "1 2 3\n");
    write_words("bad2.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n3 1 5\n");
    write_words("bad3.h5ad", "not HDF5");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        pare_status status = open_panel(ctx, cases[c].path, cases[c].label, cases[c].set, &panel);
        if (status == PARE_OK || !strstr(pare_context_error(ctx), cases[c].says)) {
            fail_msg("%d: '%s' does not say '%s'", (int)c, pare_context_error(ctx), cases[c].says);
        }
        assert_null(panel);
        pare_context_destroy(ctx);
    }
}

/* Matrix Market with bytes changed or cut off is read or refused. */
static void test_mex_damaged(void **state) {
    (void)state;
    static char bytes[1 << 17];
    write_mex();
    FILE *in = fopen("m.mtx", "rb");
    const size_t length = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    assert_int_equal(system("cp m.mtx.genes.txt q.mtx.genes.txt"), 0);
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (uint64_t turn = 0; turn < 300; turn++) {
        struct pare_panel *panel = NULL;
        FILE *out = fopen("q.mtx", "wb");
        const size_t keep =
            (size_t)pare_random_below(6, PARE_STREAM_TEST, turn, (int64_t)length) + 1;
        assert_int_equal(fwrite(bytes, 1, turn % 2 ? keep : length, out), turn % 2 ? keep : length);
        for (uint64_t b = 0; b < 4; b++) {
            const uint64_t draw = 1000 + turn * 16 + 2 * b;
            fseek(out, (long)pare_random_below(6, PARE_STREAM_TEST, draw, 200), SEEK_SET);
            fputc("0123456789-. %e\n"[pare_random_below(6, PARE_STREAM_TEST, draw + 1, 16)], out);
        }
        fclose(out);
        pare_status status = open_panel(ctx, "q.mtx", "labels.csv:type", "k=6", &panel);
        assert_true((status == PARE_OK) == (panel != NULL));
        pare_panel_free(panel);
    }
    pare_context_destroy(ctx);
}

static void test_allocation_failures(void **state) {
    (void)state;
    static const char *const files[] = {"m.mtx", "two.mtx"};
    static const char *const labels[] = {"labels.csv:type", "two.csv:type"};
    static const char *const sets[] = {
        "k=2 score-folds=2 selector=squares",
        "k=2 score-folds=2 selector=softmax batch-key=two.csv:batch"};
    write_mex();
    write_batches();
    for (int64_t at = 0, s = 0; s < 2; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1));
        memory.fail_at = memory.count + at;
        pare_status status = open_panel(ctx, files[s], labels[s], sets[s], &panel);
        if (status == PARE_OK) {
            status = pare_panel_analyse(panel);
        }
        if (status == PARE_OK) {
            s++;
            at = -1;
        } else {
            assert_int_equal(status, PARE_ERROR_MEMORY);
        }
        memory.fail_at = -1;
        pare_panel_free(panel);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

/* With more than four genes a type markers follow after two a type, in their order; lists and
 * minimum per type are kept, no gene comes twice. */
static void test_followed(void **state) {
    (void)state;
    enum { WANTED = 20, FIRST = 2 * TYPES };
    static const char *const sets[] = {"k=20 score-folds=0",
                                       "add=19 have=have.txt avoid=avoid.txt score-folds=0",
                                       "k=20 score-folds=0 min-per-type=6"};
    write_mex();
    write_words("have.txt", "g35\n");
    write_words("avoid.txt", "g0\ng4\ng12\n");
    for (int s = 0; s < 3; s++) {
        pare_context *ctx = NULL;
        struct pare_panel *panel = NULL;
        pare_panel_moments m = {0};
        bool some[CELLS], taken[GENES] = {false};
        int64_t marker[WANTED], at = 0;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, open_panel(ctx, "m.mtx", "labels.csv:type", sets[s], &panel));
        assert_ok(ctx, pare_panel_analyse(panel));
        assert_true(panel->way.markers && panel->chosen == WANTED);
        for (int i = 0; i < CELLS; i++) {
            some[i] = panel->data.label[i] >= 0;
        }
        assert_ok(ctx, pare_panel_measure(panel, some, &m));
        assert_ok(ctx, pare_panel_markers(panel, &m, marker));
        for (int k = 0; k < WANTED; k++) {
            const int64_t j = panel->gene[k].gene;
            assert_false(taken[j] || panel->avoid[j]);
            taken[j] = true;
            while (s == 0 && k >= FIRST && at < WANTED && marker[at] != j) {
                assert_true(taken[marker[at++]]);
            }
        }
        for (int t = 0; t < TYPES; t++) {
            assert_true(s < 2 || panel->per_type[t] >= 6);
        }
        pare_panel_moments_clear(ctx, &m);
        pare_panel_free(panel);
        pare_context_destroy(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_reconstruction),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_followed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_mex_damaged),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
