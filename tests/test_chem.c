/* Molecules: files read, environments told apart and found again in any order of atoms, planted
 * substructures and columns chosen, bad rows skipped, bad input refused. The toolkit is one of the
 * tests' own, whose molecules are chains of letters; RDKit's is tried where it was built. */
#include "folder_support.h"
#include "genome_support.h"

#include "platform/library.h"
#include "problem/chem/chem.h"
#include "report/chem.h"

enum { MOLECULES = 120 };

/* ---- Rows ----------------------------------------------------------------------------------- */

static void test_rows(void **state) {
    (void)state;
    static const struct {
        const char *path, *text, *smiles, *target;
        int64_t count, line[2];
        const char *first[2], *value[2];
    } cases[] = {
        {"a.csv",
         "id,Smiles,y\n1,\"C,C\",2\r\n\n2,\"C\"\"N\",\n",
         "",
         "y",
         2,
         {2, 4},
         {"C,C", "C\"N"},
         {"2", ""}},
        {"b.csv", "y\tmol\n3\tCC\n", "mol", "y", 1, {2, 0}, {"CC", ""}, {"3", ""}},
        {"c.smi", "CC one 1.5\nCN two 2.5\n", "", "2", 2, {1, 2}, {"CC", "CN"}, {"1.5", "2.5"}},
        {"d.smi", "smiles y\nCC 7\n", "", "y", 1, {2, 0}, {"CC", ""}, {"7", ""}},
        {"e.sdf",
         "one\n CC\n> <y>\n4\n\n$$$$\ntwo\n CN\n> <z>\n5\n> <y>\n6\n\n$$$$\n",
         "",
         "y",
         2,
         {1, 7},
         {"one\n CC\n", "two\n CN\n"},
         {"4", "6"}}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pare_context *ctx = NULL;
        pare_chem_rows rows;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        write_words(cases[c].path, cases[c].text);
        assert_ok(ctx,
                  pare_chem_rows_read(ctx, cases[c].path, cases[c].smiles, cases[c].target, &rows));
        assert_int_equal(rows.count, cases[c].count);
        for (int64_t r = 0; r < rows.count; r++) {
            assert_int_equal(rows.row[r].line, cases[c].line[r]);
            assert_string_equal(rows.row[r].text, cases[c].first[r]);
            assert_string_equal(rows.row[r].value, cases[c].value[r]);
        }
        pare_chem_rows_clear(&rows);
        pare_context_destroy(ctx);
    }
}

/* ---- Environments --------------------------------------------------------------------------- */

/* A ring of `ring` carbons with a chain of `tail` oxygens on its first atom. */
static void make_graph(int32_t ring, int32_t tail, const int32_t *place, pare_atom *atom,
                       pare_bond *bond) {
    for (int32_t a = 0; a < ring + tail; a++) {
        int32_t degree = a < ring ? 2 + (a == 0 && tail > 0) : 1 + (a + 1 < ring + tail);
        atom[place[a]] =
            (pare_atom){.element = a < ring ? 6 : 8, .degree = degree, .ring = a < ring};
        int32_t to = a < ring ? (a + 1) % ring : a == ring ? 0 : a - 1;
        bond[a] = (pare_bond){place[a], place[to], 1};
    }
}

