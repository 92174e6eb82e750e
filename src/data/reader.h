/*
 * Private to the readers: a input of bytes (file, standard input or memory, gz or plain), the
 * parser of decimal numbers, the levels of a text column, and one function per format.
 */
#ifndef PARE_DATA_READER_H
#define PARE_DATA_READER_H

#include "data/dataset.h"
#include "data/levels.h"

#include <string.h>

/* ---- Bytes (input.c) ----------------------------------------------------------------------- */

/*
 * One layer of a stack of sources; a layer owns the one below it. `read` behaves as read(2): it
 * returns how many bytes were written to buffer (0: the end), or -1 with `reason` set. It touches
 * neither the context nor its allocator once the first read has returned, so that later reads may
 * run on a thread of the pool.
 */
typedef struct pare_source pare_source;
struct pare_source {
    int64_t (*read)(pare_source *self, unsigned char *buffer, int64_t bytes);
    /* Passes over up to `bytes` bytes, as read does; NULL: only reading does that. */
    int64_t (*skip)(pare_source *self, int64_t bytes);
    void (*close)(pare_source *self); /* frees self */
    pare_context *ctx;
    int64_t taken;   /* bytes of the stored file used up so far */
    char reason[96]; /* after -1: "gz data ends early: the file is truncated" */
};

enum { PARE_INPUT_HEAD = 4096 };

typedef struct pare_input {
    pare_context *ctx;
    const char *path;            /* borrowed; what was opened */
    const char *name;            /* for messages: the path, or "standard input" */
    const unsigned char *memory; /* not NULL: bytes of the caller instead of a file */
    int64_t memory_length;
    pare_source *source;
    bool rewindable; /* pare_input_rewind works (not a pipe) */
    int64_t size;    /* bytes in the file as stored; -1: unknown */
    bool gz;
    int64_t block; /* bytes the text readers take at a time; tests make it small */
    unsigned char head[PARE_INPUT_HEAD]; /* looked at, not yet read */
    int64_t head_begin, head_end;
} pare_input;

/* Opens path ("-": standard input); gz is recognised by its first bytes. Borrows path. */
pare_status pare_input_open(pare_context *ctx, const char *path, pare_input *out) PARE_MUST_CHECK;
/* The same over bytes in memory, which it borrows; `name` is for messages. */
pare_status pare_input_open_memory(pare_context *ctx, const char *name, const unsigned char *bytes,
                                   int64_t length, pare_input *out) PARE_MUST_CHECK;
void pare_input_close(pare_input *input);
/* Back to the first byte. */
pare_status pare_input_rewind(pare_input *input) PARE_MUST_CHECK;

/* Reads until `bytes` are there or the data end; -1: failed, pare_input_fail says how. Touches no
 * context and no allocator, except in the first call after open or rewind. */
int64_t pare_input_read(pare_input *input, void *buffer, int64_t bytes);
/* Passes over bytes, in a plain file without reading them; returns how many, as read does. */
int64_t pare_input_skip(pare_input *input, int64_t bytes);
/* Sets the sentence of a failed read and returns its status. */
pare_status pare_input_fail(pare_input *input) PARE_MUST_CHECK;
/* Makes up to PARE_INPUT_HEAD bytes visible at head[head_begin .. head_end) without reading
 * them away. */
pare_status pare_input_look(pare_input *input) PARE_MUST_CHECK;
/* Share of the stored file that was read, in (0, 1]; 0 if unknown. */
double pare_input_share(const pare_input *input);
/* No more than this many bytes can still come; INT64_MAX if unknown. Call before reading. */
int64_t pare_input_bound(const pare_input *input);

/* ---- Blocks of text (lines.c) ---------------------------------------------------------------- */

/* A text input in blocks; while one is parsed, the next can be read on another thread. The byte
 * after the last one is always the terminator, so that a scan for it needs no bound. */
typedef struct pare_lines {
    pare_input *input;
    unsigned char terminator; /* what ends a line: '\n' unless pare_lines_end_with changed it */
    unsigned char *bytes;
    int64_t length, capacity;
    bool ended; /* nothing follows these bytes; the last one is a terminator */
    bool added; /* which is not in the file */
    unsigned char *next;
    int64_t next_length, next_capacity;
    bool failed; /* reading `next` failed */
} pare_lines;

