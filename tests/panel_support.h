/* Cells of three types with planted markers, as Matrix Market and AnnData files. */
#ifndef PARE_TESTS_PANEL_SUPPORT_H
#define PARE_TESTS_PANEL_SUPPORT_H

#include "folder_support.h"
#include "genome_support.h"

#include "problem/panel/panel.h"

#if defined(PARE_HAVE_HDF5)
#include <hdf5.h>
#endif

enum { CELLS = 150, GENES = 40, TYPES = 3 };

/* Gene 10 t and 10 t + 1 mark type t; gene 35 is loud noise. */
static inline float value_of(int64_t cell, int64_t gene) {
    uint64_t at = (uint64_t)(cell * GENES + gene);
    bool marks = gene / 10 == cell % TYPES && gene % 10 < 2;
    double chance = marks ? 0.9 : gene == 35 ? 0.5 : 0.1;
    double size = gene == 35 ? 4 : 1.5;
    return pare_random_uniform(1, 1, at) < chance
               ? (float)(size + 0.5 * pare_random_uniform(1, 2, at))
               : 0;
}

static inline void write_mex(void) {
    FILE *matrix = fopen("m.mtx", "w"), *genes = fopen("m.mtx.genes.txt", "w");
    FILE *labels = fopen("labels.csv", "w");
    assert_true(matrix && genes && labels);
    int64_t entries = 0;
    for (int64_t i = 0; i < CELLS * GENES; i++) {
        entries += value_of(i / GENES, i % GENES) > 0;
    }
    fprintf(matrix, "%%%%MatrixMarket matrix coordinate real general\n%d %d %d\n", GENES, CELLS,
            (int)entries);
    fprintf(labels, "cell,type\n");
    for (int64_t i = 0; i < CELLS; i++) {
        fprintf(labels, "c%d,%s\n", (int)i,
                i == 7       ? "NA"
                : i % 3 == 0 ? "B"
                : i % 3 == 1 ? "T"
                             : "N");
        for (int64_t j = 0; j < GENES; j++) {
            if (value_of(i, j) > 0) {
                fprintf(matrix, "%d %d %.9g\n", (int)j + 1, (int)i + 1, (double)value_of(i, j));
            }
        }
    }
    for (int j = 0; j < GENES; j++) {
        fprintf(genes, "g%d\n", j);
    }
    assert_int_equal(fclose(matrix) | fclose(genes) | fclose(labels), 0);
}

static inline pare_status open_panel(pare_context *ctx, const char *path, const char *label,
                                     const char *set, struct pare_panel **out) {
    pare_options options;
    *out = NULL;
    pare_status status = pare_options_init(ctx, &options);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_options_set(&options, "label", label);
    if (status == PARE_OK) {
        status = test_options_set(&options, set);
    }
    if (status == PARE_OK) {
        status = pare_panel_read(ctx, path, &options, out);
    }
    pare_options_clear(&options);
    return status;
}

#if defined(PARE_HAVE_HDF5)
static inline void put(hid_t file, const char *name, hid_t type, hsize_t count, const void *data) {
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static inline void put_texts(hid_t file, const char *name, hsize_t count, const char *const *text) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    put(file, name, type, count, text);
    H5Tclose(type);
}

/* The layout of AnnData, categories within the column (current) or beside it (legacy). */
static inline void write_h5ad(const char *path, bool legacy) {
    static int64_t start[CELLS + 1];
    static int32_t index[CELLS * GENES];
    static float value[CELLS * GENES];
    static char text[CELLS][16];
    static int8_t code[CELLS];
    const char *cell[CELLS], *gene[GENES], *const types[] = {"B", "T", "N"};
    int64_t at = 0;
    for (int64_t i = 0; i < CELLS; i++) {
        for (int64_t j = 0; j < GENES; j++) {
            if (value_of(i, j) > 0) {
                index[at] = (int32_t)j;
                value[at++] = value_of(i, j);
            }
        }
        start[i + 1] = at;
        code[i] = (int8_t)(i == 7 ? -1 : i % 3);
        snprintf(text[i], sizeof text[i], "g%d", (int)i);
        cell[i] = text[i];
        if (i < GENES) {
            gene[i] = text[i];
        }
    }
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    static const char *const groups[] = {"X", "obs", "var", "obs/type", "obs/__categories"};
    for (int i = 0; i < 5; i++) {
        if (i < 3 || i == (legacy ? 4 : 3)) {
            H5Gclose(H5Gcreate2(file, groups[i], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        }
    }
    put(file, "X/indptr", H5T_NATIVE_INT64, CELLS + 1, start);
    put(file, "X/indices", H5T_NATIVE_INT32, (hsize_t)at, index);
    put(file, "X/data", H5T_NATIVE_FLOAT, (hsize_t)at, value);
    put_texts(file, "obs/_index", CELLS, cell);
    put_texts(file, "var/_index", GENES, gene);
    put(file, legacy ? "obs/type" : "obs/type/codes", H5T_NATIVE_INT8, CELLS, code);
    put_texts(file, legacy ? "obs/__categories/type" : "obs/type/categories", 3, types);
    H5Fclose(file);
}

#endif

#endif