static int by_size(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void identities(const pare_environments *e, int64_t molecule, uint64_t *out,
                       int64_t *count) {
    int64_t step = e->radius + 1;
    *count = 0;
    for (int64_t k = e->atom[molecule] * step; k < e->atom[molecule + 1] * step; k++) {
        if (e->of[k] >= 0) {
            out[(*count)++] = e->kind[e->of[k]].identity;
        }
    }
    qsort(out, (size_t)*count, sizeof *out, by_size);
}

static void test_environments(void **state) {
    (void)state;
    static const int32_t straight[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    static const int32_t mixed[9] = {4, 0, 7, 2, 8, 1, 3, 6, 5};
    pare_context *ctx = NULL;
    pare_environments e;
    pare_atom atom[9];
    pare_bond bond[9];
    uint64_t one[64], two[64], three[64];
    int64_t count = 0, again = 0, third = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, pare_environments_create(ctx, 2, &e));
    make_graph(6, 3, straight, atom, bond);
    assert_ok(ctx, pare_environments_add(&e, 9, atom, 9, bond));
    make_graph(6, 3, mixed, atom, bond);
    assert_ok(ctx, pare_environments_add(&e, 9, atom, 9, bond));
    make_graph(5, 3, straight, atom, bond);
    assert_ok(ctx, pare_environments_add(&e, 8, atom, 8, bond));
    identities(&e, 0, one, &count);
    identities(&e, 1, two, &again);
    identities(&e, 2, three, &third);
    assert_int_equal(count, again);
    assert_memory_equal(one, two, (size_t)count * sizeof *one);
    /* Ring atoms: alike up to the bond to the tail; 9 atoms of radius 0 are 4 kinds. */
    int64_t plain = 0;
    for (int64_t k = 0; k < e.count; k++) {
        plain += e.kind[k].radius == 0;
        assert_int_equal(e.kind[k].molecules, k < e.count ? e.kind[k].molecules : 0);
        for (int64_t l = 0; l < k; l++) {
            assert_true(e.kind[k].identity != e.kind[l].identity);
        }
    }
    assert_int_equal(plain, 4);
    /* The same identities when other molecules come first. */
    pare_environments f;
    assert_ok(ctx, pare_environments_create(ctx, 2, &f));
    make_graph(5, 3, straight, atom, bond);
    assert_ok(ctx, pare_environments_add(&f, 8, atom, 8, bond));
    identities(&f, 0, two, &again);
    assert_int_equal(again, third);
    assert_memory_equal(three, two, (size_t)third * sizeof *three);
    /* A part: the atoms at most two bonds away. */
    int32_t atoms[8], bonds[8], atom_count = 0, bond_count = 0;
    pare_environment_part(8, 8, bond, 7, 2, atoms, &atom_count, bonds, &bond_count);
    assert_int_equal(atom_count, 3);
    assert_int_equal(bond_count, 2);
    pare_environments_clear(&e);
    pare_environments_clear(&f);
    pare_context_destroy(ctx);
}

/* ---- Pursuit -------------------------------------------------------------------------------- */

static void test_pursuit(void **state) {
    (void)state;
    enum { N = 60, D = 12, T = 2 };
    int64_t row[N], start[N + 1] = {0};
    int32_t index[N * D];
    float value[N * D];
    double weight[N], y[T * N], kept[2][D];
    int64_t used = 0;
    for (int64_t i = 0; i < N; i++) {
        row[i] = i;
        weight[i] = 1 + (double)(i % 3);
        for (int64_t j = 0; j < D; j++) {
            double v = pare_random_normal(3, 1, (uint64_t)(i * D + j));
            if (v > 0 || j == 4) {
                index[used] = (int32_t)j;
                value[used++] = j == 4 ? 1 : (float)v; /* column 4 is constant */
            }
        }
        start[i + 1] = used;
        for (int64_t t = 0; t < T; t++) {
            y[t * N + i] = pare_random_normal(3, 2, (uint64_t)(t * N + i));
        }
    }
    const pare_sparse_rows x = {N, D, row, start, index, value, false};
    for (int turn = 0; turn < 2; turn++) {
        pare_context *ctx = NULL;
        pare_pursuit p;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, turn ? 4 : 1));
        assert_ok(ctx, pare_pursuit_create(ctx, &x, weight, NULL, 1, T, y, 5, &p));
        assert_false(pare_pursuit_take(&p, 4));
        for (int64_t j = 0; j < 4; j++) {
            double before = pare_pursuit_spread(&p, -1), drop = 0;
            for (int64_t t = 0; t < T; t++) {
                drop += p.product[j * T + t] * p.product[j * T + t] / p.left[j];
            }
            assert_true(pare_pursuit_take(&p, j));
            double after = pare_pursuit_spread(&p, -1);
            assert_true(fabs(before - drop - after) < 1e-9 * before); /* a gain is what it drops */
            assert_true(fabs(pare_pursuit_spread(&p, 0) + pare_pursuit_spread(&p, 1) - after) <
                        1e-9 * after);
        }
        assert_false(pare_pursuit_take(&p, 2));
        for (int64_t j = 0; j < 4; j++) { /* nothing is left in the direction of those taken */
            assert_true(fabs(p.product[j * T]) < 1e-9 && p.left[j] < 1e-9 * p.square[j]);
        }
        memcpy(kept[turn], p.left, sizeof kept[turn]);
        pare_pursuit_clear(&p);
        pare_context_destroy(ctx);
    }
    assert_memory_equal(kept[0], kept[1], sizeof kept[0]);
}

