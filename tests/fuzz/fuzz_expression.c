/*
 * Cells by genes. The first byte says what is read: 0 AnnData by cell, 1 by gene, 2 legacy, 3
 * dense, 4 10x, and 8 more where the cells go through a scratch file; 5 a Matrix Market file, which
 * is the rest. An HDF5 file is not taken from the bytes (its library reads beyond damaged heaps)
 * but made as they say: for each dataset three bytes choose whether it is there, its type, length
 * and rank, zeros what is right, and one byte each its numbers.
 */
#include "fuzz.h"

#include <unistd.h>

#include "data/expression/expression.h"

static void check(const pare_expression *e) {
    bool good = e->cells > 0 && e->genes > 0 && e->types > 1 && e->start[0] == 0;
    for (int64_t i = 0; good && i < e->cells; i++) {
        good = e->start[i] <= e->start[i + 1] && e->label[i] >= -1 && e->label[i] < e->types;
    }
    for (int64_t k = 0; good && k < e->start[e->cells]; k++) {
        good = e->index[k] >= 0 && e->index[k] < e->genes && e->value[k] >= 0;
    }
    for (int64_t j = 0; good && j < e->genes; j++) {
        good = e->gene[j] != NULL;
    }
    if (!good) {
        abort();
    }
}

#if defined(PARE_HAVE_HDF5)

#include <hdf5.h>

enum { CELLS = 4, GENES = 3, ENTRIES = 6, MOST = 16 };

typedef struct source {
    const uint8_t *at, *end;
    hid_t file;
} source;

static uint8_t next(source *s) {
    return s->at < s->end ? *s->at++ : 0;
}

/* usual: what zeros of the input stand for. */
static void put(source *s, const char *name, hid_t type, int64_t count, const double *usual) {
    static const double odd[] = {-1, -2, 0, 7, 1e5, 2147483647, 4e9, 9e18, 1e300, NAN, INFINITY};
    const uint8_t kind = next(s), length = next(s), rank = next(s);
    double value[MOST];
    if (kind == 1) {
        return;
    }
    const hid_t types[] = {H5T_STD_I8LE,  H5T_STD_U8LE,    H5T_STD_I16BE,  H5T_STD_I32LE,
                           H5T_STD_I64LE, H5T_STD_U64LE,   H5T_IEEE_F32LE, H5T_IEEE_F64BE,
                           H5T_C_S1,      H5T_STD_REF_OBJ, H5T_STD_B8LE};
    const hid_t stored = kind >= 2 && kind < 13 ? types[kind - 2] : type;
    const bool number = stored != H5T_C_S1 && stored != H5T_STD_REF_OBJ && stored != H5T_STD_B8LE;
    hsize_t shape[3] = {(hsize_t)(length ? length % MOST : count), 1, 1};
    for (hsize_t i = 0; i < shape[0]; i++) {
        const uint8_t b = next(s);
        value[i] = b >= 128             ? odd[b % (sizeof odd / sizeof odd[0])]
                   : b > 0              ? b - 1
                   : (int64_t)i < count ? usual[i]
                                        : 0;
    }
    hid_t space = rank == 1   ? H5Screate(H5S_SCALAR)
                  : rank == 2 ? H5Screate_simple(3, shape, NULL)
                  : rank == 3 ? H5Screate_simple(2, shape, NULL)
                  : rank == 4 ? H5Screate(H5S_NULL)
                              : H5Screate_simple(1, shape, NULL);
    hid_t set = H5Dcreate2(s->file, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0 && number && rank != 4) {
        (void)H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
    }
    if (set >= 0) {
        H5Dclose(set);
    }
    H5Sclose(space);
}

/* Texts of fixed or variable size; bytes of the input stand for their first letter. */
static void put_texts(source *s, const char *name, int64_t count) {
    const uint8_t kind = next(s), length = next(s), rank = next(s);
    char fixed[MOST][4], *variable[MOST];
    if (kind == 1) {
        return;
    }
    if (kind >= 2 && kind < 13) {
        static const double none[MOST] = {0};
        s->at -= s->at < s->end ? 3 : 0;
        put(s, name, H5T_STD_I8LE, count, none);
        return;
    }
    hsize_t shape[2] = {(hsize_t)(length ? length % MOST : count), 1};
    for (hsize_t i = 0; i < shape[0]; i++) {
        const uint8_t b = next(s);
        snprintf(fixed[i], sizeof fixed[i], "%c%d", b ? b : 'a', (int)(i % 10));
        variable[i] = b == 255 ? NULL : fixed[i];
    }
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, kind >= 128 ? 4 : H5T_VARIABLE);
    hid_t space = H5Screate_simple(rank == 3 ? 2 : 1, shape, NULL);
    hid_t set = H5Dcreate2(s->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0) {
        (void)H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                       kind >= 128 ? (const void *)fixed : (const void *)variable);
        H5Dclose(set);
    }
    H5Sclose(space);
    H5Tclose(type);
}

