/* Choice on all molecules, errors from resamples, and the same procedure scored on molecules held
 * out, of which neither choice nor fit knew. */
#include "base/random.h"
#include "base/text.h"
#include "platform/system.h"
#include "problem/chem/chem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
    const struct pare_chem *chem;
    int64_t rows, test_rows;
    int64_t *row, *test;
    double *weight; /* (rows) */
    int64_t *list;  /* (columns) */
    double *left;   /* (wanted) */
} work;

static void work_clear(work *w) {
    pare_context *ctx = w->chem->ctx;
    pare_free(ctx, w->row);
    pare_free(ctx, w->test);
    pare_free(ctx, w->weight);
    pare_free(ctx, w->list);
    pare_free(ctx, w->left);
}

/* Rows not held out (held: use chem->held), each of weight 1. */
static pare_status work_create(const struct pare_chem *chem, bool held, work *w) {
    const int64_t n = chem->molecules.count;
    *w = (work){.chem = chem};
    pare_status status = pare_alloc(chem->ctx, n, sizeof *w->row, &w->row);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, n, sizeof *w->test, &w->test);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, n, sizeof *w->weight, &w->weight);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, chem->columns, sizeof *w->list, &w->list);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, chem->wanted, sizeof *w->left, &w->left);
    }
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        if (held && chem->held[i]) {
            w->test[w->test_rows++] = i;
        } else {
            w->weight[w->rows] = 1;
            w->row[w->rows++] = i;
        }
    }
    return status;
}

/* ---- Score ---------------------------------------------------------------------------------- */

typedef struct ranked {
    double value;
    bool positive;
} ranked;

