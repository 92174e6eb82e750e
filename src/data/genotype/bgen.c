/* BGEN of layout 2 (bgenformat.org): a header, ids of samples, then one block a variant with
 * probabilities of genotypes, compressed by itself. Numbers are little-endian. */
#include "data/genotype/internal.h"

#include <string.h>
#include <zlib.h>
#ifdef PARE_HAVE_ZSTD
#include <zstd.h>
#endif

enum {
    HEADER_LEAST = 20,
    COMPRESSION_NONE = 0,
    COMPRESSION_ZLIB = 1,
    COMPRESSION_ZSTD = 2,
    LAYOUT = 2,
    BITS_MAX = 32,
    PLOIDY_MASK = 63,
    MISSING = 128,
    TEXT_MAX = 1 << 16 /* of an allele kept in messages and tables */
};

typedef struct bgen_reader {
    pare_context *ctx;
    const char *name;
    const uint8_t *bytes;
    int64_t length, at;
    int64_t variants, samples, number; /* number: of the variant being read, from 1 */
    int compression;
    bool ids;
    double hard_call;
    uint8_t *plain; /* uncompressed probabilities of a variant */
    int64_t plain_capacity;
    char *text; /* id, chromosome and alleles of a variant, zero-terminated one after the other */
    int64_t text_capacity;
    int8_t *copies;
    pare_packing packing;
} bgen_reader;

static void reader_clear(bgen_reader *r) {
    pare_free(r->ctx, r->plain);
    pare_free(r->ctx, r->text);
    pare_free(r->ctx, r->copies);
    pare_packing_clear(&r->packing);
}

static pare_status fail_end(const bgen_reader *r) {
    if (r->number == 0) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: is truncated: it ends within its header",
                         r->name);
    }
    return pare_fail(r->ctx, PARE_ERROR_INPUT,
                     "%s: is truncated: it ends within variant %lld of %lld", r->name,
                     (long long)r->number, (long long)r->variants);
}

static pare_status fail_variant(const bgen_reader *r, const char *what) {
    return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s variant %lld: %s", r->name, (long long)r->number,
                     what);
}

static uint64_t little(const uint8_t *bytes, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        value |= (uint64_t)bytes[i] << 8 * i;
    }
    return value;
}

/* A number of 2 or 4 bytes at the cursor; false at the end. */
static bool take_number(bgen_reader *r, int bytes, int64_t *out) {
    if (r->length - r->at < bytes) {
        return false;
    }
    *out = (int64_t)little(r->bytes + r->at, bytes);
    r->at += bytes;
    return true;
}

/* ---- Header --------------------------------------------------------------------------------- */

static pare_status read_header(bgen_reader *r, int64_t *first) {
    int64_t size = 0, offset = 0, magic = 0, flags = 0;
    if (!take_number(r, 4, &offset) || !take_number(r, 4, &size) ||
        !take_number(r, 4, &r->variants) || !take_number(r, 4, &r->samples) ||
        !take_number(r, 4, &magic)) {
        return fail_end(r);
    }
    if ((magic != 0 && magic != 0x6e656762) || size < HEADER_LEAST || offset < size) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: does not begin as a BGEN file does",
                         r->name);
    }
    *first = offset + 4;
    r->at = size; /* the flags are the last four bytes of the header */
    if (size > r->length || !take_number(r, 4, &flags) || *first > r->length) {
        return fail_end(r);
    }
    r->compression = (int)(flags & 3);
    r->ids = flags >> 31 & 1;
    if ((flags >> 2 & 15) != LAYOUT || r->compression > COMPRESSION_ZSTD) {
        return pare_fail(r->ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: layout %d, compression %d; only layout 2 (BGEN 1.2 and 1.3) with "
                         "zlib, zstd or none is read: convert it with qctool or plink2",
                         r->name, (int)(flags >> 2 & 15), r->compression);
    }
#ifndef PARE_HAVE_ZSTD
    if (r->compression == COMPRESSION_ZSTD) {
        return pare_fail(r->ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: is compressed with zstd, which this build was made without "
                         "(libzstd-dev)",
                         r->name);
    }
#endif
    return PARE_OK;
}

/* Ids of an Oxford .sample: two lines of head, then ID_1 ID_2 ..., family and id. */
static pare_status take_sample_file(bgen_reader *r, const pare_cells *samples) {
    const int64_t own = samples->columns > 1;
    if (samples->rows != r->samples + 2) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s: %lld lines; %lld samples of %s and two lines of head need %lld",
                         samples->path, (long long)samples->rows, (long long)r->samples, r->name,
                         (long long)r->samples + 2);
    }
    for (int64_t i = 2; i < samples->rows; i++) {
        char **cell = samples->cell + i * samples->columns;
        pare_packing_sample(&r->packing, own ? cell[0] : NULL, cell[own],
                            (int64_t)strlen(cell[own]));
    }
    return PARE_OK;
}

