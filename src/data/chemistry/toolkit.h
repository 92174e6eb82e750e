/*
 * What a chemistry toolkit offers to the library: a shared object with one C function,
 * pare_chemistry_toolkit, loaded at run time where molecules are read. plugins/rdkit builds one on
 * Debian's librdkit-dev. Plain C and C++, nothing of the library in it.
 */
#ifndef PARE_DATA_CHEMISTRY_TOOLKIT_H
#define PARE_DATA_CHEMISTRY_TOOLKIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PARE_TOOLKIT_VERSION = 1 };

typedef struct pare_atom {
    int32_t element;   /* atomic number */
    int32_t degree;    /* neighbours, hydrogens among them */
    int32_t hydrogens; /* of these, hydrogens, written or not */
    int32_t charge;
    int32_t isotope; /* mass less that of the element, rounded; 0: not given */
    int32_t ring;    /* 1: in a ring */
} pare_atom;

typedef struct pare_bond {
    int32_t a, b; /* atoms */
    int32_t kind; /* 1, 2, 3: single, double, triple; 4: aromatic; others as the toolkit likes */
} pare_bond;

/* Part of a molecule, as lists of its atoms and bonds. */
typedef struct pare_part {
    int32_t atoms, bonds;
    const int32_t *atom, *bond;
    int32_t center; /* atom it is grown from */
} pare_part;

/* Texts that are handed out are freed by release_text. Functions are called from one thread. */
typedef struct pare_toolkit {
    int32_t version;  /* PARE_TOOLKIT_VERSION it was built for */
    const char *name; /* with its version */
    int32_t descriptors;
    const char *const *descriptor; /* names */
    const char *const *meaning;    /* one phrase each */
    /* A molecule from SMILES, or from a block of an SDF; NULL: reason (size bytes) says why not. */
    void *(*parse)(const char *text, int32_t block, char *reason, size_t size);
    void (*release)(void *molecule);
    void (*size)(const void *molecule, int32_t *atoms, int32_t *bonds);
    void (*graph)(const void *molecule, pare_atom *atom, pare_bond *bond);
    void (*describe)(const void *molecule, double *descriptor); /* NaN: cannot be had */
    /* Bemis-Murcko scaffold as SMILES, "" for a molecule without rings; NULL on failure. */
    char *(*scaffold)(const void *molecule);
    /* SMILES of a part; exact: SMARTS that also fixes hydrogens, degree, charge and rings. */
    char *(*fragment)(const void *molecule, const pare_part *part, int32_t exact);
    /* An <svg> element with the parts marked in colour 0xRRGGBB. */
    char *(*draw)(const void *molecule, int32_t width, int32_t height, int32_t parts,
                  const pare_part *part, uint32_t colour);
    void (*release_text)(char *text);
} pare_toolkit;

typedef const pare_toolkit *(*pare_toolkit_function)(void);
#define PARE_TOOLKIT_SYMBOL  "pare_chemistry_toolkit"
#define PARE_TOOLKIT_LIBRARY "libpare_chemistry.so"

#ifdef __cplusplus
}
#endif
#endif
