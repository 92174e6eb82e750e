#include "report/proof.h"
#include "report/format.h"
#include "report/report.h"
#include "report/values.h"
#include "select/certificate.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- The table of numbers ------------------------------------------------------------------ */

typedef struct number {
    const char *name;
    size_t offset;
} number;

#define CERTIFICATE_ROW(field, meaning) {#field, offsetof(pare_proof, certificate.field)},
#define STABILITY_ROW(field, meaning)   {#field, offsetof(pare_proof, stability.field)},
#define KNOCKOFF_ROW(field, meaning)    {#field, offsetof(pare_proof, knockoffs.field)},
#define HELD_OUT_ROW(field, meaning)    {#field, offsetof(pare_proof, promise.field)},
static const number certificate_rows[] = {PARE_CERTIFICATE_NUMBERS(CERTIFICATE_ROW)};
static const number stability_rows[] = {PARE_STABILITY_NUMBERS(STABILITY_ROW)};
static const number knockoff_rows[] = {PARE_KNOCKOFF_NUMBERS(KNOCKOFF_ROW)};
static const number held_out_rows[] = {PARE_HELD_OUT_NUMBERS(HELD_OUT_ROW)};

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof(array)[0]))

static const struct {
    const char *name;
    size_t present; /* offset of its flag */
    const number *row;
    int64_t count;
} parts[] = {
    {"certificate", offsetof(pare_proof, certified), certificate_rows, COUNT(certificate_rows)},
    {"stability", offsetof(pare_proof, stable), stability_rows, COUNT(stability_rows)},
    {"knockoffs", offsetof(pare_proof, knockoff), knockoff_rows, COUNT(knockoff_rows)},
    {"held_out", offsetof(pare_proof, held_out), held_out_rows, COUNT(held_out_rows)},
};

static bool part_present(const pare_proof *proof, int64_t part) {
    bool present = false;
    memcpy(&present, (const char *)proof + parts[part].present, sizeof present);
    return present;
}

static double number_at(const pare_proof *proof, const number *row) {
    double value = 0;
    memcpy(&value, (const char *)proof + row->offset, sizeof value);
    return value;
}

double pare_report_proved(const pare_selection *selection, const char *what) {
    for (int64_t p = 0; p < COUNT(parts); p++) {
        size_t length = strlen(parts[p].name);
        if (strncmp(what, parts[p].name, length) != 0 || what[length] != '.' ||
            !part_present(&selection->proof, p)) {
            continue;
        }
        for (int64_t i = 0; i < parts[p].count; i++) {
            if (strcmp(what + length + 1, parts[p].row[i].name) == 0) {
                return number_at(&selection->proof, &parts[p].row[i]);
            }
        }
    }
    return (double)NAN;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

void pare_report_put_proof(const pare_selection *s, pare_text *out) {
    const pare_proof *proof = &s->proof;
    pare_text_append(out, "  \"proof\": {");
    for (int64_t p = 0; p < COUNT(parts); p++) {
        pare_text_append(out, "%s\n    \"%s\": ", p > 0 ? "," : "", parts[p].name);
        if (!part_present(proof, p)) {
            pare_text_append(out, "null");
            continue;
        }
        for (int64_t i = 0; i < parts[p].count; i++) {
            pare_text_append(out, "%s\"%s\": ", i > 0 ? ", " : "{", parts[p].row[i].name);
            pare_put_json_real(out, number_at(proof, &parts[p].row[i]));
        }
        pare_text_append(out, "}");
    }
    pare_text_append(out, ",\n    \"frequencies\": [");
    for (int64_t i = 0; i < proof->frequencies; i++) {
        pare_text_append(out, "%s\n      {\"name\": ", i > 0 ? "," : "");
        pare_put_json_text(out, proof->frequency_name[i]);
        pare_text_append(out, ", \"frequency\": ");
        pare_put_json_real(out, proof->frequency[i]);
        pare_text_append(out, "}");
    }
    pare_text_append(out, "%s]\n  },\n", proof->frequencies > 0 ? "\n    " : "");
}

static pare_status refuse(pare_context *ctx, const char *path, const char *what,
                          const char *expected) {
    return pare_fail(ctx, PARE_ERROR_INPUT, "%s: proof.%s: expected %s", path, what, expected);
}

static pare_status read_part(pare_context *ctx, const char *path, const json_t *value, int64_t p,
                             pare_proof *proof) {
    bool present = !json_is_null(value) && value;
    if (!present) {
        return PARE_OK;
    }
    if (!json_is_object(value)) {
        return refuse(ctx, path, parts[p].name, "an object or null");
    }
    memcpy((char *)proof + parts[p].present, &present, sizeof present);
    for (int64_t i = 0; i < parts[p].count; i++) {
        const json_t *member = json_object_get(value, parts[p].row[i].name);
        if (member && !json_is_null(member) && !json_is_number(member)) {
            return refuse(ctx, path, parts[p].row[i].name, "a number or null");
        }
        double number_read = json_is_number(member) ? json_number_value(member) : (double)NAN;
        memcpy((char *)proof + parts[p].row[i].offset, &number_read, sizeof number_read);
    }
    return PARE_OK;
}

static pare_status read_frequencies(pare_context *ctx, const char *path, const json_t *list,
                                    pare_proof *proof) {
    if (!list || json_is_null(list)) {
        return PARE_OK;
    }
    int64_t count = (int64_t)json_array_size(list);
    if (!json_is_array(list)) {
        return refuse(ctx, path, "frequencies", "an array");
    }
    pare_status status =
        pare_alloc_zero(ctx, count, sizeof *proof->frequency_name, &proof->frequency_name);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count, sizeof *proof->frequency, &proof->frequency);
    }
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        const json_t *at = json_array_get(list, (size_t)i);
        const json_t *name = json_object_get(at, "name"), *value = json_object_get(at, "frequency");
        if (!json_is_string(name) || !json_is_number(value)) {
            return refuse(ctx, path, "frequencies", "objects with a name and a frequency");
        }
        status = pare_text_copy(ctx, json_string_value(name), (int64_t)json_string_length(name),
                                &proof->frequency_name[i]);
        if (status == PARE_OK) {
            pare_name_decode(proof->frequency_name[i]);
            proof->frequency[i] = json_number_value(value);
            proof->frequencies = i + 1;
        }
    }
    return status;
}

