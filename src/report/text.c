/* The selection as a table for the terminal. */
#include "report/format.h"
#include "report/names.h"
#include "report/proof.h"
#include "report/report.h"

#include <math.h>
#include <string.h>

enum { NAME_WIDTH = 40, SOURCE_WIDTH = 60, SENTENCE_WIDTH = 1000 };

/* Appends `text` after so many blanks that it ends at column `width`. */
static void append_right(pare_text *out, const char *text, int64_t width) {
    pare_text_append(out, "%*s", (int)width, text);
}

static void append_blanks(pare_text *out, int64_t count) {
    append_right(out, "", count > 0 ? count : 0);
}

/* What was chosen, from what, how. */
static void append_lead(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "%s chose %lld of %lld %s of ", pare_report_word(s->method),
                     (long long)s->count, (long long)s->candidates, pare_report_noun(s));
    pare_name_append_plain(out, pare_report_source(s), SOURCE_WIDTH);
    for (int64_t i = 0; i < s->target_columns && i < 3; i++) {
        pare_text_append(out, i == 0 ? " to predict " : ", ");
        pare_name_append_plain(out, s->target_name[i], NAME_WIDTH);
    }
    if (s->target_columns > 3) {
        pare_text_append(out, " and %lld more", (long long)s->target_columns - 3);
    }
    pare_text_append(out, " (%s, %s)\n", pare_report_word(s->model), pare_report_word(s->task));
    if (s->budget > 0) {
        char number[2][PARE_REAL_SIZE];
        pare_text_append(out, "cost %s of at most %s\n",
                         pare_real_text(pare_selection_cost(s), number[0]),
                         pare_real_text(s->budget, number[1]));
    }
    if (s->data_summary && s->data_summary[0]) {
        pare_name_append_plain(out, s->data_summary, SENTENCE_WIDTH);
        pare_text_append(out, "\n");
    }
}

/* Columns the widest shown name takes. */
static int64_t name_width(const pare_selection *s, pare_text *out) {
    pare_text scratch = {.ctx = s->ctx};
    int64_t width = (int64_t)strlen("name");
    for (int64_t i = 0; i < s->count; i++) {
        scratch.length = 0;
        int64_t taken = pare_name_append_plain(&scratch, s->item[i].name, NAME_WIDTH);
        width = taken > width ? taken : width;
    }
    out->status = scratch.status != PARE_OK ? scratch.status : out->status;
    pare_text_clear(&scratch);
    return width;
}

static void append_items(const pare_selection *s, pare_text *out) {
    const pare_number_format path_format = {4, false};
    pare_number_format format = pare_score_format(s);
    char number[PARE_NUMBER_SIZE];
    int64_t names = name_width(s, out), scores = (int64_t)strlen("score"), cursor = 0;
    for (int64_t i = 0; i < s->count; i++) {
        int64_t length = (int64_t)strlen(pare_number_text(format, s->item[i].score, "-", number));
        scores = length > scores ? length : scores;
    }
    int64_t costs = s->budget > 0 ? (int64_t)strlen("cost") : 0;
    for (int64_t i = 0; s->budget > 0 && i < s->count; i++) {
        int64_t length = (int64_t)strlen(pare_real_text(s->item[i].cost, number));
        costs = length > costs ? length : costs;
    }
    bool path = s->path_points > 0;
    pare_text_append(out, "\nrank  name");
    append_blanks(out, names - (int64_t)strlen("name") + 2);
    append_right(out, "score", scores);
    if (s->budget > 0) {
        append_right(out, "cost", costs + 2);
    }
    if (path) {
        pare_text_append(out, "  %s so far", pare_report_word(s->score_name));
    }
    pare_text_append(out, "\n");
    for (int64_t i = 0; i < s->count; i++) {
        pare_text_append(out, "%4lld  ", (long long)i + 1);
        int64_t taken = pare_name_append_plain(out, s->item[i].name, NAME_WIDTH);
        append_blanks(out, names - taken + 2);
        append_right(out, pare_number_text(format, s->item[i].score, "-", number), scores);
        if (s->budget > 0) {
            append_right(out, pare_real_text(s->item[i].cost, number), costs + 2);
        }
        int64_t point = path ? pare_path_find(s, i + 1, &cursor) : -1;
        if (point >= 0) {
            pare_text_append(out, "  ");
            append_right(out, pare_number_text(path_format, s->path_score[point], "-", number),
                         (int64_t)strlen(pare_report_word(s->score_name)));
        }
        const char *verdict = pare_report_verdict(&s->item[i]);
        pare_text_append(out, "%s%s\n", verdict[0] ? "  " : "", verdict);
    }
}

static void append_comparison(const pare_selection *s, pare_text *out) {
    const pare_number_format format = {4, false};
    bool validation = false, test = false;
    if (!pare_report_compared(s, &validation, &test)) {
        return;
    }
    pare_text_append(out, "\n%s of a fresh %s on\n%-8s  %8s", pare_report_word(s->score_name),
                     pare_report_word(s->model), "", pare_report_noun(s));
    pare_text_append(out, "%s%s\n", validation ? "  validation" : "", test ? "        test" : "");
    pare_named_comparison models[PARE_COMPARISONS];
    pare_report_comparisons(s, models);
    for (int64_t i = 0; i < PARE_COMPARISONS; i++) {
        const pare_comparison *value = models[i].value;
        char number[PARE_NUMBER_SIZE];
        pare_text_append(out, "%-8s  %8lld", models[i].name, (long long)value->candidates);
        if (validation) {
            append_right(out, pare_number_text(format, value->validation_score, "-", number), 12);
        }
        if (test) {
            append_right(out, pare_number_text(format, value->test_score, "-", number), 12);
        }
        pare_text_append(out, "\n");
    }
}

void pare_report_text(const pare_selection *selection, pare_text *out) {
    append_lead(selection, out);
    if (selection->count > 0) {
        append_items(selection, out);
    }
    append_comparison(selection, out);
    pare_report_proof(selection, "\n", "\n", out);
    for (int64_t i = 0; i < selection->warnings; i++) {
        pare_text_append(out, i == 0 ? "\nwarning: " : "warning: ");
        pare_name_append_plain(out, selection->warning[i], SENTENCE_WIDTH);
        pare_text_append(out, "\n");
    }
    if (selection->stopped) {
        pare_text_append(out, "\nstopped before the end: ");
        if (selection->wanted > 0) {
            pare_text_append(out, "%lld of the %lld wanted were chosen\n",
                             (long long)selection->count, (long long)selection->wanted);
        } else {
            pare_text_append(out, "%lld were chosen so far\n", (long long)selection->count);
        }
    }
}
