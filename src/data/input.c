#include "data/reader.h"

#include <errno.h>
#include <stdio.h>
#include <zlib.h>

enum { GZ_INPUT = 1 << 16, BLOCK = 1 << 22 };

/* ---- A file, or bytes in memory ------------------------------------------------------------- */

typedef struct file_source {
    pare_source base;
    FILE *file; /* NULL: memory */
    const unsigned char *memory;
    int64_t left; /* bytes of memory; size of a file that can be sought in */
} file_source;

static int64_t file_read(pare_source *self, unsigned char *buffer, int64_t bytes) {
    file_source *source = (file_source *)self;
    if (!source->file) {
        int64_t count = bytes < source->left ? bytes : source->left;
        if (count > 0) {
            memcpy(buffer, source->memory, (size_t)count);
            source->memory += count;
            source->left -= count;
        }
        self->taken += count;
        return count;
    }
    errno = 0;
    size_t count = fread(buffer, 1, (size_t)bytes, source->file);
    if (count == 0 && ferror(source->file)) {
        snprintf(self->reason, sizeof self->reason, "cannot be read: %s", strerror(errno));
        return -1;
    }
    self->taken += (int64_t)count;
    return (int64_t)count;
}

static int64_t file_skip(pare_source *self, int64_t bytes) {
    file_source *source = (file_source *)self;
    long at = ftell(source->file);
    int64_t count = bytes < source->left - at ? bytes : source->left - at;
    count = count > 0 ? count : 0;
    if (at < 0 || fseek(source->file, (long)(at + count), SEEK_SET) != 0) {
        snprintf(self->reason, sizeof self->reason, "cannot be read: %s", strerror(errno));
        return -1;
    }
    self->taken += count;
    return count;
}

static void file_close(pare_source *self) {
    file_source *source = (file_source *)self;
    if (source->file && source->file != stdin) {
        (void)fclose(source->file);
    }
    pare_free(self->ctx, source);
}

static pare_status file_open(pare_input *input, pare_source **out) {
    file_source *source = NULL;
    pare_status status = pare_alloc_zero(input->ctx, 1, sizeof *source, &source);
    if (status != PARE_OK) {
        return status;
    }
    source->base = (pare_source){.read = file_read, .close = file_close, .ctx = input->ctx};
    if (input->memory) {
        source->memory = input->memory;
        source->left = input->memory_length;
        input->size = source->left;
        input->rewindable = true;
    } else if (strcmp(input->path, "-") == 0) {
        source->file = stdin;
        input->size = -1;
    } else {
        source->file = fopen(input->path, "rb");
        if (!source->file) {
            status = pare_fail(input->ctx, PARE_ERROR_IO, "%s: cannot be opened: %s", input->path,
                               strerror(errno));
            file_close(&source->base);
            return status;
        }
        /* Reads are large: a buffer in between would only copy. */
        (void)setvbuf(source->file, NULL, _IONBF, 0);
        input->size = -1;
        if (fseek(source->file, 0, SEEK_END) == 0) {
            input->size = ftell(source->file);
            input->rewindable = fseek(source->file, 0, SEEK_SET) == 0;
            source->left = input->size;
            source->base.skip = input->rewindable ? file_skip : NULL;
        }
    }
    *out = &source->base;
    return PARE_OK;
}

/* ---- gz over another source ----------------------------------------------------------------- */

typedef struct gz_source {
    pare_source base;
    pare_source *below;
    z_stream z;
    bool ready;  /* inflateInit2 succeeded */
    bool inside; /* between the header and the end of a member */
    bool ended;
    unsigned char input[GZ_INPUT];
} gz_source;

static void *gz_allocate(void *user, unsigned items, unsigned size) {
    pare_context *ctx = user;
    return ctx->allocator.allocate(ctx->allocator.user, (size_t)items * size, PARE_ALIGNMENT);
}

static void gz_release(void *user, void *memory) {
    pare_free(user, memory);
}

/* Makes at least one byte of input available: 1, 0 at the end, -1 on failure. */
static int gz_fill(gz_source *source) {
    if (source->z.avail_in > 0) {
        return 1;
    }
    int64_t count = source->below->read(source->below, source->input, GZ_INPUT);
    if (count < 0) {
        memcpy(source->base.reason, source->below->reason, sizeof source->base.reason);
        return -1;
    }
    source->z.next_in = source->input;
    source->z.avail_in = (unsigned)count;
    return count > 0;
}

/* After a member: another one may follow; anything else after it is padding and ignored. */
static int gz_next_member(gz_source *source) {
    int more = gz_fill(source);
    if (more <= 0 || source->z.next_in[0] != 0x1f) {
        source->ended = more >= 0;
        return more < 0 ? -1 : 0;
    }
    (void)inflateReset(&source->z);
    source->inside = true;
    return 1;
}

static int64_t gz_read(pare_source *self, unsigned char *buffer, int64_t bytes) {
    gz_source *source = (gz_source *)self;
    int64_t done = 0;
    while (done < bytes && !source->ended) {
        if (!source->inside) {
            int more = gz_next_member(source);
            if (more < 0) {
                return -1;
            }
            continue;
        }
        int more = gz_fill(source);
        if (more < 0) {
            return -1;
        }
        if (more == 0) {
            snprintf(self->reason, sizeof self->reason, "gz data end early: the file is truncated");
            return -1;
        }
        int64_t room = bytes - done < INT32_MAX ? bytes - done : INT32_MAX;
        source->z.next_out = buffer + done;
        source->z.avail_out = (unsigned)room;
        int result = inflate(&source->z, Z_NO_FLUSH);
        done += room - (int64_t)source->z.avail_out;
        if (result == Z_STREAM_END) {
            source->inside = false;
        } else if (result == Z_MEM_ERROR) {
            snprintf(self->reason, sizeof self->reason, "out of memory");
            return -1;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            snprintf(self->reason, sizeof self->reason, "gz data are damaged: %s",
                     source->z.msg ? source->z.msg : "not what the format allows");
            return -1;
        }
    }
    self->taken = source->below->taken - (int64_t)source->z.avail_in;
    return done;
}

