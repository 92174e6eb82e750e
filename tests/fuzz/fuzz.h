/* Shared by the fuzz targets: a table from the bytes, in small blocks, with little memory. */
#ifndef PARE_TESTS_FUZZ_H
#define PARE_TESTS_FUZZ_H

#include "data/reader.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { FUZZ_MEMORY = 1 << 26 };

/* The size stands in front of each block, so that what is in use can be counted. */
static inline void *fuzz_allocate(void *user, size_t bytes, size_t alignment) {
    size_t *used = user;
    void *memory = NULL;
    if (bytes > FUZZ_MEMORY || *used + bytes > FUZZ_MEMORY ||
        posix_memalign(&memory, alignment, bytes + alignment) != 0) {
        return NULL;
    }
    memcpy(memory, &bytes, sizeof bytes);
    *used += bytes;
    return (char *)memory + alignment;
}

static inline void fuzz_release(void *user, void *memory) {
    size_t *used = user, bytes;
    char *start = (char *)memory - PARE_ALIGNMENT;
    memcpy(&bytes, start, sizeof bytes);
    *used -= bytes;
    free(start);
}

/* Touches every value, so that the sanitizers see what was not written. */
static inline void fuzz_check(const pare_table *table) {
    bool good = table->rows > 0 && table->columns > 0;
    for (int64_t c = 0; c < table->columns; c++) {
        good = good && table->column[c].name && strlen(table->column[c].name) < SIZE_MAX;
    }
    for (int64_t i = 0; table->f32 && i < table->rows * table->columns; i++) {
        const pare_column *column = &table->column[i % table->columns];
        float value = table->f32[i];
        good = good && !isinf(value);
        if (column->levels > 0 && !isnan(value)) {
            good = good && value >= 0 && value < (float)column->levels &&
                   column->level[(int64_t)value];
        }
    }
    for (int64_t i = 0; table->start && i < table->rows; i++) {
        good = good && table->start[i] <= table->start[i + 1];
        for (int64_t j = table->start[i]; good && j < table->start[i + 1]; j++) {
            good = table->index[j] >= 0 && table->index[j] < table->columns &&
                   (j == table->start[i] || table->index[j] > table->index[j - 1]);
        }
    }
    if (!good) {
        abort();
    }
}

/* Reads the bytes as `format`, in blocks of `block` bytes (0: the usual). */
static inline void fuzz_read(const uint8_t *bytes, size_t length, const char *format,
                             const char *header, int64_t block) {
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    pare_options options;
    pare_input input;
    pare_table table;
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_context_set_threads(ctx, 1) != PARE_OK ||
        pare_options_init(ctx, &options) != PARE_OK ||
        pare_options_set(&options, "format", format) != PARE_OK ||
        pare_options_set(&options, "header", header) != PARE_OK ||
        pare_options_set(&options, "categorical", "a,1") != PARE_OK) {
        abort();
    }
    if (pare_input_open_memory(ctx, "fuzz", bytes, (int64_t)length, &input) == PARE_OK) {
        input.block = block > 0 ? block : input.block;
        if (pare_table_read_stream(&input, &options, &table) == PARE_OK) {
            fuzz_check(&table);
        } else if (!pare_context_error(ctx)[0]) {
            abort();
        }
        pare_table_clear(&table);
        pare_input_close(&input);
    }
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    if (used != 0) {
        abort();
    }
}

#endif
