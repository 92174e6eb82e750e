/* Rows of molecule files: CSV and TSV with quotes, SMILES files, SDF. The text is cut in place. */
#include "base/text.h"
#include "data/chemistry/chemistry.h"
#include "data/genotype/genotype.h"

#include <string.h>

enum { COLUMNS_MAX = 65536 };

typedef struct reading {
    pare_chem_rows *rows;
    const char *path, *smiles, *target;
    int64_t capacity;
    int64_t smiles_at, target_at; /* -1: none */
} reading;

void pare_chem_rows_clear(pare_chem_rows *rows) {
    if (rows->ctx) {
        pare_free(rows->ctx, rows->bytes);
        pare_free(rows->ctx, rows->row);
    }
    *rows = (pare_chem_rows){0};
}

static pare_status add_row(reading *r, int64_t line, const char *text, const char *value) {
    pare_chem_rows *rows = r->rows;
    pare_status status =
        pare_grow(rows->ctx, rows->count + 1, sizeof *rows->row, &r->capacity, &rows->row);
    if (status == PARE_OK) {
        rows->row[rows->count++] = (pare_chem_row){line, text ? text : "", value};
    }
    return status;
}

/* Letters of ASCII without their case. */
static bool same_word(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
        char y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
        if (x != y) {
            return false;
        }
    }
    return *a == *b;
}

static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1])) {
        text[--length] = '\0';
    }
    return text;
}

/* Cuts the field at *at out of a record of CSV; *at moves behind its separator, *end tells what
 * ended it: the separator, '\n' or '\0'. Lines within quotes are counted. NULL: an open quote. */
static char *cut_field(char **at, char separator, int64_t *line, char *end) {
    char *p = *at, *begin = p, *out = p;
    bool quoted = *p == '"';
    p += quoted;
    for (; *p; p++) {
        if (quoted && *p == '"') {
            if (p[1] != '"') {
                quoted = false;
                continue;
            }
            p++;
        } else if (!quoted && (*p == separator || *p == '\n')) {
            break;
        }
        *line += *p == '\n';
        *out++ = *p;
    }
    if (quoted) {
        return NULL;
    }
    *end = *p;
    *at = p + (*p != '\0');
    *out = '\0';
    return trim(begin);
}

static pare_status no_column(const reading *r, const char *what, const char *name) {
    return pare_fail(r->rows->ctx, PARE_ERROR_INPUT, "%s: there is no %s '%s'", r->path, what,
                     name);
}

/* One line of CSV; the first names the columns. */
static pare_status read_csv_line(reading *r, char **at, char separator, int64_t *line) {
    const int64_t first = *line;
    const bool head = r->smiles_at == -2;
    char end = separator, *text = NULL, *value = NULL;
    int64_t columns = 0, filled = 0;
    for (; end == separator; columns++) {
        char *field = columns < COLUMNS_MAX ? cut_field(at, separator, line, &end) : NULL;
        if (!field) {
            return pare_fail(r->rows->ctx, PARE_ERROR_INPUT,
                             columns < COLUMNS_MAX ? "%s line %lld: a quote is never closed"
                                                   : "%s line %lld: more than 65,536 columns",
                             r->path, (long long)first);
        }
        filled += field[0] != '\0';
        if (head) {
            bool named = r->smiles[0] ? strcmp(field, r->smiles) == 0 : same_word(field, "smiles");
            text = named && !text ? field : text;
            value = strcmp(field, r->target) == 0 && !value ? field : value;
            r->smiles_at = text == field ? columns : r->smiles_at;
            r->target_at = value == field ? columns : r->target_at;
        } else {
            text = columns == r->smiles_at ? field : text;
            value = columns == r->target_at ? field : value;
        }
    }
    *line += end == '\n';
    if (head && r->smiles_at < 0 && r->smiles[0]) {
        return no_column(r, "column", r->smiles);
    }
    if (head && r->target_at < 0 && r->target[0]) {
        return no_column(r, "column", r->target);
    }
    r->smiles_at = r->smiles_at < 0 ? -1 : r->smiles_at;
    return head || filled == 0 ? PARE_OK : add_row(r, first, text, value);
}