pare_status pare_report_read_proof(pare_context *ctx, const char *path, const struct json_t *top,
                                   pare_selection *record) {
    const json_t *all = json_object_get(top, "proof");
    if (!all || json_is_null(all)) {
        return PARE_OK;
    }
    if (!json_is_object(all)) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: proof: expected an object", path);
    }
    for (int64_t p = 0; p < COUNT(parts); p++) {
        pare_status status =
            read_part(ctx, path, json_object_get(all, parts[p].name), p, &record->proof);
        if (status != PARE_OK) {
            return status;
        }
    }
    return read_frequencies(ctx, path, json_object_get(all, "frequencies"), &record->proof);
}

/* ---- Sentences ----------------------------------------------------------------------------- */

const char *pare_report_verdict(const pare_item *item) {
    return item->verdict == PARE_VERDICT_EVERY  ? "in every optimum"
           : item->verdict == PARE_VERDICT_NONE ? "in no optimum"
                                                : "";
}

/* A share in percent, rounded towards what is not promised. */
static double percent_down(double share) {
    return floor(share * 1000) / 10;
}

/* "12 columns", or what there are within the budget. */
static void say_any(const pare_selection *s, pare_text *out) {
    if (s->budget > 0) {
        char budget[PARE_REAL_SIZE];
        pare_text_append(out, "%s of cost at most %s", pare_report_noun(s),
                         pare_real_text(s->budget, budget));
    } else {
        pare_text_append(out, "%lld %s", (long long)s->count, pare_report_noun(s));
    }
}

static void say_share(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    bool several = s->count != 1;
    if (p->certificate.bound <= 0 && p->certificate.fraction <= 0) {
        pare_text_append(out, "no bound was reached in the time given: the certificate is empty");
        return;
    }
    pare_text_append(out,
                     "proved: with a linear model and ridge %g per row, %s reach%s at least "
                     "%.1f %% of the best loss reduction that any ",
                     p->certificate.ridge, several ? "these" : "this", several ? "" : "es",
                     percent_down(p->certificate.fraction));
    say_any(s, out);
    pare_text_append(out, " can reach");
}

