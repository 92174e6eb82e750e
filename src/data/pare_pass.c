#include "base/text.h"
#include "base/xxh64.h"
#include "data/pare_file.h"
#include "platform/threads.h"

#include <stdio.h>

/* ---- Heads ---------------------------------------------------------------------------------- */

static pare_status refuse(pare_input *input, const char *what) {
    return pare_fail(input->ctx, PARE_ERROR_INPUT, "%s: %s", input->name, what);
}

/* No file of this size holds so many cells: bits, packed as far as packing is allowed. */
static bool too_large(const pare_input *input, const pare_file_header *h) {
    int64_t bound = pare_input_bound(input), most = 0, cells = 0;
    if (h->columns < 1 || h->columns > INT32_MAX || h->rows > INT64_MAX / 2) {
        return true;
    }
    bool sparse = h->storage == PARE_STORAGE_CSR;
    int64_t a_byte = h->flags & PARE_FILE_ZSTD ? INT64_C(8) * PARE_FILE_PACK_MOST : 8;
    if (sparse ? h->entries > INT64_MAX / 2
               : !pare_checked_multiply((int64_t)h->rows, (int64_t)h->columns, &cells)) {
        return true;
    }
    if (!pare_checked_multiply(bound, a_byte, &most)) {
        return false;
    }
    /* The schema has a byte a column; a sparse row has 4 bytes, an entry too. */
    return (int64_t)h->columns > bound ||
           (sparse ? (int64_t)h->entries > most / 32 || (int64_t)h->rows > most / 32
                   : cells > most);
}

pare_status pare_file_head(pare_input *input, pare_file_header *out) {
    int64_t count = pare_input_read(input, out, sizeof *out);
    if (count < 0) {
        return pare_input_fail(input);
    }
    if (count < (int64_t)sizeof *out || memcmp(out->magic, PARE_FILE_MAGIC, 8) != 0) {
        return refuse(input, "not a .pare file: its first 8 bytes are not those of the format");
    }
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    return refuse(input, ".pare files are little-endian, which this machine is not");
#endif
    if (out->version != PARE_FILE_VERSION) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: version %lu of the format; this program reads version %d",
                         input->name, (unsigned long)out->version, PARE_FILE_VERSION);
    }
    if (out->hash != pare_header_hash(out)) {
        return refuse(input, "the header's checksum does not match: the file is damaged");
    }
    if (out->directory == 0) {
        return refuse(input, "the file is not complete: its conversion was cut off; run pare "
                             "convert again");
    }
    if (input->size >= 0 && !input->gz && (uint64_t)input->size != out->length) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: %lld bytes; %llu were written: the file is %s", input->name,
                         (long long)input->size, (unsigned long long)out->length,
                         (uint64_t)input->size < out->length ? "truncated" : "damaged");
    }
    if (out->storage > PARE_STORAGE_CSR || out->rows < 1 || out->group_rows < 1 ||
        out->group_rows > PARE_FILE_GROUP_ROWS || too_large(input, out)) {
        return refuse(input, "the header describes a table that the file cannot hold");
    }
    return PARE_OK;
}

/* Of a chunk of cells. */
static const char *data_fault(const pare_file_header *h, const pare_record *r) {
    uint64_t rows = r->rows;
    if (rows < 1 || rows > h->group_rows || (h->rows > 0 && r->row + rows > h->rows)) {
        return "its rows are not those of the table";
    }
    if (r->kind == PARE_CHUNK_LABEL) {
        return h->flags & PARE_FILE_LABEL && r->length == 8 * rows ? NULL : "a label out of place";
    }
    if (r->columns < 1 || (uint64_t)r->column + r->columns > h->columns) {
        return "its columns are not those of the table";
    }
    if (h->storage == PARE_STORAGE_CSR) {
        bool sparse = r->kind == PARE_CHUNK_CSR || r->kind == PARE_CHUNK_CSR_ONES;
        return sparse && r->column == 0 && r->columns == h->columns &&
                       r->length >= 4 * (rows + 1) && r->length % 4 == 0
                   ? NULL
                   : "not a chunk of a sparse table";
    }
    if (r->kind >= PARE_CHUNK_KINDS ||
        (h->storage == PARE_STORAGE_U8 && r->kind != PARE_CHUNK_U8)) {
        return "a kind of cells that the table cannot have";
    }
    int64_t stride = pare_chunk_stride((pare_chunk_kind)r->kind, (int64_t)rows);
    return r->length == (uint64_t)stride * r->columns ? NULL : "its length does not fit its cells";
}

