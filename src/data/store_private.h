/* Between store.c (opening, rows) and store_pass.c (passes, sums, columns). */
#ifndef PARE_DATA_STORE_PRIVATE_H
#define PARE_DATA_STORE_PRIVATE_H

#include "data/pare_file.h"
#include "data/store.h"
#include "platform/cluster.h"
#include "platform/threads.h"

enum { WINDOWS = 2 };

/* A group, decoded: some columns of it, each contiguous. */
typedef struct window {
    int64_t group; /* -1: empty */
    int64_t count;
    int64_t *column; /* (count) */
    float *cells;    /* (count, rows of the group) */
    int64_t used;    /* when, by the stream's clock */
} window;

struct pare_store {
    pare_context *ctx;
    char *path;
    int64_t memory;
    pare_file_header header;
    uint64_t identity;
    pare_record *record; /* of data, in file order */
    int64_t records;
    int64_t groups;
    int64_t *first; /* (groups + 1) records of each group */
    int64_t most_stored, most_length, most_group;
    bool by_columns;      /* ranks share out the columns, not the rows */
    int64_t own, own_end; /* columns of this rank in passes */
    pare_level_map *map;  /* (columns) see pare_store_renumber */
    int64_t bytes_read;

    pare_lock lock; /* of what is below: rows may be wanted by several threads */
    pare_input input;
    uint64_t place; /* of the input */
    unsigned char *stored, *unpacked;
    window window[WINDOWS];
    int64_t *list; /* (columns) of the rows asked for, see pare_store_features */
    int64_t clock;
    pare_status trouble; /* of a window that could not be filled */
    char sentence[PARE_MESSAGE_SIZE];
};

/* First column that a rank has in passes shared out by columns. */
static inline int64_t pare_store_own(const pare_store *s, int64_t rank) {
    return (int64_t)s->header.columns / pare_cluster_size() * rank +
           (int64_t)s->header.columns % pare_cluster_size() * rank / pare_cluster_size();
}
/* Level numbers of the file to those they stand for. */
void pare_store_map(const pare_level_map *map, int64_t count, float *cell);

#endif