static void put_group(source *s, const char *name) {
    hid_t group = H5Gcreate2(s->file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group >= 0) {
        H5Gclose(group);
    }
}

static void mark(source *s, const char *object, const char *name, const char *text) {
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(text));
    hid_t attribute = H5Acreate_by_name(s->file, object, name, type, space, H5P_DEFAULT,
                                        H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0) {
        (void)H5Awrite(attribute, type, text);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Tclose(type);
}

static void put_sparse(source *s, const char *group, bool by_gene) {
    static const double by_cell[] = {0, 2, 3, 4, 6}, of_genes[] = {0, 2, 4, 6};
    static const double gene[] = {0, 1, 0, 1, 0, 2}, cell[] = {0, 1, 2, 3, 0, 3};
    static const double value[] = {1, 2, 1, 1, 3, 1}, shape[] = {GENES, CELLS};
    char name[64];
    snprintf(name, sizeof name, "%s/indptr", group);
    put(s, name, H5T_STD_I64LE, by_gene ? GENES + 1 : CELLS + 1, by_gene ? of_genes : by_cell);
    snprintf(name, sizeof name, "%s/indices", group);
    put(s, name, H5T_STD_I32LE, ENTRIES, by_gene ? cell : gene);
    snprintf(name, sizeof name, "%s/data", group);
    put(s, name, H5T_IEEE_F32LE, ENTRIES, value);
    snprintf(name, sizeof name, "%s/shape", group);
    put(s, name, H5T_STD_I32LE, 2, shape);
}

static void write_file(source *s, int kind) {
    static const double code[] = {0, 1, 0, 1}, dense[CELLS * GENES] = {1, 0, 2, 0, 3, 0, 1, 1};
    if (kind == 4) {
        put_group(s, "matrix");
        put_group(s, "matrix/features");
        put_sparse(s, "matrix", false);
        put_texts(s, "matrix/features/name", GENES);
        return;
    }
    static const char *const groups[] = {"obs", "var", "X", "obs/type", "obs/__categories"};
    for (int i = 0; i < 5; i++) {
        if (!(kind == 3 && i == 2) && i != (kind == 2 ? 3 : 4)) {
            put_group(s, groups[i]);
        }
    }
    put_texts(s, "obs/_index", CELLS);
    put_texts(s, "var/_index", GENES);
    put(s, kind == 2 ? "obs/type" : "obs/type/codes", H5T_STD_I8LE, CELLS, code);
    put_texts(s, kind == 2 ? "obs/__categories/type" : "obs/type/categories", 2);
    if (kind == 3) {
        put(s, "X", H5T_IEEE_F32LE, CELLS * GENES, dense);
    } else {
        mark(s, "X", "encoding-type", kind == 1 ? "csc_matrix" : "csr_matrix");
        put_sparse(s, "X", kind == 1);
    }
}

static void make(const char *path, int kind, const uint8_t *bytes, size_t length) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    source s = {bytes, bytes + length, H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)};
    if (s.file < 0) {
        abort();
    }
    write_file(&s, kind);
    H5Fclose(s.file);
}

#else

static void make(const char *path, int kind, const uint8_t *bytes, size_t length) {
    (void)path;
    (void)kind;
    (void)bytes;
    (void)length;
}

#endif

static void write_bytes(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const ending[] = {"h5ad", "h5ad", "h5ad", "h5ad", "h5", "mtx"};
    static const char genes[] = "a\nb\nc\n", labels[] = "x\ny\nx\ny\n";
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    pare_expression e;
    char path[3][128];
    const int kind = length > 0 ? bytes[0] % 8 : 8;
    if (kind > 5) {
        return 0;
    }
    snprintf(path[0], sizeof path[0], "/tmp/pare-fuzz-%ld.%s", (long)getpid(), ending[kind]);
    snprintf(path[1], sizeof path[1], "/tmp/pare-fuzz-%ld.mtx.genes.txt", (long)getpid());
    snprintf(path[2], sizeof path[2], "/tmp/pare-fuzz-%ld.txt", (long)getpid());
    write_bytes(path[2], labels, sizeof labels - 1);
    if (kind == 5) {
        write_bytes(path[0], bytes + 1, length - 1);
        write_bytes(path[1], genes, sizeof genes - 1);
    } else {
        make(path[0], kind, bytes + 1, length - 1);
    }
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_context_set_threads(ctx, 1) != PARE_OK) {
        abort();
    }
    const char *const label[PARE_CELL_LABELS] = {kind < 4 ? "type" : path[2], ""};
    if (pare_expression_read(ctx, path[0], label, bytes[0] & 8 ? 16 : INT64_MAX, &e) == PARE_OK) {
        check(&e);
        pare_expression_clear(&e);
    } else if (!pare_context_error(ctx)[0]) {
        abort();
    }
    pare_context_destroy(ctx);
    for (int i = 0; i < 3; i++) {
        (void)unlink(path[i]);
    }
    if (used != 0) {
        abort();
    }
    return 0;
}
