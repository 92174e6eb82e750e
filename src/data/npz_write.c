#include "data/npz_write.h"

#include <string.h>
#include <zlib.h>

/* Little-endian numbers of a zip header (PKWARE APPNOTE 6.3). */
typedef struct header {
    unsigned char bytes[64];
    size_t length;
} header;

static void put(header *h, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        h->bytes[h->length++] = (unsigned char)(value >> 8 * i);
    }
}

/* What local header and directory entry share: version, flags, method 0 (stored), 1980-01-01, CRC,
 * both sizes, lengths of the name and of the extra field. */
static void put_member(header *h, uint32_t crc, uint32_t bytes, const char *name) {
    put(h, 20, 2);
    put(h, 0, 2);
    put(h, 0, 2);
    put(h, 0, 2);
    put(h, 33, 2);
    put(h, crc, 4);
    put(h, bytes, 4);
    put(h, bytes, 4);
    put(h, (uint32_t)strlen(name), 2);
    put(h, 0, 2);
}

static void write_bytes(pare_npz *npz, const void *bytes, int64_t length) {
    (void)fwrite(bytes, 1, (size_t)length, npz->file);
    npz->position += length;
}

void pare_npz_begin(pare_context *ctx, FILE *file, pare_npz *out) {
    memset(out, 0, sizeof *out);
    out->ctx = ctx;
    out->file = file;
}

pare_status pare_npz_add(pare_npz *npz, const char *name, const char *type, int64_t size,
                         int64_t rows, int64_t columns, const void *data) {
    char head[128] = "\x93NUMPY\x01";
    enum { HEAD = sizeof head, PREFIX = 10 };
    int64_t length = 0;
    bool fits = pare_checked_multiply(rows, columns > 0 ? columns : 1, &length) &&
                pare_checked_multiply(length, size, &length) &&
                npz->position + length < UINT32_MAX - 2 * HEAD &&
                npz->members < PARE_NPZ_MEMBERS_MAX;
    if (!fits) {
        return pare_fail(npz->ctx, PARE_ERROR_UNSUPPORTED,
                         "array %s: the archive would be larger than 4 GiB", name);
    }
    head[7] = 0; /* version 1.0, then the length of the rest */
    head[8] = HEAD - PREFIX;
    head[9] = 0;
    memset(head + PREFIX, ' ', HEAD - PREFIX - 1);
    head[HEAD - 1] = '\n';
    char shape[48], text[HEAD];
    snprintf(shape, sizeof shape, columns > 0 ? "(%lld, %lld)" : "(%lld,)", (long long)rows,
             (long long)columns);
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                        type, shape);
    memcpy(head + PREFIX, text, (size_t)used);
    uint32_t crc = (uint32_t)crc32_z(0, (const unsigned char *)head, HEAD);
    crc = (uint32_t)crc32_z(crc, data, (size_t)length);
    int at = npz->members++;
    snprintf(npz->member[at].name, sizeof npz->member[at].name, "%s.npy", name);
    npz->member[at].crc = crc;
    npz->member[at].bytes = (uint32_t)(HEAD + length);
    npz->member[at].offset = (uint32_t)npz->position;
    header h = {.length = 0};
    put(&h, 0x04034b50, 4);
    put_member(&h, crc, npz->member[at].bytes, npz->member[at].name);
    write_bytes(npz, h.bytes, (int64_t)h.length);
    write_bytes(npz, npz->member[at].name, (int64_t)strlen(npz->member[at].name));
    write_bytes(npz, head, HEAD);
    write_bytes(npz, data, length);
    return PARE_OK;
}

void pare_npz_end(pare_npz *npz) {
    uint32_t start = (uint32_t)npz->position;
    for (int i = 0; i < npz->members; i++) {
        header h = {.length = 0};
        put(&h, 0x02014b50, 4);
        put(&h, 20, 2);
        put_member(&h, npz->member[i].crc, npz->member[i].bytes, npz->member[i].name);
        put(&h, 0, 2); /* comment, disk, attributes */
        put(&h, 0, 2);
        put(&h, 0, 2);
        put(&h, 0, 4);
        put(&h, npz->member[i].offset, 4);
        write_bytes(npz, h.bytes, (int64_t)h.length);
        write_bytes(npz, npz->member[i].name, (int64_t)strlen(npz->member[i].name));
    }
    header h = {.length = 0};
    uint32_t length = (uint32_t)npz->position - start;
    put(&h, 0x06054b50, 4);
    put(&h, 0, 4);
    put(&h, (uint32_t)npz->members, 2);
    put(&h, (uint32_t)npz->members, 2);
    put(&h, length, 4);
    put(&h, start, 4);
    put(&h, 0, 2);
    write_bytes(npz, h.bytes, (int64_t)h.length);
}
