/* Clock, CPU level, file maps, and files that appear whole or not at all. */
#ifndef PARE_PLATFORM_SYSTEM_H
#define PARE_PLATFORM_SYSTEM_H

#include "base/text.h"

#include <stdio.h>

/* Seconds of a clock that never goes back, and CPU seconds of this process, all threads. */
double pare_clock_seconds(void);
double pare_cpu_seconds(void);
/* CPU seconds of the calling thread. */
double pare_thread_cpu_seconds(void);
/* Peak resident memory of this process in bytes, 0 if unknown. */
int64_t pare_peak_memory(void);

/* Asks for large pages under the whole ones of [memory, memory + bytes), before they are first
 * written: tables read at random then miss fewer translations. A hint: nothing depends on it. */
void pare_memory_large_pages(void *memory, int64_t bytes);

typedef enum pare_cpu_level {
    PARE_CPU_BASE,
    PARE_CPU_AVX2,   /* AVX2 and FMA */
    PARE_CPU_AVX512, /* F, BW, DQ, VL */
    PARE_CPU_VNNI,   /* AVX-512 as above and VNNI */
    PARE_CPU_LEVELS
} pare_cpu_level;

/* Now in UTC, "2024-05-01T12:00:00Z". */
enum { PARE_DATE_SIZE = 32 };
void pare_clock_date(char buffer[PARE_DATE_SIZE]);
/* Model of the processor as the system names it, "" if it does not say. */
void pare_cpu_name(char *buffer, size_t size);

pare_cpu_level pare_cpu_detect(void);
const char *pare_cpu_level_name(pare_cpu_level level);

/* A file mapped for reading. */
typedef struct pare_map {
    const unsigned char *bytes; /* NULL for an empty file */
    int64_t length;
} pare_map;

/* Fails with PARE_ERROR_IO and a sentence that names path and reason; a pipe or directory is
 * refused. `sequential`: the file will be read once from front to back. */
pare_status pare_map_open(pare_context *ctx, const char *path, bool sequential,
                          pare_map *out) PARE_MUST_CHECK;
void pare_map_close(pare_map *map);
/* Gives the whole pages of a part of a map back to the system; they are read again when wanted. */
void pare_map_forget(const void *bytes, int64_t length);
/*
 * A scratch file of `length` > 0 bytes, mapped for reading and writing: in the folder that TMPDIR
 * names, else /var/tmp, without a name, gone with its map. What memory cannot hold is paged out
 * there. PARE_ERROR_IO with a sentence where there is no room for it.
 */
pare_status pare_scratch_open(pare_context *ctx, int64_t length, pare_map *out) PARE_MUST_CHECK;
enum { PARE_PIECE = 1 << 20 };
/* Behind a pass over indices and values in a scratch file: gives entries *done .. to - 1 back once
 * they are PARE_PIECE, which moves *done. */
void pare_scratch_passed(const int32_t *index, const float *value, int64_t *done, int64_t to);
/* Bytes of memory that can be had without swapping, 0 if unknown. */
int64_t pare_memory_free(void);

/*
 * An output file that appears under its name only when complete: written beside it under a
 * temporary name, flushed to disk and renamed by commit; removed by abandon. Path "-" is standard
 * output. Commit reports every earlier write error (disk full).
 */
typedef struct pare_output {
    pare_context *ctx;
    FILE *file;
    char *path;
    char *temporary; /* NULL for standard output */
} pare_output;

pare_status pare_output_open(pare_context *ctx, const char *path, pare_output *out) PARE_MUST_CHECK;
pare_status pare_output_commit(pare_output *out) PARE_MUST_CHECK;
/* Does nothing after a commit. */
void pare_output_abandon(pare_output *out);
/* A whole text as such a file; a failure of the text itself is returned, and nothing is written. */
pare_status pare_output_text(const pare_text *text, const char *path) PARE_MUST_CHECK;

/*
 * The same for an output that outlives a crash: its temporary name is path.partial, and what an
 * earlier run left there is kept. The file is open for reading and writing, at its start; *length:
 * bytes it has. Only for regular files.
 */
pare_status pare_output_reopen(pare_context *ctx, const char *path, pare_output *out,
                               int64_t *length) PARE_MUST_CHECK;
/* Cuts such a file to `length` bytes and goes to its end. */
pare_status pare_output_cut(pare_output *out, int64_t length) PARE_MUST_CHECK;
/* Closes and leaves what was written under the temporary name. */
void pare_output_keep(pare_output *out);
/* Size of a regular file and the second it was changed last; false: not one. */
bool pare_file_facts(const char *path, int64_t *size, int64_t *changed);

#endif