static pare_status read_csv(reading *r) {
    char *at = r->rows->bytes;
    const size_t first = strcspn(at, "\n");
    const char separator = memchr(at, '\t', first) && !memchr(at, ',', first) ? '\t' : ',';
    int64_t line = 1;
    pare_status status = PARE_OK;
    r->smiles_at = -2; /* the line of names comes */
    r->target_at = -1;
    at += strncmp(at, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (*at && status == PARE_OK) {
        status = read_csv_line(r, &at, separator, &line);
    }
    return status;
}

/* SMILES first, other columns behind it. A first line that says "smiles" names them. */
static pare_status read_smi(reading *r) {
    char *at = r->rows->bytes;
    int64_t target_at = -1;
    pare_status status = PARE_OK;
    bool numbered = r->target[0] && pare_parse_integer(r->target, &target_at) && target_at > 0;
    bool named = !numbered;
    for (int64_t line = 1; *at && status == PARE_OK; line++) {
        char *end = at + strcspn(at, "\n"), *text = NULL, *value = NULL;
        bool last = !*end, head = false;
        *end = '\0';
        char *p = at;
        for (int64_t column = 0; *(p += strspn(p, " \t\r")); column++) {
            char *field = p;
            p += strcspn(p, " \t\r");
            p += *p ? (*p = '\0', 1) : 0;
            text = column == 0 ? field : text;
            head = head || (line == 1 && column == 0 && same_word(field, "smiles"));
            if (head && named && strcmp(field, r->target) == 0) {
                target_at = column;
            }
            value = column == target_at ? field : value;
        }
        if (line == 1 && named && r->target[0] && target_at < 1) {
            return no_column(r,
                             "column (a name in a first line that begins with smiles, or a "
                             "0-based number)",
                             r->target);
        }
        if (text && !head) {
            status = add_row(r, line, text, value);
        }
        at = last ? end : end + 1;
    }
    return status;
}

/* Whether a line of an SDF is the head of tag `name`: > ... <name>. */
static bool is_tag(const char *line, const char *name) {
    const char *open = line[0] == '>' ? strchr(line, '<') : NULL;
    size_t length = strlen(name);
    return open && strncmp(open + 1, name, length) == 0 && open[1 + length] == '>';
}

static pare_status read_sdf(reading *r) {
    char *at = r->rows->bytes, *block = at, *value = NULL;
    int64_t first = 1;
    bool wanted = false, found = false, filled = false;
    pare_status status = PARE_OK;
    for (int64_t line = 1; *at && status == PARE_OK; line++) {
        char *end = at + strcspn(at, "\n");
        bool last = !*end, ends = strncmp(at, "$$$$", 4) == 0;
        if (at[0] == '>') { /* tags are behind the structure, which stays whole for the toolkit */
            *end = '\0';
            wanted = is_tag(at, r->target);
            at[0] = at > block ? '\0' : at[0];
        } else if (wanted) {
            *end = '\0';
            value = trim(at);
            found = true;
            wanted = false;
        }
        filled = filled || (!ends && at[strspn(at, " \t\r\n")] != '\0');
        if (ends || (last && filled)) {
            at[0] = ends ? '\0' : at[0];
            status = filled ? add_row(r, first, block, value) : PARE_OK;
            block = last ? end : end + 1;
            first = line + 1;
            value = NULL;
            filled = false;
        }
        at = last ? end : end + 1;
    }
    if (status == PARE_OK && r->target[0] && !found) {
        status = no_column(r, "tag", r->target);
    }
    return status;
}

static bool ends_in(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    length -= length > 3 && strcmp(path + length - 3, ".gz") == 0 ? 3 : 0;
    return length >= tail && strncmp(path + length - tail, ending, tail) == 0;
}

pare_status pare_chem_rows_read(pare_context *ctx, const char *path, const char *smiles,
                                const char *target, pare_chem_rows *out) {
    *out = (pare_chem_rows){0};
    pare_chem_rows rows = {.ctx = ctx};
    reading r = {.rows = &rows, .path = path, .smiles = smiles, .target = target};
    int64_t length = 0;
    pare_status status = pare_text_read(ctx, path, &rows.bytes, &length);
    if (status == PARE_OK && memchr(rows.bytes, '\0', (size_t)length)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: holds a zero byte; expected text", path);
    }
    if (status == PARE_OK) {
        rows.blocks = ends_in(path, ".sdf") || ends_in(path, ".sd");
        status = rows.blocks                                         ? read_sdf(&r)
                 : ends_in(path, ".smi") || ends_in(path, ".smiles") ? read_smi(&r)
                                                                     : read_csv(&r);
    }
    if (status == PARE_OK && rows.count == 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: the file has no molecules", path);
    }
    if (status != PARE_OK) {
        pare_chem_rows_clear(&rows);
        return status;
    }
    *out = rows;
    return PARE_OK;
}
