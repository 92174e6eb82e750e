/*
 * The readers of field tables on one thread: MB of text per CPU second from bytes in memory to
 * levels, and to encoded rows, beside two floors: the same bytes added up, and cut into cells.
 *
 *     bench_fields [rows [format]]
 */
#include "bench.h"

#include "base/random.h"
#include "data/fields_read.h"

#include <math.h>

enum { FIELDS = 39, COUNTS = 13, RUNS = 5, CELL_MAX = 32 };

typedef struct work {
    const char *name;
    pare_context *ctx;
    pare_options options;
    pare_fields_format format;
    char *text;
    int64_t length, rows;
} work;

static int64_t draw(int64_t row, int64_t field) {
    return (int64_t)pare_random_below(7, PARE_STREAM_TEST, (uint64_t)(row * FIELDS + field),
                                      INT64_MAX);
}

/* Vocabularies of 4 to 600,000 ids; small numbers are frequent, as popular ids are. */
static int64_t id_of(int64_t row, int64_t field) {
    double most = 4 * exp2((double)field * 0.45);
    double share = (double)draw(row, field) / 0x1p63;
    return (int64_t)(most * share * share * share);
}

static int write_libffm(int64_t row, int64_t field, char *out) {
    return sprintf(out, " %lld:%lld:1", (long long)field,
                   (long long)(field * 1000000 + id_of(row, field)));
}

static int write_libsvm(int64_t row, int64_t field, char *out) {
    return sprintf(out, " %lld:1", (long long)(field * 1000000 + id_of(row, field)));
}

/* Thirteen counts, one in four missing; then codes of eight hexadecimal digits. */
static int write_criteo(int64_t row, int64_t field, char *out) {
    if (field < COUNTS) {
        return draw(row, field) % 4 ? sprintf(out, "\t%lld", (long long)id_of(row, field + 12))
                                    : sprintf(out, "\t");
    }
    uint64_t code = (uint64_t)(id_of(row, field) + 1) * UINT64_C(2654435761) + (uint64_t)field;
    return sprintf(out, "\t%08x", (unsigned)(code & 0xffffffff));
}

/* Thirteen columns of numbers with three decimals, then words and ids. */
static int write_csv(int64_t row, int64_t field, char *out) {
    if (field < COUNTS) {
        return sprintf(out, ",%.3f",
                       pare_random_normal(8, PARE_STREAM_TEST, (uint64_t)(row * FIELDS + field)) *
                           100);
    }
    return sprintf(out, field % 2 ? ",item%lld" : ",%lld", (long long)id_of(row, field));
}

static void fill(work *w, int (*cell)(int64_t, int64_t, char *)) {
    w->text = malloc((size_t)(w->rows * (FIELDS + 1)) * CELL_MAX);
    if (!w->text) {
        exit(1);
    }
    if (w->format == PARE_FIELDS_CSV) {
        w->length += sprintf(w->text, "click");
        for (int f = 0; f < FIELDS; f++) {
            w->length += sprintf(w->text + w->length, ",f%d", f);
        }
        w->text[w->length++] = '\n';
    }
    for (int64_t i = 0; i < w->rows; i++) {
        w->text[w->length++] = draw(i, FIELDS) % 4 ? '0' : '1';
        for (int64_t f = 0; f < FIELDS; f++) {
            w->length += cell(i, f, w->text + w->length);
        }
        w->text[w->length++] = '\n';
    }
}

static void check(const work *w, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_context_error(w->ctx));
        exit(1);
    }
}

/* CPU seconds of reading; *encode: of encoding. */
static double run_fields(work *w, double *encode) {
    pare_input input;
    pare_fields fields;
    double start = pare_cpu_seconds();
    check(w, pare_input_open_memory(w->ctx, w->name, (const unsigned char *)w->text, w->length,
                                    &input));
    check(w, pare_fields_read_input(&input, w->format, &w->options, &fields));
    pare_input_close(&input);
    double read = pare_cpu_seconds();
    check(w, pare_fields_encode(&fields, 0.2, 1, 2));
    *encode = pare_cpu_seconds() - read;
    pare_fields_clear(&fields);
    return read - start;
}

