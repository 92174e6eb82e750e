/* Cells of a column in the smallest form that loses nothing, and their way back. */
#include "base/xxh64.h"
#include "data/pare_file.h"

#include <math.h>
#include <stddef.h>
#ifdef PARE_HAVE_ZSTD
#include <zstd.h>
#endif

uint64_t pare_record_hash(const pare_record *head, const void *payload) {
    uint64_t seed = pare_xxh64(head, offsetof(pare_record, hash), 0);
    return pare_xxh64(payload, (int64_t)(head->stored - head->padding), seed);
}

uint64_t pare_header_hash(const pare_file_header *header) {
    return pare_xxh64(header, offsetof(pare_file_header, hash), 0);
}

/* ---- Which kinds hold a column -------------------------------------------------------------- */

static const uint32_t missing_bits = UINT32_C(0x7fc00000);

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What is known of a column after some of its cells. */
typedef struct look {
    int32_t low, high;
    bool whole, half, gaps;
} look;

enum { TILE = 256 };

/* Whole numbers of at most 16 bits, none of them -0, and their range. */
static void look_whole(int64_t count, const float *value, look *of) {
    int32_t low = of->low, high = of->high;
    uint32_t odd = 0, gaps = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = bits_of(value[i]), missing = bits == missing_bits;
        float safe = fabsf(value[i]) < 65536 ? value[i] : 0;
        int32_t whole = (int32_t)safe;
        odd |= (bits_of((float)whole) != bits) & !missing;
        gaps |= missing;
        low = whole < low ? whole : low;
        high = whole > high ? whole : high;
    }
    of->low = low;
    of->high = high;
    of->whole = of->whole && !odd;
    of->gaps = of->gaps || gaps;
}

/* Normal half-precision numbers, zeros and missing ones. */
static void look_half(int64_t count, const float *value, look *of) {
    uint32_t odd = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = bits_of(value[i]), plain = bits & UINT32_C(0x7fffffff);
        uint32_t exponent = plain >> 23;
        uint32_t normal = (exponent >= 113) & (exponent <= 142) & !(bits & 0x1fff);
        odd |= !(normal | (plain == 0) | (bits == missing_bits));
    }
    of->half = of->half && !odd;
}

uint32_t pare_chunk_fits(int64_t rows, const float *value) {
    look of = {.whole = true, .half = true};
    for (int64_t i = 0; i < rows && (of.whole || of.half); i += TILE) {
        int64_t count = rows - i < TILE ? rows - i : TILE;
        if (of.whole) {
            look_whole(count, value + i, &of);
        }
        if (of.half) {
            look_half(count, value + i, &of);
        }
    }
    uint32_t fits = 1u << PARE_CHUNK_F32 | (of.half ? 1u << PARE_CHUNK_F16 : 0);
    static const struct {
        pare_chunk_kind kind;
        int32_t low, high;
        bool gaps;
    } ranges[] = {
        {PARE_CHUNK_BIT, 0, 1, false},         {PARE_CHUNK_TWO, 0, 3, false},
        {PARE_CHUNK_TWO_GAPS, 0, 2, true},     {PARE_CHUNK_U8, 0, 255, false},
        {PARE_CHUNK_U8_GAPS, 0, 254, true},    {PARE_CHUNK_I8, -128, 127, false},
        {PARE_CHUNK_I8_GAPS, -127, 127, true}, {PARE_CHUNK_U16, 0, 65535, false},
        {PARE_CHUNK_U16_GAPS, 0, 65534, true},
    };
    for (size_t k = 0; of.whole && k < sizeof ranges / sizeof ranges[0]; k++) {
        if (of.low >= ranges[k].low && of.high <= ranges[k].high && (ranges[k].gaps || !of.gaps)) {
            fits |= 1u << ranges[k].kind;
        }
    }
    return fits;
}

pare_chunk_kind pare_chunk_best(uint32_t fits) {
    return (pare_chunk_kind)__builtin_ctz(fits); /* they are numbered by size */
}

static int bits_a_cell(pare_chunk_kind kind) {
    static const int bits[PARE_CHUNK_KINDS] = {1, 2, 2, 8, 8, 8, 8, 16, 16, 16, 32};
    return bits[kind];
}

int64_t pare_chunk_stride(pare_chunk_kind kind, int64_t rows) {
    return (rows * bits_a_cell(kind) + 7) / 8;
}

const char *pare_chunk_name(pare_chunk_kind kind) {
    static const char *const names[] = {"bit",  "2-bit",  "2-bit",  "uint8",   "uint8",  "int8",
                                        "int8", "uint16", "uint16", "float16", "float32"};
    return kind < PARE_CHUNK_KINDS       ? names[kind]
           : kind == PARE_CHUNK_CSR      ? "csr"
           : kind == PARE_CHUNK_CSR_ONES ? "csr of ones"
                                         : "label";
}

/* ---- To and from codes ---------------------------------------------------------------------- */

static uint16_t half_of(float value) {
    uint32_t bits = bits_of(value), plain = bits & UINT32_C(0x7fffffff);
    uint32_t sign = bits >> 16 & 0x8000;
    if (bits == missing_bits) {
        return 0x7e00;
    }
    return (uint16_t)(plain == 0 ? sign : sign | ((plain >> 13) - (112u << 10)));
}

