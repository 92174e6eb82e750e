/*
 * Typed field tables: rows of categorical and numeric fields with a 0/1 label, as recommenders and
 * ad rankers log them. Every cell is first a level (a text seen in that field of that file), then,
 * once the training rows are known, a row of the field's embedding table.
 */
#ifndef PARE_DATA_FIELDS_H
#define PARE_DATA_FIELDS_H

#include "base/options.h"
#include "base/xxh64.h"
#include "data/vocabulary.h"

#include <math.h>
#include <string.h>

typedef enum pare_field_kind {
    PARE_FIELD_CATEGORY, /* one embedding row a kept level, row 0 for all others */
    PARE_FIELD_NUMBER,   /* one embedding row, times the standardised number */
    /* A category of the number x: of counts floor(log(x)^2) if x > 2, else floor(x); of others the
     * quantile of the training rows. */
    PARE_FIELD_BUCKET,
    PARE_FIELD_CROSS /* a category of the rows of two other fields */
} pare_field_kind;

/* In the order of option embed-format. */
typedef enum pare_fields_format {
    PARE_FIELDS_AUTO, /* csv or tsv by name, else by the first line */
    PARE_FIELDS_CSV,  /* one field a column */
    PARE_FIELDS_TSV,
    PARE_FIELDS_LIBFFM, /* label field:id:value ... */
    PARE_FIELDS_LIBFM,  /* label id:value ..., the n-th entry of a line belonging to field n */
    PARE_FIELDS_CRITEO, /* label, I1 .. I13, C1 .. C26 between tabs; empty: missing */
    PARE_FIELDS_FORMATS
} pare_fields_format;

enum { PARE_FIELDS_MAX = 4096, PARE_FIELD_HASH_MAX = 30 };

typedef struct pare_field {
    char *name;
    pare_field_kind kind;
    bool bucketed;         /* was BUCKET; encoding made it a CATEGORY of buckets */
    pare_vocabulary level; /* texts of this file */
    int64_t first;         /* row of the joint table where this field's rows begin */
    int64_t size;          /* rows of its embedding table, row 0 included */
    int32_t *row;          /* (level.count) row of each level */
    double mean, scale;    /* NUMBER: x -> (x - mean) * scale, from training rows */
    int64_t present;       /* training cells that are not missing */
    int64_t rare;          /* training cells of row 0: below the minimum count */
    int64_t unseen;        /* cells of held-out or other rows in row 0 */
    int64_t part[2];       /* CROSS: the two fields */
    /* CATEGORY: ids are hashed into rows 1 .. 2^hash_bits and no levels are kept; 0: not. Before
     * encoding 0: as pare_fields.hash_bits says, -1: never. */
    int64_t hash_bits;
    /* CATEGORY, before encoding: training cells that an id of it needs for a row of its own, 0: as
     * the others; rows of the table at most, 0: any number. Encoded: ids that the latter left in
     * row 0. */
    int64_t minimum_count, most_rows, crowded;
    int64_t ids, taken, shared; /* hashed: ids of the file, rows they take, ids not alone there */
    int64_t *decimal; /* (rows) NUMBER, as read: cells packed (data/decimal.h), -1: by cell */
    double *number;   /* (rows) NUMBER, while it is encoded: NaN: missing */
} pare_field;

typedef struct pare_field_pair {
    int64_t part[2]; /* fields that are not numbers, nor crosses */
    int64_t rows;    /* of its table, at least 1 */
} pare_field_pair;

typedef struct pare_fields {
    pare_context *ctx;
    char *source;               /* for sentences */
    char *target;               /* csv, tsv: name of the label's column; NULL: none */
    bool labelled;              /* every row had a label; else those without have 0 */
    int64_t rows, count, joint; /* rows, fields, rows of the joint table */
    int64_t head; /* lines before the first row, where each line after them is a row; else -1 */
    pare_field *field;
    int32_t *cell; /* (rows, count): level, once encoded the row of the joint table; -1: absent */
    float *value;  /* (rows, count) factor of the embedding row; NULL: all 1 */
    float *label;  /* (rows) 0 or 1 */
    int64_t hash_bits; /* fields that would need more than 2^hash_bits rows are hashed; 0: none */
    bool by_time;      /* before encoding: hold out the last rows, not some drawn at random */
    uint8_t *held_out; /* (rows) 1: not for training; set by encode */
    int64_t train_rows;
} pare_fields;

