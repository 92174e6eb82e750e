#include "base/text.h"
#include "data/chemistry/chemistry.h"
#include "data/reader.h"
#include "platform/library.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REASON_SIZE = 400, SHOWN = 200 };

pare_status pare_toolkit_load(pare_context *ctx, const char *path, const pare_toolkit **out) {
    char reason[REASON_SIZE];
    void *symbol = NULL;
    *out = NULL;
    if (!pare_library_symbol(path, PARE_TOOLKIT_LIBRARY, PARE_TOOLKIT_SYMBOL, &symbol, reason,
                             sizeof reason)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "structures need the toolkit " PARE_TOOLKIT_LIBRARY
                         ", which is built where librdkit-dev is installed (%s); option "
                         "fingerprints works without it",
                         reason);
    }
    pare_toolkit_function get = NULL;
    memcpy(&get, &symbol, sizeof get); /* C has no cast from an object to a function */
    const pare_toolkit *toolkit = get();
    if (!toolkit || toolkit->version != PARE_TOOLKIT_VERSION) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "the toolkit %s was built for another version of pare",
                         path[0] ? path : PARE_TOOLKIT_LIBRARY);
    }
    *out = toolkit;
    return PARE_OK;
}

void pare_molecules_clear(pare_molecules *m) {
    pare_context *ctx = m->ctx;
    if (!ctx) {
        return;
    }
    for (int64_t i = 0; i < m->count; i++) {
        if (m->molecule && m->molecule[i]) {
            m->toolkit->release(m->molecule[i]);
        }
        if (m->text) {
            pare_free(ctx, m->text[i]);
        }
    }
    for (int64_t i = 0; i < m->skipped; i++) {
        pare_free(ctx, m->skip[i].text);
        pare_free(ctx, m->skip[i].reason);
    }
    pare_free(ctx, m->molecule);
    pare_free(ctx, m->line);
    pare_free(ctx, m->row);
    pare_free(ctx, m->text);
    pare_free(ctx, m->target);
    pare_free(ctx, m->scaffold);
    pare_free(ctx, m->skip);
    *m = (pare_molecules){0};
}

static pare_status reserve(pare_molecules *m, int64_t rows) {
    pare_status status = pare_alloc_zero(m->ctx, rows, sizeof *m->molecule, &m->molecule);
    if (status == PARE_OK) {
        status = pare_alloc(m->ctx, rows, sizeof *m->line, &m->line);
    }
    if (status == PARE_OK) {
        status = pare_alloc(m->ctx, rows, sizeof *m->row, &m->row);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(m->ctx, rows, sizeof *m->text, &m->text);
    }
    if (status == PARE_OK) {
        status = pare_alloc(m->ctx, rows, sizeof *m->target, &m->target);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(m->ctx, rows, sizeof *m->scaffold, &m->scaffold);
    }
    return status;
}

static pare_status skip_row(pare_molecules *m, const pare_chem_row *row, bool block,
                            const char *reason, int64_t *capacity) {
    size_t length = strlen(row->text);
    pare_status status = pare_grow(m->ctx, m->skipped + 1, sizeof *m->skip, capacity, &m->skip);
    if (status != PARE_OK) {
        return status;
    }
    pare_chem_skipped *s = &m->skip[m->skipped++];
    *s = (pare_chem_skipped){.line = row->line};
    status = pare_text_copy(m->ctx, block ? "" : row->text,
                            block ? 0 : (int64_t)(length < SHOWN ? length : SHOWN), &s->text);
    return status == PARE_OK ? pare_text_copy(m->ctx, reason, (int64_t)strlen(reason), &s->reason)
                             : status;
}

/* Numbers of scaffolds: by text, through levels in order of appearance. */
static pare_status name_scaffolds(pare_molecules *m) {
    pare_levels levels = {0};
    pare_status status = PARE_OK;
    for (int64_t i = 0; i < m->count && m->toolkit && status == PARE_OK; i++) {
        char *text = m->toolkit->scaffold(m->molecule[i]);
        const char *name = text ? text : "?";
        status = pare_levels_add(m->ctx, &levels, (const unsigned char *)name,
                                 (int64_t)strlen(name), &m->scaffold[i]);
        m->toolkit->release_text(text);
    }
    m->scaffolds = levels.count;
    pare_levels_clear(m->ctx, &levels);
    return status;
}

static pare_status take_row(pare_molecules *m, const pare_chem_rows *rows, int64_t r,
                            int64_t *capacity) {
    const pare_chem_row *row = &rows->row[r];
    char reason[REASON_SIZE] = "";
    double value = 0;
    void *molecule = NULL;
    if (!row->value || !row->value[0]) {
        snprintf(reason, sizeof reason, "no value of the target");
    } else if (!pare_parse_real(row->value, &value) || !isfinite(value)) {
        snprintf(reason, sizeof reason, "the target is '%.40s', expected a number", row->value);
    } else if (m->toolkit && !row->text[0]) {
        snprintf(reason, sizeof reason, "no structure");
    } else if (m->toolkit) {
        molecule = m->toolkit->parse(row->text, rows->blocks, reason, sizeof reason);
        if (!molecule && !reason[0]) {
            snprintf(reason, sizeof reason, "not a molecule");
        }
    }
    if (reason[0]) {
        return skip_row(m, row, rows->blocks, reason, capacity);
    }
    m->molecule[m->count] = molecule;
    m->line[m->count] = row->line;
    m->row[m->count] = r;
    m->target[m->count] = value;
    m->count++;
    return pare_text_copy(m->ctx, row->text, rows->blocks ? 0 : (int64_t)strlen(row->text),
                          &m->text[m->count - 1]);
}

pare_status pare_molecules_read(pare_context *ctx, const char *path, const char *smiles,
                                const char *target, const pare_toolkit *toolkit,
                                pare_molecules *out) {
    *out = (pare_molecules){0};
    pare_molecules m = {.ctx = ctx, .toolkit = toolkit};
    pare_chem_rows rows;
    int64_t capacity = 0;
    pare_status status = pare_chem_rows_read(ctx, path, smiles, target, &rows);
    if (status != PARE_OK) {
        return status;
    }
    m.rows = rows.count;
    status = reserve(&m, rows.count);
    for (int64_t r = 0; r < rows.count && status == PARE_OK; r++) {
        status = take_row(&m, &rows, r, &capacity);
    }
    if (status == PARE_OK && m.count < 2) {
        status = pare_fail(
            ctx, PARE_ERROR_INPUT, "%s: %lld of %lld molecules can be used (line %lld: %s)", path,
            (long long)m.count, (long long)m.rows, (long long)(m.skipped ? m.skip[0].line : 1),
            m.skipped ? m.skip[0].reason : "a choice needs two");
    }
    status = status == PARE_OK ? name_scaffolds(&m) : status;
    pare_chem_rows_clear(&rows);
    if (status != PARE_OK) {
        pare_molecules_clear(&m);
        return status;
    }
    *out = m;
    return PARE_OK;
}
