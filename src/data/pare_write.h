/* Between pare_write.c and pare_resume.c. */
#ifndef PARE_DATA_PARE_WRITE_H
#define PARE_DATA_PARE_WRITE_H

#include "base/text.h"
#include "data/pare_file.h"

/* A chunk on its way into the file. */
typedef struct write_chunk {
    int64_t column, columns;
    uint32_t fits;
    pare_record record;
    const void *payload;
} write_chunk;

struct pare_writer {
    pare_context *ctx;
    pare_output out;
    pare_file_header header;
    bool pack;
    int64_t at;    /* bytes written */
    uint64_t done; /* rows in complete groups */

    int64_t rows;        /* in the group */
    float *group;        /* (group_rows, columns) */
    float *turned;       /* (columns, rows) */
    unsigned char *area; /* as large: payloads */
    uint32_t *fits;      /* (columns) */
    write_chunk *chunk;
    int64_t chunks, chunk_capacity;
    pare_text levels; /* payload of the next levels record */
    unsigned char *sparse, *packed;
    int64_t sparse_capacity, packed_capacity;

    pare_record *record; /* heads of all records so far */
    int64_t records, record_capacity;
};

/* Everything but the file's content: it is opened as an earlier run left it. */
pare_status pare_writer_open(pare_context *ctx, const char *path, const pare_table *shape,
                             bool pack, pare_writer **out, int64_t *length) PARE_MUST_CHECK;
/* Payload of the schema record. */
pare_status pare_schema_build(pare_context *ctx, const pare_table *shape, const uint8_t *category,
                              const pare_origin *origin, pare_text *out) PARE_MUST_CHECK;

#endif