static int smaller_first(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* Mann and Whitney's statistic; ties count half. NaN without both classes. */
static double area(ranked *list, int64_t n) {
    double positives = 0, sum = 0;
    qsort(list, (size_t)n, sizeof *list, smaller_first);
    for (int64_t i = 0; i < n;) {
        int64_t end = i;
        double here = 0;
        for (; end < n && list[end].value == list[i].value; end++) {
            here += list[end].positive;
        }
        sum += here * ((double)(i + end - 1) / 2 + 1);
        positives += here;
        i = end;
    }
    double negatives = (double)n - positives;
    return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

static pare_status measure(const work *w, const double *got, pare_chem_score *out) {
    const struct pare_chem *chem = w->chem;
    const int64_t n = w->test_rows;
    double squares = 0, absolute = 0, logs = 0, right = 0, mean = 0, spread = 0;
    ranked *list = NULL;
    pare_status status = pare_alloc(chem->ctx, n, sizeof *list, &list);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        double y = chem->target[w->test[i]], off = got[i] - y;
        squares += off * off;
        absolute += fabs(off);
        logs -= log(fmax(y > 0 ? got[i] : 1 - got[i], 1e-12));
        right += (got[i] >= 0.5) == (y > 0);
        mean += y / (double)n;
        list[i] = (ranked){got[i], y > 0};
    }
    for (int64_t i = 0; i < n; i++) {
        double off = chem->target[w->test[i]] - mean;
        spread += off * off;
    }
    out->error = chem->binary ? logs / (double)n : sqrt(squares / (double)n);
    out->quality = chem->binary ? area(list, n) : 1 - squares / spread;
    out->accuracy = (chem->binary ? right : absolute) / (double)n;
    pare_free(chem->ctx, list);
    return PARE_OK;
}

/* Fits the first `count` of w->list on the rows and predicts the molecules held out. */
static pare_status predict(const work *w, int64_t count, pare_chem_chooser choose, double *got) {
    const struct pare_chem *chem = w->chem;
    pare_chem_fit fit = {0};
    double penalty = 0;
    pare_status status = pare_chem_penalty(chem, w->rows, w->row, count, w->list, choose, &penalty);
    if (status == PARE_OK) {
        status =
            pare_chem_fit_columns(chem, w->rows, w->row, w->weight, count, w->list, penalty, &fit);
    }
    for (int64_t i = 0; i < w->test_rows && status == PARE_OK; i++) {
        got[i] = pare_chem_predict(chem, &fit, w->list, w->test[i]);
    }
    pare_chem_fit_clear(chem->ctx, &fit);
    return status;
}

static void note_scored(struct pare_chem *chem, const work *w, int64_t count) {
    chem->scored_chosen = count;
    chem->scored_same = 0;
    for (int64_t c = 0; c < count; c++) {
        for (int64_t k = 0; k < chem->chosen; k++) {
            chem->scored_same += chem->choice[k].column == w->list[c];
        }
    }
}

static pare_status score(struct pare_chem *chem) {
    static const char *const names[PARE_CHEM_SCORES] = {"chosen", "best alone", "descriptors",
                                                        "mean"};
    static const pare_chem_chooser choosers[PARE_CHEM_SCORES] = {pare_chem_choose, pare_chem_rank};
    work w;
    double *got = NULL;
    int64_t count = 0;
    pare_status status = work_create(chem, true, &w);
    if (status == PARE_OK && (w.test_rows < 2 || w.rows < 2)) {
        status = pare_fail(chem->ctx, PARE_ERROR_INPUT,
                           "%s: %lld molecules are too few for option held-out", chem->path,
                           (long long)chem->molecules.count);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, w.test_rows, sizeof *got, &got);
    }
    for (int s = 0; s < PARE_CHEM_SCORES && status == PARE_OK; s++) {
        count = 0;
        if (choosers[s]) {
            status = choosers[s](chem, w.rows, w.row, w.weight, chem->wanted, &count, w.list, NULL);
        }
        if (s == 0) {
            note_scored(chem, &w, count);
        }
        for (int64_t j = 0; s == 2 && j < chem->columns; j++) {
            w.list[count] = j;
            count += chem->column[j].kind == PARE_CHEM_DESCRIPTOR;
        }
        status = status == PARE_OK ? predict(&w, count, choosers[s], got) : status;
        for (int64_t i = 0; s == 0 && i < w.test_rows && status == PARE_OK; i++) {
            chem->predicted[w.test[i]] = got[i];
        }
        chem->score[s].name = names[s];
        status = status == PARE_OK ? measure(&w, got, &chem->score[s]) : status;
    }
    chem->scored = status == PARE_OK;
    pare_free(chem->ctx, got);
    work_clear(&w);
    return status;
}

/* ---- Effects -------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Standard errors and intervals from the effects of the resamples: (chosen, resamples). */
static void find_errors(struct pare_chem *chem, double *effect) {
    const int64_t times = chem->options.resamples;
    for (int64_t c = 0; c < chem->chosen && times > 1; c++) {
        double sum = 0, square = 0, *list = effect + c * times;
        for (int64_t r = 0; r < times; r++) {
            sum += list[r] / (double)times;
        }
        for (int64_t r = 0; r < times; r++) {
            square += (list[r] - sum) * (list[r] - sum);
        }
        qsort(list, (size_t)times, sizeof *list, ascending);
        chem->choice[c].error = sqrt(square / (double)(times - 1));
        chem->choice[c].low = list[(int64_t)(0.025 * (double)times)];
        chem->choice[c].high = list[times - 1 - (int64_t)(0.025 * (double)times)];
    }
}

/* Refits the chosen and chooses anew on molecules drawn with replacement; what is chosen goes to
 * drawn. */