/* ---- Choice --------------------------------------------------------------------------------- */

/* Chains of C and O with N and S here and there: "NS" adds 3, every "F" takes 1. */
static void write_molecules(bool binary) {
    FILE *file = fopen("m.csv", "w"), *bits = fopen("bits.csv", "w");
    assert_non_null(file);
    assert_non_null(bits);
    fprintf(file, "smiles,y\n");
    fprintf(bits, "ns,f,noise1,noise2\n");
    for (int i = 0; i < MOLECULES; i++) {
        char text[64] = "";
        uint64_t at = (uint64_t)i * 32;
        int length = 6 + (int)(pare_random_uniform(5, 1, at) * 8);
        for (int a = 0; a < length; a++) {
            strcat(text, pare_random_uniform(5, 1, at + 1 + (uint64_t)a) < 0.7 ? "C" : "O");
        }
        bool marked = pare_random_uniform(5, 2, at) < 0.4;
        strcat(text, marked ? "NSC" : i % 2 ? "NC" : "SC");
        int many = (int)(pare_random_uniform(5, 3, at) * 3);
        for (int f = 0; f < many; f++) {
            strcat(text, "FC");
        }
        double y = (marked ? 3 : 0) - many + 0.1 * pare_random_normal(5, 4, at);
        fprintf(file, "%s,%.9g\n", i == 10 ? "C(C" : text, binary ? (double)(y > 0) : y);
        fprintf(bits, "%d,%d,%d,%d\n", marked, many, i % 3 == 0, i % 5);
    }
    fclose(file);
    fclose(bits);
}

static pare_status open_chem(pare_context *ctx, const char *path, const char *set,
                             struct pare_chem **out) {
    pare_options options;
    *out = NULL;
    pare_status status = pare_options_init(ctx, &options);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_options_set(&options, "toolkit", PARE_TEST_TOOLKIT);
    if (status == PARE_OK) {
        status = test_options_set(&options, set);
    }
    if (status == PARE_OK) {
        status = pare_chem_read(ctx, path, &options, out);
    }
    pare_options_clear(&options);
    return status;
}

static void test_choice(void **state) {
    (void)state;
    for (int s = 0; s < 4; s++) {
        bool binary = s % 2 == 1, bits = s >= 2;
        pare_context *ctx = NULL;
        struct pare_chem *chem = NULL;
        write_molecules(binary);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, open_chem(ctx, "m.csv",
                                 bits ? "target=y k=2 resamples=20 fingerprints=bits.csv"
                                      : "target=y k=6 resamples=20 split=random",
                                 &chem));
        assert_int_equal(chem->molecules.skipped, bits ? 0 : 1);
        assert_true(bits || chem->molecules.skip[0].line == 12);
        assert_int_equal(chem->molecules.count, MOLECULES - !bits);
        assert_int_equal(chem->binary, binary);
        assert_ok(ctx, pare_chem_analyse(chem));
        bool up = false, down = false;
        for (int64_t c = 0; c < chem->chosen; c++) {
            const pare_chem_choice *choice = &chem->choice[c];
            bool named = bits ? strcmp(choice->name, "ns") == 0
                              : strchr(choice->name, 'N') && strchr(choice->name, 'S');
            up = up || (named && choice->effect > 0);
            down = down || (strchr(choice->name, bits ? 'f' : 'F') && choice->effect < 0);
            assert_true(choice->error >= 0 && choice->low <= choice->high);
            assert_true(choice->chosen >= 0 && choice->chosen <= 1 + 1e-9);
            assert_true(c == 0 || choice->left <= chem->choice[c - 1].left + 1e-12);
        }
        assert_true(up && down);
        assert_true(chem->scored && chem->held_count > 0);
        assert_true(chem->score[0].quality > (binary ? 0.85 : 0.6));
        assert_true(chem->score[0].error < chem->score[3].error);
        pare_chem_free(chem);
        pare_context_destroy(ctx);
    }
}