const char *pare_record_fault(const pare_file_header *h, const pare_record *r, uint64_t offset,
                              uint64_t row) {
    if (r->type < PARE_RECORD_SCHEMA || r->type > PARE_RECORD_DIRECTORY) {
        return "no record begins where one should";
    }
    if (r->offset != offset || r->row != row || r->zero != 0) {
        return "a record is not where it was written";
    }
    if (r->length > PARE_FILE_PAYLOAD_MAX || r->stored > r->length + PARE_FILE_ALIGN ||
        r->stored % PARE_FILE_ALIGN != 0 || r->padding > r->stored || r->packed > 1 ||
        r->stored * PARE_FILE_PACK_MOST < r->length ||
        (!r->packed && r->stored - r->padding != r->length)) {
        return "a record's sizes contradict each other";
    }
    if (h->length > 0 && offset + sizeof *r + r->stored > h->length) {
        return "a record reaches beyond the end of the file";
    }
    if (r->type == PARE_RECORD_MARK && r->length != sizeof(pare_mark)) {
        return "a mark of another size";
    }
    return r->type == PARE_RECORD_DATA ? data_fault(h, r) : NULL;
}

const char *pare_record_text(const pare_table *table, const pare_record *r,
                             char buffer[PARE_RECORD_TEXT]) {
    static const char *const types[] = {"record", "schema", "levels", "chunk", "mark", "directory"};
    if (r->type != PARE_RECORD_DATA) {
        snprintf(buffer, PARE_RECORD_TEXT, "the %s at byte %llu",
                 types[r->type <= PARE_RECORD_DIRECTORY ? r->type : 0],
                 (unsigned long long)r->offset);
        return buffer;
    }
    char columns[200] = "";
    if (r->columns > 0 && table && table->column && r->column + r->columns <= table->columns) {
        const char *first = table->column[r->column].name;
        const char *last = table->column[r->column + r->columns - 1].name;
        snprintf(columns, sizeof columns, ", columns '%.60s' to '%.60s'", first, last);
    }
    snprintf(buffer, PARE_RECORD_TEXT, "the %s chunk at byte %llu (rows %llu to %llu%s)",
             pare_chunk_name((pare_chunk_kind)r->kind), (unsigned long long)r->offset,
             (unsigned long long)r->row + 1, (unsigned long long)(r->row + r->rows), columns);
    return buffer;
}

/* ---- Reading a group ------------------------------------------------------------------------ */

static bool left_out(const pare_pass *pass, const pare_record *r) {
    if (!pass->wanted || r->type != PARE_RECORD_DATA || r->kind >= PARE_CHUNK_CSR) {
        return false;
    }
    for (uint32_t c = 0; c < r->columns; c++) {
        if (pass->wanted[r->column + c]) {
            return false;
        }
    }
    return true;
}

/* Reads until the group is whole or something stops it; allocates nothing, so that it may run
 * beside the work on another group. */