/* Branch and bound. */
static void say_best(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    if (p->certificate.converged > 0) {
        pare_text_append(out, "proved: with a linear model and ridge %g per row, no ",
                         p->certificate.ridge);
        say_any(s, out);
        pare_text_append(out, " have a lower loss than %.6g per row, that of these",
                         p->certificate.loss);
    } else {
        say_share(s, out);
        pare_text_append(out, "; loss %.6g, bound %.6g per row", p->certificate.loss,
                         p->certificate.bound);
    }
    pare_text_append(out, " (branch and bound: %.0f nodes, %.1f s%s)", p->certificate.nodes,
                     p->certificate.seconds,
                     p->certificate.converged > 0 ? "" : "; stopped before its end");
}

static void say_certificate(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    if (p->certificate.nodes > 0) {
        say_best(s, out);
        return;
    }
    say_share(s, out);
    pare_text_append(out, "; %.0f %s %s in every optimal subset, %.0f in none, %.0f undecided",
                     p->certificate.every, pare_report_noun(s),
                     p->certificate.every == 1 ? "is" : "are", p->certificate.none,
                     p->certificate.undecided);
    if (p->certificate.best_loss < p->certificate.loss * (1 - 1e-9)) {
        pare_text_append(out, "; a better subset was met (loss %.4g instead of %.4g per row)",
                         p->certificate.best_loss, p->certificate.loss);
    }
    pare_text_append(out, " (%.1f s%s)", p->certificate.seconds,
                     p->certificate.converged > 0
                         ? ""
                         : "; stopped by the time limit, this is the last valid bound");
}

static void say_stability(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    pare_text_append(out,
                     "stability: chosen in at least %g of %.0f half samples, %.3g in each; at most "
                     "%.2g of them are expected to be %s that a half sample chooses with "
                     "probability below %.3g (%.2g without the assumption of r-concavity)",
                     p->stability.threshold, 2 * p->stability.pairs, p->stability.each,
                     p->stability.bound, pare_report_noun(s), p->stability.low,
                     p->stability.plain_bound);
}

static void say_knockoffs(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    const char *kind = p->knockoffs.fixed > 0 ? "fixed-X" : "second-order Gaussian";
    if (!isfinite(p->knockoffs.threshold)) {
        pare_text_append(out,
                         "knockoffs (%s): nothing can be chosen with a false discovery rate of "
                         "%g or below; at least %.0f discoveries would be needed for that",
                         kind, p->knockoffs.level, ceil(1 / p->knockoffs.level));
        return;
    }
    pare_text_append(out,
                     "knockoffs (%s): the expected share of false choices is at most %g if the "
                     "copies fit the law of the %s; %.0f copies reached the threshold",
                     kind, p->knockoffs.level, pare_report_noun(s), p->knockoffs.negative);
}

static void say_promise(const pare_selection *s, pare_text *out) {
    const pare_proof *p = &s->proof;
    pare_text_append(out,
                     "on %.0f rows never used before, with confidence %g: the chosen cost at most "
                     "%.4g in mean loss against all %s (measured: %.4g)",
                     p->promise.rows, p->promise.confidence, p->promise.loss_increase_most,
                     pare_report_noun(s), p->promise.loss_increase);
    if (isfinite(p->promise.accuracy_drop_most)) {
        pare_text_append(out, ", and at most %.4g in accuracy (measured: %.4g)",
                         p->promise.accuracy_drop_most, p->promise.accuracy_drop);
    }
    if (isfinite(p->promise.tolerance)) {
        if (isfinite(p->promise.fewest)) {
            pare_text_append(out, "; %.0f are the fewest proved to cost at most %g",
                             p->promise.fewest, p->promise.tolerance);
        } else {
            pare_text_append(out, "; no number of them could be proved to cost at most %g",
                             p->promise.tolerance);
        }
    }
}

void pare_report_proof(const pare_selection *s, const char *before, const char *after,
                       pare_text *out) {
    static void (*const say[])(const pare_selection *, pare_text *) = {
        say_certificate, say_stability, say_knockoffs, say_promise};
    for (int64_t p = 0; p < COUNT(parts); p++) {
        if (part_present(&s->proof, p)) {
            pare_text_append(out, "%s", before);
            say[p](s, out);
            pare_text_append(out, "%s", after);
        }
    }
}