static pare_status resample_once(struct pare_chem *chem, work *w, const int64_t *chosen, int64_t r,
                                 double *effect, int64_t *count, int64_t *drawn) {
    const int64_t n = w->rows, times = chem->options.resamples;
    pare_chem_fit fit = {0};
    memset(w->weight, 0, (size_t)n * sizeof *w->weight);
    for (int64_t i = 0; i < n; i++) {
        w->weight[pare_random_below((uint64_t)chem->options.seed, PARE_STREAM_METHOD,
                                    (uint64_t)(r * n + i), n)] += 1;
    }
    pare_status status = pare_chem_fit_columns(chem, n, w->row, w->weight, chem->chosen, chosen,
                                               chem->penalty, &fit);
    for (int64_t c = 0; c < chem->chosen && status == PARE_OK; c++) {
        effect[c * times + r] = fit.b[c];
    }
    pare_chem_fit_clear(chem->ctx, &fit);
    if (status == PARE_OK) {
        status = pare_chem_choose(chem, n, w->row, w->weight, chem->wanted, count, drawn, NULL);
    }
    for (int64_t k = 0; k < *count && status == PARE_OK; k++) {
        for (int64_t c = 0; c < chem->chosen; c++) {
            chem->choice[c].chosen += drawn[k] == chosen[c] ? 1 / (double)times : 0;
        }
    }
    return status;
}

/* effect: (chosen, resamples). */
static pare_status resample(struct pare_chem *chem, work *w, const int64_t *chosen,
                            double *effect) {
    const int64_t times = chem->options.resamples;
    int64_t *start = NULL, *drawn = NULL;
    pare_status status = pare_alloc_zero(chem->ctx, times + 1, sizeof *start, &start);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, times * chem->wanted, sizeof *drawn, &drawn);
    }
    for (int64_t r = 0; r < times && status == PARE_OK; r++) {
        int64_t count = 0;
        status = resample_once(chem, w, chosen, r, effect, &count, drawn + start[r]);
        start[r + 1] = start[r] + count;
    }
    if (status == PARE_OK) {
        find_errors(chem, effect);
        status = pare_chem_agree(chem, times, start, drawn, &chem->agreement);
    }
    pare_free(chem->ctx, start);
    pare_free(chem->ctx, drawn);
    return status;
}

static bool has(const struct pare_chem *chem, int64_t molecule, int64_t column) {
    for (int64_t k = chem->start[molecule]; k < chem->start[molecule + 1]; k++) {
        if (chem->index[k] == column) {
            return true;
        }
    }
    return false;
}

/* Molecules that have the column with the most extreme target, of different scaffolds where
 * possible; sign 1: highest. */
static int64_t examples(const struct pare_chem *chem, int64_t column, double sign, int64_t *out) {
    int64_t count = 0;
    for (int turn = 0; turn < 2 * PARE_CHEM_EXAMPLES && count < PARE_CHEM_EXAMPLES; turn++) {
        int64_t best = -1;
        for (int64_t i = 0; i < chem->molecules.count; i++) {
            bool used = !has(chem, i, column);
            for (int64_t e = 0; e < count && !used; e++) {
                used = out[e] == i ||
                       (turn < PARE_CHEM_EXAMPLES &&
                        chem->molecules.scaffold[out[e]] == chem->molecules.scaffold[i]);
            }
            if (!used && (best < 0 || sign * chem->target[i] > sign * chem->target[best])) {
                best = i;
            }
        }
        if (best >= 0 && (!chem->binary || (chem->target[best] > 0) == (sign > 0))) {
            out[count++] = best;
        }
    }
    return count;
}

static pare_status name_choice(const struct pare_chem *chem, pare_chem_choice *c) {
    const pare_chem_column *column = &chem->column[c->column];
    const char *name = "", *pattern = "";
    char *fragment = NULL, *exact = NULL;
    pare_chem_places places = {0};
    pare_status status = PARE_OK;
    if (column->kind == PARE_CHEM_ENVIRONMENT) {
        const pare_environment *e = &chem->environments.kind[column->of];
        status = pare_chem_find(chem, e->molecule, column->of, &places);
        if (status == PARE_OK && places.count > 0) {
            const void *molecule = chem->molecules.molecule[e->molecule];
            fragment = chem->toolkit->fragment(molecule, &places.part[0], 0);
            exact = chem->toolkit->fragment(molecule, &places.part[0], 1);
        }
        pattern = exact ? exact : "";
        name = fragment && e->radius > 0 ? fragment : pattern;
    } else {
        name = chem->bit ? chem->bit[c->column] : chem->toolkit->descriptor[column->of];
    }
    if (status == PARE_OK) {
        status = pare_text_copy(chem->ctx, name, (int64_t)strlen(name), &c->name);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(chem->ctx, pattern, (int64_t)strlen(pattern), &c->pattern);
    }
    if (chem->toolkit) {
        chem->toolkit->release_text(fragment);
        chem->toolkit->release_text(exact);
    }
    pare_chem_places_clear(&places);
    return status;
}

