/* Which format the rows of a field table have. */
#include "data/fields_read.h"

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
            return known[i].format;
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
