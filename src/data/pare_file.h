/*
 * The `.pare` file, byte by byte as docs/format.md describes it: a header, then records in the
 * order of the rows, then a directory. Private to the files of data/ that write and read it.
 *
 * Everything is little-endian; a record is its 64-byte head followed by its payload.
 */
#ifndef PARE_DATA_PARE_FILE_H
#define PARE_DATA_PARE_FILE_H

#include "data/reader.h"
#include "platform/system.h"

#define PARE_FILE_MAGIC "\x89PARE\r\n\x1a"

enum {
    PARE_FILE_VERSION = 1,
    PARE_FILE_ALIGN = 64,
    PARE_FILE_PAYLOAD_MAX = 1 << 30, /* bytes of one payload, unpacked */
    PARE_FILE_PACK_MOST = 1024,      /* a payload is stored in at least this share of its bytes */
    PARE_FILE_GROUP_ROWS = 1 << 16,  /* rows of a group at most */
    PARE_FILE_GROUP_BYTES = 1 << 25, /* of cells as float32, aimed at */
    PARE_FILE_CHUNK_BYTES = 1 << 18, /* the same of a chunk */
    PARE_FILE_CHUNK_LEAST = 1 << 12  /* below it, columns of other kinds join a chunk */
};

enum { PARE_FILE_NAMED = 1, PARE_FILE_LABEL = 2, PARE_FILE_ZSTD = 4 };

typedef struct pare_file_header {
    char magic[8];
    uint32_t version;
    uint32_t storage; /* pare_storage */
    uint64_t rows;    /* 0 until the file is complete */
    uint64_t columns;
    uint64_t directory; /* place of the directory record; 0 until the file is complete */
    uint64_t length;    /* of the whole file; 0 until then */
    uint64_t first_line;
    uint32_t height, width;
    uint32_t flags;
    uint32_t zero;
    uint64_t group_rows;
    uint64_t entries; /* CSR: stored values of the whole table */
    uint64_t reserved[4];
    uint64_t hash; /* XXH64 of the 120 bytes before it */
} pare_file_header;

typedef enum pare_record_type {
    PARE_RECORD_SCHEMA = 1, /* where the rows come from, names and kinds of the columns */
    PARE_RECORD_LEVELS,     /* texts of categories that the next group uses first */
    PARE_RECORD_DATA,       /* some columns of the rows of a group */
    PARE_RECORD_MARK,       /* the group is complete; where the source was */
    PARE_RECORD_DIRECTORY   /* the heads of all records before it */
} pare_record_type;

/* How cells are stored. GAPS: the highest code (of int8 the lowest) means missing. */
typedef enum pare_chunk_kind {
    PARE_CHUNK_BIT,
    PARE_CHUNK_TWO,
    PARE_CHUNK_TWO_GAPS,
    PARE_CHUNK_U8,
    PARE_CHUNK_U8_GAPS,
    PARE_CHUNK_I8,
    PARE_CHUNK_I8_GAPS,
    PARE_CHUNK_U16,
    PARE_CHUNK_U16_GAPS,
    PARE_CHUNK_F16,
    PARE_CHUNK_F32,
    PARE_CHUNK_KINDS, /* those of columns end here */
    PARE_CHUNK_CSR = 16,
    PARE_CHUNK_CSR_ONES, /* without values: all are 1 */
    PARE_CHUNK_LABEL     /* float64, one a row: the label of a sparse file */
} pare_chunk_kind;

typedef struct pare_record {
    uint32_t type;
    uint8_t kind;
    uint8_t packed;   /* 1: payload is a zstd frame */
    uint16_t padding; /* zero bytes at the end of the payload, not part of it */
    uint64_t offset;  /* of this record in the file */
    uint64_t stored;  /* bytes of payload and padding in the file */
    uint64_t length;  /* bytes of the payload, unpacked */
    uint64_t row;     /* first row */
    uint32_t rows;
    uint32_t column; /* first column */
    uint32_t columns;
    uint32_t zero;
    uint64_t hash; /* XXH64 of the payload as stored, seeded with that of the 56 bytes before it */
} pare_record;

_Static_assert(sizeof(pare_file_header) == 128, "the header has 128 bytes");
_Static_assert(sizeof(pare_record) == 64, "a record head has 64 bytes");