/* The first of several scaffolds in one part, never in two; same answer for any thread count. */
static void test_split_and_threads(void **state) {
    (void)state;
    double effect[2][8];
    write_molecules(false);
    for (int turn = 0; turn < 2; turn++) {
        pare_context *ctx = NULL;
        struct pare_chem *chem = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, turn ? 3 : 1));
        assert_ok(ctx, open_chem(ctx, "m.csv", "target=y k=8 resamples=5 held-out=0.5", &chem));
        assert_ok(ctx, pare_chem_analyse(chem));
        for (int64_t i = 0; i < chem->molecules.count; i++) {
            for (int64_t j = 0; j < i; j++) {
                assert_true(chem->molecules.scaffold[i] != chem->molecules.scaffold[j] ||
                            chem->held[i] == chem->held[j]);
            }
            assert_int_equal(isnan(chem->predicted[i]) != 0, !chem->held[i]);
        }
        for (int64_t c = 0; c < 8; c++) {
            effect[turn][c] = chem->choice[c].error;
        }
        pare_chem_free(chem);
        pare_context_destroy(ctx);
    }
    assert_memory_equal(effect[0], effect[1], sizeof effect[0]);
}

static void test_files(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    struct pare_chem *chem = NULL;
    write_molecules(true);
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, open_chem(ctx, "m.csv", "target=y k=5 resamples=10", &chem));
    assert_ok(ctx, pare_chem_analyse(chem));
    pare_text text = {.ctx = ctx}, page = {.ctx = ctx};
    pare_chem_report(chem, &text);
    assert_non_null(strstr(text.bytes, "line 12: not a chain"));
    assert_non_null(strstr(text.bytes, "AUC"));
    assert_ok(ctx, pare_chem_page(chem, &page));
    assert_non_null(strstr(page.bytes, "<svg data-parts="));
    assert_non_null(strstr(page.bytes, "inactive"));
    assert_ok(ctx, pare_chem_write(chem, "out"));
    static const char *const endings[] = {"out.features.tsv", "out.molecules.tsv", "out.atoms.tsv",
                                          "out.skipped.tsv", "out.json"};
    for (size_t f = 0; f < sizeof endings / sizeof endings[0]; f++) {
        assert_int_equal(access(endings[f], R_OK), 0);
    }
    pare_text_clear(&text);
    pare_text_clear(&page);
    pare_chem_free(chem);
    pare_context_destroy(ctx);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *path, *set, *says;
    } cases[] = {{"m.csv", "", "option target is missing"},
                 {"m.csv", "target=z", "no column 'z'"},
                 {"m.csv", "target=y smiles=mol", "no column 'mol'"},
                 {"m.csv", "target=y k=none", "option k"},
                 {"m.csv", "target=y toolkit=./none.so", "librdkit-dev"},
                 {"m.csv", "target=y task=binary", "exactly two values"},
                 {"m.csv", "target=y fingerprints=few.csv", "2 rows for 120 molecules"},
                 {"none.csv", "target=y", "none.csv"},
                 {"same.csv", "target=y", "everywhere"},
                 {"open.csv", "target=y", "line 2: a quote is never closed"},
                 {"bad.csv", "target=y", "0 of 2 molecules can be used (line 2: not a chain)"},
                 {"x.sdf", "target=y", "no tag 'y'"},
                 {"x.smi", "target=y", "0-based"}};
    write_molecules(false);
    write_words("few.csv", "a,b\n1,2\n3,4\n");
    write_words("same.csv", "smiles,y\nCC,1\nCO,1\n");
    write_words("open.csv", "smiles,y\n\"CC,1\n");
    write_words("bad.csv", "smiles,y\n(,1\n(,2\n");
    write_words("x.sdf", "one\n CC\n$$$$\n");
    write_words("x.smi", "CC 1\n");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pare_context *ctx = NULL;
        struct pare_chem *chem = NULL;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        pare_status status = open_chem(ctx, cases[c].path, cases[c].set, &chem);
        if (status == PARE_OK || !strstr(pare_context_error(ctx), cases[c].says)) {
            fail_msg("%d: '%s' does not say '%s'", (int)c, pare_context_error(ctx), cases[c].says);
        }
        assert_null(chem);
        pare_context_destroy(ctx);
    }
}