enum { PARE_LINE_MAX = 1 << 30 };

/* Reads the first block. */
pare_status pare_lines_begin(pare_input *input, pare_lines *out) PARE_MUST_CHECK;
void pare_lines_clear(pare_lines *lines);
/* Changes what ends a line, while the first block is the current one. */
void pare_lines_end_with(pare_lines *lines, unsigned char terminator);
/* Doubles the block, when it holds no whole line. Fails beyond PARE_LINE_MAX bytes. */
pare_status pare_lines_extend(pare_lines *lines) PARE_MUST_CHECK;
/* The next block: prepare moves the bytes from `whole` on to its start, fill reads (from any
 * thread, or not at all when ended), turn makes it the current one or reports the failed read. */
pare_status pare_lines_prepare(pare_lines *lines, int64_t whole) PARE_MUST_CHECK;
void pare_lines_fill(pare_lines *lines);
pare_status pare_lines_turn(pare_lines *lines) PARE_MUST_CHECK;

/* ---- Numbers (number.c) --------------------------------------------------------------------- */

typedef enum pare_cell {
    PARE_CELL_NUMBER,
    PARE_CELL_MISSING,  /* empty, or one of: NA N/A #N/A <NA> NaN -NaN null ? in any case */
    PARE_CELL_INFINITE, /* inf, infinity, or a number beyond the range of the type */
    PARE_CELL_TEXT
} pare_cell;

/*
 * What the bytes [begin, end) are, blanks around them removed. Numbers are decimal: digits with
 * at most one point, an optional sign and an optional exponent; no hexadecimal, no separators of
 * thousands, whatever the locale. The result is the float nearest to the decimal (ties to even),
 * rounded once. MISSING gives NaN, INFINITE an infinity.
 */
pare_cell pare_cell_parse(const unsigned char *begin, const unsigned char *end, float *out);
pare_cell pare_cell_parse_double(const unsigned char *begin, const unsigned char *end, double *out);
/* Whether [begin, end) without blanks around it means "missing". */
bool pare_cell_missing(const unsigned char *begin, const unsigned char *end);

enum { PARE_POWER_MAX = 64, PARE_NUMBER_PAD = 16 };
extern const double pare_power_of_ten[PARE_POWER_MAX + 1]; /* nearest double; exact up to 1e22 */
extern const uint64_t pare_power_small[8];                 /* 1 .. 10^7 */

/* Eight bytes, the first one lowest. */
static inline uint64_t pare_eight_bytes(const unsigned char *p) {
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes;
}

/* Appends the digits at p to *number (modulo 2^64) and returns the byte after them. Eight at a time
 * without a branch on their count: bytes become 0..9, those that do not get their high bit set,
 * and neighbours are joined to pairs, fours, eights. */
