#include "report/chem.h"
#include "report/format.h"
#include "report/names.h"
#include "report/values.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SKIPPED_SHOWN = 5, NAME_COLUMNS = 44 };

const char *pare_chem_number(double value, char *buffer, size_t size) {
    char text[PARE_NUMBER_SIZE];
    if (value == 0) {
        snprintf(buffer, size, "0");
        return buffer;
    }
    snprintf(buffer, size, "%s",
             pare_number_text(pare_number_format_of(fabs(value)), value, "-", text));
    return buffer;
}

const char *pare_chem_kind_word(const struct pare_chem *chem, const pare_chem_choice *choice) {
    static const char *const words[] = {"substructure", "descriptor", "fingerprint"};
    return words[chem->column[choice->column].kind];
}

static void put_fixed(pare_text *out, int width, double value, int decimals) {
    pare_text number = {.ctx = out->ctx};
    if (isfinite(value)) {
        pare_text_append_fixed(&number, value, decimals);
    }
    pare_text_append(out, " %*s", width, number.bytes ? number.bytes : "-");
    out->status = number.status != PARE_OK ? number.status : out->status;
    pare_text_clear(&number);
}

static void put_scores(const struct pare_chem *chem, pare_text *out) {
    const char *split = chem->options.chem_split == PARE_CHEM_SPLIT_SCAFFOLD && chem->toolkit
                            ? "of other scaffolds"
                            : "drawn at random";
    pare_text_append(out, "\nheld out, %lld molecules %s; chosen and fitted on the other %lld:\n",
                     (long long)chem->held_count, split,
                     (long long)(chem->molecules.count - chem->held_count));
    pare_text_append(out, "  %-14s %9s %9s %9s\n", "", chem->binary ? "AUC" : "RMSE",
                     chem->binary ? "accuracy" : "R2", chem->binary ? "log loss" : "MAE");
    for (int s = 0; s < PARE_CHEM_SCORES; s++) {
        const pare_chem_score *score = &chem->score[s];
        pare_text_append(out, "  %-14s", score->name);
        put_fixed(out, 9, chem->binary ? score->quality : score->error, 4);
        put_fixed(out, 9, chem->binary ? score->accuracy : score->quality, 4);
        put_fixed(out, 9, chem->binary ? score->error : score->accuracy, 4);
        pare_text_append(out, "\n");
    }
    pare_text_append(out, "  %lld of the %lld chosen there are in the table\n",
                     (long long)chem->scored_same, (long long)chem->scored_chosen);
}

