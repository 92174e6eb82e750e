/* One pass over all cells as read: infinite values, columns with gaps, checksum. */
#include "base/text.h"
#include "data/build.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 18, LANES = 4, WIDE = 16 };

/* The bytes of the table, chunk by chunk: each gives a hash and whether a cell is not finite. */
typedef struct scan {
    const unsigned char *bytes;
    int64_t length;
    bool floats;
    uint64_t *hash; /* (chunks) */
    uint8_t *odd;   /* (chunks) 1: some cell is NaN or infinite */
} scan;

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

/* Four independent lanes of 8 bytes: a multiplication a word, several under way at once. */
static uint64_t hash_bytes(const unsigned char *at, int64_t length) {
    uint64_t lane[LANES] = {1, 2, 3, 4};
    int64_t i = 0;
    for (; i + 8 * LANES <= length; i += 8 * LANES) {
        uint64_t word[LANES];
        memcpy(word, at + i, sizeof word);
        for (int k = 0; k < LANES; k++) {
            lane[k] = mix(lane[k], word[k]);
        }
    }
    return pare_hash(pare_hash(PARE_HASH_START, lane, sizeof lane), at + i, length - i);
}

static bool is_odd(const unsigned char *at, int64_t count) {
    uint32_t odd[WIDE] = {0};
    int64_t i = 0;
    for (; i + WIDE <= count; i += WIDE) {
        uint32_t bits[WIDE];
        memcpy(bits, at + 4 * i, sizeof bits);
        for (int k = 0; k < WIDE; k++) {
            odd[k] |= (bits[k] & UINT32_C(0x7F800000)) == UINT32_C(0x7F800000);
        }
    }
    uint32_t any = 0;
    for (int k = 0; k < WIDE; k++) {
        any |= odd[k];
    }
    for (; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, at + 4 * i, sizeof bits);
        any |= (bits & UINT32_C(0x7F800000)) == UINT32_C(0x7F800000);
    }
    return any != 0;
}

static void scan_chunk(void *argument, int64_t chunk) {
    scan *s = argument;
    int64_t from = chunk * CHUNK_BYTES;
    int64_t length = s->length - from < CHUNK_BYTES ? s->length - from : CHUNK_BYTES;
    s->hash[chunk] = hash_bytes(s->bytes + from, length);
    s->odd[chunk] = s->floats && is_odd(s->bytes + from, length / 4);
}

static bool is_feature(const pare_build *build, int64_t column) {
    const pare_dataset *data = build->data;
    return data->like ? data->encoding[column].feature >= 0
                      : build->role[column] == PARE_ROLE_FEATURE;
}

static pare_status look(pare_build *build, int64_t row, int64_t column, float cell) {
    const pare_table *table = &build->data->table;
    char place[PARE_PLACE_SIZE];
    if (isnan(cell)) {
        build->gaps[column] = 1;
    } else if (is_feature(build, column)) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%s: column '%.100s' is infinite; a finite number was expected",
                         pare_table_place(table, row, place), table->column[column].name);
    }
    return PARE_OK;
}

/* The cells of a chunk that is known to hold odd ones. */
static pare_status look_closer(pare_build *build, int64_t chunk, int64_t cells) {
    const pare_table *table = &build->data->table;
    int64_t from = chunk * (CHUNK_BYTES / 4);
    int64_t to = from + CHUNK_BYTES / 4 < cells ? from + CHUNK_BYTES / 4 : cells;
    const float *value = table->storage == PARE_STORAGE_CSR ? table->value : table->f32;
    int64_t row = 0;
    for (int64_t p = from; p < to; p++) {
        if (isfinite(value[p])) {
            continue;
        }
        int64_t column = 0;
        if (table->storage == PARE_STORAGE_CSR) {
            while (table->start[row + 1] <= p) {
                row++;
            }
            column = table->index[p];
        } else {
            row = p / table->columns;
            column = p % table->columns;
        }
        pare_status status = look(build, row, column, value[p]);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

static pare_status scan_bytes(pare_build *build, const void *bytes, int64_t length, bool floats) {
    pare_dataset *data = build->data;
    int64_t chunks = (length + CHUNK_BYTES - 1) / CHUNK_BYTES;
    scan s = {.bytes = bytes, .length = length, .floats = floats};
    pare_status status = pare_alloc(build->ctx, chunks, sizeof *s.hash, &s.hash);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, chunks, sizeof *s.odd, &s.odd);
    }
    if (status == PARE_OK) {
        pare_pool_run(build->ctx->pool, chunks, scan_chunk, &s);
        data->checksum = pare_hash(data->checksum, s.hash, chunks * (int64_t)sizeof *s.hash);
    }
    for (int64_t c = 0; status == PARE_OK && c < chunks; c++) {
        if (s.odd[c]) {
            status = look_closer(build, c, length / 4);
        }
    }
    pare_free(build->ctx, s.hash);
    pare_free(build->ctx, s.odd);
    return status;
}

static void add_text(pare_dataset *data, const char *text) {
    data->checksum = pare_hash(data->checksum, text, (int64_t)strlen(text) + 1);
}

static pare_status scan_cells(pare_build *build) {
    pare_table *table = &build->data->table;
    int64_t cells = table->rows * table->columns;
    if (table->storage == PARE_STORAGE_U8) {
        return scan_bytes(build, table->u8, cells, false);
    }
    if (table->storage == PARE_STORAGE_F32) {
        return scan_bytes(build, table->f32, cells * (int64_t)sizeof(float), true);
    }
    int64_t stored = table->start[table->rows];
    pare_status status =
        scan_bytes(build, table->start, (table->rows + 1) * (int64_t)sizeof(int64_t), false);
    if (status == PARE_OK) {
        status = scan_bytes(build, table->index, stored * (int64_t)sizeof(int32_t), false);
    }
    if (status == PARE_OK) {
        status = scan_bytes(build, table->value, stored * (int64_t)sizeof(float), true);
    }
    return status;
}

pare_status pare_build_scan(pare_build *build) {
    pare_dataset *data = build->data;
    pare_table *table = &data->table;
    pare_status status =
        pare_alloc_zero(build->ctx, table->columns, sizeof *build->gaps, &build->gaps);
    if (status != PARE_OK) {
        return status;
    }
    int64_t shape[] = {table->rows, table->columns, build->raw.columns};
    data->checksum = pare_hash(PARE_HASH_START, shape, sizeof shape);
    status = scan_cells(build);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < table->columns; j++) {
        add_text(data, table->column[j].name);
        for (int64_t l = 0; l < table->column[j].levels; l++) {
            add_text(data, table->column[j].level[l]);
        }
    }
    if (data->label) {
        status = scan_bytes(build, data->label, table->rows * (int64_t)sizeof *data->label, false);
        for (int64_t c = 0; c < data->classes && data->class_name; c++) {
            add_text(data, data->class_name[c]);
        }
    } else {
        int64_t cells = table->rows * build->raw.columns;
        status = scan_bytes(build, data->target, cells * (int64_t)sizeof(float), false);
    }
    if (status == PARE_OK && data->weight) {
        status = scan_bytes(build, data->weight, table->rows * (int64_t)sizeof(float), false);
    }
    return status;
}
