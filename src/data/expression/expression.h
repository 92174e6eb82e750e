/*
 * Expression of genes in cells: AnnData .h5ad (current layout and that before version 0.8), 10x
 * .h5, and a folder of Matrix Market files (MEX). HDF5 is used where the build found it.
 */
#ifndef PARE_DATA_EXPRESSION_EXPRESSION_H
#define PARE_DATA_EXPRESSION_EXPRESSION_H

#include "base/options.h"
#include "platform/system.h"

typedef struct pare_expression {
    pare_context *ctx;
    int64_t cells, genes;
    int64_t *start; /* (cells + 1) */
    int32_t *index; /* (start[cells]) genes, in any order within a cell, each at most once */
    float *value;
    pare_map scratch; /* where index and value lie if memory is short */
    char **gene;      /* (genes) */
    int64_t types;
    char **type;       /* (types) names of the labels, those of no cell left out */
    int32_t *label;    /* (cells) -1: missing */
    int64_t batches;   /* the same of a second label, 0: none was asked for */
    char **batch;      /* (batches) */
    int32_t *batch_of; /* (cells) -1: missing */
} pare_expression;

/* What cells are told by: types and, where asked for, batches. */
typedef enum pare_cell_label { PARE_CELL_TYPE, PARE_CELL_BATCH, PARE_CELL_LABELS } pare_cell_label;

/*
 * Reads `path`; name[PARE_CELL_TYPE]: column of obs of an .h5ad, or a file of labels (one a line,
 * or CSV with a column of the name behind a colon, `meta.csv:type`) in the order of the cells;
 * name[PARE_CELL_BATCH] likewise, "" for none. memory: bytes that all of the work may take; cells
 * of an .h5ad or .h5 that are more than half of it, or of what is free, go to a scratch file.
 * Refused: a label that is not there, fewer than two types, negative or infinite values, indices
 * out of range, compression that needs a plugin, columns of cells (CSC) that do not fit.
 */
pare_status pare_expression_read(pare_context *ctx, const char *path,
                                 const char *const name[PARE_CELL_LABELS], int64_t memory,
                                 pare_expression *out) PARE_MUST_CHECK;
void pare_expression_clear(pare_expression *e);
/* Number of a gene, -1 if there is none of that name. */
int64_t pare_expression_find(const pare_expression *e, const char *gene, int64_t length);

/* Called behind a pass at entry `to`; *done: 0, or where the pass began. */
static inline void pare_expression_passed(const pare_expression *e, int64_t *done, int64_t to) {
    if (e->scratch.bytes) {
        pare_scratch_passed(e->index, e->value, done, to);
    }
}

/* ---- Private to the readers ---- */

/* h5.c: matrix, genes and, for .h5ad, the columns that are there: labelled. */
pare_status pare_expression_read_h5(pare_expression *e, const char *path,
                                    const char *const name[PARE_CELL_LABELS], int64_t memory,
                                    bool labelled[PARE_CELL_LABELS]) PARE_MUST_CHECK;
/* mex.c: a folder with matrix.mtx[.gz] (genes by cells) and features.tsv or genes.tsv, or a .mtx
 * file with genes beside it. */
pare_status pare_expression_read_mex(pare_expression *e, const char *path) PARE_MUST_CHECK;
/* Turns texts (cells; "" missing) into types and labels, or batches. */
pare_status pare_expression_set_labels(pare_expression *e, pare_cell_label which,
                                       char *const *text) PARE_MUST_CHECK;
/* Turns columns of cells (CSC by gene: entry at cell) into rows. Takes nothing over. */
pare_status pare_expression_transpose(pare_expression *e, const int64_t *start,
                                      const int32_t *index, const float *value) PARE_MUST_CHECK;

#endif