static void fill(pare_pass *pass, pare_group *g) {
    for (;;) {
        if (!g->headed) {
            int64_t count = pare_input_read(pass->input, &g->head, sizeof g->head);
            if (count < (int64_t)sizeof g->head) {
                g->state = count < 0 ? PARE_GROUP_UNREAD : PARE_GROUP_CUT;
                return;
            }
            g->reason = pare_record_fault(&pass->header, &g->head, pass->next, pass->line);
            if (g->reason) {
                g->state = PARE_GROUP_BROKEN;
                return;
            }
            g->headed = true;
        }
        int64_t stored = (int64_t)g->head.stored;
        bool out = left_out(pass, &g->head);
        if (g->items == g->item_capacity || (!out && g->capacity - g->used < stored)) {
            g->wanted = out ? 0 : g->used + stored;
            g->state = PARE_GROUP_ROOM;
            return;
        }
        int64_t count = out ? pare_input_skip(pass->input, stored)
                            : pare_input_read(pass->input, g->bytes + g->used, stored);
        if (count < stored) {
            g->state = count < 0 ? PARE_GROUP_UNREAD : PARE_GROUP_CUT;
            return;
        }
        g->item[g->items++] = (pare_file_item){.record = g->head, .at = out ? -1 : g->used};
        g->used += out ? 0 : stored;
        g->headed = false;
        pass->next += sizeof g->head + (uint64_t)stored;
        if (g->head.type == PARE_RECORD_DATA && g->head.kind != PARE_CHUNK_LABEL) {
            g->rows = g->head.rows; /* all chunks of a group have the same; checked later */
        }
        if (g->head.type == PARE_RECORD_MARK) {
            pass->line += (uint64_t)g->rows;
            g->state = PARE_GROUP_FULL;
            return;
        }
        if (g->head.type == PARE_RECORD_DIRECTORY) {
            g->state = PARE_GROUP_END;
            return;
        }
    }
}

/* The rest of filling, where memory may be asked for. */
static pare_status complete(pare_pass *pass, pare_group *g) {
    pare_input *input = pass->input;
    while (g->state == PARE_GROUP_OPEN || g->state == PARE_GROUP_ROOM) {
        if (g->state == PARE_GROUP_ROOM) {
            /* A little more than asked for: the next group is about as large. */
            int64_t wanted = g->wanted + g->wanted / 8;
            pare_status status = pare_grow(pass->ctx, g->wanted > g->capacity ? wanted : 0, 1,
                                           &g->capacity, &g->bytes);
            if (status == PARE_OK) {
                status = pare_grow(pass->ctx, g->items + 1, sizeof *g->item, &g->item_capacity,
                                   &g->item);
            }
            if (status != PARE_OK) {
                return status;
            }
        }
        g->state = PARE_GROUP_OPEN;
        fill(pass, g);
    }
    switch (g->state) {
    case PARE_GROUP_UNREAD:
        return pare_input_fail(input);
    case PARE_GROUP_CUT:
        return pare_fail(pass->ctx, PARE_ERROR_INPUT,
                         "%s: the data end at byte %llu: the file is "
                         "truncated",
                         input->name, (unsigned long long)pass->next);
    case PARE_GROUP_BROKEN:
        return pare_fail(pass->ctx, PARE_ERROR_INPUT, "%s: at byte %llu, %s: the file is damaged",
                         input->name, (unsigned long long)pass->next, g->reason);
    default:
        return PARE_OK;
    }
}

static pare_status damaged(const pare_pass *pass, const pare_record *r, const char *what) {
    char text[PARE_RECORD_TEXT];
    return pare_fail(pass->ctx, PARE_ERROR_INPUT, "%s: %s: %s: the file is damaged",
                     pass->input->name, pare_record_text(pass->table, r, text), what);
}

/* The payload as stored is what was written, and nothing but zeros follows it. */
static bool intact(const pare_record *r, const unsigned char *payload) {
    for (uint64_t i = r->stored - r->padding; i < r->stored; i++) {
        if (payload[i] != 0) {
            return false;
        }
    }
    return pare_record_hash(r, payload) == r->hash;
}

/* ---- Schema and levels ---------------------------------------------------------------------- */