static void gz_close(pare_source *self) {
    gz_source *source = (gz_source *)self;
    if (source->ready) {
        (void)inflateEnd(&source->z);
    }
    if (source->below) {
        source->below->close(source->below);
    }
    pare_free(self->ctx, source);
}

/* Puts gz over *top, whose first `length` bytes were already taken. */
static pare_status gz_open(pare_context *ctx, const unsigned char *first, int64_t length,
                           pare_source **top) {
    gz_source *source = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *source, &source);
    if (status != PARE_OK) {
        return status;
    }
    source->base = (pare_source){.read = gz_read, .close = gz_close, .ctx = ctx};
    memcpy(source->input, first, (size_t)length);
    source->inside = true;
    source->z.zalloc = gz_allocate;
    source->z.zfree = gz_release;
    source->z.opaque = ctx;
    source->z.next_in = source->input;
    source->z.avail_in = (unsigned)length;
    if (inflateInit2(&source->z, 15 + 16) != Z_OK) {
        gz_close(&source->base);
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: reading gz data");
    }
    source->ready = true;
    source->below = *top;
    *top = &source->base;
    return PARE_OK;
}

/* ---- The input ----------------------------------------------------------------------------- */

int64_t pare_input_read(pare_input *input, void *buffer, int64_t bytes) {
    unsigned char *to = buffer;
    int64_t done = input->head_end - input->head_begin;
    done = done < bytes ? done : bytes;
    memcpy(to, input->head + input->head_begin, (size_t)done);
    input->head_begin += done;
    while (done < bytes) {
        int64_t count = input->source->read(input->source, to + done, bytes - done);
        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        done += count;
    }
    return done;
}

int64_t pare_input_skip(pare_input *input, int64_t bytes) {
    unsigned char buffer[1 << 14];
    int64_t done = input->head_end - input->head_begin;
    done = done < bytes ? done : bytes;
    input->head_begin += done;
    pare_source *source = input->source;
    while (done < bytes) {
        int64_t left = bytes - done;
        int64_t some = left < (int64_t)sizeof buffer ? left : (int64_t)sizeof buffer;
        int64_t count =
            source->skip ? source->skip(source, left) : source->read(source, buffer, some);
        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        done += count;
    }
    return done;
}

pare_status pare_input_fail(pare_input *input) {
    if (strcmp(input->source->reason, "out of memory") == 0) {
        return pare_fail(input->ctx, PARE_ERROR_MEMORY, "%s: out of memory", input->name);
    }
    return pare_fail(input->ctx, input->gz ? PARE_ERROR_INPUT : PARE_ERROR_IO, "%s: %s",
                     input->name, input->source->reason);
}

pare_status pare_input_look(pare_input *input) {
    if (input->head_end > input->head_begin) {
        return PARE_OK;
    }
    int64_t count = 0;
    while (count < PARE_INPUT_HEAD) {
        int64_t more =
            input->source->read(input->source, input->head + count, PARE_INPUT_HEAD - count);
        if (more < 0) {
            return pare_input_fail(input);
        }
        if (more == 0) {
            break;
        }
        count += more;
    }
    input->head_begin = 0;
    input->head_end = count;
    return PARE_OK;
}

double pare_input_share(const pare_input *input) {
    return input->size > 0 ? (double)input->source->taken / (double)input->size : 0;
}

int64_t pare_input_bound(const pare_input *input) {
    int64_t bound = 0;
    if (input->size < 0) {
        return INT64_MAX;
    }
    /* Deflate expands by less than 1032 to one. */
    return !input->gz                                                  ? input->size
           : pare_checked_multiply(input->size, INT64_C(1032), &bound) ? bound
                                                                       : INT64_MAX;
}

static pare_status start(pare_input *input) {
    input->head_begin = input->head_end = 0;
    input->gz = false;
    pare_status status = file_open(input, &input->source);
    if (status == PARE_OK) {
        status = pare_input_look(input);
    }
    if (status == PARE_OK && input->head_end >= 2 && input->head[0] == 0x1f &&
        input->head[1] == 0x8b) {
        input->gz = true;
        status = gz_open(input->ctx, input->head, input->head_end, &input->source);
        input->head_begin = input->head_end = 0;
    }
    if (status != PARE_OK) {
        pare_input_close(input);
    }
    return status;
}

pare_status pare_input_open(pare_context *ctx, const char *path, pare_input *out) {
    *out = (pare_input){.ctx = ctx, .path = path, .block = BLOCK};
    out->name = strcmp(path, "-") == 0 ? "standard input" : path;
    return start(out);
}

pare_status pare_input_open_memory(pare_context *ctx, const char *name, const unsigned char *bytes,
                                   int64_t length, pare_input *out) {
    *out = (pare_input){.ctx = ctx, .path = name, .name = name, .block = BLOCK};
    out->memory = bytes;
    out->memory_length = length;
    return start(out);
}

pare_status pare_input_rewind(pare_input *input) {
    pare_input_close(input);
    return start(input);
}

void pare_input_close(pare_input *input) {
    if (input->source) {
        input->source->close(input->source);
        input->source = NULL;
    }
}
