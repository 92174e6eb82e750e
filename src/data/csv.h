/* Private to the CSV reader: what its files share. */
#ifndef PARE_DATA_CSV_H
#define PARE_DATA_CSV_H

#include "data/reader.h"

#include <stdatomic.h>

/* A place where something is wrong. */
typedef struct csv_fault {
    enum { CSV_FINE, CSV_RAGGED, CSV_ZERO_BYTE, CSV_INFINITE } kind;
    int64_t line, column, fields;
} csv_fault;

/* A run of whole records of the current block, parsed by one thread. */
typedef struct csv_chunk {
    int64_t begin, end;     /* bytes of the block */
    int64_t records, lines; /* in it; records -1: not counted yet */
    int64_t row, line;      /* of its first record: row within the block, line of the file */
    /* Results: */
    int64_t pending;    /* cells whose text is not a level yet */
    int64_t last;       /* rows up to the last one that is not blank */
    csv_fault fault;    /* the first record that cannot be read, if any */
    csv_fault infinite; /* the first infinite number, if any */
} csv_chunk;

typedef struct csv_segment {
    float *cells;
    int64_t rows, capacity;
} csv_segment;

enum { CSV_SEGMENTS_MAX = 64 };

struct pare_csv;

/* Takes the rows block by block instead of a table; the levels stay in csv->levels. */
typedef struct pare_csv_sink {
    /* Before the first row, and again when all is read anew because a column turned to text: then
     * csv->category has the columns. May set *offset (byte) and *line of a record to begin with. */
    pare_status (*begin)(void *user, struct pare_csv *csv, int64_t *offset, int64_t *line);
    /* csv->cells: (rows, columns); they begin at csv->offset, csv->line. *stop: enough. */
    pare_status (*rows)(void *user, struct pare_csv *csv, int64_t rows, bool *stop);
    void *user;
} pare_csv_sink;

/*
 * The state of a reading. Records are separated by `terminator` ('\n', or '\r' in a file that has
 * no '\n'), fields by `separator`. A field is quoted if its first byte after blanks is '"'.
 */
typedef struct pare_csv {
    pare_context *ctx;
    pare_input *input;
    pare_table *table;
    unsigned char separator, terminator;
    int64_t columns;
    unsigned char *category; /* (columns) 1: cells are levels, 0: numbers so far */
    unsigned char *ignored;  /* (columns) 1: infinite numbers there do not matter */
    atomic_uchar *turned;    /* (columns) 1: text was met where a number was expected */
    pare_levels *levels;     /* (columns) */
    int64_t *list;           /* (categories) the columns whose cells are levels */
    int64_t categories;

    pare_lines lines;
    int64_t data_begin, data_line; /* of the first record below the header */
    csv_chunk *chunk;
    int64_t chunks, chunk_capacity;
    int64_t whole; /* end of the last chunk */
    float *cells;  /* the block's rows */
    bool fills;    /* the next run also reads the next block */

    const pare_csv_sink *sink; /* NULL: into the table */
    int64_t offset, line;      /* of the first record of the block: byte of the data, line */
    int64_t block_capacity;    /* sink: cells that segment[0] holds */
    bool stopped;              /* by the sink */
    bool resumed;              /* the first block began at `offset`, not at the header */

    csv_segment segment[CSV_SEGMENTS_MAX];
    int64_t segments;
    int64_t rows; /* in all segments */
    int64_t kept; /* rows up to the last one that is not blank */
    bool crooked; /* lines and rows do not run in step */
    csv_fault infinite;
    unsigned char *text; /* (text_capacity) a field without its quotes */
    int64_t text_capacity;
} pare_csv;

typedef struct csv_field {
    const unsigned char *begin, *end; /* content without blanks around it and outer quotes */
    const unsigned char *stop; /* separator or terminator behind it; NULL: quote not closed */
    bool quoted;
    bool knotty;   /* holds doubled quotes or text after the closing one: see pare_csv_text */
    int64_t lines; /* line ends inside */
} csv_field;

static inline bool csv_blank(const pare_csv *csv, unsigned char byte) {
    return (byte == ' ' || byte == '\t' || byte == '\r') && byte != csv->separator &&
           byte != csv->terminator;
}

/* The field that starts at p. There is a terminator at limit, which is not part of the data: a
 * field that stops there is not complete. */
csv_field pare_csv_field(const pare_csv *csv, const unsigned char *p, const unsigned char *limit);

/* Text of a field: *out points into the block or, if knotty, to scratch, which has room for
 * end - begin bytes. Returns its length. */
int64_t pare_csv_text(const csv_field *field, unsigned char *scratch, const unsigned char **out);
/* The same with scratch memory of its own, valid until the next call. */
pare_status pare_csv_own_text(pare_csv *csv, const csv_field *field, const unsigned char **out,
                              int64_t *length) PARE_MUST_CHECK;

/* The end of the record at p (the byte after its terminator), NULL if it is not complete; counts
 * the lines it takes and its fields. */
const unsigned char *pare_csv_record(const pare_csv *csv, const unsigned char *p,
                                     const unsigned char *limit, int64_t *lines, int64_t *fields);

/* Where the record at p ends if it holds nothing but blanks: its terminator; else NULL. */
static inline const unsigned char *csv_blank_record(const pare_csv *csv, const unsigned char *p) {
    while (csv_blank(csv, *p)) {
        p++;
    }
    return *p == csv->terminator ? p : NULL;
}

/* Frees everything but table and input. */
void pare_csv_clear(pare_csv *csv);

/* csv_head.c: separator, terminator, header, names; sets data_begin and data_line. */
pare_status pare_csv_head(pare_csv *csv, const pare_options *options, bool tabs) PARE_MUST_CHECK;

/* csv_split.c: cuts the block from `begin` on into chunks, reading more of the file if it holds no
 * whole record; counts records and lines. chunks = 0: no record is left. */
pare_status pare_csv_split(pare_csv *csv, int64_t begin, int64_t line) PARE_MUST_CHECK;

/* csv_parse.c: parses all chunks into csv->cells. A text cell whose level is not known yet holds
 * CSV_PENDING | offset of the field in the block. */
#define CSV_PENDING UINT32_C(0x80000000)
void pare_csv_parse(pare_csv *csv);

#endif