static pare_status read_schema(pare_pass *pass, const unsigned char *payload, int64_t length) {
    pare_context *ctx = pass->ctx;
    int64_t columns = (int64_t)pass->header.columns;
    int64_t at = (int64_t)sizeof pass->origin + (columns + 7) / 8 * 8;
    const char *short_schema = "the schema is too short for its columns: the file is damaged";
    if (at > length) {
        return refuse(pass->input, short_schema);
    }
    memcpy(&pass->origin, payload, sizeof pass->origin);
    pare_status status = pare_alloc(ctx, columns, 1, &pass->category);
    if (status != PARE_OK) {
        return status;
    }
    memcpy(pass->category, payload + sizeof pass->origin, (size_t)columns);
    if (!pass->table) {
        return PARE_OK;
    }
    pare_table *table = pass->table;
    if (!(pass->header.flags & PARE_FILE_NAMED)) {
        return pare_table_name_columns(table, columns);
    }
    status = pare_alloc_zero(ctx, columns, sizeof *table->column, &table->column);
    table->columns = status == PARE_OK ? columns : 0;
    table->named = true;
    for (int64_t c = 0; c < columns && status == PARE_OK; c++) {
        uint32_t size = 0;
        if (length - at < 4) {
            return refuse(pass->input, short_schema);
        }
        memcpy(&size, payload + at, sizeof size);
        at += 4;
        if (size > length - at || memchr(payload + at, 0, size)) {
            return refuse(pass->input, short_schema);
        }
        status = pare_text_copy(ctx, (const char *)payload + at, size, &table->column[c].name);
        at += size;
    }
    return status;
}

/* One more text in a column of a table. */
static pare_status append_level(pare_context *ctx, pare_column *column, int64_t *capacity,
                                const unsigned char *text, int64_t length) {
    pare_status status =
        pare_grow(ctx, column->levels + 1, sizeof *column->level, capacity, &column->level);
    if (status == PARE_OK) {
        status = pare_text_copy(ctx, (const char *)text, length, &column->level[column->levels]);
    }
    column->levels += status == PARE_OK;
    return status;
}

pare_status pare_levels_take(pare_context *ctx, const char *name, const unsigned char *payload,
                             int64_t length, int64_t columns, pare_table *table, int64_t *capacity,
                             pare_levels *levels) {
    for (int64_t at = 0; at < length;) {
        uint32_t head[2] = {0};
        if (length - at >= (int64_t)sizeof head) {
            memcpy(head, payload + at, sizeof head);
        }
        at += (int64_t)sizeof head;
        if (at > length || head[1] > length - at || head[0] >= columns ||
            memchr(payload + at, 0, head[1])) {
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "%s: the texts of the categories contradict the table: the file is "
                             "damaged",
                             name);
        }
        int64_t known = 0;
        pare_status status = PARE_OK;
        if (levels) {
            status = pare_levels_add(ctx, &levels[head[0]], payload + at, head[1], &known);
        } else {
            status = append_level(ctx, &table->column[head[0]], &capacity[head[0]], payload + at,
                                  head[1]);
        }
        if (status != PARE_OK) {
            return status;
        }
        at += head[1];
    }
    return PARE_OK;
}

/* ---- The pass ------------------------------------------------------------------------------- */