static void test_allocation_failures(void **state) {
    (void)state;
    FILE *file = fopen("m.csv", "w");
    assert_non_null(file);
    fprintf(file, "smiles,y\n(,1\n");
    for (int i = 0; i < 12; i++) {
        fprintf(file, "%s%s,%d\n", i % 2 ? "CCN" : "COS", i % 3 ? "CC" : "O", i % 2 + i % 3);
    }
    fclose(file);
    bool failed = true;
    for (int64_t at = 0; failed; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        struct pare_chem *chem = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, 1));
        memory.fail_at = memory.count + at;
        pare_status status =
            open_chem(ctx, "m.csv", "target=y k=2 resamples=1 split=random", &chem);
        if (status == PARE_OK) {
            status = pare_chem_analyse(chem);
        }
        pare_text page = {.ctx = ctx};
        if (status == PARE_OK) {
            status = pare_chem_page(chem, &page);
        }
        failed = status != PARE_OK;
        if (failed && status != PARE_ERROR_MEMORY) {
            fail_msg("%d: %s", (int)at, pare_context_error(ctx));
        }
        memory.fail_at = -1;
        pare_text_clear(&page);
        pare_chem_free(chem);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

static void test_rdkit(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    const pare_toolkit *toolkit = NULL;
    char reason[400];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    if (access(PARE_RDKIT_TOOLKIT, R_OK) != 0 ||
        pare_toolkit_load(ctx, PARE_RDKIT_TOOLKIT, &toolkit) != PARE_OK) {
        print_message("the toolkit on RDKit was not built (librdkit-dev)\n");
        pare_context_destroy(ctx);
        skip();
    }
    assert_null(toolkit->parse("c1ccccc", 0, reason, sizeof reason));
    assert_true(strlen(reason) > 0);
    assert_null(toolkit->parse("CN(C)(C)(C)C", 0, reason, sizeof reason));
    assert_non_null(strstr(reason, "valence"));
    /* The same molecule written in two ways has the same environments. */
    static const char *const same[] = {"CC(=O)Nc1ccc(O)cc1", "Oc1ccc(NC(C)=O)cc1"};
    uint64_t identity[2][64];
    int64_t count[2] = {0};
    pare_environments e;
    assert_ok(ctx, pare_environments_create(ctx, 2, &e));
    for (int s = 0; s < 2; s++) {
        void *molecule = toolkit->parse(same[s], 0, reason, sizeof reason);
        pare_atom atom[16];
        pare_bond bond[16];
        double descriptor[64];
        int32_t atoms = 0, bonds = 0;
        assert_non_null(molecule);
        toolkit->size(molecule, &atoms, &bonds);
        assert_int_equal(atoms, 11);
        assert_int_equal(bonds, 11);
        toolkit->graph(molecule, atom, bond);
        assert_ok(ctx, pare_environments_add(&e, atoms, atom, bonds, bond));
        identities(&e, s, identity[s], &count[s]);
        toolkit->describe(molecule, descriptor);
        assert_true(fabs(descriptor[3] - 151.165) < 0.01); /* molecular weight of paracetamol */
        char *scaffold = toolkit->scaffold(molecule);
        assert_string_equal(scaffold, "c1ccccc1");
        toolkit->release_text(scaffold);
        pare_part part = {1, 0, (const int32_t[]){0}, (const int32_t[]){0}, 0};
        char *drawing = toolkit->draw(molecule, 200, 150, 1, &part, 0xFF0000);
        assert_memory_equal(drawing, "<svg", 4);
        toolkit->release_text(drawing);
        toolkit->release(molecule);
    }
    assert_int_equal(count[0], count[1]);
    assert_memory_equal(identity[0], identity[1], (size_t)count[0] * sizeof identity[0][0]);
    pare_environments_clear(&e);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_environments),
        cmocka_unit_test(test_pursuit),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_split_and_threads),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_rdkit),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
