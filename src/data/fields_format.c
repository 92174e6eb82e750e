/* Which format the rows of a field table have. */
#include "data/fields_read.h"

static bool whole(const unsigned char *p, const unsigned char *end) {
    p += p < end && *p == '-';
    for (; p < end && *p - (unsigned)'0' <= 9; p++) {
    }
    return p == end;
}

/* Whether the first line is a row of the Criteo logs: a label, 13 counts or nothing, 26 ids, not
 * all whole numbers. */
static bool is_criteo(const pare_input *input) {
    const unsigned char *p = input->head + input->head_begin,
                        *limit = input->head + input->head_end;
    const unsigned char *end = memchr(p, '\n', (size_t)(limit - p));
    int64_t column = 0;
    bool good = true, texts = false;
    end = end ? end : limit;
    end -= end > p && end[-1] == '\r';
    for (; p && good; column++) {
        const unsigned char *tab = memchr(p, '\t', (size_t)(end - p)), *stop = tab ? tab : end;
        bool digits = whole(p, stop);
        good = column == 0   ? stop - p == 1 && (*p == '0' || *p == '1')
               : column < 14 ? digits
                             : column < PARE_CRITEO_COLUMNS;
        texts = texts || !digits;
        p = tab ? tab + 1 : NULL;
    }
    return good && texts && column == PARE_CRITEO_COLUMNS;
}

pare_fields_format pare_fields_guess(const pare_input *input) {
    const char *name = input->name;
    static const struct {
        const char *end;
        pare_fields_format format;
    } known[] = {{".csv", PARE_FIELDS_CSV},       {".tsv", PARE_FIELDS_TSV},
                 {".libffm", PARE_FIELDS_LIBFFM}, {".ffm", PARE_FIELDS_LIBFFM},
                 {".libfm", PARE_FIELDS_LIBFM},   {".svm", PARE_FIELDS_LIBFM},
                 {".libsvm", PARE_FIELDS_LIBFM}};
    size_t length = strlen(name);
    length -= length > 3 && strcmp(name + length - 3, ".gz") == 0 ? 3 : 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t end = strlen(known[i].end);
        if (length > end && memcmp(name + length - end, known[i].end, end) == 0) {
            return known[i].format == PARE_FIELDS_TSV && is_criteo(input) ? PARE_FIELDS_CRITEO
                                                                          : known[i].format;
        }
    }
    int64_t tabs = 0, colons = 0, entries = 0;
    for (int64_t i = input->head_begin; i < input->head_end && input->head[i] != '\n'; i++) {
        tabs += input->head[i] == '\t';
        colons += input->head[i] == ':';
        entries += input->head[i] == ' ' && i > input->head_begin && input->head[i - 1] != ' ';
    }
    return tabs == PARE_CRITEO_COLUMNS - 1       ? PARE_FIELDS_CRITEO
           : tabs > 0 && colons == 0             ? PARE_FIELDS_TSV
           : colons > 0 && colons >= 2 * entries ? PARE_FIELDS_LIBFFM
           : colons > 0 && entries > 0           ? PARE_FIELDS_LIBFM
                                                 : PARE_FIELDS_CSV;
}
