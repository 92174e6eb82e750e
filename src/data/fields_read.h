/*
 * Private to the readers of field tables: from an open input, so that tests and fuzzers read
 * memory.
 *
 * A file is read in blocks of a few megabytes, cut at line ends into chunks. Chunks are parsed in
 * parallel into entries (field, text, value); then each field gives its texts numbers, in the order
 * of the file and in parallel over fields; then chunks put the numbers into the rows. Nothing
 * depends on how many threads there are.
 */
#ifndef PARE_DATA_FIELDS_READ_H
#define PARE_DATA_FIELDS_READ_H

#include "data/fields.h"
#include "data/reader.h"

pare_status pare_fields_read_input(pare_input *input, pare_fields_format format,
                                   const pare_options *options, pare_fields *out) PARE_MUST_CHECK;

enum { PARE_CRITEO_COLUMNS = 40 };
/* By name, then by the first line; a row of the Criteo logs in a .tsv by the line. */
pare_fields_format pare_fields_guess(const pare_input *input);

enum {
    PARE_FIELDS_DIRECT = 1 << 14, /* field numbers below this are found by index */
    PARE_FIELDS_FRESH = 64,       /* new field numbers a chunk tells at a time */
    PARE_FIELDS_SHOWN = 40        /* bytes of a text that a sentence quotes */
};

/* What a column of csv, tsv or criteo is to the parser. */
typedef enum pare_fields_column {
    PARE_FIELDS_TEXT,
    PARE_FIELDS_DECIMAL, /* field->decimal takes the cells that are decimals */
    PARE_FIELDS_LABEL,
    PARE_FIELDS_IGNORED
} pare_fields_column;

/* Of an entry of libffm and libfm. */
typedef struct pare_fields_tag {
    int32_t field;
    float value;
} pare_fields_tag;

typedef enum pare_fields_fault_kind {
    PARE_FIELDS_FINE,
    PARE_FIELDS_REFUSED,  /* text, expected */
    PARE_FIELDS_NO_LABEL, /* text */
    PARE_FIELDS_TWICE,    /* number: a field's second entry in a row */
    PARE_FIELDS_WIDTH,    /* number: entries of a libfm line */
    PARE_FIELDS_RAGGED    /* number: columns of a csv line */
} pare_fields_fault_kind;

#define PARE_FIELDS_UNCLOSED                                                                       \
    "a closing quote before the end of the cell and line (cells hold no line breaks)"

typedef struct pare_fields_fault {
    pare_fields_fault_kind kind;
    int64_t line; /* in the chunk, from 1 */
    int64_t number;
    const char *expected;
    char text[PARE_FIELDS_SHOWN + 4];
} pare_fields_fault;

/* Texts of libffm and libfm stand as in the file, each with a tag; those of the other formats by
 * field, word[field * stride + row], so that the look-up of a field reads them in order. */
typedef struct pare_fields_chunk {
    int64_t begin, end;  /* bytes of the block, whole lines */
    int64_t lines, rows; /* lines: counted before parsing */
    int64_t stride;      /* at least the rows that the chunk can hold */
    int64_t entries, first_row;
    pare_word *word; /* long texts: their place in the block; see pare_fields_levels */
    pare_fields_tag *tag;
    int32_t *order;    /* (entries) by field, then as in the file */
    int32_t *start;    /* (fields + 1) where a field begins in order */
    int32_t *last_row; /* (fields) row of a field's last entry, -1: none */
    int32_t *row_end;  /* (rows) entries up to the end of the row */
    uint8_t *label;    /* (rows) */
    int64_t word_capacity, tag_capacity, order_capacity, start_capacity, last_capacity,
        end_capacity, label_capacity;
    int64_t negative, zero; /* lines of the first labels -1 and 0; 0: none */
    bool missing, valued;   /* a row without label; a value that is not 1 */
    uint64_t fresh[PARE_FIELDS_FRESH];
    int64_t fresh_line[PARE_FIELDS_FRESH];
    int64_t freshes;
    pare_fields_fault fault;
} pare_fields_chunk;