pare_status pare_pass_open(pare_input *input, pare_table *table, pare_pass *out) {
    *out = (pare_pass){.ctx = input->ctx, .input = input, .table = table};
    pare_pass *pass = out;
    pare_status status = pare_file_head(input, &pass->header);
    if (status != PARE_OK) {
        return status;
    }
    pass->next = sizeof pass->header;
    unsigned char *payload = NULL;
    pare_record head = {0};
    int64_t count = pare_input_read(input, &head, sizeof head);
    if (count < 0) {
        return pare_input_fail(input);
    }
    const char *reason = count < (int64_t)sizeof head
                             ? "the data end"
                             : pare_record_fault(&pass->header, &head, pass->next, 0);
    reason = reason ? reason : head.type != PARE_RECORD_SCHEMA || head.packed ? "no schema" : NULL;
    if (reason) {
        return pare_fail(pass->ctx, PARE_ERROR_INPUT, "%s: at byte %d, %s: the file is damaged",
                         input->name, (int)sizeof pass->header, reason);
    }
    if ((int64_t)head.stored > pare_input_bound(input)) {
        return refuse(input, "the data end within the schema: the file is truncated");
    }
    status = pare_alloc(pass->ctx, (int64_t)head.stored, 1, &payload);
    if (status != PARE_OK) {
        return status;
    }
    count = pare_input_read(input, payload, (int64_t)head.stored);
    if (count < (int64_t)head.stored) {
        status = count < 0 ? pare_input_fail(input)
                           : refuse(input, "the data end within the schema: the file is truncated");
    } else if (!intact(&head, payload)) {
        status = damaged(pass, &head, "the checksum does not match");
    } else {
        status = read_schema(pass, payload, (int64_t)head.length);
    }
    pare_free(pass->ctx, payload);
    pass->next += sizeof head + head.stored;
    if (status == PARE_OK && table) {
        table->storage = (pare_storage)pass->header.storage;
        table->rows = (int64_t)pass->header.rows;
        table->first_line = (int64_t)pass->header.first_line;
        table->height = pass->header.height;
        table->width = pass->header.width;
        status = pare_alloc_zero(pass->ctx, table->columns, sizeof *pass->level_capacity,
                                 &pass->level_capacity);
    }
    return status;
}

void pare_pass_close(pare_pass *pass) {
    if (!pass->ctx) {
        return;
    }
    for (int k = 0; k < 2; k++) {
        pare_free(pass->ctx, pass->group[k].bytes);
        pare_free(pass->ctx, pass->group[k].item);
    }
    pare_free(pass->ctx, pass->scratch);
    pare_free(pass->ctx, pass->category);
    pare_free(pass->ctx, pass->level_capacity);
    *pass = (pare_pass){0};
}

/* The chunks of a group cover each cell once, in order; room for what is packed. */
static pare_status arrange(pare_pass *pass, pare_group *g) {
    bool sparse = pass->header.storage == PARE_STORAGE_CSR;
    uint32_t rows = 0;
    uint64_t column = 0;
    int64_t room = 0;
    bool label = false;
    for (int64_t i = 0; i < g->items; i++) {
        pare_file_item *item = &g->item[i];
        const pare_record *r = &item->record;
        if (r->type == PARE_RECORD_SCHEMA || (r->packed && r->type != PARE_RECORD_DATA)) {
            return damaged(pass, r, "it is out of place");
        }
        if (r->type == PARE_RECORD_DATA) {
            bool is_label = r->kind == PARE_CHUNK_LABEL;
            if ((rows > 0 && r->rows != rows) || (is_label && (label || column > 0)) ||
                (!is_label && r->column != column)) {
                return damaged(pass, r, "it is out of place");
            }
            rows = r->rows;
            label = label || is_label;
            column += is_label ? 0 : r->columns;
        }
        item->room = room;
        if (r->packed && item->at >= 0) {
            room += ((int64_t)r->length + PARE_FILE_ALIGN - 1) / PARE_FILE_ALIGN * PARE_FILE_ALIGN;
        }
    }
    bool wants_label = (pass->header.flags & PARE_FILE_LABEL) != 0;
    if (g->state == PARE_GROUP_FULL &&
        (column != pass->header.columns || label != (wants_label && sparse))) {
        return damaged(pass, &g->head, "chunks are missing before it");
    }
    pass->rows = rows;
    return pare_grow(pass->ctx, room, 1, &pass->scratch_capacity, &pass->scratch);
}