static pare_status take_sample_block(bgen_reader *r) {
    int64_t size = 0, count = 0, length = 0;
    if (!r->ids) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s: holds no ids of samples; name its .sample file by option sample",
                         r->name);
    }
    if (!take_number(r, 4, &size) || !take_number(r, 4, &count)) {
        return fail_end(r);
    }
    if (count != r->samples) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: %lld ids for %lld samples", r->name,
                         (long long)count, (long long)r->samples);
    }
    for (int64_t i = 0; i < count; i++) {
        if (!take_number(r, 2, &length) || r->length - r->at < length) {
            return fail_end(r);
        }
        pare_packing_sample(&r->packing, NULL, (const char *)r->bytes + r->at, length);
        r->at += length;
    }
    return r->packing.fam.status;
}

/* ---- A variant ------------------------------------------------------------------------------ */

typedef struct bgen_variant {
    int64_t id, chromosome, allele[2]; /* where in r->text */
    int64_t position, alleles;
    const uint8_t *block; /* compressed probabilities */
    int64_t stored, plain;
} bgen_variant;

/* A text with a length of `bytes` bytes; `keep`: copied to r->text at *used, *where tells. */
static pare_status take_text(bgen_reader *r, int bytes, bool keep, int64_t *used, int64_t *where) {
    int64_t length = 0;
    if (!take_number(r, bytes, &length) || r->length - r->at < length) {
        return fail_end(r);
    }
    if (keep) {
        int64_t some = length < TEXT_MAX ? length : TEXT_MAX;
        pare_status status = pare_grow(r->ctx, *used + some + 1, 1, &r->text_capacity, &r->text);
        if (status != PARE_OK) {
            return status;
        }
        memcpy(r->text + *used, r->bytes + r->at, (size_t)some);
        r->text[*used + some] = '\0';
        *where = *used;
        *used += some + 1;
    }
    r->at += length;
    return PARE_OK;
}