static uint64_t add_up(const work *w) {
    uint64_t sum = 0, eight;
    for (int64_t i = 0; i + 8 <= w->length; i += 8) {
        memcpy(&eight, w->text + i, sizeof eight);
        sum += eight;
    }
    return sum;
}

/* Eight bytes at a time, one cell after another: the sum of the squares of their lengths. */
static uint64_t cut_up(const work *w) {
    const uint64_t each = UINT64_C(0x0101010101010101), low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    const char delimiter = w->format == PARE_FIELDS_CRITEO ? '\t'
                           : w->format == PARE_FIELDS_CSV  ? ','
                                                           : ' ';
    uint64_t sum = 0, from = 0;
    for (uint64_t i = 0; i + 8 <= (uint64_t)w->length; i += 8) {
        uint64_t eight, cell, line;
        memcpy(&eight, w->text + i, sizeof eight);
        cell = eight ^ each * (unsigned char)delimiter;
        line = eight ^ each * (unsigned char)'\n';
        cell = ~(((cell & low) + low) | cell | low);
        line = ~(((line & low) + low) | line | low);
        for (uint64_t ends = cell | line; ends != 0; ends &= ends - 1) {
            uint64_t end = i + ((uint64_t)__builtin_ctzll(ends) >> 3);
            sum += (end - from) * (end - from);
            from = end + 1;
        }
    }
    return sum;
}

static void bench_format(const char *name, pare_fields_format format, int64_t rows,
                         int (*cell)(int64_t, int64_t, char *)) {
    work w = {.name = name, .format = format, .rows = rows};
    if (pare_context_create(NULL, &w.ctx) != PARE_OK ||
        pare_context_set_threads(w.ctx, 1) != PARE_OK ||
        pare_options_init(w.ctx, &w.options) != PARE_OK) {
        exit(1);
    }
    if (format == PARE_FIELDS_CSV) {
        check(&w, pare_options_set(&w.options, "target", "click"));
    }
    fill(&w, cell);
    double read = INFINITY, encode = INFINITY, floor = INFINITY, cells = INFINITY, seconds = 0;
    uint64_t sum = 0;
    for (int run = 0; run < RUNS; run++) {
        read = fmin(read, run_fields(&w, &seconds));
        encode = fmin(encode, seconds);
        double start = pare_cpu_seconds();
        sum += add_up(&w);
        double added = pare_cpu_seconds();
        floor = fmin(floor, added - start);
        sum += cut_up(&w);
        cells = fmin(cells, pare_cpu_seconds() - added);
    }
    double megabytes = 1e-6 * (double)w.length;
    bench_open(name, "ref");
    bench_value("megabytes", megabytes);
    bench_value("checksum", (double)(sum % 1000));
    bench_value("read_mb_per_cpu_s", megabytes / read);
    bench_value("read_and_encode_mb_per_cpu_s", megabytes / (read + encode));
    bench_value("ns_per_cell", 1e9 * (read + encode) / (double)(rows * FIELDS));
    bench_value("floor_mb_per_cpu_s", megabytes / floor);
    bench_value("floor_cells_mb_per_cpu_s", megabytes / cells);
    bench_close();
    pare_options_clear(&w.options);
    pare_context_destroy(w.ctx);
    free(w.text);
}

int main(int count, char **argument) {
    static const struct {
        const char *name;
        pare_fields_format format;
        int (*cell)(int64_t, int64_t, char *);
    } formats[] = {{"fields libffm", PARE_FIELDS_LIBFFM, write_libffm},
                   {"fields libsvm", PARE_FIELDS_LIBFM, write_libsvm},
                   {"fields criteo", PARE_FIELDS_CRITEO, write_criteo},
                   {"fields csv", PARE_FIELDS_CSV, write_csv}};
    int64_t rows = count > 1 ? atoll(argument[1]) : 100000;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (count < 3 || strstr(formats[i].name, argument[2])) {
            bench_format(formats[i].name, formats[i].format, rows, formats[i].cell);
        }
    }
    return 0;
}