/*
 * Reads a file (gz too). Labels are 0 and 1, or -1 and 1, both present. Ids of libffm and libfm
 * are whole numbers from 0 below 2^64 and stay distinct; a second entry of a field in one row is
 * refused. Options used: target, ignore, categorical, header (csv, tsv). In csv and tsv a column
 * whose cells are all numbers or missing, with more than 50 different ones, is a NUMBER, any other
 * a CATEGORY; criteo: I1 .. I13 BUCKET, C1 .. C26 CATEGORY. Empty cells of categories are a level
 * like any other. Cost: one read, one hash look-up a cell.
 */
pare_status pare_fields_read(pare_context *ctx, const char *path, pare_fields_format format,
                             const pare_options *options, pare_fields *out) PARE_MUST_CHECK;
/* The same for rows to be scored, which may lack the label: in csv and tsv its column, in libffm
 * and libfm the first word of a line. */
pare_status pare_fields_read_rows(pare_context *ctx, const char *path, pare_fields_format format,
                                  const pare_options *options, pare_fields *out) PARE_MUST_CHECK;
void pare_fields_clear(pare_fields *fields);
/* Index of a field by name, -1 if there is none. */
int64_t pare_fields_find(const pare_fields *fields, const char *name, int64_t length);

/*
 * Holds out the rows whose draw of `seed` is below `share` (by_time: the last ones) and turns
 * levels into rows: levels of a category that occur in at least minimum_count (>= 1) training rows
 * get rows 1, 2, ... by falling count (ties: first appearance), as far as the field's most_rows
 * allow; all others share row 0. Where that makes too many rows (hash_bits) every id, frequent or
 * not, is hashed instead, and row 0 is not used. Fails if a class is missing among the training
 * rows, or no field varies.
 */
pare_status pare_fields_encode(pare_fields *fields, double share, uint64_t seed,
                               int64_t minimum_count) PARE_MUST_CHECK;
/* Appends crosses of encoded fields, named "a*b", without a vocabulary: where the pairs of rows of
 * a and b are no more than pair->rows, each has its own row, else they are hashed to so many. A
 * pair with an absent part is absent. */
pare_status pare_fields_cross(pare_fields *fields, int64_t count,
                              const pare_field_pair *pair) PARE_MUST_CHECK;
/* Whether a NUMBER, as read, looks like ids: whole numbers from 0, at least 256 different ones
 * among the first 100,000 rows. */
bool pare_field_like_ids(const pare_fields *fields, int64_t f);
/* Rows of the table of a cross, and the row of the pair (a, b) of rows within the parts' tables. */
static inline int64_t pare_cross_size(int64_t a_rows, int64_t b_rows, int64_t most) {
    return a_rows <= most / b_rows ? a_rows * b_rows : most;
}
static inline int64_t pare_pair_hash(int64_t a, int64_t b, int64_t size) {
    uint64_t mixed = (uint64_t)a << 32 | (uint64_t)b; /* the finaliser of splitmix64 */
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)(((mixed ^ mixed >> 31) >> 32) * (uint64_t)size >> 32);
}
static inline int64_t pare_cross_row(int64_t a, int64_t b, int64_t a_rows, int64_t b_rows,
                                     int64_t size) {
    return a_rows * b_rows <= size ? a * b_rows + b : pare_pair_hash(a, b, size);
}
/* Encodes more rows with the rows of `like`, matched by field name; a field they lack is refused,
 * one they have more is dropped. All rows are held out. */
pare_status pare_fields_encode_like(pare_fields *fields, const pare_fields *like) PARE_MUST_CHECK;

/*
 * More rows for a vocabulary that grows (fields_continue.c): `known` (no rows; the rows of each
 * table are those of its levels in order, after row 0) takes the rows of `rows`, matched by field
 * name. Ids that occur in at least minimum_count of them and have no row yet get the next ones;
 * fields it lacks are appended to it, before its crosses, which are the last; those that `rows`
 * lacks are absent in every row. cross_rows: as pare_field_pair, of all crosses.
 * known->joint and the firsts change, and no row is held out. *before: (known->count), the caller's
 * to free: rows of each table before, 0: a new field. unseen of each field: cells of ids that had
 * no row. Refused where not one field is known.
 */
pare_status pare_fields_continue(pare_fields *known, pare_fields *rows, int64_t minimum_count,
                                 int64_t cross_rows, int64_t **before) PARE_MUST_CHECK;
/* The row that row r of a cross has now, where the tables of its parts had a_rows, b_rows and its
 * own had size rows, all of which may have grown. */