static float float_of(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, plain = half & 0x7fff;
    uint32_t bits = plain == 0x7e00 ? missing_bits
                    : plain == 0    ? sign
                                    : sign | ((plain + (112u << 10)) << 13);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void pare_chunk_encode(pare_chunk_kind kind, int64_t rows, const float *value, unsigned char *out) {
    switch (kind) {
    case PARE_CHUNK_BIT:
    case PARE_CHUNK_TWO:
    case PARE_CHUNK_TWO_GAPS: {
        int bits = bits_a_cell(kind), in_byte = 8 / bits;
        memset(out, 0, (size_t)pare_chunk_stride(kind, rows));
        for (int64_t i = 0; i < rows; i++) {
            unsigned code = isnan(value[i]) ? 3u : (unsigned)value[i];
            out[i / in_byte] |= (unsigned char)(code << (bits * (int)(i % in_byte)));
        }
        break;
    }
    case PARE_CHUNK_U8:
    case PARE_CHUNK_U8_GAPS:
        for (int64_t i = 0; i < rows; i++) {
            out[i] = isnan(value[i]) ? 255 : (unsigned char)value[i];
        }
        break;
    case PARE_CHUNK_I8:
    case PARE_CHUNK_I8_GAPS:
        for (int64_t i = 0; i < rows; i++) {
            out[i] = (unsigned char)(isnan(value[i]) ? -128 : (int)value[i]);
        }
        break;
    case PARE_CHUNK_U16:
    case PARE_CHUNK_U16_GAPS:
        for (int64_t i = 0; i < rows; i++) {
            uint16_t code = isnan(value[i]) ? 65535 : (uint16_t)value[i];
            memcpy(out + 2 * i, &code, sizeof code);
        }
        break;
    case PARE_CHUNK_F16:
        for (int64_t i = 0; i < rows; i++) {
            uint16_t code = half_of(value[i]);
            memcpy(out + 2 * i, &code, sizeof code);
        }
        break;
    default:
        memcpy(out, value, (size_t)rows * sizeof *value);
    }
}

void pare_chunk_decode(pare_chunk_kind kind, int64_t from, int64_t count, const unsigned char *in,
                       float *out) {
    float missing;
    memcpy(&missing, &missing_bits, sizeof missing);
    bool gaps = kind == PARE_CHUNK_TWO_GAPS || kind == PARE_CHUNK_U8_GAPS ||
                kind == PARE_CHUNK_I8_GAPS || kind == PARE_CHUNK_U16_GAPS;
    switch (kind) {
    case PARE_CHUNK_BIT:
        in += from / 8;
        for (int64_t i = 0; i < count; i++) {
            out[i] = (float)(in[i >> 3] >> (i & 7) & 1);
        }
        break;
    case PARE_CHUNK_TWO:
    case PARE_CHUNK_TWO_GAPS:
        in += from / 4;
        for (int64_t i = 0; i < count; i++) {
            unsigned code = (unsigned)in[i >> 2] >> (2 * (i & 3)) & 3u;
            out[i] = gaps && code == 3 ? missing : (float)code;
        }
        break;
    case PARE_CHUNK_U8:
    case PARE_CHUNK_U8_GAPS:
        in += from;
        for (int64_t i = 0; i < count; i++) {
            out[i] = gaps && in[i] == 255 ? missing : (float)in[i];
        }
        break;
    case PARE_CHUNK_I8:
    case PARE_CHUNK_I8_GAPS:
        in += from;
        for (int64_t i = 0; i < count; i++) {
            int code = in[i] < 128 ? in[i] : in[i] - 256;
            out[i] = gaps && code == -128 ? missing : (float)code;
        }
        break;
    case PARE_CHUNK_U16:
    case PARE_CHUNK_U16_GAPS:
    case PARE_CHUNK_F16:
        in += 2 * from;
        for (int64_t i = 0; i < count; i++) {
            uint16_t code;
            memcpy(&code, in + 2 * i, sizeof code);
            out[i] = kind == PARE_CHUNK_F16  ? float_of(code)
                     : gaps && code == 65535 ? missing
                                             : (float)code;
        }
        break;
    default:
        memcpy(out, in + 4 * from, (size_t)count * sizeof *out);
    }
}

/* ---- zstd ----------------------------------------------------------------------------------- */

#ifdef PARE_HAVE_ZSTD
bool pare_can_pack(void) {
    return true;
}

int64_t pare_pack(const void *in, int64_t length, void *out) {
    size_t used = ZSTD_compress(out, (size_t)length, in, (size_t)length, 1);
    return ZSTD_isError(used) || (int64_t)used >= length ? 0 : (int64_t)used;
}

bool pare_unpack(const void *in, int64_t stored, void *out, int64_t length) {
    return ZSTD_decompress(out, (size_t)length, in, (size_t)stored) == (size_t)length;
}
#else
bool pare_can_pack(void) {
    return false;
}

int64_t pare_pack(const void *in, int64_t length, void *out) {
    (void)in;
    (void)length;
    (void)out;
    return 0;
}

bool pare_unpack(const void *in, int64_t stored, void *out, int64_t length) {
    (void)in;
    (void)stored;
    (void)out;
    (void)length;
    return false;
}
#endif
