#include "base/text.h"
#include "data/expression/expression.h"
#include "data/genotype/genotype.h"

#include <stdlib.h>
#include <string.h>

/* The first of the names beside `folder` that can be read as text. */
static pare_status read_first(pare_context *ctx, const char *folder, const char *const *names,
                              char **out, int64_t *length) {
    pare_status status = PARE_ERROR_IO;
    for (int i = 0; names[i] && status == PARE_ERROR_IO; i++) {
        pare_text path = {.ctx = ctx};
        pare_text_append(&path, "%s%s", folder, names[i]);
        status =
            path.status == PARE_OK ? pare_text_read(ctx, path.bytes, out, length) : path.status;
        pare_text_clear(&path);
    }
    return status;
}

/* Names of genes: the second column of features.tsv and genes.tsv, else the first. */
static pare_status read_genes(pare_expression *e, const char *source, char *text) {
    int64_t count = 0;
    pare_status status = pare_alloc_zero(e->ctx, e->genes, sizeof *e->gene, &e->gene);
    for (char *line = text; *line && status == PARE_OK; count++) {
        size_t length = strcspn(line, "\n");
        bool last = !line[length];
        line[length] = '\0';
        char *name = strchr(line, '\t') ? strchr(line, '\t') + 1 : line;
        if (count < e->genes) {
            status = pare_text_copy(e->ctx, name, (int64_t)strcspn(name, "\t\r"), &e->gene[count]);
        }
        line += length + !last;
    }
    if (status == PARE_OK && count != e->genes) {
        return pare_fail(e->ctx, PARE_ERROR_INPUT,
                         "%s: %lld gene names for %lld rows of the matrix", source,
                         (long long)count, (long long)e->genes);
    }
    return status;
}

/* Entries gene cell value, 1-based, into e. */
static pare_status read_matrix(pare_expression *e, const char *source, const char *text) {
    long long sizes[3] = {0};
    int64_t *start = NULL, line = 1;
    const char *at = text;
    if (strncmp(text, "%%MatrixMarket matrix coordinate", 32) != 0) {
        return pare_fail(e->ctx, PARE_ERROR_INPUT,
                         "%s: does not begin with %%%%MatrixMarket matrix coordinate", source);
    }
    while (*at == '%') {
        at += strcspn(at, "\n");
        at += *at == '\n';
        line++;
    }
    char *end = NULL;
    for (int i = 0; i < 3; i++) {
        sizes[i] = strtoll(at, &end, 10);
        if (end == at || sizes[i] < (i < 2) || sizes[i] > INT32_MAX) {
            return pare_fail(e->ctx, PARE_ERROR_INPUT,
                             "%s line %lld: expected rows, columns and entries", source,
                             (long long)line);
        }
        at = end;
    }
    e->genes = sizes[0];
    e->cells = sizes[1];
    pare_status status = pare_alloc_zero(e->ctx, e->cells + 1, sizeof *start, &start);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, sizes[2], sizeof *e->index, &e->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, sizes[2], sizeof *e->value, &e->value);
    }
    e->start = start;
    if (status != PARE_OK) {
        return status;
    }
    int64_t now = 0;
    for (long long k = 0; k < sizes[2]; k++) {
        long long gene = strtoll(at, &end, 10);
        const char *second = end;
        long long cell = strtoll(second, &end, 10);
        const char *third = end;
        double value = strtod(third, &end);
        line++;
        if (end == third || gene < 1 || gene > e->genes || cell < now + 1 || cell > e->cells) {
            return pare_fail(
                e->ctx, PARE_ERROR_INPUT,
                "%s line %lld: expected gene, cell and value within %lld x %lld, cells "
                "ascending",
                source, (long long)line, (long long)e->genes, (long long)e->cells);
        }
        at = end;
        now = cell - 1;
        e->index[k] = (int32_t)(gene - 1);
        e->value[k] = (float)value;
        e->start[cell]++;
    }
    for (int64_t i = 0; i < e->cells; i++) {
        e->start[i + 1] += e->start[i];
    }
    return PARE_OK;
}

pare_status pare_expression_read_mex(pare_expression *e, const char *path) {
    static const char *const matrices[] = {"", "/matrix.mtx", "/matrix.mtx.gz", NULL};
    static const char *const genes[] = {"/features.tsv.gz", "/features.tsv", "/genes.tsv",
                                        "/genes.tsv.gz",    ".genes.txt",    NULL};
    char *text = NULL;
    int64_t length = 0;
    bool file = strstr(path, ".mtx") != NULL;
    pare_status status = read_first(e->ctx, path, file ? matrices : matrices + 1, &text, &length);
    if (status == PARE_OK) {
        status = read_matrix(e, path, text);
        pare_free(e->ctx, text);
        text = NULL;
    }
    if (status == PARE_OK) {
        status = read_first(e->ctx, path, file ? genes + 4 : genes, &text, &length);
    }
    if (status == PARE_OK) {
        status = read_genes(e, path, text);
    }
    pare_free(e->ctx, text);
    return status;
}