static pare_status describe(struct pare_chem *chem) {
    pare_status status = PARE_OK;
    for (int64_t c = 0; c < chem->chosen && status == PARE_OK; c++) {
        pare_chem_choice *choice = &chem->choice[c];
        double with = 0, without = 0;
        for (int64_t i = 0; i < chem->molecules.count; i++) {
            double *sum = has(chem, i, choice->column) ? &with : &without;
            *sum += chem->target[i];
        }
        int64_t count = chem->column[choice->column].molecules;
        choice->with = count > 0 ? with / (double)count : NAN;
        choice->without =
            count < chem->molecules.count ? without / (double)(chem->molecules.count - count) : NAN;
        choice->high_count = examples(chem, choice->column, 1, choice->high_example);
        choice->low_count = examples(chem, choice->column, -1, choice->low_example);
        status = name_choice(chem, choice);
    }
    return status;
}

static pare_status choose_all(struct pare_chem *chem) {
    work w;
    int64_t *chosen = NULL, count = 0;
    double *effect = NULL;
    pare_chem_fit fit = {0};
    pare_status status = work_create(chem, false, &w);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, chem->wanted, sizeof *chosen, &chosen);
    }
    if (status == PARE_OK) {
        status =
            pare_chem_choose(chem, w.rows, w.row, w.weight, chem->wanted, &count, chosen, w.left);
    }
    if (status == PARE_OK && count == 0) {
        status =
            pare_fail(chem->ctx, PARE_ERROR_INPUT,
                      "%s: nothing occurs in 3 molecules and differs between them", chem->path);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, count, sizeof *chem->choice, &chem->choice);
    }
    if (status == PARE_OK) {
        chem->chosen = count;
        status =
            pare_chem_penalty(chem, w.rows, w.row, count, chosen, pare_chem_choose, &chem->penalty);
    }
    if (status == PARE_OK) {
        status = pare_chem_fit_columns(chem, w.rows, w.row, w.weight, count, chosen, chem->penalty,
                                       &fit);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, count * chem->options.resamples, sizeof *effect, &effect);
    }
    if (status == PARE_OK) {
        chem->intercept = fit.intercept;
        for (int64_t c = 0; c < count; c++) {
            chem->choice[c].column = chosen[c];
            chem->choice[c].left = w.left[c];
            chem->choice[c].effect = fit.b[c];
            chem->choice[c].error = chem->choice[c].low = chem->choice[c].high = NAN;
        }
        status = resample(chem, &w, chosen, effect);
    }
    status = status == PARE_OK ? describe(chem) : status;
    pare_chem_fit_clear(chem->ctx, &fit);
    pare_free(chem->ctx, effect);
    pare_free(chem->ctx, chosen);
    work_clear(&w);
    return status;
}

pare_status pare_chem_analyse(struct pare_chem *chem) {
    double begin = pare_clock_seconds();
    if (chem->wanted > chem->columns) {
        chem->wanted = chem->columns;
    }
    pare_status status = choose_all(chem);
    if (status == PARE_OK) {
        status = pare_chem_split(chem);
    }
    if (status == PARE_OK && chem->held_count > 0) {
        status = score(chem);
    }
    chem->seconds = pare_clock_seconds() - begin;
    return status;
}