static inline const unsigned char *pare_digits(const unsigned char *p, uint64_t *number) {
    for (;;) {
        uint64_t digit = pare_eight_bytes(p) ^ UINT64_C(0x3030303030303030);
        /* A carry out of a byte that is no digit only reaches bytes behind it. */
        uint64_t stop =
            ((digit + UINT64_C(0x7676767676767676)) | digit) & UINT64_C(0x8080808080808080);
        unsigned count = stop ? (unsigned)__builtin_ctzll(stop) >> 3 : 8;
        if (count < 8) {
            digit = digit << (56 - 8 * count) << 8;
        }
        digit = digit * 10 + (digit >> 8);
        digit = ((digit & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
                 (digit >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
                32;
        if (count < 8) {
            *number = *number * pare_power_small[count] + digit;
            return p + count;
        }
        *number = *number * 100000000 + digit;
        p += 8;
    }
}

/*
 * The common case of pare_cell_parse: a number that starts at p without blanks. Returns the byte
 * after it, or p if this is not such a number or needs more care. p must be followed by a byte
 * that cannot belong to a number, and PARE_NUMBER_PAD readable bytes after that.
 *
 * The number is mantissa * 10^exponent with a mantissa of at most 19 digits. Converting the
 * mantissa, the power and their product or quotient each cost at most half a unit in the last
 * place of a double, as a share of the value; together less than 4 units. Unless the double is
 * that close to the middle between two floats, rounding it to float gives the float nearest to the
 * decimal (after Clinger, 1990, who stays with the powers that are exact). Close cases, results
 * outside the normal floats and longer numbers are left to the careful way.
 */
static inline const unsigned char *pare_number_quick(const unsigned char *p, float *out) {
    const uint64_t negative = *p == '-';
    const unsigned char *start = p + negative;
    uint64_t mantissa = *start - (uint64_t)'0';
    const unsigned char *q = start + 1;
    /* One digit before the point is the rule: a branch that is foreseen beats arithmetic. */
    if (mantissa > 9 || *q - (unsigned)'0' <= 9) {
        mantissa = 0;
        q = pare_digits(start, &mantissa);
    }
    int64_t digits = q - start, exponent = 0;
    if (*q == '.') {
        start = q + 1;
        q = pare_digits(start, &mantissa);
        exponent = start - q;
        digits -= exponent;
    }
    if (digits < 1 || digits > 19) {
        return p;
    }
    if ((*q | 0x20) == 'e') {
        bool down = *++q == '-';
        q += down || *q == '+';
        int64_t power = 0;
        unsigned digit;
        start = q;
        while ((digit = *q - (unsigned)'0') <= 9 && q - start < 4) {
            power = 10 * power + (int64_t)digit;
            q++;
        }
        if (q == start || digit <= 9) {
            return p;
        }
        exponent += down ? -power : power;
    }
    double value = (double)mantissa;
    if (exponent != 0) {
        if (exponent < -PARE_POWER_MAX || exponent > PARE_POWER_MAX) {
            return p;
        }
        value = exponent < 0 ? value / pare_power_of_ten[-exponent]
                             : value * pare_power_of_ten[exponent];
        if (value != 0 && (value < 1.2e-38 || value > 3.4e38)) {
            return p;
        }
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x1fffffff) - 0x0ffffffc <= 8) {
        return p;
    }
    bits |= negative << 63; /* signs are not foreseen */
    memcpy(&value, &bits, sizeof value);
    *out = (float)value;
    return q;
}

/* ---- Tables (table.c) ----------------------------------------------------------------------- */

/* Allocates columns with names "x0", "x1", ...; table->columns is set on success. */
pare_status pare_table_name_columns(pare_table *table, int64_t columns) PARE_MUST_CHECK;
/* Index of the column a list item means: its name, else its 0-based number; -1: no such column. */
int64_t pare_table_find(const pare_table *table, const char *item, int64_t length);

/* Formats. table has ctx and source set; on failure the caller clears it. */
pare_status pare_csv_read(pare_input *input, const pare_options *options, bool tabs,
                          pare_table *table) PARE_MUST_CHECK;
/* The same, rows to a sink: the table gets names only. */
struct pare_csv_sink;
pare_status pare_csv_stream(pare_input *input, const pare_options *options, bool tabs,
                            const struct pare_csv_sink *sink, pare_table *table) PARE_MUST_CHECK;
pare_status pare_npy_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;
pare_status pare_idx_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;
pare_status pare_libsvm_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;
pare_status pare_file_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;
pare_status pare_mtx_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;
pare_status pare_npz_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;

/* The format of an input by option, content and name; what pare_table_read_stream reads. */
pare_status pare_table_format(pare_input *input, const pare_options *options,
                              int64_t *out) PARE_MUST_CHECK;
/* Everything after opening: finds the format and reads. */
pare_status pare_table_read_stream(pare_input *input, const pare_options *options,
                                   pare_table *out) PARE_MUST_CHECK;

/* ---- Raw arrays (array.c): NPY and IDX ------------------------------------------------------ */

typedef struct pare_array {
    char kind;    /* 'f', 'i', 'u', 'b' */
    int64_t size; /* bytes an element: 1, 2, 4, 8 */
    bool big;     /* stored with the highest byte first */
    bool columns; /* stored column after column */
    int64_t rows, cols;
} pare_array;

/* Reads the header of an NPY file: type, order and, in size, *dimensions numbers (-1: none). */
pare_status pare_npy_head(pare_input *input, pare_array *array, int64_t size[3],
                          int *dimensions) PARE_MUST_CHECK;
/* Reads rows * cols elements into the table: one-byte unsigned stays uint8, all else becomes
 * float32. Refuses infinite values, missing bytes and bytes left over. */
pare_status pare_array_read(pare_input *input, const pare_array *array,
                            pare_table *table) PARE_MUST_CHECK;

#endif