/* Payload of a mark: from where a conversion that was cut off goes on. */
typedef struct pare_mark {
    uint64_t rows;   /* of the table so far */
    uint64_t offset; /* byte of the source, unpacked, where a record begins */
    uint64_t line;   /* of that record */
    uint64_t skip;   /* rows from there that are in this file already */
    uint64_t crooked;
    uint64_t entries; /* CSR: stored so far */
    uint64_t zero[2];
} pare_mark;

/* Start of the schema: what the table was made from. */
typedef struct pare_origin {
    uint64_t size;  /* bytes of the source as stored; 0: unknown */
    uint64_t head;  /* XXH64 of its first bytes */
    uint64_t rules; /* hash of the options that change what is read */
} pare_origin;

/* ---- pare_codec.c ---- */

/* Hash of a record: payload has head->stored - head->padding bytes. */
uint64_t pare_record_hash(const pare_record *head, const void *payload);
uint64_t pare_header_hash(const pare_file_header *header);

/* Bit k is set if kind k holds all `rows` values exactly, bit for bit. */
uint32_t pare_chunk_fits(int64_t rows, const float *value);
/* The smallest of those. */
pare_chunk_kind pare_chunk_best(uint32_t fits);
/* Bytes of one column of `rows` cells. */
int64_t pare_chunk_stride(pare_chunk_kind kind, int64_t rows);
/* One column into stride bytes. */
void pare_chunk_encode(pare_chunk_kind kind, int64_t rows, const float *value, unsigned char *out);
/* Cells from .. from + count of a column (from a multiple of 8). */
void pare_chunk_decode(pare_chunk_kind kind, int64_t from, int64_t count, const unsigned char *in,
                       float *out);
const char *pare_chunk_name(pare_chunk_kind kind);

/* Packs with zstd, level 1, into out, which has room for `length` bytes; returns the bytes used, 0
 * if that would not be fewer. 0 where zstd was not there when this was built. */
int64_t pare_pack(const void *in, int64_t length, void *out);
/* Room of `length` bytes, filled exactly: true. */
bool pare_unpack(const void *in, int64_t stored, void *out, int64_t length);
bool pare_can_pack(void);

/* ---- pare_write.c ---- */

typedef struct pare_writer pare_writer;

/* A place in the source at which a block of rows begins. */
typedef struct pare_place {
    int64_t offset, line;
    bool crooked;
} pare_place;

/* Begins path.partial. shape: columns, names, storage, height, width; borrowed for the call.
 * category: (columns) 1 where texts are expected, or NULL. */
pare_status pare_writer_create(pare_context *ctx, const char *path, const pare_table *shape,
                               const uint8_t *category, const pare_origin *origin, bool pack,
                               pare_writer **out) PARE_MUST_CHECK;
/*
 * Goes on with path.partial if it was begun from the same origin with the same columns: *out is
 * NULL if not, else *mark is its last one, category (columns) and levels (columns) are filled
 * (levels empty before), and the file is cut behind the mark.
 */
pare_status pare_writer_resume(pare_context *ctx, const char *path, const pare_table *shape,
                               const pare_origin *origin, bool pack, uint8_t *category,
                               pare_levels *levels, pare_mark *mark,
                               pare_writer **out) PARE_MUST_CHECK;
/* The next level of a column. Comes before the rows that use it. */
pare_status pare_writer_level(pare_writer *writer, int64_t column, const char *text,
                              int64_t length) PARE_MUST_CHECK;
/* Rows of a float32 table, (rows, columns) row-major. place: where they begin; NULL: nowhere. skip:
 * rows at that place before them. */
pare_status pare_writer_rows(pare_writer *writer, int64_t rows, const float *cells,
                             const pare_place *place, int64_t skip) PARE_MUST_CHECK;
/* All rows of a table, of any storage. */
pare_status pare_writer_table(pare_writer *writer, const pare_table *table,
                              const pare_progress_fn progress, void *user,
                              bool *stopped) PARE_MUST_CHECK;
/* Completes the file and gives it its name. */
pare_status pare_writer_finish(pare_writer *writer, int64_t first_line) PARE_MUST_CHECK;
/* Frees. What was written stays as path.partial unless finished, or `remove`. */
void pare_writer_destroy(pare_writer *writer, bool remove);

/* ---- pare_pass.c ---- */