typedef struct pare_fields_reader {
    pare_context *ctx;
    const char *name;
    const pare_options *options;
    pare_input *input;
    pare_fields_format format;
    pare_fields *fields;
    pare_lines lines;
    bool fills;    /* the next block is read while this one is parsed */
    int64_t line;  /* before the block */
    int64_t head;  /* lines up to the header */
    int64_t width; /* libfm: cells of a line; -1: not known yet */
    bool optional, missing, valued, negative, zero; /* as of a chunk; optional: may lack labels */
    int64_t target;                                 /* csv: column of the label, -1: none */
    int64_t columns;                                /* csv: cells of a line; 0: no line was seen */
    int32_t *column_field; /* csv: (columns) field of the column, -1: none */
    uint8_t *column;       /* csv: (columns) a pare_fields_column */
    int32_t *direct;       /* libffm, libfm: (PARE_FIELDS_DIRECT) field of a number, -1: none */
    uint64_t *number;      /* (fields) number that names it */
    pare_fields_chunk *chunk;
    int64_t chunks, chunk_capacity, chunks_made;
    struct pare_fields_place *place; /* (fields) */
    int64_t fields_capacity, number_capacity, place_capacity;
    int64_t cell_capacity, value_capacity, label_capacity;
    int64_t decimal_capacity; /* rows that the decimals of each field have room for */
    int64_t wide;             /* fields the cells are laid out for */
} pare_fields_reader;

/* How far the look-up of a field has come in a block. */
typedef struct pare_fields_place {
    int64_t chunk, at;
    int64_t wanted; /* bytes of the text that found no room; -1: done */
} pare_fields_place;

/* Appends a field (fields_head.c). */
pare_status pare_fields_add(pare_fields_reader *r, const char *name, int64_t length,
                            pare_field_kind kind) PARE_MUST_CHECK;
/* The field of a number in libffm and libfm, -1 if there is none; adds one that is new. */
int64_t pare_fields_numbered(const pare_fields_reader *r, uint64_t number);
pare_status pare_fields_add_number(pare_fields_reader *r, uint64_t number,
                                   int64_t line) PARE_MUST_CHECK;
/* The first line of csv, tsv or criteo: names of the columns, or the first row (*consumed false).
 */
pare_status pare_fields_columns(pare_fields_reader *r, const unsigned char *line, int64_t length,
                                bool *consumed) PARE_MUST_CHECK;

static inline bool pare_fields_pairs(const pare_fields_reader *r) {
    return r->format == PARE_FIELDS_LIBFFM || r->format == PARE_FIELDS_LIBFM;
}

/* Parses a chunk whose arrays have room (fields_parse.c). */
void pare_fields_parse(const pare_fields_reader *r, pare_fields_chunk *chunk);
/* A line of csv, tsv or criteo; false: the chunk has a fault (fields_cells.c). */
bool pare_fields_parse_cells(const pare_fields_reader *r, pare_fields_chunk *chunk,
                             unsigned char *line, unsigned char *end);
/* The row is whole, its label at p; NULL: it has none. false: the label is refused. */
bool pare_fields_end_row(pare_fields_chunk *chunk, const unsigned char *p,
                         const unsigned char *end);
/* The next cell of [*p, end), freed of its quotes in place; *p: after its delimiter, NULL: it was
 * the last. false: a quote is not closed. */
bool pare_fields_cell(const pare_fields_reader *r, unsigned char **p, unsigned char *end,
                      unsigned char **cell, int64_t *length);

/* Numbers the texts of all chunks (fields_lookup.c); rows have room. */
pare_status pare_fields_look_up(pare_fields_reader *r) PARE_MUST_CHECK;

enum { PARE_WORD_DECIMAL = -1 }; /* as the length of a word: the last eight bytes are a decimal */

/* Level i of a field in a chunk after the look-up: they take the place of the field's words, four
 * bytes each, from its first word on. */
static inline int32_t *pare_fields_levels(const pare_fields_chunk *chunk, int64_t field) {
    return (void *)(chunk->word + field * chunk->stride);
}

/* Sets a fault that quotes [p, end). */
void pare_fields_refuse(pare_fields_fault *fault, const unsigned char *p, const unsigned char *end,
                        const char *expected);
/* The sentence of a fault; `before`: lines before its chunk. */
pare_status pare_fields_fail(const pare_fields_reader *r, const pare_fields_fault *fault,
                             int64_t before) PARE_MUST_CHECK;

#endif
