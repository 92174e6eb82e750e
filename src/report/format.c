#include "report/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *pare_report_noun(const pare_selection *selection) {
    return selection->height > 0 ? "pixels" : "columns";
}

const char *pare_report_word(const char *text) {
    return text ? text : "?";
}

const char *pare_report_source(const pare_selection *selection) {
    const char *path = selection->data_source;
    if (!path || !path[0]) {
        return "?";
    }
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

pare_number_format pare_number_format_of(double largest) {
    double size = fabs(largest);
    if (!(size > 0) || isinf(size)) {
        return (pare_number_format){4, false};
    }
    int digits = (int)floor(log10(size)); /* 0 for 1 <= size < 10 */
    if (digits < -4 || digits > 8) {
        return (pare_number_format){3, true};
    }
    int decimals = digits < 0 ? 3 - digits : digits < 3 ? 3 - digits : 0;
    return (pare_number_format){decimals, false};
}

pare_number_format pare_score_format(const pare_selection *selection) {
    double largest = 0;
    for (int64_t i = 0; i < selection->count; i++) {
        double score = fabs(selection->item[i].score);
        largest = isfinite(score) && score > largest ? score : largest;
    }
    return pare_number_format_of(largest);
}

const char *pare_number_text(pare_number_format format, double value, const char *absent,
                             char buffer[PARE_NUMBER_SIZE]) {
    if (!isfinite(value)) {
        return absent;
    }
    /* A number far above the one the format was made for would not fit in fixed notation. */
    bool power = format.power || fabs(value) >= 1e12;
    snprintf(buffer, PARE_NUMBER_SIZE, power ? "%.*e" : "%.*f", format.decimals, value);
    for (char *at = buffer; *at; at++) {
        *at = *at == ',' ? '.' : *at; /* the decimal mark of the locale */
    }
    return buffer;
}

int64_t pare_path_find(const pare_selection *selection, int64_t count, int64_t *cursor) {
    while (*cursor < selection->path_points && selection->path_count[*cursor] < count) {
        (*cursor)++;
    }
    bool found = *cursor < selection->path_points && selection->path_count[*cursor] == count;
    return found ? *cursor : -1;
}

void pare_report_comparisons(const pare_selection *selection,
                             pare_named_comparison out[PARE_COMPARISONS]) {
    out[0] = (pare_named_comparison){"chosen", &selection->chosen};
    out[1] = (pare_named_comparison){"all", &selection->all};
    out[2] = (pare_named_comparison){"random", &selection->random};
}

bool pare_report_compared(const pare_selection *selection, bool *validation, bool *test) {
    pare_named_comparison models[PARE_COMPARISONS];
    pare_report_comparisons(selection, models);
    *validation = *test = false;
    for (int64_t i = 0; i < PARE_COMPARISONS; i++) {
        *validation = *validation || isfinite(models[i].value->validation_score);
        *test = *test || isfinite(models[i].value->test_score);
    }
    return *validation || *test;
}
