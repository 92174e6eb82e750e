#define ZLIB_CONST
#include "data/zip.h"

#include <string.h>
#include <zlib.h>

enum { END = 22, END64_PLACE = 20, CENTRAL = 46, LOCAL = 30, DEFLATED = 8 };

static uint64_t number(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

/* What the central directory says of a member. */
typedef struct entry {
    uint64_t packed, length, place, crc;
    int method;
} entry;

/* Sizes and place that do not fit 32 bits stand in extra field 1, in this order. */
static bool read_extra(const unsigned char *at, const unsigned char *end, entry *of) {
    uint64_t *const fields[] = {&of->length, &of->packed, &of->place};
    while (end - at >= 4) {
        uint64_t id = number(at, 2), size = number(at + 2, 2);
        at += 4;
        if (size > (uint64_t)(end - at)) {
            return false;
        }
        const unsigned char *field = at;
        at += size;
        for (size_t i = 0; id == 1 && i < 3; i++) {
            if (*fields[i] == UINT32_MAX) {
                if (at - field < 8) {
                    return false;
                }
                *fields[i] = number(field, 8);
                field += 8;
            }
        }
    }
    return true;
}

/* First byte of the central directory and its members; false: there is none. */
static bool find_directory(const unsigned char *bytes, int64_t length, uint64_t *place,
                           uint64_t *members) {
    int64_t least = length - END - 65535 > 0 ? length - END - 65535 : 0;
    for (int64_t at = length - END; at >= least; at--) {
        if (memcmp(bytes + at, "PK\5\6", 4) != 0) {
            continue;
        }
        *members = number(bytes + at + 10, 2);
        *place = number(bytes + at + 16, 4);
        bool large = *place == UINT32_MAX || *members == UINT16_MAX;
        if (large && at >= END64_PLACE && memcmp(bytes + at - END64_PLACE, "PK\6\7", 4) == 0) {
            uint64_t end = number(bytes + at - END64_PLACE + 8, 8);
            if (end > (uint64_t)length || (uint64_t)length - end < 56 ||
                memcmp(bytes + end, "PK\6\6", 4) != 0) {
                return false;
            }
            *members = number(bytes + end + 32, 8);
            *place = number(bytes + end + 48, 8);
        }
        return *place <= (uint64_t)length;
    }
    return false;
}

static pare_status refuse(pare_context *ctx, const char *name, const char *what) {
    return pare_fail(ctx, PARE_ERROR_INPUT, "%s: %s", name, what);
}

static pare_status inflate_member(pare_context *ctx, const char *name, const unsigned char *packed,
                                  const entry *of, pare_zip_member *out) {
    /* Deflate expands by less than 1032 to one. */
    if (of->length / 1032 > of->packed) {
        return refuse(ctx, name, "a member of the archive is damaged: its sizes cannot be");
    }
    pare_status status = pare_alloc(ctx, (int64_t)of->length, 1, &out->owned);
    if (status != PARE_OK) {
        return status;
    }
    z_stream z = {.next_in = packed};
    if (inflateInit2(&z, -15) != Z_OK) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: reading %s", name);
    }
    uint64_t in = 0, made = 0;
    int result = Z_OK;
    while (result == Z_OK) {
        uint64_t more = of->packed - in < (1u << 30) ? of->packed - in : 1u << 30;
        uint64_t room = of->length - made < (1u << 30) ? of->length - made : 1u << 30;
        z.avail_in = (unsigned)more;
        z.next_in = packed + in;
        z.avail_out = (unsigned)room;
        z.next_out = out->owned + made;
        result = inflate(&z, Z_NO_FLUSH);
        in += more - z.avail_in;
        made += room - z.avail_out;
        if (result == Z_OK && more == z.avail_in && room == z.avail_out) {
            break;
        }
    }
    (void)inflateEnd(&z);
    out->bytes = out->owned;
    return result == Z_STREAM_END && made == of->length
               ? PARE_OK
               : refuse(ctx, name, "a member of the archive is damaged or truncated");
}

static pare_status open_member(pare_context *ctx, const char *name, const unsigned char *bytes,
                               int64_t length, const entry *of, pare_zip_member *out) {
    uint64_t size = (uint64_t)length;
    if (of->place > size || size - of->place < LOCAL ||
        memcmp(bytes + of->place, "PK\3\4", 4) != 0) {
        return refuse(ctx, name, "the archive's directory is damaged");
    }
    const unsigned char *local = bytes + of->place;
    uint64_t at = of->place + LOCAL + number(local + 26, 2) + number(local + 28, 2);
    if (at > size || of->packed > size - at) {
        return refuse(ctx, name, "the archive is truncated");
    }
    out->length = (int64_t)of->length;
    pare_status status = PARE_OK;
    if (of->method == 0) {
        if (of->packed != of->length) {
            return refuse(ctx, name, "the archive's directory is damaged");
        }
        out->bytes = bytes + at;
    } else if (of->method == DEFLATED) {
        status = inflate_member(ctx, name, bytes + at, of, out);
    } else {
        status = refuse(ctx, name, "a member of the archive is packed in a way other than deflate");
    }
    if (status == PARE_OK && crc32_z(0, out->bytes, (size_t)out->length) != of->crc) {
        status = refuse(ctx, name, "a member of the archive is damaged: its CRC-32 does not match");
    }
    return status;
}

pare_status pare_zip_find(pare_context *ctx, const char *name, const unsigned char *bytes,
                          int64_t length, const char *wanted, pare_zip_member *out) {
    *out = (pare_zip_member){0};
    uint64_t place = 0, members = 0;
    if (!find_directory(bytes, length, &place, &members)) {
        return refuse(ctx, name, "not a zip archive, or a truncated one: it has no directory");
    }
    const unsigned char *at = bytes + place, *end = bytes + length;
    for (uint64_t m = 0; m < members; m++) {
        if (end - at < CENTRAL || memcmp(at, "PK\1\2", 4) != 0) {
            return refuse(ctx, name, "the archive's directory is damaged");
        }
        uint64_t text = number(at + 28, 2), extra = number(at + 30, 2), note = number(at + 32, 2);
        entry of = {.method = (int)number(at + 10, 2),
                    .crc = number(at + 16, 4),
                    .packed = number(at + 20, 4),
                    .length = number(at + 24, 4),
                    .place = number(at + 42, 4)};
        if ((uint64_t)(end - at) < CENTRAL + text + extra + note ||
            !read_extra(at + CENTRAL + text, at + CENTRAL + text + extra, &of) ||
            of.length > INT64_MAX / 2) {
            return refuse(ctx, name, "the archive's directory is damaged");
        }
        if (text == strlen(wanted) && memcmp(at + CENTRAL, wanted, text) == 0) {
            pare_status status = open_member(ctx, name, bytes, length, &of, out);
            if (status != PARE_OK) {
                pare_free(ctx, out->owned);
                *out = (pare_zip_member){0};
            }
            return status;
        }
        at += CENTRAL + text + extra + note;
    }
    return PARE_OK;
}
