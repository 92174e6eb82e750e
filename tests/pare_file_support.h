/* Shared by the tests of .pare files: files in a folder of their own, and what they hold. */
#ifndef PARE_TESTS_PARE_FILE_SUPPORT_H
#define PARE_TESTS_PARE_FILE_SUPPORT_H

#include "readers_support.h"

#include <unistd.h>

#include "data/pare_file.h"

typedef struct folder {
    char path[64];
    char name[96];
} folder;

static inline folder folder_open(void) {
    folder f = {.path = "/tmp/pare-test-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    return f;
}

/* A path in the folder; valid until the next call. */
static inline const char *in_folder(folder *f, const char *name) {
    snprintf(f->name, sizeof f->name, "%s/%s", f->path, name);
    return f->name;
}

static inline void folder_close(folder *f) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->path);
    assert_int_equal(system(command), 0);
}

static inline void write_file(const char *path, const void *bytes, int64_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* The whole file, to be freed with free. */
static inline unsigned char *read_whole(const char *path, int64_t *length) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *length = ftell(file);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    unsigned char *bytes = malloc((size_t)*length + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*length, file), *length);
    assert_int_equal(fclose(file), 0);
    bytes[*length] = 0;
    return bytes;
}

static inline pare_status convert(reading *r, const char *in, const char *out, bool pack) {
    bool complete = false;
    pare_status status =
        pare_table_convert(r->ctx, in, out, &r->options, pack, NULL, NULL, &complete);
    assert_int_equal(complete, status == PARE_OK);
    return status;
}

/* A table of every kind of column, as CSV text to be freed: numbers that need all of float32,
 * halves, whole numbers of every range, with gaps and without, and texts that come and go. */
static inline char *mixed_csv(int64_t rows, uint32_t seed, int64_t *length) {
    enum { ROOM = 256 };
    char *text = malloc((size_t)(rows + 1) * ROOM);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "real,half,bit,two,byte,small,word,gaps,name,rare,y\n");
    for (int64_t i = 0; i < rows; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t u = seed >> 8;
        at += (size_t)sprintf(text + at, "%.9g,%g,%u,%u,%u,%d,%u,", (double)(u % 99991) / 7.0,
                              (double)(int)(u % 64) / 8.0 - 4, u & 1, u % 4, u % 256,
                              (int)(u % 255) - 127, u % 65536);
        at += (size_t)sprintf(text + at, u % 5 ? "%u," : ",", u % 200);
        at += (size_t)sprintf(text + at, u % 11 ? "name %u," : ",", u % (17 + (uint32_t)i / 50));
        at += (size_t)sprintf(text + at, "%s,%s\n", i % 97 == 5 ? "x\"\"y" + (u % 2 ? 0 : 1) : "z",
                              u % 3 ? "yes" : "no");
    }
    *length = (int64_t)at;
    return text;
}

/* Equal bit for bit, sparse and 8-bit tables too. */
static inline void assert_same_any(const pare_table *a, const pare_table *b) {
    assert_int_equal(a->storage, b->storage);
    assert_int_equal(a->named, b->named);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->width, b->width);
    if (a->storage == PARE_STORAGE_F32) {
        assert_same_table(a, b);
        return;
    }
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    for (int64_t c = 0; c < a->columns; c++) {
        assert_string_equal(a->column[c].name, b->column[c].name);
    }
    if (a->storage == PARE_STORAGE_U8) {
        assert_memory_equal(a->u8, b->u8, (size_t)(a->rows * a->columns));
        return;
    }
    assert_memory_equal(a->start, b->start, (size_t)(a->rows + 1) * sizeof *a->start);
    size_t entries = (size_t)a->start[a->rows];
    assert_memory_equal(a->index, b->index, entries * sizeof *a->index);
    assert_memory_equal(a->value, b->value, entries * sizeof *a->value);
    assert_int_equal(a->label != NULL, b->label != NULL);
    if (a->label) {
        assert_memory_equal(a->label, b->label, (size_t)a->rows * sizeof *a->label);
    }
}

#endif