int64_t pare_cross_moved(const pare_fields *fields, const pare_field *cross, int64_t a_rows,
                         int64_t b_rows, int64_t size, int64_t r);

/* Whether an encoded field has more than one value in `train` training rows, absence being one. */
static inline bool pare_field_varies(const pare_field *field, int64_t train) {
    return field->present < train ||
           (field->hash_bits > 0               ? field->taken > 1
            : field->kind == PARE_FIELD_NUMBER ? field->scale > 0
            : field->kind == PARE_FIELD_CROSS  ? true
                                               : field->size > 2 || field->rare > 0);
}

/* Row of an id of a hashed field, in 1 .. 2^bits; seed: pare_field_hash_seed. */
static inline uint64_t pare_field_hash_seed(const pare_field *field) {
    return pare_xxh64(field->name, (int64_t)strlen(field->name), 0);
}
static inline int64_t pare_field_hash_row(const pare_field *field, uint64_t seed,
                                          const unsigned char *id, int64_t length) {
    return 1 + (int64_t)(pare_xxh64(id, length, seed) >> (64 - field->hash_bits));
}

/* ---- Private to fields*.c: one field ---- */

/* Rows of all levels by their hashes. */
void pare_field_hash_levels(pare_field *field);
/* Counts ids, taken and shared from the rows of the levels. */
pare_status pare_field_count_shared(pare_context *ctx, pare_field *field) PARE_MUST_CHECK;
/* Whether a field of so many ids is to be hashed; 0, or the bits. */
int64_t pare_field_hash_wanted(const pare_fields *fields, const pare_field *field, int64_t ids);

/* Replaces the levels of a bucket field by those of its buckets; missing ones stay, other texts are
 * refused. Numbers that are not all whole are cut at quantiles of the training rows, with at least
 * `least` of them each.
 * *out: (levels before) bucket of each, the caller's to free, where cells are not mapped yet. */
pare_status pare_field_bucket_levels(pare_fields *fields, int64_t f, int64_t least,
                                     int32_t **out) PARE_MUST_CHECK;
/* The same for more rows, by the buckets that `rule` has (NULL: their own), mapping the cells. */
pare_status pare_field_bucket(pare_fields *fields, int64_t f,
                              const pare_field *rule) PARE_MUST_CHECK;
/* "rows.csv line 3: 'x' in field a: expected ...": refuses the text of a level. */
pare_status pare_field_refuse(const pare_fields *fields, int64_t f, int64_t level,
                              const char *expected) PARE_MUST_CHECK;
/* Whether the field, as read, has more than `levels` different cells, all numbers or missing, and
 * none a whole number beyond 2^53, which doubles would merge with others. */
bool pare_field_is_number(const pare_fields *fields, int64_t f, int64_t levels);
/* Levels that are decimals go to field->decimal, and back (fields_number.c): as of a column that
 * was read so. Rows have room for `capacity` (>= rows); nothing is done that is done already. */
pare_status pare_field_pack(pare_fields *fields, int64_t f, int64_t capacity) PARE_MUST_CHECK;
pare_status pare_field_unpack(pare_fields *fields, int64_t f) PARE_MUST_CHECK;
/* All cells as numbers, into field->number; levels are gone. Refuses other texts. */
pare_status pare_field_numbers(pare_fields *fields, int64_t f) PARE_MUST_CHECK;
/* Values of 1 where there are none. */
pare_status pare_fields_need_values(pare_fields *fields) PARE_MUST_CHECK;
/* Mean and scale from the numbers of rows that are not held out. */
void pare_field_standardise(pare_fields *fields, int64_t f);
/* Row i becomes row 0 times the number, standardised as `rule` says; a missing one absent. */
static inline void pare_field_put_number(const pare_fields *fields, int64_t f, int64_t i,
                                         const pare_field *rule) {
    int64_t at = i * fields->count + f;
    double x = fields->field[f].number[i];
    fields->value[at] = isnan(x) ? 0 : (float)((x - rule->mean) * rule->scale);
    fields->cell[at] = isnan(x) ? -1 : (int32_t)rule->first;
}
/* Standardises a number by the rows that are not held out. */
pare_status pare_field_number(pare_fields *fields, int64_t f) PARE_MUST_CHECK;
/* Encodes field f, in place, as `rule` is. */
pare_status pare_field_encode_like(pare_fields *fields, int64_t f,
                                   const pare_field *rule) PARE_MUST_CHECK;

#endif
