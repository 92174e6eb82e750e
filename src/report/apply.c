/* The chosen columns of a new table. The reader of tables splits and names them, so that they mean
 * here what they meant when they were chosen. */
#include "data/dataset.h"
#include "platform/system.h"
#include "report/names.h"
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { GZ_OUTPUT = 1 << 16, NAME_LIMIT = 80 };

typedef struct applier {
    pare_context *ctx;
    const pare_selection *selection;
    pare_output output;
    const char *out;
    bool gz;
    z_stream z;
    unsigned char *packed; /* (GZ_OUTPUT) */
} applier;

/* ---- Which columns --------------------------------------------------------------------------- */

typedef struct place {
    const char *name;
    int64_t column;
} place;

static int compare_places(const void *a, const void *b) {
    return strcmp(((const place *)a)->name, ((const place *)b)->name);
}

/* Marks the column of that name, if there is one. */
static bool mark(const place *places, int64_t count, const char *name, bool *keep) {
    const place wanted = {name, 0};
    const place *found = bsearch(&wanted, places, (size_t)count, sizeof *places, compare_places);
    if (found) {
        keep[found->column] = true;
    }
    return found;
}

static pare_status refuse_missing(const applier *a, const pare_table *table, const char *name,
                                  int64_t missing) {
    pare_text shown = {.ctx = a->ctx};
    pare_name_append_plain(&shown, name, NAME_LIMIT);
    pare_status status = shown.status;
    if (status == PARE_OK) {
        char others[64] = "";
        if (missing > 1) {
            snprintf(others, sizeof others, " and %lld more of the chosen", (long long)missing - 1);
        }
        status = pare_fail(a->ctx, PARE_ERROR_INPUT,
                           "%s: column '%s'%s not found, expected every chosen column",
                           table->source, shown.bytes ? shown.bytes : "", others);
    }
    pare_text_clear(&shown);
    return status;
}

static pare_status choose(void *user, const pare_table *table, bool *keep) {
    const applier *a = user;
    const pare_selection *s = a->selection;
    place *places = NULL;
    pare_status status = pare_alloc(a->ctx, table->columns, sizeof *places, &places);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < table->columns; i++) {
        places[i] = (place){table->column[i].name, i};
    }
    qsort(places, (size_t)table->columns, sizeof *places, compare_places);
    const char *first = NULL;
    int64_t missing = 0;
    for (int64_t i = 0; i < s->count; i++) {
        for (int64_t j = 0; j < s->item[i].columns; j++) {
            if (!mark(places, table->columns, s->item[i].column[j], keep)) {
                first = first ? first : s->item[i].column[j];
                missing++;
            }
        }
    }
    /* New rows need not have a target or weights. */
    for (int64_t i = 0; i < s->target_columns; i++) {
        (void)mark(places, table->columns, s->target_name[i], keep);
    }
    if (s->weight_name) {
        (void)mark(places, table->columns, s->weight_name, keep);
    }
    pare_free(a->ctx, places);
    return first ? refuse_missing(a, table, first, missing) : PARE_OK;
}

/* "x" and a number: the name of a column that had none. */
static bool nameless(const char *name) {
    return name[0] == 'x' && name[1] && strspn(name + 1, "0123456789") == strlen(name + 1);
}

/* Where the selection knows columns by their names, the new table has to have a header. */
static int64_t expected_header(const pare_selection *s) {
    for (int64_t i = 0; i < s->count; i++) {
        for (int64_t j = 0; j < s->item[i].columns; j++) {
            if (!nameless(s->item[i].column[j])) {
                return PARE_HEADER_YES;
            }
        }
    }
    return s->has_options ? s->options.header : PARE_HEADER_AUTO;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static void *gz_allocate(void *user, unsigned items, unsigned size) {
    pare_context *ctx = user;
    return ctx->allocator.allocate(ctx->allocator.user, (size_t)items * size, PARE_ALIGNMENT);
}

static void gz_release(void *user, void *memory) {
    pare_free(user, memory);
}

static pare_status put_plain(applier *a, const void *bytes, int64_t length) {
    errno = 0;
    if (fwrite(bytes, 1, (size_t)length, a->output.file) == (size_t)length) {
        return PARE_OK;
    }
    return pare_fail(a->ctx, PARE_ERROR_IO, "%s: cannot be written: %s", a->out,
                     errno ? strerror(errno) : "write error");
}

static pare_status put_packed(applier *a, const void *bytes, int64_t length, int flush) {
    pare_status status = PARE_OK;
    do {
        /* One call takes at most 2^30 bytes: avail_in has 32 bits. */
        int64_t piece = length < (INT64_C(1) << 30) ? length : INT64_C(1) << 30;
        a->z.next_in = (unsigned char *)(uintptr_t)bytes; /* zlib only reads it */
        a->z.avail_in = (unsigned)piece;
        do {
            a->z.next_out = a->packed;
            a->z.avail_out = GZ_OUTPUT;
            (void)deflate(&a->z, flush);
            status = put_plain(a, a->packed, GZ_OUTPUT - (int64_t)a->z.avail_out);
        } while (status == PARE_OK && a->z.avail_out == 0);
        bytes = (const char *)bytes + piece;
        length -= piece;
    } while (status == PARE_OK && length > 0);
    return status;
}

static pare_status put(void *user, const char *bytes, int64_t length) {
    applier *a = user;
    return a->gz ? put_packed(a, bytes, length, Z_NO_FLUSH) : put_plain(a, bytes, length);
}

static bool ends_in_gz(const char *path) {
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".gz") == 0;
}

static pare_status open_gz(applier *a) {
    a->z = (z_stream){.zalloc = gz_allocate, .zfree = gz_release, .opaque = a->ctx};
    pare_status status = pare_alloc(a->ctx, GZ_OUTPUT, 1, &a->packed);
    if (status != PARE_OK) {
        return status;
    }
    /* 15 + 16: the largest window, gzip header (which holds no time). */
    if (deflateInit2(&a->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return pare_fail(a->ctx, PARE_ERROR_MEMORY, "out of memory: writing %s", a->out);
    }
    a->gz = true;
    return PARE_OK;
}

pare_status pare_report_apply(const pare_selection *selection, const char *in, const char *out) {
    pare_context *ctx = selection->ctx;
    if (!in || !in[0] || !out || !out[0]) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "apply needs the names of two files");
    }
    applier a = {.ctx = ctx, .selection = selection, .out = out};
    pare_options options;
    pare_status status = pare_options_init(ctx, &options);
    if (status != PARE_OK) {
        return status;
    }
    options.header = expected_header(selection);
    status = pare_output_open(ctx, out, &a.output);
    if (status == PARE_OK && ends_in_gz(out)) {
        status = open_gz(&a);
    }
    if (status == PARE_OK) {
        const pare_copy copy = {.choose = choose, .put = put, .user = &a};
        status = pare_table_copy(ctx, in, &options, &copy);
    }
    if (status == PARE_OK && a.gz) {
        status = put_packed(&a, "", 0, Z_FINISH);
    }
    if (status == PARE_OK) {
        status = pare_output_commit(&a.output);
    }
    if (a.gz) {
        (void)deflateEnd(&a.z);
    }
    pare_free(ctx, a.packed);
    pare_output_abandon(&a.output);
    pare_options_clear(&options);
    return status;
}