void pare_chem_report(const struct pare_chem *chem, pare_text *out) {
    const pare_molecules *m = &chem->molecules;
    pare_text_append(out, "%lld molecules, %lld columns to choose from", (long long)m->count,
                     (long long)chem->columns);
    if (chem->toolkit) {
        pare_text_append(out, ": %lld substructures, %lld descriptors (%s)",
                         (long long)(chem->columns - chem->descriptors),
                         (long long)chem->descriptors, chem->toolkit->name);
    }
    pare_text_append(out, "\n");
    if (m->skipped > 0) {
        pare_text_append(out, "%lld of %lld rows were skipped:\n", (long long)m->skipped,
                         (long long)m->rows);
        for (int64_t i = 0; i < m->skipped && i < SKIPPED_SHOWN; i++) {
            pare_text_append(out, "  line %lld: ", (long long)m->skip[i].line);
            pare_name_append_plain(out, m->skip[i].reason, 100);
            pare_text_append(out, "\n");
        }
    }
    pare_text_append(out, "\n%4s %-*s %9s %8s %19s %7s %6s %7s\n", "rank", (int)NAME_COLUMNS,
                     "name", chem->binary ? "log odds" : "effect", "error", "95 % interval",
                     "chosen", "in", "left");
    for (int64_t c = 0; c < chem->chosen; c++) {
        const pare_chem_choice *choice = &chem->choice[c];
        char a[PARE_NUMBER_SIZE], b[PARE_NUMBER_SIZE], interval[2 * PARE_NUMBER_SIZE + 8];
        snprintf(interval, sizeof interval, "%s .. %s", pare_chem_number(choice->low, a, sizeof a),
                 pare_chem_number(choice->high, b, sizeof b));
        pare_text_append(out, "%4lld ", (long long)c + 1);
        int64_t taken = pare_name_append_plain(out, choice->name, NAME_COLUMNS);
        pare_text_append(out, "%*s %9s %8s %19s", (int)(NAME_COLUMNS - taken), "",
                         pare_chem_number(choice->effect, a, sizeof a),
                         pare_chem_number(choice->error, b, sizeof b), interval);
        if (chem->options.resamples > 0) {
            pare_text_append(out, " %6.0f%%", 100 * choice->chosen);
        } else {
            pare_text_append(out, " %7s", "-");
        }
        pare_text_append(out, " %6lld", (long long)chem->column[choice->column].molecules);
        put_fixed(out, 7, choice->left, 4);
        pare_text_append(out, "\n");
    }
    pare_text_append(out,
                     "effect: of one occurrence against none; of a descriptor, of one standard "
                     "deviation more\nchosen: in how many resamples; in: molecules that have it; "
                     "left: share of the variance not yet explained\n");
    if (chem->agreement.choices > 1) {
        const pare_agreement *a = &chem->agreement;
        pare_text_append(out,
                         "agreement of the resamples: Jaccard %.2f, with columns that correlate by "
                         "0.8 or more %.2f, Kuncheva %.2f, Nogueira %.2f\n",
                         a->jaccard, a->jaccard_alike, a->kuncheva, a->nogueira);
    }
    if (chem->scored) {
        put_scores(chem, out);
    }
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void put_cell(pare_text *out, const char *text) {
    for (; *text; text++) { /* a tab or line end within a cell would move the others */
        pare_text_append_bytes(out, (unsigned char)*text < ' ' ? " " : text, 1);
    }
}

static void put_real(pare_text *out, double value) {
    char number[PARE_REAL_SIZE];
    pare_text_append(out, "\t%s", isfinite(value) ? pare_real_text(value, number) : "NA");
}

static void put_identity(const struct pare_chem *chem, const pare_chem_choice *choice,
                         pare_text *out) {
    const pare_chem_column *column = &chem->column[choice->column];
    if (column->kind == PARE_CHEM_ENVIRONMENT) {
        pare_text_append(out, "%016llx",
                         (unsigned long long)chem->environments.kind[column->of].identity);
    } else {
        put_cell(out, choice->name);
    }
}

static void render_features(const struct pare_chem *chem, pare_text *out) {
    pare_text_append(out, "RANK\tIDENTITY\tKIND\tNAME\tPATTERN\tEFFECT\tERROR\tLOW\tHIGH\tCHOSEN\t"
                          "MOLECULES\tMEAN_WITH\tMEAN_WITHOUT\tLEFT\n");
    for (int64_t c = 0; c < chem->chosen; c++) {
        const pare_chem_choice *choice = &chem->choice[c];
        pare_text_append(out, "%lld\t", (long long)c + 1);
        put_identity(chem, choice, out);
        pare_text_append(out, "\t%s\t", pare_chem_kind_word(chem, choice));
        put_cell(out, choice->name);
        pare_text_append(out, "\t");
        put_cell(out, choice->pattern);
        put_real(out, choice->effect);
        put_real(out, choice->error);
        put_real(out, choice->low);
        put_real(out, choice->high);
        put_real(out, chem->options.resamples > 0 ? choice->chosen : NAN);
        pare_text_append(out, "\t%lld", (long long)chem->column[choice->column].molecules);
        put_real(out, choice->with);
        put_real(out, choice->without);
        put_real(out, choice->left);
        pare_text_append(out, "\n");
    }
}

static void render_molecules(const struct pare_chem *chem, pare_text *out) {
    const pare_molecules *m = &chem->molecules;
    pare_text_append(out, "LINE\tROW\tSMILES\tTARGET\tSCAFFOLD\tPART\tPREDICTED\n");
    for (int64_t i = 0; i < m->count; i++) {
        pare_text_append(out, "%lld\t%lld\t", (long long)m->line[i], (long long)m->row[i]);
        put_cell(out, m->text[i]);
        put_real(out, m->target[i]);
        pare_text_append(out, "\t%lld\t%s", (long long)m->scaffold[i],
                         chem->held[i] ? "held_out" : "train");
        put_real(out, chem->predicted[i]);
        pare_text_append(out, "\n");
    }
}

/* Atoms (0-based, as written) of every place of every chosen substructure. */
static pare_status render_atoms(const struct pare_chem *chem, pare_text *out) {
    pare_status status = PARE_OK;
    pare_text_append(out, "RANK\tLINE\tCENTER\tATOMS\n");
    for (int64_t c = 0; c < chem->chosen; c++) {
        const pare_chem_column *column = &chem->column[chem->choice[c].column];
        for (int64_t i = 0; i < chem->molecules.count && column->kind == PARE_CHEM_ENVIRONMENT;
             i++) {
            pare_chem_places places = {0};
            bool has = false;
            for (int64_t k = chem->start[i]; k < chem->start[i + 1] && !has; k++) {
                has = chem->index[k] == chem->choice[c].column;
            }
            if (!has) {
                continue;
            }
            status = pare_chem_find(chem, i, column->of, &places);
            if (status != PARE_OK) {
                return status;
            }
            for (int32_t p = 0; p < places.count; p++) {
                const pare_part *part = &places.part[p];
                pare_text_append(out, "%lld\t%lld\t%d\t", (long long)c + 1,
                                 (long long)chem->molecules.line[i], (int)part->center);
                for (int32_t a = 0; a < part->atoms; a++) {
                    pare_text_append(out, a ? ",%d" : "%d", (int)part->atom[a]);
                }
                pare_text_append(out, "\n");
            }
            pare_chem_places_clear(&places);
        }
    }
    return PARE_OK;
}

static void render_skipped(const struct pare_chem *chem, pare_text *out) {
    const pare_molecules *m = &chem->molecules;
    pare_text_append(out, "LINE\tREASON\tTEXT\n");
    for (int64_t i = 0; i < m->skipped; i++) {
        pare_text_append(out, "%lld\t", (long long)m->skip[i].line);
        put_cell(out, m->skip[i].reason);
        pare_text_append(out, "\t");
        put_cell(out, m->skip[i].text);
        pare_text_append(out, "\n");
    }
}

static json_t *real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *agreement_object(const pare_agreement *a) {
    return json_pack("{s:o, s:o, s:o, s:o}", "jaccard", real(a->jaccard), "jaccard_alike",
                     real(a->jaccard_alike), "kuncheva", real(a->kuncheva), "nogueira",
                     real(a->nogueira));
}

static pare_status render_card(const struct pare_chem *chem, pare_text *out) {
    json_t *names = json_array(), *scores = json_object();
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", PARE_VERSION_MAJOR, PARE_VERSION_MINOR,
             PARE_VERSION_PATCH);
    for (int64_t c = 0; c < chem->chosen; c++) {
        json_array_append_new(names, json_string(chem->choice[c].name));
    }
    for (int s = 0; s < PARE_CHEM_SCORES && chem->scored; s++) {
        const pare_chem_score *score = &chem->score[s];
        json_t *one = json_object();
        json_object_set_new(one, chem->binary ? "log_loss" : "rmse", real(score->error));
        json_object_set_new(one, chem->binary ? "auc" : "r2", real(score->quality));
        json_object_set_new(one, chem->binary ? "accuracy" : "mae", real(score->accuracy));
        json_object_set_new(scores, score->name, one);
    }
    json_t *card = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:s, s:I, s:I, s:o, "
        "s:o, s:o}",
        "program", "pare chem", "version", version, "toolkit",
        chem->toolkit ? chem->toolkit->name : "", "task", chem->binary ? "binary" : "regression",
        "molecules", (json_int_t)chem->molecules.count, "skipped",
        (json_int_t)chem->molecules.skipped, "columns", (json_int_t)chem->columns, "descriptors",
        (json_int_t)chem->descriptors, "radius", (json_int_t)chem->options.radius, "seed",
        (json_int_t)chem->options.seed, "resamples", (json_int_t)chem->options.resamples, "penalty",
        chem->penalty, "intercept", chem->intercept, "split",
        chem->options.chem_split == PARE_CHEM_SPLIT_SCAFFOLD && chem->toolkit ? "scaffold"
                                                                              : "random",
        "held_out", (json_int_t)chem->held_count, "chosen_again_in_score",
        (json_int_t)chem->scored_same, "chosen", names, "scores", scores, "agreement_of_resamples",
        agreement_object(&chem->agreement));
    return pare_put_card(out, card);
}

pare_status pare_chem_write(const struct pare_chem *chem, const char *stem) {
    enum { FILES = 5 };
    static const char *const endings[FILES] = {"features.tsv", "molecules.tsv", "atoms.tsv",
                                               "skipped.tsv", "json"};
    pare_text text[FILES];
    for (int f = 0; f < FILES; f++) {
        text[f] = (pare_text){.ctx = chem->ctx};
    }
    render_features(chem, &text[0]);
    render_molecules(chem, &text[1]);
    pare_status status = chem->toolkit ? render_atoms(chem, &text[2]) : PARE_OK;
    render_skipped(chem, &text[3]);
    if (status == PARE_OK) {
        status = render_card(chem, &text[4]); /* all are there before the first is written */
    }
    for (int f = 0; f < FILES; f++) {
        if (status == PARE_OK && text[f].bytes) {
            status = pare_save_part(&text[f], stem, endings[f]);
        }
    }
    for (int f = 0; f < FILES; f++) {
        pare_text_clear(&text[f]);
    }
    return status;
}
