#include "data/reader.h"

/* Room for a line end added to the last line, and for reading eight bytes at a time. */
enum { PAD = 2 * PARE_NUMBER_PAD };

/* Bytes of a first block: no more than a small file has. */
static int64_t block_bytes(const pare_input *input) {
    int64_t bound = pare_input_bound(input);
    return bound < input->block ? bound + 1 : input->block;
}

/* Closes a block; `ended`: the data end with it. */
static void seal(pare_lines *lines, bool ended) {
    lines->ended = ended;
    lines->added =
        ended && lines->length > 0 && lines->bytes[lines->length - 1] != lines->terminator;
    if (lines->added) {
        lines->bytes[lines->length++] = lines->terminator;
    }
    memset(lines->bytes + lines->length, lines->terminator, PARE_NUMBER_PAD + 1);
}

void pare_lines_end_with(pare_lines *lines, unsigned char terminator) {
    lines->length -= lines->added;
    lines->terminator = terminator;
    seal(lines, lines->ended);
}

pare_status pare_lines_begin(pare_input *input, pare_lines *out) {
    *out = (pare_lines){.input = input, .terminator = '\n', .capacity = block_bytes(input)};
    pare_status status = pare_alloc(input->ctx, out->capacity + PAD, 1, &out->bytes);
    if (status != PARE_OK) {
        return status;
    }
    int64_t count = pare_input_read(input, out->bytes, out->capacity);
    if (count < 0) {
        pare_lines_clear(out);
        return pare_input_fail(input);
    }
    out->length = count;
    seal(out, count < out->capacity);
    return PARE_OK;
}

void pare_lines_clear(pare_lines *lines) {
    if (lines->input) {
        pare_free(lines->input->ctx, lines->bytes);
        pare_free(lines->input->ctx, lines->next);
    }
    *lines = (pare_lines){0};
}

pare_status pare_lines_extend(pare_lines *lines) {
    pare_input *input = lines->input;
    if (lines->capacity >= PARE_LINE_MAX) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: a line of more than %d bytes; is this a text file?", input->name,
                         PARE_LINE_MAX);
    }
    int64_t capacity = 2 * lines->capacity;
    unsigned char *larger = NULL;
    pare_status status = pare_alloc(input->ctx, capacity + PAD, 1, &larger);
    if (status != PARE_OK) {
        return status;
    }
    memcpy(larger, lines->bytes, (size_t)lines->length);
    pare_free(input->ctx, lines->bytes);
    lines->bytes = larger;
    lines->capacity = capacity;
    int64_t wanted = capacity - lines->length;
    int64_t count = pare_input_read(input, larger + lines->length, wanted);
    if (count < 0) {
        lines->bytes[lines->length] = lines->terminator;
        return pare_input_fail(input);
    }
    lines->length += count;
    seal(lines, count < wanted);
    return PARE_OK;
}

pare_status pare_lines_prepare(pare_lines *lines, int64_t whole) {
    pare_context *ctx = lines->input->ctx;
    int64_t tail = lines->length - whole;
    int64_t capacity = tail + lines->input->block;
    lines->next_length = 0;
    lines->failed = false;
    if (lines->ended) {
        return PARE_OK;
    }
    if (lines->next_capacity < capacity) {
        pare_free(ctx, lines->next);
        lines->next = NULL;
        lines->next_capacity = 0;
        pare_status status = pare_alloc(ctx, capacity + PAD, 1, &lines->next);
        if (status != PARE_OK) {
            return status;
        }
        lines->next_capacity = capacity;
    }
    memcpy(lines->next, lines->bytes + whole, (size_t)tail);
    lines->next_length = tail;
    return PARE_OK;
}

void pare_lines_fill(pare_lines *lines) {
    if (lines->ended) {
        return;
    }
    int64_t wanted = lines->next_capacity - lines->next_length;
    int64_t count = pare_input_read(lines->input, lines->next + lines->next_length, wanted);
    lines->failed = count < 0;
    lines->next_length += count > 0 ? count : 0;
}

pare_status pare_lines_turn(pare_lines *lines) {
    if (lines->failed) {
        return pare_input_fail(lines->input);
    }
    if (lines->ended) {
        lines->length = 0;
        return PARE_OK;
    }
    unsigned char *bytes = lines->bytes;
    int64_t capacity = lines->capacity;
    bool ended = lines->next_length < lines->next_capacity;
    lines->bytes = lines->next;
    lines->capacity = lines->next_capacity;
    lines->length = lines->next_length;
    lines->next = bytes;
    lines->next_capacity = capacity;
    seal(lines, ended);
    return PARE_OK;
}
