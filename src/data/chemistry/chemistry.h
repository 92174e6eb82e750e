/*
 * Molecules: rows of CSV, SMILES and SDF files, the molecules a toolkit makes of them, and the
 * environments of their atoms.
 */
#ifndef PARE_DATA_CHEMISTRY_CHEMISTRY_H
#define PARE_DATA_CHEMISTRY_CHEMISTRY_H

#include "base/options.h"
#include "data/chemistry/toolkit.h"

/* ---- Rows (rows.c) -------------------------------------------------------------------------- */

typedef struct pare_chem_row {
    int64_t line;      /* 1-based, where it begins */
    const char *text;  /* SMILES, or the block of an SDF; "" where the file has none */
    const char *value; /* target as written; NULL: not there */
} pare_chem_row;

typedef struct pare_chem_rows {
    pare_context *ctx;
    char *bytes; /* the file, cut in place */
    bool blocks; /* SDF */
    int64_t count;
    pare_chem_row *row;
} pare_chem_rows;

/*
 * Reads a molecule file by its name's ending (.gz before it counts): .sdf, .sd: blocks and tags;
 * .smi, .smiles: SMILES, then other columns, parted by blanks; else CSV, or with tabs TSV. smiles:
 * column of CSV ("": one of that name in any case); target: column or tag, for .smi a 0-based
 * column; "" : none wanted. Refused: columns that are not there, a quote that never ends.
 */
pare_status pare_chem_rows_read(pare_context *ctx, const char *path, const char *smiles,
                                const char *target, pare_chem_rows *out) PARE_MUST_CHECK;
void pare_chem_rows_clear(pare_chem_rows *rows);

/* ---- Environments (environments.c) ---------------------------------------------------------- */

/* A kind of surroundings: an atom with all that is at most `radius` bonds away. */
typedef struct pare_environment {
    uint64_t identity; /* the same in every file: hash of the whole tree of surroundings */
    int32_t radius;
    int32_t molecules;      /* that have it */
    int32_t molecule, atom; /* one place where it occurs */
} pare_environment;

typedef struct pare_environments {
    pare_context *ctx;
    int32_t radius; /* largest */
    int64_t molecules;
    int64_t *atom; /* (molecules + 1) first atom of each */
    int32_t *of;   /* (atoms, radius + 1) environment; -1: covers the same bonds as another */
    int64_t count;
    pare_environment *kind; /* (count) in order of first appearance */
    struct pare_environment_names *names;
} pare_environments;

/*
 * Morgan's environments (Rogers and Hahn 2010, "Extended-connectivity fingerprints") without
 * hashing into bits: two are one if element, neighbours, hydrogens, charge, isotope and ring of
 * their atoms and the kinds of their bonds agree along every walk of at most `radius` bonds. The
 * description is compared itself, never a hash of it alone. radius 0 .. 8.
 */
pare_status pare_environments_create(pare_context *ctx, int32_t radius,
                                     pare_environments *out) PARE_MUST_CHECK;
/* The next molecule: atom (atoms), bond (bonds). */
pare_status pare_environments_add(pare_environments *e, int32_t atoms, const pare_atom *atom,
                                  int32_t bonds, const pare_bond *bond) PARE_MUST_CHECK;
void pare_environments_clear(pare_environments *e);
/* Atoms and bonds at most `radius` bonds from `center`: lists of room for all, counts. */
void pare_environment_part(int32_t atoms, int32_t bonds, const pare_bond *bond, int32_t center,
                           int32_t radius, int32_t *atom, int32_t *atom_count, int32_t *bond_list,
                           int32_t *bond_count);

/* ---- Toolkit (molecules.c) ------------------------------------------------------------------ */

/* Loads the toolkit: option toolkit, else where such files are looked for. */
pare_status pare_toolkit_load(pare_context *ctx, const char *path,
                              const pare_toolkit **out) PARE_MUST_CHECK;

typedef struct pare_chem_skipped {
    int64_t line;
    char *text; /* SMILES, at most 200 bytes of it */
    char *reason;
} pare_chem_skipped;

typedef struct pare_molecules {
    pare_context *ctx;
    const pare_toolkit *toolkit; /* NULL: structures were not read */
    int64_t count;
    void **molecule;   /* (count) */
    int64_t *line;     /* (count) */
    int64_t *row;      /* (count) of the file, 0-based */
    char **text;       /* (count) SMILES as written; "" for SDF */
    double *target;    /* (count) */
    int64_t *scaffold; /* (count) number of the scaffold by first appearance */
    int64_t scaffolds;
    int64_t rows; /* of the file */
    int64_t skipped;
    pare_chem_skipped *skip;
} pare_molecules;

/* Rows with a number for a target and, where there is a toolkit, a structure it can read; the
 * others are kept by line and reason. */
pare_status pare_molecules_read(pare_context *ctx, const char *path, const char *smiles,
                                const char *target, const pare_toolkit *toolkit,
                                pare_molecules *out) PARE_MUST_CHECK;
void pare_molecules_clear(pare_molecules *m);

#endif
