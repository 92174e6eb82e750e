/* The first byte chooses format and block size; the rest is the file, read, encoded and encoded
 * once more by its own rules. */
#include "fuzz.h"

#include "data/fields_read.h"

static void check(const pare_fields *fields) {
    for (int64_t i = 0; i < fields->rows * fields->count; i++) {
        const pare_field *field = &fields->field[i % fields->count];
        int64_t row = fields->cell[i];
        if (row >= 0 && (row < field->first || row >= field->first + field->size)) {
            abort();
        }
    }
}

static void read_twice(pare_context *ctx, const pare_options *options, const uint8_t *bytes,
                       size_t length, uint8_t choice) {
    pare_fields fields[2] = {{0}, {0}};
    pare_status status = PARE_OK;
    for (int pass = 0; pass < 2 && status == PARE_OK; pass++) {
        pare_input input;
        status = pare_input_open_memory(ctx, "fuzz", bytes, (int64_t)length, &input);
        if (status == PARE_OK) {
            input.block = choice & 8 ? 16 : input.block;
            status = pare_fields_read_input(
                &input, (pare_fields_format)((choice & 7) % PARE_FIELDS_FORMATS), options,
                &fields[pass]);
            pare_input_close(&input);
        }
        if (status == PARE_OK) {
            status = pass == 0 ? pare_fields_encode(&fields[0], 0.25, 1, 1)
                               : pare_fields_encode_like(&fields[1], &fields[0]);
        }
        if (status == PARE_OK) {
            check(&fields[pass]);
        }
    }
    if (status != PARE_OK && !pare_context_error(ctx)[0]) {
        abort();
    }
    pare_fields_clear(&fields[0]);
    pare_fields_clear(&fields[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    pare_options options;
    if (length == 0) {
        return 0;
    }
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_options_init(ctx, &options) != PARE_OK) {
        abort();
    }
    read_twice(ctx, &options, bytes + 1, length - 1, *bytes);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    if (used != 0) {
        abort();
    }
    return 0;
}