static pare_status read_identity(bgen_reader *r, bgen_variant *v) {
    int64_t used = 0, none = 0, own = 0;
    *v = (bgen_variant){0};
    pare_status status = take_text(r, 2, true, &used, &own);
    if (status == PARE_OK) {
        status = take_text(r, 2, true, &used, &v->id);
    }
    if (status == PARE_OK) {
        status = take_text(r, 2, true, &used, &v->chromosome);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (!r->text[v->id]) {
        v->id = own; /* no rsid: the variant's other name */
    }
    if (!take_number(r, 4, &v->position) || !take_number(r, 2, &v->alleles)) {
        return fail_end(r);
    }
    for (int64_t a = 0; a < v->alleles && status == PARE_OK; a++) {
        status = take_text(r, 4, a < 2, &used, a < 2 ? &v->allele[a] : &none);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (!take_number(r, 4, &v->stored)) {
        return fail_end(r);
    }
    v->plain = v->stored;
    if (r->compression != COMPRESSION_NONE) {
        if (v->stored < 4 || !take_number(r, 4, &v->plain)) {
            return fail_end(r);
        }
        v->stored -= 4;
    }
    if (r->length - r->at < v->stored) {
        return fail_end(r);
    }
    v->block = r->bytes + r->at;
    r->at += v->stored;
    return PARE_OK;
}

static pare_status unpack(bgen_reader *r, const bgen_variant *v, const uint8_t **out) {
    const int64_t head = 10 + r->samples; /* N, K, ploidies, each sample, phased, bits */
    if (v->plain < head || v->plain > head + 8 * r->samples + 8) {
        return fail_variant(r, "its probabilities have a size that two alleles cannot have");
    }
    if (r->compression == COMPRESSION_NONE) {
        *out = v->block;
        return PARE_OK;
    }
    pare_status status = pare_grow(r->ctx, v->plain, 1, &r->plain_capacity, &r->plain);
    if (status != PARE_OK) {
        return status;
    }
    *out = r->plain;
    bool good = false;
    if (r->compression == COMPRESSION_ZLIB) {
        uLongf got = (uLongf)v->plain;
        good = uncompress(r->plain, &got, v->block, (uLong)v->stored) == Z_OK &&
               got == (uLongf)v->plain;
    }
#ifdef PARE_HAVE_ZSTD
    if (r->compression == COMPRESSION_ZSTD) {
        good = ZSTD_decompress(r->plain, (size_t)v->plain, v->block, (size_t)v->stored) ==
               (size_t)v->plain;
    }
#endif
    return good ? PARE_OK : fail_variant(r, "its probabilities cannot be uncompressed");
}

/* `bits` bits from bit `at` on; the eight bytes from there may end early. */
static uint64_t take_bits(const uint8_t *bytes, int64_t length, int64_t at, int bits) {
    int64_t first = at / 8, some = length - first < 8 ? length - first : 8;
    return little(bytes + first, (int)some) >> at % 8 & ((UINT64_C(1) << bits) - 1);
}

/* Calls from the probabilities: expected copies of the first allele. */
static pare_status decode(bgen_reader *r, const bgen_variant *v, const uint8_t *plain) {
    const int64_t n = r->samples, head = 10 + n;
    const uint8_t *ploidy = plain + 8;
    const bool phased = plain[8 + n] == 1;
    const int bits = plain[9 + n];
    int64_t numbers = 0, at = 0;
    if ((int64_t)little(plain, 4) != n || little(plain + 4, 2) != 2 || plain[8 + n] > 1 ||
        bits < 1 || bits > BITS_MAX) {
        return fail_variant(r, "its block is damaged (samples, alleles, phase or bits)");
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t copies = ploidy[i] & PLOIDY_MASK;
        if (copies < 1 || copies > 2) {
            return fail_variant(r, "only ploidies 1 and 2 are read");
        }
        numbers += copies;
    }
    if (v->plain < head + (numbers * bits + 7) / 8) {
        return fail_variant(r, "its block is shorter than its probabilities");
    }
    const uint8_t *data = plain + head;
    const double unit = 1 / (double)((UINT64_C(1) << bits) - 1);
    for (int64_t i = 0; i < n; i++) {
        int copies = ploidy[i] & PLOIDY_MASK;
        double p = unit * (double)take_bits(data, v->plain - head, at, bits), dosage = 2 * p;
        at += bits;
        if (copies == 2) { /* of both copies and of one, or of each copy */
            double q = unit * (double)take_bits(data, v->plain - head, at, bits);
            dosage = phased ? p + q : 2 * p + q;
            at += bits;
        }
        r->copies[i] = (int8_t)-1;
        if (!(ploidy[i] & MISSING)) {
            r->copies[i] = pare_packing_call(&r->packing, dosage, r->hard_call);
        }
    }
    return PARE_OK;
}

static pare_status read_variants(bgen_reader *r) {
    for (r->number = 1; r->number <= r->variants; r->number++) {
        bgen_variant v;
        const uint8_t *plain = NULL;
        pare_status status = read_identity(r, &v);
        if (status == PARE_OK && v.alleles != 2) {
            r->packing.several++;
            continue;
        }
        if (status == PARE_OK) {
            status = unpack(r, &v, &plain);
        }
        if (status == PARE_OK) {
            status = decode(r, &v, plain);
        }
        if (status == PARE_OK) {
            status = pare_packing_variant(&r->packing, r->text + v.chromosome, r->text + v.id,
                                          v.position, r->text + v.allele[0], r->text + v.allele[1],
                                          r->copies);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    if (r->at != r->length) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: %lld bytes follow its %lld variants",
                         r->name, (long long)(r->length - r->at), (long long)r->variants);
    }
    return PARE_OK;
}

pare_status pare_genotypes_read_bgen(pare_context *ctx, const char *name, const uint8_t *bytes,
                                     int64_t length, const pare_cells *samples, double hard_call,
                                     pare_genotypes *out) {
    *out = (pare_genotypes){0};
    bgen_reader r = {
        .ctx = ctx, .name = name, .bytes = bytes, .length = length, .hard_call = hard_call};
    int64_t first = 0;
    r.packing = (pare_packing){.ctx = ctx, .fam = {.ctx = ctx}, .bim = {.ctx = ctx}};
    pare_status status = read_header(&r, &first);
    if (status == PARE_OK && r.samples == 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: no samples", name);
    }
    if (status == PARE_OK) {
        status = samples ? take_sample_file(&r, samples) : take_sample_block(&r);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, r.samples, sizeof *r.copies, &r.copies);
    }
    if (status == PARE_OK) {
        r.at = first;
        status = read_variants(&r);
    }
    if (status == PARE_OK) {
        status = pare_packing_finish(&r.packing, name, out);
    }
    reader_clear(&r);
    return status;
}

pare_status pare_genotypes_open_bgen(pare_context *ctx, const pare_options *options,
                                     pare_genotypes *out) {
    pare_map map = {0};
    pare_cells samples = {0};
    *out = (pare_genotypes){0};
    pare_status status = PARE_OK;
    if (options->sample[0]) {
        status = pare_cells_read(ctx, options->sample, &samples);
    }
    if (status == PARE_OK) {
        status = pare_map_open(ctx, options->bgen, true, &map);
    }
    if (status == PARE_OK) {
        status =
            pare_genotypes_read_bgen(ctx, options->bgen, map.bytes, map.length,
                                     options->sample[0] ? &samples : NULL, options->hard_call, out);
    }
    pare_map_close(&map);
    pare_cells_clear(&samples);
    return status;
}
