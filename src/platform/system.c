#define _GNU_SOURCE
#include "platform/system.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        return 0.0;
    }
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double pare_clock_seconds(void) {
    return seconds_of(CLOCK_MONOTONIC);
}

double pare_cpu_seconds(void) {
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

double pare_thread_cpu_seconds(void) {
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

void pare_clock_date(char buffer[PARE_DATE_SIZE]) {
    time_t now = time(NULL);
    struct tm parts;
    buffer[0] = '\0';
    if (gmtime_r(&now, &parts)) {
        (void)strftime(buffer, PARE_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
}

void pare_cpu_name(char *buffer, size_t size) {
    buffer[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) {
        return;
    }
    char line[256];
    while (!buffer[0] && fgets(line, sizeof line, file)) {
        const char *colon = strstr(line, ": ");
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(buffer, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        }
    }
    (void)fclose(file);
}

int64_t pare_peak_memory(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

pare_cpu_level pare_cpu_detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return __builtin_cpu_supports("avx512vnni") ? PARE_CPU_VNNI : PARE_CPU_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return PARE_CPU_AVX2;
    }
#endif
    return PARE_CPU_BASE;
}

const char *pare_cpu_level_name(pare_cpu_level level) {
    static const char *const names[PARE_CPU_LEVELS] = {"ref", "avx2+fma", "avx512", "avx512+vnni"};
    return level >= 0 && level < PARE_CPU_LEVELS ? names[level] : "ref";
}

pare_status pare_map_open(pare_context *ctx, const char *path, bool sequential, pare_map *out) {
    *out = (pare_map){0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return pare_fail(ctx, PARE_ERROR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(file);
        return pare_fail(ctx, PARE_ERROR_IO, "%s: not a regular file", path);
    }
    if (about.st_size == 0) {
        close(file);
        return PARE_OK;
    }
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    int reason = errno;
    close(file);
    if (bytes == MAP_FAILED) {
        return pare_fail(ctx, PARE_ERROR_IO, "%s: cannot be mapped: %s", path, strerror(reason));
    }
    if (sequential) {
        (void)madvise(bytes, (size_t)about.st_size, MADV_SEQUENTIAL);
    }
    out->bytes = bytes;
    out->length = (int64_t)about.st_size;
    return PARE_OK;
}

void pare_map_forget(const void *bytes, int64_t length) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)bytes;
    uintptr_t to = (from + (uintptr_t)length) / page * page;
    from = (from + page - 1) / page * page;
    if (to > from) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

pare_status pare_scratch_open(pare_context *ctx, int64_t length, pare_map *out) {
    static const char name[] = "/pare-scratch-XXXXXX";
    const char *folder = getenv("TMPDIR");
    folder = folder && folder[0] ? folder : "/var/tmp";
    char path[4096];
    *out = (pare_map){0};
    int reason = ENAMETOOLONG, file = -1;
    if (strlen(folder) < sizeof path - sizeof name) {
        snprintf(path, sizeof path, "%s%s", folder, name);
        file = mkstemp(path);
        reason = errno;
    }
    void *bytes = MAP_FAILED;
    if (file >= 0) {
        (void)unlink(path);
        reason = posix_fallocate(file, 0, (off_t)length);
    }
    if (file >= 0 && reason == 0) {
        bytes = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        reason = errno;
    }
    if (file >= 0) {
        close(file);
    }
    if (bytes == MAP_FAILED) {
        return pare_fail(ctx, PARE_ERROR_IO,
                         "%s: no scratch file of %lld MB can be made there: %s; TMPDIR may name "
                         "another folder",
                         folder, (long long)(length / 1000000), strerror(reason));
    }
    *out = (pare_map){bytes, length};
    return PARE_OK;
}

void pare_scratch_passed(const int32_t *index, const float *value, int64_t *done, int64_t to) {
    if (to - *done >= PARE_PIECE) {
        pare_map_forget(index + *done, (to - *done) * (int64_t)sizeof *index);
        pare_map_forget(value + *done, (to - *done) * (int64_t)sizeof *value);
        *done = to;
    }
}

int64_t pare_memory_free(void) {
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    long long kilobytes = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %lld", &kilobytes) == 1) {
            break;
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return (int64_t)kilobytes * 1024;
}

void pare_map_close(pare_map *map) {
    if (map->bytes) {
        /* munmap wants a pointer to non-const; the pages themselves are only read. */
        (void)munmap((void *)(uintptr_t)map->bytes, (size_t)map->length);
    }
    *map = (pare_map){0};
}

pare_status pare_output_open(pare_context *ctx, const char *path, pare_output *out) {
    *out = (pare_output){.ctx = ctx};
    int64_t length = (int64_t)strlen(path);
    pare_status status = pare_text_copy(ctx, path, length, &out->path);
    if (status != PARE_OK) {
        return status;
    }
    if (strcmp(path, "-") == 0) {
        out->file = stdout;
        return PARE_OK;
    }
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        if (S_ISDIR(about.st_mode)) {
            errno = EISDIR;
            goto fail;
        }
        /* A device or pipe is written directly: there is nothing to rename. */
        out->file = fopen(path, "wb");
        if (!out->file) {
            goto fail;
        }
        return PARE_OK;
    }
    pare_text name = {.ctx = ctx};
    pare_text_append(&name, "%s.partial-XXXXXX", path);
    if (name.status != PARE_OK) {
        pare_output_abandon(out);
        return name.status;
    }
    out->temporary = name.bytes;
    int file = mkstemp(out->temporary);
    if (file < 0) {
        pare_free(ctx, out->temporary);
        out->temporary = NULL;
        goto fail;
    }
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(file, 0666 & ~mask);
    out->file = fdopen(file, "wb");
    if (!out->file) {
        close(file);
        goto fail;
    }
    return PARE_OK;
fail:
    status = pare_fail(ctx, PARE_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
    pare_output_abandon(out);
    return status;
}

pare_status pare_output_commit(pare_output *out) {
    errno = 0;
    bool good = fflush(out->file) == 0 && !ferror(out->file);
    int reason = errno;
    if (out->temporary && good) {
        good = fsync(fileno(out->file)) == 0;
        reason = errno;
    }
    if (out->file != stdout) {
        if (fclose(out->file) != 0 && good) {
            good = false;
            reason = errno;
        }
    }
    out->file = NULL;
    if (good && out->temporary && rename(out->temporary, out->path) != 0) {
        good = false;
        reason = errno;
    }
    pare_status status = PARE_OK;
    if (!good) {
        const char *name = strcmp(out->path, "-") == 0 ? "standard output" : out->path;
        status = pare_fail(out->ctx, PARE_ERROR_IO, "%s: cannot be written: %s", name,
                           reason ? strerror(reason) : "write error");
    } else {
        pare_free(out->ctx, out->temporary);
        out->temporary = NULL;
    }
    pare_output_abandon(out);
    return status;
}

void pare_output_abandon(pare_output *out) {
    if (!out->ctx) {
        return;
    }
    if (out->file && out->file != stdout) {
        (void)fclose(out->file);
    }
    if (out->temporary) {
        (void)unlink(out->temporary);
    }
    pare_free(out->ctx, out->temporary);
    pare_free(out->ctx, out->path);
    *out = (pare_output){0};
}

pare_status pare_output_text(const pare_text *text, const char *path) {
    pare_output output = {0};
    pare_status status = text->status;
    if (status == PARE_OK) {
        status = pare_output_open(text->ctx, path, &output);
    }
    if (status == PARE_OK) {
        (void)fwrite(text->bytes, 1, (size_t)text->length, output.file); /* commit reports */
        status = pare_output_commit(&output);
    }
    return status;
}

pare_status pare_output_reopen(pare_context *ctx, const char *path, pare_output *out,
                               int64_t *length) {
    *out = (pare_output){.ctx = ctx};
    *length = 0;
    pare_status status = pare_text_copy(ctx, path, (int64_t)strlen(path), &out->path);
    if (status != PARE_OK) {
        return status;
    }
    pare_text name = {.ctx = ctx};
    pare_text_append(&name, "%s.partial", path);
    if (name.status != PARE_OK) {
        pare_output_keep(out);
        return name.status;
    }
    out->temporary = name.bytes;
    struct stat about;
    int reason = stat(path, &about) == 0 && !S_ISREG(about.st_mode) ? EEXIST : 0;
    int file = reason ? -1 : open(out->temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file >= 0 && (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))) {
        reason = EEXIST;
    }
    out->file = file >= 0 && !reason ? fdopen(file, "r+b") : NULL;
    if (!out->file) {
        reason = reason ? reason : errno;
        if (file >= 0) {
            close(file);
        }
        status =
            pare_fail(ctx, PARE_ERROR_IO, "%s: cannot be written: %s", path,
                      reason == EEXIST ? "it exists and is not a regular file" : strerror(reason));
        pare_output_keep(out);
        return status;
    }
    *length = (int64_t)about.st_size;
    return PARE_OK;
}

pare_status pare_output_cut(pare_output *out, int64_t length) {
    errno = 0;
    if (fflush(out->file) != 0 || ftruncate(fileno(out->file), (off_t)length) != 0 ||
        fseek(out->file, 0, SEEK_END) != 0) {
        return pare_fail(out->ctx, PARE_ERROR_IO, "%s: cannot be written: %s", out->temporary,
                         strerror(errno));
    }
    return PARE_OK;
}

void pare_output_keep(pare_output *out) {
    if (!out->ctx) {
        return;
    }
    if (out->file && out->file != stdout) {
        (void)fclose(out->file);
    }
    pare_free(out->ctx, out->temporary);
    pare_free(out->ctx, out->path);
    *out = (pare_output){0};
}

bool pare_file_facts(const char *path, int64_t *size, int64_t *changed) {
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    *size = (int64_t)about.st_size;
    *changed = (int64_t)about.st_mtime;
    return true;
}

void pare_memory_large_pages(void *memory, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)1 << 21;
    uintptr_t first = ((uintptr_t)memory + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)memory + (uintptr_t)bytes) / page * page;
    if (last > first) {
        (void)madvise((char *)memory + (first - (uintptr_t)memory), last - first, MADV_HUGEPAGE);
    }
#else
    (void)memory;
    (void)bytes;
#endif
}
