/* A toolkit for the tests: a molecule is a chain of letters, each an atom; "(" is refused. */
#include "data/chemistry/toolkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *text) {
    char *out = malloc(strlen(text) + 1);
    return out ? strcpy(out, text) : NULL;
}

static void *parse(const char *text, int32_t block, char *reason, size_t size) {
    (void)block;
    const char *last = block ? strrchr(text, ' ') : NULL;
    text = last ? last + 1 : text;
    size_t length = strcspn(text, "\r\n ");
    if (length == 0 || strchr(text, '(')) {
        snprintf(reason, size, "not a chain");
        return NULL;
    }
    char *out = copy(text);
    if (out) {
        out[length] = '\0';
    }
    return out;
}

static void size_of(const void *molecule, int32_t *atoms, int32_t *bonds) {
    *atoms = (int32_t)strlen(molecule);
    *bonds = *atoms - 1;
}

static void graph(const void *molecule, pare_atom *atom, pare_bond *bond) {
    const char *text = molecule;
    int32_t atoms = (int32_t)strlen(text);
    for (int32_t a = 0; a < atoms; a++) {
        atom[a] = (pare_atom){.element = text[a], .degree = (a > 0) + (a < atoms - 1)};
        if (a > 0) {
            bond[a - 1] = (pare_bond){a - 1, a, 1};
        }
    }
}

static void describe(const void *molecule, double *descriptor) {
    descriptor[0] = (double)strlen(molecule);
}

static char *scaffold(const void *molecule) {
    char first[2] = {((const char *)molecule)[0], '\0'};
    return copy(first);
}

static char *fragment(const void *molecule, const pare_part *part, int32_t exact) {
    const char *text = molecule;
    char out[256] = "";
    for (int32_t a = 0; a < part->atoms && a < 100; a++) {
        snprintf(out + strlen(out), sizeof out - strlen(out), exact ? "[%c]" : "%c",
                 text[part->atom[a]]);
    }
    return copy(out);
}

static char *draw(const void *molecule, int32_t width, int32_t height, int32_t parts,
                  const pare_part *part, uint32_t colour) {
    (void)molecule;
    (void)width;
    (void)height;
    (void)part;
    char out[128];
    snprintf(out, sizeof out, "<svg data-parts=\"%d\" data-colour=\"%06x\"></svg>", (int)parts,
             (unsigned)colour);
    return copy(out);
}

static void release_text(char *text) {
    free(text);
}

static const char *const names[] = {"length"}, *const meanings[] = {"letters"};
static const pare_toolkit toolkit = {PARE_TOOLKIT_VERSION,
                                     "chain 1",
                                     1,
                                     names,
                                     meanings,
                                     parse,
                                     free,
                                     size_of,
                                     graph,
                                     describe,
                                     scaffold,
                                     fragment,
                                     draw,
                                     release_text};

const pare_toolkit *pare_chemistry_toolkit(void);
const pare_toolkit *pare_chemistry_toolkit(void) {
    return &toolkit;
}
