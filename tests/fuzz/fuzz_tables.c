/* Any bytes as a .pare, Matrix Market or npz file: refused with a sentence, or read into a table
 * whose every cell may be looked at. The first byte says which name the file has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/build.h"
#include "data/pare_file.h"
#include "data/reader.h"
#include "kernels/kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void look(const pare_table *table) {
    double sum = 0;
    for (int64_t i = 0; i < table->rows && i < 1000; i++) {
        for (int64_t c = 0; c < table->columns && c < 1000; c++) {
            double cell = pare_table_cell(table, i, c);
            int64_t levels = table->column[c].levels;
            require(levels == 0 || isnan(cell) || (cell >= 0 && cell < (double)levels));
            sum += isnan(cell) ? 0 : cell;
        }
    }
    for (int64_t p = 0; table->storage == PARE_STORAGE_CSR && p < table->start[table->rows]; p++) {
        require(table->index[p] >= 0 && table->index[p] < table->columns);
    }
    (void)sum;
}

/* Checksums of a .pare file made right, so that what is behind them is reached. */
static void repair(unsigned char *bytes, int64_t length) {
    pare_file_header header;
    if (length < (int64_t)sizeof header || memcmp(bytes, PARE_FILE_MAGIC, 8) != 0) {
        return;
    }
    memcpy(&header, bytes, sizeof header);
    header.length = (uint64_t)length;
    header.hash = pare_header_hash(&header);
    memcpy(bytes, &header, sizeof header);
    for (int64_t at = sizeof header; length - at >= (int64_t)sizeof(pare_record);) {
        pare_record record;
        memcpy(&record, bytes + at, sizeof record);
        int64_t left = length - at - (int64_t)sizeof record;
        if (record.stored > (uint64_t)left || record.padding > record.stored) {
            return;
        }
        record.hash = pare_record_hash(&record, bytes + at + sizeof record);
        memcpy(bytes + at, &record, sizeof record);
        at += (int64_t)(sizeof record + record.stored);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"t.pare", "t.mtx", "t.npz", "t.pare"};
    if (size < 1) {
        return 0;
    }
    pare_context *ctx = NULL;
    pare_options options;
    pare_input *input = NULL;
    int64_t length = (int64_t)size - 1;
    unsigned char *bytes = malloc(size);
    require(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] % 4 == 3) {
        repair(bytes, length);
    }
    require(pare_context_create(NULL, &ctx) == PARE_OK);
    require(pare_options_init(ctx, &options) == PARE_OK);
    require(pare_alloc(ctx, 1, sizeof *input, &input) == PARE_OK);
    pare_table table = {0};
    pare_status status = pare_input_open_memory(ctx, names[data[0] % 4], bytes, length, input);
    if (status == PARE_OK) {
        status = pare_table_read_stream(input, &options, &table);
        pare_input_close(input);
    }
    require(status == PARE_OK || pare_context_error(ctx)[0]);
    if (status == PARE_OK) {
        look(&table);
    }
    pare_table_clear(&table);
    pare_free(ctx, input);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    free(bytes);
    return 0;
}
