/*
 * The first byte says what the rest is: 0 CSV, 1 TSV, 2 .smi, 3 SDF; 4 to 7 the same gzipped. Rows
 * are read, molecules made by the toolkit of the tests, environments of their atoms listed.
 */
#include "fuzz.h"

#include <unistd.h>

#include "../toolkit/chain.c"
#include "data/chemistry/chemistry.h"

static void list(pare_context *ctx, const pare_molecules *m) {
    pare_environments e = {0};
    if (pare_environments_create(ctx, 2, &e) != PARE_OK) {
        return;
    }
    pare_status status = PARE_OK;
    for (int64_t i = 0; i < m->count && status == PARE_OK; i++) {
        pare_atom *atom = NULL;
        pare_bond *bond = NULL;
        int32_t atoms = 0, bonds = 0;
        m->toolkit->size(m->molecule[i], &atoms, &bonds);
        atom = calloc((size_t)atoms + 1, sizeof *atom);
        bond = calloc((size_t)atoms + 1, sizeof *bond);
        if (!atom || !bond) {
            abort();
        }
        m->toolkit->graph(m->molecule[i], atom, bond);
        status = pare_environments_add(&e, atoms, atom, bonds, bond);
        free(atom);
        free(bond);
    }
    for (int64_t k = 0; k < e.count; k++) {
        if (e.kind[k].molecule < 0 || e.kind[k].molecule >= m->count) {
            abort();
        }
    }
    pare_environments_clear(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const endings[] = {"csv",    "tsv",    "smi",    "sdf",
                                          "csv.gz", "tsv.gz", "smi.gz", "sdf.gz"};
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    pare_molecules m = {0};
    char path[96];
    if (length < 1 || bytes[0] > 7) {
        return 0;
    }
    snprintf(path, sizeof path, "/tmp/pare-fuzz-%ld.%s", (long)getpid(), endings[bytes[0]]);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes + 1, 1, length - 1, file) != length - 1 || fclose(file) != 0) {
        abort();
    }
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_context_set_threads(ctx, 1) != PARE_OK) {
        abort();
    }
    const char *target = bytes[0] % 4 == 2 ? "1" : "y";
    if (pare_molecules_read(ctx, path, "", target, pare_chemistry_toolkit(), &m) == PARE_OK) {
        for (int64_t i = 0; i < m.count; i++) {
            if (!isfinite(m.target[i]) || m.line[i] < 1 || m.row[i] >= m.rows || !m.text[i] ||
                m.scaffold[i] < 0 || m.scaffold[i] >= m.scaffolds) {
                abort();
            }
        }
        list(ctx, &m);
    } else if (!pare_context_error(ctx)[0]) {
        abort();
    }
    pare_molecules_clear(&m);
    pare_context_destroy(ctx);
    (void)unlink(path);
    if (used != 0) {
        abort();
    }
    return 0;
}
