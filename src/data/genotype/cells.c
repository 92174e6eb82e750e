#include "base/text.h"
#include "data/genotype/genotype.h"
#include "data/reader.h"

pare_status pare_text_read(pare_context *ctx, const char *path, char **out, int64_t *length) {
    *out = NULL;
    pare_input *input = NULL;
    char *text = NULL;
    int64_t used = 0, capacity = 0;
    pare_status status = pare_alloc(ctx, 1, sizeof *input, &input);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_input_open(ctx, path, input);
    if (status != PARE_OK) {
        pare_free(ctx, input);
        return status;
    }
    for (;;) {
        status = pare_grow(ctx, used + (1 << 16) + 1, 1, &capacity, &text);
        if (status != PARE_OK) {
            break;
        }
        int64_t got = pare_input_read(input, text + used, capacity - used - 1);
        if (got < 0) {
            status = pare_input_fail(input);
            break;
        }
        used += got;
        if (used < capacity - 1) {
            text[used] = '\0';
            *length = used;
            *out = text;
            text = NULL;
            break;
        }
    }
    pare_free(ctx, text);
    pare_input_close(input);
    pare_free(ctx, input);
    return status;
}

void pare_cells_clear(pare_cells *fields) {
    if (fields->ctx) {
        pare_free(fields->ctx, fields->path);
        pare_free(fields->ctx, fields->text);
        pare_free(fields->ctx, fields->cell);
    }
    *fields = (pare_cells){0};
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the cell at *at out of a line in place and moves *at to the next one; *more: there is one.
 * NULL: blanks only. */
static char *cut_cell(char **at, bool commas, bool *more) {
    char *p = *at;
    while (blank(*p)) {
        p++;
    }
    *more = false;
    if (!commas && !*p) {
        return NULL;
    }
    const bool quoted = *p == '"';
    char *begin = p + quoted, *end = begin;
    while (*end && (quoted ? *end != '"' : commas ? *end != ',' : !blank(*end))) {
        end++;
    }
    p = end + (quoted && *end);
    while (*p && (commas ? *p != ',' : !blank(*p))) {
        p++;
    }
    *more = *p != '\0';
    p += *more;
    while (!quoted && end > begin && blank(end[-1])) {
        end--;
    }
    *end = '\0';
    *at = p;
    return begin;
}

/* Cells of the line at `line`, which ends in a zero, appended to the table. */
static pare_status cut_line(pare_cells *fields, char *line, int64_t number, int64_t *used,
                            int64_t *capacity) {
    int64_t count = 0;
    bool more = true;
    while (more) {
        char *cell = cut_cell(&line, fields->commas, &more);
        if (!cell) {
            break;
        }
        pare_status status =
            pare_grow(fields->ctx, *used + 1, sizeof *fields->cell, capacity, &fields->cell);
        if (status != PARE_OK) {
            return status;
        }
        fields->cell[(*used)++] = cell;
        count++;
    }
    if (count == 0 || (fields->commas && count == 1 && !fields->cell[*used - 1][0])) {
        *used -= count; /* a line of blanks */
        return PARE_OK;
    }
    if (fields->rows > 0 && count != fields->columns) {
        return pare_fail(fields->ctx, PARE_ERROR_INPUT, "%s line %lld: %lld fields, expected %lld",
                         fields->path, (long long)number, (long long)count,
                         (long long)fields->columns);
    }
    fields->columns = count;
    fields->rows++;
    return PARE_OK;
}

pare_status pare_cells_read(pare_context *ctx, const char *path, pare_cells *out) {
    *out = (pare_cells){0};
    pare_cells fields = {.ctx = ctx};
    int64_t length = 0, used = 0, capacity = 0;
    pare_status status = pare_text_copy(ctx, path, (int64_t)strlen(path), &fields.path);
    if (status == PARE_OK) {
        status = pare_text_read(ctx, path, &fields.text, &length);
    }
    if (status == PARE_OK && memchr(fields.text, '\0', (size_t)length)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: holds a zero byte; expected text", path);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    char *line = fields.text;
    fields.commas = memchr(line, ',', strcspn(line, "\n")) != NULL;
    for (int64_t number = 1; *line && status == PARE_OK; number++) {
        char *end = line + strcspn(line, "\n");
        bool last = !*end;
        *end = '\0';
        status = cut_line(&fields, line, number, &used, &capacity);
        line = last ? end : end + 1;
    }
    if (status == PARE_OK && fields.rows == 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: the file is empty; expected rows", path);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    *out = fields;
    return PARE_OK;
fail:
    pare_cells_clear(&fields);
    return status;
}