static pare_status finish(pare_pass *pass, const pare_group *g) {
    const pare_file_item *last = &g->item[g->items - 1];
    const pare_record *r = &last->record;
    if (pass->line != pass->header.rows || r->offset != pass->header.directory ||
        pass->next != pass->header.length || g->items != 1) {
        return damaged(pass, r, "rows are missing before it");
    }
    if (!intact(r, g->bytes + last->at)) {
        return damaged(pass, r, "the checksum does not match");
    }
    pass->identity = pare_xxh64(&r->hash, sizeof r->hash, pass->header.hash);
    return PARE_OK;
}

pare_status pare_pass_turn(pare_pass *pass, bool *more) {
    *more = false;
    pare_group *g = &pass->group[1 - pass->current];
    pare_status status = complete(pass, g);
    if (status == PARE_OK) {
        pass->row = (int64_t)pass->line;
        status = arrange(pass, g);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (g->state == PARE_GROUP_END) {
        return finish(pass, g);
    }
    pass->row -= pass->rows;
    pass->current = 1 - pass->current;
    for (int64_t i = 0; i < g->items && status == PARE_OK; i++) {
        const pare_record *r = &g->item[i].record;
        if (r->type == PARE_RECORD_DATA) {
            continue;
        }
        const unsigned char *payload = g->bytes + g->item[i].at;
        if (!intact(r, payload)) {
            return damaged(pass, r, "the checksum does not match");
        }
        if (r->type == PARE_RECORD_LEVELS && pass->table) {
            status = pare_levels_take(pass->ctx, pass->input->name, payload, (int64_t)r->length,
                                      (int64_t)pass->header.columns, pass->table,
                                      pass->level_capacity, NULL);
        }
    }
    *more = true;
    return status;
}

pare_status pare_pass_seek(pare_pass *pass, uint64_t place, int64_t row) {
    int64_t skip = (int64_t)(place - pass->next);
    if (place < pass->next || pare_input_skip(pass->input, skip) != skip) {
        return pare_fail(pass->ctx, PARE_ERROR_IO, "%s: changed while it was read",
                         pass->input->name);
    }
    pass->next = place;
    pass->line = (uint64_t)row;
    return PARE_OK;
}

static void work_item(void *argument, int64_t chunk) {
    pare_pass *pass = argument;
    pare_group *g = &pass->group[pass->current];
    if (chunk == 0) {
        pare_group *next = &pass->group[1 - pass->current];
        next->items = next->used = next->rows = 0;
        next->headed = false;
        next->state = PARE_GROUP_OPEN;
        if (!pass->last) {
            fill(pass, next);
        }
        return;
    }
    pare_file_item *item = &g->item[chunk - 1];
    const pare_record *r = &item->record;
    if (r->type != PARE_RECORD_DATA || item->at < 0) {
        return;
    }
    const unsigned char *payload = g->bytes + item->at;
    item->damaged = !intact(r, payload);
    item->cells = payload;
    if (r->packed && !item->damaged) {
        item->cells = pass->scratch + item->room;
        item->damaged = !pare_unpack(payload, (int64_t)(r->stored - r->padding),
                                     pass->scratch + item->room, (int64_t)r->length);
    }
    if (!item->damaged) {
        pass->work(pass->user, item);
    }
}

pare_status pare_pass_work(pare_pass *pass, void (*work)(void *user, pare_file_item *item),
                           void *user) {
    pare_group *g = &pass->group[pass->current];
    pass->work = work;
    pass->user = user;
    pare_pool_run(pass->ctx->pool, 1 + g->items, work_item, pass);
    for (int64_t i = 0; i < g->items; i++) {
        const pare_file_item *item = &g->item[i];
        if (item->damaged || item->odd) {
            bool packed = item->damaged && item->record.packed && !pare_can_pack();
            return packed ? pare_fail(pass->ctx, PARE_ERROR_UNSUPPORTED,
                                      "%s: packed with zstd, which this build lacks (libzstd-dev)",
                                      pass->input->name)
                          : damaged(pass, &item->record,
                                    item->damaged ? "the checksum does not match"
                                                  : "its content is not what it may be");
        }
    }
    return PARE_OK;
}