/* One record of the current group. */
typedef struct pare_file_item {
    pare_record record;
    int64_t at;                 /* of its payload in the group's bytes; -1: left out */
    int64_t room;               /* of its unpacked payload in the scratch memory */
    const unsigned char *cells; /* payload, unpacked, while it is worked on */
    bool damaged;               /* the checksum does not match, or zstd refuses */
    bool odd;                   /* set by who works on it: the content is not what it may be */
} pare_file_item;

typedef struct pare_group {
    unsigned char *bytes;
    int64_t used, capacity;
    pare_file_item *item;
    int64_t items, item_capacity;
    int64_t rows;
    enum {
        PARE_GROUP_OPEN,   /* not all of it was read */
        PARE_GROUP_FULL,   /* up to its mark */
        PARE_GROUP_END,    /* up to the end of the file */
        PARE_GROUP_ROOM,   /* stopped: `wanted` bytes or another item are needed */
        PARE_GROUP_CUT,    /* the data end too early */
        PARE_GROUP_BROKEN, /* `reason` says what is wrong with the head of the next record */
        PARE_GROUP_UNREAD  /* the input failed */
    } state;
    pare_record head; /* of the record that is being read */
    bool headed;      /* it was read, its payload was not */
    int64_t wanted;
    const char *reason;
} pare_group;

/*
 * One way through a .pare file, group by group: while the chunks of one are verified, unpacked and
 * worked on, the next is read.
 */
typedef struct pare_pass {
    pare_context *ctx;
    pare_input *input;
    pare_file_header header;
    pare_origin origin;
    uint8_t *category;       /* (columns) from the schema */
    pare_table *table;       /* gets columns and levels; NULL: they are left out */
    const uint8_t *wanted;   /* (columns) chunks without any such column are not read; NULL: all */
    int64_t *level_capacity; /* (columns) */

    pare_group group[2];
    int64_t current;
    unsigned char *scratch;
    int64_t scratch_capacity;
    int64_t row, rows; /* of the current group: first, and how many */
    uint64_t next;     /* place of the next record to be read */
    uint64_t line;     /* rows in the groups before the one being read */
    uint64_t identity; /* of the whole file, from the checksums of all records; set at the end */
    bool last;         /* nothing behind the current group is wanted: it is not read */
    void (*work)(void *user, pare_file_item *item);
    void *user;
} pare_pass;

/* Reads header and schema. table: its columns and storage are set, rows too; or NULL. */
pare_status pare_pass_open(pare_input *input, pare_table *table, pare_pass *out) PARE_MUST_CHECK;
/* Goes to a group that begins at a place of the file, before the first turn. */
pare_status pare_pass_seek(pare_pass *pass, uint64_t place, int64_t row) PARE_MUST_CHECK;
/* Makes the next group the current one; *more: false at the end of the file. */
pare_status pare_pass_turn(pare_pass *pass, bool *more) PARE_MUST_CHECK;
/* Calls work(user, item) for every DATA item of the current group, on any thread. */
pare_status pare_pass_work(pare_pass *pass, void (*work)(void *user, pare_file_item *item),
                           void *user) PARE_MUST_CHECK;
void pare_pass_close(pare_pass *pass);
/* "columns 'a' to 'b', rows 1 to 500": of a record, for a sentence. */
enum { PARE_RECORD_TEXT = 320 };
const char *pare_record_text(const pare_table *table, const pare_record *record,
                             char buffer[PARE_RECORD_TEXT]);

/* What is wrong with the head of a record that should stand at `offset` and begin with `row`; NULL:
 * nothing. */
const char *pare_record_fault(const pare_file_header *header, const pare_record *record,
                              uint64_t offset, uint64_t row);
/* Reads and checks the header. `complete`: refuses a file whose writing did not end. */
pare_status pare_file_head(pare_input *input, pare_file_header *out) PARE_MUST_CHECK;
/* Payload of a levels record into a table's columns (or `levels`, if not NULL). */
pare_status pare_levels_take(pare_context *ctx, const char *name, const unsigned char *payload,
                             int64_t length, int64_t columns, pare_table *table, int64_t *capacity,
                             pare_levels *levels) PARE_MUST_CHECK;

/* ---- pare_read.c ---- */

/* All of it as a table in memory. */
pare_status pare_file_read(pare_input *input, pare_table *table) PARE_MUST_CHECK;

#endif
